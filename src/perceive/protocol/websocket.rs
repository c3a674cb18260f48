//! Messages of WebSocket, taken out of frames that come in pieces of any size (RFC 6455, section 5).
//!
//! Frames go on as they came; a message is shown once its last frame is there, and may go on as another one. What an extension
//! has coded is not read. Holds one message, to a bound. Read next: `act/upstream/looked.rs`.

/// Bytes of the longest head of a frame.
const HEAD: usize = 14;
/// The bit of the last frame of a message.
const FIN: u8 = 0x80;
/// Bits of extensions: what has one cannot be read without it.
const RESERVED: u8 = 0x70;
/// Bytes of the longest control (RFC 6455, section 5.5).
const CONTROL_BYTES: usize = 125;
/// From this opcode on frames control, and stand between those of a message.
const CONTROLS: u8 = 8;
/// The opcode of the frame that ends a connection.
const CLOSE: u8 = 8;

/// Frames of one direction.
#[derive(Debug)]
pub struct Messages {
    most: usize,
    /// What has come and is no whole frame yet.
    held: Vec<u8>,
    /// The frames of a message that has begun, as they came; their payload, unmasked; its opcode and mask.
    begun: Option<Begun>,
    /// Nothing more is read: it goes on as it comes.
    is_blind: bool,
}

#[derive(Debug)]
struct Begun {
    frames: Vec<u8>,
    text: Vec<u8>,
    opcode: u8,
    mask: Option<[u8; 4]>,
}

/// The head of a frame.
struct Head {
    opcode: u8,
    is_last: bool,
    is_coded: bool,
    mask: Option<[u8; 4]>,
    /// Bytes of the head, and of what follows.
    length: (usize, u64),
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// A whole message.
    Message(&'a [u8]),
    /// What a ping, a pong or a close carries.
    Control(&'a [u8]),
}

/// Why messages can be read no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// An extension has coded it.
    Coded,
    /// It is longer than what is held.
    TooLong,
}

impl Messages {
    /// Of which none is longer than this.
    pub fn new(most: usize) -> Self {
        Self { most, held: Vec::new(), begun: None, is_blind: false }
    }

    /// Reads on. Each message is shown; where another is given for it, that goes on in its place. What may go on is added.
    ///
    /// # Errors
    /// It can be read no further, or whoever looks has an error. What came of it goes on where the caller feeds on.
    pub fn feed<E: From<Unreadable>>(
        &mut self,
        bytes: &[u8],
        on: &mut Vec<u8>,
        mut look: impl FnMut(Shown<'_>) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        if self.is_blind {
            on.extend_from_slice(bytes);
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        loop {
            let Some(head) = head(&self.held) else { return Ok(()) };
            let begun = self.begun.as_ref().map_or(0, |begun| begun.frames.len());
            let whole = head.length.0 as u64 + head.length.1;
            let too_long = begun as u64 + whole > (self.most + HEAD) as u64;
            if too_long || head.is_coded {
                self.go_blind(on);
                return Err(if too_long { Unreadable::TooLong } else { Unreadable::Coded }.into());
            }
            let whole = whole as usize;
            if self.held.len() < whole {
                return Ok(());
            }
            let frame: Vec<u8> = self.held.drain(..whole).collect();
            if head.opcode >= CONTROLS {
                // It carries a little, too, and stands between the frames of a message.
                let mut control = Begun::new(&head);
                control.take(&head, frame);
                control.show(on, &mut look)?;
                continue;
            }
            self.begun.get_or_insert_with(|| Begun::new(&head)).take(&head, frame);
            if let Some(message) = self.begun.take_if(|_| head.is_last) {
                message.show(on, &mut look)?;
            }
        }
    }

    fn go_blind(&mut self, on: &mut Vec<u8>) {
        if let Some(begun) = self.begun.take() {
            on.extend(begun.frames);
        }
        on.append(&mut self.held);
        self.is_blind = true;
    }
}

impl Begun {
    fn new(head: &Head) -> Self {
        Self { frames: Vec::new(), text: Vec::new(), opcode: head.opcode, mask: head.mask }
    }

    fn take(&mut self, head: &Head, frame: Vec<u8>) {
        let payload = &frame[head.length.0..];
        match head.mask {
            Some(mask) => {
                self.text.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            }
            None => self.text.extend_from_slice(payload),
        }
        self.frames.extend(frame);
    }

