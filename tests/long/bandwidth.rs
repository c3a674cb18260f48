//! How fast bytes really go, by the clock: within 5 % of the figure over some seconds, and in equal parts for everything that
//! shares it, whatever it speaks and whenever it began.
//!
//! The one place that looks at a stop-watch: what `paces` proves by order is measured here.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::e2e::dialogue::{NAME, OPENED, Talk, connect, over_tls, plain, zone};
use crate::e2e::http2::Http2;
use crate::e2e::streaming::{PLAIN, TLS, get, get2, servers};
use crate::lab::backends::{Wire, eventually};
use crate::lab::{Daemon, Lab, Namespace};

/// Bytes a second towards alice.
const RATE: u64 = 1 << 20;
/// Time to come into step.
const WARM: Duration = Duration::from_secs(1);
/// Where bytes come without end, as long as somebody reads them.
const RAW: &str = "192.0.2.13:7000";
/// More than anybody reads here.
const ENDLESS: &str = "/download/1073741824";

fn gateway<'lab>(lab: &'lab Lab, rate: u64) -> Daemon<'lab> {
    let pace = format!(
        "apiVersion: clawgress.io/v1alpha1
kind: BandwidthPolicy
metadata: {{name: pace}}
spec:
  targetRef: {{kind: Agent, name: alice}}
  down: {{bytesPerSecond: {rate}}}
"
    );
    servers(lab, &["h2", "http/1.1"]);
    lab.backends().serve(RAW, Wire::Plain, |mut stream, _| async move {
        stream.read_exact(&mut [0; 1]).await?;
        loop {
            stream.write_all(&[0; 64 * 1024]).await?;
        }
    });
    lab.daemon(&json!({}), &[("all.yaml", OPENED), ("pace.yaml", &pace)])
}

/// What several readers have read, and whether they may stop.
#[derive(Default)]
struct Readers {
    read: [AtomicU64; 10],
    enough: AtomicBool,
}

impl Readers {
    /// Reads in a thread of its own, and counts it, until it is enough.
    fn begin<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        number: usize,
        open: impl FnOnce() -> Box<dyn FnMut() -> usize> + Send + 's,
    ) {
        scope.spawn(move || {
            let mut more = open();
            while !self.enough.load(Ordering::Relaxed) {
                self.read[number].fetch_add(more() as u64, Ordering::Relaxed);
            }
        });
    }

    /// Returns once each of the first so many has read something.
    fn wait(&self, number: usize) {
        let begun = || self.read[..number].iter().all(|read| read.load(Ordering::Relaxed) > 0);
        eventually("all have begun", || begun().then_some(()));
        thread::sleep(WARM);
    }

    /// Bytes a second of each in so long.
    fn rates(&self, time: Duration) -> Vec<f64> {
        let look = || self.read.iter().map(|read| read.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let (before, begun) = (look(), Instant::now());
        thread::sleep(time);
        let (after, took) = (look(), begun.elapsed().as_secs_f64());
        let rates = before.iter().zip(&after).map(|(before, after)| (after - before) as f64 / took);
        rates.filter(|rate| *rate > 0.0).collect()
    }
}

fn assert_within(seen: f64, expected: f64, percent: f64, of: &str) {
    let off = (seen / expected - 1.0) * 100.0;
    assert!(off.abs() <= percent, "{of}: {seen:.0} instead of {expected:.0} B/s ({off:+.1} %)");
}

/// Whether all of it is as much as the pace says, and each has an equal part.
fn assert_fair(rates: &[f64], number: usize) {
    assert_eq!(rates.len(), number, "{rates:?}");
    assert_within(rates.iter().sum(), RATE as f64, 5.0, "together");
    rates.iter().for_each(|rate| assert_within(*rate, RATE as f64 / number as f64, 10.0, "its part"));
}

/// What opens connections of alice, in any thread.
struct Alice<'a> {
    space: &'a Namespace,
    authority: PathBuf,
}

