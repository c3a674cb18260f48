//! The server over a real socket, with a backend that answers from its pockets.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::routes::ROUTES;
use super::*;
use crate::model::types::{FailMode, Reason, Timestamp};
use crate::operate::api::{
    Agent, AgentState, Approval, ApprovalState, ApproveQuery, AuditFilter, Authority, AuthorityState, Backup,
    BackupQuery, BackupState, Check, CheckState, Client, Daemon, Error, ExplainQuery, Explanation, Fault,
    FaultCode, Hidden, Interception, LastHour, LedgerState, NewSecret, OnDisk, Page, PolicyState, Quarantine,
    QuarantineQuery, Quota, QuotaQuery, RegistryState, ReloadResult, Resource, RotateQuery, SecretValue,
    SetSecrets, Setup, Status, Window,
};

#[derive(Default)]
pub(crate) struct Pockets {
    pub(crate) actions: Mutex<Vec<AdminAction>>,
    /// What was closed: the status or 200, what was said, whether somebody waited.
    pub(crate) endings: Arc<Mutex<Vec<(u16, String, bool)>>>,
    pub(crate) turned_away: Mutex<Vec<AdminAction>>,
    pub(crate) reloads: Mutex<u32>,
    pub(crate) asked: Mutex<Vec<(AuditFilter, Window)>>,
    pub(crate) unrecordable: bool,
    /// What a search finds, one row a page.
    pub(crate) rows: Vec<Value>,
}

/// An authority that does this.
pub(crate) fn authority(state: AuthorityState) -> Authority {
    Authority {
        subject: "CN=Clawgress CA 0a1b2c3d".into(),
        fingerprint: "AB:CD".into(),
        not_before: Timestamp(1_795_000_000_000_000),
        not_after: Timestamp(1_795_086_400_000_000),
        state,
        signs_from: None,
        own: true,
        file: None,
    }
}

pub(crate) fn status() -> Status {
    Status {
        daemon: Daemon {
            version: "0.1.0".into(),
            pid: 7,
            started_at: Timestamp(1_795_000_000_000_000),
            uptime_s: 60,
            fail_mode: FailMode::Closed,
            settings: None,
        },
        interception: Interception {
            interfaces: vec!["agents0".into()],
            subnets: vec!["10.77.0.0/24".into()],
            rules: Setup::InPlace,
            routes: Setup::Differs,
            refused: [("quic", 12), ("udp", 3), ("tcp", 0)]
                .map(|(name, count)| (name.to_owned(), count))
                .into(),
            seen: Default::default(),
            passed: Default::default(),
        },
        policy: PolicyState {
            digest: "sha256:00".into(),
            since: Timestamp(1_795_000_000_000_000),
            files: 1,
            documents: 2,
            digest_on_disk: Some("sha256:01".into()),
            on_disk: OnDisk::Digest("sha256:01".into()),
        },
        agents: 1,
        registry: RegistryState::default(),
        last_hour: LastHour::default(),
        ledger: LedgerState { healthy: true, ..LedgerState::default() },
        needs: vec!["the set on disk is not loaded: `clawgress reload`".into()],
    }
}

fn approval(state: ApprovalState, reason: &str, made_by: &str) -> Approval {
    Approval {
        name: "alice-1".into(),
        agent: "alice".into(),
        hosts: vec!["paste.example:443".into(), "cdn.example".into()],
        tools: Vec::new(),
        state,
        reason: reason.into(),
        ticket: None,
        request_id: None,
        made_by: made_by.into(),
        made_at: Some(Timestamp(1_795_000_000_000_000)),
        until: Some(Timestamp(1_795_007_200_000_000)),
        ended_at: None,
        ended_by: None,
    }
}

