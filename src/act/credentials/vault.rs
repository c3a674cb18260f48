//! The values that the vault holds open, for whoever puts them into requests.
//!
//! Readers see one whole state and never wait. A change takes the place of that state at once: a request that has a value
//! keeps it, the next one has the new one. Nothing here reads or writes the registry; `operate/daemon` does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::echo::Echo;
use super::sealing::{Label, MasterKey};
use crate::model::types::{Secret, SecretKey, SecretName, Timestamp};
use crate::platform::registry::StoredSecret;

/// The key that is meant where a secret has several and none is named.
const DEFAULT_KEY: &str = "value";

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// Nobody has set it, or somebody has removed it.
    Missing,
    /// It is stored, and the master key of this daemon does not open it.
    Undecryptable,
}

/// A value as operators see it: everything but itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The secret.
    pub name: Arc<str>,
    /// The value's name within it.
    pub key: Arc<str>,
    /// How often it was set.
    pub version: u64,
    /// Who set it last.
    pub set_by: Arc<str>,
    /// When.
    pub set_at: Timestamp,
    /// Whether it can be used.
    pub readable: bool,
}

/// Every secret of this gateway.
#[derive(Debug)]
pub struct Vault {
    master: MasterKey,
    held: ArcSwap<Held>,
    /// What no answer may repeat.
    echo: ArcSwapOption<Echo>,
    /// Held by whoever changes something.
    changing: Mutex<()>,
}

/// One state of the vault.
#[derive(Debug, Clone, Default)]
struct Held {
    secrets: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Value>>,
    /// Counts the changes since the start.
    generation: u64,
}

#[derive(Debug, Clone)]
struct Value {
    /// Absent where it does not open.
    open: Option<Arc<Secret>>,
    version: u64,
    set_by: Arc<str>,
    set_at: Timestamp,
}

impl Vault {
    /// Opens what is stored. What does not open stays unavailable, and hinders nothing else.
    pub fn open(master: MasterKey, stored: &[StoredSecret]) -> Self {
        let (held, echo) = (ArcSwap::default(), ArcSwapOption::default());
        let vault = Self { master, held, echo, changing: Mutex::default() };
        vault.keep(stored);
        vault
    }

    /// The value that is in force now. Without a key the only one of that secret, or `value` of several.
    ///
    /// # Errors
    /// Where it cannot be used, and why.
    pub fn value(&self, name: &str, key: Option<&str>) -> Result<Arc<Secret>, Unavailable> {
        let held = self.held.load();
        let value = held.find(name, key).ok_or(Unavailable::Missing)?;
        value.open.clone().ok_or(Unavailable::Undecryptable)
    }

    /// How often the value was set; nothing where there is none.
    pub fn version(&self, name: &str, key: Option<&str>) -> Option<u64> {
        self.held.load().find(name, key).map(|value| value.version)
    }

    /// Whether somebody who names this key, or none, means that one.
    pub fn means(&self, name: &str, named: Option<&str>, key: &str) -> bool {
        let held = self.held.load();
        let value = |key: Option<&str>| held.find(name, key).map(std::ptr::from_ref);
        value(Some(key)).is_some_and(|meant| value(named) == Some(meant))
    }

    /// Counts the changes since the start: as long as it stays, every value does.
    pub fn generation(&self) -> u64 {
        self.held.load().generation
    }

    /// What no answer may repeat: every value that can be told from chance. Nothing where there is none.
    pub fn echo(&self) -> Option<Arc<Echo>> {
        self.echo.load_full()
    }

    /// All that is stored, by name and key.
    pub fn listed(&self) -> Vec<Listed> {
        let held = self.held.load();
        let each = held
            .secrets
            .iter()
            .flat_map(|(name, keys)| keys.iter().map(move |(key, value)| (name, key, value)));
        each.map(|(name, key, value)| Listed {
            name: name.clone(),
            key: key.clone(),
            version: value.version,
            set_by: value.set_by.clone(),
            set_at: value.set_at,
            readable: value.open.is_some(),
        })
        .collect()
    }

    /// Seals a value as the next version of its name and key. In force once it is stored and [`Vault::keep`] has it.
    pub fn seal(
        &self,
        (name, key): (&SecretName, &SecretKey),
        value: &Secret,
        by: (&str, Timestamp),
    ) -> StoredSecret {
        let (name, key) = (name.as_str(), key.as_str());
        let version = self.version(name, Some(key)).unwrap_or(0).saturating_add(1);
        StoredSecret {
            name: name.into(),
            key: key.into(),
            version,
            sealed: self.master.seal(Label { name, key, version }, value),
            set_by: by.0.to_owned(),
            set_at: by.1,
        }
    }

