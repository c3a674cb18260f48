//! One record as a line for people: when, what became of it, who, what, why, by which document, and its id.

use serde_json::Value;

use crate::cli::columns::{Cell, Columns};
use crate::cli::paint::{Paint, Style};
use crate::cli::words;
use crate::model::types::Timestamp;

/// Lines that keep their columns while more come.
#[derive(Debug, Default)]
pub struct Table {
    columns: Columns,
}

impl Table {
    /// These rows as lines; widths grow with them and stay.
    pub fn lines(&mut self, rows: &[Value], now: Timestamp, paint: Paint) -> String {
        let cells: Vec<Vec<Cell>> = rows.iter().map(|row| cells(row, now)).collect();
        self.columns.fit(&cells);
        cells.iter().map(|row| self.columns.line(row, paint)).collect()
    }
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn cells(row: &Value, now: Timestamp) -> Vec<Cell> {
    let moment = Timestamp::parse(text(row, "timestamp")).map(|moment| words::clock(moment, now));
    let decision = text(row, "decision");
    let style = match decision {
        "deny" | "quarantine" => Style::Bad,
        "allow" => Style::Good,
        _ => Style::Warn,
    };
    let who = [text(row, "agent_id"), text(row, "source_address")].into_iter().find(|who| !who.is_empty());
    let status = row.get("status").map(Value::to_string).unwrap_or_default();
    let why =
        [text(row, "reason"), &status].into_iter().find(|why| !why.is_empty()).unwrap_or_default().to_owned();
    let id = text(row, "request_id");
    vec![
        Cell::from(moment.as_deref().unwrap_or_default()),
        Cell::styled(decision, style),
        Cell::from(who.unwrap_or("-")),
        Cell::from(asked(row).as_str()),
        Cell::from(why.as_str()),
        Cell::from(text(row, "policy_id")),
        Cell::styled(id.get(..13).unwrap_or(id), Style::Dim),
        Cell::from(found(row).as_str()),
    ]
}

/// `3 payment-card, 2 iban`: what was found in it, as far as it is told one by one.
fn found(row: &Value) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for one in row.get("dlp_matches").and_then(Value::as_array).into_iter().flatten() {
        let name = text(one, "detector");
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let mut said: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let more = row.get("dlp_matches_more").and_then(Value::as_u64);
    said.extend(more.map(|more| format!("{more} more")));
    said.join(", ")
}

/// `POST paste.example/upload`, `tcp 192.0.2.1:22`, `dns A paste.example`, `admin approve alice paste.example`.
fn asked(row: &Value) -> String {
    let (method, path) = match text(row, "kind") {
        "dns" => (text(row, "query_type"), text(row, "query_name")),
        "admin" | "system" => (text(row, "action"), text(row, "object")),
        _ => (text(row, "http_method"), text(row, "path")),
    };
    let port = row.get("destination_port").and_then(Value::as_u64);
    let host = match text(row, "destination_host") {
        "" => text(row, "destination_address"),
        host => host,
    };
    let with_port = |always: bool| match port {
        Some(port) if always || !matches!(port, 80 | 443) => {
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        }
        _ => host.to_owned(),
    };
    let parts = match text(row, "kind") {
        // What could not be read has no method.
        "request" if method.is_empty() => [text(row, "protocol").to_owned(), with_port(false)],
        "request" => [method.to_owned(), with_port(false) + path],
        "connection" => [text(row, "protocol").to_owned(), with_port(true)],
        "dns" => [format!("dns {method}"), if path.is_empty() { host } else { path }.to_owned()],
        "admin" => [format!("admin {method}"), path.to_owned()],
        kind => [kind.to_owned(), if method.is_empty() { path } else { method }.to_owned()],
    };
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The fields that come first when a record is shown whole.
const FIRST: [&str; 13] = [
    "timestamp",
    "request_id",
    "kind",
    "decision",
    "reason",
    "evidence",
    "policy_id",
    "rule",
    "agent_id",
    "source_address",
    "destination_host",
    "http_method",
    "path",
];

/// A record whole: a line for each field.
pub fn details(row: &Value, paint: Paint) -> String {
    let Some(fields) = row.as_object() else { return format!("{row}\n") };
    let first = FIRST.iter().filter_map(|name| Some((*name, fields.get(*name)?)));
    let rest =
        fields.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !FIRST.contains(name));
    let rows: Vec<Vec<Cell>> = first
        .chain(rest)
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            vec![Cell::styled(name, Style::Dim), Cell::whole(&value, Style::Plain)]
        })
        .collect();
    Columns::table(&rows, paint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_found_is_told_by_its_detectors() {
        let one = |name: &str| json!({"detector": name, "class": "pii"});
        let row = json!({"dlp_matches": [one("iban"), one("card"), one("iban")], "dlp_matches_more": 4});
        assert_eq!(found(&row), "2 iban, 1 card, 4 more");
        assert_eq!(found(&json!({})), "");
    }
}
