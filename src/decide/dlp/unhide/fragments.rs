//! What was split, joined: strings that stand beside each other, without what stands between them.
//!
//! A key that is cut in two is no key in either half. So the strings of a message are read once more as if they were one: in
//! their order, and those of one name together. Only what crosses a seam is new in that, and only around a seam that runs
//! through something like a key or a number; in ordinary messages those are few. Read next: `parts.rs`.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::quality::FixedState;

use super::map::Mapped;
use super::runs::{Class, class};
use crate::model::types::limits::{DLP_CONTEXT_BYTES, DLP_FRAGMENT_BYTES, DLP_FRAGMENTS, DLP_TOKEN_BYTES};

/// What credentials and numbers are written with.
const TOKEN: Class = class(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=.:~@!#$%^&*");

/// Bytes below which nothing that runs over a seam is worth a look.
const SHORTEST: usize = 8;

/// A text of joined strings.
#[derive(Debug, Default)]
pub struct Joined {
    /// The text around seams, a line each, with its map.
    pub mapped: Mapped,
    /// Where two strings meet.
    pub seams: Vec<Range<usize>>,
}

impl Joined {
    /// These pieces of a text, joined in their order.
    pub fn of(text: &[u8], pieces: Vec<Range<usize>>) -> Self {
        let mut list = Vec::new();
        for range in pieces.into_iter().take(DLP_FRAGMENTS) {
            push(range, 0, &mut list);
        }
        join(text, &list)
    }
}

/// A string that may be part of something, or an end of one.
#[derive(Debug, Clone)]
struct Fragment {
    range: Range<usize>,
    /// A hash of the name that it is the value of.
    name: u64,
    /// Whether what is in front of it belongs to the same string, and so it begins a chain.
    begins: bool,
    /// Whether what is behind it does, and so it ends one.
    ends: bool,
}

/// The quoted strings of a text, joined in their order and by their names.
pub fn quoted(text: &[u8]) -> Vec<Joined> {
    let mut list = strings(text);
    if list.len() < 2 {
        return Vec::new();
    }
    let in_order = join(text, &list);
    list.sort_by_key(|fragment| fragment.name);
    // A field that says the same again and again is not split.
    list.dedup_by(|next, last| {
        next.name == last.name
            && next.range.len() >= SHORTEST
            && text[next.range.clone()] == text[last.range.clone()]
    });
    let mut last = None;
    for fragment in &mut list {
        fragment.begins |= last.replace(fragment.name) != Some(fragment.name);
    }
    let by_name = join(text, &list);
    [in_order, by_name].into_iter().filter(|joined| !joined.seams.is_empty()).collect()
}

/// Strings between quotes, but for names.
fn strings(text: &[u8]) -> Vec<Fragment> {
    let hasher = FixedState::default();
    let mut list = Vec::new();
    let mut name = 0;
    let mut open: Option<usize> = None;
    for at in memchr::memchr2_iter(b'"', b'\'', text) {
        let Some(start) = open else {
            open = opens(text, at).then_some(at + 1);
            continue;
        };
        if text[at] != text[start - 1] {
            continue;
        }
        let Some(next) = closes(text, at) else { continue };
        open = None;
        if next == b':' {
            name = hasher.hash_one(&text[start..at]);
        } else {
            push(start..at, name, &mut list);
        }
        if list.len() >= DLP_FRAGMENTS {
            break;
        }
    }
    list
}

/// Whether a quote begins a string.
fn opens(text: &[u8], quote: usize) -> bool {
    let before = text[..quote].iter().rev().take(8).find(|byte| !byte.is_ascii_whitespace());
    before.is_none_or(|byte| matches!(byte, b'{' | b'[' | b',' | b':' | b'(' | b'=' | b'+' | b'.' | b'&'))
}

/// What is behind a quote, where it is something that stands behind a string.
fn closes(text: &[u8], quote: usize) -> Option<u8> {
    let rest = &text[quote + 1..];
    let next = rest.iter().take(8).find(|byte| !byte.is_ascii_whitespace()).copied().unwrap_or(b',');
    let goes_on = matches!(next, b',' | b':' | b'}' | b']' | b')' | b'+' | b';' | b'.' | b'&' | b'"' | b'\\');
    (goes_on || rest.first() == Some(&b'\n')).then_some(next)
}

/// The values of a query, a form or a list of cookies, or the segments of a path: what stands between these bytes.
pub fn delimited(text: &[u8], delimiter: u8, skips_names: bool) -> Joined {
    let mut list = Vec::new();
    let mut start = 0;
    for piece in text.split(|byte| *byte == delimiter).take(DLP_FRAGMENTS) {
        let end = start + piece.len();
        let name = if skips_names { memchr::memchr(b'=', piece).map_or(0, |at| at + 1) } else { 0 };
        push(start + name..end, 0, &mut list);
        start = end + 1;
    }
    join(text, &list)
}

/// The labels of a host name.
pub fn labels(text: &[u8]) -> Joined {
    delimited(text, b'.', false)
}

/// What stands between the tags of XML or HTML, comments and marks of raw text among them.
pub fn markup(text: &[u8]) -> Joined {
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'<', &text[at..]).map(|next| at + next) {
        push_inner(text, at..open, &mut list);
        let rest = &text[open..];
        let width = if rest.starts_with(b"<!--") {
            memchr::memmem::find(rest, b"-->").map(|end| end + 3)
        } else if rest.starts_with(b"<![CDATA[") {
            Some(9)
        } else {
            memchr::memchr(b'>', rest).map(|end| end + 1)
        };
        at = open + width.unwrap_or(rest.len());
        if list.len() >= DLP_FRAGMENTS {
            break;
        }
    }
    if at > 0 {
        push_inner(text, at..text.len(), &mut list);
    }
    join(text, &list)
}

