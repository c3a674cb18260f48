//! Seals values: each by a key of its own, which the master key wraps (AES-256-GCM both times, random nonces).
//!
//! Name, key and version are sealed with both, so that what was stored for one does not open for another. It never says why
//! something does not open: a wrong key and a changed byte look the same.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::model::types::Secret;
use crate::platform::registry::SealedValue;
use crate::platform::sys::locked::LockedBytes;

/// Bytes of a master key, and of the key of one value.
pub const KEY_BYTES: usize = 32;
/// Bytes by which a sealed value is longer than the value: the nonce before it, the tag behind it.
const ADDED_BYTES: usize = NONCE_LEN + 16;

/// A key, as it was read or made.
pub type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// Tells master keys apart, and says nothing of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId(String);

/// What a value is sealed for.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// The secret.
    pub name: &'a str,
    /// The value's name within it.
    pub key: &'a str,
    /// How often the value was set.
    pub version: u64,
}

/// It does not open: another key sealed it, or for something else, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotOpen;

/// The key that wraps the keys of all values. It lies in locked memory; the cipher, which cannot, is made anew for each use
/// and overwritten behind it.
pub struct MasterKey {
    wrapping: LockedBytes,
    id: KeyId,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id.0)
    }
}

impl KeyId {
    /// As it stands beside what the key sealed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MasterKey {
    /// Takes the key into use.
    pub fn new(key: &KeyBytes) -> Self {
        let digest =
            Sha256::new_with_prefix(b"clawgress master key\0").chain_update(key.as_slice()).finalize();
        let id = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { wrapping: LockedBytes::of(&[key.as_slice()]), id: KeyId(id) }
    }

    /// Which one it is.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Seals a value under a new key of its own.
    pub fn seal(&self, label: Label<'_>, value: &Secret) -> SealedValue {
        let key = random_key();
        SealedValue {
            master: self.id.0.clone(),
            wrapped_key: seal(&cipher(&self.wrapping), &label.bytes("key"), key.as_slice()),
            value: seal(&cipher(&*key), &label.bytes("value"), value.open()),
        }
    }

    /// Opens what was sealed for this label.
    pub fn open(&self, label: Label<'_>, sealed: &SealedValue) -> Result<Secret, DoesNotOpen> {
        let key = open(&cipher(&self.wrapping), &label.bytes("key"), &sealed.wrapped_key)?;
        if key.open().len() != KEY_BYTES {
            return Err(DoesNotOpen);
        }
        open(&cipher(key.open()), &label.bytes("value"), &sealed.value)
    }
}

impl Label<'_> {
    /// What is sealed with: each part behind its length, so that no two labels are alike.
    fn bytes(&self, what: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in ["clawgress secret", what, self.name, self.key] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.extend(self.version.to_be_bytes());
        bytes
    }
}

/// A new key.
pub fn random_key() -> KeyBytes {
    let mut key = KeyBytes::default();
    rand::fill(key.as_mut_slice())
        .expect("invariant: the system's random numbers do not fail once they have begun");
    key
}

fn cipher(key: &[u8]) -> RandomizedNonceKey {
    RandomizedNonceKey::new(&AES_256_GCM, key).expect("invariant: the key has the cipher's length")
}

fn seal(cipher: &RandomizedNonceKey, label: &[u8], value: &[u8]) -> Vec<u8> {
    let mut text = Zeroizing::new(value.to_vec());
    let (nonce, tag) = cipher
        .seal_in_place_separate_tag(Aad::from(label), &mut text)
        .expect("invariant: what is sealed is far shorter than the cipher's bound");
    [nonce.as_ref(), text.as_slice(), tag.as_ref()].concat()
}

fn open(cipher: &RandomizedNonceKey, label: &[u8], sealed: &[u8]) -> Result<Secret, DoesNotOpen> {
    if sealed.len() < ADDED_BYTES {
        return Err(DoesNotOpen);
    }
    let (nonce, text) = sealed.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| DoesNotOpen)?;
    // Opened where it stays: no other memory has it.
    let mut value = LockedBytes::of(&[text]);
    let length = cipher.open_in_place(nonce, Aad::from(label), &mut value).map_err(|_| DoesNotOpen)?.len();
    value.truncate(length);
    Ok(Secret::held_by(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label<'_> = Label { name: "anthropic", key: "value", version: 3 };

    fn master(byte: u8) -> MasterKey {
        MasterKey::new(&Zeroizing::new([byte; KEY_BYTES]))
    }

    fn sealed() -> SealedValue {
        master(1).seal(LABEL, &Secret::new(b"swordfish".to_vec()))
    }

    fn opened(master: &MasterKey, label: Label<'_>, sealed: &SealedValue) -> Option<Vec<u8>> {
        master.open(label, sealed).ok().map(|secret| secret.open().to_vec())
    }

    #[test]
    fn what_is_sealed_opens_for_its_label_and_is_unreadable_until_then() {
        let sealed = sealed();
        assert_eq!(opened(&master(1), LABEL, &sealed).as_deref(), Some(&b"swordfish"[..]));
        let holds =
            |bytes: &[u8]| bytes.windows(5).any(|part| b"swordfish".windows(5).any(|own| own == part));
        assert!(!holds(&sealed.value) && !holds(&sealed.wrapped_key));
        assert_eq!(sealed.value.len(), 9 + ADDED_BYTES);
    }

    #[test]
    fn what_was_stored_for_one_name_key_or_version_does_not_open_for_another() {
        for label in [
            Label { name: "openai", ..LABEL },
            Label { key: "other", ..LABEL },
            Label { version: 2, ..LABEL },
            // The same characters, divided elsewhere.
            Label { name: "anthropicv", key: "alue", ..LABEL },
        ] {
            assert_eq!(opened(&master(1), label, &sealed()), None, "{label:?}");
        }
    }

    #[test]
    fn another_master_key_opens_nothing_and_has_another_id() {
        assert_eq!(opened(&master(2), LABEL, &sealed()), None);
        assert_ne!(master(1).id(), master(2).id());
        assert_eq!(format!("{:?}", master(1)), format!("MasterKey({})", master(1).id().as_str()));
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let whole = sealed();
        for at in 0..whole.value.len() {
            let mut changed = whole.clone();
            changed.value[at] ^= 1;
            assert_eq!(opened(&master(1), LABEL, &changed), None, "bit of byte {at} of the value");
        }
        for at in 0..whole.wrapped_key.len() {
            let mut changed = whole.clone();
            changed.wrapped_key[at] ^= 0x80;
            assert_eq!(opened(&master(1), LABEL, &changed), None, "bit of byte {at} of the key");
        }
        for length in 0..ADDED_BYTES {
            let cut = SealedValue { value: whole.value[..length].to_vec(), ..whole.clone() };
            assert_eq!(opened(&master(1), LABEL, &cut), None, "cut to {length}");
        }
    }

    #[test]
    fn the_value_of_one_row_with_the_key_of_another_does_not_open() {
        let (one, other) = (sealed(), sealed());
        assert_ne!((&one.value, &one.wrapped_key), (&other.value, &other.wrapped_key), "a key for each");
        let mixed = SealedValue { value: other.value, ..one };
        assert_eq!(opened(&master(1), LABEL, &mixed), None);
    }
}
