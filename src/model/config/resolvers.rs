//! Which encrypted resolvers workloads may not use, and may: what the administrator adds to the shipped list.
//!
//! Read next: `decide::policy::encrypted_dns`, which holds the list.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::manifest::fields::{Fields, Item};
use crate::model::manifest::report::quoted;
use crate::model::manifest::schema::Form;
use crate::model::manifest::values;
use crate::model::types::HostName;

/// `spec.dns.denyResolvers` and `spec.dns.allowResolvers`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolvers {
    /// Refused beside those of the shipped list.
    pub deny: Vec<Resolver>,
    /// Taken out of the shipped list; routes decide about them.
    pub allow: Vec<Resolver>,
}

/// One resolver, or a network of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// The name and everything below it.
    Name(HostName),
    /// Every address in it.
    Network(IpNet),
}

/// A resolver, as it is named.
pub(super) static RESOLVER: Form =
    Form { words: "host, address or network", pattern: r"^\S+$", longest: 1024 };

/// The fields of `spec.dns` that are read here.
const FIELDS: [&str; 2] = ["denyResolvers", "allowResolvers"];

pub(super) fn read(fields: &Fields<'_>) -> Resolvers {
    let mut named = Vec::new();
    let [deny, allow] = FIELDS.map(|list| {
        let items = fields.list(list);
        items.iter().filter_map(|item| distinct(item, &mut named)).collect()
    });
    Resolvers { deny, allow }
}

/// One entry; the same one a second time, in either list, is a mistake.
fn distinct(item: &Item<'_>, named: &mut Vec<Resolver>) -> Option<Resolver> {
    let resolver = resolver(item)?;
    if named.contains(&resolver) {
        item.mistake_hint(format!("{} is named twice", quoted(item.written())), "remove one of them");
        return None;
    }
    named.push(resolver.clone());
    Some(resolver)
}

/// A host name, an address, or a network.
fn resolver(item: &Item<'_>) -> Option<Resolver> {
    let text = item.text_of(&RESOLVER)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Resolver::Network(IpNet::from(address.to_canonical())));
    }
    if text.parse::<IpNet>().is_ok() {
        return values::network(&item.undeclared()).map(Resolver::Network);
    }
    if let Ok(name) = HostName::parse(text) {
        return Some(Resolver::Name(name));
    }
    let hint = match text.strip_prefix("*.") {
        Some(base) if HostName::parse(base).is_ok() => {
            format!("write {}: a name stands for everything below it, too", quoted(base))
        }
        _ => "write the host alone, an address or a network: `doh.example`, `192.0.2.53`, `192.0.2.0/24`"
            .to_owned(),
    };
    item.mistake_hint(format!("{} is neither a host name nor a network", quoted(text)), hint);
    None
}
