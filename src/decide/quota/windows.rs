//! Where the window of a limit begins and ends at a moment.
//!
//! What is charged is kept by whole minutes, so windows are made of them; one that begins within a minute takes in all of it
//! and is never shorter than it was declared. Days, weeks and months are those of the time zone's calendar: a day has 23 or
//! 25 hours where clocks change, and one that has no midnight begins with its first moment.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::types::{Period, Timestamp, Window};

/// Microseconds of one minute.
const MINUTE: i64 = 60_000_000;

/// The minute of a moment, counted from the Unix epoch.
pub fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(MINUTE)
}

/// The moment at which a minute begins.
pub fn moment_of(minute: i64) -> Timestamp {
    Timestamp(minute.saturating_mul(MINUTE))
}

/// The first minute whose charges count at this moment. An execution's account has nothing of another one, so all of it counts.
pub fn first_minute(window: &Window, at: Timestamp) -> i64 {
    match window {
        Window::Execution => i64::MIN,
        Window::Rolling(period) => at.0.saturating_sub(length(*period)).div_euclid(MINUTE),
        // Where no calendar reaches, everything counts.
        Window::Calendar(period, zone) => {
            bounds(*period, zone, at).map_or(i64::MIN, |(begin, _)| minute_of(begin))
        }
    }
}

/// When all begins anew, where that is one moment for all charges.
pub fn end(window: &Window, at: Timestamp) -> Option<Timestamp> {
    match window {
        Window::Execution | Window::Rolling(_) => None,
        Window::Calendar(period, zone) => bounds(*period, zone, at).map(|(_, end)| end),
    }
}

/// When what was charged in a minute counts no more, in a window that rolls.
pub fn leaves(period: Period, minute: i64) -> Timestamp {
    Timestamp(moment_of(minute.saturating_add(1)).0.saturating_add(length(period)))
}

fn length(period: Period) -> i64 {
    i64::try_from(period.rolling().as_micros()).unwrap_or(i64::MAX)
}

/// From when to when.
fn bounds(period: Period, zone: &TimeZone, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let moment = jiff::Timestamp::from_microsecond(at.0).ok()?;
    let days = |begin: Date, end: Date| Some((midnight(begin, zone)?, midnight(end, zone)?));
    let today = zone.to_datetime(moment).date();
    match period {
        Period::Minute | Period::Hour => {
            let offset = i64::from(zone.to_offset(moment).seconds()) * 1_000_000;
            let length = length(period);
            let begin = (at.0 + offset).div_euclid(length) * length - offset;
            Some((Timestamp(begin), Timestamp(begin + length)))
        }
        Period::Day => days(today, today.tomorrow().ok()?),
        Period::Week => {
            let since_monday = i64::from(today.weekday().to_monday_zero_offset());
            let monday = today.checked_sub(jiff::Span::new().days(since_monday)).ok()?;
            days(monday, monday.checked_add(jiff::Span::new().days(7)).ok()?)
        }
        Period::Month => days(today.first_of_month(), today.last_of_month().tomorrow().ok()?),
    }
}

