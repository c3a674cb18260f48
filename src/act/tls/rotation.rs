//! The authorities that workloads trust: the one that signs now, the one that will, and the one that has.
//!
//! A rotation makes an upcoming authority, which workloads are told of at once and which signs once the overlap is over; then the
//! old one stays trusted until its time is over or the next rotation. All of it is on disk before it counts, so that a start
//! finds it as it was. An authority that operators bring themselves is never replaced here. Read next: `files.rs`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::authority::{About, Authority, AuthorityError, make};
use super::files;
use super::supplied;
use crate::model::types::Timestamp;

/// Days before the end of an authority on which that is said.
const WARNED: [u64; 3] = [30, 7, 1];
/// Seconds of a day.
const DAY: u64 = 86_400;

/// Where the signing authority comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The gateway has made it, in this folder.
    Own(PathBuf),
    /// Operators have brought it: its chain, and its key.
    Supplied(PathBuf, PathBuf),
}

/// What an authority does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It signs leaves.
    Signing,
    /// It is trusted, and signs from this moment on.
    Upcoming(Timestamp),
    /// It has signed, and is trusted still.
    Retiring,
}

/// What has come about by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// This authority signs now.
    Signs(About),
    /// This one is trusted no longer.
    Left(About),
    /// The signing one ends in so many days, rounded up; 0 where it has ended.
    Ends(About, u64),
    /// Something could not be written, and is tried again.
    Failed(String),
}

/// Why there is no rotation.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Operators have brought the authority.
    #[error("the authority is your own: `{}`", .0.display())]
    Supplied(PathBuf),
    /// One is under way.
    #[error("a rotation is under way: the new authority signs from {0} on")]
    UnderWay(Timestamp),
    /// It cannot be made or written.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// All that workloads trust. Shared by all workers.
pub struct Authorities {
    origin: Origin,
    signing: ArcSwap<Authority>,
    /// The certificates of all, in PEM.
    bundle: ArcSwap<String>,
    others: Mutex<Others>,
}

#[derive(Default)]
struct Others {
    upcoming: Option<(Arc<Authority>, Timestamp)>,
    retiring: Option<(String, About)>,
    /// What was said of the end of which authority.
    said: Option<(String, u64)>,
    /// What a failure was said to be, so that it is said once.
    failed: Option<String>,
}

impl Authorities {
    /// The gateway's own, in `dir`; made where none was ever finished. `now` is the wall clock.
    ///
    /// # Errors
    /// As [`Authority::load_or_create`].
    pub fn own(dir: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        files::finish_switch(dir)?;
        let signing = Authority::load_or_create(dir, now)?;
        let upcoming = match files::read_next(dir)? {
            Some((pair, at)) => Some((Arc::new(Authority::of(pair, &files::next(dir), now)?), at)),
            None => None,
        };
        let retiring = match files::read_old(dir)? {
            Some(pem) => Some((pem.clone(), About::of_pem(&pem, &dir.join(files::OLD))?)),
            None => None,
        };
        let retiring = retiring.filter(|(_, about)| about.fingerprint != signing.about().fingerprint);
        let others = Others { upcoming, retiring, ..Others::default() };
        Ok(Self::new(Origin::Own(dir.to_owned()), signing, others))
    }

