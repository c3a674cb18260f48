//! Finds the vault's values wherever they surface in what is looked into.
//!
//! No value is copied for that: what is kept are its first bytes, which say where to compare. Made anew when the vault changes. A
//! value that is too short to be told from chance is not looked for. Read next: `decide/dlp/inspect.rs`, which asks.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::vault::Vault;
use crate::decide::dlp::Known;
use crate::model::types::Secret;

/// Bytes of the shortest value that is looked for.
const LEAST: usize = 8;
/// First bytes by which places are chosen.
const FIRST: usize = 4;
/// Sets of two bytes, a bit for each.
const PAIRS: usize = 1 << 16;

/// The values of a vault, to be found.
#[derive(Debug)]
pub struct KnownValues {
    vault: Arc<Vault>,
    made: ArcSwap<Made>,
}

/// A value with its name.
type Named = (Arc<str>, Arc<Secret>);

/// One state of the vault.
#[derive(Debug)]
struct Made {
    generation: Option<u64>,
    /// Whether a value begins with these two bytes.
    pairs: Box<[u64]>,
    by_first: HashMap<[u8; FIRST], Vec<Named>>,
    longest: usize,
}

impl Made {
    fn empty() -> Self {
        let pairs = vec![0; PAIRS / 64].into();
        Self { generation: None, pairs, by_first: HashMap::new(), longest: 0 }
    }

    fn of(vault: &Vault) -> Self {
        let mut made = Self { generation: Some(vault.generation()), ..Self::empty() };
        vault.each(|name, key, secret| {
            let value = secret.open();
            let Some(first) = value.first_chunk::<FIRST>().filter(|_| value.len() >= LEAST) else { return };
            let pair = pair(first[0], first[1]);
            made.pairs[pair / 64] |= 1 << (pair % 64);
            made.longest = made.longest.max(value.len());
            let name = format!("{name}/{key}").into();
            made.by_first.entry(*first).or_default().push((name, secret.clone()));
        });
        made
    }

    /// Whether a value may begin there; at the end of a text fewer of its bytes are known.
    fn begins(&self, text: &[u8]) -> bool {
        let [first, second, ..] = *text else { return false };
        let pair = pair(first, second);
        self.pairs[pair / 64] & 1 << (pair % 64) != 0
    }

    fn values(&self) -> impl Iterator<Item = &Named> {
        self.by_first.values().flatten()
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(u16::from_be_bytes([first, second]))
}

impl KnownValues {
    /// Of this vault, as it is whenever something is looked into.
    pub fn of(vault: Arc<Vault>) -> Self {
        Self { vault, made: ArcSwap::from_pointee(Made::empty()) }
    }

    fn made(&self) -> Arc<Made> {
        let made = self.made.load_full();
        if made.generation == Some(self.vault.generation()) {
            return made;
        }
        let made = Arc::new(Made::of(&self.vault));
        self.made.store(made.clone());
        made
    }
}

impl Known for KnownValues {
    fn find(&self, text: &[u8], each: &mut dyn FnMut(Range<usize>, &str)) {
        let made = self.made();
        if made.by_first.is_empty() {
            return;
        }
        for at in 0..text.len().saturating_sub(LEAST - 1) {
            let rest = &text[at..];
            if !made.begins(rest) {
                continue;
            }
            let first = rest.first_chunk::<FIRST>();
            for (name, secret) in first.and_then(|first| made.by_first.get(first)).into_iter().flatten() {
                let value = secret.open();
                if rest.starts_with(value) {
                    each(at..at + value.len(), name);
                }
            }
        }
    }

    fn longest(&self) -> usize {
        self.made().longest
    }

    fn open(&self, text: &[u8]) -> usize {
        let made = self.made();
        let has_gaps = |value: &[u8]| value.iter().any(u8::is_ascii_whitespace);
        let begun = |secret: &Secret| {
            let value = secret.open();
            if !has_gaps(value) {
                return text.len();
            }
            let least = text.len().saturating_sub(value.len() - 1);
            (least..text.len()).find(|at| value.starts_with(&text[*at..])).unwrap_or(text.len())
        };
        made.values().map(|(_, secret)| begun(secret)).min().unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::credentials::MasterKey;
    use crate::model::types::{SecretKey, SecretName, Timestamp};

    const AT: Timestamp = Timestamp(1);

    fn vault(values: &[(&str, &[u8])]) -> Arc<Vault> {
        let vault = Vault::open(MasterKey::new(&[7; 32].into()), &[]);
        for (name, value) in values {
            set(&vault, name, value);
        }
        Arc::new(vault)
    }

    fn set(vault: &Vault, name: &str, value: &[u8]) {
        let name = SecretName::parse(name).unwrap();
        let key = SecretKey::parse("value").unwrap();
        let sealed = vault.seal((&name, &key), &Secret::new(value.to_vec()), ("root", AT));
        vault.keep(&[sealed]);
    }

    fn found(known: &KnownValues, text: &[u8]) -> Vec<(Range<usize>, String)> {
        let mut found = Vec::new();
        known.find(text, &mut |range, name| found.push((range, name.to_owned())));
        found
    }

    #[test]
    fn values_are_found_wherever_they_stand_and_as_the_vault_is_now() {
        let vault = vault(&[("model", b"kq82Hs7Wm2XzpL"), ("short", b"abc")]);
        let known = KnownValues::of(vault.clone());
        assert_eq!(found(&known, b"x kq82Hs7Wm2XzpL y"), [(2..16, "model/value".to_owned())]);
        assert_eq!(found(&known, b"kq82Hs7Wm2XzpL"), [(0..14, "model/value".to_owned())]);
        assert!(found(&known, b"kq82Hs7Wm2Xzp abc").is_empty());
        assert_eq!(known.longest(), 14);
        set(&vault, "model", b"another-value-of-it");
        assert!(found(&known, b"kq82Hs7Wm2XzpL").is_empty(), "it was rotated");
        assert_eq!(found(&known, b"another-value-of-it").len(), 1);
    }

    #[test]
    fn a_value_with_blanks_is_waited_for_from_where_it_may_have_begun() {
        let known = KnownValues::of(vault(&[("words", b"velvet orbit canyon")]));
        assert_eq!(known.open(b"about velvet orbit"), 6);
        assert_eq!(known.open(b"about nothing"), 13);
    }
}
