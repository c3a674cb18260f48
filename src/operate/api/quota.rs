//! Budgets as the wire carries them: how each limit stands, and what an operator gives.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::model::types::Timestamp;

/// How one limit stands for one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The document: `BudgetPolicy/red-team-day`.
    pub policy: String,
    /// Whose usage counts together: `Team/red`. Absent while nobody has used any of it and each counts by himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What is counted: `tokens`, `usd`, `requests`, `bytes`, `bytes-up`, `bytes-down`, `calls`.
    pub unit: String,
    /// In which time: `day`, `month (Europe/Berlin)`, `rolling hour`, `execution`.
    pub window: String,
    /// What happens where it is reached: `HardStop`, `SoftStop`, `Throttle`, `AlertOnly`.
    pub mode: String,
    /// How much there is.
    pub max: Number,
    /// How much of it is used, with what is reserved; less than nothing where more was granted.
    pub used: Number,
    /// How much of that is reserved by what is underway, and may come back.
    pub reserved: Number,
    /// How much is left; less than nothing where it has been passed.
    pub left: Number,
    /// When all of it counts anew; of a rolling window, when some of it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<Timestamp>,
}

/// Give a budget more, or begin it anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaQuery {
    /// The document, `BudgetPolicy/NAME` or `NAME`.
    pub policy: String,
    /// Whose usage; absent where there is but one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// In what; absent for all units of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How much more, as it is written: `50000`, or of money `2.50`. Absent to begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Why.
    pub reason: String,
}
