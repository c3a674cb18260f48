//! Numbers, spans and moments as people read and write them.

use std::time::Duration;

use crate::model::types::Timestamp;

/// `18,204`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `7 files`.
pub fn several(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `1 h 22 min`: the two largest units.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// `24 us`, `1.3 ms`, `2.0 s`.
pub fn latency(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// `512 B`, `1.2 MiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let (mut tenths, mut unit) = (number * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `sha256:9f2c0a1b...`.
pub fn digest(text: &str) -> String {
    match text.char_indices().nth("sha256:".len() + 8) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// `13:40:02` where it is today, else `2026-01-02 13:40:02`; UTC.
pub fn clock(moment: Timestamp, now: Timestamp) -> String {
    let text = moment.to_string();
    let today = now.to_string();
    match (text.split_once('T'), today.split_once('T')) {
        (Some((day, time)), Some((this_day, _))) if time.len() > 8 => {
            let time = &time[..8];
            if day == this_day { time.to_owned() } else { format!("{day} {time}") }
        }
        _ => text,
    }
}

/// The same without seconds.
pub fn clock_minutes(moment: Timestamp, now: Timestamp) -> String {
    let mut text = clock(moment, now);
    text.truncate(text.len().saturating_sub(3));
    text
}

/// A span as the contract writes it: `4s`, `15m`, `2h`, `7d`, or ISO 8601 (`PT4H`, `P7D`), where a day has 24 hours.
pub fn parse_span(text: &str) -> Option<Duration> {
    if text.starts_with('P') {
        let span: jiff::Span = text.parse().ok()?;
        let exact = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
        return Duration::try_from(exact).ok();
    }
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
}

/// A moment on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(Duration),
    /// At this moment.
    At(Timestamp),
}

impl When {
    /// The moment meant, seen from now.
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(span) => {
                Timestamp(now.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
            }
        }
    }
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let moment = || Timestamp::parse(text).map(Self::At);
        parse_span(text).map(Self::Ago).or_else(moment).ok_or_else(|| {
            "write how long ago (`15m`, `2h`, `7d`, `PT4H`) or a time in RFC 3339 (`2026-01-02T03:04:05Z`)".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [count(7), count(999), count(18_204), count(1_000_000)],
            ["7", "999", "18,204", "1,000,000"]
        );
        assert_eq!(
            [span(9), span(600), span(4920), span(200_000)],
            ["9 s", "10 min", "1 h 22 min", "2 d 7 h"]
        );
        assert_eq!([latency(24), latency(1_310), latency(2_000_000)], ["24 us", "1.3 ms", "2.0 s"]);
        assert_eq!([bytes(512), bytes(1_258_291), bytes(1 << 30)], ["512 B", "1.1 MiB", "1.0 GiB"]);
        assert_eq!([digest("sha256:9f2c0a1b77"), digest("x")], ["sha256:9f2c0a1b...", "x"]);
    }

    #[test]
    fn a_span_is_short_or_iso_8601_and_nothing_else() {
        for (text, seconds) in
            [("4s", 4), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("PT4H", 14_400), ("P1DT1S", 86_401)]
        {
            assert_eq!(parse_span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "4", "-4s", "4 s", "1w", "4sé", "é", "P1M", "99999999999999999999d", "-PT4H"]
        {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_of_today_needs_no_date() {
        let now = Timestamp::parse("2026-01-02T14:02:40Z").unwrap();
        let earlier = When::Ago(Duration::from_secs(29)).seen_from(now);
        assert_eq!(clock(earlier, now), "14:02:11");
        assert_eq!(clock_minutes(earlier, now), "14:02");
        assert_eq!(clock(Timestamp(0), now), "1970-01-01 00:00:00");
        assert_eq!("1970-01-01T00:00:00Z".parse(), Ok(When::At(Timestamp(0))));
        assert!("yesterday".parse::<When>().unwrap_err().contains("RFC 3339"));
    }
}
