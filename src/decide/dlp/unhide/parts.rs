//! The parts of a multipart message (RFC 2046, section 5.1; RFC 7578), each with what it says of itself.
//!
//! Read loosely: a boundary counts wherever a line begins with it, and what is in front of the first one and behind the last
//! is a part too, because it is sent as well. Read next: `protobuf.rs`.

use std::ops::Range;

use memchr::memmem;

use crate::model::types::limits::DLP_PARTS;

/// How the content of a part is written for the road (RFC 2045, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// As it is.
    Plain,
    /// In base64.
    Base64,
    /// In quoted-printable.
    Quoted,
}

/// One part.
#[derive(Debug)]
pub struct Part<'a> {
    /// Where its fields stand.
    pub head: Range<usize>,
    /// Where its content stands.
    pub content: Range<usize>,
    /// The name of the field of a form that it is.
    pub name: Option<&'a str>,
    /// What it says it is.
    pub kind: Option<&'a str>,
    /// How its content is written.
    pub transfer: Transfer,
}

/// The parts of a message; nothing where the boundary never comes, or too often.
pub fn parts<'a>(text: &'a [u8], boundary: &[u8]) -> Option<Vec<Part<'a>>> {
    let delimiter = [b"--", boundary].concat();
    let mut list = Vec::new();
    let mut start = 0;
    let mut is_in_front = true;
    for at in memmem::find_iter(text, &delimiter) {
        if at > 0 && text[at - 1] != b'\n' {
            continue;
        }
        push(text, start..line_end(text, start, at), is_in_front, &mut list);
        is_in_front = false;
        let rest = &text[at + delimiter.len()..];
        let closing = if rest.starts_with(b"--") { 2 } else { 0 };
        let blank = rest[closing..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        let line = closing + blank + usize::from(rest.get(closing + blank) == Some(&b'\n'));
        start = at + delimiter.len() + line;
        // What is behind the last boundary is no part by the standard, and has no head.
        is_in_front |= closing > 0;
        if list.len() > DLP_PARTS {
            return None;
        }
    }
    if start == 0 {
        return None;
    }
    push(text, start..text.len(), is_in_front, &mut list);
    Some(list)
}

/// Where content ends in front of a boundary: the line end before it belongs to the boundary.
fn line_end(text: &[u8], start: usize, boundary: usize) -> usize {
    let inner = &text[start..boundary];
    let inner = inner.strip_suffix(b"\n").unwrap_or(inner);
    start + inner.strip_suffix(b"\r").unwrap_or(inner).len()
}

fn push<'a>(text: &'a [u8], range: Range<usize>, has_no_head: bool, list: &mut Vec<Part<'a>>) {
    if range.is_empty() {
        return;
    }
    let inner = &text[range.clone()];
    let head = if has_no_head { 0 } else { head_bytes(inner) };
    let (head, content) = (range.start..range.start + head, range.start + head..range.end);
    let (name, kind, transfer) = says(&text[head.clone()]);
    list.push(Part { name, kind, transfer, head, content });
}

/// The name of a part, what it says it is, and how its content is written, by its fields.
pub fn says(fields: &[u8]) -> (Option<&str>, Option<&str>, Transfer) {
    let transfer =
        match field(fields, "content-transfer-encoding").map(|value| value.trim().to_ascii_lowercase()) {
            Some(value) if value == "base64" => Transfer::Base64,
            Some(value) if value == "quoted-printable" => Transfer::Quoted,
            _ => Transfer::Plain,
        };
    let name = field(fields, "content-disposition").and_then(|value| {
        let rest = &value[value.find("name=\"")? + 6..];
        rest.split('"').next()
    });
    (name, field(fields, "content-type"), transfer)
}

/// Bytes of the fields and the empty line behind them; none where there is no such line.
fn head_bytes(part: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &part[at..]).map(|next| at + next) {
        let line = &part[at..end];
        at = end + 1;
        if line.is_empty() || line == b"\r" {
            return at;
        }
    }
    0
}

/// The value of a field.
fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (field, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        field.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_their_names_types_and_bytes() {
        let text = b"before\r\n--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nvalue\r\n--x \r\n\
            content-type: application/json\r\nContent-Transfer-Encoding: BASE64\r\n\r\ne30=\r\n--x--\r\nbehind";
        let list = parts(text, b"x").unwrap();
        let contents: Vec<&[u8]> = list.iter().map(|part| &text[part.content.clone()]).collect();
        assert_eq!(contents, [&b"before"[..], b"value", b"e30=", b"behind"]);
        assert_eq!((list[1].name, list[1].kind, list[1].transfer), (Some("key"), None, Transfer::Plain));
        let told = (list[2].name, list[2].kind, list[2].transfer);
        assert_eq!(told, (None, Some("application/json"), Transfer::Base64));
        assert!(parts(b"no boundary, or a--x in a line", b"x").is_none());
    }

    #[test]
    fn a_part_without_an_empty_line_is_all_content() {
        let list = parts(b"--x\r\nsecret: 1\r\n--x--", b"x").unwrap();
        assert_eq!((list[0].head.clone(), list[0].content.clone()), (5..5, 5..14));
    }
}
