//! Every wait and every buffer that a peer controls has its bound here, with its unit in its type or name.
//!
//! A bound that is reached ends in a prompt, recorded refusal, never in a hang. In the order of the road: connections, what
//! they say first, HTTP, patience with workloads, TLS, upstreams; UDP, DNS and tunnels in it; records, documents, the
//! operator's API.

use std::time::Duration;

/// Connections of workloads alive at once on one worker.
pub const CONNECTIONS_PER_WORKER: usize = 16 * 1024;
/// Connections that a worker takes before it turns to those it has.
pub const ACCEPTS_IN_A_ROW: usize = 8;
/// Pause of a worker that cannot accept for want of files or memory; the backlog keeps what arrives meanwhile.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Connections of one agent alive at once on one worker, whatever its addresses; sources that no agent has count as one.
/// Where the limit of open files allows fewer connections, an agent has the same part of those.
pub const CONNECTIONS_PER_AGENT: usize = 4 * 1024;
/// Descriptors that a connection costs as a rule: the workload's and the upstream's. While bytes are spliced there are
/// four more.
pub const FILES_PER_CONNECTION: u64 = 2;
/// A limit of open files below which a start warns.
pub const FILES_WANTED: u64 = 64 * 1024;

/// Bytes looked at before a connection must have said what it is: room for a ClientHello with several
/// post-quantum key shares, or for a whole HTTP/1 head.
pub const HELLO_BYTES: usize = 64 * 1024;
/// Time a client has to finish its first message once it has begun it.
pub const HELLO_TIME: Duration = Duration::from_secs(10);
/// Silence after which a client is taken to wait for the server to speak first (SSH, SMTP, MySQL).
pub const HELLO_SILENCE: Duration = Duration::from_millis(250);
/// Extensions in one ClientHello; browsers send about 18.
pub const HELLO_EXTENSIONS: usize = 256;
/// Protocols offered in one ALPN extension.
pub const HELLO_ALPN: usize = 64;

/// Bytes of one HTTP/1 head, request line and fields together.
pub const HEAD_BYTES: usize = 64 * 1024;
/// Bytes of a request method; the longest registered one has 17.
pub const METHOD_BYTES: usize = 32;
/// Further methods that fields of one request may ask servers to take it by: each is judged.
pub const METHODS_ASKED_FOR: usize = 4;
/// Bytes kept of the target of a CONNECT: a host name and a port.
pub const CONNECT_TARGET_BYTES: usize = 260;
/// Bytes of one request line.
pub const REQUEST_LINE_BYTES: usize = 32 * 1024;
/// Bytes of one field line in a head.
pub const FIELD_LINE_BYTES: usize = 32 * 1024;
/// Fields in one head or trailer section.
pub const HEAD_FIELDS: usize = 200;
/// Bytes of one chunk-size line, extensions included, and of one trailer section.
pub const CHUNK_LINE_BYTES: usize = 4 * 1024;
/// Bytes of all chunk extensions of one body.
pub const CHUNK_EXTENSION_BYTES: usize = 8 * 1024;
/// Options named by all `Connection` fields of one head.
pub const CONNECTION_OPTIONS: usize = 32;
/// Bytes of a path that is read in every way in which servers read it, where a rule denies paths; one that is longer
/// and leaves doubt is denied.
pub const LOOSE_PATH_BYTES: usize = 4 * 1024;
/// Time to send a whole head, of a request or of an answer, once its first byte is there.
pub const HEAD_TIME: Duration = Duration::from_secs(30);

/// Concurrent requests on one HTTP/2 connection from a workload.
pub const HTTP2_STREAMS: u32 = 256;
/// Frames of one HTTP/2 connection that may bring nothing, all at once: pings, settings, window updates and their
/// like. A reset counts as four.
pub const FRAME_BURST: u64 = 4096;
/// Such frames that come to be allowed again each second.
pub const FRAMES_PER_SECOND: u64 = 512;
/// Streams of one HTTP/2 connection that a workload may reset before we heard them (CVE-2023-44487), or make us reset
/// (CVE-2025-8671), until the connection is ended.
pub const HTTP2_RESETS: usize = 64;

