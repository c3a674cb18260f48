//! What is found, and what only looks like it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn found_in(text: impl AsRef<[u8]>) -> Vec<Found> {
    let mut found = Vec::new();
    detect(text.as_ref(), FindingClasses::all(), &mut found);
    found
}

/// The names of what is found at half or more, with the text of each.
fn counted(text: &str) -> Vec<(String, &str)> {
    let is_counted = |one: &Found| one.confidence >= 0.5 && !one.is_example;
    found_in(text)
        .into_iter()
        .filter(is_counted)
        .map(|one| (one.detector.to_string(), &text[one.range]))
        .collect()
}

/// How sure one entry is of something in a text, whatever others find there.
fn surest(text: &str, detector: &str) -> f32 {
    let mut found = Vec::new();
    numbers::find(text.as_bytes(), FindingClasses::all(), &mut found);
    contact::find(text.as_bytes(), FindingClasses::all(), &mut found);
    found.iter().filter(|one| one.detector.as_str() == detector).map(|one| one.confidence).fold(0.0, f32::max)
}

/// The examples or lookalikes of all entries for which a claim does not hold.
fn broken(
    values: fn(&Detector) -> &'static [&'static str],
    holds: impl Fn(&str, &str) -> bool,
) -> Vec<(&'static str, &'static str)> {
    let all = CATALOGUE.iter().flat_map(|entry| values(entry).iter().map(|value| (entry.name, *value)));
    all.filter(|(name, value)| !holds(name, value)).collect()
}

#[test]
fn every_entry_finds_its_examples() {
    assert_eq!(broken(|entry| entry.examples, |name, example| surest(example, name) >= 0.5), []);
}

#[test]
fn every_entry_finds_its_examples_in_prose_and_in_json() {
    // Some count among other words only with a word that says what they are.
    let is_for_alone = |name: &str, example: &str| {
        CATALOGUE.iter().any(|entry| {
            entry.name == name
                && entry.alone > 0.0
                && entry.alone.to_bits() == surest(example, name).to_bits()
        })
    };
    let holds =
        |text: &str, name: &str, example: &str| surest(text, name) >= 0.25 || is_for_alone(name, example);
    let in_prose =
        |name: &str, example: &str| holds(&format!("It was said: {example}, and so on."), name, example);
    assert_eq!(broken(|entry| entry.examples, in_prose), []);
    let in_json =
        |name: &str, example: &str| holds(&format!("{{\"a\":\"{example}\",\"b\":1}}"), name, example);
    assert_eq!(broken(|entry| entry.examples, in_json), []);
}

#[test]
fn no_entry_is_sure_of_what_only_looks_like_it() {
    assert_eq!(broken(|entry| entry.lookalikes, |name, lookalike| surest(lookalike, name) <= 0.5), []);
}

#[test]
fn every_entry_says_who_it_is_and_shows_what_it_means() {
    let mut names = BTreeSet::new();
    for entry in CATALOGUE {
        assert!(names.insert(entry.name), "`{}` stands twice", entry.name);
        assert!(
            entry.name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')),
            "{}",
            entry.name
        );
        let says = !entry.source.is_empty() && !entry.format.is_empty();
        assert!(says && !(entry.examples.is_empty() && entry.lookalikes.is_empty()), "{}", entry.name);
        let is_small = |word: &&str| !word.bytes().any(|byte| byte.is_ascii_uppercase());
        assert!(entry.anchors.iter().chain(entry.context).all(is_small), "{}", entry.name);
        let Confidence { bare, in_context, wrong_sum } = entry.confidence;
        assert!(wrong_sum <= in_context && bare <= in_context && in_context < 1.0, "{}", entry.name);
    }
}

#[test]
fn a_wrong_check_digit_with_a_word_for_it_is_found_at_less_than_half() {
    for (text, detector) in [
        ("credit card 5105 1051 0510 5101", "payment-card"),
        ("IBAN DE89 3704 0044 0532 0130 01", "iban"),
        ("PESEL 44051401358", "pl-pesel"),
    ] {
        let sure = surest(text, detector);
        assert!(sure > 0.0 && sure < 0.5, "{text}: {sure}");
    }
}

#[test]
fn digits_and_separators_of_other_scripts_are_read() {
    for text in [
        "5105\u{a0}1051\u{a0}0510\u{a0}5100",
        "5105\u{2013}1051\u{2013}0510\u{2013}5100",
        "5105\u{202f}1051\u{202f}0510\u{202f}5100",
        "５１０５１０５１０５１０５１００",
        "٥١٠٥١٠٥١٠٥١٠٥١٠٠",
    ] {
        assert_eq!(counted(text), [("payment-card".to_owned(), text)]);
    }
}

#[test]
fn the_range_is_the_value_and_nothing_around_it() {
    let text = "a\u{e9} {\"card\":\"4111-1111-1111-1111\",\"to\":\"maria.huber@posteo.de\"}\\n+49 30 901820.";
    let values = ["4111-1111-1111-1111", "maria.huber@posteo.de", "+49 30 901820"];
    assert_eq!(counted(text).into_iter().map(|(_, value)| value).collect::<Vec<_>>(), values);
}

