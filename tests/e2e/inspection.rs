//! What is found in what an agent sends: what goes, what goes changed, what does not go, and what records tell of it. Read next:
//! `inspection_streams`.

use std::io::Write as _;

use serde_json::{Value, json};

use super::dialogue::{Heard, NAME, Talk};
use super::http2::{Http2, data};
use super::origin::Origin;
use super::streaming::{PLAIN, TLS, get, http2, talks};
use crate::lab::backends::Wire;
use crate::lab::services::Feed;
use crate::lab::{Daemon, Lab, Resolver, Zone};

/// Alice, a gateway that reads requests, and a host to which anything may be sent.
pub const OPEN: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {team: red, sources: {addresses: [10.77.0.2/32, 'fd77::2/128']}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec:
  listeners:
    - {name: web, protocol: HTTP}
    - {name: tls, protocol: TLS, tls: {mode: Terminate}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: site}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [site.example, api.openai.com]
  rules: [{}]
---
";

/// A policy of this name, with detectors of words and what becomes of each.
pub fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: DLPPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
    )
}

/// Of each action one word.
pub const WORDS: &str = "{custom: [
  {name: bird, words: [Bluebird], action: Block}, {name: river, words: [Whitewater], action: Redact},
  {name: stone, words: [Greystone], action: Alert}, {name: tree, words: [Blackthorn], action: HashLog}]}";

/// A gateway under these documents, and what stands behind it, in the open and over TLS.
pub fn start<'a>(lab: &'a Lab, documents: &str, settings: &Value) -> (Resolver, Daemon<'a>, [Origin; 2]) {
    let names = [NAME, "api.openai.com"];
    let leaf = lab.pki().leaf(&names);
    let origins = [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))]
        .map(|(address, wire)| Origin::ok(lab, address, wire));
    let zone = names.into_iter().fold(Zone::new(), |zone, name| zone.host(name, &["192.0.2.11"]));
    let all = [OPEN, documents].concat();
    (lab.resolver(zone), lab.daemon(settings, &[("all.yaml", &all)]), origins)
}

