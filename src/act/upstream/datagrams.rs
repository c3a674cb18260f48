//! Datagrams from here to there, one flow by itself: two connected sockets and one loop.
//!
//! Nothing is queued here: a datagram that the other side's socket has no room for is lost, as it may be on any link.
//! Sizes are kept, zero bytes included.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::lane::Lane;
use crate::decide::ledger::Entry;
use crate::decide::policy::Passage;
use crate::model::types::limits::{UDP_IDLE_TIME, UDP_UNANSWERED_TIME};

/// Datagrams moved one way before anything else gets its turn.
const BURST: usize = 32;

/// What was moved.
#[derive(Debug, Default)]
pub struct Moved {
    datagrams: Cell<u64>,
    bytes: Cell<u64>,
    lane: RefCell<Option<Lane>>,
}

impl Moved {
    /// Bytes of payload.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Datagrams.
    pub fn datagrams(&self) -> u64 {
        self.datagrams.get()
    }

    /// From now on what is past its tempo is lost, as on a link that has no room.
    pub fn pace(&self, lane: Lane) {
        self.lane.replace(Some(lane));
    }

    fn takes(&self, length: usize) -> bool {
        self.lane.borrow_mut().as_mut().is_none_or(|lane| lane.takes(length))
    }

    fn is_spent(&self) -> bool {
        self.lane.borrow().as_ref().is_some_and(Lane::is_spent)
    }

    fn add(&self, length: usize) {
        self.datagrams.set(self.datagrams.get() + 1);
        self.bytes.set(self.bytes.get().saturating_add(length as u64));
    }
}

/// One flow with both of its ends.
#[derive(Debug)]
pub struct Line<'a, Q> {
    /// Towards the workload.
    pub workload: &'a UdpSocket,
    /// Towards the destination.
    pub upstream: &'a UdpSocket,
    /// Datagrams that came before the workload's socket was there.
    pub early: &'a mut mpsc::Receiver<Q>,
    /// Shared by all flows of a worker; no datagram stays in it.
    pub scratch: &'a RefCell<Box<[u8]>>,
    /// From the workload to the destination.
    pub out: &'a Moved,
    /// From the destination to the workload.
    pub back: &'a Moved,
}

/// How long a flow may be still.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// While the destination has not answered.
    pub unanswered: Duration,
    /// Once it has.
    pub answered: Duration,
}

impl Patience {
    /// The bound for a flow with so many answers.
    fn of(self, answers: u64) -> Duration {
        if answers == 0 { self.unanswered } else { self.answered }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { unanswered: UDP_UNANSWERED_TIME, answered: UDP_IDLE_TIME }
    }
}

/// What must end a flow, or interrupt it, from outside.
pub struct Interrupts<'a> {
    /// Turns true once when the daemon waits no longer.
    pub cut: &'a mut watch::Receiver<bool>,
    /// Ready when it has to be judged anew.
    pub due: Pin<&'a mut (dyn Future<Output = ()> + 'a)>,
}

/// Why the relay stopped.
#[derive(Debug)]
pub enum Stopped {
    /// Nothing moved for too long.
    Idle,
    /// The daemon waits no longer.
    Cut,
    /// Something else is in force, or it is later: the flow has to be judged anew, and may go on.
    Due,
    /// No more bytes may move.
    Spent,
    /// The gateway's socket towards the workload can be used no more.
    WorkloadGone,
    /// The destination cannot be reached, or said that nobody listens.
    Unreachable(io::Error),
}

/// Relays until something stops it. What interrupts comes first: no datagram moves under documents that are no longer
/// in force.
pub async fn relay<Q: AsRef<[u8]>>(
    _passage: &Passage,
    _entry: &Entry,
    line: &mut Line<'_, Q>,
    interrupts: Interrupts<'_>,
    patience: Patience,
) -> Stopped {
    moved(line, interrupts, patience).await
}

async fn moved<Q: AsRef<[u8]>>(
    line: &mut Line<'_, Q>,
    mut interrupts: Interrupts<'_>,
    patience: Patience,
) -> Stopped {
    // A fresh socket is not known to take anything before it has said so once.
    let (Ok(()), Ok(())) = (line.upstream.writable().await, line.workload.writable().await) else {
        return Stopped::WorkloadGone;
    };
    let (mut last, mut doubted) = (Instant::now(), false);
    let mut alarm = pin!(sleep_until(last + patience.unanswered));
    loop {
        let turn = tokio::select! {
            biased;
            _ = interrupts.cut.wait_for(|cut| *cut) => return Stopped::Cut,
            () = interrupts.due.as_mut() => return Stopped::Due,
            Some(datagram) = line.early.recv() => {
                let sent = deliver(line.upstream, datagram.as_ref(), line.out);
                sent.map(|()| Turn::Out(1)).map_err(Stopped::Unreachable)
            }
            ready = line.workload.ready(READABLE) => out(ready, line),
            ready = line.upstream.ready(READABLE) => back(ready, line),
            () = &mut alarm => {
                let bound = patience.of(line.back.datagrams());
                if last + bound <= Instant::now() {
                    return Stopped::Idle;
                }
                alarm.as_mut().reset(last + bound);
                Ok(Turn::Out(0))
            }
        };
        if line.out.is_spent() {
            return Stopped::Spent;
        }
        let moved = match turn {
            Ok(Turn::Out(0) | Turn::Back(0)) => continue,
            Ok(Turn::Doubt) => {
                doubted = true;
                continue;
            }
            Ok(Turn::Out(moved)) => {
                doubted = false;
                moved
            }
            Ok(Turn::Back(moved)) => moved,
            Err(stopped) => return stopped,
        };
        if !doubted {
            last = Instant::now();
        }
        if moved == BURST {
            // There may be more, without end: the other flows of this thread come first.
            yield_now().await;
        }
    }
}

