//! What a crash may cost: connections, and never a record of what went out. And the orderly end beside it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::probes::{LISTENERS, OPEN, UPSTREAM, alice_with_network, at, call, lab, refused, who_is_there};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::{BINARY, alice_and_gateway, prepare};
use crate::lab::services::HttpServer;
use crate::lab::{Daemon, Lab, Namespace};

/// Where the site of these tests stands.
const SITE: [&str; 2] = ["192.0.2.11", "2001:db8:1::11"];

/// Clients that ask at once.
const CLIENTS: usize = 6;

/// What they have asked before the daemon is killed.
const LOAD: usize = 300;

/// alice may ask the site by its addresses.
fn policies() -> String {
    alice_and_gateway(LISTENERS)
        + "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: site}\n\
           spec:\n  parentRefs: [{kind: EgressGateway, name: default}]\n  \
           rules: [{matches: [{destinationCIDRs: [192.0.2.11/32, \"2001:db8:1::11/128\"]}]}]\n"
}

fn site(lab: &Lab) -> [HttpServer; 2] {
    SITE.map(|address| lab.backends().http(&at(address, 80), Wire::Plain))
}

/// One kept connection to the site.
struct Client(TcpStream);

impl Client {
    fn new(address: &str) -> std::io::Result<Self> {
        let to = at(address, 80).parse().expect("an address with a port");
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    fn send(&mut self, path: &str) -> std::io::Result<()> {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: site.example\r\n\r\n")
    }

    /// Reads one answer with a length, and returns its status.
    fn read(&mut self) -> std::io::Result<u16> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u16>().ok());
        let length =
            number(head.split("content-length:").nth(1).and_then(|rest| rest.lines().next())).unwrap_or(0);
        self.0.read_exact(&mut vec![0; length.into()])?;
        Ok(number(head.split(' ').nth(1)).expect("a status"))
    }

    fn get(&mut self, path: &str) -> std::io::Result<u16> {
        self.send(path)?;
        self.read()
    }
}

/// Clients that ask for one path after another, each path once, until the connection breaks; `until` ends the load.
fn load(workload: &Namespace, run: &str, until: impl FnOnce() + Send) {
    let stop = AtomicBool::new(false);
    workload.enter(|| {
        let stop = &stop;
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    let mut connection =
                        Client::new(SITE[client % 2]).expect("the gateway takes connections");
                    for number in 0.. {
                        let asked = connection.get(&format!("/{run}/{client}/{number}"));
                        if asked.is_err() || stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                });
            }
            until();
            stop.store(true, Ordering::Relaxed);
        });
    });
}

/// The paths that the site has seen.
fn seen(site: &[HttpServer; 2]) -> Vec<String> {
    site.iter().flat_map(HttpServer::seen).map(|request| request.path).collect()
}

/// Every path that went out has its decision, and every decision its end.
fn assert_on_record(daemon: &Daemon<'_>, paths: &[String]) -> Vec<Value> {
    let rows = daemon.records(&["--kind", "request"]);
    let recorded: HashSet<_> = rows.iter().filter_map(|row| row["path"].as_str()).collect();
    let lost: Vec<_> = paths.iter().filter(|path| !recorded.contains(path.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} went out without a record: {lost:?}", lost.len(), paths.len());
    for row in daemon.records(&[]).iter().filter(|row| row["kind"] != "system") {
        assert_eq!(row["phase"], "complete", "left open: {row}");
    }
    rows
}

#[test]
fn sigkill_under_load_loses_no_decision_whose_traffic_went_out() {
    let lab = lab();
    let site = site(&lab);
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &policies())]);
    // Requests that are surely open when the daemon dies.
    let mut waiting = lab.workload().enter(|| SITE.map(|address| Client::new(address).expect("taken")));
    waiting.iter_mut().for_each(|client| client.send("/wait").expect("sent"));
    eventually("the open requests arrive", || (seen(&site).len() == SITE.len()).then_some(()));
    load(lab.workload(), "first", || {
        eventually("the load runs", || (seen(&site).len() > LOAD).then_some(()));
        daemon.kill9();
    });
    let before = seen(&site);
    daemon.start_again();
    let rows = assert_on_record(&daemon, &before);
    let open: Vec<_> = rows.iter().filter(|row| row["path"] == "/wait").collect();
    assert_eq!(open.len(), SITE.len());
    for open in open {
        assert_eq!((&open["end"], &open["decision"]), (&json!("interrupted"), &json!("allow")), "{open}");
    }
    let connections = daemon.records(&["--kind", "connection"]);
    let interrupted = connections.iter().filter(|row| row["end"] == "interrupted").count();
    assert!(
        interrupted >= CLIENTS + SITE.len(),
        "{CLIENTS} kept connections and the waiting ones: {interrupted}"
    );
    let answered = rows.iter().filter(|row| row["status"] == 404).count();
    assert!(
        answered + CLIENTS + SITE.len() >= before.len(),
        "outcomes are kept too: {answered} of {}",
        before.len()
    );
    // And it works again.
    for address in SITE {
        let status = lab.workload().enter(|| Client::new(address)?.get("/status/202"));
        assert_eq!(status.expect("works again"), 202);
        let wanted =
            json!({"kind": "request", "path": "/status/202", "destination_address": address, "status": 202});
        assert_eq!(daemon.record(&wanted)["decision"], "allow");
    }
}