impl<'a> Alice<'a> {
    fn new(lab: &'a Lab, daemon: &Daemon<'_>) -> Self {
        Self { space: lab.workload(), authority: daemon.authority().to_owned() }
    }

    fn plain(&self) -> Box<dyn FnMut() -> usize> {
        body(plain(self.space, PLAIN))
    }

    fn over_tls(&self) -> Box<dyn FnMut() -> usize> {
        body(over_tls(self.space, TLS, NAME, &self.authority))
    }

    fn stream(&self) -> Box<dyn FnMut() -> usize> {
        let mut client = Http2::over_tls(self.space, TLS, NAME, (&self.authority, &["h2"]));
        let mut body = client.send(get2(ENDLESS)).into_body();
        Box::new(move || {
            let frame = client.run(body.frame()).expect("a frame").expect("a frame");
            frame.into_data().map_or(0, |data| data.len())
        })
    }

    fn relay(&self) -> Box<dyn FnMut() -> usize> {
        self.space.command("getent").args(["ahosts", "raw.example"]).run().succeeded();
        let mut relay = connect(self.space, RAW);
        relay.write_all(b"\0").expect("a relay");
        let mut buffer = vec![0; 64 * 1024];
        Box::new(move || relay.read(&mut buffer).expect("more"))
    }
}

fn body(mut talk: Talk) -> Box<dyn FnMut() -> usize> {
    talk.say(get(ENDLESS));
    assert!(talk.head().starts_with("HTTP/1.1 200 "));
    Box::new(move || talk.some().expect("more").len())
}

/// One download over TLS at this pace.
fn measured(lab: &Lab, rate: u64) {
    let _resolver = lab.resolver(zone());
    let (daemon, readers) = (gateway(lab, rate), Readers::default());
    let alice = Alice::new(lab, &daemon);
    thread::scope(|scope| {
        readers.begin(scope, 0, || alice.over_tls());
        readers.wait(1);
        let seen = readers.rates(Duration::from_secs(10));
        readers.enough.store(true, Ordering::Relaxed);
        assert_within(seen[0], rate as f64, 5.0, "a body");
    });
}

#[apply(over_both)]
fn a_slow_download_goes_at_its_pace_within_five_percent(lab: Lab) {
    measured(&lab, 16_384);
}

#[apply(over_both)]
fn a_fast_download_goes_at_its_pace_within_five_percent(lab: Lab) {
    measured(&lab, 8 * RATE);
}

#[apply(over_both)]
fn two_and_ten_of_any_kind_have_equal_parts_also_where_one_began_earlier(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let (daemon, readers) = (gateway(&lab, RATE), Readers::default());
    let alice = Alice::new(&lab, &daemon);
    thread::scope(|scope| {
        readers.begin(scope, 0, || alice.relay());
        readers.wait(1);
        let alone = readers.rates(Duration::from_secs(3));
        readers.begin(scope, 1, || alice.over_tls());
        readers.wait(2);
        let two = readers.rates(Duration::from_secs(5));
        for number in 2..10 {
            match number % 4 {
                0 => readers.begin(scope, number, || alice.over_tls()),
                1 => readers.begin(scope, number, || alice.stream()),
                2 => readers.begin(scope, number, || alice.plain()),
                _ => readers.begin(scope, number, || alice.relay()),
            }
        }
        readers.wait(10);
        let ten = readers.rates(Duration::from_secs(10));
        // A turn of each of the others, and not the rest of what they move.
        let mut small = plain(alice.space, PLAIN);
        let asked = Instant::now();
        small.say(get("/download/1000"));
        let (heard, took) = (small.hear().body.len(), asked.elapsed());
        readers.enough.store(true, Ordering::Relaxed);
        [(&alone, 1), (&two, 2), (&ten, 10)]
            .into_iter()
            .for_each(|(rates, number)| assert_fair(rates, number));
        assert_eq!(heard, 1000);
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}
