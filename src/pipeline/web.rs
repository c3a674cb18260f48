//! A connection on which requests are read: opened TLS, or plain HTTP.
//!
//! The upstream is reached before the workload's TLS is opened, so that what we offer follows what it speaks, and a
//! bad upstream certificate is known before the first request is read.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::arrival::{Judged, Refused};
use super::case;
use super::departure::Wire;
use super::exchange;
use super::handshakes;
use super::peeked::Peeked;
use super::refuse;
use super::road::Road;
use super::serving::{self, Watched};
use super::site::{Leg, Site};
use crate::act::dial::{Protocol, choose_client_alpn};
use crate::act::tls::{AlpnChoice, Opened};
use crate::act::upstream::Sender;
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::model::types::Denial;
use crate::model::types::agreed_name::Scheme;
use crate::model::types::limits::CLIENT_STALL_TIME;
use crate::perceive::hello::{ClientHello, Hello};
use crate::platform::sys::socket;

/// The requests of a connection, still to be served. Holds what that takes and no more.
pub type Requests = Pin<Box<dyn Future<Output = ()>>>;

/// TLS that is opened: reach the upstream, open. Nothing is left to serve where that was refused.
pub async fn terminated(road: Rc<Road>, judged: Judged, entry: Entry, stream: Peeked) -> Option<Requests> {
    let site = Site::new(road, judged, Scheme::Https);
    bound(&stream);
    let slot = match handshakes::take(&site.road, Some(&site.known.agent().name), &stream).await {
        Ok(slot) => slot,
        Err(denial) => {
            let latency = site.arrival.started.elapsed();
            entry.close(Outcome { latency, denial: Some(denial), ..Outcome::default() });
            refuse::by_reset(stream);
            return None;
        }
    };
    let (sender, opened) = match Box::pin(slot.run(open(&site, &entry, stream))).await {
        Tls::Open(sender, opened) => (sender, opened),
        Tls::Unreached(denial, stream) => {
            Box::pin(late(site, entry, denial, stream)).await;
            return None;
        }
        Tls::Broken(denial) => {
            let latency = site.arrival.started.elapsed();
            entry.close(Outcome { latency, denial: Some(denial), ..Outcome::default() });
            return None;
        }
    };
    site.first.replace(Some(sender));
    let (stream, protocol) = opened.into_parts();
    // Boxed once, instead of being handed down by value through every future that serves it.
    let stream = Box::new(stream);
    Some(Box::pin(serve(Rc::new(site), entry, stream, protocol)))
}

/// What came of opening TLS.
#[allow(clippy::large_enum_variant, reason = "one is made for a connection, and taken apart at once")]
enum Tls {
    /// The upstream is reached, and the workload's TLS is open.
    Open(Sender, Opened<Peeked>),
    /// The upstream cannot be reached or trusted.
    Unreached(Denial, Peeked),
    /// The workload's handshake failed.
    Broken(Denial),
}

/// Reaches the upstream, then opens the workload's TLS with what both speak.
async fn open(site: &Site, entry: &Entry, stream: Peeked) -> Tls {
    let sender = match site.reach(entry, Leg::Usual).await {
        Ok(sender) => sender,
        Err(denial) => return Tls::Unreached(denial, stream),
    };
    let choice = choose_client_alpn(&site.offer, sender.protocol());
    match site.road.shared.terminator.accept(&site.passage, AlpnChoice::from(choice), stream).await {
        Ok(opened) => Tls::Open(sender, opened),
        Err(denial) => {
            sender.shelve();
            Tls::Broken(denial)
        }
    }
}

/// Plain HTTP: the upstream is reached when the first request asks for it.
pub fn plain(road: Rc<Road>, judged: Judged, entry: Entry, stream: Peeked) -> Requests {
    let protocol = if judged.hello == Hello::Http2 { Protocol::H2 } else { Protocol::Http11 };
    let site = Site::new(road, judged, Scheme::Http);
    bound(&stream);
    Box::pin(serve(Rc::new(site), entry, stream, protocol))
}

/// What a workload asked for and does not take is held for a while, not for ever.
fn bound(stream: &Peeked) {
    // A socket that is already gone needs no bound.
    let _ = socket::give_up_after(stream.stream(), CLIENT_STALL_TIME);
}

async fn serve<S>(site: Rc<Site>, entry: Entry, stream: S, protocol: Protocol)
where
    S: AsyncRead + AsyncWrite + Wire + Unpin + Send + 'static,
{
    let answer = {
        let site = site.clone();
        move |request, watched: Watched| exchange::answer(site.clone(), request, watched)
    };
    let unheard = || case::unheard(&site);
    let ended = serving::requests(&site.road, stream, protocol, answer, (unheard, || site.renewed())).await;
    let tunnel = site.tunnel.borrow_mut().take();
    if let Some(tunnel) = tunnel {
        let _ = tunnel.await;
    }
    if let Some(unused) = site.first.borrow_mut().take() {
        unused.shelve();
    }
    entry.close(Outcome {
        bytes_out: ended.watch.received(),
        bytes_in: ended.watch.sent(),
        latency: site.arrival.started.elapsed(),
        dialled: site.dialled.get(),
        end: ended.how,
        denial: ended.denial,
        ..Outcome::default()
    });
}

/// A refusal found after the decision: the upstream cannot be reached or trusted. The workload hears it in HTTP.
async fn late(site: Site, entry: Entry, denial: Denial, stream: Peeked) {
    entry.close(Outcome {
        status: Some(denial.status()),
        latency: site.arrival.started.elapsed(),
        denial: Some(denial.clone()),
        ..Outcome::default()
    });
    let hello = Hello::Tls(ClientHello {
        server_name: site.passage.host().cloned(),
        alpn: site.offer.clone(),
        ech: false,
    });
    let refused = Refused { arrival: site.arrival, known: Some(site.known), hello: Some(hello) };
    refuse::in_http(&site.road, refused, denial, stream).await;
}
