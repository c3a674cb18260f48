//! Puts the table in place, looks whether it is, reads its counters, and takes it away.
//!
//! Everything goes through `nft` (nft(8), JSON), as a child in the network namespace of the calling thread. What is in
//! place as written is left alone, so its counters go on, and so they do where only the sets change that policy fills;
//! anything else is replaced in one transaction, so there is no moment without rules. Touches no other table. These
//! functions block for some milliseconds: call them at start, stop and on request, never on the road.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::listing::{Counted, Listing, counters as counters_of};
use super::ruleset::{FROM_POLICY, Interception, adjustment, objects, removal, replacement};
use super::words::TABLE_NAME;

/// Why the kernel does not have our rules.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// The program is not there or cannot be started.
    #[error("cannot run `nft`: {0}\nhint: apt install nftables")]
    NoProgram(#[source] io::Error),
    /// It ran and said no.
    #[error("`nft` refused while {doing}: {said}")]
    Refused {
        /// What it was asked to do.
        doing: &'static str,
        /// What it wrote to standard error.
        said: String,
    },
    /// Its answer is not what nft(8) promises.
    #[error("`nft` gave an answer that cannot be read while {doing}")]
    Unreadable {
        /// What it was asked to do.
        doing: &'static str,
    },
    /// The rules were loaded, and what the kernel lists is something else.
    #[error("the table `inet {TABLE_NAME}` is not as it was written: {}\nhint: does another program change it? `nft monitor` shows who writes", differences.join("; "))]
    NotAsWritten {
        /// What differs, in words.
        differences: Vec<String>,
    },
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The rules were there, as wanted.
    Unchanged,
    /// The rules were written.
    Written,
}

/// How the table stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableStatus {
    /// As written.
    InPlace,
    /// There, but changed by somebody, or written from other settings.
    Differs(Vec<String>),
    /// Not there.
    Absent,
}

/// Puts the table in place and proves that it is.
pub fn apply(wanted: &Interception) -> Result<Applied, NftError> {
    let (wanted_listing, found) = (Listing::of_objects(&objects(wanted)), found()?);
    let commands = match &found {
        Some(found) if wanted_listing == *found => return Ok(Applied::Unchanged),
        Some(found) if wanted_listing.differs_only_in(&FROM_POLICY, found) => adjustment(wanted),
        _ => replacement(wanted),
    };
    nft(&["-j", "-f", "-"], &commands.to_string(), "writing the rules")?;
    match status(wanted)? {
        TableStatus::InPlace => Ok(Applied::Written),
        TableStatus::Differs(differences) => Err(NftError::NotAsWritten { differences }),
        TableStatus::Absent => {
            Err(NftError::NotAsWritten { differences: vec!["the table is missing".into()] })
        }
    }
}

/// Compares the table with what is wanted. Changes nothing.
pub fn status(wanted: &Interception) -> Result<TableStatus, NftError> {
    let Some(found) = found()? else { return Ok(TableStatus::Absent) };
    let differences = Listing::of_objects(&objects(wanted)).differences(&found);
    Ok(if differences.is_empty() { TableStatus::InPlace } else { TableStatus::Differs(differences) })
}

/// The table as it stands.
fn found() -> Result<Option<Listing>, NftError> {
    let listed = list()?;
    listed.map(|listed| Listing::of_json(&listed).ok_or(NftError::Unreadable { doing: LISTING })).transpose()
}

/// Takes the table away; it need not be there.
pub fn remove() -> Result<(), NftError> {
    nft(&["-j", "-f", "-"], &removal().to_string(), "removing the rules").map(drop)
}

/// What was refused since the table was written; empty where there is no table.
pub fn counters() -> Result<Vec<Counted>, NftError> {
    Ok(list()?.as_ref().map(counters_of).unwrap_or_default())
}

const LISTING: &str = "listing the rules";

/// The table as nft lists it, or nothing where there is none.
fn list() -> Result<Option<Value>, NftError> {
    match nft(&["-j", "list", "table", "inet", TABLE_NAME], "", LISTING) {
        Ok(listed) => Ok(Some(parse(&listed)?)),
        Err(error @ NftError::Refused { .. }) => {
            // A missing table is not told apart from other failures but by a sentence; the list of tables is.
            let tables = parse(&nft(&["-j", "list", "tables", "inet"], "", LISTING)?)?;
            let there = tables["nftables"]
                .as_array()
                .is_some_and(|all| all.iter().any(|object| object["table"]["name"] == TABLE_NAME));
            if there { Err(error) } else { Ok(None) }
        }
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Result<Value, NftError> {
    serde_json::from_str(text).map_err(|_| NftError::Unreadable { doing: LISTING })
}

/// Runs `nft` and returns what it printed. The crate's own runner lets standard error through to ours, and the
/// reason of a refusal would be lost.
pub(super) fn nft(arguments: &[&str], input: &str, doing: &'static str) -> Result<String, NftError> {
    let output = run("nft", arguments, input)
        .or_else(|error| match error.kind() {
            // Daemons and plain users often have no sbin in PATH.
            io::ErrorKind::NotFound => run("/usr/sbin/nft", arguments, input),
            _ => Err(error),
        })
        .map_err(NftError::NoProgram)?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|_| NftError::Unreadable { doing });
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("no reason given").trim_start_matches("Error: ").to_owned();
    Err(NftError::Refused { doing, said })
}

fn run(program: &str, arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // nft reads all of its input before it writes; one that ends early says why on standard error.
        match stdin.write_all(input.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    child.wait_with_output()
}
