//! `clawgress explain`: what would become of a request, stage by stage, and what would allow it.

use std::fmt::Write as _;

use super::columns::{Cell, Columns};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use crate::operate::api::{self, ExplainQuery, StepVerdict, Target};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// Who asks
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// HTTP method [default: GET]
    #[arg(long, value_name = "M")]
    method: Option<String>,
    /// A header field, `Name: value`
    #[arg(long = "header", value_name = "H", value_parser = header)]
    headers: Vec<(String, String)>,
    /// `https://host/path`, `http://host:port/path`, `host:port`, or `udp://host:port`
    #[arg(value_name = "URL|HOST:PORT")]
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

impl Explain {
    /// Asks and prints; a refusal is a no.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let query = self.query()?;
        let explanation = context.with_daemon(|mut client| async move { client.explain(&query).await })?;
        context.one(&explanation, render)?;
        Ok(if explanation.allowed { Exit::Done } else { Exit::No })
    }

    fn query(self) -> Result<ExplainQuery, Failure> {
        let Self { agent, method, headers, target } = self;
        let query =
            ExplainQuery { agent, target, method: method.map(|method| method.to_uppercase()), headers };
        let usage = |message: String, hint: &str| Failure::new(Exit::Usage, message).hint(hint);
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

/// The verdict, the stages, the nearest rule, and what would allow it last.
pub fn render(explanation: &api::Explanation, paint: Paint) -> String {
    let (agent, request) = (safe(&explanation.agent), safe(&explanation.request));
    let rule = explanation.rule.as_ref().map(|rule| format!(" {}", safe(rule))).unwrap_or_default();
    let policy = explanation.policy.as_ref().map_or("built in".into(), |policy| safe(policy));
    let mut out = if explanation.allowed {
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
