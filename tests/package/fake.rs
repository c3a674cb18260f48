//! A machine to install on: this one's own files under an overlay, in the laboratory's gateway namespace, without systemd.
//!
//! What is written goes to memory and is gone with it; only the machine's own dpkg, its database and what packages brought are
//! needed. Nothing of this machine is changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::backends::eventually;
use crate::lab::daemon::BINARY;
use crate::lab::program::{Finished, Program, Running};

/// Puts the overlay together below `$1`, with the folder of the program under test, `$2`, in it.
const MACHINE: &str = r#"set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount --rbind /proc "$1/root/proc"
mount --rbind /sys "$1/root/sys"
mount -t tmpfs tmpfs "$1/root/run"
mkdir -p "$1/root$2"
mount --bind "$2" "$1/root$2"
touch "$1/root/run/stands"
exec sleep infinity"#;

/// What dpkg may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The machine. Gone when dropped.
pub struct Machine {
    mounts: Running,
    root: PathBuf,
    // Dropped last.
    lab: Lab,
}

impl Machine {
    /// Puts one together in a laboratory of its own.
    pub fn new() -> Self {
        let lab = Lab::new();
        let below = lab.folder().join("machine");
        std::fs::create_dir(&below).expect("a folder");
        let binaries = Path::new(BINARY).parent().expect("a folder");
        let mounting =
            lab.gateway().command("unshare").args(["--mount", "--propagation", "private", "sh", "-c"]);
        let mut mounts = mounting
            .arg(MACHINE)
            .arg("sh")
            .arg(&below)
            .arg(binaries)
            .start_logged(&lab.folder().join("machine.log"));
        let seen = format!("/proc/{}/root{}/root/run/stands", mounts.pid().as_raw_nonzero(), below.display());
        eventually("the machine stands", || {
            assert!(mounts.ended().is_none(), "the overlay could not be mounted");
            Path::new(&seen).exists().then_some(())
        });
        Self { mounts, root: below.join("root"), lab }
    }

    /// A shell script on it, with `$1` and further arguments.
    pub fn program(&self, script: &str, arguments: &[&str]) -> Program {
        let process = self.mounts.pid().as_raw_nonzero().to_string();
        let enter = self.lab.gateway().command("nsenter").args(["--target", &process, "--mount", "chroot"]);
        enter.arg(&self.root).args(["sh", "-ec", script, "sh"]).args(arguments)
    }

    /// The same, to its end.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Finished {
        self.program(script, arguments).deadline(PATIENCE).run()
    }

    /// The same, which must succeed; what it printed.
    pub fn succeeds(&self, script: &str) -> String {
        self.run(script, &[]).succeeded()
    }

    /// `dpkg --install` of a package that lies outside.
    pub fn install(&self, package: &Path) -> String {
        let bytes = std::fs::read(package).expect("a package");
        // Other packages' triggers (an index of every manual page) are not looked at here.
        let script = "cat > /run/new.deb; dpkg --install --no-triggers --force-confold /run/new.deb 2>&1";
        self.program(script, &[]).input(bytes).deadline(PATIENCE).run().succeeded()
    }
}
