//! Bytes without a file. Goal: they are those of one version, over breaks of the line, and the end is told only when
//! they are all and right. Method: an origin that cuts, replaces and lies, read by all three ways of a reader.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::single_range_in_vec_init, reason = "lists of byte ranges often have one")]

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream as _;
use longhaul::{ByteRange, Client, Digest, DigestKind, DownloadBuilder, ErrorKind, ObjectBytes};
use longhaul_devstore::{Content, Fault, Object, Origin};
use tokio::io::AsyncReadExt as _;

const LEN: u64 = 3_000_000;

fn object(seed: u64) -> Object {
    Object::seeded(seed, LEN).etag(format!("\"v{seed}\""))
}

fn read(origin: &Origin) -> DownloadBuilder {
    Client::builder().build().unwrap().download(origin.url("/f").as_str()).retries(3)
}

/// Everything that comes, and how it ends.
async fn all(bytes: &mut ObjectBytes) -> (Vec<u8>, Option<ErrorKind>) {
    let mut read = Vec::new();
    loop {
        match bytes.next().await {
            Some(Ok(piece)) => {
                assert!(!piece.is_empty() && piece.len() <= 64 << 10);
                read.extend_from_slice(&piece);
            }
            Some(Err(error)) => {
                assert!(bytes.next().await.is_none(), "an error is the last thing that comes");
                return (read, Some(error.kind()));
            }
            None => return (read, None),
        }
    }
}

#[tokio::test]
async fn breaks_are_gone_over_without_a_byte_twice() {
    let origin = Origin::start();
    origin.put("/f", object(1));
    origin.script("/f", vec![Fault::Cut { after: 1_000_000 }, Fault::Reset { after: 1 }, Fault::Cut { after: 0 }]);
    let mut bytes = read(&origin).read().await.unwrap();
    assert_eq!(bytes.object().length, Some(LEN));
    assert_eq!(bytes.object().etag.as_deref(), Some("\"v1\""));
    let (read, end) = all(&mut bytes).await;
    assert!(end.is_none() && read == object(1).content.to_vec(), "{end:?}");
    assert_eq!(origin.requests(), 4);
}

#[tokio::test]
async fn another_version_ends_it_and_what_was_read_is_of_the_first() {
    let origin = Origin::start();
    origin.put("/f", object(1));
    let with = Box::new(object(2));
    let cut = Fault::All(vec![Fault::Replace { after: 1000, with }, Fault::Cut { after: 1_000_000 }]);
    origin.script("/f", vec![cut]);
    let (read, end) = all(&mut read(&origin).read().await.unwrap()).await;
    assert_eq!(end, Some(ErrorKind::Changed));
    assert!(!read.is_empty() && object(1).content.to_vec().starts_with(&read), "{} bytes", read.len());
}

/// A condition that the server ignores does not let other bytes in: the validator of the reply is compared.
#[tokio::test]
async fn a_server_that_ignores_conditions_and_ranges_mixes_nothing() {
    for ignores in [Fault::IgnoreRange, Fault::Correct] {
        let origin = Origin::start();
        let heedless = |seed| object(seed).heeds(longhaul_devstore::Heeds::NONE);
        origin.put("/f", heedless(1));
        origin.script_then("/f", vec![Fault::Cut { after: 1_000_000 }], ignores.clone());
        let (whole, end) = all(&mut read(&origin).read().await.unwrap()).await;
        assert!(end.is_none() && whole == object(1).content.to_vec(), "{ignores:?}: {end:?}");
        origin.put("/f", heedless(1));
        let with = Box::new(heedless(2));
        let cut = Fault::All(vec![Fault::Replace { after: 1000, with }, Fault::Cut { after: 1_000_000 }]);
        origin.script_then("/f", vec![cut], ignores);
        let (part, end) = all(&mut read(&origin).read().await.unwrap()).await;
        assert_eq!(end, Some(ErrorKind::Changed));
        assert!(object(1).content.to_vec().starts_with(&part));
    }
}

#[tokio::test]
async fn without_a_validator_a_break_ends_it() {
    let origin = Origin::start();
    origin.put("/f", object(1).no_validators());
    origin.script("/f", vec![Fault::Cut { after: 0 }, Fault::Cut { after: 1_000_000 }]);
    let (read, end) = all(&mut read(&origin).read().await.unwrap()).await;
    assert_eq!(end, Some(ErrorKind::NotProvable), "before the first byte nothing is bound to it, behind it it is");
    assert!(!read.is_empty() && object(1).content.to_vec().starts_with(&read));
}

#[tokio::test]
async fn ranges_are_read_in_their_order() {
    let origin = Origin::start();
    origin.put("/f", object(1));
    let content = object(1).content.to_vec();
    for (range, want) in [
        ("100-1999", vec![100..2000]),
        ("2999000-", vec![2_999_000..3_000_000]),
        ("-10", vec![2_999_990..3_000_000]),
        ("10-19,2000000-2000009", vec![10..20, 2_000_000..2_000_010]),
    ] {
        origin.script("/f", vec![Fault::Cut { after: 7 }]);
        let range: ByteRange = range.parse().unwrap();
        let mut bytes = read(&origin).range(range).read().await.unwrap();
        let want: Vec<u8> = want.into_iter().flat_map(|span| content[span].to_vec()).collect();
        assert_eq!(bytes.object().length, Some(want.len() as u64));
        assert_eq!(all(&mut bytes).await, (want, None));
    }
    let beyond = read(&origin).range("5000000-5000009").read().await.unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::Refused);
}

