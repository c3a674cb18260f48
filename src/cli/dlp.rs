//! `clawgress dlp`: what would be found in a text, and what there is to be found, without a daemon.
//!
//! A file is read in pieces; of what is found its class, detector and place are shown, never the text. With `--jsonl` each line is a
//! text by itself and has its answer in a line, in the same order. Nothing is sent, kept or changed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::columns::{Cell, Columns};
use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style};
use super::words;
use crate::decide::dlp::{Detector, Detectors, Form, HashKey, Inspector, Match, Window, catalogue};
use crate::model::types::FindingClasses;
use crate::model::types::limits::SCANNED_LINE_BYTES;

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes behind which a finding may still begin: its line is known so far back.
const LINES_KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Subcommands of `dlp`.
#[derive(Debug, clap::Subcommand)]
pub enum Dlp {
    /// Show what would be found in a file
    Scan(Scan),
    /// List what there is to be found
    Detectors(List),
}

/// Arguments of `dlp scan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing was found, 1 something was. With --jsonl 0, whatever was found; 65 where a line cannot be read."
)]
pub struct Scan {
    /// One text for each line, `{"id", "text"}`; one answer for each, `{"id", "findings"}`
    #[arg(long)]
    jsonl: bool,
    /// How sure a finding is at least, from 0 to 1
    #[arg(long, value_name = "NUMBER", default_value_t = 0.5, value_parser = confidence)]
    min_confidence: f32,
    /// Count placeholders and values of documentations, too
    #[arg(long)]
    examples: bool,
    /// A file, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Arguments of `dlp detectors`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Print `docs/detectors.md`
    #[arg(long, hide = true)]
    markdown: bool,
}

/// A line of the input with `--jsonl`.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    id: Value,
    text: String,
}

/// A line of the answer.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    id: &'a Value,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

/// One finding, without what was found. Places are bytes, as they came.
#[derive(Debug, Serialize)]
struct Finding {
    class: &'static str,
    detector: String,
    confidence: f32,
    start: usize,
    end: usize,
    location: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_example: bool,
    /// Its line and column, from 1; a line of `--jsonl` is one already.
    #[serde(flatten)]
    place: Option<Place>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Place {
    line: usize,
    column: usize,
}

/// An entry of the catalogue.
#[derive(Debug, Serialize)]
struct Entry {
    detector: &'static str,
    class: &'static str,
    source: &'static str,
}

impl Dlp {
    /// Runs the subcommand.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        match self {
            Self::Scan(scan) => scan.run(context),
            Self::Detectors(List { markdown: true }) => {
                context.print(&catalogue::page())?;
                Ok(Exit::Done)
            }
            Self::Detectors(List { markdown: false }) => {
                let entry = |detector: &&Detector| Entry {
                    detector: detector.name,
                    class: detector.class.as_str(),
                    source: detector.source,
                };
                context.list(&catalogue::all().iter().map(entry).collect::<Vec<_>>(), listed)?;
                Ok(Exit::Done)
            }
        }
    }
}

