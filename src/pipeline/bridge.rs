//! The proof that an upstream has become a WebSocket, and WebSocket over HTTP/2 (RFC 8441): there an extended CONNECT is
//! judged as the upgrade that it stands for, and reaches the upstream as one, over HTTP/1.1.
//!
//! The key of every upgrade is ours, and so its proof is ours to check: behind a 101 bytes pass that nobody judges, and
//! a workload that can make a server say 101, key and all, must not get a connection that still takes requests. Only
//! WebSocket is bridged: any other protocol, and CONNECT without one, stays the CONNECT that no request may be.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, request};
use hyper::ext::Protocol;

use crate::perceive::request::hop_by_hop;

/// What the proof is made of beside the key (RFC 6455, section 1.3).
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a key (RFC 6455, section 4.1).
const KEY: usize = 16;

/// An upgrade with a key of ours that the upstream has not answered yet.
#[derive(Debug)]
pub struct Challenge {
    accept: String,
    workload: Workload,
}

/// Who waits for the answer.
#[derive(Debug)]
enum Workload {
    /// HTTP/1.1, and the proof that it expects for its own key.
    Switching(Option<HeaderValue>),
    /// HTTP/2, which knows no proof.
    Bridged,
}

/// Puts a key of ours into a request for WebSocket. Makes an extended CONNECT for it the upgrade that it stands for.
/// Leaves any other head as it is.
pub fn upgrade(head: &mut request::Parts) -> Option<Challenge> {
    let extended = head.method == Method::CONNECT
        && head
            .extensions
            .get::<Protocol>()
            .is_some_and(|known| known.as_str().eq_ignore_ascii_case("websocket"));
    if !extended && !hop_by_hop::is_websocket(head) {
        return None;
    }
    let mut random = [0; KEY];
    // Without randomness a CONNECT stays one, which is refused, and no switch is taken for one.
    rand::fill(&mut random).ok()?;
    let key = base64(&random);
    let accept = proof(key.as_bytes());
    let theirs = head.headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).ok()?);
    if !extended {
        let expected = theirs.and_then(|key| HeaderValue::try_from(proof(key.as_bytes())).ok());
        return Some(Challenge { accept, workload: Workload::Switching(expected) });
    }
    head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    head.method = Method::GET;
    Some(Challenge { accept, workload: Workload::Bridged })
}

impl Challenge {
    /// Whether the workload asked by RFC 8441.
    pub fn is_bridged(&self) -> bool {
        matches!(self.workload, Workload::Bridged)
    }

    /// Whether the upstream has read our key: it is no cache and no server that says 101 to everything. Its answer
    /// becomes that to the workload's own key; what only HTTP/1.1 needs is taken out where that is not spoken.
    pub fn is_met(&self, headers: &mut HeaderMap) -> bool {
        let proof = headers.remove(SEC_WEBSOCKET_ACCEPT);
        match &self.workload {
            Workload::Switching(expected) => {
                expected.clone().map(|expected| headers.insert(SEC_WEBSOCKET_ACCEPT, expected));
            }
            Workload::Bridged => {
                headers.remove(UPGRADE);
                headers.remove(CONNECTION);
            }
        }
        proof.is_some_and(|proof| proof == self.accept)
    }
}

/// What answers a key (RFC 6455, section 4.2.2).
fn proof(key: &[u8]) -> String {
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, MAGIC].concat()).as_ref())
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet = |group: u32, at: usize| char::from(ALPHABET[(group >> (18 - 6 * at) & 63) as usize]);
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
            let group = byte(0) << 16 | byte(1) << 8 | byte(2);
            (0..4).map(move |at| if at > chunk.len() { '=' } else { sextet(group, at) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: Method, protocol: Option<&'static str>) -> request::Parts {
        let mut request =
            Request::builder().method(method).uri("https://site.example/chat").body(()).unwrap();
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(Protocol::from_static(protocol));
        }
        request.into_parts().0
    }

    #[test]
    fn an_extended_connect_becomes_an_upgrade_whose_proof_is_checked() {
        let mut head = head(Method::CONNECT, Some("websocket"));
        let challenge = upgrade(&mut head).unwrap();
        assert_eq!((&head.method, head.headers["upgrade"].as_bytes()), (&Method::GET, &b"websocket"[..]));
        let key = head.headers["sec-websocket-key"].as_bytes();
        assert_eq!((key.len(), &key[22..]), (24, &b"=="[..]));
        let proof = proof(key);
        for (proof, met) in
            [(Some(proof.as_str()), true), (Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), false), (None, false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            if let Some(proof) = proof {
                headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(proof).unwrap());
            }
            assert_eq!(challenge.is_met(&mut headers), met);
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn the_proof_is_that_of_the_standard() {
        assert_eq!(proof(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!([base64(b""), base64(b"f"), base64(b"fo"), base64(b"foo")], ["", "Zg==", "Zm8=", "Zm9v"]);
    }

    #[test]
    fn any_other_connect_stays_what_it_is() {
        for (method, protocol) in [
            (Method::CONNECT, None),
            (Method::CONNECT, Some("connect-udp")),
            (Method::GET, Some("websocket")),
        ] {
            let mut head = head(method.clone(), protocol);
            assert!(upgrade(&mut head).is_none());
            assert_eq!((head.method, head.headers.len()), (method, 0));
        }
    }
}
