//! Transfers that break off in the middle, on either side.

use std::net::Shutdown;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::dialogue::{opening_gateway, zone};
use super::streaming::{get, get2, http2, serve_both, talks};
use crate::lab::Lab;
use crate::lab::backends::eventually;

/// Answers with a beginning of a body, by the digit that is the path: with a length, in chunks, and up to the end of the
/// connection. Then waits for a permit, and resets.
fn breaking(lab: &Lab) -> Arc<Semaphore> {
    const BEGINNINGS: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n0123456789",
    ];
    let permits = Arc::new(Semaphore::new(0));
    let permits_there = permits.clone();
    serve_both(lab, move |mut stream| {
        let permits = permits_there.clone();
        async move {
            let mut request = vec![0; 16 * 1024];
            let _ = stream.read(&mut request).await?;
            let which = usize::from(request[5] - b'0');
            stream.write_all(BEGINNINGS[which]).await?;
            stream.flush().await?;
            permits.acquire().await.expect("never closed").forget();
            stream.reset_on_close();
            Ok(())
        }
    });
    permits
}

#[apply(over_both)]
fn a_transfer_that_the_upstream_breaks_off_is_broken_for_the_client_too(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let permits = breaking(&lab);
    for which in 0..3 {
        for mut talk in talks(&lab, &daemon) {
            talk.say(get(&format!("/{which}")));
            let head = talk.head();
            let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
            assert_eq!(chunked, which > 0, "{head}");
            let beginning = if chunked { talk.chunk() } else { talk.bytes(10) };
            assert_eq!(beginning, b"0123456789");
            permits.add_permits(1);
            // No last chunk, no further byte: an end that no client takes for the whole.
            let rest = talk.rest().unwrap_or_default();
            assert_eq!(rest, b"", "case {which}");
        }
        let mut client = http2(&lab, &daemon);
        let mut body = client.send(get2(&format!("/{which}"))).into_body();
        let first = client.run(body.frame()).expect("a frame").expect("a frame");
        assert_eq!(first.into_data().expect("data"), "0123456789");
        permits.add_permits(1);
        let error = client.run(body.frame()).expect("not an end").expect_err("not more");
        assert!(!error.is_body_write_aborted(), "{error:?}");
        let path = format!("/{which}");
        eventually("three broken transfers on record", || {
            let rows = daemon.records(&[]);
            let broken = rows.iter().filter(|row| {
                row["path"] == path && row["end"] == "upstream-failed" && row["bytes_in"] == 10
            });
            (broken.count() == 3).then_some(())
        });
    }
    daemon.record(&json!({"kind": "request", "decision": "allow", "status": 200, "end": "upstream-failed"}));
}

#[apply(over_both)]
fn a_client_that_leaves_in_the_middle_closes_its_record_and_its_upstream_connection(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let (tell, told) = mpsc::channel();
    serve_both(&lab, move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut buffer = vec![0; 16 * 1024];
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await?;
            // The next thing to be read here is the end, or a request on a connection that is not free.
            let mut clock = tokio::time::interval(Duration::from_millis(5));
            let read = loop {
                tokio::select! {
                    read = stream.read(&mut buffer) => break read.unwrap_or(0),
                    _ = clock.tick() => {}
                }
                if stream.write_all(b"half").await.is_err() || stream.flush().await.is_err() {
                    break 0;
                }
            };
            tell.send(read).expect("the test waits");
            Ok(())
        }
    });
    for round in 0..2 {
        for mut talk in talks(&lab, &daemon) {
            talk.say(get("/half"));
            talk.head();
            assert_eq!(talk.bytes(4), b"half");
            talk.tcp().shutdown(Shutdown::Both).expect("closed");
            drop(talk);
            assert_eq!(told.recv_timeout(Duration::from_secs(2)), Ok(0), "round {round}");
        }
        let mut client = http2(&lab, &daemon);
        let mut body = client.send(get2("/half")).into_body();
        client.run(body.frame()).expect("a frame").expect("a frame");
        drop(body);
        assert_eq!(told.recv_timeout(Duration::from_secs(2)), Ok(0), "round {round}, HTTP/2");
    }
    eventually("six records that say who left", || {
        let rows = daemon.records(&[]);
        let closed = rows
            .iter()
            .filter(|row| row["path"] == "/half" && row["end"] == "client-closed" && row["status"] == 200);
        (closed.count() == 6).then_some(())
    });
}
