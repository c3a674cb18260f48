//! The vault as operators change it: what is stored comes into force, and what comes into force is stored first.
//!
//! Each change is in force when it returns, or has changed nothing and says why. What the master key does not open stays
//! stored and unavailable, and status and doctor say so. It never opens a value. Read next: `act/credentials`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Mutex as Turn;

use super::Error;
use crate::act::credentials::{self, KeySource, Listed, Vault};
use crate::model::manifest::Resources;
use crate::model::manifest::resources::CredentialPolicy;
use crate::model::types::limits::{SECRET_BYTES, SECRET_VALUES};
use crate::model::types::{PolicyRef, Secret, SecretKey, SecretName};
use crate::operate::api::{
    Check, CheckState, Diagnostic, Fault, FaultCode, NewSecret, SecretValue, SetSecrets, Severity,
};
use crate::platform::registry::{self, Registry};
use crate::platform::sys::{clock, locked};

/// The kind of document that names secrets.
const POLICY: &str = "CredentialInjectionPolicy";
/// Names of values that one sentence lists.
const NAMED: usize = 5;

/// Looks after the vault.
pub struct Secrets {
    registry: Registry,
    vault: Arc<Vault>,
    source: KeySource,
    /// The file of the key in force.
    key: PathBuf,
    /// The file of a key that is no longer in force.
    older: Option<PathBuf>,
    runtime: Handle,
    /// Held by whoever changes something, so that changes follow one another.
    turn: Turn<()>,
}

/// A value that may be set.
type Wanted = (SecretName, SecretKey, Secret);

impl Secrets {
    /// Finds the master key, or makes it, and opens what is stored. `given` is the folder of this service's credentials. Must
    /// be called inside the operator's runtime.
    ///
    /// # Errors
    /// Where there is a key that must not be used, or the registry cannot be read.
    pub async fn start(registry: Registry, state: &Path, given: Option<&Path>) -> Result<Self, Error> {
        let part = |error: &dyn std::error::Error| Error::Part(error.to_string());
        let found = credentials::find_or_make(state, given).map_err(|error| part(&error))?;
        let stored = registry.secrets().await.map_err(|error| part(&error))?;
        let vault = Vault::open(found.key, &stored);
        if let Some((key, _)) = &found.older {
            let anew = vault.seal_anew(key, &stored);
            if !anew.is_empty() {
                registry.put_secrets(&anew).await.map_err(|error| part(&error))?;
                vault.keep(&anew);
                tracing::info!(values = anew.len(), "sealed anew under the new master key");
            }
        }
        let unreadable = vault.listed().iter().filter(|one| !one.readable).count();
        if unreadable > 0 {
            tracing::error!(
                values = unreadable,
                "the master key does not open every secret: clawgress doctor"
            );
        }
        Ok(Self {
            registry,
            vault: Arc::new(vault),
            key: match &found.source {
                KeySource::File(path) => path.clone(),
                KeySource::Credential => given.unwrap_or(state).join(credentials::CREDENTIAL),
            },
            source: found.source,
            older: found.older.map(|(_, path)| path),
            runtime: Handle::current(),
            turn: Turn::default(),
        })
    }

    /// The values, for whoever puts them into requests.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Where values are stored, sealed.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The file of the master key in force.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Every value, without itself, and which of these documents name it.
    pub fn list(&self, resources: &Resources) -> Vec<SecretValue> {
        let mut all = self.values();
        for one in &mut all {
            let meant = |policy: &&CredentialPolicy| {
                let means = |key: &Option<&str>| self.vault.means(&one.name, *key, &one.key);
                *policy.secret == *one.name && policy.keys().iter().any(means)
            };
            let named = resources.credentials.iter().filter(|(_, policy)| meant(policy));
            one.policies = named.map(|(name, _)| PolicyRef::new(POLICY, name).0.to_string()).collect();
        }
        all
    }

