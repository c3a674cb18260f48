//! Requests to AWS: the agent's own signature is taken out, wherever it stood, and the request is signed anew with keys that
//! the agent never had.
//!
//! The body is covered by the signature: by the hash of what is held, or by the one that the agent named, which the service
//! compares. A body in signed chunks loses them and is signed whole. Read next: `signature.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::places::{field_value, remove_field, set_field, with_query, without};
use super::signature::{self, ALGORITHM, EMPTY, Scope, Signable, decoded, hex};
use crate::model::types::{AwsTerms, Secret, Timestamp};

/// What of a request's body is known when it is signed.
#[derive(Debug, Clone, Copy)]
pub enum Payload {
    /// It has none.
    Empty,
    /// It is held: its SHA-256.
    Whole([u8; 32]),
    /// It passes as it comes.
    Passing,
}

/// Keys that sign.
#[derive(Debug)]
pub struct Keys {
    /// The id, which goes out with the signature.
    pub id: Arc<Secret>,
    /// The secret, which never does.
    pub secret: Arc<Secret>,
    /// The token of a session, which goes out too.
    pub token: Option<Arc<Secret>>,
}

/// The field that says how the signature covers the body.
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// The coding of bodies in chunks that are signed one by one, or carry a checksum behind them.
const CHUNKED: &str = "aws-chunked";
/// What is said of bodies that the signature does not cover.
const UNSIGNED: [&str; 2] = ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];
/// What is said of bodies whose events are signed one by one, as they are made.
const EVENTS: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";
/// Parameters of a signature in the query, of both versions.
const PARAMETERS: [&str; 9] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "AWSAccessKeyId",
];

/// Whether the body has to be held before the request can be signed.
pub fn needs_whole(terms: &AwsTerms, headers: &HeaderMap) -> bool {
    let word = text(headers, &CONTENT);
    let named = word.is_some_and(is_hash);
    let unsigned = terms.unsigned && word.is_some_and(|word| UNSIGNED.contains(&word));
    !named && !unsigned && word != Some(EVENTS)
}

/// Whether the body stands in chunks of its own, which end with a signature or a checksum.
pub fn is_chunked(headers: &HeaderMap) -> bool {
    let has =
        |value: &HeaderValue| value.to_str().is_ok_and(|value| codings(value).any(|one| one == CHUNKED));
    headers.get_all(CONTENT_ENCODING).iter().any(has)
}

/// Why a request cannot be signed, in words for the record.
pub type Unsignable = &'static str;

/// Signs a request as it goes out, over HTTP/1.1 or HTTP/2.
///
/// # Errors
/// Why it cannot be.
pub fn sign(
    (method, uri, headers): (&Method, &mut Uri, &mut HeaderMap),
    terms: &AwsTerms,
    keys: &Keys,
    payload: Payload,
    now: Timestamp,
) -> Result<(), Unsignable> {
    let claimed = claimed(uri, headers);
    let host = text(headers, &HOST).map(str::to_owned).ok_or("it names no host")?;
    let (of_host, claimed) = (of_host(&host), claimed.unwrap_or_default());
    let region = terms.region.as_deref().map(str::to_owned).or(claimed.0).or(of_host.0);
    let service = terms.service.as_deref().map(str::to_owned).or(claimed.1).or(of_host.1);
    let region = region.ok_or("neither the policy nor the agent nor the host names the region")?;
    let service = service.ok_or("neither the policy nor the agent nor the host names the service")?;
    let word = text(headers, &CONTENT).map(str::to_owned);
    let covers = covers(terms, payload, word.as_deref())?;
    strip(uri, headers).ok_or("its target is no URI any more")?;
    let time = stamp(now);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| "a key cannot stand in a field");
    set(headers, &DATE, value(&time)?);
    if word.is_some() || service.starts_with("s3") {
        set(headers, &CONTENT, value(&covers)?);
    }
    if let Some(token) = &keys.token {
        let token = field_value(&[token.open()]).map_err(|_| "the token cannot stand in a field")?;
        set_field(headers, &TOKEN, token);
    }
    let id = std::str::from_utf8(keys.id.open()).map_err(|_| "the id of the key is no text")?;
    let scope = Scope { key_id: id, time: &time, region: &region, service: &service };
    let fields = signed_fields(headers);
    let signable = Signable {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        fields: &fields,
        payload: &covers,
    };
    let signed = signature::authorization(&signable, &scope, keys.secret.open());
    set_field(headers, &AUTHORIZATION, value(&signed)?);
    Ok(())
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    remove_field(headers, name.as_str());
    headers.insert(name, value);
}

