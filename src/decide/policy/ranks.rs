//! Sets of rules as bits, 64 to a word: what several dimensions of a question leave over is found by intersecting words,
//! in the order of the rules, without a look at any rule that is not left over.
//!
//! A rule is known by its rank: its place among all rules of its kind at one gateway. Never says what a rule means.
//! Read next: `trie.rs`, `l4_index.rs`, `http_index.rs`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use smallvec::SmallVec;

use super::plan::Agents;

/// 64 ranks in a row: which 64, and a bit for each.
pub(super) type Word = (usize, u64);

fn place(rank: usize) -> Word {
    (rank / 64, 1 << (rank % 64))
}

/// The places of the ones in a word, ascending.
fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (word != 0).then(|| usize::try_from(word.trailing_zeros()).ok())?;
        word &= word.wrapping_sub(1);
        place
    })
}

/// A set of ranks of which most words are empty: those that are not, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Ranks(SmallVec<[Word; 1]>);

impl Ranks {
    /// One rank.
    pub(super) fn of(rank: usize) -> Self {
        let mut ranks = Self::default();
        ranks.push(rank);
        ranks
    }

    /// Takes in a rank, not below any that is there.
    pub(super) fn push(&mut self, rank: usize) {
        let (number, bit) = place(rank);
        match self.0.last_mut() {
            Some((last, bits)) if *last == number => *bits |= bit,
            _ => self.0.push((number, bit)),
        }
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.0
    }
}

/// A set of ranks with a word for all.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn insert(&mut self, rank: usize) {
        let (number, bit) = place(rank);
        if self.0.len() <= number {
            self.0.resize(number + 1, 0);
        }
        self.0[number] |= bit;
    }

    fn add(&mut self, ranks: &Ranks) {
        let Some(last) = ranks.words().last() else { return };
        self.0.resize(self.0.len().max(last.0 + 1), 0);
        ranks.words().iter().for_each(|(number, bits)| self.0[*number] |= bits);
    }

    fn ranks(&self) -> Ranks {
        let words = self.0.iter().copied().enumerate();
        Ranks(words.filter(|(_, bits)| *bits != 0).collect())
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(own, more)| *own |= more);
    }

    pub(super) fn word(&self, number: usize) -> u64 {
        self.0.get(number).copied().unwrap_or(0)
    }
}

/// One dimension of a question, such as its host, its port or its agent: a rule meets it that is in one of the sets.
#[derive(Debug, Clone, Default)]
pub(super) struct Dimension<'a>(SmallVec<[&'a [Word]; 6]>);

impl<'a> Dimension<'a> {
    pub(super) fn of(ranks: &'a Ranks) -> Self {
        let mut dimension = Self::default();
        dimension.add(ranks);
        dimension
    }

    pub(super) fn add(&mut self, ranks: &'a Ranks) {
        if !ranks.words().is_empty() {
            self.0.push(ranks.words());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// No less than the words that are there.
    fn len(&self) -> usize {
        self.0.iter().map(|words| words.len()).sum()
    }

    /// The next word, ascending.
    fn next(&mut self) -> Option<Word> {
        if let [words] = &mut *self.0 {
            let (word, rest) = words.split_first()?;
            *words = rest;
            return Some(*word);
        }
        let number = self.0.iter().filter_map(|words| words.first()).map(|word| word.0).min()?;
        let mut bits = 0;
        for words in &mut self.0 {
            if let Some((word, rest)) = words.split_first().filter(|(word, _)| word.0 == number) {
                bits |= word.1;
                *words = rest;
            }
        }
        Some((number, bits))
    }

    /// The bits of a word; those before it are not asked for any more.
    fn bits(&mut self, number: usize) -> u64 {
        let mut bits = 0;
        for words in &mut self.0 {
            *words = &words[before(words, number)..];
            if let Some((_, found)) = words.first().filter(|word| word.0 == number) {
                bits |= found;
            }
        }
        bits
    }
}

impl<'a> Extend<&'a Ranks> for Dimension<'a> {
    fn extend<T: IntoIterator<Item = &'a Ranks>>(&mut self, sets: T) {
        sets.into_iter().for_each(|ranks| self.add(ranks));
    }
}

/// How many of the words stand before this one. Where none is left out up to there, its place is known without a search.
fn before(words: &[Word], number: usize) -> usize {
    let Some(most) = words.first().and_then(|first| number.checked_sub(first.0)) else { return 0 };
    match words.get(most) {
        Some(word) if word.0 == number => most,
        _ => words[..most.min(words.len())].partition_point(|word| word.0 < number),
    }
}

/// The ranks that every dimension has and that are `kept`, ascending. The dimension with the fewest words leads, so that
/// the others are asked for no more than it has.
pub(super) fn chosen<'a, const N: usize>(
    mut dimensions: [Dimension<'a>; N],
    kept: impl Fn(usize) -> u64 + 'a,
) -> impl Iterator<Item = usize> + 'a {
    let leads = (0..N).min_by_key(|at| dimensions[*at].len()).unwrap_or(0);
    dimensions.swap(0, leads);
    let mut word = (0, 0);
    std::iter::from_fn(move || {
        while word.1 == 0 {
            let [leading, others @ ..] = &mut dimensions[..] else { return None };
            word = leading.next()?;
            word.1 &= kept(word.0);
            for other in others {
                if word.1 != 0 {
                    word.1 &= other.bits(word.0);
                }
            }
        }
        let rank = word.0 * 64 + usize::try_from(word.1.trailing_zeros()).ok()?;
        word.1 &= word.1 - 1;
        Some(rank)
    })
}

/// Which rules are for which agent.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Rules for every agent.
    everyone: Ranks,
    /// The other rules of each agent. Agents with the same rules share one set.
    own: Vec<Arc<Ranks>>,
}

impl Rows {
    /// `count` agents, and for whom each rule is, in the order of their ranks.
    pub(super) fn of<'a>(count: usize, rules: impl Iterator<Item = &'a Agents>) -> Self {
        let mut everyone = Ranks::default();
        let mut groups: Vec<(&[u64], Ranks)> = Vec::new();
        let mut known: HashMap<*const u64, usize> = HashMap::new();
        for (rank, agents) in rules.enumerate() {
            match agents {
                Agents::All => everyone.push(rank),
                Agents::Some(bits) => {
                    let group = *known.entry(bits.as_ptr()).or_insert_with(|| {
                        groups.push((bits, Ranks::default()));
                        groups.len() - 1
                    });
                    groups[group].1.push(rank);
                }
            }
        }
        let mut shared: HashSet<Arc<Ranks>> = HashSet::new();
        let mut own = Vec::with_capacity(count);
        for number in 0..count.div_ceil(64) {
            let mut of_agents: [Bits; 64] = std::array::from_fn(|_| Bits::default());
            for (bits, ranks) in &groups {
                let agents = ones(bits.get(number).copied().unwrap_or(0));
                agents.for_each(|agent| of_agents[agent].add(ranks));
            }
            for rules in of_agents.iter().take(count - number * 64).map(Bits::ranks) {
                let rules = shared.get(&rules).cloned().unwrap_or_else(|| Arc::new(rules));
                shared.insert(rules.clone());
                own.push(rules);
            }
        }
        Self { everyone, own }
    }

    /// The rules for this agent.
    pub(super) fn of_agent(&self, agent: usize) -> Dimension<'_> {
        let mut rules = Dimension::of(&self.everyone);
        rules.extend(self.own.get(agent).map(|ranks| &**ranks));
        rules
    }
}
