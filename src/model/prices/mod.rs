//! What tokens of models cost, by provider and model: the catalogue in the program, and the administrator's own prices over it.
//!
//! Prices are whole nano-dollars per million tokens, and costs are rounded up: no floating point anywhere. Nothing here says what
//! a call has used. Read next: `read.rs`; the figures stand in `prices/models.yaml`.

use std::collections::BTreeMap;

use super::manifest::{Report, SourceFile};
use super::types::{Billed, Provider};

mod read;
mod spelling;

/// Tokens that a price is for.
const TOKENS: u128 = 1_000_000;

/// The catalogue in the program.
const SHIPPED: &str = include_str!("../../../prices/models.yaml");

/// What tokens of one model cost, in nano-dollars per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Of input that no cache had.
    pub input: u64,
    /// Of output, thoughts included.
    pub output: u64,
    /// Of input that a cache had; that of input where none is known.
    pub cache_read: u64,
    /// Of input that a cache has kept; that of input where none is known.
    pub cache_write: u64,
    /// The same where it keeps that for an hour; twice that of input where none is known.
    pub cache_write_hour: u64,
    /// Tokens that one answer has at most, where that is known.
    pub max_output: Option<u64>,
    /// What everything costs of a call whose input is long.
    pub long: Option<Long>,
}

/// Prices of calls with long input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Long {
    /// Tokens of input, those of caches among them, past which these prices hold.
    pub above: u64,
    /// As [`Price::input`].
    pub input: u64,
    /// As [`Price::output`].
    pub output: u64,
    /// As [`Price::cache_read`].
    pub cache_read: u64,
    /// As [`Price::cache_write`].
    pub cache_write: u64,
    /// As [`Price::cache_write_hour`].
    pub cache_write_hour: u64,
}

impl Price {
    /// What was used costs, in nano-dollars, rounded up.
    pub fn cost(&self, used: &Billed) -> u64 {
        let Billed { input, cache_read, cache_write, cache_write_hour, output } = *used;
        let tokens = [input, cache_read, cache_write, cache_write_hour, output];
        let whole: u128 = tokens[..4].iter().map(|tokens| u128::from(*tokens)).sum();
        let each = match self.long {
            Some(long) if whole > u128::from(long.above) => {
                [long.input, long.cache_read, long.cache_write, long.cache_write_hour, long.output]
            }
            _ => [self.input, self.cache_read, self.cache_write, self.cache_write_hour, self.output],
        };
        let cost = tokens
            .iter()
            .zip(each)
            .fold(0_u128, |sum, (tokens, price)| sum.saturating_add(u128::from(*tokens) * u128::from(price)));
        u64::try_from(cost.div_ceil(TOKENS)).unwrap_or(u64::MAX)
    }
}

/// Prices by provider and model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// Of one model, dated versions of it included.
    exact: BTreeMap<(Provider, Box<str>), Price>,
    /// Of all models whose names begin so, the longest beginning first.
    beginning: Vec<(Provider, Box<str>, Price)>,
}

impl Prices {
    /// The catalogue in the program.
    pub fn shipped() -> Self {
        let file = SourceFile::new("prices/models.yaml", SHIPPED.as_bytes());
        Self::read(&file).expect("invariant: the catalogue in the program is read by a test")
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    /// A report of every mistake, ordered by place.
    pub fn read(file: &SourceFile) -> Result<Self, Report> {
        read::read(file)
    }

    /// These, and over them the others: for the same provider and model, or beginning, theirs hold.
    #[must_use]
    pub fn overridden(mut self, others: Self) -> Self {
        self.exact.extend(others.exact);
        for (provider, beginning, price) in others.beginning {
            self.beginning.retain(|(known, same, _)| (*known, same) != (provider, &beginning));
            self.beginning.push((provider, beginning, price));
        }
        self.in_order()
    }

    /// How many models and beginnings have a price.
    pub fn count(&self) -> usize {
        self.exact.len() + self.beginning.len()
    }

    fn in_order(mut self) -> Self {
        self.beginning.sort_by(|(_, one, _), (_, other, _)| (other.len(), other).cmp(&(one.len(), one)));
        self
    }

    /// The price of a model, as requests or answers name it: that of its own name, then of the name without version, date or
    /// region, then of the longest beginning.
    pub fn of(&self, provider: Provider, model: &str) -> Option<&Price> {
        let spellings = spelling::spellings(provider, model);
        let exact = spellings.iter().find_map(|name| self.exact.get(&(provider, Box::from(*name))));
        exact.or_else(|| {
            spellings.iter().find_map(|name| {
                let begins =
                    |known: &Provider, beginning: &str| *known == provider && name.starts_with(beginning);
                self.beginning
                    .iter()
                    .find(|(known, beginning, _)| begins(known, beginning))
                    .map(|(.., price)| price)
            })
        })
    }
}

#[cfg(test)]
mod tests;
