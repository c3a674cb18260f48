//! Memory for secrets: it is not written to swap (mlock(2)), stands in no core dump and is not passed on by fork(2).
//!
//! Pieces are cut out of few mappings, because the kernel locks whole pages and gives a process few of them
//! (`RLIMIT_MEMLOCK`). Where it locks none the memory is used all the same, and [`refused`] says why. A piece is overwritten
//! when it is given back. Never holds anything but bytes.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Mutex, OnceLock, PoisonError};

use zeroize::Zeroize as _;

/// Bytes of a mapping; a longer piece has one of its own.
const MAPPING: usize = 64 * 1024;
/// Pieces begin at multiples of this, and are as long.
const STEP: usize = 16;

static ARENA: Mutex<Arena> = Mutex::new(Arena { mappings: Vec::new() });
static REFUSED: OnceLock<String> = OnceLock::new();

/// Why memory for secrets could not be locked, where it could not.
pub fn refused() -> Option<&'static str> {
    REFUSED.get().map(String::as_str)
}

/// Bytes in locked memory.
pub struct LockedBytes {
    at: NonNull<u8>,
    length: usize,
    /// Bytes that are given back; 0 where there is no piece.
    room: usize,
}

// SAFETY: a piece belongs to one value, which nobody else reads or writes but through it.
unsafe impl Send for LockedBytes {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for LockedBytes {}

impl LockedBytes {
    /// So many zeros.
    pub fn zeroed(length: usize) -> Self {
        if length == 0 {
            return Self { at: NonNull::dangling(), length, room: 0 };
        }
        let room = length.next_multiple_of(STEP);
        let at = ARENA.lock().unwrap_or_else(PoisonError::into_inner).take(room);
        Self { at, length, room }
    }

    /// These parts, one behind the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut whole = Self::zeroed(parts.iter().map(|part| part.len()).sum());
        let mut rest = &mut *whole;
        for part in parts {
            let (front, behind) = rest.split_at_mut(part.len());
            front.copy_from_slice(part);
            rest = behind;
        }
        whole
    }

    /// The first bytes alone; what stood behind them is overwritten.
    pub fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.get_mut(length..) {
            rest.zeroize();
            self.length = length;
        }
    }
}

impl Deref for LockedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `at` begins a piece of at least `length` bytes that were written by the kernel (zeros) or through `deref_mut`,
        // and that this value alone has; where there is no piece `length` is 0 and `at` is aligned.
        unsafe { slice::from_raw_parts(self.at.as_ptr(), self.length) }
    }
}