/// Time a kept connection may idle between requests.
pub const KEEP_ALIVE_TIME: Duration = Duration::from_secs(620);
/// Time a body or a relayed flow may stand still in both directions.
pub const FLOW_IDLE_TIME: Duration = Duration::from_secs(3600);
/// Time in which a request body that is waited for must bring `BODY_PROGRESS` bytes, or its end, as long as the request
/// has no answer. After that it may be a conversation, and `FLOW_IDLE_TIME` holds.
pub const BODY_TIME: Duration = Duration::from_secs(120);
/// Bytes that a request body must bring in each `BODY_TIME`.
pub const BODY_PROGRESS: u64 = 1024;
/// Time a workload may take nothing while bytes wait for it: after that its connection is reset. It reads slowly, or it
/// is gone; what it does not take is memory of this host.
pub const CLIENT_STALL_TIME: Duration = Duration::from_secs(300);
/// Bytes in one connection that the kernel has not sent yet, towards a workload, past which it takes no more
/// (`TCP_NOTSENT_LOWAT`, tcp(7)): what a workload does not take would else be 4 MiB of this host's memory.
pub const UNSENT_BYTES: u32 = 256 * 1024;
/// Silence after which a workload is asked whether it still lives (TCP keep-alive).
pub const CLIENT_PROBE_TIME: Duration = Duration::from_secs(60);
/// Time between questions.
pub const CLIENT_PROBE_INTERVAL: Duration = Duration::from_secs(15);
/// Questions that may go unanswered.
pub const CLIENT_PROBES: u32 = 4;
/// Time the other side of a switched connection has once one side has ended and nothing moves.
pub const TUNNEL_END_TIME: Duration = Duration::from_secs(60);
/// Bytes of a refused request's body that are waited for before the answer.
pub const REFUSED_BODY_BYTES: u64 = 64 * 1024;
/// Time they may take.
pub const REFUSED_BODY_TIME: Duration = Duration::from_millis(250);
/// Time a connection that was refused may stay to read the answer.
pub const REFUSAL_LINGER: Duration = Duration::from_secs(5);
/// Bytes that a workload may still send on an HTTP/1 connection that the gateway has ended, or of an HTTP/2 request
/// that was refused, so that it gets to read the answer; what comes after them meets a reset.
pub const LINGER_BYTES: u64 = 64 * 1024 * 1024;
/// Time it has for that.
pub const LINGER_TIME: Duration = Duration::from_secs(30);

/// Time for a TLS handshake, on either leg.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// TLS handshakes of one agent under way at once on one worker; more of its own wait for a slot.
pub const HANDSHAKES_PER_AGENT: usize = 64;
/// Time for which one of them keeps its slot: longer ones wait for the network.
pub const HANDSHAKE_SLOT_TIME: Duration = Duration::from_millis(250);
/// Leaf certificates kept in memory.
pub const LEAF_CACHE: usize = 4096;

/// Addresses of one name that are looked at and tried; the rest of a longer answer is not used.
pub const DIAL_CANDIDATES: usize = 8;
/// Time for one TCP connection attempt to one address.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for all attempts to reach one destination.
pub const DIAL_TIME: Duration = Duration::from_secs(15);
/// Bytes of one bundle of trust anchors.
pub const TRUST_BUNDLE_BYTES: u64 = 16 * 1024 * 1024;
/// Clocks of certificate status responders may be ahead of ours by this much.
pub const OCSP_SKEW: Duration = Duration::from_secs(300);
/// Certificates in a stapled response that are tried as its signer.
pub const OCSP_SIGNERS: usize = 4;
/// TLS sessions kept for resumption towards upstreams, over all workers; rustls keeps eight a name.
pub const UPSTREAM_SESSIONS: usize = 2048;
/// Time until an upstream must have sent its response head; long, because models think.
pub const RESPONSE_HEAD_TIME: Duration = Duration::from_secs(900);
/// Interim answers (1xx) in front of one answer.
pub const INTERIM_ANSWERS: u32 = 100;
/// Time an unused upstream connection stays in the pool.
pub const POOL_IDLE_TIME: Duration = Duration::from_secs(60);
/// Unused upstream connections kept per agent and destination, on one worker.
pub const POOL_IDLE_PER_KEY: usize = 256;
/// Unused upstream connections kept on one worker.
pub const POOL_IDLE_ALL: usize = 2048;

/// Time a UDP flow may be still while its destination has not answered: two minutes at least (RFC 4787, REQ-5).
pub const UDP_UNANSWERED_TIME: Duration = Duration::from_secs(120);
/// The same once it has answered: the five minutes that REQ-5 recommends.
pub const UDP_IDLE_TIME: Duration = Duration::from_secs(300);
/// UDP flows alive at once over all workers. Each takes one of the kernel's 28,232 ports (`ip_local_port_range`, ip(7)),
/// and DNS must find some left.
pub const UDP_FLOWS: usize = 16 * 1024;
/// UDP flows alive at once on one worker, each with two sockets.
pub const UDP_FLOWS_PER_WORKER: usize = 8 * 1024;
/// One source address may have this part of the UDP flows of a worker.
pub const UDP_FLOWS_SHARE: usize = 4;
/// Datagrams of one flow that wait until its decision is on record.
pub const UDP_WAITING: usize = 16;
/// Bytes of datagrams that wait so, on one worker.
pub const UDP_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Refused flows, of whatever protocol, of one source address that are each put on record within [`FLOW_REFUSAL_TIME`], on one worker; the
/// next is recorded as `overload`, and speaks for all that follow.
pub const FLOW_REFUSALS_PER_SOURCE: usize = 256;
/// Time in which further packets of a refused flow are refused without a record of their own.
pub const FLOW_REFUSAL_TIME: Duration = Duration::from_secs(30);
/// Refused flows of all sources that are remembered so, on one worker.
pub const FLOW_REFUSALS_PER_WORKER: usize = 16 * 1024;