/// Adds what stands between two tags; the mark behind raw text, `]]>`, is none of it.
fn push_inner(text: &[u8], range: Range<usize>, list: &mut Vec<Fragment>) {
    let inner = text[range.clone()].strip_suffix(b"]]>").unwrap_or(&text[range.clone()]);
    if !inner.iter().all(u8::is_ascii_whitespace) {
        push(range.start..range.start + inner.len(), 0, list);
    }
}

/// Adds a string, or of a long one both ends.
fn push(range: Range<usize>, name: u64, list: &mut Vec<Fragment>) {
    if range.len() <= DLP_FRAGMENT_BYTES {
        if !range.is_empty() {
            list.push(Fragment { range, name, begins: false, ends: false });
        }
        return;
    }
    let head = range.start..range.start + DLP_FRAGMENT_BYTES;
    list.push(Fragment { range: head, name, begins: false, ends: true });
    let tail = range.end - DLP_FRAGMENT_BYTES..range.end;
    list.push(Fragment { range: tail, name, begins: true, ends: false });
}

/// What of the chains of a list stands around seams that something may run over.
fn join(text: &[u8], list: &[Fragment]) -> Joined {
    let mut chains = Chains::default();
    let mut first = 0;
    for at in 1..=list.len() {
        if at < list.len() && !list[at].begins && !list[at - 1].ends {
            continue;
        }
        let chain = &list[first..at];
        first = at;
        if chain.len() > 1 {
            chains.add(text, chain);
        }
    }
    chains.joined
}

/// Chains that are being joined.
#[derive(Default)]
struct Chains {
    joined: Joined,
    /// The text of one.
    scratch: Vec<u8>,
    /// Hashes of what ran over a seam: events of a stream repeat the same names and numbers.
    seen: HashSet<u64, FixedState>,
}

impl Chains {
    /// Adds what stands around the seams of one chain.
    fn add(&mut self, text: &[u8], chain: &[Fragment]) {
        self.scratch.clear();
        let mut starts = Vec::with_capacity(chain.len());
        for fragment in chain {
            starts.push(self.scratch.len());
            self.scratch.extend_from_slice(&text[fragment.range.clone()]);
        }
        let mut region: Range<usize> = 0..0;
        let mut over = 0;
        for seam in &starts[1..] {
            if *seam < over {
                continue;
            }
            let token = token_over(&self.scratch, *seam);
            over = token.end;
            if token.start == *seam || token.end == *seam || !self.is_worth_a_look(token.clone()) {
                continue;
            }
            let wide = token.start.saturating_sub(DLP_CONTEXT_BYTES)..(token.end + 1).min(self.scratch.len());
            if region.is_empty() {
                region = wide;
            } else if wide.start <= region.end {
                region.end = wide.end;
            } else {
                emit(text, chain, &starts, &region, &mut self.joined);
                region = wide;
            }
        }
        if !region.is_empty() {
            emit(text, chain, &starts, &region, &mut self.joined);
        }
    }

