//! What the guard must let pass: names of real clouds, busy agents, and programs that ask for many records.

use super::*;

#[test]
fn long_names_of_real_services_are_let_through() {
    let names = [
        "d111111abcdef8.cloudfront.net",
        "my-loadbalancer-1234567890.us-east-2.elb.amazonaws.com",
        "a1b2c3d4e5f6g7h8-1234567890.elb.eu-central-1.amazonaws.com",
        "myaks-prod-dns-1a2b3c4d.hcp.westeurope.azmk8s.io",
        "ABCDEF0123456789ABCDEF0123456789.gr7.us-east-1.eks.amazonaws.com",
        "search-logs-production-abcdefghijklmnopqrstuvwxyz.us-east-1.es.amazonaws.com",
        "vpc-metrics-q7w2x5k3m8n4p9r6t1v0y2z5b7.eu-west-1.es.amazonaws.com",
        "cluster0-shard-00-02.ab12c.mongodb.net",
        "my-very-long-bucket-name-for-build-artifacts-2024.s3.eu-central-1.amazonaws.com",
        "stprodlogs7f3k2.blob.core.windows.net",
        "xy12345.eu-central-1.snowflakecomputing.com",
        "adb-1234567890123456.7.azuredatabricks.net",
        "dbc-a1b2345c-d6e7.cloud.databricks.com",
        "hello-service-abcdefghij-uc.a.run.app",
        "3f2b8c1e-9d4a-4c6b-8f1e-2a7b9c0d1e2f.sessions.example.com",
        "r4---sn-4g5edn6k.googlevideo.com",
        "rr3---sn-25ge7nsd.googlevideo.com",
        "lh3.googleusercontent.com",
        "o447951.ingest.sentry.io",
        "0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com",
        "mydb.c9akciq32rgl.eu-west-1.rds.amazonaws.com",
        "my-cache.abc123.ng.0001.euw1.cache.amazonaws.com",
        "b-1234abcd-56ef-78ab-90cd-1234567890ab-1.mq.us-west-2.amazonaws.com",
        "ip-10-20-30-40.eu-west-1.compute.internal",
        "e1a2b3c4d5e6f7.execute-api.us-east-1.amazonaws.com",
        "dualstack.python.map.fastly.net",
        "scontent-fra3-1.xx.fbcdn.net",
        "xn--mnchen-3ya.example.com",
        "objects.githubusercontent.com",
    ];
    let scene = Scene::new();
    for name in names {
        for kind in FOR_A_CONNECTION {
            assert_eq!(scene.refusal(name, kind), None, "{name}");
        }
    }
    // Records that stand beside names of hosts, and those under labels of a service.
    for (name, kind) in [
        ("selector1-contoso-com._domainkey.contoso.onmicrosoft.com", RecordType::TXT),
        ("abcdefghijklmnopqrstuvwxyz123456._domainkey.example.org", RecordType::TXT),
        ("_3f2b8c1e9d4a4c6b8f1e2a7b9c0d1e2f.example.org", RecordType::CNAME),
        ("_mongodb._tcp.cluster0.ab12c.mongodb.net", RecordType::SRV),
        ("cluster0.ab12c.mongodb.net", RecordType::TXT),
        ("_dmarc.example.org", RecordType::TXT),
        ("_acme-challenge.example.org", RecordType::TXT),
    ] {
        assert_eq!(scene.refusal(name, kind), None, "{name}");
    }
}

#[test]
fn programs_that_ask_for_many_records_are_let_through_and_so_are_the_addresses_they_lead_to() {
    let scene = Scene::new();
    // The longest chain of SPF that is well known, with DMARC.
    for name in ["google.com", "_spf.google.com", "_netblocks.google.com", "_netblocks2.google.com"] {
        assert_eq!(scene.refusal(name, RecordType::TXT), None, "{name}");
    }
    for name in ["_netblocks3.google.com", "_dmarc.google.com"] {
        assert_eq!(scene.refusal(name, RecordType::TXT), None, "{name}");
    }
    // Kerberos and a directory.
    let services = ["_kerberos._udp", "_kerberos._tcp", "_kerberos-master._udp", "_kerberos-master._tcp"];
    for service in services.into_iter().chain(["_ldap._tcp.dc._msdcs", "_kpasswd._udp", "_kpasswd._tcp"]) {
        assert_eq!(scene.refusal(&format!("{service}.corp.example.com"), RecordType::SRV), None, "{service}");
    }
    for kind in [RecordType::TXT, RecordType(256)] {
        assert_eq!(scene.refusal("_kerberos.corp.example.com", kind), None);
    }
    // A stub that validates.
    for host in 0..100 {
        for kind in [RecordType::A, RecordType::SOA, RecordType::NS, RecordType::DS, RecordType::DNSKEY] {
            assert_eq!(scene.refusal(&format!("host{host}.example.net"), kind), None);
        }
    }
}

