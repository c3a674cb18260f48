//! What an HTTP/2 upstream did wrong, as the decision on its answer. Only what the gateway itself found wrong: an
//! upstream that resets a stream or says goodbye has failed, and broken no rule.

use std::error::Error as _;

use crate::model::types::{Denial, Reason};

/// More frames that bring nothing than a server needs that means well; `kind` names the last.
pub(super) fn flood(kind: &str) -> Denial {
    malformed("It carried more HTTP/2 frames than answers need.", format!("http/2: too many {kind} frames"))
}

/// What the HTTP library found against RFC 9113 or RFC 7541, or an answer that it cannot hold. Nothing where the error
/// came from elsewhere.
pub(super) fn violation(error: &hyper::Error) -> Option<Denial> {
    let cause = error.source()?.downcast_ref::<h2::Error>().filter(|cause| cause.is_library())?;
    Some(malformed("It broke the rules of HTTP/2.", format!("http/2: {cause}")))
}

/// An answer to nothing came in time: not to a request, and not to the question whether the connection still lives.
pub(super) fn silence(error: &hyper::Error) -> Option<Denial> {
    let detail = "The destination went silent before it answered.";
    error
        .is_timeout()
        .then(|| Denial::built_in(Reason::UpstreamTimeout, detail).seen("http/2: no answer to PING"))
}

fn malformed(sentence: &str, seen: String) -> Denial {
    let detail = format!("The destination's answer cannot be trusted. {sentence}");
    Denial::built_in(Reason::UpstreamMalformed, detail).seen(seen)
}
