//! The rules of the house, each one a test over the source. A failure lists where, and how to mend it.
//!
//! `rules` says what is wrong with a set of files; here every rule is held against the crate, and against a few
//! lines that break it, so that a rule that has gone blind is noticed. The tables that say who may do what are at
//! the top of `tables`.

mod rules;
mod source;
mod tables;

use rules::Finding;
pub use source::root;
use source::{Source, crate_sources, test_sources};

/// Holds a rule against the crate.
fn hold(mend: &str, rule: impl Fn(&[Source]) -> Vec<Finding>) {
    report(mend, &rule(&crate_sources()));
}

fn report(mend: &str, findings: &[Finding]) {
    let list: String = findings
        .iter()
        .map(|finding| format!("  {}:{}: {}\n", finding.file, finding.line, finding.what))
        .collect();
    assert!(findings.is_empty(), "{} broken:\n{list}hint: {mend}", findings.len());
}

/// Holds a rule against made-up files, each given as path and text, and expects these findings: `line: what` begins
/// with each.
fn broken(rule: impl Fn(&[Source]) -> Vec<Finding>, files: &[(&str, &str)], expected: &[&str]) {
    let sources = files.iter().map(|(file, text)| Source::new(file, text)).collect();
    let sources = source::without_test_files(sources);
    let findings: Vec<String> =
        rule(&sources).iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect();
    let matching = findings.len() == expected.len()
        && findings.iter().zip(expected).all(|(finding, expected)| finding.starts_with(expected));
    assert!(matching, "expected {expected:#?}, found {findings:#?}");
}

const LIB: (&str, &str) =
    ("src/lib.rs", "pub mod model; pub mod perceive; pub mod decide; pub mod act; pub mod pipeline;");
const PERCEIVE: (&str, &str) = ("src/perceive/mod.rs", "pub mod dns; pub mod hello; pub mod identity;");

#[test]
fn a_module_imports_only_what_is_declared_above_it() {
    hold("move the type to where both may see it, or pass it as an argument from the pipeline", rules::order);
    let hello = "use crate::act::dial;\nuse super::{dns, identity::Known};\nfn f() { crate::decide::x(); }\n\
                 #[cfg(test)]\nmod tests { use crate::pipeline; }\nuse super::super::model;";
    broken(
        rules::order,
        &[LIB, PERCEIVE, ("src/perceive/hello/mod.rs", hello)],
        &[
            "1: `perceive::hello` imports `act`",
            "2: `perceive::hello` imports `perceive::identity`",
            "3: `perceive::hello` imports `decide`",
        ],
    );
    let reexported = ("src/perceive/mod.rs", "pub mod dns; pub mod identity;\npub use identity::{Known};");
    broken(
        rules::order,
        &[LIB, reexported, ("src/perceive/dns/mod.rs", "use super::Known;")],
        &["1: `perceive::dns` imports `perceive::identity`"],
    );
}

#[test]
fn a_stage_imports_from_another_stage_only_what_the_table_says() {
    hold(
        "let the pipeline pass the value, or add the type to MAY_IMPORT in tests/architecture/tables.rs",
        rules::strangers,
    );
    broken(
        rules::strangers,
        &[(
            "src/decide/policy/x.rs",
            "use crate::perceive::identity::{Known, Directory};\nuse crate::perceive::dns;",
        )],
        &[
            "1: `decide::policy` imports `Directory` of `perceive::identity`",
            "2: `decide::policy` imports all of `perceive::dns`",
        ],
    );
}

#[test]
fn pure_modules_take_no_clock_socket_file_or_runtime() {
    hold("take the bytes or the moment as an argument", rules::pure);
    let text = "use std::{fs, net::{IpAddr, TcpStream}};\nuse std::time::{Duration, Instant};\nuse tokio::io;\n\
                fn f() { jiff::Timestamp::now(); }\nuse rusqlite;";
    broken(
        rules::pure,
        &[("src/model/x.rs", text), ("src/act/x.rs", "use std::fs;")],
        &[
            "1: `std::fs`",
            "1: `std::net::TcpStream`",
            "2: `std::time::Instant`",
            "3: `tokio::io`",
            "4: `jiff::Timestamp::now`",
            "5: `rusqlite`",
        ],
    );
}

