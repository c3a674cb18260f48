//! All formats of the catalogue as one automaton, in as little memory as it needs.
//!
//! `regex-automata` makes it; here its states are numbered anew, so that one comparison tells whether anything happens, and each
//! has one row of small numbers. A match counts only where a word ends, so only what no letter or digit follows is one. What
//! matches is told with the character behind it, and what it may be is read from a list. Read next: `numbers.rs`.

use std::collections::HashMap;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

use super::spelling::{CAPITALS, OTHER, longer_character};

/// Kinds of characters, at most.
const KINDS: usize = 64;
/// The kind of what begins a character outside ASCII.
const LONGER: u8 = KINDS as u8 - 1;

/// An automaton of formats.
#[derive(Debug)]
pub struct Formats {
    /// Of each byte its kind.
    kinds: [u8; 256],
    /// Of each state the next one, by the kind of the character.
    rows: Box<[[u16; KINDS]]>,
    start: u16,
    /// The states at and below this one are matches; the first state is the end.
    last_match: u16,
    /// Those at and below it go no further.
    last_final: u16,
    /// What each of them may be.
    matches: Box<[Box<[u8]>]>,
}

/// What a step leads to.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// On.
    On,
    /// No format goes on.
    Over,
    /// Something ended in front of this character; whether formats go on.
    Match(u16, bool),
}

impl Formats {
    /// Of these formats, whose numbers are their places in the list. At most 256.
    pub fn new(formats: &[&str]) -> Self {
        let automaton = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .match_kind(MatchKind::All)
                    .start_kind(StartKind::Anchored)
                    .accelerate(false),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_many(formats)
            .expect("invariant: the catalogue's formats make an automaton");
        Compiler::new(&automaton).compile()
    }

    /// Where every walk begins.
    pub fn start(&self) -> u16 {
        self.start
    }

    /// The kind of the character at a place, and its bytes; behind the end that of no format.
    #[inline(always)]
    pub fn kind(&self, text: &[u8], at: usize) -> (u8, usize) {
        let Some(byte) = text.get(at) else { return (self.kinds[usize::from(OTHER)], 0) };
        match self.kinds[usize::from(*byte)] {
            LONGER => {
                let (byte, length) = longer_character(&text[at..]);
                (self.kinds[usize::from(byte)], length)
            }
            kind => (kind, 1),
        }
    }

    /// Goes from a state on over a character of this kind.
    #[inline(always)]
    pub fn step(&self, state: &mut u16, kind: u8) -> Step {
        *state = self.rows[usize::from(*state)][usize::from(kind) % KINDS];
        match *state {
            state if state > self.last_match => Step::On,
            0 => Step::Over,
            state => Step::Match(state, state > self.last_final),
        }
    }

    /// What may have ended at each match, by their numbers.
    pub fn all_matches(&self) -> impl Iterator<Item = &[u8]> {
        self.matches.iter().map(|list| &**list)
    }

    /// What may have ended at a match.
    pub fn matches(&self, state: u16) -> &[u8] {
        &self.matches[usize::from(state)]
    }
}

/// A state of the automaton, and whether it is entered with a match that counts.
type State = (StateID, bool);

/// What makes one automaton of the other.
struct Compiler<'a> {
    automaton: &'a dense::DFA<Vec<u32>>,
    kinds: [u8; 256],
    /// One character of each kind.
    characters: Vec<u8>,
    /// The states that are reached, in the order in which they were met, and their places.
    states: Vec<State>,
    places: HashMap<State, usize>,
}

impl<'a> Compiler<'a> {
    fn new(automaton: &'a dense::DFA<Vec<u32>>) -> Self {
        let mut kinds = [LONGER; 256];
        let mut characters: Vec<u8> = Vec::new();
        let mut of: HashMap<(u8, bool), u8> = HashMap::new();
        for byte in 0..0x80_u8 {
            let character = CAPITALS[usize::from(byte)];
            let class = automaton.byte_classes().get(character);
            let kind = of.entry((class, character.is_ascii_alphanumeric())).or_insert_with(|| {
                characters.push(character);
                u8::try_from(characters.len() - 1).unwrap_or(LONGER)
            });
            kinds[usize::from(byte)] = *kind;
        }
        assert!(characters.len() < KINDS, "invariant: the catalogue's formats tell few characters apart");
        Self { automaton, kinds, characters, states: Vec::new(), places: HashMap::new() }
    }

    /// The place of a state.
    fn place(&mut self, state: State) -> usize {
        *self.places.entry(state).or_insert_with(|| {
            self.states.push(state);
            self.states.len() - 1
        })
    }

    fn compile(mut self) -> Formats {
        let first = self
            .automaton
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .expect("invariant: an anchored automaton has an anchored start");
        let first = self.place((first, false));
        let mut rows: Vec<Vec<usize>> = Vec::new();
        while let Some((state, _)) = self.states.get(rows.len()).copied() {
            let row = (0..self.characters.len()).map(|kind| self.next(state, kind)).collect();
            rows.push(row);
        }
        let is_dead = |place: &usize| self.automaton.is_dead_state(self.states[*place].0);
        let is_final = |place: &usize| rows[*place].iter().all(is_dead);
        // The end comes first, then matches that go no further, then other matches.
        let rank = |place: &usize| match self.states[*place] {
            _ if is_dead(place) => 0,
            (_, true) if is_final(place) => 1,
            (_, true) => 2,
            _ => 3,
        };
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(rank);
        let last =
            |most: u8| short(order.iter().filter(|place| rank(place) <= most).count().saturating_sub(1));
        let mut numbers = vec![0; rows.len()];
        for (number, place) in order.iter().enumerate() {
            numbers[*place] = short(number);
        }
        let row = |place: &usize| {
            let mut row = [0; KINDS];
            row.iter_mut().zip(&rows[*place]).for_each(|(to, next)| *to = numbers[*next]);
            row
        };
        Formats {
            kinds: self.kinds,
            rows: order.iter().map(row).collect(),
            start: numbers[first],
            last_match: last(2),
            last_final: last(1),
            matches: order
                .iter()
                .take_while(|place| rank(place) < 3)
                .map(|place| self.list(*place))
                .collect(),
        }
    }

    /// Where a state leads over a character of this kind.
    fn next(&mut self, state: StateID, kind: usize) -> usize {
        let character = self.characters[kind];
        let next = self.automaton.next_state(state, character);
        let counts = self.automaton.is_match_state(next) && !character.is_ascii_alphanumeric();
        self.place((next, counts))
    }

    /// What may have ended where a state is entered.
    fn list(&self, place: usize) -> Box<[u8]> {
        let (state, counts) = self.states[place];
        let count = if counts { self.automaton.match_len(state) } else { 0 };
        (0..count).map(|nth| self.automaton.match_pattern(state, nth).as_usize() as u8).collect()
    }
}

/// The number of a state.
fn short(number: usize) -> u16 {
    u16::try_from(number).expect("invariant: the catalogue's formats have few states")
}
