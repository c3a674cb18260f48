//! What of an answer repeats a credential: it is covered, plain and in the forms in which servers write it, and as many
//! signs stand there as before, so that lengths, framing and JSON stay whole.
//!
//! In a stream nothing is held back but what may be the beginning of a credential. Never decodes a body. Read next:
//! `act/upstream/redacted.rs`.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem::Finder;
use zeroize::Zeroizing;

use super::signature::{encoded, hex};

/// What stands in the place of each byte.
const COVER: u8 = b'*';
/// A form with fewer bytes is not sought: it would be found in what has nothing to do with it.
const SHORTEST: usize = 6;

/// The forms of the credentials of one request.
pub struct Echo {
    forms: Vec<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Echo")
    }
}

impl Echo {
    /// Of these values; nothing where there is none to be sought.
    pub fn of<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Arc<Self>> {
        let mut forms: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for form in values.into_iter().flat_map(forms_of) {
            if form.len() >= SHORTEST && !forms.contains(&form) {
                forms.push(form);
            }
        }
        // Of two that begin alike the longer is covered whole.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        (!forms.is_empty()).then(|| Arc::new(Self { forms }))
    }

    /// Covers what stands in these bytes; whether anything did.
    pub fn cover(&self, bytes: &mut [u8]) -> bool {
        let mut found = false;
        for form in &self.forms {
            let finder = Finder::new(&form[..]);
            let mut at = 0;
            while let Some(place) = finder.find(&bytes[at..]) {
                bytes[at + place..at + place + form.len()].fill(COVER);
                at += place + form.len();
                found = true;
            }
        }
        found
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| memchr::memmem::find(bytes, form).is_some())
    }

    /// How many of the last bytes may be the beginning of a form.
    fn open(&self, bytes: &[u8]) -> usize {
        let longest = self.forms.first().map_or(0, |form| form.len() - 1);
        let tail = &bytes[bytes.len().saturating_sub(longest)..];
        let begins =
            |rest: &[u8]| self.forms.iter().any(|form| form.len() > rest.len() && form.starts_with(rest));
        (0..tail.len()).find(|at| begins(&tail[*at..])).map_or(0, |at| tail.len() - at)
    }

    /// Covers what stands in header fields or trailers. A field whose name repeats a credential is gone.
    pub fn cover_fields(&self, fields: &mut HeaderMap) {
        let lower = |form: &Zeroizing<Vec<u8>>| Zeroizing::new(form.to_ascii_lowercase());
        let named = |name: &HeaderName| {
            self.forms
                .iter()
                .map(lower)
                .any(|form| memchr::memmem::find(name.as_str().as_bytes(), &form).is_some())
        };
        let gone: Vec<HeaderName> = fields.keys().filter(|name| named(name)).cloned().collect();
        for name in gone {
            fields.remove(name);
        }
        for value in fields.values_mut().filter(|value| self.is_in(value.as_bytes())) {
            let mut covered = value.as_bytes().to_vec();
            self.cover(&mut covered);
            // Cannot fail: what is put there can stand in a field.
            *value = HeaderValue::from_bytes(&covered).unwrap_or_else(|_| HeaderValue::from_static("*"));
        }
    }

    /// Whether a text of the head repeats a credential.
    pub fn repeats(&self, text: &[u8]) -> bool {
        self.is_in(text)
    }
}

/// A value as servers may write it: as it is, percent-encoded, escaped in JSON, in hexadecimal digits and in base64, wherever
/// it begins there.
fn forms_of(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let upper = Zeroizing::new(encoded(value, |_| false));
    let lower = upper.split('%').enumerate().map(|(number, part)| match (number, part.split_at_checked(2)) {
        (0, _) | (_, None) => part.to_owned(),
        (_, Some((digits, rest))) => format!("{}{rest}", digits.to_ascii_lowercase()),
    });
    let lower = lower.collect::<Vec<_>>().join("%");
    let digits = hex(value);
    let mut forms = vec![
        value.to_vec(),
        lower.into_bytes(),
        upper.as_bytes().to_vec(),
        digits.to_ascii_uppercase().into_bytes(),
        digits.into_bytes(),
    ];
    if let Ok(text) = std::str::from_utf8(value) {
        let escaped = serde_json::Value::from(text).to_string();
        let inner = escaped[1..escaped.len() - 1].to_owned();
        forms.push(inner.replace('/', "\\/").into_bytes());
        forms.push(inner.into_bytes());
    }
    for before in 0..3 {
        for alphabet in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let padded = Zeroizing::new([&[0; 2][..before.min(2)], value].concat());
            let coded = alphabet.encode(&*padded);
            // Signs that depend on what stands around it are not part of the form.
            let begin = [0, 2, 3][before];
            let end = coded.len() - usize::from(padded.len() % 3 != 0);
            forms.extend(coded.get(begin..end).map(|form| form.as_bytes().to_vec()));
        }
    }
    forms.into_iter().map(Zeroizing::new).collect()
}