/// What the signature says of the body.
fn covers(terms: &AwsTerms, payload: Payload, word: Option<&str>) -> Result<String, Unsignable> {
    let unsigned = word.is_some_and(|word| UNSIGNED.contains(&word));
    match (payload, word) {
        (_, Some(EVENTS)) => Err("a stream of signed events cannot be signed anew"),
        (Payload::Empty, Some(word)) if word == UNSIGNED[0] && terms.unsigned => Ok(word.to_owned()),
        (Payload::Empty, _) => Ok(EMPTY.to_owned()),
        (Payload::Whole(hash), _) => Ok(hex(&hash)),
        (Payload::Passing, Some(word)) if is_hash(word) || unsigned && terms.unsigned => Ok(word.to_owned()),
        (Payload::Passing, _) => Err("its body is not held and its hash is not known"),
    }
}

fn is_hash(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes out what the agent signed with, in fields and in the query.
fn strip(uri: &mut Uri, headers: &mut HeaderMap) -> Option<()> {
    for name in [AUTHORIZATION.as_str(), DATE.as_str(), TOKEN.as_str(), CONTENT.as_str()] {
        remove_field(headers, name);
    }
    with_query(uri, |query| {
        let left = PARAMETERS.iter().fold(query.to_owned(), |query, name| without(&query, name));
        // The old version has two parameters of common names beside its own.
        match left == query || !query.to_ascii_lowercase().contains("awsaccesskeyid") {
            true => left,
            false => ["Signature", "Expires"].iter().fold(left, |query, name| without(&query, name)),
        }
    })
}

/// The region and the service that the agent's own signature names.
fn claimed(uri: &Uri, headers: &HeaderMap) -> Option<(Option<String>, Option<String>)> {
    let in_field = text(headers, &AUTHORIZATION).and_then(|value| {
        let parts = value.strip_prefix(ALGORITHM)?.split(',');
        parts.map(str::trim).find_map(|part| part.strip_prefix("Credential=")).map(str::to_owned)
    });
    let in_query = || {
        let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("X-Amz-Credential"))?;
        String::from_utf8(decoded(value)).ok()
    };
    let credential = in_field.or_else(in_query)?;
    // The id may have slashes of its own: a placeholder has.
    let mut parts = credential.rsplit('/');
    let (_request, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = |text: &str| {
        let plain = !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        plain.then(|| text.to_owned())
    };
    Some((plain(region), plain(service)))
}

/// The region and the service that a host of AWS names (`SERVICE.REGION.amazonaws.com`).
fn of_host(host: &str) -> (Option<String>, Option<String>) {
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let rest = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    let Some(rest) = rest else { return (None, None) };
    let labels: Vec<&str> = rest.split('.').collect();
    match labels[..] {
        [.., "s3"] => (Some("us-east-1".to_owned()), Some("s3".to_owned())),
        [.., service, region] => {
            // Its hosts have another name than what requests are signed for.
            let service = if service.starts_with("bedrock") { "bedrock" } else { service };
            (Some(region.to_owned()), Some(service.to_owned()))
        }
        _ => (None, None),
    }
}

/// The fields that are signed, by name, their values joined: the host, what the body is, and all of AWS's own.
fn signed_fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_signed =
        |name: &str| matches!(name, "host" | "content-type" | "content-md5") || name.starts_with("x-amz-");
    let mut fields = BTreeMap::<String, String>::new();
    for (name, value) in headers.iter().filter(|(name, _)| is_signed(name.as_str())) {
        let value = String::from_utf8_lossy(value.as_bytes());
        match fields.get_mut(name.as_str()) {
            Some(known) => {
                known.push(',');
                known.push_str(&value);
            }
            None => drop(fields.insert(name.as_str().to_owned(), value.into_owned())),
        }
    }
    fields.into_iter().collect()
}

