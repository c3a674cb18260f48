//! A whole system in a container: a root tree that `scripts/long-tools` has made, under an overlay of the test's own, and
//! systemd as process 1 in the laboratory's gateway namespace.
//!
//! The network outlives a boot, as cables do; what a boot makes anew in a kernel (rules, routes, links that are down) is made
//! so here. systemd 252 and later need control groups of version 2, which hosts with version 1 have as well; memory may be
//! locked, which nspawn else allows nobody.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use crate::e2e::probes::{OPEN, SHUT, UPSTREAM, alice_with_network, who_is_there};
use crate::lab::backends::within;
use crate::lab::program::Finished;
use crate::lab::{Lab, RESOLVER_V4, Resolver, Zone};
use crate::long::tools::installed;

/// How long a boot, an installation or an orderly end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What brings the workloads' interface up, as ifupdown and others do it: after `network-pre.target`.
const LINKS: &str = "[Unit]\nDescription=Network\nDefaultDependencies=no\nAfter=network-pre.target local-fs.target\n\
                     Before=network.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
                     ExecStart=/bin/sh -c 'ip link set agents0 up; ip addr replace fd77::1/64 dev agents0 nodad'\n\
                     [Install]\nWantedBy=multi-user.target\n";

/// Starts the container in a control group of its own: in one, two would end each other's services.
const IN_A_GROUP: &str = "echo $$ >\"$1/cgroup.procs\" && shift && exec systemd-nspawn \"$@\"";

/// A system. Shut down and gone when dropped.
pub struct System {
    container: Option<Child>,
    /// Process 1, as this machine counts.
    pid: String,
    root: PathBuf,
    /// Answers for the world outside as long as the system stands.
    _resolver: Resolver,
    /// Dropped before the lab, whose namespaces it uses.
    pub lab: Rc<Lab>,
}

impl System {
    /// Boots a release with nothing installed, and services outside that answer whoever reaches them.
    pub fn boot(release: &str) -> Self {
        let lab = Rc::new(Lab::new());
        for port in [OPEN, SHUT] {
            who_is_there(&lab, port);
        }
        let resolver = lab.resolver(Zone::new().host("model.example", &[UPSTREAM[0]]));
        // Overlays do not go onto overlays, which /tmp may be.
        let below = installed("systems").join("running").join(lab.gateway().name());
        for folder in ["upper", "work", "root"] {
            fs::create_dir_all(below.join(folder)).expect("a folder");
        }
        let layers = format!(
            "lowerdir={tree},upperdir={below}/upper,workdir={below}/work",
            tree = installed("systems").join(release).display(),
            below = below.display(),
        );
        let root = below.join("root");
        host("mount", &["-t", "overlay", "overlay", "-o", &layers, &shown(&root)]);
        fs::write(root.join("etc/resolv.conf"), format!("nameserver {RESOLVER_V4}\n")).expect("resolv.conf");
        fs::write(root.join("etc/systemd/system/links.service"), LINKS).expect("a unit");
        let mut system = Self { container: None, pid: String::new(), root, _resolver: resolver, lab };
        system.start();
        system.succeeds("systemctl enable --quiet links.service");
        system
    }

