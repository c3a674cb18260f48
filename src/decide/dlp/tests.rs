//! What inspection finds of known values, however they are written and wherever they stand. The detectors have tests of their
//! own; here a value that is looked for as it is stands for all of them.

use std::ops::Range;
use std::sync::Arc;

use super::*;
use crate::model::types::FindingClasses;

/// Values that are looked for.
const NEEDLES: [&str; 2] = ["swordfish-and-chips-0815", "4929 1111 2222 3333"];

struct Needles;

impl Known for Needles {
    fn find(&self, text: &[u8], each: &mut dyn FnMut(Range<usize>, &str)) {
        for needle in NEEDLES {
            for at in memchr::memmem::find_iter(text, needle) {
                each(at..at + needle.len(), "dinner");
            }
        }
    }

    fn longest(&self) -> usize {
        24
    }
}

pub fn inspector() -> Inspector {
    let detectors = Arc::new(Detectors::built_in());
    Inspector::new(detectors, Some(Arc::new(Needles)), HashKey([7; 32]), FindingClasses::default())
}

/// What of a message is found, as it was sent.
fn found(message: impl AsRef<[u8]>, form: Form<'_>) -> Vec<String> {
    let message = message.as_ref();
    let findings = inspector().inspect(message, form);
    findings
        .matches
        .iter()
        .map(|found| String::from_utf8_lossy(&message[found.range.clone()]).into_owned())
        .collect()
}

/// Holds that a message has one finding, which was sent like this, and none once redacted.
fn hides(message: impl AsRef<[u8]>, form: Form<'_>, sent: &str) -> Vec<u8> {
    let message = message.as_ref();
    assert_eq!(found(message, form), [sent], "in {}", String::from_utf8_lossy(message));
    let redacted = redact(message, form, &inspector().inspect(message, form).matches);
    assert_eq!(found(&redacted, form), [""; 0], "in {}", String::from_utf8_lossy(&redacted));
    redacted
}

fn b64(text: &str) -> String {
    base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_a_part_says_of_its_encoding_hides_nothing_from_those_who_pass_over_it() {
    let part = |transfer: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"k\"\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n{}\r\n--b--\r\n",
            NEEDLES[0]
        )
    };
    for transfer in ["base64", "quoted-printable", "8bit", "x-own"] {
        assert_eq!(found(part(transfer), Form::Multipart(b"b")), [NEEDLES[0]], "{transfer}");
    }
}

#[test]
fn each_of_several_things_in_one_encoding_is_told_and_each_once() {
    let keys = ["AKIAQ3EGTRNB7ZK5XJ2W", "AKIA5TRNQ3EGB7ZKXJ2W", "AKIAB7ZK5XJ2WQ3EGTRN"];
    let inspector = Inspector { wanted: FindingClasses::all(), ..inspector() };
    let list = keys.map(|key| format!("the key {key} and more\n")).concat();
    for (hidden, what) in [(b64(&list), "once"), (b64(&b64(&list)), "twice"), (hex(&list), "in digits")] {
        let message = format!("{{\"note\":\"see {hidden} there\"}}");
        let found = inspector.inspect(message.as_bytes(), Form::Json).matches;
        let mut hashes: Vec<&str> = found.iter().map(|one| &*one.hash).collect();
        hashes.sort_unstable();
        let mut plain: Vec<String> =
            keys.iter().map(|key| inspector.key.hash(key.as_bytes()).to_string()).collect();
        plain.sort_unstable();
        assert_eq!(hashes, plain, "{what}: {found:?}");
        assert!(found.iter().all(|one| one.range == found[0].range), "{what}: {found:?}");
        let redacted = redact(message.as_bytes(), Form::Json, &found);
        assert_eq!(inspector.inspect(&redacted, Form::Json).matches, [], "{what}");
    }
    let same = b64(&format!("{0} and once more {0}", keys[0]));
    assert_eq!(inspector.inspect(same.as_bytes(), Form::Text).matches.len(), 2, "as in plain text");
}

#[test]
fn a_value_is_found_under_each_thing_that_hides_it() {
    let plain = NEEDLES[0];
    let wrapped = b64(&format!("the dinner is {plain}, and more of it"))
        .as_bytes()
        .chunks(20)
        .fold(String::new(), |text, line| text + std::str::from_utf8(line).unwrap() + "\r\n");
    for hidden in [
        plain.to_owned(),
        b64(plain),
        b64(plain).trim_end_matches('=').replace('+', "-").replace('/', "_"),
        wrapped.trim_end().to_owned(),
        hex(plain),
        hex(plain).to_uppercase(),
        plain.bytes().map(|byte| format!("{byte:02x}:")).collect::<String>().trim_end_matches(':').to_owned(),
        plain.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        plain.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        plain.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        plain.bytes().map(|byte| format!("&#{byte};")).collect(),
        plain.replace('-', "&#x2d;"),
        plain
            .chars()
            .map(|letter| format!("{letter}\u{200b}"))
            .collect::<String>()
            .trim_end_matches('\u{200b}')
            .to_owned(),
        plain.replace('a', "\u{430}").replace('o', "\u{3bf}"),
        plain.replace('0', "\u{ff10}").replace("sh", "\u{ff53}\u{ff48}"),
        plain.replace("0815", "=\r\n08=315"),
    ] {
        let message = format!("before ({hidden}) behind");
        let redacted = hides(&message, Form::Text, &hidden);
        assert_eq!(redacted, b"before ([redacted:vault:dinner]) behind", "{hidden}");
    }
}

