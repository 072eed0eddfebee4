//! Each fault as it looks on the wire.

mod common;

use std::io::Read;
use std::time::{Duration, Instant, SystemTime};

use common::{End, Reply, ask, connect, get, get_range, rest, send};
use longhaul_devstore::{Answer, ChunkEnd, Chunks, Content, Ended, Fault, GzipEtag, Object, Origin, Parting, refuse};

const LEN: u64 = 1000;

fn content() -> Content {
    Content::seeded(1, LEN)
}

fn bytes() -> Vec<u8> {
    content().to_vec()
}

/// An origin that answers requests for `/x` with this fault.
fn origin(fault: Fault) -> Origin {
    let origin = Origin::start();
    origin.put("/x", Object::new(content()).etag("\"v1\""));
    origin.always("/x", fault);
    origin
}

fn get_with(fault: Fault) -> Reply {
    get(&origin(fault), "/x")
}

/// The answer to `bytes=100-199`.
fn range_with(fault: Fault) -> Reply {
    get_range(&origin(fault), "/x", "100-199")
}

fn all_values(reply: &Reply, name: &str) -> Vec<String> {
    reply.headers().all(name).iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_body_is_cut_or_reset_within_its_framing() {
    for (framing, wire) in [
        (Fault::Correct, bytes()[..300].to_vec()),
        (Fault::CloseDelimited, bytes()[..300].to_vec()),
        // Three whole chunks of 90 bytes, then 30 of the fourth.
        (
            Fault::Chunked(Chunks { size: 90, ..Chunks::default() }),
            [b"5a\r\n", &bytes()[..90], b"\r\n5a\r\n", &bytes()[90..180], b"\r\n5a\r\n", &bytes()[180..270]]
                .concat()
                .into_iter()
                .chain(*b"\r\n5a\r\n")
                .chain(bytes()[270..300].to_vec())
                .collect(),
        ),
    ] {
        for (stop, end) in [(Fault::Cut { after: 300 }, End::Fin), (Fault::Reset { after: 300 }, End::Rst)] {
            let reply = get_with(framing.clone().and(stop));
            assert_eq!((reply.end, reply.body()), (end, &wire[..]), "{framing:?}");
        }
    }
}

#[test]
fn a_stop_behind_the_end_leaves_the_answer_whole() {
    let reply = range_with(Fault::Reset { after: 5000 });
    assert_eq!((reply.end, reply.body()), (End::Rst, &bytes()[100..200]));
}

#[test]
fn a_kept_connection_is_closed_behind_an_answer_without_warning() {
    let origin = origin(Fault::Cut { after: u64::MAX });
    let stream = connect(&origin);
    send(&stream, "GET /x HTTP/1.1\r\nHost: t\r\n\r\n");
    let reply = rest(&stream);
    assert_eq!((reply.body().len(), reply.header("Connection")), (1000, None));
}

#[test]
fn an_answer_ends_in_its_head() {
    for after in [0, 1, 9, 40] {
        for (parting, end) in [(Parting::Cut, End::Fin), (Parting::Reset, End::Rst)] {
            let origin = origin(Fault::InHead { after, parting });
            let reply = get(&origin, "/x");
            assert_eq!((reply.end, reply.raw.len() as u64), (end, after));
            assert!("HTTP/1.1 200 OK\r\n".starts_with(&reply.head()[..(after as usize).min(17)]));
            assert_eq!(origin.log()[0].status, None);
        }
    }
    assert_eq!(get_with(Fault::hang_up()).raw, b"");
    assert_eq!(get_with(Fault::reset()).end, End::Rst);
}

#[test]
fn heads_and_bodies_arrive_slowly() {
    let tick = Duration::from_millis(5);
    for (fault, at_least) in [
        (Fault::Delay(Duration::from_millis(100)), 100),
        (Fault::SlowHead { bytes: 10, tick }, 50),
        (Fault::Trickle { bytes: 50, tick }, 100),
        (Fault::Trickle { bytes: 50, tick }.and(Fault::Chunked(Chunks { size: 20, ..Chunks::default() })), 250),
        (Fault::Pace { bytes_per_second: 10_000 }, 100),
    ] {
        let begun = Instant::now();
        let reply = get_with(fault.clone());
        assert_eq!(reply.status(), 200, "{fault:?}");
        assert!(reply.body().len() >= 1000, "{fault:?}");
        assert!(begun.elapsed() >= Duration::from_millis(at_least), "{fault:?} {:?}", begun.elapsed());
    }
}

#[test]
fn statuses_come_in_place_of_the_object() {
    for code in [200, 203, 401, 403, 408, 429, 500, 503, 599] {
        let reply = get_with(Fault::status_with(code, &[("X-A", "b")], "words"));
        assert_eq!((reply.status(), reply.body(), reply.header("X-A")), (code, &b"words"[..], Some("b".into())));
        assert_eq!(reply.header("ETag"), None);
    }
    assert_eq!(get_with(Fault::retry_after(503, 2)).header("Retry-After").as_deref(), Some("2"));
    assert_eq!(get_with(Fault::retry_after(429, "soon")).header("Retry-After").as_deref(), Some("soon"));
    let date = get_with(Fault::retry_after_date(503, Duration::from_secs(60))).header("Retry-After").unwrap();
    assert!(httpdate::parse_http_date(&date).unwrap() > SystemTime::now());
    for (code, location) in [(301, "/x"), (302, "http://127.0.0.2:1/"), (307, "file:///etc/passwd"), (308, "../%")] {
        let reply = get_with(Fault::redirect(code, location));
        assert_eq!((reply.status(), reply.header("Location").as_deref()), (code, Some(location)));
    }
    let reply = get_with(Fault::answer(refuse::expired_token()));
    assert_eq!((reply.status(), reply.header("Content-Type").as_deref()), (400, Some("application/xml")));
}

#[test]
fn answers_without_the_object() {
    let reply = get_with(Fault::Portal);
    assert_eq!((reply.status(), reply.header("ETag")), (200, None));
    assert!(reply.header("Content-Type").unwrap().starts_with("text/html"));

    let reply = range_with(Fault::Empty);
    assert_eq!((reply.status(), reply.body(), reply.header("Content-Length").as_deref()), (200, &b""[..], Some("0")));
    assert_eq!((reply.header("ETag").as_deref(), reply.header("Content-Range")), (Some("\"v1\""), None));

    let reply = range_with(Fault::NoContent);
    assert_eq!((reply.status(), reply.body(), reply.header("Content-Length")), (204, &b""[..], None));

    for content_range in [None, Some("bytes */1000".to_owned()), Some("bytes */0".to_owned())] {
        let reply = range_with(Fault::NotSatisfiable { content_range: content_range.clone() });
        assert_eq!((reply.status(), reply.header("Content-Range")), (416, content_range));
    }
    for (relabelled, code) in [(range_with(Fault::Relabel(200)), 200), (get_with(Fault::Relabel(206)), 206)] {
        assert_eq!(relabelled.status(), code);
        assert_eq!(relabelled.header("Content-Range").is_some(), code == 200);
    }
}

#[test]
fn ranges_are_not_those_asked_for() {
    for (fault, label, shown) in [
        (Fault::Correct, "bytes 100-199/1000", 100..200),
        (Fault::UnaskedRange(5..10), "bytes 5-9/1000", 5..10),
        (Fault::EarlyRange { by: 30 }, "bytes 70-199/1000", 70..200),
        (Fault::EarlyRange { by: 3000 }, "bytes 0-199/1000", 0..200),
        (Fault::LateRange { by: 30 }, "bytes 130-199/1000", 130..200),
        (Fault::ShortRange { max: 30 }, "bytes 100-129/1000", 100..130),
        (Fault::OtherBytes { by: 7 }, "bytes 100-199/1000", 107..207),
    ] {
        let reply = range_with(fault.clone());
        assert_eq!((reply.status(), reply.header("Content-Range").as_deref()), (206, Some(label)), "{fault:?}");
        assert_eq!(reply.body(), &bytes()[shown], "{fault:?}");
        assert_eq!(reply.header("Content-Length"), Some(reply.body().len().to_string()), "{fault:?}");
    }
    let reply = range_with(Fault::IgnoreRange);
    assert_eq!((reply.status(), reply.body(), reply.header("Content-Range")), (200, &bytes()[..], None));
    let unasked = get_with(Fault::UnaskedRange(0..1000));
    assert_eq!((unasked.status(), unasked.body()), (206, &bytes()[..]));
    let past = range_with(Fault::OtherBytes { by: 850 });
    assert_eq!(past.body(), [&bytes()[950..], &[0; 50]].concat());
}

#[test]
fn content_range_is_wrong_absent_or_doubled() {
    let truth = "bytes 100-199/1000".to_owned();
    for lie in ["bytes 100-199/*", "bytes 199-100/1000", "bytes */1000", "100-199", "bytes 100-199/2000", "x"] {
        let reply = range_with(Fault::ContentRange(lie.to_owned()));
        assert_eq!(all_values(&reply, "Content-Range"), [lie]);
        let reply = range_with(Fault::SecondContentRange(lie.to_owned()));
        assert_eq!(all_values(&reply, "Content-Range"), [&truth, lie]);
        assert_eq!(reply.body(), &bytes()[100..200]);
    }
    assert_eq!(all_values(&range_with(Fault::NoContentRange), "Content-Range"), [""; 0]);
    let reply = range_with(Fault::Multipart);
    assert!(reply.header("Content-Type").unwrap().starts_with("multipart/byteranges"));
    assert!(reply.body().windows(100).any(|window| window == &bytes()[100..200]));
}

#[test]
fn content_length_lies() {
    for (values, expected) in [
        (&["999"][..], &["999"][..]),
        (&["1000", "1000"], &["1000", "1000"]),
        (&["1000", "5"], &["1000", "5"]),
        (&["-1"], &["-1"]),
        (&["1e3"], &["1e3"]),
        (&["1000, 1000"], &["1000, 1000"]),
        (&["99999999999999999999"], &["99999999999999999999"]),
        (&[], &[]),
    ] {
        let reply = get_with(Fault::content_length(values));
        assert_eq!(all_values(&reply, "Content-Length"), expected);
        assert_eq!((reply.end, reply.body()), (End::Fin, &bytes()[..]), "{values:?}");
    }
    for (by, length) in [(10, "1010"), (-10, "990")] {
        let reply = get_with(Fault::LengthOff(by));
        assert_eq!((reply.header("Content-Length").as_deref(), reply.body().len()), (Some(length), 1000));
    }
    let reply = get_with(Fault::Extra(77));
    assert_eq!((reply.header("Content-Length").as_deref(), reply.body().len()), (Some("1000"), 1077));
    assert_eq!(&reply.body()[..1000], &bytes()[..]);
}

#[test]
fn the_end_is_told_by_close_or_never() {
    let reply = get_with(Fault::CloseDelimited);
    assert_eq!((reply.end, reply.body()), (End::Fin, &bytes()[..]));
    assert_eq!((reply.header("Content-Length"), reply.header("Transfer-Encoding")), (None, None));

    for framing in [Fault::Correct, Fault::Chunked(Chunks::default())] {
        let origin = origin(framing.and(Fault::Endless));
        let mut stream = connect(&origin);
        send(&stream, "GET /x HTTP/1.1\r\nHost: t\r\n\r\n");
        let mut piece = vec![0; 1 << 20];
        for _ in 0..30 {
            stream.read_exact(&mut piece).unwrap();
        }
        assert_eq!(origin.log()[0].ended, Ended::Serving);
    }
}

#[test]
fn chunks_are_framed_rightly_and_wrongly() {
    let small = |end| Chunks { size: 600, end, trailers: Vec::new() };
    let bad = |after, line: &str| small(ChunkEnd::BadSize { after, line: line.to_owned() });
    let (first, second) = (bytes()[..600].to_vec(), bytes()[600..].to_vec());
    for (chunks, parts) in [
        (small(ChunkEnd::Correct), [&b"258\r\n"[..], &first, b"\r\n190\r\n", &second, b"\r\n0\r\n\r\n"]),
        (small(ChunkEnd::Missing), [b"258\r\n", &first, b"\r\n190\r\n", &second, b"\r\n"]),
        (small(ChunkEnd::HalfTerminator), [b"258\r\n", &first, b"\r\n190\r\n", &second, b"\r\n0\r\n"]),
        (small(ChunkEnd::MissingLineEnd), [b"258\r\n", &first, b"190\r\n", &second, b"\r\n0\r\n\r\n"]),
        (bad(0, "zz"), [b"zz\r\n", &first, b"\r\n", b"", b""]),
        (bad(1, "-5"), [b"258\r\n", &first, b"\r\n-5\r\n", &second, b"\r\n"]),
        (bad(5000, "fffffffffffffffff"), [b"258\r\n", &first, b"\r\n190\r\n", &second, b"\r\nfffffffffffffffff\r\n"]),
        (
            Chunks { trailers: vec![("Repr-Digest".to_owned(), "x".to_owned())], ..small(ChunkEnd::Correct) },
            [b"258\r\n", &first, b"\r\n190\r\n", &second, b"\r\n0\r\nRepr-Digest: x\r\n\r\n"],
        ),
    ] {
        let origin = origin(Fault::Chunked(chunks.clone()));
        let reply = get(&origin, "/x");
        assert_eq!(reply.body(), parts.concat(), "{chunks:?}");
        assert_eq!(reply.header("Transfer-Encoding").as_deref(), Some("chunked"));
        assert!(origin.bytes_served() <= 1000, "framing is not counted");
    }
}

#[test]
fn headers_are_changed_and_garbled() {
    let reply = get_with(Fault::set_header("ETag", "W/\"weak\"").and(Fault::add_header("ETag", "second")));
    assert_eq!(all_values(&reply, "ETag"), ["W/\"weak\"", "second"]);
    assert_eq!(get_with(Fault::remove_header("etag")).header("ETag"), None);
    for line in [&b"no colon"[..], b"X-Nul: a\0b", b" folded", b"X-Latin: \xe4", b": nameless", b"A b: c"] {
        let reply = get_with(Fault::RawHeader(line.to_vec()));
        let whole_line = [b"\r\n", line, b"\r\n"].concat();
        assert!(reply.raw.windows(whole_line.len()).any(|window| window == whole_line));
        assert_eq!(reply.body(), &bytes()[..]);
    }
    let reply = get_with(Fault::BigHeader(1 << 20));
    assert_eq!(reply.header("X-Filler").map(|value| value.len()), Some(1 << 20));
    let reply = get_with(Fault::RawHead(b"ICY 200 OK\n\n".to_vec()));
    assert_eq!(reply.raw, [b"ICY 200 OK\n\n", &bytes()[..]].concat());
}

#[test]
fn interim_replies_come_before_the_answer() {
    let reply = get_with(Fault::Interim { code: 103, count: 3 });
    let text = String::from_utf8_lossy(&reply.raw);
    assert_eq!(text.matches("HTTP/1.1 103 ").count(), 3);
    assert!(text.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"));
    assert!(reply.raw.ends_with(&bytes()));
}

#[test]
fn validators_change_with_every_answer() {
    let origin = origin(Fault::ChangingEtag);
    let first = get(&origin, "/x").header("ETag").unwrap();
    assert_eq!(first, "\"changing-0\"");
    let conditional = ask(&origin, "GET", "/x", &format!("If-Match: {first}\r\n"));
    assert_eq!(conditional.status(), 412);
    assert_eq!(get(&origin, "/x").header("ETag").as_deref(), Some("\"changing-2\""));
}

#[test]
fn an_object_is_encoded_on_the_way() {
    for (etag, expected) in
        [(GzipEtag::Same, "\"v1\""), (GzipEtag::Suffixed, "\"v1-gzip\""), (GzipEtag::Weak, "W/\"v1\"")]
    {
        let origin = origin(Fault::Gzip(etag));
        let reply = get(&origin, "/x");
        assert_eq!(reply.header("ETag").as_deref(), Some(expected));
        assert_eq!(reply.header("Content-Encoding").as_deref(), Some("gzip"));
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(reply.body()).read_to_end(&mut decoded).unwrap();
        assert_eq!(decoded, bytes());
        let part = get_range(&origin, "/x", "10-19");
        assert_eq!((part.status(), part.body()), (206, &reply.body()[10..20]), "ranges of the gzip bytes");
    }
    let whole = range_with(Fault::Gzip(GzipEtag::Weak).and(Fault::IgnoreRange));
    assert_eq!((whole.status(), whole.header("Content-Encoding").as_deref()), (200, Some("gzip")));
}

#[test]
fn bytes_are_wrong_under_the_right_head() {
    let mut flipped = bytes();
    flipped[150] ^= 1;
    let reply = range_with(Fault::Flip { offset: 150 });
    assert_eq!((reply.body(), reply.header("ETag").as_deref()), (&flipped[100..200], Some("\"v1\"")));

    let other = Content::seeded(2, LEN);
    let reply = range_with(Fault::SwitchBody { after: 40, to: other.clone() });
    assert_eq!(reply.body(), content().switched_at(140, &other).slice(100..200).to_vec());

    let origin = origin(Fault::Correct);
    let corrupt = Object::new(content().with_start_of(&other, 100)).etag("\"v1\"");
    let corrupt = corrupt.header("x-oss-hash-crc64ecma", content().crc64_header());
    origin.script("/x", vec![Fault::serve_as(corrupt)]);
    let reply = get(&origin, "/x");
    assert_eq!(reply.header("x-oss-hash-crc64ecma"), Some(content().crc64_header()));
    assert_eq!(content().first_difference(reply.body()).unwrap(), Some(0));
    assert_eq!(get(&origin, "/x").body(), &bytes()[..]);
}

/// What a fault says of the delivery holds also when a later one puts another answer in place.
#[test]
fn faults_combine_in_order() {
    let reply = get_with(Fault::Cut { after: 2 }.and(Fault::status_with(503, &[], "words")));
    assert_eq!((reply.status(), reply.body(), reply.end), (503, &b"wo"[..], End::Fin));
    let answer = Answer::status(200).body("text/plain", "words");
    let reply = get_with(Fault::answer(answer).and(Fault::LengthOff(5)).and(Fault::set_header("ETag", "\"v1\"")));
    assert_eq!(
        (reply.header("Content-Length").as_deref(), reply.header("ETag").as_deref()),
        (Some("10"), Some("\"v1\""))
    );
    let reply =
        range_with(Fault::ShortRange { max: 50 }.and(Fault::Flip { offset: 100 }).and(Fault::Reset { after: 9 }));
    assert_eq!((reply.body(), reply.end), (&content().flipped(100).to_vec()[100..109], End::Rst));
}

/// Whatever is combined, the origin lives.
#[test]
fn no_pair_of_faults_panics_on_any_request() {
    let chunks = |end| Fault::Chunked(Chunks { size: 7, end, trailers: Vec::new() });
    let faults = vec![
        Fault::Correct,
        Fault::All(Vec::new()),
        Fault::Cut { after: u64::MAX },
        Fault::Reset { after: 3 },
        Fault::InHead { after: u64::MAX, parting: Parting::Cut },
        Fault::status(304),
        Fault::Relabel(0),
        Fault::Portal,
        Fault::Empty,
        Fault::NoContent,
        Fault::NotSatisfiable { content_range: None },
        Fault::IgnoreRange,
        #[allow(clippy::reversed_empty_ranges, reason = "such ranges are asked for too")]
        Fault::UnaskedRange(u64::MAX..5),
        Fault::EarlyRange { by: u64::MAX },
        Fault::LateRange { by: u64::MAX },
        Fault::ShortRange { max: 0 },
        Fault::OtherBytes { by: u64::MAX },
        Fault::Multipart,
        Fault::content_length(&[]),
        Fault::LengthOff(i64::MIN),
        Fault::Extra(100),
        Fault::CloseDelimited,
        chunks(ChunkEnd::Missing),
        chunks(ChunkEnd::BadSize { after: 0, line: String::new() }),
        chunks(ChunkEnd::MissingLineEnd),
        Fault::RawHead(Vec::new()),
        Fault::Interim { code: 100, count: 1 },
        Fault::ChangingEtag,
        Fault::Gzip(GzipEtag::Weak),
        Fault::Flip { offset: u64::MAX },
        Fault::SwitchBody { after: u64::MAX, to: Content::empty() },
        Fault::Trickle { bytes: 0, tick: Duration::ZERO },
        Fault::replace(0, Object::seeded(1, 30)),
    ];
    let origin = Origin::start();
    let mut asked = 0;
    for first in &faults {
        for second in &faults {
            for (method, fields) in [("GET", "Range: bytes=5-20\r\n"), ("GET", ""), ("HEAD", "Range: bytes=0-\r\n")] {
                origin.put("/x", Object::seeded(1, 30));
                origin.always("/x", first.clone().and(second.clone()));
                ask(&origin, method, "/x", fields);
                asked += 1;
                assert_eq!(origin.requests(), asked, "{first:?} {second:?}");
            }
        }
    }
    assert!(origin.settled(Duration::from_secs(60)));
    let broken: Vec<_> = origin.log().into_iter().filter(|seen| seen.ended == Ended::OriginLeft).collect();
    assert!(broken.is_empty(), "a thread panicked: {broken:?}");
}