impl Scan {
    fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let shown = self.file.display().to_string();
        let unread = |error: &io::Error| Failure::new(Exit::Code(66), format!("`{shown}`: {error}"));
        let mut input = open(&self.file).map_err(|error| unread(&error))?;
        let key = HashKey([0; 32]);
        let inspector = Inspector::new(Arc::new(Detectors::built_in()), None, key, FindingClasses::all());
        if self.jsonl {
            self.lines(&inspector, &mut *input, context)?;
            return Ok(Exit::Done);
        }
        let (findings, unreadable) = self.whole(inspector, &mut *input).map_err(|error| unread(&error))?;
        context.list(&findings, |findings, paint| table(findings, &shown, paint))?;
        if let Some(what) = unreadable {
            context.say(&format!("a part of `{shown}` could not be read: {what}"));
        }
        if context.format == Format::Table {
            let found = match findings.len() {
                0 => "nothing was found".to_owned(),
                number => words::several(number as u64, "finding"),
            };
            context.print(&format!("{found}\n"))?;
        }
        Ok(if findings.is_empty() { Exit::Done } else { Exit::No })
    }

    fn counts(&self, found: &Match) -> bool {
        found.confidence >= self.min_confidence && (self.examples || !found.is_example)
    }

    /// The whole input as one text.
    fn whole(
        &self,
        inspector: Inspector,
        input: &mut dyn BufRead,
    ) -> io::Result<(Vec<Finding>, Option<String>)> {
        let form = Form::of_content_type(None, input.fill_buf()?);
        let mut window = Window::new(inspector, form);
        let (mut lines, mut findings) = (Lines::default(), Vec::new());
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = match input.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => &piece[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            lines.pass(read);
            let step = window.feed(read);
            findings.extend(
                step.matches
                    .iter()
                    .filter(|found| self.counts(found))
                    .map(|found| finding(found, Some(&lines))),
            );
        }
        let rest = window.finish();
        findings.extend(
            rest.matches.iter().filter(|found| self.counts(found)).map(|found| finding(found, Some(&lines))),
        );
        findings.sort_by_key(|finding| (finding.start, finding.end));
        Ok((findings, rest.unreadable.map(|what| what.to_string())))
    }

    /// Each line as a text of its own.
    fn lines(
        &self,
        inspector: &Inspector,
        input: &mut dyn BufRead,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            // One byte more than may be shows that there is more.
            let most = SCANNED_LINE_BYTES as u64 + 1;
            if (&mut *input).take(most).read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            let broken = |what: String| {
                Failure::new(Exit::Code(65), format!("line {number}: {what}"))
                    .hint("each line is one JSON object with `id` and `text`")
            };
            if bytes.len() > SCANNED_LINE_BYTES {
                return Err(broken(format!("more than {SCANNED_LINE_BYTES} bytes")));
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
            let found =
                inspector.inspect(line.text.as_bytes(), Form::of_content_type(None, line.text.as_bytes()));
            let findings = found
                .matches
                .iter()
                .filter(|found| self.counts(found))
                .map(|found| finding(found, None))
                .collect();
            let unreadable = found.unreadable.map(|what| what.to_string());
            let answer = serde_json::to_string(&Answer { id: &line.id, findings, unreadable });
            context.print(&answer.map_err(|error| broken(error.to_string()))?)?;
            context.print("\n")?;
        }
        Ok(())
    }
}

fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    Ok(Box::new(BufReader::new(File::open(file)?)))
}

fn confidence(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("not a number from 0 to 1".to_owned()),
    }
}

fn finding(found: &Match, lines: Option<&Lines>) -> Finding {
    Finding {
        class: found.class.as_str(),
        detector: found.detector.as_str().to_owned(),
        confidence: found.confidence,
        start: found.range.start,
        end: found.range.end,
        location: found.location.as_str().to_owned(),
        is_example: found.is_example,
        place: lines.map(|lines| lines.place(found.range.start)),
    }
}

/// Where lines begin, in the part of a text that is not far behind.
#[derive(Debug, Default)]
struct Lines {
    /// Lines that begin before those kept.
    before: usize,
    starts: VecDeque<usize>,
    passed: usize,
}

impl Lines {
    fn pass(&mut self, piece: &[u8]) {
        self.starts.extend(memchr::memchr_iter(b'\n', piece).map(|at| self.passed + at + 1));
        self.passed += piece.len();
        // The last one that is far behind is kept, for the column.
        while self.starts.get(1).is_some_and(|start| start + LINES_KEPT_BYTES < self.passed) {
            self.starts.pop_front();
            self.before += 1;
        }
    }

    fn place(&self, at: usize) -> Place {
        let count = self.starts.partition_point(|start| *start <= at);
        let start = count.checked_sub(1).map_or(0, |last| self.starts[last]);
        Place { line: self.before + count + 1, column: at - start + 1 }
    }
}

/// `FILE:LINE:COLUMN  class  detector  confidence  location`.
fn table(findings: &[Finding], shown: &str, paint: Paint) -> String {
    let row = |finding: &Finding| {
        let place =
            finding.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
        vec![
            Cell::whole(&format!("{shown}{place}"), Style::Bold),
            Cell::from(finding.class),
            Cell::from(&*finding.detector),
            Cell::from(&*format!("{:.2}", finding.confidence)),
            Cell::styled(&finding.location, Style::Dim),
        ]
    };
    Columns::table(&findings.iter().map(row).collect::<Vec<_>>(), paint)
}

/// `detector  class  source`.
fn listed(entries: &[Entry], paint: Paint) -> String {
    let row = |entry: &Entry| {
        vec![Cell::from(entry.detector), Cell::from(entry.class), Cell::styled(entry.source, Style::Dim)]
    };
    Columns::table(&entries.iter().map(row).collect::<Vec<_>>(), paint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_by_the_lines_before_it() {
        let mut lines = Lines::default();
        lines.pass(b"one\ntw");
        lines.pass(b"o\n\nfour");
        let places: Vec<_> = [0, 3, 4, 7, 8, 9, 12]
            .into_iter()
            .map(|at| lines.place(at))
            .map(|place| (place.line, place.column))
            .collect();
        assert_eq!(places, [(1, 1), (1, 4), (2, 1), (2, 4), (3, 1), (4, 1), (4, 4)]);
    }
}
