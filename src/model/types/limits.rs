//! Every wait and every buffer that a peer controls has its bound here, with its unit in its type or name.
//!
//! A bound that is reached ends in a prompt, recorded refusal, never in a hang.

use std::time::Duration;

/// Bytes looked at before a connection must have said what it is: room for a ClientHello with several
/// post-quantum key shares, or for a whole HTTP/1 head.
pub const HELLO_BYTES: usize = 64 * 1024;
/// Time a client has to finish its first message once it has begun it.
pub const HELLO_TIME: Duration = Duration::from_secs(10);
/// Silence after which a client is taken to wait for the server to speak first (SSH, SMTP, MySQL).
pub const HELLO_SILENCE: Duration = Duration::from_millis(250);

/// Bytes of one HTTP/1 head, request line and fields together.
pub const HEAD_BYTES: usize = 64 * 1024;
/// Fields in one head or trailer section.
pub const HEAD_FIELDS: usize = 200;
/// Bytes of one chunk-size line, extensions included, and of one trailer section.
pub const CHUNK_LINE_BYTES: usize = 4 * 1024;
/// Time to send a whole request head once its first byte is there.
pub const HEAD_TIME: Duration = Duration::from_secs(30);
/// Time a kept connection may idle between requests.
pub const KEEP_ALIVE_TIME: Duration = Duration::from_secs(620);
/// Time a body or a relayed flow may stand still in both directions.
pub const FLOW_IDLE_TIME: Duration = Duration::from_secs(3600);
/// Concurrent requests on one HTTP/2 connection from a workload.
pub const HTTP2_STREAMS: u32 = 256;

/// Time for a TLS handshake, on either leg.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Time for one TCP connection attempt to one address.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for all attempts to reach one destination.
pub const DIAL_TIME: Duration = Duration::from_secs(15);
/// Time until an upstream must have sent its response head; long, because models think.
pub const RESPONSE_HEAD_TIME: Duration = Duration::from_secs(900);
/// Time an unused upstream connection stays in the pool.
pub const POOL_IDLE_TIME: Duration = Duration::from_secs(60);
/// Unused upstream connections kept per agent and destination, on one worker.
pub const POOL_IDLE_PER_KEY: usize = 256;
/// Unused upstream connections kept on one worker.
pub const POOL_IDLE_ALL: usize = 2048;

/// Connections of workloads alive at once on one worker.
pub const CONNECTIONS_PER_WORKER: usize = 16 * 1024;
/// Time a connection that was refused may stay to read the answer.
pub const REFUSAL_LINGER: Duration = Duration::from_secs(5);
/// Leaf certificates kept in memory.
pub const LEAF_CACHE: usize = 4096;

/// Bytes of one DNS message over TCP; UDP is bounded by the datagram.
pub const DNS_MESSAGE_BYTES: usize = 65_535;
/// Time for one try at one DNS upstream.
pub const DNS_TRY_TIME: Duration = Duration::from_secs(2);
/// Time for a DNS query as a whole.
pub const DNS_QUERY_TIME: Duration = Duration::from_secs(6);
/// DNS queries in flight on one worker.
pub const DNS_IN_FLIGHT: usize = 1024;
/// Names remembered per agent; past it the oldest is forgotten.
pub const DNS_NAMES_PER_AGENT: usize = 4096;
/// A name stays believed at least this long, whatever its TTL: clients cache longer than they should.
pub const DNS_BELIEF_FLOOR: Duration = Duration::from_secs(300);
/// A name is believed no longer than this after its TTL began.
pub const DNS_BELIEF_CEILING: Duration = Duration::from_secs(86_400);

/// Bytes of one record in its canonical form; longer values in it are cut and marked.
pub const RECORD_BYTES: usize = 16 * 1024;
/// Bytes of a path kept in a record.
pub const RECORD_PATH_BYTES: usize = 4 * 1024;

/// Bytes of one policy file.
pub const POLICY_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Policy files in one folder tree.
pub const POLICY_FILES: usize = 4096;
