//! From the table to a router: each call is read whole, recorded before and after where the table says so, and answered
//! on a thread that may block, all within bounds of size, time and number.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{QueryRejection, RawPathParamsRejection};
use axum::extract::{Extension, Query, RawPathParams, Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::{Router, routing};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::access::Caller;
use super::backend::{AdminAction, Backend, Ending};
use super::follow;
use super::routes::{Call, ROUTES, Reply, Route, Verb};
use crate::model::types::limits;
use crate::operate::api::client::forbidden;
use crate::operate::api::{Fault, FaultCode};

/// What all calls share.
pub(super) struct Shared {
    pub backend: Arc<dyn Backend>,
    calls: Arc<Semaphore>,
    stopped: watch::Receiver<()>,
}

impl Shared {
    /// `stopped` closes when the server stops.
    pub(super) fn new(backend: Arc<dyn Backend>, stopped: watch::Receiver<()>) -> Arc<Self> {
        Arc::new(Self { backend, calls: Arc::new(Semaphore::new(limits::ADMIN_CALLS)), stopped })
    }

    /// Done once the server stops.
    pub(super) fn stop(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopped = self.stopped.clone();
        async move {
            let _ = stopped.changed().await;
        }
    }

    /// Asks the backend on a thread that may block.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Backend) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let work = async {
            let turn = Arc::clone(&self.calls).acquire_owned().await;
            let backend = Arc::clone(&self.backend);
            // The turn is given back when the work ends, even if nobody waits for it any more.
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                question(backend.as_ref())
            })
            .await
        };
        match timeout(limits::ADMIN_CALL_TIME, work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => {
                tracing::error!(%panic, "a call of the local API failed");
                Err(Fault::internal("the daemon failed while it answered; its log says more"))
            }
            Err(_) => Err(Fault::new(
                FaultCode::Busy,
                format!("no answer within {} s", limits::ADMIN_CALL_TIME.as_secs()),
            )
            .hint("ask for less, or later")),
        }
    }
}

/// The router for callers who may ask.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for route in &ROUTES {
        let handler = move |State(shared): State<Arc<Shared>>,
                            Extension(caller): Extension<Caller>,
                            segments: Result<RawPathParams, RawPathParamsRejection>,
                            query: Result<Query<Vec<(String, String)>>, QueryRejection>,
                            request: Request| async move {
            let call = read(route, caller, segments, query, request).await;
            match serve(route, &shared, call).await {
                Ok(reply) => respond(reply, shared),
                Err(fault) => refuse(&fault),
            }
        };
        router = router.route(
            route.path,
            match route.verb {
                Verb::Get => routing::get(handler),
                Verb::Post => routing::post(handler),
            },
        );
    }
    router
        .fallback(|request: Request| async move {
            refuse(&Fault::not_found(format!("the local API has no `{}`", request.uri().path())))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            refuse(&Fault::invalid(format!(
                "`{}` cannot be asked with {}",
                request.uri().path(),
                request.method()
            )))
        })
        .with_state(shared)
}

/// The router for callers who may not: every question has the same answer, and is recorded.
pub(super) fn closed_router(shared: Arc<Shared>) -> Router {
    let handler = |State(shared): State<Arc<Shared>>,
                   Extension(caller): Extension<Caller>,
                   request: Request| {
        async move {
            let command = format!("{} {}", request.method(), request.uri().path());
            let action = AdminAction { caller, command, object: None, given: None };
            if let Err(fault) = shared.ask(move |backend| backend.turn_away(&action)).await {
                tracing::warn!(why = fault.message, "a refused call of the local API could not be recorded");
            }
            let mut response = refuse(&forbidden());
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
    };
    Router::new().fallback(handler).with_state(shared)
}

async fn read(
    route: &Route,
    caller: Caller,
    segments: Result<RawPathParams, RawPathParamsRejection>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    request: Request,
) -> Result<Call, Fault> {
    let segments = segments.map_err(|error| Fault::invalid(error.to_string()))?;
    let segments = segments.iter().map(|(_, value)| value.to_owned()).collect();
    let Query(query) = query.map_err(|error| Fault::invalid(error.to_string()))?;
    let bound = route.bound();
    let too_long = || Fault::invalid(format!("the question is longer than {bound} bytes, or broken off"));
    let body = request.into_body();
    // What is announced too long is not waited for.
    if body.size_hint().lower() > bound as u64 {
        return Err(too_long());
    }
    let read = async {
        if route.hidden {
            to_hidden_bytes(body, bound).await
        } else {
            to_bytes(body, bound).await.map_err(drop)
        }
    };
    match timeout(limits::ADMIN_READ_TIME, read).await {
        Ok(Ok(body)) => Ok(Call { caller, segments, query, body }),
        Ok(Err(())) => Err(too_long()),
        Err(_) => Err(Fault::invalid("the question did not end in time")),
    }
}

/// A body that is overwritten once nobody needs it. The buffer that the connection read it into is not, until it is used again.
async fn to_hidden_bytes(body: Body, bound: usize) -> Result<Bytes, ()> {
    let room = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut held = Zeroizing::new(Vec::with_capacity(room.unwrap_or(bound).min(bound)));
    let mut body = Limited::new(body, bound);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(drop)?.into_data() {
            held.extend_from_slice(&data);
        }
    }
    Ok(Bytes::from_owner(held))
}

async fn serve(route: &'static Route, shared: &Shared, call: Result<Call, Fault>) -> Result<Reply, Fault> {
    let call = call?;
    // Gone as soon as nobody waits for the answer any more.
    let waiting = Arc::new(());
    let awaited = Arc::downgrade(&waiting);
    let answer = shared.ask(move |backend| match route.audited {
        Some(command) => on_record(backend, (command, route), &call, || awaited.strong_count() > 0),
        None => (route.handler)(backend, &call),
    });
    let answer = answer.await;
    drop(waiting);
    answer
}

/// Does what changes something between two records: that it is about to be done, and what came of it.
fn on_record(
    backend: &dyn Backend,
    (command, route): (&str, &Route),
    call: &Call,
    awaited: impl FnOnce() -> bool,
) -> Result<Reply, Fault> {
    let close = backend.open(&AdminAction {
        caller: call.caller.clone(),
        command: command.to_owned(),
        object: call.object(),
        given: route.given.and_then(|given| given(&call.body)),
    })?;
    let answer = (route.handler)(backend, call);
    close(&Ending { came_to: answer.as_ref().map(Reply::words), awaited: awaited() });
    answer
}

fn respond(reply: Reply, shared: Arc<Shared>) -> Response {
    match reply {
        Reply::Json(body) | Reply::Done(body, _) => {
            response(StatusCode::OK, "application/json", Body::from(body))
        }
        Reply::Pem(text) => response(StatusCode::OK, "application/x-pem-file", Body::from(text)),
        Reply::Follow(filter, window) => {
            response(StatusCode::OK, "application/x-ndjson", Body::new(follow::start(shared, filter, window)))
        }
    }
}

fn refuse(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(fault).unwrap_or_default();
    response(status, "application/json", Body::from(body))
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
