//! `kind: EgressHTTPRoute`: requests by host, method, path, headers and query, with the matches of Gateway API's
//! HTTPRoute (v1).

use std::collections::BTreeSet;

use super::fields::Item;
use super::header::{Header, Index};
use super::references::{Needs, parents, selector};
use super::report::quoted;
use super::resources::{HeaderMatch, HttpMatch, HttpRoute, PathMatch, QueryMatch};
use super::values;
use crate::model::types::path::{canonical_path, has_dot_segments};

/// Longest path, header value and query value of a match, in bytes (Gateway API: 1024, 4096, 1024).
const PATH_BYTES: usize = 1024;
const VALUE_BYTES: usize = 4096;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Reads one route.
pub fn read(header: &Header<'_>, index: &Index) -> Option<HttpRoute> {
    let fields = header.spec?.fields(&["parentRefs", "hostnames", "sourceAgents", "rules"])?;
    let parents = parents(&fields, index, &[Needs::Requests]);
    let source_agents = fields.get("sourceAgents").and_then(|item| selector(&item));
    let hostnames = fields.required_list("hostnames").iter().filter_map(values::host_pattern).collect();
    let rules = fields.required_list("rules").iter().map(rule).collect();
    Some(HttpRoute { parents, hostnames, rules, source_agents, origin: header.origin() })
}

fn rule(item: &Item<'_>) -> Vec<HttpMatch> {
    let not_yet = ["filters", "backendRefs", "timeouts", "retry", "sessionPersistence"];
    let mut known = vec!["name", "matches"];
    known.extend(not_yet);
    let Some(fields) = item.fields(&known) else { return Vec::new() };
    fields.not_yet(&not_yet);
    fields.get("name").and_then(|item| values::name(&item));
    fields.list("matches").iter().filter_map(one_match).collect()
}

fn one_match(item: &Item<'_>) -> Option<HttpMatch> {
    let fields = item.fields(&["method", "path", "headers", "queryParams"])?;
    let methods = METHODS.map(|method| (method, method));
    let mut seen = BTreeSet::new();
    let headers = fields.list("headers").iter().filter_map(|item| header(item, &mut seen)).collect();
    let mut seen = BTreeSet::new();
    let query = fields.list("queryParams").iter().filter_map(|item| query(item, &mut seen)).collect();
    Some(HttpMatch {
        method: fields.get("method").and_then(|item| item.choice(&methods)).map(str::to_owned),
        path: fields.get("path").and_then(|item| path(&item)),
        headers,
        query,
    })
}

/// Refuses `RegularExpression` and unknown types; nothing if the type is given and wrong.
fn exact(item: Option<Item<'_>>) -> Option<()> {
    let Some(item) = item else { return Some(()) };
    if !item.choice(&[("Exact", true), ("RegularExpression", false)])? {
        item.not_yet();
        return None;
    }
    Some(())
}

/// `type` is PathPrefix and `value` is `/` unless said otherwise.
fn path(item: &Item<'_>) -> Option<PathMatch> {
    #[derive(Clone, Copy)]
    enum Type {
        Exact,
        Prefix,
        Expression,
    }
    let fields = item.fields(&["type", "value"])?;
    let types =
        [("Exact", Type::Exact), ("PathPrefix", Type::Prefix), ("RegularExpression", Type::Expression)];
    let kind = match fields.get("type") {
        Some(item) => item.choice(&types)?,
        None => Type::Prefix,
    };
    if matches!(kind, Type::Expression) {
        fields.get("type")?.not_yet();
        return None;
    }
    let value = match fields.get("value") {
        Some(item) => path_value(&item)?,
        None => "/",
    };
    Some(match kind {
        Type::Exact => PathMatch::Exact(value.to_owned()),
        _ if value == "/" => PathMatch::Prefix(value.to_owned()),
        _ => PathMatch::Prefix(value.trim_end_matches('/').to_owned()),
    })
}

/// What no canonical path contains would match nothing, and is refused (Gateway API has the same list).
fn path_value<'s>(item: &Item<'s>) -> Option<&'s str> {
    let text = item.text()?;
    let lower = text.to_ascii_lowercase();
    let fault = if !text.starts_with('/') {
        Some(("does not begin with `/`", None))
    } else if text.len() > PATH_BYTES {
        Some(("is longer than 1024 bytes", None))
    } else if text.contains(['?', '#']) {
        Some(("has a query or fragment", Some("match queries with `queryParams`")))
    } else if text.contains(' ') {
        Some(("has a space", None))
    } else if text.contains("//") || lower.contains("%2f") {
        Some((
            "has an empty or hidden path element",
            Some("requests are matched after their paths are made canonical"),
        ))
    } else if has_dot_segments(text) {
        Some((
            "has the element `.` or `..`",
            Some("requests are matched after their paths are made canonical"),
        ))
    } else if text.contains('*') {
        Some(("has a `*`", Some("paths have no wildcards; `PathPrefix` matches all below a path")))
    } else {
        None
    };
    let Some((what, hint)) = fault else { return with_canonical_form(item, text) };
    item.scope.mistake(item.span(), format!("path {} {what}", quoted(text)), hint.map(str::to_owned));
    None
}

/// The path, unless it has no canonical form: no request could ever equal it.
fn with_canonical_form<'s>(item: &Item<'s>, text: &'s str) -> Option<&'s str> {
    let Err(error) = canonical_path(text) else { return Some(text) };
    let hint = "requests are matched after their paths are made canonical: write `/%C3%BC` for `/\u{fc}`";
    item.scope.mistake(item.span(), format!("path {} {error}", quoted(text)), Some(hint.into()));
    None
}

fn header(item: &Item<'_>, seen: &mut BTreeSet<String>) -> Option<HeaderMatch> {
    let fields = item.fields(&["type", "name", "value"])?;
    let known = exact(fields.get("type"));
    let name_item = fields.required("name");
    let value = fields.required("value").and_then(|item| value_text(&item));
    let name_item = name_item?;
    let name = name_item.text()?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.bytes().all(token) {
        name_item.mistake(format!("{} is not a header name", quoted(name)));
        return None;
    }
    let name = name.to_ascii_lowercase();
    if !seen.insert(name.clone()) {
        name_item.mistake_hint(
            format!("header {} is given twice", quoted(&name)),
            "all headers of a match must hold",
        );
        return None;
    }
    known?;
    Some(HeaderMatch { name, value: value? })
}

fn query(item: &Item<'_>, seen: &mut BTreeSet<String>) -> Option<QueryMatch> {
    let fields = item.fields(&["type", "name", "value"])?;
    let known = exact(fields.get("type"));
    let name_item = fields.required("name");
    let value = fields.required("value").and_then(|item| value_text(&item));
    let name_item = name_item?;
    let name = value_text(&name_item)?;
    if !seen.insert(name.clone()) {
        let message = format!("parameter {} is given twice", quoted(&name));
        name_item.mistake_hint(message, "all parameters of a match must hold");
        return None;
    }
    known?;
    Some(QueryMatch { name, value: value? })
}

fn value_text(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.len() > VALUE_BYTES {
        item.mistake(format!("{} is longer than {VALUE_BYTES} bytes", quoted(item.name)));
        return None;
    }
    Some(text.to_owned())
}
