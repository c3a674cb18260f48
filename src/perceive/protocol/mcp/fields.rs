//! What the fields of HTTP say of a body, held against it: `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` (specification
//! 2026-07-28, "Request Metadata").
//!
//! Where a field is there it has to say what the body says, in every revision: whatever stands between here and the
//! server may go by it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::message::{Kind, Malformed, Message};
use super::revision::{METHOD_FIELD, NAME_FIELD, REVISION_FIELD, Revision};

const REVISION: &str = "MCP-Protocol-Version";
const METHOD: &str = "Mcp-Method";
const NAME: &str = "Mcp-Name";

/// What the fields say.
#[derive(Debug)]
pub struct Fields<'a> {
    /// The revision, and whether a field names it.
    revision: (Revision, bool),
    method: Option<&'a [u8]>,
    name: Option<Cow<'a, [u8]>>,
}

/// What a message says that fields repeat, beside what it is read for.
#[derive(Debug, Default)]
pub struct Repeated {
    /// The revision in `_meta`.
    pub revision: Option<Box<str>>,
    /// `name`, `uri` and `taskId` in `params`, of whatever method.
    pub names: [Option<Box<str>>; 3],
}

impl<'a> Fields<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// One of them stands twice, cannot be decoded, or names a revision that is not known.
    pub fn read(headers: &'a HeaderMap) -> Result<Self, Malformed> {
        let revision = match single(headers, REVISION_FIELD, REVISION)? {
            Some(name) => (Revision::parse(name).ok_or(Malformed::Revision)?, true),
            None => (Revision::V2025_03_26, false),
        };
        let name = single(headers, NAME_FIELD, NAME)?;
        Ok(Self {
            revision,
            method: single(headers, METHOD_FIELD, METHOD)?,
            name: name.map(|name| decoded(name, NAME)).transpose()?,
        })
    }

    /// The revision that is spoken.
    pub fn revision(&self) -> Revision {
        self.revision.0
    }

    /// Holds them against the one message of a body, or against a list of several, which they cannot repeat.
    ///
    /// # Errors
    /// They do not agree.
    pub fn agree(&self, message: Option<(&Message, &Repeated)>) -> Result<(), Malformed> {
        let revision = self.revision();
        let Some((message, repeated)) = message else {
            return match (self.method, &self.name) {
                (Some(_), _) => Err(Malformed::FieldDisagrees(METHOD)),
                (_, Some(_)) => Err(Malformed::FieldDisagrees(NAME)),
                (None, None) => Ok(()),
            };
        };
        let is_required = revision.repeats_itself() && message.kind == Kind::Request;
        match self.method {
            Some(method) if message.method.as_deref().map(str::as_bytes) != Some(method) => {
                return Err(Malformed::FieldDisagrees(METHOD));
            }
            None if is_required => return Err(Malformed::FieldMissing { field: METHOD, revision }),
            _ => {}
        }
        let Some(name) = &self.name else {
            let is_missing = is_required && message.name.is_some();
            return if is_missing { Err(Malformed::FieldMissing { field: NAME, revision }) } else { Ok(()) };
        };
        let says = |text: &Option<Box<str>>| text.as_deref().map(str::as_bytes) == Some(&**name);
        let agrees =
            if message.name.is_some() { says(&message.name) } else { repeated.names.iter().any(says) };
        if agrees { Ok(()) } else { Err(Malformed::FieldDisagrees(NAME)) }
    }

    /// Holds the revision against what a message says of it in `_meta`.
    ///
    /// # Errors
    /// It is another one, or the body alone names any.
    pub fn agree_on_revision(&self, repeated: &Repeated) -> Result<(), Malformed> {
        let (revision, is_named) = self.revision;
        match repeated.revision.as_deref() {
            Some(said) if !is_named || said != revision.as_str() => Err(Malformed::FieldDisagrees(REVISION)),
            _ => Ok(()),
        }
    }
}

fn single<'a>(
    headers: &'a HeaderMap,
    field: &str,
    spelling: &'static str,
) -> Result<Option<&'a [u8]>, Malformed> {
    let mut values = headers.get_all(field).iter();
    let value = values.next().map(http::HeaderValue::as_bytes);
    if values.next().is_some() { Err(Malformed::Field(spelling)) } else { Ok(value) }
}

/// A value as it is, or out of the form `=?base64?...?=` ("Value Encoding").
pub(super) fn decoded<'v>(value: &'v [u8], spelling: &'static str) -> Result<Cow<'v, [u8]>, Malformed> {
    let coded = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    match coded {
        Some(coded) => STANDARD.decode(coded).map(Cow::Owned).map_err(|_| Malformed::Field(spelling)),
        None => Ok(Cow::Borrowed(value)),
    }
}
