//! What is in the package.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use clawgress::model::config;
use clawgress::model::manifest::SourceFile;

use super::{Built, VERSION, read};
use crate::architecture::root;
use crate::lab::daemon::BINARY;

/// Every file below the folder, by its path from there.
fn files(folder: &Path) -> Vec<String> {
    let listed = Command::new("find").arg(folder).args(["-not", "-type", "d", "-printf", "%P\n"]).output();
    let text = String::from_utf8(listed.expect("find").stdout).expect("UTF-8");
    let mut files: Vec<String> = text.lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn it_has_what_the_contract_names_and_two_names_for_one_program() {
    let built = Built::new();
    let tree = built.unpacked();
    for path in [
        "usr/bin/clawgress",
        "usr/lib/systemd/system/clawgressd.service",
        "usr/lib/sysusers.d/clawgress.conf",
        "usr/lib/tmpfiles.d/clawgress.conf",
        "usr/lib/sysctl.d/60-clawgress.conf",
        "etc/apparmor.d/clawgressd",
        "etc/clawgress/clawgress.yaml",
        "etc/clawgress/policies.d/10-gateway.yaml",
        "usr/share/man/man8/clawgressd.8.gz",
        "usr/share/man/man5/clawgress.yaml.5.gz",
        "usr/share/bash-completion/completions/clawgress",
        "usr/share/zsh/vendor-completions/_clawgress",
        "usr/share/fish/vendor_completions.d/clawgress.fish",
        "usr/share/doc/clawgress/copyright",
        "usr/share/doc/clawgress/changelog.gz",
        "usr/share/doc/clawgress/docs/install.md",
        "usr/share/doc/clawgress/examples/policies/starter/10-gateway.yaml",
        "usr/share/lintian/overrides/clawgress",
    ] {
        let length = fs::metadata(tree.join(path)).unwrap_or_else(|error| panic!("{path}: {error}")).len();
        assert!(length > 0, "{path} is empty");
    }
    let daemon = fs::read_link(tree.join("usr/sbin/clawgressd")).expect("a link");
    assert_eq!(daemon, Path::new("../bin/clawgress"));
    let unit = read(&tree.join("usr/lib/systemd/system/clawgressd.service"));
    assert_eq!(unit, read(&root().join("systemd/clawgressd.service")));
}

#[test]
fn everything_belongs_to_root_and_nothing_is_for_others_to_write() {
    let built = Built::new();
    let listed = Command::new("dpkg-deb").arg("--contents").arg(&built.path).output().expect("dpkg-deb");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    assert!(listed.lines().count() > 50, "{listed}");
    for line in listed.lines() {
        let mut words = line.split_whitespace();
        let (mode, owner) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        assert_eq!(owner, "root/root", "{line}");
        let expected: &[&str] = match (mode.chars().next(), line.contains("./usr/bin/clawgress")) {
            (Some('l'), _) => &["lrwxrwxrwx"],
            (Some('d'), _) => &["drwxr-xr-x"],
            (_, true) => &["-rwxr-xr-x"],
            _ => &["-rw-r--r--"],
        };
        assert!(expected.contains(&mode), "{line}");
    }
}

#[test]
fn every_file_below_etc_is_a_conffile_and_every_sum_is_right() {
    let built = Built::new();
    let tree = built.unpacked();
    let conffiles = read(&tree.join("DEBIAN/conffiles"));
    let below: Vec<_> = files(&tree.join("etc")).into_iter().map(|file| format!("/etc/{file}")).collect();
    assert_eq!(conffiles.lines().collect::<Vec<_>>(), below);
    let checked =
        Command::new("md5sum").args(["--check", "--quiet", "DEBIAN/md5sums"]).current_dir(&tree).status();
    assert!(checked.expect("md5sum").success());
    let listed = read(&tree.join("DEBIAN/md5sums")).lines().count();
    let own = files(&tree.join("DEBIAN")).len();
    // The link to the program has no sum.
    assert_eq!(listed, files(&tree).len() - own - 1);
}

#[test]
fn it_says_its_version_and_what_it_needs_and_its_changelog_agrees() {
    let built = Built::new();
    let tree = built.unpacked();
    let control = read(&tree.join("DEBIAN/control"));
    let field = |name: &str| {
        let line = control.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {control}")).to_owned()
    };
    assert_eq!(field("Version"), VERSION);
    let own = Command::new("dpkg").arg("--print-architecture").output().expect("dpkg").stdout;
    assert_eq!(field("Architecture"), String::from_utf8_lossy(&own).trim());
    assert!(field("Installed-Size").parse::<u64>().is_ok_and(|size| size > 100), "{control}");
    for needed in ["nftables", "ca-certificates", "systemd (>= 252)", "init-system-helpers"] {
        assert!(field("Depends").contains(needed), "{control}");
    }
    assert!(!control.contains('@') || control.matches('@').count() == 1, "all is filled in: {control}");
    let changelog = read(&root().join("packaging/debian/changelog"));
    assert!(changelog.starts_with(&format!("clawgress ({VERSION}) ")), "{changelog}");
}

#[test]
fn the_same_program_makes_the_same_package() {
    let (one, other) = (Built::new(), Built::new());
    // The stand-ins differ by nothing, for both run the program under test.
    assert!(fs::read(&one.path).expect("a package") == fs::read(&other.path).expect("a package"));
}

#[test]
fn the_settings_as_they_come_lack_two_lines_and_nothing_else() {
    let text = read(&root().join("packaging/etc/clawgress.yaml"));
    let parse = |text: &str| config::parse(&SourceFile::new("clawgress.yaml", text.as_bytes().to_vec()));
    let report = parse(&text).expect_err("nobody's workloads are governed by chance");
    let lines: Vec<&str> = text.lines().collect();
    let places: Vec<&str> = report.errors.iter().map(|error| lines[error.line - 1].trim()).collect();
    assert_eq!(places, ["interfaces: []", "subnets: []"], "{}", report.render(false));
    for (error, mark) in report.errors.iter().zip(["# 1. ", "# 2. "]) {
        assert!(lines[error.line - 2].trim().starts_with(mark), "the line above is marked: {lines:?}");
    }
    // What the comments give as an example is what may be written there.
    let mut filled = text.clone();
    for name in ["interfaces", "subnets"] {
        let empty = format!("    {name}: []");
        let above = lines[lines.iter().position(|line| **line == empty).expect("a line") - 1];
        let example = above.split_once("For example: ").expect("an example").1;
        filled = filled.replace(&empty, &format!("    {name}: {example}"));
    }
    let config = parse(&filled).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert_eq!(config.intercept.interfaces, ["agents0"]);
    assert_eq!(config.folders.policy, Path::new("/etc/clawgress/policies.d"));
}

#[test]
fn the_policies_to_start_from_load_and_keep_what_their_tests_promise() {
    let built = Built::new();
    let policies = built.unpacked().join("etc/clawgress/policies.d");
    for command in [["validate", "-f"].as_slice(), &["test"]] {
        let done = Command::new(BINARY).args(command).arg(&policies).output().expect("clawgress");
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
    }
}

/// The commands below this one, as `--help` lists them.
fn commands(path: &[String]) -> Vec<String> {
    let help = Command::new(BINARY).args(path).arg("--help").output().expect("clawgress");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| line.starts_with(' ')).filter_map(|line| {
        // A meaning that is wrapped goes on farther in.
        line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_whitespace().next()
    });
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_manual_has_a_page_for_every_command_and_names_it_above() {
    let built = Built::new();
    let folder = built.unpacked().join("usr/share/man/man1");
    let page = |path: &[String]| {
        let name = [&["clawgress".to_owned()], path].concat().join("-");
        let unpacked =
            Command::new("gzip").arg("-dc").arg(folder.join(format!("{name}.1.gz"))).output().expect("gzip");
        assert!(unpacked.status.success(), "no page of {name}");
        String::from_utf8(unpacked.stdout).expect("UTF-8")
    };
    let mut waiting = vec![Vec::new()];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        let text = page(&path);
        seen += 1;
        for name in commands(&path) {
            let below = [path.clone(), vec![name.clone()]].concat();
            let written = [&["clawgress".to_owned()], &below[..]].concat().join(r"\-");
            assert!(text.contains(&format!("{written}(1)")), "{written} is not on the page of {path:?}");
            waiting.push(below);
        }
    }
    assert_eq!(fs::read_dir(&folder).expect("pages").count(), seen, "no page without a command");
    assert!(seen > 25, "{seen} pages");
}

