//! Moves bytes between two TCP connections without copying them through this process (splice(2) through pipes).
//!
//! A half-close is carried across, a reset is carried across, and silence in both directions ends the flow. An idle
//! flow holds no pipe: pipes are taken when bytes are there and given back empty. Never looks at a byte.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::socket::reset_on_close;

/// Bytes moved by one system call at most: more than a pipe holds, so the pipe is the bound.
const CHUNK: usize = 1 << 20;
/// Empty pipes kept per thread for the next bytes that arrive.
const SPARE_PIPES: usize = 64;
/// Memory of one pipe. The kernel grants less to a user who holds many; then the default of 64 KiB stays.
const PIPE_BYTES: libc::c_int = 256 * 1024;

/// Pause of a flow for which there is no pipe.
const PIPE_PAUSE: Duration = Duration::from_millis(20);

/// Bytes moved so far, readable while the flow runs.
#[derive(Debug, Default)]
pub struct FlowBytes {
    a_to_b: AtomicU64,
    b_to_a: AtomicU64,
}

impl FlowBytes {
    /// Bytes handed to `b`.
    pub fn a_to_b(&self) -> u64 {
        self.a_to_b.load(Ordering::Relaxed)
    }

    /// Bytes handed to `a`.
    pub fn b_to_a(&self) -> u64 {
        self.b_to_a.load(Ordering::Relaxed)
    }
}

/// How fast the bytes of one direction may be moved, and whether they may.
pub trait Pacing {
    /// Bytes of one turn at most.
    fn turn(&self) -> usize;
    /// Takes note of bytes that were moved.
    fn moved(&mut self, bytes: usize);
    /// Ready when more may be moved; false where no more may, ever.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool>;
}

/// As fast as they come.
impl Pacing for () {
    fn turn(&self) -> usize {
        CHUNK
    }

    fn moved(&mut self, _bytes: usize) {}

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<bool> {
        Poll::Ready(true)
    }
}

/// How one direction of a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectionEnd {
    /// Its sender finished, everything was delivered and the end was passed on.
    Eof,
    /// Its sender or its receiver reset the connection, or the kernel gave it up.
    Reset,
    /// No more of it may be moved.
    Stopped,
    /// Nothing moved in either direction for the whole bound.
    Idle,
    /// The other direction ended by a reset or was stopped, and this one with it.
    CutShort,
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowEnd {
    /// From `a` to `b`.
    pub a_to_b: DirectionEnd,
    /// From `b` to `a`.
    pub b_to_a: DirectionEnd,
}

/// Relays both directions until both have ended, one was reset or stopped, or nothing moved for `idle`. After a reset or a stop
/// both sockets are set to reset on close: drop them and the peers see it. Cancel-safe in that dropping the future
/// leaves the sockets usable, but bytes inside a pipe are then lost.
pub async fn splice_bidirectional(
    a: &TcpStream,
    b: &TcpStream,
    idle: Duration,
    bytes: &Arc<FlowBytes>,
    (forth, back): (&mut impl Pacing, &mut impl Pacing),
) -> FlowEnd {
    let last = Activity::new();
    let mut forward = std::pin::pin!(pump(a, b, &bytes.a_to_b, &last, forth));
    let mut backward = std::pin::pin!(pump(b, a, &bytes.b_to_a, &last, back));
    let mut quiet = std::pin::pin!(silence(&last, idle));
    let (mut there, mut returned) = (None, None);
    loop {
        tokio::select! {
            end = &mut forward, if there.is_none() => there = Some(end),
            end = &mut backward, if returned.is_none() => returned = Some(end),
            // Whoever has finished sending may still reset; nobody reads from it any more and would notice.
            () = broken(a), if there == Some(DirectionEnd::Eof) => returned = Some(DirectionEnd::Reset),
            () = broken(b), if returned == Some(DirectionEnd::Eof) => there = Some(DirectionEnd::Reset),
            () = &mut quiet => {
                return FlowEnd {
                    a_to_b: there.unwrap_or(DirectionEnd::Idle),
                    b_to_a: returned.unwrap_or(DirectionEnd::Idle),
                };
            }
        }
        match (there, returned) {
            (Some(DirectionEnd::Eof), Some(DirectionEnd::Eof)) => {}
            (Some(DirectionEnd::Reset | DirectionEnd::Stopped), _)
            | (_, Some(DirectionEnd::Reset | DirectionEnd::Stopped)) => {
                // A socket that is already gone needs no reset.
                let _ = reset_on_close(a);
                let _ = reset_on_close(b);
            }
            _ => continue,
        }
        return FlowEnd {
            a_to_b: there.unwrap_or(DirectionEnd::CutShort),
            b_to_a: returned.unwrap_or(DirectionEnd::CutShort),
        };
    }
}

