//! What is proposed on hosts of every kind, and what is written.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::candidates::{Runtime, likeliest, opinions};
use super::plan::{self, Agent, Folders, Plan, PlanError, Planned, Wish, plan};
use super::survey::Host;
use super::write::{self, Written};
use crate::model::cases;
use crate::model::manifest::SourceFile;
use crate::perceive::intercept::links::{Interface, Kind};

fn interface(name: &str, kind: Kind, addresses: &[&str]) -> Interface {
    let nets: Vec<IpNet> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Interface {
        name: name.into(),
        up: true,
        kind,
        port: false,
        addresses: nets.iter().map(IpNet::addr).collect(),
        networks: nets.iter().map(IpNet::trunc).collect(),
        routes: nets.iter().map(IpNet::trunc).collect(),
        advertised: false,
        neighbours: vec![],
    }
}

fn uplink() -> Interface {
    let mut eth0 = interface("eth0", Kind::Card, &["192.0.2.1/24", "fe80::1/64"]);
    eth0.routes.push("0.0.0.0/0".parse().unwrap());
    eth0
}

fn bridge() -> Interface {
    interface("agents0", Kind::Bridge, &["10.77.0.1/24", "fd77::1/64", "fe80::2/64"])
}

fn host(interfaces: Vec<Interface>) -> Host {
    Host { interfaces, ..Host::default() }
}

fn wish() -> Wish {
    Wish {
        interfaces: vec![],
        subnets: vec![],
        agents: vec![],
        resolvers: vec![],
        folders: Folders {
            config: "/etc/clawgress/clawgress.yaml".into(),
            policy: "/etc/clawgress/policies.d".into(),
            state: "/var/lib/clawgress".into(),
            runtime: "/run/clawgress".into(),
        },
    }
}

fn planned(host: &Host, wish: &Wish) -> Result<Plan, PlanError> {
    plan(host, &opinions(&host.interfaces), wish)
}

fn settings(plan: &Plan) -> &str {
    &plan.files.last().unwrap().content
}

#[test]
fn bridges_of_every_runtime_are_known_by_their_names() {
    for (name, kind, runtime) in [
        ("virbr0", Kind::Bridge, Some(Runtime::Libvirt)),
        ("lxdbr0", Kind::Bridge, Some(Runtime::Lxd)),
        ("incusbr0", Kind::Bridge, Some(Runtime::Incus)),
        ("docker0", Kind::Bridge, Some(Runtime::Docker)),
        ("br-0123456789ab", Kind::Bridge, Some(Runtime::Docker)),
        ("br-office", Kind::Bridge, Some(Runtime::Own)),
        ("cni-podman0", Kind::Bridge, Some(Runtime::Podman)),
        ("podman1", Kind::Bridge, Some(Runtime::Podman)),
        ("agents0", Kind::Bridge, Some(Runtime::Own)),
        ("ve-alice", Kind::Veth, Some(Runtime::Veth)),
        ("eth1.77", Kind::Vlan, Some(Runtime::Vlan)),
        ("eth1", Kind::Card, Some(Runtime::Card)),
        ("wg0", Kind::Tunnel, None),
    ] {
        let found = opinions(&[interface(name, kind, &["10.77.0.1/24"])]);
        assert_eq!(found[0].runtime, runtime, "{name}: {}", found[0].why);
    }
}

#[test]
fn the_way_out_a_port_what_is_off_and_what_has_no_address_are_never_proposed() {
    let mut port = interface("veth0", Kind::Veth, &[]);
    port.port = true;
    let mut off = bridge();
    off.up = false;
    let bare = interface("br0", Kind::Bridge, &["fe80::1/64"]);
    for (one, why) in [
        (uplink(), "default route"),
        (port, "a port of"),
        (off, "switched off"),
        (bare, "without an address"),
    ] {
        let found = opinions(std::slice::from_ref(&one));
        assert!(found[0].runtime.is_none() && found[0].why.contains(why), "{found:?}");
        assert_eq!(planned(&host(vec![one]), &wish()), Err(PlanError::NoInterface));
    }
}

#[test]
fn the_likeliest_is_proposed_and_of_several_alike_somebody_chooses() {
    let docker = interface("docker0", Kind::Bridge, &["172.17.0.1/16"]);
    let both = [uplink(), docker.clone(), bridge()];
    assert_eq!(likeliest(&opinions(&both)).unwrap().name, "agents0");
    let other = interface("br-0123456789ab", Kind::Bridge, &["172.18.0.1/16"]);
    let found = planned(&host(vec![uplink(), docker, other]), &wish());
    assert_eq!(found, Err(PlanError::Several(vec!["br-0123456789ab".into(), "docker0".into()])));
}

