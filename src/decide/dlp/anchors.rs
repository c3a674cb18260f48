//! Finds where one of many words stands in a text, in whatever case, in one pass over it.
//!
//! A set of bits over folded groups of three bytes is asked at every second byte; each word is at least four bytes long, so one
//! of two neighbouring groups of it is met. What the set lets through is compared with the words themselves. The work for one
//! byte is bounded by the words that share a group, and the words are ours: no text can add to them.

/// Where words stand. Read next: `formats.rs`.
#[derive(Debug)]
pub struct Anchors {
    /// One bit for each hash of a group that belongs to a word.
    bits: Box<[u64]>,
    /// For each hash, one more than the place of its list in `lists`; nothing where there is none.
    slots: Box<[u16]>,
    lists: Vec<Vec<Place>>,
    words: Vec<Box<[u8]>>,
}

/// That a group stands in a word, so many bytes from its beginning.
#[derive(Debug, Clone, Copy)]
struct Place {
    word: u16,
    offset: u8,
}

/// Bytes of the shortest word.
pub const SHORTEST: usize = 4;
const HASH_BITS: u32 = 16;

impl Anchors {
    /// Of these words, in lower case; their places in the list are their numbers.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: Vec<Box<[u8]>> = words.into_iter().map(|word| word.as_bytes().into()).collect();
        let mut anchors = Self {
            bits: vec![0; 1 << (HASH_BITS - 6)].into(),
            slots: vec![0; 1 << HASH_BITS].into(),
            lists: Vec::new(),
            words: Vec::new(),
        };
        for (number, word) in words.iter().enumerate() {
            let Some(best) = (0..word.len().saturating_sub(SHORTEST - 1)).min_by_key(|at| usual(word, *at))
            else {
                continue;
            };
            for offset in best..best + 2 {
                let hash = hash(group(&word[offset..]));
                anchors.bits[hash >> 6] |= 1 << (hash & 63);
                if anchors.slots[hash] == 0 {
                    anchors.lists.push(Vec::new());
                    anchors.slots[hash] = u16::try_from(anchors.lists.len()).unwrap_or(u16::MAX);
                }
                let place = Place {
                    word: u16::try_from(number).unwrap_or(u16::MAX),
                    offset: u8::try_from(offset).unwrap_or(u8::MAX),
                };
                anchors.lists[usize::from(anchors.slots[hash]) - 1].push(place);
            }
        }
        anchors.words = words;
        anchors
    }

    /// Calls back with where a word begins and its number. Those at one place come in the order of the words; a later one may
    /// begin a little before one that was told already.
    pub fn each(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        // Four bytes at a time, of which three are a group; the last three bytes of a text are looked at by themselves.
        let mut at = 0;
        for four in text.windows(4).step_by(2) {
            let four = u32::from_le_bytes([four[0], four[1], four[2], four[3]]) & 0x00ff_ffff;
            let hash = hash(four | 0x0020_2020);
            if self.bits[hash >> 6] >> (hash & 63) & 1 != 0 {
                self.compare(text, at, hash, &mut found);
            }
            at += 2;
        }
        if at + 3 == text.len() {
            self.compare(text, at, hash(group(&text[at..])), &mut found);
        }
    }

    #[cold]
    fn compare(&self, text: &[u8], at: usize, hash: usize, found: &mut impl FnMut(usize, usize)) {
        let Some(list) = usize::from(self.slots[hash]).checked_sub(1) else { return };
        for place in &self.lists[list] {
            let word = &self.words[usize::from(place.word)];
            let Some(start) = at.checked_sub(usize::from(place.offset)) else { continue };
            if text.get(start..start + word.len()).is_some_and(|there| there.eq_ignore_ascii_case(word)) {
                found(start, usize::from(place.word));
            }
        }
    }
}

/// Three bytes, with upper case made lower; some signs fall together with others, which the comparison sorts out.
fn group(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) | 0x0020_2020
}

fn hash(group: u32) -> usize {
    (group.wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS)) as usize
}

/// How usual two neighbouring groups are in English, about: the less, the fewer comparisons.
fn usual(word: &[u8], at: usize) -> u32 {
    // Letters by how often they stand in English, the most frequent first.
    const LETTERS: &[u8] = b"etaoinsrhdlucmfywgpbvkxqjz";
    let rank = |byte: u8| match LETTERS.iter().position(|letter| *letter == byte) {
        Some(place) => 26 - u32::try_from(place).unwrap_or(26),
        None if byte == b' ' => 26,
        None => 2,
    };
    let group = |at: usize| word[at..at + 3].iter().map(|byte| rank(*byte)).product::<u32>();
    group(at) + group(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(words: &[&str], text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        Anchors::new(words.iter().copied()).each(text.as_bytes(), |at, word| found.push((at, word)));
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn a_word_is_found_at_any_place_and_in_any_case() {
        let words = ["ghp_", "password"];
        for before in 0..9 {
            for after in 0..5 {
                let text = format!("{}GHp_{}", " ".repeat(before), " ".repeat(after));
                assert_eq!(places(&words, &text), [(before, 0)], "{text:?}");
                let text = format!("{}passWORD{}", "x".repeat(before), "x".repeat(after));
                assert_eq!(places(&words, &text), [(before, 1)], "{text:?}");
            }
        }
    }

    #[test]
    fn words_that_share_letters_are_all_found() {
        assert_eq!(places(&["pass", "passwd", "asswd_"], "passwd_"), [(0, 0), (0, 1), (1, 2)]);
        assert_eq!(places(&["pass"], "pas spass"), [(5, 0)]);
    }
}