    /// Whether something may be a key or a number, and was not looked at before.
    fn is_worth_a_look(&mut self, token: Range<usize>) -> bool {
        let token = &self.scratch[token];
        token.len() >= SHORTEST
            && token.iter().any(|byte| byte.is_ascii_digit() || *byte == b'@')
            && self.seen.insert(FixedState::default().hash_one(token))
    }
}

/// The word or number that runs over a seam.
fn token_over(chain: &[u8], seam: usize) -> Range<usize> {
    let is_digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
    // Groups of digits go on over a space.
    let goes_on = |at: usize| {
        TOKEN[usize::from(chain[at])]
            || chain[at] == b' ' && is_digit(chain.get(at + 1)) && at > 0 && is_digit(chain.get(at - 1))
    };
    let least = seam.saturating_sub(DLP_TOKEN_BYTES);
    let most = (seam + DLP_TOKEN_BYTES).min(chain.len());
    let start = (least..seam).rev().find(|at| !goes_on(*at)).map_or(least, |gap| gap + 1);
    let end = (seam..most).find(|at| !goes_on(*at)).unwrap_or(most);
    start..end
}

/// Adds part of a chain as a line.
fn emit(text: &[u8], chain: &[Fragment], starts: &[usize], region: &Range<usize>, joined: &mut Joined) {
    let first = starts.partition_point(|start| *start <= region.start) - 1;
    let mut end = chain[first].range.start;
    for (fragment, start) in chain[first..].iter().zip(&starts[first..]) {
        if *start >= region.end {
            break;
        }
        if *start > region.start {
            let seam = joined.mapped.text.len();
            joined.seams.push(seam..seam);
        }
        let from = fragment.range.start + region.start.saturating_sub(*start);
        end = fragment.range.end.min(fragment.range.start + (region.end - start));
        joined.mapped.copy(text, from..end);
    }
    joined.mapped.put(end..end, b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(joined: &[Joined]) -> Vec<String> {
        joined.iter().map(|joined| String::from_utf8_lossy(&joined.mapped.text).into_owned()).collect()
    }

    #[test]
    fn strings_are_joined_in_their_order_and_by_their_names() {
        let text =
            br#"[{"role":"user","content":"it is swordf1sh"},{"role":"user","content":"andchips then"}]"#;
        let found = texts(&quoted(text));
        assert!(found.iter().any(|text| text.contains("it is swordf1shandchips ")), "{found:?}");
        let found = texts(&quoted(br#"["sword", "f1sh", "andchips"]"#));
        assert!(found.iter().all(|text| text == "swordf1shandchips\n") && !found.is_empty(), "{found:?}");
        let found = texts(&quoted(br#"{"a":"swordf1", "b":"shandchips"}"#));
        assert_eq!(found, ["swordf1shandchips\n"], "names are no strings");
        let found = texts(&quoted(br#"x = "pass = swordf1" + "shandchips"; y = 'z'"#));
        assert!(found.iter().any(|text| text.contains("pass = swordf1shandchips")), "{found:?}");
        let digits: Vec<String> = "4929111122223333".chars().map(|digit| format!("\"{digit}\"")).collect();
        let found = texts(&quoted(format!("[{}]", digits.join(",")).as_bytes()));
        assert!(found.iter().any(|text| text == "4929111122223333\n"), "{found:?}");
    }

    #[test]
    fn seams_that_nothing_runs_over_are_left_out() {
        assert!(quoted(br#"{"type":"object","of":"string","is":"required"}"#).is_empty(), "no digit");
        assert!(quoted(br#"["a1", "b2"]"#).is_empty(), "too short");
        assert!(quoted(br#"["it ends 1.", " And goes on 2"]"#).is_empty(), "a space");
    }

    #[test]
    fn a_seam_leads_back_to_both_sides_of_it() {
        let text = b"/sword/f1shandchips/and more";
        let joined = delimited(text, b'/', false);
        assert_eq!(joined.mapped.text, b"swordf1shandchipsand \n");
        assert_eq!(joined.mapped.map.source(3..8), 4..10);
        assert_eq!(joined.seams[0].start, 5);
    }

    #[test]
    fn tags_comments_and_raw_text_split_nothing() {
        let text = b"<a>the swordf1<!-- x -->shand<![CDATA[chips]]></a>";
        assert_eq!(markup(text).mapped.text, b"the swordf1shandchips\n");
    }
}
