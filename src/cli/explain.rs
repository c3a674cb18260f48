//! `clawgress explain`: what would become of a request, or became of a recorded one, stage by stage, and what would allow
//! it.

use std::fmt::Write as _;

use super::columns::{Cell, Columns};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::words;
use crate::model::types::{Decision, Timestamp};
use crate::operate::api::{self, ExplainQuery, Recorded, StepVerdict, Target};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Who asks; not with a request id
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// HTTP method [default: GET]
    #[arg(long, value_name = "M")]
    method: Option<String>,
    /// A header field, `Name: value`
    #[arg(long = "header", value_name = "H", value_parser = header)]
    headers: Vec<(String, String)>,
    /// When, as `2026-01-31T22:00:00Z` [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// `https://host/path`, `http://host:port/path`, `host:port`, `udp://host:port`, `dns://name`; or the id of a recorded
    /// request, or its beginning
    #[arg(value_name = "URL|HOST:PORT|REQUEST_ID")]
    target: String,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write `Name: value`")?;
    let name: http::HeaderName = name.parse().map_err(|_| "the part before the colon is no field name")?;
    let value = http::HeaderValue::from_str(value.trim())
        .map_err(|_| "the part after the colon is no field value")?;
    let value = value.to_str().map_err(|_| "the part after the colon is not ASCII")?;
    Ok((name.as_str().to_owned(), value.to_owned()))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write it as `2026-01-31T22:00:00Z`".to_owned())
}

impl Explain {
    /// Asks and prints; a refusal is a no.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let explanation = if let Some(id) = self.request_id() {
            context.with_daemon(|mut client| async move { client.explain_record(&id).await })?
        } else {
            let query = self.query()?;
            context.with_daemon(|mut client| async move { client.explain(&query).await })?
        };
        context.one(&explanation, render)?;
        Ok(if explanation.allowed { Exit::Done } else { Exit::No })
    }

    /// The id of a recorded request, where nothing else is asked about.
    fn request_id(&self) -> Option<String> {
        let alone =
            self.agent.is_none() && self.method.is_none() && self.headers.is_empty() && self.at.is_none();
        let id = self.target.as_str();
        let shaped =
            (8..=36).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        (alone && shaped).then(|| id.to_owned())
    }

    fn query(self) -> Result<ExplainQuery, Failure> {
        let Self { agent, method, headers, at, target } = self;
        let usage = |message: String, hint: &str| Failure::new(Exit::Usage, message).hint(hint);
        let Some(agent) = agent else {
            let hint = format!("clawgress explain --agent NAME {target}");
            return Err(usage("it is not said which agent asks".to_owned(), &hint));
        };
        let method = method.map(|method| method.to_uppercase());
        let query = ExplainQuery { agent, target, method, headers, at };
        let target = query.parse_target().map_err(|fault| {
            let hint = fault.hint.unwrap_or_default();
            usage(fault.message, &hint)
        })?;
        if !matches!(target, Target::Url { .. }) && (query.method.is_some() || !query.headers.is_empty()) {
            let message = format!("`{}` is no request, and has no method and no header", query.target);
            return Err(usage(message, "give a URL to ask about a request"));
        }
        if query.method.as_deref().is_some_and(|method| http::Method::from_bytes(method.as_bytes()).is_err())
        {
            return Err(usage("the method is not one".to_owned(), "such as GET or POST"));
        }
        Ok(query)
    }
}

/// `alice asked POST https://paste.example/upload at 14:02:11 and was refused (...)`
fn was_decided(explanation: &api::Explanation, recorded: &Recorded, paint: Paint) -> String {
    let (agent, request) = (safe(&explanation.agent), safe(&explanation.request));
    let at = words::clock(recorded.at, Timestamp::default());
    let by = match (&explanation.policy, &explanation.rule) {
        (Some(policy), Some(rule)) => format!("{} {}", safe(policy), safe(rule)),
        (Some(policy), None) => safe(policy).into_owned(),
        (None, _) => "built in".to_owned(),
    };
    if explanation.allowed {
        let verdict = paint.text(Style::Good, "let through");
        let how = if recorded.decision == "allow" {
            String::new()
        } else {
            format!("{}, ", safe(&recorded.decision))
        };
        return format!("{agent} asked {request} at {at} UTC and was {verdict} ({how}{by}).\n\n");
    }
    let verdict = paint.text(Style::Bad, "refused");
    let code = explanation.reason.map(|reason| format!("{reason}, ")).unwrap_or_default();
    format!("{agent} asked {request} at {at} UTC and was {verdict} ({code}{by}).\n\n")
}

/// The verdict, the stages, the nearest rule, and what would allow it last.
pub fn render(explanation: &api::Explanation, paint: Paint) -> String {
    let (agent, request) = (safe(&explanation.agent), safe(&explanation.request));
    let rule = explanation.rule.as_ref().map(|rule| format!(" {}", safe(rule))).unwrap_or_default();
    let policy = explanation.policy.as_ref().map_or("built in".into(), |policy| safe(policy));
    let mut out = if let Some(recorded) = &explanation.recorded {
        was_decided(explanation, recorded, paint)
    } else if explanation.allowed && explanation.decision != Decision::Allow {
        let (verdict, word) = (paint.text(Style::Good, "let through"), explanation.decision.as_str());
        format!("{agent} asking {request} would be {verdict} ({word}, {policy}{rule}).\n\n")
    } else if explanation.allowed {
        let verdict = paint.text(Style::Good, "allowed");
        let by =
            if explanation.policy.is_some() { format!("by {policy}{rule}") } else { "(built in)".to_owned() };
        format!("{agent} asking {request} would be {verdict} {by}.\n\n")
    } else {
        let verdict = paint.text(Style::Bad, "refused");
        let code = explanation.reason.map(|reason| format!("{reason}, ")).unwrap_or_default();
        format!("{agent} asking {request} would be {verdict} ({code}{policy}{rule}).\n\n")
    };
    let mut rows = Vec::new();
    for step in &explanation.steps {
        let style = match step.verdict {
            StepVerdict::Pass => Style::Plain,
            StepVerdict::Allow => Style::Good,
            StepVerdict::Deny => Style::Bad,
        };
        rows.push(vec![
            Cell::from(step.stage.as_str()),
            Cell::whole(&step.text, style),
            Cell::styled(step.source.as_deref().unwrap_or_default(), Style::Dim),
        ]);
    }
    for line in Columns::table(&rows, paint).lines() {
        let _ = writeln!(out, "  {line}");
    }
    if explanation.nearest.is_some() || !explanation.hints.is_empty() {
        out.push('\n');
    }
    if let Some(nearest) = &explanation.nearest {
        let _ = writeln!(out, "nearest: {}", safe(nearest));
    }
    for hint in &explanation.hints {
        let _ = writeln!(out, "{}", safe(hint));
    }
    out
}
