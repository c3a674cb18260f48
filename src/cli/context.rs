//! What every command is given: where the daemon is, how to print, and what time it is.
//!
//! Data is written through here and nowhere else, so that formats, broken pipes and colours are settled once.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use crate::model::types::Timestamp;
use crate::operate::api::{Client, Error};
use crate::platform::sys::clock;

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One document; lists as an array
    Json,
    /// One document; what streams, as many
    Yaml,
    /// One JSON object a line
    Jsonl,
}

/// A command's surroundings.
pub struct Context {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// How data is printed.
    pub format: Format,
    /// Colours on standard output.
    pub paint: Paint,
    /// When the command began.
    pub now: Timestamp,
    talk_paint: Paint,
    out: Box<dyn Write>,
    talk: Box<dyn Write>,
}

impl Context {
    /// Standard output and standard error of this process.
    pub fn of_this_process(socket: PathBuf, format: Format) -> Self {
        Self {
            socket,
            format,
            paint: Paint::for_stream(&io::stdout()),
            now: clock::now(),
            talk_paint: Paint::for_stream(&io::stderr()),
            out: Box::new(BufWriter::new(io::stdout())),
            talk: Box::new(io::stderr()),
        }
    }

    /// Any two streams, without colours.
    #[cfg(test)]
    pub fn with(socket: PathBuf, format: Format, out: Box<dyn Write>, talk: Box<dyn Write>) -> Self {
        let now = clock::now();
        Self { socket, format, paint: Paint(false), now, talk_paint: Paint(false), out, talk }
    }

    /// Runs something that waits, with a connection to the daemon.
    pub fn with_daemon<T, F>(&mut self, work: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let socket = self.socket.clone();
        block_on(async move { Ok(work(Client::connect(&socket).await?).await?) })
    }

    /// Prints text as it is.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Prints one thing: as `table` says for people, else as a document.
    pub fn one<T: Serialize>(
        &mut self,
        value: &T,
        table: impl FnOnce(&T, Paint) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Table => table(value, self.paint),
            Format::Json => pretty(value)?,
            Format::Yaml => yaml(value)?,
            Format::Jsonl => line(value)?,
        };
        Ok(self.print(&text)?)
    }

    /// Prints a list: as `table` says for people, else as one document, or one a line.
    pub fn list<T: Serialize>(
        &mut self,
        values: &[T],
        table: impl FnOnce(&[T], Paint) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Jsonl => values.iter().try_for_each(|value| Ok(self.print(&line(value)?)?)),
            Format::Table => Ok(self.print(&table(values, self.paint))?),
            Format::Json => Ok(self.print(&pretty(&values)?)?),
            Format::Yaml => Ok(self.print(&yaml(&values)?)?),
        }
    }

    /// Pushes out what is printed so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Says something beside the data. Nobody listening is no failure.
    pub fn say(&mut self, text: &str) {
        let _ = writeln!(self.talk, "{text}");
    }

    /// Says why the command failed, and what to do about it.
    pub fn report(&mut self, failure: &Failure) {
        let Some(message) = &failure.message else { return };
        let (error, hint) =
            (self.talk_paint.text(Style::Bad, "error:"), self.talk_paint.text(Style::Bold, "hint:"));
        self.say(&format!("{error} {}", multiline(message)));
        if let Some(text) = &failure.hint {
            self.say(&format!("{hint} {}", multiline(text)));
        }
    }
}

/// Safe to show, lines kept.
fn multiline(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

/// Runs something that waits, on this thread.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn unwritable(error: impl ToString) -> Failure {
    // EX_SOFTWARE of sysexits.h.
    Failure::new(Exit::Code(70), format!("the data could not be written out: {}", error.to_string()))
}

/// JSON over several lines.
pub fn pretty<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(unwritable)
}

/// JSON in one line.
pub fn line<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map(|text| text + "\n").map_err(unwritable)
}

/// YAML.
pub fn yaml<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(value).map_err(unwritable)?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}
