//! Flows that are not opened: TLS passed through, and raw TCP. What the upstream gets is what the workload sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dialogue::{NAME, ORIGIN, client_hello, connect, zone};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{Daemon, Lab, Resolver};

const RAW: &str = "192.0.2.13";

/// Alice behind a gateway that opens nothing.
fn closed_gateway(lab: &Lab) -> (Resolver, Daemon<'_>) {
    let resolver = lab.resolver(zone());
    let route = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: names}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: [site.example, raw.example]}]}]
";
    let base =
        alice_and_gateway("{name: tcp, protocol: TCP}, {name: tls, protocol: TLS, tls: {mode: Passthrough}}");
    let daemon = lab.daemon(&json!({}), &[("base.yaml", &base), ("names.yaml", route)]);
    (resolver, daemon)
}

/// Alice asks for a name, so that its address is known to be its.
fn look_up(lab: &Lab, name: &str) {
    lab.workload().command("getent").args(["ahosts", name]).run().succeeded();
}

fn reset_on_close(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket option");
}

#[apply(over_both)]
fn a_client_hello_reaches_the_upstream_untouched_in_one_segment_in_many_and_over_several_records(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    let upstream = lab.backends().raw("192.0.2.11:443", Wire::Plain, b"");
    let hello = client_hello(&lab.pki().authority(), NAME);
    let (header, handshake) = hello.split_at(5);
    // RFC 8446, section 5.1: a handshake message may be spread over several records.
    let records: Vec<u8> = handshake
        .chunks(handshake.len() / 3)
        .flat_map(|part| {
            let length = u16::try_from(part.len()).expect("a short record").to_be_bytes();
            [&header[..3], &length[..], part].concat()
        })
        .collect();
    assert!(records.len() > hello.len() + 5);
    for (sent, piece) in [(&hello, usize::MAX), (&hello, 7), (&records, usize::MAX), (&records, 1)] {
        let before = upstream.received().len();
        let mut stream = connect(lab.workload(), "192.0.2.11:443");
        for part in sent.chunks(piece.min(sent.len())) {
            stream.write_all(part).expect("sent");
        }
        let received = eventually("the whole hello at the upstream", || {
            upstream.received().get(before).filter(|received| received.len() >= sent.len()).cloned()
        });
        assert_eq!(&received, sent, "in pieces of {piece}");
        drop(stream);
        daemon.record(&json!({
            "kind": "connection", "decision": "allow", "protocol": "tls-passthrough", "agent_id": "alice",
            "destination_host": NAME, "policy_id": "EgressL4Route/names", "bytes_out": sent.len(), "bytes_in": 0,
        }));
    }
}

#[apply(over_both)]
fn the_certificate_that_the_client_sees_is_the_upstreams_own(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    let leaf = lab.pki().leaf(&[NAME]);
    lab.backends().http("192.0.2.11:443", Wire::Tls(&leaf, &["h2", "http/1.1"]));
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let finished = lab
            .workload()
            .command("curl")
            .trusting(&lab.pki().authority())
            .args(["-sS", flag, "-w", "%{http_version}", "-o", "/dev/null"])
            .arg(format!("https://{NAME}/download/10"))
            .run();
        assert_eq!(finished.succeeded(), version);
    }
    let shown = lab
        .workload()
        .command("openssl")
        .args(["s_client", "-connect", &format!("{ORIGIN}:443"), "-servername", NAME])
        .run();
    let own = std::fs::read_to_string(&leaf.certificate).expect("the upstream's certificate");
    let body = own.lines().find(|line| !line.starts_with('-')).expect("a certificate");
    assert!(shown.text().contains(body), "{shown}");
    daemon.record(&json!({"protocol": "tls-passthrough", "decision": "allow", "destination_host": NAME}));
    assert!(daemon.records(&[]).iter().all(|row| row["kind"] != "request"), "nothing was opened");
}

/// A block that says where it stands, so that a lost or doubled one is seen.
fn block(number: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let stamp = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    block.chunks_exact_mut(8).enumerate().for_each(|(at, part)| {
        part.copy_from_slice(&stamp);
        part[7] ^= at as u8;
    });
    block
}

const BLOCK: usize = 64 * 1024;
/// 50 MiB.
const BLOCKS: u64 = 800;

