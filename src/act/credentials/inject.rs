//! The last step before the wire: credentials are put into a request that may go, in the place of whatever the agent sent
//! there.
//!
//! Only for the agent and the route that a policy binds them to, which the `Clearance` says, and only where the upstream has
//! proven its name over TLS. Where one cannot be had nothing is sent. Secrets exist from here on and nowhere earlier; a request
//! that was not sent loses them again. Read next: `echo.rs`, for the way back.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, SEC_WEBSOCKET_EXTENSIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri};
use zeroize::Zeroizing;

use super::aws::{self, Keys, Payload};
use super::echo::Echo;
use super::google::{Asked, Tokens, Wanted};
use super::vault::{Unavailable, Vault};
use super::{placeholder, places};
use crate::decide::ledger::Entry;
use crate::decide::policy::{Clearance, Mode, Passage};
use crate::model::types::{AwsTerms, CredentialPlace, Denial, Injection, Reason, Secret, Sequel, Timestamp};

/// What credentials are made of.
#[derive(Debug)]
pub struct Means<'m, A> {
    /// The open values.
    pub vault: &'m Vault,
    /// Tokens for service accounts.
    pub tokens: &'m Tokens,
    /// The time.
    pub now: Timestamp,
    /// Posts a question for a token, over verified TLS.
    pub ask: A,
}

/// Proof that the last step was taken: what the agent is to be given was put in, or nothing is to be. Made by [`inject`] alone.
#[derive(Debug)]
#[must_use]
pub struct Sealed<B> {
    request: Request<B>,
    traces: Traces,
}

/// What is left of the step beside the request.
#[derive(Debug, Default)]
pub struct Traces {
    /// Target and fields as the agent's request had them.
    bare: Option<Box<(Uri, HeaderMap)>>,
    echo: Option<Arc<Echo>>,
    used: Option<String>,
}

impl<B> Sealed<B> {
    /// Which credentials went in, for the record; nothing where none did.
    pub fn used(&self) -> Option<&str> {
        self.traces.used.as_deref()
    }

    /// The request, for the wire.
    pub fn open(self) -> (Request<B>, Traces) {
        (self.request, self.traces)
    }
}

impl Traces {
    /// Whether the request may go over TLS alone.
    pub fn has_credential(&self) -> bool {
        self.used.is_some()
    }

    /// What an answer may not repeat.
    pub fn echo(&self) -> Option<&Arc<Echo>> {
        self.echo.as_ref()
    }

    /// The request as it was before, once it is known that it was not sent.
    pub fn restore<B>(self, mut request: Request<B>) -> Request<B> {
        if let Some(bare) = self.bare {
            (*request.uri_mut(), *request.headers_mut()) = *bare;
        }
        request
    }
}

/// Puts in what the clearance says.
///
/// # Errors
/// `credential.unavailable` where a credential cannot be had, or would go where no name was proven.
pub async fn inject<B, A>(
    (clearance, passage, _entry): (&Clearance, &Passage, &Entry),
    request: Request<B>,
    payload: Payload,
    means: &Means<'_, A>,
) -> Result<Sealed<B>, Denial>
where
    A: AsyncFn(&Asked) -> Result<Vec<u8>, String>,
{
    let wanted = clearance.credentials();
    let Some(first) = wanted.first() else { return Ok(Sealed { request, traces: Traces::default() }) };
    if passage.mode() != Mode::Terminate {
        return Err(unproven(first));
    }
    let (mut head, body) = request.into_parts();
    // Boxed: most requests are given nothing.
    let traces = Box::pin(fill(clearance, &mut head, payload, means)).await?;
    Ok(Sealed { request: Request::from_parts(head, body), traces })
}

/// Puts every credential into the head.
async fn fill<A>(
    clearance: &Clearance,
    head: &mut Parts,
    payload: Payload,
    means: &Means<'_, A>,
) -> Result<Traces, Denial>
where
    A: AsyncFn(&Asked) -> Result<Vec<u8>, String>,
{
    let wanted = clearance.credentials();
    let Some(first) = wanted.first() else { return Ok(Traces::default()) };
    let bare = Box::new((head.uri.clone(), head.headers.clone()));
    let mut step = Step { seen: Vec::new(), used: Vec::new(), means };
    let mut look = |name: &str, key: Option<&str>| step.swapped(wanted, name, key);
    placeholder::swap(&mut head.headers, &mut head.uri, &mut look)
        .ok_or_else(|| unfit(first, "what a placeholder stands for cannot be sent there"))?;
    let is_of_models = clearance.route().policy.0.starts_with("AIProviderRoute/");
    if is_of_models && !wanted.iter().any(is_aws) {
        places::remove_keys(&mut head.headers, &mut head.uri)
            .ok_or_else(|| unfit(first, "the target is no URI any more"))?;
    }
    for one in wanted {
        step.put(one, head, payload).await?;
    }
    let echo = Echo::of(step.seen.iter().map(|value| value.open()));
    if echo.is_some() {
        // What is coded could repeat it unseen.
        head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        head.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    }
    let used = Some(step.used.join("; "));
    Ok(Traces { bare: Some(bare), echo, used })
}

/// One request while credentials are put into it.
struct Step<'s, A> {
    /// What went in, and an answer may not repeat.
    seen: Vec<Arc<Secret>>,
    used: Vec<String>,
    means: &'s Means<'s, A>,
}

