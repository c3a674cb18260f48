//! The providers' own clients, unmodified, with placeholders for keys: they get their answers, their requests carry the vault's
//! keys, and nothing on the workload's side has one: not the environment, not the memory, not the wire.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};

use super::tools;
use crate::e2e::dialogue::fields;
use crate::e2e::injection::set;
use crate::e2e::origin::{Origin, Taken};
use crate::e2e::providers::{self, ANTHROPIC, BEDROCK, JOKE, OPENAI, reply};
use crate::e2e::streaming::TLS;
use crate::lab::backends::{Wire, within};
use crate::lab::{Lab, Zone};

const S3: &str = "bucket.s3.eu-west-1.amazonaws.com";
const OPENAI_KEY: &str = "mk-openai-made-up-4Zq7Rw2";
const ANTHROPIC_KEY: &str = "mk-anthropic-made-up-9Yb3Kf6";
const AWS_ID: &str = "AKIDVAULTMADEUP";
const AWS_SECRET: &str = "made/up+secret/access/key/of/the/vault";

fn documents() -> String {
    let policy = |name: &str, secret: &str, parent: &str, spec: &str| {
        format!(
            "---\napiVersion: clawgress.io/v1alpha1\nkind: CredentialInjectionPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{parentRefs: [{parent}], secretRef: {{name: {secret}}}, {spec}}}\n"
        )
    };
    let route = |name: &str, provider: &str| {
        format!(
            "---\napiVersion: clawgress.io/v1alpha1\nkind: AIProviderRoute\nmetadata: {{name: {name}}}\n\
             spec: {{parentRefs: [{{kind: EgressGateway, name: default}}], rules: [{{matches: [{{provider: {provider}}}]}}]}}\n"
        )
    };
    let of = |name: &str| format!("{{kind: AIProviderRoute, name: {name}}}");
    let signed = "target: ProviderAuth, providerAuth: {type: AWSv4}";
    format!(
        "apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {{name: alice}}
spec: {{sources: {{addresses: [10.77.0.2/32, 'fd77::2/128']}}}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {{name: default}}
spec: {{listeners: [{{name: tls, protocol: TLS, tls: {{mode: Terminate}}}}]}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {{name: bucket}}
spec: {{parentRefs: [{{kind: EgressGateway, name: default}}], hostnames: [{S3}], rules: [{{}}]}}
{}{}{}{}{}{}{}",
        route("openai", "openai"),
        route("anthropic", "anthropic"),
        route("bedrock", "bedrock"),
        policy(
            "openai",
            "openai",
            &of("openai"),
            "target: Header, headerName: Authorization, headerPrefix: 'Bearer '"
        ),
        policy("anthropic", "anthropic", &of("anthropic"), "target: Header, headerName: x-api-key"),
        policy("bedrock", "aws", &of("bedrock"), signed),
        policy("bucket", "aws", "{kind: EgressHTTPRoute, name: bucket}", signed),
    )
}

fn answer(taken: &Taken) -> Vec<u8> {
    if !fields(&taken.head, "host").any(|host| host == S3) {
        return providers::answer(taken);
    }
    match taken.line().split(' ').next() {
        Some("PUT") => reply("200 OK", "text/plain", b""),
        _ => reply("200 OK", "text/plain", b"what is kept"),
    }
}

/// Whether a process has these bytes in its memory.
fn has_in_memory(pid: i32, what: &[u8]) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its memory's map");
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).expect("its memory");
    maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with('r'))).any(
        |line| {
            let (start, end) =
                line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
            let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).expect("an address"));
            let mut bytes = vec![0; usize::try_from(end - start).expect("a size")];
            let read = memory.seek(SeekFrom::Start(start)).and_then(|_| memory.read_exact(&mut bytes));
            // What belongs to the kernel, such as `[vvar]`, cannot be read.
            read.is_ok() && memchr::memmem::find(&bytes, what).is_some()
        },
    )
}

