//! The certificate authorities as operators see and change them: listed, rotated, read anew, and what their end needs.
//!
//! What comes about is in the log and on record. It never sees a private key. Read next: `act/tls/rotation.rs`.

use std::time::Duration;

use crate::act::tls::{About, Origin, Role, RotateError, Turn, days_left};
use crate::model::types::limits::ROTATION_OVERLAP;
use crate::operate::api::{Authority, AuthorityState, Diagnostic, Fault, RotateQuery, Severity};
use crate::pipeline::Shared;
use crate::platform::sys::clock;

/// Days before its end from which an authority needs somebody.
const NEAR: u64 = 30;

/// All that are trusted, the signing one first.
pub fn list(shared: &Shared) -> Vec<Authority> {
    let (file, own) = match shared.authorities.origin() {
        Origin::Own(dir) => (dir.join("ca.pem"), true),
        Origin::Supplied(chain, _) => (chain.clone(), false),
    };
    let each = |(about, role): (About, Role)| {
        let (state, signs_from) = match role {
            Role::Signing => (AuthorityState::Signing, None),
            Role::Upcoming(at) => (AuthorityState::Upcoming, Some(at)),
            Role::Retiring => (AuthorityState::Retiring, None),
        };
        let file = (role == Role::Signing).then(|| file.display().to_string());
        let About { subject, fingerprint, not_before, not_after } = about;
        Authority { subject, fingerprint, not_before, not_after, state, signs_from, own, file }
    };
    shared.authorities.list().into_iter().map(each).collect()
}

/// Makes a new authority. Blocks.
///
/// # Errors
/// Why it is not made.
pub fn rotate(shared: &Shared, query: &RotateQuery) -> Result<Vec<Authority>, Fault> {
    let overlap = Duration::from_secs(query.overlap_s.unwrap_or(ROTATION_OVERLAP.as_secs()));
    let before = shared.authorities.signing().about().clone();
    let rotated = shared.authorities.rotate((!query.now).then_some(overlap), clock::now());
    rotated.map_err(|error| match &error {
        RotateError::Supplied(chain) => Fault::invalid(error.to_string()).hint(format!(
            "whoever issued it makes the next one: replace `{}` and its key, then `clawgress reload`",
            chain.display()
        )),
        RotateError::UnderWay(_) => {
            Fault::invalid(error.to_string()).hint("`clawgress ca rotate --now` lets it sign at once")
        }
        RotateError::Authority(_) => Fault::internal(error.to_string()),
    })?;
    let signing = shared.authorities.signing().about().clone();
    match shared.authorities.list().into_iter().find(|(_, role)| matches!(role, Role::Upcoming(_))) {
        Some((about, Role::Upcoming(at))) => {
            note(shared, "ca-upcoming", &about, format!("trusted from now on, signs from {at} on"));
        }
        _ if signing != before => note(shared, "ca-signs", &signing, "at once".to_owned()),
        _ => {}
    }
    Ok(list(shared))
}

/// Does what is due. Blocks.
pub fn tend(shared: &Shared) {
    for turn in shared.authorities.tend(clock::now()) {
        match turn {
            Turn::Signs(about) => note(shared, "ca-signs", &about, "the overlap is over".to_owned()),
            Turn::Left(about) => note(shared, "ca-left", &about, "its time is over".to_owned()),
            Turn::Ends(about, days) => {
                let what = if days == 0 { "has expired: no TLS is opened" } else { "is about to expire" };
                tracing::warn!(authority = about.subject, until = %about.not_after, "the certificate authority {what}");
                let event = if days == 0 { "ca-expired" } else { "ca-expires" };
                let detail = format!("{} is valid until {}", about.subject, about.not_after);
                shared.ledger.system(event, &about.fingerprint, Some(detail));
            }
            Turn::Failed(error) => {
                tracing::error!(error, "the certificate authority cannot be changed as it is due")
            }
        }
    }
}

fn note(shared: &Shared, event: &str, about: &About, detail: String) {
    tracing::info!(authority = about.subject, fingerprint = about.fingerprint, detail, "{event}");
    shared.ledger.system(event, &about.fingerprint, Some(format!("{}: {detail}", about.subject)));
}

/// Reads an authority that operators have brought anew; what is wrong with it.
pub fn reload(shared: &Shared) -> Option<Diagnostic> {
    match shared.authorities.reload(clock::now()) {
        Ok(false) => None,
        Ok(true) => {
            let about = shared.authorities.signing().about().clone();
            note(shared, "ca-signs", &about, "its files were replaced".to_owned());
            None
        }
        Err(error) => {
            let text = error.to_string();
            let (message, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
            tracing::error!(
                error = message,
                "the certificate authority is not replaced: the one in force goes on signing"
            );
            Some(Diagnostic {
                severity: Severity::Warning,
                message: format!("{message}; the authority in force goes on signing"),
                hint: (!hint.is_empty()).then(|| hint.to_owned()),
                ..Diagnostic::default()
            })
        }
    }
}

/// What an operator has to do about an authority that ends soon and that none follows, and whether it has ended.
pub fn need(shared: &Shared) -> Option<(String, bool)> {
    let all = shared.authorities.list();
    let (about, _) = all.first()?;
    let days = days_left(about, clock::now());
    if days > NEAR || days > 0 && all.iter().any(|(_, role)| matches!(role, Role::Upcoming(_))) {
        return None;
    }
    let mends = match shared.authorities.origin() {
        Origin::Own(_) if days == 0 => "clawgress ca rotate --now".to_owned(),
        Origin::Own(_) => "clawgress ca rotate".to_owned(),
        Origin::Supplied(chain, _) => {
            format!("replace `{}` and its key, then clawgress reload", chain.display())
        }
    };
    let said = match days {
        0 => format!("the certificate authority has expired, and no TLS is opened: {mends}"),
        1 => format!("the certificate authority expires within a day ({}): {mends}", about.not_after),
        days => format!("the certificate authority expires in {days} days ({}): {mends}", about.not_after),
    };
    Some((said, days == 0))
}
