//! The relay between real sockets on loopback. No passage is needed here: these tests stand below the decision.

use super::super::tempo::{Counts, LiveTempo, Meter, Tempo};
use super::*;
use crate::model::types::{Denial, Direction, Reason};

/// A workload and a destination, each with the gateway's socket towards it.
struct Wire {
    agent: UdpSocket,
    workload: UdpSocket,
    upstream: UdpSocket,
    server: UdpSocket,
    early: mpsc::Receiver<Vec<u8>>,
    queue: mpsc::Sender<Vec<u8>>,
    cut: watch::Sender<bool>,
    policy: watch::Sender<()>,
    scratch: RefCell<Box<[u8]>>,
    /// Out and back.
    moved: [Moved; 2],
}

async fn pair() -> (UdpSocket, UdpSocket) {
    let (a, b) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    a.connect(b.local_addr().unwrap()).await.unwrap();
    b.connect(a.local_addr().unwrap()).await.unwrap();
    (a, b)
}

impl Wire {
    async fn new() -> Self {
        let ((agent, workload), (upstream, server)) = (pair().await, pair().await);
        let (queue, early) = mpsc::channel(4);
        Self {
            agent,
            workload,
            upstream,
            server,
            early,
            queue,
            cut: watch::Sender::new(false),
            policy: watch::Sender::new(()),
            scratch: RefCell::new(vec![0; 65_535].into()),
            moved: Default::default(),
        }
    }

    fn counts(&self) -> [u64; 4] {
        let [out, back] = &self.moved;
        [out.datagrams(), out.bytes(), back.datagrams(), back.bytes()]
    }

    /// Relays while `story` runs, and then until something stops it. Where nothing else does, the story ends with a
    /// cut.
    async fn run(&mut self, patience: Patience, story: impl AsyncFnOnce(&UdpSocket, &UdpSocket)) -> Stopped {
        let (mut cut, mut policy) = (self.cut.subscribe(), self.policy.subscribe());
        let mut line = Line {
            workload: &self.workload,
            upstream: &self.upstream,
            early: &mut self.early,
            scratch: &self.scratch,
            out: &self.moved[0],
            back: &self.moved[1],
        };
        let due = pin!(async { policy.changed().await.unwrap() });
        let interrupts = Interrupts { cut: &mut cut, due };
        tokio::join!(moved(&mut line, interrupts, patience), story(&self.agent, &self.server)).0
    }
}

async fn heard(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).await.unwrap();
    buffer.truncate(length);
    buffer
}

#[tokio::test]
async fn datagrams_keep_their_size_both_ways_and_are_counted() {
    let mut wire = Wire::new().await;
    let (cut, largest) = (wire.cut.clone(), vec![7; 65_507]);
    let stopped = wire
        .run(Patience::default(), async |agent, server| {
            for datagram in [&b""[..], b"x", &largest] {
                agent.send(datagram).await.unwrap();
                assert!(heard(server).await == datagram);
                server.send(datagram).await.unwrap();
                assert!(heard(agent).await == datagram);
            }
            cut.send_replace(true);
        })
        .await;
    assert!(matches!(stopped, Stopped::Cut), "{stopped:?}");
    assert_eq!(wire.counts(), [3, 65_508, 3, 65_508]);
}

#[tokio::test]
async fn what_came_before_the_sockets_goes_first() {
    let mut wire = Wire::new().await;
    let cut = wire.cut.clone();
    wire.queue.send(b"first".to_vec()).await.unwrap();
    wire.agent.send(b"second").await.unwrap();
    wire.run(Patience::default(), async |_, server| {
        assert_eq!([heard(server).await, heard(server).await], [&b"first"[..], b"second"]);
        cut.send_replace(true);
    })
    .await;
    assert_eq!(wire.counts(), [2, 11, 0, 0]);
}

#[tokio::test]
async fn a_flow_that_is_still_for_too_long_ends_and_one_that_was_answered_may_be_still_for_longer() {
    const NEVER: Duration = Duration::from_secs(3600);
    const SOON: Duration = Duration::from_millis(20);
    let mut wire = Wire::new().await;
    let patience = Patience { unanswered: SOON, answered: NEVER };
    wire.agent.send(b"question").await.unwrap();
    let stopped = wire.run(patience, async |_, _| {}).await;
    assert!(matches!(stopped, Stopped::Idle), "{stopped:?}");
    assert_eq!(wire.counts(), [1, 8, 0, 0]);

    assert_eq!((patience.of(0), patience.of(1)), (SOON, NEVER));
    let usual = Patience::default();
    assert!(usual.of(0) >= Duration::from_secs(120) && usual.of(1) >= Duration::from_secs(300), "RFC 4787");
}

