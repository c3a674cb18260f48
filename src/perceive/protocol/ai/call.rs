//! One call of a model, from both sides, while it passes: what was asked, and what it has cost.
//!
//! Is shown copies of the bytes that go by; never holds one back, changes one or fails the traffic. Of what cannot be read
//! the fields are missing, or the figures are an estimate that says so. Read next: `question.rs`, `answer.rs`.

use http::{HeaderMap, Method, header};

use super::answer::AnswerReader;
use super::endpoint::Endpoint;
use super::question::{Question, QuestionReader};
use super::tokens::BYTES_PER_TOKEN;
use super::usage::Usage;
use crate::model::prices::Prices;
use crate::model::types::{ModelCall, Provider};
use crate::perceive::protocol::decoding::Decoder;

/// See the module.
#[derive(Debug)]
pub struct Call {
    endpoint: Endpoint,
    question: Asking,
    /// Bytes of the request.
    asked: u64,
    /// The model that is asked in the place of the first.
    another: Option<Box<str>>,
    /// Since its head is there; without a decoder where it cannot be read.
    answer: Option<(AnswerReader, Option<Decoder>)>,
}

/// How far the question is known.
#[derive(Debug)]
enum Asking {
    /// It is read as it passes.
    Passing(Box<(QuestionReader, Decoder)>),
    /// It was read before it was sent.
    Read(Question),
    /// It cannot be read.
    Hidden,
}

impl Call {
    /// For a request to this endpoint whose body was read before it is sent, and says this.
    pub fn asked(endpoint: Endpoint, question: Question) -> Self {
        Self { endpoint, question: Asking::Read(question), asked: 0, another: None, answer: None }
    }

    /// For a request with this method, canonical path (`model::types::path`) and fields to a host of this provider. Where the path
    /// asks for nothing that is known to be paid for by tokens, the answer will tell whether it was.
    pub fn begin(provider: Provider, (method, path): (&Method, &str), headers: &HeaderMap) -> Self {
        let endpoint = Endpoint::read(provider, method, path);
        let question = match decoder(headers) {
            Some(decoder) => Asking::Passing(Box::new((QuestionReader::rough(&endpoint), decoder))),
            None => Asking::Hidden,
        };
        Self { endpoint, question, asked: 0, another: None, answer: None }
    }

    /// What is called.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Another model is asked in the place of the one that was; the record says of the one that was that it was requested.
    pub fn ask_another(&mut self, model: &str) {
        self.another = Some(model.into());
    }

    /// What is asked, where that was read before it is sent.
    pub fn question(&self) -> Option<&Question> {
        match &self.question {
            Asking::Read(question) => Some(question),
            Asking::Passing(_) | Asking::Hidden => None,
        }
    }

    /// What is to be paid for so far, once there is an answer.
    pub fn usage_so_far(&self) -> Option<Usage> {
        self.answer.as_ref().and_then(|(reader, _)| reader.usage_so_far())
    }

    /// Bytes of the request's body.
    pub fn ask(&mut self, bytes: &[u8]) {
        self.asked = self.asked.saturating_add(bytes.len() as u64);
        let Asking::Passing(passing) = &mut self.question else { return };
        let (reader, decoder) = &mut **passing;
        let mut is_read = true;
        let decoded = decoder.feed(bytes, |piece| is_read = is_read && reader.feed(piece).is_ok());
        if decoded.is_err() || !is_read {
            self.question = Asking::Hidden;
        }
    }

    /// The head of the answer, one that a body may follow.
    pub fn begin_answer(&mut self, status: u16, headers: &HeaderMap) {
        let estimate = self.question().map_or(0, |question| question.input_estimate);
        self.answer = Some((AnswerReader::new(&self.endpoint, status, headers, estimate), decoder(headers)));
    }

    /// Bytes of the answer's body.
    pub fn answer(&mut self, bytes: &[u8]) {
        let Some((reader, decoder)) = &mut self.answer else { return };
        let decoded = decoder.as_mut().map(|decoder| decoder.feed(bytes, |piece| reader.feed(piece)));
        if !matches!(decoded, Some(Ok(()))) {
            *decoder = None;
            reader.unread(bytes.len());
        }
    }

    /// The exchange is over; `is_whole` says whether the answer came to its end. What comes later is not read. Nothing where it
    /// was no call of a model: neither the path nor the answer says so.
    pub fn finish(&mut self, is_whole: bool, prices: &Prices) -> Option<ModelCall> {
        let told = self.told(is_whole, prices);
        let is_counted = !told.is_estimated && (told.input.is_some() || told.output.is_some());
        (self.endpoint.operation.spends() || is_counted || told.model.is_some()).then_some(told)
    }

