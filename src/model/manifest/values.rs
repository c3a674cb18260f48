//! Values that many kinds share: names, host patterns, networks, labels, durations, sizes.
//!
//! Each reader stands behind the form it reads, notes its own mistake and the way to mend it, and returns nothing then.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::fields::Item;
use super::report::quoted;
use super::schema::{Form, Shape};
use super::tree::Value;
use crate::model::types::HostPattern;
use crate::model::types::host::{HostNameError, MAX_HOST_NAME};

/// Longest label value and name part of a label key (Kubernetes, "Labels and Selectors").
const LABEL_CHARS: usize = 63;

/// Anything, on any number of lines: what is kept and has no meaning here.
pub static ANY: Form = Form { words: "text", pattern: "", longest: usize::MAX };

/// A short text that is read.
pub static WORD: Form = Form { words: "text", pattern: r"\S", longest: MAX_HOST_NAME };

/// A name as Kubernetes has it.
pub static NAME: Form =
    Form { words: "name", pattern: r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", longest: MAX_HOST_NAME };

/// A name as Kubernetes has it (RFC 1123 subdomain): lower-case letters, digits, `-` and `.`.
pub fn name(item: &Item<'_>) -> Option<Arc<str>> {
    let text = item.text_of(&NAME)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = text.len() <= MAX_HOST_NAME
        && text.starts_with(plain)
        && text.ends_with(plain)
        && text.chars().all(|c| plain(c) || c == '-' || c == '.');
    if !fits {
        let message = format!("{} {} is not a name", item.name, quoted(text));
        item.mistake_hint(message, "names have at most 253 lower-case letters, digits, `-` and `.`");
        return None;
    }
    Some(text.into())
}

/// A short text that people chose, such as a team.
pub fn word(item: &Item<'_>) -> Option<Arc<str>> {
    item.text_of(&WORD).map(Arc::from)
}

/// A host name, or `*.` and a host name.
pub static HOST: Form =
    Form { words: "host, `*.` in front stands for one label", pattern: r"^(\*\.)?[^*/:\s]+$", longest: 1024 };

/// A host name, or `*.` and a host name.
pub fn host_pattern(item: &Item<'_>) -> Option<HostPattern> {
    let text = item.text_of(&HOST)?;
    match HostPattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            host_mistake(item, text, error);
            None
        }
    }
}

/// Says why a text is no host.
pub fn host_mistake(item: &Item<'_>, text: &str, error: HostNameError) {
    let hint = if text.starts_with("*.*.") || text.starts_with("**") {
        Some("a wildcard stands for one label; list the names below it, or a wildcard for each".to_owned())
    } else if text == "*" {
        Some("a wildcard needs a domain, such as `*.example.com`".to_owned())
    } else if text.contains('*') {
        Some("a wildcard is a whole first label, such as `*.example.com`".to_owned())
    } else if error == HostNameError::Address {
        Some("addresses are named by `destinationCIDRs` in an EgressL4Route".to_owned())
    } else if text.contains("://") || text.contains('/') {
        Some("give the host alone, without scheme and path".to_owned())
    } else if text.contains(':') {
        Some("give the host alone: no port belongs into it".to_owned())
    } else {
        None
    };
    item.scope.mistake(item.span(), format!("host {} {error}", quoted(text)), hint);
}

/// A number from 0 to 1.
pub fn share(item: &Item<'_>) -> Option<f32> {
    match item.node().value {
        Value::Int(number @ 0..=1) => return Some(number as f32),
        Value::Float(number) if (0.0..=1.0).contains(&number) => return Some(number as f32),
        _ => item.mistake(format!("{} {} is not a number from 0 to 1", quoted(item.name), item.written())),
    }
    None
}

/// A network with the length of its prefix.
pub static NETWORK: Form =
    Form { words: "network such as `10.0.0.0/8`", pattern: "^[0-9A-Fa-f:.]+/[0-9]{1,3}$", longest: 64 };

