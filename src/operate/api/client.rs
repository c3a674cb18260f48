//! The one client of the local API: HTTP/1.1 over the daemon's Unix socket.
//!
//! Every answer is bounded in size and every wait in time. It never retries: what failed is said, with the exit
//! code that a command ends with.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::agents::{Agent, QuarantineQuery};
use super::approvals::{Approval, ApproveQuery};
use super::audit::{AuditFilter, Page, Window, to_pairs};
use super::explain::{ExplainQuery, Explanation};
use super::fault::{Fault, FaultCode};
use super::query::{segment, with_pairs};
use super::quota::{Quota, QuotaQuery};
use super::resource::Resource;
use super::secrets::{SecretValue, SetSecrets};
use super::status::{Check, ReloadResult, Status};
use crate::model::types::limits;

/// Time to be accepted by the daemon.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for one answer: longer than the daemon's own bound, so that its sentence arrives.
const ANSWER_TIME: Duration = limits::ADMIN_CALL_TIME.saturating_add(limits::ADMIN_READ_TIME);
/// Time between two signs of life of a followed tail.
const SILENCE_TIME: Duration = limits::ADMIN_TAIL_HEARTBEAT.saturating_mul(3);
/// Bytes of one row of a followed tail.
const ROW_BYTES: usize = 4 * limits::RECORD_BYTES;

/// Why a call did not come back with what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers at the socket, or the daemon went away in the middle.
    #[error("no daemon answers at `{}`: {why}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        why: String,
    },
    /// This user may not ask.
    #[error("{}", .0.message)]
    Forbidden(Fault),
    /// The daemon understood and says no: invalid, or not there.
    #[error("{}", .0.message)]
    Refused(Fault),
    /// The daemon failed or is at a bound.
    #[error("{}", .0.message)]
    Failed(Fault),
    /// What answers at the socket does not speak this API.
    #[error("what answers at `{}` does not speak this version of the local API: {why}", socket.display())]
    Protocol {
        /// The socket.
        socket: PathBuf,
        /// What was wrong with the answer.
        why: String,
    },
}

impl Error {
    /// The exit code of a command that ends with this error: the contract's 1, 3 and 4, else sysexits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Unreachable { .. } => 3,
            Self::Forbidden(_) => 4,
            Self::Failed(fault) if fault.code == FaultCode::Internal => 70,
            Self::Failed(_) => 75,
            Self::Protocol { .. } => 76,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { .. } => {
                Some("start it with `systemctl start clawgressd`, or name its socket with `--socket PATH`")
            }
            Self::Protocol { .. } => {
                Some("compare `clawgress --version` with the daemon's, and restart the daemon")
            }
            Self::Forbidden(fault) | Self::Refused(fault) | Self::Failed(fault) => fault.hint.as_deref(),
        }
    }
}

/// The fault of a user whom the daemon does not know, or whom the socket itself keeps out.
pub fn forbidden() -> Fault {
    Fault::new(FaultCode::Forbidden, "only root and members of the group `clawgress` may talk to the daemon")
        .hint("`sudo usermod -aG clawgress \"$USER\"`, then log in again; or use sudo")
}

