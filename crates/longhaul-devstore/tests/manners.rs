//! The origin unspoilt: what RFC 9110 and 9112 ask of a server, in tables.

mod common;

use std::time::Duration;

use common::{End, ask, connect, exactly, get, get_range, head, rest, send};
use longhaul_devstore::{Content, DateField, Fault, Gate, Heeds, Object, Origin, Ranges};

const SOON: Duration = Duration::from_secs(60);
const OLD: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
const OLDER: &str = "Tue, 01 Jan 2019 00:00:00 GMT";
const NEWER: &str = "Fri, 01 Jan 2021 00:00:00 GMT";

fn origin() -> (Origin, Vec<u8>) {
    let origin = Origin::start();
    let content = Content::seeded(1, 1000);
    origin.put("/x", Object::new(content.clone()).etag("\"v1\""));
    (origin, content.to_vec())
}

#[test]
fn the_whole_object_is_described_and_delivered() {
    let (origin, bytes) = origin();
    let reply = get(&origin, "/x?any=query");
    assert_eq!((reply.status(), reply.end, reply.body()), (200, End::Fin, &bytes[..]));
    for (name, value) in [
        ("Content-Length", "1000"),
        ("ETag", "\"v1\""),
        ("Last-Modified", OLD),
        ("Accept-Ranges", "bytes"),
        ("Content-Type", "application/octet-stream"),
        ("Connection", "close"),
    ] {
        assert_eq!(reply.header(name).as_deref(), Some(value), "{name}");
    }
    assert!(reply.header("Date").is_some());
    let missing = get(&origin, "/y");
    assert_eq!(missing.status(), 404);
}

#[test]
fn ranges_are_answered_as_rfc_9110_section_14_says() {
    let (origin, bytes) = origin();
    for (range, expected) in [
        ("0-", Some(0..1000)),
        ("0-0", Some(0..1)),
        ("10-19", Some(10..20)),
        ("999-", Some(999..1000)),
        ("990-5000", Some(990..1000)),
        ("990-99999999999999999999999", Some(990..1000)),
        ("-1", Some(999..1000)),
        ("-5000", Some(0..1000)),
        (" 5-9 ,", Some(5..10)),
        ("5-9,2000-", Some(5..10)),
        ("1000-", None),
        ("-0", None),
        ("99999999999999999999999-", None),
    ] {
        let reply = get_range(&origin, "/x", range);
        match expected {
            Some(expected) => {
                let label = format!("bytes {}-{}/1000", expected.start, expected.end - 1);
                assert_eq!((reply.status(), reply.header("Content-Range")), (206, Some(label)), "{range}");
                assert_eq!(reply.body(), &bytes[expected], "{range}");
            }
            None => {
                let label = Some("bytes */1000".to_owned());
                assert_eq!((reply.status(), reply.header("Content-Range")), (416, label), "{range}");
            }
        }
    }
    for invalid in ["20-10", "a-b", "", ",", "5", "--5", "+1-2"] {
        let reply = get_range(&origin, "/x", invalid);
        assert_eq!((reply.status(), reply.body().len()), (200, 1000), "{invalid}");
    }
    let other_unit = ask(&origin, "GET", "/x", "Range: items=0-1\r\n");
    assert_eq!(other_unit.status(), 200);
    origin.put("/empty", Object::seeded(1, 0));
    let reply = get_range(&origin, "/empty", "0-");
    assert_eq!((reply.status(), reply.header("Content-Range")), (416, Some("bytes */0".to_owned())));
}

#[test]
fn several_ranges_are_a_multipart_body() {
    let (origin, bytes) = origin();
    let reply = get_range(&origin, "/x", "0-1,-2");
    let content_type = reply.header("Content-Type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |label: &str, bytes: &[u8]| {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {label}/1000\r\n\r\n"
        );
        [head.as_bytes(), bytes].concat()
    };
    let end = format!("\r\n--{boundary}--\r\n");
    let expected = [part("0-1", &bytes[..2]), part("998-999", &bytes[998..]), end.into_bytes()].concat();
    assert_eq!((reply.status(), reply.body()), (206, &expected[..]));
    assert_eq!(reply.header("Content-Range"), None);
}

