//! Certificates of upstreams: every broken kind is refused in words that say what is broken, and good ones pass however
//! unusual they are. A real nginx shows them, each under a name of its own.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::dialogue::{NAME, OPENED, ORIGIN, zone};
use super::terminate::curl;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::forge::{CA, Forge, Made, SERVER, Spec};
use crate::lab::{Daemon, Lab, Nginx, Resolver, Zone};

/// What a site shows.
struct Shown {
    /// The first label of its name, below `NAME`; empty for `NAME` itself.
    label: &'static str,
    chain: PathBuf,
    key: PathBuf,
    staple: Option<PathBuf>,
    expected: Expected,
}

/// What becomes of it.
enum Expected {
    /// The answer comes.
    Passes,
    /// Refused: the words for the agent, and those for the operator.
    Untrusted(&'static str, &'static str),
    /// No handshake, so nothing to judge.
    Failed,
}

use Expected::{Failed, Passes, Untrusted};

impl Shown {
    fn name(&self) -> String {
        name(self.label)
    }
}

fn name(label: &str) -> String {
    if label.is_empty() { NAME.to_owned() } else { format!("{label}.{NAME}") }
}

/// A server for one label.
fn server(label: &str) -> Spec<'static> {
    Spec::server(&format!("DNS:{}", name(label)))
}

/// The workshop, with the roots that the gateway trusts and one that it does not.
struct Workshop {
    forge: Forge,
    root: Made,
    rsa: Made,
    ed25519: Made,
    nobody: Made,
    shown: Vec<Shown>,
}

impl Workshop {
    fn new(lab: &Lab) -> Self {
        let forge = Forge::new(lab);
        let root = forge.alone(&Spec::ca("Root", "p256:root"));
        let rsa = forge.alone(&Spec::ca("RSA Root", "rsa2048:root"));
        let ed25519 = forge.alone(&Spec::ca("Ed25519 Root", "ed25519:root"));
        let nobody = forge.alone(&Spec::ca("Nobody", "p256:nobody"));
        Self { forge, root, rsa, ed25519, nobody, shown: Vec::new() }
    }

    /// One more site: its chain, leaf first.
    fn show(&mut self, label: &'static str, chain: &[&Made], expected: Expected) {
        let shown = Shown {
            label,
            chain: self.forge.bundle(chain),
            key: chain[0].key.clone(),
            staple: None,
            expected,
        };
        self.shown.push(shown);
    }

    /// A site whose leaf the root issues.
    fn leaf(&mut self, label: &'static str, spec: &Spec<'_>, expected: Expected) {
        let leaf = self.forge.issue(&self.root, spec);
        self.show(label, &[&leaf], expected);
    }

    /// A site whose leaf comes from an intermediate of this kind.
    fn below(&mut self, label: &'static str, spec: &Spec<'_>, expected: Expected) {
        let intermediate = self.forge.issue(&self.root, spec);
        let leaf = self.forge.issue(&intermediate, &server(label));
        self.show(label, &[&leaf, &intermediate], expected);
    }

    /// Shows everything, and holds what clients hear and the record says against what is expected.
    fn judge(self, lab: &Lab) {
        let anchors = self.forge.bundle(&[&self.root, &self.rsa, &self.ed25519]);
        let zone = self.shown.iter().fold(zone(), |zone, shown| zone.host(&shown.name(), &[ORIGIN]));
        let (_resolver, daemon) = gateway(lab, zone, &anchors, OPENED);
        let _nginx = serve(lab, &self.shown);
        for shown in &self.shown {
            for version in ["--http1.1", "--http2"] {
                hear(lab, &daemon, shown, version);
            }
        }
    }
}

fn gateway<'l>(lab: &'l Lab, zone: Zone, anchors: &PathBuf, documents: &str) -> (Resolver, Daemon<'l>) {
    let settings = json!({"upstream": {"trustAnchors": [anchors]}});
    (lab.resolver(zone), lab.daemon(&settings, &[("all.yaml", documents)]))
}

