//! Where a text has a value of the vault in it: what inspection looks for beside its own detectors.
//!
//! Only values as they are: whoever asks has undone what hides them. They are sought one by one and copied nowhere, so that
//! nothing of them is left behind when they are replaced. Read next: `echo.rs`, for what one answer may not repeat.

use std::ops::Range;

use memchr::memmem::Finder;

use super::vault::Vault;
use crate::decide::dlp::Known;

/// A value with fewer bytes is not sought: it would be found in what has nothing to do with it.
const SHORTEST: usize = 6;

impl Known for Vault {
    fn find(&self, text: &[u8], each: &mut dyn FnMut(Range<usize>, &str)) {
        self.each(|name, _, value| {
            let value = value.open();
            if value.len() >= SHORTEST {
                let finder = Finder::new(value);
                finder.find_iter(text).for_each(|at| each(at..at + value.len(), name));
            }
        });
    }

    fn longest(&self) -> usize {
        let mut longest = 0;
        self.each(|_, _, value| longest = longest.max(value.open().len()));
        longest
    }

    fn open(&self, text: &[u8]) -> usize {
        let mut open = text.len();
        self.each(|_, _, value| {
            let value = value.open();
            if value.iter().any(u8::is_ascii_whitespace) {
                let first = text.len().saturating_sub(value.len() - 1);
                let begins = (first..text.len()).find(|at| value.starts_with(&text[*at..]));
                open = open.min(begins.unwrap_or(text.len()));
            }
        });
        open
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::super::MasterKey;
    use super::*;
    use crate::model::types::{Secret, SecretKey, SecretName, Timestamp};

    #[test]
    fn every_value_is_found_by_the_name_of_its_secret_and_short_ones_are_not_sought() {
        let vault = Vault::open(MasterKey::new(&Zeroizing::new([1; 32])), &[]);
        for (name, key, value) in [
            ("openai", "value", "mk-made-up"),
            ("aws", "id", "swordfish"),
            ("pin", "value", "1234"),
            ("words", "value", "two words"),
        ] {
            let (name, key) = (SecretName::parse(name).unwrap(), SecretKey::parse(key).unwrap());
            vault.keep(&[vault.seal((&name, &key), &Secret::new(value.into()), ("ann", Timestamp(7)))]);
        }
        let mut found = Vec::new();
        vault.find(b"1234 swordfish, mk-made-up and swordfish", &mut |range, name| {
            found.push((range, name.to_owned()))
        });
        found.sort_by_key(|(range, _)| range.start);
        let expected = [(5..14, "aws"), (16..26, "openai"), (31..40, "aws")];
        assert_eq!(found, expected.map(|(range, name)| (range, name.to_owned())));
        assert_eq!(vault.longest(), 10);
        for (text, open) in [("say two w", 4), ("say two words", 13), ("swordf", 6)] {
            assert_eq!(vault.open(text.as_bytes()), open, "{text}");
        }
    }
}
