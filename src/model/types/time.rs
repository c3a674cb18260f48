//! Moments as records write them. The clock itself is read in `platform/sys`; here time is a value.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Microseconds since the Unix epoch, UTC. Written as RFC 3339 with six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A moment as the calendar and the clock tell it, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year of the Gregorian calendar.
    pub year: i64,
    /// From 1 to 12.
    pub month: i64,
    /// From 1 to 31.
    pub day: i64,
    /// 0 is Sunday, 6 is Saturday.
    pub weekday: i64,
    /// From 0 to 23.
    pub hour: i64,
    /// From 0 to 59.
    pub minute: i64,
    /// From 0 to 59.
    pub second: i64,
}

impl Timestamp {
    /// 9999-12-30T22:00:00Z: RFC 3339 has four digits for the year (section 1), and whoever reads a moment adds its offset.
    pub const LAST: Self = Self(253_402_207_200_000_000);

    /// The same moment, later by `by`; at most [`Self::LAST`].
    pub fn plus(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(by).min(Self::LAST.0))
    }

    /// How long ago `earlier` was; zero if it is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The day and the time of day, UTC.
    pub fn civil(self) -> Civil {
        let seconds = self.0.div_euclid(1_000_000);
        let days = seconds.div_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        let second_of_day = seconds.rem_euclid(86_400);
        Civil {
            year,
            month,
            day,
            // 1970-01-01 was a Thursday.
            weekday: (days + 4).rem_euclid(7),
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }

    /// Parses RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_microsecond()))
    }

    /// Appends `2026-01-02T03:04:05.678901Z` to `out`, without allocating.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        let moment = self.civil();
        let micros = self.0.rem_euclid(1_000_000);
        digits(out, moment.year, 4);
        out.push(b'-');
        digits(out, moment.month, 2);
        out.push(b'-');
        digits(out, moment.day, 2);
        out.push(b'T');
        digits(out, moment.hour, 2);
        out.push(b':');
        digits(out, moment.minute, 2);
        out.push(b':');
        digits(out, moment.second, 2);
        out.push(b'.');
        digits(out, micros, 6);
        out.push(b'Z');
    }
}

/// Appends `value` as at least `width` decimal digits.
fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + u8::try_from(value / 10_i64.pow(place) % 10).unwrap_or(0));
    }
}

/// Days since 1970-01-01 to year, month, day in the proleptic Gregorian calendar (H. Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(27);
        self.write_rfc3339(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_jiff_would_write_it() {
        for micros in
            [0, 1, 951_782_400_000_000, 1_709_164_800_123_456, 1_795_000_000_999_999, 4_102_444_799_000_001]
        {
            let expected = jiff::Timestamp::from_microsecond(micros).unwrap();
            assert_eq!(Timestamp(micros).to_string(), format!("{expected:.6}"));
            assert_eq!(Timestamp::parse(&Timestamp(micros).to_string()), Some(Timestamp(micros)));
        }
    }

    #[test]
    fn no_span_leads_beyond_the_last_moment_that_can_be_written() {
        let now = Timestamp::parse("2026-11-28T20:00:00Z").unwrap();
        for days in [2_912_500, 3_660_000, u64::MAX / 86_400] {
            let end = now.plus(Duration::from_secs(days * 86_400));
            assert_eq!(end.to_string(), "9999-12-30T22:00:00.000000Z", "{days}");
            assert_eq!(Timestamp::parse(&end.to_string()), Some(end));
        }
        let before = now.plus(Duration::from_secs(2_900_000 * 86_400));
        assert_eq!(Timestamp::parse(&before.to_string()), Some(before));
    }

    #[test]
    fn the_day_of_the_week_is_that_of_jiff() {
        for day in -800..800 {
            let micros = (day * 86_400 + 7) * 1_000_000;
            let moment = jiff::Timestamp::from_microsecond(micros).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let expected = i64::from(moment.weekday().to_sunday_zero_offset());
            assert_eq!(Timestamp(micros).civil().weekday, expected, "{moment}");
        }
    }
}
