//! What a request carries is looked into before it is decided on: path, query, fields, and its body where that is held.
//!
//! Only where a policy or a rule asks for findings. What is found decides (`decide/dlp`), and goes on record without its text;
//! where it may not go as it is, other characters stand in its place. Read next: `deciding.rs`, `decide/dlp/inspected.rs`.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::task::spawn_blocking;

use super::asking;
use super::case::Case;
use super::held::{Hold, Read};
use crate::act::credentials::placeholder;
use crate::act::upstream::Held;
use crate::decide::dlp::{
    Bound, Changeable, Findings, Form, Inspection, Inspector, Judgement, Match, Names, Passing, Unread,
    forget_sums, redact, redacted,
};
use crate::decide::policy::Permit;
use crate::model::condition::{Finding, Part as Asked};
use crate::model::types::limits::{HELD_BODY_BYTES, HELD_READING_BYTES};
use crate::model::types::{Direction, FindingClass, FindingClasses, Injection};
use crate::perceive::protocol::decoding::Decoder;
use crate::perceive::request::Request;

/// Fields that say how a message is framed and for whom it is: they are judged by others.
const FRAMING: [HeaderName; 2] = [header::HOST, header::CONTENT_LENGTH];

/// See the module.
pub struct Looking {
    plan: Arc<Inspection>,
    inspector: Inspector,
    /// Whether rules ask for what it finds, too.
    asked: bool,
    is_grpc: bool,
    seen: Vec<(Place, Findings)>,
    unread: Option<Unread>,
    /// The body without its coding, where it was held.
    plain: Option<Vec<u8>>,
    content_type: Option<String>,
    trailers: HeaderMap,
}

/// Where in a request something was looked at.
enum Place {
    Method,
    Path,
    Query,
    /// The value of this number among those of the field.
    Field(HeaderName, usize),
    Body,
    /// The body as it is coded: there is room in codings that nobody reads.
    Coded,
    Trailer(HeaderName, usize),
    /// The names of all fields, and of those behind the body.
    Names(Names),
    TrailerNames(Names),
}

/// What goes out in the place of what came.
#[derive(Debug, Default)]
pub struct Changes {
    /// Whether names of fields go out in small letters.
    forgets_spelling: bool,
    query: Option<String>,
    fields: Vec<Change>,
    trailers: Vec<Change>,
    body: Option<Vec<u8>>,
}

/// Another value for the one of this number of a field; nothing where the field is gone.
type Change = (HeaderName, usize, Option<HeaderValue>);

impl Looking {
    /// What has to be looked for in a request; nothing where nobody asks.
    pub fn begin(case: &Case<'_>, permit: &Permit<'_>, request: &Request<'_>) -> Option<Box<Self>> {
        let asked = permit.asks().has(Asked::Dlp);
        let plan = permit.inspection();
        let plan = plan.or_else(|| case.snapshot.policy.bare_inspection().filter(|_| asked))?;
        let wanted = if asked { FindingClasses::all() } else { plan.wanted(Direction::Up) };
        if wanted.is_empty() {
            return None;
        }
        let inspector = case.site().road.shared.finder.inspector(&plan, wanted);
        let content_type = request.header("content-type").map(|value| String::from_utf8_lossy(value).into());
        Some(Box::new(Self {
            plan,
            inspector,
            asked,
            is_grpc: request.is_grpc(),
            seen: Vec::new(),
            unread: None,
            plain: None,
            content_type,
            trailers: HeaderMap::new(),
        }))
    }

    /// All that is looked for.
    pub fn plan(&self) -> &Arc<Inspection> {
        &self.plan
    }

    /// How much of its body has to be held.
    pub fn hold(&self, most: u64) -> Option<Hold> {
        if self.is_grpc {
            // Whoever calls like this may wait for an answer to the first message before the second.
            return None;
        }
        if self.asked {
            return Some(Hold { most: HELD_BODY_BYTES, or_passing: false });
        }
        self.plan.stops(Direction::Up).then_some(Hold { most, or_passing: true })
    }

    /// All that is looked for, where rules have to be asked about what is found as it passes.
    pub fn asks(&self) -> Option<Arc<Inspection>> {
        self.asked.then(|| self.plan.clone())
    }

    /// What looks into its body as it passes; nothing where nobody asks for that.
    pub fn passing(&self, plan: &Arc<Inspection>, (agent, most): (&Arc<str>, u64)) -> Option<Passing> {
        if plan.wanted(Direction::Up).is_empty() && !self.asked {
            return None;
        }
        let bound = Bound { plan: plan.clone(), way: Direction::Up, agent: agent.clone(), most };
        Some(Passing::new(&bound, self.inspector.clone(), self.content_type.as_deref()))
    }

