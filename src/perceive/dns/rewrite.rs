//! Takes records out of a message, or changes their data, and writes the rest anew with valid lengths and pointers.
//!
//! Pure. A message that needs no change is not touched at all. Names within data are written out again only for the
//! types whose data may hold compressed names (RFC 3597, section 4); all other data is copied as it is.

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder, NameEncoding};
use smallvec::SmallVec;

use super::wire::{HEADER, Header, Malformed, Question, Record, records_of};

/// AD, in the fourth byte of a header.
const AUTHENTIC_DATA: u8 = 0x20;
/// The last of the types of RFC 1035: names in their data may be written compressed.
const LAST_COMPRESSED: u16 = 16;

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
    /// It gets this data, which holds no compressed name.
    Data(Vec<u8>),
}

/// The message after `judge` has seen every record; `None` where nothing changes. A message that is changed is no longer
/// what was validated, so it loses AD.
pub(super) fn rewritten(
    message: &[u8],
    mut judge: impl FnMut(&Record<'_>) -> Result<Change, Malformed>,
) -> Result<Option<Vec<u8>>, Malformed> {
    let header = Header::read(message).ok_or(Malformed)?;
    let (mut records, count) = records_of(message, header).ok_or(Malformed)?;
    let mut judged: SmallVec<[(Record<'_>, Change); 8]> = SmallVec::new();
    for _ in 0..count {
        let record = records.next().ok_or(Malformed)?;
        let change = judge(&record)?;
        judged.push((record, change));
    }
    if judged.iter().all(|(_, change)| *change == Change::Keep) {
        return Ok(None);
    }
    let question = Question::read(message).ok_or(Malformed)?;
    let mut written = Vec::with_capacity(message.len());
    let mut encoder = BinEncoder::new(&mut written);
    write(&mut encoder, message, question.end, &judged).ok_or(Malformed)?;
    let sections = [header.answers, header.authorities, header.additionals];
    let mut rest = judged.iter();
    for (section, length) in sections.into_iter().enumerate() {
        let kept = rest.by_ref().take(length.into()).filter(|(_, change)| *change != Change::Drop).count();
        let place = 6 + 2 * section;
        written[place..place + 2].copy_from_slice(&u16::try_from(kept).unwrap_or(0).to_be_bytes());
    }
    written[3] &= !AUTHENTIC_DATA;
    Ok(Some(written))
}

/// Header, question and the records that stay.
fn write(
    encoder: &mut BinEncoder<'_>,
    message: &[u8],
    question_end: usize,
    records: &[(Record<'_>, Change)],
) -> Option<()> {
    encoder.emit_vec(&message[..HEADER]).ok()?;
    encoder.set_name_encoding(NameEncoding::Compressed);
    name_at(message, HEADER, question_end - 4)?.0.emit(encoder).ok()?;
    encoder.emit_vec(&message[question_end - 4..question_end]).ok()?;
    for (record, change) in records {
        let data = match change {
            Change::Drop => continue,
            Change::Keep => None,
            Change::Data(data) => Some(data.as_slice()),
        };
        encoder.set_name_encoding(NameEncoding::Compressed);
        record.owner.emit(encoder).ok()?;
        encoder.emit_u16(record.kind).ok()?;
        encoder.emit_u16(record.class).ok()?;
        encoder.emit_u32(record.ttl).ok()?;
        let place = encoder.place::<u16>().ok()?;
        let from = encoder.offset();
        match data {
            Some(data) => encoder.emit_vec(data).ok()?,
            None => write_data(encoder, message, record)?,
        }
        let length = u16::try_from(encoder.offset() - from).ok()?;
        encoder.emit_at(place, length).ok()?;
    }
    Some(())
}

/// Data as it is, but for names that may point to what has moved.
fn write_data(encoder: &mut BinEncoder<'_>, message: &[u8], record: &Record<'_>) -> Option<()> {
    let Some((before, names)) = layout(record) else { return encoder.emit_vec(record.data).ok() };
    let encoding =
        if record.kind < LAST_COMPRESSED { NameEncoding::Compressed } else { NameEncoding::Uncompressed };
    encoder.set_name_encoding(encoding);
    let mut at = record.data_at + before;
    encoder.emit_vec(record.data.get(..before)?).ok()?;
    for _ in 0..names {
        let (name, end) = name_at(message, at, record.end())?;
        name.emit(encoder).ok()?;
        at = end;
    }
    encoder.emit_vec(message.get(at..record.end())?).ok()
}

/// Bytes in front of the names in a record's data, and how many names there are, for the types whose names were ever
/// compressed (RFC 3597, section 4). DNAME is among them because old servers compress it.
fn layout(record: &Record<'_>) -> Option<(usize, usize)> {
    match record.kind {
        // NS, MD, MF, CNAME; MB, MG, MR; PTR; DNAME.
        2..=5 | 7..=9 | 12 | 39 => Some((0, 1)),
        // SOA, MINFO, RP.
        6 | 14 | 17 => Some((0, 2)),
        // MX, AFSDB, RT, KX.
        15 | 18 | 21 | 36 => Some((2, 1)),
        // PX, SRV, NXT.
        26 => Some((2, 2)),
        33 => Some((6, 1)),
        30 => Some((0, 1)),
        // NAPTR: two numbers, then three strings.
        35 => {
            let mut at = 4;
            for _ in 0..3 {
                at += 1 + usize::from(*record.data.get(at)?);
            }
            Some((at, 1))
        }
        // SIG.
        24 => Some((18, 1)),
        _ => None,
    }
}

/// The name at a place in the message, which must end before `limit`, and where it ends.
fn name_at(message: &[u8], at: usize, limit: usize) -> Option<(Name, usize)> {
    let mut decoder = BinDecoder::new(message);
    decoder.read_slice(at).ok()?;
    let name = Name::read(&mut decoder).ok()?;
    (decoder.index() <= limit).then(|| (name, decoder.index()))
}
