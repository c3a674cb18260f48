//! Quotas: how much may go, and when. Arithmetic alone; time is an argument, and whoever asks does the waiting.
//!
//! A request that holds bind is charged before it goes (`accounts.rs`), stays charged until it is known what it used
//! (`reservation.rs`), and is counted by a time that nobody can turn (`moment.rs`). The ledger keeps the charges; nothing
//! here writes. Read next: `accounts.rs`.

mod pace;
mod rates;
mod share;
mod moment;
mod windows;
mod charge;
mod demand;
mod tally;
mod refused;
mod executions;
mod plan;
mod books;
mod reservation;
mod accounts;
pub mod usage;
#[cfg(test)]
mod tests;

pub use accounts::{Accounts, Past};
pub use books::{Figures, Terms};
pub use charge::{Account, Change, Charge, settle, split};
pub use demand::{Asker, Demand, Spent, Wanted};
pub use executions::Execution;
pub use moment::BudgetClock;
pub use pace::Pace;
pub use rates::{Excess, Rates};
pub use refused::{Refused, Shortage, amount, noun, window};
pub use reservation::{More, Reservation};
pub use share::Share;
pub use windows::{minute_of, moment_of};