#[tokio::test]
async fn a_destination_where_nobody_listens_ends_the_flow() {
    let mut wire = Wire::new().await;
    let closed = std::mem::replace(&mut wire.server, UdpSocket::bind("127.0.0.1:0").await.unwrap());
    drop(closed);
    let stopped = wire.run(Patience::default(), async |agent, _| drop(agent.send(b"hello?").await)).await;
    let Stopped::Unreachable(error) = stopped else { panic!("{stopped:?}") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(wire.counts(), [1, 6, 0, 0]);
}

#[tokio::test]
async fn a_workload_that_is_said_to_be_gone_keeps_its_flow_while_it_sends() {
    let mut wire = Wire::new().await;
    let (cut, address) = (wire.cut.clone(), wire.agent.local_addr().unwrap());
    let gone = std::mem::replace(&mut wire.agent, UdpSocket::bind("127.0.0.1:0").await.unwrap());
    drop(gone);
    let peer = wire.workload.local_addr().unwrap();
    let stopped = wire
        .run(Patience::default(), async |_, server| {
            server.send(b"hello?").await.unwrap();
            // Until it was refused.
            for _ in 0..16 {
                yield_now().await;
            }
            let again = UdpSocket::bind(address).await.unwrap();
            again.connect(peer).await.unwrap();
            again.send(b"still here").await.unwrap();
            assert_eq!(heard(server).await, b"still here");
            server.send(b"good").await.unwrap();
            assert_eq!(heard(&again).await, b"good");
            cut.send_replace(true);
        })
        .await;
    assert!(matches!(stopped, Stopped::Cut), "{stopped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_gone_is_not_kept_by_what_the_destination_sends() {
    const BOUND: Duration = Duration::from_secs(1);
    let mut wire = Wire::new().await;
    let gone = std::mem::replace(&mut wire.agent, UdpSocket::bind("127.0.0.1:0").await.unwrap());
    drop(gone);
    let patience = Patience { unanswered: BOUND, answered: BOUND };
    let stopped = wire
        .run(patience, async |_, server| {
            for _ in 0..100 {
                server.send(b"hello?").await.unwrap();
                tokio::time::sleep(BOUND / 10).await;
            }
        })
        .await;
    assert!(matches!(stopped, Stopped::Idle), "{stopped:?}");
    let [_, _, back, _] = wire.counts();
    assert!((1..20).contains(&back), "{back} of 100");
}

#[tokio::test]
async fn other_documents_and_a_cut_come_before_any_datagram() {
    let mut wire = Wire::new().await;
    let policy = wire.policy.clone();
    let stopped = wire
        .run(Patience::default(), async |agent, _| {
            policy.send_replace(());
            agent.send(b"too late").await.unwrap();
        })
        .await;
    assert!(matches!(stopped, Stopped::Due), "{stopped:?}");
    wire.cut.send_replace(true);
    let stopped = wire.run(Patience::default(), async |_, _| {}).await;
    assert!(matches!(stopped, Stopped::Cut), "{stopped:?}");
    assert_eq!(wire.counts(), [0; 4]);
}

#[tokio::test]
async fn a_flow_that_never_stands_still_leaves_others_of_its_thread_their_turn() {
    let mut wire = Wire::new().await;
    // What is sent on to the upstream comes from the workload again, at once.
    (wire.workload, wire.upstream) = pair().await;
    for _ in 0..2 * BURST {
        wire.upstream.send(b"round").await.unwrap();
    }
    let cut = wire.cut.clone();
    let stopped = wire
        .run(Patience::default(), async |_: &UdpSocket, _: &UdpSocket| {
            // Until the flow is busy.
            for _ in 0..16 {
                yield_now().await;
            }
            cut.send_replace(true);
        })
        .await;
    assert!(matches!(stopped, Stopped::Cut), "{stopped:?}");
    assert!(wire.counts()[0] >= BURST as u64, "it was busy");
}

/// So many bytes and no more.
struct Once(Cell<u64>);

impl Counts for Once {
    fn room(&self, _: Direction, least: u64) -> Result<u64, Denial> {
        let left = self.0.get();
        if left >= least { Ok(left) } else { Err(Denial::built_in(Reason::QuotaBytes, "used up")) }
    }

    fn ahead(&self, _: Direction) -> u64 {
        self.0.get()
    }

    fn moved(&self, _: Direction, bytes: u64) {
        self.0.set(self.0.get() - bytes);
    }
}

#[tokio::test]
async fn a_flow_of_which_no_more_bytes_may_move_ends() {
    let mut wire = Wire::new().await;
    let pace = LiveTempo::new(Tempo::free(std::time::Instant::now()));
    pace.count_by(Meter::new(Once(Cell::new(80_000))));
    wire.moved[0].pace(Lane::new(pace.clone(), Direction::Up));
    let stopped = wire
        .run(Patience::default(), async |agent, server| {
            for _ in 0..2 {
                agent.send(&[7; 40_000]).await.unwrap();
                assert_eq!(heard(server).await.len(), 40_000);
            }
            agent.send(b"more").await.unwrap();
        })
        .await;
    assert!(matches!(stopped, Stopped::Spent), "{stopped:?}");
    assert!(pace.spent().is_some());
    assert_eq!(wire.counts()[0], 2, "those that were paid for");
}
