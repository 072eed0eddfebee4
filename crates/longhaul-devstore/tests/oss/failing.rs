//! The store misbehaving as told, the log of it, and the admin port.

use std::io::Write;

use longhaul_devstore::Content;

use crate::client::{Bench, connect, hear};

const SIZE: u64 = 300_000;

fn bench() -> (Bench, Vec<u8>) {
    let bench = Bench::new();
    let body = Content::seeded(9, SIZE).to_vec();
    bench.put("k", &body);
    bench.log(1); // its line comes before all others
    (bench, body)
}

#[test]
fn answers_end_at_the_exact_byte() {
    let (bench, body) = bench();
    for kind in ["cut", "reset"] {
        for after in [0u64, 1, 65_536, 100_001] {
            bench.server().fault(&format!("kind={kind} after={after} op=GetObject times=1")).unwrap();
            let heard = bench.get("k");
            assert!(heard.body == body[..after as usize] && !heard.whole, "{kind} {after}: {}", heard.body.len());
        }
    }
    assert!(bench.get("k").body == body);
    let log = bench.log(1 + 8 + 1);
    let sent: Vec<u64> = log.iter().skip(1).map(|line| line["bytes_out"].as_u64().unwrap()).collect();
    assert_eq!(sent, [0, 1, 65_536, 100_001, 0, 1, 65_536, 100_001, SIZE], "the log counts what was sent");
    assert_eq!(
        (&log[1]["ended"], &log[5]["ended"], &log[9]["ended"]),
        (&"cut".into(), &"reset".into(), &"whole".into())
    );
    assert_eq!(log[2]["faults"], serde_json::json!(["cut"]));
}

#[test]
fn a_stalled_answer_stays_until_the_client_leaves() {
    let (bench, body) = bench();
    bench.server().fault("kind=stall after=1000 op=GetObject times=1").unwrap();
    let mut stream = connect(bench.server().address());
    stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    write!(stream, "GET /films/k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let heard = hear(stream, false).unwrap();
    assert!(heard.body == body[..1000] && !heard.whole);
    assert_eq!(bench.log(2)[1]["ended"], "stall");
}

#[test]
fn bits_flip_on_the_way_out_or_in_and_checksums_lie() {
    let (bench, mut body) = bench();
    let crc = bench.get("k").header("x-oss-hash-crc64ecma").unwrap().to_owned();
    bench.server().fault("kind=flip offset=150000 op=GetObject times=2").unwrap();
    let range = bench.ask("GET /films/k", "Range: bytes=149999-150001", b"");
    body[150_000] ^= 1;
    assert_eq!(range.body, body[149_999..=150_001]);
    let flipped = bench.get("k");
    assert!(flipped.body == body && flipped.header("x-oss-hash-crc64ecma") == Some(&crc));
    body[150_000] ^= 1;
    bench.server().fault("kind=wrong-crc op=GetObject times=1").unwrap();
    bench.server().fault("kind=wrong-etag op=GetObject times=1").unwrap();
    let lying = bench.get("k");
    let honest = bench.get("k");
    assert!(lying.body == body && lying.header("ETag") != honest.header("ETag"));
    assert_ne!(lying.header("x-oss-hash-crc64ecma"), Some(crc.as_str()));
    bench.server().fault("kind=flip-upload offset=1 op=PutObject times=1").unwrap();
    bench.put("in", b"abc");
    assert_eq!(bench.get("in").text(), "acc");
}

#[test]
fn lost_answers_are_work_that_was_done() {
    let (bench, _) = bench();
    bench.server().fault("kind=lose-answer op=PutObject,UploadPart,CompleteMultipartUpload").unwrap();
    assert!(bench.try_ask("PUT /films/lost", "", b"x").is_none());
    let upload = bench.initiate("big", "");
    assert!(bench.try_ask(&format!("PUT /films/big?partNumber=1&uploadId={upload}"), "", b"part").is_none());
    let list = bench.ask(&format!("GET /films/big?uploadId={upload}"), "", b"");
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        list.element("ETag")
    );
    assert!(bench.try_ask(&format!("POST /films/big?uploadId={upload}"), "", body.as_bytes()).is_none());
    assert_eq!((bench.get("lost").text().as_str(), bench.get("big").text().as_str()), ("x", "part"));
}

#[test]
fn refusals_come_as_told() {
    let (bench, body) = bench();
    for (rule, said, field) in [
        ("kind=status status=503 retry_after=7 times=1", "503 ServiceUnavailable", Some(("Retry-After", "7"))),
        ("kind=status status=429 times=1", "429 TooManyRequests", None),
        ("kind=status status=403 code=UserDisable times=1", "403 UserDisable", None),
        ("kind=expire-link times=1", "403 AccessDenied", None),
        ("kind=expire-token times=1", "403 SecurityTokenExpired", None),
        ("kind=skew times=1", "403 RequestTimeTooSkewed", None),
    ] {
        bench.server().fault(rule).unwrap();
        let heard = bench.get("k");
        assert_eq!(heard.said(), said, "{rule}");
        assert!(field.is_none_or(|(name, value)| heard.header(name) == Some(value)), "{rule}");
    }
    bench.server().fault("kind=ignore-range times=1").unwrap();
    let heard = bench.ask("GET /films/k", "Range: bytes=0-9", b"");
    assert!(heard.status == 200 && heard.body == body);
    let upload = bench.initiate("up", "");
    bench.server().fault("kind=remove-upload op=UploadPart").unwrap();
    let part = bench.ask(&format!("PUT /films/up?partNumber=1&uploadId={upload}"), "", b"x");
    assert_eq!(part.said(), "404 NoSuchUpload");
}

