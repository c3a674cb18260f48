//! Questions to models and their answers: read the same however they are cut, whatever they hold; a question that is taken
//! is a JSON object that `serde_json` reads the same model from.

use clawgress::model::types::Provider;
use clawgress::perceive::protocol::ai::{
    Answer, AnswerReader, Endpoint, Malformed, Question, QuestionReader,
};
use clawgress::perceive::protocol::decoding::Decoder;
use http::{HeaderMap, HeaderValue, Method};

const ENDPOINTS: [(Provider, &str); 10] = [
    (Provider::OpenAi, "/v1/chat/completions"),
    (Provider::OpenAi, "/v1/responses"),
    (Provider::OpenAi, "/v1/completions"),
    (Provider::AzureOpenAi, "/openai/deployments/d/chat/completions"),
    (Provider::Anthropic, "/v1/messages"),
    (Provider::Google, "/v1beta/models/g:streamGenerateContent"),
    (Provider::Bedrock, "/model/anthropic.c/invoke-with-response-stream"),
    (Provider::Bedrock, "/model/amazon.nova/converse-stream"),
    (Provider::Custom, "/api/chat"),
    (Provider::Custom, "/v1/unknown"),
];

const MEDIA: [&str; 4] =
    ["text/event-stream", "application/json", "application/vnd.amazon.eventstream", "application/x-ndjson"];

const CODINGS: [&str; 5] = ["", "gzip", "deflate", "br", "zstd"];

/// The first byte says how the rest is cut, the second whose it is, the third in which form.
pub fn check(bytes: &[u8]) {
    let Some((&[step, whose, form], bytes)) = bytes.split_first_chunk() else { return };
    let (provider, path) = ENDPOINTS[usize::from(whose) % ENDPOINTS.len()];
    let endpoint = Endpoint::read(provider, &Method::POST, path);
    let sizes = [1, usize::from(step % 61) + 1, usize::from(step) + 1];
    let whole = bytes.len().max(1);

    let asked = question(&endpoint, bytes, whole);
    for size in sizes {
        let cut = question(&endpoint, bytes, size);
        assert_eq!(cut.is_ok(), asked.is_ok(), "a question in pieces of {size}");
        assert!(cut.is_err() || cut == asked, "a question in pieces of {size}: {cut:?} {asked:?}");
    }
    if let Ok(question) = &asked {
        same_model(&endpoint, question, bytes);
    }

    let media = MEDIA[usize::from(form) % MEDIA.len()];
    let coding = CODINGS[usize::from(form) / MEDIA.len() % CODINGS.len()];
    let answered = answer(&endpoint, (media, coding), bytes, whole);
    for size in sizes {
        let cut = answer(&endpoint, (media, coding), bytes, size);
        // What comes out of a broken coding before the fault, and what is a bomb, depends on the cut.
        assert!(
            answered.is_none() || cut.is_none() || cut == answered,
            "{media} {coding} in pieces of {size}"
        );
    }
}

fn question(endpoint: &Endpoint, bytes: &[u8], size: usize) -> Result<Question, Malformed> {
    let mut reader = QuestionReader::new(endpoint);
    bytes.chunks(size).try_for_each(|piece| reader.feed(piece))?;
    reader.finish()
}

fn same_model(endpoint: &Endpoint, question: &Question, bytes: &[u8]) {
    // Half a surrogate pair, and what else this reader refuses, is no text to compare.
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    assert!(value.is_object());
    if endpoint.model.is_none() {
        assert_eq!(question.model.as_deref(), value.get("model").and_then(|model| model.as_str()));
    }
}

/// The answer, where its coding can be undone.
fn answer(endpoint: &Endpoint, form: (&'static str, &str), bytes: &[u8], size: usize) -> Option<Answer> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(form.0));
    let mut reader = AnswerReader::new(endpoint, 200, &headers, 7);
    let mut decoder = Decoder::new(form.1).expect("a known coding");
    let decoded = bytes.chunks(size).try_for_each(|piece| {
        let fed = decoder.feed(piece, |plain| reader.feed(plain));
        let usage = reader.usage_so_far();
        usage.inspect(|usage| _ = usage.billed().total());
        fed
    });
    decoded.is_ok().then(|| reader.finish())
}
