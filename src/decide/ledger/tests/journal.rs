//! The journal after crashes, on a full disk, and the filler behind it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::decide::ledger::Durability;
use crate::decide::ledger::filler::{FillError, Filler};
use crate::decide::ledger::frame::{self, SEGMENT_HEAD};
use crate::decide::ledger::journal::{AppendError, Journal, Room};
use crate::decide::ledger::recover::{Recovered, recover, segment_path};
use crate::decide::ledger::store::Store;

fn append(journal: &Journal, payload: &[u8], room: Room) -> Result<u64, AppendError> {
    let mut frame = Vec::new();
    frame::begin(&mut frame);
    frame.extend_from_slice(payload);
    journal.append(&mut frame, room)
}

fn journal(dir: &Path) -> Arc<Journal> {
    let recovered = recover(dir).unwrap();
    let next = recovered.next;
    Arc::new(Journal::create(dir, 0, false, &recovered, next).unwrap())
}

fn filler(dir: &Path, journal: &Arc<Journal>) -> Filler {
    let store = Store::open(&dir.join("ledger.db"), Durability::Process).unwrap();
    Filler::new(Arc::clone(journal), store).unwrap()
}

fn stored(dir: &Path) -> Vec<(i64, String)> {
    let db = rusqlite::Connection::open(dir.join("ledger.db")).unwrap();
    let mut statement = db.prepare("SELECT seq, record FROM records ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Fills segments of 32 KiB until `count` of them are sealed; returns the last number.
fn seal(journal: &Journal, count: usize) -> u64 {
    let payload = [b'x'; 1000];
    loop {
        let last = append(journal, &payload, Room::Closing).unwrap();
        if journal.view().segments.len() > count {
            return last;
        }
    }
}

#[test]
fn a_record_torn_at_any_byte_is_recognised_and_cut() {
    let source = tempfile::tempdir().unwrap();
    let whole = journal(source.path());
    for payload in [&b"first"[..], b"second", b"third, which is torn"] {
        append(&whole, payload, Room::Event).unwrap();
    }
    let bytes = fs::read(segment_path(source.path(), 1)).unwrap();
    let good = SEGMENT_HEAD + 2 * frame::FRAME_HEAD + "first".len() + "second".len();
    for length in good..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(segment_path(dir.path(), 1), &bytes[..length]).unwrap();
        let recovered = recover(dir.path()).unwrap();
        assert_eq!(recovered.next, 3, "cut to {length} bytes");
        assert_eq!(recovered.segments[0].len, good as u64);
        assert_eq!(fs::metadata(segment_path(dir.path(), 1)).unwrap().len(), good as u64);
        let expected: &[&str] = if length == good { &[] } else { &["journal-torn"] };
        assert_eq!(recovered.notes.iter().map(|note| note.event).collect::<Vec<_>>(), expected);
    }
    // What a crash in the middle of making a segment leaves.
    for length in 0..SEGMENT_HEAD {
        let dir = tempfile::tempdir().unwrap();
        fs::write(segment_path(dir.path(), 1), &bytes[..length]).unwrap();
        let Recovered { segments, next, notes } = recover(dir.path()).unwrap();
        assert!(segments.is_empty() && notes.is_empty() && next == 1, "cut to {length} bytes");
    }
}

#[test]
fn any_changed_byte_ends_the_good_part() {
    let source = tempfile::tempdir().unwrap();
    let whole = journal(source.path());
    append(&whole, b"first", Room::Event).unwrap();
    let good = whole.view().segments[0].len as usize;
    append(&whole, b"second", Room::Event).unwrap();
    let bytes = fs::read(segment_path(source.path(), 1)).unwrap();
    for place in good..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        fs::write(segment_path(dir.path(), 1), &changed).unwrap();
        assert_eq!(recover(dir.path()).unwrap().next, 2, "byte {place}");
    }
}

#[test]
fn damage_in_an_earlier_segment_is_reported_and_later_segments_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let earlier = journal(dir.path());
    let last = seal(&earlier, 2);
    let segments = earlier.view().segments;
    let damaged = File::options().write(true).open(segment_path(dir.path(), 1)).unwrap();
    let third_frame = SEGMENT_HEAD as u64 + 2 * (frame::FRAME_HEAD as u64 + 1000);
    damaged.write_at(b"?", third_frame + 100).unwrap();
    drop(earlier);

    let recovered = recover(dir.path()).unwrap();
    assert_eq!(recovered.notes[0].event, "journal-damaged");
    assert_eq!(recovered.next, last + 1);
    let journal = Arc::new(Journal::create(dir.path(), 0, false, &recovered, last + 1).unwrap());
    let mut filler = filler(dir.path(), &journal);
    filler.drain().unwrap();
    let numbers: Vec<i64> = stored(dir.path()).into_iter().map(|(seq, _)| seq).collect();
    let expected: Vec<i64> = (1..=2).chain(segments[1].first as i64..=last as i64).collect();
    assert_eq!(numbers, expected);
    assert!(
        dir.path().join(format!("{:020}.damaged", 1)).exists(),
        "the damaged file is kept for the operator"
    );
    assert!(!segment_path(dir.path(), 1).exists());
}