    /// Looks at its head.
    pub fn head(&mut self, request: &Request<'_>, head: &Parts) {
        if !is_usual(&head.method) {
            self.look(Place::Method, head.method.as_str().as_bytes(), Form::Method);
        }
        self.look(Place::Path, request.target().split('?').next().unwrap_or_default().as_bytes(), Form::Path);
        if let Some(query) = request.query() {
            self.look(Place::Query, query.as_bytes(), Form::Query);
        }
        self.names(&head.headers, Place::Names);
        for (name, number, value) in values(&head.headers) {
            self.look(Place::Field(name.clone(), number), value.as_bytes(), Form::Field(name.as_str()));
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.names(trailers, Place::TrailerNames);
        for (name, number, value) in values(trailers) {
            self.look(Place::Trailer(name.clone(), number), value.as_bytes(), Form::Trailer(name.as_str()));
        }
        self.trailers = trailers.clone();
    }

    fn names(&mut self, headers: &HeaderMap, place: fn(Names) -> Place) {
        let names = Names::of(headers);
        let found = names.inspect(&self.inspector);
        self.note(place(names), found);
    }

    fn look(&mut self, place: Place, bytes: &[u8], form: Form<'_>) {
        let found = self.inspector.inspect(bytes, form);
        self.note(place, found);
    }

    fn note(&mut self, place: Place, found: Findings) {
        if !found.matches.is_empty() {
            // What fields and paths are made of is no format of files.
            self.seen.push((place, Findings { unreadable: None, ..found }));
        }
    }

    /// Looks at its body, and what stands behind it.
    pub async fn body(&mut self, head: &Parts, held: &Held) {
        let (plain, unread) = undone(&head.headers, held);
        self.unread = unread;
        if let Some(trailers) = held.trailers() {
            self.trailers(trailers);
        }
        let (inspector, content_type) = (self.inspector.clone(), self.content_type.clone());
        let raw = head.headers.contains_key(header::CONTENT_ENCODING).then(|| held.bytes());
        let look = move || {
            let found = inspector.inspect(&plain, Form::of_content_type(content_type.as_deref(), &plain));
            let mut coded = raw.map(|raw| inspector.inspect(&raw, Form::Text)).unwrap_or_default();
            coded.unreadable = None;
            coded.matches.retain(|one| found.matches.iter().all(|other| other.hash != one.hash));
            (found, coded, plain)
        };
        let is_long = held.length() > HELD_READING_BYTES;
        let looked = if is_long { spawn_blocking(look).await.ok() } else { Some(look()) };
        match looked {
            Some((found, coded, plain)) => {
                self.seen.push((Place::Body, found));
                self.note(Place::Coded, coded);
                self.plain = Some(plain);
            }
            // Whoever looks has failed: nobody knows what is in it.
            None => self.unread = Some(Unread::Endless),
        }
    }

    /// Leaves out placeholders that go nowhere: they are swapped on the way, or taken out with what stands in a credential's
    /// place.
    pub fn forgive(&mut self, credentials: &[Arc<Injection>], request: &Request<'_>, head: &Parts) {
        if credentials.is_empty() {
            return;
        }
        for (place, found) in &mut self.seen {
            let is_taken = match place {
                Place::Field(name, number) => {
                    let value = head.headers.get_all(&*name).iter().nth(*number);
                    value
                        .is_some_and(|value| placeholder::is_taken(credentials, Some(name), value.as_bytes()))
                }
                Place::Query => request
                    .query()
                    .is_some_and(|query| placeholder::is_taken(credentials, None, query.as_bytes())),
                _ => false,
            };
            if is_taken {
                found.matches.retain(|found| found.class != FindingClass::Placeholder);
            }
        }
    }

    /// What rules see of what was found.
    pub fn findings(&self) -> Vec<Finding> {
        asking::shown(&self.plan, self.seen.iter().flat_map(|(_, found)| &found.matches))
    }

    /// The path as records may show it; nothing where it may be shown as it is.
    pub fn shown_path(&self, request: &Request<'_>) -> Option<String> {
        let (_, found) = self.seen.iter().find(|(place, _)| matches!(place, Place::Path))?;
        let path = request.target().split('?').next().unwrap_or_default();
        Some(text(redact(path.as_bytes(), Form::Path, &found.matches)))
    }

    /// What policies say of what was found, and what goes out in its place. `plan` is all that holds for the request.
    pub fn judge(&self, plan: &Arc<Inspection>, request: &Request<'_>, head: &Parts) -> (Judgement, Changes) {
        let mut judgement = Judgement::new(Some(plan.clone()), Direction::Up);
        if let Some(why) = self.unread {
            judgement.unread(why);
        }
        let mut changes = Changes { forgets_spelling: has_long_name(&head.headers), ..Changes::default() };
        for (place, found) in &self.seen {
            let changeable =
                if matches!(place, Place::Path | Place::Method) { Changeable::No } else { Changeable::Yes };
            let redacted = judgement.add(found, changeable);
            if !redacted.is_empty() {
                self.change(place, (request, head), &redacted, &mut changes);
            }
        }
        (judgement, changes)
    }

    fn change(
        &self,
        place: &Place,
        (request, head): (&Request<'_>, &Parts),
        redacted: &[Match],
        changes: &mut Changes,
    ) {
        let changed = |headers: &HeaderMap, (name, number): (&HeaderName, usize), form: Form<'_>| {
            let value = headers.get_all(name).iter().nth(number);
            (name.clone(), number, value.and_then(|value| self::redacted(form, value, redacted)))
        };
        let gone = |names: &Names| names.with(redacted).into_iter().map(|name| (name, 0, None));
        match place {
            Place::Path | Place::Method => {}
            Place::Query => {
                let query = request.query().unwrap_or_default();
                changes.query = Some(text(redact(query.as_bytes(), Form::Query, redacted)));
            }
            Place::Field(name, number) => {
                let form = Form::Field(name.as_str());
                changes.fields.push(changed(&head.headers, (name, *number), form));
            }
            Place::Trailer(name, number) => {
                let form = Form::Trailer(name.as_str());
                changes.trailers.push(changed(&self.trailers, (name, *number), form));
            }
            Place::Names(names) => changes.fields.extend(gone(names)),
            Place::TrailerNames(names) => changes.trailers.extend(gone(names)),
            // Without its coding it has no room for that.
            Place::Coded => drop(changes.body.get_or_insert_with(|| self.plain.clone().unwrap_or_default())),
            Place::Body => {
                let plain = self.plain.as_deref().unwrap_or_default();
                let form = Form::of_content_type(self.content_type.as_deref(), plain);
                changes.body = Some(redact(plain, form, redacted));
            }
        }
    }
}

/// Bytes of a word in the name of a field from which on its spelling is not kept.
const WORD_BYTES: usize = 16;

/// Whether the name of a field has a word that is long for a name. In small letters it means the same, and no key is any more what it
/// was.
fn has_long_name(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().split('-').any(|word| word.len() >= WORD_BYTES))
}

