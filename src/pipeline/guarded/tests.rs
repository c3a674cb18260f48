//! Time, departures and ends, on a pipe: what takes minutes on a network takes none here.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;

use super::*;

impl Wire for DuplexStream {
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";

/// A guarded stream, and the workload's end of it.
fn pair() -> (Guarded<DuplexStream>, DuplexStream) {
    let (inner, workload) = duplex(64 * 1024);
    (Guarded::new(inner, Watch::new(true)), workload)
}

/// Reads a request as hyper does, and begins to answer it.
async fn take(stream: &mut Guarded<DuplexStream>, request: &[u8]) {
    let mut bytes = vec![0; request.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, request);
    stream.watch.next_request();
}

/// Reads what hyper is given, until the end.
async fn given(stream: &mut Guarded<DuplexStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_refused_after_head_time() {
    for beginning in [&b"GET / HTTP/1.1\r\nHo"[..], b"garbage without an end", b"\r"] {
        let (mut stream, mut workload) = pair();
        workload.write_all(beginning).await.unwrap();
        let begun = tokio::time::Instant::now();
        let mut bytes = vec![0; STAND_IN.len()];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, STAND_IN);
        assert_eq!(begun.elapsed().as_secs(), HEAD_TIME.as_secs());
        assert_eq!(stream.watch.refusal(0), Some(Refusal::HeadTooSlow.denial()));
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_trickle_in_do_not_prolong_head_time() {
    let (mut stream, mut workload) = pair();
    let begun = tokio::time::Instant::now();
    tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nX: ".iter().chain(&[b'a'; 10_000]) {
            if workload.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut bytes = vec![0; STAND_IN.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(stream.watch.refusal(0), Some(Refusal::HeadTooSlow.denial()));
    assert!(begun.elapsed() <= HEAD_TIME + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn head_time_does_not_run_while_an_answer_is_owed() {
    let (mut stream, mut workload) = pair();
    workload.write_all(&[GET, b"GET /next HT"].concat()).await.unwrap();
    take(&mut stream, GET).await;
    let waited = tokio::time::timeout(HEAD_TIME * 3, stream.read_u8()).await;
    assert!(waited.is_err(), "nothing is handed on: {waited:?}");
    assert_eq!(stream.watch.refusal(1), None);
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_request_waits_for_its_answer_and_is_bounded() {
    let (mut stream, mut workload) = pair();
    workload.write_all(GET).await.unwrap();
    take(&mut stream, GET).await;
    workload.write_all(&GET.repeat(2000)).await.unwrap();
    assert!(tokio::time::timeout(HEAD_TIME, stream.read_u8()).await.is_err());
    assert!(stream.held.len() < 2 * READ, "{} bytes are held", stream.held.len());
    assert!(stream.watch.answered(false));
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    take(&mut stream, GET).await;
}

#[tokio::test(start_paused = true)]
async fn an_end_of_input_is_kept_back_and_a_byte_of_the_answer_sent_ahead() {
    for ahead in [false, true] {
        let (mut stream, mut workload) = pair();
        workload.write_all(GET).await.unwrap();
        take(&mut stream, GET).await;
        workload.shutdown().await.unwrap();
        if ahead {
            assert!(tokio::time::timeout(HEAD_TIME, stream.read_u8()).await.is_err(), "no end yet");
            let mut first = [0; 1];
            workload.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"H");
        }
        assert!(stream.watch.answered(false));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(given(&mut stream).await, b"", "the end, once the answer is out");
        drop(stream);
        let mut rest = Vec::new();
        workload.read_to_end(&mut rest).await.unwrap();
        let whole = b"HTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(rest, whole[usize::from(ahead)..], "each byte once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_ends_in_its_middle_is_refused() {
    let (mut stream, mut workload) = pair();
    workload.write_all(b"GET / HT").await.unwrap();
    workload.shutdown().await.unwrap();
    let mut bytes = vec![0; STAND_IN.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!((&*bytes, stream.watch.refusal(0)), (STAND_IN, Some(Refusal::Incomplete.denial())));

    let (mut stream, mut workload) = pair();
    workload.write_all(&[POST, b"half"].concat()).await.unwrap();
    workload.shutdown().await.unwrap();
    let mut bytes = vec![0; POST.len() + 4];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.watch.next_request();
    assert!(stream.read_u8().await.is_err(), "no end that could be taken for the body's");
    assert_eq!(stream.watch.refusal_in_body(0), Some(Refusal::Incomplete));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_no_clock_and_ends_in_order() {
    let (mut stream, mut workload) = pair();
    workload.write_all(b"\r\n").await.unwrap();
    assert!(tokio::time::timeout(HEAD_TIME * 10, stream.read_u8()).await.is_err());
    workload.shutdown().await.unwrap();
    assert_eq!(given(&mut stream).await, b"");
    assert_eq!(stream.watch.refusal(0), None);
}

#[tokio::test(start_paused = true)]
async fn a_request_behind_an_empty_line_does_not_wait_for_further_bytes() {
    let (mut stream, mut workload) = pair();
    workload.write_all(&[GET, b"\r\n", GET].concat()).await.unwrap();
    for _ in 0..2 {
        take(&mut stream, GET).await;
        assert!(stream.watch.answered(false));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
    }
    assert_eq!(stream.watch.refusal(1), None);
}