    fn told(&mut self, is_whole: bool, prices: &Prices) -> ModelCall {
        let question = match std::mem::replace(&mut self.question, Asking::Hidden) {
            Asking::Passing(passing) => passing.0.finish().ok(),
            Asking::Read(question) => Some(question),
            Asking::Hidden => None,
        };
        let factor = self.asked.div_ceil(BYTES_PER_TOKEN);
        let token_estimate = question.as_ref().map_or(factor, |question| question.input_estimate);
        let asked = question.and_then(|question| question.model);
        let mut call = ModelCall {
            provider: self.endpoint.provider,
            requested: asked.or_else(|| self.endpoint.model.clone()),
            model: None,
            token_estimate,
            input: None,
            output: None,
            cache_read: None,
            cache_write: None,
            reasoning: None,
            billed: None,
            cost: None,
            stop: None,
            is_estimated: false,
            tools: Vec::new(),
        };
        let Some((mut reader, _)) = self.answer.take() else { return call };
        reader.estimate_input(token_estimate);
        let answer = reader.finish();
        (call.model, call.tools) = (answer.model, answer.tools);
        if let (Some(another), Provider::Bedrock) = (self.another.take(), self.endpoint.provider) {
            // Bedrock's answers name none.
            call.model = Some(another);
        }
        if let Some(usage) = answer.usage {
            (call.input, call.output, call.reasoning) = (usage.input, usage.output, usage.reasoning);
            (call.cache_read, call.cache_write) = (usage.cache_read, usage.cache_write);
            // Figures of a stream are cumulated, and those at its end are final; many clients do not wait for the end of the
            // body behind them.
            call.is_estimated = usage.estimated || !is_whole && answer.stop.is_none();
            let billed = usage.billed();
            let price = |model: &Option<Box<str>>| prices.of(call.provider, model.as_deref()?);
            let price = price(&call.model).or_else(|| price(&call.requested));
            call.cost = price.map(|price| price.cost(&billed));
            // What a provider goes on with after it was broken off, nobody hears of.
            call.billed = (is_whole || !call.is_estimated).then(|| billed.total());
        } else if is_whole {
            // An error, of which nothing is paid for.
            (call.billed, call.cost) = (Some(0), Some(0));
        }
        call.stop = answer.stop;
        call
    }
}