#[test]
fn every_crate_in_the_program_has_its_licence_and_every_licence_its_text() {
    let built = Built::new();
    let copyright = read(&built.unpacked().join("usr/share/doc/clawgress/copyright"));
    for name in ["rustls", "tokio", "aws-lc-sys", "libsqlite3-sys", "psl", "mimalloc"] {
        assert!(copyright.contains(&format!("Files: bundled/{name}-")), "{name}");
    }
    for test_only in ["proptest", "tempfile", "divan"] {
        assert!(!copyright.contains(&format!("Files: bundled/{test_only}-")), "{test_only} is not shipped");
    }
    let paragraphs: Vec<&str> = copyright.split("\n\n").collect();
    let texts: Vec<&str> = paragraphs
        .iter()
        .filter_map(|text| text.strip_prefix("License: ")?.split_once('\n').map(|(name, _)| name))
        .collect();
    let whole = |line: &str| texts.contains(&line);
    for line in copyright.lines().filter_map(|line| line.strip_prefix("License: ")) {
        let words = line.replace(['(', ')'], "").replace(" with LLVM", " and LLVM");
        let names = words.split(" or ").flat_map(|part| part.split(" and "));
        let missing: Vec<&str> = names.filter(|name| !whole(name)).collect();
        assert!(whole(line) || missing.is_empty(), "`{line}`: no text of {missing:?}");
    }
    // Crates of this lock file, in its versions.
    let lock = read(&root().join("Cargo.lock"));
    let crates =
        copyright.lines().filter_map(|line| line.strip_prefix("Files: bundled/")?.strip_suffix("/*"));
    let with_version = crates.filter_map(|name| {
        name.rsplit_once('-').filter(|(_, end)| end.starts_with(|c: char| c.is_ascii_digit()))
    });
    let mut count = 0;
    for (name, version) in with_version {
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")), "{name} {version}");
        count += 1;
    }
    assert!(count > 150, "{count} crates");
}

#[test]
fn scripts_are_good_shell_and_say_what_they_do_not_know() {
    for name in ["postinst", "prerm", "postrm"] {
        let path = root().join("packaging/debian").join(name);
        assert!(fs::metadata(&path).expect("a script").permissions().mode() & 0o111 != 0, "{name}");
        let read = Command::new("sh").arg("-n").arg(&path).status().expect("sh");
        assert!(read.success(), "{name}");
        let text = self::read(&path);
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("\nset -e\n"), "{name}");
        let odd = Command::new("sh").arg(&path).arg("something-new").output().expect("sh");
        assert!(!odd.status.success(), "{name} must not take for done what it does not know");
        assert!(String::from_utf8_lossy(&odd.stderr).contains("something-new"), "{name}");
    }
}
