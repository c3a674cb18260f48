//! Conditions: what is well typed is found so and judged without a wrong type or a panic, as CEL would judge it; what is
//! damaged is refused with places inside it.

use clawgress::model::condition::{Condition, Unevaluable};
use proptest::prelude::*;

use super::{damaged, holds};
use crate::seeds::targets::condition::answers;

/// An expression of each type: bool, int, string, list of int.
#[derive(Debug, Clone)]
struct Exprs {
    truth: BoxedStrategy<String>,
    number: BoxedStrategy<String>,
    text: BoxedStrategy<String>,
    list: BoxedStrategy<String>,
}

fn leaves() -> Exprs {
    let numbers = [
        "0",
        "1",
        "-7",
        "22",
        "9223372036854775807",
        "time.hour",
        "time.unix",
        "request.content_length",
        "destination.port",
        "usage.requests_today",
        "ai.estimated_tokens",
        "size(dlp.matches)",
    ];
    let texts = [
        "\"\"",
        "'red'",
        "\"ä\\n'\"",
        "agent.name",
        "agent.team",
        "destination.host",
        "destination.address",
        "request.method",
        "request.path",
        "request.headers['x-team']",
        "request.headers.nothing",
        "agent.labels.tier",
        "request.query['dry']",
        "ai.model",
        "ai.provider",
        "mcp.tool",
        "ai.tools[0]",
    ];
    Exprs {
        truth: prop::sample::select(vec![
            "true",
            "false",
            "has(request.content_length)",
            "has(mcp.tool)",
            "has(ai.model)",
            "ai.stream",
            "dlp.matches.exists(one, one.class == 'keys' && one.confidence > 0.5)",
            "has(agent.labels.zone)",
            "('dry' in request.query)",
        ])
        .prop_map(str::to_owned)
        .boxed(),
        number: prop::sample::select(numbers.to_vec()).prop_map(str::to_owned).boxed(),
        text: prop::sample::select(texts.to_vec()).prop_map(str::to_owned).boxed(),
        list: prop::sample::select(vec!["[]", "[1, 2, 3]", "[time.hour]"]).prop_map(str::to_owned).boxed(),
    }
}

/// Expressions one level larger.
fn grown(of: Exprs) -> Exprs {
    let Exprs { truth, number, text, list } = of.clone();
    let comparison = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let arithmetic = prop::sample::select(vec!["+", "-", "*", "/", "%"]);
    let question = prop::sample::select(vec!["contains", "startsWith", "endsWith"]);
    let quantifier = prop::sample::select(vec!["exists", "all", "exists_one"]);
    let pattern = prop::sample::select(vec!["^a", "[a-z]+", "e$", "\\\\d", "(?i)RED"]);
    let pair = |of: &BoxedStrategy<String>| (of.clone(), of.clone());
    let truths = prop_oneof![
        truth.clone(),
        (pair(&truth), any::<bool>())
            .prop_map(|((a, b), both)| format!("({a} {} {b})", if both { "&&" } else { "||" })),
        truth.clone().prop_map(|a| format!("!{a}")),
        (pair(&number), comparison.clone()).prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
        (pair(&text), comparison).prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
        (pair(&text), question).prop_map(|((a, b), name)| format!("{a}.{name}({b})")),
        (text.clone(), pattern).prop_map(|(a, pattern)| format!("{a}.matches(\"{pattern}\")")),
        (number.clone(), list.clone()).prop_map(|(a, b)| format!("({a} in {b})")),
        (list.clone(), number.clone(), quantifier.clone())
            .prop_map(|(list, b, name)| format!("{list}.{name}(item, item == {b})")),
        (text.clone(), quantifier).prop_map(|(b, name)| format!("request.headers.{name}(key, key == {b})")),
    ];
    let numbers = prop_oneof![
        number.clone(),
        (pair(&number), arithmetic)
            .prop_filter("a division by a zero that is written", |((_, b), sign)| b != "0"
                || !"/%".contains(sign))
            .prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
        (truth.clone(), pair(&number)).prop_map(|(a, (b, c))| format!("({a} ? {b} : {c})")),
        text.clone().prop_map(|a| format!("size({a})")),
        (list.clone(), number.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
    ];
    let words = prop_oneof![
        text.clone(),
        pair(&text).prop_map(|(a, b)| format!("({a} + {b})")),
        text.prop_map(|a| format!("{a}.lowerAscii()")),
        number.clone().prop_map(|a| format!("string({a})")),
    ];
    let lists = prop_oneof![
        list.clone(),
        pair(&number).prop_map(|(a, b)| format!("[{a}, {b}]")),
        (list.clone(), number).prop_map(|(a, b)| format!("{a}.map(each, each + {b})")),
        (list, truth).prop_map(|(a, b)| format!("{a}.filter(each, {b})")),
    ];
    Exprs { truth: truths.boxed(), number: numbers.boxed(), text: words.boxed(), list: lists.boxed() }
}

/// A condition that is well typed.
fn well_typed() -> impl Strategy<Value = String> {
    grown(grown(grown(leaves()))).truth
}

/// Whether the checker had another reason than types to refuse it: names of loops inside each other, its bounds, and that it
/// can have no value.
fn only_bounds(text: &str) -> bool {
    let Err(faults) = Condition::check(text) else { return true };
    let known = ["is a name already", "loops are inside each other", " never ", "divides by zero"];
    faults.iter().all(|fault| known.iter().any(|words| fault.message.contains(words)))
}

proptest! {
    #[test]
    fn what_is_well_typed_is_found_so_and_judged_as_cel_judges_it(text in well_typed()) {
        match Condition::check(&text) {
            Ok(condition) => {
                for answer in answers(&condition) {
                    if let Err(Unevaluable::Failed(why)) = answer {
                        prop_assert!(!why.contains("type"), "{text}: {why}");
                    }
                }
            }
            Err(faults) => prop_assert!(only_bounds(&text), "{text}: {faults:#?}"),
        }
    }

    #[test]
    fn a_damaged_condition_is_refused_or_judged(bytes in damaged(well_typed().prop_map(String::into_bytes))) {
        holds("condition", &bytes);
    }

    #[test]
    fn any_text_is_refused_or_judged(text in "[a-z.()\\[\\]{}&|!=<>+*/%?:,'\"0-9 \\\\é-]{0,60}") {
        holds("condition", text.as_bytes());
    }
}