/// A network whose host bits are zero.
pub fn network(item: &Item<'_>) -> Option<IpNet> {
    let text = item.text_of(&NETWORK)?;
    let Ok(net) = text.parse::<IpNet>() else {
        let message = format!("{} is not a network", quoted(text));
        match text.parse::<IpAddr>() {
            Ok(address) => {
                item.mistake_hint(message, format!("write {}", quoted(&IpNet::from(address).to_string())))
            }
            Err(_) => item.mistake_hint(message, "write an address, `/` and the length of its prefix"),
        }
        return None;
    };
    if net.addr() != net.network() {
        let message = format!("{} has bits set after its first {}", quoted(text), net.prefix_len());
        let (whole, host) = (net.trunc().to_string(), IpNet::from(net.addr()).to_string());
        item.mistake_hint(
            message,
            format!("write {}, or {} for this address alone", quoted(&whole), quoted(&host)),
        );
        return None;
    }
    if let IpNet::V6(v6) = net
        && let Some(mapped) = v6.addr().to_ipv4_mapped()
        && v6.prefix_len() >= 96
    {
        let plain = format!("{mapped}/{}", v6.prefix_len() - 96);
        item.mistake_hint(
            format!("{} is an IPv4 network", quoted(text)),
            format!("write {}", quoted(&plain)),
        );
        return None;
    }
    Some(net)
}

/// The key of a label.
pub static LABEL_KEY: Form = Form {
    words: "label key",
    pattern: r"^([^/\s]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$",
    longest: MAX_HOST_NAME + 1 + LABEL_CHARS,
};

/// The value of a label; it may be empty.
pub static LABEL_VALUE: Form = Form {
    words: "label value",
    pattern: "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$",
    longest: LABEL_CHARS,
};

/// Labels: texts by key, both of the shape Kubernetes asks for.
pub const LABELS: Shape = Shape::Map { keys: &LABEL_KEY, values: &LABEL_VALUE };

/// Labels: texts by key, both of the shape Kubernetes asks for.
pub fn labels(item: &Item<'_>) -> BTreeMap<String, String> {
    let entries = item.entries().unwrap_or_default();
    entries.iter().filter_map(|entry| Some((label_key(entry)?, label_value(entry)?))).collect()
}

fn label_key(entry: &Item<'_>) -> Option<String> {
    label_key_text(entry.name, || {
        let hint =
            "keys have at most 63 letters, digits, `-`, `_` and `.`, and may have a domain and `/` in front";
        let message = format!("{} is not a label key", quoted(entry.name));
        entry.scope.mistake(entry.key_span(), message, Some(hint.into()));
    })
}

/// A label key given as a value.
pub fn label_key_of(item: &Item<'_>) -> Option<String> {
    let text = item.text_of(&LABEL_KEY)?;
    label_key_text(text, || item.mistake(format!("{} is not a label key", quoted(text))))
}

fn label_key_text(text: &str, mistake: impl FnOnce()) -> Option<String> {
    let (prefix, name) = text.split_once('/').unwrap_or(("x", text));
    if prefix.is_empty() || prefix.len() > MAX_HOST_NAME || name.is_empty() || !is_label(name) {
        mistake();
        return None;
    }
    Some(text.to_owned())
}

/// A label value; it may be empty.
pub fn label_value(item: &Item<'_>) -> Option<String> {
    let text = if item.node().text() == Some("") { "" } else { item.text()? };
    if !is_label(text) {
        let message = format!("{} is not a label value", quoted(text));
        item.mistake_hint(message, "values have at most 63 letters, digits, `-`, `_` and `.`");
        return None;
    }
    Some(text.to_owned())
}

fn is_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let inner = text.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.'));
    text.len() <= LABEL_CHARS
        && inner
        && (text.is_empty() || (text.starts_with(edge) && text.ends_with(edge)))
}