fn agent(name: &str, shut_out: Option<&str>) -> Agent {
    let quarantine = shut_out.map(|reason| Quarantine {
        agent: name.into(),
        until: None,
        reason: reason.into(),
        made_by: "root".into(),
        rule: None,
        made_at: Timestamp(1_795_000_000_000_000),
    });
    Agent {
        name: name.into(),
        state: if shut_out.is_some() { AgentState::Quarantined } else { AgentState::Active },
        team: Some("red".into()),
        project: None,
        environment: None,
        sources: vec!["10.77.0.2/32".into()],
        gateway: "default".into(),
        approvals: 1,
        quarantine,
        place: "policies.d/agents.yaml:1".into(),
    }
}

fn secret(name: &str, key: &str, version: u64) -> SecretValue {
    SecretValue {
        name: name.into(),
        key: key.into(),
        version,
        set_by: "root".into(),
        set_at: Timestamp(1_795_000_000_000_000),
        readable: version != 7,
        policies: if key == "id" { vec!["CredentialInjectionPolicy/aws".into()] } else { Vec::new() },
    }
}

fn quota(policy: &str, subject: &str, used: u64) -> Quota {
    Quota {
        policy: policy.into(),
        subject: Some(subject.into()),
        unit: "tokens".into(),
        window: "day".into(),
        mode: "HardStop".into(),
        max: 2000.into(),
        used: used.into(),
        reserved: 0.into(),
        left: (2000 - used).into(),
        returns: None,
    }
}

impl Backend for Pockets {
    fn status(&self) -> Result<Status, Fault> {
        Ok(status())
    }

    fn reload(&self, _: &Caller) -> Result<ReloadResult, Fault> {
        *self.reloads.lock().unwrap() += 1;
        Ok(ReloadResult {
            applied: true,
            changed: true,
            digest: "sha256:01".into(),
            since: Timestamp(1_795_000_000_000_000),
            files: 1,
            documents: 2,
            diagnostics: Vec::new(),
        })
    }

    fn checks(&self) -> Result<Vec<Check>, Fault> {
        Ok(vec![Check { name: "nft".into(), state: CheckState::Ok, found: "1.1".into(), repair: None }])
    }

    fn resources(&self, kind: &str, name: Option<&str>) -> Result<Vec<Resource>, Fault> {
        let alice = Resource {
            kind: kind.into(),
            name: "alice".into(),
            file: "policies.d/agents.yaml".into(),
            line: 1,
            body: json!({"kind": kind}),
        };
        Ok(Vec::from_iter(Some(alice).filter(|alice| name.is_none_or(|name| name == alice.name))))
    }

    fn explain(&self, query: &ExplainQuery) -> Result<Explanation, Fault> {
        if query.agent == "panic" {
            panic!("as asked");
        }
        Ok(Explanation {
            agent: query.agent.clone(),
            request: query.target.clone(),
            allowed: false,
            reason: Some(Reason::PolicyNoRoute),
            policy: Some("EgressGateway/default".into()),
            ..Explanation::default()
        })
    }

    fn explain_record(&self, id: &str) -> Result<Explanation, Fault> {
        Ok(Explanation { request: id.to_owned(), ..Explanation::default() })
    }

    fn audit_search(&self, filter: &AuditFilter, window: &Window) -> Result<Page, Fault> {
        self.asked.lock().unwrap().push((filter.clone(), *window));
        if self.rows.is_empty() {
            return Ok(Page {
                rows: vec![json!({"agent_id": filter.agent})],
                next: 1,
                through: 1,
                more: false,
            });
        }
        let all = self.rows.len() as u64;
        let first = window.after.unwrap_or(window.last.map_or(0, |last| all.saturating_sub(last)));
        let rows: Vec<Value> = self.rows.iter().skip(first as usize).take(1).cloned().collect();
        Ok(Page { rows, next: first + 1, through: all, more: first + 1 < all })
    }

    fn audit_tail(&self, _: &AuditFilter, window: &Window) -> Result<Page, Fault> {
        let after = window.after.unwrap_or(0);
        let rows: Vec<Value> = if after < 3 { vec![json!({"seq": after + 1})] } else { Vec::new() };
        let next = after + rows.len() as u64;
        Ok(Page { rows, next, through: 3, more: next < 3 })
    }

