//! The sockets through which traffic comes in, as plain sockets that can outlive this process.
//!
//! They are opened once, or taken over from the service manager, which keeps them while no daemon is there: what comes
//! meanwhile waits in them, and nothing is refused. Each worker gets its share and listens to all of it, for the kernel
//! spreads traffic over every socket that is open. Reads nothing.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use super::{DNS_PORT, PROXY_PORT, UDP_PORT};
use crate::platform::sys::inherited::Inherited;
use crate::platform::sys::socket;

/// Name of the listeners of intercepted TCP.
const PROXY: &str = "proxy";
/// Name of the listeners of DNS over TCP.
const DNS_STREAMS: &str = "dns-streams";
/// Name of the sockets of DNS over UDP.
const DNS: &str = "dns";
/// Name of the sockets of first datagrams.
const FLOWS: &str = "flows";

/// The names of what [`Doors::all`] gives.
pub const NAMES: [&str; 4] = [PROXY, DNS_STREAMS, DNS, FLOWS];

/// Sockets through which traffic comes in; of all workers, or the share of one.
#[derive(Debug, Default)]
pub struct Doors {
    /// Intercepted TCP.
    pub proxy: Vec<TcpListener>,
    /// DNS over TCP.
    pub dns_streams: Vec<TcpListener>,
    /// DNS over UDP.
    pub dns: Vec<UdpSocket>,
    /// First datagrams of UDP flows.
    pub flows: Vec<UdpSocket>,
}

impl Doors {
    /// Takes over what was inherited, and opens what is missing until there are `count` of each kind. The second value is
    /// why something inherited could not be used, with its name.
    ///
    /// # Errors
    /// Where a socket cannot be opened.
    pub fn open(count: usize, inherited: Vec<Inherited>) -> io::Result<(Self, Vec<(String, io::Error)>)> {
        let (mut doors, mut useless) = (Self::default(), Vec::new());
        for one in inherited {
            let name = one.name.clone();
            if let Err(why) = doors.take_over(one) {
                useless.push((name, why));
            }
        }
        fill(&mut doors.proxy, count, || socket::transparent_listener(PROXY_PORT))?;
        fill(&mut doors.dns_streams, count, || socket::transparent_listener(DNS_PORT))?;
        fill(&mut doors.dns, count, || socket::transparent_datagrams(DNS_PORT))?;
        fill(&mut doors.flows, count, || socket::transparent_datagrams(UDP_PORT))?;
        Ok((doors, useless))
    }

    fn take_over(&mut self, one: Inherited) -> io::Result<()> {
        match one.name.as_str() {
            PROXY => self.proxy.push(one.into_listener(PROXY_PORT)?),
            DNS_STREAMS => self.dns_streams.push(one.into_listener(DNS_PORT)?),
            DNS => self.dns.push(one.into_datagrams(DNS_PORT)?),
            FLOWS => self.flows.push(one.into_datagrams(UDP_PORT)?),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "nobody here knows that name")),
        }
        Ok(())
    }

    /// All of them, each with the name of its kind.
    pub fn all(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        let streams = named(PROXY, &self.proxy).chain(named(DNS_STREAMS, &self.dns_streams));
        streams.chain(named(DNS, &self.dns)).chain(named(FLOWS, &self.flows)).collect()
    }

    /// Deals all of them out to so many workers.
    pub fn deal(self, workers: usize) -> Vec<Self> {
        let mut shares: Vec<Self> = (0..workers).map(|_| Self::default()).collect();
        let turn = |number: usize| number % workers.max(1);
        for (number, one) in self.proxy.into_iter().enumerate() {
            shares[turn(number)].proxy.push(one);
        }
        for (number, one) in self.dns_streams.into_iter().enumerate() {
            shares[turn(number)].dns_streams.push(one);
        }
        for (number, one) in self.dns.into_iter().enumerate() {
            shares[turn(number)].dns.push(one);
        }
        for (number, one) in self.flows.into_iter().enumerate() {
            shares[turn(number)].flows.push(one);
        }
        shares
    }
}

fn named<'a, T: AsFd>(
    name: &'static str,
    sockets: &'a [T],
) -> impl Iterator<Item = (&'static str, BorrowedFd<'a>)> {
    sockets.iter().map(move |socket| (name, socket.as_fd()))
}

fn fill<T>(kind: &mut Vec<T>, count: usize, open: impl Fn() -> io::Result<T>) -> io::Result<()> {
    while kind.len() < count {
        kind.push(open()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(count: usize) -> Vec<TcpListener> {
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
    }

    #[test]
    fn every_socket_has_a_worker_that_reads_it_however_many_there_are() {
        for (sockets, workers, shares) in [(2, 2, vec![1, 1]), (5, 2, vec![3, 2]), (1, 3, vec![1, 0, 0])] {
            let doors = Doors { proxy: listeners(sockets), ..Doors::default() };
            let dealt: Vec<_> = doors.deal(workers).iter().map(|share| share.proxy.len()).collect();
            assert_eq!(dealt, shares);
        }
    }

    #[test]
    fn each_socket_is_kept_under_the_name_of_its_kind() {
        let doors = Doors { proxy: listeners(2), dns_streams: listeners(1), ..Doors::default() };
        let names: Vec<_> = doors.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [PROXY, PROXY, DNS_STREAMS]);
        assert!(names.iter().all(|name| NAMES.contains(name)));
    }
}
