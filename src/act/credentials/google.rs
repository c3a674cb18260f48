//! Tokens of Google for the key of a service account (RFC 7523): asked for once, used by every request until shortly before
//! they end.
//!
//! The key signs an assertion here and never leaves. Whoever comes while a token is asked for waits for that one. Reaching
//! the end point is the caller's; `exchange.rs` does it over verified TLS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex as Turn;

use super::signature::encoded;
use crate::model::types::limits::{TOKEN_BYTES, TOKEN_EARLY, TOKENS_KEPT};
use crate::model::types::{GoogleTerms, Secret, Timestamp, TokenEndpoint};
use crate::platform::sys::locked::LockedBytes;

/// How long an assertion holds; its issuer takes no longer.
const ASSERTION: u64 = 3600;
/// How it is asked for a token (RFC 7523, section 2.1).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a key file has (`gcloud iam service-accounts keys create`).
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    token_uri: Option<String>,
}

/// What the end point answers (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

/// A token for whom, with what and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The secret that has the key, and the version of it.
    pub secret: (Arc<str>, Option<Arc<str>>, u64),
    /// Where it is asked for, where a policy says so.
    pub endpoint: Option<TokenEndpoint>,
    /// For what.
    pub scopes: Arc<[Arc<str>]>,
}

impl Wanted {
    /// By a policy, with this version of its secret.
    pub fn of(secret: (Arc<str>, Option<Arc<str>>, u64), terms: &GoogleTerms) -> Self {
        Self { secret, endpoint: terms.endpoint.clone(), scopes: terms.scopes.clone() }
    }
}

/// What is posted for a token, and where.
pub struct Asked {
    /// Where.
    pub endpoint: TokenEndpoint,
    /// A form.
    pub form: String,
}

/// Every token that is in use.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<HashMap<Wanted, Arc<Turn<Option<Token>>>>>);

#[derive(Debug, Clone)]
struct Token {
    value: Arc<Secret>,
    /// Until when it is used.
    until: Timestamp,
}

impl Tokens {
    /// A token that holds now. `ask` posts a question and answers with the body of a 200.
    ///
    /// # Errors
    /// Why there is none, for the record.
    pub async fn get(
        &self,
        wanted: &Wanted,
        key: &Secret,
        now: Timestamp,
        ask: impl AsyncFn(&Asked) -> Result<Vec<u8>, String>,
    ) -> Result<Arc<Secret>, String> {
        let slot = self.slot(wanted);
        let mut kept = slot.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| now < token.until) {
            return Ok(token.value.clone());
        }
        let asked = assertion(wanted, key, now)?;
        let answer = zeroize::Zeroizing::new(ask(&asked).await?);
        let granted = answer.get(..answer.len().min(TOKEN_BYTES)).unwrap_or_default();
        let granted: Granted =
            serde_json::from_slice(granted).map_err(|_| "the end point gave no token".to_owned())?;
        let span = Duration::from_secs(granted.expires_in).saturating_sub(TOKEN_EARLY);
        let text = zeroize::Zeroizing::new(granted.access_token);
        let value = Secret::held_by(LockedBytes::of(&[text.as_bytes()]));
        let token = Token { value: Arc::new(value), until: now.plus(span) };
        let value = token.value.clone();
        *kept = Some(token);
        Ok(value)
    }

    fn slot(&self, wanted: &Wanted) -> Arc<Turn<Option<Token>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = all.get(wanted) {
            return slot.clone();
        }
        // Those of an older version are asked for no more.
        let older = |known: &Wanted| {
            (&known.secret.0, &known.secret.1) == (&wanted.secret.0, &wanted.secret.1)
                && known.secret.2 < wanted.secret.2
        };
        all.retain(|known, _| !older(known));
        if all.len() >= TOKENS_KEPT {
            all.clear();
        }
        all.entry(wanted.clone()).or_default().clone()
    }
}