#[apply(over_both)]
fn fifty_megabytes_pass_through_both_ways_at_once_and_intact(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    let hello = client_hello(&lab.pki().authority(), NAME);
    let (length, (tell, told)) = (hello.len(), mpsc::channel());
    lab.backends().serve("192.0.2.11:443", Wire::Plain, move |mut stream, _| {
        let tell = tell.clone();
        async move {
            stream.read_exact(&mut vec![0; length]).await?;
            let (mut reader, mut writer) = tokio::io::split(stream);
            let writing = async {
                for number in 0..BLOCKS {
                    writer.write_all(&block(number)).await?;
                }
                writer.shutdown().await
            };
            let reading = async {
                let mut buffer = vec![0; BLOCK];
                for number in 0..BLOCKS {
                    reader.read_exact(&mut buffer).await?;
                    if buffer != block(!number) {
                        return Err(io::Error::other("a block is not what was sent"));
                    }
                }
                reader.read(&mut buffer).await
            };
            let (written, read) = tokio::join!(writing, reading);
            tell.send((written.is_ok(), read.ok())).expect("the test waits");
            Ok(())
        }
    });
    let mut stream = connect(lab.workload(), "192.0.2.11:443");
    stream.write_all(&hello).expect("sent");
    let mut writer = stream.try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..BLOCKS {
                writer.write_all(&block(!number)).expect("sent");
            }
            writer.shutdown(Shutdown::Write).expect("half-closed");
        });
        let mut buffer = vec![0; BLOCK];
        for number in 0..BLOCKS {
            stream.read_exact(&mut buffer).expect("received");
            assert!(buffer == block(number), "block {number} is not what was sent");
        }
        assert_eq!(stream.read(&mut buffer).expect("an orderly end"), 0);
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok((true, Some(0))));
    let row = daemon.record(&json!({
        "protocol": "tls-passthrough", "bytes_in": BLOCKS * BLOCK as u64,
        "bytes_out": BLOCKS * BLOCK as u64 + hello.len() as u64,
    }));
    assert_eq!(row.get("end"), None, "{row}");
}

#[apply(over_both)]
fn half_close_is_carried_across_both_ways(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    look_up(&lab, "raw.example");
    let hello = client_hello(&lab.pki().authority(), NAME);
    // The client is done first; the upstream still answers.
    lab.backends().echo("192.0.2.11:443", Wire::Plain);
    let mut stream = connect(lab.workload(), "192.0.2.11:443");
    stream.write_all(&hello).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half-closed");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("an orderly end");
    assert_eq!(back, [&hello[..], b"bye"].concat());
    // The upstream is done first; the client still speaks.
    let (tell, told) = mpsc::channel();
    lab.backends().serve("192.0.2.13:7000", Wire::Plain, move |mut stream, _| {
        let tell = tell.clone();
        async move {
            stream.write_all(b"that is all").await?;
            stream.shutdown().await?;
            let mut late = Vec::new();
            stream.read_to_end(&mut late).await?;
            tell.send(late).expect("the test waits");
            Ok(())
        }
    });
    let mut stream = connect(lab.workload(), "192.0.2.13:7000");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("an orderly end");
    assert_eq!(back, b"that is all");
    stream.write_all(b"one word more").expect("sent");
    drop(stream);
    assert_eq!(told.recv_timeout(Duration::from_secs(5)).as_deref(), Ok(&b"one word more"[..]));
    let first = daemon
        .record(&json!({"destination_port": 443, "bytes_out": hello.len(), "bytes_in": hello.len() + 3}));
    let second =
        daemon.record(&json!({"destination_port": 7000, "protocol": "tcp", "bytes_out": 13, "bytes_in": 11}));
    assert_eq!((first.get("end"), second.get("end")), (None, None));
}

#[apply(over_both)]
fn a_reset_is_carried_across_both_ways(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    let hello = client_hello(&lab.pki().authority(), NAME);
    let (tell, told) = mpsc::channel();
    lab.backends().serve("192.0.2.11:443", Wire::Plain, move |mut stream, _| {
        let tell = tell.clone();
        async move {
            let mut buffer = vec![0; 16 * 1024];
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(b"go on").await?;
            let end = loop {
                match stream.read(&mut buffer).await {
                    Ok(0) => break None,
                    Ok(_) => {}
                    Err(error) => break Some(error.kind()),
                }
            };
            tell.send(end).expect("the test waits");
            Ok(())
        }
    });
    let mut stream = connect(lab.workload(), "192.0.2.11:443");
    stream.write_all(&hello).expect("sent");
    stream.read_exact(&mut [0; 5]).expect("the upstream speaks");
    reset_on_close(&stream);
    drop(stream);
    assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok(Some(ErrorKind::ConnectionReset)));
    daemon.record(&json!({"destination_port": 443, "decision": "allow", "end": "reset", "bytes_in": 5}));

    look_up(&lab, "raw.example");
    lab.backends().cut("192.0.2.13:7000", Wire::Plain, b"half");
    let mut stream = connect(lab.workload(), "192.0.2.13:7000");
    stream.write_all(b"\x01begin").expect("sent");
    let error = stream.read_to_end(&mut Vec::new()).expect_err("a reset, not an end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    daemon.record(&json!({"destination_port": 7000, "decision": "allow", "end": "reset"}));
}

