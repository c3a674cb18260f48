//! The canonical path: one text for each path, reached in one step, that no later reader takes for another path.

use clawgress::model::types::path::{canonical_path, has_dot_segments, hex};

/// The canonical form of any text, and of other spellings of it.
pub fn check(bytes: &[u8]) {
    let Ok(raw) = std::str::from_utf8(bytes) else { return };
    let Ok(canonical) = canonical_path(raw) else { return };
    assert_eq!(
        canonical_path(&canonical).as_deref(),
        Ok(&*canonical),
        "canonical once is canonical for ever"
    );
    assert!(canonical.starts_with('/') && canonical.is_ascii(), "{canonical}");
    assert!(!has_dot_segments(&canonical), "{canonical} has dots");
    assert_eq!(resolved(raw), decoded_segments(&canonical), "{raw} and {canonical} are one path");
    assert_eq!(canonical_path(&escaped(&canonical)).as_deref(), Ok(&*canonical), "{canonical} in escapes");
    for reading in loose_readings(&canonical) {
        assert!(!reading.iter().any(|part| part == b"." || part == b".."), "{canonical} is read with dots");
    }
}

/// The segments of a path, each decoded: an encoded slash is a byte of its segment.
fn decoded_segments(path: &str) -> Vec<Vec<u8>> {
    path.split('/').skip(1).map(|segment| decoded(segment.as_bytes())).collect()
}

/// The same with dot segments resolved by RFC 3986, section 5.2.4.
fn resolved(path: &str) -> Vec<Vec<u8>> {
    let segments = decoded_segments(path);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for (place, segment) in segments.iter().enumerate() {
        match segment.as_slice() {
            b"." | b".." => {
                if segment.len() == 2 {
                    kept.pop();
                }
                if place + 1 == segments.len() {
                    kept.push(Vec::new());
                }
            }
            _ => kept.push(segment.clone()),
        }
    }
    kept
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (*byte, rest) {
            (b'%', [high, low, after @ ..]) => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                None => out.push(b'%'),
            },
            (byte, _) => out.push(byte),
        }
    }
    out
}

/// Every letter, digit, hyphen and dot as an escape, in lower case.
fn escaped(path: &str) -> String {
    let mut out = String::new();
    let mut skip = 0;
    for character in path.chars() {
        if character == '%' {
            skip = 3;
        }
        if skip == 0 && (character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')) {
            out.push_str(&format!("%{:02x}", u32::from(character)));
        } else {
            out.push(character);
        }
        skip = usize::saturating_sub(skip, 1);
    }
    out
}

/// How lenient servers read a path, as segments: backslashes taken for slashes or not, `;parameters` cut off before or
/// behind the undoing of escapes or not at all, doubled slashes merged or not, ended by `?` and `#` or not; dots are
/// left.
pub fn loose_readings(path: &str) -> Vec<Vec<Vec<u8>>> {
    let mut readings = Vec::new();
    // Parameters are cut off once.
    for choice in (0..32_u8).filter(|choice| choice & 18 != 18) {
        let early = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
        let early: Vec<&str> = if choice & 16 != 0 { early.collect() } else { vec![path] };
        let mut bytes = decoded(early.join("/").as_bytes());
        if choice & 8 != 0 {
            let end = bytes.iter().position(|byte| matches!(byte, b'?' | b'#'));
            bytes.truncate(end.unwrap_or(bytes.len()));
        }
        if choice & 1 != 0 {
            bytes.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        let segments = bytes.split(|byte| *byte == b'/').skip(1).map(|segment| {
            let parameter = segment.iter().position(|byte| *byte == b';').filter(|_| choice & 2 != 0);
            segment[..parameter.unwrap_or(segment.len())].to_vec()
        });
        let merged = choice & 4 != 0;
        readings.push(segments.filter(|segment| !merged || !segment.is_empty()).collect());
    }
    readings
}
