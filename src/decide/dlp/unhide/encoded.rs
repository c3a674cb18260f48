//! Runs of bytes that are an encoding of others as a whole: base64, base32, hexadecimal and decimal lists.
//!
//! A run is taken for an encoding where it decodes to text, to packed text, or to bytes with a stretch of text in them.
//! Whether it may is asked of the letters first, because most long words are no encoding. What it decodes to takes its place,
//! so that words around it still say what it is: `password: "aHVudGVy..."`. Read next: `fragments.rs`.

use std::ops::Range;

use super::base;
use super::content::{is_packed, is_text, text_of};
use super::patches::Patches;
use super::runs::{BASE32, BASE64, HEX, SHOWN, base64_runs, list_runs, runs};

/// Letters of base64 that are looked at: they stand for nine bytes.
const SHORTEST_BASE64: usize = 12;
/// Letters of base32: ten bytes.
const SHORTEST_BASE32: usize = 16;
/// Hexadecimal digits: eight bytes.
const SHORTEST_HEX: usize = 16;
/// Numbers in a list.
const SHORTEST_LIST: usize = 8;
/// Groups of three bytes in a row that have to look like text before a run is decoded: in short runs, in others, and in long
/// ones, which are pictures most of the time.
const GROUPS: [usize; 3] = [3, 4, 6];
/// Letters of a short run, and of one that is not yet long.
const RUN_SIZES: [usize; 2] = [64, 4096];

/// What is undone in a text, each encoding by itself, because the same run may read as two: base64 with all lines that seem to
/// go on, base64 of one line, base32, hexadecimal digits, and lists of numbers.
pub fn encoded(text: &[u8], is_wanted: impl Fn(&Range<usize>) -> bool, room: usize) -> [Patches; 5] {
    let [mut all, mut one, mut five, mut four] = [const { Patches::new() }; 4];
    // What is written in fewer letters than base64 is a run of those as well.
    for run in base64_runs(text, SHORTEST_BASE64) {
        let signs = Signs::of(&text[run.clone()]);
        let end = padded(text, run.end);
        if run.start >= all.end()
            && let Some(at) = signs.base64
        {
            let first = run.start + at..end;
            let block = run.start + at..wrapped(text, run.clone(), end);
            if block != first {
                base64(text, first, &is_wanted, &mut one, room);
            }
            base64(text, block, &is_wanted, &mut all, room);
        }
        if signs.base32 {
            base32(text, &run, &is_wanted, &mut five);
        }
        if signs.hex {
            hex(text, &run, &is_wanted, &mut four, room);
        }
    }
    [all, one, five, four, lists(text, &is_wanted)]
}

/// Base64 in either alphabet (RFC 4648), as far as it decodes to something.
fn base64(
    text: &[u8],
    block: Range<usize>,
    is_wanted: &impl Fn(&Range<usize>) -> bool,
    patches: &mut Patches,
    room: usize,
) {
    if is_wanted(&block) && block.start >= patches.end() {
        let left = room.saturating_sub(patches.len());
        if let Some(plain) = text_of(base::base64(&text[block.clone()]), left) {
            patches.push(block, &plain);
        }
    }
}

/// What a run of letters may be, by a look at its letters alone: most words and names are nothing.
#[derive(Debug, Default)]
struct Signs {
    /// Base64 of text or of packed text, from this letter on.
    base64: Option<usize>,
    base32: bool,
    hex: bool,
}

impl Signs {
    fn of(run: &[u8]) -> Self {
        let first = run.first_chunk::<16>().map(base::base64_block);
        let is_beginning = first.is_some_and(|first| is_packed(&first) || begins_as_text(&first));
        // A long run that is digits further on only is none of digits.
        let beginning = &run[..run.len().min(RUN_SIZES[1])];
        let [text, five, four] = if run.len() <= RUN_SIZES[0] {
            in_one_look(run)
        } else {
            let shifts = [0, 1, 2, 3];
            let five = runs(beginning, &BASE32, SHORTEST_BASE32).next();
            let four = runs(beginning, &HEX, SHORTEST_HEX).next();
            [
                shifts.into_iter().find(|at| has_text(&run[*at..])),
                five.map(|run| run.start),
                four.map(|run| run.start),
            ]
        };
        let base64 = if is_beginning { Some(0) } else { text.map(|at| at % 4) };
        Self { base64: base64.map(|at| after_joint(run, at)), base32: five.is_some(), hex: four.is_some() }
    }
}

/// The lowest bit of each of eight bytes.
const ONES: u64 = 0x0101_0101_0101_0101;
/// What moves that bit of each byte to a place of its own in the highest.
const TOGETHER: u64 = 0x0102_0408_1020_4080;

