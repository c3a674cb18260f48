//! The crumbs of a cookie. HTTP/2 may send the pairs of a `Cookie` in fields of their own; HTTP/1 has one field for all (RFC
//! 9113, section 8.2.3), and servers put them together.
//!
//! They are joined before anybody looks at the request, so that rules and records see what the destination will.

use http::header::{COOKIE, HeaderMap, HeaderValue};

/// Makes one field of all crumbs, in the place of the first.
pub(super) fn join(headers: &mut HeaderMap) {
    let crumbs = || headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    if crumbs().nth(1).is_none() {
        return;
    }
    let joined = crumbs().collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}
