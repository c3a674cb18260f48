//! The command line: one file per subcommand, one way to print, one way to fail.
//!
//! Data goes to standard output, talk to standard error; a command ends with one of the contract's exit codes. It
//! speaks with the daemon through `operate::api` alone. Read `context` for what every command is given, `wiring`
//! for the few things that are done without a daemon.

mod exit;
mod paint;
mod words;
mod columns;
mod context;
mod wiring;
mod daemon;
mod status;
mod reload;
mod init;
mod doctor;
mod validate;
mod test;
mod diff;
mod schema;
mod get;
mod explain;
mod audit;
mod approve;
mod approvals;
mod revoke;
mod agent;
mod quota;
mod secret;
mod apply;
mod ca;
mod backup;
mod restore;
mod dlp;
mod completion;
mod commands;
mod man;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use commands::page as commands_page;
use context::{Context, Format};
use exit::{Exit, Failure};

/// The name under which the program is the daemon.
const DAEMON_NAME: &str = "clawgressd";
/// Names the daemon's socket where `--socket` does not.
const SOCKET_VARIABLE: &str = "CLAWGRESS_SOCKET";
/// The daemon's settings unless said otherwise.
const DEFAULT_CONFIG: &str = "/etc/clawgress/clawgress.yaml";

/// Egress gateway for AI agents.
#[derive(Debug, Parser)]
#[command(name = "clawgress", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 no daemon, 4 not allowed for this user."
)]
struct Cli {
    /// The daemon's socket [default: $CLAWGRESS_SOCKET, else /run/clawgress/admin.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// How data is printed
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write settings, a first agent and policies to start from
    Init(init::Init),
    /// Run the gateway
    Daemon(daemon::Daemon),
    /// How things are, and what needs you
    Status(status::Status),
    /// Put the documents on disk in force
    Reload(reload::Reload),
    /// Check what the gateway needs of this machine
    Doctor(doctor::Doctor),
    /// Check policy documents, without a daemon
    Validate(validate::Validate),
    /// Judge the policy tests next to policies, without a daemon
    Test(test::Test),
    /// What other documents would add and remove
    Diff(diff::Diff),
    /// What documents may say: the kinds, and the JSON Schema of each
    Schema(schema::Schema),
    /// Show documents in force
    Get(get::Get),
    /// What would become of a request, and why
    Explain(explain::Explain),
    /// Look at the records
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Let an agent reach hosts for a time
    Approve(approve::Approve),
    /// What is open for a time
    Approvals(approvals::Approvals),
    /// End an approval, and what lives by it
    Revoke(revoke::Revoke),
    /// The agents, and shutting one out
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Budgets: how much is used, and giving more
    #[command(subcommand)]
    Quota(quota::Quota),
    /// Credentials that agents never hold
    #[command(subcommand)]
    Secret(secret::Secret),
    /// Take documents of `kind: Secret` into the vault
    Apply(apply::Apply),
    /// The gateway's certificate authority
    #[command(subcommand)]
    Ca(ca::Ca),
    /// Copy a running gateway into a folder: record, registry, authorities, policies, settings
    Backup(backup::BackupCommand),
    /// Make the state of a gateway from a backup, without a daemon
    Restore(restore::Restore),
    /// What must not leave: look for it in a file, list what is looked for
    #[command(subcommand)]
    Dlp(dlp::Dlp),
    /// Print a completion script
    Completion(completion::Completion),
    /// Write the manual's pages
    #[command(hide = true)]
    Man(man::Man),
}

/// `clawgressd --config PATH`.
#[derive(Debug, Parser)]
#[command(name = DAEMON_NAME, version, about = "The Clawgress gateway")]
struct DaemonCli {
    #[command(flatten)]
    daemon: daemon::Daemon,
}

/// Runs the program with these arguments, the first of which is its own name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let own_name = arguments.first().and_then(|name| Path::new(name).file_name());
    let parsed = if own_name.is_some_and(|name| name == DAEMON_NAME) {
        DaemonCli::try_parse_from(arguments).map(|cli| (Command::Daemon(cli.daemon), None, Format::Table))
    } else {
        Cli::try_parse_from(arguments).map(|cli| (cli.command, cli.socket, cli.output))
    };
    let (command, socket, format) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help that nobody reads to its end is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut context = Context::of_this_process(socket_path(socket), format);
    let result = run(command, &mut context).and_then(|exit| {
        context.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // What was said before the failure comes before it.
            let _ = context.flush();
            context.report(&failure);
            failure.code.into()
        }
    }
}

fn socket_path(given: Option<PathBuf>) -> PathBuf {
    given
        .or_else(|| std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(crate::operate::api::DEFAULT_SOCKET))
}

fn run(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    match command {
        Command::Init(command) => command.run(context),
        Command::Daemon(command) => command.run(),
        Command::Status(command) => command.run(context),
        Command::Reload(command) => command.run(context),
        Command::Doctor(command) => command.run(context),
        Command::Validate(command) => command.run(context),
        Command::Test(command) => command.run(context),
        Command::Diff(command) => command.run(context),
        Command::Schema(command) => command.run(context),
        Command::Get(command) => command.run(context),
        Command::Explain(command) => command.run(context),
        Command::Audit(command) => command.run(context),
        Command::Approve(command) => command.run(context),
        Command::Approvals(command) => command.run(context),
        Command::Revoke(command) => command.run(context),
        Command::Agent(command) => command.run(context),
        Command::Quota(command) => command.run(context),
        Command::Secret(command) => command.run(context),
        Command::Apply(command) => command.run(context),
        Command::Ca(command) => command.run(context),
        Command::Backup(command) => command.run(context),
        Command::Restore(command) => command.run(context),
        Command::Dlp(command) => command.run(context),
        Command::Completion(command) => command.run(context),
        Command::Man(command) => command.run(context),
    }
}

#[cfg(test)]
mod tests;
