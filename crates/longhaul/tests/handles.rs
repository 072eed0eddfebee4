//! What a program may count on of a handle, whatever it does with it.

#![allow(clippy::unwrap_used, reason = "a test can do nothing else about it")]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use longhaul::{Cancel, Client, DownloadBuilder, ErrorKind, Event};
use longhaul_devstore::{Fault, Object, Origin};

const LEN: u64 = 40_000_000;

fn client() -> Client {
    Client::builder().build().unwrap()
}

/// Goal: who asks for events late, or goes on with a transfer in a new process, is told where it stands. Method: a
/// download that is stopped at a third and gone on with by another client; a reader from the start, and one that comes
/// when bytes flow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_reader_is_told_where_the_transfer_stands() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    origin.put("/f", Object::seeded(21, LEN).etag("\"v1\""));
    origin.always("/f", Fault::Pace { bytes_per_second: 15_000_000 });
    let file = folder.path().join("f");
    let first = client().download(origin.url("/f")).to(&file).start().await.unwrap();
    let mut events = first.events();
    while let Some(event) = events.next().await {
        if matches!(event, Event::Progress(p) if p.received > LEN / 3) {
            break;
        }
    }
    first.cancel(Cancel::Keep).await.unwrap();

    // The source does not answer before the journal was told of.
    let second = client().download(origin.url("/f")).to(&file).start().await.unwrap();
    let (mut early, mut resumed) = (second.events(), None);
    while let Some(event) = early.next().await {
        match event {
            Event::Resumed { held, total } => resumed = Some((held, total)),
            Event::Progress(p) if p.received < LEN && resumed.is_some_and(|(held, _)| p.received > held) => break,
            _ => {}
        }
    }
    let (held, total) = resumed.unwrap();
    assert!(held > 0, "nothing was taken up");
    assert_eq!(total, Some(LEN), "the journal knows the length");
    let (mut late, mut told) = (second.events(), Vec::new());
    while let Some(event) = late.next().await {
        let begun = matches!(event, Event::Progress(_));
        told.push(event);
        if begun {
            break;
        }
    }
    assert!(told.contains(&Event::Resumed { held, total }), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, Event::Started { total: Some(LEN), .. })), "{told:?}");
    second.finished().await.unwrap();
    assert!(second.events().next().await.is_some(), "the end is no reason to tell nothing");
}

/// Goal: one target is not saved twice at once by one program, which is told so. Method: a second start while the first
/// runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_target_started_twice_is_told_so() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    origin.put("/f", Object::seeded(22, LEN).etag("\"v1\""));
    origin.always("/f", Fault::Pace { bytes_per_second: 15_000_000 });
    let file = folder.path().join("f");
    let first = client().download(origin.url("/f")).to(&file).start().await.unwrap();
    let mut events = first.events();
    while !matches!(events.next().await.unwrap(), Event::Started { .. }) {}
    let error = client().download(origin.url("/f")).to(&file).start().await.unwrap().finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    assert!(error.to_string().contains("already, by another transfer of this program"), "{error}");
    first.finished().await.unwrap();
}

/// Goal: a panic in code of the program's that a transfer calls ends the transfer. Method: a name is chosen by code
/// that panics; then by code that does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_where_the_steps_are_done_ends_the_transfer() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    origin.put("/f", Object::seeded(23, 1000));
    let download = client().download(origin.url("/f")).choose(|_| panic!("no name: planted"));
    let transfer = download.start().await.unwrap();
    let mut events = transfer.events();
    let error = transfer.finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert!(error.to_string().contains("no name: planted"), "{error}");
    while events.next().await.is_some() {}
    let file = folder.path().join("f");
    let target = file.clone();
    client()
        .download(origin.url("/f"))
        .choose(move |_| target.clone())
        .start()
        .await
        .unwrap()
        .finished()
        .await
        .unwrap();
    assert_eq!(std::fs::metadata(file).unwrap().len(), 1000);
}

/// Goal: outside of a runtime a start is an error, not a panic. Method: the future is polled by hand.
#[test]
fn a_start_outside_of_a_runtime_is_a_wrong_call() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().state_dir(folder.path().join("state")).build().unwrap();
    let download: DownloadBuilder = client.download("http://127.0.0.1:1/f").to(folder.path().join("f"));
    let (mut download, mut upload) = (pin!(download.start()), pin!(client.upload("f").to("oss://b/k").start()));
    let mut context = Context::from_waker(Waker::noop());
    for poll in [download.as_mut().poll(&mut context), upload.as_mut().poll(&mut context)] {
        let Poll::Ready(Err(error)) = poll else { panic!("{poll:?}") };
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        assert!(error.to_string().contains("runtime"), "{error}");
    }
}
