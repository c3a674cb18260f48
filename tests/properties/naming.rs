//! Paths and names: any spelling has one canonical form, reached in one step.

use clawgress::model::types::{AgreedName, Authority, Host, HostName, Scheme};
use proptest::prelude::*;

use super::holds;

/// One way to write a name, as these numbers say: capitals, full-width letters, other dots of IDNA, a dot at the end.
fn spelt(name: &str, how: &[u8]) -> String {
    let letter = |(c, how): (char, &u8)| match (c, how % 4) {
        ('.', 1) => '\u{3002}',
        ('.', 2) => '\u{ff0e}',
        ('.', 3) => '\u{ff61}',
        ('a'..='z', 1) => c.to_ascii_uppercase(),
        ('a'..='z', 2) => {
            char::from_u32(u32::from(c) - u32::from('a') + 0xff41).expect("a full-width letter")
        }
        ('a'..='z', 3) => {
            char::from_u32(u32::from(c) - u32::from('a') + 0xff21).expect("a full-width letter")
        }
        _ => c,
    };
    let text: String = name.chars().zip(how.iter().cycle()).map(letter).collect();
    if how[0].is_multiple_of(2) { text + "." } else { text }
}

proptest! {
    #[test]
    fn a_path_has_one_canonical_form_and_no_dots_in_any_reading(
        path in "(/(\\.|\\.\\.|%2[eE]|%2f|%5C|%3b|;|[a-c~]|%6[1-3]|%[0-9a-fA-F]{2}|[{}|\\[\\]\"^]|[ -~]){0,4}){1,5}",
    ) {
        holds("path", path.as_bytes());
    }

    #[test]
    fn a_name_has_one_canonical_form(
        text in "[\\[]{0,1}([a-zA-Z0-9_é-]{1,9}[.。:@\u{ff0e}]{0,2}){1,4}(0x[0-9a-f]|[0-9:]{0,9}){0,1}[\\]]{0,1}(:[0-9]{1,5}){0,1}",
    ) {
        holds("names", text.as_bytes());
    }

    #[test]
    fn every_spelling_of_a_name_is_that_name_and_of_no_other(
        one in "[a-z][a-z0-9]{0,5}(\\.[a-z]{1,6}){1,3}",
        other in "[a-z][a-z0-9]{0,5}(\\.[a-z]{1,6}){1,3}",
        how in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let [one, other] = [one, other].map(|name| HostName::parse(&name).expect("a name"));
        let spelt = spelt(one.as_str(), &how);
        let read = HostName::parse(&spelt).expect("the same name");
        prop_assert_eq!(&read, &one, "{}", spelt);
        let agreed = AgreedName::new(other.clone(), 443, Scheme::Https);
        let authority = Authority::parse(spelt.as_bytes()).expect("a host");
        prop_assert_eq!(&authority.host, &Host::Name(read));
        prop_assert_eq!(agreed.covers(&authority.host), one == other, "{}", spelt);
    }

    #[test]
    fn letters_that_merely_look_alike_are_another_name(
        name in "[b-df-z]{1,4}[aeopcyx][b-df-z]{0,4}\\.example",
        at in any::<prop::sample::Index>(),
    ) {
        // Latin letters and their Cyrillic doubles.
        let doubles = [('a', '\u{430}'), ('e', '\u{435}'), ('o', '\u{43e}'), ('p', '\u{440}'), ('c', '\u{441}'), ('y', '\u{443}'), ('x', '\u{445}')];
        let places: Vec<usize> = name.char_indices().filter(|(_, c)| doubles.iter().any(|(l, _)| l == c)).map(|(i, _)| i).collect();
        let place = places[at.index(places.len())];
        let double = doubles.iter().find(|(latin, _)| name[place..].starts_with(*latin)).expect("one of them").1;
        let alike = format!("{}{double}{}", &name[..place], &name[place + 1..]);
        if let Ok(alike) = HostName::parse(&alike) {
            prop_assert_ne!(alike, HostName::parse(&name).expect("a name"));
        }
    }

    #[test]
    fn any_text_is_one_name_or_none(text in any::<String>()) {
        holds("names", text.as_bytes());
    }

    #[test]
    fn an_address_inside_another_is_judged_by_what_it_is(octets in any::<[u8; 16]>(), v4 in any::<[u8; 4]>()) {
        holds("names", &octets);
        let special = [[127, 0, 0, 1], [10, 1, 2, 3], [169, 254, 169, 254], [100, 64, 0, 1], [192, 0, 2, 1], v4];
        for inside in special {
            holds("names", &[&octets[..12], &inside].concat());
            holds("names", &[&[0; 10][..], &[0xff, 0xff], &inside].concat());
        }
    }
}
