//! Secrets on a terminal, without their values.

use crate::cli::columns::{Cell, Columns};
use crate::cli::paint::{Paint, Style, safe};
use crate::cli::words;
use crate::model::types::Timestamp;
use crate::operate::api::SecretValue;

/// A line each: name, key, version, when, by whom, which policies name it, whether it can be used.
pub fn lines(secrets: &[SecretValue], now: Timestamp, paint: Paint) -> String {
    let row = |one: &SecretValue| {
        let state = if one.readable { Cell::default() } else { Cell::styled("cannot be opened", Style::Bad) };
        vec![
            Cell::from(one.name.as_str()),
            Cell::from(one.key.as_str()),
            Cell::from(format!("version {}", one.version).as_str()),
            Cell::from(words::clock(one.set_at, now).as_str()),
            Cell::from(one.set_by.as_str()),
            Cell::from(one.policies.join(", ").as_str()),
            state,
        ]
    };
    Columns::table(&secrets.iter().map(row).collect::<Vec<_>>(), paint)
}

/// What was set.
pub fn set(secrets: &[SecretValue]) -> String {
    let line = |one: &SecretValue| format!("{} is set: version {}\n", safe(&one.title()), one.version);
    secrets.iter().map(line).collect()
}

/// What was removed.
pub fn gone(secrets: &[SecretValue]) -> String {
    secrets.iter().map(|one| format!("{} is removed\n", safe(&one.title()))).collect()
}
