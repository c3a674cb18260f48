//! The laboratory itself: packets are routed, servers answer, nothing is left behind. No daemon runs here; the
//! gateway only forwards.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::backends::{Wire, eventually};
use crate::lab::namespace::FOLDER;
use crate::lab::{Lab, RESOLVER_V4, RESOLVER_V6, UPSTREAM_V4, UPSTREAM_V6, Zone, mcp, nginx, topology};

const NAME: &str = "site.example";

/// A lab with the usual site, and arguments that let curl find it without a resolver.
fn lab_with_site() -> (Lab, nginx::Nginx, String) {
    let lab = Lab::new();
    let site = lab.site(&[NAME]);
    (lab, site, format!("{NAME}:443:{UPSTREAM_V4}"))
}

#[test]
fn a_lab_stands_within_a_second_and_leaves_nothing() {
    let start = Instant::now();
    let lab = Lab::new();
    let took = start.elapsed();
    let names =
        [lab.workload(), lab.bob(), lab.gateway(), lab.upstream()].map(|space| space.name().to_owned());
    let folder = lab.folder().to_owned();
    let sleeper = lab.workload().command("sleep").arg("20").start();
    let process = Path::new("/proc").join(sleeper.pid().as_raw_nonzero().to_string());
    let home = std::fs::metadata(Path::new(FOLDER).join(&names[0])).expect("a namespace").ino();
    let arrived = || std::fs::metadata(process.join("ns/net")).is_ok_and(|space| space.ino() == home);
    eventually("`ip netns exec` joins the namespace", || arrived().then_some(()));
    std::mem::forget(sleeper);
    drop(lab);
    for name in names {
        assert!(!Path::new(FOLDER).join(&name).exists(), "{name} is left");
        assert!(!Path::new("/etc/netns").join(&name).exists(), "files of {name} are left");
    }
    assert!(!folder.exists());
    // A killed child of this process stays as a zombie.
    let killed = || std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| stat.contains(") Z "));
    eventually("what ran in the lab is gone", || killed().then_some(()));
    assert!(took < Duration::from_secs(1), "building took {took:?}");
}

#[test]
fn a_new_lab_sweeps_up_after_dead_ones() {
    // No process can have this id: it is above the kernel's own limit of 4,194,304.
    let left = "clab-99999999-0-alice";
    topology::ip(None, &format!("netns add {left}\n"));
    let lab = Lab::new();
    let other = Lab::new();
    assert!(!Path::new(FOLDER).join(left).exists());
    assert!(Path::new(FOLDER).join(lab.workload().name()).exists(), "a living lab stays");
    assert_ne!(lab.workload().name(), other.workload().name());
}

#[test]
fn packets_are_routed_between_workloads_and_upstream_over_both_families() {
    let lab = Lab::new();
    for address in [UPSTREAM_V4, UPSTREAM_V6, "192.0.2.19", "2001:db8:1::19"] {
        let port = if address.contains(':') { format!("[{address}]:7") } else { format!("{address}:7") };
        lab.backends().echo(&port, Wire::Plain);
        for workload in [lab.workload(), lab.bob()] {
            let script = format!(
                "import socket; s=socket.create_connection(('{address}',7)); s.sendall(b'ping'); \
                 s.shutdown(socket.SHUT_WR); print(s.makefile().read(), s.getsockname()[0])"
            );
            let said = workload.command("python3").args(["-c", &script]).run().succeeded();
            assert!(said.starts_with("pingbye "), "{said}");
        }
    }
}

#[test]
fn a_program_has_a_clean_environment_and_a_deadline() {
    let lab = Lab::new();
    let environment = lab.workload().command("env").trusting(&lab.pki().authority()).run().succeeded();
    let mut names: Vec<_> = environment.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let expected = [
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "HOME",
        "NODE_EXTRA_CA_CERTS",
        "PATH",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    ];
    assert_eq!(names, expected);
    let finished = lab.workload().command("sleep").arg("20").deadline(Duration::from_millis(50)).run();
    assert!(finished.timed_out && finished.code() == 137, "{finished}");
    assert_eq!(lab.workload().command("cat").input("given").run().succeeded(), "given");
}

