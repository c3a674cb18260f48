//! `clawgress test`: policy tests, judged by the documents beside them, without a daemon.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::wiring::{joined, unreadable};
use super::words;
use crate::decide::policy::{Circumstances, EncryptedDns, PolicySet, Standing};
use crate::model::cases::{self, Case, PolicyTest};
use crate::model::config::Resolvers;
use crate::model::manifest::{self, Report, Resources, SourceFile};
use crate::model::types::Decision;
use crate::operate::api::{ExplainQuery, Explanation};
use crate::operate::inquiry::{Inquiry, SOME_PUBLIC_ADDRESS, Scene, UNREAD};
use crate::perceive::identity::Directory;
use crate::platform::files::{PolicyFile, read_file, read_tests, read_tree};

/// Where policies stand unless a path is named.
const DEFAULT_PATH: &str = "/etc/clawgress/policies.d";

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// A file `*.test.yaml`, or a folder with all of them below it
    #[arg(value_name = "PATH", default_value = DEFAULT_PATH)]
    path: PathBuf,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct Verdict {
    file: String,
    line: usize,
    name: String,
    passed: bool,
    expected: String,
    got: String,
}

impl Test {
    /// Judges every case; one that comes out otherwise is a no.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let files = if self.path.is_dir() {
            read_tests(&self.path, &self.path.display().to_string())
        } else {
            read_file(&self.path).map(|file| vec![file]).map_err(|problem| vec![problem])
        };
        let sources = sources(files.map_err(|problems| unreadable(&problems))?);
        if sources.is_empty() {
            let message = format!("there are no policy tests below `{}`", self.path.display());
            let hint = "they stand in files named `*.test.yaml`, next to the policies they are about";
            return Err(Failure::new(Exit::Code(66), message).hint(hint));
        }
        let tests = cases::read(&sources).map_err(|report| invalid(&report, context))?;
        let mut sets = Sets::default();
        let mut verdicts = Vec::new();
        for test in &tests {
            let set = sets.of(test, context);
            verdicts.extend(
                test.cases.iter().map(|case| verdict(test, case, set.as_deref().map_err(|why| &**why))),
            );
        }
        let failed = verdicts.iter().filter(|verdict| !verdict.passed).count();
        context.list(&verdicts, render)?;
        if context.format == Format::Table {
            let (all, in_files) =
                (words::several(verdicts.len() as u64, "case"), words::several(sources.len() as u64, "file"));
            context.print(&format!(
                "{all} in {in_files}: {} passed, {failed} failed\n",
                verdicts.len() - failed
            ))?;
        }
        Ok(if failed == 0 { Exit::Done } else { Exit::No })
    }
}

fn sources(files: Vec<PolicyFile>) -> Vec<SourceFile> {
    files.into_iter().map(|file| SourceFile::new(file.shown, file.bytes)).collect()
}

fn invalid(report: &Report, context: &mut Context) -> Failure {
    context.say(&report.render(false));
    Failure::new(Exit::No, report.summary())
}

/// Sets of documents, each loaded once, or why it cannot be.
#[derive(Default)]
struct Sets(BTreeMap<(PathBuf, Vec<Arc<str>>), Found>);

/// A set, or why it does not load.
type Found = Result<Arc<Set>, Arc<str>>;

/// Why a set does not load: every mistake, and all of them in a word.
struct Unloadable {
    said: String,
    summary: String,
}

/// One set, compiled.
struct Set {
    resources: Resources,
    policy: PolicySet,
    directory: Directory,
}

impl Sets {
    /// The documents that a test is about: files of its own folder. What is wrong with them is said once.
    fn of(&mut self, test: &PolicyTest, context: &mut Context) -> Result<Arc<Set>, Arc<str>> {
        let folder = match Path::new(&*test.file).parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let key = (folder, test.policies.clone());
        if let Some(known) = self.0.get(&key) {
            return known.clone();
        }
        let set = Set::load(&key.0, &key.1).map(Arc::new).map_err(|Unloadable { said, summary }| {
            context.say(&said);
            summary.into()
        });
        self.0.insert(key, set.clone());
        set
    }
}

/// What came of one case.
fn verdict(test: &PolicyTest, case: &Case, set: Result<&Set, &str>) -> Verdict {
    let expected = &case.expected;
    let found = set.map_err(|why| format!("its documents do not load: {why}"));
    let (passed, got) = match found.and_then(|set| set.explained(case)) {
        Err(why) => (false, why),
        Ok(found) => {
            let (policy, rule) = decides(expected.decision, &found);
            let policy = expected.policy.is_none() || expected.policy.as_deref() == policy;
            let rule = expected.rule.is_none() || expected.rule.as_deref() == rule;
            let reason = expected.reason == found.reason;
            (expected.is_met_by(found.decision) && reason && policy && rule, told(&found))
        }
    };
    let words = [
        Some(expected.decision.as_str().to_owned()),
        expected.reason.map(|reason| reason.code().to_owned()),
        expected.policy.as_ref().map(|policy| format!("by {policy}")),
        expected.rule.as_ref().map(ToString::to_string),
    ];
    Verdict {
        file: test.file.to_string(),
        line: case.line,
        name: case.name.to_string(),
        passed,
        expected: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        got,
    }
}

