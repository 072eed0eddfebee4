//! How a body ends, and what the head says of it.

use super::*;

#[tokio::test]
async fn bodies_end_where_their_framing_says() {
    let close = "connection: close\r\n";
    let chunked = "transfer-encoding: chunked\r\nconnection: close\r\n";
    let origin = Origin::start(&[
        ("/exact", ok("content-length: 5\r\n", "bytes")),
        ("/long", ok(&format!("content-length: 5\r\n{close}"), "bytes and more")),
        ("/short", ok(&format!("content-length: 9\r\n{close}"), "bytes")),
        ("/open", ok(close, "bytes")),
        ("/chunked", ok(chunked, "3\r\nbyt\r\n2\r\nes\r\n0\r\n\r\n")),
        ("/chunked-cut", ok(chunked, "3\r\nbyt\r\n2\r\n")),
        ("/chunked-cut-at-end", ok(chunked, "5\r\nbytes\r\n")),
        ("/chunked-bad", ok(chunked, "zz\r\nbyt\r\n")),
        ("/no-head", "connection: close".into()),
        ("/half-head", "HTTP/1.1 200 OK\r\nconnection: close\r\n".into()),
        ("/two-lengths", ok("content-length: 5\r\ncontent-length: 6\r\nconnection: close\r\n", "bytes")),
        ("/same-lengths", ok("content-length: 5\r\ncontent-length: 5\r\n", "bytes")),
        ("/bad-length", ok("content-length: five\r\nconnection: close\r\n", "bytes")),
        (
            "/early-hints",
            format!("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{}", ok("content-length: 5\r\n", "bytes")),
        ),
        ("/http10", "HTTP/1.0 200 OK\r\nx: connection: close\r\n\r\nbytes".into()),
    ]);
    let store = HttpStore::new(&direct()).unwrap();
    let whole = |framing| Ok((framing, "bytes"));
    for (path, want) in [
        ("/exact", whole(Framing::Length(5))),
        ("/long", whole(Framing::Length(5))),
        ("/short", Err(NetFault::Cut)),
        ("/open", whole(Framing::Close)),
        ("/chunked", whole(Framing::Marked)),
        ("/chunked-cut", Err(NetFault::Cut)),
        ("/chunked-cut-at-end", Err(NetFault::Cut)),
        ("/chunked-bad", Err(NetFault::Protocol)),
        ("/no-head", Err(NetFault::Protocol)),
        ("/half-head", Err(NetFault::Cut)),
        ("/two-lengths", Err(NetFault::Protocol)),
        ("/same-lengths", whole(Framing::Length(5))),
        ("/bad-length", Err(NetFault::Protocol)),
        ("/early-hints", whole(Framing::Length(5))),
        ("/http10", whole(Framing::Close)),
    ] {
        let got = get(&store, &origin.url(path), &fetch()).await;
        let got = got.map(|(reply, body)| (reply.facts.framing, String::from_utf8(body).unwrap())).map_err(|f| {
            println!("{path}: {}", f.detail);
            f.fault
        });
        assert_eq!(got, want.map(|(framing, body)| (framing, body.to_owned())), "{path}");
    }
}

