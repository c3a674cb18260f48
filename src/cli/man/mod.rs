//! `clawgress man FOLDER`: the pages of the manual, written for the package. One for each command, of what the command line
//! itself knows; what it does not know (files, signals, exit codes) stands beside this file, in the language of man(7).
//!
//! Says nothing that a test does not compare with the program.

mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::{Cli, DaemonCli, commands_page};

/// Sections behind those of clawgressd(8).
const OF_THE_DAEMON: &str = include_str!("clawgressd.8");
/// Sections behind those of clawgress(1).
const OF_THE_COMMAND: &str = include_str!("clawgress.1");

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The folder, which is made; pages go into `man1`, `man5` and `man8` below it
    #[arg(required_unless_present = "markdown")]
    folder: Option<PathBuf>,
    /// Print the page of all commands instead, `docs/commands.md`
    #[arg(long, conflicts_with = "folder")]
    markdown: bool,
}

impl Man {
    /// Writes the pages.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let Some(folder) = self.folder else {
            context.print(&commands_page())?;
            return Ok(Exit::Done);
        };
        let pages = pages()?;
        for (path, text) in &pages {
            let path = folder.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, text)?;
        }
        context.say(&format!("{} pages are in `{}`", pages.len(), folder.display()));
        Ok(Exit::Done)
    }
}

/// Every page, by its path below the manual's folder.
fn pages() -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut pages = vec![
        (Path::new("man5").join("clawgress.yaml.5"), settings::page()),
        (Path::new("man8").join("clawgressd.8"), page(&DaemonCli::command(), "8", OF_THE_DAEMON)?),
    ];
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let mut waiting = vec![&cli];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|below| !below.is_hide_set()));
        let name = name(command);
        let more = if name == "clawgress" { OF_THE_COMMAND } else { "" };
        pages.push((Path::new("man1").join(format!("{name}.1")), page(command, "1", more)?));
    }
    Ok(pages)
}

/// `clawgress-audit-tail`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// One page. It names no day, so that the same program writes the same page.
fn page(command: &Command, section: &str, more: &str) -> Result<String, Failure> {
    let source = format!("clawgress {}", env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(command.clone())
        .title(name(command).to_uppercase())
        .section(section)
        .date("")
        .source(source)
        .manual("Clawgress");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(more);
    if section == "1" && more.is_empty() {
        text.push_str(
            ".SH \"SEE ALSO\"\n\\fBclawgress\\fR(1), \\fBclawgressd\\fR(8), \\fBclawgress.yaml\\fR(5)\n",
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        let pages = pages().unwrap();
        pages.into_iter().find(|(path, _)| path.ends_with(name)).map(|(_, text)| text).unwrap()
    }

    #[test]
    fn every_command_that_is_shown_has_a_page_and_no_other() {
        let pages: Vec<_> = pages().unwrap().into_iter().map(|(path, _)| path).collect();
        for name in ["clawgress.1", "clawgress-status.1", "clawgress-audit-tail.1", "clawgress-secret-set.1"]
        {
            assert!(pages.contains(&Path::new("man1").join(name)), "{name}: {pages:?}");
        }
        assert!(!pages.iter().any(|page| page.ends_with("clawgress-man.1")), "{pages:?}");
        assert!(text("clawgress.1").contains(r"clawgress\-doctor(1)"), "{}", text("clawgress.1"));
        assert!(text("clawgressd.8").contains(r"\-\-remove\-rules"), "{}", text("clawgressd.8"));
    }
}