impl Set {
    /// The named files of a folder; all of it where none is named.
    fn load(folder: &Path, names: &[Arc<str>]) -> Result<Self, Unloadable> {
        let files = if names.is_empty() {
            read_tree(folder, &folder.display().to_string())
        } else {
            let read = names.iter().map(|name| read_file(&folder.join(&**name)));
            read.collect::<Result<Vec<_>, _>>().map_err(|problem| vec![problem])
        };
        let files = files.map_err(|problems| {
            let summary = joined(&problems, "; ");
            Unloadable { said: format!("error: {}\n", joined(&problems, "\nerror: ")), summary }
        })?;
        let resources = manifest::load(&sources(files)).map_err(|report| {
            let summary = report.summary();
            Unloadable { said: report.render(false), summary }
        })?;
        Ok(Self {
            policy: PolicySet::compile(&resources, Arc::new(EncryptedDns::new(&Resolvers::default()))),
            directory: Directory::build(&resources),
            resources,
        })
    }

    /// What would become of a case, or why it cannot be asked.
    fn explained(&self, case: &Case) -> Result<Explanation, String> {
        let known = self.directory.by_name(&case.agent).ok_or_else(|| {
            let agents: Vec<&str> = self.resources.agents.keys().map(|name| &**name).collect();
            format!("no agent is named {}; there are {}", case.agent, agents.join(", "))
        })?;
        if let (None, Some(rule)) = (case.at, self.policy.asks_for_the_time(&known)) {
            let rule = format!("{} {}", rule.policy.0, rule.rule.as_deref().unwrap_or_default());
            return Err(format!("it does not say when: {rule} asks for the time, so write `at`"));
        }
        let query = ExplainQuery {
            agent: case.agent.to_string(),
            target: case.target.clone(),
            method: case.method.clone(),
            headers: case.headers.clone(),
            at: case.at,
        };
        let takes_tls = self.policy.takes_tls(&known);
        let mut inquiry =
            Inquiry::new(&query, takes_tls, |_| SOME_PUBLIC_ADDRESS).map_err(|fault| fault.message)?;
        inquiry.content.clone_from(&case.content);
        let given: Vec<_> = inquiry.name.iter().cloned().collect();
        let scene = Scene {
            policy: &self.policy,
            resources: &self.resources,
            known: &known,
            circumstances: Circumstances {
                at: case.at.unwrap_or_default(),
                standing: &Standing::new(),
                usage: None,
            },
            given: &given,
            stale: &[],
        };
        inquiry.explained(&scene).map_err(|fault| fault.message)
    }
}

/// The document and rule that a case is about: who expects no more than `allow` asks what lets it through.
fn decides(expected: Decision, found: &Explanation) -> (Option<&str>, Option<&str>) {
    match found.opened_by.as_ref().filter(|_| expected == Decision::Allow) {
        Some(opener) => (Some(&opener.policy), opener.rule.as_deref()),
        None => (found.policy.as_deref(), found.rule.as_deref()),
    }
}

fn told(found: &Explanation) -> String {
    let by = found.policy.as_ref().map(|policy| format!("by {policy}"));
    let through = found.opened_by.as_ref().map(|opener| {
        let rule = opener.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
        format!("through {}{rule}", opener.policy)
    });
    let words = [
        Some(found.decision.as_str().to_owned()),
        found.reason.map(|reason| reason.code().to_owned()),
        by,
        found.rule.clone(),
        through,
    ];
    let told = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if found.hints.iter().any(|hint| hint == UNREAD) { format!("{told}; {UNREAD}") } else { told }
}

/// A line for each case below its file; of one that failed what was expected, what came, and where it stands.
pub fn render(verdicts: &[Verdict], paint: Paint) -> String {
    let mut out = String::new();
    let mut file = "";
    for verdict in verdicts {
        if file != verdict.file {
            file = &verdict.file;
            let _ = writeln!(out, "{}", safe(file));
        }
        let name = safe(&verdict.name);
        if verdict.passed {
            let _ = writeln!(out, "  {}    {name}", paint.text(Style::Good, "ok"));
            continue;
        }
        let _ = writeln!(out, "  {}  {name}", paint.text(Style::Bad, "FAIL"));
        let _ = writeln!(out, "        expected {}", safe(&verdict.expected));
        let _ = writeln!(out, "        got      {}", safe(&verdict.got));
        let _ = writeln!(out, "        {}:{}", safe(file), verdict.line);
    }
    out
}