    fn audit_show(&self, id: &str) -> Result<Vec<Value>, Fault> {
        Ok(if id == "0199c0de-7a31" { vec![json!({"request_id": id})] } else { Vec::new() })
    }

    fn approve(&self, caller: &Caller, query: &ApproveQuery) -> Result<Approval, Fault> {
        let user = caller.user.clone().unwrap_or_default();
        Ok(approval(ApprovalState::Active, &query.reason, &user))
    }

    fn approvals(&self, all: bool) -> Result<Vec<Approval>, Fault> {
        let state = if all { ApprovalState::Revoked } else { ApprovalState::Active };
        Ok(vec![approval(state, "debug", "root")])
    }

    fn revoke(&self, _: &Caller, name: &str) -> Result<Approval, Fault> {
        match name {
            "alice-1" => Ok(approval(ApprovalState::Revoked, "debug", "root")),
            _ => Err(Fault::not_found(format!("no approval `{name}` is in force"))),
        }
    }

    fn agents(&self, name: Option<&str>) -> Result<Vec<Agent>, Fault> {
        Ok(vec![agent(name.unwrap_or("alice"), None)])
    }

    fn quarantine(&self, _: &Caller, name: &str, query: &QuarantineQuery) -> Result<Agent, Fault> {
        Ok(agent(name, Some(&query.reason)))
    }

    fn release(&self, _: &Caller, name: &str) -> Result<Agent, Fault> {
        Ok(agent(name, None))
    }

    fn quotas(&self, policy: Option<&str>, subject: Option<&str>) -> Result<Vec<Quota>, Fault> {
        Ok(vec![quota(policy.unwrap_or("BudgetPolicy/day"), subject.unwrap_or("Team/red"), 2000)])
    }

    fn change_quota(&self, _: &Caller, query: &QuotaQuery) -> Result<Vec<Quota>, Fault> {
        let used = if query.amount.is_some() { 1500 } else { 0 };
        Ok(vec![quota(&query.policy, "Team/red", used)])
    }

    fn secrets(&self) -> Result<Vec<SecretValue>, Fault> {
        Ok(vec![secret("aws", "id", 7), secret("openai", "value", 1)])
    }

    fn set_secrets(&self, _: &Caller, query: &SetSecrets) -> Result<Vec<SecretValue>, Fault> {
        let version = |one: &NewSecret| one.value.bytes().map_or(0, |bytes| bytes.len() as u64);
        Ok(query.secrets.iter().map(|one| secret(&one.name, &one.key, version(one))).collect())
    }

    fn remove_secret(&self, _: &Caller, name: &str, key: Option<&str>) -> Result<Vec<SecretValue>, Fault> {
        match name {
            "openai" => Ok(vec![secret(name, key.unwrap_or("value"), 1)]),
            _ => Err(Fault::not_found(format!("there is no secret `{name}`"))),
        }
    }

    fn authorities(&self) -> Result<Vec<Authority>, Fault> {
        Ok(vec![authority(AuthorityState::Signing)])
    }

    fn rotate_authority(&self, _: &Caller, query: &RotateQuery) -> Result<Vec<Authority>, Fault> {
        let next = Authority {
            signs_from: query.overlap_s.map(|_| Timestamp(0)),
            ..authority(AuthorityState::Upcoming)
        };
        Ok(vec![authority(AuthorityState::Signing), next])
    }

    fn begin_backup(&self, _: &Caller, _: &BackupQuery) -> Result<Backup, Fault> {
        Ok(Backup { id: "b1".into(), folder: "/state/backups/b1".into(), state: BackupState::Running })
    }

    fn backup(&self, id: &str) -> Result<Backup, Fault> {
        Err(Fault::not_found(format!("there is no backup `{id}`")))
    }

    fn remove_backup(&self, id: &str) -> Result<Backup, Fault> {
        self.backup(id)
    }

