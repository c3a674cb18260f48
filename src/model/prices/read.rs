//! A catalogue of prices as it is written: strict, every mistake at once, with its place.
//!
//! It is no policy document, and no document of a policy folder. Read next: `prices/models.yaml`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Long, Price, Prices};
use crate::model::manifest::amounts::nanodollars;
use crate::model::manifest::fields::{Fields, Item};
use crate::model::manifest::patterns::{self, MODEL};
use crate::model::manifest::report::{Diagnostic, Mistakes, Report, quoted};
use crate::model::manifest::schema::{Field, Form, Object, Shape, words};
use crate::model::manifest::scope::Scope;
use crate::model::manifest::source::{Place, Source, SourceFile};
use crate::model::manifest::tree;
use crate::model::types::limits::POLICY_NODES;
use crate::model::types::quota_limits::{COUNT_MOST, PRICES_BYTES, USD_DECIMALS};
use crate::model::types::{NANODOLLARS, Provider};

const PROVIDERS: [(&str, Provider); 6] = [
    ("openai", Provider::OpenAi),
    ("anthropic", Provider::Anthropic),
    ("google", Provider::Google),
    ("azure-openai", Provider::AzureOpenAi),
    ("bedrock", Provider::Bedrock),
    ("custom", Provider::Custom),
];

const TOKENS: RangeInclusive<i64> = 1..=COUNT_MOST;

/// Most dollars of a million tokens: more is a slip of the pen.
const PRICE_MOST: u64 = 1_000_000 * NANODOLLARS;