#[test]
fn a_value_is_found_under_two_things_that_hide_it_and_a_fifth_is_said_not_to_be_read() {
    let plain = NEEDLES[0];
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for hidden in
        [b64(&b64(plain)), hex(&b64(plain)), b64(&hex(plain)), percent(&b64(plain)), b64(&percent(plain))]
    {
        hides(format!("before {hidden} behind"), Form::Text, &hidden);
    }
    let nested = (0..4).fold(plain.to_owned(), |text, _| b64(&text));
    hides(&nested, Form::Text, &nested);
    let findings = inspector().inspect(b64(&nested).as_bytes(), Form::Text);
    assert_eq!((findings.matches.len(), findings.unreadable), (0, Some(Unreadable::TooDeep)));
}

#[test]
fn redacted_json_is_json_with_the_same_structure() {
    let plain = NEEDLES[0];
    for (message, sent, redacted) in [
        (format!(r#"{{"a": ["x {plain} y"]}}"#), plain, r#"{"a": ["x [redacted:vault:dinner] y"]}"#),
        (format!(r#"{{"{plain}": 1}}"#), plain, r#"{"[redacted:vault:dinner]": 1}"#),
        (
            r#"["swordfish-\u0061nd-chips-0815"]"#.to_owned(),
            r"swordfish-\u0061nd-chips-0815",
            r#"["[redacted:vault:dinner]"]"#,
        ),
        (
            format!(r#"{{"a": "{{\"b\": \"{plain}\"}}"}}"#),
            plain,
            r#"{"a": "{\"b\": \"[redacted:vault:dinner]\"}"}"#,
        ),
        (
            r#"{"a": "swordfish-and", "b": "-chips-0815"}"#.to_owned(),
            r#"swordfish-and", "b": "-chips-0815"#,
            r#"{"a": "[redacted:vault:dinner]", "b": ""}"#,
        ),
    ] {
        let result = hides(&message, Form::Json, sent);
        assert_eq!(String::from_utf8(result).unwrap(), redacted);
    }
}

#[test]
fn values_are_found_in_every_form_and_taken_out_of_it() {
    let plain = NEEDLES[0];
    for (form, message, redacted) in [
        (Form::Query, format!("a=1&t={plain}"), "a=1&t=%5Bredacted%3Avault%3Adinner%5D"),
        (Form::UrlEncoded, "n=4929+1111+2222+3333&b=2".to_owned(), "n=%5Bredacted%3Avault%3Adinner%5D&b=2"),
        (Form::Query, "a=swordfish-and&b=-chips-0815".to_owned(), "a=%5Bredacted%3Avault%3Adinner%5D&b="),
        (Form::Path, format!("/x/{plain}/y"), "/x/%5Bredacted%3Avault%3Adinner%5D/y"),
        (Form::Path, "/swordfish-and/-chips-0815".to_owned(), "/%5Bredacted%3Avault%3Adinner%5D/"),
        (Form::Field("X-Key"), plain.to_owned(), "[redacted:vault:dinner]"),
        (Form::Field("Authorization"), format!("Basic {}", b64(plain)), "Basic [redacted:vault:dinner]"),
        (Form::Xml, format!("<a b='{plain}'/>"), "<a b='[redacted:vault:dinner]'/>"),
        (
            Form::Xml,
            "<a>swordfish-and<!-- x -->-chips<![CDATA[-0815]]></a>".to_owned(),
            "<a>[redacted:vault:dinner]<!-- x --><![CDATA[]]></a>",
        ),
        (
            Form::Xml,
            "<a><![CDATA[swordfish-and]]><b/>-chips-0815</a>".to_owned(),
            "<a><![CDATA[[redacted:vault:dinner]]]><b/></a>",
        ),
        (
            Form::Host,
            "swordfish-and.-chips-0815.evil.example".to_owned(),
            "xxxxxxxxxxxxx.xxxxxxxxxxx.evil.example",
        ),
        (
            Form::JsonLines,
            format!("{{}}\n{{\"a\":\"{plain}\"}}\n"),
            "{}\n{\"a\":\"[redacted:vault:dinner]\"}\n",
        ),
        (
            Form::Events,
            format!("event: a\ndata: [\"{plain}\"]\n\n"),
            "event: a\ndata: [\"[redacted:vault:dinner]\"]\n\n",
        ),
    ] {
        let matches = inspector().inspect(message.as_bytes(), form).matches;
        assert_eq!(matches.len(), 1, "{message}");
        let result = redact(message.as_bytes(), form, &matches);
        assert_eq!(String::from_utf8_lossy(&result), redacted);
        assert_eq!(found(&result, form), [""; 0]);
    }
}

#[test]
fn a_host_name_hides_nothing_in_its_labels() {
    // Base32 of the value, as one label and over two.
    let letters = "on3w64temzuxg2bnmfxgilldnbuxa4znga4dcni";
    for (one, other) in [(letters, ""), letters.split_at(20)] {
        let name = format!("{one}.{other}.evil.example").replace("..", ".");
        assert_eq!(found(&name, Form::Host).len(), 1, "{name}");
    }
    let name = format!("{}.evil.example", hex(NEEDLES[0]));
    assert_eq!(found(&name, Form::Host), [hex(NEEDLES[0])]);
}

#[test]
fn parts_are_read_by_their_own_types_and_keep_their_boundaries() {
    let plain = NEEDLES[0];
    let message = format!(
        "--x\r\nContent-Type: application/json\r\n\r\n[\"{plain}\"]\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--x--\r\n",
        b64(plain)
    );
    let matches = inspector().inspect(message.as_bytes(), Form::Multipart(b"x")).matches;
    let places: Vec<&str> = matches.iter().map(|found| found.location.as_str()).collect();
    assert_eq!(places, ["body/0", "body/1"]);
    let redacted = String::from_utf8(redact(message.as_bytes(), Form::Multipart(b"x"), &matches)).unwrap();
    assert_eq!(redacted.matches("--x").count(), 3);
    assert!(redacted.contains("[\"[redacted:vault:dinner]\"]"), "{redacted}");
    assert_eq!(found(&redacted, Form::Multipart(b"x")), [""; 0]);
}

#[test]
fn messages_of_grpc_keep_their_lengths() {
    let plain = NEEDLES[0];
    let field = [&[0x0a, plain.len() as u8][..], plain.as_bytes()].concat();
    let message = [&[0, 0, 0, 0, field.len() as u8][..], &field].concat();
    let matches = inspector().inspect(&message, Form::Grpc).matches;
    assert_eq!(matches.len(), 1);
    assert_eq!(matches[0].range, 7..7 + plain.len());
    let redacted = redact(&message, Form::Grpc, &matches);
    assert_eq!(redacted, [&message[..7], &vec![b'*'; plain.len()][..]].concat());
}

#[test]
fn a_label_is_not_believed() {
    let plain = NEEDLES[0];
    for form in [Form::Json, Form::Xml, Form::UrlEncoded, Form::Multipart(b"x"), Form::Grpc, Form::Events] {
        assert_eq!(found(format!("it is {plain} "), form), [plain], "{form:?}");
    }
    let message = format!("--z\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{}\r\n--z--", b64(plain));
    assert_eq!(found(&message, Form::Json), [b64(plain)]);
}

#[test]
fn the_name_of_a_field_of_a_form_says_what_its_value_is() {
    let all = Inspector::new(Arc::new(Detectors::built_in()), None, HashKey([7; 32]), FindingClasses::all());
    let found = |name: &str, value: &str| {
        let part =
            format!("--z\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--z--\r\n");
        let findings = all.inspect(part.as_bytes(), Form::Multipart(b"z"));
        let counts = |found: &&Match| found.confidence >= 0.5;
        findings
            .matches
            .iter()
            .filter(counts)
            .map(|found| part[found.range.clone()].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("ssn", "536904399"), ["536904399"]);
    assert_eq!(found("tfn", "876543210"), ["876543210"]);
    assert_eq!(found("password", "hT7-kQ2mvX9"), ["hT7-kQ2mvX9"]);
    // A number of which the name says something else is not all that is sent.
    assert_eq!(found("size", "876543210"), [""; 0]);
    assert_eq!(found("text", "536904399"), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let unreadable = |bytes: &[u8]| inspector().inspect(bytes, Form::Text).unreadable;
    assert_eq!(unreadable(b"PK\x03\x04\x14\0\0\0"), Some(Unreadable::Archive("zip")));
    assert_eq!(unreadable(b"\x89PNG\r\n\x1a\n\0\0"), Some(Unreadable::Media("png")));
    assert_eq!(unreadable(b"\xfe\x01\0\x05\x80\x99\xff\xfe"), Some(Unreadable::Binary));
    assert_eq!(unreadable(b"plain text"), None);
}

#[test]
fn equal_values_have_equal_hashes_and_no_result_has_the_value() {
    let plain = NEEDLES[0];
    let message = format!("{plain} {} x", b64(plain));
    let findings = inspector().inspect(message.as_bytes(), Form::Text);
    assert_eq!(findings.matches.len(), 2);
    assert_eq!(findings.matches[0].hash, findings.matches[1].hash);
    assert_eq!(findings.matches[0].hash.len(), 32);
    assert!(!format!("{findings:?}").contains("swordfish"));
}