#[apply(over_both)]
fn protocols_in_which_the_server_speaks_first_begin_within_a_second(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    look_up(&lab, "raw.example");
    for (port, banner) in [(22, "SSH-2.0-lab\r\n"), (25, "220 lab ESMTP\r\n"), (3306, "J\0\0\0\n8.0-lab\0")] {
        lab.backends().banner(&format!("{RAW}:{port}"), banner);
        let begun = Instant::now();
        let mut stream = connect(lab.workload(), &format!("{RAW}:{port}"));
        let mut seen = vec![0; banner.len()];
        stream.read_exact(&mut seen).expect("a banner");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(seen, banner.as_bytes());
        stream.write_all(b"and the client answers\r\n").expect("sent");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).expect("an orderly end");
        assert_eq!(back, b"and the client answers\r\n");
        drop(stream);
        daemon.record(&json!({
            "kind": "connection", "decision": "allow", "protocol": "tcp", "destination_host": "raw.example",
            "destination_port": port, "policy_id": "EgressL4Route/names", "bytes_out": 24,
            "bytes_in": banner.len() + 24,
        }));
    }
}

#[apply(over_both)]
fn protocols_in_which_the_client_speaks_first_are_relayed_byte_by_byte(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    look_up(&lab, "raw.example");
    lab.backends().echo("192.0.2.13:5432", Wire::Plain);
    // PostgreSQL's SSLRequest, a Redis command, and zeros.
    for said in [&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], b"*1\r\n$4\r\nPING\r\n", &[0; 4096]] {
        let mut stream = connect(lab.workload(), "192.0.2.13:5432");
        stream.write_all(said).expect("sent");
        stream.shutdown(Shutdown::Write).expect("half-closed");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).expect("an orderly end");
        assert_eq!(back, [said, b"bye"].concat());
        daemon.record(&json!({
            "decision": "allow", "protocol": "tcp", "destination_host": "raw.example", "bytes_out": said.len(),
            "bytes_in": said.len() + 3,
        }));
    }
}

#[apply(over_both)]
fn refused_raw_tcp_is_reset_at_once_and_reaches_nobody(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    let upstream = lab.backends().raw("192.0.2.14:7000", Wire::Plain, b"");
    // One client speaks, the other waits for a banner.
    for said in [&b"\x01hello"[..], b""] {
        let begun = Instant::now();
        let mut stream = connect(lab.workload(), "192.0.2.14:7000");
        stream.write_all(said).expect("sent");
        let error = stream.read(&mut [0; 16]).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    let refused = || {
        daemon
            .records(&[])
            .iter()
            .filter(|row| row["reason"] == "policy.no-route" && row["protocol"] == "tcp")
            .count()
    };
    eventually("both refusals on record", || (refused() == 2).then_some(()));
    daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "policy.no-route", "agent_id": "alice",
        "destination_address": lab.twin("192.0.2.14"), "destination_port": 7000, "policy_id": "EgressGateway/default",
    }));
    assert!(upstream.untouched());
}

#[apply(over_both)]
fn a_client_hello_that_is_never_finished_is_refused_and_recorded_at_its_bound(lab: Lab) {
    let (_resolver, daemon) = closed_gateway(&lab);
    let upstream = lab.backends().raw("192.0.2.11:443", Wire::Plain, b"");
    let hello = client_hello(&lab.pki().authority(), NAME);
    let begun = Instant::now();
    let mut stream = connect(lab.workload(), "192.0.2.11:443");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
    stream.write_all(&hello[..hello.len() / 2]).expect("sent");
    let mut alert = Vec::new();
    let _ = stream.read_to_end(&mut alert);
    let elapsed = begun.elapsed();
    assert!((9..13).contains(&elapsed.as_secs()), "the bound is 10 s, this took {elapsed:?}");
    // A fatal alert, decode_error (RFC 8446, section 6.2).
    assert_eq!((alert.first(), alert.get(5..)), (Some(&21), Some(&[2, 50][..])), "{alert:?}");
    daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "protocol.malformed", "agent_id": "alice",
        "destination_address": lab.twin(ORIGIN), "destination_port": 443,
    }));
    assert!(upstream.untouched());
}
