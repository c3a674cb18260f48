//! Finds the value that a name is given: in code, JSON, YAML, settings, XML, command lines and prose.
//!
//! Where a word of a secret's name stands, the whole name is read around it, then what joins it to a value, then the value. The
//! three are bounded, and a name is read once, however many words stand in it. Whether the value is secret is judged by
//! `name.rs` and `value.rs`; nothing is decided here.

use std::ops::Range;

use super::super::examples::contains_word;
use crate::model::types::limits::FOUND_VALUE_BYTES as VALUE_BYTES;

/// Words of which one stands in the name of a secret. Short ones come with what may follow a name.
pub const ANCHORS: &[&str] = &[
    "pass", "secret", "token", "cred", "auth", "nonce", "salt", "bearer", "seed", "nkey", "verifier",
    "session", "cookie", "psw:", "psw=", "pwd=", "pwd:", "pwd\"", "pwd'", "pwd ", "pwd\\", "pwd>", "pwd]",
    "pwd)", "pwd_", "pwd-", "pwd(", "pwd,", "_pw=", "_pw:", "_pw\"", "_pw'", "_pw ", "\"pw\"", "'pw'",
    "psk=", "psk:", "psk\"", "psk'", "psk ", "key=", "key:", "key\"", "key'", "key ", "key\\", "key>",
    "key]", "key)", "key_", "key-", "key(", "key,", "key%", "key`", "keya", "keyp", "keys", "key.", "keyv",
    "jwt=", "jwt:", "jwt\"", "jwt'", "jwt ", "api=", "api:", "api\"", "api'", "api ", "api_", "_pat", "pat=",
    "pat:",
];

/// Bytes of the longest name that is read.
const NAME_BYTES: usize = 80;
/// Bytes of space between a name and its value: settings are written in columns.
const SPACE_BYTES: usize = 64;
/// Bytes of a type, or of a call around a value.
const WRAP_BYTES: usize = 32;

/// One answer for each byte.
type Bytes = [bool; 256];

