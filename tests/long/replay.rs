//! Recorded exchanges with providers, where there are some, on the whole road: every answer comes to the agent as it was
//! recorded, in pieces of seven bytes and in gzip, and its record says what the provider counted. Read next: `exchanges`.

use std::collections::BTreeSet;

use clawgress::model::types::{HostName, Provider};
use http::Uri;
use serde_json::{Value, json};

use super::exchanges::{PIECE, coded, recordings};
use crate::e2e::dialogue::over_tls;
use crate::e2e::origin::Origin;
use crate::e2e::streaming::TLS;
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_is_read_in_tls;
use crate::lab::{Lab, Zone};

/// Providers whose hosts are known.
const KNOWN: [&str; 5] = ["openai", "anthropic", "google", "azure-openai", "bedrock"];

/// Alice, and routes to every provider and to these hosts.
fn documents(hosts: &BTreeSet<String>) -> String {
    let all: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let known: String = KNOWN.iter().map(|name| format!("{{provider: {name}}}, ")).collect();
    let unknown = |host: &&&str| HostName::parse(host).ok().and_then(|host| Provider::of(&host)).is_none();
    let own: Vec<&&str> = all.iter().filter(unknown).collect();
    let own: Vec<String> = own.into_iter().map(|host| format!("'{host}'")).collect();
    alice_is_read_in_tls(&format!(
        "
apiVersion: clawgress.io/v1alpha1
kind: AIProviderRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{kind: EgressGateway, name: default}}]
  rules: [{{matches: [{known}{{provider: custom, hostnames: [{}]}}]}}]
",
        own.join(", ")
    ))
}

fn uri(row: &Value) -> Uri {
    row["url"].as_str().and_then(|url| url.parse().ok()).expect("a URL")
}

/// A question by a method that asks, to a host that has a name.
fn is_call(row: &Value) -> bool {
    let posts = row["method"].as_str().is_some_and(|method| method.eq_ignore_ascii_case("post"));
    let uri = uri(row);
    let host = uri.host().unwrap_or_default();
    posts && host.contains('.') && host.parse::<std::net::IpAddr>().is_err()
}

/// The answer on the wire.
fn wire(row: &Value, body: &[u8], coding: &str) -> Vec<u8> {
    let status = row["status"].as_u64().expect("a status");
    let mut head = format!("HTTP/1.1 {status} Recorded\r\n");
    if let Some(kind) = row["content_type"].as_str() {
        head += &format!("Content-Type: {kind}\r\n");
    }
    for (name, value) in row["usage_raw"].as_object().into_iter().flatten() {
        if name.starts_with("x-amzn-") {
            head += &format!("{name}: {value}\r\n");
        }
    }
    if !coding.is_empty() {
        head += &format!("Content-Encoding: {coding}\r\n");
    }
    let mut out = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(PIECE) {
        out.extend(format!("{:x}\r\n", piece.len()).bytes());
        out.extend(piece);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}

/// What a record says otherwise than the recording.
fn differences(row: &Value, record: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["input", "output", "cache_read", "cache_write", "reasoning"] {
        let expected = row[format!("expected_{name}_tokens")].as_f64().map(|figure| figure as u64);
        let have = record[format!("tokens_{name}")].as_u64();
        if expected.is_some() && expected != have {
            found.push(format!("{name} is {have:?}, not {expected:?}"));
        }
    }
    let model = row["expected_model"].as_str();
    if model.is_some() && record["model"].as_str() != model {
        found.push(format!("model is {}, not {model:?}", record["model"]));
    }
    found
}

#[test]
fn recorded_exchanges_come_as_they_were_and_are_on_record_as_the_providers_counted_them() {
    let Some(all) = recordings() else {
        println!("`CLAWGRESS_EXCHANGES` names no recordings");
        return;
    };
    let rows: Vec<Value> =
        all.into_iter().filter(is_call).filter(|row| row["status"] != json!(204)).collect();
    let hosts: BTreeSet<String> =
        rows.iter().map(|row| uri(row).host().expect("a host").to_owned()).collect();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let lab = Lab::new();
    let leaf = lab.pki().leaf(&names);
    let codings = ["", "gzip"];
    let bodies: Vec<Vec<u8>> = rows
        .iter()
        .flat_map(|row| codings.map(|coding| coded(coding, &super::exchanges::body(row))))
        .collect();
    let answers: Vec<Vec<u8>> = bodies
        .iter()
        .enumerate()
        .map(|(number, body)| wire(&rows[number / 2], body, codings[number % 2]))
        .collect();
    let origin = Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), move |taken| {
        let number = taken.head.lines().find_map(|line| line.strip_prefix("X-Exchange: "));
        answers[number.and_then(|number| number.parse::<usize>().ok()).expect("a number")].clone()
    });
    let zone = names.iter().fold(Zone::new(), |zone, name| zone.host(name, &["192.0.2.11"]));
    let _resolver = lab.resolver(zone);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &documents(&hosts))]);
    let mut wrong = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        let row = &rows[number / 2];
        let (uri, asked) = (uri(row), row["request"].as_str().unwrap_or_default());
        let (host, length) = (uri.host().expect("a host"), asked.len());
        let target = uri.path_and_query().expect("a path");
        let mut talk = over_tls(lab.workload(), TLS, host, daemon.authority());
        let heard = talk.ask(format!(
            "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nX-Exchange: {number}\r\nContent-Length: {length}\r\n\r\n{asked}"
        ));
        if heard.body != *body {
            wrong.push(format!("{}: {} {}", row["id"], heard.status, heard.text()));
        }
    }
    let records = eventually("all records", || {
        let records = daemon.records(&["--kind", "request", "--limit", "100000"]);
        (records.len() == bodies.len() && records.iter().all(|row| row.get("latency_ms").is_some()))
            .then_some(records)
    });
    for (number, record) in records.iter().enumerate() {
        let row = &rows[number / 2];
        let found = differences(row, record);
        wrong.extend(found.iter().map(|found| format!("{} {}: {found}", row["id"], row["url"])));
    }
    println!("{} exchanges, {} of them reached a provider", bodies.len(), origin.taken().len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
