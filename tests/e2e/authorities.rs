//! The life of the gateway's certificate authority as workloads and operators see it: one follows another, or operators bring their
//! own, and at its end nothing is opened.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde_json::{Value, json};

use super::world::{BASE, ROUTES, World};
use crate::lab::Daemon;
use crate::lab::backends::within;
use crate::lab::daemon::{attempt, prepare};
use crate::lab::program::Finished;

/// curl as alice, trusting this file alone.
fn curl(world: &World, trusted: &Path) -> Finished {
    let curl = world.lab.workload().command("curl").args(["-sS", "--max-time", "10", "--cacert"]);
    curl.arg(trusted).arg("https://site.example/small").run()
}

fn reaches(world: &World, trusted: &Path) {
    assert_eq!(curl(world, trusted).succeeded(), "hello from upstream\n");
}

fn does_not_trust(world: &World, trusted: &Path) {
    assert!(curl(world, trusted).failed_with(60).contains("certificate"));
}

/// `ca show`: what each does, and its fingerprint.
fn shown(daemon: &Daemon<'_>) -> Vec<(String, String)> {
    let all = daemon.cli(&["ca", "show", "-o", "json"]).json();
    let text = |one: &Value, field: &str| one[field].as_str().expect("a text").to_owned();
    all.as_array().expect("a list").iter().map(|one| (text(one, "state"), text(one, "fingerprint"))).collect()
}

/// The last certificate of a PEM text in a file of its own.
fn last(world: &World, pem: &str, name: &str) -> PathBuf {
    let at = pem.rfind("-----BEGIN CERTIFICATE-----").expect("a certificate");
    world.lab.file(name, &pem[at..])
}

#[apply(over_both)]
fn in_a_rotation_both_are_trusted_and_each_signs_in_its_time(world: World) {
    let mut daemon = world.gateway(ROUTES);
    let old = daemon.authority().to_owned();
    let [(state, first)] = &shown(&daemon)[..] else { panic!("one authority") };
    assert_eq!(state, "signing");
    let said = daemon.cli(&["ca", "rotate", "--overlap", "1h"]).succeeded();
    assert!(said.contains("upcoming, signs from ") && said.contains("`env.sh`"), "{said}");
    let bundle = daemon.cli(&["ca", "export"]).succeeded();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2, "both are handed out");
    let served = |page: &str| {
        let curl = world.lab.workload().command("curl").args(["-sS", "--max-time", "10"]);
        curl.arg(format!("http://clawgress.internal/{page}")).run().succeeded()
    };
    assert_eq!(served("ca.pem"), bundle);
    assert!(served("env.sh").contains(bundle.trim_end()));
    let new = last(&world, &bundle, "new.pem");
    reaches(&world, &old);
    does_not_trust(&world, &new);
    let [(_, signing), (state, second)] = &shown(&daemon)[..] else { panic!("two authorities") };
    assert_eq!((signing, &**state), (first, "upcoming"));
    daemon.record(&json!({"kind": "admin", "action": "ca rotate", "status": 200}));
    daemon.record(&json!({"kind": "system", "action": "ca-upcoming", "object": second}));
    let said = daemon.cli(&["ca", "rotate"]).failed_with(1);
    assert!(said.contains("a rotation is under way") && said.contains("clawgress ca rotate --now"), "{said}");

    daemon.kill9();
    daemon.start_again();
    reaches(&world, &old);
    assert_eq!(daemon.cli(&["ca", "rotate", "--now"]).succeeded().matches("retiring").count(), 1);
    let after = [("signing".to_owned(), second.clone()), ("retiring".to_owned(), first.clone())];
    assert_eq!(shown(&daemon), after);
    reaches(&world, &new);
    does_not_trust(&world, &old);
    daemon.kill9();
    daemon.start_again();
    assert_eq!(shown(&daemon), after);
    let state = daemon.state().join("ca");
    let mode = |name: &str| fs::metadata(state.join(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("ca.pem"), mode("old.pem")), (0o600, 0o644, 0o644));
    assert!(!state.join("next.key").exists());
}

#[test]
fn when_the_overlap_is_over_the_new_one_signs_without_being_asked() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    daemon.cli(&["ca", "rotate", "--overlap", "1s"]).succeeded();
    let new = last(&world, &daemon.cli(&["ca", "export"]).succeeded(), "new.pem");
    let second = shown(&daemon).pop().expect("the upcoming one").1;
    daemon.record(&json!({"kind": "system", "action": "ca-signs", "object": second}));
    reaches(&world, &new);
    for (arguments, why) in [
        (&["--overlap", "soon"][..], "write a span such as `36h`, `7d` or `P7D`"),
        (&["--overlap", "1h", "--now"], "cannot be used with"),
    ] {
        let said = daemon.cli(&[&["ca", "rotate"], arguments].concat()).failed_with(2);
        assert!(said.contains(why), "{said}");
    }
    assert!(daemon.cli(&["ca", "rotate", "--overlap", "400d"]).failed_with(1).contains("longer than"));
}