/// Where in a short run three groups of text, sixteen letters of base32 and sixteen digits begin.
fn in_one_look(run: &[u8]) -> [Option<usize>; 3] {
    let mut marks = [0_u64; 5];
    for (nth, letters) in run.chunks(8).enumerate() {
        let mut kinds = [0; 8];
        for (kinds, letter) in kinds.iter_mut().zip(letters) {
            *kinds = KINDS[usize::from(*letter)];
        }
        let kinds = u64::from_le_bytes(kinds);
        for (bit, marks) in marks.iter_mut().enumerate() {
            // One bit of each of eight bytes, brought together in the highest.
            *marks |= ((kinds >> bit & ONES).wrapping_mul(TOGETHER) >> 56) << (8 * nth);
        }
    }
    let [one, two, three, five, four] = marks;
    let group = one & two >> 1 & three >> 2;
    // The last letter of the last group has to be there as well.
    let whole =
        1_u64.checked_shl(run.len().saturating_sub(4 * GROUPS[0] - 1) as u32).map_or(u64::MAX, |bit| bit - 1);
    let row = |mut marks: u64| {
        for step in [1, 2, 4, 8] {
            marks &= marks >> step;
        }
        marks
    };
    [group & group >> 4 & group >> 8 & whole, row(five), row(four)]
        .map(|marks| (marks != 0).then_some(marks.trailing_zeros() as usize))
}

/// The letter from which on a run is read that is text from this one on: what stands before a joint is a name, if the text
/// does not begin in front of it.
fn after_joint(run: &[u8], at: usize) -> usize {
    let joint = run.iter().take(RUN_SIZES[0]).position(|byte| matches!(byte, b'/' | b'-' | b'_'));
    match joint.map(|joint| joint + 1) {
        Some(start) if start % 4 == at && !has_text(&run[at..start]) && start - at < JOINT_BYTES => start,
        _ => at,
    }
}

/// Letters of the longest name in front of a joint.
const JOINT_BYTES: usize = 16;

/// Whether a run has so many groups of four letters in a row each of which is three bytes of ASCII text.
fn has_text(run: &[u8]) -> bool {
    let least = GROUPS[RUN_SIZES.iter().filter(|size| run.len() > **size).count()];
    let groups = run.len() / 4;
    let is_text = |group: usize| {
        let [one, two, three] = [0, 1, 2].map(|at| KINDS[usize::from(run[4 * group + at])]);
        one & 1 != 0 && two & 2 != 0 && three & 4 != 0
    };
    let mut at = 0;
    while at + least <= groups {
        match (at..at + least).rev().find(|group| !is_text(*group)) {
            Some(other) => at = other + 1,
            None => return true,
        }
    }
    false
}

/// For each letter, what it may be: the first, second and third of a group of base64 that stands for text, because its bits
/// are the highest of a byte there and those of ASCII that is shown are few; one of base32; a digit.
static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = base::SIX[byte];
        if value < 64 {
            let (first, second, third) = (value, value & 15, value & 3);
            kinds[byte] = (first == 2 || first == 3 || first >= 8 && first < 32) as u8
                | ((second == 0 || second >= 2 && second < 8) as u8) << 1
                | ((third < 2) as u8) << 2
                | (BASE32[byte] as u8) << 3
                | (HEX[byte] as u8) << 4;
        }
        byte += 1;
    }
    kinds
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

/// Whether the first bytes of something are text, in whatever script, as far as they go.
fn begins_as_text(first: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte < 0x80 && !SHOWN[usize::from(*byte)];
    // Most are noise, and have one before they end.
    if first[..first.len().saturating_sub(3)].iter().any(is_control) {
        return false;
    }
    let valid = match std::str::from_utf8(first) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    first.len() - valid < 4 && is_text(&first[..valid])
}

/// Base32 (RFC 4648) in capitals.
fn base32(
    text: &[u8],
    run: &Range<usize>,
    is_wanted: &impl Fn(&Range<usize>) -> bool,
    patches: &mut Patches,
) {
    for inner in runs(&text[run.clone()], &BASE32, SHORTEST_BASE32) {
        let found = run.start + inner.start..run.start + inner.end;
        let end = found.end + text[found.end..].iter().take(6).take_while(|byte| **byte == b'=').count();
        if is_wanted(&found) {
            let plain = base::base32(&text[found.clone()]);
            if is_text(&plain) {
                patches.push(found.start..end, &plain);
            }
        }
    }
}

