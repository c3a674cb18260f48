//! Files to checked resources, or all their mistakes at once. The order of the files makes no difference.
//!
//! Pure: the caller has read the files. It goes over them three times: text to trees, headers to an index of
//! names, specs to resources. Nothing of a set with a mistake is returned.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields::Item;
use super::header::{self, Header, Index};
use super::kinds::Kind;
use super::reach::Reach;
use super::report::{Diagnostic, Mistakes, Report};
use super::resources::{Document, Resources};
use super::scope::Scope;
use super::source::{Place, Source, SourceFile};
use super::tree::{self, Node};
use super::{
    agent, ai_route, approval, bandwidth_policy, budget_policy, credential_policy, deny_policy, digest,
    dlp_policy, egress_policy, gateway, http_route, inference_policy, l4_route, mcp_route, mcp_server,
    rate_limit_policy, tool_policy,
};
use crate::model::types::limits;

/// Loads a set of policy files.
///
/// # Errors
/// A report of every mistake in every file, ordered by place.
pub fn load(files: &[SourceFile]) -> Result<Resources, Report> {
    let mut files: Vec<&SourceFile> = files.iter().collect();
    files.sort_by(|a, b| (&a.path, &a.bytes).cmp(&(&b.path, &b.bytes)));
    check_size(&files)?;
    let mistakes = RefCell::new(Mistakes::default());
    let sources = sources(&files, &mistakes);
    let trees = trees(&sources, &mistakes);
    let resources = resources(&trees, &sources, &mistakes);
    match mistakes.into_inner().into_report(files.len()) {
        Some(report) => Err(report),
        None => Ok(Resources { files: files.len(), ..resources }),
    }
}

fn check_size(files: &[&SourceFile]) -> Result<(), Report> {
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    let message = if files.len() > limits::POLICY_FILES {
        format!("there are {} policy files, more than {}", files.len(), limits::POLICY_FILES)
    } else if bytes > limits::POLICY_SET_BYTES {
        format!("the policy files have more than {} bytes together", limits::POLICY_SET_BYTES)
    } else {
        return Ok(());
    };
    let file = files.last().map(|file| file.path.clone()).unwrap_or_default();
    Err(Report::of(Diagnostic::bare(Place { file, line: 1, column: 1 }, message), files.len()))
}

fn sources<'f>(files: &[&'f SourceFile], mistakes: &RefCell<Mistakes>) -> Vec<Source<'f>> {
    let mut sources = Vec::with_capacity(files.len());
    for file in files {
        match Source::read(file) {
            Ok(source) => sources.push(source),
            Err(fault) => mistakes.borrow_mut().add(|| Diagnostic::from(*fault)),
        }
    }
    sources
}

/// Every document with the number of its file.
fn trees(sources: &[Source<'_>], mistakes: &RefCell<Mistakes>) -> Vec<(usize, Node)> {
    let mut budget = limits::POLICY_NODES;
    let mut trees = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let (documents, faults) = tree::parse(source, &mut budget);
        mistakes.borrow_mut().take_over(faults);
        trees.extend(documents.into_iter().map(|node| (number, node)));
    }
    trees
}

