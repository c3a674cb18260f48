//! What of an answer repeats a credential: it is covered, plain and in the forms in which servers write it, and as many
//! signs stand there as before, so that lengths, framing and JSON stay whole.
//!
//! In a stream nothing is held back but what may be the beginning of a credential. Never decodes a body. Read next:
//! `forms.rs`, then `act/upstream/redacted.rs`.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::forms::{Forms, Found};

/// What stands in the place of each byte.
const COVER: u8 = b'*';
/// Bytes of the shortest value that is sought where nobody has sent it: a shorter one would be found by chance.
const LEAST: usize = 8;

/// Credentials that an answer may not repeat.
pub struct Echo {
    forms: Forms,
    /// As the names of fields are written.
    names: Option<Forms>,
}

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Echo")
    }
}

impl Echo {
    /// The credentials of one request; nothing where there is none to be sought.
    pub fn of<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Arc<Self>> {
        Forms::few(values).map(Self::new)
    }

    /// All the values of a vault that can be told from chance.
    pub fn of_all<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Arc<Self>> {
        Forms::many(values.into_iter().filter(|value| value.len() >= LEAST)).map(Self::new)
    }

    fn new(forms: Forms) -> Arc<Self> {
        Arc::new(Self { names: forms.of_names(), forms })
    }

    /// Covers what stands in these bytes; whether anything did.
    pub fn cover(&self, bytes: &mut [u8]) -> bool {
        let Found { hits, .. } = self.forms.find(bytes, true);
        let found = !hits.is_empty();
        hits.into_iter().for_each(|hit| bytes[hit].fill(COVER));
        found
    }

    /// Covers what stands in header fields or trailers. A field whose name repeats a credential is gone.
    pub fn cover_fields(&self, fields: &mut HeaderMap) {
        let named = |name: &&HeaderName| {
            self.names.as_ref().is_some_and(|names| names.stand_in(name.as_str().as_bytes()))
        };
        let gone: Vec<HeaderName> = fields.keys().filter(named).cloned().collect();
        for name in gone {
            fields.remove(name);
        }
        for value in fields.values_mut().filter(|value| self.repeats(value.as_bytes())) {
            let mut covered = value.as_bytes().to_vec();
            self.cover(&mut covered);
            // Cannot fail: what is put there can stand in a field.
            *value = HeaderValue::from_bytes(&covered).unwrap_or_else(|_| HeaderValue::from_static("*"));
        }
    }

    /// Whether a text of the head repeats a credential.
    pub fn repeats(&self, text: &[u8]) -> bool {
        self.forms.stand_in(text)
    }
}

/// Covers a stream as it passes.
#[derive(Debug)]
pub struct Covering {
    echo: Arc<Echo>,
    /// May be the beginning of a credential.
    held: Zeroizing<Vec<u8>>,
    found: bool,
}

impl Covering {
    /// From its beginning.
    pub fn new(echo: Arc<Echo>) -> Self {
        Self { echo, held: Zeroizing::default(), found: false }
    }

    /// The next bytes: what may go on by now, which may be nothing.
    pub fn feed(&mut self, bytes: Bytes) -> Bytes {
        if self.held.is_empty() {
            let (hits, goes) = self.settled(&bytes);
            if hits.is_empty() {
                self.held.extend_from_slice(&bytes[goes..]);
                return bytes.slice(..goes);
            }
        }
        let mut all = Zeroizing::new([&self.held[..], &bytes[..]].concat());
        let (hits, goes) = self.settled(&all);
        self.found |= !hits.is_empty();
        hits.into_iter().for_each(|hit| all[hit].fill(COVER));
        self.held = Zeroizing::new(all[goes..].to_vec());
        Bytes::copy_from_slice(&all[..goes])
    }

    /// What is found for good in a text, and how much of it may go on: a credential that another may go on in waits with that.
    fn settled(&self, text: &[u8]) -> (Vec<Range<usize>>, usize) {
        let Found { hits, open: mut goes } = self.echo.forms.find(text, false);
        while let Some(hit) = hits.iter().find(|hit| hit.start < goes && goes < hit.end) {
            goes = hit.start;
        }
        (hits.into_iter().filter(|hit| hit.end <= goes).collect(), goes)
    }

    /// Whether anything was covered until now.
    pub fn has_found(&self) -> bool {
        self.found
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
        let mut rest: Vec<u8> = std::mem::take(&mut *self.held);
        self.found |= self.echo.cover(&mut rest);
        Bytes::from(rest)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

    use super::super::signature::{encoded, hex};
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
