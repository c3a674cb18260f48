//! The forms in which servers write secret values, and where any of them stands in a text.
//!
//! A few forms are sought one after another, many all at once: by the three bytes at the end of a window it is known how far no
//! form can begin, so most of a text is not read at all (Wu and Manber, "A fast algorithm for multi-pattern searching", 1994).
//! What is made of values lies in locked memory, the table of their first bytes too. Never decodes. Read next: `echo.rs`.

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use smallvec::SmallVec;
use zeroize::Zeroizing;

use super::signature::{encoded, hex};
use crate::platform::sys::locked::LockedBytes;

/// A form with fewer bytes is not sought: it would be found in what has nothing to do with it.
const SHORTEST: usize = 6;
/// The widest window: a wider one goes further at a time, and fills its table sooner.
const WIDEST: usize = 16;
/// Bytes by which windows are told apart.
const END: usize = 3;
/// Bits of the smallest table and of the largest one: so many bytes of locked memory.
const TABLE_BITS: [u32; 2] = [12, 18];
/// Spreads bytes over a table: the golden ratio of a word, as Knuth has it.
const SPREAD: u32 = 0x9E37_79B1;
/// Buckets of forms, by their first four bytes.
const BUCKETS: usize = 1 << 12;
/// Of a longer value fewer forms are sought: it is a document, which nobody writes in hexadecimal digits.
const WHOLLY: usize = 1024;

/// The forms of some values.
pub(super) struct Forms {
    /// All of them, one behind the other, the longest first.
    bytes: LockedBytes,
    places: Vec<Range<usize>>,
    index: Option<Index>,
}

/// What finds many forms at once.
struct Index {
    /// Bytes of a window: no form is shorter.
    window: usize,
    /// By a hash of its last bytes, how far to go from a window.
    steps: LockedBytes,
    /// Turns that hash into a place in the table.
    shift: u32,
    by_four: Buckets,
    by_one: Buckets,
}

/// Numbers of forms in buckets, in order.
struct Buckets {
    begins: Vec<u32>,
    forms: Vec<u16>,
}

/// What stands in a text.
pub(super) struct Found {
    /// Whole forms, in order where they are sought all at once.
    pub hits: SmallVec<[Range<usize>; 2]>,
    /// Where begins what may go on as a form behind the end of the text; its length where nothing does.
    pub open: usize,
}

impl Forms {
    /// Of these values, sought one after another; nothing where there is none to be sought.
    pub(super) fn few<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Self> {
        Self::new(values.into_iter().flat_map(forms_of).collect(), false)
    }

    /// Of these values, sought all at once.
    pub(super) fn many<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Self> {
        Self::new(values.into_iter().flat_map(forms_of).collect(), true)
    }

    /// The same in lower case, as far as they can stand in the name of a field.
    pub(super) fn of_names(&self) -> Option<Self> {
        let lower = |form: &[u8]| Zeroizing::new(form.to_ascii_lowercase());
        let named = |form: &&[u8]| http::HeaderName::from_bytes(form).is_ok();
        Self::new(self.each().filter(named).map(lower).collect(), self.index.is_some())
    }