#[test]
fn sigkill_loses_no_decision_of_a_raw_flow_or_of_a_dns_query() {
    let lab = lab();
    who_is_there(&lab, OPEN);
    let resolver = lab.resolver(crate::lab::Zone::new().host("model.example", &UPSTREAM));
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &alice_with_network())]);
    const FLOWS: usize = 40;
    for number in 0..FLOWS {
        call(lab.workload(), &at(UPSTREAM[number % 2], OPEN)).expect("an open road");
    }
    let dig = lab.workload().command("dig").args(["+short", "model.example", "A", "model.example", "AAAA"]);
    dig.run().succeeded();
    daemon.kill9();
    daemon.start_again();
    let flows = daemon.records(&["--kind", "connection"]);
    assert_eq!(flows.len(), FLOWS);
    assert!(flows.iter().all(|row| row["decision"] == "allow" && row["phase"] == "complete"), "{flows:?}");
    assert_eq!(daemon.records(&["--kind", "dns"]).len(), resolver.asked().len());
}

/// The segment of the journal that was written last.
fn last_segment(daemon: &Daemon<'_>) -> PathBuf {
    let entries = fs::read_dir(daemon.state().join("journal")).expect("the journal").flatten();
    let segments = entries.map(|entry| entry.path());
    segments.filter(|path| path.extension().is_some_and(|kind| kind == "journal")).max().expect("a segment")
}

#[test]
fn a_torn_last_record_is_recognised_and_nothing_before_it_is_lost() {
    let lab = lab();
    let site = site(&lab);
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &policies())]);
    for (run, damage) in ["cut", "begun"].into_iter().enumerate() {
        let mut client =
            lab.workload().enter(|| Client::new(SITE[run])).expect("the gateway takes connections");
        for number in 0..20 {
            assert_eq!(client.get(&format!("/{damage}/{number}")).expect("an answer"), 404);
        }
        // Whoever looks has the outcomes written too: what is cut below is the last outcome, and no decision.
        daemon.records(&["--limit", "1"]);
        daemon.kill9();
        let segment = last_segment(&daemon);
        let mut file = File::options().append(true).open(&segment).expect("the segment");
        let length = file.metadata().expect("the segment").len();
        match damage {
            // The last write was cut short; or a length and half a head of the next were written.
            "cut" => file.set_len(length - 5).expect("cut"),
            _ => file.write_all(&[200, 0, 0, 0, 1, 2, 3, 4, 5]).expect("written"),
        }
        daemon.start_again();
        let torn = daemon.record(&json!({
            "kind": "system", "action": "journal-torn", "object": segment.file_name().expect("a name").to_string_lossy(),
        }));
        assert!(torn["evidence"].as_str().is_some_and(|text| text.contains("no whole frame")), "{torn}");
        assert_on_record(&daemon, &seen(&site));
    }
    assert_eq!(daemon.records(&[]).iter().filter(|row| row["action"] == "journal-torn").count(), 2);
}

