//! What of a workload reaches the world outside past the gateway: packets with its own address.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::e2e::probes::{SHUT, UPSTREAM};
use crate::lab::{ALICE_V4, ALICE_V6, Lab, namespace};

/// Counts in the upstream's namespace, before anything there answers.
pub fn watch(lab: &Lab) {
    let rules = format!(
        "add table inet seen\nadd counter inet seen passed\n\
         add chain inet seen first {{ type filter hook prerouting priority -400; }}\n\
         add rule inet seen first ip saddr {ALICE_V4} counter name passed\n\
         add rule inet seen first ip6 saddr {ALICE_V6} counter name passed\n"
    );
    lab.upstream().command("nft").args(["-f", "-"]).input(rules).run().succeeded();
}

/// How many there were since [`watch`].
pub fn passed(lab: &Lab) -> u64 {
    let listed =
        lab.upstream().command("nft").args(["-j", "list", "counter", "inet", "seen", "passed"]).run();
    let listed = listed.json();
    let all = listed["nftables"].as_array().expect("a list");
    all.iter().find_map(|one| one["counter"]["packets"].as_u64()).expect("a counter")
}

/// Sends a datagram each millisecond over both families while something is done, and begins before it.
pub fn while_alice_sends<T>(lab: &Lab, done: impl FnOnce() -> T) -> T {
    let (handle, ends) = (lab.workload().handle(), Arc::new(AtomicBool::new(false)));
    let sender = thread::spawn({
        let ends = End(ends.clone());
        move || {
            namespace::join(&handle);
            let sockets = ["0.0.0.0:0", "[::]:0"].map(|any| UdpSocket::bind(any).expect("a socket"));
            while !ends.0.load(Ordering::Relaxed) {
                for (socket, to) in sockets.iter().zip(UPSTREAM) {
                    // Refusals come back as errors of the next call, and no way there as one of this.
                    let _ = socket.send_to(b"is anybody there", (to, SHUT));
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    // Also where `done` panics.
    let end = End(ends);
    let result = done();
    drop(end);
    sender.join().expect("the sender");
    result
}

struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
