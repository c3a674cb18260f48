//! For whom one connection may speak: the names on which DNS, SNI and certificate agree, with scheme and port.
//!
//! Every request in the connection must name one of them. It holds no proof of how the agreement came about; the
//! pipeline makes it from the passage and the opened connection.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::authority::Host;
use super::host::HostName;

/// The scheme of a request, which follows from the connection and never from what a request claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// Inside TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that need not be written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The names, or the one address, that a connection may speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreedName {
    who: Who,
    port: u16,
    scheme: Scheme,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Names(SmallVec<[HostName; 1]>),
    Address(IpAddr),
}

impl AgreedName {
    /// A connection that is for `name`. `port` is the port the workload connected to.
    pub fn new(name: HostName, port: u16, scheme: Scheme) -> Self {
        Self { who: Who::Names(SmallVec::from_buf([name])), port, scheme }
    }

    /// A connection to a bare address for which no name is known: requests must name exactly that address.
    pub fn of_address(address: IpAddr, port: u16, scheme: Scheme) -> Self {
        Self { who: Who::Address(address.to_canonical()), port, scheme }
    }

    /// The same connection, which may speak for further names too: plain text, where several names share the
    /// address the workload was given. A connection to a bare address takes none.
    pub fn or(mut self, names: impl IntoIterator<Item = HostName>) -> Self {
        if let Who::Names(own) = &mut self.who {
            for name in names {
                if !own.contains(&name) {
                    own.push(name);
                }
            }
        }
        self
    }

    /// The names, the connection's own first; empty for a bare address.
    pub fn names(&self) -> &[HostName] {
        match &self.who {
            Who::Names(names) => names,
            Who::Address(_) => &[],
        }
    }

    /// The address, where no name is known.
    pub fn address(&self) -> Option<IpAddr> {
        match self.who {
            Who::Names(_) => None,
            Who::Address(address) => Some(address),
        }
    }

    /// The port the workload connected to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether the connection may speak for this host.
    pub fn covers(&self, host: &Host) -> bool {
        match (&self.who, host) {
            (Who::Names(names), Host::Name(name)) => names.contains(name),
            (Who::Address(own), Host::Address(address)) => *own == address.to_canonical(),
            _ => false,
        }
    }

    /// What the connection is for, in words for people: its own name, or its address.
    pub fn subject(&self) -> Host {
        match &self.who {
            Who::Names(names) => Host::Name(names[0].clone()),
            Who::Address(address) => Host::Address(*address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn a_connection_speaks_for_its_names_and_no_others() {
        let agreed =
            AgreedName::new(name("a.example"), 443, Scheme::Https).or([name("b.example"), name("A.example")]);
        assert_eq!(agreed.names(), [name("a.example"), name("b.example")]);
        assert!(agreed.covers(&Host::Name(name("b.example."))));
        assert!(!agreed.covers(&Host::Name(name("c.example"))));
        assert!(!agreed.covers(&Host::Address("192.0.2.1".parse().unwrap())));
    }

    #[test]
    fn a_bare_address_speaks_for_itself_alone() {
        let agreed = AgreedName::of_address("::ffff:192.0.2.1".parse().unwrap(), 80, Scheme::Http)
            .or([name("a.example")]);
        assert!(agreed.covers(&Host::Address("192.0.2.1".parse().unwrap())));
        assert!(!agreed.covers(&Host::Address("192.0.2.2".parse().unwrap())));
        assert!(!agreed.covers(&Host::Name(name("a.example"))), "a bare address takes no names");
    }
}