/// Packets of one agent's address that the kernel tells the daemon of when it drops them, at once: more than
/// [`FLOW_REFUSALS_PER_SOURCE`], so that the record says itself where it ends. Sources that no agent has share as many.
pub const DROPS_BURST: u32 = 300;
/// Such packets that come to be told again each second.
pub const DROPS_PER_SECOND: u32 = 50;
/// The same for all sources together, at once.
pub const DROPS_BURST_ALL: u32 = 4000;
/// And each second: what the daemon reads beside its work.
pub const DROPS_PER_SECOND_ALL: u32 = 2000;
/// Parts of UDP datagrams of one agent's address that may wait for their others, at once. The kernel keeps some 3,000 that
/// never are whole, for 30 s and all senders together: one sender must not fill that.
pub const PARTS_BURST: u32 = 200;
/// And each second.
pub const PARTS_PER_SECOND: u32 = 40;
/// Packets with a forged source address that are told at once, whoever forges: their own bound, so that they drown no others.
pub const FORGED_BURST: u32 = 100;
/// Such packets that come to be told again each second.
pub const FORGED_PER_SECOND: u32 = 20;
/// Refused packets of sources that no agent has which are answered at once. Each answer to an address where nobody is
/// waits three seconds for it, in room that the kernel has once for all ICMP errors of a processor (some 130 KiB): forged
/// addresses would silence the refusals of everybody.
pub const STRANGERS_BURST: u32 = 30;
/// Such answers each second.
pub const STRANGERS_PER_SECOND: u32 = 10;
/// Addresses of agents that the kernel keeps such an account for, in each family; past it only the common bound holds.
pub const DROPS_SOURCES: u32 = 16 * 1024;
/// Seconds after which it forgets an address that was silent: then its account is full again anyway.
pub const DROPS_MEMORY: u32 = 60;
/// Bytes of a dropped packet that the daemon looks at: the IP header with all its options and the ports behind it.
pub const DROPS_BYTES: u32 = 128;
/// Bytes of told packets that wait in the kernel until the daemon reads them; what does not fit is lost and counted.
pub const DROPS_BUFFER: usize = 1024 * 1024;
/// Echo requests of one address that the settings may allow each second, at most: a diagnosis, and no channel.
pub const ECHO_PER_SECOND: u32 = 100;
/// Bytes of an IPv4 packet with an echo request that may pass, its header included: what ping(8) sends without options.
/// Over IPv6 the same message has 20 bytes less before it is counted.
pub const ECHO_BYTES: u16 = 84;