#[test]
fn nginx_answers_over_http1_and_http2_with_the_labs_authority() {
    let (lab, site, resolve) = lab_with_site();
    for (version, expected) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let finished = lab
            .workload()
            .command("curl")
            .trusting(&lab.pki().authority())
            .args([
                "-sS",
                version,
                "--resolve",
                &resolve,
                "-w",
                "%{http_version}",
                "https://site.example/small",
            ])
            .run();
        assert_eq!(finished.succeeded(), format!("hello from upstream\n{expected}"));
    }
    let big = lab.workload().command("curl").args(["-sS", &format!("http://[{UPSTREAM_V6}]/1MiB")]).run();
    assert_eq!(big.succeeded().len(), 1 << 20);
    assert!(site.access_log().contains("GET /small HTTP/2.0"), "{}", site.access_log());
    // Nobody trusts it without being told.
    let distrusted = lab
        .workload()
        .command("curl")
        .args(["-sS", "--resolve", &resolve, "https://site.example/small"])
        .run();
    distrusted.failed_with(60);
}

#[test]
fn bad_certificates_are_bad_for_the_reason_they_name() {
    let lab = Lab::new();
    let good = lab.pki().leaf(&[NAME]);
    let cases = [
        ("192.0.2.10", good, "0"),
        ("192.0.2.11", lab.pki().expired(&[NAME]), "10"),
        ("192.0.2.12", lab.pki().wrong_name(), "62"),
        ("192.0.2.13", lab.pki().self_signed(&[NAME]), "18"),
        ("192.0.2.14", lab.pki().foreign(&[NAME]), "21"),
        ("192.0.2.15", lab.pki().not_yet_valid(&[NAME]), "9"),
    ];
    for (address, leaf, code) in cases {
        lab.backends().echo(&format!("{address}:443"), Wire::Tls(&leaf, &[]));
        let verdict = lab
            .workload()
            .command("openssl")
            .args(["s_client", "-verify_hostname", NAME, "-servername", NAME, "-CAfile"])
            .arg(lab.pki().authority())
            .args(["-connect", &format!("{address}:443")])
            .run();
        let said = verdict.text();
        assert!(said.contains(&format!("Verify return code: {code} ")), "{address}: {said}");
    }
}

#[test]
fn the_resolver_answers_dig_over_udp_and_tcp_and_keeps_a_log() {
    let lab = Lab::new();
    let zone = Zone::new()
        .ttl(7)
        .host("model.example", &["192.0.2.10", "192.0.2.11", "2001:db8:1::10"])
        .alias("www.example", "model.example")
        .text("long.example", &"x".repeat(3000));
    let resolver = lab.resolver(zone);
    let dig = |server: &str, more: &[&str]| {
        let server = format!("@{server}");
        lab.workload()
            .command("dig")
            .args(["+noall", "+answer", "+comments", &server])
            .args(more)
            .run()
            .succeeded()
    };
    let a = dig(RESOLVER_V4, &["model.example", "A"]);
    assert!(a.contains("192.0.2.10") && a.contains("192.0.2.11") && a.contains("\t7\tIN\tA"), "{a}");
    let chain = dig(RESOLVER_V6, &["+tcp", "www.example", "AAAA"]);
    assert!(chain.contains("CNAME") && chain.contains("2001:db8:1::10"), "{chain}");
    assert!(dig(RESOLVER_V4, &["nobody.example"]).contains("NXDOMAIN"));
    assert!(dig(RESOLVER_V4, &["+ignore", "long.example", "TXT"]).contains(" tc"));
    assert!(dig(RESOLVER_V4, &["long.example", "TXT"]).contains(&"x".repeat(255)));
    let asked = resolver.asked();
    assert_eq!(
        (asked[0].name.as_str(), asked[0].kind.as_str(), asked[0].transport),
        ("model.example", "A", "udp")
    );
    assert_eq!((asked[1].kind.as_str(), asked[1].transport), ("AAAA", "tcp"));
    resolver.replace(Zone::new().host("model.example", &["192.0.2.19"]));
    assert!(dig(RESOLVER_V4, &["model.example"]).contains("192.0.2.19"));
}

#[test]
fn programs_in_the_gateway_resolve_names_by_the_lab() {
    let lab = Lab::new();
    let resolver = lab.resolver(Zone::new().host("model.example", &[UPSTREAM_V4]));
    let found = lab.gateway().command("getent").args(["ahostsv4", "model.example"]).run().succeeded();
    assert!(found.starts_with(UPSTREAM_V4), "{found}");
    assert!(resolver.was_asked_for("model.example"));
}

