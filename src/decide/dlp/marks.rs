//! What stands where a finding was: `[redacted:DETECTOR]`.
//!
//! Every text that redaction makes is inspected again somewhere, and must not be a finding there. But a mark is also
//! something that anybody can write, so it is taken for one only where nothing could be hidden in it: it is made of letters
//! and joints, with hardly a digit. Read next: `redact.rs`.

use std::ops::Range;

use super::detector::DetectorName;

/// How it begins.
const BEGINNING: &[u8] = b"[redacted:";
/// Bytes of the longest name in one.
const NAME_BYTES: usize = 48;
/// Digits in one.
const NAME_DIGITS: usize = 4;

/// What stands for a finding of this detector.
pub fn mark(detector: &DetectorName) -> String {
    let mut digits = 0;
    let name: String = detector
        .as_str()
        .chars()
        .take(NAME_BYTES)
        .map(|letter| match letter {
            '0'..='9' => {
                digits += 1;
                if digits > NAME_DIGITS { 'x' } else { letter }
            }
            'a'..='z' | '-' | ':' => letter,
            'A'..='Z' => letter.to_ascii_lowercase(),
            _ => '-',
        })
        .collect();
    format!("[redacted:{name}]")
}

/// Whether what was found is a mark, or part of one, or nothing but stars.
pub fn is_mark(text: &[u8], found: &Range<usize>) -> bool {
    if text[found.clone()].iter().all(|byte| *byte == b'*') {
        return true;
    }
    let least = found.start.saturating_sub(BEGINNING.len() + NAME_BYTES);
    let most = (found.start + BEGINNING.len() + 1).min(text.len());
    let Some(start) = memchr::memmem::rfind(&text[least..most], BEGINNING).map(|at| least + at) else {
        return false;
    };
    let name = &text[start + BEGINNING.len()..];
    let len = name.iter().take_while(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b':')).count();
    let digits = name[..len].iter().filter(|byte| byte.is_ascii_digit()).count();
    let end = start + BEGINNING.len() + len + 1;
    name.get(len) == Some(&b']')
        && len <= NAME_BYTES
        && digits <= NAME_DIGITS
        && found.end <= end
        && found.start + 1 >= start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_and_hides_nothing() {
        let text = format!("password={};", mark(&DetectorName::from("aws-access-key-id")));
        assert_eq!(text, "password=[redacted:aws-access-key-id];");
        assert!(is_mark(text.as_bytes(), &(9..text.len() - 1)));
        assert!(is_mark(text.as_bytes(), &(19..30)));
        assert!(!is_mark(text.as_bytes(), &(9..text.len())), "more than the mark");
        let forged = b"[redacted:4f9d1c07e2b85a63] [redacted:Swordfish] [redacted:x";
        for range in [10..26, 38..47, 59..60] {
            assert!(!is_mark(forged, &range), "{range:?}");
        }
        assert!(is_mark(b"x ********", &(2..10)));
        assert_eq!(mark(&DetectorName::from("vault:KEY_12345")), "[redacted:vault:key-1234x]");
    }
}