#[tokio::test]
async fn facts_come_from_the_final_reply() {
    let partial =
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\nbytes";
    let expired = "<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>";
    let origin = Origin::start(&[
        ("/to", moved("/part").replace("Found\r\n", "Found\r\netag: \"redirect\"\r\n")),
        ("/part", partial.into()),
        ("/gzip", ok("content-encoding: gzip\r\ncontent-length: 5\r\n", "bytes")),
        ("/expired", format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{expired}", expired.len())),
        ("/long-error", format!("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n{}{expired}", " ".repeat(70_000))),
        ("/no-target", "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".into()),
    ]);
    let store = HttpStore::new(&direct()).unwrap();
    let (reply, body) = get(&store, &origin.url("/to"), &fetch()).await.unwrap();
    assert_eq!(reply.facts.content_range, ContentRange::Bytes { start: 0, end: 5, total: Some(9) });
    assert_eq!((reply.facts.identity.etag.as_deref(), body.as_slice()), (Some("\"a\""), &b"bytes"[..]));
    let (reply, body) = get(&store, &origin.url("/gzip"), &fetch()).await.unwrap();
    assert_eq!((reply.facts.identity.encoding.as_deref(), body.as_slice()), (Some("gzip"), &b"bytes"[..]));
    assert!(store.open(&origin.url("/expired").into(), &fetch()).await.unwrap().facts.expired);
    assert!(!store.open(&origin.url("/long-error").into(), &fetch()).await.unwrap().facts.expired);
    assert_eq!(get(&store, &origin.url("/no-target"), &fetch()).await.err().unwrap().fault, NetFault::Redirect);
}

/// Goal: a head that is not to the letter is read as browsers and curl read it, and what frames a body all the same is
/// not guessed. Method: one body behind many heads.
#[tokio::test]
async fn heads_that_are_not_to_the_letter_are_read_and_framing_is_not_guessed() {
    let many: String = (0..300).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let too_many: String = (0..600).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let cases = [
        ("content-length: 5\r\nx-note : y\r\n", Some(Framing::Length(5))),
        ("content-length : 5\r\n", Some(Framing::Length(5))),
        ("x-policy: a;\r\n b\r\ncontent-length: 5\r\n", Some(Framing::Length(5))),
        ("x-note: a\u{1}b\r\ncontent-length: 5\r\n", Some(Framing::Length(5))),
        ("x frame options: y\r\nno colon\r\ncontent-length: 5\r\n", Some(Framing::Length(5))),
        (many.as_str(), Some(Framing::Close)),
        ("transfer-encoding: identity\r\ncontent-length: 5\r\n", Some(Framing::Length(5))),
        ("transfer-encoding:\r\ncontent-length: 5\r\n", Some(Framing::Length(5))),
        ("transfer-encoding: identity\r\n", Some(Framing::Close)),
        (too_many.as_str(), None),
        ("content-length: 5\u{1}\r\n", None),
        ("content-length\u{1}: 5\r\n", None),
        ("content-length: 5\r\n 0\r\n", None),
        ("x: y\r\n transfer-encoding: chunked\r\n", None),
        ("transfer-encoding: chunked\u{1}\r\n", None),
        ("transfer-encoding\u{1}: chunked\r\n", None),
    ];
    for (fields, want) in cases {
        let reply = format!("{fields}x: connection: close\r\n");
        let origin = Origin::start(&[("/x", ok(&reply, "bytes"))]);
        let got = get(&HttpStore::new(&direct()).unwrap(), &origin.url("/x"), &fetch()).await;
        let got = got.map(|(reply, body)| (reply.facts.framing, String::from_utf8(body).unwrap())).map_err(|f| f.fault);
        let want = want.map(|framing| (framing, "bytes".to_owned())).ok_or(NetFault::Protocol);
        assert_eq!(got, want, "{:?}", &fields[..fields.len().min(100)]);
    }
}

/// `Transfer-Encoding: identity` changes nothing about the length beside it: bytes behind it are not read, a connection
/// that stays open is not waited for, and a body that ends before it is cut.
#[tokio::test]
async fn a_coding_that_does_nothing_leaves_the_length_as_it_is() {
    let head = "transfer-encoding: identity\r\ncontent-length: 5\r\n";
    let origin = Origin::start(&[
        ("/open", ok(head, "bytes")),
        ("/long", ok(head, "bytes and more")),
        ("/empty", ok(&head.replace('5', "0"), "")),
        ("/short", ok(&format!("{head}connection: close\r\n"), "byte")),
        ("/two", ok(&format!("{head}content-length: 6\r\nconnection: close\r\n"), "bytes")),
    ]);
    let store = HttpStore::new(&direct()).unwrap();
    for (path, want) in
        [("/open", Ok("bytes")), ("/long", Ok("bytes")), ("/empty", Ok("")), ("/short", Err(NetFault::Cut))]
    {
        let got = get(&store, &origin.url(path), &fetch()).await.map(|(_, body)| body).map_err(|f| f.fault);
        assert_eq!(got, want.map(|body| body.as_bytes().to_vec()), "{path}");
    }
    assert!(get(&store, &origin.url("/two"), &fetch()).await.unwrap().0.facts.misframed);
}

#[tokio::test]
async fn the_version_may_be_in_lower_case() {
    let origin = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes").replace("HTTP", "http"))]);
    let store = HttpStore::new(&direct()).unwrap();
    for _ in 0..3 {
        assert_eq!(get(&store, &origin.url("/x"), &fetch()).await.unwrap().1, b"bytes");
    }
    assert_eq!(origin.connections(), [0, 0, 0]);
}