    fn ca_pem(&self) -> Result<String, Fault> {
        Ok("-----BEGIN CERTIFICATE-----\n".into())
    }

    fn open(&self, action: &AdminAction) -> Result<Closing, Fault> {
        if self.unrecordable {
            return Err(Fault::new(FaultCode::AuditUnavailable, "the ledger cannot write"));
        }
        self.actions.lock().unwrap().push(action.clone());
        let endings = Arc::clone(&self.endings);
        Ok(Box::new(move |ending| {
            let (status, said) = match ending.came_to {
                Ok(words) => (200, words),
                Err(fault) => (fault.code.status(), &*fault.message),
            };
            endings.lock().unwrap().push((status, said.to_owned(), ending.awaited));
        }))
    }

    fn turn_away(&self, action: &AdminAction) -> Result<(), Fault> {
        self.turned_away.lock().unwrap().push(action.clone());
        Ok(())
    }
}

/// A server in a folder of its own.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    backend: Arc<Pockets>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Lab {
    pub(crate) fn start(pockets: Pockets, access: Access) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = Arc::new(pockets);
        let server = Server::bind(&folder.path().join("admin.sock"), access).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(server.serve(Arc::clone(&backend) as Arc<dyn Backend>, async {
            let _ = stopped.await;
        }));
        Self { folder, backend, stop, served }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    pub(crate) fn backend_windows(&self) -> Vec<Window> {
        self.backend.asked.lock().unwrap().iter().map(|(_, window)| *window).collect()
    }

    async fn client(&self) -> Client {
        Client::connect(&self.socket()).await.unwrap()
    }

    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
        self.folder
    }
}

pub(crate) fn everybody() -> Access {
    Access::by(|_| true)
}

