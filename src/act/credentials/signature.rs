//! AWS Signature Version 4 (AWS, "Create a signed AWS API request"): the canonical form of a request, and its signature.
//!
//! Computed here from what goes on the wire, with nothing of the agent's own signature left. Never reads a clock; keys
//! derived on the way are overwritten. Read next: `aws.rs`, which makes requests fit to be signed.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// The scheme, as `Authorization` names it.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Hash of no bytes.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Whose keys sign, and for what.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The id of the key.
    pub key_id: &'a str,
    /// `20150830T123600Z`.
    pub time: &'a str,
    /// The region.
    pub region: &'a str,
    /// The service.
    pub service: &'a str,
}

/// What is signed of a request.
#[derive(Debug)]
pub struct Signable<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, as it goes on the wire.
    pub path: &'a str,
    /// The query without its question mark, as it goes on the wire.
    pub query: &'a str,
    /// Fields by lower-case name, ascending, each with its values joined.
    pub fields: &'a [(String, String)],
    /// The hash of the body in hexadecimal digits, or the word that stands for it.
    pub payload: &'a str,
}

impl Scope<'_> {
    /// `20150830/us-east-1/service/aws4_request`.
    fn words(&self) -> String {
        let day = self.time.get(..8).unwrap_or_default();
        format!("{day}/{}/{}/aws4_request", self.region, self.service)
    }

    /// S3 takes paths as they are, every other service encodes them once more.
    fn is_s3(&self) -> bool {
        matches!(self.service, "s3" | "s3-object-lambda" | "s3-outposts" | "s3express")
    }
}

/// The value of `Authorization`.
pub fn authorization(signable: &Signable<'_>, scope: &Scope<'_>, secret: &[u8]) -> String {
    let canonical = canonical(signable, scope);
    let words = scope.words();
    let to_sign = format!(
        "{ALGORITHM}\n{}\n{words}\n{}",
        scope.time,
        hex(digest(&SHA256, canonical.as_bytes()).as_ref())
    );
    let signature = hex(mac(&*key(scope, secret), to_sign.as_bytes()).as_slice());
    let (id, names) = (scope.key_id, names(signable));
    format!("{ALGORITHM} Credential={id}/{words}, SignedHeaders={names}, Signature={signature}")
}

/// The key of a day, a region and a service.
fn key(scope: &Scope<'_>, secret: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut first = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(secret);
    let day = scope.time.get(..8).unwrap_or_default();
    let key = mac(&first, day.as_bytes());
    let key = mac(&*key, scope.region.as_bytes());
    let key = mac(&*key, scope.service.as_bytes());
    mac(&*key, b"aws4_request")
}

fn mac(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn names(signable: &Signable<'_>) -> String {
    signable.fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
}

/// The canonical request.
fn canonical(signable: &Signable<'_>, scope: &Scope<'_>) -> String {
    let path = canonical_path(signable.path, scope.is_s3());
    let query = canonical_query(signable.query);
    let fields = signable.fields.iter().fold(String::new(), |all, (name, value)| {
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        all + name + ":" + &value + "\n"
    });
    let (method, names, payload) = (signable.method, names(signable), signable.payload);
    format!("{method}\n{path}\n{query}\n{fields}\n{names}\n{payload}")
}

fn canonical_path(path: &str, is_s3: bool) -> String {
    let encode = |text: &[u8]| encoded(text, |byte| byte == b'/');
    if is_s3 {
        return encode(&decoded(path));
    }
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => drop(elements.pop()),
            element => elements.push(element),
        }
    }
    let ends = path.ends_with('/') && !elements.is_empty();
    let path = format!("/{}{}", elements.join("/"), if ends { "/" } else { "" });
    encode(path.as_bytes())
}

/// Parameters by their encoded name, then by their encoded value.
fn canonical_query(query: &str) -> String {
    let each = query.split('&').filter(|one| !one.is_empty()).map(|one| {
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        let encode = |text| encoded(&decoded(text), |_| false);
        (encode(name), encode(value))
    });
    let mut all: Vec<(String, String)> = each.collect();
    all.sort();
    all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Without percent-encoding (RFC 3986, section 2.1); what is none stays as it is.
pub fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// With everything percent-encoded that is neither unreserved nor kept.
pub fn encoded(bytes: &[u8], kept: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || kept(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "20260102T030405Z";

    fn scope<'a>(service: &'a str) -> Scope<'a> {
        Scope { key_id: "AKIDMADEUP", time: TIME, region: "eu-west-1", service }
    }

    #[test]
    fn the_canonical_form_of_a_path_is_that_of_its_service() {
        for (path, s3, other) in [
            ("/", "/", "/"),
            ("/a%20b/c", "/a%20b/c", "/a%2520b/c"),
            ("/a:b", "/a%3Ab", "/a%3Ab"),
            ("//a/./b/../c/", "//a/./b/../c/", "/a/c/"),
            ("/a%2Fb", "/a/b", "/a%252Fb"),
            ("/100%", "/100%25", "/100%25"),
        ] {
            assert_eq!(
                (canonical_path(path, true), canonical_path(path, false)),
                (s3.into(), other.into()),
                "{path}"
            );
        }
    }

    #[test]
    fn parameters_stand_in_the_order_of_their_encoded_names_and_values() {
        assert_eq!(canonical_query("b=2&a=%7e&a=%20&c&&B=1%2B1"), "B=1%2B1&a=%20&a=~&b=2&c=");
        assert_eq!(canonical_query(""), "");
    }

    #[test]
    fn blanks_in_a_value_are_one_and_none_around_it() {
        let fields =
            [("host".to_owned(), "a.example".to_owned()), ("x-amz-note".to_owned(), "  a   b ".to_owned())];
        let signable = Signable { method: "GET", path: "/", query: "", fields: &fields, payload: EMPTY };
        let expected = format!("GET\n/\n\nhost:a.example\nx-amz-note:a b\n\nhost;x-amz-note\n{EMPTY}");
        assert_eq!(canonical(&signable, &scope("service")), expected);
    }

    /// The key of a day is derived as the documentation of AWS spells it out, step by step.
    #[test]
    fn a_signature_is_the_mac_of_what_is_to_be_signed_under_the_key_of_its_scope() {
        let fields = [("host".to_owned(), "a.example".to_owned())];
        let signable = Signable { method: "GET", path: "/", query: "", fields: &fields, payload: EMPTY };
        let value = authorization(&signable, &scope("service"), b"made up");
        let canonical = format!("GET\n/\n\nhost:a.example\n\nhost\n{EMPTY}");
        let words = "20260102/eu-west-1/service/aws4_request";
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{TIME}\n{words}\n{}",
            hex(digest(&SHA256, canonical.as_bytes()).as_ref())
        );
        let step = |key: &[u8], text: &str| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
        };
        let key = ["20260102", "eu-west-1", "service", "aws4_request"]
            .iter()
            .fold(b"AWS4made up".to_vec(), |key, text| step(&key, text));
        let signature = hex(&step(&key, &to_sign));
        assert_eq!(
            value,
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDMADEUP/{words}, SignedHeaders=host, Signature={signature}"
            )
        );
    }
}