/// Covers a stream as it passes.
#[derive(Debug)]
pub struct Covering {
    echo: Arc<Echo>,
    /// May be the beginning of a credential.
    held: Zeroizing<Vec<u8>>,
}

impl Covering {
    /// From its beginning.
    pub fn new(echo: Arc<Echo>) -> Self {
        Self { echo, held: Zeroizing::default() }
    }

    /// The next bytes: what may go on by now, which may be nothing.
    pub fn feed(&mut self, bytes: Bytes) -> Bytes {
        if self.held.is_empty() && !self.echo.is_in(&bytes) {
            let open = self.echo.open(&bytes);
            self.held.extend_from_slice(&bytes[bytes.len() - open..]);
            return bytes.slice(..bytes.len() - open);
        }
        let mut all = Zeroizing::new([&self.held[..], &bytes[..]].concat());
        self.echo.cover(&mut all);
        let open = self.echo.open(&all);
        let goes = all.len() - open;
        self.held = Zeroizing::new(all[goes..].to_vec());
        Bytes::copy_from_slice(&all[..goes])
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The stream is over: what is left of it.
    pub fn finish(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "mk-live/Zq+7\"tail=";

    fn passed(text: &[u8], piece: usize) -> Vec<u8> {
        let mut covering = Covering::new(Echo::of([VALUE.as_bytes()]).unwrap());
        let mut out = Vec::new();
        for piece in text.chunks(piece) {
            out.extend_from_slice(&covering.feed(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&covering.finish());
        out
    }

    #[test]
    fn every_form_is_covered_wherever_a_stream_is_cut_and_its_length_stays() {
        let json = serde_json::json!({ "key": VALUE }).to_string();
        let percent = encoded(VALUE.as_bytes(), |_| false);
        let forms = [
            VALUE.to_owned(),
            format!("<<{VALUE}{VALUE}>>"),
            json.clone(),
            json.replace('/', "\\/"),
            percent.clone(),
            percent.replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
            hex(VALUE.as_bytes()),
            hex(VALUE.as_bytes()).to_ascii_uppercase(),
        ];
        for form in forms {
            for piece in [1, 2, 7, 1000] {
                let out = passed(form.as_bytes(), piece);
                assert_eq!(out.len(), form.len(), "{form}");
                let text = String::from_utf8(out).unwrap();
                assert!(text.contains("******") && !text.contains("live"), "{form}: {text}");
            }
        }
    }

    #[test]
    fn base64_is_covered_wherever_the_value_begins_in_it() {
        for before in ["", "a", "ab", "user:"] {
            for behind in ["", "b", "\n"] {
                let text = format!("{before}{VALUE}{behind}");
                for coded in [BASE64_STANDARD_NO_PAD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)] {
                    let out = String::from_utf8(passed(coded.as_bytes(), 5)).unwrap();
                    assert_eq!(out.len(), coded.len());
                    let left = out.chars().filter(|sign| *sign != '*').count();
                    assert!(left <= coded.len() - (VALUE.len() * 4 / 3 - 4), "{coded}: {out}");
                }
            }
        }
    }

    #[test]
    fn nothing_waits_that_cannot_be_the_beginning_of_a_credential() {
        let mut covering = Covering::new(Echo::of([VALUE.as_bytes()]).unwrap());
        assert_eq!(covering.feed(Bytes::from_static(b"data: an event\n\n")), "data: an event\n\n");
        assert_eq!(covering.feed(Bytes::from_static(b"data: mk-l")), "data: ");
        assert_eq!(covering.feed(Bytes::from_static(b"ong ago\n\n")), "mk-long ago\n\n");
        assert_eq!(covering.feed(Bytes::from_static(b"mk-live")), "");
        assert_eq!(covering.finish(), "mk-live");
    }

    #[test]
    fn fields_are_covered_in_their_values_and_gone_by_their_names() {
        let echo = Echo::of([b"SeCrEt-VaLuE".as_slice()]).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert("location", HeaderValue::from_static("https://else.example/?k=SeCrEt-VaLuE"));
        fields.insert("x-secret-value-x", HeaderValue::from_static("1"));
        fields.insert("x-kept", HeaderValue::from_static("secret"));
        echo.cover_fields(&mut fields);
        assert_eq!(fields["location"], "https://else.example/?k=************");
        assert_eq!((fields.len(), &fields["x-kept"]), (2, &HeaderValue::from_static("secret")));
    }

    #[test]
    fn what_is_too_short_to_tell_is_not_sought() {
        assert!(Echo::of([b"".as_slice()]).is_none());
        assert!(!Echo::of([b"abcd".as_slice()]).unwrap().repeats(b"abcd"));
    }
}