/// One request in bytes; the whole answer in bytes.
async fn raw(socket: PathBuf, request: String) -> String {
    tokio::task::spawn_blocking(move || {
        let mut stream = StdStream::connect(socket).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn every_route_answers_through_the_client() {
    let lab = Lab::start(Pockets::default(), everybody());
    let mut client = lab.client().await;
    assert_eq!(client.status().await.unwrap(), status());
    assert!(client.reload().await.unwrap().applied);
    assert_eq!(client.checks().await.unwrap()[0].state, CheckState::Ok);
    assert_eq!(client.resources("agents", None).await.unwrap()[0].kind, "Agent");
    assert_eq!(client.resources("Agent", Some("alice")).await.unwrap().len(), 1);
    let query = ExplainQuery {
        agent: "alice".into(),
        target: "https://a.example/".into(),
        method: None,
        headers: Vec::new(),
        at: None,
    };
    assert_eq!(client.explain(&query).await.unwrap().reason, Some(Reason::PolicyNoRoute));
    assert_eq!(client.explain_record("0199c0de-7a31").await.unwrap().request, "0199c0de-7a31");
    let filter = AuditFilter { agent: Some("a&b=c +%".into()), ..AuditFilter::default() };
    let page = client.audit_search(&filter, &Window::default()).await.unwrap();
    assert_eq!(page.rows, [json!({"agent_id": "a&b=c +%"})]);
    assert_eq!(client.audit_tail(&filter, &Window::default()).await.unwrap().rows, [json!({"seq": 1})]);
    assert_eq!(client.audit_show("0199C0DE-7a31").await.unwrap().len(), 1);
    assert!(client.ca_pem().await.unwrap().starts_with("-----BEGIN"));
    let approve =
        ApproveQuery { agent: Some("alice".into()), reason: "debug".into(), ..ApproveQuery::default() };
    assert_eq!(client.approve(&approve).await.unwrap().reason, "debug");
    assert_eq!(client.approvals(false).await.unwrap()[0].state, ApprovalState::Active);
    assert_eq!(client.approvals(true).await.unwrap()[0].state, ApprovalState::Revoked);
    assert_eq!(client.revoke("alice-1").await.unwrap().state, ApprovalState::Revoked);
    assert_eq!(client.agents(None).await.unwrap()[0].name, "alice");
    assert_eq!(client.agents(Some("bob")).await.unwrap()[0].name, "bob");
    let quarantine = QuarantineQuery { reason: "loud".into(), for_s: None };
    assert_eq!(client.quarantine("bob", &quarantine).await.unwrap().state, AgentState::Quarantined);
    assert_eq!(client.release("bob").await.unwrap().state, AgentState::Active);
    assert_eq!(client.quotas(None, None).await.unwrap()[0].policy, "BudgetPolicy/day");
    assert_eq!(client.secrets().await.unwrap().len(), 2);
    assert_eq!(client.remove_secret("openai", Some("a")).await.unwrap()[0].title(), "openai/a");
    assert_eq!(client.authorities().await.unwrap()[0].state, AuthorityState::Signing);
    let rotate = RotateQuery { overlap_s: Some(3600), now: false };
    assert_eq!(client.rotate_authority(&rotate).await.unwrap()[1].state, AuthorityState::Upcoming);
    let begun = client.begin_backup(&BackupQuery::default()).await.unwrap();
    assert_eq!((&*begun.id, begun.state), ("b1", BackupState::Running));
    for asked in [client.backup("b/1").await, client.remove_backup("b/1").await] {
        assert_eq!(asked.unwrap_err().to_string(), "there is no backup `b/1`");
    }
    let about: Vec<_> = lab.backend.actions.lock().unwrap().iter().map(|one| one.object.clone()).collect();
    let about: Vec<_> = about.iter().map(Option::as_deref).collect();
    let named = [None, Some("alice"), Some("alice-1"), Some("bob"), Some("bob"), Some("openai"), None, None];
    assert_eq!(about, named);
    let said = lab.backend.endings.lock().unwrap().last().expect("what was closed").1.clone();
    assert_eq!(said, "begun, without the master key");
    // Granting, beginning anew and setting secrets have tests of their own.
    assert_eq!(ROUTES.len(), 29, "a new route needs its line above");
    lab.stop().await;
}

#[tokio::test]
async fn of_a_secret_that_is_set_the_record_has_its_names_and_no_answer_has_its_value() {
    let lab = Lab::start(Pockets::default(), everybody());
    let mut client = lab.client().await;
    let new = |name: &str, key: &str, value: &[u8]| NewSecret {
        name: name.into(),
        key: key.into(),
        value: Hidden::of(value),
    };
    let long = vec![b'x'; crate::model::types::limits::SECRET_BYTES];
    let mut secrets = vec![new("aws", "id", b"sword"), new("aws", "key", b"fish")];
    secrets.extend((0..16).map(|number| new(&format!("long-{number}"), "value", &long)));
    let set = client.set_secrets(&SetSecrets { secrets }).await.unwrap();
    assert_eq!((set[0].version, set[17].version), (5, 65_536), "every value came whole");
    let action = lab.backend.actions.lock().unwrap()[0].clone();
    assert_eq!((action.command.as_str(), action.given), ("secret set", None));
    assert!(action.object.unwrap().starts_with("aws long-0 long-1"));
    let said = lab.backend.endings.lock().unwrap()[0].1.clone();
    assert!(
        said.starts_with("aws/id is version 5, aws/key is version 4, long-0/value is version 65536"),
        "{said}"
    );
    client.remove_secret("openai", None).await.unwrap();
    assert_eq!(lab.backend.endings.lock().unwrap()[1].1, "gone: openai/value");

    // What is no question is refused, and what stands in it is not quoted.
    for body in [
        "{\"secrets\": \"swordfish\"}",
        "{\"secrets\": [{\"name\": \"a\", \"key\": \"b\", \"value\": [\"swordfish\"]}]}",
        "{\"swordfish\": 1}",
        "swordfish",
    ] {
        let head = "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length";
        let answer = raw(lab.socket(), format!("{head}: {}\r\n\r\n{body}", body.len())).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("swordfish"), "{answer}");
    }
    let size = crate::model::types::limits::ADMIN_SECRETS_BYTES + 1;
    let head = format!(
        "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{{"
    );
    let answer = raw(lab.socket(), head).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("is longer than"), "{answer}");
    lab.stop().await;
}

/// What a question is answered with that the daemon's own client would not send.
#[tokio::test]
async fn what_is_no_question_about_approvals_is_refused() {
    let lab = Lab::start(Pockets::default(), everybody());
    let request = |head: &str, body: &str| {
        format!(
            "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (head, body) in [
        ("POST /v1/approvals", "{}"),
        ("POST /v1/approvals", r#"{"reason": "x", "ttl_s": 1, "models": []}"#),
        ("GET /v1/approvals?all=yes", ""),
        ("POST /v1/agents/bob/quarantine", ""),
    ] {
        let answer = raw(lab.socket(), request(head, body)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head}: {answer}");
    }
    lab.stop().await;
}

#[tokio::test]
async fn a_followed_tail_brings_each_row_and_ends_with_the_daemon() {
    let lab = Lab::start(Pockets::default(), everybody());
    let mut rows =
        lab.client().await.audit_follow(&AuditFilter::default(), &Window::default()).await.unwrap();
    for seq in 1..=3 {
        assert_eq!(rows.next().await.unwrap(), Some(json!({ "seq": seq })));
    }
    lab.stop().await;
    assert!(matches!(rows.next().await, Ok(None) | Err(Error::Unreachable { .. })));
}

#[tokio::test]
async fn a_foreign_user_is_refused_everywhere_and_recorded() {
    let lab = Lab::start(Pockets::default(), Access::by(|_| false));
    for route in &ROUTES {
        let verb = format!("{:?}", route.verb).to_uppercase();
        let request = format!("{verb} {} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", route.path);
        let answer = raw(lab.socket(), request).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{}: {answer}", route.path);
    }
    let error = lab.client().await.status().await.unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert!(error.hint().unwrap().contains("usermod"));
    let actions = lab.backend.turned_away.lock().unwrap().clone();
    assert_eq!(actions.len(), ROUTES.len() + 1);
    assert!(actions.iter().all(|action| action.caller.peer.pid.is_some()));
    assert!(lab.backend.actions.lock().unwrap().is_empty());
    assert_eq!(actions[0].command, "GET /v1/status");
    assert_eq!(*lab.backend.reloads.lock().unwrap(), 0);
}

#[tokio::test]
async fn what_changes_something_is_recorded_before_it_is_done() {
    let lab = Lab::start(Pockets::default(), everybody());
    lab.client().await.reload().await.unwrap();
    lab.client().await.status().await.unwrap();
    let actions = lab.backend.actions.lock().unwrap().clone();
    let uid = std::fs::metadata(lab.socket()).unwrap().uid();
    assert_eq!(actions.len(), 1, "reading is not an administrative action");
    assert_eq!(actions[0].command, "reload");
    assert_eq!(actions[0].caller.peer.uid, uid);

    let deaf = Lab::start(Pockets { unrecordable: true, ..Pockets::default() }, everybody());
    let error = deaf.client().await.reload().await.unwrap_err();
    assert_eq!(error.exit_code(), 75, "{error}");
    assert_eq!(*deaf.backend.reloads.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_record_of_a_change_has_what_was_given_and_the_status_that_the_caller_got() {
    let lab = Lab::start(Pockets::default(), everybody());
    let mut client = lab.client().await;
    let approve = ApproveQuery {
        agent: Some("alice".into()),
        hosts: vec!["paste.example".into()],
        reason: "debug".into(),
        ticket: Some("INC-1".into()),
        ttl_s: 7200,
        ..ApproveQuery::default()
    };
    client.approve(&approve).await.unwrap();
    let quarantine = QuarantineQuery { reason: "loud".into(), for_s: Some(90) };
    client.quarantine("bob", &quarantine).await.unwrap();
    client.revoke("nobody-1").await.unwrap_err();
    let given: Vec<_> = lab.backend.actions.lock().unwrap().iter().map(|one| one.given.clone()).collect();
    let given: Vec<_> = given.iter().map(Option::as_deref).collect();
    assert_eq!(given, [Some("ttl 2h, ticket INC-1, reason: debug"), Some("for 90s, reason: loud"), None]);
    let endings = lab.backend.endings.lock().unwrap().clone();
    let said: Vec<_> = endings.iter().map(|(status, said, _)| (*status, said.as_str())).collect();
    assert_eq!(
        said,
        [
            (
                200,
                "alice may reach paste.example:443, cdn.example until 2026-11-18T13:06:40.000000Z, as alice-1"
            ),
            (200, "shut out until somebody ends it"),
            (404, "no approval `nobody-1` is in force"),
        ]
    );
    assert!(endings.iter().all(|(.., awaited)| *awaited));
}

#[tokio::test]
async fn a_wrong_question_is_refused_with_a_hint_and_ends_in_exit_code_one() {
    let lab = Lab::start(Pockets::default(), everybody());
    let mut client = lab.client().await;
    let refusals = [
        (client.resources("agnet", None).await.unwrap_err(), "no kind", "did you mean `Agent`?"),
        (
            client.resources("Agent", Some("nobody")).await.unwrap_err(),
            "no Agent `nobody`",
            "clawgress get Agent",
        ),
        (client.audit_show("xyz/../../").await.unwrap_err(), "no request id", "looks like"),
    ];
    for (error, message, hint) in refusals {
        assert_eq!(error.exit_code(), 1, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
    }
    let error = client.audit_show("0199c0de-ffff").await.unwrap_err();
    assert!(error.to_string().contains("nothing on record"), "{error}");
    let socket = lab.socket();
    for (request, status) in [
        ("GET /v1/audit/search?agnet=x HTTP/1.1", 400),
        ("GET /v1/audit/tail?follow=maybe HTTP/1.1", 400),
        ("DELETE /v1/status HTTP/1.1", 400),
        ("GET /v2/status HTTP/1.1", 404),
        ("POST /v1/explain HTTP/1.1", 400),
    ] {
        let request = format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(socket.clone(), request.clone()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains("\"code\":"), "{answer}");
    }
}

#[tokio::test]
async fn a_question_past_its_bound_is_refused() {
    let lab = Lab::start(Pockets::default(), everybody());
    let size = crate::model::types::limits::ADMIN_BODY_BYTES + 1;
    let request = format!(
        "POST /v1/explain HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{{"
    );
    let answer = raw(lab.socket(), request).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("is longer than"), "{answer}");
    let filter = AuditFilter::default();
    let window = Window { limit: Some(u64::MAX), ..Window::default() };
    lab.client().await.audit_search(&filter, &window).await.unwrap();
    let asked = lab.backend.asked.lock().unwrap()[0].1.limit;
    assert_eq!(asked, Some(crate::model::types::limits::ADMIN_PAGE_ROWS));
}

#[tokio::test]
async fn a_failure_behind_one_call_is_its_own_and_the_server_lives() {
    let lab = Lab::start(Pockets::default(), everybody());
    let mut client = lab.client().await;
    let query = ExplainQuery {
        agent: "panic".into(),
        target: "a:1".into(),
        method: None,
        headers: Vec::new(),
        at: None,
    };
    assert_eq!(client.explain(&query).await.unwrap_err().exit_code(), 70);
    assert!(client.status().await.is_ok());
}

#[tokio::test]
async fn the_socket_has_its_mode_is_removed_at_the_end_and_can_be_had_again() {
    let lab = Lab::start(Pockets::default(), everybody());
    let metadata = std::fs::metadata(lab.socket()).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    let socket = lab.socket();
    let folder = lab.stop().await;
    assert!(!socket.exists());
    let again = Server::bind(&socket, everybody()).unwrap();
    drop(again);
    drop(folder);
}

fn bind_error(path: &Path) -> String {
    Server::bind(path, everybody()).map(|_| ()).unwrap_err().to_string()
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_refused() {
    let lab = Lab::start(Pockets::default(), everybody());
    let text = bind_error(&lab.socket());
    assert!(text.starts_with("another daemon already answers at `") && text.contains("runtimeDir"), "{text}");
    assert!(lab.client().await.status().await.is_ok(), "the live one is untouched");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let foreign = StdListener::bind(&path).unwrap();
    assert!(bind_error(&path).starts_with("another daemon already answers"), "without a lock file, too");
    drop(foreign);
    assert!(path.exists(), "stale");
    drop(Server::bind(&path, everybody()).unwrap());

    std::fs::write(&path, "precious").unwrap();
    assert!(bind_error(&path).contains("is not a socket"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_client_without_a_daemon_ends_in_exit_code_three() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let error = Client::connect(&path).await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("there is no such socket"), "{error}");
    drop(StdListener::bind(&path).unwrap());
    let error = Client::connect(&path).await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("nobody listens there"), "{error}");
}

#[tokio::test]
async fn something_else_at_the_socket_is_said_to_be_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = StdListener::bind(&path).unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    });
    let error = Client::connect(&path).await.unwrap().status().await.unwrap_err();
    assert_eq!(error.exit_code(), 76, "{error}");
    other.join().unwrap();
}

#[test]
fn access_of_this_host_lets_root_and_its_own_user_in() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (one, _other) = tokio::net::UnixStream::pair().unwrap();
        let own = Caller::of(&one).unwrap();
        let access = Access::of_this_host().unwrap();
        assert!(access.permits(&own.peer));
        assert!(access.permits(&Peer { uid: 0, gid: 0, pid: None }));
        assert!(!access.permits(&Peer { uid: 3_999_999_999, gid: 3_999_999_999, pid: None }));
    });
}