/// What one turn did.
enum Turn {
    /// So many datagrams went to the destination.
    Out(usize),
    /// So many came back.
    Back(usize),
    /// Somebody said by ICMP that the workload does not listen. It may be another workload that poses as its host, so the
    /// flow goes on; but only the workload keeps it alive from here on (RFC 4787, section 4.3), until it sends again.
    Doubt,
}

fn out<Q>(ready: io::Result<Ready>, line: &Line<'_, Q>) -> Result<Turn, Stopped> {
    match pump(ready, (line.workload, line.upstream), line.scratch, line.out) {
        Ok(moved) => Ok(Turn::Out(moved)),
        Err(Broken::From(error)) => doubt(&error),
        Err(Broken::To(error)) => Err(Stopped::Unreachable(error)),
    }
}

fn back<Q>(ready: io::Result<Ready>, line: &Line<'_, Q>) -> Result<Turn, Stopped> {
    match pump(ready, (line.upstream, line.workload), line.scratch, line.back) {
        Ok(moved) => Ok(Turn::Back(moved)),
        Err(Broken::From(error)) => Err(Stopped::Unreachable(error)),
        Err(Broken::To(error)) => doubt(&error),
    }
}

fn doubt(error: &io::Error) -> Result<Turn, Stopped> {
    if is_said_by_icmp(error) { Ok(Turn::Doubt) } else { Err(Stopped::WorkloadGone) }
}

/// Datagrams, or an ICMP error that came back.
const READABLE: Interest = Interest::READABLE.add(Interest::ERROR);

/// Which end failed.
enum Broken {
    From(io::Error),
    To(io::Error),
}

/// Moves what is there, a burst at most; tells how many datagrams there were.
fn pump(
    ready: io::Result<Ready>,
    (from, to): (&UdpSocket, &UdpSocket),
    scratch: &RefCell<Box<[u8]>>,
    moved: &Moved,
) -> Result<usize, Broken> {
    if ready.map_err(Broken::From)?.is_error()
        && let Some(error) = pending_error(from).filter(|error| !is_loss(error))
    {
        return Err(Broken::From(error));
    }
    let mut buffer = scratch.borrow_mut();
    for turn in 0..BURST {
        match from.try_recv(&mut buffer) {
            Ok(length) => deliver(to, &buffer[..length], moved).map_err(Broken::To)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(turn),
            Err(error) if is_loss(&error) => {}
            Err(error) => return Err(Broken::From(error)),
        }
    }
    Ok(BURST)
}

/// An error that came back for something sent earlier, by ICMP. Asking takes it from the socket.
fn pending_error(socket: &UdpSocket) -> Option<io::Error> {
    let asked = socket.try_io(Interest::ERROR, || match socket.take_error()? {
        Some(error) => Err(error),
        None => Err::<(), _>(io::ErrorKind::WouldBlock.into()),
    });
    asked.err().filter(|error| error.kind() != io::ErrorKind::WouldBlock)
}

/// Sends one datagram, or loses it where there is no room.
fn deliver(to: &UdpSocket, datagram: &[u8], moved: &Moved) -> io::Result<()> {
    if !moved.takes(datagram.len()) {
        return Ok(());
    }
    match to.try_send(datagram) {
        Ok(length) => moved.add(length),
        Err(error) if is_loss(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// No room in the socket or in the queue of the link, or too long for the path: one datagram is lost, and the flow lives.
fn is_loss(error: &io::Error) -> bool {
    /// `EMSGSIZE` and `ENOBUFS` (errno(3)).
    const NO_ROOM: [i32; 2] = [90, 105];
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        || error.raw_os_error().is_some_and(|number| NO_ROOM.contains(&number))
}

/// What the kernel makes of ICMP errors (`icmp_err_convert` of Linux, icmp.c of IPv4 and IPv6).
fn is_said_by_icmp(error: &io::Error) -> bool {
    /// `EACCES`, `ENONET`, `EPROTO`, `ENOPROTOOPT`, `EOPNOTSUPP`, `ENETUNREACH`, `ECONNREFUSED`, `EHOSTDOWN`,
    /// `EHOSTUNREACH` (errno(3)).
    const SAID: [i32; 9] = [13, 64, 71, 92, 95, 101, 111, 112, 113];
    error.raw_os_error().is_some_and(|number| SAID.contains(&number))
}

#[cfg(test)]
mod tests;