impl DerefMut for LockedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`; the exclusive reference makes this the only one.
        unsafe { slice::from_raw_parts_mut(self.at.as_ptr(), self.length) }
    }
}

impl AsRef<[u8]> for LockedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockedBytes(..)")
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        self.zeroize();
        if self.room > 0 {
            ARENA.lock().unwrap_or_else(PoisonError::into_inner).give_back(self.at, self.room);
        }
    }
}

struct Arena {
    mappings: Vec<Mapping>,
}

struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    /// Free runs: where each begins, and its bytes. No two touch.
    free: BTreeMap<usize, usize>,
}

// SAFETY: the address is only handed out under the lock of the arena.
unsafe impl Send for Mapping {}

impl Arena {
    fn take(&mut self, room: usize) -> NonNull<u8> {
        if let Some(at) = self.mappings.iter_mut().find_map(|mapping| mapping.take(room)) {
            return at;
        }
        let mut fresh = Mapping::new(room.max(MAPPING).next_multiple_of(MAPPING));
        let at = fresh.take(room).expect("invariant: a fresh mapping has room for what it was made for");
        self.mappings.push(fresh);
        at
    }

    fn give_back(&mut self, at: NonNull<u8>, room: usize) {
        let holds = |mapping: &Mapping| {
            (mapping.base.as_ptr().addr()..mapping.base.as_ptr().addr() + mapping.bytes)
                .contains(&at.as_ptr().addr())
        };
        let Some(place) = self.mappings.iter().position(holds) else { return };
        self.mappings[place].give_back(at, room);
        // A large one was made for one piece; the kernel gets its pages back.
        if self.mappings[place].bytes > MAPPING && self.mappings[place].is_free() {
            self.mappings.swap_remove(place).unmap();
        }
    }
}

impl Mapping {
    fn new(bytes: usize) -> Self {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        let base = NonNull::new(base.cast::<u8>()).filter(|_| base != libc::MAP_FAILED);
        let Some(base) = base else {
            let layout = std::alloc::Layout::array::<u8>(bytes);
            std::alloc::handle_alloc_error(
                layout.expect("invariant: a mapping is shorter than half of memory"),
            )
        };
        // SAFETY: the range is the mapping that was just made.
        if unsafe { libc::mlock(base.as_ptr().cast(), bytes) } != 0 {
            let error = io::Error::last_os_error();
            // It is told once.
            if REFUSED.set(error.to_string()).is_ok() {
                tracing::warn!(
                    %error,
                    "memory for secrets is not locked, and may be written to swap; hint: LimitMEMLOCK= or ulimit -l"
                );
            }
        }
        for advice in [libc::MADV_DONTDUMP, libc::MADV_DONTFORK] {
            // SAFETY: as above; neither advice changes what stands there. A kernel that knows one of them not loses nothing else.
            let _ = unsafe { libc::madvise(base.as_ptr().cast(), bytes, advice) };
        }
        Self { base, bytes, free: BTreeMap::from([(0, bytes)]) }
    }

    fn take(&mut self, room: usize) -> Option<NonNull<u8>> {
        let (begin, run) = self.free.iter().find(|(_, run)| **run >= room).map(|(at, run)| (*at, *run))?;
        self.free.remove(&begin);
        if run > room {
            self.free.insert(begin + room, run - room);
        }
        // SAFETY: the run lies inside the mapping.
        Some(unsafe { self.base.add(begin) })
    }

    fn give_back(&mut self, at: NonNull<u8>, room: usize) {
        let mut begin = at.as_ptr().addr() - self.base.as_ptr().addr();
        let mut run = room + self.free.remove(&(begin + room)).unwrap_or(0);
        let before = self.free.range(..begin).next_back().map(|(at, run)| (*at, *run));
        if let Some((other, length)) = before.filter(|(other, length)| other + length == begin) {
            (begin, run) = (other, run + length);
        }
        self.free.insert(begin, run);
    }

    fn is_free(&self) -> bool {
        self.free.get(&0) == Some(&self.bytes)
    }

    fn unmap(self) {
        // SAFETY: no piece of the mapping is in use, and nobody else knows of it. It cannot fail: the range is a whole mapping.
        let _ = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilobytes that the kernel has locked for this process.
    fn locked() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_is_put_there_is_locked_and_pieces_share_a_mapping() {
        let pieces: Vec<_> = (0..100_u8).map(|byte| LockedBytes::of(&[&[byte; 7], b"x"])).collect();
        for (byte, piece) in (0..).zip(&pieces) {
            assert_eq!(&**piece, &[byte, byte, byte, byte, byte, byte, byte, b'x']);
        }
        match refused() {
            None => assert_eq!(locked(), MAPPING as u64 / 1024, "one mapping holds them all"),
            Some(why) => assert!(!why.is_empty()),
        }
    }

    #[test]
    fn what_is_given_back_is_overwritten_and_used_again() {
        let first = LockedBytes::of(&[b"swordfish"]);
        let (at, others) = (first.at, [LockedBytes::of(&[b"a"]), LockedBytes::of(&[b"b"])]);
        drop(first);
        let again = LockedBytes::zeroed(9);
        assert_eq!((again.at, &*again), (at, &[0; 9][..]));
        drop((again, others));
        let arena = ARENA.lock().unwrap();
        assert!(arena.mappings.iter().all(Mapping::is_free), "runs that touch are one");
    }

    #[test]
    fn a_long_piece_has_a_mapping_of_its_own_and_gives_it_back() {
        let mappings = || ARENA.lock().unwrap().mappings.len();
        let small = LockedBytes::of(&[b"x"]);
        let before = mappings();
        let mut long = LockedBytes::zeroed(3 * MAPPING + 1);
        long.fill(7);
        assert_eq!((long.len(), mappings()), (3 * MAPPING + 1, before + 1));
        drop(long);
        assert_eq!((mappings(), &*small), (before, &b"x"[..]));
    }

    #[test]
    fn what_is_cut_off_is_overwritten_and_nothing_is_shown() {
        let mut piece = LockedBytes::of(&[b"sword", b"fish"]);
        piece.truncate(5);
        assert_eq!(&*piece, b"sword");
        // SAFETY: the piece has room for 16 bytes.
        assert_eq!(unsafe { *piece.at.add(5).as_ptr() }, 0);
        piece.truncate(100);
        assert_eq!((piece.len(), format!("{piece:?}").as_str()), (5, "LockedBytes(..)"));
        assert!(LockedBytes::of(&[]).is_empty());
    }
}
