//! `clawgress init`: looks at the host, shows what it would write, and writes it after a yes.
//!
//! Nothing is written before everything that is to be written has been read by the daemon's own readers.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::context::{Context, Format, block_on};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::{DEFAULT_CONFIG, wiring, words};
use crate::operate::setup::candidates::{self, Opinion};
use crate::operate::setup::plan::{self, Agent, Folders, Plan, PlanError, Wish};
use crate::operate::setup::survey::{self, Host};
use crate::operate::setup::write::{self, Written};

/// Arguments of `init`. What is not said is found out.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// An interface that workloads are behind; may be repeated
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,
    /// A network of workloads; may be repeated [default: the networks of the interfaces]
    #[arg(long = "subnet", value_name = "NETWORK")]
    subnets: Vec<IpNet>,
    /// An agent and its addresses, such as alice=10.77.0.2,fd77::2; may be repeated
    #[arg(long = "agent", value_name = "NAME=ADDRESS", value_parser = agent)]
    agents: Vec<Agent>,
    /// A resolver, as spec.dns.upstreams has it; may be repeated [default: the host's own]
    #[arg(long = "resolver", value_name = "RESOLVER")]
    resolvers: Vec<String>,
    /// Where the settings are written
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// The policy folder [default: policies.d beside the settings]
    #[arg(long, value_name = "PATH")]
    policy_dir: Option<PathBuf>,
    /// The folder of the ledger and the authority
    #[arg(long, value_name = "PATH", default_value = "/var/lib/clawgress")]
    state_dir: PathBuf,
    /// The folder of the admin socket
    #[arg(long, value_name = "PATH", default_value = "/run/clawgress")]
    runtime_dir: PathBuf,
    /// Write without asking
    #[arg(short, long)]
    yes: bool,
    /// Show what would be written, and write nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Replace files that are there, and keep a copy of each beside it
    #[arg(long)]
    force: bool,
    /// Leave the settings of the kernel alone
    #[arg(long)]
    no_sysctl: bool,
}

/// `alice=10.77.0.2,fd77::2`.
fn agent(text: &str) -> Result<Agent, String> {
    let (name, addresses) = text.split_once('=').ok_or("write NAME=ADDRESS, such as alice=10.77.0.2")?;
    let address = |text: &str| {
        let single = text.parse::<IpAddr>().map(IpNet::from);
        single.or_else(|_| text.parse()).map_err(|_| format!("`{text}` is no address and no network"))
    };
    let addresses = addresses.split(',').map(address).collect::<Result<_, _>>()?;
    Ok(Agent { name: name.to_owned(), addresses, guessed: None })
}

