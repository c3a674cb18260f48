//! A machine with a kernel of its own, for what no container has: AppArmor that enforces. Debian 12 with Debian's kernel, in
//! software alone (QEMU without KVM), which takes some minutes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::lab::backends::within;
use crate::long::tools::installed;

/// Boot and script, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(840);

/// What an administrator does, with a workload behind a bridge; what it shows is read from the disk afterwards.
const SCRIPT: &str = r#"#!/bin/sh
exec >/root/out 2>&1
set -x
cd /root
ip link add agents0 type bridge; ip addr add 10.77.0.1/24 dev agents0; ip link set agents0 up
ip netns add alice; ip link add veth0 type veth peer name eth0 netns alice; ip link set veth0 master agents0 up
ip -n alice addr add 10.77.0.2/24 dev eth0; ip -n alice link set eth0 up
echo nameserver 192.0.2.53 > /etc/resolv.conf
DEBIAN_FRONTEND=noninteractive apt-get install -y ./*.deb >/dev/null || exit
sed -i 's/interfaces: \[\]/interfaces: [agents0]/; s/subnets: \[\]/subnets: [10.77.0.0\/24]/' /etc/clawgress/clawgress.yaml
systemctl enable --now clawgressd
echo "profile=$(cat /proc/$(systemctl show --value -p MainPID clawgressd)/attr/current)"
clawgress status
printf sk-12345678901234567890 | clawgress secret set openai
ip netns exec alice bash -c 'exec 3<>/dev/tcp/10.77.0.1/80; printf "GET /whoami HTTP/1.1\r\nHost: clawgress.internal\r\nConnection: close\r\n\r\n" >&3; cat <&3'
systemctl reload clawgressd && echo reloaded=yes
systemctl restart clawgressd && echo restarted=yes
echo "nofile=$(grep 'open files' /proc/$(systemctl show --value -p MainPID clawgressd)/limits)"
clawgress audit search -o jsonl | tail -n 1
touch /etc/clawgress/now-and-then && clawgress validate
DEBIAN_FRONTEND=noninteractive apt-get remove -y clawgress >/dev/null && echo removed=yes
nft list tables
dmesg | grep 'apparmor="' | sed 's/^/kernel: /'
echo the end
sync
systemctl poweroff
"#;

const UNIT: &str = "[Unit]\nAfter=network.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n\
                    ExecStart=/root/script\n[Install]\nWantedBy=multi-user.target\n";

#[test]
fn apparmor_confines_the_daemon_and_refuses_nothing_that_it_needs() {
    let below = installed("systems").join("running").join(format!("machine-{}", std::process::id()));
    let tree = below.join("tree");
    fs::create_dir_all(&below).expect("a folder");
    command(
        "cp",
        &["--archive", "--reflink=auto", &installed("systems/machine").display().to_string()],
        &tree,
    );
    super::package("", &tree.join("root"));
    fs::write(tree.join("root/script"), SCRIPT).expect("a script");
    fs::write(tree.join("etc/systemd/system/script.service"), UNIT).expect("a unit");
    command("chmod", &["0755"], &tree.join("root/script"));
    let wants = tree.join("etc/systemd/system/multi-user.target.wants/script.service");
    command("ln", &["--symbolic", "../script.service"], &wants);
    let disk = below.join("disk");
    let made =
        Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).args([&tree, &disk]).arg("3G").status();
    assert!(made.expect("mke2fs").success());

    let boot = |beginning: &str| {
        let found =
            fs::read_dir(tree.join("boot")).expect("a folder").map(|entry| entry.expect("an entry").path());
        found.filter(|path| path.to_string_lossy().contains(beginning)).max().expect("Debian's kernel")
    };
    let arm = cfg!(target_arch = "aarch64");
    let mut machine = Command::new(if arm { "qemu-system-aarch64" } else { "qemu-system-x86_64" })
        .args(if arm { ["-machine", "virt"] } else { ["-machine", "q35"] })
        .args([
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "2048",
            "-display",
            "none",
            "-serial",
            "null",
            "-no-reboot",
        ])
        .args(["-nic", "none", "-kernel"])
        .arg(boot("/vmlinuz-"))
        .arg("-initrd")
        .arg(boot("/initrd.img-"))
        .args(["-append", "root=/dev/vda rw apparmor=1 security=apparmor panic=1 mitigations=off", "-drive"])
        .arg(format!("file={},format=raw,if=virtio", disk.display()))
        .stdin(Stdio::null())
        .spawn()
        .expect("qemu");
    within(PATIENCE, "the machine has done its work", || machine.try_wait().expect("a child"));
    let said = Command::new("debugfs").args(["-R", "cat /root/out"]).arg(&disk).output().expect("debugfs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let _ = fs::remove_dir_all(&below);

    for expected in [
        "\nprofile=clawgressd (enforce)\n",
        "rules in place, as written",
        "openai/value is set",
        "\"agent\":\"example\"",
        "\nreloaded=yes\n",
        "\nrestarted=yes\n",
        "1048576",
        "\nremoved=yes\n",
        "\nthe end\n",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in what it said:\n{said}");
    }
    assert!(said.contains("operation=\"profile_load\"") && !said.contains("DENIED"), "{said}");
}

/// A command of this machine, the last of whose arguments is a path.
fn command(program: &str, arguments: &[&str], path: &std::path::Path) {
    let done = Command::new(program).args(arguments).arg(path).status().expect("a program of this machine");
    assert!(done.success(), "{program} {arguments:?} {}", path.display());
}
