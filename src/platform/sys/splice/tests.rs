//! The relay over loopback, on a current-thread runtime as on the road.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A client and a server with a relay between them: client, the relay's two sides, server.
async fn relayed() -> (TcpStream, (TcpStream, TcpStream), TcpStream) {
    let (client, near) = connected().await;
    let (far, server) = connected().await;
    (client, (near, far), server)
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// Runs the relay to its end and closes both of its sockets, as the caller would.
fn run(sides: (TcpStream, TcpStream), idle: Duration) -> (tokio::task::JoinHandle<FlowEnd>, Arc<FlowBytes>) {
    let bytes = Arc::new(FlowBytes::default());
    let counted = Arc::clone(&bytes);
    let task = tokio::spawn(async move {
        splice_bidirectional(&sides.0, &sides.1, idle, &counted, (&mut (), &mut ())).await
    });
    (task, bytes)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_large_transfer_arrives_whole_while_answers_come_back() {
    const SIZE: usize = 32 << 20;
    let (client, sides, server) = relayed().await;
    let (relay, bytes) = run(sides, LONG);
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let data: Vec<u8> = (0..SIZE).map(|at| (at / 7) as u8).collect();
    let expected = data.clone();
    let send = tokio::spawn(async move {
        client_write.write_all(&data).await.unwrap();
        client_write
    });
    let answer = tokio::spawn(async move {
        server_write.write_all(b"answer").await.unwrap();
        server_write
    });
    let mut got = vec![0; SIZE];
    server_read.read_exact(&mut got).await.unwrap();
    assert!(got == expected, "bytes differ");
    let mut answered = [0; 6];
    client_read.read_exact(&mut answered).await.unwrap();
    assert_eq!(&answered, b"answer");
    drop((send.await.unwrap(), answer.await.unwrap()));
    let end = relay.await.unwrap();
    assert_eq!(end, FlowEnd { a_to_b: DirectionEnd::Eof, b_to_a: DirectionEnd::Eof });
    assert_eq!((bytes.a_to_b(), bytes.b_to_a()), (SIZE as u64, 6));
}

#[tokio::test]
async fn a_half_close_is_carried_across_and_the_other_way_stays_open() {
    let (mut client, sides, mut server) = relayed().await;
    let (relay, _) = run(sides, LONG);
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = Vec::new();
    server.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");
    server.write_all(b"late answer").await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"late answer");
    assert_eq!(relay.await.unwrap(), FlowEnd { a_to_b: DirectionEnd::Eof, b_to_a: DirectionEnd::Eof });
}

#[tokio::test]
async fn a_reset_on_one_side_resets_the_other() {
    let (client, sides, mut server) = relayed().await;
    let (relay, _) = run(sides, LONG);
    reset_on_close(&client).unwrap();
    drop(client);
    assert_eq!(relay.await.unwrap(), FlowEnd { a_to_b: DirectionEnd::Reset, b_to_a: DirectionEnd::CutShort });
    let error = server.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_after_a_half_close_is_noticed_and_carried_across() {
    let (mut client, sides, mut server) = relayed().await;
    let (relay, _) = run(sides, LONG);
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    reset_on_close(&client).unwrap();
    drop(client);
    assert_eq!(relay.await.unwrap(), FlowEnd { a_to_b: DirectionEnd::Eof, b_to_a: DirectionEnd::Reset });
    let error = server.read(&mut [0; 8]).await;
    assert!(!matches!(error, Ok(1..)), "nothing may arrive: {error:?}");
}

#[tokio::test]
async fn silence_in_both_directions_ends_the_flow() {
    let (mut client, sides, mut server) = relayed().await;
    let (relay, bytes) = run(sides, Duration::from_millis(80));
    client.write_all(b"one word").await.unwrap();
    server.read_exact(&mut [0; 8]).await.unwrap();
    assert_eq!(relay.await.unwrap(), FlowEnd { a_to_b: DirectionEnd::Idle, b_to_a: DirectionEnd::Idle });
    assert_eq!(bytes.a_to_b(), 8);
}

#[tokio::test]
async fn a_receiver_that_does_not_read_holds_the_sender_back() {
    let (client, sides, mut server) = relayed().await;
    let (relay, bytes) = run(sides, LONG);
    let mut sent = 0_u64;
    // Fill every buffer on the way until the client's own socket takes no more.
    loop {
        let room = tokio::time::timeout(Duration::from_millis(300), client.writable()).await;
        if room.is_err() {
            break;
        }
        match client.try_write(&[7; 65_536]) {
            Ok(count) => sent += count as u64,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert!(bytes.a_to_b() < sent, "some of {sent} bytes must still wait");
    drop(client);
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len() as u64, sent);
    drop(server);
    assert_eq!(relay.await.unwrap().a_to_b, DirectionEnd::Eof);
}

/// Lets so many bytes pass.
struct Ration(usize);

impl Pacing for Ration {
    fn turn(&self) -> usize {
        self.0
    }

    fn moved(&mut self, bytes: usize) {
        self.0 -= bytes;
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<bool> {
        Poll::Ready(self.0 > 0)
    }
}

#[tokio::test]
async fn where_no_more_may_be_moved_nothing_is_and_both_ends_are_reset() {
    let (mut client, sides, mut server) = relayed().await;
    let bytes = Arc::new(FlowBytes::default());
    client.write_all(&[7; 1000]).await.unwrap();
    let rations = (&mut Ration(300), &mut Ration(1));
    let end = splice_bidirectional(&sides.0, &sides.1, LONG, &bytes, rations).await;
    assert_eq!(end, FlowEnd { a_to_b: DirectionEnd::Stopped, b_to_a: DirectionEnd::CutShort });
    assert_eq!((bytes.a_to_b(), bytes.b_to_a()), (300, 0));
    drop(sides);
    let mut all = Vec::new();
    for peer in [&mut client, &mut server] {
        assert_eq!(peer.read_to_end(&mut all).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
    assert!(all.len() <= 300);
}
