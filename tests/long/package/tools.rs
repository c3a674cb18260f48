//! What Debian's own tools say of the package.

use std::process::Command;

use super::package;
use crate::architecture::root;

#[test]
fn lintian_finds_nothing_that_is_not_argued_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = package("", folder.path());
    let lintian = Command::new("lintian")
        .args(["--fail-on", "error,warning", "--pedantic", "--display-info", "--allow-root", "--no-cfg"])
        .arg(package)
        .output()
        .expect("lintian");
    let said = String::from_utf8_lossy(&[lintian.stdout, lintian.stderr].concat()).into_owned();
    assert!(lintian.status.success() && !said.contains("unused-override"), "{said}");
}

#[test]
fn apparmor_understands_the_profile() {
    let profile = root().join("packaging/debian/clawgress.apparmor");
    let parsed = Command::new("apparmor_parser")
        .args(["--skip-kernel-load", "--skip-cache", "--Werror", "--warn=all"])
        // Whatever this machine's own kernel can do.
        .args(["--features-file", "/etc/apparmor.d/abi/3.0"])
        .arg(profile)
        .output()
        .expect("apparmor_parser (package apparmor)");
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let scripts = ["debian/postinst", "debian/prerm", "debian/postrm", "build"];
    let paths = scripts.map(|name| root().join("packaging").join(name));
    let checked = Command::new("shellcheck").args(paths).output().expect("shellcheck");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
