//! What is wrong with a set of files: every mistake with its place, the line shown and a hint.
//!
//! A report is data (JSON through serde) and text (`render`). It never decides anything: who loads files and gets a
//! report keeps what was in force. The number of mistakes written out is bounded; the rest is counted.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::source::{NotText, Place, Source, Span};
use crate::model::types::limits;
pub use crate::model::types::wording::{did_you_mean, one_of, quoted};

/// Longest line that is shown whole, in bytes; of longer ones only the place is named.
const SHOWN_LINE_BYTES: usize = 400;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Path of the file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, with values in backticks.
    pub message: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line and the bytes of it that are wrong, where it can be shown.
    #[serde(skip)]
    excerpt: Option<Excerpt>,
    /// Whether it is no mistake.
    #[serde(skip)]
    warns: bool,
}

/// A line of a file with a stretch of it marked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    line: String,
    marked: Span,
}

impl Diagnostic {
    /// A mistake without the line it stands in.
    pub fn bare(place: Place, message: impl Into<String>) -> Self {
        let Place { file, line, column } = place;
        Self { file, line, column, message: message.into(), hint: None, excerpt: None, warns: false }
    }

    /// A mistake at a stretch of a text; of a stretch over several lines the first is shown.
    pub fn at(source: &Source<'_>, span: Span, message: impl Into<String>) -> Self {
        let (start, line) = source.line_at(span.start);
        let mut diagnostic = Self::bare(source.place(span.start), message);
        if line.len() <= SHOWN_LINE_BYTES {
            let first = line.floor_char_boundary((span.start - start).min(line.len()));
            let last = line.ceil_char_boundary(span.end.saturating_sub(start).clamp(first, line.len()));
            diagnostic.excerpt =
                Some(Excerpt { line: line.into(), marked: Span { start: first, end: last } });
        }
        diagnostic
    }

    /// Says how to mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same for what is right, and may not be what was meant.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self { warns: true, ..self }
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: self.column }
    }

    /// The marked stretch in characters: the length of the underline.
    pub fn length(&self) -> usize {
        let marked = self.excerpt.as_ref().and_then(|e| e.line.get(e.marked.start..e.marked.end));
        marked.map_or(1, |text| text.chars().count().max(1))
    }

    /// For people: the mistake with its line and hint.
    pub fn render(&self, colour: bool) -> String {
        self.render_with(&if colour { Renderer::styled() } else { Renderer::plain() })
    }

    fn render_with(&self, renderer: &Renderer) -> String {
        // A suggestion belongs under the word it corrects; advice that is a sentence gets a line of its own.
        let (label, advice) = match &self.hint {
            Some(hint) if hint.starts_with("did you mean") => (Some(hint.as_str()), None),
            hint => (None, hint.as_deref()),
        };
        let level = if self.warns { Level::WARNING } else { Level::ERROR };
        let mut group = match &self.excerpt {
            Some(excerpt) => {
                let marked = excerpt.marked.start..excerpt.marked.end;
                let annotation = AnnotationKind::Primary.span(marked).label(label);
                let snippet = Snippet::source(excerpt.line.as_str()).line_start(self.line).path(&*self.file);
                level.primary_title(&*self.message).element(snippet.annotation(annotation))
            }
            None => {
                let origin = Origin::path(&*self.file).line(self.line).char_column(self.column);
                level.primary_title(&*self.message).element(origin)
            }
        };
        if let Some(text) = advice.or(if self.excerpt.is_none() { label } else { None }) {
            group = group.element(Level::HELP.with_name("hint").message(text));
        }
        renderer.render(&[group])
    }
}

impl From<NotText> for Diagnostic {
    fn from(fault: NotText) -> Self {
        Self::bare(fault.place, fault.message).hint(fault.hint)
    }
}

/// All mistakes of a set of files, ordered by place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Report {
    /// The mistakes, at most [`limits::POLICY_MISTAKES`].
    pub errors: Vec<Diagnostic>,
    /// How many more there are.
    pub omitted: usize,
    /// How many files were looked at.
    pub files: usize,
}

impl Report {
    /// A report of one mistake.
    pub fn of(diagnostic: Diagnostic, files: usize) -> Self {
        Self { errors: vec![diagnostic], omitted: 0, files }
    }

    /// For people: every mistake with its line and hint, an empty line after each; without the summary.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for diagnostic in &self.errors {
            out.push_str(&diagnostic.render_with(&renderer));
            out.push_str("\n\n");
        }
        out
    }

    /// The same without the lines that the mistakes stand in, where they may hold what nobody may see.
    #[must_use]
    pub fn without_lines(mut self) -> Self {
        self.errors.iter_mut().for_each(|error| error.excerpt = None);
        self
    }

    /// `2 errors in 1 of 7 files`.
    pub fn summary(&self) -> String {
        let count = self.errors.len() + self.omitted;
        let mut files: Vec<&str> = self.errors.iter().map(|error| &*error.file).collect();
        files.dedup();
        let plural = |count: usize, word: &str| if count == 1 { word.to_owned() } else { format!("{word}s") };
        let shown =
            if self.omitted > 0 { format!(", the first {} shown", self.errors.len()) } else { String::new() };
        let (errors, all) = (plural(count, "error"), plural(self.files, "file"));
        format!("{count} {errors} in {} of {} {all}{shown}", files.len(), self.files)
    }
}

impl Report {
    /// The text for whoever prints `error: ` in front of it.
    pub fn after_error(&self) -> String {
        let text = self.to_string();
        text.strip_prefix("error: ").unwrap_or(&text).to_owned()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))?;
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Report {}

/// Mistakes as they are found.
#[derive(Debug, Default)]
pub struct Mistakes {
    found: Vec<Diagnostic>,
    omitted: usize,
}

impl Mistakes {
    /// Keeps a mistake, or counts it once there are too many. The diagnostic is made only if it is kept.
    pub fn add(&mut self, diagnostic: impl FnOnce() -> Diagnostic) {
        if self.found.len() < limits::POLICY_MISTAKES {
            self.found.push(diagnostic());
        } else {
            self.omitted += 1;
        }
    }

    /// Takes over what was found elsewhere.
    pub fn take_over(&mut self, others: Self) {
        self.omitted += others.omitted;
        others.found.into_iter().for_each(|one| self.add(|| one));
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many were found.
    pub fn count(&self) -> usize {
        self.found.len() + self.omitted
    }

    /// The report, ordered by place; nothing if there is no mistake.
    pub fn into_report(mut self, files: usize) -> Option<Report> {
        if self.found.is_empty() {
            return None;
        }
        self.found.sort_by(|a, b| (a.place(), &a.message).cmp(&(b.place(), &b.message)));
        Some(Report { errors: self.found, omitted: self.omitted, files })
    }
}
