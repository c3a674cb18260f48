//! Runs of bytes that are an encoding of others as a whole: base64, base32, hexadecimal and decimal lists.
//!
//! A run is taken for an encoding where it decodes to text, to packed text, or to bytes with a stretch of text in them.
//! What it decodes to takes its place, so that words around it still say what it is: `password: "aHVudGVy..."`. Each
//! encoding is tried by itself, because the same run may read as two. Read next: `fragments.rs`.

use std::ops::Range;

use super::base;
use super::content::{is_text, text_of};
use super::patches::Patches;
use super::runs::{BASE32, BASE64, HEX, LISTED, runs};

/// Letters of base64 that are looked at: they stand for twelve bytes.
const SHORTEST_BASE64: usize = 16;
/// Letters of base32: fifteen bytes.
const SHORTEST_BASE32: usize = 24;
/// Hexadecimal digits: eight bytes.
const SHORTEST_HEX: usize = 16;
/// Numbers in a list.
const SHORTEST_LIST: usize = 8;
/// Letters past which a run that is no base64 from its beginning is not tried from the next letters on.
const LONGEST_SHIFTED: usize = 4096;

/// What is undone, one encoding each: given a text, which places are wanted, and how much may be unpacked.
pub type Encoding = fn(&[u8], &dyn Fn(&Range<usize>) -> bool, usize) -> Patches;

/// All of them.
pub const ENCODINGS: [Encoding; 4] = [base64, hex, lists, base32];

/// Base64 in either alphabet (RFC 4648), on one line or wrapped.
fn base64(text: &[u8], is_wanted: &dyn Fn(&Range<usize>) -> bool, room: usize) -> Patches {
    let mut patches = Patches::default();
    // Padding counts: eleven letters of a shorter value are long enough with it.
    for run in runs(text, &BASE64, SHORTEST_BASE64 - 2) {
        if run.start < patches.end() {
            continue;
        }
        let end = padded(text, run.end);
        if end - run.start < SHORTEST_BASE64 {
            continue;
        }
        let block = run.start..wrapped(text, run.clone(), end);
        if !is_wanted(&block) {
            continue;
        }
        let left = room.saturating_sub(patches.len());
        if let Some((at, plain)) = aligned(&text[block.clone()], left) {
            patches.push(block.start + at..block.end, &plain);
        } else if block.end != end
            && let Some((at, plain)) = aligned(&text[run.start..end], left)
        {
            patches.push(run.start + at..end, &plain);
        }
    }
    patches
}

/// What a run decodes to from its first letter at which it decodes to text.
fn aligned(run: &[u8], room: usize) -> Option<(usize, Vec<u8>)> {
    let shifts = if run.len() <= LONGEST_SHIFTED { 4 } else { 1 };
    (0..shifts).find_map(|at| Some((at, text_of(base::base64(&run[at..]), room)?)))
}

/// Where a run ends with its padding.
fn padded(text: &[u8], end: usize) -> usize {
    end + text[end..].iter().take(2).take_while(|byte| **byte == b'=').count()
}

/// Where the lines end that go on with what a run begins.
fn wrapped(text: &[u8], first: Range<usize>, first_end: usize) -> usize {
    let (mut line, mut end) = (first.len(), first_end);
    while end == first_end || line == first.len() {
        let rest = &text[end..];
        let gap = rest.iter().take(64).take_while(|byte| byte.is_ascii_whitespace()).count();
        if gap == 0 || !rest[..gap].contains(&b'\n') || text[end - 1] == b'=' {
            break;
        }
        let start = end + gap;
        line =
            text[start..].iter().take(first.len() + 1).take_while(|byte| BASE64[usize::from(**byte)]).count();
        if line == 0 || line > first.len() {
            break;
        }
        end = padded(text, start + line);
    }
    end
}

/// Base32 (RFC 4648) in capitals.
fn base32(text: &[u8], is_wanted: &dyn Fn(&Range<usize>) -> bool, _room: usize) -> Patches {
    let mut patches = Patches::default();
    for run in runs(text, &BASE32, SHORTEST_BASE32) {
        let end = run.end + text[run.end..].iter().take(6).take_while(|byte| **byte == b'=').count();
        let plain = base::base32(&text[run.clone()]);
        if is_wanted(&run) && is_text(&plain) {
            patches.push(run.start..end, &plain);
        }
    }
    patches
}

/// What a label of a host name stands for in base32, in either case: names have none.
pub fn base32_label(label: &[u8]) -> Option<Vec<u8>> {
    let is_long = label.len() >= SHORTEST_BASE64;
    Some(base::base32(label)).filter(|plain| is_long && plain.len() >= label.len() / 8 * 5 && is_text(plain))
}

/// Hexadecimal digits without anything between them.
fn hex(text: &[u8], is_wanted: &dyn Fn(&Range<usize>) -> bool, room: usize) -> Patches {
    let mut patches = Patches::default();
    for run in runs(text, &HEX, SHORTEST_HEX) {
        if !is_wanted(&run) {
            continue;
        }
        // An odd number of digits has one too many at either end.
        let shifts = 1 + run.len() % 2;
        let left = room.saturating_sub(patches.len());
        let plain =
            (0..shifts).find_map(|at| Some((at, text_of(base::hex(&text[run.start + at..run.end]), left)?)));
        if let Some((at, plain)) = plain {
            patches.push(run.start + at..run.end, &plain);
        }
    }
    patches
}

