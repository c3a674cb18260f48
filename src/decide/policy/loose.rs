//! A path as lenient servers read it, for denials: a rule that refuses a path refuses it in every spelling.
//!
//! Never used to allow anything. The number of readings is bounded by the habits that make a difference to the path.

// What servers do to paths and RFC 3986 knows nothing of: each server does some of it.

/// `%5C` counts as a slash.
const BACKSLASHES: u8 = 1;
/// `;parameters` are cut off.
const PARAMETERS: u8 = 2;
/// An encoded `?` or `#` ends the path.
const END: u8 = 4;
/// `%2F` is decoded before the path is taken apart.
const EARLY: u8 = 8;
/// `%2F` is decoded behind that.
const LATE: u8 = 16;
/// Doubled slashes count as one.
const MERGED: u8 = 32;

/// The path in every way in which some server may read it; none where all read it alike.
pub(super) fn readings(canonical: &str) -> impl Iterator<Item = String> {
    let has = |text: &str, what: u8| if canonical.contains(text) { what } else { 0 };
    let found = if canonical.contains(['%', ';']) {
        let end = has("%3F", END) | has("%23", END);
        let parameters = has(";", PARAMETERS) | has("%3B", PARAMETERS);
        has("%5C", BACKSLASHES) | parameters | end | has("%2F", EARLY | LATE)
    } else {
        0
    };
    let merged = if found != 0 || canonical.contains("//") { MERGED } else { 0 };
    let all = found | merged;
    (1..=all).filter(move |habits| habits & !all == 0).map(|habits| loosely_read(canonical, habits))
}

/// The path as a server with these habits reads it.
fn loosely_read(canonical: &str, habits: u8) -> String {
    let does = |habit: u8| habits & habit != 0;
    let mut path = canonical.to_owned();
    if does(END) {
        let end = ["%3F", "%23"].iter().filter_map(|end| path.find(end)).min();
        path.truncate(end.unwrap_or(path.len()));
    }
    if does(EARLY) {
        path = path.replace("%2F", "/");
    }
    if does(BACKSLASHES) {
        path = path.replace("%5C", "/");
    }
    if does(PARAMETERS) {
        let elements = path.replace("%3B", ";");
        let elements: Vec<&str> =
            elements.split('/').map(|element| element.split(';').next().unwrap_or_default()).collect();
        path = elements.join("/");
    }
    if does(LATE) {
        path = path.replace("%2F", "/");
    }
    if does(MERGED) {
        while path.contains("//") {
            path = path.replace("//", "/");
        }
    }
    path
}
