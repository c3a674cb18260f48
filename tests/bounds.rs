//! The bounds that the documentation names are those of `src/model/types/limits.rs`: change both.

use clawgress::model::types::{limits, quota_limits};

use crate::documents::file;

/// A number as people write it: thousands apart.
fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().ok().expect("a number without sign").to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).expect("digits")).collect();
    parts.join(",")
}

/// Bytes as people write them.
fn size(bytes: impl TryInto<u64>) -> String {
    let bytes = bytes.try_into().ok().expect("a number without sign");
    match bytes {
        _ if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        _ if bytes % 1024 == 0 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// Bytes that so many questions tell, each one of this many that can be asked: rounded up to ten.
fn in_order(questions: u32, choices: u32) -> u32 {
    let bytes = f64::from(questions) * f64::from(choices).log2() / 8.0;
    (bytes / 10.0).ceil() as u32 * 10
}

/// Whether a document says each of these, whatever breaks its lines.
fn says(document: &str, sentences: &[String]) {
    let text = file(document).replace('\n', " ");
    let missing: Vec<&String> = sentences.iter().filter(|sentence| !text.contains(*sentence)).collect();
    assert!(
        missing.is_empty(),
        "`{document}` does not say what src/model/types/limits.rs says: {missing:#?}"
    );
}

#[test]
fn the_bounds_in_the_documents_are_those_of_the_code() {
    use limits::*;
    let head = format!("{}, {HEAD_FIELDS} fields, {} a line", size(HEAD_BYTES), size(FIELD_LINE_BYTES));
    let probes = CLIENT_PROBE_TIME + CLIENT_PROBE_INTERVAL * CLIENT_PROBES;
    assert_eq!(
        (probes.as_secs(), FLOW_IDLE_TIME.as_secs()),
        (120, 3600),
        "two minutes, and an hour, in words"
    );
    says(
        "docs/http.md",
        &[
            format!("| a request head | {head}, and {} s from its first byte |", HEAD_TIME.as_secs()),
            format!("| a method | {METHOD_BYTES} bytes |"),
            format!("| further methods that a request asks for | {METHODS_ASKED_FOR} |"),
            format!(
                "| a chunk-size line, a trailer section | {}; all extensions of one body {} |",
                size(CHUNK_LINE_BYTES),
                size(CHUNK_EXTENSION_BYTES)
            ),
            format!("| options in `Connection` | {CONNECTION_OPTIONS} |"),
            format!("| an idle connection | {} s |", KEEP_ALIVE_TIME.as_secs()),
            format!("| streams at once on an HTTP/2 connection | {HTTP2_STREAMS} |"),
            format!("| {} at once and {FRAMES_PER_SECOND} more each second;", grouped(FRAME_BURST)),
            format!("| {HTTP2_RESETS}, then the connection ends with `protocol.flood` |"),
            format!("| the head of an answer | {} s, anew", RESPONSE_HEAD_TIME.as_secs()),
            format!("for up to {} s and {} more", LINGER_TIME.as_secs(), size(LINGER_BYTES)),
            format!("the other has {} s of silence", TUNNEL_END_TIME.as_secs()),
        ],
    );
    says(
        "docs/upstreams.md",
        &[
            format!(
                "heads past {} or {HEAD_FIELDS} fields, more than {INTERIM_ANSWERS} interim answers, chunk extensions \
                 past {}, trailers past {}, a head that stands still for {} seconds",
                size(HEAD_BYTES),
                size(CHUNK_EXTENSION_BYTES),
                size(CHUNK_LINE_BYTES),
                HEAD_TIME.as_secs()
            ),
            format!("all attempts | {} s; {} s |", CONNECT_TIME.as_secs(), DIAL_TIME.as_secs()),
            format!("| the TLS handshake | {} s |", TLS_HANDSHAKE_TIME.as_secs()),
            format!("| {} s until it begins, because", RESPONSE_HEAD_TIME.as_secs()),
            format!("kept for the next request | {} s |", POOL_IDLE_TIME.as_secs()),
        ],
    );
    says(
        "docs/hostile.md",
        &[
            format!("({} of {})", grouped(CONNECTIONS_PER_AGENT), grouped(CONNECTIONS_PER_WORKER)),
            format!("a start below {} warns", grouped(FILES_WANTED)),
            format!("a worker takes {ACCEPTS_IN_A_ROW}, then"),
            format!("| {} s, {} | `protocol.malformed` |", HELLO_TIME.as_secs(), size(HELLO_BYTES)),
            format!(
                "{HANDSHAKES_PER_AGENT} of one agent are worked on at once, for {} ms each; the rest of its own wait, {} s",
                HANDSHAKE_SLOT_TIME.as_millis(),
                TLS_HANDSHAKE_TIME.as_secs()
            ),
            format!("wait for the server after {} ms", HELLO_SILENCE.as_millis()),
            format!("| {} in every {} s,", size(BODY_PROGRESS), BODY_TIME.as_secs()),
            format!("| {head} |"),
            format!("after {} s without a byte taken", CLIENT_STALL_TIME.as_secs()),
            format!("| idles between requests | {} s |", KEEP_ALIVE_TIME.as_secs()),
            format!("| {} at once and {FRAMES_PER_SECOND} more each second,", grouped(FRAME_BURST)),
            format!("{HTTP2_RESETS} of streams not yet heard"),
            format!("| {HTTP2_STREAMS} at once; the next is refused"),
            format!(
                "| {} over all workers, so that ports are left for DNS, and {} on one; a quarter of",
                grouped(UDP_FLOWS),
                grouped(UDP_FLOWS_PER_WORKER)
            ),
            format!("{} that the kernel has not sent", size(UNSENT_BYTES)),
            format!("{UDP_WAITING} datagrams of each, {} of all, wait", size(UDP_WAITING_BYTES)),
            format!(
                "one record a flow for {} s, {FLOW_REFUSALS_PER_SOURCE} of them for one source",
                FLOW_REFUSAL_TIME.as_secs()
            ),
            format!(
                "{} s while nothing was answered, {} s after that",
                UDP_UNANSWERED_TIME.as_secs(),
                UDP_IDLE_TIME.as_secs()
            ),
            format!(
                "takes {DNS_BATCH} queries at once; while more wait, {DNS_BURST_PER_AGENT} of one agent are answered, as a burst, \
                 then {DNS_BATCH_PER_AGENT} of each {DNS_BATCH} and the rest is dropped; {DNS_IN_FLIGHT_PER_AGENT} of one agent wait"
            ),
            format!("| dribbles DNS over TCP | {} s for", DNS_TCP_IDLE_TIME.as_secs()),
        ],
    );
}

#[test]
fn the_bounds_of_names_and_of_what_the_kernel_refuses_are_those_of_the_code() {
    use limits::*;
    says(
        "docs/connections.md",
        &[
            format!(
                "at least {} s and at most {} s after it was given",
                DNS_BELIEF_FLOOR.as_secs(),
                grouped(DNS_BELIEF_CEILING.as_secs())
            ),
            format!("{} s are left, within the same", DNS_BELIEF_FLOOR.as_secs()),
            format!("stays a claim for {} days", DNS_STALE_TIME.as_secs() / 86_400),
            format!("| names of one agent, beside those in use | {};", grouped(DNS_NAMES_PER_AGENT)),
            format!("| names of one address of one agent | {DNS_NAMES_PER_ADDRESS},"),
            format!("| agents | {};", grouped(DNS_AGENTS)),
        ],
    );
    says(
        "docs/dns.md",
        &[
            format!("| {} s, {DNS_TRIES} tries of {} s |", DNS_QUERY_TIME.as_secs(), DNS_TRY_TIME.as_secs()),
            format!("rests behind the others | {} s |", DNS_REST_TIME.as_secs()),
            format!("of one agent | {}; {DNS_IN_FLIGHT_PER_AGENT} |", grouped(DNS_IN_FLIGHT)),
            format!("without a query | {}; {} s |", grouped(DNS_PIPELINED), DNS_UPSTREAM_IDLE_TIME.as_secs()),
            format!(
                "to make a further one | {DNS_CONNECTIONS_PER_UPSTREAM}; {} ms, else none for {} s |",
                DNS_FURTHER_DIAL_TIME.as_millis(),
                DNS_REST_TIME.as_secs()
            ),
            format!("over TCP | {}, {} bytes |", size(DNS_UDP_BYTES), grouped(DNS_MESSAGE_BYTES)),
            format!("included | {} |", size(DNS_CACHE_BYTES)),
            format!(
                "a failure | {} s; {} s; {} s |",
                grouped(DNS_CACHE_CEILING.as_secs()),
                DNS_NEGATIVE_CEILING.as_secs(),
                DNS_FAILURE_HOLD.as_secs()
            ),
            format!(
                "a chain of aliases | {DNS_RECORDS_PER_ANSWER}; {DNS_ADDRESSES_PER_ANSWER}; {DNS_CHAIN_LINKS} |"
            ),
            format!(
                "when its answer is there | {} s; {DNS_PIPELINED_PER_CLIENT} |",
                DNS_TCP_IDLE_TIME.as_secs()
            ),
        ],
    );
    says(
        "docs/names.md",
        &[
            format!("| new names of one zone | {DNS_TUNNEL_NAMES} |"),
            format!("| bytes in front of the zone, over its new names | {} |", grouped(DNS_TUNNEL_BYTES)),
            format!("| random-looking labels of one zone | {DNS_TUNNEL_RANDOM_LABELS} |"),
            format!(
                "| new names of one zone asked for no address (TXT, SRV, MX, ...) | {DNS_TUNNEL_RECORDS} |"
            ),
            format!("| aliases of one zone that lead to no address | {DNS_TUNNEL_ALIASES} |"),
            format!("| bytes in new names of all zones | {} |", grouped(DNS_TUNNEL_BYTES_PER_AGENT)),
            format!("| zones at once | {} |", grouped(DNS_TUNNEL_ZONES_PER_AGENT)),
            format!("within {} s", DNS_TUNNEL_WINDOW.as_secs()),
            format!("for {} minutes", DNS_TUNNEL_SHUT_TIME.as_secs() / 60),
            format!("{} names of an agent are remembered", grouped(DNS_TUNNEL_NAMES_KNOWN)),
            format!("has {DNS_TUNNEL_SUFFIX_FACTOR} times these bounds"),
            format!(
                "| queries that leave for names of one zone | {DNS_TUNNEL_QUERIES} | | bytes of the answers to them | {} |",
                size(DNS_TUNNEL_ANSWER_BYTES)
            ),
            format!(
                "| queries that leave for names of all zones | {} | | bytes of the answers to them | {} |",
                grouped(DNS_TUNNEL_QUERIES_PER_AGENT),
                size(DNS_TUNNEL_ANSWER_BYTES_PER_AGENT)
            ),
            format!(
                "in new names up to the bounds above: {} bytes a minute and zone",
                grouped(DNS_TUNNEL_BYTES)
            ),
            format!("each one of at most 400,000 ({} names", grouped(DNS_TUNNEL_NAMES_KNOWN)),
            format!("{DNS_TUNNEL_QUERIES} questions a minute and zone"),
            format!("so less than {} bytes;", grouped(in_order(DNS_TUNNEL_QUERIES, 400_000))),
            format!(
                "With new names that is {} bytes a minute and zone",
                grouped(DNS_TUNNEL_BYTES + in_order(DNS_TUNNEL_QUERIES, 400_000))
            ),
            format!(
                "at most {} in new names and {} in known ones",
                grouped(DNS_TUNNEL_BYTES_PER_AGENT),
                grouped(in_order(DNS_TUNNEL_QUERIES_PER_AGENT, 400_000))
            ),
            format!("which is less than {} bytes.", in_order(DNS_TUNNEL_QUERIES, 112 * 16)),
        ],
    );
    says(
        "docs/kernel.md",
        &[
            format!("{DROPS_BURST} packets at once and {DROPS_PER_SECOND} more each second"),
            format!("{} at once and {} a second", grouped(DROPS_BURST_ALL), grouped(DROPS_PER_SECOND_ALL)),
            format!("{FORGED_BURST} at once and {FORGED_PER_SECOND} a second"),
            format!("{PARTS_BURST} parts of UDP datagrams at once and {PARTS_PER_SECOND} more each second"),
            format!("{} addresses in each family", grouped(DROPS_SOURCES)),
            format!("the first {DROPS_BYTES} bytes"),
            format!("{} of them wait", size(DROPS_BUFFER)),
            format!(
                "one record a flow and reason for {} s, {FLOW_REFUSALS_PER_SOURCE} for one source",
                FLOW_REFUSAL_TIME.as_secs()
            ),
            format!("{STRANGERS_BURST} at once and {STRANGERS_PER_SECOND} a second"),
            format!("1 to {ECHO_PER_SECOND}"),
            format!("at most {ECHO_BYTES} bytes over IPv4"),
        ],
    );
    says(
        "docs/conditions.md",
        &[
            format!(
                "| a condition | {}, {} names, values and operators, nested {CONDITION_DEPTH} deep |",
                size(CONDITION_BYTES),
                grouped(CONDITION_NODES as u64)
            ),
            format!("| loops inside each other | {CONDITION_LOOPS} |"),
            format!("| the automaton of a pattern | {} |", size(CONDITION_AUTOMATON_BYTES)),
            format!("| the automata of all patterns of a set | {} |", size(POLICY_AUTOMATA_BYTES)),
            format!("| judging it once | {} steps", grouped(CONDITION_WORK)),
        ],
    );
}

#[test]
fn the_longest_wait_of_a_throttled_request_is_documented() {
    let wait = limits::THROTTLE_WAIT.as_secs();
    says("docs/policy.md", &[format!("would wait for more than {wait} s are refused with `quota.requests`")]);
    says("docs/budgets.md", &[format!("wait for room alike, for {wait} s at most")]);
}

#[test]
fn the_numbers_kept_of_rates_are_documented() {
    says("docs/rates.md", &[format!("{} numbers are kept", grouped(limits::RATES_KEPT))]);
}

#[test]
fn the_bounds_of_approvals_are_documented() {
    use limits::*;
    says(
        "docs/approvals.md",
        &[
            format!("up to {APPROVAL_HOSTS} hosts, a reason of up to {REASON_CHARS} characters"),
            format!(
                "{} h unless set, never more than {} days",
                APPROVAL_TTL_DEFAULT.as_secs() / 3600,
                APPROVAL_TTL.as_secs() / 86_400
            ),
            format!("Of approvals and of quarantines the {} that ended last", grouped(REGISTRY_HISTORY)),
            format!("at most {APPROVALS_PER_AGENT} approvals in force"),
            format!("up to {} tools", quota_limits::APPROVAL_TOOLS),
        ],
    );
}

#[test]
fn the_bounds_of_the_vault_are_documented() {
    use limits::*;
    says(
        "docs/credentials.md",
        &[
            format!("1 byte to {}", size(SECRET_BYTES)),
            format!("| all values | {} |", grouped(SECRET_VALUES)),
            format!("| one call of `apply` | {}", size(ADMIN_SECRETS_BYTES)),
            format!("is held ({} at most)", size(HELD_BODY_BYTES)),
            format!("kept until {} s before its end", TOKEN_EARLY.as_secs()),
            format!("Where none is given in {} s", TOKEN_TIME.as_secs()),
            format!("at most {} of it wait for that", size(SHIELDED_BYTES)),
        ],
    );
    assert_eq!(ROTATION_OVERLAP.as_secs(), 7 * 86_400, "the seven days of docs/trust.md");
}

#[test]
fn the_bounds_of_counting_are_documented() {
    use quota_limits::*;
    let (least, most) = (EXECUTION_IDLE_LEAST.as_secs() / 60, EXECUTION_IDLE_MOST.as_secs() / 86_400);
    says(
        "docs/prices.md",
        &[
            format!("`1h` by default, {least} minute to {most} days"),
            format!("a figure with more than {USD_DECIMALS} decimals"),
        ],
    );
}

#[test]
fn the_bounds_of_kept_sets_are_documented() {
    use limits::*;
    says(
        "docs/changing-policy.md",
        &[format!("the last {SETS_KEPT} of them and at most {}", size(SETS_KEPT_BYTES))],
    );
}

#[test]
fn the_bounds_of_mcp_are_documented() {
    use limits::*;
    says(
        "docs/tools.md",
        &[
            format!("one message or a list of up to {MCP_BATCH}"),
            format!("one of more than {MCP_BATCH} messages"),
            format!(
                "an `id` or a method of more than {} bytes, the name of a tool or a prompt of more than {} bytes, a URI of more than {},",
                MCP_ID_BYTES.max(MCP_METHOD_BYTES),
                MCP_NAME_BYTES,
                size(MCP_URI_BYTES as u64)
            ),
            format!("An answer or an event may have {}.", size(MCP_ANSWER_BYTES as u64)),
            format!("with one of more than {MCP_NAME_BYTES} bytes, is not shown"),
        ],
    );
}

#[test]
fn the_bounds_of_held_bodies_are_documented() {
    use limits::*;
    let (whole, progress) = (HELD_BODY_TIME.as_secs(), BODY_TIME.as_secs());
    says(
        "docs/model-calls.md",
        &[
            format!("| one body, as it came and decoded | {} |", size(HELD_BODY_BYTES)),
            format!("| all held bodies of one agent | {} |", size(HELD_BYTES_PER_AGENT)),
            format!("| all held bodies | {} |", size(HELD_BYTES)),
            format!("| {whole} s, and {} bytes in each {progress} s |", grouped(BODY_PROGRESS)),
            format!("counted in the first {} of text", size(TOKENS_COUNTED_BYTES)),
        ],
    );
}

#[test]
fn the_bounds_of_inspection_are_documented() {
    use limits::{DLP_HOLD_BYTES, DLP_RECORDED, HELD_BODY_BYTES};
    says(
        "docs/dlp.md",
        &[
            format!("up to `dlp.holdBytes` of a body ({}, in [settings.md]", size(DLP_HOLD_BYTES)),
            format!("Where a rule asks for `dlp`, {} are held", size(HELD_BODY_BYTES)),
            format!("{DLP_RECORDED} findings are told"),
        ],
    );
}
