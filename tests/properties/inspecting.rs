//! Inspection of what is nearly a message: values that are hidden are found and taken out, in one piece and in many.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use clawgress::decide::dlp::{Detectors, Form, HashKey, Inspector, Known, Match, Window, redact};
use clawgress::model::types::FindingClasses;
use proptest::prelude::*;

use super::{damaged, holds};

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

fn inspector() -> Inspector {
    static DETECTORS: LazyLock<Arc<Detectors>> = LazyLock::new(|| Arc::new(Detectors::built_in()));
    Inspector::new(DETECTORS.clone(), Some(Arc::new(Needles)), HashKey([7; 32]), FindingClasses::default())
}

/// A value, hidden in one of several ways.
fn hidden() -> impl Strategy<Value = String> {
    let ways: [fn(&str) -> String; 7] = [
        str::to_owned,
        |plain| BASE64_STANDARD.encode(plain),
        |plain| BASE64_URL_SAFE_NO_PAD.encode(plain),
        |plain| plain.bytes().map(|byte| format!("{byte:02x}")).collect(),
        |plain| plain.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        |plain| plain.bytes().map(|byte| format!("&#{byte};")).collect(),
        |plain| plain.replace('-', "\u{200b}-").replace('1', "\u{ff11}"),
    ];
    (prop::sample::select(&NEEDLES[..]), prop::sample::select(ways.to_vec()))
        .prop_map(|(plain, hide)| hide(plain))
}

/// Words and hidden values.
fn text() -> impl Strategy<Value = (String, usize)> {
    let word = prop_oneof![3 => "[a-z]{1,9}[.,]?".prop_map(|word| (word, 0)), 1 => hidden().prop_map(|word| (word, 1))];
    prop::collection::vec(word, 1..40).prop_map(|words| {
        let count = words.iter().map(|(_, count)| count).sum();
        (words.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join(" "), count)
    })
}

/// What pieces of these sizes bring, and whether each finding was told before any of its bytes went.
fn in_pieces(bytes: &[u8], form: Form<'_>, sizes: &[usize]) -> (Vec<Match>, bool) {
    let mut window = Window::new(inspector(), form);
    let (mut told, mut gone, mut in_time, mut at) = (Vec::new(), 0, true, 0);
    for size in sizes.iter().cycle() {
        if at == bytes.len() {
            break;
        }
        let end = (at + size).min(bytes.len());
        let step = window.feed(&bytes[at..end]);
        at = end;
        in_time &= step.matches.iter().all(|found| found.range.start >= gone);
        gone += step.may_go;
        told.extend(step.matches);
    }
    let rest = window.finish().matches;
    in_time &= rest.iter().all(|found| found.range.start >= gone);
    told.extend(rest);
    (told, in_time)
}

proptest! {
    #[test]
    fn every_hidden_value_is_found_and_none_is_left_once_redacted((text, count) in text()) {
        let json = serde_json::json!({"messages": [{"content": text}]}).to_string();
        for (message, form) in [(text.as_str(), Form::Text), (json.as_str(), Form::Json)] {
            let findings = inspector().inspect(message.as_bytes(), form);
            prop_assert_eq!(findings.matches.len(), count, "{}", message);
            let redacted = redact(message.as_bytes(), form, &findings.matches);
            prop_assert_eq!(inspector().inspect(&redacted, form).matches.len(), 0, "{}", String::from_utf8_lossy(&redacted));
            prop_assert!(form != Form::Json || serde_json::from_slice::<serde_json::Value>(&redacted).is_ok());
        }
    }

    #[test]
    fn pieces_bring_what_the_whole_has_before_it_goes(
        (text, _) in text(),
        sizes in prop::collection::vec(1..60_usize, 1..9),
    ) {
        let events = text.split(". ").map(|line| format!("data: {}\n\n", serde_json::json!({"text": line}))).collect::<String>();
        for (message, form) in [(text.as_str(), Form::Text), (events.as_str(), Form::Events)] {
            let whole = inspector().inspect(message.as_bytes(), form).matches;
            let (told, in_time) = in_pieces(message.as_bytes(), form, &sizes);
            let places = |list: &[Match]| list.iter().map(|found| (found.range.clone(), found.hash.clone())).collect::<Vec<_>>();
            prop_assert_eq!(places(&told), places(&whole), "{}", message);
            prop_assert!(in_time, "{}", message);
        }
    }

    #[test]
    fn no_message_breaks_inspection((text, _) in text(), form in 0..12_u8, step in any::<u8>(), bytes in damaged(text().prop_map(|(text, _)| text.into_bytes()))) {
        holds("inspect", &[&[form, step], text.as_bytes()].concat());
        holds("inspect", &[&[form, step], &bytes[..]].concat());
    }
}
