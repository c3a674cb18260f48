//! Which names agents were given, over an orderly restart: `names.jsonl` in the state folder, written at the end and taken
//! away at the start. After a crash there is none, and raw connections by name need a new lookup, as they do where the file
//! cannot be read: it is never a reason not to start.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use super::kept;
use crate::model::types::Timestamp;
use crate::model::types::limits::DNS_NAMES_KEPT;
use crate::perceive::dns::{Memory, Remembered};

const FILE: &str = "names.jsonl";

/// Writes down what is believed. Without it the next daemon believes nothing yet, so a failure is only logged.
pub fn keep(memory: &Memory, state: &Path, now: Timestamp) {
    if let Err(error) = write(&memory.remembered(now), state) {
        tracing::warn!(%error, "the names that agents were given are not kept over the restart");
    }
}

fn write(all: &[Remembered], state: &Path) -> io::Result<()> {
    let mut lines = Vec::new();
    for one in all {
        serde_json::to_writer(&mut lines, one)?;
        lines.push(b'\n');
    }
    kept::replace(&state.join(FILE), &lines)
}

/// Believes again what was written down, and takes it away: of an end that nobody saw nothing is believed.
pub fn recall(memory: &Memory, state: &Path, now: Timestamp) {
    let path = state.join(FILE);
    let read = read(&path);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return tracing::warn!(%error, "the names that agents were given cannot be taken over"),
        Ok(()) => {}
    }
    match read {
        Ok(all) => memory.restore(all, now),
        Err(error) => tracing::warn!(%error, "the names that agents were given cannot be read"),
    }
}

fn read(path: &Path) -> io::Result<Vec<Remembered>> {
    let lines = BufReader::new(fs::File::open(path)?).lines().take(DNS_NAMES_KEPT);
    lines.map(|line| serde_json::from_str(&line?).map_err(io::Error::other)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::types::HostName;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn told() -> Memory {
        let memory = Memory::new();
        let (agent, name) = (Arc::from("alice"), HostName::parse("db.example").unwrap());
        memory.remember(&agent, &name, &[("192.0.2.7".parse().unwrap(), Duration::from_secs(600))], NOW);
        memory
    }

    fn knows(memory: &Memory, now: Timestamp) -> bool {
        memory.knows("alice", "192.0.2.7".parse().unwrap(), &HostName::parse("db.example").unwrap(), now)
    }

    #[test]
    fn what_was_given_before_a_restart_is_believed_as_long_as_it_would_have_been() {
        let state = tempfile::tempdir().unwrap();
        keep(&told(), state.path(), NOW);
        let next = Memory::new();
        recall(&next, state.path(), NOW.plus(Duration::from_secs(2)));
        assert!(knows(&next, NOW.plus(Duration::from_secs(599))));
        assert!(!knows(&next, NOW.plus(Duration::from_secs(601))), "the restart adds no time");
        assert!(next.names("bob", "192.0.2.7".parse().unwrap(), NOW).is_empty(), "it is alice's alone");
        let third = Memory::new();
        recall(&third, state.path(), NOW);
        assert!(!knows(&third, NOW), "it is taken over once");
    }

    #[test]
    fn what_expired_meanwhile_came_from_the_future_or_is_damaged_is_not_believed() {
        let state = tempfile::tempdir().unwrap();
        for (start, damage) in
            [(NOW.plus(Duration::from_secs(700)), false), (Timestamp(NOW.0 - 1), false), (NOW, true)]
        {
            keep(&told(), state.path(), NOW);
            if damage {
                fs::write(state.path().join(FILE), b"{\"agent\":").unwrap();
            }
            let next = Memory::new();
            recall(&next, state.path(), start);
            assert!(!knows(&next, start), "{start:?}");
            assert!(!state.path().join(FILE).exists());
        }
    }
}
