//! `kind: McpServer`: a server of tools that agents may reach, by its URL (kars CRD reference, McpServer).
//!
//! What the reference asks of OAuth and of keys is refused: nothing here speaks for an agent yet.

use super::fields::Item;
use super::header::Header;
use super::kinds::Kind;
use super::mcp_route::tools;
use super::patterns::{self, SERVER_PLACE, TOOL};
use super::reach::{self, Reach};
use super::references::{SELECTOR, selector};
use super::resources::McpServer;
use super::schema::{Field, Object, Shape};
use super::values;

/// `spec` of a server of tools.
pub static SPEC: Object = Object::new(
    "Lets agents reach one MCP server and call some of its tools, through every gateway that sees requests.",
    &[
        Field::required("url", Shape::Text(&SERVER_PLACE), "Where the server is reached."),
        Field::optional("displayName", Shape::Text(&values::ANY), "A name for people, without meaning."),
        Field::required(
            "allowedTools",
            Shape::ListOrNone(&Shape::Text(&TOOL)),
            "Tools that may be seen and called; `*` is every one, an empty list none.",
        ),
        Field::optional(
            "allowedSandboxes",
            Shape::Object(&SELECTOR),
            "The agents that may reach it; without it every one.",
        ),
        Field::optional(
            "productionMode",
            Shape::False,
            "Whether only calls with a proven token are let through.",
        )
        .by_default("false"),
        Field::not_yet("oauth", "Who issues the tokens of the server."),
        Field::not_yet("scopes", "What is asked of the issuer."),
        Field::not_yet("bearerFromEnv", "The token that is sent to the server."),
        Field::not_yet("bundleRef", "A signed artifact in place of the fields here."),
    ],
);

/// Reads one server; gateways have been read.
pub fn read(header: &Header<'_>, reach: Reach<'_>) -> Option<McpServer> {
    let fields = header.spec?.object(&SPEC)?;
    let item = fields.required("url");
    let url = item.and_then(|item| patterns::server(&item));
    if let (Some(item), Some(_)) = (&item, &url) {
        check_reach(item, reach);
    }
    let allowed = fields.required("allowedTools").map(|item| tools(&item));
    let agents = fields.get("allowedSandboxes").and_then(|item| selector(&item));
    fields.get("productionMode").and_then(|item| item.boolean());
    Some(McpServer { url: url?, allowed: allowed?, agents, origin: header.origin() })
}

/// No gateway would ever open it.
fn check_reach(url: &Item<'_>, reach: Reach<'_>) {
    let index = reach.index;
    let all_read = index.is_complete() && index.count(Kind::EgressGateway) == index.gateways.len();
    if all_read && !index.gateways.keys().any(|gateway| reach.listener_shows(gateway, None)) {
        reach::unseen(url, url.span(), "calls of tools are requests");
    }
}
