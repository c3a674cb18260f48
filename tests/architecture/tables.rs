//! Who may do what: the tables behind the rules. A change here is a change of the house, and is argued for in its
//! commit.

/// What one stage may import from another: the types by which results travel. Whoever asks, then whom, then what.
/// `*` as the one who asks stands for every stage of that wing. Only the pipeline knows the stages themselves.
pub const MAY_IMPORT: &[(&str, &str, &[&str])] = &[
    ("perceive::hello", "perceive::intercept", &["Accepted"]),
    ("perceive::identity", "perceive::intercept", &["Accepted"]),
    ("perceive::request", "perceive::framing", &["Chunked", "HEAD_ONLY", "Refusal", "line"]),
    ("perceive::response", "perceive::framing", &["Chunked", "Refusal", "line"]),
    ("decide::policy", "perceive::identity", &["Known"]),
    ("decide::policy", "perceive::hello", &["Alpn", "ClientHello", "Hello", "Http1Hello"]),
    ("decide::policy", "perceive::request", &["Request"]),
    ("decide::policy", "decide::dlp", &["CustomForm", "CustomPattern", "Detectors", "Inspection", "Terms"]),
    ("decide::ledger", "perceive::identity", &["Known"]),
    ("decide::ledger", "decide::dlp", &["Inspected"]),
    ("decide::ledger", "decide::policy", &["Clearance", "Leave", "Passage"]),
    (
        "decide::ledger",
        "decide::quota",
        &[
            "Change",
            "Charge",
            "Execution",
            "More",
            "Past",
            "Refused",
            "Reservation",
            "Spent",
            "Wanted",
            "minute_of",
            "moment_of",
            "settle",
            "split",
        ],
    ),
    ("act::*", "decide::policy", &["Clearance", "Mode", "NameSource", "Passage", "Route"]),
    ("act::*", "decide::ledger", &["Entry", "Outcome"]),
    ("act::credentials", "decide::dlp", &["Known"]),
    ("act::upstream", "decide::dlp", &["Form", "Passing", "Told", "Unread", "forget_sums"]),
    ("act::*", "decide::quota", &["Pace", "Refused", "Share", "Wanted"]),
    ("act::*", "perceive::hello", &["Alpn"]),
    ("act::tls", "act::dial", &["Dialled", "Protocol"]),
    ("act::upstream", "act::dial", &["Dialled", "Protocol"]),
    // Inspection finds the vault's values wherever they surface, and never has one.
    ("act::credentials", "decide::dlp", &["Known"]),
    ("act::upstream", "act::tls", &["Opened"]),
    // A request goes out sealed, and its answer repeats none of what went in.
    ("act::upstream", "act::credentials", &["Covering", "Echo", "Sealed"]),
    ("act::upstream", "perceive::request", &["Request"]),
    ("act::upstream", "perceive::framing", &["Frames", "frames"]),
    ("act::upstream", "perceive::response", &["Asked", "Guard", "Refusal", "State"]),
    (
        "act::upstream",
        "perceive::protocol",
        &[
            "Broken",
            "Call",
            "Decoder",
            "Ending",
            "Endpoint",
            "Messages",
            "Screen",
            "Shown",
            "Sieve",
            "Unreadable",
            "Usage",
            "Violation",
        ],
    ),
];

/// The wings whose modules are stages.
pub const STAGE_WINGS: &[&str] = &["perceive", "decide", "act"];

/// Modules that compute and nothing else.
pub const PURE: &[&str] = &[
    "model",
    "perceive::hello",
    "perceive::framing",
    "perceive::request",
    "perceive::response",
    "perceive::protocol",
    "decide::dlp",
    "decide::policy",
    "decide::tunnel",
    "decide::quota",
];

/// What pure modules may not name, by the beginning of the path.
pub const IMPURE: &[&str] = &[
    "libc",
    "nix",
    "rusqlite",
    "rustix",
    "socket2",
    "sqlx",
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "tokio",
    "tokio_rustls",
    "hyper",
    "hyper_util",
];

/// What they may name all the same: words for addresses and spans of time.
pub const PURE_ENOUGH: &[&str] = &[
    "std::net::AddrParseError",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::net::SocketAddrV4",
    "std::net::SocketAddrV6",
    "std::time::Duration",
];

/// Words that may stand in one module only.
pub const DOORS: &[(&str, &str)] =
    &[("unsafe", "platform::sys"), ("rusqlite", "decide::ledger"), ("sqlx", "platform::registry")];

/// The operator's side: these never import the packet's path. The daemon, which joins both, is not among them.
pub const OPERATORS: &[&str] = &["operate", "cli"];
/// The one module of theirs that may.
pub const JOINER: &str = "operate::daemon";
/// The packet's path.
pub const ROAD: &[&str] = &["pipeline", "act"];

/// The values that are permissions, and the stage that makes each.
pub const PERMISSIONS: &[(&str, &str)] = &[
    ("Accepted", "perceive::intercept"),
    ("Known", "perceive::identity"),
    ("Passage", "decide::policy"),
    ("Permit", "decide::policy"),
    ("Clearance", "decide::policy"),
    ("Inspected", "decide::dlp"),
    ("Entry", "decide::ledger"),
    ("Dialled", "act::dial"),
    ("DialledDatagrams", "act::dial"),
    ("Opened", "act::tls"),
    ("Sealed", "act::credentials"),
];

/// Lines of a file, without inline tests.
pub const FILE_LINES: usize = 400;
/// Lines of a file of end-to-end claims: a list of stories, read one at a time.
pub const CLAIM_LINES: usize = 700;
/// Lines of a function.
pub const FUNCTION_LINES: usize = 60;
/// Uniform catalogues that may be longer, with the reason: `("src/a/b.rs", "one line for each code")`.
pub const LONG: &[(&str, &str)] = &[
    ("benches/micro.rs", "a list of measurements, each of a few lines"),
    ("src/model/types/detectors.rs", "a line for each detector"),
    ("src/model/types/limits.rs", "a line or two for each bound"),
];

/// Hosts of package registries, put together here so that this file does not name them.
pub fn registries() -> Vec<String> {
    [
        &["crates", "io"][..],
        &["registry", "npmjs", "org"],
        &["registry", "yarnpkg", "com"],
        &["pypi", "org"],
        &["files", "pythonhosted", "org"],
        &["rubygems", "org"],
        &["proxy", "golang", "org"],
        &["repo1", "maven", "org"],
        &["ghcr", "io"],
        &["registry-1", "docker", "io"],
    ]
    .iter()
    .map(|parts| parts.join("."))
    .collect()
}
