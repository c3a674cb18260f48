//! A question that is read to its end before anything is decided: what conditions hear of `ai`.
//!
//! Strict, because what cannot be read cannot be judged. [`Body::of`] says by the head what a body has to be, [`Whole`] reads
//! it in pieces while it is held. Read next: `question.rs`, `call.rs`.

use http::{HeaderMap, Method, header};

use super::call::{Call, decoder};
use super::endpoint::{Endpoint, Operation};
use super::question::{Malformed, Question, QuestionReader};
use crate::model::condition::content::{AiCall, Sought};
use crate::model::types::Provider;
use crate::model::types::limits::HELD_BODY_BYTES;
use crate::perceive::protocol::decoding::Decoder;

/// What the body of a request is, by its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// No call of a model, whatever it holds.
    Other,
    /// It may be one, and cannot be read: a form with files.
    Hidden,
    /// JSON that is to be read.
    Json(Endpoint),
}

/// Why a body cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its content coding is not known, or is not what it says.
    #[error("the body's content coding cannot be undone")]
    Coding,
    /// Decoded, it has more than [`HELD_BODY_BYTES`].
    #[error("the body decodes to more than is read")]
    TooLarge,
    /// It is not what the provider takes.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Body {
    /// Of a request with these methods (one, and those that servers may take it by besides), canonical path and fields to a host
    /// of this provider.
    pub fn of<'m>(
        provider: Option<Provider>,
        methods: impl IntoIterator<Item = &'m Method>,
        (path, headers): (&str, &HeaderMap),
    ) -> Self {
        let Some(provider) = provider.filter(|_| methods.into_iter().any(|method| method == Method::POST))
        else {
            return Self::Other;
        };
        let endpoint = Endpoint::read(provider, &Method::POST, path);
        if endpoint.operation == Operation::Other && is_no_json(headers) {
            return Self::Hidden;
        }
        Self::Json(endpoint)
    }
}

/// Whether what an unknown endpoint takes says of itself that it is something else than JSON. Who says nothing is read.
fn is_no_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    kind.is_some_and(|kind| !kind.windows(4).any(|letters| letters == b"json"))
}

/// Reads one body.
#[derive(Debug)]
pub struct Whole {
    endpoint: Endpoint,
    decoder: Decoder,
    reader: QuestionReader,
    is_empty: bool,
    decoded: u64,
}

impl Whole {
    /// Of a request to this endpoint with these fields.
    ///
    /// # Errors
    /// Where its coding is not known.
    pub fn begin(endpoint: Endpoint, headers: &HeaderMap) -> Result<Self, Unreadable> {
        let decoder = decoder(headers).ok_or(Unreadable::Coding)?;
        let reader = QuestionReader::new(&endpoint);
        Ok(Self { endpoint, decoder, reader, is_empty: true, decoded: 0 })
    }

    /// Reads on. After an error nothing more may be fed. Answers to how many bytes these were decoded.
    ///
    /// # Errors
    /// Why it cannot be judged.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<u64, Unreadable> {
        let Self { decoder, reader, is_empty, decoded, .. } = self;
        let before = *decoded;
        let mut read = Ok(());
        let undone = decoder.feed(bytes, |piece| {
            *decoded += piece.len() as u64;
            *is_empty &= piece.is_empty();
            if *decoded > HELD_BODY_BYTES {
                read = Err(Unreadable::TooLarge);
            } else if read.is_ok() {
                read = reader.feed(piece).map_err(Unreadable::Malformed);
            }
        });
        undone.map_err(|_| Unreadable::Coding)?;
        read.map(|()| *decoded - before)
    }

    /// The body is over: what it asks, for conditions and for the record. Nothing where a request to an endpoint that is none of
    /// those for models names no model.
    ///
    /// # Errors
    /// Why it cannot be judged.
    pub fn finish(self) -> Result<(Sought<AiCall>, Option<Call>), Unreadable> {
        let Self { endpoint, reader, is_empty, .. } = self;
        let is_other = endpoint.operation == Operation::Other;
        if is_other && is_empty {
            return Ok((Sought::Absent, None));
        }
        let question = reader.finish()?;
        if is_other && question.model.is_none() {
            return Ok((Sought::Absent, None));
        }
        let ai = Sought::Found(ai_call(&endpoint, &question));
        let call = endpoint.operation.spends().then(|| Call::asked(endpoint, question));
        Ok((ai, call))
    }
}