#[test]
fn events_arrive_one_by_one_through_nginx() {
    let (lab, site, resolve) = lab_with_site();
    let mut curl = lab
        .workload()
        .command("sh")
        .trusting(&lab.pki().authority())
        .args([
            "-c",
            &format!("exec curl -sSN --http2 --resolve {resolve} https://site.example/events >events"),
        ])
        .start();
    let path = lab.folder().join("events");
    eventually("curl listens", || (site.behind().listeners() == 1).then_some(()));
    for event in ["first", "second"] {
        assert_eq!(site.behind().event(event), 1);
        let line = format!("data: {event}\n\n");
        eventually(event, || std::fs::read_to_string(&path).ok().filter(|text| text.ends_with(&line)));
    }
    site.behind().end_events();
    curl.finish(Duration::from_secs(5)).succeeded();
}

#[test]
fn our_own_server_speaks_http1_and_http2_with_trailers_and_breaks_off_on_demand() {
    let lab = Lab::new();
    let leaf = lab.pki().leaf(&[NAME]);
    let server = lab.backends().http("192.0.2.11:443", Wire::Tls(&leaf, &["h2", "http/1.1"]));
    let resolve = format!("{NAME}:443:192.0.2.11");
    let curl = |arguments: &[&str]| {
        let program = lab.workload().command("curl").trusting(&lab.pki().authority());
        program.args(["-sS", "--resolve", &resolve]).args(arguments).run()
    };
    for (version, name) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2.0")] {
        let seen = curl(&[version, "-d", "12345", "https://site.example/headers?q=1"]).json();
        assert_eq!(
            (&seen["version"], &seen["path"], &seen["body_bytes"]),
            (&name.into(), &"/headers?q=1".into(), &5.into()),
            "{seen}"
        );
        let trailers =
            curl(&[version, "-i", "-H", "TE: trailers", "https://site.example/trailers"]).succeeded();
        assert!(trailers.contains("x-checksum: abc"), "{trailers}");
        let broken = curl(&[version, "https://site.example/cut"]);
        assert!([18, 56, 92].contains(&broken.code()), "{broken}");
        assert_eq!(curl(&[version, "https://site.example/download/300000"]).succeeded().len(), 300_000);
    }
    server.release();
    assert_eq!(curl(&["https://site.example/wait"]).succeeded(), "released");
    assert_eq!(server.seen().len(), 9);
}

#[test]
fn grpc_messages_and_trailers_pass_nginx() {
    let (lab, site, resolve) = lab_with_site();
    let message = b"\0\0\0\0\x02hi";
    let finished = lab
        .workload()
        .command("curl")
        .trusting(&lab.pki().authority())
        .args(["-sS", "-D", "/dev/stderr", "--http2", "--resolve", &resolve, "--data-binary", "@-"])
        .args([
            "-H",
            "content-type: application/grpc",
            "-H",
            "te: trailers",
            "https://site.example/lab.Echo/Say",
        ])
        .input(*message)
        .run();
    assert_eq!(finished.stdout, message, "{finished}");
    assert!(finished.errors().contains("grpc-status: 0"), "{finished}");
    assert_eq!(site.behind_grpc().seen()[0].path, "/lab.Echo/Say");
}

#[test]
fn a_websocket_message_comes_back_through_nginx() {
    let (lab, _site, _) = lab_with_site();
    // The key and the answer that RFC 6455, section 1.3, works out.
    let script = r"
import socket
s = socket.create_connection(('192.0.2.10', 80))
s.sendall(b'GET /ws HTTP/1.1\r\nHost: site.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
          b'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
f = s.makefile('rb')
head = b''
while not head.endswith(b'\r\n\r\n'): head += f.read(1)
assert b's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' in head, head
mask = bytes([1, 2, 3, 4])
s.sendall(b'\x81\x85' + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(b'hello')))
assert f.read(7) == b'\x81\x05hello'
s.sendall(b'\x88\x80' + mask)
assert f.read(2) == b'\x88\x00'
print('echoed')
";
    assert_eq!(lab.workload().command("python3").args(["-c", script]).run().succeeded(), "echoed\n");
}

