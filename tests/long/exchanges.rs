//! Recorded exchanges with providers, where there are some: each is replayed in pieces of seven bytes, plain and in gzip, and
//! what is read is compared with what the recording says the provider counted.
//!
//! `CLAWGRESS_EXCHANGES` names a file of JSON Lines, also one of xz. None is part of the project. A row has `provider`, `url`,
//! `method`, `status`, `content_type`, `request`, `request_model`, `stream`, `response` or `response_b64`, `usage_raw`, and
//! `expected_model`, `expected_input_tokens` and so on, null where the provider sent none.

use std::io::Write;
use std::process::Command;

use base64::Engine as _;
use clawgress::model::types::path::canonical_path;
use clawgress::model::types::{HostName, Provider};
use clawgress::perceive::protocol::ai::{
    Answer, AnswerReader, Endpoint, Operation, Question, QuestionReader,
};
use clawgress::perceive::protocol::decoding::Decoder;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

/// Bytes of the pieces in which everything is read.
pub const PIECE: usize = 7;

struct Row(Value);

impl Row {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    fn endpoint(&self) -> Endpoint {
        let url: http::Uri = self.text("url").parse().expect("a URL");
        let host = url.host().and_then(|host| HostName::parse(host).ok());
        let provider = host.as_ref().and_then(Provider::of).unwrap_or(Provider::Custom);
        let method =
            Method::from_bytes(self.text("method").to_ascii_uppercase().as_bytes()).expect("a method");
        let path = canonical_path(url.path()).expect("a path");
        Endpoint::read(provider, &method, &path)
    }

    fn body(&self) -> Vec<u8> {
        body(&self.0)
    }

    /// What Bedrock says in the head is kept among the raw figures.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(kind) = HeaderValue::from_str(self.text("content_type")) {
            headers.insert("content-type", kind);
        }
        for (name, value) in self.0["usage_raw"].as_object().into_iter().flatten() {
            if name.starts_with("x-amzn-") {
                let name: HeaderName = name.parse().expect("a field");
                headers.insert(name, value.to_string().parse().expect("a number"));
            }
        }
        headers
    }

    fn question(&self, endpoint: &Endpoint) -> Option<Question> {
        let mut reader = QuestionReader::new(endpoint);
        let read = self.text("request").as_bytes().chunks(PIECE).try_for_each(|piece| reader.feed(piece));
        read.and_then(|()| reader.finish()).ok()
    }

    fn answer(&self, endpoint: &Endpoint, coding: &str, estimate: u64) -> Answer {
        let status = self.0["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(0);
        let mut reader = AnswerReader::new(endpoint, status, &self.headers(), estimate);
        let mut decoder = Decoder::new(coding).expect("a known coding");
        for piece in coded(coding, &self.body()).chunks(PIECE) {
            decoder.feed(piece, |plain| reader.feed(plain)).expect("whole");
        }
        reader.finish()
    }
}

/// A body in a coding.
pub fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    if coding.is_empty() {
        return body.to_vec();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

/// The recorded body of an answer.
pub fn body(row: &Value) -> Vec<u8> {
    match row["response"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => {
            let coded = row["response_b64"].as_str().unwrap_or_default();
            base64::engine::general_purpose::STANDARD.decode(coded).expect("base64")
        }
    }
}

/// The recordings; nothing where there are none.
pub fn recordings() -> Option<Vec<Value>> {
    let path = std::env::var("CLAWGRESS_EXCHANGES").ok()?;
    Some(rows(&path).into_iter().map(|row| row.0).collect())
}

fn rows(path: &str) -> Vec<Row> {
    let program = if path.ends_with(".xz") { ["xz", "-dc"] } else { ["cat", "--"] };
    let read = Command::new(program[0]).args([program[1], path]).output().expect("the program runs");
    assert!(read.status.success(), "{path}: {}", String::from_utf8_lossy(&read.stderr));
    let lines = read.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Row(serde_json::from_slice(line).expect("a row"))).collect()
}

/// What an answer has that the recording has not, or otherwise.
fn differences(row: &Row, answer: &Answer) -> Vec<String> {
    let usage = answer.usage.unwrap_or_default();
    let figures = [
        ("input", usage.input),
        ("output", usage.output),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("reasoning", usage.reasoning),
    ];
    let mut found = Vec::new();
    for (name, have) in figures {
        let expected = row.0[format!("expected_{name}_tokens")].as_f64().map(|figure| figure as u64);
        let is_estimate = usage.estimated && matches!(name, "input" | "output");
        if expected.is_some() && (have != expected || is_estimate) {
            found.push(format!("{name} is {have:?}, not {expected:?}"));
        } else if expected.is_none() && have.is_some() && !is_estimate {
            found.push(format!("beyond: {name} is {have:?}"));
        }
    }
    let model = row.0["expected_model"].as_str();
    if answer.model.as_deref() != model {
        let kind = if model.is_none() { "beyond: " } else { "" };
        found.push(format!("{kind}model is {:?}, not {model:?}", answer.model));
    }
    found
}

#[test]
fn recorded_exchanges_are_read_as_the_providers_counted_them() {
    let Some(recordings) = recordings() else {
        println!("`CLAWGRESS_EXCHANGES` names no recordings");
        return;
    };
    let (mut wrong, mut ratios) = (0, Vec::new());
    for row in recordings.into_iter().map(Row) {
        let endpoint = row.endpoint();
        let question = row.question(&endpoint);
        let estimate = question.as_ref().map_or(0, |question| question.input_estimate);
        let answer = row.answer(&endpoint, "", estimate);
        assert_eq!(row.answer(&endpoint, "gzip", estimate), answer, "{}", row.text("id"));
        for difference in differences(&row, &answer) {
            println!("{} {}: {difference}", row.text("id"), row.text("url"));
            wrong += usize::from(!difference.starts_with("beyond"));
        }
        let Some(question) = question else {
            if endpoint.operation != Operation::Other {
                println!("{} {}: the question is malformed", row.text("id"), row.text("url"));
            }
            continue;
        };
        let asked = row.0["request_model"].as_str();
        if question.model.as_deref() != asked || question.stream != row.0["stream"].as_bool().unwrap_or(false)
        {
            println!(
                "{} {}: asked {:?} {}, not {asked:?}",
                row.text("id"),
                row.text("url"),
                question.model,
                question.stream
            );
        }
        if let Some(usage) = answer.usage.filter(|usage| !usage.estimated)
            && let (billed @ 1.., true) =
                (usage.billed().total() - usage.billed().output, endpoint.operation.generates())
        {
            ratios.push((endpoint.provider.name(), estimate as f64 / billed as f64));
        }
    }
    for provider in Provider::ALL {
        let mut of: Vec<f64> =
            ratios.iter().filter(|(name, _)| *name == provider.name()).map(|(_, ratio)| *ratio).collect();
        of.sort_by(f64::total_cmp);
        if let [first, .., last] = of[..] {
            println!(
                "estimate of input over what was billed, {}: median {:.2}, from {first:.2} to {last:.2}, {} calls",
                provider.name(),
                of[of.len() / 2],
                of.len()
            );
        }
    }
    assert_eq!(wrong, 0, "figures or models that are not the recorded ones");
}