/// One nginx for all, by server name.
fn serve(lab: &Lab, shown: &[Shown]) -> Nginx {
    let servers: String = shown
        .iter()
        .map(|shown| {
            let staple = shown.staple.as_ref().map_or_else(String::new, |file| {
                format!("ssl_stapling on; ssl_stapling_file {};", file.display())
            });
            format!(
                "server {{ listen {ORIGIN}:443 ssl http2; server_name {}; ssl_certificate {}; ssl_certificate_key {};
                 {staple} location / {{ return 200 \"let in\"; }} }}\n",
                shown.name(),
                shown.chain.display(),
                shown.key.display()
            )
        })
        .collect();
    let conf = format!(
        "ssl_protocols TLSv1.2 TLSv1.3; server_names_hash_bucket_size 128; ssl_session_tickets off; {servers}"
    );
    lab.nginx(&conf, &format!("{ORIGIN}:443"))
}

fn hear(lab: &Lab, daemon: &Daemon<'_>, shown: &Shown, version: &str) {
    let name = shown.name();
    let heard = curl(lab, daemon.authority(), &["-i", version, &format!("https://{name}/")]).succeeded();
    let (head, body) = heard.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    let (reason, short, seen) = match shown.expected {
        Passes => {
            assert_eq!((status, body), ("200", "let in"), "{name}: {heard}");
            return;
        }
        Untrusted(short, seen) => ("tls.untrusted-upstream", short, seen),
        Failed => ("upstream.failed", "could not be spoken to over TLS", "alert"),
    };
    assert_eq!(status, "502", "{name}: {heard}");
    let problem: Value = serde_json::from_str(body).expect("a problem in JSON");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(problem["code"] == reason && detail.contains(short), "{name}: {problem}");
    let row = daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": reason, "destination_host": name, "status": 502,
    }));
    assert!(row["evidence"].as_str().unwrap_or_default().contains(seen), "{name}: {row}");
}

#[apply(over_both)]
fn a_certificate_for_another_name_is_refused_whatever_its_wildcard_promises(lab: Lab) {
    const WORDS: Expected = Untrusted("it is for another name", "wrong name");
    let mut shop = Workshop::new(&lab);
    // NAME has two labels: a wildcard for all that have is none that an authority may give.
    shop.leaf("", &Spec::server("DNS:*.example"), WORDS);
    for (label, names) in [
        ("other", "DNS:somebody-else.example"),
        ("star", "DNS:*"),
        ("deep", "DNS:*.example"),
        ("partial", "DNS:part*.site.example"),
        ("behind", "DNS:*ehind.site.example"),
        ("middle", "DNS:middle.*.example"),
        ("twice", "DNS:*.*.example"),
        ("below", "DNS:*.below.site.example"),
        ("address", "IP:192.0.2.11"),
        ("text", "DNS:192.0.2.11"),
        ("mail", "email:mail@mail.site.example"),
        ("uri", "URI:https://uri.site.example"),
    ] {
        shop.leaf(label, &Spec::server(&lab.twin(names)), WORDS);
    }
    let unnamed = Spec { name: "common.site.example", ..server("").with(SERVER) };
    shop.leaf("common", &unnamed, WORDS);
    shop.judge(&lab);
}

#[apply(over_both)]
fn a_chain_that_leads_to_no_anchor_is_refused(lab: Lab) {
    const WORDS: Expected = Untrusted("its issuer is not trusted", "unknown issuer");
    let mut shop = Workshop::new(&lab);
    let alone = shop.forge.alone(&server("alone"));
    shop.show("alone", &[&alone], WORDS);
    let foreign = shop.forge.issue(&shop.nobody, &server("foreign"));
    shop.show("foreign", &[&foreign, &shop.nobody.clone()], WORDS);
    let intermediate = shop.forge.issue(&shop.root, &Spec::ca("Intermediate", "p256:between"));
    let missing = shop.forge.issue(&intermediate, &server("missing"));
    shop.show("missing", &[&missing], WORDS);
    // The name of the root, the key of somebody else.
    let impostor = shop.forge.alone(&Spec::ca("Root", "p256:impostor"));
    let forged = shop.forge.issue(&impostor, &server("forged"));
    shop.show("forged", &[&forged, &impostor], Untrusted("its signature is wrong", "bad signature"));
    shop.judge(&lab);
}