/// Bytes of one DNS message over TCP; UDP is bounded by the datagram.
pub const DNS_MESSAGE_BYTES: usize = 65_535;
/// Bytes of one DNS message over UDP, in either direction; what is longer goes over TCP. Queries are far smaller.
pub const DNS_UDP_BYTES: usize = 4096;
/// Time a workload may leave a DNS connection over TCP idle, or a message on it unfinished (RFC 7766, section 6.2.3).
pub const DNS_TCP_IDLE_TIME: Duration = Duration::from_secs(10);
/// Queries answered at once on one DNS connection over TCP of a workload; further ones wait in its socket.
pub const DNS_PIPELINED_PER_CLIENT: usize = 16;
/// Sockets kept on one worker to answer DNS from the addresses that were asked.
pub const DNS_REPLY_SOCKETS: usize = 64;
/// DNS queries over UDP that a worker takes before it turns to other work.
pub const DNS_BATCH: usize = 256;
/// Those of one agent that are answered while one batch after the other is full: a burst, and no flood yet.
pub const DNS_BURST_PER_AGENT: usize = 256;
/// Those of one agent that are answered of each full batch after that; the rest is dropped, so that others are heard.
pub const DNS_BATCH_PER_AGENT: usize = 16;
/// DNS queries in flight on one worker.
pub const DNS_IN_FLIGHT: usize = 1024;
/// The part of them that one agent may take: a name server that keeps silent ties up no other agent.
pub const DNS_IN_FLIGHT_PER_AGENT: usize = 256;
/// Time for a DNS query as a whole: less than the five seconds after which clients give up (resolv.conf(5)), so that
/// they hear of a failure.
pub const DNS_QUERY_TIME: Duration = Duration::from_secs(4);
/// Time for one try at one DNS upstream.
pub const DNS_TRY_TIME: Duration = Duration::from_secs(2);
/// Tries for one DNS query, over all upstreams.
pub const DNS_TRIES: usize = 6;
/// Time an upstream that kept silent, also when asked for the root, is asked only after the others; and no further
/// connection is tried to one that served none.
pub const DNS_REST_TIME: Duration = Duration::from_secs(30);
/// Records in one DNS answer; one with more is no answer. Name servers themselves keep to about 100 of one type.
pub const DNS_RECORDS_PER_ANSWER: usize = 512;
/// Addresses taken from one DNS answer.
pub const DNS_ADDRESSES_PER_ANSWER: usize = 256;
/// Links of a CNAME chain that are followed.
pub const DNS_CHAIN_LINKS: usize = 16;
/// Agents whose names are remembered; past it the agent that asked least recently is forgotten.
pub const DNS_AGENTS: usize = 16 * 1024;
/// Names remembered per agent, beside those in use; past it what has expired is forgotten, then the oldest.
pub const DNS_NAMES_PER_AGENT: usize = 4096;
/// Names remembered for one address of one agent; past it one that has expired is forgotten, else the oldest that is not
/// in use.
pub const DNS_NAMES_PER_ADDRESS: usize = 128;
/// A name stays believed at least this long, whatever its TTL, and this long after its last connection has ended: clients
/// cache longer than they should.
pub const DNS_BELIEF_FLOOR: Duration = Duration::from_secs(300);
/// A name is believed no longer than this after it was given, unless it is in use.
pub const DNS_BELIEF_CEILING: Duration = Duration::from_secs(86_400);
/// Beliefs that are taken over a restart.
pub const DNS_NAMES_KEPT: usize = 256 * 1024;
/// Time after it was given in which a name that has expired still counts as a claim, which the gateway then resolves.
pub const DNS_STALE_TIME: Duration = Duration::from_secs(7 * 86_400);
/// Time the gateway's own resolution waits for one address family once it has the other.
pub const DNS_FAMILY_PATIENCE: Duration = Duration::from_millis(300);
/// Bytes of the answers kept for all workers together, with what it costs to keep them; past it those go that are asked
/// for least.
pub const DNS_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Longest time an answer is kept, whatever its TTL.
pub const DNS_CACHE_CEILING: Duration = Duration::from_secs(86_400);
/// Longest time it is kept that a name, or a record of a name, does not exist (RFC 2308, section 5).
pub const DNS_NEGATIVE_CEILING: Duration = Duration::from_secs(900);
/// Time a failure is kept, so that clients that ask again at once cost one try (RFC 9520, section 3.2).
pub const DNS_FAILURE_HOLD: Duration = Duration::from_secs(1);
/// Queries without an answer on one connection to a DNS upstream, those that nobody waits for any more among them: twice as
/// many as can be in flight, so that no query ever waits for another's answer.
pub const DNS_PIPELINED: usize = 2 * DNS_IN_FLIGHT;
/// Connections of one worker to one DNS upstream: as many as all queries in flight need where it takes 100 at once on each,
/// the least that servers of HTTP/2 should (RFC 9113, section 6.5.2).
pub const DNS_CONNECTIONS_PER_UPSTREAM: usize = DNS_IN_FLIGHT.div_ceil(100);
/// Time to make a further connection to a DNS upstream beside those that are full. Past it queries wait for their turn there.
pub const DNS_FURTHER_DIAL_TIME: Duration = Duration::from_millis(500);
/// Time a connection to a DNS upstream is kept without a query (RFC 7766, section 6.2.3).
pub const DNS_UPSTREAM_IDLE_TIME: Duration = Duration::from_secs(10);
/// Addresses removed from one DNS answer that are shown on its record.
pub const DNS_REMOVED_SHOWN: usize = 4;

