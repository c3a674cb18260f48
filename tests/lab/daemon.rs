//! The real daemon in the gateway namespace, started with settings and policies, and asked through its own CLI.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::backends::eventually;
use super::manager::Manager;
use super::program::{Finished, Program, Running};
use super::{Lab, Namespace, RESOLVER_V4};

/// The program under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_clawgress");

/// How long a start may take, and an orderly end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon and its folders.
pub struct Daemon<'lab> {
    gateway: &'lab Namespace,
    folder: PathBuf,
    config: PathBuf,
    files: Option<u64>,
    manager: Manager,
    running: Running,
    authority: OnceCell<PathBuf>,
}

impl<'lab> Daemon<'lab> {
    pub(super) fn start(
        lab: &'lab Lab,
        settings: &Value,
        policies: &[(&str, &str)],
        files: Option<u64>,
    ) -> Self {
        let (config, gateway) = (prepare(lab, settings, policies), lab.gateway());
        let folder = lab.folder().join("gateway");
        let mut manager = Manager::new(&folder);
        let running = launch(gateway, (&folder, &config), &mut manager, files);
        Self { gateway, folder, config, files, manager, running, authority: OnceCell::new() }
    }

    /// A daemon with settings that somebody else has written; its folders are those beside them, as the lab's usual ones.
    pub fn of(lab: &'lab Lab, config: &Path) -> Self {
        let folder = config.parent().expect("settings in a folder").to_owned();
        let mut manager = Manager::new(&folder);
        let running = launch(lab.gateway(), (&folder, config), &mut manager, None);
        let (gateway, config) = (lab.gateway(), config.to_owned());
        Self { gateway, folder, config, files: None, manager, running, authority: OnceCell::new() }
    }

    /// Ends the daemon as a crash would, and waits until it is gone. Nobody keeps anything for the next.
    pub fn kill9(&mut self) {
        self.crash();
        self.manager.forget();
    }

    /// The same where a service manager keeps the sockets, for `start_with_kept`.
    pub fn crash(&mut self) {
        self.running.signal(Signal::KILL);
        assert!(self.running.wait(PATIENCE), "a killed daemon is still there");
    }

    /// Ends the daemon in an orderly way and for good, and returns its exit code.
    pub fn terminate(&mut self) -> i32 {
        self.ask_to_end();
        let code = self.await_end();
        self.manager.forget();
        code
    }

    /// Starts it again, on the same folders, and waits until it is ready. Nothing was kept for it.
    pub fn start_again(&mut self) {
        self.manager.forget();
        self.start_with_kept();
    }

    /// Starts it again with the sockets that were kept, as a service manager does, and waits until it is ready.
    pub fn start_with_kept(&mut self) {
        assert!(self.running.ended().is_some(), "the daemon still runs");
        let place = (self.folder.as_path(), self.config.as_path());
        self.running = launch(self.gateway, place, &mut self.manager, self.files);
    }

