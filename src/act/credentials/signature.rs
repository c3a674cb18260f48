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

    /// S3 takes paths as they are, every other service removes dot segments and empty ones and encodes them once more. What
    /// goes on the wire stays as the agent wrote it: the service computes the same of it.
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

    /// The examples of AWS's documentation: "Examples: Signature calculations in AWS Signature Version 4" (Amazon S3 API
    /// Reference), and "Create a signed AWS API request" (IAM User Guide). Keys and signatures are those printed there.
    #[test]
    fn the_examples_of_the_documentation_come_to_the_signatures_that_it_prints() {
        // The two pages have keys of their own.
        let of_s3 = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let of_iam = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let (host, date) = (("host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"));
        let welcome = hex(digest(&SHA256, b"Welcome to Amazon S3.").as_ref());
        let hash = |hash| ("x-amz-content-sha256", hash);
        let reduced = ("x-amz-storage-class", "REDUCED_REDUNDANCY");
        let sent = ("date", "Fri, 24 May 2013 00:00:00 GMT");
        let iam = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        for (service, target, fields, payload, signature) in [
            (
                "s3",
                "GET /test.txt",
                &[host, ("range", "bytes=0-9"), hash(EMPTY), date][..],
                EMPTY,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "s3",
                "PUT /test$file.text",
                &[sent, host, hash(&welcome), date, reduced],
                &welcome,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "s3",
                "GET /?lifecycle",
                &[host, hash(EMPTY), date],
                EMPTY,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "s3",
                "GET /?max-keys=2&prefix=J",
                &[host, hash(EMPTY), date],
                EMPTY,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
            (
                "iam",
                "GET /?Version=2010-05-08&Action=ListUsers",
                &iam,
                EMPTY,
                "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ] {
            let (method, target) = target.split_once(' ').unwrap();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let time = &fields.iter().find(|(name, _)| name == "x-amz-date").unwrap().1;
            let scope = Scope { key_id: "AKIDEXAMPLE", time, region: "us-east-1", service };
            let secret = if service == "s3" { of_s3 } else { of_iam };
            let signed =
                authorization(&Signable { method, path, query, fields: &fields, payload }, &scope, secret);
            assert!(signed.ends_with(&format!("Signature={signature}")), "{target}: {signed}");
        }
    }

    /// Paths are normalised after RFC 3986 and encoded twice, but for Amazon S3 (IAM User Guide, as above).
    #[test]
    fn a_service_beside_s3_gets_the_path_normalised_and_encoded_twice() {
        for (path, s3, other) in [
            (
                "/documents%20and%20settings/",
                "/documents%20and%20settings/",
                "/documents%2520and%2520settings/",
            ),
            ("/../../a", "/../../a", "/a"),
            ("/a/./", "/a/./", "/a/"),
            ("//", "//", "/"),
            ("/arn:aws:x/@y", "/arn%3Aaws%3Ax/%40y", "/arn%3Aaws%3Ax/%40y"),
            ("/%7euser", "/~user", "/%257euser"),
        ] {
            assert_eq!(
                (canonical_path(path, true), canonical_path(path, false)),
                (s3.into(), other.into()),
                "{path}"
            );
        }
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
