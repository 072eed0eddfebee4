//! Lists of objects, as a program reads them.

use std::pin::{Pin, pin};
use std::task::Poll;

use futures_core::Stream;
use longhaul::ErrorKind;

use crate::stage::{BUCKET, stage};

/// Goal: a list is a stream, and waiting for it may be given up at any time. Method: the wait for the first page is
/// dropped again and again; what is read then is what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_a_stream_and_a_dropped_wait_loses_no_object() {
    let stage = stage();
    for name in ["a/1", "a/2", "a/3", "b/1"] {
        stage.server().put_seeded(BUCKET, name, 1, 10).unwrap();
    }
    let mut objects = stage.client().objects(format!("oss://{BUCKET}/a/"));
    let mut names = Vec::new();
    while names.is_empty() {
        let mut next = pin!(objects.next());
        let polled = std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
        if let Poll::Ready(object) = polled {
            names.push(object.unwrap().unwrap().name.to_string());
        }
        tokio::task::yield_now().await;
    }
    while let Some(object) = std::future::poll_fn(|cx| Pin::new(&mut objects).poll_next(cx)).await {
        names.push(object.unwrap().name.to_string());
    }
    assert_eq!(names, ["a/1", "a/2", "a/3"].map(|name| format!("oss://{BUCKET}/{name}")));
    assert_eq!(objects.next().await.unwrap(), None, "the end stays the end");
    let lists = stage.log().iter().filter(|line| line["op"].as_str().is_some_and(|op| op.contains("List"))).count();
    assert_eq!(lists, 1, "a wait that was dropped asked again");
    let mut none = stage.client().objects("oss://no-such-bucket/");
    for _ in 0..2 {
        let error = std::future::poll_fn(|cx| Pin::new(&mut none).poll_next(cx)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
