//! What the documentation says of the code is what the code says of itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clawgress::model::config;
use clawgress::model::manifest::{self, SourceFile, catalogue};
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
    let text = fs::read_to_string(path).expect("docs/denials.md");
    let table = catalogue();
    assert!(text.contains(&table), "docs/denials.md lacks the catalogue as it is now:\n\n{table}");
}

#[test]
fn the_reference_page_is_what_the_declarations_say() {
    let same = file("docs/reference.md") == catalogue::reference();
    assert!(
        same,
        "docs/reference.md is not as it is printed now: cargo run -q -- schema --markdown > docs/reference.md"
    );
}

#[test]
fn the_page_of_commands_is_what_the_command_line_says() {
    let same = file("docs/commands.md") == clawgress::cli::commands_page();
    assert!(
        same,
        "docs/commands.md is not as it is printed now: cargo run -q -- man --markdown > docs/commands.md"
    );
}

#[test]
fn the_page_of_detectors_is_the_catalogue() {
    let same = file("docs/detectors.md") == clawgress::decide::dlp::catalogue::page();
    assert!(
        same,
        "docs/detectors.md is not as it is printed now: cargo run -q -- dlp detectors --markdown > docs/detectors.md"
    );
}

/// Every test there is, as `module::name` from the root of its program, such as `e2e::cves::a_claim`.
fn tests_of_the_tree() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let module = path.with_extension("");
                let module =
                    module.strip_prefix(root).expect("a path inside").to_string_lossy().replace('/', "::");
                found.extend(claims(&text).map(|name| format!("{module}::{name}")));
            }
        }
    }
    found
}

/// The functions that are tests.
fn claims(text: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if ["#[test]", "#[tokio::test", "#[apply(over_both)]"].iter().any(|mark| line.starts_with(mark)) {
            marked = true;
            return None;
        }
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        std::mem::take(&mut marked).then(|| name.split(['(', '<']).next().unwrap_or_default())
    })
}

/// Whether a document names a test that there is: its name alone, or behind some of its modules.
fn names_a_test(tests: &BTreeSet<String>, named: &str) -> bool {
    tests
        .iter()
        .any(|test| test == named || test.strip_suffix(named).is_some_and(|front| front.ends_with("::")))
}

#[test]
fn every_row_of_ways_around_names_tests_that_exist() {
    let text = file("docs/bypasses.md");
    let tests = tests_of_the_tree();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what was tried"));
    let mut count = 0;
    for line in rows {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [tried, reported, answer, named] = cells[..] else { panic!("not four cells: {line}") };
        assert!([tried, reported, answer].iter().all(|cell| !cell.is_empty()), "{line}");
        assert!(quoted(named).count() > 0, "no test: {line}");
        for test in quoted(named) {
            assert!(names_a_test(&tests, test), "no such test as `{test}`: {line}");
        }
        count += 1;
    }
    assert!(count >= 25, "{count} rows");
}

#[test]
fn every_row_of_what_is_carried_out_names_tests_that_exist() {
    let text = file("docs/exfiltration.md");
    let tests = tests_of_the_tree();
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| trick ")).collect();
    for line in &rows {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [trick, answer, named] = cells[..] else { panic!("not three cells: {line}") };
        assert!(!trick.is_empty() && !answer.is_empty() && quoted(named).count() > 0, "{line}");
        for test in quoted(named) {
            assert!(names_a_test(&tests, test), "no such test as `{test}`: {line}");
        }
    }
    assert!(rows.len() >= 15, "{} rows", rows.len());
}

#[test]
fn every_rule_of_decisions_names_tests_that_exist() {
    let text = file("docs/policy-decisions.md");
    let tests = tests_of_the_tree();
    let rows: Vec<&str> =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| rule |")).collect();
    for line in &rows {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [rule, named] = cells[..] else { panic!("not two cells: {line}") };
        assert!(rule.ends_with('.') && quoted(named).count() > 0, "no sentence or no test: {line}");
        for test in quoted(named) {
            assert!(names_a_test(&tests, test), "no such test as `{test}`: {line}");
        }
    }
    assert!(rows.len() >= 25, "{} rows", rows.len());
}