    /// Starts it with what was kept where it cannot start, and returns what it says.
    pub fn fail_with_kept(&mut self) -> String {
        let log = self.folder.with_file_name("failed.log");
        let program = self.gateway.command("sh").args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\"", BINARY]);
        let program = program.args(["daemon", "--config"]).arg(&self.config);
        let kept = self.manager.kept();
        let program = program.env("NOTIFY_SOCKET", self.manager.path()).passing(kept);
        self.running = program.start_logged(&log);
        assert_ne!(self.await_end(), 0, "it started");
        while !self.manager.hear().is_empty() {}
        fs::read_to_string(log).expect("a log")
    }

    /// Ends it in an orderly way and starts it again, as `systemctl restart` does.
    pub fn restart(&mut self) {
        self.ask_to_end();
        assert_eq!(self.await_end(), 0);
        self.start_with_kept();
    }

    /// The names of the sockets that are kept for it.
    pub fn kept(&self) -> Vec<&str> {
        self.manager.names()
    }

    /// SIGTERM.
    pub fn ask_to_end(&self) {
        self.running.signal(Signal::TERM);
    }

    /// Waits until it has ended and returns its exit code.
    pub fn await_end(&mut self) -> i32 {
        let finished = self.running.finish(PATIENCE);
        assert!(!finished.timed_out, "the daemon did not end within {PATIENCE:?}");
        finished.code()
    }

    /// `clawgress reload`, which must succeed.
    pub fn reload(&self) {
        self.cli(&["reload"]).succeeded();
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.running.signal(Signal::HUP);
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.running.pid().as_raw_nonzero().get()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.running.ended().is_none()
    }

    /// Writes a policy file; `reload` makes it count.
    pub fn write_policy(&self, file: &str, yaml: &str) {
        write_policy(&self.folder, file, yaml);
    }

    /// Removes a policy file.
    pub fn remove_policy(&self, file: &str) {
        fs::remove_file(self.folder.join("policies.d").join(file)).expect("a policy file");
    }

    /// Where `stateDir` is.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Where the daemon's socket is.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("run/admin.sock")
    }

    /// Its settings file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Runs a `clawgress` command against this daemon.
    pub fn cli(&self, arguments: &[&str]) -> Finished {
        self.program(arguments).run()
    }

    /// The same, not started yet: for commands that stream.
    pub fn program(&self, arguments: &[&str]) -> Program {
        self.gateway.command(BINARY).args(arguments).env("CLAWGRESS_SOCKET", self.socket())
    }

    /// `clawgress status -o json`.
    pub fn status(&self) -> Value {
        let finished = self.cli(&["status", "-o", "json"]);
        finished.succeeded();
        finished.json()
    }

    /// `clawgress audit search -o json` with these further arguments: one merged row per request, oldest first.
    pub fn records(&self, filter: &[&str]) -> Vec<Value> {
        let finished = self.cli(&[&["audit", "search", "-o", "json"], filter].concat());
        finished.succeeded();
        match finished.json() {
            Value::Array(rows) => rows,
            other => panic!("`audit search -o json` prints a list, not {other}"),
        }
    }

    /// Waits for a record with these fields, and returns the first. A decision is on record before its bytes leave,
    /// but an outcome comes when the connection has ended, which the client may see earlier.
    pub fn record(&self, fields: &Value) -> Value {
        let mut last = Vec::new();
        let wanted = fields.as_object().expect("fields as an object");
        let start = Instant::now();
        loop {
            let rows = self.records(&[]);
            let found =
                rows.iter().find(|row| wanted.iter().all(|(name, value)| row.get(name) == Some(value)));
            if let Some(row) = found {
                return row.clone();
            }
            if start.elapsed() > Duration::from_secs(5) {
                break;
            }
            last = rows;
            std::thread::sleep(Duration::from_millis(20));
        }
        let seen: String = last.iter().map(|row| format!("  {row}\n")).collect();
        panic!("no record within 5 s has {fields}; there are:\n{seen}");
    }

    /// The PEM file of the gateway's own authority, by `clawgress ca export`.
    pub fn authority(&self) -> &Path {
        self.authority.get_or_init(|| {
            let path = self.folder.join("authority.pem");
            fs::write(&path, self.cli(&["ca", "export"]).succeeded()).expect("the authority's certificate");
            path
        })
    }

    /// Waits until this text stands in the daemon's log.
    pub fn logged(&self, text: &str) {
        let path = self.folder.with_file_name("daemon.log");
        eventually(&format!("`{text}` in the daemon's log"), || {
            fs::read_to_string(&path).ok().filter(|log| log.contains(text))
        });
    }
}