    /// One that operators bring: the chain from the issuing certificate upwards, and its key.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn supplied(chain: &Path, key: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        let signing = supplied::load(chain, key, now)?;
        Ok(Self::new(Origin::Supplied(chain.to_owned(), key.to_owned()), signing, Others::default()))
    }

    fn new(origin: Origin, signing: Authority, others: Others) -> Self {
        let authorities = Self {
            origin,
            signing: ArcSwap::from_pointee(signing),
            bundle: ArcSwap::default(),
            others: Mutex::new(others),
        };
        authorities.bind(&authorities.others());
        authorities
    }

    /// The one that signs now.
    pub fn signing(&self) -> Arc<Authority> {
        self.signing.load_full()
    }

    /// What workloads trust, as PEM: the signing one first.
    pub fn bundle(&self) -> Arc<String> {
        self.bundle.load_full()
    }

    /// Where the signing one comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// All that are trusted, and what each does: the signing one first.
    pub fn list(&self) -> Vec<(About, Role)> {
        let others = self.others();
        let upcoming = others.upcoming.as_ref().map(|(one, at)| (one.about().clone(), Role::Upcoming(*at)));
        let retiring = others.retiring.as_ref().map(|(_, about)| (about.clone(), Role::Retiring));
        std::iter::once((self.signing().about().clone(), Role::Signing))
            .chain(upcoming)
            .chain(retiring)
            .collect()
    }

    /// Makes a new authority, which signs once the overlap is over and at the latest when the old one ends; without an overlap at
    /// once, and then an upcoming one too.
    ///
    /// # Errors
    /// Why it is not made; nothing has changed then, unless it could not be written to its end: then it counts from the next start on.
    pub fn rotate(&self, overlap: Option<Duration>, now: Timestamp) -> Result<(), RotateError> {
        let dir = match &self.origin {
            Origin::Own(dir) => dir,
            Origin::Supplied(chain, _) => return Err(RotateError::Supplied(chain.clone())),
        };
        let mut others = self.others();
        match (&others.upcoming, overlap) {
            (Some((_, at)), Some(_)) => return Err(RotateError::UnderWay(*at)),
            (Some(_), None) => {}
            (None, overlap) => {
                if others.retiring.is_some() {
                    files::remove_old(dir)?;
                    others.retiring = None;
                }
                let at = overlap.map_or(now, |overlap| now.plus(overlap)).min(self.signing().not_after());
                let pair = make(now)?;
                files::write_next(dir, &pair, at)?;
                let authority = Authority::of(pair, &files::next(dir), now)?;
                others.upcoming = Some((Arc::new(authority), at));
            }
        }
        if overlap.is_none() {
            self.switch(dir, &mut others)?;
        }
        self.bind(&others);
        Ok(())
    }

    /// Does what is due: an upcoming authority signs, one whose time is over is trusted no longer, an end that is near is said.
    pub fn tend(&self, now: Timestamp) -> Vec<Turn> {
        let mut others = self.others();
        let mut turns = Vec::new();
        if let Origin::Own(dir) = &self.origin {
            let turned = self.turn(dir, &mut others, now, &mut turns);
            let failed = turned.err().map(|error| error.to_string());
            if failed != others.failed {
                turns.extend(failed.clone().map(Turn::Failed));
                others.failed = failed;
            }
            self.bind(&others);
        }
        let signing = self.signing();
        let about = signing.about();
        let days = days_left(about, now);
        let due = WARNED.into_iter().rev().chain([0]).filter(|bound| days <= *bound).min();
        let said =
            others.said.as_ref().filter(|(known, _)| *known == about.fingerprint).map(|(_, days)| *days);
        if let Some(due) = due.filter(|due| others.upcoming.is_none() && said.is_none_or(|said| *due < said))
        {
            others.said = Some((about.fingerprint.clone(), due));
            turns.push(Turn::Ends(about.clone(), days));
        }
        turns
    }

    fn turn(
        &self,
        dir: &Path,
        others: &mut Others,
        now: Timestamp,
        turns: &mut Vec<Turn>,
    ) -> Result<(), AuthorityError> {
        if others.upcoming.as_ref().is_some_and(|(_, at)| *at <= now) {
            self.switch(dir, others)?;
            turns.push(Turn::Signs(self.signing().about().clone()));
        }
        if others.retiring.as_ref().is_some_and(|(_, about)| about.not_after < now) {
            files::remove_old(dir)?;
            turns.extend(others.retiring.take().map(|(_, about)| Turn::Left(about)));
        }
        Ok(())
    }

    /// The upcoming one signs from now on.
    fn switch(&self, dir: &Path, others: &mut Others) -> Result<(), AuthorityError> {
        files::switch(dir)?;
        if let Some((next, _)) = others.upcoming.take() {
            let old = self.signing.swap(next);
            others.retiring = Some((old.ca_pem().to_owned(), old.about().clone()));
        }
        Ok(())
    }

    /// Reads what operators have brought anew; whether that is another authority than before.
    ///
    /// # Errors
    /// What is wrong with the files: the one in force goes on signing.
    pub fn reload(&self, now: Timestamp) -> Result<bool, AuthorityError> {
        let Origin::Supplied(chain, key) = &self.origin else { return Ok(false) };
        let fresh = supplied::load(chain, key, now)?;
        let others = self.others();
        let changed = fresh.ca_pem() != self.signing().ca_pem() || fresh.chain() != self.signing().chain();
        if changed {
            self.signing.store(Arc::new(fresh));
            self.bind(&others);
        }
        Ok(changed)
    }

    /// Copies the files of the gateway's own authorities into a folder, all of one moment.
    ///
    /// # Errors
    /// Where they cannot be read or written.
    pub fn copy_into(&self, folder: &Path) -> Result<(), AuthorityError> {
        let _others = self.others();
        match &self.origin {
            Origin::Own(dir) => files::copy(dir, folder),
            Origin::Supplied(..) => Ok(()),
        }
    }

    /// Tells workloads of all that are trusted now.
    fn bind(&self, others: &Others) {
        let signing = self.signing();
        let upcoming = others.upcoming.as_ref().map(|(one, _)| one.ca_pem());
        let retiring = others.retiring.as_ref().map(|(pem, _)| pem.as_str());
        let all = std::iter::once(signing.ca_pem()).chain(upcoming).chain(retiring);
        let lines = all.map(|pem| pem.trim_end().to_owned() + "\n").collect::<String>();
        self.bundle.store(Arc::new(lines));
    }

    fn others(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Days until an authority ends, rounded up; 0 where it has ended.
pub fn days_left(about: &About, now: Timestamp) -> u64 {
    if about.not_after < now { 0 } else { (about.not_after.since(now).as_secs() / DAY + 1).max(1) }
}
