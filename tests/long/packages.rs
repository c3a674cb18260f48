//! Package managers and mirrors of registries: each installs from where it may, and says so where it may not.

use std::path::Path;

use serde_json::json;

use super::tools::{self, PATIENCE, client};
use crate::e2e::world::{ROUTES, World};
use crate::lab::Daemon;
use crate::lab::program::Program;

/// What may be reached, and what may not.
const MIRRORS: [&str; 2] = ["https://site.example/mirror", "https://paste.example"];

/// The world with mirrors at `https://site.example/mirror`.
fn world() -> World {
    let world = World::new();
    let made = world.lab.upstream().command("/usr/bin/python3").arg(client("mirrors.py"));
    made.arg(world.lab.folder().join("www/mirror")).arg(MIRRORS[0]).run().succeeded();
    world
}

/// One file of the mirror was fetched, and nothing was from where nobody may go.
fn fetched(world: &World, daemon: &Daemon<'_>, path: &str) {
    daemon.record(&json!({
        "kind": "request", "destination_host": "site.example", "path": path, "status": 200, "decision": "allow",
    }));
    daemon.record(
        &json!({"kind": "request", "destination_host": "paste.example", "reason": "policy.no-route"}),
    );
    assert!(world.paste.untouched());
}

fn file(world: &World, path: &str) -> String {
    std::fs::read_to_string(world.lab.folder().join(path)).unwrap_or_default()
}

#[test]
fn pip_by_its_own_variable() {
    let world = world();
    let daemon = world.gateway(ROUTES);
    let [allowed, refused] = MIRRORS.map(|mirror| {
        let pip = world.lab.workload().command(&tools::python());
        let pip = pip.args(["-m", "pip", "-vv", "install", "--disable-pip-version-check", "--no-cache-dir"]);
        let pip = pip.args(["--target", "wheels", "--index-url", &format!("{mirror}/pip/"), "lab-notes"]);
        tools::trusting(&daemon, pip.env("PIP_CONFIG_FILE", "/dev/null"), "PIP_CERT").run()
    });
    allowed.succeeded();
    assert_eq!(file(&world, "wheels/lab_notes.py"), "said = 'from a wheel'\n");
    // Without `-vv` it tells that no version was found, and not why.
    assert!(
        refused.text().contains("403 Client Error: Forbidden for url: https://paste.example"),
        "{refused}"
    );
    assert!(refused.failed_with(1).contains("No matching distribution found for lab-notes"), "{refused}");
    fetched(&world, &daemon, "/mirror/pip/files/lab_notes-1.0-py3-none-any.whl");
}

#[test]
fn npm_by_its_own_variable() {
    let world = world();
    let daemon = world.gateway(ROUTES);
    let [allowed, refused] = MIRRORS.map(|mirror| {
        let npm = world.lab.workload().command("npm").args(["install", "--no-audit", "--no-fund"]);
        let npm = npm.args(["--no-update-notifier", "--prefix", "tarballs", "--registry"]);
        let npm = npm.arg(format!("{mirror}/npm/")).args(["--prefer-online", "lab-notes@1.0.0"]);
        let npm = npm.env("npm_config_cache", world.lab.folder().join(mirror.len().to_string()));
        tools::trusting(&daemon, npm, "npm_config_cafile").run()
    });
    allowed.succeeded();
    let installed = file(&world, "tarballs/node_modules/lab-notes/index.js");
    assert_eq!(installed, "module.exports = 'from a tarball';\n");
    assert!(
        refused.failed_with(1).contains("403 Forbidden - GET https://paste.example/npm/lab-notes"),
        "{refused}"
    );
    fetched(&world, &daemon, "/mirror/npm/files/lab-notes-1.0.0.tgz");
}