#[test]
fn a_full_journal_refuses_decisions_then_outcomes_and_recovers_when_filled() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let payload = [b'x'; 1000];
    let until_full = |room| {
        let mut count = 0_u32;
        loop {
            match append(&journal, &payload, room) {
                Ok(_) => count += 1,
                Err(AppendError::Full { used, bound }) => {
                    assert!(used <= bound);
                    return count;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let decisions = until_full(Room::Event);
    let outcomes = until_full(Room::Closing);
    assert!(decisions > 200 && outcomes > 20, "{decisions} {outcomes}");
    let mut filler = filler(dir.path(), &journal);
    filler.drain().unwrap();
    assert_eq!(append(&journal, &payload, Room::Event).unwrap(), u64::from(decisions + outcomes) + 1);
    filler.drain().unwrap();
    assert_eq!(stored(dir.path()).len(), (decisions + outcomes + 1) as usize);
}

#[test]
fn a_failed_write_is_refused_and_leaves_no_gap_and_no_garbage() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    append(&journal, b"before", Room::Event).unwrap();
    let good = journal.replace_active(File::open(segment_path(dir.path(), 1)).unwrap());
    for _ in 0..2 {
        let error = append(&journal, b"lost", Room::Event).unwrap_err();
        assert!(matches!(error, AppendError::Write(_)), "{error}");
    }
    // What a write that failed half way may have left.
    good.write_at(&[0xff; 500], journal.view().segments[0].len).unwrap();
    journal.replace_active(good.try_clone().unwrap());
    assert_eq!(append(&journal, b"after", Room::Event).unwrap(), 2);
    let recovered = recover(dir.path()).unwrap();
    assert_eq!((recovered.next, recovered.notes), (3, vec![]));
}

#[test]
fn decisions_of_one_turn_are_in_the_file_once_the_first_of_them_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let written = || fs::metadata(segment_path(dir.path(), 1)).unwrap().len();
    append(&journal, b"outcome", Room::Closing).unwrap();
    let seqs = [b"one", b"two"].map(|payload| append(&journal, payload, Room::Opening).unwrap());
    assert_eq!(seqs, [2, 3]);
    assert_eq!(written(), SEGMENT_HEAD as u64);
    journal.commit(2).unwrap();
    let all = (SEGMENT_HEAD + 3 * frame::FRAME_HEAD + "outcomeonetwo".len()) as u64;
    assert_eq!(written(), all);
    journal.commit(3).unwrap();
    append(&journal, b"six", Room::Opening).unwrap();
    journal.commit(3).unwrap();
    assert_eq!(written(), all, "what is committed is not waited for again");
    assert_eq!(recover(dir.path()).unwrap().next, 4);
}

#[test]
fn a_decision_that_cannot_be_written_waits_for_the_outcome_that_denies_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let good = journal.replace_active(File::open(segment_path(dir.path(), 1)).unwrap());
    let seq = append(&journal, b"allow", Room::Opening).unwrap();
    assert!(matches!(journal.commit(seq), Err(AppendError::Write(_))));
    append(&journal, b"deny", Room::Closing).unwrap();
    assert!(journal.commit(seq).is_err(), "a later try does not take it for written");
    journal.replace_active(good.try_clone().unwrap());
    let next = append(&journal, b"next", Room::Opening).unwrap();
    journal.commit(next).unwrap();
    let mut filler = filler(dir.path(), &journal);
    filler.drain().unwrap();
    let records: Vec<String> = stored(dir.path()).into_iter().map(|(_, record)| record).collect();
    assert_eq!(records, ["allow", "deny", "next"]);
}

#[test]
fn records_arrive_exactly_once_after_a_crash_between_commit_and_removal() {
    let dir = tempfile::tempdir().unwrap();
    let first = journal(dir.path());
    let last = seal(&first, 3);
    let mut filling = filler(dir.path(), &first);
    while filling.step().unwrap() {}
    drop((filling, first));
    assert_eq!(recover(dir.path()).unwrap().segments.len(), 4, "nothing was removed");

    let second = journal(dir.path());
    append(&second, b"next", Room::Event).unwrap();
    let mut filling = filler(dir.path(), &second);
    filling.drain().unwrap();
    let numbers: Vec<i64> = stored(dir.path()).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(numbers, (1..=last as i64 + 1).collect::<Vec<_>>());
    assert_eq!(second.view().segments.len(), 1, "what is in the database is removed from the journal");
}

#[test]
fn a_crash_between_batches_of_one_segment_resumes_in_its_middle() {
    let dir = tempfile::tempdir().unwrap();
    let first = journal(dir.path());
    let mut filling = filler(dir.path(), &first);
    append(&first, b"one", Room::Event).unwrap();
    assert!(filling.step().unwrap());
    for payload in [b"two", b"six"] {
        append(&first, payload, Room::Event).unwrap();
    }
    drop((filling, first));
    let second = journal(dir.path());
    filler(dir.path(), &second).drain().unwrap();
    let records: Vec<String> = stored(dir.path()).into_iter().map(|(_, record)| record).collect();
    assert_eq!(records, ["one", "two", "six"]);
}

#[test]
fn while_the_database_is_locked_the_journal_keeps_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let mut filler = filler(dir.path(), &journal);
    let other = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    append(&journal, b"kept", Room::Event).unwrap();
    assert!(matches!(filler.step(), Err(FillError::Database(_))));
    other.execute_batch("COMMIT").unwrap();
    filler.drain().unwrap();
    assert_eq!(stored(dir.path()), [(1, "kept".to_owned())]);
}

#[test]
fn a_frame_that_rots_under_the_running_filler_does_not_hold_back_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    for payload in [b"one", b"two", b"six"] {
        append(&journal, payload, Room::Event).unwrap();
    }
    let file = File::options().write(true).open(segment_path(dir.path(), 1)).unwrap();
    file.write_at(b"?", (SEGMENT_HEAD + 2 * frame::FRAME_HEAD + 3) as u64).unwrap();
    let mut filler = filler(dir.path(), &journal);
    filler.drain().unwrap();
    append(&journal, b"ten", Room::Event).unwrap();
    filler.drain().unwrap();
    assert_eq!(stored(dir.path()), [(1, "one".to_owned()), (4, "ten".to_owned())]);
    assert_eq!((filler.filled().seq, filler.filled().damaged), (4, 1));
}