#[apply(over_both)]
fn a_certificate_or_issuer_that_is_not_for_this_use_is_refused(lab: Lab) {
    let mut shop = Workshop::new(&lab);
    let named =
        |label: &str, rest: &str| server(label).with(format!("subjectAltName=DNS:{}\n{rest}", name(label)));
    shop.leaf(
        "client",
        &named("client", "extendedKeyUsage=clientAuth"),
        Untrusted("it is not for servers", "not for server authentication"),
    );
    shop.leaf(
        "ca",
        &named("ca", "basicConstraints=critical,CA:TRUE"),
        Untrusted("it is an authority's own", "CA certificate"),
    );
    shop.leaf(
        "critical",
        &named("critical", "1.2.3.4.5=critical,DER:0500"),
        Untrusted("critical extension", "critical extension"),
    );
    shop.leaf("old", &server("old").with(""), Untrusted("it is of an old version", "version 3"));
    let ca = |extensions: &str| Spec::ca("Intermediate", "p256:between").with(extensions.to_owned());
    shop.below(
        "unsigned",
        &ca("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign"),
        Untrusted("an issuer in its chain may not issue certificates", "may not sign certificates"),
    );
    shop.below(
        "unmarked",
        &ca("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyCertSign"),
        Untrusted("an issuer in its chain is no authority", "not marked as a CA"),
    );
    shop.below(
        "purpose",
        &ca(&format!("{CA}extendedKeyUsage=clientAuth")),
        Untrusted("it is not for servers", "not for server authentication"),
    );
    let short = shop
        .forge
        .issue(&shop.root, &ca("basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign"));
    let further = shop.forge.issue(&short, &Spec::ca("Further", "p256:further"));
    let leaf = shop.forge.issue(&further, &server("long"));
    shop.show(
        "long",
        &[&leaf, &further, &short],
        Untrusted("its chain is longer than its authority allows", "path length"),
    );
    shop.judge(&lab);
}

#[apply(over_both)]
fn a_name_outside_its_authoritys_constraints_is_refused(lab: Lab) {
    const WORDS: Expected = Untrusted("its authority may not vouch for this name", "name constraints");
    let mut shop = Workshop::new(&lab);
    for (label, constraint, names, expected) in [
        ("permitted", "permitted;DNS:other.example", "DNS:permitted.site.example", WORDS),
        ("excluded", "excluded;DNS:site.example", "DNS:excluded.site.example", WORDS),
        ("second", "permitted;DNS:second.site.example", "DNS:second.site.example,DNS:other.example", WORDS),
        ("inside", "permitted;IP:198.51.100.0/255.255.255.0", "DNS:inside.site.example,IP:192.0.2.11", WORDS),
        ("outside", "excluded;IP:192.0.2.0/255.255.255.0", "DNS:outside.site.example,IP:192.0.2.11", WORDS),
        (
            "inside6",
            "permitted;IP:2001:db8:99::/ffff:ffff:ffff::",
            "DNS:inside6.site.example,IP:2001:db8:1::11",
            WORDS,
        ),
        (
            "outside6",
            "excluded;IP:2001:db8:1::/ffff:ffff:ffff::",
            "DNS:outside6.site.example,IP:2001:db8:1::11",
            WORDS,
        ),
        ("wild", "excluded;DNS:wild.site.example", "DNS:*.site.example", WORDS),
        ("good", "permitted;DNS:site.example", "DNS:good.site.example", Passes),
    ] {
        let extensions = format!("{CA}nameConstraints=critical,{constraint}\n");
        let intermediate = shop.forge.issue(&shop.root, &Spec::ca(label, "p256:between").with(extensions));
        let leaf = shop.forge.issue(&intermediate, &Spec::server(names));
        shop.show(label, &[&leaf, &intermediate], expected);
    }
    shop.judge(&lab);
}