/// Writes settings, policies and folders, and returns the settings file. Also for daemons that must not start.
pub fn prepare(lab: &Lab, settings: &Value, policies: &[(&str, &str)]) -> PathBuf {
    let folder = lab.folder().join("gateway");
    fs::create_dir_all(folder.join("policies.d")).expect("policy folder");
    for (file, yaml) in policies {
        write_policy(&folder, file, yaml);
    }
    let mut spec = json!({
        "intercept": {"interfaces": ["agents0"], "subnets": ["10.77.0.0/24", "fd77::/64"]},
        "dns": {"upstreams": [lab.twin(RESOLVER_V4)]},
        "upstream": {"trustAnchors": [lab.pki().authority()]},
        "policyDir": folder.join("policies.d"),
        "stateDir": folder.join("state"),
        "runtimeDir": folder.join("run"),
    });
    merge(&mut spec, settings);
    let document = json!({
        "apiVersion": "clawgress.io/v1alpha1", "kind": "ClawgressConfig", "metadata": {"name": "lab"}, "spec": spec,
    });
    // JSON is YAML, and needs no writer of its own.
    lab.file("gateway/clawgress.yaml", format!("{document:#}\n"))
}

/// Runs the daemon in the gateway namespace without waiting for it to be ready: for starts that must fail.
pub fn attempt(lab: &Lab, config: &Path) -> Finished {
    lab.gateway().command(BINARY).args(["daemon", "--config"]).arg(config).deadline(PATIENCE).run()
}

/// The documents that let `alice` (10.77.0.2, fd77::2, label `tier: dev`) leave by a gateway named `default` whose
/// listeners stand in flow YAML, such as `{name: tls, protocol: TLS, port: 443, tls: {mode: Terminate}}`.
pub fn alice_and_gateway(listeners: &str) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {{name: alice, labels: {{tier: dev}}}}\n\
         spec: {{sources: {{addresses: [10.77.0.2/32, \"fd77::2/128\"]}}}}\n---\n\
         apiVersion: clawgress.io/v1alpha1\nkind: EgressGateway\nmetadata: {{name: default}}\n\
         spec: {{listeners: [{listeners}]}}\n"
    )
}

/// The same where requests are read, in the open and over TLS, with these documents behind.
pub fn alice_is_read(documents: &str) -> String {
    let listeners = "{name: web, protocol: HTTP}, {name: tls, protocol: TLS, tls: {mode: Terminate}}";
    format!("{}---\n{documents}", alice_and_gateway(listeners))
}

/// The same over TLS alone.
pub fn alice_is_read_in_tls(documents: &str) -> String {
    let listeners = "{name: tls, protocol: TLS, tls: {mode: Terminate}}";
    format!("{}---\n{documents}", alice_and_gateway(listeners))
}

fn write_policy(folder: &Path, file: &str, yaml: &str) {
    let path = folder.join("policies.d").join(file);
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("policy folder");
    fs::write(path, yaml).expect("a policy file");
}

/// Starts the daemon with what is kept for it, under a limit of open files where one is given, and waits for `READY=1`
/// (sd_notify(3)).
fn launch(
    gateway: &Namespace,
    (folder, config): (&Path, &Path),
    manager: &mut Manager,
    files: Option<u64>,
) -> Running {
    let program = match files {
        // It replaces itself with the daemon, so the pid is the daemon's own.
        Some(files) => gateway.command("prlimit").arg(format!("--nofile={files}:{files}")).arg(BINARY),
        None => gateway.command("sh").args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\"", BINARY]),
    };
    let log = folder.with_file_name("daemon.log");
    let mut running = program
        .args(["daemon", "--config"])
        .arg(config)
        .env("NOTIFY_SOCKET", manager.path())
        .env("RUST_BACKTRACE", "1")
        .passing(manager.kept())
        .start_logged(&log);
    let end = Instant::now() + PATIENCE;
    loop {
        if manager.hear().iter().any(|line| line == "READY=1") {
            return running;
        }
        if let Some(status) = running.ended() {
            panic!("the daemon ended ({status}) before it was ready; its log follows");
        }
        assert!(Instant::now() < end, "the daemon was not ready within {PATIENCE:?}; its log follows");
    }
}

/// Puts `more` into `base`, object by object; anything else replaces.
fn merge(base: &mut Value, more: &Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (name, value) in more {
                merge(base.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (base, more) => *base = more.clone(),
    }
}
