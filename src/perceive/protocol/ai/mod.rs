//! Calls of language models: what is asked of whom, and what it has cost.
//!
//! [`Endpoint`] says what a path asks for, [`QuestionReader`] reads the request, [`AnswerReader`] the response while it
//! passes. The formats are those that the providers publish; what a provider counts is taken from its own figures and
//! nowhere else. [`Call`] joins them for one exchange, and [`Ending`] ends one on its way;
//! [`Screen`] lets on what its provider's annotations do. Read next: `call.rs`, `endpoint.rs`, `question.rs`, `answer.rs`.

mod endpoint;
mod tokens;
mod matter;
mod question;
mod usage;
mod facts;
mod answer;
mod call;
mod whole;
mod demand;
mod dialect;
mod boundary;
mod ending;
mod safety;
mod screen;
mod fallback;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerReader};
pub use call::Call;
pub use demand::Demand;
pub use dialect::{Dialect, Fault, Refused};
pub use ending::Ending;
pub use endpoint::{Endpoint, Operation, may_spend};
pub use fallback::{Another, another, is_signed};
pub use question::{Caching, Malformed, Question, QuestionReader};
pub use safety::{Safety, Violation};
pub use screen::Screen;
pub use tokens::{Tokenizer, warm};
pub use usage::Usage;
pub use whole::{Body, Unreadable, Whole};
