//! `clawgress dlp`: what is said of a text, without a word of it.

use super::*;

const TEXT: &str = "name: deploy\nurl: https://api.internal/\npassword: \"tq7Wmz2Kx\"\n";

fn written(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn scan(options: &str, text: &str) -> Ended {
    let file = written(text);
    run_line(&format!("clawgress dlp scan {options}{}", file.path().display()), "/nonexistent".into())
}

#[test]
fn a_finding_is_shown_by_its_place_and_never_by_its_text() {
    let ended = scan("", TEXT);
    assert_eq!((ended.code, &*ended.talk), (Exit::No, ""));
    assert!(ended.out.contains(":3:12  secrets  password  0.85"), "{}", ended.out);
    assert!(ended.out.ends_with("1 finding\n") && !ended.out.contains("tq7Wmz2Kx"), "{}", ended.out);
    let ended = scan("-o json ", TEXT);
    let findings: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&findings[0]["line"], &findings[0]["column"], &findings[0]["start"]),
        (&json!(3), &json!(12), &json!(51))
    );
}

#[test]
fn a_text_without_findings_is_a_yes() {
    let ended = scan("", "name: deploy\npassword: ${PASSWORD}\n");
    assert_eq!((ended.code, &*ended.out), (Exit::Done, "nothing was found\n"));
    // A placeholder counts where it is asked for.
    let text = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n";
    assert_eq!((scan("", text).code, scan("--examples ", text).code), (Exit::Done, Exit::No));
    assert_eq!(scan("--min-confidence 0.99 ", TEXT).code, Exit::Done);
}

#[test]
fn what_stands_over_the_seam_of_two_pieces_is_found_in_its_line() {
    for before in [262_130, 262_140, 262_143, 262_144] {
        let text =
            format!("{}\npassword = \"tq7Wmz2Kx\"\n{}", "x ".repeat(before / 2), "y\n".repeat(300_000));
        let ended = scan("-o json ", &text);
        let findings: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(findings.as_array().map(Vec::len), Some(1), "{before}");
        assert_eq!((&findings[0]["line"], &findings[0]["column"]), (&json!(2), &json!(13)), "{before}");
    }
}

#[test]
fn each_line_has_its_answer_in_the_same_order() {
    let lines =
        "{\"id\":\"a\",\"text\":\"password = \\\"tq7Wmz2Kx\\\"\"}\n{\"id\":7,\"text\":\"nothing here\"}\n";
    let ended = scan("--jsonl ", lines);
    assert_eq!(ended.code, Exit::Done);
    let answers: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[0]["id"], &answers[0]["findings"][0]["class"]), (&json!("a"), &json!("secrets")));
    assert_eq!(
        (&answers[0]["findings"][0]["start"], &answers[0]["findings"][0]["end"]),
        (&json!(12), &json!(21))
    );
    assert_eq!(answers[1], json!({"id": 7, "findings": []}));
}

#[test]
fn a_line_that_is_no_object_is_named() {
    let ended = scan("--jsonl ", "{\"id\":1,\"text\":\"x\"}\n\n{\"id\":2}\n");
    assert_eq!(ended.code, Exit::Code(65));
    assert_eq!(ended.out, "{\"id\":1,\"findings\":[]}\n");
    assert!(ended.talk.starts_with("error: line 3: missing field `text`"), "{}", ended.talk);
    assert!(ended.talk.contains("hint: each line is one JSON object with `id` and `text`"), "{}", ended.talk);
}

#[test]
fn a_file_that_is_not_there_and_a_confidence_that_is_none_are_refused() {
    let ended = run_line("clawgress dlp scan /nonexistent/file", "/nonexistent".into());
    assert_eq!(ended.code, Exit::Code(66));
    assert!(Cli::try_parse_from("clawgress dlp scan --min-confidence 2 x".split(' ')).is_err());
}

#[test]
fn the_catalogue_is_listed_with_its_sources() {
    let ended = run_line("clawgress dlp detectors -o jsonl", "/nonexistent".into());
    let entries: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(entries.len() > 250);
    assert!(entries.iter().any(|entry| entry["detector"] == "aws-access-key" && entry["class"] == "keys"));
}
