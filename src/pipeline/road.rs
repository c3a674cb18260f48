//! What a worker has at hand: what all workers share, and its own pool of upstream connections.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::sync::watch;

use super::paces::{Asker, Paces};
use super::places::{Places, Room};
use super::quarantines::Quarantines;
use super::shift::{Shifts, Stage};
use crate::act::credentials::{Tokens, Vault};
use crate::act::dial::Dialler;
use crate::act::tls::{Authorities, Terminator};
use crate::act::upstream::{HeldRoom, Pool};
use crate::decide::dlp::{HashKey, Inspection, Inspector, Known as KnownValues};
use crate::decide::ledger::Ledger;
use crate::decide::policy::{Circumstances, EncryptedDns, PolicySet, Standing};
use crate::decide::quota::{Accounts, BudgetClock};
use crate::decide::tunnel::Guard;
use crate::model::manifest::Resources;
use crate::model::prices::Prices;
use crate::model::types::{Cause, ClientAddress, Denial, FindingClasses, RequestId, Timestamp};
use crate::perceive::dns::{Cache, Exchange, Forwarder, Memory, OwnResolver, Upstreams};
use crate::perceive::hello::Hello;
use crate::perceive::identity::{Bindings, Directory, Known};
use crate::platform::sys::clock;

/// One valid set of documents, compiled. Replaced as a whole; a decision looks at one of them from end to end.
/// Cheap to copy: what stands for a time changes more often than documents do.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Agents by source address.
    pub directory: Arc<Directory>,
    /// Compiled policy.
    pub policy: Arc<PolicySet>,
    /// What operators granted and imposed for a time.
    pub standing: Arc<Standing>,
    /// What the kernel checks of source addresses.
    pub bindings: Arc<Bindings>,
    /// The documents themselves, for operators.
    pub resources: Arc<Resources>,
    /// In force since.
    pub since: Timestamp,
}

impl Snapshot {
    /// Compiles a valid set.
    pub fn compile(resources: Arc<Resources>, resolvers: Arc<EncryptedDns>, since: Timestamp) -> Self {
        Self {
            directory: Arc::new(Directory::build(&resources)),
            policy: Arc::new(PolicySet::compile(&resources, resolvers)),
            standing: Arc::default(),
            bindings: Arc::new(Bindings::of(&resources)),
            resources,
            since,
        }
    }

    /// What a decision at this moment depends on beside documents and traffic.
    pub fn circumstances(&self, at: Timestamp) -> Circumstances<'_> {
        Circumstances { at, standing: &self.standing, usage: None }
    }
}

/// What all workers share.
pub struct Shared {
    /// The set in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// The record.
    pub ledger: Ledger,
    /// Which agent was given which address for which name.
    pub memory: Arc<Memory>,
    /// What resolvers said and still holds.
    pub answers: Arc<Cache>,
    /// How much each agent carries out in names.
    pub guard: Guard,
    /// Resolvers that are asked.
    pub resolvers: Arc<Upstreams>,
    /// Opens TLS towards workloads.
    pub terminator: Terminator,
    /// Reaches upstreams.
    pub dialler: Dialler,
    /// Credentials that agents never hold.
    pub vault: Arc<Vault>,
    /// Tokens for service accounts.
    pub tokens: Tokens,
    /// What workloads trust, for them to read.
    pub authorities: Arc<Authorities>,
    /// This host's own addresses, for workloads to find it.
    pub home: Home,
    /// Places for connections on each worker.
    pub room: Room,
    /// Agents that rules have shut out, until the operator's side has taken that up.
    pub quarantines: Quarantines,
    /// How fast each agent goes under rules that bound it.
    pub paces: Paces,
    /// What may be used up, and what is.
    pub accounts: Accounts,
    /// What models cost.
    pub prices: Arc<Prices>,
    /// The time by which that is counted.
    pub moments: BudgetClock,
    /// Room for bodies that are held until they are decided on.
    pub held: Arc<HeldRoom>,
    /// What looks into messages.
    pub finder: Finder,
    /// Tells what lives long that another set is in force, or that other things stand for a time.
    pub changed: watch::Sender<()>,
    /// Held while the snapshot is replaced, so that nobody undoes what another has just done.
    pub replacing: Mutex<()>,
}