    /// Documents that name a value that nobody has set: each is in force, and what it is about is refused until then.
    pub fn missing(&self, resources: &Resources) -> Vec<Diagnostic> {
        let missing = |(name, policy): (&Arc<str>, &CredentialPolicy)| {
            let lacks = |key: &Option<&str>| self.vault.version(&policy.secret, *key).is_none();
            let key = policy.keys().into_iter().find(lacks)?;
            let value =
                key.map_or_else(|| policy.secret.to_string(), |key| format!("{}/{key}", policy.secret));
            let option = key.map(|key| format!(" --key {key}")).unwrap_or_default();
            Some(Diagnostic {
                severity: Severity::Warning,
                message: format!("{POLICY} `{name}` needs the secret `{value}`, which nobody has set"),
                file: Some(policy.origin.file.to_string()),
                line: Some(policy.origin.line as u64),
                hint: Some(format!("clawgress secret set {}{option}", policy.secret)),
                ..Diagnostic::default()
            })
        };
        resources.credentials.iter().filter_map(missing).collect()
    }

    fn values(&self) -> Vec<SecretValue> {
        self.vault.listed().into_iter().map(shown).collect()
    }

    /// Sets values, all of them or none. Blocks.
    ///
    /// # Errors
    /// What is wrong with the question, or why it cannot be stored; nothing is set then.
    pub fn set(&self, query: &SetSecrets, by: &str) -> Result<Vec<SecretValue>, Fault> {
        let wanted = wanted(query)?;
        let stored = self.runtime.block_on(async {
            let _turn = self.turn.lock().await;
            self.check_room(&wanted)?;
            let at = clock::now();
            let seal = |(name, key, value): &Wanted| self.vault.seal((name, key), value, (by, at));
            let stored: Vec<_> = wanted.iter().map(seal).collect();
            self.registry.put_secrets(&stored).await.map_err(|error| unwritten(&error, "nothing was set"))?;
            self.vault.keep(&stored);
            Ok(stored)
        })?;
        let set = |one: &SecretValue| {
            stored.iter().any(|stored| *stored.name == *one.name && *stored.key == *one.key)
        };
        Ok(self.values().into_iter().filter(set).collect())
    }

    /// Removes a secret, or one value of it. Blocks.
    ///
    /// # Errors
    /// Where there is none, or it cannot be removed from what is stored; it stays in force then.
    pub fn remove(&self, name: &str, key: Option<&str>) -> Result<Vec<SecretValue>, Fault> {
        self.runtime.block_on(async {
            let _turn = self.turn.lock().await;
            let gone = |one: &SecretValue| one.name == name && key.is_none_or(|key| one.key == key);
            let gone: Vec<_> = self.values().into_iter().filter(gone).collect();
            if gone.is_empty() {
                let of = key.map(|key| format!(" with the key `{key}`")).unwrap_or_default();
                let fault = Fault::not_found(format!("there is no secret `{name}`{of}"));
                return Err(fault.hint("`clawgress secret list` shows those that there are"));
            }
            let removed = self.registry.remove_secret(name, key).await;
            removed.map_err(|error| unwritten(&error, "nothing was removed"))?;
            self.vault.forget(name, key);
            Ok(gone)
        })
    }

    /// What an operator has to do, where something cannot be opened or is not there.
    pub fn needs(&self, resources: &Resources) -> Vec<String> {
        let missing = self.missing(resources).into_iter();
        let missing = missing.map(|one| format!("{}: {}", one.message, one.hint.unwrap_or_default()));
        let unlocked = locked::refused().map(|why| {
            format!("memory that holds secrets is not locked ({why}): LimitMEMLOCK=256M in the unit")
        });
        let trouble = self.trouble().map(|(found, repair)| format!("{found}: {repair}"));
        unlocked.into_iter().chain(missing).chain(trouble).collect()
    }

    /// How the master key is.
    pub fn check(&self) -> Check {
        let name = "master-key".to_owned();
        if let Some((found, repair)) = self.trouble() {
            return Check { name, state: CheckState::Fail, found, repair: Some(repair) };
        }
        let found = match &self.source {
            KeySource::Credential => "a credential of systemd, opens every secret".to_owned(),
            KeySource::File(path) => format!("`{}`, opens every secret", path.display()),
        };
        match &self.older {
            None => Check { name, state: CheckState::Ok, found, repair: None },
            Some(path) => Check {
                name,
                state: CheckState::Warn,
                found: format!("{found}; `{}` is an older key that nothing needs", path.display()),
                repair: Some(format!("sudo shred -u {}", path.display())),
            },
        }
    }

