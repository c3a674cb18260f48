//! The write-ahead journal: one positioned write for the records of a turn, and the promise is kept.
//!
//! Segments named by their first sequence number, frames as in `frame.rs`. A number is given and its frame written
//! under one lock. After a failed or short write nothing is appended until the segment has been cut back to its last
//! good frame, so a good frame never follows garbage. The journal has a bound in bytes; the last eighth of it is kept
//! for outcomes, so that what was allowed can still be closed when no more is allowed. Outcomes wait for company, and
//! decisions wait for those that are made in the same turn: they share one write. Never waits for the disk.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frame::{self, SEGMENT_HEAD};
use super::recover::{Recovered, Sealed, segment_path, set_aside};

/// Bytes of a segment; a small journal has smaller ones, so that there are always at least eight.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of frames that may wait in memory.
const WAITING_BYTES: usize = 32 * 1024;
/// The smallest journal: eight segments that each hold a record of any size.
const JOURNAL_FLOOR: u64 = 256 * 1024;

/// Why a record could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The bound is reached; the filler will make room.
    #[error("the journal is full: {used} of {bound} bytes wait for `ledger.db`")]
    Full { used: u64, bound: u64 },
    /// The file system failed.
    #[error("cannot write to the journal: {0}")]
    Write(#[from] io::Error),
    /// Empty, or longer than a record may be.
    #[error("a record has a length that the journal does not take")]
    Length,
}

/// Which part of the journal a record may use, and when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Events, denials: all but the reserve, at once.
    Event,
    /// Decisions: all but the reserve; written by [`Journal::commit`], until when nothing may follow from them.
    Opening,
    /// Outcomes: the reserve too; written in company.
    Closing,
}

/// One place in the journal, for its readers.
#[derive(Debug, Clone)]
pub struct View {
    /// In order, the one that is written last.
    pub segments: Vec<Sealed>,
}

/// What a grouped fsync has to cover.
pub struct Unsynced {
    /// Segments with bytes that may not be on the disk.
    pub files: Vec<Arc<File>>,
    /// The folder, where a segment was made since the last time.
    pub dir: Option<Arc<File>>,
    /// The last number in them.
    pub last: u64,
}

/// See the module.
pub struct Journal {
    dir: PathBuf,
    bound: u64,
    segment_bytes: u64,
    /// Whether sealed segments are kept for a grouped fsync.
    power: bool,
    state: Mutex<State>,
}

struct State {
    active: Active,
    sealed: VecDeque<Sealed>,
    next: u64,
    /// Bytes of all segments on disk.
    used: u64,
    /// Bytes of frames appended since the start.
    appended: u64,
    /// Whether garbage may stand behind the last good frame.
    dirty: bool,
    /// Frames that are numbered and not written yet: they go out in one write, with the next commit or event, or when
    /// somebody looks. Should the process die before, nothing followed from the decisions among them, and what the
    /// outcomes among them close is closed as interrupted.
    waiting: Vec<u8>,
    unsynced: Vec<Arc<File>>,
    new_dir: Option<Arc<File>>,
}

struct Active {
    first: u64,
    file: Arc<File>,
    len: u64,
}