#[test]
fn every_row_of_known_vulnerabilities_names_tests_that_exist() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cves.md");
    let text = fs::read_to_string(path).expect("docs/cves.md");
    let attacks = include_str!("e2e/cves.rs");
    let tests = tests_of_the_tree();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| known as")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [known, _, _, answer, named] = cells[..] else {
            panic!("a row of {} cells: {line}", cells.len())
        };
        assert!(!known.is_empty() && !answer.is_empty(), "{line}");
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {line}");
        for test in named {
            assert!(names_a_test(&tests, test), "no such test as `{test}`: {line}");
            if let Some(cve) = known.split(' ').next().filter(|_| test.starts_with("cves::")) {
                assert!(attacks.contains(cve), "tests/e2e/cves.rs does not hold {cve}");
            }
        }
        rows += 1;
    }
    assert!(rows >= 60, "{rows} rows");
}

/// A file of the repository.
pub fn file(path: &str) -> String {
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
    let there = tests_of_the_tree();
    for row in ways_to_trust() {
        let [client, _, _, tests] = row.as_slice() else { panic!("{row:?} has not four cells") };
        if tests == "not tested" {
            continue;
        }
        assert!(quoted(tests).count() > 0, "{client}: name its test, or say `not tested`");
        for name in quoted(tests) {
            assert!(names_a_test(&there, name), "{client}: there is no test `{name}`");
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

/// The YAML that stands in a document, each block with its documents.
fn yaml(document: &str) -> Vec<String> {
    let text = file(document);
    let blocks = text.split("```yaml\n").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

#[test]
fn the_settings_and_the_policies_of_the_readme_load_as_they_stand() {
    let blocks = yaml("README.md");
    let [settings, policies @ ..] = &blocks[..] else { panic!("no block of YAML in README.md") };
    assert!(policies.len() >= 2, "{} policies", policies.len());
    let policy = policies.join("---\n");
    let settings = SourceFile::new("README.md", settings.clone().into_bytes());
    config::parse(&settings).unwrap_or_else(|report| panic!("{report}"));
    let header = "apiVersion: clawgress.io/v1alpha1\n";
    let documents: Vec<String> = policy.split("---\n").map(|one| format!("{header}{one}")).collect();
    let policy = SourceFile::new("README.md", documents.join("---\n").into_bytes());
    let loaded = manifest::load(&[policy]).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert_eq!(loaded.documents.len(), documents.len());
}

/// Fields that the loader knows where a settings document has an unknown one.
fn known_fields(spec: &str) -> Vec<String> {
    let header = "apiVersion: clawgress.io/v1alpha1\nkind: ClawgressConfig\n";
    let file = SourceFile::new("c.yaml", format!("{header}spec: {spec}\n").into_bytes());
    let report = config::parse(&file).expect_err("an unknown field");
    let hints = report.errors.iter().filter(|error| error.message.starts_with("unknown field"));
    let hint = hints.filter_map(|error| error.hint.as_deref()).next().expect("a hint");
    assert!(hint.starts_with("known here: "), "{hint}");
    quoted(hint).map(str::to_owned).collect()
}

#[test]
fn every_setting_stands_on_the_page_of_settings_which_loads_as_it_is() {
    let [page] = &yaml("docs/settings.md")[..] else { panic!("not one block of YAML in docs/settings.md") };
    let settings = SourceFile::new("settings.md", page.clone().into_bytes());
    let shown = config::parse(&settings).unwrap_or_else(|report| panic!("{report}"));
    // What is called a default is one.
    let least = "apiVersion: clawgress.io/v1alpha1\nkind: ClawgressConfig\nspec:\n  intercept: {interfaces: [a], subnets: [10.0.0.0/8]}\n";
    let least = config::parse(&SourceFile::new("c.yaml", least.as_bytes())).expect("the least settings");
    assert_eq!(
        (shown.fail_mode, &shown.upstream, &shown.folders, shown.ledger, shown.approvals),
        (least.fail_mode, &least.upstream, &least.folders, least.ledger, least.approvals)
    );
    assert_eq!(shown.intercept.allow_local, least.intercept.allow_local);
    let text = file("docs/settings.md");
    let unwritten = text.split("Known, and refused").nth(1).expect("what is refused");
    for group in
        ["", "intercept", "dns", "upstream", "authority", "ledger", "approvals", "quota", "dlp", "admin"]
    {
        let spec =
            if group.is_empty() { "{qqqq: 1}".to_owned() } else { format!("{{{group}: {{qqqq: 1}}}}") };
        for field in known_fields(&spec) {
            let written = page.lines().any(|line| line.trim_start().starts_with(&format!("{field}:")));
            assert!(written || unwritten.contains(&field), "docs/settings.md lacks `{group}.{field}`");
        }
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere_and_every_document_is_linked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = fs::read_dir(root.join("docs")).expect("docs");
    let documents: Vec<String> = documents
        .map(|entry| format!("docs/{}", entry.expect("an entry").file_name().to_string_lossy()))
        .collect();
    assert!(documents.len() >= 6, "{documents:?}");
    let mut linked = BTreeSet::new();
    for document in ["README.md", "CONTRIBUTING.md"].into_iter().chain(documents.iter().map(String::as_str)) {
        let text = file(document);
        let folder = Path::new(document).parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let target = folder.join(target);
            assert!(root.join(&target).exists(), "`{document}` links to `{}`", target.display());
            if document == "README.md" {
                linked.insert(target.to_string_lossy().into_owned());
            }
        }
    }
    for document in &documents {
        assert!(linked.contains(document), "README.md does not link to `{document}`");
    }
}

#[test]
fn every_rule_in_the_documentation_of_policy_loads_as_it_stands() {
    let examples = yaml("docs/policy.md");
    let header = "apiVersion: clawgress.io/v1alpha1\n";
    let base =
        "kind: Agent\nmetadata: {name: alice}\nspec: {team: red, sources: {addresses: [10.77.0.2/32]}}\n";
    let gateway = "kind: EgressGateway\nmetadata: {name: default}\nspec: {listeners: [{name: tcp, protocol: TCP}, {name: web, protocol: HTTP}]}\n";
    let documents = [base, gateway].into_iter().chain(examples.iter().map(String::as_str));
    let text: Vec<String> = documents.map(|one| format!("{header}{one}")).collect();
    let file = SourceFile::new("policy.md", text.join("---\n").into_bytes());
    let loaded = manifest::load(&[file]).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let actions = loaded.egress_policies.values().flat_map(|policy| &policy.rules);
    let actions: BTreeSet<&str> = actions.map(|rule| rule.action.as_str()).collect();
    let all = ["Alert", "Allow", "Deny", "LogOnly", "Quarantine", "Throttle", "Transform"];
    assert_eq!(actions, BTreeSet::from(all), "an example for each action");
}

/// A cell of a table: a bar ends it in Markdown.
fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn what_conditions_may_name_and_ask_is_documented_as_it_is() {
    use clawgress::model::condition::catalogue::{Domain, Kind, VARIABLES};
    use clawgress::model::condition::functions::{FUNCTIONS, Form, LOOPS};
    let text = file("docs/conditions.md");
    let means = |meaning: &str, domain| match domain {
        Domain::Words(words) => format!("{meaning}: `{}`", words.join("`, `")),
        Domain::Numbers(first, last) => format!("{meaning}, {first} to {last}"),
        _ => meaning.to_owned(),
    };
    let mut tables = [String::new(), String::new(), String::new(), String::new()];
    for variable in VARIABLES {
        let meaning = means(variable.meaning, variable.domain);
        let absent = if variable.optional { "; may be absent" } else { "" };
        let name = format!("`{}`", variable.name);
        let kind = format!("`{}`", variable.kind.type_of());
        tables[0].push_str(&row(&[&name, &kind, &format!("{meaning}{absent}")]));
        if let Kind::Objects(object) = variable.kind {
            for field in object.fields {
                let (name, kind) = (format!("`{}`", field.name), format!("`{}`", field.kind.type_of()));
                tables[1].push_str(&row(&[&name, &kind, &means(field.meaning, field.domain)]));
            }
        }
    }
    for function in FUNCTIONS {
        let (of, text) = (function.of.as_str(), if function.takes_text { "string" } else { "" });
        let written = match function.form {
            Form::Global => format!("`{}({of})`", function.name),
            Form::Method => format!("`{of}.{}({text})`", function.name),
            Form::Both => {
                let all = [of, text].into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join(", ");
                format!("`{of}.{0}({text})`, `{0}({all})`", function.name)
            }
        };
        tables[2]
            .push_str(&row(&[&written, &format!("`{}`: {}", function.returns.as_str(), function.meaning)]));
    }
    for one in LOOPS {
        tables[3].push_str(&row(&[&format!("`{}`", one.written), one.meaning]));
    }
    for table in tables {
        assert!(text.contains(&table), "docs/conditions.md lacks this table as it is now:\n\n{table}");
    }
}
