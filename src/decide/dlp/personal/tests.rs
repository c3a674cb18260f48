use super::*;

fn surest(text: &str, detector: &str) -> f32 {
    let mut found = Vec::new();
    numbers::find(text.as_bytes(), FindingClasses::all(), &mut found);
    contact::find(text.as_bytes(), FindingClasses::all(), &mut found);
    found.iter().filter(|one| one.detector.as_str() == detector).map(|one| one.confidence).fold(0.0, f32::max)
}

#[test]
fn every_entry_finds_its_examples() {
    let missed: Vec<_> = CATALOGUE
        .iter()
        .flat_map(|entry| entry.examples.iter().map(move |example| (entry.name, *example)))
        .filter(|(name, example)| surest(example, name) < 0.5)
        .collect();
    assert_eq!(missed, [], "not found, or at less than half");
}

#[test]
fn no_entry_is_sure_of_what_only_looks_like_it() {
    let mistaken: Vec<_> = CATALOGUE
        .iter()
        .flat_map(|entry| entry.lookalikes.iter().map(move |lookalike| (entry.name, *lookalike)))
        .filter(|(name, lookalike)| surest(lookalike, name) > 0.5)
        .collect();
    assert_eq!(mistaken, [], "found at more than half");
}