#[test]
fn cargo_by_its_own_variable() {
    let world = world();
    let daemon = world.gateway(ROUTES);
    world.lab.file(
        "crate/Cargo.toml",
        "[package]\nname = \"reader\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [dependencies]\nlab-notes = { version = \"1\", registry = \"lab\" }\n",
    );
    world.lab.file("crate/src/main.rs", "fn main() { print!(\"{}\", lab_notes::SAID) }\n");
    let [allowed, refused] = MIRRORS.map(|mirror| {
        let settings = format!("[registries.lab]\nindex = \"sparse+{mirror}/cargo/\"\n");
        world.lab.file("crate/.cargo/config.toml", settings);
        let _ = std::fs::remove_file(world.lab.folder().join("crate/Cargo.lock"));
        cargo(&world, &daemon).args(["run", "-q"]).run()
    });
    assert_eq!(allowed.succeeded(), "from a crate");
    let shown = refused.failed_with(101);
    assert!(
        shown.contains("got 403") && shown.contains("Agent alice may not reach paste.example:443"),
        "{shown}"
    );
    fetched(&world, &daemon, "/mirror/cargo/files/lab-notes/1.0.0.crate");
}

/// The toolchain's own cargo: the command in the path may be a proxy that looks for its settings in `HOME`.
fn cargo(world: &World, daemon: &Daemon<'_>) -> Program {
    let cargo = Path::new(env!("CARGO"));
    let cargo =
        world.lab.workload().command("env").arg("-C").arg(world.lab.folder().join("crate")).arg(cargo);
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    let cargo = cargo.env("RUSTC", rustc).env("CARGO_HOME", world.lab.folder().join("cargo"));
    tools::trusting(daemon, cargo, "CARGO_HTTP_CAINFO")
}

#[test]
fn apt_by_the_systems_store() {
    let world = world();
    let daemon = world.gateway(ROUTES);
    world.lab.workload().trust(daemon.authority());
    let here = world.lab.folder().display();
    for folder in ["etc", "state/lists/partial", "cache/archives/partial"] {
        world.lab.file(&format!("apt/{folder}/keep"), "");
    }
    world.lab.file("apt/status", "");
    let settings = format!(
        "Dir::State \"{here}/apt/state\"; Dir::State::status \"{here}/apt/status\"; Dir::Cache \"{here}/apt/cache\";
         Dir::Etc \"{here}/apt/etc\"; Dir::Etc::sourcelist \"{here}/apt/list\"; Dir::Log \"{here}/apt\";
         APT::Sandbox::User \"root\"; Acquire::Retries \"0\"; Acquire::Languages \"none\";\n"
    );
    let settings = world.lab.file("apt/conf", settings);
    let apt = |mirror: &str, arguments: &[&str]| {
        world.lab.file("apt/list", format!("deb [trusted=yes] {mirror}/apt ./\n"));
        let apt = world.lab.workload().command("apt-get").env("APT_CONFIG", &settings).arg("-q");
        apt.args(arguments).deadline(PATIENCE).run()
    };
    apt(MIRRORS[0], &["update"]).succeeded();
    apt(MIRRORS[0], &["download", "lab-notes"]).succeeded();
    assert!(world.lab.folder().join("lab-notes_1.0_all.deb").exists());
    let refused = apt(MIRRORS[1], &["update"]);
    assert!(
        refused
            .failed_with(100)
            .contains("Failed to fetch https://paste.example/apt/./Packages  403  Forbidden"),
        "{refused}"
    );
    fetched(&world, &daemon, "/mirror/apt/lab-notes_1.0_all.deb");
}

#[test]
fn uv_by_the_variable_of_openssl() {
    let world = world();
    let daemon = world.gateway(ROUTES);
    let [allowed, refused] = MIRRORS.map(|mirror| {
        let uv = world.lab.workload().command(&tools::installed("python/bin/uv").to_string_lossy());
        let uv = uv.args(["pip", "install", "--no-cache", "--no-config", "--python", "/usr/bin/python3"]);
        let uv = uv.args([
            "--target",
            &format!("wheels-{}", mirror.len()),
            "--index-url",
            &format!("{mirror}/pip/"),
            "lab-notes",
        ]);
        tools::trusting(&daemon, uv, "SSL_CERT_FILE").run()
    });
    allowed.succeeded();
    assert_eq!(file(&world, &format!("wheels-{}/lab_notes.py", MIRRORS[0].len())), "said = 'from a wheel'\n");
    let shown = refused.failed_with(1);
    assert!(shown.contains("403 Forbidden"), "{shown}");
    fetched(&world, &daemon, "/mirror/pip/files/lab_notes-1.0-py3-none-any.whl");
}