    /// Puts what has been stored in force, all of it at one moment.
    pub fn keep(&self, stored: &[StoredSecret]) {
        let values: Vec<_> =
            stored.iter().map(|one| (one.name.clone(), one.key.clone(), self.opened(one))).collect();
        self.change(|held| {
            for (name, key, value) in &values {
                held.secrets.entry(name.clone()).or_default().insert(key.clone(), value.clone());
            }
        });
    }

    /// Forgets a secret, or one value of it.
    pub fn forget(&self, name: &str, key: Option<&str>) {
        self.change(|held| {
            if let (Some(key), Some(keys)) = (key, held.secrets.get_mut(name)) {
                keys.remove(key);
            }
            if key.is_none() || held.secrets.get(name).is_some_and(BTreeMap::is_empty) {
                held.secrets.remove(name);
            }
        });
    }

    /// Seals anew what only an older master key opens, for it to be stored. Versions stay.
    pub fn seal_anew(&self, older: &MasterKey, stored: &[StoredSecret]) -> Vec<StoredSecret> {
        let again = |one: &StoredSecret| {
            let label = label(one);
            if self.master.open(label, &one.sealed).is_ok() {
                return None;
            }
            let value = older.open(label, &one.sealed).ok()?;
            Some(StoredSecret { sealed: self.master.seal(label, &value), ..one.clone() })
        };
        stored.iter().filter_map(again).collect()
    }

    /// Every value that is open, by name and key.
    pub(super) fn each(&self, mut f: impl FnMut(&str, &str, &Arc<Secret>)) {
        for (name, keys) in &self.held.load().secrets {
            for (key, value) in keys {
                value.open.iter().for_each(|open| f(name, key, open));
            }
        }
    }

    fn opened(&self, stored: &StoredSecret) -> Value {
        Value {
            open: self.master.open(label(stored), &stored.sealed).ok().map(Arc::new),
            version: stored.version,
            set_by: stored.set_by.as_str().into(),
            set_at: stored.set_at,
        }
    }

    fn change(&self, change: impl Fn(&mut Held)) {
        let turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Held::clone(&self.held.load());
        change(&mut next);
        next.generation += 1;
        let values = next.secrets.values().flat_map(BTreeMap::values).filter_map(|value| value.open.as_ref());
        // No answer may repeat a value by the time that it can go out.
        self.echo.store(Echo::of_all(values.map(|value| value.open())));
        self.held.store(Arc::new(next));
        drop(turn);
    }
}

impl Held {
    fn find(&self, name: &str, key: Option<&str>) -> Option<&Value> {
        let keys = self.secrets.get(name)?;
        match key {
            Some(key) => keys.get(key),
            None if keys.len() == 1 => keys.values().next(),
            None => keys.get(DEFAULT_KEY),
        }
    }
}

