//! Hardware addresses of network cards, as Ethernet has them.

use std::fmt;

/// The address of one card (IEEE 802, EUI-48): never zero, never a group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress([u8; 6]);

/// Why a text is not the address of one card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MacAddressError {
    /// Not six pairs of hex digits with colons between them.
    #[error("is not a MAC address")]
    Form,
    /// The lowest bit of the first byte says that it is a group's.
    #[error("is the address of a group of cards")]
    Group,
    /// All zero: nobody has it.
    #[error("is no card's address")]
    Zero,
}

impl MacAddress {
    /// Reads `02:00:00:00:00:02`; upper case is the same.
    ///
    /// # Errors
    /// For anything else, and for addresses that no single card has.
    pub fn parse(text: &str) -> Result<Self, MacAddressError> {
        let mut pairs = text.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2);
            let digits = pair.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            *byte = value.ok_or(MacAddressError::Form)?;
        }
        match bytes {
            _ if pairs.next().is_some() => Err(MacAddressError::Form),
            [0, 0, 0, 0, 0, 0] => Err(MacAddressError::Zero),
            [first, ..] if first & 1 == 1 => Err(MacAddressError::Group),
            bytes => Ok(Self(bytes)),
        }
    }

    /// The sender of a frame, as it claims to be.
    pub fn of_frame(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_in_one_way_and_read_in_either_case() {
        for text in ["02:00:00:00:0a:ff", "02:00:00:00:0A:FF"] {
            assert_eq!(MacAddress::parse(text).unwrap().to_string(), "02:00:00:00:0a:ff");
        }
    }

    #[test]
    fn what_no_card_has_and_what_is_no_address_is_refused() {
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:02:03",
            "02-00-00-00-00-02",
            "2:0:0:0:0:2",
            "02:00:00:00:00:+2",
        ] {
            assert_eq!(MacAddress::parse(text), Err(MacAddressError::Form), "{text}");
        }
        for text in ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"] {
            assert_eq!(MacAddress::parse(text), Err(MacAddressError::Group), "{text}");
        }
        assert_eq!(MacAddress::parse("00:00:00:00:00:00"), Err(MacAddressError::Zero));
    }
}