#[test]
fn objects_are_replaced_between_requests_and_within_them() {
    let (bench, body) = bench();
    bench.server().fault("kind=replace after=100000 op=GetObject times=1").unwrap();
    let first = bench.get("k");
    assert!(first.body == body, "a reader keeps its version");
    let second = bench.get("k");
    assert!(second.body != body && second.body.len() == body.len() && second.header("ETag") != first.header("ETag"));
    bench.server().fault("kind=replace size=5 op=HeadObject times=1").unwrap();
    assert_eq!(bench.ask("HEAD /films/k", "", b"").header("Content-Length"), Some("5"));
    let sum = bench.get("k");
    assert_eq!(sum.header("x-oss-hash-crc64ecma"), Some(Content::bytes(sum.body.clone()).crc64_header().as_str()));
}

#[test]
fn uploads_are_cut_at_the_exact_byte_and_leave_nothing() {
    let (bench, body) = bench();
    let upload = bench.initiate("up", "");
    bench.server().fault("kind=cut-upload after=70001 op=UploadPart times=1").unwrap();
    assert!(bench.try_ask(&format!("PUT /films/up?partNumber=1&uploadId={upload}"), "", &body).is_none());
    let log = bench.log(3);
    assert_eq!((&log[2]["bytes_in"], &log[2]["ended"]), (&70_001.into(), &"reset".into()));
    let list = bench.ask(&format!("GET /films/up?uploadId={upload}"), "", b"");
    assert_eq!(list.text().matches("<Part>").count(), 0);
}

#[test]
fn slow_ways_deliver_everything() {
    let (bench, body) = bench();
    for rule in [
        "kind=latency ms=5",
        "kind=slow-answer ms=5",
        "kind=bandwidth bytes_per_second=10000000",
        "kind=trickle bytes=50000 ms=1",
    ] {
        bench.server().clear_faults();
        bench.server().fault(rule).unwrap();
        assert!(bench.get("k").body == body, "{rule}");
        bench.put("in", &body);
        assert!(bench.get("in").body == body, "{rule}");
    }
}

#[test]
fn the_admin_port_changes_what_it_is_told_and_refuses_the_web() {
    let (bench, _) = bench();
    let added = bench.admin("POST", "/faults", r#"{"kind":"status","status":500,"op":"GetObject","times":1}"#);
    assert_eq!((added.status, added.text().as_str()), (200, "{\"id\":1}"));
    assert_eq!(bench.get("k").said(), "500 InternalError");
    let state: serde_json::Value = serde_json::from_slice(&bench.admin("GET", "/state", "").body).unwrap();
    assert_eq!((&state["faults"][0]["struck"], &state["buckets"][0]["objects"]), (&1.into(), &1.into()));
    assert_eq!(bench.admin("DELETE", "/faults/1", "").text(), "{\"removed\":1}");
    assert_eq!(bench.admin("POST", "/faults", r#"{"kind":"nonsense"}"#).status, 400);
    assert_eq!(bench.admin("GET", "/nothing", "").status, 404);
    for (body, status) in [
        (r#"{"offset_ms":-86400000}"#, 200),
        (r#"{"advance_ms":86400000}"#, 200),
        (r#"{"offset_ms":-9223372036854775808}"#, 400),
        (r#"{"advance_ms":9223372036854775807}"#, 400),
        (r#"{"offset_ms":1,"advance_ms":1}"#, 400),
    ] {
        assert_eq!(bench.admin("POST", "/clock", body).status, status, "{body}");
    }
    assert!(bench.admin("GET", "/", "").text().contains("<h1>longhaul serve</h1>"));
    bench.log(2);
    let log = bench.admin("GET", "/log?since=1", "").text();
    assert!(log.lines().count() == 1 && log.contains("\"code\":\"InternalError\""), "{log}");
    // What a page of the web could make a browser send.
    let address = bench.server().admin().trim_start_matches("http://").parse().unwrap();
    for (head, status) in [
        ("POST /faults HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain", 415),
        ("GET /state HTTP/1.1\r\nHost: evil.example", 403),
    ] {
        let mut stream = connect(address);
        write!(stream, "{head}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}").unwrap();
        assert_eq!(hear(stream, false).unwrap().status, status, "{head}");
    }
}

#[test]
fn no_head_that_is_sent_makes_the_store_fall() {
    let bench = Bench::new();
    for head in [
        "\0\0\0\0\r\n\r\n",
        "GET films HTTP/1.1\r\n\r\n",
        "GET /%ff HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "PUT /films/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "PUT /films/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /films/k?max-keys=%zz&=&&a HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = connect(bench.server().address());
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let heard = hear(stream, false);
        assert!(heard.as_ref().is_some_and(|heard| (400..500).contains(&heard.status)), "{head:?}: {heard:?}");
    }
    bench.put("k", b"alive");
}
