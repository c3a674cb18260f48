//! The one place that reads clocks and makes ids.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::types::{RequestId, Timestamp};

/// The wall clock now.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// How long this machine has been up, sleep included. Nobody can set it.
pub fn uptime() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a `timespec` that lives as long as the call, which writes it and nothing else.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) } != 0;
    // Linux has had this clock since 2.6.39, and no other answer is known.
    let (seconds, nanoseconds) = if failed { (0, 0) } else { (time.tv_sec, time.tv_nsec) };
    Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0))
}

/// A fresh id that sorts by time.
pub fn request_id() -> RequestId {
    RequestId(uuid::Uuid::now_v7())
}

/// How well the kernel's clock is kept (adjtimex(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Whether somebody keeps it synchronised.
    pub synchronised: bool,
    /// How far it may be off, as whoever keeps it has told the kernel.
    pub error: Duration,
}

/// How well the wall clock is kept. Asks, and changes nothing.
pub fn kept() -> io::Result<Kept> {
    let mut told = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: zeroes are a valid `timex`, with no mode set it is only written, and it lives as long as the call.
    let state = unsafe { libc::adjtimex(told.as_mut_ptr()) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was zeroed, and then filled in by the kernel.
    let told = unsafe { told.assume_init() };
    let error = Duration::from_micros(u64::try_from(told.maxerror).unwrap_or(u64::MAX));
    Ok(Kept { synchronised: told.status & libc::STA_UNSYNC == 0, error })
}
