//! Secrets as the wire carries them: values on their way in, and everything but the values on the way out.
//!
//! A value travels in Base64 and is overwritten when it is no longer needed. Nothing here shows one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::model::types::Timestamp;

/// Values to be set: all of them, or none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSecrets {
    /// The values.
    pub secrets: Vec<NewSecret>,
}

/// One value to be set.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// The secret.
    pub name: String,
    /// The value's name within it.
    pub key: String,
    /// The value.
    pub value: Hidden,
}

/// Bytes on their way, which nobody is shown.
pub struct Hidden(Zeroizing<String>);

/// One value of one secret, without itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretValue {
    /// The secret.
    pub name: String,
    /// The value's name within it.
    pub key: String,
    /// How often it was set.
    pub version: u64,
    /// Who set it last.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
    /// Whether the master key opens it.
    pub readable: bool,
    /// Documents in force that name it: `CredentialInjectionPolicy/NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

impl SecretValue {
    /// `NAME/KEY`.
    pub fn title(&self) -> String {
        format!("{}/{}", self.name, self.key)
    }
}

impl Hidden {
    /// Puts bytes on their way.
    pub fn of(bytes: &[u8]) -> Self {
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
        STANDARD.encode_string(bytes, &mut text);
        Self(text)
    }

    /// The bytes; nothing where it is no Base64.
    pub fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len()));
        STANDARD.decode_vec(self.0.as_bytes(), &mut bytes).ok()?;
        Some(bytes)
    }

    /// Bytes that it takes on the wire.
    fn length(&self) -> usize {
        self.0.len()
    }
}

impl SetSecrets {
    /// Written as JSON, in one buffer that is overwritten when it is no longer needed.
    pub(super) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let each = |one: &NewSecret| one.name.len() + one.key.len() + one.value.length() + 64;
        let mut body = Zeroizing::new(Vec::with_capacity(64 + self.secrets.iter().map(each).sum::<usize>()));
        serde_json::to_writer(&mut *body, self)?;
        Ok(body)
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_the_journey_and_is_not_shown_on_it() {
        let value = b"sword\0fish\xff\n";
        let set = SetSecrets {
            secrets: vec![NewSecret { name: "a".into(), key: "b".into(), value: Hidden::of(value) }],
        };
        let json = set.to_json().unwrap();
        assert!(json.len() < json.capacity(), "it never grew");
        let back: SetSecrets = serde_json::from_slice(&json).unwrap();
        assert_eq!(back.secrets[0].value.bytes().unwrap().as_slice(), value);
        assert!(format!("{back:?}").contains("value: Hidden(..)"), "{back:?}");
        assert!(serde_json::from_str::<Hidden>("\"!\"").unwrap().bytes().is_none());
    }
}
