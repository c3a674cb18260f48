//! One denial, in the words of whoever hears it: problem details for HTTP, the error shape of a provider's own API,
//! a status for gRPC, an error of JSON-RPC for MCP.
//!
//! It never reveals rules, patterns or paths; `Denial::evidence` stays in the record.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::model::types::reason::Retry;
use crate::model::types::{Denial, HostName, Provider, RequestId, Sequel};
use crate::perceive::protocol::ai::{Dialect, Ending, Endpoint, Fault, Operation, Refused};
use crate::perceive::protocol::mcp::{Waiting, error_for};
use crate::perceive::request::Request;

/// The header that carries the code on every denied HTTP response.
pub const REASON_HEADER: &str = "x-clawgress-reason";

/// From so many seconds on waiting is long: whoever is told to ask again then should not sleep until then.
const LONG: u32 = 60;

/// What the refused message was, as far as it shapes the answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard<'a> {
    /// The host it was for.
    pub host: Option<&'a HostName>,
    /// In whose words its client understands errors, where it called a model.
    pub dialect: Option<Dialect>,
    /// Whether it was a gRPC call.
    pub grpc: bool,
    /// Who waits for an answer over MCP, where it was a message of that protocol.
    pub mcp: Option<&'a Waiting>,
}

impl<'a> Heard<'a> {
    /// A message to this host, with its head where that can be read. At a host that no table knows the path alone tells of a
    /// call of a model.
    pub fn of(host: Option<&'a HostName>, request: Option<&Request<'_>>, grpc: bool) -> Self {
        let provider = host.and_then(Provider::of);
        let dialect = match request {
            Some(request) => {
                let whose = provider.unwrap_or(Provider::Custom);
                let endpoint = Endpoint::read(whose, request.method(), request.path());
                let is_known = provider.is_some() || endpoint.operation != Operation::Other;
                is_known.then(|| Dialect::of(&endpoint))
            }
            None => provider.map(Dialect::of_provider),
        };
        Self { host, dialect, grpc, mcp: None }
    }
}

/// The response to a refused request.
pub fn response(denial: &Denial, id: RequestId, heard: Heard<'_>) -> Response<Bytes> {
    let detail = sentence(denial, id);
    let mut response = if heard.grpc {
        grpc(denial, &detail)
    } else if let Some(response) = heard.mcp.and_then(|waiting| json_rpc(denial, id, &detail, waiting)) {
        response
    } else {
        problem(denial, id, &detail, heard)
    };
    let headers = response.headers_mut();
    headers.insert(REASON_HEADER, HeaderValue::from_static(denial.reason.code()));
    if let Some(Sequel::Retry(after)) = denial.sequel {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.max(1)));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("x-request-id", id);
    }
    if let Some(dialect) = heard.dialect {
        let refused = refused(denial, &detail, "");
        if let Some(exception) = dialect.exception(refused) {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(exception));
        }
        if dialect.heeds_should_retry() && !is_soon(denial) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
    }
    response
}

/// The bytes that end a running answer for this reason.
pub fn ending(ending: &Ending, denial: &Denial, id: RequestId) -> Vec<u8> {
    ending.bytes(refused(denial, &sentence(denial, id), &id.to_string()))
}

/// What providers tell apart of it.
fn refused<'a>(denial: &Denial, message: &'a str, request_id: &'a str) -> Refused<'a> {
    let fault = match denial.status() {
        429 if is_soon(denial) => Fault::TooFast,
        429 => Fault::UsedUp,
        413 => Fault::TooLarge,
        400 | 417 => Fault::Invalid,
        502..=504 => Fault::Unavailable,
        500.. => Fault::Failed,
        _ => Fault::Forbidden,
    };
    Refused { fault, status: denial.status(), code: denial.reason.code(), message, request_id }
}

/// Whether asking again soon can help.
fn is_soon(denial: &Denial) -> bool {
    match (denial.reason.retry(), denial.sequel) {
        (Retry::Later, Some(Sequel::Retry(after))) => after <= LONG,
        // Budgets say when they are filled again; what says nothing may be filled at any time.
        (Retry::Later, _) => denial.status() != 429 || !denial.reason.code().starts_with("quota."),
        (Retry::Never | Retry::AfterApproval, _) => false,
    }
}

/// What happened, and what to do next.
fn sentence(denial: &Denial, id: RequestId) -> String {
    let quote = id.short();
    let next = match denial.retry() {
        Retry::Never => format!("Do not retry; an operator can look up request {quote}."),
        Retry::Later => format!("Try again later; if it stays so, tell an operator request {quote}."),
        Retry::AfterApproval => {
            format!("Do not retry; ask an operator to approve it and quote request {quote}.")
        }
    };
    // An administrator's own words may end without a full stop.
    let stop = if denial.detail.ends_with(['.', '!', '?', ':', ';']) { "" } else { "." };
    format!("{}{stop} {next}", denial.detail)
}