/// Ends the capture, also where a claim fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn clients_with_placeholders_get_their_answers_and_never_a_key() {
    let lab = Lab::new();
    let leaf = lab.pki().leaf(&[OPENAI, ANTHROPIC, BEDROCK, S3]);
    let origin = Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), answer);
    let zone = [OPENAI, ANTHROPIC, BEDROCK, S3]
        .into_iter()
        .fold(Zone::new(), |zone, name| zone.host(name, &["192.0.2.11"]));
    let _resolver = lab.resolver(zone);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &documents())]);
    set(&daemon, &["openai"], OPENAI_KEY);
    set(&daemon, &["anthropic"], ANTHROPIC_KEY);
    set(&daemon, &["aws", "--key", "access-key-id"], AWS_ID);
    set(&daemon, &["aws", "--key", "secret-access-key"], AWS_SECRET);
    let all = Protocol::from(i32::from(0x0003_u16.to_be()));
    let wire =
        lab.workload().enter(|| Socket::new(Domain::PACKET, Type::RAW, Some(all))).expect("a packet socket");
    wire.set_read_timeout(Some(std::time::Duration::from_millis(100))).expect("a socket option");
    let over = AtomicBool::new(false);
    let captured = std::thread::scope(|scope| {
        let capture = scope.spawn(|| {
            let (mut all, mut packet) = (Vec::new(), vec![0; 1 << 16]);
            let mut wire = &wire;
            loop {
                match wire.read(&mut packet) {
                    Ok(length) => all.extend_from_slice(&packet[..length]),
                    Err(_) if over.load(Ordering::Relaxed) => return all,
                    Err(_) => {}
                }
            }
        });
        let log = lab.folder().join("keyless.txt");
        let client = lab.workload().command("sh").args(["-c", "exec \"$0\" \"$1\" >keyless.txt 2>&1"]);
        let client = client.arg(tools::python()).arg(tools::client("keyless_client.py"));
        let client = client.env("SSL_CERT_FILE", daemon.authority()).env("AWS_CA_BUNDLE", daemon.authority());
        let mut client = client.deadline(tools::PATIENCE).start();
        let _ends = Ends(&over);
        let said = within(tools::PATIENCE, "the client is done", || {
            fs::read_to_string(&log).ok().filter(|said| said.ends_with("done\n"))
        });
        let steps: Vec<Value> = BufReader::new(said.as_bytes())
            .lines()
            .map_while(Result::ok)
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(&line).expect(&line))
            .collect();
        let texts: Vec<&str> =
            steps.iter().map(|step| step["text"].as_str().unwrap_or_else(|| panic!("{step}"))).collect();
        assert_eq!(texts, [JOKE, JOKE, JOKE, "kept", "kept", "what is kept", "what is kept"]);
        let pid = client.pid().as_raw_nonzero().get();
        assert!(has_in_memory(pid, b"clawgress:openai"), "its memory can be searched");
        let environment = fs::read(format!("/proc/{pid}/environ")).expect("its environment");
        for key in [OPENAI_KEY, ANTHROPIC_KEY, AWS_SECRET] {
            assert!(!has_in_memory(pid, key.as_bytes()), "{key} is in the client's memory");
            assert!(memchr::memmem::find(&environment, key.as_bytes()).is_none());
        }
        client.stop();
        over.store(true, Ordering::Relaxed);
        capture.join().expect("a capture")
    });
    assert!(captured.len() > 10_000, "the wire was heard");
    for key in [OPENAI_KEY, ANTHROPIC_KEY, AWS_SECRET, AWS_ID] {
        assert!(
            memchr::memmem::find(&captured, key.as_bytes()).is_none(),
            "{key} was on the workload's wire"
        );
    }
    let taken = origin.taken();
    let sent = |host: &str, field: &str| {
        let of =
            taken.iter().find(|one| fields(&one.head, "host").any(|found| found == host)).expect("a request");
        fields(&of.head, field).collect::<Vec<_>>().join(",")
    };
    assert_eq!(sent(OPENAI, "authorization"), format!("Bearer {OPENAI_KEY}"));
    assert_eq!(
        (sent(ANTHROPIC, "x-api-key"), sent(ANTHROPIC, "authorization")),
        (ANTHROPIC_KEY.into(), String::new())
    );
    signed_as_botocore_signs(&lab, &taken);
}

/// Botocore computes the signature of every request to AWS anew, by what stood on the wire.
fn signed_as_botocore_signs(lab: &Lab, taken: &[Taken]) {
    let signed =
        taken.iter().filter(|one| fields(&one.head, "authorization").any(|value| value.starts_with("AWS4-")));
    let requests: Vec<Value> =
        signed.map(|one| json!({"head": one.head, "body": BASE64_STANDARD.encode(&one.body)})).collect();
    assert_eq!(requests.len(), 5, "one to Bedrock, four to S3");
    let asked = json!({"id": AWS_ID, "secret": AWS_SECRET, "requests": requests}).to_string();
    let python = lab.upstream().command(&tools::python()).arg(tools::client("signatures.py")).input(asked);
    for line in python.deadline(tools::PATIENCE).run().succeeded().lines() {
        let found: Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(
            (&found["same"], &found["covered"], &found["id"]),
            (&json!(true), &json!(true), &json!(AWS_ID)),
            "{found}"
        );
    }
}
