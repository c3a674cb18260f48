use super::*;

const WHOLE: &str = r#"
apiVersion: clawgress.io/v1alpha1
kind: ClawgressConfig
metadata: {name: host}
spec:
  failMode: open
  intercept:
    interfaces: [agents0, veth-1.2]
    subnets: [10.77.0.0/24, "fd77::/64"]
    allowLocal: [22, 8080]
    echo: {destinations: [192.0.2.0/24, "2001:db8::/32"], packetsPerSecond: 5}
  dns: {upstreams: ["192.0.2.53", "192.0.2.54:5353", "2001:db8::53", "[2001:db8::54]:5353"]}
  upstream:
    trustAnchors: [/etc/ssl/one.pem]
  policyDir: /srv/policies
  stateDir: /srv/state
  runtimeDir: /srv/run
  ledger: {durability: power, journal: 64MiB, onUnavailable: deny}
  quota: {onUnavailable: allow, executionIdle: 30m, prices: /srv/prices.yaml}
"#;

const LEAST: &str = "apiVersion: clawgress.io/v1alpha1
kind: ClawgressConfig
spec:
  intercept: {interfaces: [agents0], subnets: [10.77.0.0/24]}
";

fn told(text: &str) -> Vec<String> {
    let report = parse(&SourceFile::new("c.yaml", text.as_bytes())).expect_err("refused");
    let lines = report.errors.iter().map(|error| {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}{hint}", error.line, error.column, error.message)
    });
    lines.collect()
}

#[test]
fn settings_are_what_the_file_says() {
    let config =
        parse(&SourceFile::new("c.yaml", WHOLE.as_bytes())).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.fail_mode, FailMode::Open);
    assert_eq!(config.intercept.interfaces, ["agents0", "veth-1.2"]);
    assert_eq!(config.intercept.subnets.len(), 2);
    assert_eq!(config.intercept.allow_local, [22, 8080]);
    let echo = config.intercept.echo.expect("pings");
    assert_eq!((echo.destinations.len(), echo.per_second), (2, 5));
    let upstreams: Vec<String> = config.dns.upstreams.iter().map(ToString::to_string).collect();
    assert_eq!(upstreams, ["192.0.2.53:53", "192.0.2.54:5353", "[2001:db8::53]:53", "[2001:db8::54]:5353"]);
    assert_eq!(config.upstream.trust_anchors, [std::path::PathBuf::from("/etc/ssl/one.pem")]);
    assert_eq!(config.folders.runtime, std::path::PathBuf::from("/srv/run"));
    assert_eq!(config.ledger, Ledger { durability: Durability::Power, journal: 64 << 20 });
    assert_eq!(config.quota.on_unavailable, crate::model::types::Uncounted::Allow);
    assert_eq!(config.quota.execution_idle, std::time::Duration::from_secs(1800));
    assert_eq!(config.quota.prices.as_deref(), Some(std::path::Path::new("/srv/prices.yaml")));
}

#[test]
fn what_is_wrong_with_the_settings_of_counting_is_told() {
    for (quota, expected) in [
        ("{executionIdle: 59s}", "5:26 executionIdle `59s` is not between 1m and 31d"),
        ("{executionIdle: 32d}", "5:26 executionIdle `32d` is not between 1m and 31d"),
        ("{onUnavailable: maybe}", "5:26 unknown `onUnavailable` `maybe` (it can be `deny` or `allow`)"),
        ("{prices: prices.yaml}", "5:19 path `prices.yaml` is relative (write it from `/` on)"),
        (
            "{prices: /etc/clawgress/policies.d/a/prices.yaml}",
            "5:19 prices `/etc/clawgress/policies.d/a/prices.yaml` stand in `policyDir` (put them elsewhere: what stands there is read as policy)",
        ),
    ] {
        assert_eq!(told(&format!("{LEAST}  quota: {quota}\n")), [expected], "{quota}");
    }
}

