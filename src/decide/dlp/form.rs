//! What a message is written in, by what it says of itself and by its first bytes.
//!
//! A label is only a beginning: whoever hides something writes a wrong one. A form says how a message is taken apart and how
//! it is put together again without a finding; what hides content within is undone whatever the form. Read next:
//! `unhide/mod.rs`.

/// What a message is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// Text of no particular form.
    Text,
    /// One document of JSON.
    Json,
    /// A document of JSON on each line.
    JsonLines,
    /// A stream of events (WHATWG, "Server-sent events").
    Events,
    /// What forms send.
    UrlEncoded,
    /// Parts, with this boundary between them.
    Multipart(&'a [u8]),
    /// XML or HTML.
    Xml,
    /// Messages of gRPC, each behind its length.
    Grpc,
    /// The method of a request, where it is an unusual one.
    Method,
    /// The path of a request.
    Path,
    /// Its query, without the question mark.
    Query,
    /// The value of the field of this name.
    Field(&'a str),
    /// The same of one behind a body.
    Trailer(&'a str),
    /// What a ping, a pong or a close of a WebSocket carries.
    Control,
    /// A host name.
    Host,
}

impl<'a> Form<'a> {
    /// What the body of a message is written in: by its content type where that says it, else by its first bytes.
    pub fn of_content_type(value: Option<&'a str>, beginning: &[u8]) -> Self {
        let value = value.unwrap_or_default();
        let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::UrlEncoded,
            "application/x-ndjson"
            | "application/jsonl"
            | "application/json-lines"
            | "application/json-seq" => Self::JsonLines,
            "text/event-stream" => Self::Events,
            "text/html" => Self::Xml,
            _ if kind.starts_with("multipart/") => {
                boundary(parameters).map_or_else(|| Self::of_bytes(beginning), Self::Multipart)
            }
            _ if kind.starts_with("application/grpc") => Self::Grpc,
            _ if kind.ends_with("/json") || kind.ends_with("+json") => Self::Json,
            _ if kind.ends_with("/xml") || kind.ends_with("+xml") => Self::Xml,
            _ => Self::of_bytes(beginning),
        }
    }

    /// What bytes look like that nothing is said of.
    fn of_bytes(beginning: &[u8]) -> Self {
        match beginning.trim_ascii_start() {
            [b'{' | b'[', ..] => Self::Json,
            [b'<', b'?' | b'!' | b'a'..=b'z' | b'A'..=b'Z', ..] => Self::Xml,
            text if text.starts_with(b"data:") || text.starts_with(b"event:") => Self::Events,
            _ => Self::Text,
        }
    }

    /// Whether strings in it are written as those of JSON are.
    pub(super) fn has_json(self) -> bool {
        matches!(self, Self::Json | Self::JsonLines | Self::Events)
    }
}

/// The boundary that the parameters of a content type name (RFC 2046, section 5.1.1).
fn boundary(parameters: &str) -> Option<&[u8]> {
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty() && value.len() <= 200).then_some(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_told_by_its_type_and_else_by_its_bytes() {
        for (kind, form) in [
            ("application/json; charset=utf-8", Form::Json),
            ("application/vnd.api+json", Form::Json),
            ("application/x-ndjson", Form::JsonLines),
            ("Text/Event-Stream", Form::Events),
            ("application/x-www-form-urlencoded", Form::UrlEncoded),
            ("multipart/form-data; charset=x; boundary=\"a b\"", Form::Multipart(b"a b")),
            ("application/soap+xml", Form::Xml),
            ("application/grpc+proto", Form::Grpc),
            ("text/plain", Form::Text),
        ] {
            assert_eq!(Form::of_content_type(Some(kind), b"hello"), form, "{kind}");
        }
        for (bytes, form) in
            [(" [1]", Form::Json), ("<a>", Form::Xml), ("data: x", Form::Events), ("a < b", Form::Text)]
        {
            assert_eq!(Form::of_content_type(None, bytes.as_bytes()), form, "{bytes}");
        }
        assert_eq!(Form::of_content_type(Some("multipart/form-data"), b"--x"), Form::Text, "no boundary");
    }
}