/// Time in which names that an agent chose are counted together, to tell a tunnel from a busy client.
pub const DNS_TUNNEL_WINDOW: Duration = Duration::from_secs(60);
/// Time for which new names of a zone are refused to an agent that went past one of the bounds below.
pub const DNS_TUNNEL_SHUT_TIME: Duration = Duration::from_secs(600);
/// Names of one zone in one window: twice what a busy client was seen to need.
pub const DNS_TUNNEL_NAMES: u32 = 120;
/// Bytes in front of one zone's own name, over all new names in one window: 60 names of 34 bytes.
pub const DNS_TUNNEL_BYTES: u32 = 2048;
/// Labels in them that look like encoded data. One or two are the name of a bucket or a cluster.
pub const DNS_TUNNEL_RANDOM_LABELS: u32 = 10;
/// New names of one zone that are asked for anything but an address, in one window: TXT, SRV, MX and their like carry data
/// back. The longest honest chains seen are of six (SPF and DMARC) and of eight (Kerberos with a directory); two at once.
pub const DNS_TUNNEL_RECORDS: u32 = 20;
/// New names of one zone, in one window, whose answer is an alias that leads to no address.
pub const DNS_TUNNEL_ALIASES: u32 = 4;
/// Bytes that new names of all zones carry for one agent in one window.
pub const DNS_TUNNEL_BYTES_PER_AGENT: u32 = 8 * 1024;
/// A public suffix of a company, such as a cloud's, may have so many times what one zone may: each of its customers is
/// a zone of its own, and whoever runs the suffix hears of all.
pub const DNS_TUNNEL_SUFFIX_FACTOR: u32 = 4;
/// Zones of one agent that are counted at once; while all of them are in use, names of further ones are refused.
pub const DNS_TUNNEL_ZONES_PER_AGENT: usize = 1024;
/// Names of one agent that were answered and are not new when asked again; past it the oldest counts as new.
pub const DNS_TUNNEL_NAMES_KNOWN: usize = 4096;
/// Queries of one agent for names of one zone that leave in one window, new or not: the order of known names tells
/// something, too. What the cache answers is none. Five connections a second to a host whose addresses hold for no time.
pub const DNS_TUNNEL_QUERIES: u32 = 600;
/// Bytes of the answers to them, in one window: twice what so many answers with addresses have.
pub const DNS_TUNNEL_ANSWER_BYTES: u32 = 256 * 1024;
/// Queries of one agent that leave in one window over all zones: four for each of two thousand hosts.
pub const DNS_TUNNEL_QUERIES_PER_AGENT: u32 = 8 * 1024;
/// Bytes of the answers to them: eight zones at their bound.
pub const DNS_TUNNEL_ANSWER_BYTES_PER_AGENT: u32 = 2 * 1024 * 1024;

/// Bytes of one record in its canonical form; longer values in it are cut and marked.
pub const RECORD_BYTES: usize = 36 * 1024;
/// Bytes of a path kept in a record.
pub const RECORD_PATH_BYTES: usize = 4 * 1024;

/// Bytes of one policy file.
pub const POLICY_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Policy files in one folder tree.
pub const POLICY_FILES: usize = 4096;
/// Bytes of all policy files of one set together.
pub const POLICY_SET_BYTES: usize = 32 * 1024 * 1024;
/// Nesting of mappings and lists in one document.
pub const POLICY_DEPTH: usize = 48;
/// Keys and values in all policy files of one set together.
pub const POLICY_NODES: usize = 512 * 1024;
/// Bytes of the automata that all patterns in the conditions of one set become: some thousand patterns as people write them.
pub const POLICY_AUTOMATA_BYTES: usize = 32 * 1024 * 1024;
/// Mistakes written out in one report; further ones are counted.
pub const POLICY_MISTAKES: usize = 200;
/// Folders below each other in the policy folder.
pub const POLICY_FOLDER_DEPTH: usize = 16;

/// Sets of documents that are kept after they were in force, so that records can be explained by the set that decided them.
pub const SETS_KEPT: usize = 256;
/// Bytes of all of them together; at least one set always is.
pub const SETS_KEPT_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of one condition: room for a list of some hundred host names.
pub const CONDITION_BYTES: usize = 4 * 1024;
/// Nesting of one condition: parentheses, operands, alternatives.
pub const CONDITION_DEPTH: usize = 48;
/// Names, values, operators and calls in one condition.
pub const CONDITION_NODES: usize = 1024;
/// Loops (`exists`, `all`, `map` and so on) inside each other in one condition.
pub const CONDITION_LOOPS: usize = 3;
/// Bytes of the automaton that a pattern in a condition becomes. Some patterns double it with each letter; those are
/// refused when they are loaded.
pub const CONDITION_AUTOMATON_BYTES: usize = 256 * 1024;
/// Work of judging a condition once: parts of it that are evaluated, and bytes of text that are looked at. A few
/// milliseconds at most, whatever an agent sends; beyond it there is no answer.
pub const CONDITION_WORK: u32 = 256 * 1024;