fn label(stored: &StoredSecret) -> Label<'_> {
    Label { name: &stored.name, key: &stored.key, version: stored.version }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn master(byte: u8) -> MasterKey {
        MasterKey::new(&Zeroizing::new([byte; 32]))
    }

    fn set(vault: &Vault, name: &str, key: &str, value: &str) -> StoredSecret {
        let (name, key) = (SecretName::parse(name).unwrap(), SecretKey::parse(key).unwrap());
        let stored = vault.seal((&name, &key), &Secret::new(value.into()), ("ann", Timestamp(7)));
        vault.keep(std::slice::from_ref(&stored));
        stored
    }

    fn value(vault: &Vault, name: &str, key: Option<&str>) -> Result<String, Unavailable> {
        vault.value(name, key).map(|secret| String::from_utf8_lossy(secret.open()).into_owned())
    }

    #[test]
    fn without_a_key_the_only_value_is_meant_and_of_several_the_one_called_value() {
        let vault = Vault::open(master(1), &[]);
        set(&vault, "aws", "id", "one");
        assert_eq!(value(&vault, "aws", None).as_deref(), Ok("one"));
        set(&vault, "aws", "secret", "two");
        assert_eq!(value(&vault, "aws", None), Err(Unavailable::Missing));
        set(&vault, "aws", DEFAULT_KEY, "three");
        assert_eq!(value(&vault, "aws", None).as_deref(), Ok("three"));
        assert_eq!(value(&vault, "aws", Some("secret")).as_deref(), Ok("two"));
        assert_eq!(value(&vault, "aws", Some("other")), Err(Unavailable::Missing));
        assert_eq!(value(&vault, "gcp", None), Err(Unavailable::Missing));
        for (named, key, means) in [
            (None, DEFAULT_KEY, true),
            (None, "id", false),
            (Some("id"), "id", true),
            (Some("x"), "x", false),
        ] {
            assert_eq!(vault.means("aws", named, key), means, "{named:?} {key}");
        }
    }

    #[test]
    fn a_new_value_counts_at_once_and_whoever_has_the_old_one_keeps_it() {
        let vault = Vault::open(master(1), &[]);
        set(&vault, "openai", DEFAULT_KEY, "first");
        let (old, generation) = (vault.value("openai", None).unwrap(), vault.generation());
        let stored = set(&vault, "openai", DEFAULT_KEY, "second");
        assert_eq!((stored.version, vault.version("openai", None)), (2, Some(2)));
        assert_eq!(value(&vault, "openai", None).as_deref(), Ok("second"));
        assert_eq!(old.open(), b"first");
        assert!(vault.generation() > generation);
    }

    #[test]
    fn what_another_master_key_sealed_is_undecryptable_and_hinders_nothing_else() {
        let stored = set(&Vault::open(master(1), &[]), "openai", DEFAULT_KEY, "sealed");
        let vault = Vault::open(master(2), std::slice::from_ref(&stored));
        set(&vault, "anthropic", DEFAULT_KEY, "fine");
        assert_eq!(value(&vault, "openai", None), Err(Unavailable::Undecryptable));
        assert_eq!(value(&vault, "anthropic", None).as_deref(), Ok("fine"));
        let readable: Vec<_> = vault.listed().into_iter().map(|one| (one.name, one.readable)).collect();
        assert_eq!(readable, [("anthropic".into(), true), ("openai".into(), false)]);
        let again = set(&vault, "openai", DEFAULT_KEY, "set again");
        assert_eq!((again.version, value(&vault, "openai", None).as_deref()), (2, Ok("set again")));
    }

    #[test]
    fn a_row_that_was_moved_to_another_name_does_not_open_there() {
        let stored = set(&Vault::open(master(1), &[]), "cheap", DEFAULT_KEY, "sealed");
        let moved = StoredSecret { name: "dear".into(), ..stored };
        assert_eq!(value(&Vault::open(master(1), &[moved]), "dear", None), Err(Unavailable::Undecryptable));
    }

    #[test]
    fn what_is_forgotten_is_missing_and_a_secret_without_values_is_none() {
        let vault = Vault::open(master(1), &[]);
        for (name, key) in [("aws", "id"), ("aws", "secret"), ("openai", DEFAULT_KEY)] {
            set(&vault, name, key, "x");
        }
        vault.forget("aws", Some("id"));
        assert_eq!(value(&vault, "aws", None).as_deref(), Ok("x"), "the one that is left");
        vault.forget("aws", Some("secret"));
        vault.forget("openai", None);
        vault.forget("never", None);
        assert_eq!(vault.listed(), []);
    }

    #[test]
    fn what_an_older_key_sealed_is_sealed_anew_and_the_rest_is_left_alone() {
        let older = set(&Vault::open(master(1), &[]), "older", DEFAULT_KEY, "kept");
        let lost = set(&Vault::open(master(3), &[]), "lost", DEFAULT_KEY, "gone");
        let own = set(&Vault::open(master(2), &[]), "own", DEFAULT_KEY, "own");
        let vault = Vault::open(master(2), &[older.clone(), lost.clone(), own.clone()]);
        let anew = vault.seal_anew(&master(1), &[older.clone(), lost, own]);
        assert_eq!(anew.len(), 1);
        assert_eq!((&anew[0].name, anew[0].version), (&older.name, older.version));
        vault.keep(&anew);
        assert_eq!(value(&vault, "older", None).as_deref(), Ok("kept"));
        assert_eq!(value(&vault, "lost", None), Err(Unavailable::Undecryptable));
    }

    #[test]
    fn no_answer_repeats_what_is_in_the_vault_now() {
        let vault = Vault::open(master(1), &[]);
        assert!(vault.echo().is_none(), "nothing is sought where there is nothing");
        set(&vault, "openai", DEFAULT_KEY, "swordfish");
        set(&vault, "short", DEFAULT_KEY, "abcdefg");
        let repeats = |text: &str| vault.echo().is_some_and(|echo| echo.repeats(text.as_bytes()));
        assert!(repeats("<swordfish>") && !repeats("<abcdefg>"));
        set(&vault, "openai", DEFAULT_KEY, "another-fish");
        assert!(repeats("another-fish") && !repeats("swordfish"));
        vault.forget("openai", None);
        assert!(vault.echo().is_none());
    }

    #[test]
    fn nothing_of_a_value_is_shown() {
        let vault = Vault::open(master(1), &[]);
        set(&vault, "openai", DEFAULT_KEY, "swordfish");
        assert!(!format!("{vault:?}").contains("swordfish"));
    }
}