    /// Starts process 1 and waits until it has done what a boot does.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.lab.folder().join("console.log"));
        let log = log.expect("a log file");
        let network = format!("--network-namespace-path=/run/netns/{}", self.lab.gateway().name());
        let group = control_group(self.lab.gateway().name());
        fs::create_dir_all(&group).expect("a control group");
        let mut container = Command::new("sh")
            .args(["-c", IN_A_GROUP, "sh"])
            .arg(&group)
            .args([
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--boot",
                "--console=pipe",
                "--link-journal=no",
            ])
            .args([
                &network,
                "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_IPC_LOCK",
                "--resolv-conf=off",
                "--directory",
            ])
            .arg(&self.root)
            .envs([("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1"), ("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("systemd-nspawn (package systemd-container)");
        let parent = container.id();
        self.pid = within(PATIENCE, "process 1 of the container", || {
            let ended = container.try_wait().expect("a child");
            assert!(ended.is_none(), "systemd-nspawn has ended ({ended:?}); its log follows");
            let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
            let first = children.split_whitespace().next()?.to_owned();
            // Before it has its name it is not yet in its namespaces.
            let name = fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
            (name.trim() == "systemd").then_some(first)
        });
        self.container = Some(container);
        within(PATIENCE, "the system has booted", || {
            let state = self.run("systemctl is-system-running");
            // Degraded is the business of whoever asks for a unit.
            ["running", "degraded"].contains(&state.text().trim()).then_some(())
        });
    }

    /// A shell script in it.
    pub fn run(&self, script: &str) -> Finished {
        let enter = self.lab.gateway().command("nsenter").args(["--target", &self.pid, "--all", "sh", "-ec"]);
        enter.arg(script).env("DEBIAN_FRONTEND", "noninteractive").deadline(PATIENCE).run()
    }

    /// The same, which must succeed; what it printed.
    pub fn succeeds(&self, script: &str) -> String {
        let finished = self.run(script);
        if finished.code() != 0 {
            let journal = self.run("journalctl --no-pager --lines 60");
            panic!("`{script}`: {finished}\nthe journal:\n{}", journal.text());
        }
        finished.text()
    }

    /// `apt install ./clawgress_...deb`, of this version; what it said.
    pub fn install(&self, version: &str) -> String {
        let folder = self.root.join("root");
        let package = super::package(version, &folder);
        let name = package.file_name().and_then(|name| name.to_str()).expect("a name");
        self.succeeds(&format!("cd /root && apt-get install --yes ./{name} 2>&1"))
    }

    /// Installed, with its two lines filled in and the policy of the probes, and running.
    pub fn governed(release: &str) -> Self {
        let system = Self::boot(release);
        system.install("");
        system.fill_in();
        system.succeeds("systemctl enable --now clawgressd");
        system
    }

    /// What an administrator edits.
    pub fn fill_in(&self) {
        self.succeeds(
            "sed -i 's/interfaces: \\[\\]/interfaces: [agents0]/; s/subnets: \\[\\]/subnets: [10.77.0.0\\/24, \"fd77::\\/64\"]/' \
             /etc/clawgress/clawgress.yaml; rm /etc/clawgress/policies.d/*",
        );
        fs::write(self.root.join("etc/clawgress/policies.d/all.yaml"), alice_with_network())
            .expect("a policy");
    }

    /// Ends it in an orderly way, and forgets what a boot does not find: what the kernel was told, and links that are up.
    pub fn shut_down(&mut self) {
        let mut container = self.container.take().expect("it runs");
        // The connection to process 1 may end with it.
        let _ = self.run("systemctl poweroff");
        within(PATIENCE, "the system is shut down", || container.try_wait().expect("a child"));
        let forget = "nft flush ruleset; ip link set agents0 down; ip rule del priority 100 2>/dev/null || true; \
                      ip -6 rule del priority 100 2>/dev/null || true; ip route flush table 8385 2>/dev/null || true; \
                      ip -6 route flush table 8385 2>/dev/null || true";
        self.lab.gateway().command("sh").args(["-c", forget]).run().succeeded();
    }

    /// A property of the service.
    pub fn property(&self, name: &str) -> String {
        self.succeeds(&format!("systemctl show --value --property {name} clawgressd")).trim().to_owned()
    }

    /// Waits until the service runs, with another process than this one.
    pub fn runs_anew(&self, before: &str, time: Duration) {
        within(time, "the daemon runs again", || {
            // Asked in one: between two questions it may die.
            let shown = self.succeeds("systemctl show --property ActiveState --property MainPID clawgressd");
            let pid = shown.lines().find_map(|line| line.strip_prefix("MainPID="))?;
            (shown.contains("ActiveState=active\n") && !["0", before].contains(&pid)).then_some(())
        });
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.pid.is_empty() {
            let journal = self.run("journalctl --no-pager --lines 80 --unit clawgressd --unit links");
            eprintln!("the journal:\n{}", journal.text());
        }
        // Its tree is thrown away: an orderly end would only take time.
        if let Some(mut container) = self.container.take() {
            // Process 1 dies with its parent.
            let _ = container.kill();
            let _ = container.wait();
        }
        let group = control_group(self.lab.gateway().name());
        // What dies in it is there for a moment longer.
        for _ in 0..100 {
            let _ = Command::new("find")
                .arg(&group)
                .args(["-depth", "-type", "d", "-delete"])
                .stderr(Stdio::null())
                .status();
            if !group.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let unmounted = Command::new("umount").args(["--lazy", "--recursive"]).arg(&self.root).status();
        if unmounted.is_ok_and(|status| status.success()) {
            let _ = self.root.parent().map(fs::remove_dir_all);
        }
    }
}

/// Where control groups of version 2 are: alone, or beside version 1.
fn control_group(name: &str) -> PathBuf {
    let alone = Path::new("/sys/fs/cgroup");
    let beside = alone.join("unified");
    let groups = if alone.join("cgroup.controllers").exists() { alone } else { &beside };
    groups.join(format!("clawgress-{name}"))
}

/// A command of this machine, which must succeed.
fn host(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).status().expect("a program of this machine");
    assert!(done.success(), "{program} {arguments:?}");
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
