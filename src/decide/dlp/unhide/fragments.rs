//! What was split, joined: short strings that stand beside each other, without what stands between them.
//!
//! A key that is cut in two is no key in either half. So the short strings of a message are read once more as if they were
//! one: in their order, and those of one name together. Only what crosses a seam is new in that text, and a chain that no
//! credential or number could come of is left out at once. Read next: `parts.rs`.

use std::ops::Range;

use super::map::Mapped;
use super::runs::{Class, class};
use crate::model::types::limits::{DLP_FRAGMENT_BYTES, DLP_FRAGMENTS};

/// What credentials are written with.
const TOKEN: Class = class(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=.:~@");

/// Bytes below which nothing that is worth joining comes of a chain.
const SHORTEST: usize = 14;

/// A text of joined strings.
#[derive(Debug, Default)]
pub struct Joined {
    /// The text, a line for each chain, with its map.
    pub mapped: Mapped,
    /// Where two strings meet.
    pub seams: Vec<Range<usize>>,
}

impl Joined {
    /// These pieces of a text, joined in their order where they are words.
    pub fn of(text: &[u8], pieces: Vec<Range<usize>>) -> Self {
        let mut list = Vec::new();
        for range in pieces.into_iter().take(DLP_FRAGMENTS) {
            push_word(text, range, &mut list);
        }
        join(text, &list)
    }
}

/// A string that may be part of something.
#[derive(Debug, Clone)]
struct Fragment {
    range: Range<usize>,
    /// The name that it is the value of; empty where it has none.
    name: Range<usize>,
    /// Whether what is in front of it belongs to the same string, and so it begins a chain.
    begins: bool,
    /// Whether what is behind it does, and so it ends one.
    ends: bool,
}

/// The quoted strings of a text, joined in their order and by their names.
pub fn quoted(text: &[u8]) -> Vec<Joined> {
    let list = between_quotes(text);
    if list.len() < 2 {
        return Vec::new();
    }
    let in_order = join(text, &list);
    let mut by_name: Vec<&Fragment> = list.iter().filter(|fragment| !fragment.name.is_empty()).collect();
    by_name.sort_by(|one, other| text[one.name.clone()].cmp(&text[other.name.clone()]));
    let mut together: Vec<Fragment> = Vec::new();
    for fragment in by_name {
        let mut fragment = fragment.clone();
        let last = together.last();
        fragment.begins |= last.is_none_or(|last| text[last.name.clone()] != text[fragment.name.clone()]);
        together.push(fragment);
    }
    let named = join(text, &together);
    [in_order, named].into_iter().filter(|joined| !joined.seams.is_empty()).collect()
}

/// Strings between quotes that are one word, and the words at the ends of longer ones.
fn between_quotes(text: &[u8]) -> Vec<Fragment> {
    let mut list = Vec::new();
    let mut name = 0..0;
    let mut open: Option<usize> = None;
    for at in memchr::memchr2_iter(b'"', b'\'', text) {
        let Some(start) = open.replace(at + 1).filter(|start| *start < at) else { continue };
        let inner = &text[start..at];
        let head =
            inner.iter().take(DLP_FRAGMENT_BYTES + 1).take_while(|byte| TOKEN[usize::from(**byte)]).count();
        if head == inner.len() && head <= DLP_FRAGMENT_BYTES {
            if is_name(&text[at + 1..]) {
                name = start..at;
            } else if inner.iter().any(u8::is_ascii_alphanumeric) {
                list.push(Fragment { range: start..at, name: name.clone(), begins: false, ends: false });
            }
        } else {
            let tail = inner
                .iter()
                .rev()
                .take(DLP_FRAGMENT_BYTES)
                .take_while(|byte| TOKEN[usize::from(**byte)])
                .count();
            if head > 1 && head <= DLP_FRAGMENT_BYTES {
                list.push(Fragment {
                    range: start..start + head,
                    name: name.clone(),
                    begins: false,
                    ends: true,
                });
            }
            if tail > 1 {
                list.push(Fragment { range: at - tail..at, name: name.clone(), begins: true, ends: false });
            }
        }
        if list.len() >= DLP_FRAGMENTS {
            break;
        }
    }
    list
}

/// Whether what is behind a string says that it is a name.
fn is_name(rest: &[u8]) -> bool {
    rest.iter().take(8).find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// The values of a query, a form or a list of cookies, or the segments of a path: what stands between these bytes.
pub fn delimited(text: &[u8], delimiter: u8, skips_names: bool) -> Joined {
    let mut list = Vec::new();
    let mut start = 0;
    for piece in text.split(|byte| *byte == delimiter).take(DLP_FRAGMENTS) {
        let end = start + piece.len();
        let name = if skips_names { memchr::memchr(b'=', piece).map_or(0, |at| at + 1) } else { 0 };
        push_word(text, start + name..end, &mut list);
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
        push_ends(text, at..open, &mut list);
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
        push_ends(text, at..text.len(), &mut list);
    }
    join(text, &list)
}

/// Adds a string that is one word; another one ends what came before.
fn push_word(text: &[u8], range: Range<usize>, list: &mut Vec<Fragment>) {
    let word = &text[range.clone()];
    let is_word = word.len() <= DLP_FRAGMENT_BYTES && word.iter().all(|byte| TOKEN[usize::from(*byte)]);
    if is_word && !word.is_empty() {
        list.push(Fragment { range, name: 0..0, begins: false, ends: false });
    } else if let Some(last) = list.last_mut() {
        last.ends = true;
    }
}

/// Adds the words at both ends of a string between tags; the mark behind raw text, `]]`, is none.
fn push_ends(text: &[u8], range: Range<usize>, list: &mut Vec<Fragment>) {
    let inner = text[range.clone()].strip_suffix(b"]]").unwrap_or(&text[range.clone()]);
    if inner.iter().all(u8::is_ascii_whitespace) {
        return;
    }
    let end = range.start + inner.len();
    let is_token = |byte: &&u8| TOKEN[usize::from(**byte)];
    let head = inner.iter().take(DLP_FRAGMENT_BYTES + 1).take_while(is_token).count();
    if head == inner.len() {
        push_word(text, range.start..end, list);
        return;
    }
    let tail = inner.iter().rev().take(DLP_FRAGMENT_BYTES).take_while(is_token).count();
    list.push(Fragment { range: range.start..range.start + head, name: 0..0, begins: false, ends: true });
    list.push(Fragment { range: end - tail..end, name: 0..0, begins: true, ends: false });
}

/// The chains of a list that something could come of, a line each.
fn join(text: &[u8], list: &[Fragment]) -> Joined {
    let mut joined = Joined::default();
    let mut first = 0;
    for at in 0..=list.len() {
        let is_over = at == list.len() || at > 0 && (list[at].begins || list[at - 1].ends);
        if !is_over {
            continue;
        }
        let chain = &list[first..at];
        first = at;
        let bytes: usize = chain.iter().map(|fragment| fragment.range.len()).sum();
        let has_digit =
            || chain.iter().any(|fragment| text[fragment.range.clone()].iter().any(u8::is_ascii_digit));
        if chain.len() < 2 || bytes < SHORTEST || !has_digit() {
            continue;
        }
        for (nth, fragment) in chain.iter().enumerate() {
            if nth > 0 {
                let seam = joined.mapped.text.len();
                joined.seams.push(seam..seam);
            }
            joined.mapped.copy(text, fragment.range.clone());
        }
        let end = list[at - 1].range.end;
        joined.mapped.put(end..end, b"\n");
    }
    joined
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
        assert!(found.iter().any(|text| text.contains("swordf1shandchips\n")), "{found:?}");
        let found = texts(&quoted(br#"["sword", "f1sh", "andchips"]"#));
        assert_eq!(found, ["swordf1shandchips\n"]);
        let found = texts(&quoted(br#"{"a":"swordf1", "b":"shandchips"}"#));
        assert_eq!(found, ["swordf1shandchips\n"], "names are no strings");
    }

    #[test]
    fn what_no_credential_could_come_of_is_not_joined() {
        assert!(quoted(br#"{"type":"object","of":"string","is":"required"}"#).is_empty(), "no digit");
        assert!(quoted(br#"["a1", "b2"]"#).is_empty(), "too short");
    }

    #[test]
    fn a_seam_leads_back_to_both_sides_of_it() {
        let text = b"/sword/f1shandchips/and more";
        let joined = delimited(text, b'/', false);
        assert_eq!(joined.mapped.text, b"swordf1shandchips\n");
        assert_eq!(joined.mapped.map.source(3..8), 4..10);
        assert_eq!((joined.seams.len(), joined.seams[0].start), (1, 5));
    }

    #[test]
    fn tags_comments_and_raw_text_split_nothing() {
        let text = b"<a>the swordf1<!-- x -->shand<![CDATA[chips]]></a>";
        assert_eq!(markup(text).mapped.text, b"swordf1shandchips\n");
    }
}