#[test]
fn a_plain_host_gets_settings_an_agent_and_the_starter_set_that_load_and_keep_their_tests() {
    let mut agents0 = bridge();
    agents0.neighbours =
        vec!["fd77::9".parse().unwrap(), "10.77.0.7".parse().unwrap(), "fe80::9".parse().unwrap()];
    let host = host(vec![uplink(), agents0]);
    let plan = planned(&host, &wish()).unwrap();
    assert_eq!(plan.interfaces, ["agents0"]);
    assert_eq!(
        plan.subnets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.77.0.0/24", "fd77::/64"]
    );
    assert_eq!(plan.agents[0].addresses[0].to_string(), "10.77.0.7/32");
    assert!(settings(&plan).contains("subnets: [10.77.0.0/24, \"fd77::/64\"]"), "{}", settings(&plan));
    assert!(!settings(&plan).contains("policyDir"), "what is usual is not written");
    plan::check_policies(&plan, &[]).unwrap();
    assert_eq!(plan.files.len(), 13);
    let tests: Vec<SourceFile> = plan
        .files
        .iter()
        .filter(|file| file.path.to_string_lossy().ends_with(".test.yaml"))
        .map(|file| SourceFile::new(file.path.display().to_string(), file.content.as_bytes()))
        .collect();
    assert!(!cases::read(&tests).unwrap().is_empty());
}