impl Shared {
    /// Puts another set in force, and tells everybody who watches. What stands for a time goes on standing.
    pub fn put_in_force(&self, snapshot: Snapshot) {
        self.replace(|now| Some(Snapshot { standing: now.standing.clone(), ..snapshot }));
    }

    /// Shuts an agent out whose refusal says so, from the next decision on, and tells what lives long.
    pub fn heed(&self, agent: &Arc<str>, denial: &Denial) {
        let (Some(until), Some(policy), Some(rule)) = (denial.quarantine(), &denial.policy, &denial.rule)
        else {
            return;
        };
        tracing::warn!(agent = &**agent, policy = &*policy.0, rule = &**rule, %until, "an agent is quarantined");
        let reason = format!("it met the rule {rule} of {}", policy.0);
        let cause = Cause { policy: Some(policy.clone()), rule: Some(rule.clone()), reason: reason.into() };
        self.quarantines.impose(agent, until, cause);
        self.current();
    }

    /// The same for what came in a datagram. Its source is proved where a card binds it; from any other, another workload may
    /// have sent it in this one's name, who is not shut out for that: the refusal becomes one that shuts out nobody.
    pub fn heed_datagram(&self, client: ClientAddress, agent: &Arc<str>, denial: Denial) -> Denial {
        if denial.quarantine().is_some() && !self.snapshot.load().bindings.prove(client.0.ip()) {
            return denial.without_quarantine("nobody is quarantined: no card proves who sent this datagram");
        }
        self.heed(agent, &denial);
        denial
    }

    /// The same for a connection or a UDP flow, which its first words tell apart.
    pub fn heed_flow(
        &self,
        (client, hello): (ClientAddress, &Hello),
        agent: &Arc<str>,
        denial: Denial,
    ) -> Denial {
        if *hello == Hello::Datagram {
            return self.heed_datagram(client, agent, denial);
        }
        self.heed(agent, &denial);
        denial
    }

    /// This moment, in the time of accounts.
    pub fn moment(&self) -> Timestamp {
        self.moments.at(clock::now(), clock::uptime())
    }

    /// What a decision about an agent at this moment depends on beside documents and traffic: what it has used up, too, where a
    /// rule asks for that.
    pub fn circumstances<'a>(
        &self,
        snapshot: &'a Snapshot,
        known: &Known,
        at: Timestamp,
    ) -> Circumstances<'a> {
        let usage = || self.accounts.usage_today(&known.agent().name, self.moment());
        let usage = snapshot.policy.asks_usage(known).then(usage);
        Circumstances { usage, ..snapshot.circumstances(at) }
    }

    /// The execution that an agent is in when it asks from this address.
    pub fn execution(&self, agent: &Arc<str>, source: IpAddr) -> RequestId {
        self.accounts.execution(agent, source, self.moment(), clock::request_id)
    }

    /// The execution that an agent goes on with at this address, for records; none before anything of it was counted.
    pub fn going_on(&self, agent: &Arc<str>, source: IpAddr) -> Option<RequestId> {
        self.accounts.going_on(agent, source, || self.moment())
    }

    /// Who speaks on a connection; in which execution, where something is counted by executions.
    pub fn asker<'a>(&self, known: &'a Known, client: ClientAddress) -> Asker<'a> {
        let (agent, source) = (&known.agent().name, client.0.ip());
        let asked = self.snapshot.load().policy.asks_executions();
        Asker { agent, source, execution: asked.then(|| self.execution(agent, source)) }
    }

    /// Puts other things in force for a time, under the same documents. What rules have imposed meanwhile stands too.
    pub fn put_standing(&self, standing: Standing) {
        self.renew(|_| standing);
    }

    /// The set in force now, with every quarantine imposed until now.
    pub fn current(&self) -> Arc<Snapshot> {
        if self.quarantines.wait() {
            self.renew(Standing::clone);
        }
        self.snapshot.load_full()
    }

    fn renew(&self, standing: impl FnOnce(&Standing) -> Standing) {
        self.replace(|now| {
            let mut standing = standing(&now.standing);
            self.quarantines.add_to(&mut standing);
            (*now.standing != standing).then(|| Snapshot { standing: Arc::new(standing), ..now.clone() })
        });
    }

    fn replace(&self, next: impl FnOnce(&Snapshot) -> Option<Snapshot>) {
        let turn = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = next(&self.snapshot.load()) {
            self.snapshot.store(Arc::new(next));
            self.changed.send_replace(());
        }
        drop(turn);
    }

    /// Hears of everything that is put in force from now on.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// What looks into messages, beside what policies say of that.
