//! Methods by which a server may take a request beside the one in its line: fields and a parameter of the query ask for
//! another one, and many frameworks do as they say.
//!
//! Whoever judges a request judges it by each of them. What stands in a body, such as `_method` of a form, is not seen
//! here.

use http::Method;
use http::request::Parts;
use smallvec::SmallVec;

use super::{malformed, query, target};
use crate::model::types::Denial;
use crate::model::types::field::{OTHER_METHODS, reads_alike};
use crate::model::types::limits::{METHOD_BYTES, METHODS_ASKED_FOR};

/// The parameter that Rack, Jersey, WordPress and Express know.
const PARAMETER: &str = "_method";
/// The values of it that frameworks follow: any other is a parameter like all.
const FOLLOWED: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Further methods of a request; hardly any has one.
pub(super) type Methods = SmallVec<[Method; 1]>;

/// Each method but that of the request line, in capital letters, as frameworks read it.
///
/// # Errors
/// `protocol.malformed` where a field asks for something that is no method, or for too many.
pub(super) fn asked_for(head: &Parts) -> Result<Methods, Denial> {
    let mut found = Methods::new();
    let asks = |name: &str| name.starts_with('x') && OTHER_METHODS.iter().any(|own| reads_alike(own, name));
    for (_, value) in head.headers.iter().filter(|(name, _)| asks(name.as_str())) {
        let words = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for word in words.filter(|word| !word.is_empty()) {
            add(&mut found, &head.method, word)?;
        }
    }
    for (name, value) in query::pairs(head.uri.query().unwrap_or("")) {
        if name == PARAMETER && FOLLOWED.iter().any(|method| method.eq_ignore_ascii_case(&value)) {
            add(&mut found, &head.method, value.as_bytes())?;
        }
    }
    Ok(found)
}

fn add(found: &mut Methods, own: &Method, word: &[u8]) -> Result<(), Denial> {
    let text = word.to_ascii_uppercase();
    let method = Method::from_bytes(&text).ok();
    let method = method.filter(|_| text.len() <= METHOD_BYTES && target::is_method(&text));
    let Some(method) = method else {
        let seen = String::from_utf8_lossy(word).into_owned();
        return Err(malformed("A field asks for a method that is none.", &seen));
    };
    if method == *own || found.contains(&method) {
        return Ok(());
    }
    if found.len() >= METHODS_ASKED_FOR {
        return Err(malformed("Fields ask for more methods than a request can have.", ""));
    }
    found.push(method);
    Ok(())
}