const fn these(bytes: &[u8]) -> Bytes {
    let mut table = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

/// What a name is made of.
static NAME: Bytes = these(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
/// What signs between a name and a value are made of.
static SIGNS: Bytes = these(b":=!?.|+<>~*-");
/// What the beginning of a call or a list is made of.
static CALL: Bytes = these(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.[]: *&");
/// What ends a value without quotes, beside the next name's `=`.
static ENDS: Bytes = {
    let mut table = these(b"\"'`,;}])<>&|\\\x7f");
    let mut control = 0;
    while control <= b' ' {
        table[control as usize] = true;
        control += 1;
    }
    table
};

fn run(text: &[u8], most: usize, of: &Bytes) -> usize {
    text.iter().take(most).take_while(|byte| of[usize::from(**byte)]).count()
}

/// A name and the value that it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Where the name stands.
    pub name: Range<usize>,
    /// Where the value stands, without its quotes.
    pub value: Range<usize>,
    /// Whether it stands between quotes, and so is a text by itself.
    pub quoted: bool,
}

/// The name around a word of it.
pub fn name_around(text: &[u8], at: usize) -> Range<usize> {
    let before = text[at.saturating_sub(NAME_BYTES)..at]
        .iter()
        .rev()
        .take_while(|byte| NAME[usize::from(**byte)])
        .count();
    let after = run(&text[at..], NAME_BYTES, &NAME);
    let mut start = at - before;
    // The letter of an escape (`\n`) belongs to no name.
    if start > 0 && text[start - 1] == b'\\' && before > 0 && matches!(text[start], b'n' | b't' | b'r') {
        start += 1;
    }
    let mut name = start..at + after;
    // A dash or a dot at its end joins it to something else.
    while name.end > at && matches!(text[name.end - 1], b'-' | b'.') {
        name.end -= 1;
    }
    name
}

/// What this name is given, if it is given something.
pub fn given(text: &[u8], name: Range<usize>) -> Option<Assignment> {
    let mut reader = Reader { text, at: name.end };
    reader.close_name();
    let joined = reader.joined(&name)?;
    reader.spaces();
    let (value, quoted) = reader.value(joined)?;
    Some(Assignment { name, value, quoted })
}

/// What joins a value to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    /// `=`, `:`, `=>` and the like.
    Sign,
    /// An end tag ends it.
    Tag,
    /// A comma, a parenthesis: only what stands between quotes is a value.
    Call,
    /// A word (`is`), or nothing but space.
    Prose,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn spaces(&mut self) -> usize {
        let count = self
            .rest()
            .iter()
            .take(SPACE_BYTES)
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
            .count();
        self.at += count;
        count
    }

    fn takes(&mut self, sign: &[u8]) -> bool {
        let takes = self.rest().starts_with(sign);
        self.at += if takes { sign.len() } else { 0 };
        takes
    }

    /// Passes over the quote or the bracket behind a name.
    fn close_name(&mut self) {
        for _ in 0..4 {
            match self.peek() {
                b'"' | b'\'' | b'`' | b']' | b')' | b'*' => self.at += 1,
                b'\\' if matches!(self.text.get(self.at + 1), Some(b'"' | b'\'')) => self.at += 2,
                _ => break,
            }
        }
    }

    fn joined(&mut self, name: &Range<usize>) -> Option<Joined> {
        let closed = self.at;
        let spaced = self.spaces() > 0;
        // `:=`, `=>`, `||=`, `:::=`: whatever ends with an equals sign, or a colon.
        let signs = run(self.rest(), 4, &SIGNS);
        let signs = &self.rest()[..signs];
        if let Some(equals) = signs.iter().rposition(|byte| *byte == b'=') {
            self.at += equals + 1;
            self.at += usize::from(matches!(self.peek(), b'>' | b'~'));
            return Some(Joined::Sign);
        }
        if let Some(colon) = signs.iter().rposition(|byte| *byte == b':') {
            self.at += colon + 1;
            self.type_before_sign();
            return Some(Joined::Sign);
        }
        if self.takes(b"<-") || self.takes(b"%3D") || self.takes(b"%3d") {
            return Some(Joined::Sign);
        }
        if self.takes(b">") {
            return Some(Joined::Tag);
        }
        if self.takes(b",") || self.takes(b"(") {
            return Some(Joined::Call);
        }
        if !spaced {
            return None;
        }
        if self.takes(b"is ") || self.takes(b"is: ") || self.takes(b"was ") || self.takes(b"are ") {
            return Some(Joined::Prose);
        }
        // `token string = "..."`, `value="..."` behind `name="password"`.
        if self.type_before_sign() {
            return Some(Joined::Sign);
        }
        // `--password hunter2`, `Bearer abc`, `password "hunter2"`.
        self.at = closed;
        let bare = self.text[name.start] == b'-' || self.text[name.clone()].eq_ignore_ascii_case(b"bearer");
        match self.peek() {
            b' ' | b'\t' if bare => Some(Joined::Prose),
            b' ' => Some(Joined::Call),
            _ => None,
        }
    }

    /// Passes over a type and the sign behind it, if both are there.
    fn type_before_sign(&mut self) -> bool {
        let start = self.at;
        self.spaces();
        let belongs = |byte: &&u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'&' | b'*' | b'[' | b']' | b'?' | b'<' | b'>' | b'\'' | b' ')
        };
        let words = self.rest().iter().take(WRAP_BYTES).take_while(belongs).count();
        self.at += words;
        let begins = self
            .text
            .get(start..self.at)
            .is_some_and(|word| !word.iter().all(|byte| matches!(byte, b' ' | b'\'')));
        if begins && self.peek() == b'=' && self.text.get(self.at + 1) != Some(&b'=') {
            self.at += 1;
            return true;
        }
        self.at = start;
        false
    }

    fn value(&mut self, joined: Joined) -> Option<(Range<usize>, bool)> {
        if let Some(value) = self.quoted() {
            return Some((value, true));
        }
        match joined {
            Joined::Tag => {
                let length = self.rest().iter().take(VALUE_BYTES).take_while(|byte| **byte != b'<').count();
                let range = trimmed(self.text, self.at..self.at + length);
                (self.text.get(self.at + length..)?.starts_with(b"</")).then_some((range, true))
            }
            // `[]byte("...")`, `Some("...")`, a list of one.
            Joined::Sign | Joined::Call if self.wrapped() => self.quoted().map(|value| (value, true)),
            Joined::Call => None,
            Joined::Sign | Joined::Prose => {
                let length = unquoted(self.rest());
                let mut range = self.at..self.at + length;
                if joined == Joined::Prose && matches!(self.text.get(range.end.wrapping_sub(1)), Some(b'.')) {
                    range.end -= 1;
                }
                let value = &self.text[range.clone()];
                // A call, an element, a member.
                let code = value.contains(&b'(') || value.contains(&b'[') || value.contains(&b'{');
                let member = value.iter().filter(|byte| **byte == b'.').count() > 0
                    && value.iter().filter(|byte| byte.is_ascii_digit()).count() < 3;
                (length > 0 && !code && !member).then_some((range, false))
            }
        }
    }

    /// What stands between quotes here, whichever they are.
    fn quoted(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        if !matches!(
            self.peek(),
            b'"' | b'\'' | b'`' | b'\\' | b'&' | b'b' | b'r' | b'f' | b'u' | b'@' | b'L'
        ) {
            return None;
        }
        if matches!(self.peek(), b'b' | b'r' | b'f' | b'u' | b'@' | b'L')
            && matches!(self.text.get(self.at + 1), Some(b'"' | b'\''))
        {
            self.at += 1;
        }
        for quote in [&b"\"\"\""[..], b"\\\\\\\"", b"\\\"", b"\\'", b"\"", b"'", b"`", b"&quot;"] {
            if !self.takes(quote) {
                continue;
            }
            let most = self.rest().len().min(VALUE_BYTES + 8);
            let end = memchr::memchr2(quote[0], b'\n', &self.rest()[..most]);
            let end = end.map_or(self.text.len().min(self.at + VALUE_BYTES + 1), |end| self.at + end);
            // What a text ends before its quote does was cut.
            if end < self.text.len() && !self.text[end..].starts_with(quote) && self.text[end] == b'\n' {
                break;
            }
            return Some(self.at..end);
        }
        self.at = start;
        None
    }

    /// Passes over the beginning of a call or a list around a value.
    fn wrapped(&mut self) -> bool {
        let start = self.at;
        let name = run(self.rest(), WRAP_BYTES, &CALL);
        self.at += name;
        let name = &self.text[start..self.at];
        let opens = self.takes(b"(") || self.takes(b"{") || name.ends_with(b"[");
        if opens && matches!(self.peek(), b'"' | b'\'' | b'`' | b'b' | b'r') && !looks_up(name) {
            return true;
        }
        self.at = start;
        false
    }
}

