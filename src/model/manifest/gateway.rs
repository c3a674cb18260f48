//! `kind: EgressGateway`: what is intercepted, and what happens to traffic that no route names.

use std::sync::Arc;

use super::fields::{Fields, Item};
use super::header::Header;
use super::report::quoted;
use super::resources::{DefaultPolicy, Ech, Gateway, Listener, ListenerProtocol};
use super::values;

/// Most listeners of a gateway (Gateway API has the same bound).
const LISTENERS: usize = 64;

/// Reads one gateway; nothing if it has any mistake, so that nobody is told off for referring to half of it.
pub fn read(header: &Header<'_>) -> Option<Gateway> {
    let spec = header.spec?;
    let before = spec.scope.mistakes();
    let fields = spec.fields(&["defaultPolicy", "listeners", "mode", "otlp", "ca"])?;
    fields.not_yet(&["otlp", "ca"]);
    if let Some(mode) = fields.get("mode")
        && mode.choice(&[("Enforce", true), ("Learn", false)]) == Some(false)
    {
        mode.not_yet();
    }
    let policies = [("deny-all", DefaultPolicy::DenyAll), ("allow-all", DefaultPolicy::AllowAll)];
    let default_policy =
        fields.get("defaultPolicy").and_then(|item| item.choice(&policies)).unwrap_or_default();
    let mut listeners: Vec<Listener> = Vec::new();
    let items = fields.required_list("listeners");
    if let Some(item) = items.get(LISTENERS) {
        item.mistake(format!("a gateway has at most {LISTENERS} listeners"));
    }
    for item in items.into_iter().take(LISTENERS) {
        let Some(listener) = listener(&item, &listeners) else { continue };
        listeners.push(listener);
    }
    (spec.scope.mistakes() == before).then(|| Gateway { default_policy, listeners, origin: header.origin() })
}

#[derive(Clone, Copy)]
enum Word {
    Tcp,
    Udp,
    Tls,
    Http,
    Https,
}

fn listener(item: &Item<'_>, before: &[Listener]) -> Option<Listener> {
    let fields = item.fields(&["name", "protocol", "tls", "port", "hostname", "allowedRoutes"])?;
    if let Some(port) = fields.get("port") {
        let hint = "remove it: a listener takes traffic to every port, and routes choose by `ports`";
        port.scope.mistake(port.key_span(), "a listener here has no `port`", Some(hint.into()));
    }
    fields.not_yet(&["hostname", "allowedRoutes"]);
    let name = fields.required("name").and_then(|item| unique_name(&item, before));
    let protocol = fields.required("protocol")?;
    let word = protocol.choice(&[
        ("TCP", Word::Tcp),
        ("UDP", Word::Udp),
        ("TLS", Word::Tls),
        ("HTTP", Word::Http),
        ("HTTPS", Word::Https),
    ])?;
    let (protocol, ech) = match word {
        Word::Tls => tls(&fields, false)?,
        Word::Https => tls(&fields, true)?,
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
                Word::Http => ListenerProtocol::Http,
                Word::Udp => ListenerProtocol::Udp,
                _ => ListenerProtocol::Tcp,
            };
            (protocol, Ech::default())
        }
    };
    Some(Listener { name: name?, protocol, ech })
}

fn unique_name(item: &Item<'_>, before: &[Listener]) -> Option<Arc<str>> {
    let name = values::name(item)?;
    if before.iter().any(|listener| listener.name == name) {
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
    let tls = tls.fields(&["mode", "ech", "certificateRefs", "options"])?;
    tls.not_yet(&["certificateRefs", "options"]);
    let mode = tls_mode(&tls, https)?;
    let Some(item) = tls.get("ech") else { return Some((mode, Ech::default())) };
    if mode != ListenerProtocol::TlsPassthrough {
        let hint = "remove it: where TLS is opened, ECH is ignored and the client falls back";
        item.scope.mistake(item.key_span(), "only `mode: Passthrough` has `ech`", Some(hint.into()));
        return None;
    }
    Some((mode, item.choice(&[("Refuse", Ech::Refuse), ("Allow", Ech::Allow)])?))
}

/// `tls.mode`; Terminate unless said otherwise (Gateway API). HTTPS cannot be passed through.
fn tls_mode(tls: &Fields<'_>, https: bool) -> Option<ListenerProtocol> {
    let Some(mode) = tls.get("mode") else { return Some(ListenerProtocol::TlsTerminate) };
    let modes =
        [("Terminate", ListenerProtocol::TlsTerminate), ("Passthrough", ListenerProtocol::TlsPassthrough)];
    let protocol = mode.choice(&modes)?;
    if https && protocol == ListenerProtocol::TlsPassthrough {
        mode.mistake_hint("HTTPS is always opened", "write `protocol: TLS` to pass it through");
        return None;
    }
    Some(protocol)
}