impl<A: AsyncFn(&Asked) -> Result<Vec<u8>, String>> Step<'_, A> {
    async fn put(&mut self, one: &Injection, head: &mut Parts, payload: Payload) -> Result<(), Denial> {
        let version = match &one.place {
            CredentialPlace::Header { name, prefix } => {
                let (value, version) = self.value(one, one.key.as_deref())?;
                let whole = places::field_value(&[prefix.as_bytes(), value.open()])
                    .map_err(|_| unfit(one, "the secret cannot stand in a header field"))?;
                places::set_field(&mut head.headers, name, whole);
                self.seen.push(value);
                version
            }
            CredentialPlace::Basic { name, user } => {
                let (value, version) = self.value(one, one.key.as_deref())?;
                let whole = places::basic(user, value.open())
                    .ok_or_else(|| unfit(one, "a password of `Basic` has no control characters"))?;
                places::set_field(&mut head.headers, name, whole);
                self.seen.push(value);
                version
            }
            CredentialPlace::Query(name) => {
                let (value, version) = self.value(one, one.key.as_deref())?;
                places::set_parameter(&mut head.uri, name, value.open())
                    .ok_or_else(|| unfit(one, "the secret cannot stand in a query"))?;
                self.seen.push(value);
                version
            }
            CredentialPlace::Aws(terms) => self.sign((one, terms), head, payload)?,
            CredentialPlace::Google(terms) => {
                let (key, version) = self.value(one, one.key.as_deref())?;
                let wanted = Wanted::of((one.secret.clone(), one.key.clone(), version), terms);
                let Means { tokens, now, ask, .. } = self.means;
                let token = tokens.get(&wanted, &key, *now, ask).await;
                let token = token.map_err(|seen| unavailable(one).seen(format!("{}: {seen}", one.secret)))?;
                let whole = places::field_value(&[b"Bearer ", token.open()])
                    .map_err(|_| unfit(one, "the token cannot stand in a header field"))?;
                places::set_field(&mut head.headers, &AUTHORIZATION, whole);
                self.seen.push(token);
                version
            }
        };
        let key = one.key.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
        self.used.push(format!("{}: secret {}{key} version {version}", one.policy.0, one.secret));
        Ok(())
    }

    fn sign(
        &mut self,
        (one, terms): (&Injection, &AwsTerms),
        head: &mut Parts,
        payload: Payload,
    ) -> Result<u64, Denial> {
        let [id, secret] = AwsTerms::KEYS;
        let ((id, _), (secret, version)) = (self.value(one, Some(id))?, self.value(one, Some(secret))?);
        let token = match self.means.vault.value(&one.secret, Some(AwsTerms::SESSION)) {
            Ok(token) => Some(token),
            Err(Unavailable::Missing) => None,
            Err(why) => return Err(lacking(one, Some(AwsTerms::SESSION), why)),
        };
        self.seen.extend(token.clone());
        let keys = Keys { id, secret, token };
        let Parts { method, uri, headers, .. } = head;
        aws::sign((method, uri, headers), terms, &keys, payload, self.means.now)
            .map_err(|why| unfit(one, why))?;
        Ok(version)
    }

    /// The value of a placeholder, where its secret is bound to this request as a value that goes out.
    fn swapped(
        &mut self,
        wanted: &[Arc<Injection>],
        name: &str,
        key: Option<&str>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let one = placeholder::bound(wanted, name, key)?;
        let value = self.means.vault.value(name, key.or(one.key.as_deref())).ok()?;
        let copy = Zeroizing::new(value.open().to_vec());
        self.seen.push(value);
        Some(copy)
    }

    /// A value with its version: both of one moment.
    fn value(&self, one: &Injection, key: Option<&str>) -> Result<(Arc<Secret>, u64), Denial> {
        let vault = self.means.vault;
        loop {
            let generation = vault.generation();
            let value = vault.value(&one.secret, key).map_err(|why| lacking(one, key, why))?;
            let version = vault.version(&one.secret, key).unwrap_or_default();
            if vault.generation() == generation {
                return Ok((value, version));
            }
        }
    }
}

fn is_aws(one: &Arc<Injection>) -> bool {
    matches!(one.place, CredentialPlace::Aws(_))
}

fn unavailable(one: &Injection) -> Denial {
    let detail =
        "The gateway has no credential for this request now, so nothing was sent. An operator has to set it.";
    Denial::by(Reason::CredentialUnavailable, one.policy.clone(), None, detail)
}

fn lacking(one: &Injection, key: Option<&str>, why: Unavailable) -> Denial {
    let key = key.map(|key| format!(" --key {key}")).unwrap_or_default();
    let name = &one.secret;
    unavailable(one).seen(match why {
        Unavailable::Missing => format!("secret {name}: missing; clawgress secret set {name}{key}"),
        Unavailable::Undecryptable => {
            format!("secret {name}: this master key does not open it; clawgress secret set {name}{key}")
        }
    })
}

fn unfit(one: &Injection, why: &str) -> Denial {
    let detail = "The gateway cannot put the credential into this request, so nothing was sent.";
    Denial::by(Reason::CredentialUnavailable, one.policy.clone(), None, detail)
        .seen(format!("secret {}: {why}", one.secret))
}

fn unproven(one: &Injection) -> Denial {
    let detail = "The credential for this request goes out over verified TLS alone, and this is plain HTTP. Ask by https.";
    let mut denial = Denial::by(Reason::CredentialUnavailable, one.policy.clone(), None, detail);
    denial.sequel = Some(Sequel::Final);
    denial.seen(format!("secret {}: no name was proven", one.secret))
}
