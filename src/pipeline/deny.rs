//! One denial, in the words of whoever hears it: problem details for HTTP, the error shape of a provider's own API,
//! a status for gRPC.
//!
//! It never reveals rules, patterns or paths; `Denial::evidence` stays in the record.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::model::types::reason::Retry;
use crate::model::types::{Denial, HostName, RequestId, Sequel};

/// The header that carries the code on every denied HTTP response.
pub const REASON_HEADER: &str = "x-clawgress-reason";

/// What the refused message was, as far as it shapes the answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard<'a> {
    /// The host it was for.
    pub host: Option<&'a HostName>,
    /// Whether it was a gRPC call.
    pub grpc: bool,
}

/// The response to a refused request.
pub fn response(denial: &Denial, id: RequestId, heard: Heard<'_>) -> Response<Bytes> {
    let detail = sentence(denial, id);
    let mut response =
        if heard.grpc { grpc(denial, &detail) } else { problem(denial, id, &detail, heard.host) };
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
            let response = response(&no_route(), id(), Heard { host: None, grpc });
            assert!(!format!("{response:?}").contains("SECRET EVIDENCE"));
        }
    }

    #[test]
    fn provider_sdks_find_their_own_error_shape() {
        let openai = HostName::parse("api.openai.com").unwrap();
        let heard = body(&response(&no_route(), id(), Heard { host: Some(&openai), grpc: false }));
        assert_eq!(heard["error"]["code"], "policy.no-route");
        assert_eq!(heard["error"]["message"], heard["detail"]);
        let anthropic = HostName::parse("api.anthropic.com").unwrap();
        let heard = body(&response(&no_route(), id(), Heard { host: Some(&anthropic), grpc: false }));
        assert_eq!(heard["type"], "error");
        assert_eq!(heard["error"]["type"], "permission_error");
        for host in ["api.github.com", "bedrock-runtime.us-east-1.amazonaws.com"] {
            let host = HostName::parse(host).unwrap();
            let heard = body(&response(&no_route(), id(), Heard { host: Some(&host), grpc: false }));
            assert_eq!(heard["message"], heard["detail"]);
        }
        let other = HostName::parse("amazonaws.com.example").unwrap();
        let heard = body(&response(&no_route(), id(), Heard { host: Some(&other), grpc: false }));
        assert_eq!(heard.get("message"), None);
    }

    #[test]
    fn grpc_hears_a_status_in_a_trailers_only_response() {
        let response = response(&no_route(), id(), Heard { host: None, grpc: true });
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "7");
        assert!(response.headers()["grpc-message"].to_str().unwrap().starts_with("Agent alice may not"));
        assert!(response.body().is_empty());
    }

    #[test]
    fn the_administrators_status_wins() {
        let mut denial = no_route();
        denial.response =
            Some(std::sync::Arc::new(crate::model::types::DenyResponse { status: 451, message: None }));
        assert_eq!(response(&denial, id(), Heard::default()).status(), 451);
    }
}
