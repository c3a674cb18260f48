//! Servers of our own: one thread that has joined a namespace, and plain TCP and UDP services on it.
//!
//! Services over HTTP stand in `services`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::family::Family;
use super::namespace::{self, Namespace};
use super::pki::Leaf;

/// How a service is spoken to.
#[derive(Debug, Clone, Copy)]
pub enum Wire<'a> {
    /// Plain bytes; HTTP/1.1 for HTTP services.
    Plain,
    /// Plain bytes; HTTP/2 with prior knowledge for HTTP services.
    PlainHttp2,
    /// TLS, with these protocols offered by ALPN.
    Tls(&'a Leaf, &'a [&'a str]),
}

/// A connection to a service: TCP or TLS.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {
    /// The protocol agreed by ALPN.
    fn agreed(&self) -> Option<Vec<u8>> {
        None
    }

    /// Makes the end of this connection a TCP reset.
    fn reset_on_close(&self);
}

impl Duplex for TcpStream {
    fn reset_on_close(&self) {
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Duplex for tokio_rustls::server::TlsStream<TcpStream> {
    fn agreed(&self) -> Option<Vec<u8>> {
        self.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    }

    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

/// A thread in a namespace that runs services until it is dropped.
pub struct Backends {
    family: Family,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Backends {
    /// Starts the thread in a namespace.
    pub fn new(space: &Namespace) -> Self {
        let handle = space.handle();
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            namespace::join(&handle);
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            tell.send(runtime.handle().clone()).expect("the maker waits");
            let _ = runtime.block_on(stopped);
        });
        let runtime = told.recv().expect("the thread begins");
        Self { family: space.family(), runtime, stop: Some(stop), thread: Some(thread) }
    }

    /// The families that the namespace has.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Runs a future in the namespace.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Runs a future in the namespace and waits for what it gives.
    pub fn wait<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = std::sync::mpsc::channel();
        self.runtime.spawn(async move { tell.send(task.await) });
        told.recv_timeout(Duration::from_secs(10)).expect("a task in the namespace ends in 10 s")
    }

    /// A bound UDP socket.
    pub fn udp(&self, address: &str) -> UdpSocket {
        let address: SocketAddr = self.family.twin(address).parse().expect("an address with a port");
        self.wait(async move { UdpSocket::bind(address).await })
            .unwrap_or_else(|error| panic!("UDP {address} cannot be bound: {error}"))
    }

    /// Accepts connections and gives each to the handler. Bound when this returns.
    pub fn serve<H, F>(&self, address: &str, wire: Wire<'_>, handler: H)
    where
        H: Fn(Box<dyn Duplex>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let address: SocketAddr = self.family.twin(address).parse().expect("an address with a port");
        let acceptor = match wire {
            Wire::Tls(leaf, protocols) => Some(acceptor(leaf, protocols)),
            Wire::Plain | Wire::PlainHttp2 => None,
        };
        let listener = self
            .wait(async move { TcpListener::bind(address).await })
            .unwrap_or_else(|error| panic!("TCP {address} cannot be bound: {error}"));
        let handler = Arc::new(handler);
        self.spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (acceptor, handler) = (acceptor.clone(), handler.clone());
                tokio::spawn(async move {
                    let stream: Box<dyn Duplex> = match acceptor {
                        Some(acceptor) => Box::new(acceptor.accept(stream).await?),
                        None => Box::new(stream),
                    };
                    handler(stream, from).await
                });
            }
        });
    }

    /// Sends back every byte; after the client's half-close it says `bye` and closes.
    pub fn echo(&self, address: &str, wire: Wire<'_>) {
        self.serve(address, wire, |mut stream, _| async move {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => break,
                    length => stream.write_all(&buffer[..length]).await?,
                }
            }
            stream.write_all(b"bye").await?;
            stream.shutdown().await
        });
    }

    /// Speaks first, as SSH, SMTP and MySQL do, and then echoes one line.
    pub fn banner(&self, address: &str, banner: &'static str) {
        self.serve(address, Wire::Plain, move |mut stream, _| async move {
            stream.write_all(banner.as_bytes()).await?;
            let mut buffer = vec![0; 1024];
            let length = stream.read(&mut buffer).await?;
            stream.write_all(&buffer[..length]).await
        });
    }

    /// Reads the beginning of a request, writes these bytes and resets the connection.
    pub fn cut(&self, address: &str, wire: Wire<'_>, before: &'static [u8]) {
        self.serve(address, wire, move |mut stream, _| async move {
            let mut buffer = vec![0; 16 * 1024];
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(before).await?;
            stream.flush().await?;
            stream.reset_on_close();
            Ok(())
        });
    }

    /// Keeps the bytes of every connection as they came, and answers each read with the same bytes of its own:
    /// for what HTTP libraries would tidy up.
    pub fn raw(&self, address: &str, wire: Wire<'_>, answer: &'static [u8]) -> Raw {
        let raw = Raw::default();
        let received = raw.0.clone();
        self.serve(address, wire, move |mut stream, _| {
            let received = received.clone();
            async move {
                let index = {
                    let mut all = received.lock().expect("no test thread panics here");
                    all.push(Vec::new());
                    all.len() - 1
                };
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    let length = stream.read(&mut buffer).await?;
                    if length == 0 {
                        return Ok(());
                    }
                    received.lock().expect("no test thread panics here")[index].extend(&buffer[..length]);
                    stream.write_all(answer).await?;
                    stream.flush().await?;
                }
            }
        });
        raw
    }

    /// Sends back every datagram.
    pub fn udp_echo(&self, address: &str) {
        let socket = self.udp(address);
        self.spawn(async move {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let _ = socket.send_to(&buffer[..length], from).await;
            }
        });
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a raw service has received.
#[derive(Debug, Clone, Default)]
pub struct Raw(Arc<Mutex<Vec<Vec<u8>>>>);

impl Raw {
    /// The bytes of each connection so far.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("no test thread panics here").clone()
    }

    /// Whether nobody has connected.
    pub fn untouched(&self) -> bool {
        self.received().is_empty()
    }
}

/// Asks again and again, for at most five seconds, until there is an answer. For events that nobody announces.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(5), what, look)
}

/// The same for longer, where there is more to wait for.
pub fn within<T>(time: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + time;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {time:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn acceptor(leaf: &Leaf, protocols: &[&str]) -> tokio_rustls::TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain(&leaf.certificate), PrivateKeyDer::from_pem_file(&leaf.key).expect("a key"))
        .expect("a certificate and its key");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .expect("a certificate file")
        .map(|der| der.expect("a certificate"))
        .collect()
}
