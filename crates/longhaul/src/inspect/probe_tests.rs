//! Against a server of a few lines that honours ranges and conditions, or does not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::client::ProxyChoice;
use crate::identity::ValidatorKind;

const BODY: &str = "0123456789";
const ETAG: &str = "ETag: \"a\"\r\n";
const OLD: &str = "Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT\r\n";

/// What a server does.
#[derive(Clone, Copy)]
struct Manner {
    ranges: bool,
    conditions: bool,
    fields: &'static str,
}

type Heads = Arc<Mutex<Vec<String>>>;

/// Serves by a function from request head to reply; one connection a request.
fn serve(reply: impl Fn(&str) -> String + Send + 'static) -> (String, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dir/film.mp4?token=hush", listener.local_addr().unwrap());
    let heads = Heads::default();
    let heard = Arc::clone(&heads);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let answer = reply(&head);
            heard.lock().unwrap().push(head); // before the answer: whoever has that finds this
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, heads)
}

fn answer(manner: Manner, head: &str) -> String {
    let fields = format!("{}Connection: close\r\n", manner.fields);
    let wrong_etag = head.contains("if-match: ") && !head.contains("if-match: \"a\"");
    let wrong_date = head.contains("if-unmodified-since: ") && !head.contains("01 jan 2020");
    if manner.conditions && (wrong_etag || wrong_date) {
        return format!("HTTP/1.1 412 Precondition Failed\r\n{fields}Content-Length: 0\r\n\r\n");
    }
    let partial = |first: usize, last: usize| {
        let (len, total) = (last - first + 1, BODY.len());
        let range = format!("Content-Range: bytes {first}-{last}/{total}\r\nContent-Length: {len}\r\n");
        format!("HTTP/1.1 206 Partial Content\r\n{fields}{range}\r\n{}", &BODY[first..=last])
    };
    match () {
        () if manner.ranges && head.contains("range: bytes=1-1\r") => partial(1, 1),
        () if manner.ranges && head.contains("range: bytes=0-\r") => partial(0, BODY.len() - 1),
        () => format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{BODY}", BODY.len()),
    }
}

async fn probe(url: &str) -> Result<Probe, Error> {
    let client = Client::builder().proxy(ProxyChoice::Direct).build().unwrap();
    let outcome = client.probe(url).run().await;
    assert!(!format!("{outcome:?}").contains("hush"), "{outcome:?}");
    outcome
}

async fn probe_manner(manner: Manner) -> (Probe, Vec<String>) {
    let (url, heads) = serve(move |head| answer(manner, head));
    let probe = probe(&url).await.unwrap();
    let heads = heads.lock().unwrap().clone();
    (probe, heads)
}

#[tokio::test]
async fn a_well_kept_server_is_resumable_and_shown_to_be() {
    let (p, heads) = probe_manner(Manner { ranges: true, conditions: true, fields: ETAG }).await;
    assert_eq!((p.status, p.honours_ranges, p.honours_conditions, p.resumable), (206, true, Some(true), true));
    assert_eq!((p.object.length, p.object.validator, p.object.strong), (Some(10), Some(ValidatorKind::Etag), true));
    assert_eq!((p.suggested_name.as_str(), p.problems.as_slice()), ("film.mp4", &[][..]));
    assert!(p.source.ends_with("/dir/film.mp4?token=") && p.final_url.ends_with("?…"), "{p:?}");
    let ranges: Vec<_> = heads.iter().map(|h| (h.contains("bytes=0-\r"), h.contains("if-match"))).collect();
    assert_eq!(ranges, [(true, false), (false, true), (false, true)]);
}

#[tokio::test]
async fn an_old_date_does_as_well() {
    let (p, _) = probe_manner(Manner { ranges: true, conditions: true, fields: OLD }).await;
    assert_eq!((p.resumable, p.honours_conditions), (true, Some(true)));
    assert_eq!(p.object.validator, Some(ValidatorKind::LastModified));
}

#[tokio::test]
async fn ignored_conditions_are_a_problem_but_no_obstacle() {
    let (p, _) = probe_manner(Manner { ranges: true, conditions: false, fields: ETAG }).await;
    assert_eq!((p.resumable, p.honours_conditions), (true, Some(false)));
    assert!(p.problems.iter().any(|l| l.contains("If-Match")), "{:?}", p.problems);
}

#[tokio::test]
async fn ignored_ranges_and_weak_validators_are_not_resumable() {
    let (p, _) = probe_manner(Manner { ranges: false, conditions: true, fields: ETAG }).await;
    assert_eq!((p.status, p.honours_ranges, p.resumable), (200, false, false));
    assert!(p.why.contains("ignores ranges"), "{}", p.why);
    let (p, heads) = probe_manner(Manner { ranges: true, conditions: true, fields: "ETag: W/\"a\"\r\n" }).await;
    assert_eq!((p.honours_ranges, p.honours_conditions, p.resumable, p.object.strong), (true, None, false, false));
    assert!(p.why.contains("weak"), "{}", p.why);
    assert_eq!(heads.len(), 2, "there is no condition to ask with");
}

#[tokio::test]
async fn ranges_that_only_work_when_bounded_are_found() {
    let manner = Manner { ranges: true, conditions: true, fields: ETAG };
    let (url, _) = serve(move |head| answer(manner, &head.replace("bytes=0-\r", "none\r")));
    let p = probe(&url).await.unwrap();
    assert_eq!((p.status, p.honours_ranges, p.resumable), (200, true, true));
}

#[tokio::test]
async fn an_object_without_length_or_bytes() {
    let (url, _) = serve(|_| format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{BODY}"));
    let p = probe(&url).await.unwrap();
    assert_eq!((p.object.length, p.resumable), (None, false));
    assert!(p.problems.iter().any(|l| l.contains("closed connection")), "{:?}", p.problems);
    let (url, heads) = serve(|_| {
        "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */0\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
            .to_owned()
    });
    let p = probe(&url).await.unwrap();
    assert_eq!((p.object.length, p.resumable, heads.lock().unwrap().len()), (Some(0), true, 1));
}

#[tokio::test]
async fn refusals_have_their_kinds() {
    for (status, kind) in [
        (404, ErrorKind::NotFound),
        (401, ErrorKind::Denied),
        (503, ErrorKind::Network),
        (418, ErrorKind::Refused),
        (511, ErrorKind::Refused),
    ] {
        let (url, _) =
            serve(move |_| format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(probe(&url).await.unwrap_err().kind(), kind, "{status}");
        let signed = format!("{url}&Expires=1&Signature=hush");
        let kind = if kind == ErrorKind::Denied { ErrorKind::NeedsLink } else { kind };
        assert_eq!(probe(&signed).await.unwrap_err().kind(), kind, "{status}");
    }
    assert_eq!(probe("ftp://h/x").await.unwrap_err().kind(), ErrorKind::Usage);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(probe(&format!("http://{closed}/x")).await.unwrap_err().kind(), ErrorKind::Network);
}