/// A span of time.
pub static DURATION: Form = Form {
    words: "duration such as `15m` or `PT4H`",
    pattern: "^([0-9]+[smhd]|P[0-9A-Za-z.,]+)$",
    longest: 64,
};

/// `4s`, `15m`, `2h`, `7d`, or ISO 8601 such as `PT4H` and `P7D`; above zero. A day has 24 hours.
pub fn duration(item: &Item<'_>) -> Option<Duration> {
    let text = item.text_of(&DURATION)?;
    let parsed = parse_duration(text).filter(|duration| !duration.is_zero());
    if parsed.is_none() {
        let message = format!("{} {} is not a duration", quoted(item.name), quoted(text));
        item.mistake_hint(message, "write it like `4s`, `15m`, `2h`, `7d` or `PT4H`");
    }
    parsed
}

/// As documents write it, in the longest unit that leaves no rest: `2h`, `90m`.
pub fn write_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fits = |unit: &u64| seconds != 0 && seconds.is_multiple_of(*unit) && duration.subsec_nanos() == 0;
    match [86_400, 3_600, 60, 1].into_iter().find(fits) {
        Some(86_400) => format!("{}d", seconds / 86_400),
        Some(3_600) => format!("{}h", seconds / 3_600),
        Some(60) => format!("{}m", seconds / 60),
        Some(_) => format!("{seconds}s"),
        None => format!("PT{}S", duration.as_secs_f64()),
    }
}

/// The same for a text; nothing if it is not a duration or longer than a human thinks of (10,000 years).
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text.starts_with('P') {
        // Weeks have no place beside other units (ISO 8601), and the kars reference takes neither them nor years.
        if text.contains(['W', 'w', 'Y', 'y']) {
            return None;
        }
        let span = text.parse::<jiff::Span>().ok()?;
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        return Duration::try_from(span.to_duration(days).ok()?).ok();
    }
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let seconds = match &text[digits..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    count.checked_mul(seconds).filter(|total| *total <= 10_000 * 366 * 86_400).map(Duration::from_secs)
}

/// A number of bytes: `256MiB`, `1GiB`, `500kB`, `4096`.
pub fn size(item: &Item<'_>) -> Option<u64> {
    let text = item.written();
    let parsed = if item.node().text().is_some() { parse_size(item.text()?) } else { parse_size(text) };
    if parsed.is_none() {
        let message = format!("{} {} is not a size", item.name, quoted(text));
        item.mistake_hint(message, "write it like `256MiB`, with KiB, MiB, GiB, kB, MB or GB");
    }
    parsed
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    count.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_that_was_read_is_written_in_the_longest_unit_that_leaves_no_rest() {
        for (text, written) in
            [("24h", "1d"), ("25h", "25h"), ("PT1H30M", "90m"), ("61s", "61s"), ("PT0.5S", "PT0.5S")]
        {
            let duration = parse_duration(text).unwrap();
            assert_eq!(write_duration(duration), written, "{text}");
            assert_eq!(parse_duration(written), Some(duration), "{text}");
        }
    }

    #[test]
    fn durations_are_written_like_this() {
        let seconds = |text| parse_duration(text).map(|d| d.as_secs());
        for (text, expected) in [
            ("4s", 4),
            ("15m", 900),
            ("2h", 7200),
            ("7d", 604_800),
            ("PT4H", 14_400),
            ("P7D", 604_800),
            ("P1DT1S", 86_401),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "4",
            "s",
            "-4s",
            "4 s",
            "4w",
            "P1M",
            "P1W",
            "P1Y",
            "PT",
            "-PT4H",
            "99999999999999999999s",
            "9999999999999d",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_like_this() {
        for (text, expected) in [("256MiB", 256 << 20), ("1GiB", 1 << 30), ("500kB", 500_000), ("4096", 4096)]
        {
            assert_eq!(parse_size(text), Some(expected), "{text}");
        }
        for text in ["", "MiB", "1mib", "1.5GiB", "-1", "99999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
