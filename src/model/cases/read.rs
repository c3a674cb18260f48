//! `kind: PolicyTest` to values.

use std::sync::Arc;

use http::HeaderName;

use super::{Case, Expected, PolicyTest};
use crate::model::condition::{AiCall, Content, McpCall, Sought};
use crate::model::manifest::documents;
use crate::model::manifest::fields::{Fields, Item};
use crate::model::manifest::policy_test::{self, AI, CASE, EXPECTS, MCP, TOKENS};
use crate::model::manifest::report::{Report, did_you_mean, quoted};
use crate::model::manifest::source::SourceFile;
use crate::model::types::{Decision, InferenceAction, Reason, Timestamp};

/// Reads files of policy tests.
///
/// # Errors
/// A report of every mistake in every file, ordered by place.
pub fn read(files: &[SourceFile]) -> Result<Vec<PolicyTest>, Report> {
    let mut tests = Vec::new();
    documents::each(files, |item, file| tests.extend(document(item, file)))?;
    Ok(tests)
}

fn document(item: &Item<'_>, file: &Arc<str>) -> Option<PolicyTest> {
    let (name, spec) = policy_test::head(item)?;
    let policies = spec.list("policies").iter().filter_map(neighbour).collect();
    let cases = spec.required_list("cases").iter().filter_map(case).collect();
    Some(PolicyTest { file: file.clone(), name: name?, policies, cases })
}

/// A file of the same folder.
fn neighbour(item: &Item<'_>) -> Option<Arc<str>> {
    let text = item.text()?;
    if text.contains('/') {
        item.mistake_hint(
            format!("{} is not beside this file", quoted(text)),
            "name a file of the same folder",
        );
        return None;
    }
    Some(text.into())
}

fn case(item: &Item<'_>) -> Option<Case> {
    let fields = item.object(&CASE)?;
    let text = |name: &str| fields.required(name).and_then(|item| item.text()).map(Arc::<str>::from);
    let (name, agent) = (text("name"), text("agent"));
    let asked = fields.required("ask").and_then(|item| ask(&item));
    let headers = fields.get("headers").map(|item| headers(&item)).unwrap_or_default();
    let content = content(&fields);
    let at = fields.get("at").map(|item| moment(&item));
    let expected = expected(&fields);
    let (method, target) = asked?;
    Some(Case {
        name: name?,
        line: item.scope.place(item.key_span()).line,
        agent: agent?,
        method,
        target,
        headers,
        content: content?,
        at: match at {
            Some(moment) => Some(moment?),
            None => None,
        },
        expected: expected?,
    })
}

/// `GET https://host/path`, or a target alone.
fn ask(item: &Item<'_>) -> Option<(Option<String>, String)> {
    let words: Vec<&str> = item.text()?.split_whitespace().collect();
    match words[..] {
        [target] => Some((None, target.to_owned())),
        [method, target] if target.contains("://") => Some((Some(method.to_owned()), target.to_owned())),
        _ => {
            let hint = "write `GET https://host/path`, `host:port`, `udp://host:port` or `dns://name`";
            item.mistake_hint(format!("{} is nothing that can be asked", quoted(item.written())), hint);
            None
        }
    }
}

fn headers(item: &Item<'_>) -> Vec<(String, String)> {
    let entries = item.entries().unwrap_or_default();
    let read = entries.iter().filter_map(|entry| {
        if HeaderName::from_bytes(entry.name.as_bytes()).is_err() {
            let message = format!("{} is not a header name", quoted(entry.name));
            entry.scope.mistake(entry.key_span(), message, None);
            return None;
        }
        Some((entry.name.to_owned(), entry.text()?.to_owned()))
    });
    read.collect()
}

/// What the request of a case carries: nothing is said of it, or what stands there and no more. Nothing where that is wrong.
fn content(fields: &Fields<'_>) -> Option<Option<Content>> {
    let (ai, mcp) = (fields.get("ai").map(|item| ai(&item)), fields.get("mcp").map(|item| mcp(&item)));
    if ai.is_none() && mcp.is_none() {
        return Some(None);
    }
    Some(Some(Content {
        ai: ai.map_or(Some(Sought::Absent), |call| call.map(Sought::Found))?,
        mcp: mcp.map_or(Some(Sought::Absent), |message| message.map(Sought::Found))?,
        ..Content::default()
    }))
}