#[test]
fn what_is_only_an_example_by_its_standard_says_so() {
    for text in ["jane@example.com", "jane@mail.example.org", "jane@host.invalid", "SSN 000-00-0000"] {
        let found = found_in(text);
        assert!(!found.is_empty() && found.iter().all(|one| one.is_example), "{text}: {found:?}");
    }
}

#[test]
fn figures_of_other_kinds_are_not_counted() {
    for text in [
        "order 300-1234567-9876543 of 2024-03-12",
        "at 1712345678, or 1712345678123 in milliseconds",
        "1712345678",
        "550e8400-e29b-41d4-a716-446655440000",
        "version 10.0.19041.3570 and 1.2.3-beta.20240312",
        "52.520008, 13.404954",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "0.1234567890123456",
        "3.14159265358979323846",
        "{\"created\":1712345678,\"id\":\"chatcmpl-9AbC1234567890\",\"seed\":123456789}",
        "call_3660170548 and tool_use_id 12345678901",
        "for i in 0..1000000000 { total += 4294967296; }",
        "2001 2002 2003 2004 2005 2006 2007 2008",
        "pixels 1920 1080 2560 1440 3840 2160",
        "RGB(255, 255, 255) #123456 0x7fffffff",
        "10:15:30.123456789 192.168.100.200:8080",
        "ISBN 978-3-16-148410-0",
        "https://host.example/users/1234567893/posts/5105105",
        "image@2x.png, @types/node@18.1.0, user@localhost, a @ b.c",
    ] {
        assert_eq!(counted(text), [], "{text}");
    }
}

#[test]
fn only_the_classes_that_are_asked_for_are_found() {
    let text = "NPI 1234567893, card 5105105105105100";
    let mut found = Vec::new();
    detect(text.as_bytes(), FindingClasses::default().with(FindingClass::Phi), &mut found);
    assert_eq!(found.iter().map(|one| one.detector.as_str()).collect::<Vec<_>>(), ["us-npi"]);
    found.clear();
    detect(text.as_bytes(), FindingClasses::default().with(FindingClass::Keys), &mut found);
    assert_eq!(found, []);
}

#[test]
fn a_word_of_the_context_counts_only_as_a_word() {
    for (text, sure) in [
        ("the bsn is 111222333", 0.8),
        ("user_bsn=111222333", 0.8),
        ("userBsn: 111222333", 0.8),
        ("BSNs: 111222333", 0.8),
        ("absnx 111222333", 0.0),
    ] {
        assert_eq!(surest(text, "nl-bsn"), sure, "{text}");
    }
}

#[test]
fn what_a_number_is_called_in_english_speaks_for_it() {
    let number = "556703-7485";
    for name in ["identity code", "organisation number", "corporate identity number"] {
        assert!(!counted(&format!("Our {name} is {number}, as before.")).is_empty(), "{name}");
        let wrong = format!("Our {name} is 556703-7486, as before.");
        assert_eq!(counted(&wrong), [], "{name}");
    }
    assert_eq!(counted(&format!("Our promo code is {number}, as before.")), []);
}

#[test]
fn a_number_with_a_weak_check_counts_by_a_word_or_where_nothing_else_is_sent() {
    for (number, word, detector) in [
        ("876543210", "tax file number", "au-tfn"),
        ("482915401", "Arztnummer", "de-lanr"),
        ("005499981", "ACN", "au-acn-plain"),
        ("8112289874", "personnummer", "se-personnummer-plain"),
        ("7360285163", "rodné číslo", "cz-birth-number-plain"),
    ] {
        let named = format!("Please note the {word} {number}, and go on.");
        assert!(surest(&named, detector) >= 0.5, "{named}");
        assert_eq!(surest(number, detector), EVEN, "{number}");
        assert_eq!(surest(&format!("  {number}\n"), detector), EVEN, "{number}");
        for text in [
            format!("{{\"id\": {number}, \"ok\": true}}"),
            format!("{{\"id\": \"{number}\"}}"),
            format!("id={number}"),
            format!("worker handled job {number} in 12 ms"),
            format!("{number}, 17"),
        ] {
            assert_eq!(counted(&text), [], "{text}");
        }
    }
}

#[test]
fn a_bare_number_among_others_counts_by_no_check_of_its_own() {
    for number in
        ["44051401359", "86095742719", "37605030299", "01013099997", "188057208107893", "2800101221146"]
    {
        assert!(!counted(number).is_empty(), "{number} alone");
        for text in [format!("job {number} is done"), format!("{{\"id\":\"{number}\",\"n\":1}}")] {
            assert_eq!(counted(&text), [], "{text}");
        }
    }
}

#[test]
fn a_number_that_public_registers_show_needs_its_hyphen_or_a_word() {
    for text in ["556703-7485", "organisationsnummer 5567037485", "사업자번호 1248100998"] {
        assert_eq!(counted(text).len(), 1, "{text}");
    }
    for text in ["5567037485", "1248100998", "K8240157", "48291570365"] {
        assert_eq!(counted(text), [], "{text}");
    }
}

