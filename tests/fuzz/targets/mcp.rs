//! Messages of MCP: what is read of a body is what `serde_json` reads of it; a sieve leaves the same however an answer is
//! cut, and of what `serde_json` reads of it nothing but the tools that may not be seen is missing.

use std::sync::Arc;

use clawgress::model::types::limits::MCP_NAME_BYTES;
use clawgress::model::types::{ToolPattern, ToolSieve};
use clawgress::perceive::protocol::mcp::{Broken, Messages, Sieve, read};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

/// The first byte says how the rest is cut, the second in which form it comes.
pub fn check(bytes: &[u8]) {
    let Some((&[step, form], bytes)) = bytes.split_first_chunk() else { return };
    if let Ok(messages) = read(bytes, &HeaderMap::new()) {
        same_messages(&messages, bytes);
    }
    let media = if form % 2 == 0 { "application/json" } else { "text/event-stream" };
    let whole = left(media, bytes, bytes.len().max(1));
    for size in [1, usize::from(step % 61) + 1, usize::from(step) + 1] {
        let cut = left(media, bytes, size);
        assert_eq!(cut.is_ok(), whole.is_ok(), "{media} in pieces of {size}");
        assert!(cut.is_err() || cut == whole, "{media} in pieces of {size}");
    }
    if let (0, Ok(left)) = (form % 2, &whole) {
        same_but_for_tools(bytes, left);
    }
}

fn same_messages(messages: &Messages, bytes: &[u8]) {
    // Numbers past all doubles are an error to this reader.
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let values = if messages.is_batch { value.as_array().expect("a list").clone() } else { vec![value] };
    assert_eq!(values.len(), messages.messages.len());
    for (value, message) in values.iter().zip(&messages.messages) {
        assert_eq!(value["jsonrpc"], "2.0");
        assert_eq!(value.get("method").and_then(Value::as_str), message.method.as_deref());
        let id = message.id.as_ref().map(|id| serde_json::from_str::<Value>(id.as_json()).expect("JSON"));
        assert_eq!(value.get("id"), id.as_ref());
        if let Some(tool) = message.tool() {
            assert_eq!(value["params"]["name"], tool);
        }
        if let Some(arguments) = message.arguments.clone() {
            let arguments: Value = serde_json::from_slice(&bytes[arguments]).expect("JSON");
            assert_eq!(arguments, value["params"]["arguments"]);
        }
    }
}

fn sieve() -> ToolSieve {
    ToolSieve { lists: vec![vec![ToolPattern("read*".into()), ToolPattern("a".into())]] }
}

/// What is left of an answer.
fn left(media: &'static str, bytes: &[u8], size: usize) -> Result<Vec<u8>, Broken> {
    let mut head = HeaderMap::new();
    head.insert("content-type", HeaderValue::from_static(media));
    let mut sieve = Sieve::new(Arc::new(sieve()), None, &mut head)?;
    let mut on = Vec::new();
    bytes.chunks(size).try_for_each(|piece| sieve.feed(piece, &mut on))?;
    sieve.finish(&mut on)?;
    Ok(on)
}

fn same_but_for_tools(bytes: &[u8], left: &[u8]) {
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { return };
    if !value.is_object() && !value.is_array() {
        assert_eq!(bytes, left);
        return;
    }
    let tools = sieve();
    let messages = match &mut value {
        Value::Array(messages) => messages.as_mut_slice(),
        message => std::slice::from_mut(message),
    };
    for message in messages {
        if let Some(Value::Array(items)) = message.pointer_mut("/result/tools") {
            let is_seen = |name: &str| name.len() <= MCP_NAME_BYTES && tools.allows(name);
            items.retain(|item| item["name"].as_str().is_some_and(is_seen));
        }
    }
    let left: Value = serde_json::from_slice(left).expect("what is left is JSON");
    assert_eq!(left, value);
}