/// Numbers with something between them: `41:4b:49`, `0x41, 0x4b`, `65, 75, 73`.
fn lists(text: &[u8], is_wanted: &dyn Fn(&Range<usize>) -> bool, _room: usize) -> Patches {
    let mut patches = Patches::default();
    for run in runs(text, &LISTED, 3 * SHORTEST_LIST - 1) {
        if !is_wanted(&run) {
            continue;
        }
        let mut list = List::default();
        let mut at = run.start;
        while at < run.end {
            let gap = text[at..run.end].iter().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
            let start = at + gap;
            let width = text[start..run.end].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            at = start + width;
            if gap > 2
                && gap > text[start - gap..start].iter().filter(|byte| byte.is_ascii_whitespace()).count() + 1
            {
                list.end(&mut patches);
            }
            if width > 0 && !list.add(start..at, &text[start..at]) {
                list.end(&mut patches);
            }
        }
        list.end(&mut patches);
    }
    patches
}

/// A list as far as it has been read.
#[derive(Default)]
struct List {
    range: Range<usize>,
    /// Its numbers, read by sixteen and by ten.
    hex: Vec<u8>,
    decimal: Vec<u8>,
    count: usize,
}

impl List {
    /// Adds a number, if it is one in the way of all so far.
    fn add(&mut self, range: Range<usize>, word: &[u8]) -> bool {
        let digits = word.strip_prefix(b"0x").or(word.strip_prefix(b"0X")).unwrap_or(word);
        let by_sixteen = (digits.len() == 2).then(|| base::hex(digits)).filter(|bytes| bytes.len() == 1);
        let by_ten: Option<u8> =
            std::str::from_utf8(word).ok().filter(|word| word.len() < 4).and_then(|word| word.parse().ok());
        if self.count == 0 {
            self.range = range.clone();
        }
        if self.hex.len() == self.count {
            self.hex.extend(by_sixteen.unwrap_or_default());
        }
        if self.decimal.len() == self.count {
            self.decimal.extend(by_ten);
        }
        self.count += 1;
        let goes_on = self.hex.len() == self.count || self.decimal.len() == self.count;
        if goes_on {
            self.range.end = range.end;
        }
        goes_on
    }

    /// What it stands for, if it was long enough to be one.
    fn end(&mut self, patches: &mut Patches) {
        let list = std::mem::take(self);
        let mut plain = Vec::new();
        for read in [list.hex, list.decimal] {
            if read.len() >= SHORTEST_LIST && read.len() + 1 >= list.count && is_text(&read) {
                if !plain.is_empty() {
                    plain.push(b'\n');
                }
                plain.extend_from_slice(&read);
            }
        }
        if !plain.is_empty() {
            patches.push(list.range, &plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(encoding: Encoding, text: &str) -> String {
        let plain = encoding(text.as_bytes(), &|_| true, 4096).apply(text.as_bytes()).text;
        String::from_utf8_lossy(&plain).into_owned()
    }

    #[test]
    fn base64_is_undone_where_it_stands_wrapped_shifted_or_unpadded() {
        assert_eq!(undone(base64, "pw=c3dvcmRmaXNoIGFuZCBjaGlwcw==;"), "pw=swordfish and chips;");
        assert_eq!(undone(base64, "c3dvcmRmaXNoIGFuZCBjaGlwcw"), "swordfish and chips");
        let wrapped = "c3dvcmRmaXNoIGFu\r\n  ZCBjaGlwcyBhbmQg\r\n  cGVhcw==\n";
        assert_eq!(undone(base64, wrapped), "swordfish and chips and peas\n");
        assert!(undone(base64, "abc/c3dvcmRmaXNoIGFuZCBjaGlwcw==").contains("swordfish and chips"));
    }

    #[test]
    fn words_paths_and_keys_are_no_base64() {
        for text in
            ["internationalization", "src/decide/dlp/unhide/encoded", "0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(undone(base64, text), text);
        }
    }

    #[test]
    fn numbers_are_undone_alone_and_in_lists() {
        assert_eq!(undone(hex, "x 73776f726466697368 y"), "x swordfish y");
        for list in [
            "73:77:6f:72:64:66:69:73:68",
            "73 77 6f 72 64 66 69 73 68",
            "0x73, 0x77, 0x6f, 0x72, 0x64, 0x66, 0x69, 0x73, 0x68",
            "115, 119, 111, 114, 100, 102, 105, 115, 104",
        ] {
            assert_eq!(undone(lists, &format!("[{list}]")), "[swordfish]", "{list}");
        }
        for text in ["2026-11-29 02:28:08 10:11:12", "1 2 3 4 5 6 7 8 9 10 11 12", "a, be, cd, ef, 12, x, 5"]
        {
            assert_eq!(undone(lists, text), text);
        }
    }

    #[test]
    fn base32_is_undone_in_capitals() {
        assert_eq!(undone(base32, "ON3W64TEMZUXG2BAMFXGIIDDNBUXA4Y="), "swordfish and chips");
    }
}