/// What a label of a host name stands for in base32, in either case: names have none.
pub fn base32_label(label: &[u8]) -> Option<Vec<u8>> {
    let is_long = label.len() >= SHORTEST_BASE64;
    Some(base::base32(label)).filter(|plain| is_long && plain.len() >= label.len() / 8 * 5 && is_text(plain))
}

/// Hexadecimal digits without anything between them.
fn hex(
    text: &[u8],
    run: &Range<usize>,
    is_wanted: &impl Fn(&Range<usize>) -> bool,
    patches: &mut Patches,
    room: usize,
) {
    for inner in runs(&text[run.clone()], &HEX, SHORTEST_HEX) {
        let digits = &text[run.start + inner.start..run.start + inner.end];
        // An odd number of digits has one too many at either end.
        let start = (0..=digits.len() % 2).find(|at| is_hex_of_text(&digits[*at..]));
        let Some(at) = start.filter(|_| is_wanted(&(run.start + inner.start..run.start + inner.end))) else {
            continue;
        };
        let left = room.saturating_sub(patches.len());
        if let Some(plain) = text_of(base::hex(&digits[at..]), left) {
            patches.push(run.start + inner.start + at..run.start + inner.end, &plain);
        }
    }
}

/// Whether digits begin as those of packed text do, or have eight in a row that each begin a byte of ASCII text.
fn is_hex_of_text(digits: &[u8]) -> bool {
    let is_lead = |pair: &[u8]| {
        matches!(pair[0], b'2'..=b'7')
            || pair[0] == b'0' && matches!(pair[1], b'9' | b'a' | b'A' | b'd' | b'D')
    };
    let mut row = 0;
    let first = base::hex(&digits[..digits.len().min(RUN_SIZES[0])]);
    is_packed(&first)
        || begins_as_text(&first)
        || digits.chunks_exact(2).any(|pair| {
            row = if is_lead(pair) { row + 1 } else { 0 };
            row == SHORTEST_HEX / 2
        })
}

/// Numbers with something between them: `41:4b:49`, `0x41, 0x4b`, `65, 75, 73`.
fn lists(text: &[u8], is_wanted: &impl Fn(&Range<usize>) -> bool) -> Patches {
    let mut patches = Patches::default();
    for run in list_runs(text, 3 * SHORTEST_LIST - 1) {
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

    /// What is read of a text in any encoding; the first wins.
    fn undone(text: &str) -> String {
        let all = encoded(text.as_bytes(), |_| true, 4096);
        let plain =
            all.iter().find(|patches| !patches.is_empty()).map(|patches| patches.apply(text.as_bytes()).text);
        plain.map_or(text.to_owned(), |plain| String::from_utf8_lossy(&plain).into_owned())
    }

    #[test]
    fn base64_is_undone_where_it_stands_wrapped_shifted_or_unpadded() {
        assert_eq!(undone("pw=c3dvcmRmaXNoIGFuZCBjaGlwcw==;"), "pw=swordfish and chips;");
        assert_eq!(undone("c3dvcmRmaXNoIGFuZCBjaGlwcw"), "swordfish and chips");
        let wrapped = "c3dvcmRmaXNoIGFu\r\n  ZCBjaGlwcyBhbmQg\r\n  cGVhcw==\n";
        assert_eq!(undone(wrapped), "swordfish and chips and peas\n");
        assert!(undone("abc/c3dvcmRmaXNoIGFuZCBjaGlwcw==").contains("swordfish and chips"));
    }

    #[test]
    fn words_paths_and_keys_are_no_base64() {
        for text in
            ["internationalization", "src/decide/dlp/unhide/encoded", "0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(undone(text), text);
        }
    }

    #[test]
    fn numbers_are_undone_alone_and_in_lists() {
        assert_eq!(undone("x 73776f726466697368 y"), "x swordfish y");
        for list in [
            "73:77:6f:72:64:66:69:73:68",
            "73 77 6f 72 64 66 69 73 68",
            "0x73, 0x77, 0x6f, 0x72, 0x64, 0x66, 0x69, 0x73, 0x68",
            "115, 119, 111, 114, 100, 102, 105, 115, 104",
        ] {
            assert_eq!(undone(&format!("[{list}]")), "[swordfish]", "{list}");
        }
        for text in ["2026-11-29 02:28:08 10:11:12", "1 2 3 4 5 6 7 8 9 10 11 12", "a, be, cd, ef, 12, x, 5"]
        {
            assert_eq!(undone(text), text);
        }
    }

    #[test]
    fn base32_is_undone_in_capitals() {
        assert_eq!(undone("ON3W64TEMZUXG2BAMFXGIIDDNBUXA4Y="), "swordfish and chips");
    }
}