/// A root in a file of its own, and an intermediate with its key that ends so long from now.
fn corporate(world: &World, name: &str, life: Duration) -> (PathBuf, Value) {
    let authority = |common_name: &str, life: Duration| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("{common_name} {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
        params.not_before = date_time_ymd(1970, 1, 1) + (now - Duration::from_secs(3600));
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs((now + life).as_secs());
        params
    };
    let (root_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let root = authority("Corp Root", Duration::from_secs(86_400 * 365));
    let top = root.self_signed(&root_key).expect("a root");
    let issuing = authority("Corp Egress", life);
    let middle = issuing.signed_by(&key, &Issuer::new(root, root_key)).expect("an intermediate");
    let trusted = world.lab.file(&format!("{name}/root.pem"), top.pem());
    let chain = world.lab.file(&format!("{name}/chain.pem"), middle.pem() + &top.pem());
    let file = world.lab.file(&format!("{name}/chain.key"), key.serialize_pem());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    (trusted, json!({"authority": {"chainFile": chain, "keyFile": file}}))
}

const MONTHS: Duration = Duration::from_secs(86_400 * 90);

#[apply(over_both)]
fn an_authority_of_the_operators_own_signs_with_its_chain_and_is_replaced_by_a_reload(world: World) {
    let (root, settings) = corporate(&world, "first", MONTHS);
    let daemon = world.lab.daemon(&settings, &[("base.yaml", BASE), ("routes.yaml", ROUTES)]);
    reaches(&world, &root);
    assert_eq!(daemon.cli(&["ca", "export"]).succeeded(), fs::read_to_string(&root).expect("a root"));
    assert!(!daemon.state().join("ca").exists(), "the gateway makes none");
    let said = daemon.cli(&["ca", "rotate", "--now"]).failed_with(1);
    let chain = settings["authority"]["chainFile"].as_str().expect("a path");
    assert!(said.contains(&format!("the authority is your own: `{chain}`")), "{said}");
    assert!(said.contains("replace `") && said.contains("clawgress reload"), "{said}");

    let (next, other) = corporate(&world, "second", MONTHS);
    let file =
        |settings: &Value, name: &str| PathBuf::from(settings["authority"][name].as_str().expect("a path"));
    fs::copy(file(&other, "chainFile"), chain).expect("a chain");
    let reloaded = daemon.cli(&["reload"]);
    assert!(reloaded.errors().contains("is not the key of the first certificate"), "{reloaded}");
    reaches(&world, &root);
    fs::copy(file(&other, "keyFile"), file(&settings, "keyFile")).expect("a key");
    daemon.reload();
    reaches(&world, &next);
    does_not_trust(&world, &root);
    let row = daemon.record(&json!({"kind": "system", "action": "ca-signs"}));
    assert!(row["evidence"].as_str().is_some_and(|text| text.contains("Corp Egress second")), "{row}");
}

#[test]
fn an_authority_that_clients_would_refuse_ends_the_start_with_what_is_wrong() {
    let world = World::new();
    let (_, settings) = corporate(&world, "late", Duration::ZERO);
    let config = prepare(&world.lab, &settings, &[("base.yaml", BASE)]);
    let said = attempt(&world.lab, &config).failed_with(71);
    assert!(said.contains("holds `CN=Corp Egress late`, which has expired: it was valid until "), "{said}");
    assert!(said.contains("hint: spec.authority names the chain"), "{said}");
}

#[apply(over_both)]
fn when_the_authority_has_expired_nothing_is_opened_and_everybody_is_told(world: World) {
    let (root, settings) = corporate(&world, "short", Duration::from_secs(20));
    let daemon = world.lab.daemon(&settings, &[("base.yaml", BASE), ("routes.yaml", ROUTES)]);
    let status = daemon.cli(&["status"]).succeeded();
    assert!(status.contains("the certificate authority expires within a day"), "{status}");
    daemon.record(&json!({"kind": "system", "action": "ca-expires"}));
    let refused = within(Duration::from_secs(60), "the end of the authority", || {
        let asked = curl(&world, &root);
        (asked.code() == 35 || asked.code() == 56).then_some(asked)
    });
    assert!(!refused.timed_out, "a refusal is immediate");
    let row = daemon.record(&json!({"kind": "connection", "reason": "tls.authority"}));
    assert!(row["evidence"].as_str().is_some_and(|text| text.contains("clawgress ca show")), "{row}");
    daemon.record(&json!({"kind": "system", "action": "ca-expired"}));
    let status = daemon.cli(&["status"]).succeeded();
    assert!(
        status
            .lines()
            .any(|line| line.starts_with("the certificate authority has expired, and no TLS is opened")),
        "{status}"
    );
}
