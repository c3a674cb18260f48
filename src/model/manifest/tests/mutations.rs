//! Valid documents with one thing changed: each loads, or every mistake names a place in that document.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Documents of every enforced kind, each with its number of companions, which stand before it.
const DOCUMENTS: [&str; 5] = [
    "apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata:
  name: default
  labels: {a: b}
spec:
  defaultPolicy: deny-all
  mode: Enforce
  listeners:
    - name: tls
      protocol: TLS
      tls: {mode: Terminate}
    - {name: sni, protocol: TLS, tls: {mode: Passthrough, ech: Allow}}
    - {name: udp, protocol: UDP}
",
    "apiVersion: clrk.apoxy.dev/v1alpha1
kind: EgressL4Route
metadata:
  name: route
  namespace: agents
  annotations: {note: \"two\\nlines\"}
spec:
  parentRefs:
    - {group: clrk.apoxy.dev, kind: EgressGateway, name: default, sectionName: tls}
  sourceAgents:
    matchLabels: {tier: dev}
    matchExpressions: [{key: zone, operator: NotIn, values: [a, b]}, {key: x.example/y, operator: Exists}]
  rules:
    - name: one
      matches:
        - protocol: TCP
          destinationHostnames: [db.example.com, \"*.db.example.com\"]
          destinationCIDRs: [\"10.20.0.0/16\", \"2001:db8::/32\"]
          ports:
            - port: 5432
            - {startPort: 8000, endPort: 8099}
status: {anything: [at, all]}
",
    "apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: api-read}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [api.example.com]
  rules:
    - matches:
        - {method: GET, path: {type: PathPrefix, value: /repos/acme/}, headers: [{name: X-A, value: b}]}
        - {path: {type: Exact, value: /a/}, queryParams: [{name: q, value: \"1\"}]}
    - {}
",
    "apiVersion: kars.azure.com/v1alpha1
kind: EgressDenyPolicy
metadata: {name: closed-today}
spec:
  targetRef: {group: clrk.apoxy.dev, kind: EgressL4Route, name: route}
  denyResponse:
    statusCode: 451
    message: \"Closed today.\"
",
    "apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec:
  team: red
  project: demo
  environment: test
  sources: {addresses: [\"10.77.0.2/32\", \"fd77::2/128\"], mac: \"02:00:00:00:00:02\"}
  assertion: {require: none}
  egressRefs: [{gatewayRef: default}]
",
];

/// Every place in a value: its own, and those below it, as paths of keys and numbers.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Object(map) => {
            map.iter()
                .for_each(|(key, value)| places(value, &format!("{path}/{}", key.replace('/', "~1")), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| places(value, &format!("{path}/{n}"), found));
        }
        _ => {}
    }
}

/// One change to a document as a tree: a value of another type, a key that is gone, misspelt or taken twice.
#[derive(Debug, Clone)]
enum Change {
    Swap(usize),
    Delete,
    Misspell(usize),
    Empty,
}

fn other_values() -> [Value; 8] {
    [
        json!(null),
        json!(true),
        json!(7),
        json!("7"),
        json!([]),
        json!({}),
        json!([{"a": 1}]),
        json!({"a": ["b"]}),
    ]
}

fn changed(document: &Value, place: usize, change: &Change) -> Value {
    let mut paths = Vec::new();
    places(document, "", &mut paths);
    let path = &paths[place % paths.len()];
    let mut whole = document.clone();
    let (owner, last) = path.rsplit_once('/').unwrap_or(("", ""));
    let last = last.replace("~1", "/");
    match (change, whole.pointer_mut(owner)) {
        (Change::Delete, Some(Value::Object(map))) => drop(map.remove(&last)),
        (Change::Delete, Some(Value::Array(items))) => drop(items.pop()),
        (Change::Misspell(at), Some(Value::Object(map))) if map.contains_key(&last) => {
            let value = map.remove(&last).unwrap_or_default();
            map.insert(misspelt(&last, *at), value);
        }
        _ => {
            let Some(value) = whole.pointer_mut(path) else { return whole };
            *value = match (change, &*value) {
                (Change::Swap(which), _) => other_values()[which % 8].clone(),
                (Change::Misspell(at), Value::String(text)) => misspelt(text, *at).into(),
                (_, Value::Object(_)) => Map::new().into(),
                (_, Value::Array(_)) => Vec::<Value>::new().into(),
                _ => "".into(),
            };
        }
    }
    whole
}

/// The word with two letters exchanged, or one doubled where that changes nothing.
fn misspelt(word: &str, at: usize) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.is_empty() {
        return "x".into();
    }
    let at = at % letters.len();
    letters.swap(at, (at + 1) % word.chars().count());
    if letters.iter().collect::<String>() == word {
        letters.insert(at, letters[at]);
    }
    letters.into_iter().collect()
}

/// The document's text with one line doubled, gone, moved right, or exchanged with the next.
fn disturbed(text: &str, line: usize, how: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = line % lines.len();
    match how % 4 {
        0 => lines.insert(line, lines[line].clone()),
        1 => drop(lines.remove(line)),
        2 => lines[line].insert(0, ' '),
        _ => {
            let next = (line + 1) % lines.len();
            lines.swap(line, next);
        }
    }
    lines.join("\n") + "\n"
}

/// Loads a changed document beside those it refers to. Whatever is said stands in it.
fn judge(number: usize, text: &str) {
    let mut files: Vec<SourceFile> = [0, 1]
        .into_iter()
        .filter(|n| *n < number && number < 4 || *n == 0 && number == 4)
        .map(|n| file("companion.yaml", DOCUMENTS[n]))
        .collect();
    files.push(file("changed.yaml", text));
    // A name that was changed may be that of a companion.
    let Err(report) = load(&files) else { return };
    assert!(!report.errors.is_empty());
    let lines: Vec<&str> = text.lines().collect();
    for error in &report.errors {
        assert_eq!(&*error.file, "changed.yaml", "{}\n{text}", error.message);
        let width = lines.get(error.line.wrapping_sub(1)).map(|line| line.chars().count());
        let end_of_file = error.line == lines.len() + 1 && error.column == 1;
        assert!(
            end_of_file || width.is_some_and(|width| (1..=width + 1).contains(&error.column)),
            "{}:{} is no place: {}\n{text}",
            error.line,
            error.column,
            error.message
        );
        assert!(!error.message.is_empty());
        assert!(!report.render(false).is_empty());
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..8_usize).prop_map(Change::Swap),
        Just(Change::Delete),
        (0..20_usize).prop_map(Change::Misspell),
        Just(Change::Empty),
    ]
}

fn as_json(text: &str) -> Value {
    let file = file("a.yaml", text);
    let source = super::super::source::Source::read(&file).expect("text");
    let (documents, _) = super::super::tree::parse(&source, &mut 1000);
    super::super::digest::body(&documents[0])
}

#[test]
fn the_documents_to_be_changed_load() {
    for (number, text) in DOCUMENTS.iter().enumerate() {
        let files: Vec<SourceFile> = DOCUMENTS.iter().map(|text| file("a.yaml", text)).collect();
        load(&files).unwrap_or_else(|report| panic!("{report}"));
        judge(number, text);
        judge(number, &format!("{:#}\n", as_json(text)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_that_is_changed_is_accepted_or_told_with_its_place(
        number in 0..DOCUMENTS.len(), place in any::<usize>(), change in change(),
    ) {
        let whole = changed(&as_json(DOCUMENTS[number]), place, &change);
        judge(number, &format!("{whole:#}\n"));
    }

    #[test]
    fn a_line_that_is_disturbed_is_accepted_or_told_with_its_place(
        number in 0..DOCUMENTS.len(), line in any::<usize>(), how in any::<usize>(),
    ) {
        judge(number, &disturbed(DOCUMENTS[number], line, how));
    }
}
