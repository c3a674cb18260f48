//! Answers of our own, and the bodies of requests that get one before they are read.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, Version, header, request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::serving::Answer;
use crate::model::types::limits::{LINGER_BYTES, LINGER_TIME, REFUSED_BODY_BYTES, REFUSED_BODY_TIME};

/// The body of a request that is not decided yet.
pub struct Waiting {
    /// Itself.
    pub inner: Incoming,
    /// The workload sends it when it is asked to (RFC 9110, section 10.1.1). hyper asks once somebody reads it.
    expects: bool,
}

impl Waiting {
    /// The body of this head.
    pub fn new(head: &request::Parts, inner: Incoming) -> Self {
        Self { inner, expects: head.headers.contains_key(header::EXPECT) }
    }
}

/// A refusal whose request may still be arriving. The rest of a body that is short and on its way is read and dropped
/// first, because clients take an answer that overtakes it for a broken stream; nothing else is waited for, and a body
/// that waits to be asked for is not asked for. What is not read ends an HTTP/1 connection, and the answer says so; on
/// HTTP/2 it is read behind the answer, because clients take a reset right behind an answer for a broken stream too.
pub async fn early(mut response: Response<Bytes>, head: &request::Parts, body: Waiting) -> Response<Answer> {
    let Waiting { mut inner, expects } = body;
    let short = inner.size_hint().exact().is_some_and(|length| (1..=REFUSED_BODY_BYTES).contains(&length));
    // Whatever comes of it, the answer is the same.
    let read = inner.is_end_stream()
        || short
            && !expects
            && timeout(REFUSED_BODY_TIME, drop_body(&mut inner, REFUSED_BODY_BYTES)).await == Ok(true);
    if !read && head.version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    } else if !read {
        tokio::task::spawn_local(async move {
            let _ = timeout(LINGER_TIME, drop_body(&mut inner, LINGER_BYTES)).await;
        });
    }
    answered(response, &head.method)
}

/// Reads a body that nobody wants, `most` bytes of it. Whether that was all.
async fn drop_body(body: &mut Incoming, most: u64) -> bool {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(length) else { return false };
        left = rest;
    }
    body.is_end_stream()
}

/// An answer of our own. To HEAD it has the head alone, with the length that GET would have had.
pub fn answered(mut response: Response<Bytes>, method: &Method) -> Response<Answer> {
    if method == Method::HEAD {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        return response.map(|_| Answer::Own(None));
    }
    response.map(|bytes| Answer::Own((!bytes.is_empty()).then_some(bytes)))
}
