//! Policy documents: any bytes give a set or a report with places inside the file, and a set written out loads as
//! itself.

use clawgress::decide::policy::PolicySet;
use clawgress::model::manifest::{Report, Resources, SourceFile, load};
use clawgress::model::types::limits::POLICY_MISTAKES;
use clawgress::perceive::identity::Directory;
use serde_json::Value;

/// Loads the bytes as one file.
pub fn check(bytes: &[u8]) {
    match load(&[SourceFile::new("a.yaml", bytes)]) {
        Ok(resources) => written_out_it_is_the_same(&resources),
        Err(report) => its_places_are_in(&report, bytes),
    }
}

fn its_places_are_in(report: &Report, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let text = text.replace("\r\n", "\n\n");
    let lines: Vec<usize> =
        text.replace("\n\n", "\n").split(['\n', '\r']).map(|line| line.chars().count()).collect();
    assert!(!report.errors.is_empty() && report.errors.len() <= POLICY_MISTAKES);
    let rows = text.split(['\n', '\r']).count();
    for error in &report.errors {
        assert!((1..=rows).contains(&error.line), "line {} of {rows}: {}", error.line, error.message);
        let longest = lines.iter().max().copied().unwrap_or(0);
        assert!((1..=longest + 2).contains(&error.column), "column {}: {}", error.column, error.message);
        assert!(
            !error.message.is_empty() && !error.message.chars().any(char::is_control),
            "{:?}",
            error.message
        );
    }
    let rendered = report.to_string();
    assert!(!rendered.chars().any(|c| c.is_control() && c != '\n'), "{rendered:?}");
    serde_json::to_string(&report.errors).expect("a report is data");
}

fn written_out_it_is_the_same(resources: &Resources) {
    let mut text = String::new();
    for document in &resources.documents {
        text.push_str("---\n");
        write(&document.body, &mut text);
        text.push('\n');
    }
    let again = load(&[SourceFile::new("b.yaml", text.clone().into_bytes())])
        .unwrap_or_else(|report| panic!("{text}\ndoes not load:\n{report}"));
    assert_eq!(again.digest, resources.digest, "{text}");
    let (policy, directory) =
        (PolicySet::compile(resources, Default::default()), Directory::build(resources));
    assert_eq!(policy.digest(), PolicySet::compile(&again, Default::default()).digest());
    assert_eq!(directory.len(), resources.agents.len());
}

/// JSON that is YAML too: what is not ASCII as YAML's own escapes, never in pairs of surrogates.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(item, out);
                out.push_str(", ");
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (key, item) in map {
                write_text(key, out);
                out.push_str(": ");
                write(item, out);
                out.push_str(", ");
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => out.push_str(&format!("\\U{:08X}", u32::from(other))),
        }
    }
    out.push('"');
}
