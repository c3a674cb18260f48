//! What of a workload reaches the world outside past the gateway: packets with its own address.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::e2e::probes::{OPEN, SHUT, UPSTREAM};
use crate::lab::{ALICE_V4, ALICE_V6, Lab, namespace};

/// How long a call waits, through a whole restart on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// Calls one after another while something is done, each on a connection of its own, and expects an answer to every one.
/// Returns how many there were.
pub fn while_alice_calls(lab: &Lab, done: impl FnOnce()) -> usize {
    let (handle, ends) = (lab.workload().handle(), Arc::new(AtomicBool::new(false)));
    let caller = thread::spawn({
        let ends = End(ends.clone());
        move || {
            namespace::join(&handle);
            let mut answered = 0;
            while !ends.0.load(Ordering::Relaxed) {
                let answer = call().unwrap_or_else(|error| panic!("call {answered}: {error}"));
                assert_eq!(answer, "192.0.2.1", "the gateway called on alice's behalf");
                answered += 1;
            }
            answered
        }
    });
    let end = End(ends);
    done();
    drop(end);
    caller.join().expect("every call is answered")
}

/// A connection through a route, a question, and the answer of `who_is_there`.
fn call() -> io::Result<String> {
    let to = SocketAddr::new(UPSTREAM[0].parse().expect("an address"), OPEN);
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // A whole line that begins no protocol, so that nothing more is waited for.
    stream.write_all(b"ping\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
