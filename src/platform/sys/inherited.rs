//! Sockets that the service manager kept while no daemon was there, or gave to this one at its start.
//!
//! systemd passes descriptors from number 3 on and names them in the environment (sd_listen_fds(3)). Each is taken over
//! once, with its name; what it is has to be proved before anybody uses it. Never opens a socket.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Socket, Type};

use super::socket::{hear, listen};

/// Whether the descriptors have an owner.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A descriptor that this process was started with.
#[derive(Debug)]
pub struct Inherited {
    /// The name by which it was stored.
    pub name: String,
    socket: Socket,
}

/// What this process was started with; nothing at a second call, or where nobody passed anything.
///
/// # Errors
/// Where the environment names what is not there.
pub fn take() -> io::Result<Vec<Inherited>> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let passed = sd_notify::listen_fds_with_names()?;
    // SAFETY: each is open, for it was just marked to be closed on exec; its number was passed to this process for it
    // alone, and nobody has taken it before.
    let owned = passed.map(|(number, name)| (name, unsafe { OwnedFd::from_raw_fd(number) }));
    Ok(owned.map(|(name, fd)| Inherited { name, socket: fd.into() }).collect())
}

impl Inherited {
    /// The listener that [`transparent_listener`](super::socket::transparent_listener) made of this port, with what
    /// waits in it.
    ///
    /// # Errors
    /// Where it is another socket.
    pub fn into_listener(self, port: u16) -> io::Result<TcpListener> {
        let socket = self.proved(Type::STREAM, port)?;
        if !socket.is_listener()? {
            return Err(foreign("it does not listen"));
        }
        listen(&socket)?;
        Ok(socket.into())
    }

    /// The socket that [`transparent_datagrams`](super::socket::transparent_datagrams) made of this port, with what waits
    /// in it.
    ///
    /// # Errors
    /// Where it is another socket.
    pub fn into_datagrams(self, port: u16) -> io::Result<UdpSocket> {
        let socket = self.proved(Type::DGRAM, port)?;
        hear(&socket)?;
        Ok(socket.into())
    }

    fn proved(self, kind: Type, port: u16) -> io::Result<Socket> {
        let socket = self.socket;
        if socket.r#type()? != kind || socket.domain()? != Domain::IPV6 {
            return Err(foreign("it is of another kind"));
        }
        if socket.local_addr()?.as_socket_ipv6().is_none_or(|address| address.port() != port) {
            return Err(foreign("it has another port"));
        }
        if !socket.ip_transparent_v4()? || !socket.ip_transparent_v6()? || socket.only_v6()? {
            return Err(foreign("it takes no intercepted traffic"));
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

fn foreign(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::OwnedFd;

    use super::*;

    fn inherited(fd: impl Into<OwnedFd>) -> Inherited {
        Inherited { name: "proxy".into(), socket: fd.into().into() }
    }

    #[test]
    fn what_is_another_socket_than_its_name_says_is_not_used() {
        let port = |socket: &TcpListener| socket.local_addr().unwrap().port();
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = port(&v4);
        assert_eq!(inherited(v4).into_listener(number).unwrap_err().to_string(), "it is of another kind");
        let v6 = TcpListener::bind("[::]:0").unwrap();
        let (number, other) = (port(&v6), v6.try_clone().unwrap());
        assert_eq!(
            inherited(other).into_listener(number ^ 1).unwrap_err().to_string(),
            "it has another port"
        );
        let why = inherited(v6).into_listener(number).unwrap_err().to_string();
        assert_eq!(why, "it takes no intercepted traffic");
        let datagrams = UdpSocket::bind("[::]:0").unwrap();
        let number = datagrams.local_addr().unwrap().port();
        assert_eq!(
            inherited(datagrams).into_listener(number).unwrap_err().to_string(),
            "it is of another kind"
        );
        let file = std::fs::File::open("/dev/null").unwrap();
        inherited(file).into_datagrams(1).unwrap_err();
    }

    #[test]
    fn a_process_to_which_nothing_was_passed_inherits_nothing() {
        assert!(take().unwrap().is_empty());
        assert!(take().unwrap().is_empty());
    }
}