/// Connections to the local API at once; further ones wait in the socket's backlog.
pub const ADMIN_CONNECTIONS: usize = 64;
/// Calls of the local API being worked on at once; further ones wait for their turn.
pub const ADMIN_CALLS: usize = 16;
/// Bytes of one request body to the local API.
pub const ADMIN_BODY_BYTES: usize = 256 * 1024;
/// Bytes of one request head to the local API.
pub const ADMIN_HEAD_BYTES: usize = 64 * 1024;
/// Bytes of a request body to the local API that holds secrets: a file of documents, and some more for how they travel.
pub const ADMIN_SECRETS_BYTES: usize = 4 * 1024 * 1024;
/// Time to send a request head, and again to send its body, to the local API.
pub const ADMIN_READ_TIME: Duration = Duration::from_secs(10);
/// Time for one call of the local API, waiting for its turn included.
pub const ADMIN_CALL_TIME: Duration = Duration::from_secs(60);
/// Time open calls get to finish once the daemon stops.
pub const ADMIN_DRAIN_TIME: Duration = Duration::from_secs(3);
/// Rows of one page of records.
pub const ADMIN_PAGE_ROWS: u64 = 1000;
/// How often a followed tail looks for new records.
pub const ADMIN_TAIL_INTERVAL: Duration = Duration::from_millis(200);
/// A followed tail says that it is alive at least this often.
pub const ADMIN_TAIL_HEARTBEAT: Duration = Duration::from_secs(15);
/// A reader of a followed tail that takes nothing for this long is let go.
pub const ADMIN_TAIL_STALL: Duration = Duration::from_secs(300);
/// Bytes of one answer of the local API that a client accepts.
pub const ADMIN_REPLY_BYTES: usize = 256 * 1024 * 1024;

/// Fields that one Transform rule sets, and that it removes.
pub const TRANSFORM_FIELDS: usize = 32;
/// Bytes of a field's value that a Transform rule sets.
pub const TRANSFORM_VALUE_BYTES: usize = 4096;
/// Least `bytesPerSecond` of a Throttle: with less, what is let through would meet the bounds for what stands still.
pub const THROTTLE_BYTES_LEAST: i64 = 1024;
/// Most `bytesPerSecond`: 100 Gbit/s, past what one host moves.
pub const THROTTLE_BYTES_MOST: i64 = 12_500_000_000;
/// Most `requestsPerSecond`, past what one agent asks.
pub const THROTTLE_REQUESTS_MOST: i64 = 1_000_000;
/// Time for which a request may be held back by a Throttle; one that would wait for longer is refused at once.
pub const THROTTLE_WAIT: Duration = Duration::from_secs(5);
/// Paces kept, one for each agent under each Throttle rule it has met, before those that are at rest are forgotten.
pub const PACES_KEPT: usize = 4096;

/// Numbers kept of rates, one for each subject under each policy it has met, before those at rest are forgotten; where that
/// leaves more than half, those nearest to rest go too, so that an agent with many addresses fills no memory.
pub const RATES_KEPT: usize = 65_536;
/// Bytes that are charged ahead of what moves, at least: few records for little traffic, and little that is kept from others.
pub const METER_LEAST: u64 = 4 * 1024;
/// And at most: a flow charges as much ahead as it has moved, so that a fast one writes few records.
pub const METER_MOST: u64 = 1024 * 1024;

/// Hosts that one approval names (kars CRD reference, EgressApproval).
pub const APPROVAL_HOSTS: usize = 16;
/// Characters of the reason of an approval or a quarantine (the same).
pub const REASON_CHARS: usize = 512;
/// Characters of the ticket of an approval (the same).
pub const TICKET_CHARS: usize = 128;
/// The longest that any approval lasts, whatever settings and documents say (the same).
pub const APPROVAL_TTL: Duration = Duration::from_secs(7 * 86_400);
/// How long an approval lasts at most, unless settings say otherwise.
pub const APPROVAL_TTL_DEFAULT: Duration = Duration::from_secs(86_400);
/// Approvals of one agent: in files, and in force together when one more is made by command.
pub const APPROVALS_PER_AGENT: usize = 64;
/// Approvals made by command, and quarantines, that stand at one time.
pub const STANDING_ROWS: usize = 4096;
/// Approvals, quarantines and first sights of documents that are remembered after their end, each.
pub const REGISTRY_HISTORY: usize = 10_000;
/// Time that the registry's database may be locked by another program before a command fails.
pub const REGISTRY_BUSY_TIME: Duration = Duration::from_secs(2);

/// Values of all secrets together; each is held in memory.
pub const SECRET_VALUES: usize = 1024;
/// Bytes of one value of a secret: sixteen times the key file of a service account.
pub const SECRET_BYTES: usize = 64 * 1024;
/// Bytes of the name of one value of a secret (Kubernetes, "Secrets").
pub const SECRET_KEY_BYTES: usize = 253;

