//! Writes names and values into a URL's query and a name into its path (RFC 3986, section 2.1).
//!
//! Everything but unreserved characters is escaped, so no value can end its own place.

use std::fmt::Write as _;

/// Appends `text` with every byte escaped that is not unreserved.
pub(super) fn escape_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// `text` as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

/// `path?a=1&b=2`; `path` alone where there are no pairs.
pub(super) fn with_pairs(path: &str, pairs: &[(&'static str, String)]) -> String {
    let mut out = path.to_owned();
    for (index, (name, value)) in pairs.iter().enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        escape_into(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_own_place() {
        assert_eq!(segment("a/b?c#d é"), "a%2Fb%3Fc%23d%20%C3%A9");
        assert_eq!(with_pairs("/x", &[("a", "1&b=2".into()), ("c", "+".into())]), "/x?a=1%26b%3D2&c=%2B");
        assert_eq!(with_pairs("/x", &[]), "/x");
    }
}
