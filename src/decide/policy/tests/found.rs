//! Rules are found by the hosts that their conditions name as a walk over all of them would find them.

use super::rules::{TEAMS, ask, policy_for, routes};
use super::*;
use crate::model::types::Decision;

const CONDITIONS: [&str; 9] = [
    r#"destination.host == "a.example""#,
    r#""a.example" == destination.host && destination.port == 443"#,
    r#"destination.host in ["a.example", "b.example"]"#,
    r#"destination.host == "a.example" || destination.host == "c.example""#,
    r#"destination.host == "a.example" || agent.team == "red""#,
    r#"agent.team == "red" && (destination.host == "b.example" || destination.host == "a.example")"#,
    r#"destination.host != "a.example""#,
    r#"request.method == "POST" && destination.host == "b.example""#,
    r#"destination.host == "a.example" && destination.host == "b.example""#,
];

fn set(target: &str, action: &str, when: &str) -> Set {
    let decides = format!("{{name: decides, when: '{when}', {action}}}");
    let beside = format!("{{name: beside, when: 'destination.host == \"b.example\"', {action}}}");
    Set::of(&[TEAMS, &(routes() + &policy_for(target, "p", "", &[&decides, &beside]))])
}

/// What becomes of connections and requests, by host.
fn outcomes(set: &Set) -> Vec<String> {
    let mut told = Vec::new();
    for name in ["a.example", "b.example", "c.example"] {
        let given = [name];
        let opened = set.connect(ask("alice", &given), &tls_to(name));
        told.push(format!(
            "{:?}",
            opened.map(|passage| (passage.route().clone(), passage.speaks().0)).map_err(|no| no.denial)
        ));
        for method in ["GET", "POST"] {
            told.push(format!("{:?}", set.asks(ask("alice", &given), method, &format!("https://{name}/x"))));
        }
    }
    let nameless = set.connect(ask("alice", &[]), &Hello::Opaque);
    told.push(format!("{:?}", nameless.map(|passage| passage.speaks().0).map_err(|no| no.denial)));
    told
}

#[test]
fn a_rule_is_found_by_the_hosts_it_names_and_decides_as_if_all_were_asked() {
    let targets = [
        "EgressGateway, name: default",
        "EgressL4Route, name: open",
        "EgressHTTPRoute, name: read",
        "Team, name: red",
    ];
    for target in targets {
        for action in ["action: Deny", "action: Alert", "action: LogOnly", "action: Quarantine, for: 1h"] {
            for when in CONDITIONS {
                // Twice denied it is the same condition, and names its hosts where nobody looks for them.
                let found = outcomes(&set(target, action, when));
                let asked = outcomes(&set(target, action, &format!("!(!({when}))")));
                assert_eq!(found, asked, "{target}: {action} when {when}");
            }
        }
    }
}

#[test]
fn the_record_of_a_connection_names_no_rule_that_only_changes_or_counts_requests() {
    let speaks = |rules: &[&str]| {
        let set =
            Set::of(&[TEAMS, &(routes() + &policy_for("EgressGateway, name: default", "p", "", rules))]);
        let passage = set.connect(ask("alice", &["a.example"]), &tls_to("a.example")).unwrap();
        (passage.speaks().0, passage.obligations().is_some())
    };
    let changes = "{name: tag, action: Transform, setHeaders: {x-a: b}}";
    let counts = "{name: few, action: Throttle, requestsPerSecond: 1}";
    assert_eq!(speaks(&[changes, counts]), (Decision::Allow, false));
    let slows = "{name: slow, action: Throttle, bytesPerSecond: 4096}";
    assert_eq!(speaks(&[changes, slows]), (Decision::Throttle, true));
}