    fn new(mut forms: Vec<Zeroizing<Vec<u8>>>, indexed: bool) -> Option<Self> {
        forms.retain(|form| form.len() >= SHORTEST);
        // Of two that begin alike the longer is found whole.
        forms.sort_by(|one, other| {
            other.len().cmp(&one.len()).then_with(|| one.as_slice().cmp(other.as_slice()))
        });
        forms.dedup();
        forms.truncate(usize::from(u16::MAX));
        let parts: Vec<&[u8]> = forms.iter().map(|form| form.as_slice()).collect();
        let bytes = LockedBytes::of(&parts);
        let mut at = 0;
        let places: Vec<_> = parts
            .iter()
            .map(|part| {
                at += part.len();
                at - part.len()..at
            })
            .collect();
        let index = indexed.then(|| Index::of(&parts));
        (!places.is_empty()).then_some(Self { bytes, places, index })
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.bytes[place.clone()])
    }

    fn form(&self, number: u16) -> &[u8] {
        &self.bytes[self.places[usize::from(number)].clone()]
    }

    /// Whether any stands in a text.
    pub(super) fn stand_in(&self, text: &[u8]) -> bool {
        match &self.index {
            None => self.each().any(|form| memchr::memmem::find(text, form).is_some()),
            Some(index) => !self.at_once(index, (text, true)).hits.is_empty(),
        }
    }

    /// Where they stand in a text. Behind the last one nothing comes, so nothing is open there.
    pub(super) fn find(&self, text: &[u8], is_last: bool) -> Found {
        match &self.index {
            None => self.one_by_one((text, is_last)),
            Some(index) => self.at_once(index, (text, is_last)),
        }
    }

    fn one_by_one(&self, (text, is_last): (&[u8], bool)) -> Found {
        let mut hits: SmallVec<[Range<usize>; 2]> = SmallVec::new();
        for form in self.each() {
            let finder = Finder::new(form);
            hits.extend(finder.find_iter(text).map(|at| at..at + form.len()));
        }
        let longest = self.places.first().filter(|_| !is_last).map_or(0, |place| place.len() - 1);
        let begins = |rest: &[u8]| self.each().any(|form| form.len() > rest.len() && form.starts_with(rest));
        let is_inside = |at: usize| hits.iter().any(|hit| hit.start < at && at < hit.end);
        let mut tail = text.len().saturating_sub(longest)..text.len();
        let open = tail.find(|at| begins(&text[*at..]) && !is_inside(*at)).unwrap_or(text.len());
        Found { hits, open }
    }

    fn at_once(&self, index: &Index, (text, is_last): (&[u8], bool)) -> Found {
        let mut found = Found { hits: SmallVec::new(), open: text.len() };
        let mut end = index.window;
        while let Some(last) = text.get(end - END..end) {
            let step = index.steps[index.place(last)];
            if step > 0 {
                end += usize::from(step);
                continue;
            }
            let at = end - index.window;
            let rest = &text[at..];
            // The longest first: one that may go on behind the end is waited for.
            let forms = index.by_four.of(four(rest)).iter().map(|number| self.form(*number));
            let mut alike = forms.filter(|form| rest.starts_with(form) || !is_last && form.starts_with(rest));
            match alike.next() {
                Some(form) if form.len() <= rest.len() => {
                    found.hits.push(at..at + form.len());
                    end += form.len();
                }
                Some(_) => {
                    found.open = at;
                    return found;
                }
                None => end += 1,
            }
        }
        if is_last {
            return found;
        }
        // What is left is shorter than any form.
        let begins = |rest: &[u8]| {
            let numbers =
                if rest.len() < 4 { index.by_one.of(one(rest)) } else { index.by_four.of(four(rest)) };
            numbers.iter().any(|number| self.form(*number).starts_with(rest))
        };
        let mut left = (end - index.window).min(text.len())..text.len();
        found.open = left.find(|at| begins(&text[*at..])).unwrap_or(text.len());
        found
    }
}

impl Index {
    fn of(forms: &[&[u8]]) -> Self {
        let window = forms.iter().map(|form| form.len()).min().unwrap_or(SHORTEST).min(WIDEST);
        // Four places for each entry, so that few windows end like a form by chance.
        let wanted = (forms.len() * window * 4).next_power_of_two().ilog2();
        let bits = wanted.clamp(TABLE_BITS[0], TABLE_BITS[1]);
        let mut index = Self {
            window,
            steps: LockedBytes::zeroed(1 << bits),
            shift: u32::BITS - bits,
            by_four: Buckets::new(forms, BUCKETS, four),
            by_one: Buckets::new(forms, 256, one),
        };
        // Where none of them has these bytes, the next window begins behind their first one.
        index.steps.fill((window - END + 1) as u8);
        for form in forms {
            for (place, three) in form[..window].windows(END).enumerate() {
                let at = index.place(three);
                let step = &mut index.steps[at];
                *step = (*step).min((window - END - place) as u8);
            }
        }
        index
    }

    fn place(&self, last: &[u8]) -> usize {
        let three = last
            .first_chunk::<END>()
            .map_or(0, |three| u32::from_le_bytes([three[0], three[1], three[2], 0]));
        (three.wrapping_mul(SPREAD) >> self.shift) as usize
    }
}

impl Buckets {
    fn new(forms: &[&[u8]], buckets: usize, bucket: impl Fn(&[u8]) -> usize) -> Self {
        let mut begins = vec![0_u32; buckets + 1];
        forms.iter().for_each(|form| begins[bucket(form) + 1] += 1);
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        let mut next = begins.clone();
        let mut numbers = vec![0; forms.len()];
        for (number, form) in (0..).zip(forms) {
            let place = &mut next[bucket(form)];
            numbers[*place as usize] = number;
            *place += 1;
        }
        Self { begins, forms: numbers }
    }

    /// The forms of a bucket, the longest first.
    fn of(&self, bucket: usize) -> &[u16] {
        &self.forms[self.begins[bucket] as usize..self.begins[bucket + 1] as usize]
    }
}

