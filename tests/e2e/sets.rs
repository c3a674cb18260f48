//! Sets of documents over time: the last good one at a start, the one that decided in an explanation, and what another
//! would change.

use serde_json::json;

use super::world::{ROUTES, World};

/// A set that does not load.
const BROKEN: &str =
    "apiVersion: clawgress.io/v1alpha1\nkind: EgressHTTPRoute\nmetadata: {name: x}\nspec: {hostnames: 1}\n";

#[test]
fn a_start_that_finds_no_valid_set_enforces_the_last_good_one_and_says_so() {
    let world = World::new();
    let mut daemon = world.gateway(ROUTES);
    assert_eq!(world.ask(&daemon, &["https://site.example/small"]).status, 200);
    let digest = daemon.status()["policy"]["digest"].clone();

    daemon.terminate();
    daemon.write_policy("routes.yaml", BROKEN);
    daemon.start_again();
    let policy = daemon.status()["policy"].clone();
    assert_eq!(policy["digest"], digest, "{policy}");
    assert!(policy["on_disk"]["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{policy}");
    let on_disk = policy["digest_on_disk"].as_str().expect("a digest of what does not load");
    assert!(on_disk.starts_with("sha256:") && policy["digest"] != on_disk, "{policy}");
    assert_eq!(daemon.status()["policy"]["digest_on_disk"], on_disk, "the same files, the same digest");
    let told = daemon.cli(&["status"]).succeeded();
    let (short, mine) = (|digest: &str| digest[..15].to_owned(), digest.as_str().expect("a digest"));
    for part in [
        format!("enforced {}... (since ", short(mine)),
        format!("on disk: {}..., does not load: ", short(on_disk)),
    ] {
        assert!(told.contains(&part), "{part}:\n{told}");
    }
    assert_eq!(world.ask(&daemon, &["https://site.example/small"]).status, 200);
    assert_eq!(world.ask(&daemon, &["https://paste.example/"]).reason(), "policy.no-route");
    daemon.record(&json!({"kind": "system", "action": "policy-refused", "object": digest}));
    let told = daemon.cli(&["status"]).succeeded();
    assert!(told.contains("policies.d does not load"), "{told}");

    daemon.write_policy("routes.yaml", ROUTES);
    daemon.reload();
    let policy = daemon.status()["policy"].clone();
    assert_eq!((&policy["on_disk"], &policy["digest_on_disk"]), (&json!("same"), &digest));
}

#[test]
fn a_document_that_moves_to_another_file_is_found_there() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let before = daemon.status()["policy"].clone();
    daemon.write_policy("moved.yaml", &format!("# All of it.\n{ROUTES}"));
    daemon.write_policy("routes.yaml", "# Nothing is left here.\n");
    daemon.reload();
    let after = daemon.status()["policy"].clone();
    assert_eq!((&after["digest"], &after["since"]), (&before["digest"], &before["since"]), "{after}");
    let told = daemon.cli(&["get", "EgressHTTPRoute"]).succeeded();
    assert!(told.contains("moved.yaml:") && !told.contains("routes.yaml"), "{told}");
    let told = daemon.cli(&["explain", "--agent", "alice", "https://site.example/small"]).succeeded();
    assert!(told.contains("moved.yaml:"), "{told}");
}

#[test]
fn what_was_let_through_and_would_not_be_today_is_not_refused_too() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    assert_eq!(world.ask(&daemon, &["https://site.example/small"]).status, 200);
    let row = daemon.record(&json!({"kind": "request", "path": "/small", "decision": "allow"}));
    daemon.write_policy("routes.yaml", &ROUTES.replace("{method: GET}", "{method: HEAD}"));
    daemon.reload();
    let told = daemon.cli(&["explain", row["request_id"].as_str().expect("an id")]).succeeded();
    let says = "the documents have changed since; the set in force would refuse it (policy.no-route)";
    assert!(told.contains(says), "{told}");
}

#[test]
fn a_recorded_denial_is_explained_by_the_set_that_was_in_force_then() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let heard = world.ask(&daemon, &["-X", "DELETE", "https://site.example/small"]);
    assert_eq!((heard.status, heard.reason()), (403, "policy.no-route"));
    let id = heard.json()["request_id"].as_str().unwrap().to_owned();
    daemon.record(&json!({"request_id": id}));

    daemon.write_policy("routes.yaml", &ROUTES.replace("{method: GET}", "{method: GET}, {method: DELETE}"));
    daemon.reload();
    let told = daemon.cli(&["explain", &id[..13]]);
    assert_eq!(told.code(), 1, "{told}");
    for part in [
        "alice asked DELETE https://site.example/small at ",
        "and was refused (policy.no-route, EgressGateway/default defaultPolicy).",
        "nearest: EgressHTTPRoute/site-read allows",
        "the documents have changed since; the set in force would let it through",
    ] {
        assert!(told.text().contains(part), "{part}:\n{told}");
    }
    let told = daemon.cli(&["-o", "json", "explain", &id]).json();
    assert_eq!((&told["recorded"]["in_force"], &told["recorded"]["request_id"]), (&json!(false), &json!(id)));
    assert_eq!(told["reason"], "policy.no-route");
}

#[test]
fn a_recorded_disagreement_of_names_is_explained_by_what_was_seen() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let heard = world.ask(&daemon, &["-H", "Host: paste.example", "https://site.example/small"]);
    assert_eq!((heard.status, heard.reason()), (421, "name.mismatch"));
    let id = heard.json()["request_id"].as_str().unwrap().to_owned();
    daemon.record(&json!({"request_id": id}));
    let told = daemon.cli(&["explain", &id]);
    assert_eq!(told.code(), 1, "{told}");
    for part in ["and was refused (name.mismatch, built in).", "paste.example", "as recorded"] {
        assert!(told.text().contains(part), "{part}:\n{told}");
    }
}

#[test]
fn what_is_on_record_and_no_decision_is_not_explained() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    daemon.reload();
    let id = daemon.record(&json!({"kind": "admin", "action": "reload"}))["request_id"].clone();
    let told = daemon.cli(&["explain", id.as_str().unwrap()]);
    assert_ne!(told.code(), 0, "{told}");
    assert!(told.errors().contains("nothing was decided there"), "{told}");
    let told = daemon.cli(&["explain", "0199c0de-7a31"]);
    assert!(told.errors().contains("nothing on record has the id `0199c0de-7a31`"), "{told}");
}

#[test]
fn a_difference_is_told_in_words_before_anything_is_in_force() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let folder = daemon.config().parent().unwrap().join("candidate");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("base.yaml"), super::world::BASE).unwrap();
    let candidate = ROUTES.replace("{method: GET}", "{method: HEAD}");
    std::fs::write(folder.join("routes.yaml"), &candidate).unwrap();
    let told = daemon.cli(&["diff", "-f", folder.to_str().unwrap()]).succeeded();
    for part in [
        "~ EgressHTTPRoute/site-read",
        "- every agent may GET site.example/*, through gateway default",
        "+ every agent may HEAD site.example/*, through gateway default",
        "0 added, 1 changed, 0 removed; in force ",
    ] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    std::fs::write(folder.join("routes.yaml"), ROUTES).unwrap();
    let told = daemon.cli(&["diff", "-f", folder.to_str().unwrap()]).succeeded();
    assert!(told.starts_with("nothing would change"), "{told}");
    std::fs::write(folder.join("routes.yaml"), BROKEN).unwrap();
    let told = daemon.cli(&["diff", "-f", folder.to_str().unwrap()]).failed_with(1);
    assert!(told.contains("error: "), "{told}");
}