#[tokio::test]
async fn a_budget_is_shown_given_more_and_begun_anew_on_record() {
    let lab = Lab::start(Pockets::default(), everybody());
    let mut client = lab.client().await;
    let shown = client.quotas(Some("BudgetPolicy/day"), Some("Team/blue")).await.unwrap();
    assert_eq!(shown, [quota("BudgetPolicy/day", "Team/blue", 2000)]);
    let query = QuotaQuery {
        policy: "BudgetPolicy/day".into(),
        unit: Some("tokens".into()),
        amount: Some("500".into()),
        reason: "release week".into(),
        ..QuotaQuery::default()
    };
    assert_eq!(client.grant_quota(&query).await.unwrap()[0].used, 1500.into());
    let Err(Error::Refused(fault)) = client.reset_quota(&query).await else {
        panic!("a reset has no amount")
    };
    assert_eq!(fault.message, "a budget that begins anew has no amount");
    let query = QuotaQuery { unit: None, amount: None, ..query };
    assert_eq!(client.reset_quota(&query).await.unwrap()[0].used, 0.into());
    assert!(matches!(client.grant_quota(&query).await, Err(Error::Refused(_))));
    let actions = lab.backend.actions.lock().unwrap();
    let told: Vec<_> =
        actions.iter().map(|one| (&*one.command, one.object.as_deref(), one.given.as_deref())).collect();
    let object = Some("BudgetPolicy/day");
    let (granted, reset) = ("500 tokens, reason: release week", "reason: release week");
    assert_eq!(
        told,
        [
            ("quota grant", object, Some(granted)),
            ("quota reset", object, Some(granted)),
            ("quota reset", object, Some(reset)),
            ("quota grant", object, Some(reset)),
        ]
    );
    let endings = lab.backend.endings.lock().unwrap();
    assert_eq!(endings[0].1, "granted: Team/red has 500 tokens left for one day");
}