fn one(text: &[u8]) -> usize {
    text.first().map_or(0, |byte| usize::from(*byte))
}

/// The bucket of a text of at least four bytes: a hash, which says less of them than they would.
fn four(text: &[u8]) -> usize {
    let first = text.first_chunk::<4>().map_or(0, |four| u32::from_le_bytes(*four));
    (first.wrapping_mul(SPREAD) >> (u32::BITS - BUCKETS.ilog2())) as usize
}

/// A value as servers may write it: as it is, percent-encoded, escaped in JSON, in hexadecimal digits and in base64, wherever
/// it begins there.
fn forms_of(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let upper = Zeroizing::new(encoded(value, |_| false));
    let mut forms = vec![value.to_vec(), upper.as_bytes().to_vec()];
    if let Ok(text) = std::str::from_utf8(value) {
        let escaped = serde_json::Value::from(text).to_string();
        let inner = escaped[1..escaped.len() - 1].to_owned();
        forms.push(inner.replace('/', "\\/").into_bytes());
        forms.push(inner.into_bytes());
    }
    if value.len() <= WHOLLY {
        forms.push(lower_digits(&upper).into_bytes());
        let digits = hex(value);
        forms.extend([digits.to_ascii_uppercase().into_bytes(), digits.into_bytes()]);
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
    }
    forms.into_iter().map(Zeroizing::new).collect()
}

/// Percent-encoding with the digits in lower case.
fn lower_digits(upper: &str) -> String {
    let lower = upper.split('%').enumerate().map(|(number, part)| match (number, part.split_at_checked(2)) {
        (0, _) | (_, None) => part.to_owned(),
        (_, Some((digits, rest))) => format!("{}{rest}", digits.to_ascii_lowercase()),
    });
    lower.collect::<Vec<_>>().join("%")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where forms begin and end, and where one may go on.
    fn found(forms: &Forms, text: &str) -> (Vec<(usize, usize)>, usize) {
        let found = forms.find(text.as_bytes(), false);
        (found.hits.iter().map(|hit| (hit.start, hit.end)).collect(), found.open)
    }

    #[test]
    fn many_are_found_where_each_alone_would_be() {
        let values: Vec<String> = (0..200).map(|n| format!("k{n:03}-{:x}", n * 7_919_993_u64)).collect();
        let each = || values.iter().map(|value| value.as_bytes());
        let (few, many) = (Forms::few(each()).unwrap(), Forms::many(each()).unwrap());
        for (number, value) in values.iter().enumerate() {
            for text in [
                value.clone(),
                format!("{value}{value}"),
                format!("..{}{value} {}", "x".repeat(number), values[number / 2]),
                format!("{}|{}", BASE64_STANDARD_NO_PAD.encode(format!("u:{value}")), &value[..number % 8]),
            ] {
                let (mut alone, open) = found(&few, &text);
                alone.sort_unstable();
                assert_eq!(found(&many, &text), (alone, open), "{text}");
            }
        }
    }

    #[test]
    fn a_longer_form_is_waited_for_where_a_shorter_one_begins_alike() {
        let forms = Forms::many([&b"swordfish"[..], b"swordfish-and-more"]).unwrap();
        assert_eq!(found(&forms, "a swordfish"), (vec![], 2));
        assert_eq!(found(&forms, "a swordfish!"), (vec![(2, 11)], 12));
        assert_eq!(found(&forms, "a swordfish-and-more"), (vec![(2, 20)], 20));
        assert_eq!(found(&forms, "a sw"), (vec![], 2));
        assert_eq!(found(&forms, "swordsw"), (vec![], 5));
    }

    #[test]
    fn of_a_document_fewer_forms_are_sought_and_of_what_is_short_none() {
        let long = "x\n".repeat(WHOLLY);
        assert_eq!(Forms::many([long.as_bytes()]).unwrap().places.len(), 3);
        assert!(Forms::many([&b""[..]]).is_none() && !Forms::few([&b"abcd"[..]]).unwrap().stand_in(b"abcd"));
    }

    #[test]
    fn names_are_those_that_a_field_may_have() {
        let forms = Forms::many([&b"SeCrEt/VaLuE"[..]]).unwrap();
        let names = forms.of_names().unwrap();
        assert!(names.stand_in(b"x-5365437245742f56614c7545".to_ascii_lowercase().as_slice()));
        assert!(names.stand_in(b"x-secret%2fvalue") && !names.stand_in(b"secret/value"));
    }
}