/// Objects and arrays inside each other in one JSON document of a provider or a tool; their own schemas need about 20.
pub const JSON_DEPTH: usize = 128;
/// Bytes of one number in JSON. The longest that doubles need has 24; more is somebody's integer, or an attack.
pub const JSON_NUMBER_BYTES: usize = 256;
/// Bytes kept of the name of a server-sent event; the longest of any provider has 46.
pub const EVENT_NAME_BYTES: usize = 64;
/// Bytes of one message of an AWS event stream, headers and payload together: what AWS's own readers take.
pub const EVENT_STREAM_MESSAGE_BYTES: u32 = 24 * 1024 * 1024;
/// Bytes of the headers of one such message (the same).
pub const EVENT_STREAM_HEADER_BYTES: u32 = 128 * 1024;
/// Compressed bytes that are decoded in one step.
pub const DECODING_STEP_BYTES: usize = 4 * 1024;
/// Bytes that may be decoded to at once, beyond which no more is read.
pub const DECODED_BYTES: usize = 1024 * 1024;
/// Bytes that each compressed byte adds to what may be decoded to, up to the same. What providers send comes to 50 at
/// most; more is a bomb.
pub const DECODED_PER_BYTE: usize = 256;
/// Window of zstd, in powers of two: the largest that a content coding may have (RFC 9659, section 3). The one of brotli
/// is bounded by its format, at 16 MiB.
pub const ZSTD_WINDOW_LOG: u32 = 23;

/// Bytes of the name of a model; Bedrock's ARNs may have as many.
pub const MODEL_NAME_BYTES: usize = 2048;
/// Names of tools kept of one request, and of one answer; OpenAI takes 128 in a request.
pub const TOOL_NAMES: usize = 512;
/// Bytes kept of the name of a tool; providers take 64 to 128.
pub const TOOL_NAME_BYTES: usize = 256;
/// Bytes of text of one request whose tokens are counted, which takes some milliseconds; the rest is estimated.
pub const TOKENS_COUNTED_BYTES: usize = 32 * 1024;

/// Accounts that are kept at once: one for each unit of each budget, for each whose usage counts together. What would need one
/// more is refused, since none that counts may be forgotten.
pub const ACCOUNTS_KEPT: usize = 8192;
/// Bytes of the list of charges in one record, which is never cut: room for thirty accounts with names of usual length. What
/// would be charged to more is refused.
pub const CHARGES_BYTES: usize = 8 * 1024;
/// How long an execution may pause before what follows is another one, unless settings say otherwise.
pub const EXECUTION_IDLE: Duration = Duration::from_secs(3600);
/// Executions of one agent that are told apart by source address; the further ones share the newest.
pub const EXECUTIONS_PER_AGENT: usize = 1024;

/// Messages in one batch of MCP, which only revision 2025-03-26 has; clients send a handful.
pub const MCP_BATCH: usize = 64;
/// Bytes of the identifier of a request of MCP; clients count, or send a UUID.
pub const MCP_ID_BYTES: usize = 128;
/// Bytes of the name of a method of MCP; the longest of its own has 36.
pub const MCP_METHOD_BYTES: usize = 128;
/// Bytes of the name of a tool or a prompt of MCP, twice what its revisions recommend for tools.
pub const MCP_NAME_BYTES: usize = 256;
/// Bytes of the URI of a resource of MCP, as much as of a path.
pub const MCP_URI_BYTES: usize = 4 * 1024;
/// Bytes of one answer that may hold a list of tools, or of one event of a stream of them, held until it is whole; a
/// description of a thousand tools has about one million.
pub const MCP_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Tokens of output that are reserved for each choice of a call that bounds none, of a model whose own bound is not known.
pub const DEFAULT_OUTPUT_TOKENS: u64 = 4096;
/// Tokens of output for which there has to be room before a stream begins that may have less than it could use.
pub const STREAM_OUTPUT_LEAST: u64 = 64;
/// Tokens by which the reservation of a running stream grows, so that few of its events are on record by themselves.
pub const STREAM_OUTPUT_STEP: u64 = 1024;
/// Time between two looks at a budget for which a request waits.
pub const BUDGET_LOOK: Duration = Duration::from_millis(250);

/// Bytes of one request's body that is read whole before it is decided on: what the largest of providers takes (Anthropic,
/// "Errors", request size limits).
pub const HELD_BODY_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of all bodies that are held at one time.
pub const HELD_BYTES: u64 = 512 * 1024 * 1024;
/// Bytes of those of one agent.
pub const HELD_BYTES_PER_AGENT: u64 = 128 * 1024 * 1024;
/// Time that a body may take to come whole. Within it, `BODY_TIME` and `BODY_PROGRESS` hold.
pub const HELD_BODY_TIME: Duration = Duration::from_secs(300);
/// Bytes of the pieces in which a held body is kept, from the first to the later ones.
pub const HELD_PIECE_BYTES: [usize; 2] = [4 * 1024, 64 * 1024];
/// Bytes that a body is decoded to before others get their turn: about a millisecond.
pub const HELD_READING_BYTES: u64 = 256 * 1024;
/// Bytes of one event behind which a stream is to be ended; beyond them it is broken off instead.
pub const ENDING_EVENT_BYTES: usize = 1024 * 1024;
/// Bytes of one answer of a model, or of what waits of a stream of them, held until its provider's annotations are read: far
/// more than the text of any model, and several images.
pub const SCREENED_BYTES: usize = 8 * 1024 * 1024;

