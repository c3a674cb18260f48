//! What is known by its grammar: one entry for each reader of `structures.rs`, and for the values of assignments.
//!
//! Their formats are empty: the readers say what they look like. What has a checksum of its own is here as well.

use super::super::detector::{Check, Confidence, Detector};
use super::sums;
use crate::model::types::FindingClass;

/// The name of what is found as the value of a password's name.
pub const PASSWORD: &str = "password";
/// The name of what is found as the value of a secret's name.
pub const SECRET: &str = "secret-value";

const fn secret(name: &'static str, source: &'static str) -> Detector {
    Detector {
        name,
        class: FindingClass::Secrets,
        source,
        anchors: &[],
        format: "",
        check: Check::None,
        context: &[],
        confidence: Confidence { bare: 0.8, in_context: 0.8, wrong_sum: 0.8 },
        alone: 0.0,
        examples: &[],
        lookalikes: &[],
    }
}

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("private-key", "RFC 7468; OpenSSH, PROTOCOL.key; RFC 9580").finds(&[
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ9fQ2LkZ8vT1xWmB7sRn4YdHcKoUe6PjAgVzX3iM5tq\n-----END PRIVATE KEY-----",
    ]).leaves(&["-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"]),
    Detector::key("putty-private-key", "PuTTY, PPK file format").finds(&[
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: k\nPublic-Lines: 1\nAAAAC3NzaC1lZDI1\nPrivate-Lines: 1\nAAAAIJ9fQ2LkZ8vT1xWmB7sRn4YdHcKoUe6PjAgVzX3iM5tq\nPrivate-MAC: 00",
    ]),
    Detector::key("json-web-token", "RFC 7519").finds(&[
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTc2NDM3MjAwMH0.wQ4kXr9TzM2bYv7NcLp1HsJd8GfEuAoKi5RnVtZq3Ws",
    ]).leaves(&["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"]),
    Detector::key("json-web-key", "RFC 7517").finds(&[
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"n1_ZQti2S-8xVM4bYr7NcLpkHsJd9GfEuAoKi5RmTXw\",\"x\":\"Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE\"}",
    ]).leaves(&["{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE\"}"]),
    Detector::key("bitcoin-extended-key", "BIP 32")
        .at(&["xprv", "yprv", "zprv", "tprv"])
        .like(r"[xyzt]prv[1-9A-HJ-NP-Za-km-z]{107,108}")
        .summed(sums::base58check)
        .finds(&["xprv9v74ST4rW4cUk25JHF24ZSfz9mZF7KRNZC7v6ETNxZDD1dKNqu2jR354kGdr9hPpExrgHxyWR26jceShw3kbgUbZXgbMFy4MqpmGB5m9fZo"]),
    Detector::key("bitcoin-private-key", "Bitcoin, wallet import format")
        .like(r"(?:5[1-9A-HJ-NP-Za-km-z]{50}|[KLc][1-9A-HJ-NP-Za-km-z]{51})")
        .summed(sums::base58check)
        .sure(0.9)
        .finds(&["L4VsECtwAQXNPxdWZoUzVQ2GWGYJEHEjXF8bCD5EmoUok2ETNW2T"]),
    Detector::key("nkey-seed", "NATS, NKeys").like(r"S[ACNOPUX][A-Z2-7]{56}").summed(sums::nkey).sure(0.95).finds(&["SUALBTABHFTQBHSV4NUYPVPPSNTAUNM5EYIB3VMZXWLWGM6KZRMIP2YE3A"]),
    secret("address-with-password", "RFC 3986, user information").finds(&["postgres://svc:tq7Wmz2Kx@db.internal:5432/app"]).leaves(&["postgres://svc:${PASSWORD}@db.internal:5432/app"]),
    secret("basic-authorization", "RFC 7617").finds(&["Authorization: Basic c3ZjOnRxN1dtejJLeA=="]).leaves(&["Authorization: Basic realm"]),
    secret("command-with-password", "curl, --user").finds(&["curl -u svc:tq7Wmz2Kx https://api.internal/"]).leaves(&["curl -u svc:$PASSWORD https://api.internal/"]),
    secret("netrc-password", "GNU Inetutils, The .netrc file").finds(&["machine db.internal login svc password tq7Wmz2Kx"]),
    Detector::key("seed-phrase", "BIP 39").finds(&["mnemonic: \"velvet orbit canyon ladder pepper wisdom stone garlic turtle magnet cousin bridge\""]).leaves(&["mnemonic: one of many words"]),
    secret(PASSWORD, "the name of a value, and its shape").finds(&["password = \"tq7Wmz2Kx\"", "DB_PASSWORD=tq7Wmz2Kx9", "{\"pwd\": \"tq7Wmz2Kx\"}"]).leaves(&["password = get_password()", "password: str", "password = \"password\""]),
    secret(SECRET, "the name of a value, and its shape").finds(&["client_secret: 'kq82Hs7Wm2XzpL4vTn9bRc3y'", "AUTH_TOKEN=kq82Hs7Wm2XzpL4vTn9bRc3y"]).leaves(&["token = self.fetch_token(environment)", "secret_name: production-database-secret"]),
];
