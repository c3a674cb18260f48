//! Reading back the journal that an earlier run left: which segments are whole, what was torn, what comes next.
//!
//! A bad frame in the last segment is the end of a write that a crash cut short: the segment is cut there. A bad frame
//! in an earlier segment is damage: what stands before it and what stands in the next segments is read, nothing is cut,
//! and the file is kept aside for the operator once its good part is in the database. Never guesses at bytes behind a
//! bad frame.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::frame::{self, Found, SEGMENT_HEAD};

/// A segment that takes no more frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Number of its first frame, and its name.
    pub first: u64,
    /// Bytes up to the end of its last good frame.
    pub len: u64,
    /// Number after its last good frame.
    pub next: u64,
    /// Whether bytes behind `len` could not be read.
    pub damaged: bool,
}

/// Something found wrong, for a system record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `journal-torn` or `journal-damaged`.
    pub event: &'static str,
    /// The segment's file name.
    pub segment: String,
    /// Where, and how many bytes.
    pub detail: String,
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub struct Recovered {
    /// In order; none is empty.
    pub segments: Vec<Sealed>,
    /// The next number, as far as the journal knows.
    pub next: u64,
    /// What was found wrong.
    pub notes: Vec<Note>,
}

/// The file of the segment whose first frame is `first`.
pub fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(segment_name(first))
}

/// `%020d.journal`: sorts by number.
pub fn segment_name(first: u64) -> String {
    format!("{first:020}.journal")
}

/// Reads and mends the journal in `dir`.
pub fn recover(dir: &Path) -> io::Result<Recovered> {
    let mut firsts = list(dir)?;
    firsts.sort_unstable();
    let mut recovered = Recovered { next: 1, ..Recovered::default() };
    for (place, first) in firsts.iter().copied().enumerate() {
        let last = place + 1 == firsts.len();
        if let Some(segment) = read_segment(dir, first, last, &mut recovered.notes)? {
            recovered.next = recovered.next.max(segment.next);
            recovered.segments.push(segment);
        }
    }
    Ok(recovered)
}

/// Sets a damaged segment aside as `.damaged`, where no later start reads it as a journal.
pub fn set_aside(dir: &Path, first: u64) -> io::Result<()> {
    fs::rename(segment_path(dir, first), dir.join(format!("{first:020}.damaged")))
}

fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        if let Some(first) = number.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok())
        {
            firsts.push(first);
        }
    }
    Ok(firsts)
}

fn read_segment(dir: &Path, first: u64, last: bool, notes: &mut Vec<Note>) -> io::Result<Option<Sealed>> {
    let path = segment_path(dir, first);
    let bytes = fs::read(&path)?;
    if last && bytes.len() < SEGMENT_HEAD {
        // Made and not yet begun when the process ended: it never held a frame.
        fs::remove_file(&path)?;
        return Ok(None);
    }
    let (good, next) = good_part(&bytes, first);
    let behind = bytes.len() - good;
    if behind > 0 {
        let torn = last && good > 0;
        notes.push(Note {
            event: if torn { "journal-torn" } else { "journal-damaged" },
            segment: segment_name(first),
            detail: format!(
                "{behind} bytes from byte {good} on are no whole frame; next record would be {next}"
            ),
        });
        if torn {
            let file = File::options().write(true).open(&path)?;
            file.set_len(good as u64)?;
            file.sync_all()?;
        } else if next == first {
            set_aside(dir, first)?;
        }
    }
    if next == first {
        if behind == 0 || (last && good > 0) {
            fs::remove_file(&path)?;
        }
        return Ok(None);
    }
    Ok(Some(Sealed { first, len: good as u64, next, damaged: behind > 0 && !last }))
}

/// Bytes up to the end of the last good frame (0 if the header is not ours) and the number after it.
fn good_part(bytes: &[u8], first: u64) -> (usize, u64) {
    if bytes.get(..SEGMENT_HEAD) != Some(&frame::segment_head(first)[..]) {
        return (0, first);
    }
    let (mut good, mut next) = (SEGMENT_HEAD, first);
    while let Found::Frame { end, .. } = frame::read(bytes, good, next) {
        good = end;
        next += 1;
    }
    (good, next)
}
