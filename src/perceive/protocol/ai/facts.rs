//! What an answer tells, whichever provider's it is: figures, the model, why it stopped, which tools it wants called.
//!
//! Paths are read from the root of the document alone: what a model says, and what a tool is to be called with, can look
//! like figures and stands elsewhere. Read next: `answer.rs`.

use super::usage::Figures;
use crate::model::types::limits::{MODEL_NAME_BYTES, TOOL_NAME_BYTES, TOOL_NAMES};
use crate::perceive::protocol::json::{self, Event, Visitor, Word};

/// What has been told so far.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub figures: Figures,
    pub model: Option<String>,
    pub stop: Option<String>,
    /// What a response of OpenAI has come to; why it is incomplete is told beside it.
    pub status: Option<String>,
    pub tools: Vec<Box<str>>,
    pub tools_called: u64,
    /// Bytes of text that the model has said, thoughts and arguments included.
    pub said: u64,
    /// The text that is being read.
    held: Vec<u8>,
    /// A tool that an item of OpenAI's responses names, and the type of the event around it.
    item: Option<Box<str>>,
    of_item: Option<bool>,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Model,
    Stop,
    Status,
    Tool,
    ItemTool,
    EventType,
    Said,
}

/// The type of the event that tells of an item that is complete; others tell of the same one.
const ITEM_DONE: &[u8] = b"response.output_item.done";

impl Visitor for Facts {
    #[inline]
    fn wants(&self, path: &[Word]) -> bool {
        !matches!(path.last(), None | Some(Word::Other | Word::Each))
    }

    #[inline]
    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        match event {
            Event::Number(number) => self.number(path, number),
            Event::Text(piece) => match target(path) {
                None => {}
                Some(Target::Said) => self.said += piece.len() as u64,
                Some(target) => self.hold(target, piece),
            },
            Event::TextEnd => self.text_end(path),
            Event::Array if matches!(path, [.., Word::Usage, Word::Iterations]) && inner(path).len() == 2 => {
                self.figures.rounds();
            }
            Event::End if path.is_empty() => self.document_end(),
            _ => {}
        }
    }
}

/// A path without what only wraps: the list that Gemini streams as, the message or the response that a stream tells of.
fn inner(path: &[Word]) -> &[Word] {
    use Word::*;
    let path = path.strip_prefix(&[Each]).unwrap_or(path);
    match path {
        [Message | Delta | XGroq | Metadata | Response, Usage | UsageMetadata | Meta, ..] => &path[1..],
        _ => path,
    }
}

#[inline]
fn target(path: &[Word]) -> Option<Target> {
    use Word::*;
    let path = match path {
        [Each, rest @ ..] => rest,
        _ => path,
    };
    Some(match path {
        [Choices, Each, rest @ ..] => return choice(rest),
        [Delta | Response | Generation | Completion | OutputText] => Target::Said,
        [Delta, Text | Thinking | PartialJson] | [ContentBlockDelta, Delta, Text] => Target::Said,
        [Delta, ToolUse, Input] | [ContentBlockDelta, Delta, ToolUse, Input] => Target::Said,
        [Delta, Message, Content, Text] | [Message, Content] | [Results, Each, OutputText] => Target::Said,
        [Content, Each, Text | Thinking] | [Output, Each, Content, Each, Text] => Target::Said,
        [Output, Each, Arguments] | [Output, Message, Content, Each, Text] => Target::Said,
        [Candidates, Each, Content, Parts, Each, Text] => Target::Said,
        [Type] => Target::EventType,
        [Model | ModelVersion] | [Message | Response, Model | ModelVersion] => Target::Model,
        [StopReason | StopReasonCamel | FinishReason | DoneReason | CompletionReason] => Target::Stop,
        [Delta, StopReason | FinishReason] | [MessageStop, StopReasonCamel] => Target::Stop,
        [Status] | [Response, Status] => Target::Status,
        [IncompleteDetails, Reason] | [Response, IncompleteDetails, Reason] => Target::Stop,
        [Candidates, Each, FinishReasonCamel] | [Results, Each, CompletionReason] => Target::Stop,
        [Item, Name] => Target::ItemTool,
        [Output | Content, Each, Name] | [ContentBlock, Name] | [Start, ToolUse, Name] => Target::Tool,
        [ContentBlockStart, Start, ToolUse, Name] => Target::Tool,
        [Output, Message, Content, Each, ToolUse, Name] => Target::Tool,
        [Candidates, Each, Content, Parts, Each, FunctionCall, Name] => Target::Tool,
        [Message, ToolCalls, Each, Function, Name] | [Delta, Message, ToolCalls, Function, Name] => {
            Target::Tool
        }
        _ => return None,
    })
}

