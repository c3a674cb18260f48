//! The catalogue in the program, and what is said of others.

use super::*;
use crate::model::types::NANODOLLARS;

fn read(text: &str) -> Result<Prices, Vec<String>> {
    let line = |error: &crate::model::manifest::Diagnostic| {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}{hint}", error.line, error.column, error.message)
    };
    Prices::read(&SourceFile::new("prices.yaml", text.as_bytes()))
        .map_err(|report| report.errors.iter().map(line).collect())
}

fn input(prices: &Prices, provider: Provider, model: &str) -> Option<u64> {
    prices.of(provider, model).map(|price| price.input)
}

#[test]
fn the_catalogue_in_the_program_is_read_and_knows_models_in_every_spelling() {
    let prices = Prices::shipped();
    assert!(prices.count() > 100, "{}", prices.count());
    let dollars = |hundredths: u64| Some(hundredths * NANODOLLARS / 100);
    for (provider, model, price) in [
        (Provider::OpenAi, "gpt-4o", dollars(250)),
        (Provider::OpenAi, "gpt-4o-2024-08-06", dollars(250)),
        (Provider::OpenAi, "gpt-4o-2024-05-13", dollars(500)),
        (Provider::OpenAi, "gpt-4o-mini-2024-07-18", dollars(15)),
        (Provider::OpenAi, "gpt-4.1-mini", dollars(40)),
        (Provider::AzureOpenAi, "gpt-4.1", dollars(200)),
        (Provider::Anthropic, "claude-sonnet-4-5", dollars(300)),
        (Provider::Anthropic, "claude-sonnet-4-5-20250929", dollars(300)),
        (Provider::Anthropic, "claude-3-7-sonnet-latest", dollars(300)),
        (Provider::Bedrock, "anthropic.claude-3-haiku-20240307-v1:0", dollars(25)),
        (Provider::Bedrock, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", dollars(330)),
        (Provider::Bedrock, "global.anthropic.claude-sonnet-4-5-20250929-v1:0", dollars(300)),
        (
            Provider::Bedrock,
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            dollars(110),
        ),
        (Provider::Google, "gemini-2.5-pro", dollars(125)),
        (Provider::Google, "claude-haiku-4-5@20251001", dollars(110)),
        (Provider::OpenAi, "gpt-4o-audio-preview", None),
        (Provider::OpenAi, "gpt-4o-2024-08-0x", None),
        (Provider::OpenAi, "claude-sonnet-4-5", None),
        (Provider::Anthropic, "us.claude-sonnet-4-5", None),
        (Provider::Custom, "gpt-4o", None),
        (Provider::OpenAi, "", None),
    ] {
        assert_eq!(input(&prices, provider, model), price, "{provider:?} {model}");
    }
}

/// Input, read from a cache, written to one, output.
fn billed([input, cache_read, cache_write, output]: [u64; 4]) -> Billed {
    Billed { input, cache_read, cache_write, output, ..Billed::default() }
}

#[test]
fn no_price_in_the_program_is_nonsense() {
    let prices = Prices::shipped();
    for ((provider, model), price) in &prices.exact {
        let embeds = model.contains("embedding");
        assert!(price.input > 0 && (price.output >= price.input || embeds), "{provider:?} {model}");
        assert!(price.cache_read <= price.input && price.cache_write >= price.input, "{provider:?} {model}");
        if let Some(long) = price.long {
            assert!(long.input > price.input && long.output > price.output, "{provider:?} {model}");
        }
    }
}

#[test]
fn costs_are_exact_and_rounded_up() {
    let price = *Prices::shipped().of(Provider::Anthropic, "claude-haiku-4-5").unwrap();
    // 1 $, 0.10 $, 1.25 $ and 5 $ a million.
    assert_eq!(price.cost(&billed([1_000_000, 1_000_000, 1_000_000, 1_000_000])), 7_350_000_000);
    assert_eq!(price.cost(&billed([1, 0, 0, 0])), 1000);
    assert_eq!(price.cost(&billed([0, 0, 0, 0])), 0);
    let odd = Price { input: 1, output: 0, long: None, ..price };
    assert_eq!(
        (
            odd.cost(&billed([1, 0, 0, 0])),
            odd.cost(&billed([1_000_000, 0, 0, 0])),
            odd.cost(&billed([1_000_001, 0, 0, 0]))
        ),
        (1, 1, 2)
    );
    let all = Price { input: u64::MAX, output: u64::MAX, ..price };
    assert_eq!(all.cost(&billed([u64::MAX, u64::MAX, u64::MAX, u64::MAX])), u64::MAX);
}

#[test]
fn what_a_cache_keeps_for_an_hour_costs_twice_the_input_unless_it_is_said() {
    let hour = |text: &str| {
        let prices = read(&format!("models: [{{providers: [anthropic], model: a, {text}}}]")).unwrap();
        let price = *prices.of(Provider::Anthropic, "a").unwrap();
        price.cost(&Billed { cache_write_hour: 1_000_000, ..Billed::default() })
    };
    assert_eq!(hour("input: 3, cacheWrite: 3.75, output: 15"), 6 * NANODOLLARS);
    assert_eq!(hour("input: 3, cacheWrite: 3.75, cacheWriteHour: 5, output: 15"), 5 * NANODOLLARS);
    let long = "input: 3, output: 15, long: {above: 1000, input: 6, output: 20}";
    assert_eq!(hour(long), 12 * NANODOLLARS, "it is input, of which the call has much");
}

#[test]
fn long_input_has_its_own_prices_for_the_whole_call() {
    let price = *Prices::shipped().of(Provider::Google, "gemini-2.5-pro").unwrap();
    assert_eq!(price.cost(&billed([200_000, 0, 0, 0])), 250_000_000);
    assert_eq!(price.cost(&billed([200_001, 0, 0, 0])), 500_002_500);
    assert_eq!(price.cost(&billed([0, 200_001, 0, 1_000_000])), 200_001 * 250 + 15_000_000_000);
}

#[test]
fn prices_of_the_administrator_hold_over_those_of_the_program() {
    let own = read(
        "models:\n  - {providers: [openai], model: gpt-4o, input: 1, output: 2}\n  - {providers: [custom, openai], model: 'llama*', input: 0.5, output: 0.5}\n  - {providers: [custom], model: 'llama-3*', input: 0.7, output: 0.5}\n  - {providers: [custom], model: '*', input: 0.1, output: 0.1}\n",
    )
    .unwrap();
    let prices = Prices::shipped().overridden(own);
    let price = prices.of(Provider::OpenAi, "gpt-4o").unwrap();
    assert_eq!((price.input, price.output, price.cache_read), (NANODOLLARS, 2 * NANODOLLARS, NANODOLLARS));
    assert_eq!(input(&prices, Provider::OpenAi, "gpt-4o-mini"), Some(150_000_000));
    assert_eq!(input(&prices, Provider::Custom, "llama-2"), Some(500_000_000));
    assert_eq!(input(&prices, Provider::Custom, "llama-3.3-70b"), Some(700_000_000));
    assert_eq!(input(&prices, Provider::Custom, "qwen"), Some(100_000_000));
    let again = read("models: [{providers: [custom], model: 'llama*', input: 9, output: 9}]").unwrap();
    let prices = prices.overridden(again);
    assert_eq!(input(&prices, Provider::Custom, "llama-2"), Some(9 * NANODOLLARS));
    assert_eq!(input(&prices, Provider::OpenAi, "llama-2"), Some(500_000_000));
}

#[test]
fn a_catalogue_says_what_is_wrong_with_it() {
    for (text, expected) in [
        ("", "1:1 the file has no document (it has `models`, a list of prices)"),
        ("models: []", "1:1 `models` is an empty list (name at least one)"),
        (
            "models: [{providers: [openai], model: a, input: 1}]",
            "1:11 an entry of `models` lacks the field `output`",
        ),
        (
            "models: [{providers: [openia], model: a, input: 1, output: 1}]",
            "1:23 unknown `providers` `openia` (did you mean `openai`?)",
        ),
        (
            "models: [{providers: [openai], model: a, input: 1e3, output: 1}]",
            "1:49 input `1e3` is not a price (write dollars like `2.50`, with at most 9 decimals)",
        ),
        (
            "models: [{providers: [openai], model: a, input: 1, output: 1000001}]",
            "1:60 output `1000001` is not a price (write dollars like `2.50`, with at most 9 decimals)",
        ),
        (
            "models:\n- {providers: [openai], model: a, input: 1, output: 1}\n- {providers: [openai], model: a, input: 1, output: 1}",
            "3:4 `a` of `openai` has two prices (the first is at prices.yaml:2:4)",
        ),
        (
            "models: [{providers: [openai], model: a, inptu: 1, input: 1, output: 1}]",
            "1:42 unknown field `inptu` (did you mean `input`?)",
        ),
    ] {
        assert_eq!(read(text), Err(vec![expected.to_owned()]), "{text}");
    }
}