    /// Whether memory that holds secrets stays out of swap.
    pub fn memory() -> Check {
        let name = "locked-memory".to_owned();
        let Some(why) = locked::refused() else {
            let found = "what holds secrets is locked, and stays out of swap".to_owned();
            return Check { name, state: CheckState::Ok, found, repair: None };
        };
        Check {
            name,
            state: CheckState::Warn,
            found: format!("what holds secrets may be written to swap: {why}"),
            repair: Some("LimitMEMLOCK=256M in the unit, or no swap, or swap that is encrypted".to_owned()),
        }
    }

    /// What cannot be opened, and what mends it.
    fn trouble(&self) -> Option<(String, String)> {
        let listed = self.vault.listed();
        let unreadable: Vec<_> = listed.iter().filter(|one| !one.readable).collect();
        let first = unreadable.first()?;
        let mut names: Vec<_> =
            unreadable.iter().take(NAMED).map(|one| format!("{}/{}", one.name, one.key)).collect();
        if unreadable.len() > NAMED {
            names.push(format!("{} more", unreadable.len() - NAMED));
        }
        let found = format!("secrets that the master key does not open ({})", names.join(", "));
        let repair = format!(
            "put the old master key back and `systemctl restart clawgressd`, or set each anew with `clawgress secret set {} \
             --key {}`",
            first.name, first.key
        );
        Some((found, repair))
    }

    fn check_room(&self, wanted: &[Wanted]) -> Result<(), Fault> {
        let new = |(name, key, _): &&Wanted| self.vault.version(name.as_str(), Some(key.as_str())).is_none();
        let sum = self.vault.listed().len() + wanted.iter().filter(new).count();
        if sum > SECRET_VALUES {
            let message = format!("there would be {sum} values, more than {SECRET_VALUES}; nothing was set");
            return Err(Fault::invalid(message).hint("`clawgress secret remove NAME` makes room"));
        }
        Ok(())
    }
}

/// The values of a question, each at most once.
fn wanted(query: &SetSecrets) -> Result<Vec<Wanted>, Fault> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::with_capacity(query.secrets.len());
    for NewSecret { name, key, value } in &query.secrets {
        // What is no name or key is not quoted: it may be a value in the wrong place.
        let no_name = || Fault::invalid("this is not a name of a secret").hint(SecretName::RULE);
        let name = SecretName::parse(name).ok_or_else(no_name)?;
        let no_key = || Fault::invalid("this is not a key of a secret").hint(SecretKey::RULE);
        let key = SecretKey::parse(key).ok_or_else(no_key)?;
        let title = format!("{}/{}", name.as_str(), key.as_str());
        let mut bytes =
            value.bytes().ok_or_else(|| Fault::invalid(format!("the value of `{title}` is not Base64")))?;
        if bytes.is_empty() {
            return Err(Fault::invalid(format!("the value of `{title}` is empty"))
                .hint("`clawgress secret remove NAME` removes a secret"));
        }
        if bytes.len() > SECRET_BYTES {
            return Err(Fault::invalid(format!(
                "the value of `{title}` has {} bytes, more than {SECRET_BYTES}",
                bytes.len()
            )));
        }
        if !seen.insert((name.clone(), key.clone())) {
            return Err(Fault::invalid(format!("`{title}` is given twice")));
        }
        all.push((name, key, Secret::new(std::mem::take(&mut *bytes))));
    }
    if all.is_empty() { Err(Fault::invalid("no value is given")) } else { Ok(all) }
}

fn shown(listed: Listed) -> SecretValue {
    SecretValue {
        name: listed.name.to_string(),
        key: listed.key.to_string(),
        version: listed.version,
        set_by: listed.set_by.to_string(),
        set_at: listed.set_at,
        readable: listed.readable,
        policies: Vec::new(),
    }
}

fn unwritten(error: &registry::Error, what: &str) -> Fault {
    Fault::new(FaultCode::Busy, format!("{error}; {what}")).hint("clawgress status says how the registry is")
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
