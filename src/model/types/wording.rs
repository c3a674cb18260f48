//! How values and suggestions are put into words, the same in every message.
//!
//! Only text in, text out. Who finds mistakes adds the place.

/// Characters of a value that a message quotes.
const QUOTED_CHARS: usize = 60;

/// A value in backticks, shortened where it is long, with what cannot be printed escaped.
pub fn quoted(value: &str) -> String {
    let mut out = String::from("`");
    for (index, character) in value.chars().enumerate() {
        if index == QUOTED_CHARS {
            out.push_str("...");
            break;
        }
        match character {
            '`' => out.push('\''),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.push('`');
    out
}

/// `did you mean X?` for the candidate nearest to `word`, if one is near enough.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    if word.is_empty() || word.len() > 2 * QUOTED_CHARS {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let scored = candidates.into_iter().map(|candidate| {
        let other = candidate.to_ascii_lowercase();
        let distance = strsim::damerau_levenshtein(&lower, &other);
        let contained = lower.len() >= 4 && (other.ends_with(&lower) || other.starts_with(&lower));
        (if contained { 1 } else { distance }, candidate)
    });
    let (distance, best) = scored.min()?;
    (distance <= (word.chars().count() / 3).max(1)).then(|| format!("did you mean {}?", quoted(best)))
}

/// The candidates as `A`, `B` or `C`.
pub fn one_of<'c>(candidates: impl IntoIterator<Item = &'c str>) -> String {
    let all: Vec<String> = candidates.into_iter().map(quoted).collect();
    match all.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}