impl Init {
    /// Looks, shows, asks, writes.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let host = block_on(async { Ok(survey::look().await?) })?;
        let opinions = candidates::opinions(&host.interfaces);
        let plan = self.plan(context, &host, &opinions)?;
        let mut files = plan.files.clone();
        let kernel = !self.no_sysctl && !plan.sysctl.is_empty();
        let sysctl = plan::sysctl_file(&plan);
        let blocked: Vec<PathBuf> = {
            let all = files.iter().chain(kernel.then_some(&sysctl)).cloned().collect::<Vec<_>>();
            write::in_the_way(&all).into_iter().map(|file| file.path.clone()).collect()
        };
        let seen = Seen { host: &host, opinions: &opinions, plan: &plan, kernel, blocked: &blocked };
        if context.format == Format::Table {
            context.print(&seen.render(context.paint))?;
        } else {
            let document = json!({
                "interfaces": plan.interfaces, "subnets": plan.subnets, "agents": plan.agents, "files": plan.files,
                "sysctl": if kernel { json!(plan.sysctl) } else { json!([]) }, "inTheWay": blocked, "seen": opinions,
            });
            context.one(&document, |_, _| String::new())?;
        }
        context.flush()?;
        if self.dry_run {
            context.say("nothing was written; without --dry-run clawgress init writes it");
            return Ok(Exit::Done);
        }
        self.refuse_to_replace(&blocked)?;
        if !self.agreed(&format!("Write {}?", words::several(files.len() as u64, "file")))? {
            context.say("nothing was written");
            return Ok(Exit::No);
        }
        let kernel = kernel
            && self.agreed(&format!(
                "Write {} and set {} now?",
                plan.sysctl_path.display(),
                words::several(plan.sysctl.len() as u64, "kernel setting")
            ))?;
        if kernel {
            files.push(sysctl);
        }
        let done = write_whole(&files, context)?;
        if kernel {
            write::settings(&plan.sysctl).map_err(|error| {
                let said = format!(
                    "{} is written, and cannot be set now: {}",
                    plan.sysctl_path.display(),
                    error.source
                );
                Failure::new(Exit::Code(71), said).hint("sudo sysctl --system")
            })?;
        }
        context.say(&told(&done));
        context.say(&self.next(kernel, &plan, &host));
        Ok(Exit::Done)
    }

    /// What is there is not overwritten unless that was asked for.
    fn refuse_to_replace(&self, blocked: &[PathBuf]) -> Result<(), Failure> {
        if blocked.is_empty() || self.force {
            return Ok(());
        }
        let list: Vec<String> = blocked.iter().map(|path| format!("`{}`", path.display())).collect();
        let said = format!("there already, and not overwritten: {}; nothing was written", list.join(", "));
        Err(Failure::new(Exit::No, said).hint("--force replaces them and keeps a copy of each beside it"))
    }

    /// What is to be written, by what was asked for; among several interfaces a person at a terminal chooses.
    fn plan(&self, context: &mut Context, host: &Host, opinions: &[Opinion]) -> Result<Plan, Failure> {
        let policy = match &self.policy_dir {
            Some(folder) => folder.clone(),
            None => self.config.parent().unwrap_or(Path::new("/")).join("policies.d"),
        };
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut wish = Wish {
            interfaces: self.interfaces.clone(),
            subnets: self.subnets.clone(),
            agents: self.agents.clone(),
            resolvers: self.resolvers.clone(),
            folders: Folders {
                config: absolute(&self.config),
                policy: absolute(&policy),
                state: absolute(&self.state_dir),
                runtime: absolute(&self.runtime_dir),
            },
        };
        let mut found = plan::plan(host, opinions, &wish);
        if let Err(PlanError::Several(names)) = &found
            && !self.yes
            && !self.dry_run
            && io::stdin().is_terminal()
        {
            context.print(&seen(opinions, context.paint))?;
            context.flush()?;
            wish.interfaces = vec![answer(&format!("Which of {} are workloads behind? ", names.join(", ")))?];
            found = plan::plan(host, opinions, &wish);
        }
        let plan = found.map_err(|error| refusal(&error))?;
        let staying = wiring::staying(&wish.folders.policy, &plan.files)?;
        plan::check_policies(&plan, &staying).map_err(|error| {
            let Failure { message, .. } = refusal(&error);
            Failure::new(Exit::No, message.unwrap_or_default())
                .hint("what is planned and what stands in the policy folder do not load together; nothing was written")
        })?;
        if host.resolvers.is_empty() && self.resolvers.is_empty() {
            return Err(Failure::new(Exit::No, "this host has no resolver: /etc/resolv.conf names none")
                .hint("--resolver 192.0.2.53 names one"));
        }
        Ok(plan)
    }

    fn agreed(&self, question: &str) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new(
                Exit::Usage,
                "nobody is here to be asked: standard input is no terminal",
            )
            .hint("--yes writes without asking, --dry-run shows what would be written"));
        }
        let said = answer(&format!("{question} [y/N] "))?;
        Ok(["y", "yes"].contains(&said.to_ascii_lowercase().as_str()))
    }

    /// The command that comes next.
    fn next(&self, kernel: bool, plan: &Plan, host: &Host) -> String {
        let mut text = String::new();
        let other = plan.sysctl.iter().filter(|one| host.setting(&one.path) != Some(one.value.as_str()));
        let other: Vec<String> = other.map(|one| format!("{}={}", one.path, one.value)).collect();
        if !kernel && !other.is_empty() {
            let _ = writeln!(text, "not set, and the daemon will ask for it: sysctl -w {}", other.join(" "));
        }
        if plan.agents.iter().any(|agent| agent.guessed.is_some()) {
            let _ = writeln!(text, "the agent is a guess: correct its address in 20-agent.yaml");
        }
        let config = match self.config == Path::new(DEFAULT_CONFIG) {
            true => String::new(),
            false => format!(" --config {}", self.config.display()),
        };
        match config.is_empty() {
            true => text + "next: systemctl enable --now clawgressd && clawgress doctor",
            false => format!("{text}next: clawgress doctor{config}; then clawgress daemon{config}"),
        }
    }
}