#[test]
fn git_clones_from_the_site() {
    let (lab, _site, resolve) = lab_with_site();
    nginx::git(&lab, "notes");
    lab.workload()
        .command("git")
        .trusting(&lab.pki().authority())
        .args([
            "-c",
            &format!("http.curloptResolve={resolve}"),
            "clone",
            "-q",
            "https://site.example/git/notes.git",
        ])
        .run()
        .succeeded();
    assert!(lab.folder().join("notes/README").exists());
}

#[test]
fn plain_services_reset_speak_first_and_keep_raw_bytes() {
    let lab = Lab::new();
    lab.backends().cut("192.0.2.11:80", Wire::Plain, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
    lab.backends().banner("192.0.2.11:22", "SSH-2.0-lab\r\n");
    lab.backends().udp_echo("192.0.2.11:9999");
    let raw = lab.backends().raw("192.0.2.12:80", Wire::Plain, b"HTTP/1.1 204 No Content\r\n\r\n");
    let cut = lab.workload().command("curl").args(["-sS", "http://192.0.2.11/"]).run();
    cut.failed_with(56);
    lab.workload().enter(|| {
        let stream = std::net::TcpStream::connect("192.0.2.11:22").expect("a route");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("a banner");
        assert_eq!(line, "SSH-2.0-lab\r\n");
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        socket.send_to(b"datagram", "192.0.2.11:9999").expect("a route");
        let mut buffer = [0; 16];
        assert_eq!(socket.recv(&mut buffer).expect("an echo"), 8);
        let mut stream = std::net::TcpStream::connect("192.0.2.12:80").expect("a route");
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\nhost:x\n\n").expect("sent");
        assert_ne!(stream.read(&mut [0; 64]).expect("an answer"), 0);
    });
    assert_eq!(raw.received(), [b"GET / HTTP/1.1\nhost:x\n\n"]);
}

#[test]
fn an_address_added_outside_is_reachable_and_a_stopped_forwarder_stops_everything() {
    let lab = Lab::new();
    lab.upstream().add_address("203.0.113.7/32");
    lab.backends().echo("203.0.113.7:7", Wire::Plain);
    let reach = || {
        lab.workload().enter(|| {
            let address = "203.0.113.7:7".parse().expect("an address");
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok()
        })
    };
    assert!(reach());
    lab.gateway().set("net/ipv4/ip_forward", "0");
    assert!(!reach());
}

#[test]
fn an_mcp_server_lists_and_calls_its_tools_in_sessions_and_without() {
    let lab = Lab::new();
    let json = lab.backends().mcp("192.0.2.11:80", Wire::Plain, mcp::Form::Json);
    let events = lab.backends().mcp("192.0.2.12:80", Wire::Plain, mcp::Form::Events);
    let post = |address: &str, more: &[&str], body: &str| {
        let curl = lab.workload().command("curl").args(["-sS", "-i", "--json", body]).args(more);
        curl.arg(format!("http://{address}/mcp")).run().succeeded()
    };
    let asks = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
    };
    let begun = post("192.0.2.11", &[], &asks("initialize", r#"{"protocolVersion":"2025-11-25"}"#));
    assert!(begun.contains("mcp-session-id: 1") && begun.contains("2025-11-25"), "{begun}");
    let list = post("192.0.2.11", &["-H", "Mcp-Session-Id: 1"], &asks("tools/list", "{}"));
    assert!(mcp::TOOLS.iter().all(|tool| list.contains(tool)) && list.contains("application/json"), "{list}");
    let lost = post("192.0.2.11", &["-H", "Mcp-Session-Id: 2"], &asks("tools/list", "{}"));
    assert!(lost.contains("404"), "{lost}");
    let called =
        post("192.0.2.12", &[], &asks("tools/call", r#"{"name":"send_mail","arguments":{"to":"bob"}}"#));
    assert!(
        called.contains("text/event-stream") && called.contains("data: {") && called.contains("bob"),
        "{called}"
    );
    assert_eq!(events.calls(), [("send_mail".to_owned(), serde_json::json!({"to": "bob"}))]);
    assert!(json.calls().is_empty());
    let told = post("192.0.2.12", &[], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert!(told.contains("202"), "{told}");
}