/// Moves one direction to its end. Each turn fills an empty pipe and drains it, so on the sender's side `WouldBlock`
/// can only mean that nothing has arrived, and on the receiver's side only that its buffer is full.
async fn pump(
    from: &TcpStream,
    to: &TcpStream,
    moved: &AtomicU64,
    last: &Activity,
    pacing: &mut impl Pacing,
) -> DirectionEnd {
    loop {
        if !poll_fn(|cx| pacing.poll_ready(cx)).await {
            return DirectionEnd::Stopped;
        }
        if from.readable().await.is_err() {
            return DirectionEnd::Reset;
        }
        let Ok(pipe) = Pipe::take() else {
            // Files are short: the bytes stay where they are, and their sender is held back.
            tokio::time::sleep(PIPE_PAUSE).await;
            continue;
        };
        match from.try_io(Interest::READABLE, || splice(from.as_fd(), pipe.write.as_fd(), pacing.turn())) {
            Ok(0) => {
                pipe.give_back();
                return match SockRef::from(to).shutdown(std::net::Shutdown::Write) {
                    Ok(()) => DirectionEnd::Eof,
                    Err(_) => DirectionEnd::Reset,
                };
            }
            Ok(count) => {
                last.touch();
                if drain(&pipe, to, count, moved, last).await.is_err() {
                    return DirectionEnd::Reset;
                }
                pipe.give_back();
                pacing.moved(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pipe.give_back(),
            Err(_) => return DirectionEnd::Reset,
        }
        // A fast flow is always ready and would keep the thread from every other one.
        tokio::task::consume_budget().await;
    }
}

/// Hands `held` bytes of the pipe to the receiver.
async fn drain(
    pipe: &Pipe,
    to: &TcpStream,
    mut held: usize,
    moved: &AtomicU64,
    last: &Activity,
) -> io::Result<()> {
    while held > 0 {
        match to.try_io(Interest::WRITABLE, || splice(pipe.read.as_fd(), to.as_fd(), CHUNK)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                held = held.saturating_sub(count);
                moved.fetch_add(count as u64, Ordering::Relaxed);
                last.touch();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns once nothing has moved for `idle`.
async fn silence(last: &Activity, idle: Duration) {
    loop {
        let until = last.at() + idle;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
}

/// Returns once the connection has failed; a finished one has not.
async fn broken(stream: &TcpStream) {
    loop {
        if stream.ready(Interest::ERROR).await.is_err() {
            return;
        }
        match stream.take_error() {
            Ok(None) => {
                // Not this time: forget the readiness, or the next wait would end at once.
                let _ = stream.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            }
            Ok(Some(_)) | Err(_) => return,
        }
    }
}

/// When bytes last moved, shared by both directions.
struct Activity {
    begin: Instant,
    /// Milliseconds since `begin`.
    last: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { begin: Instant::now(), last: AtomicU64::new(0) }
    }

    fn touch(&self) {
        let since = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    fn at(&self) -> Instant {
        self.begin + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// A pipe of the kernel, empty whenever it changes hands.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

thread_local! {
    static SPARE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

impl Pipe {
    /// A spare pipe, or a new one.
    fn take() -> io::Result<Self> {
        match SPARE.with_borrow_mut(Vec::pop) {
            Some(pipe) => Ok(pipe),
            None => Self::new(),
        }
    }

    /// Keeps an empty pipe for the next bytes. One that may still hold some is dropped instead.
    fn give_back(self) {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_PIPES {
                spare.push(self);
            }
        });
    }

    fn new() -> io::Result<Self> {
        let mut ends = [-1; 2];
        // SAFETY: the kernel writes two descriptors into the array.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both were just opened and nobody else has them.
        let (read, write) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        // SAFETY: the descriptor is open. A refusal leaves the default size, which works as well.
        unsafe { libc::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES) };
        Ok(Self { read, write })
    }
}

/// One splice(2) of at most `most` bytes, and [`CHUNK`]; one of the two is a pipe. Zero is the end of the source.
fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    loop {
        // SAFETY: both descriptors are borrowed and so open; null offsets are what sockets and pipes ask for.
        let count = unsafe {
            libc::splice(
                from.as_raw_fd(),
                std::ptr::null_mut(),
                to.as_raw_fd(),
                std::ptr::null_mut(),
                most.min(CHUNK),
                flags,
            )
        };
        match usize::try_from(count) {
            Ok(count) => return Ok(count),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