#[test]
fn conditions_come_in_the_order_of_rfc_9110_section_13() {
    let (origin, _) = origin();
    let (match_right, match_wrong) = ("If-Match: \"v1\"\r\n", "If-Match: \"v2\"\r\n");
    for (fields, status) in [
        (match_right.to_owned(), 206),
        ("If-Match: *\r\n".to_owned(), 206),
        ("If-Match: \"a,b\", \"v1\"\r\n".to_owned(), 206),
        (match_wrong.to_owned(), 412),
        ("If-Match: W/\"v1\"\r\n".to_owned(), 412),
        (format!("If-Unmodified-Since: {OLD}\r\n"), 206),
        (format!("If-Unmodified-Since: {OLDER}\r\n"), 412),
        ("If-Unmodified-Since: yesterday\r\n".to_owned(), 206),
        (format!("{match_right}If-Unmodified-Since: {OLDER}\r\n"), 206),
        ("If-None-Match: \"v1\"\r\n".to_owned(), 304),
        ("If-None-Match: W/\"v1\"\r\n".to_owned(), 304),
        ("If-None-Match: \"v2\"\r\n".to_owned(), 206),
        (format!("If-Modified-Since: {OLD}\r\n"), 304),
        (format!("If-Modified-Since: {OLDER}\r\n"), 206),
        (format!("If-None-Match: \"v2\"\r\nIf-Modified-Since: {OLD}\r\n"), 206),
        (format!("{match_wrong}If-None-Match: \"v1\"\r\n"), 412),
        ("If-Range: \"v1\"\r\n".to_owned(), 206),
        ("If-Range: \"v2\"\r\n".to_owned(), 200),
        ("If-Range: W/\"v1\"\r\n".to_owned(), 200),
        (format!("If-Range: {OLD}\r\n"), 206),
        (format!("If-Range: {NEWER}\r\n"), 200),
    ] {
        let reply = ask(&origin, "GET", "/x", &format!("Range: bytes=5-\r\n{fields}"));
        assert_eq!(reply.status(), status, "{fields}");
        assert_eq!(reply.header("ETag").as_deref(), Some("\"v1\""), "{fields}");
        if status == 304 {
            assert_eq!((reply.body().len(), reply.header("Content-Length")), (0, None), "{fields}");
        }
    }
}

#[test]
fn conditions_not_heeded_are_not_looked_at() {
    let (origin, bytes) = origin();
    origin.put("/x", Object::new(Content::bytes(bytes)).heeds(Heeds::NONE));
    for fields in ["If-Match: \"other\"\r\n", "If-Range: \"other\"\r\n", "If-None-Match: *\r\n"] {
        let reply = ask(&origin, "GET", "/x", &format!("Range: bytes=5-\r\n{fields}"));
        assert_eq!(reply.status(), 206, "{fields}");
    }
}

#[test]
fn ranges_may_be_ignored_with_or_without_saying_so() {
    let (origin, _) = origin();
    for (ranges, claims) in [(Ranges::Ignore, None), (Ranges::IgnoreButClaim, Some("bytes"))] {
        origin.put("/x", Object::seeded(1, 1000).ranges(ranges));
        let reply = get_range(&origin, "/x", "5-");
        assert_eq!((reply.status(), reply.body().len()), (200, 1000));
        assert_eq!(reply.header("Accept-Ranges").as_deref(), claims);
    }
}

#[test]
fn head_is_get_without_a_body_and_other_methods_are_not_allowed() {
    let (origin, _) = origin();
    let reply = ask(&origin, "HEAD", "/x", "Range: bytes=5-\r\n");
    assert_eq!((reply.status(), reply.header("Content-Length"), reply.body().len()), (200, Some("1000".into()), 0));
    let reply = ask(&origin, "DELETE", "/x", "");
    assert_eq!((reply.status(), reply.header("Allow")), (405, Some("GET, HEAD".into())));
}

