//! The policy folder, the state folder and certificates, as they are on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::super::certificates::{Bundle, Certificates};
use super::super::facts::Seen;
use super::super::policy::{Policy, Set};
use super::super::state::{Kept, Ledger, State};
use super::{Question, files};
use crate::decide::ledger::{Error, Reader};
use crate::model::config::Config;
use crate::model::manifest::{self, Resources, SourceFile};
use crate::model::types::Timestamp;
use crate::platform::files::read_tree;
use crate::platform::sys::{clock, disk};

/// How long the database may take to be checked.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn policy(config: &Config, question: &Question) -> Policy {
    let folder = &config.folders.policy;
    let shown = folder.display().to_string();
    let set = match Seen::of(fs::read_dir(folder)) {
        Seen::Is(_) => match read_tree(folder, &shown) {
            Ok(found) => {
                let sources: Vec<SourceFile> = found
                    .iter()
                    .map(|file| SourceFile::new(file.shown.as_str(), file.bytes.as_slice()))
                    .collect();
                Seen::Is(manifest::load(&sources).map(|set| loaded(&set)).map_err(|report| report.summary()))
            }
            Err(problems) => {
                let first = problems
                    .first()
                    .map_or(String::new(), |problem| format!("{}: {}", problem.shown, problem.why));
                if first.contains("Permission denied") { Seen::Hidden(first) } else { Seen::Is(Err(first)) }
            }
        },
        Seen::Absent => Seen::Absent,
        Seen::Hidden(why) => Seen::Hidden(why),
    };
    Policy {
        folder: shown,
        settings: if question.usual {
            String::new()
        } else {
            format!(" --config {}", question.path.display())
        },
        set,
        in_force: question.status.as_ref().map(|status| status.policy.digest.clone()),
        subnets: config.intercept.subnets.clone(),
    }
}

fn loaded(set: &Resources) -> Set {
    let agents = set.agents.iter().map(|(name, agent)| (name.to_string(), agent.sources.clone()));
    Set {
        digest: set.digest.to_string(),
        documents: set.documents.len() as u64,
        agents: agents.collect(),
        warnings: set.warnings.len() as u64,
    }
}

pub fn state(config: &Config, question: &Question) -> State {
    let folder = config.folders.state.clone();
    let failure = question
        .status
        .as_ref()
        .filter(|status| !status.ledger.healthy)
        .map(|_| "clawgress status says why".to_owned());
    State {
        space: Seen::of(disk::space(&folder)),
        ledger: ledger(&folder, failure),
        journal_bound: config.ledger.journal,
        kept: kept(config, &question.path),
        now: clock::now(),
        folder,
    }
}

fn ledger(folder: &Path, failure: Option<String>) -> Seen<Ledger> {
    let path = folder.join("ledger.db");
    let bytes = match Seen::of(fs::metadata(&path)) {
        Seen::Is(told) => told.len(),
        Seen::Absent => return Seen::Absent,
        Seen::Hidden(why) => return Seen::Hidden(why),
    };
    let look = || -> Result<Ledger, Error> {
        let reader = Reader::open(&path)?;
        let damage = reader.quick_check(PATIENCE)?;
        let stats = match damage {
            Some(Some(_)) => Default::default(),
            _ => reader.stats(clock::now())?,
        };
        let journal = journal(&folder.join("journal"));
        let failure = failure.clone();
        Ok(Ledger { bytes, records: stats.records, oldest: stats.oldest, damage, journal, failure })
    };
    match look() {
        Ok(found) => Seen::Is(found),
        Err(error) => Seen::Hidden(error.to_string()),
    }
}

fn journal(folder: &Path) -> u64 {
    files::entries(folder, "").iter().filter_map(|path| fs::metadata(path).ok()).map(|told| told.len()).sum()
}

/// Nobody but its owner reads the state folder; the settings and policies may be read by all and written by nobody else.
fn kept(config: &Config, settings: &Path) -> Vec<Kept> {
    let state = &config.folders.state;
    let names = ["", "ca/ca.key", "ca/next.key", "master.key", "findings.key", "ledger.db", "registry.db"];
    let mut private: Vec<PathBuf> =
        names.map(|name| if name.is_empty() { state.clone() } else { state.join(name) }).into();
    private.extend(config.authority.as_ref().map(|authority| authority.key.clone()));
    let mut open: Vec<PathBuf> = vec![settings.to_owned(), config.folders.policy.clone()];
    open.extend(settings.parent().map(Path::to_owned));
    open.extend(files::entries(&config.folders.policy, ".yaml"));
    open.extend(config.upstream.trust_anchors.iter().cloned());
    let private = private.into_iter().map(|path| (path, true));
    let all = private.chain(open.into_iter().map(|path| (path, false)));
    all.map(|(path, private)| Kept { seen: files::mode(&path), path, private }).collect()
}

pub fn certificates(config: &Config) -> Certificates {
    let own = config.folders.state.join("ca");
    let supplied = config.authority.as_ref().map(|authority| authority.chain.clone());
    let signing = supplied.clone().unwrap_or_else(|| own.join("ca.pem"));
    let authority = match files::text(&signing) {
        // With the first certificate of a chain that ends, all of it does.
        Seen::Is(text) => match ends(&text).into_iter().min() {
            Some(end) => Seen::Is(end),
            None => Seen::Hidden(format!("{} holds no certificate", signing.display())),
        },
        Seen::Absent => Seen::Absent,
        Seen::Hidden(why) => Seen::Hidden(why),
    };
    let upcoming = supplied.is_none() && own.join("next.pem").exists();
    let now = clock::now();
    let anchors = config.upstream.trust_anchors.iter().map(|path| {
        let seen = files::text(path).map(|text| bundle(&ends(&text), now));
        (path.clone(), seen)
    });
    Certificates { supplied, authority, upcoming, anchors: anchors.collect(), now }
}

/// The last moment of each certificate of a PEM file that can be read.
fn ends(text: &str) -> Vec<Timestamp> {
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes()).flatten();
    let end = |der: CertificateDer<'_>| {
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
        Some(Timestamp(certificate.validity().not_after.timestamp().saturating_mul(1_000_000)))
    };
    certificates.filter_map(end).collect()
}

fn bundle(ends: &[Timestamp], now: Timestamp) -> Bundle {
    Bundle {
        certificates: ends.len() as u64,
        expired: ends.iter().filter(|end| **end <= now).count() as u64,
        next_end: ends.iter().filter(|end| **end > now).min().copied(),
    }
}
