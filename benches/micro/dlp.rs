//! What looking for what must not leave costs for each byte, with every detector on: texts that hold nothing, and texts made
//! to be slow.
//!
//! Clean texts are what agents send: prose, code, calls of a model. Hostile ones repeat what starts a look at a place.

use std::sync::LazyLock;

use clawgress::decide::dlp::Detectors;
use clawgress::model::types::FindingClasses;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

/// Bytes of each text.
const BYTES: usize = 1024 * 1024;

static DETECTORS: LazyLock<Detectors> = LazyLock::new(Detectors::built_in);

const PROSE: &str = "The committee met in the spring of that year to look at what had been learned from the first three trials. It was \
    agreed that the method works where the ground is dry, and that nothing is known yet of what happens where it is not. Somebody \
    asked for another season; the treasurer said that there was money for half of one.\n\n";
const CODE: &str = "/// Reads one line, without its end.\nfn read_line(input: &mut impl BufRead, limit: usize) -> io::Result<Option<String>> {\n    \
    let mut line = String::new();\n    let read = input.take(limit as u64).read_line(&mut line)?;\n    if read == 0 {\n        return Ok(None);\n    }\n    \
    let token = lexer.next_token(&line).ok_or_else(|| invalid(\"no token\"))?;\n    Ok(Some(token.text.trim_end().to_owned()))\n}\n\n";
const CALL: &str = "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"I will look at the file first, then at its tests.\"},{\"type\":\"tool_use\",\
    \"id\":\"toolu_01\",\"name\":\"read_file\",\"input\":{\"path\":\"src/server/routes.ts\",\"max_bytes\":20000,\"encoding\":\"utf-8\"}}],\"usage\":{\"input_tokens\":1802,\
    \"output_tokens\":96}},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_01\",\"content\":\"export const routes = [\\n  { path: '/health', \
    handler: health },\\n];\\n\"}]},";

/// Texts that hold nothing.
const CLEAN: &[(&str, &str)] = &[("prose", PROSE), ("code", CODE), ("call of a model", CALL)];

/// Texts that are made to be slow, by what they repeat.
const HOSTILE: &[(&str, &str)] = &[
    ("digits", "4929 1234-5678 90"),
    ("equals signs", "a=b="),
    ("quotes", "\"'"),
    ("one letter", "A"),
    ("one long token", "aB3xK9"),
    ("names", "password="),
    ("names and quotes", "pass:\""),
    ("short names", "key=key="),
    ("values", "password=\"x7Tq9\" "),
    ("long values", "api_key = \"f3a9c07d21be84650f3a9c07d21be846\"\n"),
    ("beginnings of tokens", "ghp_"),
    ("beginnings of long tokens", "sk-proj-"),
    ("beginnings of web tokens", "eyJhbGciOi-"),
    ("beginnings of keys", "-----BEGIN PRIVATE KEY-----"),
    ("addresses", "http://a:b@"),
    ("commands", "curl -u "),
];

fn text(name: &str) -> Vec<u8> {
    let (_, piece) =
        CLEAN.iter().chain(HOSTILE).find(|(known, _)| *known == name).expect("invariant: a text");
    piece.bytes().cycle().take(BYTES).collect()
}

fn detect(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        let mut found = Vec::new();
        DETECTORS.detect(black_box(&text), FindingClasses::all(), &mut found);
        found
    });
}

#[divan::bench(args = CLEAN.iter().map(|(name, _)| *name))]
fn clean(bencher: Bencher<'_, '_>, name: &str) {
    detect(bencher, name);
}

#[divan::bench(args = HOSTILE.iter().map(|(name, _)| *name))]
fn hostile(bencher: Bencher<'_, '_>, name: &str) {
    detect(bencher, name);
}