/// Whether it is a method by which nobody says anything but that.
fn is_usual(method: &Method) -> bool {
    method == Method::PATCH || method.is_safe() || method.is_idempotent() || method == Method::POST
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The body without its coding, as far as that can be undone.
fn undone(headers: &HeaderMap, held: &Held) -> (Vec<u8>, Option<Unread>) {
    let codings: Vec<&str> =
        headers.get_all(header::CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    let Some(mut decoder) = Decoder::new(&codings.join(",")) else {
        return (held.bytes(), Some(Unread::Coding));
    };
    let mut plain = Vec::new();
    for piece in held.pieces() {
        if decoder.feed(piece, |bytes| plain.extend_from_slice(bytes)).is_err() {
            return (plain, Some(Unread::Coding));
        }
        if plain.len() as u64 > HELD_BODY_BYTES {
            return (plain, Some(Unread::Endless));
        }
    }
    (plain, None)
}

impl Changes {
    /// Puts them in the place of what came.
    pub fn apply(self, head: &mut Parts, target: &mut String, read: &mut Read) {
        if self.forgets_spelling {
            // It travels where nothing else does that is still needed.
            head.extensions.clear();
        }
        if let Some(query) = self.query {
            let path = target.split('?').next().unwrap_or_default();
            *target = format!("{path}?{query}");
        }
        replace(&mut head.headers, self.fields);
        let Some(held) = &read.body else { return };
        if self.body.is_none() && self.trailers.is_empty() {
            return;
        }
        let mut trailers = held.trailers().cloned();
        if let Some(all) = &mut trailers {
            replace(all, self.trailers);
        }
        let is_changed = self.body.is_some();
        if is_changed {
            trailers.iter_mut().for_each(forget_sums);
        }
        let held = held.replaced(self.body.unwrap_or_else(|| held.bytes()), trailers);
        if is_changed {
            head.headers.remove(header::CONTENT_ENCODING);
            forget_sums(&mut head.headers);
            if head.headers.contains_key(header::CONTENT_LENGTH) {
                head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(held.length()));
            }
        }
        read.body = Some(held);
    }
}

/// Puts values of fields in the place of others, and keeps their order; last it takes out what has to go.
fn replace(headers: &mut HeaderMap, changes: Vec<Change>) {
    let mut gone = Vec::new();
    for (name, number, value) in changes {
        let Some(value) = value else {
            gone.push(name);
            continue;
        };
        if let header::Entry::Occupied(mut entry) = headers.entry(name)
            && let Some(old) = entry.iter_mut().nth(number)
        {
            *old = value;
        }
    }
    gone.iter().for_each(|name| drop(headers.remove(name)));
}

/// Each value of each field that says neither how a message is framed nor for whom it is, and its number among those of its name.
fn values(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, usize, &HeaderValue)> {
    let names = headers.keys().filter(|name| !FRAMING.contains(name));
    names.flat_map(|name| {
        let all = headers.get_all(name).iter().enumerate();
        all.map(move |(number, value)| (name, number, value))
    })
}
