//! Calls of language models: what is asked of whom, and what it has cost.
//!
//! [`Endpoint`] says what a path asks for, [`QuestionReader`] reads the request. The formats are those that the providers
//! publish. Read next: `endpoint.rs`, `question.rs`.

mod endpoint;
mod tokens;
mod matter;
mod question;

pub use endpoint::{Endpoint, Operation};
pub use question::{Malformed, Question, QuestionReader};
pub use tokens::{Tokenizer, warm};
