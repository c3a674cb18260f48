//! Decisions: the order of files changes none, a denial that is added allows nothing more, and no spelling of what is
//! denied is allowed.

use std::net::SocketAddr;

use clawgress::decide::policy::{Circumstances, Flow, Passage, PolicySet};
use clawgress::model::condition::Content;
use clawgress::model::manifest::{SourceFile, load};
use clawgress::model::types::{AgreedName, Denial, HostName, OriginalDestination, Scheme};
use clawgress::perceive::hello::{ClientHello, Hello};
use clawgress::perceive::identity::{Directory, Known};
use clawgress::perceive::request::Request;
use proptest::prelude::*;

use super::documents::{document, route, set};
use super::holds;

/// What a question comes to: the document that allows, or the code and the document that denies.
type Answer = Result<String, String>;

/// Every question of a fixed list: connections, each with its requests where it may live.
fn answers(documents: &[String]) -> Vec<Answer> {
    let numbered = documents.iter().enumerate();
    let files: Vec<SourceFile> =
        numbered.map(|(number, text)| SourceFile::new(format!("{number}.yaml"), text.as_bytes())).collect();
    let resources = load(&files).unwrap_or_else(|report| panic!("{report}"));
    let (policy, directory) =
        (PolicySet::compile(&resources, Default::default()), Directory::build(&resources));
    let agent = resources.agents.keys().next().expect("an agent").to_string();
    let known = directory.by_name(&agent).expect("an agent");
    let mut told = Vec::new();
    for host in ["a.example", "b.example", "c.example"] {
        let name = HostName::parse(host).expect("a name");
        let hello = ClientHello { server_name: Some(name.clone()), alpn: Default::default(), ech: false };
        for hello in [Hello::Tls(hello), Hello::Silent] {
            for address in [[192, 0, 2, 1], [192, 0, 2, 200], [10, 0, 0, 1]] {
                for given in [&[][..], std::slice::from_ref(&name)] {
                    let destination = OriginalDestination(SocketAddr::from((address, 443)));
                    match policy.connection(
                        &known,
                        Flow { destination, hello: &hello, given, stale: &[], once: &[] },
                        Circumstances::default(),
                    ) {
                        Err(refusal) => told.push(denied(&refusal.denial)),
                        Ok(passage) => {
                            told.push(Ok(format!("{:?} {}", passage.mode(), passage.route().policy.0)));
                            told.extend(requests(&policy, &known, &passage, &name));
                        }
                    }
                }
            }
        }
    }
    told
}

/// Requests of every connection.
const REQUESTS: [(&str, &str); 4] = [("GET", "/a/b"), ("POST", "/a"), ("GET", "/b?q=a"), ("PUT", "/c")];

fn requests(policy: &PolicySet, known: &Known, passage: &Passage, name: &HostName) -> Vec<Answer> {
    let answer = |(method, path): (&str, &str)| {
        let builder = http::Request::builder().method(method).uri(path).header("host", name.as_str());
        let head = builder.header("x-a", "a").body(()).expect("a request").into_parts().0;
        let agreed = AgreedName::new(name.clone(), 443, Scheme::Https);
        let request = Request::read(&agreed, &head).expect("a request");
        let permit = policy.request(known, passage, &request, Circumstances::default());
        let clearance = permit.and_then(|permit| permit.settle(&Content::default()));
        clearance
            .map_or_else(|denial| denied(&denial), |clearance| Ok(clearance.route().policy.0.to_string()))
    };
    REQUESTS.map(answer).into()
}

fn denied(denial: &Denial) -> Answer {
    Err(format!("{} {:?}", denial.reason.code(), denial.policy))
}

/// Whether each connection and each request goes. A refused connection stands for its requests too, so that the lists of
/// two sets are of one length.
fn allowed(documents: &[String]) -> Vec<bool> {
    let mut list = Vec::new();
    let mut answers = answers(documents).into_iter();
    while let Some(connection) = answers.next() {
        list.push(connection.is_ok());
        for _ in REQUESTS {
            list.push(connection.is_ok() && answers.next().is_some_and(|request| request.is_ok()));
        }
    }
    list
}

proptest! {
    #[test]
    fn the_order_of_files_changes_no_decision(
        (documents, shuffled) in set().prop_flat_map(|documents| (Just(documents.clone()), Just(documents).prop_shuffle())),
    ) {
        prop_assert_eq!(answers(&documents), answers(&shuffled));
    }

    #[test]
    fn a_denial_that_is_added_allows_nothing_more(documents in set(), more in route()) {
        let before = allowed(&documents);
        let mut documents = documents;
        let denying = more.documents(99).remove(0);
        let kind = if denying.contains("EgressL4Route") { "EgressL4Route" } else { "EgressHTTPRoute" };
        documents.push(denying);
        documents.push(document("EgressDenyPolicy", "deny-99", &format!("{{targetRef: {{kind: {kind}, name: route-99}}}}")));
        for (before, after) in before.into_iter().zip(allowed(&documents)) {
            prop_assert!(before || !after, "{}", documents.join("---\n"));
        }
    }

    #[test]
    fn no_spelling_of_what_is_denied_is_allowed(
        path in "(/{1,2}(\\.|\\.\\.|%2[eE]|%2f|%5C|;[a-z]{0,1}|%3b){0,2}(admin|%61dmin|a|adm%69n|x){0,1}){1,4}(\\?(te%61m|team|x)=(red|blue|r%65d)(&team=(red|blue)){0,1}){0,1}",
        fields in "(\n(x-team|X-Team|connection): (red|blue|x-team)){0,3}",
    ) {
        holds("policy", format!("{path}{fields}").as_bytes());
    }
}