fn resources(trees: &[(usize, Node)], sources: &[Source<'_>], mistakes: &RefCell<Mistakes>) -> Resources {
    let mut specs = Specs { automata: limits::POLICY_AUTOMATA_BYTES, ..Specs::default() };
    specs.index.whole = mistakes.borrow().is_empty();
    let (mut headers, mut repeated) = (Vec::new(), Vec::new());
    for (number, node) in trees {
        let document = Item::document(Scope::new(&sources[*number], mistakes), node);
        match header::read(document) {
            Some(header) if specs.index.add(&header) => headers.push(header),
            Some(header) => repeated.push(header),
            None => specs.index.leave_out(&document),
        }
    }
    specs.read(&headers);
    let mut resources = std::mem::take(&mut specs.resources);
    resources.gateways.clone_from(&specs.index.gateways);
    resources.documents = documents(&headers);
    resources.digest = digest::digest(&resources.documents).into();
    resources.warnings = specs.agent_sources.overlaps();
    resources.warnings.append(&mut specs.detectors.warnings);
    // A second document of a name is read for its mistakes alone, and by itself.
    for header in &repeated {
        specs.agent_sources = agent::Sources::default();
        specs.approvals.clear();
        specs.answers.clear();
        specs.credentials.clear();
        specs.read(std::slice::from_ref(header));
    }
    resources
}

/// The specs of a set, as they are read.
#[derive(Default)]
struct Specs {
    index: Index,
    agent_sources: agent::Sources,
    approvals: approval::Counts,
    answers: deny_policy::Answers,
    /// Bytes that the automata of patterns may still have.
    automata: usize,
    /// Detectors of documents, which the set names once each.
    detectors: dlp_policy::Names,
    credentials: credential_policy::Bound,
    resources: Resources,
}

impl Specs {
    /// Gateways first, because everything else hangs on them; then agents, whose teams and projects policies name.
    fn read(&mut self, headers: &[Header<'_>]) {
        for header in headers.iter().filter(|header| header.kind == Kind::EgressGateway) {
            if let Some(gateway) = gateway::read(header) {
                self.index.gateways.entry(header.name.clone()).or_insert(gateway);
            }
        }
        for header in headers.iter().filter(|header| header.kind == Kind::Agent) {
            let agent = agent::read(header, &self.index, &mut self.agent_sources);
            self.index.groups.add(agent.as_ref().map(|agent| &*agent.profile));
            self.resources.agents.extend(agent.map(|agent| (header.name.clone(), agent)));
        }
        // Policies look at what the routes have become that they are about.
        headers
            .iter()
            .filter(|header| !looks_at_routes(header.kind))
            .for_each(|header| self.read_one(header));
        headers.iter().filter(|header| looks_at_routes(header.kind)).for_each(|header| self.read_one(header));
    }

    /// What refers to gateways and agents.
    fn read_one(&mut self, header: &Header<'_>) {
        let Self { index, approvals, answers, automata, detectors, credentials, resources, .. } = self;
        let name = &header.name;
        match header.kind {
            Kind::EgressGateway | Kind::Agent => {}
            Kind::EgressL4Route => keep(&mut resources.l4_routes, name, l4_route::read(header, index)),
            Kind::EgressHttpRoute => keep(&mut resources.http_routes, name, http_route::read(header, index)),
            Kind::AiProviderRoute => keep(&mut resources.ai_routes, name, ai_route::read(header, index)),
            Kind::McpRoute => keep(&mut resources.mcp_routes, name, mcp_route::read(header, index)),
            Kind::ToolPolicy => keep(&mut resources.tool_policies, name, tool_policy::read(header, index)),
            Kind::InferencePolicy => {
                keep(&mut resources.inference_policies, name, inference_policy::read(header, index));
            }
            Kind::EgressApproval => {
                keep(&mut resources.approvals, name, approval::read(header, index, approvals));
            }
            Kind::EgressDenyPolicy => {
                keep(&mut resources.deny_policies, name, deny_policy::read(header, index, answers));
            }
            Kind::EgressPolicy => {
                let policy = egress_policy::read(header, Reach { index, resources }, automata);
                keep(&mut resources.egress_policies, name, policy);
            }
            Kind::McpServer => {
                let server = mcp_server::read(header, Reach { index, resources });
                keep(&mut resources.mcp_servers, name, server);
            }
            Kind::BudgetPolicy => {
                let policy = budget_policy::read(header, Reach { index, resources });
                keep(&mut resources.budgets, name, policy);
            }
            Kind::RateLimitPolicy => {
                let policy = rate_limit_policy::read(header, Reach { index, resources });
                keep(&mut resources.rate_limits, name, policy);
            }
            Kind::BandwidthPolicy => {
                let policy = bandwidth_policy::read(header, Reach { index, resources });
                keep(&mut resources.bandwidths, name, policy);
            }
            Kind::DlpPolicy => {
                let policy = dlp_policy::read(header, Reach { index, resources }, detectors);
                keep(&mut resources.dlp_policies, name, policy);
            }
            Kind::CredentialInjectionPolicy => {
                let policy = credential_policy::read(header, Reach { index, resources }, credentials);
                keep(&mut resources.credentials, name, policy);
            }
        }
    }
}

/// Whether documents of a kind can only be judged once routes are read.
fn looks_at_routes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::EgressDenyPolicy
            | Kind::EgressPolicy
            | Kind::BudgetPolicy
            | Kind::RateLimitPolicy
            | Kind::BandwidthPolicy
            | Kind::DlpPolicy
            | Kind::CredentialInjectionPolicy
    )
}

/// Keeps what could be read.
fn keep<T>(all: &mut BTreeMap<Arc<str>, T>, name: &Arc<str>, read: Option<T>) {
    all.extend(read.map(|resource| (name.clone(), resource)));
}

fn documents(headers: &[Header<'_>]) -> Vec<Document> {
    let documents = headers.iter().map(|header| Document {
        kind: header.kind.as_str(),
        name: header.name.clone(),
        origin: header.origin(),
        body: digest::body(header.document.node()),
    });
    let mut documents: Vec<Document> = documents.collect();
    documents.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    documents
}