static DAY: Form =
    Form { words: "day such as `2026-11-28`", pattern: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", longest: 10 };

static CATALOGUE: Object = Object::new(
    "Prices of models.",
    &[
        Field::optional("asOf", Shape::Text(&DAY), "The day of which the prices are, for people."),
        Field::required("models", Shape::List(&Shape::Object(&MODEL_PRICE)), "Models with their prices."),
    ],
);

static MODEL_PRICE: Object = Object::new(
    "What a model costs, in US dollars per million tokens.",
    &[
        Field::required("providers", Shape::List(&Shape::choice(&words(&PROVIDERS))), "Whose it is."),
        Field::required("model", Shape::Text(&MODEL), "The model; dated versions of it are meant too."),
        Field::required("input", Shape::Amount, "Input."),
        Field::required("output", Shape::Amount, "Output, thoughts included."),
        Field::optional("cacheRead", Shape::Amount, "Input that a cache had; without it as other input."),
        Field::optional("cacheWrite", Shape::Amount, "Input that a cache keeps; without it as other input."),
        Field::optional(
            "cacheWriteHour",
            Shape::Amount,
            "The same for an hour; without it twice other input.",
        ),
        Field::optional("maxOutput", Shape::Whole(TOKENS), "Tokens that one answer has at most."),
        Field::optional("long", Shape::Object(&LONG), "What calls with long input cost."),
    ],
);

static LONG: Object = Object::new(
    "What calls with long input cost.",
    &[
        Field::required("above", Shape::Whole(TOKENS), "Tokens of input past which these prices hold."),
        Field::required("input", Shape::Amount, "Input."),
        Field::required("output", Shape::Amount, "Output."),
        Field::optional("cacheRead", Shape::Amount, "Input that a cache had; without it as other input."),
        Field::optional("cacheWrite", Shape::Amount, "Input that a cache keeps; without it as other input."),
        Field::optional(
            "cacheWriteHour",
            Shape::Amount,
            "The same for an hour; without it twice other input.",
        ),
    ],
);

/// Reads a catalogue.
pub fn read(file: &SourceFile) -> Result<Prices, Report> {
    let start = || Place { file: file.path.clone(), line: 1, column: 1 };
    if file.bytes.len() as u64 > PRICES_BYTES {
        let message = format!("the catalogue of prices has more than {PRICES_BYTES} bytes");
        return Err(Report::of(Diagnostic::bare(start(), message), 1));
    }
    let source = Source::read(file).map_err(|fault| Report::of(Diagnostic::from(*fault), 1))?;
    let mut budget = POLICY_NODES;
    let (documents, faults) = tree::parse(&source, &mut budget);
    let mistakes = RefCell::new(Mistakes::default());
    let broken = !faults.is_empty();
    mistakes.borrow_mut().take_over(faults);
    let scope = Scope::new(&source, &mistakes);
    let prices = documents.first().map(|node| catalogue(&Item::document(scope, node)));
    if let Some(second) = documents.get(1) {
        Item::document(scope, second).mistake_hint("a second document", "the prices are one document");
    }
    if documents.is_empty() && !broken {
        let hint = "it has `models`, a list of prices";
        mistakes.borrow_mut().add(|| Diagnostic::bare(start(), "the file has no document").hint(hint));
    }
    match mistakes.into_inner().into_report(1) {
        Some(report) => Err(report),
        None => Ok(prices.unwrap_or_default().in_order()),
    }
}

fn catalogue(item: &Item<'_>) -> Prices {
    let mut prices = Prices::default();
    let Some(fields) = item.object(&CATALOGUE) else { return prices };
    fields.get("asOf").and_then(|item| item.text_of(&DAY));
    let mut seen = BTreeMap::new();
    for item in fields.required_list("models") {
        let Some((providers, model, price)) = entry(&item) else { continue };
        for provider in providers {
            let place = item.scope.place(item.key_span());
            if let Some(first) = seen.insert((provider, model.clone()), place) {
                let message = format!("{} of {} has two prices", quoted(&model), quoted(provider.name()));
                item.mistake_hint(message, format!("the first is at {first}"));
            }
            match model.strip_suffix('*') {
                Some(beginning) => prices.beginning.push((provider, beginning.into(), price)),
                None => drop(prices.exact.insert((provider, model.clone()), price)),
            }
        }
    }
    prices
}

fn entry(item: &Item<'_>) -> Option<(Vec<Provider>, Box<str>, Price)> {
    let fields = item.object(&MODEL_PRICE)?;
    let providers: Vec<Provider> =
        fields.required_list("providers").iter().filter_map(|item| item.choice(&PROVIDERS)).collect();
    let model = fields.required("model").and_then(|item| patterns::model(&item));
    let each = figures(&fields);
    let max_output = tokens(&fields, "maxOutput");
    let long = fields.get("long").map_or(Some(None), |item| long(&item).map(Some));
    let [input, output, cache_read, cache_write, cache_write_hour] = each?;
    let (max_output, long) = (max_output?, long?);
    let price = Price { input, output, cache_read, cache_write, cache_write_hour, max_output, long };
    Some((providers, model?, price))
}

fn long(item: &Item<'_>) -> Option<Long> {
    let fields = item.object(&LONG)?;
    let above = tokens(&fields, "above");
    let [input, output, cache_read, cache_write, cache_write_hour] = figures(&fields)?;
    Some(Long { above: above??, input, output, cache_read, cache_write, cache_write_hour })
}

fn tokens(fields: &Fields<'_>, name: &str) -> Option<Option<u64>> {
    let Some(item) = fields.get(name) else { return Some(None) };
    item.whole(TOKENS).and_then(|tokens| u64::try_from(tokens).ok()).map(Some)
}

/// Input, output, read from a cache, written to one, and written to one for an hour.
fn figures(fields: &Fields<'_>) -> Option<[u64; 5]> {
    let figure = |name: &str| fields.get(name).map_or(Some(None), |item| dollars(&item).map(Some));
    let all = ["input", "output", "cacheRead", "cacheWrite", "cacheWriteHour"].map(figure);
    let [input, output, cache_read, cache_write, hour] = all;
    let (input, output) = (input??, output??);
    let (cache_read, cache_write) = (cache_read?.unwrap_or(input), cache_write?.unwrap_or(input));
    Some([input, output, cache_read, cache_write, hour?.unwrap_or(2 * input)])
}

/// Dollars, zero included: some output costs nothing.
fn dollars(item: &Item<'_>) -> Option<u64> {
    let text = item.written();
    let amount = nanodollars(text).filter(|amount| *amount <= PRICE_MOST);
    if amount.is_none() {
        let message = format!("{} {} is not a price", item.name, quoted(text));
        item.mistake_hint(
            message,
            format!("write dollars like `2.50`, with at most {USD_DECIMALS} decimals"),
        );
    }
    amount
}
