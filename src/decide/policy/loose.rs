//! A path as lenient servers read it, for denials: a rule that refuses a path refuses it in every spelling.
//!
//! Never used to allow anything. There are as many readings as combinations of the habits that make a difference to
//! the path; one that is long and doubtful is not read in all these ways, and meets every denial.

use crate::model::types::limits::LOOSE_PATH_BYTES;

// What servers do to paths and RFC 3986 knows nothing of: each server does some of it.

/// `%5C` counts as a slash.
const BACKSLASHES: u8 = 1;
/// `;parameters` are cut off.
const PARAMETERS: u8 = 2;
/// An encoded `?` or `#` ends the path, wherever it stands.
const END: u8 = 4;
/// It ends what is left once parameters are cut off.
const END_LATE: u8 = 8;
/// Encoded slashes are decoded before the path is taken apart.
const SLASHES: u8 = 16;
/// They are decoded behind that.
const SLASHES_LATE: u8 = 32;
/// Doubled slashes count as one.
const MERGED: u8 = 64;

/// A path in every way in which some server may read it.
#[derive(Debug)]
pub(super) enum Readings {
    /// All but the canonical one; none where servers read it alike.
    All(Vec<String>),
    /// Too long for that.
    Unknown,
}

impl Readings {
    /// The readings of a canonical path.
    pub(super) fn of(canonical: &str) -> Self {
        let all = habits(canonical);
        if all != 0 && canonical.len() > LOOSE_PATH_BYTES {
            return Self::Unknown;
        }
        let some = (1..=all).filter(|habits| habits & !all == 0);
        Self::All(some.map(|habits| read(canonical, habits)).collect())
    }

    /// Whether it is so in any reading.
    pub(super) fn any(&self, is_so: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::All(readings) => readings.iter().any(|reading| is_so(reading)),
            Self::Unknown => true,
        }
    }
}

/// The habits that may make a difference.
fn habits(canonical: &str) -> u8 {
    if !canonical.contains(['%', ';']) {
        return if canonical.contains("//") { MERGED } else { 0 };
    }
    let has = |texts: [&str; 2], habits: u8| {
        if texts.iter().any(|text| canonical.contains(text)) { habits } else { 0 }
    };
    let found = has(["%5C", "%5C"], BACKSLASHES | SLASHES | SLASHES_LATE)
        | has(["%2F", "%2F"], SLASHES | SLASHES_LATE)
        | has([";", "%3B"], PARAMETERS)
        | has(["%3F", "%23"], END | END_LATE);
    found | has(["//", "//"], MERGED) | if found == 0 { 0 } else { MERGED }
}

/// The path as a server with these habits reads it.
fn read(canonical: &str, habits: u8) -> String {
    let does = |habit: u8| habits & habit != 0;
    let slashes = |path: String| {
        let path = path.replace("%2F", "/");
        if does(BACKSLASHES) { path.replace("%5C", "/") } else { path }
    };
    let mut path = canonical.to_owned();
    if does(END) {
        end(&mut path);
    }
    if does(SLASHES) {
        path = slashes(path);
    }
    if does(PARAMETERS) {
        let parted = path.replace("%3B", ";");
        let kept = parted.split('/').map(|element| element.split(';').next().unwrap_or_default());
        path = kept.collect::<Vec<_>>().join("/");
    }
    if does(END_LATE) {
        end(&mut path);
    }
    if does(SLASHES_LATE) {
        path = slashes(path);
    }
    if does(MERGED) {
        while path.contains("//") {
            path = path.replace("//", "/");
        }
    }
    path
}

fn end(path: &mut String) {
    let end = ["%3F", "%23"].iter().filter_map(|end| path.find(end)).min();
    path.truncate(end.unwrap_or(path.len()));
}
