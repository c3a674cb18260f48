//! A keeper at work on a real registry, while it can be written and while it cannot.

use std::path::Path;
use std::sync::Barrier;
use std::{fs, thread};

use tempfile::TempDir;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::super::super::parts::{self, Parts};
use super::super::super::policies::Policies;
use super::*;
use crate::act::credentials::{MasterKey, Vault};
use crate::model::config;
use crate::operate::api::{AgentState, ApprovalState, ApproveQuery, Fault, FaultCode, QuarantineQuery};
use crate::perceive::identity::Directory;
use crate::pipeline::{Home, Room, Snapshot};

/// How long something may take that takes no time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A keeper under the documents of `SET`; nobody runs it yet.
async fn keeper(folder: &Path) -> Arc<Keeper> {
    let at = folder.display();
    let settings = format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: ClawgressConfig\nspec:\n  \
         intercept: {{interfaces: [agents0], subnets: [10.77.0.0/24]}}\n  dns: {{upstreams: [192.0.2.53]}}\n  \
         policyDir: {at}/policies\n  stateDir: {at}/state\n  runtimeDir: {at}/run\n"
    );
    let config = config::parse(&SourceFile::new("c.yaml", settings.as_bytes())).expect("valid settings");
    parts::make_folders(&config).unwrap();
    fs::create_dir_all(&config.folders.policy).unwrap();
    fs::write(config.folders.policy.join("a.yaml"), SET).unwrap();
    let (_, snapshot) = Policies::load_first(&config);
    let vault = Arc::new(Vault::open(MasterKey::new(&Zeroizing::new([7; 32])), &[]));
    let shared = Parts::build(&config).unwrap().road(snapshot, vault, (Home::default(), Room::of(1024, 1)));
    let registry = Registry::open(&config.folders.state).await.unwrap();
    Keeper::start(registry, shared, MOST).await.unwrap()
}

/// Runs a command as the local API does.
async fn command<T, F>(keeper: &Arc<Keeper>, command: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce(&Keeper) -> Result<T, Fault> + Send + 'static,
{
    let keeper = keeper.clone();
    tokio::task::spawn_blocking(move || command(&keeper)).await.expect("it ends")
}

/// As a rule does it.
fn impose(keeper: &Keeper, until: i64) {
    let cause = Cause { policy: None, rule: None, reason: "loud".into() };
    keeper.shared.quarantines.impose(&"alice".into(), Timestamp(until), cause);
}

/// Waits until something else is in force.
async fn hears(changed: &mut watch::Receiver<()>, what: &str) {
    timeout(PATIENCE, changed.changed()).await.unwrap_or_else(|_| panic!("{what}")).expect("it lives");
}

#[tokio::test]
async fn what_is_over_ends_and_what_is_imposed_stands_while_the_database_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(folder.path()).await;
    let mut changed = keeper.shared.watch();
    let _turn = keeper.writing.lock().await;
    let running = tokio::spawn(keeper.clone().run());
    impose(&keeper, i64::MAX);
    hears(&mut changed, "it is taken up").await;
    // From here on somebody waits for the database.
    let until = clock::now().plus(Duration::from_millis(20));
    keeper.state().approvals.insert("made".into(), approval("made", until.0));
    keeper.follow();
    keeper.wake.notify_one();
    hears(&mut changed, "it is in force").await;
    hears(&mut changed, "it is over").await;
    assert!(keeper.state().approvals.is_empty());
    let unwritten: Vec<_> = keeper.state().unwritten.iter().cloned().collect();
    assert!(matches!(unwritten[..], [Change::Quarantine(_), Change::EndApproval(..)]), "{unwritten:?}");
    running.abort();
}

