//! A value that nobody may see: never shown, never copied by accident, and overwritten when it is no longer needed.

use zeroize::Zeroizing;

/// A secret value.
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes a value over; the buffer that it came in is not kept.
    pub fn new(value: Vec<u8>) -> Self {
        // A boxed slice has no spare capacity that could keep an older copy.
        let value = Zeroizing::new(value);
        Self(Zeroizing::new(value.as_slice().into()))
    }

    /// The value, for whoever has to use it; the rules of the house say who may.
    pub fn open(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new(b"swordfish".to_vec());
        assert_eq!((format!("{secret:?}"), secret.open()), ("Secret(..)".to_owned(), &b"swordfish"[..]));
    }
}
