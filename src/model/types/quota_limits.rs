//! Bounds of what documents say of models, tools and amounts: past them a figure is a slip of the pen.
//!
//! Each has its unit in its type or name, and its reason. What peers control has its bounds in `limits.rs`, which names of
//! models and tools share.

use std::time::Duration;

/// Most of anything that one limit names, in the unit's own amounts: 10^18 tokens, requests or bytes, 10^9 US dollars. Sums of
/// some such amounts still fit 64 bits.
pub const AMOUNT_MOST: u64 = 1_000_000_000_000_000_000;
/// Most tokens, calls or requests that a field names which holds nothing else.
pub const COUNT_MOST: i64 = 1_000_000_000_000_000_000;
/// Digits behind the point of an amount of dollars: nano-dollars are what is counted.
pub const USD_DECIMALS: usize = 9;
/// Limits of one budget: one for each unit in each window, and room.
pub const BUDGET_LIMITS: usize = 64;
/// Most requests of one rate limit, or calls of a tool.
pub const RATE_REQUESTS_MOST: i64 = 1_000_000_000;
/// Most of them in each second of the window, as of a Throttle.
pub const RATE_PER_SECOND_MOST: u64 = 1_000_000;
/// The longest window of a rate limit; what holds for longer is a budget, which remembers across restarts.
pub const RATE_WINDOW_MOST: Duration = Duration::from_secs(31 * 86_400);
/// Bytes of the URL of an MCP server.
pub const SERVER_URL_BYTES: usize = 2048;
/// Models that one InferencePolicy names besides the primary: each costs another try.
pub const FALLBACK_MODELS: usize = 8;
/// Tools that one approval names, as many as hosts.
pub const APPROVAL_TOOLS: usize = 16;
/// The shortest pause that may end an execution: less would cut conversations apart.
pub const EXECUTION_IDLE_LEAST: Duration = Duration::from_secs(60);
/// The longest: a pause of a month ends whatever was going on.
pub const EXECUTION_IDLE_MOST: Duration = Duration::from_secs(31 * 86_400);
/// Bytes of a catalogue of prices: room for some ten thousand models.
pub const PRICES_BYTES: u64 = 4 * 1024 * 1024;
