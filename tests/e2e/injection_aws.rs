//! Requests to AWS, signed by the gateway: a look-alike of a service computes each signature anew from what stood on the wire.
//! And tokens of Google, which the gateway asks for itself.

use aws_lc_rs::hmac;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::dialogue::{Heard, OPENED, fields, over_tls};
use super::injection::set;
use super::origin::{Origin, Taken};
use super::providers::{pieces, reply};
use super::streaming::TLS;
use crate::lab::backends::Wire;
use crate::lab::{Daemon, Lab, Resolver, Zone};

/// A bucket's host.
const S3: &str = "bucket.s3.eu-west-1.amazonaws.com";
/// A host of another service.
const TABLES: &str = "dynamodb.eu-west-1.amazonaws.com";
/// A host of Google's.
const STORAGE: &str = "storage.googleapis.com";
/// Where tokens are given.
const TOKENS: &str = "tokens.example";

/// The id of the key in the vault.
const ID: &str = "AKIDVAULTMADEUP";
/// What signs.
const SECRET: &str = "made/up+secret/of/the/vault";
/// The token of its session.
const SESSION: &str = "session-token-made-up";

/// A gateway whose requests to AWS are signed, with this in `providerAuth`.
fn signing<'lab>(lab: &'lab Lab, more: &str) -> (Resolver, Daemon<'lab>) {
    let opened = OPENED.replace(
        "hostnames: [site.example,",
        &format!("hostnames: [{S3}, {TABLES}, {STORAGE}, site.example,"),
    );
    let policy = format!(
        "---
apiVersion: clawgress.io/v1alpha1
kind: CredentialInjectionPolicy
metadata: {{name: cloud}}
spec:
  parentRefs: [{{kind: EgressHTTPRoute, name: sites}}]
  secretRef: {{name: cloud}}
  target: ProviderAuth
  providerAuth: {{{more}}}
"
    );
    let hosts = [S3, TABLES, STORAGE];
    let zone = hosts.into_iter().fold(Zone::new(), |zone, host| zone.host(host, &["192.0.2.11"]));
    let resolver = lab.resolver(zone.host(TOKENS, &["192.0.2.14"]));
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &format!("{opened}{policy}"))]);
    (resolver, daemon)
}

fn with_keys(daemon: &Daemon<'_>, session: bool) {
    set(daemon, &["cloud", "--key", "access-key-id"], ID);
    set(daemon, &["cloud", "--key", "secret-access-key"], SECRET);
    if session {
        set(daemon, &["cloud", "--key", "session-token"], SESSION);
    }
}

fn service(lab: &Lab) -> Origin {
    let leaf = lab.pki().leaf(&[S3, TABLES, STORAGE]);
    Origin::start(lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), |taken| match verify(taken) {
        Ok(()) => reply("200 OK", "text/plain", b"signed"),
        Err(why) => reply("403 Forbidden", "text/plain", why.as_bytes()),
    })
}