/// Within one of the choices of OpenAI and all that are compatible.
#[inline]
fn choice(path: &[Word]) -> Option<Target> {
    use Word::*;
    Some(match path {
        [FinishReason] => Target::Stop,
        [Text] => Target::Said,
        [Delta | Message, rest @ ..] => match rest {
            [Content | ReasoningContent | Reasoning | Refusal] | [Content, Each, Text] => Target::Said,
            [ToolCalls, Each, Function, Arguments] | [FunctionCallSnake, Arguments] => Target::Said,
            [ToolCalls, Each, Function, Name] | [FunctionCallSnake, Name] => Target::Tool,
            _ => return None,
        },
        _ => return None,
    })
}

impl Facts {
    fn number(&mut self, path: &[Word], number: &str) {
        let rest = inner(path);
        // Most numbers are none of these, and are not worth reading.
        if rest.len() > 5 || rest.is_empty() || rest[0] == Word::Choices {
            return;
        }
        if let Some(count) = json::count(number) {
            if let [Word::Message, Word::Usage, ..] = path {
                self.figures.first_figure(rest, count);
            } else {
                self.figures.figure(rest, count);
            }
        }
    }

    fn hold(&mut self, target: Target, piece: &str) {
        let most = if target == Target::Model { MODEL_NAME_BYTES } else { TOOL_NAME_BYTES };
        let room = most.saturating_sub(self.held.len()).min(piece.len());
        self.held.extend_from_slice(&piece.as_bytes()[..room]);
    }

    fn text_end(&mut self, path: &[Word]) {
        let Some(target) = target(path).filter(|target| *target != Target::Said) else { return };
        // What a stream only has at its end is empty, or absent, before.
        if !self.held.is_empty() {
            self.text(target);
            self.held.clear();
        }
    }

    fn text(&mut self, target: Target) {
        if target == Target::EventType {
            self.of_item = Some(self.held == ITEM_DONE);
            return;
        }
        // A stream names its model in every event.
        if target == Target::Model && self.model.as_ref().is_some_and(|model| model.as_bytes() == self.held) {
            return;
        }
        let text = String::from_utf8_lossy(&self.held).into_owned();
        match target {
            Target::Model => self.model = Some(text),
            Target::Stop => self.stop = Some(text),
            Target::Status => self.status = Some(text),
            Target::Tool => self.tool(text.into()),
            Target::ItemTool => self.item = Some(text.into()),
            Target::EventType | Target::Said => {}
        }
    }

    fn tool(&mut self, name: Box<str>) {
        self.tools_called += 1;
        if self.tools.len() < TOOL_NAMES {
            self.tools.push(name);
        }
    }

    fn document_end(&mut self) {
        let is_done = self.of_item.take() == Some(true);
        if let Some(name) = self.item.take().filter(|_| is_done) {
            self.tool(name);
        }
    }

    /// A document has been broken off: what belongs to it alone is forgotten.
    pub fn broken_off(&mut self) {
        self.held.clear();
        self.item = None;
        self.of_item = None;
    }
}
