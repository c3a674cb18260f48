//! What a call may come to before anybody knows: what a reservation is made of.

use super::endpoint::Operation;
use super::question::{Caching, Question};
use crate::model::types::limits::DEFAULT_OUTPUT_TOKENS;

/// The most that a call is expected to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Tokens of input, as estimated.
    pub input: u64,
    /// Whether caches are to keep some of it.
    pub caching: Caching,
    /// Tokens of output at most, of all choices together.
    pub output: u64,
    /// Whether the answer is streamed, so that it can be ended on its way.
    pub streams: bool,
    /// Whether the request itself bounds the output, or the operation has none.
    pub is_bounded: bool,
}

impl Demand {
    /// Of this question. `most` is what its model can generate for one choice, where that is known.
    pub fn of(question: &Question, operation: Operation, most: Option<u64>) -> Self {
        let Question { input_estimate: input, stream: streams, caching, .. } = *question;
        if !operation.generates() {
            return Self { input, caching, output: 0, streams, is_bounded: true };
        }
        let each = question.max_output.or(most).unwrap_or(DEFAULT_OUTPUT_TOKENS);
        let output = each.saturating_mul(question.choices.max(1));
        Self { input, caching, output, streams, is_bounded: question.max_output.is_some() }
    }

    /// Both together.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(max_output: Option<u64>, choices: u64) -> Question {
        Question {
            model: None,
            stream: true,
            wants_usage: false,
            max_output,
            choices,
            tools: Vec::new(),
            tools_offered: 0,
            input_estimate: 10,
            caching: Caching::Unsaid,
        }
    }

    fn of(max_output: Option<u64>, choices: u64, most: Option<u64>) -> (u64, bool) {
        let demand = Demand::of(&question(max_output, choices), Operation::Chat, most);
        assert_eq!(demand.total(), demand.output.saturating_add(10));
        (demand.output, demand.is_bounded)
    }

    #[test]
    fn the_requests_own_bound_counts_then_the_models_then_the_gateways() {
        assert_eq!(of(Some(50), 1, Some(9000)), (50, true));
        assert_eq!(of(None, 1, Some(9000)), (9000, false));
        assert_eq!(of(None, 1, None), (DEFAULT_OUTPUT_TOKENS, false));
    }

    #[test]
    fn every_choice_counts_and_nothing_overflows() {
        assert_eq!(of(Some(50), 4, None), (200, true));
        assert_eq!(of(Some(50), 0, None), (50, true), "none asked for is one");
        assert_eq!(of(Some(u64::MAX), 2, None), (u64::MAX, true));
    }

    #[test]
    fn what_generates_nothing_has_no_output() {
        let demand = Demand::of(&question(None, 1), Operation::Embeddings, Some(9000));
        assert_eq!((demand.output, demand.is_bounded), (0, true));
    }
}