/// The assertion that the key of the account signs.
fn assertion(wanted: &Wanted, key: &Secret, now: Timestamp) -> Result<Asked, String> {
    let file: KeyFile = serde_json::from_slice(key.open())
        .map_err(|_| "the secret is no key file of a service account".to_owned())?;
    let private = zeroize::Zeroizing::new(file.private_key);
    let pair = PrivatePkcs8KeyDer::from_pem_slice(private.as_bytes())
        .ok()
        .and_then(|der| RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok());
    let pair = pair.ok_or("the key file has no RSA key that can be read")?;
    let named = file.token_uri.as_deref().and_then(TokenEndpoint::parse);
    let endpoint =
        wanted.endpoint.clone().or(named).ok_or("neither the policy nor the key file says where to ask")?;
    let issued = now.0.div_euclid(1_000_000);
    let claims = json!({
        "iss": file.client_email, "scope": wanted.scopes.join(" "), "aud": endpoint.url(),
        "iat": issued, "exp": issued + i64::try_from(ASSERTION).unwrap_or(0),
    });
    let head = json!({"alg": "RS256", "typ": "JWT", "kid": file.private_key_id});
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&head), part(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "the key of the service account does not sign".to_owned())?;
    let signed = format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
    let form = format!("grant_type={}&assertion={signed}", encoded(GRANT.as_bytes(), |_| false));
    Ok(Asked { endpoint, form })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The key file of an account that was made for this test.
    fn key_file() -> Secret {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let file = json!({
            "type": "service_account", "client_email": "robot@made-up.example", "private_key": pair.serialize_pem(),
            "private_key_id": "k1", "token_uri": "https://tokens.example/token",
        });
        Secret::new(file.to_string().into_bytes())
    }

    fn wanted(version: u64) -> Wanted {
        let terms =
            GoogleTerms { endpoint: None, scopes: [Arc::from("scope-a"), Arc::from("scope-b")].into() };
        Wanted::of(("gcp".into(), None, version), &terms)
    }

    const NOW: Timestamp = Timestamp(1_767_323_045_000_000);

    fn part(text: &str) -> serde_json::Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_token_is_asked_for_once_and_again_shortly_before_it_ends_and_for_a_new_key() {
        let (tokens, key, count) = (Tokens::default(), key_file(), Cell::new(0));
        let ask = async |asked: &Asked| {
            count.set(count.get() + 1);
            assert_eq!(asked.endpoint.url(), "https://tokens.example/token");
            let assertion = asked.form.rsplit('=').next().unwrap();
            let claims = part(assertion.split('.').nth(1).unwrap());
            assert_eq!(
                (&claims["iss"], &claims["scope"]),
                (&json!("robot@made-up.example"), &json!("scope-a scope-b"))
            );
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
            Ok(json!({"access_token": format!("token-{}", count.get()), "expires_in": 3600})
                .to_string()
                .into_bytes())
        };
        let later = |seconds| NOW.plus(Duration::from_secs(seconds));
        let last = 3600 - TOKEN_EARLY.as_secs();
        for (version, at, expected) in
            [(1, 0, "token-1"), (1, last - 1, "token-1"), (1, last, "token-2"), (2, 0, "token-3")]
        {
            let value = tokens.get(&wanted(version), &key, later(at), ask).await.unwrap();
            assert_eq!(value.open(), expected.as_bytes(), "{version} {at}");
        }
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said_without_a_word_of_the_key() {
        let tokens = Tokens::default();
        let refused = async |_: &Asked| Err("status 401".to_owned());
        let said = tokens.get(&wanted(1), &key_file(), NOW, refused).await.unwrap_err();
        assert_eq!(said, "status 401");
        let odd = async |_: &Asked| Ok(b"<html>".to_vec());
        assert_eq!(
            tokens.get(&wanted(1), &key_file(), NOW, odd).await.unwrap_err(),
            "the end point gave no token"
        );
        let said = tokens.get(&wanted(1), &Secret::new(b"{}".to_vec()), NOW, odd).await.unwrap_err();
        assert_eq!(said, "the secret is no key file of a service account");
    }
}