pub struct Finder {
    /// The key of hashes in records.
    pub key: HashKey,
    /// Values that are found wherever they surface.
    pub known: Option<Arc<dyn KnownValues>>,
    /// Bytes of a body that are held before any of it leaves.
    pub hold: u64,
}

impl Finder {
    /// What looks for these classes of what is asked for.
    pub fn inspector(&self, plan: &Inspection, wanted: FindingClasses) -> Inspector {
        plan.inspector(self.known.clone(), self.key.clone(), wanted)
    }
}

/// This host as its workloads see it.
#[derive(Debug, Clone, Default)]
pub struct Home {
    /// Networks of workloads.
    pub subnets: Vec<IpNet>,
    /// Addresses of each workload-facing interface.
    pub interfaces: Vec<Vec<IpAddr>>,
}

impl Home {
    /// The addresses of the interface behind which a workload sits: the one with an address in the workload's own
    /// subnet, else the first.
    pub fn addresses(&self, workload: IpAddr) -> &[IpAddr] {
        let subnet = self.subnets.iter().find(|subnet| subnet.contains(&workload));
        let near = |addresses: &&Vec<IpAddr>| {
            subnet.is_some_and(|subnet| addresses.iter().any(|address| subnet.contains(address)))
        };
        let found = self.interfaces.iter().find(near).or(self.interfaces.first());
        found.map_or(&[], Vec::as_slice)
    }
}

/// One worker's share of the road.
pub struct Road {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Kept upstream connections.
    pub pool: Pool,
    /// Answers the queries of workloads, remembers what was answered.
    pub exchange: Exchange,
    /// The gateway's own resolution, for names that an agent merely claims.
    pub own: OwnResolver,
    /// Where the daemon stands on its way out.
    pub stage: watch::Receiver<Stage>,
    /// The shift in which connections are taken.
    pub shifts: Shifts,
    /// Places for connections.
    pub places: Rc<Places>,
}

impl Road {
    /// A worker's road.
    pub fn new(shared: Arc<Shared>, stage: watch::Receiver<Stage>) -> Rc<Self> {
        let forwarder = Arc::new(Forwarder::new(shared.resolvers.clone(), shared.dialler.for_resolvers()));
        let exchange = Exchange::new(forwarder.clone(), shared.answers.clone(), shared.memory.clone());
        let own = OwnResolver::new(forwarder, shared.answers.clone());
        let places = Places::new(shared.room);
        let (pool, shifts) = (Pool::default(), Shifts::default());
        Rc::new(Self { shared, pool, exchange, own, stage, shifts, places })
    }

    /// The set in force now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current()
    }

    /// A fresh id and the time.
    pub fn stamp(&self) -> (RequestId, Timestamp) {
        (clock::request_id(), clock::now())
    }
}
