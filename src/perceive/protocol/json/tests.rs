//! Claims about the scanner that need no second reader; `tests/fuzz/targets/json.rs` has one.

use super::*;

/// Words and what is told, pieces of a text joined.
#[derive(Default)]
struct Told(Vec<String>);

impl Visitor for Told {
    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        let path: Vec<String> = path.iter().map(|word| format!("{word:?}")).collect();
        let line = format!("{} {event:?}", path.join("."));
        match (self.0.last_mut(), event) {
            (Some(last), Event::Text(piece)) if last.contains(" Text(") => {
                last.insert_str(last.len() - 2, piece.escape_debug().to_string().as_str());
            }
            _ => self.0.push(line),
        }
    }
}

/// What is told of a text, cut into pieces of this size.
fn told(text: &[u8], size: usize) -> (Vec<String>, Result<(), Malformed>) {
    let (mut scanner, mut told) = (Scanner::default(), Told::default());
    let fed = text.chunks(size).try_for_each(|piece| scanner.feed(piece, &mut told));
    let ended = fed.and_then(|()| scanner.finish(&mut told));
    (told.0, ended)
}

#[test]
fn what_stands_where_is_told_in_order_however_it_is_cut() {
    let text = r#" {"model" : "gpt-\u0034\u00fc","messages":[{"content":"a\n\"ü\ud83d\ude00\u0000"},"x"],
        "stream":false, "n":-1.5e3 ,"other":{"usage":null},"tools":[]} "#;
    let expected = [
        " Object",
        "Model Text(\"gpt-4ü\")",
        "Model TextEnd",
        "Messages Array",
        "Messages.Each Object",
        "Messages.Each.Content Text(\"a\\n\\\"ü😀\\0\")",
        "Messages.Each.Content TextEnd",
        "Messages.Each End",
        "Messages.Each Text(\"x\")",
        "Messages.Each TextEnd",
        "Messages End",
        "Stream Flag(false)",
        "N Number(\"-1.5e3\")",
        "Other Object",
        "Other.Usage Null",
        "Other End",
        "Tools Array",
        "Tools End",
        " End",
    ];
    for size in 1..=text.len() {
        let (told, ended) = told(text.as_bytes(), size);
        assert_eq!(ended, Ok(()), "in pieces of {size}");
        assert_eq!(told, expected, "in pieces of {size}");
    }
}

#[test]
fn a_name_that_comes_again_or_in_other_letters_is_told() {
    for (text, path) in [
        (r#"{"model":1,"model":2}"#, "Model Again"),
        (r#"{"model":1,"x":{"model":3},"\u006dodel":2}"#, "Model Again"),
        (r#"{"Model":1}"#, "Model Again"),
        (r#"{"usage":{"input_tokens":1,"input_tokens":2}}"#, "Usage.InputTokens Again"),
    ] {
        assert!(told(text.as_bytes(), 3).0.contains(&path.to_owned()), "{text}");
    }
    let (told, _) = told(br#"{"x":1,"x":2,"messages":[{"role":1},{"role":2}],"y":{"role":1}}"#, 100);
    assert!(!told.iter().any(|line| line.ends_with("Again")), "{told:?}");
    assert!(told.contains(&"Other Number(\"2\")".to_owned()));
}

#[test]
fn what_is_not_json_is_an_error_where_it_stops_being_it() {
    for (text, at) in [
        ("", 0),
        ("{", 1),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("{a:1}", 1),
        ("[1 2]", 3),
        ("{}{}", 2),
        ("nul", 3),
        ("nulL", 3),
        ("01", 0),
        ("[1}", 2),
        ("{\"a\" 1}", 5),
        ("'a'", 0),
        ("\u{feff}{}", 0),
        ("[\"\\x\"]", 3),
        ("// {}", 0),
        ("NaN", 0),
    ] {
        let ended = told(text.as_bytes(), 100).1;
        assert!(
            matches!(ended, Err(Malformed { at: place, .. }) if place.abs_diff(at) <= 2),
            "{text:?}: {ended:?}"
        );
    }
    for bytes in [
        &b"\"\xff\""[..],
        b"\"\xc3\"",
        b"\"\xed\xa0\x80\"",
        b"\"a\nb\"",
        b"\"\xf0\x9f\x98\"",
        b"{\"\xff\":1}",
    ] {
        for size in 1..=bytes.len() {
            assert!(told(bytes, size).1.is_err(), "{bytes:?} in pieces of {size}");
        }
    }
}

#[test]
fn half_a_surrogate_pair_stands_for_no_character() {
    for (text, says) in [
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00""#, "\u{fffd}"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ud83d\n""#, "\u{fffd}\\n"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
    ] {
        for size in 1..=text.len() {
            assert_eq!(
                told(text.as_bytes(), size).0[0],
                format!(" Text(\"{says}\")"),
                "{text} in pieces of {size}"
            );
        }
    }
}

#[test]
fn depth_and_numbers_are_bounded() {
    use crate::model::types::limits::{JSON_DEPTH, JSON_NUMBER_BYTES};
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(told(nested(JSON_DEPTH).as_bytes(), 7).1.is_ok());
    assert_eq!(told(nested(JSON_DEPTH + 1).as_bytes(), 7).1.unwrap_err().what, "values nested too deeply");
    for size in [1, 100, 1000] {
        assert!(told("1".repeat(JSON_NUMBER_BYTES).as_bytes(), size).1.is_ok());
        let long = format!("[{}]", "1".repeat(JSON_NUMBER_BYTES + 1));
        assert_eq!(told(long.as_bytes(), size).1.unwrap_err().what, "a number that is too long");
    }
}

#[test]
fn what_nobody_wants_is_not_told_and_checked_all_the_same() {
    struct Picky(Vec<String>);
    impl Visitor for Picky {
        fn visit(&mut self, path: &[Word], event: Event<'_>) {
            self.0.push(format!("{path:?} {event:?}"));
        }

        fn wants(&self, path: &[Word]) -> bool {
            path.last() == Some(&Word::Model)
        }
    }
    for size in 1..30 {
        let read = |text: &[u8]| {
            let (mut scanner, mut picky) = (Scanner::default(), Picky(Vec::new()));
            let fed = text.chunks(size).try_for_each(|piece| scanner.feed(piece, &mut picky));
            (picky.0, fed)
        };
        let (told, fed) = read(br#"{"id":"a\n","model":7,"n":8}"#);
        assert_eq!(fed, Ok(()));
        assert_eq!(told, ["[] Object", "[Model] Number(\"7\")", "[] End"]);
        assert!(read(b"{\"id\":\"\xff\"}").1.is_err());
        assert!(read(br#"{"id":01}"#).1.is_err());
    }
}