fn refusal(error: &PlanError) -> Failure {
    let text = error.to_string();
    match text.split_once("\nhint: ") {
        Some((said, hint)) => Failure::new(Exit::No, said).hint(hint),
        None => Failure::new(Exit::No, text),
    }
}

/// A line of the person at the terminal. The end of the input is a no.
fn answer(question: &str) -> Result<String, Failure> {
    let mut talk = io::stderr();
    write!(talk, "{question}")?;
    talk.flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Writes, and hears no Ctrl-C meanwhile: what has begun is finished, or taken back.
fn write_whole(files: &[plan::Planned], context: &Context) -> Result<Vec<Written>, Failure> {
    let stamp: String =
        context.now.to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    block_on(async {
        let _signals = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        );
        write::all(files, &stamp).map_err(|error| {
            let failure = Failure::new(Exit::Code(73), error.to_string());
            match error.source.kind() {
                io::ErrorKind::PermissionDenied => {
                    Failure { code: Exit::Code(77), ..failure }.hint("sudo clawgress init")
                }
                _ => failure,
            }
        })
    })
}

fn told(done: &[Written]) -> String {
    let mut text = String::new();
    for one in done {
        let _ = match one {
            Written::New(path) => writeln!(text, "written   {}", path.display()),
            Written::Same(path) => writeln!(text, "as it was {}", path.display()),
            Written::Replaced(path, copy) => {
                writeln!(text, "replaced  {}; before: {}", path.display(), copy.display())
            }
        };
    }
    text.trim_end().to_owned()
}

/// What is shown.
struct Seen<'a> {
    host: &'a Host,
    opinions: &'a [Opinion],
    plan: &'a Plan,
    kernel: bool,
    blocked: &'a [PathBuf],
}

/// One line an interface.
fn seen(opinions: &[Opinion], paint: Paint) -> String {
    let width = opinions.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    let mut out = paint.text(Style::Bold, "Here are") + "\n";
    for one in opinions {
        let nets: Vec<String> = one.networks.iter().map(ToString::to_string).collect();
        let nets = if nets.is_empty() { String::new() } else { format!("  {}", nets.join(", ")) };
        let _ = writeln!(out, "  {:<width$}  {}{nets}", safe(&one.name), safe(&one.why));
    }
    out
}

impl Seen<'_> {
    fn render(&self, paint: Paint) -> String {
        let mut out = seen(self.opinions, paint);
        let plan = self.plan;
        let subnets: Vec<String> = plan.subnets.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{}", paint.text(Style::Bold, "Proposed"));
        let _ = writeln!(out, "  intercept  {} ({})", safe(&plan.interfaces.join(", ")), subnets.join(", "));
        for agent in &plan.agents {
            let addresses: Vec<String> = agent.addresses.iter().map(ToString::to_string).collect();
            let guess = agent.guessed.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            let _ = writeln!(out, "  agent      {} at {}{guess}", safe(&agent.name), addresses.join(", "));
        }
        let resolvers: Vec<String> = self.host.resolvers.iter().map(|one| one.ip().to_string()).collect();
        let _ = writeln!(
            out,
            "  names      asked of {}",
            if resolvers.is_empty() { "those named".to_owned() } else { resolvers.join(", ") }
        );
        out.push_str("  policy     deny by default; what the starter set opens is in its files\n");
        for file in &plan.files {
            let mark =
                if self.blocked.contains(&file.path) { "  (there already, and different)" } else { "" };
            let _ = writeln!(out, "{}{mark}", paint.text(Style::Bold, &file.path.display().to_string()));
            if !file.path.to_string_lossy().ends_with(".test.yaml") {
                out.extend(file.content.lines().map(|line| format!("  {line}\n")));
            }
        }
        if self.kernel {
            let mark = if self.blocked.contains(&plan.sysctl_path) {
                "  (there already, and different)"
            } else {
                ""
            };
            let _ =
                writeln!(out, "{}{mark}", paint.text(Style::Bold, &plan.sysctl_path.display().to_string()));
            for one in &plan.sysctl {
                let now = self.host.setting(&one.path).unwrap_or("not there");
                let _ = writeln!(out, "  {} = {}  (now {now}): {}", one.path, one.value, one.why);
            }
        }
        out
    }
}