#[apply(over_both)]
fn weak_keys_and_signatures_are_refused(lab: Lab) {
    const SIGNED: &str = "of a kind that is not trusted";
    let mut shop = Workshop::new(&lab);
    let rsa = shop.rsa.clone();
    for (label, digest, seen) in [
        ("sha1", "-sha1", "RSA and SHA-1"),
        ("md5", "-md5", "RSA and MD5"),
        ("sha224", "-sha224", "RSA and SHA-224"),
    ] {
        let leaf = shop.forge.issue(&rsa, &server(label).signed(&[digest]));
        shop.show(label, &[&leaf], Untrusted(SIGNED, seen));
    }
    shop.leaf("ecsha1", &server("ecsha1").signed(&["-sha1"]), Untrusted(SIGNED, "ECDSA and SHA-1"));
    let intermediate = shop.forge.issue(&rsa, &Spec::ca("Intermediate", "p256:between").signed(&["-sha1"]));
    let leaf = shop.forge.issue(&intermediate, &server("between"));
    shop.show("between", &[&leaf, &intermediate], Untrusted(SIGNED, "RSA and SHA-1"));
    shop.leaf("rsa1024", &server("rsa1024").key("rsa1024"), Untrusted("too weak", "RSA of 1024 bits"));
    shop.below("below1024", &Spec::ca("Weak", "rsa1024:ca"), Untrusted("too weak", "RSA of 1024 bits"));
    // What TLS itself has no signature for never gets as far as a certificate.
    for (label, key) in [("rsa512", "rsa512"), ("p224", "p224"), ("k256", "k256")] {
        shop.leaf(label, &server(label).key(key), Failed);
    }
    shop.judge(&lab);
}

#[apply(over_both)]
fn good_certificates_pass_however_unusual(lab: Lab) {
    let mut shop = Workshop::new(&lab);
    for key in ["p384", "p521", "rsa2048", "rsa3072", "ed25519"] {
        shop.leaf(key, &server(key).key(key), Passes);
    }
    let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"];
    for (label, digest, key) in
        [("pss256", "-sha256", "rsa2048"), ("pss384", "-sha384", "p256"), ("pss512", "-sha512", "p256")]
    {
        let leaf =
            shop.forge.issue(&shop.rsa, &server(label).key(key).signed(&[&[digest], &pss[..]].concat()));
        shop.show(label, &[&leaf], Passes);
    }
    let edwards = shop.forge.issue(&shop.ed25519, &Spec::ca("Edwards", "ed25519:between"));
    let leaf = shop.forge.issue(&edwards, &server("edwards").key("ed25519"));
    shop.show("edwards", &[&leaf, &edwards], Passes);
    shop.leaf("wild", &Spec::server("DNS:*.site.example"), Passes);
    shop.leaf("xn--bcher-kva", &server("xn--bcher-kva"), Passes);
    let many: Vec<String> = (0..1000).map(|number| format!("DNS:n{number}.site.example")).collect();
    shop.leaf("n999", &Spec::server(&many.join(",")), Passes);
    // One key, two vouchers: the path to the one that nobody trusts comes first.
    let between = Spec::ca("Between", "p256:between");
    let (astray, trusted) =
        (shop.forge.issue(&shop.nobody, &between), shop.forge.issue(&shop.root, &between));
    let leaf = shop.forge.issue(&trusted, &server("crossed"));
    shop.show("crossed", &[&leaf, &astray, &shop.nobody.clone(), &trusted], Passes);
    // One of the two may not sign certificates; the other may.
    let unfit =
        shop.forge.issue(&shop.root, &between.clone().with("basicConstraints=CA:TRUE\nkeyUsage=cRLSign"));
    let leaf = shop.forge.issue(&trusted, &server("either"));
    shop.show("either", &[&leaf, &unfit, &trusted], Passes);
    let unrelated = shop.forge.issue(&shop.nobody, &server("unrelated"));
    let second = shop.forge.issue(&trusted, &Spec::ca("Second", "p384:second"));
    let leaf = shop.forge.issue(&second, &server("unordered"));
    shop.show("unordered", &[&leaf, &unrelated, &trusted, &shop.root.clone(), &second], Passes);
    shop.judge(&lab);
}

