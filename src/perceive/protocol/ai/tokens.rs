//! How many tokens a text has, before the provider says so.
//!
//! The tokens of OpenAI's models are counted, up to a bound; for the others, whose vocabularies are not published, four
//! bytes are taken for one, which English and its like in JSON come to. Never exact and never used where there are
//! figures: it is what a reservation begins with. Read next: `question.rs`.

use crate::model::types::Provider;
use crate::model::types::limits::TOKENS_COUNTED_BYTES;

/// Bytes of text that are taken for one token where they are not counted.
pub const BYTES_PER_TOKEN: u64 = 4;
/// A text of so many bytes that has nothing but the characters of base64 and of a data URL is an image, a sound or a
/// document.
const DATA_BYTES: u64 = 1024;
/// Tokens of one of these: an image of the size that providers scale to.
const DATA_TOKENS: u64 = 1600;
/// Bytes of it that are taken for a further token.
const DATA_BYTES_PER_TOKEN: u64 = 128;

/// Whose tokens are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// The vocabulary of OpenAI since GPT-4o. Former models have another, with a few tokens more or less for the same text:
    /// not worth the 15 MB that it would add to the binary.
    O200k,
    /// Not counted.
    Factor,
}

impl Tokenizer {
    /// The one of a model, by its name, also where somebody else serves it (`openai/gpt-4o`). At OpenAI and at Azure, where
    /// deployments have any name, the present one is taken where the name says nothing.
    pub fn of(provider: Provider, model: &str) -> Self {
        const FAMILIES: [&str; 4] = ["gpt-", "chatgpt-", "codex-", "computer-use-"];
        let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
        let name = name.strip_prefix("openai.").or_else(|| name.strip_prefix("ft:")).unwrap_or(name);
        let at_home = matches!(provider, Provider::OpenAi | Provider::AzureOpenAi);
        if at_home || FAMILIES.iter().any(|prefix| name.starts_with(prefix)) {
            return Self::O200k;
        }
        Self::Factor
    }

    fn count(self, text: &str) -> u64 {
        match self {
            Self::O200k => bpe_openai::o200k_base().count(text) as u64,
            Self::Factor => (text.len() as u64).div_ceil(BYTES_PER_TOKEN),
        }
    }
}

/// Loads the vocabulary, which takes a quarter of a second: on a thread that may wait, before the first question.
pub fn warm() {
    bpe_openai::o200k_base();
}

/// Estimates the tokens of texts that come in pieces.
#[derive(Debug)]
pub struct Estimate {
    /// As many of the bytes of each text as there is room to keep until the model is known.
    kept: String,
    /// Where each kept text ends.
    ends: Vec<usize>,
    /// How many bytes may be kept.
    most: usize,
    /// Bytes of the present text, and whether all of them may be data.
    length: u64,
    is_data: bool,
    /// Where the present text begins in what is kept, and whether there was no room for all of some text.
    begin: usize,
    full: bool,
    /// What is estimated without looking at what is kept.
    tokens: u64,
    /// Bytes of text for which there was no room.
    beyond: u64,
}

impl Default for Estimate {
    fn default() -> Self {
        Self {
            kept: String::new(),
            ends: Vec::new(),
            most: TOKENS_COUNTED_BYTES,
            length: 0,
            is_data: true,
            begin: 0,
            full: false,
            tokens: 0,
            beyond: 0,
        }
    }
}

impl Estimate {
    /// Counts nothing, and keeps nothing to be counted: the factor alone.
    pub fn rough() -> Self {
        Self { most: 0, ..Self::default() }
    }

