//! Everything that there is to be found, as a list and as the page `docs/detectors.md`.
//!
//! The page is generated, so that it says what the code says. Read next: `secrets/mod.rs`, `personal/mod.rs`.

use std::fmt::Write as _;

use super::detector::{Check, Detector};
use super::{personal, secrets};
use crate::model::types::FindingClass;

/// Every entry, those of a class together, by name.
pub fn all() -> Vec<&'static Detector> {
    let secrets = secrets::CATALOGUE.iter().flat_map(|part| part.iter());
    let mut all: Vec<&Detector> = secrets.chain(personal::CATALOGUE).collect();
    all.sort_by_key(|detector| (detector.class, detector.name));
    all
}

/// The page.
pub fn page() -> String {
    let all = all();
    let mut page = format!(
        "# What is looked for\n\n\
         The {} entries of the catalogue, as `clawgress dlp detectors` lists them. A detector is known by the format that its source\n\
         defines. Where that has a checksum, a wrong one lowers the confidence of a match and does not hide it. A format that says\n\
         nothing by itself counts where the words beside it stand near, or where a name says what its value is; some count where\n\
         nothing else is sent, too. Custom patterns and words are those of a `DLPPolicy`. `clawgress dlp scan FILE` shows what would be found.\n",
        all.len()
    );
    for class in FindingClass::ALL {
        let of_class: Vec<_> = all.iter().filter(|detector| detector.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let _ = write!(
            page,
            "\n## {} ({})\n\n| detector | source | checksum | near |\n|---|---|---|---|\n",
            class.as_str(),
            of_class.len()
        );
        for detector in of_class {
            let sum = if matches!(detector.check, Check::Sum(_)) { "yes" } else { "" };
            let near =
                if detector.confidence.bare < 0.5 { detector.context.join(", ") } else { String::new() };
            let _ = writeln!(page, "| `{}` | {} | {sum} | {near} |", detector.name, detector.source);
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_a_name_of_its_own_and_a_source() {
        let all = all();
        assert!(all.iter().filter(|detector| detector.class == FindingClass::Keys).count() >= 100);
        let mut names: Vec<_> = all.iter().map(|detector| detector.name).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1], "two entries have one name");
        }
        for detector in all {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(detector.name.bytes().all(plain), "{}", detector.name);
            assert!(!detector.source.is_empty(), "{}", detector.name);
        }
    }
}
