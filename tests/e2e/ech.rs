//! Encrypted ClientHello (RFC 9849): no matter where TLS is opened, and a hidden name where it is passed through by name.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::client::{EchConfig, EchGreaseConfig, EchMode};
use rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
use rustls::crypto::hpke::Hpke;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, EchConfigListBytes, ServerName};
use rustls::{ClientConfig, ClientConnection, PeerIncompatible, RootCertStore, StreamOwned};
use serde_json::json;

use super::dialogue::{NAME, OTHER, connect, opening_gateway, over_tls, zone};
use super::http::{get, ok};
use super::origin::Origin;
use crate::lab::backends::Wire;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{Daemon, Lab, Resolver, Zone};

const BOTH: [&str; 2] = ["192.0.2.11:443", "[2001:db8:1::11]:443"];

/// DHKEM(X25519), HKDF-SHA256, AES-128-GCM (RFC 9180, section 7).
fn suite() -> &'static dyn Hpke {
    let wanted = |suite: &&&dyn Hpke| {
        let known = suite.suite();
        u16::from(known.kem) == 0x20 && u16::from(known.sym.aead_id) == 1
    };
    *ALL_SUPPORTED_SUITES.iter().find(wanted).expect("the suite of most servers")
}

/// GREASE: looks like ECH and hides nothing.
fn grease() -> EchMode {
    let (key, _) = suite().generate_key_pair().expect("a key");
    EchMode::Grease(EchGreaseConfig::new(suite(), key))
}

/// A real configuration with this public name (RFC 9849, section 4).
fn real(public_name: &str) -> EchMode {
    let (key, _) = suite().generate_key_pair().expect("a key");
    let sized =
        |bytes: &[u8]| [&u16::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat();
    let contents = [
        &[7, 0, 0x20][..],
        &sized(&key.0),
        &sized(&[0, 1, 0, 1]),
        &[0, u8::try_from(public_name.len()).expect("short")],
        public_name.as_bytes(),
        &[0, 0],
    ]
    .concat();
    let list = sized(&[&[0xfe, 0x0d][..], &sized(&contents)].concat());
    let config =
        EchConfig::new(EchConfigListBytes::from(list), ALL_SUPPORTED_SUITES).expect("a configuration");
    EchMode::Enable(config)
}

/// A TLS connection from alice to `name`, with this kind of ECH.
fn tls(
    lab: &Lab,
    (address, name): (&str, &str),
    (mode, authority): (EchMode, &Path),
) -> StreamOwned<ClientConnection, std::net::TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_ech(mode)
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    StreamOwned::new(session, connect(lab.workload(), address))
}

/// Asks for a page; the answer's beginning, or why there is none.
fn ask(stream: &mut (impl Read + Write)) -> std::io::Result<String> {
    stream.write_all(get("/page").as_bytes())?;
    stream.flush()?;
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn both() -> Zone {
    zone().host(NAME, &["2001:db8:1::11"])
}

#[test]
fn where_tls_is_opened_grease_changes_nothing_and_a_real_client_falls_back() {
    let lab = Lab::new();
    let (_resolver, daemon) = opening_gateway(&lab, both());
    let leaf = lab.pki().leaf(&[NAME]);
    for address in BOTH {
        Origin::start(&lab, address, Wire::Tls(&leaf, &["http/1.1"]), ok);
        let mut greased = tls(&lab, (address, NAME), (grease(), daemon.authority()));
        assert!(ask(&mut greased).expect("an answer").starts_with("HTTP/1.1 200"));
        // Hidden behind NAME, the client wants OTHER. We are a server without ECH: the handshake proves NAME to it, so it
        // knows that nobody in between has played with its hello, and sends nothing (RFC 9849, section 6.1.6).
        let mut hidden = tls(&lab, (address, OTHER), (real(NAME), daemon.authority()));
        let error = ask(&mut hidden).expect_err("ECH is rejected");
        let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let rejected = PeerIncompatible::ServerRejectedEncryptedClientHello(None);
        assert_eq!(error, Some(&rustls::Error::PeerIncompatible(rejected)));
        // And then it connects once more, in the open.
        let mut open = over_tls(lab.workload(), address, NAME, daemon.authority());
        assert_eq!(open.ask(get("/page")).status, 200);
    }
    assert!(daemon.records(&[]).iter().all(|row| row["reason"] != "tls.ech"));
    daemon
        .record(&json!({"kind": "request", "decision": "allow", "destination_host": NAME, "path": "/page"}));
}

/// A gateway with these listeners, and an L4 route with this match.
fn passing<'lab>(lab: &'lab Lab, listeners: &str, one: &str) -> (Resolver, Daemon<'lab>) {
    let route = format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: through}}\nspec:\n  \
         parentRefs: [{{kind: EgressGateway, name: default}}]\n  rules: [{{matches: [{one}]}}]\n"
    );
    let resolver = lab.resolver(both());
    (
        resolver,
        lab.daemon(&json!({}), &[("base.yaml", &alice_and_gateway(listeners)), ("route.yaml", &route)]),
    )
}

