//! `kind: EgressHTTPRoute`: requests by host, method, path, headers and query, with the matches of Gateway API's
//! HTTPRoute (v1).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fields::Item;
use super::header::{Header, Index};
use super::references::{Needs, parents};
use super::report::quoted;
use super::resources::{HeaderMatch, HttpMatch, HttpRoute, PathMatch, QueryMatch};
use super::route::{PARENT_REFS, RULE_NAME, SOURCE_AGENTS, rule_name, rules, rules_of, source_agents};
use super::schema::{Field, Form, Object, Shape, words};
use super::values;
use crate::model::types::path::{canonical_path, has_dot_segments};

/// Without CONNECT, which is refused before any route is asked.
const METHODS: [(&str, &str); 8] = [
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("DELETE", "DELETE"),
    ("OPTIONS", "OPTIONS"),
    ("TRACE", "TRACE"),
    ("PATCH", "PATCH"),
];

const PATH_TYPES: [(&str, PathType); 2] = [("Exact", PathType::Exact), ("PathPrefix", PathType::Prefix)];

/// How values are compared.
const VALUE_TYPES: [(&str, ()); 1] = [("Exact", ())];

#[derive(Clone, Copy)]
enum PathType {
    Exact,
    Prefix,
}

/// Longest path, header value and query value of a match, in bytes (Gateway API: 1024, 4096, 1024).
const PATH_BYTES: usize = 1024;
const VALUE_BYTES: usize = 4096;

