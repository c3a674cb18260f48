//! Content codings undone beside the traffic (RFC 9110, section 8.4.1): gzip, deflate, br and zstd, in pieces of any size.
//!
//! The workload gets the bytes as they came; what is read here is a copy. A step decodes to a bounded number of bytes: what
//! would be more is a bomb, and is not read. Read next: `ai/answer.rs`.

use std::io::{self, Write};

use crate::model::types::limits::{DECODED_BYTES, DECODED_PER_BYTE, DECODING_STEP_BYTES, ZSTD_WINDOW_LOG};

/// Bytes of output that a decoder of brotli hands on at a time.
const BROTLI_BUFFER: usize = 4096;

/// The bytes are not in the coding, or decode to more than is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the content coding cannot be undone")]
pub struct Undecodable;

/// Where decoders write: as far as what they were fed has made room.
#[derive(Debug)]
struct Room {
    bytes: Vec<u8>,
    room: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: Vec::new(), room: DECODED_BYTES }
    }
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room = self.room.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Undoes the coding of one body.
pub struct Decoder(Coding);

enum Coding {
    Identity,
    Gzip(flate2::write::MultiGzDecoder<Room>),
    /// `deflate` is zlib's format by the standard and the naked one by custom; the first two bytes tell. With the first, once
    /// it is there.
    Deflate(Option<u8>),
    Zlib(flate2::write::ZlibDecoder<Room>),
    Naked(flate2::write::DeflateDecoder<Room>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Room>>),
    Zstd(zstd::stream::write::Decoder<'static, Room>),
    /// It has failed.
    Broken,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

impl Decoder {
    /// For a body with this `Content-Encoding`, empty where it has none; nothing for a coding that is not known, and for more
    /// than one.
    pub fn new(content_encoding: &str) -> Option<Self> {
        let codings = content_encoding.split(',').map(str::trim);
        let mut codings =
            codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        let coding = codings.next().unwrap_or_default().to_ascii_lowercase();
        if codings.next().is_some() {
            return None;
        }
        Some(Self(match coding.as_str() {
            "" => Coding::Identity,
            "gzip" | "x-gzip" => Coding::Gzip(flate2::write::MultiGzDecoder::new(Room::default())),
            "deflate" => Coding::Deflate(None),
            "br" => {
                let decoder = brotli_decompressor::DecompressorWriter::new(Room::default(), BROTLI_BUFFER);
                Coding::Brotli(Box::new(decoder))
            }
            "zstd" => {
                let mut decoder = zstd::stream::write::Decoder::new(Room::default()).ok()?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).ok()?;
                Coding::Zstd(decoder)
            }
            _ => return None,
        }))
    }

    /// Decodes on, and gives `sink` what has come of it. After an error nothing more comes.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<(), Undecodable> {
        if matches!(self.0, Coding::Identity) {
            sink(bytes);
            return Ok(());
        }
        for piece in bytes.chunks(DECODING_STEP_BYTES) {
            if let Some(room) = self.room() {
                room.room = DECODED_BYTES.min(room.room + piece.len() * DECODED_PER_BYTE);
            }
            let stepped = self.step(piece);
            if let Some(room) = self.room() {
                if !room.bytes.is_empty() {
                    sink(&room.bytes);
                }
                room.bytes.clear();
            }
            if stepped.is_err() {
                self.0 = Coding::Broken;
                return Err(Undecodable);
            }
        }
        Ok(())
    }

    fn step(&mut self, piece: &[u8]) -> io::Result<()> {
        if let Coding::Deflate(first) = &mut self.0 {
            let (Some(first), [second, ..]) = (*first, piece) else {
                let Some((byte, rest)) = piece.split_first() else { return Ok(()) };
                *first = Some(*byte);
                return self.step(rest);
            };
            self.0 = deflate(first, *second);
            self.step(&[first])?;
        }
        let (decoder, flushes): (&mut dyn Write, bool) = match &mut self.0 {
            Coding::Gzip(decoder) => (decoder, true),
            Coding::Zlib(decoder) => (decoder, true),
            Coding::Naked(decoder) => (decoder, true),
            Coding::Zstd(decoder) => (decoder, true),
            // Hands on all it has by itself, and takes a flush for the end.
            Coding::Brotli(decoder) => (decoder, false),
            Coding::Identity | Coding::Deflate(_) => return Ok(()),
            Coding::Broken => return Err(io::ErrorKind::InvalidData.into()),
        };
        decoder.write_all(piece)?;
        if flushes { decoder.flush() } else { Ok(()) }
    }

