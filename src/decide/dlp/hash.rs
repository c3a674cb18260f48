//! Keyed hashes of what was found: equal values can be told to be equal by whoever has records, and nobody can guess them
//! without the key.
//!
//! HMAC with SHA-256 (RFC 2104), cut to half of its length. Read next: `inspect.rs`.

use std::fmt;

use sha2::{Digest, Sha256};

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// The key of the hashes of one gateway.
#[derive(Clone)]
pub struct HashKey(pub [u8; 32]);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// The hash of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueHash([u8; 16]);

impl HashKey {
    /// The hash of this value.
    pub fn hash(&self, value: &[u8]) -> ValueHash {
        let padded = |pad: u8| -> [u8; BLOCK] {
            std::array::from_fn(|at| self.0.get(at).copied().unwrap_or_default() ^ pad)
        };
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(value).finalize();
        let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
        ValueHash(std::array::from_fn(|at| outer[at]))
    }
}

impl fmt::Display for ValueHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_hmac_with_sha_256_cut_in_half() {
        // RFC 4231, test case 1 has a key of 20 bytes, which zeros pad to a block as they pad ours.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(HashKey(key).hash(b"Hi There").to_string(), "b0344c61d8db38535ca8afceaf0bf12b");
        assert_eq!(format!("{:?}", HashKey([7; 32])), "HashKey(..)");
    }
}
