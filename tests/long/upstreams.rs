//! Upstreams that stand still, each until its bound; and keys that take long to make.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::e2e::dialogue::{NAME, OPENED, ORIGIN, opening_gateway, over_tls, plain, zone};
use crate::e2e::streaming::{PLAIN, TLS, get};
use crate::e2e::terminate::curl;
use crate::lab::Lab;
use crate::lab::backends::Wire;
use crate::lab::forge::{Forge, Spec};

#[test]
fn an_upstream_that_stands_still_in_the_handshake_is_504() {
    let lab = Lab::new();
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    lab.backends().serve(TLS, Wire::Plain, |mut stream, _| async move {
        // It reads what comes, and never says anything.
        while stream.read(&mut [0; 4096]).await? > 0 {}
        Ok(())
    });
    let url = format!("https://{NAME}/");
    let heard = curl(&lab, daemon.authority(), &["-i", "--http1.1", &url]).succeeded();
    assert!(
        heard.starts_with("HTTP/1.1 504 ") && heard.contains("x-clawgress-reason: upstream.timeout"),
        "{heard}"
    );
    let row = daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "upstream.timeout", "destination_host": NAME,
    }));
    assert!(row["evidence"].as_str().unwrap_or_default().starts_with("TLS handshake timed out"), "{row}");
}

#[test]
fn an_upstream_that_stands_still_in_a_head_is_504() {
    let lab = Lab::new();
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    for (address, wire) in [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))] {
        lab.backends().serve(address, wire, |mut stream, _| async move {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Len").await?;
            stream.flush().await?;
            while stream.read(&mut buffer).await? > 0 {}
            Ok(())
        });
    }
    // Side by side: each waits for as long as a head may take.
    let mut talks = [plain(lab.workload(), PLAIN), over_tls(lab.workload(), TLS, NAME, daemon.authority())];
    for talk in &mut talks {
        talk.tcp().set_read_timeout(None).expect("a socket option");
        talk.say(get("/still"));
    }
    for mut talk in talks {
        talk.hear().is_refusal(504, "upstream.timeout");
    }
    let row = daemon.record(&json!({
        "kind": "request", "decision": "deny", "reason": "upstream.timeout", "path": "/still", "status": 504,
    }));
    assert!(row["evidence"].as_str().unwrap_or_default().ends_with("HeadTooSlow"), "{row}");
}

#[test]
fn rsa_of_8192_bits_passes() {
    let lab = Lab::new();
    let forge = Forge::new(&lab);
    let root = forge.alone(&Spec::ca("Root", "rsa8192:root"));
    let leaf = forge.issue(&root, &Spec::server(&format!("DNS:{NAME}")).key("rsa8192:root"));
    let settings = json!({"upstream": {"trustAnchors": [root.certificate]}});
    let _resolver = lab.resolver(zone());
    let daemon = lab.daemon(&settings, &[("all.yaml", OPENED)]);
    let conf = format!(
        "server {{ listen {ORIGIN}:443 ssl http2; ssl_certificate {}; ssl_certificate_key {};
         location / {{ return 200 \"let in\"; }} }}",
        leaf.certificate.display(),
        leaf.key.display()
    );
    let _nginx = lab.nginx(&conf, TLS);
    assert_eq!(curl(&lab, daemon.authority(), &[&format!("https://{NAME}/")]).succeeded(), "let in");
}
