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

/// The table, and how nft listed it when this process last wrote it.
///
/// Versions of nft spell some expressions differently, and no list of spellings is complete. So what is found is compared
/// with what we know how to spell and with what was listed right after it was written.
#[derive(Debug, Default)]
pub struct Table {
    written: Option<(Interception, Listing)>,
}

impl Table {
    /// Puts the table in place and proves that it is.
    pub fn apply(&mut self, wanted: &Interception) -> Result<Applied, NftError> {
        let Some(commands) = self.commands(wanted, found()?.as_ref()) else { return Ok(Applied::Unchanged) };
        nft(&["-j", "-f", "-"], &commands.to_string(), "writing the rules")?;
        match found()? {
            Some(listed) => self.remember(wanted, listed).map(|()| Applied::Written),
            None => Err(NftError::NotAsWritten { differences: vec!["the table is missing".into()] }),
        }
    }

    /// Compares the table with what is wanted. Changes nothing.
    pub fn status(&self, wanted: &Interception) -> Result<TableStatus, NftError> {
        let Some(found) = found()? else { return Ok(TableStatus::Absent) };
        let differences = self.differences(wanted, &found);
        Ok(if differences.is_empty() { TableStatus::InPlace } else { TableStatus::Differs(differences) })
    }

    /// What makes the table as wanted; nothing where it is.
    fn commands(&self, wanted: &Interception, found: Option<&Listing>) -> Option<Value> {
        let Some(found) = found else { return Some(replacement(wanted)) };
        if self.differences(wanted, found).is_empty() {
            return None;
        }
        let shape_is_ours = Listing::of_objects(&objects(wanted)).differs_only_in(&FROM_POLICY, found)
            || self.written.as_ref().is_some_and(|(before, listing)| {
                listing == found
                    && *wanted == Interception { policy: wanted.policy.clone(), ..before.clone() }
            });
        Some(if shape_is_ours { adjustment(wanted) } else { replacement(wanted) })
    }

    /// Takes what was listed right after the rules were written for their spelling, where it has all of them.
    fn remember(&mut self, wanted: &Interception, listed: Listing) -> Result<(), NftError> {
        let expected = Listing::of_objects(&objects(wanted));
        if expected != listed {
            let differences = expected.differences_in_structure(&listed);
            if !differences.is_empty() {
                return Err(NftError::NotAsWritten { differences });
            }
            tracing::info!(
                "nft spells the rules in its own way; they are compared with what it listed first"
            );
        }
        self.written = Some((wanted.clone(), listed));
        Ok(())
    }

    fn differences(&self, wanted: &Interception, found: &Listing) -> Vec<String> {
        let expected = Listing::of_objects(&objects(wanted));
        if expected == *found {
            return Vec::new();
        }
        let listed = self.written.as_ref().filter(|(before, _)| before == wanted);
        listed.map_or(&expected, |(_, listing)| listing).differences(found)
    }
}

/// The table as it stands.
fn found() -> Result<Option<Listing>, NftError> {
    let listed = list()?;
    listed.map(|listed| Listing::of_json(&listed).ok_or(NftError::Unreadable { doing: LISTING })).transpose()
}

/// Compares the table with what the settings want, whatever policy has filled into it: for whoever does not know what is in
/// force. Changes nothing.
pub fn status_but_for_policy(wanted: &Interception) -> Result<TableStatus, NftError> {
    let Some(found) = found()? else { return Ok(TableStatus::Absent) };
    let expected = Listing::of_objects(&objects(wanted));
    if expected.differs_only_in(&FROM_POLICY, &found) {
        return Ok(TableStatus::InPlace);
    }
    // A version of nft with a spelling of its own is told by the structure alone, as after the first writing.
    let differences = expected.differences_in_structure(&found);
    Ok(if differences.is_empty() { TableStatus::InPlace } else { TableStatus::Differs(differences) })
}