impl Journal {
    /// Continues after what was recovered, in a segment of its own; `next` is the next number. `bound` is in bytes and
    /// at least 256 KiB.
    pub fn create(dir: &Path, bound: u64, power: bool, recovered: &Recovered, next: u64) -> io::Result<Self> {
        let bound = bound.max(JOURNAL_FLOOR);
        let sealed: VecDeque<Sealed> = recovered.segments.iter().copied().collect();
        let used: u64 = sealed.iter().map(|segment| segment.len).sum();
        let dir_file = Arc::new(File::open(dir)?);
        let active = new_segment(dir, next)?;
        let state = State {
            used: used + active.len,
            active,
            sealed,
            next,
            appended: 0,
            dirty: false,
            waiting: Vec::new(),
            unsynced: Vec::new(),
            new_dir: power.then_some(dir_file),
        };
        let segment_bytes = SEGMENT_BYTES.min(bound / 8);
        Ok(Self { dir: dir.to_owned(), bound, segment_bytes, power, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a plain assignment after the write it tells of: it holds after a panic too.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a begun frame; returns the record's number.
    pub fn append(&self, frame: &mut [u8], room: Room) -> Result<u64, AppendError> {
        let prepared = frame::prepare(frame).ok_or(AppendError::Length)?;
        let length = prepared.size() as u64;
        let mut state = self.state();
        let waiting = state.waiting.len() as u64;
        self.check_room(&state, waiting + length, room)?;
        let seq = state.next;
        if room != Room::Event && state.waiting.len() < WAITING_BYTES {
            state.waiting.extend_from_slice(prepared.stamp(seq).as_ref());
            state.next = seq + 1;
            return Ok(seq);
        }
        mend(&mut state)?;
        let first = frame::number(&state.waiting).unwrap_or(seq);
        self.make_room(&mut state, waiting + length, first)?;
        if state.waiting.is_empty() {
            write_frames(&mut state, prepared.stamp(seq).as_ref())?;
        } else {
            let mut frames = std::mem::take(&mut state.waiting);
            let before = frames.len();
            frames.extend_from_slice(prepared.stamp(seq).as_ref());
            let written = write_frames(&mut state, &frames);
            // What waited goes on waiting where it could not be written; the new frame is refused.
            frames.truncate(if written.is_ok() { 0 } else { before });
            state.waiting = frames;
            written?;
        }
        state.next = seq + 1;
        Ok(seq)
    }

    /// Makes sure that the record `seq` is written, with all that waits beside it. Where it fails the record goes on
    /// waiting; whoever was refused for that says so in an outcome.
    pub fn commit(&self, seq: u64) -> Result<(), AppendError> {
        let mut state = self.state();
        match frame::number(&state.waiting) {
            Some(first) if first <= seq => Ok(self.write_waiting(&mut state)?),
            _ => Ok(()),
        }
    }

    /// Writes the frames that wait.
    fn write_waiting(&self, state: &mut State) -> io::Result<()> {
        let Some(first) = frame::number(&state.waiting) else { return Ok(()) };
        mend(state)?;
        self.make_room(state, state.waiting.len() as u64, first)?;
        let mut frames = std::mem::take(&mut state.waiting);
        let written = write_frames(state, &frames);
        if written.is_ok() {
            frames.clear();
        }
        state.waiting = frames;
        written
    }

    /// Begins another segment where `length` more bytes, from the frame `first` on, do not fit.
    fn make_room(&self, state: &mut State, length: u64, first: u64) -> io::Result<()> {
        let full = state.active.len + length > self.segment_bytes;
        if full && state.active.len > SEGMENT_HEAD as u64 { self.seal(state, first) } else { Ok(()) }
    }

    fn check_room(&self, state: &State, length: u64, room: Room) -> Result<(), AppendError> {
        let bound = match room {
            Room::Event | Room::Opening => self.bound - self.bound / 8,
            Room::Closing => self.bound,
        };
        if state.used + length + SEGMENT_HEAD as u64 > bound {
            return Err(AppendError::Full { used: state.used, bound: self.bound });
        }
        Ok(())
    }

    /// Begins another segment, whose first frame will be `first`.
    fn seal(&self, state: &mut State, first: u64) -> io::Result<()> {
        let fresh = new_segment(&self.dir, first)?;
        state.used += fresh.len;
        let old = std::mem::replace(&mut state.active, fresh);
        let sealed = Sealed { first: old.first, len: old.len, next: first, damaged: false };
        state.sealed.push_back(sealed);
        if self.power {
            state.unsynced.push(old.file);
            state.new_dir = Some(Arc::new(File::open(&self.dir)?));
        }
        Ok(())
    }

    /// Ends the segment that is written, if it has a frame. A segment that proved damaged is left behind that way.
    pub fn rotate(&self) -> Result<(), AppendError> {
        let mut state = self.state();
        if self.power {
            // A sync that failed may have left the folder unsynced.
            state.new_dir = Some(Arc::new(File::open(&self.dir)?));
        }
        mend(&mut state)?;
        self.write_waiting(&mut state)?;
        if state.active.len > SEGMENT_HEAD as u64 {
            let first = state.next;
            self.seal(&mut state, first)?;
        }
        Ok(())
    }

    /// Everything appended so far.
    pub fn view(&self) -> View {
        let mut state = self.state();
        // Where it fails the next append tells: what waits is not in the view then.
        let written = self.write_waiting(&mut state).is_ok();
        let mut segments: Vec<Sealed> = state.sealed.iter().copied().collect();
        let Active { first, len, .. } = state.active;
        let next = if written { state.next } else { frame::number(&state.waiting).unwrap_or(state.next) };
        segments.push(Sealed { first, len, next, damaged: false });
        View { segments }
    }

    /// The last number given; 0 before the first.
    pub fn last(&self) -> u64 {
        self.state().next - 1
    }

    /// Bytes on disk, and bytes of frames appended since the start.
    pub fn bytes(&self) -> (u64, u64) {
        let state = self.state();
        (state.used, state.appended)
    }

    /// The bound in bytes.
    pub fn bound(&self) -> u64 {
        self.bound
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Marks a sealed segment as damaged: it is set aside instead of removed.
    pub fn mark_damaged(&self, first: u64) {
        if let Some(segment) = self.state().sealed.iter_mut().find(|segment| segment.first == first) {
            segment.damaged = true;
        }
    }

    /// Removes the oldest sealed segments up to and without the one that begins with `first`. The caller has made
    /// sure that their records are on the disk elsewhere.
    pub fn remove_before(&self, first: u64) -> io::Result<()> {
        loop {
            let Some(segment) = self.state().sealed.front().copied().filter(|segment| segment.first < first)
            else {
                return Ok(());
            };
            // Outside the lock: the road does not wait for an unlink. Only the filler removes.
            if segment.damaged {
                set_aside(&self.dir, segment.first)?;
            } else {
                fs::remove_file(segment_path(&self.dir, segment.first))?;
            }
            let mut state = self.state();
            state.sealed.pop_front();
            state.used -= segment.len;
        }
    }

    /// What a grouped fsync has to cover now. The caller syncs it before it calls this again.
    pub fn take_unsynced(&self) -> io::Result<Unsynced> {
        let mut state = self.state();
        self.write_waiting(&mut state)?;
        let mut files = std::mem::take(&mut state.unsynced);
        files.push(Arc::clone(&state.active.file));
        Ok(Unsynced { files, dir: state.new_dir.take(), last: state.next - 1 })
    }

    /// Replaces the file that is written, so that tests can make it fail.
    #[cfg(test)]
    pub fn replace_active(&self, file: File) -> Arc<File> {
        std::mem::replace(&mut self.state().active.file, Arc::new(file))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // At the end of the process; what cannot be written now is closed as interrupted at the next start.
        let _ = self.write_waiting(&mut self.state());
    }
}

/// Writes whole frames behind the last good one.
fn write_frames(state: &mut State, frames: &[u8]) -> io::Result<()> {
    if let Err(error) = write_whole(&state.active.file, frames, state.active.len) {
        state.dirty = true;
        // Where this fails too, the next append tries again first; the error to tell is the first one.
        let _ = mend(state);
        return Err(error);
    }
    let length = frames.len() as u64;
    state.active.len += length;
    state.used += length;
    state.appended += length;
    Ok(())
}

/// Cuts the segment back to its last good frame if garbage may stand behind it.
fn mend(state: &mut State) -> io::Result<()> {
    if state.dirty {
        state.active.file.set_len(state.active.len)?;
        state.dirty = false;
    }
    Ok(())
}

fn new_segment(dir: &Path, first: u64) -> io::Result<Active> {
    let path = segment_path(dir, first);
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    let head = frame::segment_head(first);
    if let Err(error) = write_whole(&file, &head, 0) {
        // Without this the name would be taken when the disk has room again.
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(Active { first, file: Arc::new(file), len: head.len() as u64 })
}

/// One `pwrite`; a short one is an error, as the file system has no more room.
fn write_whole(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    loop {
        match file.write_at(bytes, offset) {
            Ok(written) if written == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::StorageFull.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
