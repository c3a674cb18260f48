//! PostgreSQL's own client and server: a protocol that is neither HTTP nor TLS from its first byte.

use std::net::TcpStream;

use serde_json::json;

use super::tools::PATIENCE;
use crate::e2e::clients::raw_ports;
use crate::e2e::world::{RAW, World};
use crate::lab::backends::eventually;

/// Makes a database below `$1`, which belongs to the user whom the package brings: the server refuses to be root.
const SERVER: &str = r#"set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n1)
cd /
install -d -o postgres "$1"
runuser -u postgres -- "$bin/initdb" -D "$1/data" --auth=trust --no-sync -U alice >&2
echo 'host all all all trust' >> "$1/data/pg_hba.conf"
exec setpriv --reuid postgres --regid postgres --clear-groups -- "$bin/postgres" -D "$1/data" \
    -c listen_addresses="$2" -c unix_socket_directories= -c fsync=off"#;

#[test]
fn psql_asks_where_a_route_names_its_port() {
    let world = World::new();
    let daemon = world.gateway(&raw_ports("{port: 5432}"));
    // The lab's own folder is root's alone.
    let folder = tempfile::Builder::new().prefix("clab-postgres-").tempdir().expect("a temporary folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("a mode");
    let server = world.lab.upstream().command("sh").args(["-c", SERVER, "sh"]);
    let server = server.arg(folder.path().join("server")).arg(RAW);
    let mut server = server.start_logged(&world.lab.folder().join("postgres.log"));
    world.lab.upstream().enter(|| {
        eventually("postgres listens", || {
            assert!(server.ended().is_none(), "postgres has ended; its log follows");
            TcpStream::connect((RAW, 5432)).ok()
        });
    });
    let psql = |host: &str, query: &str| {
        let program =
            world.lab.workload().command("psql").args(["-h", host, "-U", "alice", "-d", "postgres"]);
        program.args(["-Atc", query]).deadline(PATIENCE).run()
    };
    let allowed = psql("raw.example", "select count(*), repeat('x', 3) from generate_series(1, 100000)");
    assert_eq!(allowed.succeeded(), "100000|xxx\n");
    daemon.record(&json!({
        "kind": "connection", "destination_host": "raw.example", "destination_port": 5432, "decision": "allow",
        "policy_id": "EgressL4Route/raw-echo",
    }));
    let refused = psql("paste.example", "select 1");
    assert!(refused.failed_with(2).contains("server closed the connection unexpectedly"), "{refused}");
    daemon.record(&json!({
        "kind": "connection", "destination_address": "192.0.2.12", "destination_port": 5432,
        "reason": "policy.no-route",
    }));
}