    /// It goes on as it came, or as another one.
    fn show<E>(
        self,
        on: &mut Vec<u8>,
        look: &mut impl FnMut(Shown<'_>) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        // A close has a code in front of its reason (RFC 6455, section 5.5.1).
        let code = if self.opcode == CLOSE { self.text.len().min(2) } else { 0 };
        let (code, text) = self.text.split_at(code);
        let other = match self.opcode {
            CONTROLS.. => look(Shown::Control(text))?.map(|other| [code, &other].concat()),
            _ => look(Shown::Message(text))?,
        };
        match other {
            Some(other) if self.opcode >= CONTROLS => {
                self.write(&other[..other.len().min(CONTROL_BYTES)], on);
            }
            Some(other) => self.write(&other, on),
            None => on.extend(self.frames),
        }
        Ok(())
    }

    /// One frame with another payload.
    fn write(&self, text: &[u8], on: &mut Vec<u8>) {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        on.push(FIN | self.opcode);
        match text.len() {
            short @ ..=125 => on.push(masked | short as u8),
            middle @ ..=0xffff => {
                on.push(masked | 126);
                on.extend((middle as u16).to_be_bytes());
            }
            long => {
                on.push(masked | 127);
                on.extend((long as u64).to_be_bytes());
            }
        }
        match self.mask {
            Some(mask) => {
                on.extend(mask);
                on.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            }
            None => on.extend_from_slice(text),
        }
    }
}

/// The head of the frame with which these bytes begin, once it is there.
fn head(bytes: &[u8]) -> Option<Head> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        Some(digits.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let (mut at, length) = match second & 0x7f {
        126 => (4, number(2..4)?),
        127 => (10, number(2..10)?),
        short => (2, u64::from(short)),
    };
    let mut mask = None;
    if second & 0x80 != 0 {
        mask = Some(bytes.get(at..at + 4)?.try_into().ok()?);
        at += 4;
    }
    let opcode = first & 0x0f;
    Some(Head {
        opcode,
        is_last: first & FIN != 0,
        is_coded: first & RESERVED != 0,
        mask,
        length: (at, length),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, mask: Option<[u8; 4]>, text: &[u8]) -> Vec<u8> {
        let begun = Begun { frames: Vec::new(), text: Vec::new(), opcode: first & 0x0f, mask };
        let mut frame = Vec::new();
        begun.write(text, &mut frame);
        frame[0] = first;
        frame
    }

    fn fed(messages: &mut Messages, bytes: &[u8], size: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (mut on, mut seen) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            let fed = messages.feed(piece, &mut on, |shown| {
                let (Shown::Message(text) | Shown::Control(text)) = shown;
                seen.push(text.to_vec());
                Ok::<_, Unreadable>((text == b"secret").then(|| b"***".to_vec()))
            });
            assert_eq!(fed, Ok(()));
        }
        (on, seen)
    }

    #[test]
    fn messages_are_shown_whole_and_frames_go_on_as_they_came() {
        let mask = Some([1, 2, 3, 4]);
        let long = vec![b'l'; 70_000];
        let all = [
            frame(0x81, mask, b"hello"),
            frame(0x01, mask, b"in "),
            frame(0x89, mask, b"ping"),
            frame(0x80, mask, b"parts"),
            frame(0x82, None, &long),
        ];
        let stream = all.concat();
        for size in [1, 2, 7, 1000, stream.len()] {
            let (on, seen) = fed(&mut Messages::new(1 << 20), &stream, size);
            assert_eq!(seen, [&b"hello"[..], b"ping", b"in parts", &long]);
            assert_eq!(on.len(), stream.len());
        }
    }

    #[test]
    fn another_message_goes_on_in_its_place_masked_as_it_was() {
        for mask in [None, Some([9, 8, 7, 6])] {
            let (on, _) = fed(&mut Messages::new(100), &frame(0x81, mask, b"secret"), 3);
            assert_eq!(on, frame(0x81, mask, b"***"));
            let (on, seen) = fed(&mut Messages::new(100), &frame(0x88, mask, b"\x03\xe8secret"), 3);
            assert_eq!((on, seen), (frame(0x88, mask, b"\x03\xe8***"), vec![b"secret".to_vec()]));
        }
    }

    #[test]
    fn what_is_coded_or_too_long_is_told_once_and_goes_on_unread() {
        for (bytes, why) in [
            (frame(0xc1, None, b"coded"), Unreadable::Coded),
            (frame(0x82, None, &[0; 200]), Unreadable::TooLong),
        ] {
            let (mut messages, mut on) = (Messages::new(100), Vec::new());
            let nobody = |_: Shown<'_>| -> Result<Option<Vec<u8>>, Unreadable> { Ok(None) };
            assert_eq!(messages.feed(&bytes, &mut on, nobody), Err(why));
            assert_eq!(messages.feed(b"more", &mut on, nobody), Ok(()));
            assert_eq!(on, [&bytes[..], b"more"].concat());
        }
    }
}
