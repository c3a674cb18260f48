//! Claims about every entry of the catalogue, and about any bytes.

use proptest::prelude::*;

use super::*;
use crate::decide::dlp::{Detectors, Found};
use crate::model::types::{FindingClass, FindingClasses};
use std::sync::LazyLock;

static DETECTORS: LazyLock<Detectors> = LazyLock::new(Detectors::built_in);

fn found(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let own = [FindingClass::Keys, FindingClass::Secrets, FindingClass::Placeholder];
    let wanted = own.into_iter().fold(FindingClasses::default(), FindingClasses::with);
    DETECTORS.detect(text.as_bytes(), wanted, &mut found);
    found
}

fn entries() -> impl Iterator<Item = &'static Detector> {
    CATALOGUE.iter().flat_map(|part| part.iter())
}

/// An example as a service's key is given in settings, where nothing but its service's name shows it.
fn named(detector: &Detector, value: &str) -> String {
    match detector.context.first() {
        Some(word) if detector.anchors.is_empty() => format!("{word} api_key = \"{value}\""),
        _ if detector.anchors.is_empty() && !detector.format.is_empty() => format!("secret = \"{value}\""),
        _ => value.to_owned(),
    }
}

#[test]
fn every_example_is_found_by_its_detector() {
    let mut missed = Vec::new();
    for detector in entries() {
        assert!(!detector.examples.is_empty(), "{}", detector.name);
        for example in detector.examples {
            let text = named(detector, example);
            let found = found(&text);
            let by_it = found.iter().find(|found| found.detector.as_str() == detector.name);
            if !by_it.is_some_and(|found| found.confidence >= 0.5 && !found.is_example) {
                missed.push(format!("{}: {text}: {found:?}", detector.name));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_example_is_found_in_what_stands_around_it() {
    // What brings its own syntax is found in it alone.
    let alone = |detector: &&Detector| !detector.format.is_empty();
    let mut missed = Vec::new();
    for detector in entries().filter(alone) {
        let value = detector.examples[0];
        let word =
            detector.context.first().copied().filter(|_| detector.anchors.is_empty()).unwrap_or("service");
        for text in [
            format!("{{\"{word}\": {{\"api_key\": \"{value}\", \"region\": \"eu\"}}}}"),
            format!("{word}_API_KEY={value}\nREGION=eu\n"),
            format!("Here is what you need for {word}, the api key is \"{value}\", so use it."),
        ] {
            if !found(&text).iter().any(|found| found.confidence >= 0.5) {
                missed.push(format!("{}: {text}", detector.name));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn no_lookalike_is_found_by_its_detector() {
    let mut wrong = Vec::new();
    for detector in entries() {
        for value in detector.lookalikes {
            let text = named(detector, value);
            let found = found(&text);
            let by_it =
                found.iter().find(|found| found.detector.as_str() == detector.name && found.confidence > 0.5);
            if by_it.is_some() {
                wrong.push(format!("{}: {text}: {found:?}", detector.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_checksum_lowers_confidence_and_hides_nothing() {
    // A placeholder has no sum: what is asked of it is whether it is a name.
    let summed = |detector: &&Detector| {
        matches!(detector.check, crate::decide::dlp::Check::Sum(_))
            && detector.class != FindingClass::Placeholder
    };
    for detector in entries().filter(summed) {
        let example = detector.examples[0];
        let last = example.len() - 1;
        let other = if example.as_bytes()[last] == b'7' { 'Q' } else { '7' };
        // Not every alphabet has both.
        let changed =
            format!("{}{}", &example[..last], if detector.name.starts_with("bitcoin") { 'k' } else { other });
        let changed = if detector.name == "nkey-seed" { format!("{}Q", &example[..last]) } else { changed };
        let sure = |value: &str| {
            found(&named(detector, value))
                .iter()
                .find(|found| found.detector.as_str() == detector.name)
                .map(|found| found.confidence)
        };
        let (right, wrong) = (sure(example), sure(&changed));
        assert!(wrong < right && wrong >= Some(0.3), "{}: {right:?} {wrong:?} {changed}", detector.name);
    }
}

#[test]
fn what_only_looks_like_a_secret_is_left_alone() {
    for text in [
        "password = get_password(user)",
        "const token = await fetchToken();",
        "token: process.env.TOKEN,",
        "password: ${DB_PASSWORD}",
        "api_key = os.environ[\"API_KEY\"]",
        "secret_name: production-database-secret",
        "max_tokens = 4096",
        "\"prompt_tokens\": 1842",
        "key: my-config-map-name",
        "primary_key=id_users_2024",
        "the token is invalid, please try again",
        "password: str",
        "func SetPassword(password string) error",
        "<password>{{ .Values.password }}</password>",
        "token_url = \"https://login.example/oauth2/token\"",
        "PASSWORD_FIELD = \"password_field\"",
        "private_key_path: /etc/ssl/private/server.pem",
        "author: Jane Doe <jane@doe.example>",
        "postgres://user:${PASSWORD}@db:5432/app",
        "https://host.example:8080/a@b",
        "curl -u \"$USER:$PASSWORD\" https://host.example/",
        "-----BEGIN CERTIFICATE-----",
    ] {
        assert!(
            found(text).iter().all(|found| found.confidence < 0.5 || found.is_example),
            "{text}: {:?}",
            found(text)
        );
    }
}

/// Whether something counts: neither unlikely nor an example.
fn counts(text: &str) -> bool {
    found(text).iter().any(|found| found.confidence >= 0.5 && !found.is_example)
}

#[test]
fn what_a_value_was_hashed_to_is_no_secret() {
    for text in [
        "const AUTH_TOKEN_HASH = \"$2b$12$kR8vTqW3zYp5LmNc7HsJde9GfXuAoKi4RbVnQtZs2WyDxE1hPjM6C\"",
        "password: \"$6$Wq8Lm2Xz$kR8vTqW3zYp5LmNc7HsJde9GfXuAoKi4RbVnQtZs2WyDxE1h\"",
        "password = '{SSHA}kR8vTqW3zYp5LmNc7HsJde9GfXuAoKi4'",
        "secret: \"sha256:9f31c7a4e2580bd6613fa97c04de82b59f31c7a4e2580bd6613fa97c04de82b5\"",
    ] {
        assert!(!counts(text), "{text}: {:?}", found(text));
    }
    assert!(counts("password = \"kR8$2b$12vTq\""));
    assert!(counts("secret: \"9f31c7a4e2580bd6613fa97c04de82b5\""));
}

#[test]
fn what_everybody_may_know_is_no_secret() {
    for text in [
        "auth_key = \"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\"",
        "auth_key: AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
        "token: \"0x7Cb57A9d1E0f4B83c2D65aF1908eB74c3dA6F215\"",
    ] {
        assert!(!counts(text), "{text}: {:?}", found(text));
    }
    // A private key of the same kind, and base 16 in one case.
    assert!(counts("auth_key = \"MC4CAQAwBQYDK2VwBCIEIJ9fQ2LkZ8vT1xWmB7sRn4YdHcKoUe6PjAgVzX3iM5tq\""));
    assert!(counts("token: \"7cb57a9d1e0f4b83c2d65af1908eb74c3da6f215\""));
}

#[test]
fn what_is_shorter_than_a_service_s_keys_is_unlikely() {
    let whole = "sm_aat_kR8vTq2W3zYp5LmN";
    let cut = &whole[..whole.len() - 2];
    assert!(counts(&format!("token = \"{whole}\"")));
    assert!(!counts(&format!("token = \"{cut}\"")), "{:?}", found(&format!("token = \"{cut}\"")));
    assert!(counts("bot_token = \"714285093:AAq7Wm2XzpL4vTn9bRc3yKs8Hd6Jf5Gu1Ei\""));
    assert!(!counts("bot_token = \"714285093:Akq7Wm2XzpL4vTn9bRc3yKs8Hd6Jf5Gu1Ei0\""));
    assert!(counts("bot_token = \"svc:Akq7Wm2XzpL4vTn9bRc3yKs8Hd6Jf5Gu1Ei0\""));
}

#[test]
fn a_form_to_fill_in_has_no_password() {
    assert!(!counts("curl -u <name:passphrase7> https://api.internal/"));
    assert!(counts("curl -u name:tq7Wmz2Kx https://api.internal/"));
}

#[test]
fn placeholders_are_marked_and_not_hidden() {
    for text in [
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "token = \"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
        "postgres://user:password@localhost:5432/app",
    ] {
        let found = found(text);
        assert!(!found.is_empty() && found.iter().all(|found| found.is_example), "{text}: {found:?}");
    }
}

#[test]
fn one_value_is_found_once() {
    let token = hosts::CATALOGUE[0].examples[0];
    let text = format!("GITHUB_TOKEN=\"{token}\"");
    let found = found(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].class, &text[found[0].range.clone()]), (FindingClass::Keys, token));
}

/// Pieces of which hostile texts are made.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&'static [u8]> = assignment::ANCHORS
        .iter()
        .map(|word| word.as_bytes())
        .chain(entries().flat_map(|detector| detector.examples.iter().map(|value| value.as_bytes())))
        .chain(structures::READERS.iter().flat_map(|(words, _)| words.iter().map(|word| word.as_bytes())))
        .chain([
            &b"\""[..],
            b"'",
            b"=",
            b": ",
            b"\\",
            b"{",
            b"}",
            b"\n",
            b"@",
            b"-----",
            b"PRIVATE KEY-----",
            b"d\":\"",
            b"\xff",
            b"\xc3",
        ])
        .collect();
    let word = prop_oneof![
        proptest::sample::select(words).prop_map(<[u8]>::to_vec),
        proptest::collection::vec(any::<u8>(), 0..20),
        "[A-Za-z0-9+/=_-]{1,40}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn findings_stand_inside_the_text_in_their_order(text in pieces()) {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        DETECTORS.detect(&text, FindingClasses::all(), &mut one);
        DETECTORS.detect(&text, FindingClasses::all(), &mut two);
        prop_assert_eq!(&one, &two);
        for found in &one {
            prop_assert!(found.range.start < found.range.end && found.range.end <= text.len());
            prop_assert!((0.0..=1.0).contains(&found.confidence));
        }
        for pair in one.windows(2) {
            prop_assert!(pair[0].range.start <= pair[1].range.start);
        }
        for (number, found) in one.iter().enumerate() {
            for other in one[number + 1..].iter().filter(|other| other.class == found.class) {
                prop_assert!(other.range.start >= found.range.end, "{found:?} {other:?}");
            }
        }
    }
}