/// Every table of this network namespace, as nft lists it in JSON (libnftables-json(5)). Changes nothing.
pub fn whole_ruleset() -> Result<Value, NftError> {
    const DOING: &str = "listing all rules";
    let listed = nft(&["-j", "list", "ruleset"], "", DOING)?;
    serde_json::from_str(&listed).map_err(|_| NftError::Unreadable { doing: DOING })
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
    let said = match said.lines().next() {
        Some(line) => line.trim_start_matches("Error: ").to_owned(),
        // Version 1.0.6 crashes over a table that 1.1.3 wrote.
        None => {
            format!("no reason given ({}); was the table written by another version of nft?", output.status)
        }
    };
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

#[cfg(test)]
mod tests {
    use nftables::schema::NfListObject;
    use serde_json::json;

    use super::super::ruleset::FromPolicy;
    use super::*;
    use crate::model::manifest::resources::PortRange;
    use crate::model::types::FailMode;

    fn wanted(port: u16) -> Interception {
        Interception {
            interfaces: vec!["agents0".into()],
            subnets: vec!["10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().unwrap()],
            allow_local: Vec::new(),
            echo: None,
            fail_mode: FailMode::Closed,
            policy: FromPolicy {
                udp_ports: vec![PortRange { start: port, end: port }],
                ..FromPolicy::default()
            },
        }
    }

    /// As an nft would list it that nobody has met yet.
    fn listed(wanted: &Interception, change: impl FnOnce(&mut Vec<NfListObject<'static>>)) -> Listing {
        let mut all = objects(wanted);
        change(&mut all);
        let text = json!({ "nftables": all }).to_string();
        let spelled = text.replace(r#"{"accept":null}"#, r#"{"verdict":"accept"}"#);
        assert_ne!(text, spelled);
        Listing::of_json(&serde_json::from_str(&spelled).unwrap()).unwrap()
    }

    /// What a table does about what it finds.
    fn answer(table: &Table, wanted: &Interception, found: &Listing) -> &'static str {
        let commands = table.commands(wanted, Some(found));
        let first = commands.map(|commands| commands["nftables"][0].clone());
        match first {
            None => "nothing",
            Some(first) if first.get("flush").is_some() => "adjustment",
            Some(_) => "replacement",
        }
    }

    fn unchanged(_: &mut Vec<NfListObject<'static>>) {}

    #[test]
    fn a_spelling_that_nobody_knows_is_written_once_and_known_from_then_on() {
        let mut table = Table::default();
        let (first, second) = (wanted(1), wanted(2));
        let (of_first, of_second) = (listed(&first, unchanged), listed(&second, unchanged));
        assert_eq!(answer(&table, &first, &of_first), "replacement", "written by nobody knows whom");
        table.remember(&first, of_first.clone()).unwrap();
        assert_eq!(answer(&table, &first, &of_first), "nothing");
        assert_eq!(answer(&table, &second, &of_first), "adjustment", "counters go on");
        table.remember(&second, of_second.clone()).unwrap();
        assert_eq!(answer(&table, &second, &of_second), "nothing");
        assert_eq!(answer(&table, &second, &of_first), "replacement");
        let open = Interception { fail_mode: FailMode::Open, ..second.clone() };
        assert_eq!(answer(&table, &open, &of_second), "replacement");
        // In words that are known it is right whoever wrote it.
        assert_eq!(answer(&table, &first, &Listing::of_objects(&objects(&first))), "nothing");
    }

    #[test]
    fn what_somebody_changes_is_found_in_every_spelling() {
        let mut table = Table::default();
        let wanted = wanted(1);
        table.remember(&wanted, listed(&wanted, unchanged)).unwrap();
        let changes: [fn(&mut Vec<NfListObject<'static>>); 3] = [
            |all| drop(all.pop()),
            |all| all.push(all.last().cloned().unwrap()),
            |all| {
                all.iter_mut().for_each(|object| match object {
                    NfListObject::Chain(chain) if chain.name == "forward" => chain.prio = Some(1),
                    _ => {}
                })
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let changed = listed(&wanted, change);
            assert_eq!(answer(&table, &wanted, &changed), "replacement", "{number}");
            let NftError::NotAsWritten { differences } = table.remember(&wanted, changed).unwrap_err() else {
                panic!("{number}")
            };
            assert_eq!(differences.len(), 1, "{differences:?}");
        }
    }
}