/// `20150830T123600Z`.
fn stamp(now: Timestamp) -> String {
    let at = now.civil();
    format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", at.year, at.month, at.day, at.hour, at.minute, at.second)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn codings(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|coding| !coding.is_empty())
}

/// The body inside chunks of AWS's own, whose checksums become fields; nothing where it is malformed.
pub fn unchunked(headers: &mut HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(body.len()), body);
    loop {
        let line = line(&mut rest)?;
        let size = line.split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        out.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    while !rest.is_empty() {
        let line = line(&mut rest)?;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
        if name.as_str().starts_with("x-amz-checksum-") {
            headers.insert(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
        }
    }
    let left: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(codings)
        .filter(|coding| *coding != CHUNKED)
        .map(str::to_owned)
        .collect();
    for name in ["x-amz-decoded-content-length", "x-amz-trailer", "content-encoding", "trailer"] {
        headers.remove(name);
    }
    if !left.is_empty() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_str(&left.join(", ")).ok()?);
    }
    Some(out)
}

/// The bytes before the next end of a line, which is taken with them.
fn line<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let at = memchr::memmem::find(rest, b"\r\n")?;
    let line = &rest[..at];
    *rest = &rest[at + 2..];
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Arc<Secret> {
        Arc::new(Secret::new(text.into()))
    }

    fn keys(token: Option<&str>) -> Keys {
        Keys { id: secret("AKIDVAULT"), secret: secret("made up"), token: token.map(secret) }
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const NOW: Timestamp = Timestamp(1_767_323_045_000_000);
    const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn signed(
        target: &str,
        fields: &[(&'static str, &str)],
        terms: &AwsTerms,
        payload: Payload,
    ) -> Result<(String, HeaderMap), Unsignable> {
        let (mut uri, mut headers) = (target.parse().unwrap(), headers(fields));
        sign((&Method::GET, &mut uri, &mut headers), terms, &keys(Some("session")), payload, NOW)?;
        Ok((uri.to_string(), headers))
    }

    #[test]
    fn the_agents_signature_is_gone_and_names_region_and_service_where_the_policy_does_not() {
        let own = "AWS4-HMAC-SHA256 Credential=clawgress:aws/k/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00";
        let fields = [
            ("host", "table.example"),
            ("authorization", own),
            ("x-amz-date", "20260101T000000Z"),
            ("x_amz_security_token", "mine"),
            ("x-amz-target", "DynamoDB.GetItem"),
            ("user-agent", "sdk"),
        ];
        let (_, headers) = signed("/", &fields, &AwsTerms::default(), Payload::Empty).unwrap();
        let value = headers["authorization"].to_str().unwrap();
        let begins = "AWS4-HMAC-SHA256 Credential=AKIDVAULT/20260102/eu-central-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
        assert!(value.starts_with(begins), "{value}");
        assert_eq!(
            (&headers["x-amz-date"], &headers["x-amz-security-token"]),
            (&HeaderValue::from_static("20260102T030405Z"), &HeaderValue::from_static("session"))
        );
        assert!(
            !headers.contains_key("x_amz_security_token") && !headers.contains_key("x-amz-content-sha256")
        );
        assert!(headers["authorization"].is_sensitive() && headers["x-amz-security-token"].is_sensitive());
        let terms =
            AwsTerms { region: Some("us-west-2".into()), service: Some("es".into()), unsigned: false };
        let (_, headers) = signed("/", &fields, &terms, Payload::Empty).unwrap();
        assert!(headers["authorization"].to_str().unwrap().contains("/us-west-2/es/"));
    }

    #[test]
    fn a_signature_in_the_query_is_gone_and_the_rest_of_the_query_stays() {
        let target = "/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDMINE%2F20260101%2Feu-west-1%2Fs3%2Faws4_request\
                      &x-amz-signature=00&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Date=1&versionId=7";
        let fields = [("host", "bucket.s3.amazonaws.com")];
        let (target, headers) = signed(target, &fields, &AwsTerms::default(), Payload::Empty).unwrap();
        assert_eq!(target, "/key?versionId=7");
        assert!(headers["authorization"].to_str().unwrap().contains("/eu-west-1/s3/"));
        assert_eq!(headers["x-amz-content-sha256"], EMPTY);
        let old = "/key?AWSAccessKeyId=AKIDMINE&Expires=1&Signature=x&a=1";
        assert_eq!(signed(old, &fields, &AwsTerms::default(), Payload::Empty).unwrap().0, "/key?a=1");
        let kept = "/key?Expires=1&Signature=x";
        assert_eq!(signed(kept, &fields, &AwsTerms::default(), Payload::Empty).unwrap().0, kept);
    }

    #[test]
    fn a_host_of_aws_names_region_and_service() {
        for (host, region, service) in [
            ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1", "bedrock"),
            ("bucket.name.s3.eu-west-3.amazonaws.com:443", "eu-west-3", "s3"),
            ("s3.amazonaws.com", "us-east-1", "s3"),
            ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1", "sts"),
        ] {
            assert_eq!(of_host(host), (Some(region.to_owned()), Some(service.to_owned())), "{host}");
        }
        let denied = signed("/", &[("host", "a.example")], &AwsTerms::default(), Payload::Empty).unwrap_err();
        assert_eq!(denied, "neither the policy nor the agent nor the host names the region");
    }

    #[test]
    fn a_body_is_covered_by_its_hash_or_goes_nowhere_unless_the_policy_allows_it() {
        let host = ("host", "s3.eu-west-1.amazonaws.com");
        let open = AwsTerms { unsigned: true, ..AwsTerms::default() };
        let shut = AwsTerms::default();
        for (word, terms, payload, expected) in [
            (None, &shut, Payload::Whole([7; 32]), Ok(hex(&[7; 32]))),
            (Some(UNSIGNED[0]), &shut, Payload::Whole([7; 32]), Ok(hex(&[7; 32]))),
            (Some(HASH), &shut, Payload::Passing, Ok(HASH.to_owned())),
            (Some(UNSIGNED[1]), &open, Payload::Passing, Ok(UNSIGNED[1].to_owned())),
            (
                Some(UNSIGNED[0]),
                &shut,
                Payload::Passing,
                Err("its body is not held and its hash is not known"),
            ),
            (None, &open, Payload::Passing, Err("its body is not held and its hash is not known")),
            (Some(EVENTS), &open, Payload::Passing, Err("a stream of signed events cannot be signed anew")),
            (
                Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
                &open,
                Payload::Passing,
                Err("its body is not held and its hash is not known"),
            ),
        ] {
            let fields: Vec<_> =
                std::iter::once(host).chain(word.map(|word| ("x-amz-content-sha256", word))).collect();
            let found = signed("/b/k", &fields, terms, payload)
                .map(|(_, headers)| headers["x-amz-content-sha256"].to_str().unwrap().to_owned());
            assert_eq!(found, expected, "{word:?}");
            let needs = needs_whole(terms, &headers(&fields));
            assert_eq!(
                needs,
                matches!(
                    (word, terms.unsigned),
                    (None, _)
                        | (Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), _)
                        | (Some("UNSIGNED-PAYLOAD"), false)
                ),
                "{word:?}"
            );
        }
    }

    #[test]
    fn chunks_that_were_signed_become_one_body_and_their_checksum_a_field() {
        let mut fields = headers(&[
            ("content-encoding", "aws-chunked, gzip"),
            ("x-amz-decoded-content-length", "7"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ]);
        assert!(is_chunked(&fields));
        let body = b"4;chunk-signature=00\r\nbody\r\n3;chunk-signature=11\r\n in\r\n0;chunk-signature=22\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:33\r\n\r\n";
        assert_eq!(unchunked(&mut fields, body).unwrap(), b"body in");
        assert_eq!(
            (fields.len(), &fields["content-encoding"], &fields["x-amz-checksum-crc32"]),
            (2, &HeaderValue::from_static("gzip"), &HeaderValue::from_static("AAAAAA=="))
        );
        assert!(!is_chunked(&fields));
        for broken in
            [&b"4\r\nbo"[..], b"x\r\n\r\n", b"4\r\nbodyxx0\r\n\r\n", b"ffffffffffffffff\r\nbody\r\n", b""]
        {
            assert_eq!(unchunked(&mut fields, broken), None, "{broken:?}");
        }
    }
}