#[apply(over_both)]
fn a_chain_of_six_intermediates_passes_and_one_of_seven_is_refused(lab: Lab) {
    const KEYS: [&str; 7] = ["p256:1", "p256:2", "p256:3", "p256:4", "p256:5", "p256:6", "p256:7"];
    let mut shop = Workshop::new(&lab);
    let mut chain = vec![shop.root.clone()];
    for (key, label) in KEYS.iter().zip(["", "", "", "", "", "six", "seven"]) {
        chain.push(shop.forge.issue(chain.last().expect("a root"), &Spec::ca(key, key)));
        if !label.is_empty() {
            let leaf = shop.forge.issue(chain.last().expect("an issuer"), &server(label));
            let shown: Vec<&Made> = std::iter::once(&leaf).chain(chain[1..].iter().rev()).collect();
            let expected =
                if label == "six" { Passes } else { Untrusted("its chain is too long", "more than six") };
            shop.show(label, &shown, expected);
        }
    }
    shop.judge(&lab);
}

#[apply(over_both)]
fn a_stapled_revocation_is_refused_where_the_issuer_or_its_responder_signed_it(lab: Lab) {
    const REVOKED: Expected = Untrusted("it is revoked", "revoked since 2024-01-02T03:04:05Z");
    let mut shop = Workshop::new(&lab);
    let between = shop.forge.issue(&shop.root, &Spec::ca("Between", "rsa2048:between"));
    let responder = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n";
    let signing = format!("{responder}extendedKeyUsage=OCSPSigning\n");
    let responder = |extensions: &str| Spec::ca("Responder", "p256:responder").with(extensions.to_owned());
    let appointed = shop.forge.issue(&between, &responder(&signing));
    let plain = shop.forge.issue(&between, &responder(SERVER));
    let foreign = shop.forge.issue(&shop.root, &responder(&signing));
    let nobody = shop.nobody.clone();
    let mut stapled = |label: &'static str, signer: &Made, status: &str, next, expected| {
        let leaf = shop.forge.issue(&between, &server(label));
        let staple = shop.forge.status((&leaf, &between), signer, status, next);
        shop.show(label, &[&leaf, &between], expected);
        shop.shown.last_mut().expect("it was shown").staple = Some(staple.clone());
        staple
    };
    stapled("fresh", &between, "V", true, Passes);
    stapled("delegated", &appointed, "V", true, Passes);
    let revoked = stapled("revoked", &between, "R", true, REVOKED);
    stapled("byresponder", &appointed, "R", true, REVOKED);
    // An authority does not take back that it took something back.
    stapled("stale", &between, "R", false, REVOKED);
    // These do not count, and are as good as none.
    stapled("unappointed", &plain, "R", true, Passes);
    stapled("elsewhere", &foreign, "R", true, Passes);
    stapled("anybody", &nobody, "R", true, Passes);
    stapled("unknown", &between, "", true, Passes);
    let leaf = shop.forge.issue(&between, &server("another"));
    shop.show("another", &[&leaf, &between], Passes);
    shop.shown.last_mut().expect("it was shown").staple = Some(revoked);
    // The issuer may be the anchor itself.
    let leaf = shop.forge.issue(&shop.root, &server("direct"));
    let staple = shop.forge.status((&leaf, &shop.root), &shop.root, "R", true);
    shop.show("direct", &[&leaf], REVOKED);
    shop.shown.last_mut().expect("it was shown").staple = Some(staple);
    shop.judge(&lab);
}

#[apply(over_both)]
fn a_certificate_that_must_be_stapled_is_refused_without_a_status_that_counts(lab: Lab) {
    const SHORT: &str = "it comes without the fresh status that it must have";
    let mut shop = Workshop::new(&lab);
    let nobody = shop.nobody.clone();
    let root = shop.root.clone();
    let later = [0x30, 3, 0x0a, 1, 3];
    for (label, signer, status, next, expected) in [
        ("none", None, "", true, Untrusted(SHORT, "it came with none")),
        ("good", Some(&root), "V", true, Passes),
        ("revoked", Some(&root), "R", true, Untrusted("it is revoked", "revoked since")),
        ("unknown", Some(&root), "", true, Untrusted(SHORT, "does not know it")),
        ("stale", Some(&root), "V", false, Untrusted(SHORT, "out of its time")),
        ("foreign", Some(&nobody), "V", true, Untrusted(SHORT, "not signed by its issuer")),
        ("later", None, "", true, Untrusted(SHORT, "holds no status")),
    ] {
        let must = server(label);
        let extensions = format!("{}tlsfeature=status_request\n", must.extensions);
        let leaf = shop.forge.issue(&root, &must.with(extensions));
        shop.show(label, &[&leaf], expected);
        let staple = match signer {
            Some(signer) => Some(shop.forge.status((&leaf, &root), signer, status, next)),
            None => (label == "later").then(|| shop.forge.file("later.ocsp", &later)),
        };
        shop.shown.last_mut().expect("it was shown").staple = staple;
    }
    shop.judge(&lab);
}

