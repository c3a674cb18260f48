//! Agents as lines for people.

use crate::cli::columns::{Cell, Columns};
use crate::cli::paint::{Paint, Style, safe};
use crate::cli::words;
use crate::model::types::Timestamp;
use crate::operate::api::{Agent, AgentState, Quarantine};

/// A line each: name, state, team, sources.
pub fn lines(agents: &[Agent], now: Timestamp, paint: Paint) -> String {
    let row = |agent: &Agent| {
        let quarantine = agent.quarantine.as_ref();
        vec![
            Cell::from(agent.name.as_str()),
            state(agent),
            Cell::from(quarantine.map(|one| until(one, now)).unwrap_or_default().as_str()),
            Cell::from(agent.team.as_deref().unwrap_or("-")),
            Cell::from(agent.sources.join(", ").as_str()),
            Cell::from(quarantine.map_or("", |one| one.reason.as_str())),
        ]
    };
    Columns::table(&agents.iter().map(row).collect::<Vec<_>>(), paint)
}

/// One agent: a line for each thing known of it.
pub fn details(agent: &Agent, now: Timestamp, paint: Paint) -> String {
    let quarantine = agent.quarantine.as_ref();
    let shut_out = quarantine.map(|one| {
        let rule = one.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
        format!(
            "{}, since {}, by {}{rule}: {}",
            until(one, now),
            words::clock(one.made_at, now),
            one.made_by,
            one.reason
        )
    });
    let rows = [
        ("name", Some(agent.name.clone())),
        ("quarantined", shut_out),
        ("team", agent.team.clone()),
        ("project", agent.project.clone()),
        ("environment", agent.environment.clone()),
        ("sources", Some(agent.sources.join(", "))),
        ("gateway", Some(agent.gateway.clone())),
        ("approvals", Some(format!("{} in force", agent.approvals))),
        ("document", Some(agent.place.clone())),
    ];
    let mut cells: Vec<Vec<Cell>> = rows
        .into_iter()
        .filter_map(|(name, value)| {
            Some(vec![Cell::styled(name, Style::Dim), Cell::whole(&value?, Style::Plain)])
        })
        .collect();
    cells.insert(1, vec![Cell::styled("state", Style::Dim), state(agent)]);
    Columns::table(&cells, paint)
}

/// That it is shut out now, and how to end that.
pub fn shut_out(agent: &Agent, now: Timestamp, paint: Paint) -> String {
    let name = safe(&agent.name);
    let until = agent.quarantine.as_ref().map(|one| until(one, now)).unwrap_or_default();
    let state = paint.text(Style::Bad, "quarantined");
    format!("{name} is {state} {until}\nto end it: clawgress agent release {name}\n")
}

/// That it is let in again.
pub fn let_in(agent: &Agent, paint: Paint) -> String {
    format!("{} is {} again, as policy says\n", safe(&agent.name), paint.text(Style::Good, "let in"))
}

fn state(agent: &Agent) -> Cell {
    let style = match agent.state {
        AgentState::Active => Style::Good,
        AgentState::Quarantined => Style::Bad,
    };
    Cell::styled(agent.state.as_str(), style)
}

/// `until 15:00:00 UTC`, `until released`.
pub fn until(quarantine: &Quarantine, now: Timestamp) -> String {
    quarantine.until.map_or_else(
        || "until released".to_owned(),
        |until| format!("until {} UTC", words::clock(until, now)),
    )
}