#[test]
fn prices_stand_anywhere_but_among_the_documents() {
    let quota = "  quota: {prices: /srv/policies/prices.yaml}\n";
    let beside = format!("{LEAST}  policyDir: /srv/policies.d\n{quota}");
    assert!(parse(&SourceFile::new("c.yaml", beside.as_bytes())).is_ok());
    let among = format!("{LEAST}  policyDir: /srv/policies\n{quota}");
    assert_eq!(told(&among).len(), 1, "{:?}", told(&among));
}

#[test]
fn resolvers_are_named_by_host_address_or_network() {
    let lists = "dns: {denyResolvers: [DoH.Example., 192.0.2.53, '2001:db8::/32'], allowResolvers: [dns.google, '::ffff:8.8.8.8']}";
    let text = format!("{LEAST}  {lists}\n");
    let config =
        parse(&SourceFile::new("c.yaml", text.as_bytes())).unwrap_or_else(|report| panic!("{report}"));
    let name = |name: &str| Resolver::Name(crate::model::types::HostName::parse(name).unwrap());
    let network = |network: &str| Resolver::Network(network.parse().unwrap());
    let Resolvers { deny, allow } = config.dns.resolvers;
    assert_eq!(deny, [name("doh.example"), network("192.0.2.53/32"), network("2001:db8::/32")]);
    assert_eq!(allow, [name("dns.google"), network("8.8.8.8/32")]);
}

#[test]
fn what_is_not_said_has_a_default() {
    let config =
        parse(&SourceFile::new("c.yaml", LEAST.as_bytes())).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.fail_mode, FailMode::Closed);
    assert!(config.dns.upstreams.is_empty() && config.intercept.allow_local.is_empty());
    assert_eq!(config.intercept.echo, None, "nobody is pinged");
    assert_eq!(
        config.upstream.trust_anchors,
        [std::path::PathBuf::from("/etc/ssl/certs/ca-certificates.crt")]
    );
    assert_eq!(config.folders.policy, std::path::PathBuf::from("/etc/clawgress/policies.d"));
    assert_eq!(config.folders.state, std::path::PathBuf::from("/var/lib/clawgress"));
    assert_eq!(config.folders.runtime, std::path::PathBuf::from("/run/clawgress"));
    assert_eq!(config.ledger, Ledger { durability: Durability::Process, journal: 256 << 20 });
    assert_eq!(config.quota, Quota::default());
    assert_eq!(config.quota.execution_idle, std::time::Duration::from_secs(3600));
    let explicit = LEAST.replace("subnets", "allowLocal: [], subnets");
    assert!(
        parse(&SourceFile::new("c.yaml", explicit.as_bytes())).is_ok(),
        "the default may be written down"
    );
}

