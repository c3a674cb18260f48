//! One denial, in the words of whoever hears it: problem details for HTTP, the error shape of a provider's own API,
//! a status for gRPC, an error of JSON-RPC for MCP.
//!
//! It never reveals rules, patterns or paths; `Denial::evidence` stays in the record.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::model::types::reason::Retry;
use crate::model::types::{Denial, HostName, RequestId, Sequel};
use crate::perceive::protocol::mcp::{Waiting, error_for};

/// The header that carries the code on every denied HTTP response.
pub const REASON_HEADER: &str = "x-clawgress-reason";

/// What the refused message was, as far as it shapes the answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard<'a> {
    /// The host it was for.
    pub host: Option<&'a HostName>,
    /// Whether it was a gRPC call.
    pub grpc: bool,
    /// Who waits for an answer over MCP, where it was a message of that protocol.
    pub mcp: Option<&'a Waiting>,
}

/// The response to a refused request.
pub fn response(denial: &Denial, id: RequestId, heard: Heard<'_>) -> Response<Bytes> {
    let detail = sentence(denial, id);
    let mut response = if heard.grpc {
        grpc(denial, &detail)
    } else if let Some(response) = heard.mcp.and_then(|waiting| json_rpc(denial, id, &detail, waiting)) {
        response
    } else {
        problem(denial, id, &detail, heard.host)
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
    response
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
fn problem(denial: &Denial, id: RequestId, detail: &str, host: Option<&HostName>) -> Response<Bytes> {
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
    let own = host.map(|host| own_members(host, denial, detail)).unwrap_or_default();
    body.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let text = serde_json::to_vec_pretty(&Value::Object(body)).unwrap_or_default();
    let status = StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = Response::new(Bytes::from([text, b"\n".to_vec()].concat()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// What a host's own SDKs read of an error, beside the problem's own members (API references of OpenAI and Anthropic,
/// "Errors"; of AWS, "Common errors"; of GitHub, "Client errors"). They pick the exception by status.
fn own_members(host: &HostName, denial: &Denial, detail: &str) -> Vec<(&'static str, Value)> {
    let code = denial.reason.code();
    match host.as_str() {
        "api.openai.com" => {
            let error = json!({"message": detail, "type": "clawgress_denial", "param": null, "code": code});
            vec![("error", error)]
        }
        "api.anthropic.com" => {
            let kind = match denial.status() {
                400 => "invalid_request_error",
                429 => "rate_limit_error",
                500.. => "api_error",
                _ => "permission_error",
            };
            vec![("type", "error".into()), ("error", json!({"type": kind, "message": detail}))]
        }
        "api.github.com" => vec![("message", detail.into())],
        name if name.ends_with(".amazonaws.com") => vec![("message", detail.into())],
        _ => Vec::new(),
    }
}

/// An error of JSON-RPC, where anybody waits for one. Its status is 200, as an error of the server's own would have: at any
/// other one clients of MCP end the session, and show nobody the sentence.
fn json_rpc(denial: &Denial, id: RequestId, detail: &str, waiting: &Waiting) -> Option<Response<Bytes>> {
    let mut data = json!({
        "code": denial.reason.code(), "request_id": id.to_string(), "retry": denial.reason.retry().as_str(),
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

    #[test]
    fn provider_sdks_find_their_own_error_shape() {
        let openai = HostName::parse("api.openai.com").unwrap();
        let heard = body(&response(&no_route(), id(), Heard { host: Some(&openai), ..Heard::default() }));
        assert_eq!(heard["error"]["code"], "policy.no-route");
        assert_eq!(heard["error"]["message"], heard["detail"]);
        let anthropic = HostName::parse("api.anthropic.com").unwrap();
        let heard = body(&response(&no_route(), id(), Heard { host: Some(&anthropic), ..Heard::default() }));
        assert_eq!(heard["type"], "error");
        assert_eq!(heard["error"]["type"], "permission_error");
        for host in ["api.github.com", "bedrock-runtime.us-east-1.amazonaws.com"] {
            let host = HostName::parse(host).unwrap();
            let heard = body(&response(&no_route(), id(), Heard { host: Some(&host), ..Heard::default() }));
            assert_eq!(heard["message"], heard["detail"]);
        }
        let other = HostName::parse("amazonaws.com.example").unwrap();
        let heard = body(&response(&no_route(), id(), Heard { host: Some(&other), ..Heard::default() }));
        assert_eq!(heard.get("message"), None);
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