/// RFC 9457 problem details.
fn problem(denial: &Denial, id: RequestId, detail: &str, heard: Heard<'_>) -> Response<Bytes> {
    let mut body = Map::new();
    body.insert("type".into(), format!("urn:clawgress:denial:{}", denial.reason.code()).into());
    body.insert("title".into(), denial.reason.title().into());
    body.insert("status".into(), denial.status().into());
    body.insert("code".into(), denial.reason.code().into());
    body.insert("detail".into(), detail.into());
    body.insert("request_id".into(), id.to_string().into());
    if let Some(policy) = &denial.policy {
        body.insert("policy".into(), (*policy.0).into());
    }
    body.insert("retry".into(), denial.retry().as_str().into());
    let own = match heard.dialect {
        Some(dialect) => dialect.members(refused(denial, detail, &id.to_string())),
        None => heard.host.map(|host| own_members(host, detail)).unwrap_or_default(),
    };
    body.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if heard.dialect == Some(Dialect::Google) {
        // Its SDKs take a status of the document for the one of the error.
        body.remove("status");
    }
    let text = serde_json::to_vec_pretty(&Value::Object(body)).unwrap_or_default();
    let status = StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = Response::new(Bytes::from([text, b"\n".to_vec()].concat()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// What the SDKs of hosts that serve no models read of an error, beside the problem's own members (API references of AWS,
/// "Common errors"; of GitHub, "Client errors"). They pick the exception by status.
fn own_members(host: &HostName, detail: &str) -> Vec<(&'static str, Value)> {
    let name = host.as_str();
    let reads_message = name == "api.github.com" || name.ends_with(".amazonaws.com");
    if reads_message { vec![("message", detail.into())] } else { Vec::new() }
}

/// An error of JSON-RPC, where anybody waits for one. Its status is 200, as an error of the server's own would have: at any
/// other one clients of MCP end the session, and show nobody the sentence.
fn json_rpc(denial: &Denial, id: RequestId, detail: &str, waiting: &Waiting) -> Option<Response<Bytes>> {
    let mut data = json!({
        "code": denial.reason.code(), "request_id": id.to_string(), "retry": denial.retry().as_str(),
    });
    if let Some(policy) = &denial.policy {
        data["policy"] = (*policy.0).into();
    }
    let mut response = Response::new(Bytes::from(error_for(waiting, detail, &data)?));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(response)
}

/// A trailers-only gRPC response (gRPC over HTTP/2, "Responses").
fn grpc(denial: &Denial, detail: &str) -> Response<Bytes> {
    let status = match denial.status() {
        400 | 421 => "3",
        429 => "8",
        500 => "13",
        502..=504 => "14",
        _ => "7",
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(detail)) {
        headers.insert("grpc-message", message);
    }
    let mut response = Response::new(Bytes::new());
    *response.headers_mut() = headers;
    response
}

/// `grpc-message` is percent-encoded outside printable ASCII.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::types::{PolicyRef, Reason};
    use crate::perceive::protocol::mcp;

    fn id() -> RequestId {
        RequestId::parse("0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10").unwrap()
    }

    fn no_route() -> Denial {
        let policy = PolicyRef::new("EgressGateway", "default");
        let detail = "Agent alice may not reach paste.example:443. No route allows this host.";
        Denial::by(Reason::PolicyNoRoute, policy, None, detail).seen("SECRET EVIDENCE")
    }

    fn body(response: &Response<Bytes>) -> Value {
        serde_json::from_slice(response.body()).unwrap()
    }

    #[test]
    fn a_problem_says_what_happened_why_and_what_to_do_next() {
        let response = response(&no_route(), id(), Heard::default());
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()[REASON_HEADER], "policy.no-route");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = body(&response);
        assert_eq!(body["type"], "urn:clawgress:denial:policy.no-route");
        assert_eq!(body["code"], "policy.no-route");
        assert_eq!(body["status"], 403);
        assert_eq!(body["policy"], "EgressGateway/default");
        assert_eq!(body["retry"], "after-approval");
        assert_eq!(body["request_id"], "0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10");
        let detail = body["detail"].as_str().unwrap();
        assert!(
            detail.ends_with("Do not retry; ask an operator to approve it and quote request 0199c0de-7a31."),
            "{detail}"
        );
    }

    #[test]
    fn an_administrators_words_are_a_sentence_of_their_own() {
        for (words, detail) in
            [("not that", "not that. Do not retry;"), ("Not that!", "Not that! Do not retry;")]
        {
            let denial = Denial { detail: words.to_owned(), ..no_route() };
            let told = body(&response(&denial, id(), Heard::default()))["detail"].to_string();
            assert!(told.contains(detail), "{told}");
        }
    }

    #[test]
    fn evidence_never_reaches_the_agent() {
        for grpc in [false, true] {
            let response = response(&no_route(), id(), Heard { grpc, ..Heard::default() });
            assert!(!format!("{response:?}").contains("SECRET EVIDENCE"));
        }
    }

    /// What a client of this host hears, whose request could not be read.
    fn heard(host: &str, denial: &Denial) -> Response<Bytes> {
        response(denial, id(), Heard::of(Some(&HostName::parse(host).unwrap()), None, false))
    }

    #[test]
    fn provider_sdks_find_their_own_error_shape_beside_the_problem() {
        for host in ["api.openai.com", "team-1.openai.azure.com"] {
            let heard = body(&heard(host, &no_route()));
            assert_eq!(heard["error"]["code"], "policy.no-route");
            assert_eq!(heard["error"]["message"], heard["detail"]);
            assert_eq!(heard["code"], "policy.no-route");
        }
        let anthropic = body(&heard("api.anthropic.com", &no_route()));
        assert_eq!(
            (&anthropic["type"], &anthropic["error"]["type"]),
            (&json!("error"), &json!("permission_error"))
        );
        assert_eq!(anthropic["request_id"], id().to_string());
        let google = body(&heard("generativelanguage.googleapis.com", &no_route()));
        assert_eq!(
            (&google["error"]["status"], &google["error"]["code"]),
            (&json!("PERMISSION_DENIED"), &json!(403))
        );
        assert_eq!(google.get("status"), None, "it would be read before the error's");
        let bedrock = heard("bedrock-runtime.us-east-1.amazonaws.com", &no_route());
        assert_eq!(bedrock.headers()["x-amzn-errortype"], "AccessDeniedException");
        for host in ["api.github.com", "bedrock-runtime.us-east-1.amazonaws.com", "s3.amazonaws.com"] {
            let heard = body(&heard(host, &no_route()));
            assert_eq!(heard["message"], heard["detail"]);
        }
        assert!(heard("s3.amazonaws.com", &no_route()).headers().get("x-amzn-errortype").is_none());
        let other = body(&heard("amazonaws.com.example", &no_route()));
        assert_eq!((other.get("message"), other.get("error")), (None, None));
    }

    #[test]
    fn who_would_wait_long_is_told_not_to_and_a_short_wait_is_a_rate() {
        let denied = |after| Denial {
            sequel: Some(Sequel::Retry(after)),
            ..Denial::built_in(Reason::QuotaRequests, "Too many requests.")
        };
        let (soon, late) =
            (heard("api.openai.com", &denied(LONG)), heard("api.openai.com", &denied(LONG + 1)));
        assert_eq!(body(&soon)["error"]["code"], "rate_limit_exceeded");
        assert_eq!(soon.headers()["retry-after"], "60");
        assert!(soon.headers().get("x-should-retry").is_none());
        assert_eq!(body(&late)["error"]["type"], "insufficient_quota");
        assert_eq!(late.headers()["x-should-retry"], "false");
        let overload = Denial::built_in(Reason::Overload, "Full.");
        assert!(heard("api.anthropic.com", &overload).headers().get("x-should-retry").is_none());
        assert_eq!(heard("api.anthropic.com", &no_route()).headers()["x-should-retry"], "false");
        assert!(heard("s3.amazonaws.com", &no_route()).headers().get("x-should-retry").is_none());
    }

    #[test]
    fn grpc_hears_a_status_in_a_trailers_only_response() {
        let response = response(&no_route(), id(), Heard { grpc: true, ..Heard::default() });
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "7");
        assert!(response.headers()["grpc-message"].to_str().unwrap().starts_with("Agent alice may not"));
        assert!(response.body().is_empty());
    }

    #[test]
    fn a_client_of_mcp_hears_an_error_with_the_identifier_it_waits_for() {
        let messages = |body: &str| mcp::read(body.as_bytes(), &HeaderMap::new()).unwrap().waiting();
        let call = messages(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"send"}}"#);
        let heard = response(&no_route(), id(), Heard { mcp: Some(&call), ..Heard::default() });
        assert_eq!(heard.status(), 200);
        assert_eq!(heard.headers()["content-type"], "application/json");
        assert_eq!(heard.headers()[REASON_HEADER], "policy.no-route");
        assert!(!format!("{heard:?}").contains("SECRET EVIDENCE"));
        let told = body(&heard);
        assert_eq!(
            (&told["jsonrpc"], &told["id"], &told["error"]["code"]),
            (&"2.0".into(), &7.into(), &(-32003).into())
        );
        assert!(
            told["error"]["message"].as_str().unwrap().starts_with("Agent alice may not reach"),
            "{told}"
        );
        assert_eq!(
            told["error"]["data"],
            json!({
                "code": "policy.no-route", "request_id": "0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10",
                "retry": "after-approval", "policy": "EgressGateway/default",
            })
        );
        // Nobody waits for an answer to this: the status tells.
        let told = messages(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#);
        let heard = response(&no_route(), id(), Heard { mcp: Some(&told), ..Heard::default() });
        assert_eq!(
            (heard.status().as_u16(), &heard.headers()["content-type"]),
            (403, &HeaderValue::from_static("application/problem+json"))
        );
    }

    #[test]
    fn the_administrators_status_wins() {
        let mut denial = no_route();
        denial.response =
            Some(std::sync::Arc::new(crate::model::types::DenyResponse { status: 451, message: None }));
        assert_eq!(response(&denial, id(), Heard::default()).status(), 451);
    }
}
