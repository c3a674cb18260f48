//! What the documentation says of the code is what the code says of itself.

use clawgress::model::types::Reason;

/// The catalogue of reason codes as `docs/denials.md` prints it.
fn catalogue() -> String {
    let mut table = String::from("| code | status | retry | title |\n|---|---|---|---|\n");
    for reason in Reason::ALL {
        let (code, status, retry, title) =
            (reason.code(), reason.status(), reason.retry().as_str(), reason.title());
        table.push_str(&format!("| `{code}` | {status} | {retry} | {title} |\n"));
    }
    table
}

#[test]
fn every_reason_code_is_documented_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/denials.md");
    let text = std::fs::read_to_string(path).expect("docs/denials.md");
    let table = catalogue();
    assert!(text.contains(&table), "docs/denials.md lacks the catalogue as it is now:\n\n{table}");
}