/// The first moment of a day.
fn midnight(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = date.to_zoned(zone.clone()).ok()?;
    Some(Timestamp(zoned.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn calendar(period: Period, zone: &str, moment: &str) -> (String, String) {
        let window = Window::Calendar(period, TimeZone::get(zone).unwrap());
        let begin = moment_of(first_minute(&window, at(moment)));
        let end = end(&window, at(moment)).unwrap();
        let text = |moment: Timestamp| moment.to_string().replace(":00.000000Z", "Z");
        (text(begin), text(end))
    }

    fn pair(begin: &str, end: &str) -> (String, String) {
        (begin.to_owned(), end.to_owned())
    }

    #[test]
    fn a_window_of_the_calendar_goes_from_boundary_to_boundary() {
        let moment = "2026-11-28T22:46:49Z";
        for (period, begin, end) in [
            (Period::Minute, "2026-11-28T22:46Z", "2026-11-28T22:47Z"),
            (Period::Hour, "2026-11-28T22:00Z", "2026-11-28T23:00Z"),
            (Period::Day, "2026-11-28T00:00Z", "2026-11-29T00:00Z"),
            (Period::Week, "2026-11-23T00:00Z", "2026-11-30T00:00Z"),
            (Period::Month, "2026-11-01T00:00Z", "2026-12-01T00:00Z"),
        ] {
            assert_eq!(calendar(period, "UTC", moment), pair(begin, end), "{period:?}");
        }
        let monday = "2026-11-30T00:00:00Z";
        assert_eq!(calendar(Period::Week, "UTC", monday), pair("2026-11-30T00:00Z", "2026-12-07T00:00Z"));
    }

    #[test]
    fn days_and_months_are_those_of_the_time_zone() {
        // 22:46 UTC is 04:16 of the next day in Kolkata, whose hours begin half an hour past ours.
        let moment = "2026-11-28T22:46:49Z";
        let zone = "Asia/Kolkata";
        assert_eq!(calendar(Period::Hour, zone, moment), pair("2026-11-28T22:30Z", "2026-11-28T23:30Z"));
        assert_eq!(calendar(Period::Day, zone, moment), pair("2026-11-28T18:30Z", "2026-11-29T18:30Z"));
        let zone = "Europe/Berlin";
        let moment = "2026-10-31T23:30:00Z";
        assert_eq!(calendar(Period::Month, zone, moment), pair("2026-10-31T23:00Z", "2026-11-30T23:00Z"));
    }

    #[test]
    fn a_day_has_23_or_25_hours_where_clocks_change() {
        let zone = "Europe/Berlin";
        let spring = calendar(Period::Day, zone, "2026-03-29T12:00:00Z");
        assert_eq!(spring, pair("2026-03-28T23:00Z", "2026-03-29T22:00Z"));
        let autumn = calendar(Period::Day, zone, "2026-10-25T12:00:00Z");
        assert_eq!(autumn, pair("2026-10-24T22:00Z", "2026-10-25T23:00Z"));
        // The hour that comes twice is two hours.
        assert_eq!(
            calendar(Period::Hour, zone, "2026-10-25T00:30:00Z"),
            pair("2026-10-25T00:00Z", "2026-10-25T01:00Z")
        );
        assert_eq!(
            calendar(Period::Hour, zone, "2026-10-25T01:30:00Z"),
            pair("2026-10-25T01:00Z", "2026-10-25T02:00Z")
        );
    }

    #[test]
    fn a_day_without_midnight_begins_with_its_first_moment() {
        // In Cairo clocks go from 24:00 to 01:00 in spring; Samoa had no 30 December in 2011.
        let cairo = calendar(Period::Day, "Africa/Cairo", "2026-04-24T10:00:00Z");
        assert_eq!(cairo, pair("2026-04-23T22:00Z", "2026-04-24T21:00Z"));
        let apia = calendar(Period::Day, "Pacific/Apia", "2011-12-30T09:00:00Z");
        assert_eq!(apia, pair("2011-12-29T10:00Z", "2011-12-30T10:00Z"));
    }

    #[test]
    fn windows_of_the_calendar_follow_each_other_without_gap_or_overlap() {
        for zone in ["UTC", "Europe/Berlin", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe"] {
            for period in [Period::Day, Period::Week, Period::Month] {
                let window = Window::Calendar(period, TimeZone::get(zone).unwrap());
                let mut moment = at("2025-12-15T11:11:11Z");
                for _ in 0..400 {
                    let next = end(&window, moment).unwrap();
                    let last = Timestamp(next.0 - 1);
                    assert!(next > moment);
                    assert_eq!(end(&window, last), Some(next), "{zone} {period:?} {last}");
                    assert_eq!(moment_of(first_minute(&window, next)), next, "{zone} {period:?} {next}");
                    moment = next;
                }
            }
        }
    }

    #[test]
    fn a_rolling_window_is_never_shorter_than_it_was_declared() {
        for period in Period::ALL {
            let window = Window::Rolling(period);
            for second in [0, 1, 30, 59] {
                let now = at("2026-11-28T22:46:00Z").plus(std::time::Duration::from_secs(second));
                let charged = Timestamp(now.0 - length(period) + 1);
                assert!(minute_of(charged) >= first_minute(&window, now), "{period:?}");
                let gone = leaves(period, minute_of(charged));
                assert!(first_minute(&window, gone) > minute_of(charged));
                assert!(first_minute(&window, Timestamp(gone.0 - 1)) <= minute_of(charged));
            }
        }
    }

    #[test]
    fn where_no_calendar_reaches_everything_counts() {
        let window = Window::Calendar(Period::Month, TimeZone::UTC);
        assert_eq!(first_minute(&window, Timestamp(i64::MAX)), i64::MIN);
        assert_eq!(end(&window, Timestamp(i64::MAX)), None);
    }
}