/// Whether a call asks for a value by its name.
fn looks_up(name: &[u8]) -> bool {
    ["env", "get", "conf", "lookup", "var", "require", "param"].iter().any(|word| contains_word(name, word))
}

/// Bytes of a value without quotes: up to a space, a sign of the syntax around it, or the next name's `=`.
fn unquoted(text: &[u8]) -> usize {
    let most = text.len().min(VALUE_BYTES + 1);
    let end = text[..most].iter().position(|byte| ENDS[usize::from(*byte)] || *byte == b'=').unwrap_or(most);
    // What fills base 64 belongs to it, where nothing follows.
    let filled = end + text[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
    if text.get(filled).is_none_or(|byte| ENDS[usize::from(*byte)]) { filled } else { end }
}

fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let value = &text[range.clone()];
    let start = range.start + value.len() - value.trim_ascii_start().len();
    start..start.max(range.start + value.trim_ascii_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> Option<(String, String, bool)> {
        let at = text.find(name).expect("a name");
        let given = given(text.as_bytes(), name_around(text.as_bytes(), at))?;
        Some((text[given.name].to_owned(), text[given.value].to_owned(), given.quoted))
    }

    #[test]
    fn values_are_read_in_the_syntaxes_of_code_settings_and_prose() {
        for (text, name, given, quoted) in [
            ("db_password = \"abc\"", "db_password", "abc", true),
            ("var apiToken string = `abc`", "apiToken", "abc", true),
            ("const token: string = 'abc';", "token", "abc", true),
            ("let token: &str = \"abc\";", "token", "abc", true),
            ("{\"password\": \"abc\"}", "password", "abc", true),
            ("{\\\"password\\\":\\\"abc\\\"}", "password", "abc", true),
            ("PASSWORD=abc", "PASSWORD", "abc", false),
            ("password: abc", "password", "abc", false),
            ("token := []byte(\"abc\")", "token", "abc", true),
            ("<password>abc</password>", "password", "abc", true),
            ("<add key=\"password\" value=\"abc\"/>", "password", "abc", true),
            ("setPassword(\"abc\")", "setPassword", "abc", true),
            ("config['token'] = 'abc'", "token", "abc", true),
            ("if token == \"abc\" {", "token", "abc", true),
            ("the password is abc.", "password", "abc", false),
            ("mysql --password abc", "--password", "abc", false),
            (":token => 'abc'", "token", "abc", true),
            ("a\\ntoken=abc&x=y", "token", "abc", false),
        ] {
            let plain = name.trim_start_matches('-').to_owned();
            let found = value(text, &plain)
                .map(|(name, value, quoted)| (name.trim_start_matches('-').to_owned(), value, quoted));
            assert_eq!(found, Some((plain, given.to_owned(), quoted)), "{text}");
        }
    }

    #[test]
    fn what_is_computed_is_no_value() {
        for text in [
            "token = fetch_token(env)",
            "token = self.token",
            "token = os.getenv(\"TOKEN\")",
            "token)",
            "token",
        ] {
            assert_eq!(value(text, "token"), None, "{text}");
        }
    }
}
