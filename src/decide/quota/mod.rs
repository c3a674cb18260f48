//! Quotas: how much may go, and when. Arithmetic alone; time is an argument, and whoever asks does the waiting.

mod pace;
mod rates;
mod share;

pub use pace::Pace;
pub use rates::{Excess, Rates};
pub use share::Share;
