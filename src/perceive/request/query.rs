//! The parameters of a query, decoded for comparison (WHATWG URL, `application/x-www-form-urlencoded`).
//!
//! Never decodes to something that two queries could share by accident: what does not decode to UTF-8 stays as sent.

use std::borrow::Cow;

use crate::model::types::path::hex;

/// Name and value of each parameter, in order; a parameter without `=` has an empty value.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    parts(query).map(|(name, value)| (decoded(name), decoded(value)))
}

/// The same for conditions, which read no value that is not UTF-8: servers that replace what does not decode read another
/// text than the one that was sent.
pub(super) fn texts(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    parts(query).map(|(name, value)| (decoded(name), text(value)))
}

fn parts(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn decoded(raw: &str) -> Cow<'_, str> {
    text(raw).unwrap_or(Cow::Borrowed(raw))
}

fn text(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains(['%', '+']) {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (*byte, rest) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            (byte, _) => out.push(byte),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_utf_8_is_no_text_for_conditions() {
        let got: Vec<_> = texts("q=dro%70%ff&r=%25ff").map(|(_, value)| value).collect();
        assert_eq!(got, [None, Some(Cow::from("%ff"))]);
    }

    #[test]
    fn parameters_are_decoded_once_and_in_order() {
        let got: Vec<_> = pairs("a=1&&b=c+d%2B&e&=f&%61=%c3%bc&g=%ff&h=%2525&i=%zz&j=k=l").collect();
        let expected = [
            ("a", "1"),
            ("b", "c d+"),
            ("e", ""),
            ("", "f"),
            ("a", "ü"),
            ("g", "%ff"),
            ("h", "%25"),
            ("i", "%zz"),
            ("j", "k=l"),
        ];
        assert_eq!(got, expected.map(|(name, value)| (Cow::from(name), Cow::from(value))));
    }
}