fn ai(item: &Item<'_>) -> Option<AiCall> {
    let fields = item.object(&AI)?;
    let model = fields.required("model").and_then(|item| item.text())?;
    let tokens = |name: &str| fields.get(name).map(|item| amount(&item));
    let (most, estimated) = (tokens("maxOutputTokens"), tokens("estimatedTokens"));
    Some(AiCall {
        model: Some(model.into()),
        action: Some(InferenceAction::Chat),
        stream: fields.get("stream").map_or(Some(false), |item| item.boolean())?,
        max_output_tokens: most.map_or(Some(None), |most| most.map(Some))?,
        estimated_tokens: estimated.unwrap_or(Some(0))?,
        ..AiCall::default()
    })
}

fn mcp(item: &Item<'_>) -> Option<McpCall> {
    let fields = item.object(&MCP)?;
    let method = fields.required("method").and_then(|item| item.text())?;
    let tool = fields.get("tool").map_or(Some(None), |item| item.text().map(|tool| Some(tool.into())))?;
    Some(McpCall { server: None, method: Some(method.into()), tool })
}

fn amount(item: &Item<'_>) -> Option<u64> {
    item.whole(TOKENS).and_then(|amount| u64::try_from(amount).ok())
}

fn moment(item: &Item<'_>) -> Option<Timestamp> {
    let text = item.text()?;
    let moment = Timestamp::parse(text);
    if moment.is_none() {
        item.mistake_hint(format!("{} is no moment", quoted(text)), "write it as `2026-01-31T22:00:00Z`");
    }
    moment
}

fn expected(fields: &Fields<'_>) -> Option<Expected> {
    let decision = fields.required("expect")?.choice(&EXPECTS)?;
    let reason = match (decision, fields.get("reason")) {
        (Decision::Deny, Some(item)) => Some(reason(&item)?),
        (Decision::Deny, None) => {
            fields.owner().lacks("reason");
            return None;
        }
        // It says its reason itself.
        (Decision::Quarantine, None) => Some(Reason::IdentityQuarantined),
        (Decision::Quarantine, Some(item)) => Some(reason(&item)?),
        (_, None) => None,
        (_, Some(item)) => {
            let hint = "remove it, or write `expect: deny`".into();
            item.scope.mistake(item.key_span(), "what is let through has no `reason`", Some(hint));
            None
        }
    };
    let text = |name: &str| match fields.get(name) {
        Some(item) => item.text().map(|text| Some(Arc::from(text))),
        None => Some(None),
    };
    Some(Expected { decision, reason, policy: text("policy")?, rule: text("rule")? })
}