#[tokio::test]
async fn what_rules_impose_to_the_last_is_written_before_the_daemon_ends() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(folder.path()).await;
    let running = tokio::spawn(keeper.clone().run());
    impose(&keeper, i64::MAX);
    keeper.finish(running).await;
    let next = Registry::open(&folder.path().join("state")).await.unwrap();
    let agents: Vec<_> = next.quarantines().await.unwrap().into_iter().map(|one| one.agent).collect();
    assert_eq!(agents, ["alice".into()]);
}

#[tokio::test]
async fn what_a_rule_imposes_is_taken_up_once_whoever_else_looks() {
    const LOOKING: usize = 4;
    let folder = TempDir::new().unwrap();
    let keeper = keeper(folder.path()).await;
    for round in 1..=200 {
        impose(&keeper, i64::MAX);
        let begin = Barrier::new(LOOKING);
        thread::scope(|scope| {
            for _ in 0..LOOKING {
                scope.spawn(|| {
                    begin.wait();
                    keeper.take_up(Timestamp(0));
                });
            }
        });
        assert_eq!(keeper.state().quarantines.len(), round);
    }
}

#[tokio::test]
async fn who_is_released_is_named_though_no_document_declares_it_any_more() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(folder.path()).await;
    let query = QuarantineQuery { reason: "loud".into(), for_s: None };
    command(&keeper, move |keeper| keeper.quarantine("alice", &query, "root")).await.unwrap();
    let nothing = Resources::default();
    let now = keeper.shared.snapshot.load_full();
    keeper.shared.put_in_force(Snapshot {
        directory: Arc::new(Directory::build(&nothing)),
        resources: Arc::new(nothing),
        ..Snapshot::clone(&now)
    });
    let released = command(&keeper, |keeper| keeper.release("alice", "root")).await.unwrap();
    assert_eq!((&*released.name, released.state), ("alice", AgentState::Active));
    assert_eq!(keeper.registry.quarantines().await.unwrap(), []);
    let again = command(&keeper, |keeper| keeper.release("alice", "root")).await.unwrap_err();
    assert_eq!(again.code, FaultCode::NotFound);
}

#[tokio::test]
async fn an_approval_names_tools_and_may_name_no_host() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(folder.path()).await;
    let query = |tools: &[&str]| ApproveQuery {
        agent: Some("alice".to_owned()),
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        reason: "INC-1".to_owned(),
        ttl_s: 3600,
        ..ApproveQuery::default()
    };
    let one = query(&["github/search"]);
    let made = command(&keeper, move |keeper| keeper.approve(&one, None, "root")).await.unwrap();
    assert_eq!((made.hosts.len(), &made.tools[..]), (0, &["github/search".to_owned()][..]));
    for (tools, said) in
        [(&["github"][..], "tool `github` is no server and tool"), (&[], "an approval names 1 to")]
    {
        let wrong = query(tools);
        let refused = command(&keeper, move |keeper| keeper.approve(&wrong, None, "root")).await.unwrap_err();
        assert!(refused.message.contains(said), "{refused:?}");
    }
}

#[tokio::test]
async fn an_approval_that_is_revoked_while_nothing_can_be_written_is_listed_as_revoked() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(folder.path()).await;
    let query = ApproveQuery {
        agent: Some("alice".to_owned()),
        hosts: vec!["other.example".to_owned()],
        reason: "INC-1".to_owned(),
        ttl_s: 3600,
        ..ApproveQuery::default()
    };
    let made = command(&keeper, move |keeper| keeper.approve(&query, None, "root")).await.unwrap();
    fs::remove_file(folder.path().join("state/registry.db")).unwrap();
    let name = made.name.clone();
    let refused = command(&keeper, move |keeper| keeper.revoke(&name, "ann")).await.unwrap_err();
    assert_eq!(refused.code, FaultCode::Busy, "{refused:?}");
    let all = command(&keeper, |keeper| keeper.approvals(true)).await.unwrap();
    let listed = all.iter().find(|one| one.name == made.name).expect("history stays");
    assert_eq!((listed.state, listed.ended_by.as_deref()), (ApprovalState::Revoked, Some("ann")));
}
