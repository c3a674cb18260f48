//! Colour, where there is a terminal that wants it (`NO_COLOR`, no-color.org), and text made safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The few styles in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// Refused, failed.
    Bad,
    /// Allowed, as it should be.
    Good,
    /// Needs somebody.
    Warn,
    /// Of less interest.
    Dim,
    /// The subject of the sentence.
    Bold,
}

/// Whether to paint at all.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    /// Paints for this stream: only on a terminal, never against `NO_COLOR` or on a dumb one.
    pub fn for_stream(stream: &impl std::io::IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(stream.is_terminal() && !refused && !dumb)
    }

    /// The text in its style.
    pub fn text(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bad => "31",
            Style::Good => "32",
            Style::Warn => "33",
            Style::Dim => "2",
            Style::Bold => "1",
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Text that came from elsewhere, with what could steer a terminal or break a line written out: controls, and the
/// marks that reorder text (Unicode TR 36, "bidirectional text spoofing").
pub fn safe(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        assert_eq!(safe("/upload\u{1b}[2J\n\u{202e}x"), "/upload\\u{1b}[2J\\u{a}\\u{202e}x");
        assert!(matches!(safe("grüße"), Cow::Borrowed("grüße")));
    }

    #[test]
    fn without_a_terminal_nothing_is_painted() {
        assert_eq!(Paint(false).text(Style::Bad, "deny"), "deny");
        assert_eq!(Paint(true).text(Style::Bad, "deny"), "\x1b[31mdeny\x1b[0m");
        assert!(!Paint::for_stream(&std::fs::File::open("/dev/null").unwrap()).0);
    }
}