/// A canonical path.
static PATH: Form = Form { words: "path from `/` on", pattern: r"^/[^?#* ]*$", longest: PATH_BYTES };
/// A field name (RFC 9110, section 5.1).
pub(super) static HEADER_NAME: Form =
    Form { words: "header name", pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", longest: VALUE_BYTES };
static VALUE: Form = Form { words: "text", pattern: r"\S", longest: VALUE_BYTES };

const VALUE_TYPE: Shape = Shape::Choice { words: &words(&VALUE_TYPES), not_yet: &["RegularExpression"] };

/// `spec` of an HTTP route.
pub static SPEC: Object = Object::new(
    "Lets through requests by host, method, path, headers and query. It opens the connections to its own hosts.",
    &[
        PARENT_REFS,
        SOURCE_AGENTS,
        Field::required("hostnames", Shape::List(&Shape::Text(&values::HOST)), "The hosts of its requests."),
        rules_of(&Shape::Object(&RULE)),
    ],
);

static RULE: Object = Object::new(
    "Requests that a route lets through.",
    &[
        RULE_NAME,
        Field::optional(
            "matches",
            Shape::List(&Shape::Object(&MATCH)),
            "What its requests look like, one of these; without it every request.",
        ),
        Field::not_yet("filters", "What is changed on the way."),
        Field::not_yet("backendRefs", "Where requests are sent instead."),
        Field::not_yet("timeouts", "How long is waited."),
        Field::not_yet("retry", "When it is tried again."),
        Field::not_yet("sessionPersistence", "What keeps a session together."),
    ],
);

static MATCH: Object = Object::new(
    "What a request looks like: all that is given must hold.",
    &[
        Field::optional("method", Shape::choice(&words(&METHODS)), "Its method."),
        Field::optional("path", Shape::Object(&PATH_MATCH), "Its path, in canonical form."),
        Field::optional(
            "headers",
            Shape::List(&Shape::Object(&HEADER_MATCH)),
            "Headers, all of which must hold.",
        ),
        Field::optional(
            "queryParams",
            Shape::List(&Shape::Object(&QUERY_MATCH)),
            "Parameters, all of which must hold.",
        ),
    ],
);

static PATH_MATCH: Object = Object::new(
    "A path, or all below one.",
    &[
        Field::optional(
            "type",
            Shape::Choice { words: &words(&PATH_TYPES), not_yet: &["RegularExpression"] },
            "This path alone, or all below it too, element by element.",
        )
        .by_default("PathPrefix"),
        Field::optional("value", Shape::Text(&PATH), "The path.").by_default("/"),
    ],
);

static HEADER_MATCH: Object = Object::new(
    "A header that must be there with this value.",
    &[
        Field::optional("type", VALUE_TYPE, "How values are compared.").by_default("Exact"),
        Field::required("name", Shape::Text(&HEADER_NAME), "Its name, in any case."),
        Field::required("value", Shape::Text(&VALUE), "Its value."),
    ],
);

static QUERY_MATCH: Object = Object::new(
    "A parameter of the query that must be there with this value.",
    &[
        Field::optional("type", VALUE_TYPE, "How values are compared.").by_default("Exact"),
        Field::required("name", Shape::Text(&VALUE), "Its name, decoded."),
        Field::required("value", Shape::Text(&VALUE), "Its value, decoded."),
    ],
);

/// Reads one route.
pub fn read(header: &Header<'_>, index: &Index) -> Option<HttpRoute> {
    let fields = header.spec?.object(&SPEC)?;
    let parents = parents(&fields, index, &[Needs::Requests]);
    let source_agents = source_agents(&fields);
    let hostnames = fields.required_list("hostnames").iter().filter_map(values::host_pattern).collect();
    let rules = rules(&fields, rule);
    Some(HttpRoute { parents, hostnames, rules, source_agents, origin: header.origin() })
}

fn rule(item: &Item<'_>, names: &mut BTreeSet<Arc<str>>) -> Vec<HttpMatch> {
    let Some(fields) = item.object(&RULE) else { return Vec::new() };
    rule_name(&fields, names);
    fields.list("matches").iter().filter_map(one_match).collect()
}

fn one_match(item: &Item<'_>) -> Option<HttpMatch> {
    let fields = item.object(&MATCH)?;
    let mut seen = BTreeSet::new();
    let headers = fields.list("headers").iter().filter_map(|item| header(item, &mut seen)).collect();
    let mut seen = BTreeSet::new();
    let query = fields.list("queryParams").iter().filter_map(|item| query(item, &mut seen)).collect();
    Some(HttpMatch {
        method: fields.get("method").and_then(|item| method(&item)),
        path: fields.get("path").and_then(|item| path(&item)),
        headers,
        query,
    })
}

fn method(item: &Item<'_>) -> Option<String> {
    if item.node().text() == Some("CONNECT") {
        let hint = "remove the match: what a tunnel would reach, an EgressL4Route names";
        item.mistake_hint("`CONNECT` is refused before any route is asked", hint);
        return None;
    }
    item.choice(&METHODS).map(str::to_owned)
}

/// Nothing if the type is given and wrong.
fn exact(item: Option<Item<'_>>) -> Option<()> {
    item.map_or(Some(()), |item| item.choice(&VALUE_TYPES))
}

/// `type` is PathPrefix and `value` is `/` unless said otherwise.
fn path(item: &Item<'_>) -> Option<PathMatch> {
    let fields = item.object(&PATH_MATCH)?;
    let kind = fields.get("type").map_or(Some(PathType::Prefix), |item| item.choice(&PATH_TYPES));
    let value = match fields.get("value") {
        Some(item) => path_value(&item)?,
        None => "/",
    };
    Some(match kind? {
        PathType::Exact => PathMatch::Exact(value.to_owned()),
        _ if value == "/" => PathMatch::Prefix(value.to_owned()),
        _ => PathMatch::Prefix(value.trim_end_matches('/').to_owned()),
    })
}

/// What no canonical path contains would match nothing, and is refused (Gateway API has the same list).
fn path_value<'s>(item: &Item<'s>) -> Option<&'s str> {
    check_path(item, item.text_of(&PATH)?)
}

/// The same for a text of whatever form.
pub(super) fn check_path<'t>(item: &Item<'_>, text: &'t str) -> Option<&'t str> {
    let lower = text.to_ascii_lowercase();
    let fault = if !text.starts_with('/') {
        Some(("does not begin with `/`", None))
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
fn with_canonical_form<'t>(item: &Item<'_>, text: &'t str) -> Option<&'t str> {
    let Err(error) = canonical_path(text) else { return Some(text) };
    let hint = "requests are matched after their paths are made canonical: write `/%C3%BC` for `/\u{fc}`";
    item.scope.mistake(item.span(), format!("path {} {error}", quoted(text)), Some(hint.into()));
    None
}

fn header(item: &Item<'_>, seen: &mut BTreeSet<String>) -> Option<HeaderMatch> {
    let fields = item.object(&HEADER_MATCH)?;
    let known = exact(fields.get("type"));
    let name_item = fields.required("name");
    let value = fields.required("value").and_then(|item| value_text(&item));
    let name_item = name_item?;
    let name = name_item.text_of(&HEADER_NAME)?;
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
    let fields = item.object(&QUERY_MATCH)?;
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
    item.text_of(&VALUE).map(str::to_owned)
}