#[test]
fn a_wrong_setting_is_told_where_it_stands() {
    for (line, expected) in [
        ("failMode: opn", "5:13 unknown `failMode` `opn` (did you mean `open`?)"),
        ("failmode: open", "5:3 unknown field `failmode` (did you mean `failMode`?)"),
        (
            "explicitProxy: {listen: []}",
            "5:3 `explicitProxy` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "admin: {dashboard: \"127.0.0.1:9654\"}",
            "5:11 `dashboard` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "dns: {upstreams: [\"tls://dns.example\"]}",
            "5:21 `tls://dns.example` is not a DNS server (name the address too, because nothing can resolve the name of a resolver: `tls://dns.example@192.0.2.53`)",
        ),
        (
            "dns: {denyResolvers: ['*.doh.example']}",
            "5:25 `*.doh.example` is neither a host name nor a network (write `doh.example`: a name stands for everything below it, too)",
        ),
        (
            "dns: {allowResolvers: ['https://doh.example/dns-query']}",
            "5:26 `https://doh.example/dns-query` is neither a host name nor a network (write the host alone, an address or a network: `doh.example`, `192.0.2.53`, `192.0.2.0/24`)",
        ),
        (
            "dns: {denyResolvers: [192.0.2.1/24]}",
            "5:25 `192.0.2.1/24` has bits set after its first 24 (write `192.0.2.0/24`, or `192.0.2.1/32` for this address alone)",
        ),
        (
            "dns: {denyResolvers: [DoH.example], allowResolvers: [doh.example.]}",
            "5:56 `doh.example.` is named twice (remove one of them)",
        ),
        (
            "dns: {denyResolver: [doh.example]}",
            "5:9 unknown field `denyResolver` (did you mean `denyResolvers`?)",
        ),
        ("upstream: {trustAnchors: [a.pem]}", "5:29 path `a.pem` is relative (write it from `/` on)"),
        ("policyDir: /a/../b", "5:14 path `/a/../b` has `..` in it (write it without)"),
        (
            "ledger: {retention: 90d}",
            "5:12 `retention` is not yet enforced (remove it: records are kept until someone deletes the ledger)",
        ),
        (
            "ledger: {onUnavailable: allow}",
            "5:27 `onUnavailable: allow` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "dns: {upstreams: [9.9.9.9, 'TLS://9.9.9.9', 'tls://9.9.9.9:853']}",
            "5:47 `tls://9.9.9.9:853` is named twice (remove one of them)",
        ),
        (
            "ledger: {journal: 10 parsecs}",
            "5:21 journal `10 parsecs` is not a size (write it like `256MiB`, with KiB, MiB, GiB, kB, MB or GB)",
        ),
        ("ledger: {journal: 4096}", "5:21 journal `4096` is not between 1MiB and 1024GiB"),
    ] {
        assert_eq!(told(&format!("{LEAST}  {line}\n")), [expected], "{line}");
    }
    for (from, to, expected) in [
        ("[agents0]", "[]", "4:15 `interfaces` is an empty list (name at least one)"),
        (
            "[agents0]",
            "['a*']",
            "4:28 `a*` is not the name of a network interface (names have at most 15 characters, none of them a space, `/`, `:` or `*`)",
        ),
        ("[agents0]", "[a, a]", "4:31 `a` is named twice (remove one of them)"),
        (
            "10.77.0.0/24",
            "10.77.0.1/24",
            "4:48 `10.77.0.1/24` has bits set after its first 24 (write `10.77.0.0/24`, or `10.77.0.1/32` for this address alone)",
        ),
        (
            "subnets",
            "echo: {destinations: [], packetsPerSecond: 5}, subnets",
            "4:45 `destinations` is an empty list (name at least one)",
        ),
        ("subnets", "echo: {packetsPerSecond: 5}, subnets", "4:38 `echo` lacks the field `destinations`"),
        (
            "subnets",
            "echo: {destinations: [10.0.0.1], packetsPerSecond: 5}, subnets",
            "4:60 `10.0.0.1` is not a network (write `10.0.0.1/32`)",
        ),
        (
            "subnets",
            "echo: {destinations: [10.0.0.0/8], packetsPerSecond: 101}, subnets",
            "4:91 `packetsPerSecond` 101 is not between 1 and 100",
        ),
        (
            "subnets",
            "echo: {destinations: [10.0.0.0/8], packetPerSecond: 1, packetsPerSecond: 1}, subnets",
            "4:73 unknown field `packetPerSecond` (did you mean `packetsPerSecond`?)",
        ),
        (", subnets: [10.77.0.0/24]", "", "4:3 `intercept` lacks the field `subnets`"),
        ("ClawgressConfig", "Agent", "2:7 unknown `kind` `Agent` (it can be `ClawgressConfig`)"),
    ] {
        assert_eq!(told(&LEAST.replace(from, to)), [expected], "{to}");
    }
    let long = format!("{LEAST}  runtimeDir: /{}\n", "a".repeat(100));
    assert_eq!(
        told(&long),
        ["5:15 `runtimeDir` is longer than 96 bytes: the path of a socket in it would not fit"]
    );
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = WHOLE
        .replace("failMode: open", "failMode: ajar")
        .replace("64MiB", "64 mib")
        .replace("/srv/state", "srv");
    assert_eq!(told(&text).len(), 3);
}

#[test]
fn a_file_without_settings_is_refused() {
    assert_eq!(
        told("# nothing\n"),
        ["1:1 the file has no document (it has `apiVersion`, `kind: ClawgressConfig` and `spec`)"]
    );
    assert_eq!(told(&format!("{LEAST}---\n{LEAST}")).len(), 1);
    assert_eq!(told("a: [\n").len(), 1, "the syntax error alone");
}
