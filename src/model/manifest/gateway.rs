//! `kind: EgressGateway`: what is intercepted, and what happens to traffic that no route names.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fields::{Fields, Item};
use super::header::Header;
use super::report::quoted;
use super::resources::{DefaultPolicy, Ech, Gateway, Listener, ListenerProtocol};
use super::schema::{Field, Object, Shape, words};
use super::values;

/// Most listeners of a gateway (Gateway API has the same bound).
const LISTENERS: usize = 64;

const MODES: [(&str, ()); 1] = [("Enforce", ())];

const DEFAULT_POLICIES: [(&str, DefaultPolicy); 2] =
    [("deny-all", DefaultPolicy::DenyAll), ("allow-all", DefaultPolicy::AllowAll)];

const PROTOCOLS: [(&str, Protocol); 5] = [
    ("TCP", Protocol::Tcp),
    ("UDP", Protocol::Udp),
    ("TLS", Protocol::Tls),
    ("HTTP", Protocol::Http),
    ("HTTPS", Protocol::Https),
];

const TLS_MODES: [(&str, ListenerProtocol); 2] =
    [("Terminate", ListenerProtocol::TlsTerminate), ("Passthrough", ListenerProtocol::TlsPassthrough)];

const ECH: [(&str, Ech); 2] = [("Refuse", Ech::Refuse), ("Allow", Ech::Allow)];

/// `spec` of a gateway.
pub static SPEC: Object = Object::new(
    "The way out: what is taken of its agents' traffic, and what becomes of what no route names.",
    &[
        Field::optional(
            "defaultPolicy",
            Shape::choice(&words(&DEFAULT_POLICIES)),
            "What becomes of traffic that no route names; `allow-all` is for development.",
        )
        .by_default("deny-all"),
        Field::required(
            "listeners",
            Shape::List(&Shape::Object(&LISTENER)),
            "What is taken, by protocol; at most 64, each with a name of its own.",
        ),
        Field::optional(
            "mode",
            Shape::Choice { words: &words(&MODES), not_yet: &["Learn"] },
            "Whether decisions are carried out.",
        )
        .by_default("Enforce"),
        Field::not_yet("otlp", "Where records are sent besides the ledger."),
        Field::not_yet("ca", "A certificate authority of its own."),
    ],
);

static LISTENER: Object = Object::new(
    "One kind of traffic that a gateway takes.",
    &[
        Field::required("name", Shape::Text(&values::NAME), "What `sectionName` of a route refers to."),
        Field::required(
            "protocol",
            Shape::choice(&words(&PROTOCOLS)),
            "What it takes; HTTPS is TLS that is opened.",
        ),
        Field::optional(
            "tls",
            Shape::Object(&TLS),
            "What is done with TLS; for `protocol: TLS` and HTTPS alone.",
        ),
        Field::refused(
            "port",
            "a listener here has no `port`",
            "remove it: a listener takes traffic to every port, and routes choose by `ports`",
        ),
        Field::not_yet("hostname", "The one host it takes."),
        Field::not_yet("allowedRoutes", "Which routes may hang on it."),
    ],
);

static TLS: Object = Object::new(
    "What a listener does with TLS.",
    &[
        Field::optional(
            "mode",
            Shape::choice(&words(&TLS_MODES)),
            "Opened with a certificate of the gateway's authority, or passed through by the name in the open.",
        )
        .by_default("Terminate"),
        Field::optional(
            "ech",
            Shape::choice(&words(&ECH)),
            "What becomes of Encrypted ClientHello; for `mode: Passthrough` alone.",
        )
        .by_default("Refuse"),
        Field::not_yet("certificateRefs", "Certificates of the administrator's own."),
        Field::not_yet("options", "Settings of an implementation."),
    ],
);