/// What undoes the coding of a body with these fields; nothing where that cannot be done.
pub(super) fn decoder(headers: &HeaderMap) -> Option<Decoder> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = codings.next().map_or(Some(""), |value| value.to_str().ok())?;
    if codings.next().is_some() {
        return None;
    }
    Decoder::new(coding)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::model::types::HostName;

    const QUESTION: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Tell me a joke"}]}"#;
    const ANSWER: &str = concat!(
        r#"{"model":"gpt-4o-2024-08-06","choices":[{"finish_reason":"tool_calls","message":{"content":null,"#,
        r#""tool_calls":[{"function":{"name":"tell","arguments":"{}"}}]}}],"usage":{"prompt_tokens":11,"#,
        r#""completion_tokens":7,"prompt_tokens_details":{"cached_tokens":3}}}"#
    );
    const STREAM: &str = concat!(
        "data: {\"model\":\"gpt-4o-1\",\"choices\":[{\"delta\":{\"content\":\"twelve bytes\"}}]}\n\n",
        "data: {\"model\":\"gpt-4o-1\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    );

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn begin(host: &str, path: &str, fields: &HeaderMap) -> Option<Call> {
        let provider = Provider::of(&HostName::parse(host).unwrap())?;
        Some(Call::begin(provider, (&Method::POST, path), fields))
    }

    /// A call of `/v1/chat/completions` with this question and answer, in pieces of three bytes.
    fn chat(question: &[u8], (fields, answer): (&HeaderMap, &[u8]), is_whole: bool) -> ModelCall {
        let mut call = begin("api.openai.com", "/v1/chat/completions", &HeaderMap::new()).unwrap();
        question.chunks(3).for_each(|piece| call.ask(piece));
        call.begin_answer(200, fields);
        answer.chunks(3).for_each(|piece| call.answer(piece));
        call.finish(is_whole, &Prices::default()).unwrap()
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_no_path_tells_is_told_by_the_answer() {
        let json = fields(&[("content-type", "application/json")]);
        let told = |path: &str, answer: &str| {
            let mut call = begin("api.openai.com", path, &HeaderMap::new()).unwrap();
            call.begin_answer(200, &json);
            call.answer(answer.as_bytes());
            call.finish(true, &Prices::default())
        };
        assert_eq!(told("/v1/files", r#"{"id":"file-1","object":"file"}"#), None);
        let run = r#"{"object":"thread.run","model":"gpt-4o-mini","usage":{"prompt_tokens":380,"completion_tokens":90}}"#;
        let run = told("/v1/threads/t/runs", run).unwrap();
        assert_eq!((run.input, run.output, run.billed), (Some(380), Some(90), Some(470)));
        assert!(begin("site.example", "/v1/chat/completions", &json).is_none(), "nobody's models are there");
    }

    #[test]
    fn a_question_that_was_read_before_it_is_sent_is_not_read_again() {
        let endpoint = Endpoint::read(Provider::Custom, &Method::POST, "/v1/chat/completions");
        let mut reader = QuestionReader::new(&endpoint);
        reader.feed(QUESTION.as_bytes()).unwrap();
        let question = reader.finish().unwrap();
        let estimate = question.input_estimate;
        let mut call = Call::asked(endpoint, question);
        call.begin_answer(200, &fields(&[("content-type", "text/event-stream")]));
        call.answer(b"data: {\"choices\":[{\"delta\":{\"content\":\"twelve bytes\"}}]}\n\n");
        let so_far = call.usage_so_far().unwrap();
        assert_eq!((so_far.input, so_far.output, so_far.estimated), (Some(estimate), Some(3), true));
        call.ask(b"not looked at");
        let told = call.finish(true, &Prices::default()).unwrap();
        assert_eq!((told.requested.as_deref(), told.token_estimate), (Some("gpt-4o"), estimate));
    }

    #[test]
    fn question_and_answer_are_read_coded_or_not() {
        let expected = ModelCall {
            provider: Provider::OpenAi,
            requested: Some("gpt-4o".into()),
            model: Some("gpt-4o-2024-08-06".into()),
            token_estimate: 11,
            input: Some(11),
            output: Some(7),
            cache_read: Some(3),
            cache_write: None,
            reasoning: None,
            billed: Some(18),
            cost: None,
            stop: Some("tool_calls".into()),
            is_estimated: false,
            tools: vec!["tell".into()],
        };
        let json = fields(&[("content-type", "application/json")]);
        assert_eq!(chat(QUESTION.as_bytes(), (&json, ANSWER.as_bytes()), true), expected);
        let coded = fields(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert_eq!(chat(QUESTION.as_bytes(), (&coded, &gzip(ANSWER)), true), expected);
        let mut call = begin("api.openai.com", "/v1/chat/completions", &coded).unwrap();
        call.ask(&gzip(QUESTION));
        assert_eq!(call.finish(false, &Prices::default()).unwrap().requested.as_deref(), Some("gpt-4o"));
    }

    #[test]
    fn without_figures_the_cost_is_an_estimate_and_says_so() {
        let events = fields(&[("content-type", "text/event-stream")]);
        let call = chat(QUESTION.as_bytes(), (&events, STREAM.as_bytes()), true);
        assert_eq!((call.input, call.output, call.is_estimated), (Some(11), Some(3), true));
        assert_eq!(call.model.as_deref(), Some("gpt-4o-1"));
    }

    #[test]
    fn what_cannot_be_read_is_estimated_by_its_length() {
        let unknown = fields(&[("content-encoding", "compress")]);
        let call = chat(b"no JSON, and so on, 24 B.", (&unknown, &[7; 40]), true);
        assert_eq!((call.token_estimate, call.requested.as_deref()), (7, None));
        assert_eq!((call.input, call.output, call.is_estimated), (Some(7), Some(10), true));
        let broken = fields(&[("content-encoding", "gzip")]);
        let call = chat(QUESTION.as_bytes(), (&broken, &[7; 40]), true);
        assert!(call.is_estimated && call.output > Some(0), "{call:?}");
    }

    #[test]
    fn figures_of_an_answer_that_broke_off_are_an_estimate_unless_the_model_had_stopped() {
        let events = fields(&[("content-type", "text/event-stream")]);
        let usage = r#""usage":{"prompt_tokens":13,"completion_tokens":2}"#;
        let middle = format!("data: {{\"choices\":[],{usage}}}\n\n");
        let call = chat(QUESTION.as_bytes(), (&events, middle.as_bytes()), false);
        assert_eq!((call.input, call.output, call.is_estimated), (Some(13), Some(2), true));
        let ended = format!("{STREAM}{middle}");
        let call = chat(QUESTION.as_bytes(), (&events, ended.as_bytes()), false);
        assert_eq!((call.input, call.output, call.is_estimated), (Some(13), Some(2), false));
    }

    #[test]
    fn a_question_without_an_answer_or_with_a_refusal_has_cost_nothing() {
        let mut call = begin("api.openai.com", "/v1/chat/completions", &HeaderMap::new()).unwrap();
        call.ask(QUESTION.as_bytes());
        call.begin_answer(429, &fields(&[("content-type", "application/json")]));
        call.answer(br#"{"error":{"code":"insufficient_quota"}}"#);
        let told = call.finish(true, &Prices::default()).unwrap();
        assert_eq!((told.requested.as_deref(), told.input, told.output), (Some("gpt-4o"), None, None));
        assert!(!told.is_estimated);
        call.ask(QUESTION.as_bytes());
        assert_eq!(
            call.finish(true, &Prices::default()).unwrap().requested,
            None,
            "what comes later is not read"
        );
    }
}
