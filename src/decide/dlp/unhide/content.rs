//! What decoded bytes are: text, something packed that can be unpacked, something that cannot, or noise.
//!
//! Most runs of letters that could be base64 are not, and decode to noise: noise has hardly a stretch of bytes that could be
//! shown, and that is seen at once. What is packed is unpacked to a bound. What can never be read is told apart by the bytes
//! at its beginning. Read next: `encoded.rs`.

use std::fmt;
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::runs::{SHOWN, runs};

/// Bytes in a row that are text by more than chance: of noise, one place in a hundred thousand has as many.
const STRETCH: usize = 12;

/// Why something is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unreadable {
    /// Pictures, sound, moving pictures, fonts: what they show is not read.
    Media(&'static str),
    /// Bytes of no known format and without text.
    Binary,
    /// Encodings nested deeper, or decoding to more, than is undone.
    TooDeep,
    /// An archive or another packed format that is not unpacked.
    Archive(&'static str),
    /// Encrypted.
    Encrypted(&'static str),
}

impl Unreadable {
    /// What it is, in the words of records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Media(name) | Self::Archive(name) | Self::Encrypted(name) => name,
            Self::Binary => "binary",
            Self::TooDeep => "nested",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Formats that are not read, by what they begin with (the formats' own specifications).
const MAGIC: &[(&[u8], Unreadable)] = &[
    (b"PK\x03\x04", Unreadable::Archive("zip")),
    (b"PK\x05\x06", Unreadable::Archive("zip")),
    (b"7z\xbc\xaf\x27\x1c", Unreadable::Archive("7z")),
    (b"Rar!\x1a\x07", Unreadable::Archive("rar")),
    (b"\xfd7zXZ\0", Unreadable::Archive("xz")),
    (b"BZh", Unreadable::Archive("bzip2")),
    (b"\x28\xb5\x2f\xfd", Unreadable::Archive("zstd")),
    (b"\x04\x22\x4d\x18", Unreadable::Archive("lz4")),
    (b"%PDF-", Unreadable::Archive("pdf")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Unreadable::Archive("ole")),
    (b"MSCF", Unreadable::Archive("cab")),
    (b"SQLite format 3\0", Unreadable::Archive("sqlite")),
    (b"age-encryption.org/v1", Unreadable::Encrypted("age")),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", Unreadable::Encrypted("age")),
    (b"-----BEGIN PGP MESSAGE-----", Unreadable::Encrypted("pgp")),
    (b"Salted__", Unreadable::Encrypted("openssl")),
    (b"\x89PNG\r\n\x1a\n", Unreadable::Media("png")),
    (b"\xff\xd8\xff", Unreadable::Media("jpeg")),
    (b"GIF87a", Unreadable::Media("gif")),
    (b"GIF89a", Unreadable::Media("gif")),
    (b"RIFF", Unreadable::Media("riff")),
    (b"OggS", Unreadable::Media("ogg")),
    (b"fLaC", Unreadable::Media("flac")),
    (b"ID3", Unreadable::Media("mp3")),
    (b"\xff\xfb", Unreadable::Media("mp3")),
    (b"\x1aE\xdf\xa3", Unreadable::Media("matroska")),
    (b"II*\0", Unreadable::Media("tiff")),
    (b"MM\0*", Unreadable::Media("tiff")),
    (b"wOF2", Unreadable::Media("woff2")),
];

/// What cannot be read, by what it begins with.
pub fn unreadable(bytes: &[u8]) -> Option<Unreadable> {
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(Unreadable::Media("mp4"));
    }
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what)
}

/// Whether all of it is text: UTF-8 without characters that control.
pub fn is_text(bytes: &[u8]) -> bool {
    let is_shown = |byte: &u8| *byte >= 0x80 || SHOWN[usize::from(*byte)];
    bytes.iter().all(is_shown) && std::str::from_utf8(bytes).is_ok()
}

/// What can be read of decoded bytes; nothing where they are noise. No more is unpacked than `room` bytes.
pub fn text_of(bytes: Vec<u8>, room: usize) -> Option<Vec<u8>> {
    if bytes.is_empty() || is_text(&bytes) {
        return Some(bytes).filter(|bytes| !bytes.is_empty());
    }
    if let Some(unpacked) = unpack(&bytes, room) {
        return if is_text(&unpacked) {
            Some(unpacked)
        } else {
            wide(&unpacked).or_else(|| stretches(&unpacked))
        };
    }
    wide(&bytes).or_else(|| stretches(&bytes))
}

/// Whether bytes begin as something does that is text once it is unpacked, or written in UTF-16.
pub fn is_packed(bytes: &[u8]) -> bool {
    match bytes {
        [0x1f, 0x8b, 8, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => true,
        [0x78, second, ..] => (0x7800 | u16::from(*second)) % 31 == 0,
        [0, one, 0, other, ..] | [one, 0, other, 0, ..] => {
            SHOWN[usize::from(*one)] && SHOWN[usize::from(*other)]
        }
        _ => false,
    }
}

/// What gzip or zlib packed; as much of it as there is room for.
pub fn unpack(bytes: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let room = room as u64;
    // What is cut off is unpacked as far as it goes.
    let _ = match bytes {
        [0x1f, 0x8b, 8, ..] => MultiGzDecoder::new(bytes).take(room).read_to_end(&mut unpacked),
        [0x78, second, ..] if (0x7800 | u16::from(*second)) % 31 == 0 => {
            ZlibDecoder::new(bytes).take(room).read_to_end(&mut unpacked)
        }
        _ => return None,
    };
    (!unpacked.is_empty()).then_some(unpacked)
}

/// Text in UTF-16, in either order of bytes.
pub fn wide(bytes: &[u8]) -> Option<Vec<u8>> {
    if !is_packed(bytes) {
        return None;
    }
    let (big, bytes) = match bytes {
        [0xfe, 0xff, rest @ ..] => (true, rest),
        [0xff, 0xfe, rest @ ..] => (false, rest),
        [0, _, 0, _, ..] => (true, bytes),
        [_, 0, _, 0, ..] => (false, bytes),
        _ => return None,
    };
    let units = bytes.chunks_exact(2).map(|pair| match big {
        true => u16::from_be_bytes([pair[0], pair[1]]),
        false => u16::from_le_bytes([pair[0], pair[1]]),
    });
    let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(' ')).collect();
    is_text(text.as_bytes()).then(|| text.into_bytes())
}

/// The stretches of text in other bytes, a line each.
fn stretches(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for range in runs(bytes, &SHOWN, STRETCH) {
        text.extend_from_slice(&bytes[range]);
        text.push(b'\n');
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn text_is_taken_as_it_is_packed_text_unpacked_and_noise_passed_over() {
        assert_eq!(text_of(b"hello w\xc3\xb6rld".to_vec(), 100), Some(b"hello w\xc3\xb6rld".to_vec()));
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(&b"a line of text ".repeat(100)).unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(text_of(packed.clone(), 10_000), Some(b"a line of text ".repeat(100)));
        assert_eq!(text_of(packed, 150).map(|text| text.len()), Some(150), "no more than there is room for");
        let wide: Vec<u8> = "hello".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text_of(wide, 100), Some(b"hello".to_vec()));
        let noise: Vec<u8> = (0..400_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(text_of(noise.clone(), 1000), None);
        assert_eq!(
            text_of([&noise[..], b"a stretch of text", &noise].concat(), 1000),
            Some(b"a stretch of text\n".to_vec())
        );
    }

    #[test]
    fn what_is_not_read_is_named_by_its_first_bytes() {
        assert_eq!(unreadable(b"PK\x03\x04..."), Some(Unreadable::Archive("zip")));
        assert_eq!(unreadable(b"\x89PNG\r\n\x1a\n..."), Some(Unreadable::Media("png")));
        assert_eq!(unreadable(b"\0\0\0\x20ftypisom"), Some(Unreadable::Media("mp4")));
        assert_eq!(unreadable(b"-----BEGIN PGP MESSAGE-----"), Some(Unreadable::Encrypted("pgp")));
        assert_eq!(unreadable(b"{\"a\": 1}"), None);
        assert!(
            Unreadable::Archive("zip") > Unreadable::TooDeep
                && Unreadable::TooDeep > Unreadable::Media("png")
        );
    }
}