    fn room(&mut self) -> Option<&mut Room> {
        match &mut self.0 {
            Coding::Gzip(decoder) => Some(decoder.get_mut()),
            Coding::Zlib(decoder) => Some(decoder.get_mut()),
            Coding::Naked(decoder) => Some(decoder.get_mut()),
            Coding::Brotli(decoder) => Some(decoder.get_mut()),
            Coding::Zstd(decoder) => Some(decoder.get_mut()),
            Coding::Identity | Coding::Deflate(_) | Coding::Broken => None,
        }
    }
}

/// Which deflate begins with these bytes: zlib's header names the method in four bits and is a multiple of 31 (RFC 1950).
fn deflate(first: u8, second: u8) -> Coding {
    if first & 15 == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31) {
        return Coding::Zlib(flate2::write::ZlibDecoder::new(Room::default()));
    }
    Coding::Naked(flate2::write::DeflateDecoder::new(Room::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body decodes to, fed in pieces of this size.
    fn decoded(coding: &str, body: &[u8], size: usize) -> Result<Vec<u8>, Undecodable> {
        let (mut decoder, mut out) = (Decoder::new(coding).unwrap(), Vec::new());
        for piece in body.chunks(size) {
            decoder.feed(piece, |bytes| out.extend_from_slice(bytes))?;
        }
        Ok(out)
    }

    fn text() -> Vec<u8> {
        (0..2000_u32)
            .flat_map(|number| format!("data: {{\"n\":{}}}\n\n", number.pow(2)).into_bytes())
            .collect()
    }

    fn coded(coding: &str, text: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::default();
        match coding {
            "gzip" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "zstd" => zstd::encode_all(text, 3).unwrap(),
            _ => text.to_vec(),
        }
    }

    #[test]
    fn what_was_coded_is_read_however_it_is_cut() {
        for coding in ["gzip", "deflate", "zstd", "", "identity"] {
            let body = coded(coding, &text());
            for size in [1, 7, 100, body.len()] {
                assert!(decoded(coding, &body, size).as_ref() == Ok(&text()), "{coding} in pieces of {size}");
            }
        }
        let mut naked = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        naked.write_all(&text()).unwrap();
        assert!(decoded("deflate", &naked.finish().unwrap(), 1).as_ref() == Ok(&text()));
        // From RFC 7932's reference encoder: a text that its dictionary shortens.
        let brotli =
            [0x8b, 0x05, 0x80, b'h', b'e', b'l', b'l', b'o', b' ', b'h', b'e', b'l', b'l', b'o', b'!', 0x03];
        for size in 1..=brotli.len() {
            assert_eq!(decoded("br", &brotli, size).unwrap(), b"hello hello!", "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_flushed_is_read_before_more_comes() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"data: a\n\n").unwrap();
        encoder.flush().unwrap();
        assert_eq!(decoded("gzip", encoder.get_ref(), 3).unwrap(), b"data: a\n\n");
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.write_all(b"data: a\n\n").unwrap();
        encoder.flush().unwrap();
        assert_eq!(decoded("zstd", encoder.get_ref(), 3).unwrap(), b"data: a\n\n");
    }

    #[test]
    fn a_bomb_is_given_up_however_slowly_it_comes() {
        let zeros = vec![0; 64 << 20];
        for coding in ["gzip", "deflate", "zstd"] {
            let body = coded(coding, &zeros);
            for size in [1, 100, body.len()] {
                let (mut decoder, mut total) = (Decoder::new(coding).unwrap(), 0);
                let outcome =
                    body.chunks(size).try_for_each(|piece| decoder.feed(piece, |bytes| total += bytes.len()));
                assert_eq!(outcome, Err(Undecodable), "{coding}");
                assert!(total <= DECODED_BYTES + body.len() * DECODED_PER_BYTE, "{coding}: {total}");
                assert_eq!(decoder.feed(&body, |_| panic!("nothing more comes")), Err(Undecodable));
            }
        }
    }

    #[test]
    fn what_is_not_in_its_coding_or_in_no_known_one_is_not_read() {
        for coding in ["gzip", "br", "zstd"] {
            assert!(decoded(coding, b"{\"plain\": true, \"and\": \"long enough\"}", 5).is_err(), "{coding}");
        }
        for coding in ["compress", "gzip, br", "gzip;q=1", "aes128gcm"] {
            assert!(Decoder::new(coding).is_none(), "{coding}");
        }
        assert!(Decoder::new(" GZIP , identity").is_some());
    }
}
