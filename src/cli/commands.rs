//! The page of all commands, `docs/commands.md`, made of what the command line itself knows.
//!
//! Says nothing of its own but the frame. A test compares the page with this.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::Cli;

/// The page, in Markdown.
pub fn page() -> String {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let mut text = String::from(
        "# Every command\n\n(Printed by the program: `clawgress man --markdown`.)\n\n\
         Each command takes these too, and tells of itself with `--help`. Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 no daemon, 4 not allowed\n\
         for this user; where a file cannot be read or the daemon cannot start, one of `sysexits.h`.\n\n",
    );
    table(&mut text, cli.get_arguments().filter(|argument| argument.is_global_set()));
    for command in cli.get_subcommands() {
        section(&mut text, command);
    }
    text
}

fn section(text: &mut String, command: &Command) {
    if command.is_hide_set() {
        return;
    }
    let below: Vec<&Command> = command.get_subcommands().filter(|below| !below.is_hide_set()).collect();
    if below.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {}\n\n", command.get_bin_name().unwrap_or_else(|| command.get_name()));
        let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
        let _ = write!(text, "{}\n\n", about.unwrap_or_default().trim_end());
        let usage = command.clone().render_usage().to_string();
        let _ = write!(text, "```\n{}\n```\n", usage.trim_start_matches("Usage: ").replace("[OPTIONS] ", ""));
        let own = |argument: &&Arg| {
            !argument.is_global_set() && !["help", "version"].contains(&argument.get_id().as_str())
        };
        let own: Vec<&Arg> = command.get_arguments().filter(own).collect();
        if !own.is_empty() {
            text.push('\n');
            table(text, own.into_iter());
        }
        if let Some(after) = command.get_after_help() {
            let _ = write!(text, "\n```\n{}\n```\n", after.to_string().trim());
        }
    }
    below.into_iter().for_each(|below| section(text, below));
}

fn table<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    text.push_str("| | |\n|---|---|\n");
    for argument in arguments.filter(|argument| !argument.is_hide_set()) {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| `{}` | {} |", spelled(argument), cell(&(help + &known(argument))));
    }
}

/// `-o, --output <OUTPUT>`, `<FILE>...`.
fn spelled(argument: &Arg) -> String {
    let mut spelled = String::new();
    if let Some(short) = argument.get_short() {
        let _ = write!(spelled, "-{short}, ");
    }
    let shown = argument.to_string();
    spelled.push_str(&shown);
    spelled
}

/// What it is where it is not said, and what it may be.
fn known(argument: &Arg) -> String {
    let mut known = String::new();
    let values: Vec<_> = argument
        .get_possible_values()
        .into_iter()
        .filter(|value| !value.is_hide_set() && argument.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        let _ = write!(known, ": {}", values.join(", "));
    }
    let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !default.is_empty() && argument.get_action().takes_values() {
        let _ = write!(known, "; default `{}`", default.join(" "));
    }
    known
}

/// A text that stands in a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}
