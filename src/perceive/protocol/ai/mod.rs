//! Calls of language models: what is asked of whom, and what it has cost.
//!
//! [`Endpoint`] says what a path asks for, [`QuestionReader`] reads the request, [`AnswerReader`] the response while it
//! passes. The formats are those that the providers publish; what a provider counts is taken from its own figures and
//! nowhere else. [`Call`] joins them for one exchange. Read next: `call.rs`, `endpoint.rs`, `question.rs`, `answer.rs`.

mod endpoint;
mod tokens;
mod matter;
mod question;
mod usage;
mod facts;
mod answer;
mod call;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerReader};
pub use call::Call;
pub use endpoint::{Endpoint, Operation};
pub use question::{Malformed, Question, QuestionReader};
pub use tokens::{Tokenizer, warm};
pub use usage::{Billed, Usage};
