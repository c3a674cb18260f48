//! What the documentation says of the code is what the code says of itself.

use std::collections::BTreeSet;
use std::path::Path;

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

/// A file of the repository.
fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

/// The rows of the table in `docs/trust.md`, by their cells: client, told by, the file, test.
fn ways_to_trust() -> Vec<Vec<String>> {
    let text = file("docs/trust.md");
    let table = text.split("| client or runtime |").nth(1).expect("the table of clients");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_in_the_table_of_trust_exists_and_no_cell_is_empty() {
    for row in ways_to_trust() {
        let [client, _, _, tests] = row.as_slice() else { panic!("{row:?} has not four cells") };
        if tests == "not tested" {
            continue;
        }
        assert!(quoted(tests).count() > 0, "{client}: name its test, or say `not tested`");
        for name in quoted(tests) {
            let (module, test) = name.rsplit_once("::").expect("a module and a test");
            let folder = if module.starts_with("long::") { "tests" } else { "tests/e2e" };
            let text = file(&format!("{folder}/{}.rs", module.replace("::", "/")));
            assert!(text.contains(&format!("#[test]\nfn {test}()")), "{client}: there is no test `{name}`");
        }
    }
}

#[test]
fn env_sh_exports_the_variables_of_the_table_of_trust_and_no_others() {
    let script = file("src/pipeline/env.sh");
    let exports = script.lines().filter_map(|line| line.trim().strip_prefix("export ")?.split('=').next());
    let exported: BTreeSet<&str> = exports.collect();
    let rows = ways_to_trust();
    let told = rows.iter().flat_map(|row| quoted(&row[1]));
    // Settings and arguments are no variables.
    let documented: BTreeSet<&str> =
        told.filter(|word| word.contains('_') && !word.contains([':', '.'])).collect();
    assert!(!exported.is_empty());
    assert_eq!(exported, documented, "src/pipeline/env.sh and docs/trust.md");
}