#[test]
fn where_tls_is_passed_through_or_relayed_by_name_a_hidden_name_is_refused_by_an_alert() {
    for listener in ["{name: p, protocol: TLS, tls: {mode: Passthrough}}", "{name: raw, protocol: TCP}"] {
        let lab = Lab::new();
        let (_resolver, daemon) = passing(&lab, listener, &format!("{{destinationHostnames: [{NAME}]}}"));
        let leaf = lab.pki().leaf(&[NAME, OTHER]);
        for address in BOTH {
            let origin = Origin::start(&lab, address, Wire::Tls(&leaf, &["http/1.1"]), ok);
            for (mode, name) in [(grease(), NAME), (real(NAME), OTHER)] {
                let mut refused = tls(&lab, (address, name), (mode, &lab.pki().authority()));
                let error = ask(&mut refused).expect_err("an alert").to_string();
                assert!(error.contains("AccessDenied"), "{listener}: {error}");
            }
            assert!(origin.untouched(), "{listener}");
            let mut open = over_tls(lab.workload(), address, NAME, &lab.pki().authority());
            assert_eq!(open.ask(get("/page")).status, 200, "{listener}");
        }
        for address in ["192.0.2.11", "2001:db8:1::11"] {
            let row = daemon.record(&json!({
                "kind": "connection", "decision": "deny", "reason": "tls.ech", "agent_id": "alice",
                "destination_host": NAME, "destination_address": address,
            }));
            assert!(row["evidence"].as_str().is_some_and(|seen| seen.contains(NAME)), "{row}");
        }
    }
}

#[test]
fn a_listener_that_allows_it_and_a_route_by_network_pass_a_hidden_name_through() {
    let allowing = "{name: p, protocol: TLS, tls: {mode: Passthrough, ech: Allow}}";
    let networks = "{destinationCIDRs: [192.0.2.0/24, '2001:db8:1::/64']}";
    for (listener, one) in [
        (allowing, format!("{{destinationHostnames: [{NAME}]}}")),
        ("{name: p, protocol: TLS, tls: {mode: Passthrough}}", networks.to_owned()),
        ("{name: raw, protocol: TCP}", networks.to_owned()),
    ] {
        let lab = Lab::new();
        let (_resolver, daemon) = passing(&lab, listener, &one);
        let leaf = lab.pki().leaf(&[NAME]);
        for address in BOTH {
            Origin::start(&lab, address, Wire::Tls(&leaf, &["http/1.1"]), ok);
            let mut greased = tls(&lab, (address, NAME), (grease(), &lab.pki().authority()));
            assert!(ask(&mut greased).expect("an answer").starts_with("HTTP/1.1 200"), "{listener} {one}");
        }
        assert!(daemon.records(&[]).iter().all(|row| row["decision"] != "deny"), "{listener} {one}");
    }
}