/// A request with a body.
pub fn post(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("POST /in HTTP/1.1\r\nHost: {NAME}\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn last(daemon: &Daemon<'_>) -> Value {
    daemon.records(&["--kind", "request"]).pop().expect("a record")
}

fn blocked(heard: &Heard) {
    heard.is_refusal(403, "dlp.blocked");
    let text = heard.text();
    assert!(!text.contains("luebird"), "the text itself is told: {text}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

const JSON: &str = "Content-Type: application/json\r\n";

#[apply(over_both)]
fn what_may_not_leave_leaves_on_no_road_and_its_record_has_its_hash_and_not_its_text(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &json!({}));
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n.txt\"\r\n\r\nof Bluebird\r\n--b--\r\n";
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        for (what, request) in [
            ("json", post(JSON, r#"{"notes":[{"of":"project Bluebird"}]}"#)),
            (
                "mcp",
                post(
                    JSON,
                    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send","arguments":{"text":"Bluebird"}}}"#,
                ),
            ),
            ("form", post("Content-Type: application/x-www-form-urlencoded\r\n", "a=1&b=Bluebird")),
            ("multipart", post("Content-Type: multipart/form-data; boundary=b\r\n", multipart)),
            ("text", post("", "of Bluebird")),
            ("gzip", post("Content-Encoding: gzip\r\n", gzip(b"of Bluebird"))),
            ("query", get("/in?q=Bluebird&n=1").into_bytes()),
            ("path", get("/notes/Bluebird").into_bytes()),
            ("field", post("X-Note: of Bluebird\r\n", "")),
            ("cookie", post("Cookie: a=1; note=Bluebird\r\n", "")),
        ] {
            blocked(&talk.ask(request));
            let row = last(&daemon);
            assert_eq!(
                (&row["reason"], &row["policy_id"]),
                (&json!("dlp.blocked"), &json!("DLPPolicy/words")),
                "{what}"
            );
            let found = &row["dlp_matches"][0];
            assert_eq!(
                (&found["class"], &found["detector"], &found["action"]),
                (&json!("custom"), &json!("bird"), &json!("Block")),
                "{row}"
            );
            assert!(found["hash"].as_str().is_some_and(|hash| !hash.is_empty()), "{row}");
            assert!(!row.to_string().contains("luebird"), "{what}: the text is on record: {row}");
        }
        let chunked = format!(
            "POST /in HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nof Blueb\r\n3\r\nird\r\n0\r\n\r\n"
        );
        blocked(&talk.ask(chunked));
        assert!(origin.untouched(), "something left");
    }
    for mut talk in talks(&lab, &daemon) {
        assert_eq!(talk.ask(post(JSON, r#"{"of":"Redbird"}"#)).status, 200);
    }
}

#[apply(over_both)]
fn over_http2_the_same_is_refused_and_the_connection_goes_on(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &json!({}));
    let mut talk = http2(&lab, &daemon);
    let ask = |talk: &mut Http2, text: &'static str| {
        let (sender, body) = Feed::by_hand();
        let request =
            http::Request::post(format!("https://{NAME}/in")).header("content-type", "application/json");
        sender.try_send(data(text)).expect("room for a piece");
        drop(sender);
        let head = talk.send(request.body(body).expect("a request")).into_parts().0;
        let reason =
            head.headers.get("x-clawgress-reason").map(|value| value.to_str().expect("a code").to_owned());
        (head.status.as_u16(), reason)
    };
    let refused = ask(&mut talk, r#"{"a":"Bluebird"}"#);
    assert_eq!((refused.0, refused.1.as_deref()), (403, Some("dlp.blocked")));
    assert!(origins[1].untouched());
    assert_eq!(ask(&mut talk, r#"{"a":"Redbird"}"#).0, 200);
}

#[apply(over_both)]
fn what_is_redacted_goes_out_whole_in_its_form_and_the_rest_as_it_came(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &json!({}));
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let fields = format!("{JSON}X-Note: by Whitewater\r\nContent-MD5: x\r\n");
        let body = r#"{"a":"at Whitewater","b":[1,2]}"#;
        let request =
            String::from_utf8(post(&fields, body)).expect("text").replace("/in ", "/in?q=Whitewater&n=1 ");
        assert_eq!(talk.ask(request).status, 200);
        let taken = origin.taken().pop().expect("a request");
        assert!(!taken.head.contains("hitewater") && taken.head.contains("&n=1 "), "{}", taken.head);
        assert!(!taken.head.to_ascii_lowercase().contains("content-md5"), "{}", taken.head);
        let sent: Value = serde_json::from_slice(&taken.body).expect("JSON");
        assert_eq!(sent["b"], json!([1, 2]));
        assert!(
            sent["a"].as_str().is_some_and(|text| text.starts_with("at ") && !text.contains("hitewater")),
            "{sent}"
        );
        assert!(taken.head.contains(&format!("Content-Length: {}\r\n", taken.body.len())), "{}", taken.head);
        assert_eq!(
            talk.ask(post(&format!("{JSON}Content-Encoding: gzip\r\n"), gzip(body.as_bytes()))).status,
            200
        );
        let taken = origin.taken().pop().expect("a request");
        assert!(!taken.head.to_ascii_lowercase().contains("content-encoding"), "{}", taken.head);
        assert!(serde_json::from_slice::<Value>(&taken.body).is_ok(), "{:?}", taken.body);
        let row = last(&daemon);
        assert_eq!(
            (&row["decision"], &row["dlp_matches"][0]["action"]),
            (&json!("allow"), &json!("Redact")),
            "{row}"
        );
        let in_path = talk.ask(get("/notes/Whitewater"));
        in_path.is_refusal(403, "dlp.blocked");
        assert!(in_path.text().contains("another one would ask for something else"), "{}", in_path.text());
    }
}

#[apply(over_both)]
fn what_is_only_told_goes_out_byte_for_byte(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &json!({}));
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        for (text, decision, action) in [("Greystone", "alert", "Alert"), ("Blackthorn", "allow", "HashLog")]
        {
            let body = format!("{{\"a\":\"{text}\"}}");
            assert_eq!(talk.ask(post(JSON, &body)).status, 200);
            assert_eq!(origin.taken().pop().expect("a request").body, body.as_bytes());
            let row = last(&daemon);
            assert_eq!(
                (&row["decision"], &row["dlp_matches"][0]["action"]),
                (&json!(decision), &json!(action)),
                "{row}"
            );
        }
    }
}

/// Alert and hashes alone: nothing is held, and what passes is looked into all the same.
#[apply(over_both)]
fn without_a_class_that_stops_nothing_is_held_and_findings_are_on_record(lab: Lab) {
    let spec =
        "{targetRef: {kind: Team, name: red}, custom: [{name: stone, words: [Greystone], action: Alert}]}";
    let (_resolver, daemon, origins) = start(&lab, &policy("words", spec), &json!({}));
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let body = format!("{}Greystone\n{}", "nothing here\n".repeat(200_000), "nor here\n".repeat(100));
        assert_eq!(talk.ask(post("", &body)).status, 200);
        assert!(origin.taken().pop().expect("a request").body == body.as_bytes());
        let row = last(&daemon);
        assert_eq!(row["dlp_matches"][0]["detector"], "stone", "{row}");
        assert_eq!(
            (&row["decision"], &row["policy_id"]),
            (&json!("alert"), &json!("DLPPolicy/words")),
            "{row}"
        );
    }
}

#[apply(over_both)]
fn where_several_policies_hold_the_strongest_action_counts_and_its_policy_is_named(lab: Lab) {
    let all = [
        policy("a-alert", "{custom: [{name: one, words: [Bluebird], action: Alert}]}"),
        policy(
            "b-block",
            "{targetRef: {kind: EgressHTTPRoute, name: site}, custom: [{name: two, words: [Bluebird], action: Block}]}",
        ),
        policy(
            "c-redact",
            "{targetRef: {kind: Agent, name: alice}, custom: [{name: three, words: [Bluebird], action: Redact}]}",
        ),
    ];
    let (_resolver, daemon, origins) = start(&lab, &all.concat(), &json!({}));
    let mut talk = talks(&lab, &daemon).next().expect("a talk");
    blocked(&talk.ask(post(JSON, r#"{"a":"Bluebird"}"#)));
    let row = last(&daemon);
    assert_eq!(row["policy_id"], "DLPPolicy/b-block", "{row}");
    let actions: Vec<&str> = row["dlp_matches"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|one| one["action"].as_str())
        .collect();
    assert!(["Alert", "Block", "Redact"].iter().all(|action| actions.contains(action)), "{row}");
    assert!(origins[0].untouched());
}

#[apply(over_both)]
fn a_rule_decides_by_what_was_found_whether_a_policy_asks_or_not(lab: Lab) {
    let rule = "apiVersion: clawgress.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: rules}\nspec:\n  targetRef: {kind: EgressGateway, name: default}\n  rules:\n    - {name: none, when: \"dlp.matches.exists(m, m.class == 'custom' && m.detector == 'tree')\", action: Deny, message: No trees.}\n---\n";
    let (_resolver, daemon, origins) = start(&lab, &[&policy("words", WORDS), rule].concat(), &json!({}));
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let refused = talk.ask(post(JSON, r#"{"a":"Blackthorn"}"#));
        refused.is_refusal(403, "policy.denied");
        assert!(refused.text().contains("No trees."), "{}", refused.text());
        assert_eq!(last(&daemon)["policy_id"], "EgressPolicy/rules");
        assert!(origin.untouched());
        assert_eq!(talk.ask(post(JSON, r#"{"a":"Greystone"}"#)).status, 200);
    }
}

#[apply(over_both)]
fn what_is_used_up_is_told_before_what_is_found(lab: Lab) {
    let rate = "apiVersion: clawgress.io/v1alpha1\nkind: RateLimitPolicy\nmetadata: {name: one}\nspec: {targetRef: {kind: Agent, name: alice}, requests: 1, window: 1h, scope: PerAgent}\n---\n";
    let (_resolver, daemon, _origins) = start(&lab, &[&policy("words", WORDS), rate].concat(), &json!({}));
    let mut talk = talks(&lab, &daemon).next().expect("a talk");
    blocked(&talk.ask(post(JSON, r#"{"a":"Bluebird"}"#)));
    talk.ask(post(JSON, r#"{"a":"Bluebird"}"#)).is_refusal(429, "quota.requests");
}

#[apply(over_both)]
fn what_cannot_be_read_is_refused_unless_the_policy_lets_it(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &json!({}));
    let coded = || post("Content-Encoding: lzma\r\n", b"\x01\x02\x03\x04");
    let broken = || post("Content-Encoding: gzip\r\n", b"no gzip at all");
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        for request in [coded(), broken()] {
            let refused = talk.ask(request);
            refused.is_refusal(403, "dlp.unscannable");
            assert!(refused.text().contains("its content coding cannot be undone"), "{}", refused.text());
        }
        assert!(origin.untouched());
    }
    daemon.write_policy(
        "all.yaml",
        &[OPEN, &policy("words", &WORDS.replace("{custom", "{unscannable: Allow, custom"))].concat(),
    );
    daemon.reload();
    let mut talk = talks(&lab, &daemon).next().expect("a talk");
    assert_eq!(talk.ask(coded()).status, 200);
}

/// `536-90-4399` has the shape of a social security number, which is 0.65; with the word beside it it is one, which is 0.95.
#[apply(over_both)]
fn a_finding_counts_from_the_confidence_on_that_a_policy_names_and_each_entry_by_its_own(lab: Lab) {
    let bound = |least: &str| {
        policy(
            "people",
            &format!(
                "{{classes: [{{class: pii, action: Alert}}, {{class: pii, action: Block, minConfidence: {least}}}]}}"
            ),
        )
    };
    let (_resolver, daemon, origins) = start(&lab, &bound("0.95"), &json!({}));
    let (bare, told) = (r#"{"a":"part 536-90-4399 of it"}"#, r#"{"a":"my SSN is 536-90-4399"}"#);
    let found =
        |row: &Value| (row["dlp_matches"][0]["detector"].clone(), row["dlp_matches"][0]["action"].clone());
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        assert_eq!(talk.ask(post(JSON, bare)).status, 200, "below the bound");
        assert_eq!(origin.taken().pop().expect("a request").body, bare.as_bytes());
        let row = last(&daemon);
        assert_eq!(
            (&row["decision"], found(&row)),
            (&json!("alert"), (json!("us-ssn"), json!("Alert"))),
            "{row}"
        );
        talk.ask(post(JSON, told)).is_refusal(403, "dlp.blocked");
        let row = last(&daemon);
        assert_eq!(found(&row), (json!("us-ssn"), json!("Block")), "exactly at the bound: {row}");
        assert_eq!(origin.taken().len(), 1);
    }
    for (least, status, action) in [("0.96", 200, "Alert"), ("0.6", 403, "Block")] {
        daemon.write_policy("all.yaml", &[OPEN, &bound(least)].concat());
        daemon.reload();
        let mut talk = talks(&lab, &daemon).next().expect("a talk");
        let body = if status == 200 { told } else { bare };
        assert_eq!(talk.ask(post(JSON, body)).status, status, "{least}");
        assert_eq!(found(&last(&daemon)), (json!("us-ssn"), json!(action)), "{least}");
    }
}

/// What a route, a malformed target, another name and a connection refuse first is on record, and nobody has looked into it before.
#[apply(over_both)]
fn whatever_refuses_a_request_its_record_does_not_show_what_stands_in_its_path(lab: Lab) {
    let narrow =
        OPEN.replace("rules: [{}]", "rules: [{matches: [{path: {type: PathPrefix, value: /open}}]}]");
    let documents = [narrow, policy("words", WORDS)].concat();
    let (_resolver, daemon, origins) = start(&lab, "", &json!({}));
    daemon.write_policy("all.yaml", &documents);
    daemon.reload();
    let shows_nothing = |what: &str, reason: &str| {
        let row = last(&daemon);
        assert_eq!(row["reason"], reason, "{what}: {row}");
        let text = row.to_string().to_ascii_lowercase();
        assert!(!text.contains("bluebird"), "{what}: {row}");
        let path = row["path"].as_str().expect("a path");
        assert!(path.contains("redacted"), "{what}: {row}");
        let found = &row["dlp_matches"][0];
        assert_eq!(
            (&found["detector"], &found["location"]),
            (&json!("bird"), &json!("path")),
            "{what}: {row}"
        );
    };
    let coded: String = "Bluebird".bytes().map(|byte| format!("%{byte:02x}")).collect();
    for mut talk in talks(&lab, &daemon) {
        talk.ask(get("/notes/Bluebird?q=Bluebird")).is_refusal(403, "policy.no-route");
        shows_nothing("no route", "policy.no-route");
        talk.ask(get(&format!("/notes/{coded}"))).is_refusal(403, "policy.no-route");
        shows_nothing("no route, coded", "policy.no-route");
        talk.ask(get("/open/Bluebird")).is_refusal(403, "dlp.blocked");
        shows_nothing("the policy", "dlp.blocked");
    }
    for mut talk in talks(&lab, &daemon) {
        let other = get("/notes/Bluebird").replace(NAME, "elsewhere.example");
        assert!(talk.ask(other).status >= 400);
        let row = last(&daemon);
        shows_nothing("another name", row["reason"].as_str().expect("a reason"));
    }
    // A connection that may not live: its requests are read for the record alone.
    daemon.write_policy("all.yaml", &documents.replace("site.example, api", "api"));
    daemon.reload();
    for mut talk in talks(&lab, &daemon) {
        assert_eq!(talk.ask(get("/notes/Bluebird")).status, 403);
        shows_nothing("a refused connection", "policy.no-route");
    }
    assert!(origins.iter().all(Origin::untouched));
    let id = last(&daemon)["request_id"].as_str().expect("an id").to_owned();
    let explained = daemon.cli(&["explain", &id]).to_string();
    assert!(!explained.to_ascii_lowercase().contains("bluebird"), "{explained}");
}

#[apply(over_both)]
fn an_sdk_hears_of_it_in_its_own_shape(lab: Lab) {
    let (_resolver, daemon, origins) = start(&lab, &policy("words", WORDS), &json!({}));
    let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"about Bluebird, and Bluebird"}]}"#;
    let request = String::from_utf8(post(JSON, body)).expect("text");
    let request = request.replace("/in ", "/v1/chat/completions ").replace(NAME, "api.openai.com");
    let mut talk: Talk = super::dialogue::over_tls(lab.workload(), TLS, "api.openai.com", daemon.authority());
    let refused = talk.ask(request);
    refused.is_refusal(403, "dlp.blocked");
    let told: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!((&told["error"]["code"], &told["error"]["message"]), (&json!("dlp.blocked"), &told["detail"]));
    assert!(
        told["detail"].as_str().is_some_and(|text| text.contains("2 things that a policy names")),
        "{told}"
    );
    assert!(origins[1].untouched());
}

#[apply(over_both)]
fn a_customer_list_is_told_by_its_kinds_however_it_is_written(lab: Lab) {
    let spec = "{classes: [{class: pii, action: Block}, {class: keys, action: Block}]}";
    let (_resolver, daemon, origins) = start(&lab, &policy("customers", spec), &json!({}));
    let list = r#"[{"card":"4539718203645188"},{"card":"5203847162903577"},{"card":"371928450617397"},
        {"iban":"DE62370400440713928450"},{"iban":"NL38ABNA0471928350"}]"#;
    // Every byte as two digits.
    let hex: String = list.bytes().map(|byte| format!("{byte:02x}")).collect();
    let escaped: String = list.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        let plain = talk.ask(post(JSON, list));
        plain.is_refusal(403, "dlp.blocked");
        assert!(plain.text().contains("3 payment cards, 2 IBAN"), "{}", plain.text());
        for hidden in [&escaped, &hex] {
            talk.ask(post(JSON, format!(r#"{{"list":"{hidden}"}}"#))).is_refusal(403, "dlp.blocked");
        }
        assert!(origin.untouched());
        assert_eq!(talk.ask(post(JSON, r#"[{"order":"A-2004101"},{"count":12}]"#)).status, 200);
    }
}

#[apply(over_both)]
fn a_value_of_the_vault_is_found_wherever_it_surfaces(lab: Lab) {
    let spec = "{classes: [{class: keys, action: Block}]}";
    let (_resolver, daemon, origins) = start(&lab, &policy("keys", spec), &json!({}));
    let mut talk = talks(&lab, &daemon).next().expect("a talk");
    assert_eq!(talk.ask(post(JSON, r#"{"say":"plain words of nobody"}"#)).status, 200);
    daemon.program(&["secret", "set", "motto"]).input("plain words of nobody").run().succeeded();
    let refused = talk.ask(post(JSON, r#"{"say":"plain words of nobody"}"#));
    refused.is_refusal(403, "dlp.blocked");
    assert!(refused.text().contains("1 secret of the vault"), "{}", refused.text());
    let row = last(&daemon);
    assert_eq!(row["dlp_matches"][0]["detector"], "vault:motto/value", "{row}");
    assert_eq!(origins[0].taken().len(), 1);
}