#[test]
fn digits_along_the_keys_are_nobodys() {
    for text in ["123456789", "1234567890", "012345678"] {
        assert_eq!(counted(text), [], "{text}");
    }
}

#[test]
fn a_form_without_a_check_counts_by_a_word_or_where_nothing_else_is_sent() {
    for (value, word) in [
        ("XDC482915", "pasaporte"),
        ("KV4470192", "passport"),
        ("M482K9157", "여권번호"),
        ("HB48291570K", "Fahrerlaubnis"),
        ("MI4829157K", "patente"),
        ("KX62 LMT", "number plate"),
        ("KA05MN4821", "vehicle"),
        ("34 KLM 482", "plaka"),
        ("HH-KM 482", "Kennzeichen"),
        ("93/815/08152", "Steuernummer"),
    ] {
        let is_found = |text: &str| counted(text).iter().any(|(_, found)| *found == value);
        assert!(is_found(value), "{value}");
        assert!(is_found(&format!("It says {word} {value} there.")), "{word} {value}");
        assert_eq!(counted(&format!("It says part {value} there.")), [], "{value}");
        assert_eq!(counted(&format!("{{\"ref\": \"{value}\"}}")), [], "{value}");
    }
}

#[test]
fn a_korean_number_needs_no_check_digit_where_it_is_all_or_named() {
    for text in ["211105-3482915", "주민등록번호: 211105-3482915", "960121-5678901"] {
        assert_eq!(counted(text).len(), 1, "{text}");
    }
    for text in ["build 211105-3482915", "211305-3482915", "2111053482915", "9601215678901"] {
        assert_eq!(counted(text), [], "{text}");
    }
}

#[test]
fn separators_are_those_of_one_hand() {
    assert!(!counted("SSN 536-90-4399").is_empty() && !counted("SSN 536.90.4399").is_empty());
    for text in ["536-90.4399", "130-692 544", "911-70 1234"] {
        assert_eq!(counted(text), [], "{text}");
    }
}

#[test]
fn a_part_of_a_bank_account_with_a_wrong_check_is_no_card() {
    assert_eq!(counted("AE84 5350 6109 8957 6849 340"), []);
    assert_eq!(counted("5350 6109 8957 6849"), [("payment-card".to_owned(), "5350 6109 8957 6849")]);
}

#[test]
fn context_is_near_or_it_is_none() {
    let far = format!("bsn {} 111222333", "and so it went on ".repeat(8));
    assert_eq!(surest(&far, "nl-bsn"), 0.0);
    let many = format!("{}bsn 111222333", "a 123456 ".repeat(100));
    assert_eq!(surest(&many, "nl-bsn"), 0.8);
}

proptest! {
    #[test]
    fn whatever_the_bytes_what_is_found_lies_in_them_and_in_order(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..600),
            "[0-9 ./:@+()-]{0,300}".prop_map(String::into_bytes),
            "([A-Z]{0,4}[0-9]{1,18}[ .-]?){0,30}".prop_map(String::into_bytes),
            "(ssn|iban|card|phone|passport|[0-9０-９٠-٩ \u{a0}–@.a-z]{1,20}){0,40}".prop_map(String::into_bytes),
        ],
    ) {
        let found = found_in(&bytes);
        prop_assert_eq!(&found, &found_in(&bytes));
        for one in &found {
            prop_assert!(one.range.start < one.range.end && one.range.end <= bytes.len());
            prop_assert!((0.25..1.0).contains(&one.confidence));
        }
        for class in FindingClass::ALL {
            let own: Vec<_> = found.iter().filter(|one| one.class == class).collect();
            prop_assert!(own.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
        }
    }

    #[test]
    fn one_changed_digit_takes_certainty_away(example in 0..CHANGEABLE.len(), at in 0..64_usize, by in 1..10_u8) {
        let (detector, value) = CHANGEABLE[example];
        let digits: Vec<usize> = (0..value.len()).filter(|at| value.as_bytes()[*at].is_ascii_digit()).collect();
        let mut changed = value.as_bytes().to_vec();
        let at = digits[at % digits.len()];
        changed[at] = (changed[at] - b'0' + by) % 10 + b'0';
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(surest(&changed, detector) < surest(value, detector), "{}", changed);
    }
}

/// Values whose check digits show every change of one digit.
const CHANGEABLE: &[(&str, &str)] = &[
    ("payment-card", "5105105105105100"),
    ("iban", "DE89370400440532013000"),
    ("in-aadhaar", "234123412346"),
    ("de-vat-id", "DE136695976"),
    ("ch-ahv", "756.9217.0769.85"),
    ("fr-nir", "255081416802538"),
    ("br-cpf", "529.982.247-25"),
    ("us-npi", "NPI 1234567893"),
    ("no-fodselsnummer", "13097248022"),
    ("cn-resident-id", "11010519491231002X"),
];