fn ask(lab: &Lab, daemon: &Daemon<'_>, host: &str, request: impl AsRef<[u8]>) -> Heard {
    over_tls(lab.workload(), TLS, host, daemon.authority()).ask(request)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Computes the signature of a request from the bytes of its head, as the documentation of AWS says.
fn verify(taken: &Taken) -> Result<(), String> {
    let field = |name: &str| fields(&taken.head, name).collect::<Vec<_>>().join(",");
    let value = field("authorization");
    let rest = value.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| format!("not signed: {value}"))?;
    let part = |name: &str| {
        let mut parts = rest.split(", ").filter_map(|part| part.split_once('='));
        parts.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).ok_or(format!("no {name}"))
    };
    let (credential, names, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let (id, scope) = credential.split_once('/').ok_or("no scope")?;
    if id != ID {
        return Err(format!("signed with the key {id}"));
    }
    let unsigned = taken.head.to_ascii_lowercase();
    for name in ["host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "x-amz-target"] {
        if unsigned.contains(&format!("\r\n{name}:")) && !names.split(';').any(|signed| signed == name) {
            return Err(format!("{name} is not signed"));
        }
    }
    let payload = match &*field("x-amz-content-sha256") {
        word @ ("UNSIGNED-PAYLOAD" | "STREAMING-UNSIGNED-PAYLOAD-TRAILER") => word.to_owned(),
        _ => hex(Sha256::digest(&taken.body)),
    };
    let mut line = taken.line().split(' ');
    let (method, target) = (line.next().ok_or("no method")?, line.next().ok_or("no target")?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    // What the tests ask for is encoded as it has to be already; services besides S3 encode it once more.
    let path = if scope.contains("/s3/") { path.to_owned() } else { path.replace('%', "%25") };
    // Blanks in a value count as one.
    let plain = |name: &str| field(name).split_whitespace().collect::<Vec<_>>().join(" ");
    let signed: String = names.split(';').map(|name| format!("{name}:{}\n", plain(name))).collect();
    let canonical = format!("{method}\n{path}\n{}\n{signed}\n{names}\n{payload}", pairs.join("&"));
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", field("x-amz-date"), hex(Sha256::digest(&canonical)));
    let key = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| mac(&key, part));
    match hex(mac(&key, &to_sign)) == signature {
        true => Ok(()),
        false => Err(format!("another signature than that of\n{canonical}")),
    }
}

/// What an agent signs with keys that it made up.
fn claimed(region: &str, service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=clawgress:cloud/20200101/{region}/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0123\r\nX-Amz-Date: 20200101T000000Z\r\nX-Amz-Security-Token: mine\r\n"
    )
}

