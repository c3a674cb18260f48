use super::*;
use crate::model::manifest::source::SourceFile;

fn tree(text: &str) -> Value {
    let file = SourceFile::new("a.yaml", text.as_bytes());
    let source = Source::read(&file).unwrap();
    let (mut documents, faults) = parse(&source, &mut 1000);
    assert!(faults.is_empty(), "{text}: {faults:?}");
    documents.pop().map_or(Value::Null, |node| node.value)
}

#[test]
fn plain_scalars_follow_the_core_schema_and_quoted_ones_are_texts() {
    let text = |text: &str| Value::Text(text.into());
    for (yaml, expected) in [
        ("- true", Value::Bool(true)),
        ("- yes", text("yes")),
        ("- NULL", Value::Null),
        ("- ~", Value::Null),
        ("-", Value::Null),
        ("- 007", Value::Int(7)),
        ("- 0x1F", Value::Int(31)),
        ("- 0o17", Value::Int(15)),
        ("- 0b11", text("0b11")),
        ("- -12", Value::Int(-12)),
        ("- +1.5e3", Value::Float(1500.0)),
        ("- .5", Value::Float(0.5)),
        ("- 1_000", text("1_000")),
        ("- 1.2.3", text("1.2.3")),
        ("- 10.0.0.0/8", text("10.0.0.0/8")),
        ("- 12:30:45", text("12:30:45")),
        ("- 99999999999999999999", Value::Float(1e20)),
        ("- -.inf", Value::Float(f64::INFINITY)),
        ("- .", text(".")),
        ("- -e", text("-e")),
        ("- 2001-01-01", text("2001-01-01")),
        ("- 'true'", text("true")),
        ("- \"7\"", text("7")),
        ("- |-\n  7", text("7")),
    ] {
        match tree(yaml) {
            Value::List(items) => assert_eq!(items[0].value, expected, "{yaml}"),
            other => panic!("{yaml}: {other:?}"),
        }
    }
}

#[test]
fn every_key_and_scalar_knows_its_place() {
    let text = "a: é1\nlist:\n  - b: \"q\"\n    c: {d: [1, 22]}\n";
    let file = SourceFile::new("a.yaml", text.as_bytes());
    let source = Source::read(&file).unwrap();
    let (documents, _) = parse(&source, &mut 1000);
    let root = &documents[0];
    let slice = |span: Span| source.slice(span);
    assert_eq!(slice(root.get("a").unwrap().span), "é1");
    assert_eq!(slice(root.entry("list").unwrap().0.span), "list");
    let Value::List(items) = &root.get("list").unwrap().value else { panic!("a list") };
    assert_eq!(slice(items[0].get("b").unwrap().span), "\"q\"");
    let Value::List(numbers) = &items[0].get("c").unwrap().get("d").unwrap().value else { panic!("a list") };
    assert_eq!(slice(numbers[1].span), "22");
}
