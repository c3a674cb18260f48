//! Names of models and tools with a star behind them, paths of endpoints, and URLs of MCP servers.
//!
//! A star stands at the end alone, for any further characters. Paths are kept in their canonical form, as requests are
//! judged in theirs. Read next: `ai_route.rs`, `mcp_route.rs`.

use super::fields::Item;
use super::http_route::check_path;
use super::report::quoted;
use super::resources::{ServerPath, ServerUrl};
use super::schema::Form;
use super::values::host_mistake;
use crate::model::types::limits::{MODEL_NAME_BYTES, TOOL_NAME_BYTES};
use crate::model::types::path::canonical_path;
use crate::model::types::quota_limits::SERVER_URL_BYTES;
use crate::model::types::{HostPattern, ToolPattern};

/// The name of a tool, or its beginning with a star behind it.
pub static TOOL: Form = Form {
    words: "tool, `*` stands at the end alone",
    pattern: r"^([^*\s]+\*?|\*)$",
    longest: TOOL_NAME_BYTES,
};
/// One tool.
pub static TOOL_NAME: Form = Form { words: "tool", pattern: r"^[^*\s]+$", longest: TOOL_NAME_BYTES };
/// The name of a model, or its beginning with a star behind it.
pub static MODEL: Form = Form {
    words: "model, `*` stands at the end alone",
    pattern: r"^([^*\s]+\*?|\*)$",
    longest: MODEL_NAME_BYTES,
};
/// One model.
pub static MODEL_NAME: Form = Form { words: "model", pattern: r"^[^*\s]+$", longest: MODEL_NAME_BYTES };
/// A path, or its beginning with a star behind it.
pub static ENDPOINT: Form = Form {
    words: "path from `/` on, `*` stands at the end alone",
    pattern: r"^/[^?#* ]*\*?$",
    longest: 1024,
};
/// The URL of a server, or of all below a path with a star behind it.
pub static SERVER: Form = Form {
    words: "URL such as `https://mcp.example.com/*`",
    pattern: r"^https?://(\*\.)?[^*/?#\s]+(/[^*?#\s]*\*?)?$",
    longest: SERVER_URL_BYTES,
};
/// The URL of one server.
pub static SERVER_PLACE: Form = Form {
    words: "URL such as `https://mcp.example.com/mcp`",
    pattern: r"^https?://[^*/?#\s]+(/[^*?#\s]*)?$",
    longest: SERVER_URL_BYTES,
};

/// A tool, or all whose names begin so.
pub fn tool(item: &Item<'_>) -> Option<ToolPattern> {
    name(item, item.text_of(&TOOL)?, true).map(|text| ToolPattern(text.into()))
}

/// One tool.
pub fn tool_name<'s>(item: &Item<'s>) -> Option<&'s str> {
    name(item, item.text_of(&TOOL_NAME)?, false)
}

/// A model, or all whose names begin so.
pub fn model(item: &Item<'_>) -> Option<Box<str>> {
    name(item, item.text_of(&MODEL)?, true).map(Box::from)
}

/// One model.
pub fn model_name(item: &Item<'_>) -> Option<Box<str>> {
    name(item, item.text_of(&MODEL_NAME)?, false).map(Box::from)
}

/// A name without blanks, with or without a star behind it.
fn name<'s>(item: &Item<'s>, text: &'s str, star: bool) -> Option<&'s str> {
    let beginning = if star { text.strip_suffix('*').unwrap_or(text) } else { text };
    if beginning.contains('*') {
        let message = format!("{} has a `*`", quoted(text));
        let hint = if star { "a `*` stands at the end alone" } else { "name one: no `*` has a meaning here" };
        item.mistake_hint(message, hint);
        return None;
    }
    if beginning.contains(char::is_whitespace) {
        item.mistake_hint(format!("{} has a blank", quoted(text)), "write it as requests have it");
        return None;
    }
    Some(text)
}

/// A canonical path, with or without a star behind it.
pub fn endpoint(item: &Item<'_>) -> Option<Box<str>> {
    let text = item.text_of(&ENDPOINT)?;
    Some(match path(item, text)? {
        ServerPath::Exact(path) => path,
        ServerPath::Beginning(path) => format!("{path}*").into(),
    })
}

fn path(item: &Item<'_>, text: &str) -> Option<ServerPath> {
    let (beginning, star) = match text.strip_suffix('*') {
        Some(beginning) => (beginning, true),
        None => (text, false),
    };
    if beginning.contains('*') {
        item.mistake_hint(format!("path {} has a `*`", quoted(text)), "a `*` stands at the end alone");
        return None;
    }
    // What has no canonical form has had its mistake noted.
    let path = canonical_path(check_path(item, beginning)?).ok()?.into();
    Some(if star { ServerPath::Beginning(path) } else { ServerPath::Exact(path) })
}

/// Where servers are reached: hosts and paths may have a star.
pub fn servers(item: &Item<'_>) -> Option<ServerUrl> {
    url(item, item.text_of(&SERVER)?)
}

/// Where one server is reached.
pub fn server(item: &Item<'_>) -> Option<ServerUrl> {
    let text = item.text_of(&SERVER_PLACE)?;
    if text.contains('*') {
        let hint = "a server is one place; an MCPRoute names several by one URL";
        item.mistake_hint(format!("url {} has a `*`", quoted(text)), hint);
        return None;
    }
    url(item, text)
}

/// Scheme, host, port and path (RFC 3986, section 3); what no request to a server has is refused.
fn url(item: &Item<'_>, text: &str) -> Option<ServerUrl> {
    let fault = |what: &str, hint: &str| {
        item.mistake_hint(format!("url {} {what}", quoted(text)), hint);
        None
    };
    let (tls, rest) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return fault("has another scheme than `https` and `http`", "write `https://HOST/PATH`"),
    };
    if rest.contains(['?', '#']) {
        return fault("has a query or fragment", "remove it: servers are told apart by host and path");
    }
    let (authority, place) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if authority.contains('@') {
        return fault("has a user", "remove it: credentials have no place in documents");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, port),
            _ => return fault("has a port outside 1 to 65535", "without it, it is 443 or 80"),
        },
        _ => (authority, if tls { 443 } else { 80 }),
    };
    let host = match HostPattern::parse(host) {
        Ok(host) => host,
        Err(error) => {
            host_mistake(item, host, error);
            return None;
        }
    };
    Some(ServerUrl { tls, host, port, path: path(item, place)? })
}