#[test]
fn a_handful_of_random_looking_hosts_of_one_service_in_a_minute_is_let_through() {
    let scene = Scene::new();
    let hosts = (0..8).map(|host| {
        let id = encoded(host, 32, HEX);
        format!(
            "{}-{}-{}-{}-{}.sessions.example.com",
            &id[..8],
            &id[8..12],
            &id[12..16],
            &id[16..20],
            &id[20..]
        )
    });
    assert_eq!(scene.passed(hosts, RecordType::A), 8);
    let clusters =
        (0..8).map(|host| format!("search-logs-{}.us-east-1.es.amazonaws.com", encoded(host, 26, BASE32)));
    assert_eq!(scene.passed(clusters, RecordType::A), 8);
    let shards =
        (0..30).map(|host| format!("rr{}---sn-{}.googlevideo.com", host % 9, encoded(host, 8, BASE32)));
    assert_eq!(scene.passed(shards, RecordType::A), 30);
}

#[test]
fn sixty_subdomains_of_one_zone_in_a_minute_are_let_through_every_minute() {
    let mut scene = Scene::new();
    for minute in 0..10 {
        for host in 0..60 {
            let name = format!("customer-{minute}-{host}.shop.eu.example.com");
            for kind in FOR_A_CONNECTION {
                assert_eq!(scene.refusal(&name, kind), None, "{name}");
            }
        }
        scene.later(DNS_TUNNEL_WINDOW);
    }
}

#[test]
fn a_name_that_is_asked_for_ten_thousand_times_is_one_name() {
    let mut scene = Scene::new();
    for _ in 0..10_000 {
        scene.later(Duration::from_millis(1));
        for kind in FOR_A_CONNECTION {
            assert_eq!(scene.refusal("one.example.com", kind), None);
        }
    }
}

#[test]
fn names_that_documents_write_out_are_never_counted() {
    let scene = Scene::new();
    for host in 0..5000 {
        let host = HostName::parse(&format!("{}.example.com", encoded(host, 60, HEX))).unwrap();
        for kind in FOR_A_CONNECTION {
            let asked = Asked { host: &host, kind, by_agent: false, base: None, flagged: false };
            scene.sends_so(&asked, 512).unwrap();
        }
        let text = Asked { host: &host, kind: RecordType::TXT, by_agent: false, base: None, flagged: false };
        scene.guard.admit(&scene.alice, &text, scene.now).unwrap();
        scene.guard.answered(&scene.alice, &text, Heard::default()).unwrap();
    }
}

#[test]
fn search_domains_under_allow_all_shut_their_own_zone_and_no_name_that_is_written_out() {
    let scene = Scene::new();
    let hosts = [
        "api.github.com",
        "www.rust-lang.org",
        "packages.debian.org",
        "files.example.net",
        "static.rust-lang.org",
        "go.dev",
        "api.openai.com",
        "api.anthropic.com",
        "huggingface.co",
        "cdn-lfs.huggingface.co",
        "raw.githubusercontent.com",
        "codeload.github.com",
        "auth.quay.io",
        "quay.io",
        "status.github.com",
        "deb.debian.org",
        "security.debian.org",
        "archive.ubuntu.com",
        "sentry.io",
        "sts.amazonaws.com",
        "oauth2.googleapis.com",
        "www.google.com",
        "en.wikipedia.org",
        "stackoverflow.com",
        "docs.python.org",
        "nodejs.org",
        "docs.rs",
        "lib.rs",
        "gitlab.com",
        "bitbucket.org",
        "slack.com",
    ];
    let search = ["agents.svc.cluster.local", "svc.cluster.local", "cluster.local"];
    let is_let_through = |host: &&&str| {
        search.iter().all(|suffix| scene.refusal(&format!("{host}.{suffix}"), RecordType::A).is_none())
    };
    let through = hosts.iter().filter(is_let_through).count();
    // docs/names.md says so.
    assert_eq!(through, 23);
    for host in hosts {
        assert_eq!(scene.refusal(host, RecordType::A), None, "{host}");
    }
    let redis = HostName::parse("redis.agents.svc.cluster.local").unwrap();
    let asked = |by_agent| Asked { host: &redis, kind: RecordType::A, by_agent, base: None, flagged: false };
    assert!(scene.guard.admit(&scene.alice, &asked(true), scene.now).is_err());
    assert_eq!(scene.guard.admit(&scene.alice, &asked(false), scene.now), Ok(()));
}