#[apply(over_both)]
fn a_request_is_signed_anew_with_the_vaults_keys(lab: Lab) {
    let (_resolver, daemon) = signing(&lab, "type: AWSv4");
    let origin = service(&lab);
    with_keys(&daemon, true);
    let body = r#"{"TableName":"t"}"#;
    let length = body.len();
    let own = claimed("eu-west-1", "dynamodb");
    let request = format!(
        "POST /a%20b?z=1&a=%2F HTTP/1.1\r\nHost: {TABLES}\r\n{own}X-Amz-Target:  Dynamo   List \r\nContent-Type: application/x-amz-json-1.0\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let heard = ask(&lab, &daemon, TABLES, request);
    assert_eq!((heard.status, heard.text()), (200, "signed".into()));
    let taken = origin.taken().pop().expect("a request");
    assert_eq!(fields(&taken.head, "x-amz-security-token").collect::<Vec<_>>(), [SESSION]);
    assert!(!taken.head.contains("clawgress:") && !taken.head.contains("20200101"), "{}", taken.head);
    assert!(!taken.head.contains(SECRET), "the secret never goes out");
    daemon.record(&json!({
        "kind": "request", "destination_host": TABLES, "status": 200,
        "credential": "CredentialInjectionPolicy/cloud: secret cloud version 1",
    }));
}

#[apply(over_both)]
fn a_signature_in_the_query_is_taken_out(lab: Lab) {
    let (_resolver, daemon) = signing(&lab, "type: AWSv4");
    let origin = service(&lab);
    with_keys(&daemon, false);
    let target = "/key%20one?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDMINE%2F20200101%2Feu-west-1%2Fs3%2Faws4_request\
                  &X-Amz-Date=20200101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00&versionId=7";
    let heard = ask(&lab, &daemon, S3, format!("GET {target} HTTP/1.1\r\nHost: {S3}\r\n\r\n"));
    assert_eq!((heard.status, heard.text()), (200, "signed".into()));
    assert_eq!(origin.taken().pop().expect("a request").line(), "GET /key%20one?versionId=7 HTTP/1.1");
}

#[apply(over_both)]
fn a_body_is_signed_by_its_hash_however_the_agent_sent_it(lab: Lab) {
    let (_resolver, daemon) = signing(&lab, "type: AWSv4, region: eu-west-1, service: s3");
    let origin = service(&lab);
    with_keys(&daemon, false);
    let hash = hex(Sha256::digest("0123456789"));
    let signed =
        "4;chunk-signature=00\r\n0123\r\n6;chunk-signature=11\r\n456789\r\n0;chunk-signature=22\r\n\r\n";
    let summed = "a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:pSxsZg==\r\n\r\n";
    let coded = "Content-Encoding: aws-chunked\r\nX-Amz-Decoded-Content-Length: 10\r\n";
    for (word, fields, body) in [
        ("", "", "0123456789"),
        (&*hash, "", "0123456789"),
        ("UNSIGNED-PAYLOAD", "", "0123456789"),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", coded, signed),
        (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            &format!("{coded}X-Amz-Trailer: x-amz-checksum-crc32\r\n"),
            summed,
        ),
    ] {
        let word = if word.is_empty() { String::new() } else { format!("X-Amz-Content-Sha256: {word}\r\n") };
        let length = body.len();
        let request = format!(
            "PUT /key HTTP/1.1\r\nHost: {S3}\r\n{word}{fields}Content-Length: {length}\r\n\r\n{body}"
        );
        let heard = ask(&lab, &daemon, S3, request);
        assert_eq!((heard.status, heard.text()), (200, "signed".into()), "{word}");
        let taken = origin.taken().pop().expect("a request");
        assert_eq!(String::from_utf8_lossy(&taken.body), "0123456789", "{word}");
        assert!(
            taken.head.to_ascii_lowercase().contains(&format!("x-amz-content-sha256: {hash}")),
            "{}",
            taken.head
        );
    }
    let last = origin.taken().pop().expect("a request").head.to_ascii_lowercase();
    assert!(
        last.contains("\r\nx-amz-checksum-crc32: psxszg==\r\n") && !last.contains("aws-chunked"),
        "{last}"
    );
}

#[apply(over_both)]
fn a_body_that_the_signature_does_not_cover_goes_where_the_policy_allows_it(lab: Lab) {
    let (_resolver, daemon) = signing(&lab, "type: AWSv4, unsignedPayload: Allow");
    let origin = service(&lab);
    with_keys(&daemon, false);
    let own = claimed("eu-west-1", "s3");
    let summed = "a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:pSxsZg==\r\n\r\n";
    let request = format!(
        "PUT /key HTTP/1.1\r\nHost: {S3}\r\n{own}X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\
         Content-Encoding: aws-chunked\r\nX-Amz-Decoded-Content-Length: 10\r\nX-Amz-Trailer: x-amz-checksum-crc32\r\n\
         Content-Length: {}\r\n\r\n{summed}",
        summed.len()
    );
    let heard = ask(&lab, &daemon, S3, request);
    assert_eq!((heard.status, heard.text()), (200, "signed".into()));
    assert_eq!(String::from_utf8_lossy(&origin.taken().pop().expect("a request").body), summed);
}

#[apply(over_both)]
fn what_cannot_be_signed_is_refused_and_nothing_is_sent(lab: Lab) {
    let (_resolver, daemon) = signing(&lab, "type: AWSv4");
    let origin = service(&lab);
    set(&daemon, &["cloud", "--key", "access-key-id"], ID);
    let needs = daemon.status()["needs"].to_string();
    assert!(needs.contains("needs the secret `cloud/secret-access-key`"), "{needs}");
    let get = format!("GET /key HTTP/1.1\r\nHost: {S3}\r\n\r\n");
    ask(&lab, &daemon, S3, &get).is_refusal(503, "credential.unavailable");
    daemon.record(&json!({
        "reason": "credential.unavailable",
        "evidence": "secret cloud: missing; clawgress secret set cloud --key secret-access-key",
    }));
    with_keys(&daemon, false);
    let broken = format!(
        "PUT /key HTTP/1.1\r\nHost: {S3}\r\nContent-Encoding: aws-chunked\r\nContent-Length: 5\r\n\r\nxxxxx"
    );
    ask(&lab, &daemon, S3, broken).is_refusal(400, "protocol.malformed");
    assert!(origin.taken().is_empty());
}

/// The key file of a service account that was made for this test.
fn key_file() -> String {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    json!({
        "type": "service_account", "client_email": "robot@made-up.example", "private_key": pair.serialize_pem(),
        "private_key_id": "k1", "token_uri": format!("https://{TOKENS}/token"),
    })
    .to_string()
}

#[apply(over_both)]
fn a_token_for_a_service_account_is_asked_for_once_and_never_reaches_the_agent(lab: Lab) {
    let (_resolver, daemon) = signing(&lab, "type: GCPServiceAccount, scopes: [storage]");
    let leaf = lab.pki().leaf(&[STORAGE]);
    let origin = Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), |taken| {
        let got = fields(&taken.head, "authorization").next().unwrap_or("nothing").to_owned();
        pieces("text/plain", got.as_bytes())
    });
    let tokens = Origin::start(
        &lab,
        "192.0.2.14:443",
        Wire::Tls(&lab.pki().leaf(&[TOKENS]), &["http/1.1"]),
        |taken| {
            let form = String::from_utf8_lossy(&taken.body);
            let asks = form
                .starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey");
            let granted =
                json!({"access_token": "ya29.made-up-token", "expires_in": 3600, "token_type": "Bearer"})
                    .to_string();
            match asks && taken.line() == "POST /token HTTP/1.1" {
                true => reply("200 OK", "application/json", granted.as_bytes()),
                false => reply("400 Bad Request", "application/json", b"{}"),
            }
        },
    );
    let get = format!("GET /b/o HTTP/1.1\r\nHost: {STORAGE}\r\nAuthorization: Bearer mine\r\n\r\n");
    set(&daemon, &["cloud"], "{}");
    ask(&lab, &daemon, STORAGE, &get).is_refusal(503, "credential.unavailable");
    set(&daemon, &["cloud"], &key_file());
    for _ in 0..3 {
        let heard = ask(&lab, &daemon, STORAGE, &get);
        assert_eq!(
            (heard.status, heard.text()),
            (200, format!("Bearer {}", "*".repeat("ya29.made-up-token".len())))
        );
        let taken = origin.taken().pop().expect("a request");
        assert_eq!(fields(&taken.head, "authorization").collect::<Vec<_>>(), ["Bearer ya29.made-up-token"]);
    }
    assert_eq!(tokens.taken().len(), 1, "it is kept");
    daemon.record(&json!({"kind": "system", "action": "token", "object": format!("https://{TOKENS}/token")}));
}

#[apply(over_both)]
fn without_a_token_nothing_is_sent(lab: Lab) {
    let (_resolver, daemon) = signing(&lab, "type: GCPServiceAccount");
    let leaf = lab.pki().leaf(&[STORAGE]);
    let origin = Origin::ok(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]));
    set(&daemon, &["cloud"], &key_file());
    // Whoever answers there has proven no name.
    let stranger = lab.pki().self_signed(&[TOKENS]);
    let tokens = Origin::ok(&lab, "192.0.2.14:443", Wire::Tls(&stranger, &["http/1.1"]));
    let get = format!("GET /b/o HTTP/1.1\r\nHost: {STORAGE}\r\n\r\n");
    ask(&lab, &daemon, STORAGE, &get).is_refusal(503, "credential.unavailable");
    assert!(origin.taken().is_empty() && tokens.taken().is_empty());
    let row = daemon.record(&json!({"kind": "request", "reason": "credential.unavailable"}));
    assert!(
        row["evidence"]
            .as_str()
            .is_some_and(|seen| seen.starts_with("cloud: 192.0.2.14:443: ") || seen.contains("]:443: ")),
        "{row}"
    );
}