/// Tokens for service accounts that are kept at once.
pub const TOKENS_KEPT: usize = 1024;
/// How long a new certificate authority is trusted before it signs, where nobody says otherwise.
pub const ROTATION_OVERLAP: Duration = Duration::from_secs(7 * 86_400);
/// Longest time that it may be.
pub const ROTATION_OVERLAP_MAX: Duration = Duration::from_secs(365 * 86_400);
/// Coded bytes of an answer that wait until it is known whether they end inside a secret of the vault.
pub const SHIELDED_BYTES: usize = 256 * 1024;
/// Bytes of the answer of a token end point.
pub const TOKEN_BYTES: usize = 16 * 1024;
/// How long a token end point is waited for, to be reached and again to answer.
pub const TOKEN_TIME: Duration = Duration::from_secs(10);
/// How long before its end a token is used no more.
pub const TOKEN_EARLY: Duration = Duration::from_secs(120);

/// Entries of `classes` in one DLPPolicy.
pub const DLP_CLASSES: usize = 64;
/// Bytes of a body that are held and inspected before anything of it leaves, unless the settings say otherwise.
pub const DLP_HOLD_BYTES: u64 = 1024 * 1024;
/// The least that the settings may say.
pub const DLP_HOLD_BYTES_LEAST: u64 = 4 * 1024;
/// Findings of one request that its record tells; of more there is a number.
pub const DLP_RECORDED: usize = 32;

/// Bytes of one message that are inspected: what stands behind them counts as not read.
pub const DLP_MESSAGE_BYTES: usize = 256 * 1024 * 1024;
/// Readings of one another that inspection makes of a message: base64 in base64 in base64 in base64 is read, a fifth is not.
pub const DLP_DEPTH: usize = 4;
/// Bytes that all readings of a message may have for each byte of it, beside [`DLP_DECODED_LEAST`].
pub const DLP_DECODED_PER_BYTE: usize = 4;
/// Bytes that the readings of any message may have.
pub const DLP_DECODED_LEAST: usize = 256 * 1024;
/// Bytes that a reading shows on either side of what was undone in it, for words that say what it is.
pub const DLP_CONTEXT_BYTES: usize = 96;
/// Bytes beyond that, up to where a word ends.
pub const DLP_TOKEN_BYTES: usize = 4096;
/// Bytes of a string that is joined whole with others where something may be split over them; of longer ones, either end.
pub const DLP_FRAGMENT_BYTES: usize = 256;
/// Such strings of one message that are joined.
pub const DLP_FRAGMENTS: usize = 16 * 1024;
/// Parts of one multipart message.
pub const DLP_PARTS: usize = 1000;
/// Bytes of the head of one part that passes in pieces; a longer one is read as what the part has.
pub const DLP_PART_HEAD_BYTES: usize = 8 * 1024;
/// Fields of one message of protocol buffers, those of messages in it among them.
pub const DLP_FIELDS: usize = 64 * 1024;
/// Messages within messages of protocol buffers.
pub const DLP_MESSAGE_DEPTH: usize = 16;
/// Findings of one message; with more it counts as unreadable.
pub const DLP_MATCHES: usize = 4096;
/// Bytes of the place of a finding.
pub const DLP_LOCATION_BYTES: usize = 256;
/// Names and numbers that lead to it.
pub const DLP_LOCATION_DEPTH: usize = 16;

/// Bytes of the longest thing that is found in a text: a private key of 8192 bits has about 6,400 in PEM.
pub const FOUND_BYTES: usize = 8 * 1024;
/// Bytes of the longest value that is judged by its name.
pub const FOUND_VALUE_BYTES: usize = 4 * 1024;
/// Patterns and lists of words of all documents.
pub const CUSTOM_PATTERNS: usize = 128;
/// Bytes of one pattern.
pub const CUSTOM_PATTERN_BYTES: usize = 4 * 1024;
/// Bytes of the automaton that one pattern becomes.
pub const CUSTOM_AUTOMATON_BYTES: usize = 2 * 1024 * 1024;
/// Words of all lists.
pub const CUSTOM_WORDS: usize = 16 * 1024;
/// Bytes of one word.
pub const CUSTOM_WORD_BYTES: usize = 256;
/// Bytes of what passes in pieces that stay in view once they have gone.
pub const DLP_VIEW_BYTES: usize = 512;
/// Bytes of a string that has only begun and is held, because its value may have spaces.
pub const DLP_OPEN_STRING_BYTES: usize = 64;
/// Bytes of one line of what `dlp scan --jsonl` reads.
pub const SCANNED_LINE_BYTES: usize = 64 * 1024 * 1024;
