//! Inspection: whatever the bytes, findings are within them and in order, redaction keeps JSON what it is and changes nothing
//! else, and a message in pieces goes once and whole.

use std::sync::{Arc, LazyLock};

use clawgress::decide::dlp::{Detectors, Form, HashKey, Inspector, Window, redact};
use clawgress::model::types::FindingClasses;
use serde::de::IgnoredAny;

static DETECTORS: LazyLock<Arc<Detectors>> = LazyLock::new(|| Arc::new(Detectors::built_in()));

const FORMS: [Form<'static>; 12] = [
    Form::Text,
    Form::Json,
    Form::JsonLines,
    Form::Events,
    Form::UrlEncoded,
    Form::Multipart(b"x"),
    Form::Xml,
    Form::Grpc,
    Form::Path,
    Form::Query,
    Form::Field("authorization"),
    Form::Host,
];

/// The first byte says what the rest is written in, the second how it is cut.
pub fn check(bytes: &[u8]) {
    let [form, step, bytes @ ..] = bytes else { return };
    let form = FORMS[usize::from(*form) % FORMS.len()];
    let inspector = Inspector::new(DETECTORS.clone(), None, HashKey([7; 32]), FindingClasses::all());
    let findings = inspector.inspect(bytes, form);
    for found in &findings.matches {
        assert!(found.range.start < found.range.end && found.range.end <= bytes.len(), "{found:?}");
        assert!(found.hash.len() == 32 && (0.0..=1.0).contains(&found.confidence), "{found:?}");
        assert!(found.location.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{found:?}");
    }
    assert!(findings.matches.is_sorted_by_key(|found| found.range.start), "in order");
    let redacted = redact(bytes, form, &findings.matches);
    let is_json = |bytes: &[u8]| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    match form {
        _ if findings.matches.is_empty() => assert_eq!(redacted, bytes, "nothing to redact"),
        Form::Json => {
            assert!(is_json(&redacted) || !is_json(bytes), "{}", String::from_utf8_lossy(&redacted))
        }
        Form::Host => assert_eq!(redacted.len(), bytes.len(), "names keep their lengths"),
        _ => {}
    }
    pieces(inspector, form, bytes, usize::from(*step) + 1);
}

/// Everything goes, once, and what is told is within what has come.
fn pieces(inspector: Inspector, form: Form<'_>, bytes: &[u8], size: usize) {
    let mut window = Window::new(inspector, form);
    let (mut come, mut gone) = (0, 0);
    for piece in bytes.chunks(size) {
        come += piece.len();
        let step = window.feed(piece);
        gone += step.may_go;
        assert!(gone <= come, "what has not come cannot go");
        assert!(step.matches.iter().all(|found| found.range.end <= come), "{:?}", step.matches);
    }
    assert!(window.finish().matches.iter().all(|found| found.range.end <= come));
}