    /// Adds tokens that are no text: what surrounds a message, a tool.
    pub fn add(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    /// The next piece of a text.
    pub fn piece(&mut self, piece: &str) {
        let looked_at = DATA_BYTES.saturating_sub(self.length) as usize;
        self.is_data &= piece.bytes().take(looked_at).all(is_data);
        self.length += piece.len() as u64;
        if self.full {
            return;
        }
        let mut room = (self.most - self.kept.len()).min(piece.len());
        self.full = room < piece.len();
        while !piece.is_char_boundary(room) {
            room -= 1;
        }
        self.kept.push_str(&piece[..room]);
    }

    /// The text is over.
    pub fn over(&mut self) {
        let length = std::mem::take(&mut self.length);
        if std::mem::replace(&mut self.is_data, true) && length >= DATA_BYTES {
            self.kept.truncate(self.begin);
            self.full = false;
            self.add(DATA_TOKENS + length / DATA_BYTES_PER_TOKEN);
            return;
        }
        let kept = self.kept.len() - self.begin;
        let beyond = length - kept as u64;
        self.beyond = self.beyond.saturating_add(beyond);
        self.add(beyond.div_ceil(BYTES_PER_TOKEN));
        if kept > 0 {
            self.begin = self.kept.len();
            self.ends.push(self.begin);
        }
    }

    /// All of them, for this model.
    pub fn total(&self, tokenizer: Tokenizer) -> u64 {
        let mut begin = 0;
        let counted = self.ends.iter().map(|end| {
            let text = &self.kept[begin..*end];
            begin = *end;
            tokenizer.count(text)
        });
        let counted: u64 = counted.sum();
        // What is beyond is taken to be as dense as what was counted, where that is denser than most text.
        let alike = self.beyond.saturating_mul(counted).checked_div(begin as u64).unwrap_or(0);
        let more = alike.saturating_sub(self.beyond / BYTES_PER_TOKEN);
        self.tokens.saturating_add(counted).saturating_add(more)
    }
}

fn is_data(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b':' | b';' | b',' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(texts: &[&str], tokenizer: Tokenizer) -> u64 {
        let mut estimate = Estimate::default();
        for text in texts {
            for piece in text.as_bytes().chunks(3) {
                estimate.piece(str::from_utf8(piece).unwrap_or("?"));
            }
            estimate.over();
        }
        estimate.total(tokenizer)
    }

    #[test]
    fn tokens_of_openai_are_counted_and_others_estimated() {
        let text = "Tell me a joke about opentelemetry";
        assert_eq!(total(&[text], Tokenizer::Factor), 9);
        assert_eq!(total(&[text], Tokenizer::O200k), 9);
        assert_eq!(total(&[text, text], Tokenizer::O200k), 18, "each text by itself");
        assert_eq!(total(&["", "hello"], Tokenizer::O200k), 1);
    }

    #[test]
    fn a_rough_estimate_keeps_nothing_and_counts_nothing() {
        let mut estimate = Estimate::rough();
        for text in ["Tell me a joke about opentelemetry", "", "üü"] {
            estimate.piece(text);
            estimate.over();
        }
        assert_eq!((estimate.kept.capacity(), estimate.ends.capacity()), (0, 0));
        assert_eq!(estimate.total(Tokenizer::O200k), 10);
    }

    #[test]
    fn a_model_has_the_vocabulary_of_its_family() {
        use Provider::{AzureOpenAi, OpenAi};
        assert_eq!(Tokenizer::of(AzureOpenAi, "team-a"), Tokenizer::O200k);
        assert_eq!(Tokenizer::of(OpenAi, "o3-mini"), Tokenizer::O200k);
        for (model, tokenizer) in [
            ("gpt-4o-mini", Tokenizer::O200k),
            ("gpt-5.6-sol", Tokenizer::O200k),
            ("openai/gpt-oss-120b", Tokenizer::O200k),
            ("gpt-4", Tokenizer::O200k),
            ("gpt-4-0613", Tokenizer::O200k),
            ("gpt-3.5-turbo", Tokenizer::O200k),
            ("claude-sonnet-4-5", Tokenizer::Factor),
            ("gemini-3-pro", Tokenizer::Factor),
            ("", Tokenizer::Factor),
        ] {
            assert_eq!(Tokenizer::of(Provider::Custom, model), tokenizer, "{model}");
        }
    }

    #[test]
    fn an_image_counts_as_an_image_and_not_as_its_letters() {
        let image = format!("data:image/png;base64,{}", "iVBORw0KGgoAAAANSUhEUg".repeat(10_000));
        assert_eq!(total(&[&image], Tokenizer::O200k), 1600 + image.len() as u64 / 128);
        let text = "a word ".repeat(10_000);
        assert!(total(&[&text], Tokenizer::Factor) == 17_500, "a long text is no image");
    }

    #[test]
    fn a_long_text_is_taken_to_be_as_dense_as_its_beginning_and_never_less_than_most() {
        let dense = "7 1 9 3 ".repeat(20_000);
        let (counted, factor) = (total(&[&dense], Tokenizer::O200k), total(&[&dense], Tokenizer::Factor));
        assert_eq!(factor, 40_000);
        assert!(counted > 60_000, "{counted}");
        let sparse = "internationalization ".repeat(8_000);
        assert!(total(&[&sparse], Tokenizer::O200k) >= (sparse.len() - TOKENS_COUNTED_BYTES) as u64 / 4);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_rest_is_estimated() {
        let mut estimate = Estimate::default();
        for _ in 0..100 {
            estimate.piece(&"ü ".repeat(1000));
            estimate.over();
        }
        assert!(estimate.kept.len() <= TOKENS_COUNTED_BYTES);
        assert_eq!(estimate.total(Tokenizer::Factor), 75_000);
    }
}
