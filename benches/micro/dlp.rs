//! What looking for what must not leave costs for each byte, with every detector on: texts that hold nothing, and texts made
//! to be slow.
//!
//! Clean texts are what agents send: prose, code, calls of a model. Hostile ones repeat what starts a look at a place. Detection
//! reads a text as it is; inspection also takes a message apart and undoes what may hide something in it.

use std::sync::{Arc, LazyLock};

use clawgress::decide::dlp::{Detectors, Form, HashKey, Inspector};
use clawgress::model::types::FindingClasses;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

/// Bytes of each text.
const BYTES: usize = 1024 * 1024;

static DETECTORS: LazyLock<Arc<Detectors>> = LazyLock::new(|| Arc::new(Detectors::built_in()));

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

const EVENT: &str = "data: {\"id\":\"chatcmpl-BqT7x2mVdPzLw9RkYc41\",\"object\":\"chat.completion.chunk\",\"created\":1764499723,\"model\":\"gpt-4o-mini-2024-07-18\",\
    \"system_fingerprint\":\"fp_50906f2aac\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" and then\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
const NUMBERS: &str = "{\"object\":\"embedding\",\"index\":3,\"embedding\":[-0.0069292834,0.0231075,-0.0115389824,0.00400094,-0.02845562,0.0180512]},\
    {\"step\":1204,\"loss\":0.4312,\"time\":1764499723.118},";

/// Texts that hold nothing.
const CLEAN: &[(&str, &str)] = &[
    ("prose", PROSE),
    ("code", CODE),
    ("call of a model", CALL),
    ("answer of a model in pieces", EVENT),
    ("numbers in JSON", NUMBERS),
];

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
    ("letters and digits", "AB12 "),
    ("groups of three digits", "123 456 789 "),
    ("the same three digits", "123 "),
    ("single digits", "1 "),
    ("digits and points", "1."),
    ("long digits", "4929111122223333"),
    ("account numbers", "DE89 3704 0044 0532 0130 00 "),
    ("beginnings of account numbers", "MD12 "),
    (
        "beginnings of account numbers that a word speaks for",
        "iban AB12 AB12 AB12 AB12 AB12 AB12 AB12 AB12 AB12 ",
    ),
    ("digits that a word speaks for", "national id 123 456 789 123 456 789 123 456 789 123 456 789 123 456 "),
    ("cards that a word speaks for", "card 1234 5678 9012 3456 7890 1234 5678 9012 3456 7890 1234 5678 "),
    ("words that speak for something", "card number "),
    ("names without values", "key: key: key: "),
    ("a word and a letter", "H assignrand"),
    ("mail addresses", "a@a.a@"),
    ("telephones", "+1 ("),
    ("telephones of America", "555-123-4567 "),
    ("births", "dob 03/14/1985 "),
    ("escapes in escapes", "\\\\u005c\\u005c"),
    ("percent signs", "%2525"),
    ("entities", "&amp;#38;"),
    ("letters that nobody sees", "a\u{200b}"),
    ("letters of other alphabets", "p\u{430}ssw\u{43e}rd "),
    ("digits of other widths", "\u{ff11}\u{ff12}\u{ff13} "),
    ("strings of one digit", "\"1\",\"2\","),
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

fn inspect(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    let form = if text.starts_with(b"data:") { Form::Events } else { Form::Json };
    let inspector = Inspector::new(DETECTORS.clone(), None, HashKey([7; 32]), FindingClasses::all());
    bencher.counter(BytesCount::new(text.len())).bench_local(|| inspector.inspect(black_box(&text), form));
}

#[divan::bench(args = CLEAN.iter().map(|(name, _)| *name))]
fn clean(bencher: Bencher<'_, '_>, name: &str) {
    detect(bencher, name);
}

#[divan::bench(args = HOSTILE.iter().map(|(name, _)| *name))]
fn hostile(bencher: Bencher<'_, '_>, name: &str) {
    detect(bencher, name);
}

#[divan::bench(args = CLEAN.iter().map(|(name, _)| *name))]
fn inspected(bencher: Bencher<'_, '_>, name: &str) {
    inspect(bencher, name);
}

#[divan::bench(args = HOSTILE.iter().map(|(name, _)| *name))]
fn inspected_hostile(bencher: Bencher<'_, '_>, name: &str) {
    inspect(bencher, name);
}