#[test]
fn header_values_are_sent_as_they_are() {
    let origin = Origin::start();
    let object = Object::seeded(1, 10)
        .etag("W/unquoted")
        .last_modified("soon")
        .date(DateField::Fixed(OLD.to_owned()))
        .content_type("video/mp4")
        .content_encoding("gzip")
        .content_disposition("attachment; filename*=UTF-8''%e2%82%ac")
        .header("x-oss-version-id", "v9");
    origin.put("/x", object);
    let reply = get(&origin, "/x");
    for (name, value) in [
        ("ETag", "W/unquoted"),
        ("Last-Modified", "soon"),
        ("Date", OLD),
        ("Content-Type", "video/mp4"),
        ("Content-Encoding", "gzip"),
        ("Content-Disposition", "attachment; filename*=UTF-8''%e2%82%ac"),
        ("x-oss-version-id", "v9"),
    ] {
        assert_eq!(reply.header(name).as_deref(), Some(value), "{name}");
    }
    origin.put("/x", Object::seeded(1, 10).no_validators().date(DateField::Absent));
    let reply = get(&origin, "/x");
    for name in ["ETag", "Last-Modified", "Date"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
}

#[test]
fn a_connection_carries_many_requests_and_their_bodies_are_dropped() {
    let (origin, bytes) = origin();
    let stream = connect(&origin);
    let request = "GET /x HTTP/1.1\r\nHost: t\r\nRange: bytes=1-3\r\nContent-Length: 4\r\n\r\nbody";
    send(&stream, &request.repeat(3));
    for _ in 0..3 {
        assert!(head(&stream).starts_with("HTTP/1.1 206 Partial Content\r\n"));
        assert_eq!(exactly(&stream, 3), &bytes[1..4]);
    }
    send(&stream, "GET /x HTTP/1.0\r\n\r\n");
    assert_eq!(rest(&stream).body(), &bytes[..]);
    let log = origin.log();
    assert_eq!(
        log.iter().map(|seen| (seen.connection, seen.nth)).collect::<Vec<_>>(),
        [(0, 0), (0, 1), (0, 2), (0, 3)]
    );
}

#[test]
fn what_is_not_http_is_rejected_and_nothing_panics() {
    let (origin, _) = origin();
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000));
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /x HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        &long,
        &many,
    ] {
        let stream = connect(&origin);
        send(&stream, nonsense);
        assert_eq!(rest(&stream).status(), 400, "{:.40}", nonsense);
    }
    let odd = ["GET * HTTP/1.1\r\n\r\n", "GET ?a HTTP/1.1\r\n\r\n", "GET http:// HTTP/1.1\r\n\r\n"];
    for odd in odd {
        let stream = connect(&origin);
        send(&stream, odd);
        assert!(head(&stream).starts_with("HTTP/1.1 404"), "{odd}");
    }
    assert_eq!(get(&origin, "/x").status(), 200);
}

#[test]
fn a_link_without_its_signature_and_a_request_without_credentials_are_refused() {
    let (origin, _) = origin();
    origin.put("/signed", Object::seeded(1, 10).requires_query("sig", "GOOD"));
    for (path, status) in [("/signed?sig=GOOD", 200), ("/signed?sig=OLD", 403), ("/signed", 403)] {
        assert_eq!(get(&origin, path).status(), status, "{path}");
    }
    let refusal = String::from_utf8(get(&origin, "/signed").body().to_vec()).unwrap();
    assert!(refusal.contains("<Code>AccessDenied</Code><Message>Request has expired."), "{refusal}");

    origin.put("/basic", Object::seeded(1, 10).requires_basic("user", "pass"));
    let reply = get(&origin, "/basic");
    assert_eq!((reply.status(), reply.header("WWW-Authenticate").is_some()), (401, true));
    let reply = ask(&origin, "GET", "/basic", "Authorization: Basic dXNlcjpwYXNz\r\n");
    assert_eq!(reply.status(), 200);
}

#[test]
fn a_path_has_room_for_so_many_at_once_and_refuses_others() {
    let (origin, bytes) = origin();
    origin.at_most("/x", 2, Fault::retry_after(503, 1));
    let gate = Gate::new();
    origin.always("/x", Fault::hold(10, &gate));
    std::thread::scope(|scope| {
        let answered: Vec<_> = (0..2).map(|_| scope.spawn(|| get(&origin, "/x"))).collect();
        assert!(origin.wait_for(|log| log.iter().filter(|seen| seen.body_bytes == 10).count() == 2, SOON));
        let refused = get(&origin, "/x");
        assert_eq!((refused.status(), refused.header("Retry-After").as_deref()), (503, Some("1")));
        gate.open();
        for reply in answered {
            let reply = reply.join().unwrap();
            assert_eq!((reply.status(), reply.body()), (200, &bytes[..]));
        }
    });
    assert_eq!(get(&origin, "/x").status(), 200, "there is room again");
}
