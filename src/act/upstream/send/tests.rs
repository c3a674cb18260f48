//! Claims about one request on its way: its form, its time; `shared` about connections that several share.

use super::*;

mod shared;

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_as_long_as_the_request_moves_and_no_longer_than_its_time() {
    let (sent, begun) = (Cell::new(0), tokio::time::Instant::now());
    let upload = async {
        for _ in 0..3 {
            tokio::time::sleep(RESPONSE_HEAD_TIME / 2).await;
            sent.set(sent.get() + 1);
        }
        std::future::pending::<()>().await;
    };
    assert!(patiently(upload, &sent).await.is_err());
    // The third period begins with the last byte already sent, but for the half of it that the second saw.
    assert_eq!(begun.elapsed().as_secs(), 3 * RESPONSE_HEAD_TIME.as_secs());
}

#[test]
fn a_request_takes_the_form_of_its_protocol_and_can_change_it() {
    for (tls, url) in
        [(true, "https://Site.example:8443/a%20b?c"), (false, "http://Site.example:8443/a%20b?c")]
    {
        let mut request = Request::get("/a%20b?c")
            .header("host", "Site.example:8443")
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        for _ in 0..2 {
            shape(&mut request, Protocol::H2, tls);
            assert_eq!((request.uri().to_string().as_str(), request.headers().len()), (url, 0));
            shape(&mut request, Protocol::Http11, tls);
            assert_eq!(request.uri(), "/a%20b?c");
            assert_eq!(request.headers()["host"], "Site.example:8443");
        }
    }
    let mut options = Request::options("*")
        .header("host", "site.example")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    shape(&mut options, Protocol::H2, true);
    assert_eq!((options.uri().path(), options.uri().host()), ("*", Some("site.example")));
}
