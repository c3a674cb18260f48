//! The certificate authorities as the wire carries them: what each is, and a rotation that is asked for.

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::{Client, Error};
use crate::model::types::Timestamp;

/// An authority that workloads trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Its name.
    pub subject: String,
    /// The SHA-256 of its certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fingerprint: String,
    /// First moment of its validity.
    pub not_before: Timestamp,
    /// Last moment of its validity.
    pub not_after: Timestamp,
    /// What it does.
    pub state: AuthorityState,
    /// When an upcoming one begins to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_from: Option<Timestamp>,
    /// Whether the gateway has made it.
    pub own: bool,
    /// Where the certificate of the signing one lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What an authority does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityState {
    /// It signs.
    Signing,
    /// It is trusted, and will sign.
    Upcoming,
    /// It has signed, and is trusted still.
    Retiring,
}

impl AuthorityState {
    /// The word on the wire and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Upcoming => "upcoming",
            Self::Retiring => "retiring",
        }
    }
}

/// How an authority is to be followed by a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateQuery {
    /// Seconds for which the new one is trusted before it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_s: Option<u64>,
    /// Whether it signs at once.
    #[serde(default)]
    pub now: bool,
}

impl Client {
    /// Every authority that workloads trust, the signing one first.
    pub async fn authorities(&mut self) -> Result<Vec<Authority>, Error> {
        self.json(Method::GET, "/v1/ca", Default::default()).await
    }

    /// Makes a new authority; trusted when this returns.
    pub async fn rotate_authority(&mut self, query: &RotateQuery) -> Result<Vec<Authority>, Error> {
        self.ask("/v1/ca/rotate", query).await
    }
}