#[test]
fn unsafe_and_sql_stand_behind_their_doors() {
    hold("wrap the call in `platform::sys`; ask `decide::ledger` for what is in its database", rules::doors);
    broken(
        rules::doors,
        &[
            ("src/act/x.rs", "fn f() { unsafe { g() } }\nuse rusqlite::Connection;"),
            ("src/platform/sys/x.rs", "unsafe fn f() {}"),
            ("src/decide/ledger/x.rs", "use rusqlite::Connection;"),
        ],
        &["1: `unsafe`", "2: `rusqlite`"],
    );
}

#[test]
fn the_operators_side_never_reaches_into_the_packets_path() {
    hold("publish a snapshot from the daemon and read that", rules::two_sides);
    broken(
        rules::two_sides,
        &[
            ("src/operate/admin/x.rs", "use crate::pipeline::Road;"),
            ("src/cli/x.rs", "\nuse crate::{act::tls, model};"),
            ("src/operate/daemon/x.rs", "use crate::pipeline::Road;"),
        ],
        &["1: `operate::admin::x` imports `crate::pipeline::Road`", "2: `cli::x` imports `crate::act::tls`"],
    );
}

#[test]
fn permissions_are_values() {
    hold("private fields, one constructor, `#[must_use]`, no `Clone`", rules::permissions);
    let text = "#[derive(Debug, Clone)]\npub struct Permit { pub route: Route }\nimpl Clone for Passage {}";
    broken(
        rules::permissions,
        &[("src/decide/policy/x.rs", text), ("src/model/x.rs", "#[derive(Clone)] pub struct Permit;")],
        &[
            "2: `Permit` is not `#[must_use]`",
            "2: `Permit` can be cloned",
            "2: `Permit` has a public field",
            "3: `Passage` can be cloned",
        ],
    );
}

#[test]
fn every_file_says_what_it_does() {
    let rule = rules::opening;
    hold("open the file with `//!`: what it does, what it never does, where to read next", rule);
    report("the same holds for tests", &rule(&test_sources()));
    broken(rule, &[("src/x.rs", "use std::fmt;"), ("src/y.rs", "//! Says.\n")], &["1: does not open"]);
}

#[test]
fn nothing_panics_without_a_stated_invariant() {
    hold("return an error, or say `expect(\"invariant: ...\")` why it cannot happen", rules::no_panics);
    let text = "fn f() { a.unwrap(); b.expect(\"oh\"); c.expect(\"invariant: checked above\"); d.unwrap_or(1);\ntodo!() }\n\
                #[cfg(test)] mod tests { fn g() { a.unwrap(); } }";
    broken(rules::no_panics, &[("src/x.rs", text)], &["1: `unwrap()`", "1: `expect(\"oh\")`", "2: `todo!`"]);
    // Test modules in files of their own are tests too, whatever their files are called.
    let files = [
        ("src/a/mod.rs", "#[cfg(test)]\nmod tests;\nmod b;"),
        ("src/a/tests.rs", "fn f() { a.unwrap(); }"),
        ("src/a/b.rs", "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;"),
        ("src/a/b_tests.rs", "fn f() { a.unwrap(); }"),
        ("src/a/c.rs", "fn f() { a.unwrap(); }"),
    ];
    broken(rules::no_panics, &files, &["1: `unwrap()`"]);
}

#[test]
fn files_and_functions_fit_the_eye() {
    let mend =
        "split it by what it does; a uniform catalogue may be listed in LONG in tests/architecture/tables.rs";
    hold(mend, rules::sizes);
    report(mend, &rules::file_sizes(&test_sources()));
    let long = format!(
        "fn f() {{\n{}}}\n#[cfg(test)]\nmod tests {{\n{}}}",
        "a();\n".repeat(60),
        "a();\n".repeat(400)
    );
    broken(rules::sizes, &[("src/x.rs", &long)], &["1: function `f` has 62 lines"]);
    broken(rules::sizes, &[("src/y.rs", &"const A: u8 = 1;\n".repeat(401))], &["401: file has 401 lines"]);
}

#[test]
fn no_file_names_a_package_registry() {
    report("name the package, not where it is stored", &rules::registries(root()));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.md"), format!("\nsee {}", tables::registries()[0])).expect("a file");
    assert_eq!(rules::registries(folder.path()).len(), 1);
}

#[test]
fn rustfmt_leaves_the_order_of_modules_alone() {
    let settings = std::fs::read_to_string(root().join("rustfmt.toml")).expect("rustfmt.toml");
    assert!(
        settings.lines().any(|line| line == "reorder_modules = false"),
        "the order of `mod` lines is the order of dependencies\nhint: `reorder_modules = false` in rustfmt.toml"
    );
}
