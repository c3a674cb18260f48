//! Whose traffic is taken, and what becomes of it while the daemon is away.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::model::manifest::fields::Item;
use crate::model::manifest::report::quoted;
use crate::model::manifest::schema::{Field, Form, Object, PORT, Shape};
use crate::model::manifest::values;
use crate::model::types::limits::ECHO_PER_SECOND;

/// Longest interface name in bytes (`IFNAMSIZ` less its end mark, Linux `if.h`).
const INTERFACE_BYTES: usize = 15;

/// `spec.intercept`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intercept {
    /// Workload-facing interfaces, at least one, no two equal.
    pub interfaces: Vec<String>,
    /// Networks of workloads, at least one, no two equal.
    pub subnets: Vec<IpNet>,
    /// Ports of this host that workloads may reach besides the gateway's own.
    pub allow_local: Vec<u16>,
    /// Who may be pinged; nobody where it is absent.
    pub echo: Option<Echo>,
}

/// `spec.intercept.echo`: echo requests (RFC 792, RFC 4443) that the kernel lets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// Networks that may be pinged, at least one, no two equal. What is named here may be private too.
    pub destinations: Vec<IpNet>,
    /// Requests of one address of an agent each second, 1 to [`ECHO_PER_SECOND`].
    pub per_second: u32,
}

/// Echo requests of one address in a second.
const ECHO_RATES: RangeInclusive<i64> = 1..=ECHO_PER_SECOND as i64;

static INTERFACE: Form = Form { words: "network interface", pattern: r#"^[!-~]+$"#, longest: 1024 };

/// `spec.intercept`.
pub(super) static SPEC: Object = Object::new(
    "Whose traffic is taken.",
    &[
        Field::required("interfaces", Shape::List(&Shape::Text(&INTERFACE)), "Workload-facing interfaces."),
        Field::required("subnets", Shape::List(&Shape::Text(&values::NETWORK)), "The workloads' networks."),
        Field::optional(
            "allowLocal",
            Shape::ListOrNone(&PORT),
            "Ports of this host that workloads may reach besides DNS and `clawgress.internal`.",
        ),
        Field::optional("echo", Shape::Object(&ECHO), "What may be pinged; without it nothing."),
    ],
);

static ECHO: Object = Object::new(
    "What may be pinged.",
    &[
        Field::required("destinations", Shape::List(&Shape::Text(&values::NETWORK)), "Networks."),
        Field::required("packetsPerSecond", Shape::Whole(ECHO_RATES), "Requests of one address each second."),
    ],
);

pub(super) fn read(item: &Item<'_>) -> Option<Intercept> {
    let fields = item.object(&SPEC)?;
    let interfaces = distinct(&fields.required_list("interfaces"), interface);
    let subnets = distinct(&fields.required_list("subnets"), values::network);
    let ports = fields.list("allowLocal");
    let echo = fields.get("echo").and_then(|item| echo(&item));
    Some(Intercept { interfaces, subnets, allow_local: distinct(&ports, Item::port), echo })
}

fn echo(item: &Item<'_>) -> Option<Echo> {
    let fields = item.object(&ECHO)?;
    let destinations = distinct(&fields.required_list("destinations"), values::network);
    let rate = fields.required("packetsPerSecond")?.whole(ECHO_RATES)?;
    Some(Echo { destinations, per_second: u32::try_from(rate).ok()? })
}

/// The values of a list; one that stands there twice is a mistake.
fn distinct<'s, T: Ord + Clone>(items: &[Item<'s>], read: impl Fn(&Item<'s>) -> Option<T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let mut values = Vec::new();
    for item in items {
        let Some(value) = read(item) else { continue };
        if seen.insert(value.clone()) {
            values.push(value);
        } else {
            item.mistake_hint(format!("{} is named twice", quoted(item.written())), "remove one of them");
        }
    }
    values
}

/// What the kernel takes as a name (Linux `dev_valid_name`), less what nftables reads as a pattern.
fn interface(item: &Item<'_>) -> Option<String> {
    let text = item.text_of(&INTERFACE)?;
    let fits = text.len() <= INTERFACE_BYTES
        && text != "."
        && text != ".."
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"/:*\"\\".contains(&b));
    if !fits {
        let message = format!("{} is not the name of a network interface", quoted(text));
        item.mistake_hint(message, "names have at most 15 characters, none of them a space, `/`, `:` or `*`");
        return None;
    }
    Some(text.to_owned())
}