#[test]
fn audit_search_sees_everything_recorded_before_it_was_asked() {
    let lab = lab();
    let _site = site(&lab);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &policies())]);
    let mut clients = lab.workload().enter(|| SITE.map(|address| Client::new(address).expect("taken")));
    for number in 0..50 {
        let path = format!("/asked/{number}");
        clients[number % 2].get(&path).expect("an answer");
        // No waiting: the decision was on record before the answer came.
        let rows = daemon.records(&["--kind", "request"]);
        assert!(rows.last().is_some_and(|row| row["path"] == path), "{path} is missing: {rows:?}");
    }
}

#[test]
fn sigterm_lets_open_requests_finish_and_exits_with_success() {
    let lab = lab();
    let site = site(&lab);
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &policies())]);
    let [mut idle, mut busy] =
        lab.workload().enter(|| SITE.map(|address| Client::new(address).expect("taken")));
    idle.get("/status/200").expect("an answer");
    busy.send("/wait").expect("sent");
    eventually("the open request arrives", || seen(&site).contains(&"/wait".to_owned()).then_some(()));
    let begun = Instant::now();
    let answer = std::thread::scope(|scope| {
        let ending = scope.spawn(|| daemon.terminate());
        // The idle connection is closed as soon as the daemon drains.
        let mut rest = Vec::new();
        let _ = idle.0.read_to_end(&mut rest);
        site[1].release();
        let answer = busy.read();
        assert_eq!(ending.join().expect("no panic"), 0);
        answer
    });
    assert_eq!(answer.expect("the open request is answered"), 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "stopping took {:?}", begun.elapsed());
    for address in SITE {
        refused("stopped", || call(lab.workload(), &at(address, 80)));
    }
    daemon.start_again();
    daemon.record(&json!({"kind": "request", "path": "/wait", "status": 200, "phase": "complete"}));
    daemon.record(&json!({"kind": "system", "action": "stop"}));
    let rows = daemon.records(&[]);
    assert!(
        rows.iter().all(|row| row["end"] != "interrupted"),
        "an orderly end leaves nothing open: {rows:?}"
    );
}

#[test]
fn sigterm_does_not_wait_for_those_who_never_finish() {
    let lab = lab();
    let site = site(&lab);
    let mut daemon = lab.daemon(&json!({}), &[("all.yaml", &policies())]);
    let mut busy = lab.workload().enter(|| SITE.map(|address| Client::new(address).expect("taken")));
    busy.iter_mut().for_each(|client| client.send("/wait").expect("sent"));
    eventually("the open requests arrive", || (seen(&site).len() == SITE.len()).then_some(()));
    let begun = Instant::now();
    assert_eq!(daemon.terminate(), 0);
    assert!(begun.elapsed() < Duration::from_secs(4), "stopping took {:?}", begun.elapsed());
    busy.iter_mut().for_each(|client| drop(client.read().expect_err("cut off")));
    daemon.start_again();
    for address in SITE {
        let wanted =
            json!({"kind": "request", "path": "/wait", "destination_address": address, "phase": "complete"});
        let row = daemon.record(&wanted);
        assert!(row["end"].is_string(), "says how it ended: {row}");
    }
}

#[test]
fn systemd_hears_when_the_daemon_is_ready_alive_and_stopping() {
    let lab = lab();
    let config = prepare(&lab, &json!({}), &[("all.yaml", &policies())]);
    let place = lab.folder().join("notify.sock");
    let socket = UnixDatagram::bind(&place).expect("a notification socket");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let hear = |what: &str| loop {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap_or_else(|error| panic!("no `{what}`: {error}"));
        if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == what) {
            return;
        }
    };
    let mut running = lab
        .gateway()
        .command(BINARY)
        .args(["daemon", "--config"])
        .arg(config)
        .env("NOTIFY_SOCKET", &place)
        .env("WATCHDOG_USEC", "200000")
        .start_logged(&lab.folder().join("daemon.log"));
    hear("READY=1");
    let begun = Instant::now();
    // The first may come at once; the next one in half of the watchdog's time.
    for _ in 0..3 {
        hear("WATCHDOG=1");
    }
    assert!(begun.elapsed() < Duration::from_millis(600), "three signs of life took {:?}", begun.elapsed());
    running.signal(rustix::process::Signal::TERM);
    hear("STOPPING=1");
    assert_eq!(running.finish(Duration::from_secs(5)).code(), 0);
}
