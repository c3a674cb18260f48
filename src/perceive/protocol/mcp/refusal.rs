//! A refusal in the protocol's own words: an error of JSON-RPC for everyone who waits for an answer.

use serde_json::{Value, json};

use super::message::{Id, Waiting};

/// The code of the error. Of those that anybody may use (specification 2026-07-28, "Error Codes") clients raise -32000 and
/// -32001 themselves, when a connection ends or an answer is late.
pub const REFUSED: i32 = -32003;

/// The body that tells those who wait so; nothing where nobody does.
pub fn error_for(waiting: &Waiting, message: &str, data: &Value) -> Option<Vec<u8>> {
    let error = |id: &Id| {
        // Both forms of it are whole in a value.
        let id: Value = serde_json::from_str(id.as_json()).unwrap_or_default();
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": REFUSED, "message": message, "data": data}})
    };
    let errors: Vec<Value> = waiting.ids.iter().map(error).collect();
    match &errors[..] {
        [] => None,
        [error] if !waiting.is_batch => Some(error.to_string().into_bytes()),
        _ => Some(Value::Array(errors).to_string().into_bytes()),
    }
}