#[test]
fn agents_keep_their_names_and_addresses_and_must_be_in_the_workloads_networks() {
    let agent = |name: &str, addresses: &[&str]| Agent {
        name: name.into(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        guessed: None,
    };
    let host = host(vec![uplink(), bridge()]);
    let with = |agents| planned(&host, &Wish { agents, ..wish() });
    let plan = with(vec![agent("alice", &["10.77.0.2/32", "fd77::2/128"]), agent("bob", &["10.77.0.3/32"])])
        .unwrap();
    plan::check_policies(&plan, &[]).unwrap();
    let text = &plan.files.iter().find(|file| file.path.ends_with("20-agent.yaml")).unwrap().content;
    assert_eq!(text.matches("kind: Agent").count(), 2);
    assert!(
        text.contains("name: alice\n") && text.contains("      - 10.77.0.2/32\n      - \"fd77::2/128\"\n"),
        "{text}"
    );
    assert!(
        !text.contains("10.77.0.2/32\n      - fd77::2/128\n      - "),
        "the example's own are gone: {text}"
    );
    let tests = &plan.files.iter().find(|file| file.path.ends_with("10-gateway.test.yaml")).unwrap().content;
    assert!(tests.contains("agent: alice\n") && !tests.contains("agent: example"), "{tests}");

    let far = with(vec![agent("eve", &["10.78.0.2/32"])]).unwrap_err().to_string();
    assert!(far.contains("10.78.0.2/32 of agent `eve` lies in no network of workloads"), "{far}");
    let own = with(vec![agent("eve", &["10.77.0.1/32"])]).unwrap_err().to_string();
    assert!(own.contains("this host's own address"), "{own}");
    let twice = with(vec![agent("a", &["10.77.0.2/32"]), agent("b", &["10.77.0.2/32"])]).unwrap();
    assert!(matches!(plan::check_policies(&twice, &[]), Err(PlanError::Refused(_))));
}

#[test]
fn what_was_named_is_taken_unless_it_shuts_the_host_out() {
    let host = host(vec![uplink(), bridge(), interface("wg0", Kind::Tunnel, &["10.99.0.1/24"])]);
    let with = |interface: &str, subnet: Option<&str>| {
        let subnets = subnet.map(|text| text.parse().unwrap()).into_iter().collect();
        planned(&host, &Wish { interfaces: vec![interface.into()], subnets, ..wish() })
    };
    assert_eq!(with("wg0", None).unwrap().subnets[0].to_string(), "10.99.0.0/24");
    assert_eq!(with("wg0", Some("10.98.0.7/16")).unwrap().subnets[0].to_string(), "10.98.0.0/16");
    assert!(with("eth0", None).unwrap_err().to_string().contains("would shut itself out"));
    assert!(with("nope", None).unwrap_err().to_string().contains("there is no interface `nope`"));
    assert!(
        with("agents0", Some("192.0.2.0/24")).unwrap_err().to_string().contains("by which this host leaves")
    );
}

#[test]
fn settings_of_the_kernel_keep_the_hosts_own_way_out() {
    let mut eth0 = uplink();
    eth0.advertised = true;
    let seen = |ra: &str| Host {
        settings: vec![
            ("net/ipv6/conf/eth0/accept_ra".into(), ra.into()),
            ("net/bridge/bridge-nf-call-iptables".into(), "1".into()),
        ],
        ..host(vec![eth0.clone(), bridge()])
    };
    let set = |host: &Host| -> Vec<String> {
        let plan = planned(host, &wish()).unwrap();
        plan.sysctl.iter().map(|one| format!("{}={}", one.path, one.value)).collect()
    };
    assert_eq!(
        set(&seen("1")),
        [
            "net/ipv4/ip_forward=1",
            "net/ipv6/conf/all/forwarding=1",
            "net/ipv6/conf/eth0/accept_ra=2",
            "net/bridge/bridge-nf-call-iptables=0",
        ]
    );
    assert_eq!(set(&seen("0")).len(), 3, "who takes no advertisements in the kernel is left alone");
    let serviced = Host { forwards_itself: true, packaged: true, ..seen("1") };
    assert_eq!(
        set(&serviced),
        ["net/ipv6/conf/eth0/accept_ra=2", "net/bridge/bridge-nf-call-iptables=0"],
        "the service forwards behind its rules"
    );
    let beside = plan::sysctl_file(&planned(&serviced, &wish()).unwrap());
    assert_eq!(beside.path, Path::new("/etc/sysctl.d/61-clawgress.conf"), "the package's own stays in force");
    let file = plan::sysctl_file(&planned(&seen("1"), &wish()).unwrap());
    assert!(file.content.contains("\n-net/ipv4/ip_forward = 1\n"), "{}", file.content);
}

#[test]
fn folders_and_resolvers_of_ones_own_stand_in_the_settings() {
    let mut wish = wish();
    wish.folders.state = "/srv/state".into();
    wish.resolvers = vec!["192.0.2.53".into(), "tls://dns.example@192.0.2.54".into()];
    let plan = planned(&host(vec![bridge()]), &wish).unwrap();
    let text = settings(&plan);
    assert!(text.contains("  stateDir: /srv/state\n"), "{text}");
    assert!(text.contains("dns: {upstreams: [\"192.0.2.53\", \"tls://dns.example@192.0.2.54\"]}"), "{text}");
    wish.resolvers = vec!["nonsense".into()];
    assert!(matches!(planned(&host(vec![bridge()]), &wish), Err(PlanError::Refused(_))));
}

#[test]
fn without_a_neighbour_the_first_free_address_is_guessed_and_said_to_be_one() {
    let guessed = |addresses: &[&str]| {
        let plan = planned(&host(vec![interface("agents0", Kind::Bridge, addresses)]), &wish()).unwrap();
        assert!(plan.agents[0].guessed.is_some());
        plan.agents[0].addresses[0].addr()
    };
    assert_eq!(guessed(&["10.77.0.1/24"]), "10.77.0.2".parse::<IpAddr>().unwrap());
    assert_eq!(guessed(&["10.77.0.2/24"]), "10.77.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(guessed(&["fd77::1/64"]), "fd77::2".parse::<IpAddr>().unwrap());
}

fn file(path: &Path, content: &str) -> Planned {
    Planned { path: path.to_owned(), content: content.to_owned() }
}

#[test]
fn files_are_written_with_copies_of_what_they_replace() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let (old, same, new) =
        (root.path().join("old"), root.path().join("same"), root.path().join("deep/er/new"));
    fs::write(&old, "before").unwrap();
    fs::write(&same, "same").unwrap();
    let files = [file(&old, "after"), file(&same, "same"), file(&new, "new")];
    assert_eq!(write::in_the_way(&files).len(), 1);
    let copy = root.path().join("old.stamp");
    let done = write::all(&files, "stamp").unwrap();
    assert_eq!(
        done,
        [Written::Replaced(old.clone(), copy.clone()), Written::Same(same), Written::New(new.clone())]
    );
    assert_eq!(
        (fs::read_to_string(&old).unwrap(), fs::read_to_string(&copy).unwrap()),
        ("after".into(), "before".into())
    );
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(root.path().join("deep/er")).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn what_the_package_brought_and_nobody_changed_is_in_nobodys_way() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("clawgress.yaml");
    let shipped =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/etc/clawgress.yaml")).unwrap();
    let files = [file(&path, "filled in")];
    for (content, blocks) in [(shipped.clone(), 0), (shipped + "# mine\n", 1)] {
        fs::write(&path, content).unwrap();
        assert_eq!(write::in_the_way(&files).len(), blocks);
    }
    // A copy is kept all the same.
    assert!(matches!(write::all(&files, "stamp").unwrap()[..], [Written::Replaced(..)]));
}

#[test]
fn where_one_file_cannot_be_written_all_are_as_before() {
    let root = tempfile::tempdir().unwrap();
    let (old, blocked) = (root.path().join("old"), root.path().join("blocked"));
    fs::write(&old, "before").unwrap();
    fs::write(&blocked, "a file where a folder should be").unwrap();
    let files =
        [file(&old, "after"), file(&root.path().join("deep/new"), "new"), file(&blocked.join("x"), "x")];
    let error = write::all(&files, "stamp").unwrap_err();
    assert!(error.to_string().ends_with("nothing was changed"), "{error}");
    assert_eq!(fs::read_to_string(&old).unwrap(), "before");
    let mut left: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["blocked", "old"]);
}
