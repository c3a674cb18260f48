//! Whether the database is sound, asked of SQLite within a time.
//!
//! Reads only, and mends nothing. A large database takes longer than anybody waits; then there is no answer.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rusqlite::ErrorCode;

use super::{Error, Reader};

impl Reader {
    /// What SQLite finds wrong with the database (`PRAGMA quick_check`); nothing where it is sound, and no answer where it
    /// takes longer than `patience`.
    pub fn quick_check(&self, patience: Duration) -> Result<Option<Option<String>>, Error> {
        let interrupt = self.db.get_interrupt_handle();
        let (done, waits) = mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            if waits.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        });
        let found = self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        drop(done);
        // It ends as soon as nobody can tell it anything more.
        let _ = watch.join();
        match found {
            Ok(said) if said == "ok" => Ok(Some(None)),
            Ok(said) => Ok(Some(Some(said))),
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) => Ok(None),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Ok(Some(Some(error.to_string())))
                }
                _ => Err(self.fail()(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_database_is_told_from_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE records(seq INTEGER PRIMARY KEY, record TEXT)").unwrap();
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
                    INSERT INTO records(record) SELECT printf('%0100d', i) FROM n";
        db.execute_batch(fill).unwrap();
        drop(db);
        let patience = Duration::from_secs(20);
        assert_eq!(Reader::open(&path).unwrap().quick_check(patience).unwrap(), Some(None));
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8192].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        let found = Reader::open(&path).unwrap().quick_check(patience).unwrap();
        assert!(matches!(found, Some(Some(_))), "{found:?}");
    }
}