#[apply(over_both)]
fn an_address_is_proven_by_an_address_in_the_certificate(lab: Lab) {
    let forge = Forge::new(&lab);
    let root = forge.alone(&Spec::ca("Root", "p256:root"));
    let route = "
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: addresses}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationCIDRs: [192.0.2.0/24, '2001:db8:1::/64']}]}]
";
    let documents = alice_and_gateway("{name: tls, protocol: TLS, tls: {mode: Terminate}}") + route;
    let (_resolver, daemon) = gateway(&lab, zone(), &root.certificate, &documents);
    let servers: String =
        [("192.0.2.16", "IP:192.0.2.16"), ("192.0.2.17", "IP:192.0.2.16"), ("192.0.2.18", "DNS:192.0.2.18")]
            .iter()
            .map(|(address, names)| {
                let leaf = forge.issue(&root, &Spec::server(&lab.twin(names)));
                format!(
                    "server {{ listen {address}:443 ssl http2; ssl_certificate {}; ssl_certificate_key {};
                 location / {{ return 200 \"let in\"; }} }}\n",
                    leaf.certificate.display(),
                    leaf.key.display()
                )
            })
            .collect();
    let _nginx = lab.nginx(&servers, "192.0.2.16:443");
    let ask = |address: &str| curl(&lab, daemon.authority(), &[&format!("https://{address}/")]);
    assert_eq!(ask("192.0.2.16").succeeded(), "let in");
    for address in ["192.0.2.17", "192.0.2.18"] {
        // Without a name there is no certificate of ours to answer under: an alert has to do.
        let heard = ask(address).failed_with(35);
        assert!(heard.contains("alert access denied"), "{heard}");
        let row = daemon.record(&json!({
            "kind": "connection", "decision": "deny", "reason": "tls.untrusted-upstream",
            "destination_address": lab.twin(address),
        }));
        assert!(row["evidence"].as_str().unwrap_or_default().contains("wrong name"), "{row}");
    }
}

#[apply(over_both)]
fn what_is_passed_through_is_judged_by_the_client_alone(lab: Lab) {
    let mut shop = Workshop::new(&lab);
    let expired = lab.pki().expired(&["expired.site.example"]);
    let alone = shop.forge.alone(&server("alone"));
    shop.show("alone", &[&alone], Passes);
    shop.shown.push(Shown {
        label: "expired",
        chain: expired.certificate,
        key: expired.key,
        staple: None,
        expected: Passes,
    });
    let route = "
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: names}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: ['*.site.example']}]}]
";
    let documents = alice_and_gateway("{name: tls, protocol: TLS, tls: {mode: Passthrough}}") + route;
    let zone = shop.shown.iter().fold(zone(), |zone, shown| zone.host(&shown.name(), &[ORIGIN]));
    let (_resolver, daemon) = gateway(&lab, zone, &shop.root.certificate.clone(), &documents);
    let _nginx = serve(&lab, &shop.shown);
    for shown in &shop.shown {
        let url = format!("https://{}/", shown.name());
        let trusting = lab.pki().authority();
        // curl's code 60: the peer's certificate cannot be authenticated.
        let refused = curl(&lab, &trusting, &[&url]).failed_with(60);
        assert!(refused.contains("certificate"), "{refused}");
        assert_eq!(curl(&lab, &trusting, &["-k", &url]).succeeded(), "let in");
        daemon.record(&json!({
            "kind": "connection", "decision": "allow", "protocol": "tls-passthrough",
            "destination_host": shown.name(),
        }));
    }
}
