//! The first bytes of a connection: the same verdict however they are cut, and the name that a TLS library sees.

use clawgress::model::types::HostName;
use clawgress::model::types::host::HostNameError;
use clawgress::perceive::hello::{Hello, Sniff, Sniffer, sniff};

/// Looks at every beginning of the bytes.
pub fn check(bytes: &[u8]) {
    let whole = sniff(bytes);
    let mut sniffer = Sniffer::default();
    let mut decided = Sniff::NeedMore;
    for end in 0..=bytes.len() {
        let verdict = sniffer.look(&bytes[..end]);
        assert!(decided == Sniff::NeedMore || decided == verdict, "{decided:?} became {verdict:?} at {end}");
        decided = verdict;
    }
    assert_eq!(decided, whole, "byte by byte");
    let mut cut = Sniffer::default();
    for end in [bytes.len() / 3, bytes.len() / 2, bytes.len()] {
        decided = cut.look(&bytes[..end]);
    }
    assert_eq!(decided, whole, "in three pieces");
    assert_ne!(Sniffer::default().end(bytes), Sniff::NeedMore, "an end is always decided");
    agrees_with_rustls(bytes, &whole);
}

/// What rustls takes for a ClientHello is one here, with the same name, or is refused; it is never anything else.
fn agrees_with_rustls(bytes: &[u8], verdict: &Sniff) {
    let mut acceptor = rustls::server::Acceptor::default();
    let mut rest = bytes;
    let accepted = loop {
        let read = acceptor.read_tls(&mut rest).unwrap_or(0);
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) if read > 0 => {}
            _ => return,
        }
    };
    let hello = accepted.client_hello();
    match verdict {
        Sniff::Malformed(_) => {}
        Sniff::Is(Hello::Tls(ours)) => {
            let theirs = match hello.server_name().map(HostName::parse) {
                None | Some(Err(HostNameError::Address)) => None,
                Some(name) => Some(name.expect("what rustls takes for a name")),
            };
            assert_eq!(ours.server_name, theirs, "the name that rustls sees");
            let offered = hello.alpn().map_or(0, Iterator::count);
            assert_eq!(ours.alpn.len(), offered, "the protocols that rustls sees");
        }
        other => panic!("rustls sees a ClientHello, and this is {other:?}"),
    }
}