fn ai_call(endpoint: &Endpoint, question: &Question) -> AiCall {
    AiCall {
        provider: Some(endpoint.provider.name().into()),
        model: question.model.clone(),
        action: endpoint.operation.action(),
        stream: question.stream,
        max_output_tokens: question.max_output,
        estimated_tokens: question.input_estimate,
        tools: question.tools.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const QUESTION: &str = r#"{"model":"gpt-4o","stream":true,"max_tokens":7,"messages":[{"role":"user","content":"Tell me a joke"}],"tools":[{"type":"function","function":{"name":"tell"}}]}"#;

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn body(provider: Option<Provider>, method: &Method, path: &str, kind: &'static str) -> Body {
        Body::of(provider, [method], (path, &fields(&[("content-type", kind)])))
    }

    fn whole(
        path: &str,
        headers: &HeaderMap,
        text: &[u8],
    ) -> Result<(Sought<AiCall>, Option<Call>), Unreadable> {
        let endpoint = Endpoint::read(Provider::OpenAi, &Method::POST, path);
        let mut whole = Whole::begin(endpoint, headers)?;
        for piece in text.chunks(7) {
            whole.feed(piece)?;
        }
        whole.finish()
    }

    #[test]
    fn the_head_says_which_bodies_are_read() {
        let chat = "/v1/chat/completions";
        let openai = Some(Provider::OpenAi);
        assert_eq!(body(None, &Method::POST, chat, "application/json"), Body::Other);
        assert_eq!(body(openai, &Method::GET, "/v1/models", "application/json"), Body::Other);
        assert!(
            matches!(body(openai, &Method::POST, chat, "multipart/form-data"), Body::Json(_)),
            "it asks a model"
        );
        assert!(matches!(body(openai, &Method::POST, "/v1/batches", "application/json"), Body::Json(_)));
        assert_eq!(body(openai, &Method::POST, "/v1/files", "multipart/form-data"), Body::Hidden);
        let others = [Method::GET, Method::POST];
        let by_override = Body::of(openai, &others, (chat, &HeaderMap::new()));
        assert!(matches!(by_override, Body::Json(_)), "some servers take it for a POST");
    }

    #[test]
    fn a_call_is_found_coded_or_not_and_its_question_goes_on_with_it() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(QUESTION.as_bytes()).unwrap();
        let coded = encoder.finish().unwrap();
        for (headers, text) in
            [(HeaderMap::new(), QUESTION.as_bytes()), (fields(&[("content-encoding", "gzip")]), &coded[..])]
        {
            let (ai, call) = whole("/v1/chat/completions", &headers, text).unwrap();
            let ai = ai.found().unwrap();
            assert_eq!((ai.provider.as_deref(), ai.model.as_deref()), (Some("openai"), Some("gpt-4o")));
            assert_eq!((ai.stream, ai.max_output_tokens), (true, Some(7)));
            assert_eq!(ai.tools, ["tell".into()]);
            let call = call.unwrap();
            assert_eq!(call.question().unwrap().input_estimate, ai.estimated_tokens);
        }
    }

    #[test]
    fn what_names_no_model_at_an_unknown_endpoint_is_no_call() {
        let none = HeaderMap::new();
        for text in ["", r#"{"input_file_id":"f"}"#] {
            assert_eq!(whole("/v1/batches", &none, text.as_bytes()).unwrap().0, Sought::Absent, "{text}");
        }
        let (ai, call) = whole("/v1/images/generations", &none, br#"{"model":"gpt-image-1"}"#).unwrap();
        assert_eq!(ai.found().unwrap().model.as_deref(), Some("gpt-image-1"));
        assert!(call.is_none(), "nobody knows what its answer looks like");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let none = HeaderMap::new();
        let chat = |headers: &HeaderMap, text: &[u8]| {
            whole("/v1/chat/completions", headers, text).map(|_| ()).unwrap_err()
        };
        assert!(matches!(chat(&none, b"{\"model\":"), Unreadable::Malformed(Malformed::Json { .. })));
        assert_eq!(
            chat(&none, b"{\"model\":\"a\",\"model\":\"b\"}"),
            Unreadable::Malformed(Malformed::Again("model"))
        );
        assert!(matches!(chat(&none, b""), Unreadable::Malformed(_)), "a call asks something");
        assert_eq!(chat(&fields(&[("content-encoding", "gzip")]), QUESTION.as_bytes()), Unreadable::Coding);
        assert_eq!(chat(&fields(&[("content-encoding", "compress")]), b"{}"), Unreadable::Coding);
    }

    #[test]
    fn what_is_more_than_is_read_is_given_up() {
        let endpoint = Endpoint::read(Provider::OpenAi, &Method::POST, "/v1/chat/completions");
        let mut whole = Whole::begin(endpoint, &HeaderMap::new()).unwrap();
        whole.feed(b"{\"a\":\"").unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 1..HELD_BODY_BYTES >> 20 {
            assert_eq!(whole.feed(&piece), Ok(1 << 20));
        }
        assert_eq!(whole.feed(&piece), Err(Unreadable::TooLarge));
    }
}
