//! The last step before the wire, prepared and taken: credentials are put into requests that may go.
//!
//! A request that is to be signed by its body is held first. Tokens of service accounts are asked for here, by the gateway's
//! own resolution and over its own verified TLS. What goes in is on record, never its value. Read next:
//! `act/credentials/inject.rs`.

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderName, HeaderValue, Request as HttpRequest, header, request};
use http_body::Body as _;
use hyper::body::Incoming;

use super::going::Going;
use super::held;
use super::serving::Watched;
use super::site::Site;
use crate::act::credentials::{Asked, Means, Payload, Sealed, aws, exchange, inject};
use crate::act::upstream::{Held, Looked, RequestBody};
use crate::decide::policy::Clearance;
use crate::model::types::{AwsTerms, CredentialPlace, Denial, Reason};
use crate::perceive::dns::ResolveError;
use crate::platform::sys::clock;

/// A body as it goes out.
pub enum Sending {
    /// As it comes.
    Passing(Incoming),
    /// It has come, and was read.
    Held(Held),
    /// It has come, and nobody has read it as the call of a model.
    Unread(Held),
    /// It is looked into as it comes; this has come of it.
    Looked(Option<Held>, Incoming, Box<Looked>),
}

/// How a request is signed, where it is.
fn signing(clearance: &Clearance) -> Option<&AwsTerms> {
    clearance.credentials().iter().find_map(|one| match &one.place {
        CredentialPlace::Aws(terms) => Some(terms),
        _ => None,
    })
}

/// Whether the gateway signs the request itself, whatever goes out.
pub fn signs(clearance: &Clearance) -> bool {
    signing(clearance).is_some()
}

/// The same request, with its body held where it has to be signed by that.
///
/// # Errors
/// As for every body that is held; `protocol.malformed` where it stands in chunks of its own that cannot be read.
pub async fn whole(
    site: &Site,
    going: &Going,
    watched: &Watched,
    (mut head, body): (request::Parts, Sending),
) -> Result<(request::Parts, Sending), Denial> {
    let Some(terms) = signing(&going.clearance) else { return Ok((head, body)) };
    let (body, is_read) = match body {
        Sending::Passing(body) if body.is_end_stream() || !aws::needs_whole(terms, &head.headers) => {
            return Ok((head, Sending::Passing(body)));
        }
        // Boxed: most requests are not signed.
        Sending::Passing(mut body) => (Box::pin(held::take_in(site, (&mut body, watched))).await?, false),
        Sending::Held(held) => (held, true),
        Sending::Unread(held) => (held, false),
        looked @ Sending::Looked(..) => return Ok((head, looked)),
    };
    let body = if aws::is_chunked(&head.headers) {
        let bytes = body.bytes();
        let plain = aws::unchunked(&mut head.headers, &bytes).ok_or_else(malformed)?;
        body.with(0..bytes.len(), plain)
    } else {
        body
    };
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.length()));
    Ok((head, if is_read { Sending::Held(body) } else { Sending::Unread(body) }))
}

fn malformed() -> Denial {
    let detail =
        "The body stands in chunks that cannot be read, so the request cannot be signed. Nothing was sent.";
    Denial::built_in(Reason::ProtocolMalformed, detail)
}

/// The fields that credentials go into: none of them goes out behind the body.
pub fn names(clearance: &Clearance) -> impl Iterator<Item = HeaderName> + '_ {
    clearance.credentials().iter().filter_map(|one| match &one.place {
        CredentialPlace::Header { name, .. } | CredentialPlace::Basic { name, .. } => Some(name.clone()),
        CredentialPlace::Query(_) => None,
        CredentialPlace::Aws(_) | CredentialPlace::Google(_) => Some(header::AUTHORIZATION),
    })
}

/// What is known of the body when it is signed.
pub fn payload(clearance: &Clearance, body: &Sending) -> Payload {
    match body {
        _ if signing(clearance).is_none() => Payload::Passing,
        Sending::Passing(body) if body.is_end_stream() => Payload::Empty,
        Sending::Passing(_) | Sending::Looked(..) => Payload::Passing,
        Sending::Held(body) | Sending::Unread(body) if body.length() == 0 => Payload::Empty,
        Sending::Held(body) | Sending::Unread(body) => {
            let mut context = Context::new(&SHA256);
            body.pieces().for_each(|piece| context.update(piece));
            let mut hash = [0; 32];
            hash.copy_from_slice(context.finish().as_ref());
            Payload::Whole(hash)
        }
    }
}

/// Puts in what the request is to be given, by what is in force at this moment.
///
/// # Errors
/// `credential.unavailable`.
pub async fn seal(
    site: &Site,
    going: &Going,
    request: HttpRequest<RequestBody>,
    payload: Payload,
) -> Result<Sealed<RequestBody>, Denial> {
    let shared = &site.road.shared;
    let means = Means {
        vault: &shared.vault,
        tokens: &shared.tokens,
        now: clock::now(),
        ask: async |asked: &Asked| ask(site, asked).await,
    };
    let sealed = inject((&going.clearance, &site.passage, going.entry()), request, payload, &means).await?;
    going.trace.credential.replace(sealed.used().map(str::to_owned));
    Ok(sealed)
}

/// Asks a token end point.
async fn ask(site: &Site, asked: &Asked) -> Result<Vec<u8>, String> {
    let (shared, host) = (&site.road.shared, &asked.endpoint.host);
    let resolved = site.road.own.resolve(host).await;
    let found = match resolved.addresses {
        Ok(found) => found,
        Err(error @ ResolveError::Unanswered(_)) => {
            return Err(format!("{host} could not be resolved: {error}"));
        }
        Err(error) => return Err(format!("{host}: {error}")),
    };
    let addresses = shared.dialler.public(&found);
    let answer = exchange::post(shared.dialler.own_tls(), &addresses, asked).await;
    let seen = answer.as_ref().err().cloned();
    shared.ledger.system(
        "token",
        &asked.endpoint.url(),
        seen.or_else(|| Some("a token was given".to_owned())),
    );
    answer
}
