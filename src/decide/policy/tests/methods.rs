//! Requests that ask servers to take them by another method than their line says.

use super::*;
use crate::model::types::Decision;

/// `a.example` for POST alone, all of `b.example`.
fn routes() -> String {
    http_route("post", "a.example", "{method: POST}") + &http_route("all", "b.example", "")
}

/// What a POST with this field comes to.
fn posted(set: &Set, url: &str, field: (&str, &str)) -> Result<String, &'static str> {
    told(set.request(alice(&["a.example", "b.example"]), "POST", url, &[field]))
}

#[test]
fn a_route_for_one_method_carries_no_other_in_a_field_or_parameter() {
    let set = Set::with(&routes());
    for field in ["x-http-method-override", "x-http-method", "x-method-override", "x_http_method_override"] {
        for method in ["DELETE", "delete", "GET, DELETE", "MERGE"] {
            let denial = set.request(alice(&["a.example"]), "POST", "a.example/x", &[(field, method)]);
            let denial = denial.unwrap_err();
            assert_eq!(denial.reason.code(), "policy.no-route", "{field}: {method}");
            let seen = denial.evidence.unwrap();
            assert!(seen.starts_with("the request line says POST"), "{seen}");
        }
        assert_eq!(posted(&set, "a.example/x", (field, "post")), Ok("EgressHTTPRoute/post".into()));
        assert_eq!(posted(&set, "b.example/x", (field, "DELETE")), Ok("EgressHTTPRoute/all".into()));
        assert_eq!(posted(&set, "b.example/x", (field, "DE LETE")), Err("protocol.malformed"));
        assert_eq!(posted(&set, "b.example/x", (field, "a,b,c,d,e")), Err("protocol.malformed"));
    }
    for query in ["_method=DELETE", "x=1&%5Fmethod=delete"] {
        let url = format!("a.example/x?{query}");
        assert_eq!(posted(&set, &url, ("x", "1")), Err("policy.no-route"), "{query}");
    }
    assert_eq!(posted(&set, "a.example/x?_method=flickr", ("x", "1")), Ok("EgressHTTPRoute/post".into()));
}

#[test]
fn a_denied_method_is_met_in_a_field_and_an_allow_rule_opens_no_other_method() {
    let closed = routes()
        + &http_route("erase", "b.example", "{method: DELETE}")
        + &deny("no-erasing", "EgressHTTPRoute", "erase", "");
    let set = Set::with(&closed);
    let field = ("x-http-method-override", "DELETE");
    assert_eq!(posted(&set, "b.example/x", field), Err("policy.denied"));
    assert_eq!(
        posted(&set, "b.example/x", ("x-http-method-override", "PUT")),
        Ok("EgressHTTPRoute/all".into())
    );
    let rule = "kind: EgressPolicy\nmetadata: {name: p}\nspec:\n  targetRef: {kind: EgressGateway, name: default}\n  rules:\n    \
                - {name: put, when: 'request.method == \"PUT\"', action: Allow}\n    \
                - {name: erase, when: 'request.method == \"DELETE\"', action: Deny}\n---\n";
    let set = Set::with(&(routes() + rule));
    let put =
        |fields: &[(&str, &str)]| told(set.request(alice(&["a.example"]), "PUT", "a.example/x", fields));
    assert_eq!(put(&[]), Ok("EgressPolicy/p".into()));
    assert_eq!(put(&[("x-http-method", "PATCH")]), Err("policy.no-route"));
    assert_eq!(posted(&set, "b.example/x", field), Err("policy.denied"));
}

#[test]
fn what_binds_a_request_by_either_method_binds_it() {
    let rules = "kind: EgressPolicy\nmetadata: {name: p}\nspec:\n  targetRef: {kind: EgressGateway, name: default}\n  rules:\n    \
                 - {name: slow, when: 'request.method == \"DELETE\"', action: Throttle, requestsPerSecond: 1}\n    \
                 - {name: tag, action: Transform, setHeaders: {x-a: b}}\n    \
                 - {name: told, when: 'request.method == \"POST\"', action: Alert}\n---\n";
    let set = Set::with(&(routes() + rules));
    let ask = alice(&["b.example"]);
    let passage = set.connect(ask, &tls_to("b.example")).unwrap();
    let agreed = AgreedName::new(host("b.example"), 443, Scheme::Https);
    let head = http::Request::post("/x").header("host", "b.example").header("x-http-method", "DELETE");
    let head = head.body(()).unwrap().into_parts().0;
    let request = Request::read(&agreed, &head).unwrap();
    let known = set.directory.by_name("alice").unwrap();
    let permit = set.policy.request(&known, &passage, &request, Circumstances::default()).unwrap();
    let clearance = permit.settle(&Content::default()).unwrap();
    let bound = clearance.obligations().unwrap();
    assert_eq!((bound.throttles().len(), bound.transforms().len()), (1, 1));
    assert_eq!((bound.decision(), bound.by().rule.as_deref()), (Decision::Throttle, Some("slow")));
    for rule in ["slow throttles it", "tag transforms it", "told raises an alert"] {
        assert!(bound.evidence().contains(rule), "{}", bound.evidence());
    }
}