/// Reads one gateway; nothing if it has any mistake, so that nobody is told off for referring to half of it.
pub fn read(header: &Header<'_>) -> Option<Gateway> {
    let spec = header.spec?;
    let before = spec.scope.mistakes();
    let fields = spec.object(&SPEC)?;
    fields.get("mode").and_then(|item| item.choice(&MODES));
    let default_policy =
        fields.get("defaultPolicy").and_then(|item| item.choice(&DEFAULT_POLICIES)).unwrap_or_default();
    let mut names = BTreeSet::new();
    let items = fields.required_list("listeners");
    if let Some(item) = items.get(LISTENERS) {
        item.mistake(format!("a gateway has at most {LISTENERS} listeners"));
    }
    let listeners = items.iter().take(LISTENERS).filter_map(|item| listener(item, &mut names)).collect();
    (spec.scope.mistakes() == before).then(|| Gateway { default_policy, listeners, origin: header.origin() })
}

/// `protocol`, before `tls` has been looked at.
#[derive(Clone, Copy)]
enum Protocol {
    Tcp,
    Udp,
    Tls,
    Http,
    Https,
}

fn listener(item: &Item<'_>, names: &mut BTreeSet<Arc<str>>) -> Option<Listener> {
    let fields = item.object(&LISTENER)?;
    let name = fields.required("name").and_then(|item| unique_name(&item, names));
    let written = fields.required("protocol");
    let Some((protocol, known)) = written.and_then(|item| Some((item, item.choice(&PROTOCOLS)?))) else {
        // What is wrong with `tls` is told all the same.
        tls(&fields, false);
        return None;
    };
    let (protocol, ech) = match known {
        Protocol::Tls => tls(&fields, false)?,
        Protocol::Https => tls(&fields, true)?,
        plain => {
            if let Some(tls) = fields.get("tls") {
                let message = format!("a listener with `protocol: {}` has no `tls`", protocol.written());
                tls.scope.mistake(
                    tls.key_span(),
                    message,
                    Some("remove it, or write `protocol: TLS`".into()),
                );
            }
            let protocol = match plain {
                Protocol::Http => ListenerProtocol::Http,
                Protocol::Udp => ListenerProtocol::Udp,
                _ => ListenerProtocol::Tcp,
            };
            (protocol, Ech::default())
        }
    };
    Some(Listener { name: name?, protocol, ech })
}

fn unique_name(item: &Item<'_>, names: &mut BTreeSet<Arc<str>>) -> Option<Arc<str>> {
    let name = values::name(item)?;
    if !names.insert(name.clone()) {
        item.mistake_hint(
            format!("two listeners are named {}", quoted(&name)),
            "give each a name of its own",
        );
        return None;
    }
    Some(name)
}

/// `tls`: its mode, and what it does with ECH where there is something to decide.
fn tls(fields: &Fields<'_>, https: bool) -> Option<(ListenerProtocol, Ech)> {
    let Some(tls) = fields.get("tls") else { return Some((ListenerProtocol::TlsTerminate, Ech::default())) };
    let tls = tls.object(&TLS)?;
    let mode = tls_mode(&tls, https);
    let Some(item) = tls.get("ech") else { return Some((mode?, Ech::default())) };
    let ech = item.choice(&ECH);
    let mode = mode?;
    if mode != ListenerProtocol::TlsPassthrough {
        let hint = "remove it: where TLS is opened, ECH is ignored and the client falls back";
        item.scope.mistake(item.key_span(), "only `mode: Passthrough` has `ech`", Some(hint.into()));
        return None;
    }
    Some((mode, ech?))
}

/// `tls.mode`; Terminate unless said otherwise (Gateway API). HTTPS cannot be passed through.
fn tls_mode(tls: &Fields<'_>, https: bool) -> Option<ListenerProtocol> {
    let Some(mode) = tls.get("mode") else { return Some(ListenerProtocol::TlsTerminate) };
    let protocol = mode.choice(&TLS_MODES)?;
    if https && protocol == ListenerProtocol::TlsPassthrough {
        mode.mistake_hint("HTTPS is always opened", "write `protocol: TLS` to pass it through");
        return None;
    }
    Some(protocol)
}