/// A connection to the daemon. One call at a time.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects to the daemon's socket. Needs a tokio runtime, which drives the connection.
    pub async fn connect(socket: &Path) -> Result<Self, Error> {
        let unreachable = |why: String| Error::Unreachable { socket: socket.to_owned(), why };
        let stream = match timeout(CONNECT_TIME, UnixStream::connect(socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::Forbidden(forbidden()));
            }
            Ok(Err(error)) => return Err(unreachable(said(&error))),
            Err(_) => return Err(unreachable(format!("not accepted within {} s", CONNECT_TIME.as_secs()))),
        };
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.to_string()))?;
        tokio::spawn(async move {
            // The call that is under way reports how the connection ended.
            let _ = connection.await;
        });
        Ok(Self { socket: socket.to_owned(), sender })
    }

    /// How things are.
    pub async fn status(&mut self) -> Result<Status, Error> {
        self.get("/v1/status").await
    }

    /// Reads the documents anew; in force, where valid, when this returns.
    pub async fn reload(&mut self) -> Result<ReloadResult, Error> {
        self.json(Method::POST, "/v1/reload", Bytes::new()).await
    }

    /// The checks of `doctor`.
    pub async fn checks(&mut self) -> Result<Vec<Check>, Error> {
        self.get("/v1/checks").await
    }

    /// The documents in force of one kind; with a name, that one or [`Error::Refused`].
    pub async fn resources(&mut self, kind: &str, name: Option<&str>) -> Result<Vec<Resource>, Error> {
        let mut path = format!("/v1/resources/{}", segment(kind));
        if let Some(name) = name {
            path.push('/');
            path.push_str(&segment(name));
        }
        self.get(&path).await
    }

    /// What would become of a request.
    pub async fn explain(&mut self, query: &ExplainQuery) -> Result<Explanation, Error> {
        let body = serde_json::to_vec(query).map_err(|error| self.protocol(error))?;
        self.json(Method::POST, "/v1/explain", body.into()).await
    }

    /// Why a recorded request was decided as it was.
    pub async fn explain_record(&mut self, id: &str) -> Result<Explanation, Error> {
        self.get(&format!("/v1/explain/{}", segment(id))).await
    }

    /// Lets an agent reach hosts for a time; in force when this returns.
    pub async fn approve(&mut self, query: &ApproveQuery) -> Result<Approval, Error> {
        self.ask("/v1/approvals", query).await
    }

    /// Approvals in force, or all that are remembered.
    pub async fn approvals(&mut self, all: bool) -> Result<Vec<Approval>, Error> {
        self.get(if all { "/v1/approvals?all=true" } else { "/v1/approvals" }).await
    }

    /// Ends an approval.
    pub async fn revoke(&mut self, name: &str) -> Result<Approval, Error> {
        self.json(Method::POST, &format!("/v1/approvals/{}/revoke", segment(name)), Bytes::new()).await
    }

    /// Agents of the documents in force; with a name, that one or [`Error::Refused`].
    pub async fn agents(&mut self, name: Option<&str>) -> Result<Vec<Agent>, Error> {
        match name {
            Some(name) => self.get(&format!("/v1/agents/{}", segment(name))).await,
            None => self.get("/v1/agents").await,
        }
    }

    /// Shuts an agent out.
    pub async fn quarantine(&mut self, agent: &str, query: &QuarantineQuery) -> Result<Agent, Error> {
        self.ask(&format!("/v1/agents/{}/quarantine", segment(agent)), query).await
    }

    /// Lets an agent in again.
    pub async fn release(&mut self, agent: &str) -> Result<Agent, Error> {
        self.json(Method::POST, &format!("/v1/agents/{}/release", segment(agent)), Bytes::new()).await
    }

    /// How limits of amounts stand: all, those of one document, those of one subject.
    pub async fn quotas(&mut self, policy: Option<&str>, subject: Option<&str>) -> Result<Vec<Quota>, Error> {
        let pair = |name, value: Option<&str>| value.map(|value| (name, value.to_owned()));
        let pairs: Vec<_> = pair("policy", policy).into_iter().chain(pair("subject", subject)).collect();
        self.get(&with_pairs("/v1/quotas", &pairs)).await
    }

    /// Gives a budget more; in force when this returns.
    pub async fn grant_quota(&mut self, query: &QuotaQuery) -> Result<Vec<Quota>, Error> {
        self.ask("/v1/quotas/grant", query).await
    }

    /// Begins a budget anew; in force when this returns.
    pub async fn reset_quota(&mut self, query: &QuotaQuery) -> Result<Vec<Quota>, Error> {
        self.ask("/v1/quotas/reset", query).await
    }

    /// Sets values, all of them or none; in force when this returns.
    pub async fn set_secrets(&mut self, query: &SetSecrets) -> Result<Vec<SecretValue>, Error> {
        let body = query.to_json().map_err(|error| self.protocol(error))?;
        self.json(Method::POST, "/v1/secrets", Bytes::from_owner(body)).await
    }

    /// Every value, without itself.
    pub async fn secrets(&mut self) -> Result<Vec<SecretValue>, Error> {
        self.get("/v1/secrets").await
    }

    /// Removes a secret, or one value of it, and says which values are gone.
    pub async fn remove_secret(&mut self, name: &str, key: Option<&str>) -> Result<Vec<SecretValue>, Error> {
        let pairs: Vec<_> = key.map(|key| ("key", key.to_owned())).into_iter().collect();
        let path = with_pairs(&format!("/v1/secrets/{}/remove", segment(name)), &pairs);
        self.json(Method::POST, &path, Bytes::new()).await
    }

    /// One page of merged rows, oldest first.
    pub async fn audit_search(&mut self, filter: &AuditFilter, window: &Window) -> Result<Page, Error> {
        self.get(&with_pairs("/v1/audit/search", &to_pairs(filter, window))).await
    }

    /// The rows whose request id is, or begins with, `id`.
    pub async fn audit_show(&mut self, id: &str) -> Result<Vec<Value>, Error> {
        self.get(&format!("/v1/audit/records/{}", segment(id))).await
    }

    /// One page of the newest rows.
    pub async fn audit_tail(&mut self, filter: &AuditFilter, window: &Window) -> Result<Page, Error> {
        self.get(&with_pairs("/v1/audit/tail", &to_pairs(filter, window))).await
    }

    /// The newest rows and then every further one as it is decided.
    pub async fn audit_follow(mut self, filter: &AuditFilter, window: &Window) -> Result<Rows, Error> {
        let mut pairs = to_pairs(filter, window);
        pairs.push(("follow", "true".to_owned()));
        let path = with_pairs("/v1/audit/tail", &pairs);
        let body = self.call(Method::GET, &path, Bytes::new()).await?.into_body();
        Ok(Rows { client: self, body, pending: BytesMut::new() })
    }

    /// The certificate of this gateway's authority, in PEM.
    pub async fn ca_pem(&mut self) -> Result<String, Error> {
        let response = self.call(Method::GET, "/v1/ca.pem", Bytes::new()).await?;
        let body = self.collect(response.into_body()).await?;
        String::from_utf8(body.to_vec()).map_err(|error| self.protocol(error))
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(query).map_err(|error| self.protocol(error))?;
        self.json(Method::POST, path, body.into()).await
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Error> {
        self.json(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Error> {
        let response = self.call(method, path, body).await?;
        let body = self.collect(response.into_body()).await?;
        serde_json::from_slice(&body).map_err(|error| self.protocol(error))
    }

    /// Sends one request; an answer that is no success becomes an error here.
    async fn call(&mut self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "clawgress")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.protocol(error))?;
        let exchange = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = match timeout(ANSWER_TIME, exchange).await {
            Ok(answer) => answer.map_err(|error| self.lost(error))?,
            Err(_) => return Err(self.lost(format!("no answer within {} s", ANSWER_TIME.as_secs()))),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.collect(response.into_body()).await?;
        Err(self.fault(status, &body))
    }

    async fn collect(&self, body: Incoming) -> Result<Bytes, Error> {
        match timeout(ANSWER_TIME, Limited::new(body, limits::ADMIN_REPLY_BYTES).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.protocol("the answer is too long")),
            Ok(Err(error)) => Err(self.lost(error)),
            Err(_) => Err(self.lost("the answer did not end in time")),
        }
    }

    fn fault(&self, status: StatusCode, body: &[u8]) -> Error {
        match serde_json::from_slice::<Fault>(body) {
            Ok(fault) => match fault.code {
                FaultCode::Forbidden => Error::Forbidden(fault),
                FaultCode::Invalid | FaultCode::NotFound => Error::Refused(fault),
                FaultCode::Busy | FaultCode::AuditUnavailable | FaultCode::Internal => Error::Failed(fault),
            },
            Err(_) => self.protocol(format!("status {status} without a sentence")),
        }
    }

    fn lost(&self, why: impl ToString) -> Error {
        Error::Unreachable { socket: self.socket.clone(), why: why.to_string() }
    }

    fn protocol(&self, why: impl ToString) -> Error {
        Error::Protocol { socket: self.socket.clone(), why: why.to_string() }
    }
}

/// What the system said, in lower case and without its number.
fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ => error.to_string(),
    }
}

/// The rows of a followed tail.
#[derive(Debug)]
pub struct Rows {
    client: Client,
    body: Incoming,
    pending: BytesMut,
}

impl Rows {
    /// The next row, as soon as it is there; nothing once the daemon ends the stream.
    pub async fn next(&mut self) -> Result<Option<Value>, Error> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line = self.pending.split_to(end + 1);
                // An empty line is a sign of life.
                if line.len() > 1 {
                    return serde_json::from_slice(&line)
                        .map(Some)
                        .map_err(|error| self.client.protocol(error));
                }
                continue;
            }
            if self.pending.len() > ROW_BYTES {
                return Err(self.client.protocol("a row is too long"));
            }
            let frame = match timeout(SILENCE_TIME, self.body.frame()).await {
                Err(_) => return Err(self.client.lost("no sign of life")),
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => frame.map_err(|error| self.client.lost(error))?,
            };
            if let Ok(data) = frame.into_data() {
                self.pending.extend_from_slice(&data);
            }
        }
    }

    /// Whether another row is there already, so that a printer can wait with its flush.
    pub fn has_more(&self) -> bool {
        self.pending.contains(&b'\n')
    }
}