/// The right number of bytes under the right validator: only a digest shows that they are wrong, and the end is not
/// told.
#[tokio::test]
async fn a_wrong_byte_is_told_in_place_of_the_end() {
    let origin = Origin::start();
    let sum = |content: &Content| {
        let crc = longhaul_core::crc::of(longhaul_core::crc::Algorithm::Crc64Xz, &content.to_vec());
        Digest::new(DigestKind::Crc64, crc.to_be_bytes()).unwrap()
    };
    let right = sum(&object(1).content);
    origin.put("/f", object(1));
    let given = read(&origin).checksum(right.clone()).require_verified(true).read().await.unwrap();
    assert_eq!(all(&mut { given }).await.1, None);
    origin.script("/f", vec![Fault::Flip { offset: 2_999_999 }]);
    let (read_bytes, end) = all(&mut read(&origin).checksum(right).read().await.unwrap()).await;
    assert_eq!((read_bytes.len() as u64, end), (LEN, Some(ErrorKind::Integrity)));
    let unverified = read(&origin).require_verified(true).read().await.unwrap_err();
    assert_eq!(unverified.kind(), ErrorKind::NotProvable);
}

#[tokio::test]
async fn it_is_an_async_read_and_a_stream() {
    let origin = Origin::start();
    origin.put("/f", object(1));
    origin.script("/f", vec![Fault::Cut { after: 1_000_000 }]);
    let mut bytes = read(&origin).read().await.unwrap();
    let mut head = [0; 10];
    bytes.read_exact(&mut head).await.unwrap();
    // Streamed on from there: what `AsyncRead` left of a piece comes first.
    let mut rest = Vec::new();
    while let Some(piece) = poll_fn(|cx| Pin::new(&mut bytes).poll_next(cx)).await {
        rest.extend_from_slice(&piece.unwrap());
    }
    assert_eq!([head.to_vec(), rest].concat(), object(1).content.to_vec());

    origin.script(
        "/f",
        vec![Fault::Cut { after: 1_000_000 }, Fault::Status { code: 404, headers: Vec::new(), body: String::new() }],
    );
    let mut read_to_end = Vec::new();
    let error = read(&origin).read().await.unwrap().read_to_end(&mut read_to_end).await.unwrap_err();
    let inner = error.into_inner().and_then(|inner| inner.downcast::<longhaul::Error>().ok()).unwrap();
    assert_eq!(inner.kind(), ErrorKind::NotFound);
    assert!(
        inner.context().iter().any(|(name, value)| *name == "handed_on" && *value == read_to_end.len().to_string())
    );
}

/// Goal: a future that is dropped loses no byte. Method: each call is polled once and dropped, unless it is ready.
#[tokio::test]
async fn calls_that_are_dropped_lose_nothing() {
    let origin = Origin::start();
    origin.put("/f", object(1));
    origin.script("/f", vec![Fault::Cut { after: 1_000_000 }]);
    let mut bytes = read(&origin).read().await.unwrap();
    let mut read = Vec::new();
    loop {
        let polled = {
            let mut next = Box::pin(bytes.next());
            poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await
        };
        match polled {
            Poll::Ready(Some(piece)) => read.extend_from_slice(&piece.unwrap()),
            Poll::Ready(None) => break,
            Poll::Pending => tokio::task::yield_now().await,
        }
    }
    assert!(read == object(1).content.to_vec());
}

/// Goal: memory has a bound, and a reader that is dropped lets go of the server. Method: an object of 300 MB of which
/// nothing is taken; the origin counts what it sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_waits_makes_the_server_wait_and_one_that_goes_frees_it() {
    let origin = Origin::builder().send_buffer(64 << 10).start().unwrap();
    origin.put("/f", Object::seeded(3, 300_000_000).etag("\"v3\""));
    let bytes = read(&origin).read().await.unwrap();
    let mut before = u64::MAX;
    while before != origin.bytes_served() {
        before = origin.bytes_served();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < 50_000_000, "{before} bytes were sent to a reader that took none");
    drop(bytes);
    let origin = Arc::new(origin);
    let settled = tokio::task::spawn_blocking(move || origin.settled(Duration::from_secs(30))).await.unwrap();
    assert!(settled, "the connection stays");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_at_once() {
    let origin = Origin::start();
    assert_eq!(read(&origin).read().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(read(&origin).to("file").read().await.unwrap_err().kind(), ErrorKind::Usage);
    origin.put("/f", object(1));
    assert_eq!(read(&origin).if_match("\"other\"").read().await.unwrap_err().kind(), ErrorKind::ConditionFailed);
    origin.put("/f", Object::new(Content::empty()).etag("\"v0\""));
    assert_eq!(all(&mut read(&origin).read().await.unwrap()).await, (Vec::new(), None));
}

/// A signed link that expires in the middle is followed by a fresh one, under the same validator.
#[tokio::test]
async fn a_fresh_link_goes_on_in_the_middle() {
    let origin = Origin::start();
    origin.put("/f", object(1));
    let expired = Fault::Status { code: 403, headers: Vec::new(), body: "<Code>AccessDenied</Code>expired".to_owned() };
    origin.script("/f", vec![Fault::Cut { after: 1_000_000 }, expired]);
    let (old, fresh) = (origin.url("/f?Signature=old&Expires=1"), origin.url("/f?Signature=new&Expires=2"));
    let links = Arc::new(move |_: String| std::future::ready(Some(fresh.clone())));
    let client = Client::builder().build().unwrap();
    let mut bytes = client.download(old.as_str()).link_source(links).read().await.unwrap();
    let (read, end) = all(&mut bytes).await;
    assert!(end.is_none() && read == object(1).content.to_vec(), "{end:?}");
}