fn reason(item: &Item<'_>) -> Option<Reason> {
    let code = item.text()?;
    let reason = Reason::parse(code);
    if reason.is_none() {
        let codes = || Reason::ALL.iter().map(|reason| reason.code());
        let hint =
            did_you_mean(code, codes()).unwrap_or_else(|| "docs/denials.md lists the codes".to_owned());
        item.mistake_hint(format!("unknown reason {}", quoted(code)), hint);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(spec: &str) -> Result<Vec<PolicyTest>, String> {
        let text = format!(
            "apiVersion: clawgress.io/v1alpha1\nkind: PolicyTest\nmetadata: {{name: git}}\nspec:\n{spec}"
        );
        let file = SourceFile::new("policies/git.test.yaml", text.into_bytes());
        read(&[file]).map_err(|report| report.render(false))
    }

    #[test]
    fn a_case_says_who_asks_what_and_what_must_come_of_it() {
        let tests = of("  policies: [gateway.yaml, git.yaml]
  cases:
    - name: alice may fetch
      agent: alice
      ask: POST https://github.com/a/b
      headers: {Content-Type: application/x-git-upload-pack-request}
      at: 2026-01-31T22:00:00Z
      expect: allow
      policy: EgressHTTPRoute/git-fetch
      rule: rules[1]
    - {name: nobody may push, agent: alice, ask: 'github.com:22', expect: deny, reason: policy.no-route}
");
        let tests = tests.unwrap();
        let [test] = &tests[..] else { panic!("{tests:?}") };
        assert_eq!((&*test.file, &*test.name, test.policies.len()), ("policies/git.test.yaml", "git", 2));
        let [fetch, push] = &test.cases[..] else { panic!("{tests:?}") };
        assert_eq!(
            (fetch.line, fetch.method.as_deref(), &*fetch.target),
            (7, Some("POST"), "https://github.com/a/b")
        );
        assert_eq!(fetch.at, Timestamp::parse("2026-01-31T22:00:00Z"));
        assert_eq!(fetch.expected.rule.as_deref(), Some("rules[1]"));
        assert_eq!(
            (push.expected.decision, push.expected.reason),
            (Decision::Deny, Some(Reason::PolicyNoRoute))
        );
    }

    #[test]
    fn a_case_says_what_its_request_carries_and_what_it_does_not_say_is_not_there() {
        let read = |carries: &str| {
            let case =
                format!("{{name: a, agent: alice, ask: 'POST https://a.example/', {carries}expect: allow}}");
            of(&format!("  cases:\n    - {case}\n")).map(|tests| tests[0].cases[0].content.clone())
        };
        assert_eq!(read(""), Ok(None));
        let content = read("ai: {model: o3, stream: true, maxOutputTokens: 5}, ").unwrap().unwrap();
        let call = content.ai.found().unwrap();
        assert_eq!((call.model.as_deref(), call.stream, call.max_output_tokens), (Some("o3"), true, Some(5)));
        assert_eq!((call.estimated_tokens, &content.mcp), (0, &Sought::Absent));
        let content = read("mcp: {method: tools/call, tool: search}, ").unwrap().unwrap();
        assert_eq!(
            (content.tools_called().collect::<Vec<_>>(), &content.ai),
            (vec!["search"], &Sought::Absent)
        );
        for wrong in ["ai: {stream: true}, ", "ai: {model: o3, maxOutputTokens: -1}, ", "mcp: {tool: x}, "] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_document_of_another_kind_is_one_mistake() {
        let text = "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec: {team: red}\n";
        let report = read(&[SourceFile::new("a.yaml", text.as_bytes().to_vec())]).unwrap_err().render(false);
        assert_eq!(report.matches("error: ").count(), 1, "{report}");
        assert!(report.contains("it can be `PolicyTest`"), "{report}");
    }

    #[test]
    fn every_decision_can_be_expected() {
        assert_eq!(EXPECTS, Decision::ALL.map(|one| (one.as_str(), one)));
    }

    #[test]
    fn a_case_expects_any_word_of_records_and_allow_and_deny_stand_for_their_kind() {
        for word in Decision::ALL {
            let reason = if word == Decision::Deny { ", reason: policy.denied" } else { "" };
            let case = format!(
                "  cases:\n    - {{name: a, agent: alice, ask: 'a.example:22', expect: {}{reason}}}\n",
                word.as_str()
            );
            let tests = of(&case).unwrap_or_else(|told| panic!("{told}"));
            let expected = &tests[0].cases[0].expected;
            assert_eq!(expected.decision, word);
            for came in Decision::ALL {
                let met = match word {
                    Decision::Allow | Decision::Deny => came.refuses() == word.refuses(),
                    _ => came == word,
                };
                assert_eq!(expected.is_met_by(came), met, "expected {word:?}, came {came:?}");
            }
        }
    }

    #[test]
    fn every_mistake_in_a_case_is_told_at_its_place_with_what_mends_it() {
        let told = of("  policies: [../gateway.yaml]
  cases:
    - {name: a, agent: alice, ask: GET the page, expect: allow, reason: policy.denied}
    - {name: b, agent: alice, ask: 'a.example:22', expect: deny}
    - {name: c, agent: alice, ask: 'a.example:22', expect: deny, reason: policy.no-rout}
    - {name: d, agent: alice, ask: 'a.example:22', at: noon, expect: perhaps, colour: blue, headers: {x y: z}}
")
        .unwrap_err();
        for part in [
            "`../gateway.yaml` is not beside this file",
            "`GET the page` is nothing that can be asked",
            "what is let through has no `reason`",
            "an entry of `cases` lacks the field `reason`",
            "unknown reason `policy.no-rout`",
            "did you mean `policy.no-route`?",
            "`noon` is no moment",
            "unknown `expect` `perhaps`",
            "unknown field `colour`",
            "`x y` is not a header name",
        ] {
            assert!(told.contains(part), "{part}:\n{told}");
        }
    }
}
