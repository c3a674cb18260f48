//! The names under which one model is asked for: with a date, a version of the interface, a region or an address in front.
//!
//! Names of models are what peers write: everything here only cuts them, and never allocates by their length.

use crate::model::types::Provider;

/// Regions in front of a model in Bedrock's inference profiles; `global` is none, because it has prices of its own.
const REGIONS: [&str; 9] = ["us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "global"];

/// The name itself first, then shorter ones.
pub fn spellings(provider: Provider, model: &str) -> Vec<&str> {
    let mut all = vec![model];
    let mut add = |name| {
        if !all.contains(&name) {
            all.push(name);
        }
    };
    // Bedrock: `arn:aws:bedrock:REGION:ACCOUNT:inference-profile/us.anthropic.NAME`. Google: `publishers/google/models/NAME`.
    let name = match provider {
        Provider::Bedrock | Provider::Google => model.rsplit_once('/').map_or(model, |(_, name)| name),
        _ => model,
    };
    let inside = if provider == Provider::Bedrock { without_region(name) } else { name };
    for name in [name, inside] {
        add(name);
        let plain = if provider == Provider::Bedrock { without_version(name) } else { name };
        add(plain);
        add(without_date(plain));
    }
    all
}

/// Without `us.` and the like.
fn without_region(name: &str) -> &str {
    match name.split_once('.') {
        Some((region, rest)) if REGIONS.contains(&region) => rest,
        _ => name,
    }
}

/// Without `-v1:0` or `-v1`, as Bedrock has it.
fn without_version(name: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match name.rsplit_once(':') {
        Some((name, revision)) if digits(revision) => name,
        _ => name,
    };
    match name.rsplit_once("-v") {
        Some((plain, version)) if digits(version) => plain,
        _ => name,
    }
}

/// Without `-2024-08-06`, `-20250929`, `@20250929`, `-latest` or `@default`.
fn without_date(name: &str) -> &str {
    let fits = |text: &str, form: &str| {
        let same = |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte == form };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
    };
    for form in ["-0000-00-00", "-00000000", "@00000000", "-latest", "@default"] {
        if let Some((plain, end)) =
            name.len().checked_sub(form.len()).and_then(|at| name.split_at_checked(at))
            && fits(end, form)
        {
            return plain;
        }
    }
    name
}
