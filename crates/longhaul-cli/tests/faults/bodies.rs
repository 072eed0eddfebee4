//! A body that is not what its head says, and heads that no client should have to read.

use std::time::Duration;

use longhaul_devstore::{ChunkEnd, Chunks, Content, Fault, GzipEtag, Parting, Ranges};

use crate::common::{Bench, HALF, SIZE};
use crate::table::{case, object, resume, run, says};

const REST: u64 = SIZE - HALF;

fn chunked() -> Fault {
    Fault::Chunked(Chunks::default())
}

fn badly_chunked(end: ChunkEnd) -> Fault {
    Fault::Chunked(Chunks::ending(end))
}

fn bad_size(line: &str) -> Fault {
    badly_chunked(ChunkEnd::BadSize { after: HALF, line: line.to_owned() })
}

/// 200 and the whole, whatever was asked.
fn whole(fault: Fault) -> Fault {
    Fault::IgnoreRange.and(fault)
}

#[test]
#[rustfmt::skip] // a line for each case
fn bodies_and_their_lengths() {
    run("bodies and their lengths", vec![
        case("cut in the middle").once(Fault::Cut { after: HALF }).ends(0, "validator, retried").served(SIZE),
        case("cut after one byte").once(Fault::Cut { after: 1 }).ends(0, "validator, retried").served(SIZE),
        case("cut one byte before the end").once(Fault::Cut { after: SIZE - 1 }).ends(0, "validator, retried").served(SIZE),
        case("a promised body does not come").always(Fault::Cut { after: 0 }).ends(10, "network").served(0),
        resume("a promised body does not come, on resume").always(Fault::Cut { after: 0 }).ends(10, "network, kept").served(0),
        case("cut again and again, with progress each time").always(Fault::Cut { after: 300_000 }).ends(0, "validator, retried").served(SIZE),
        case("Content-Length too large for the range, once").once(Fault::LengthOff(100)).ends(0, "validator, retried"),
        case("Content-Length too large for the range, always").always(Fault::LengthOff(100)).ends(11, "refused"),
        case("Content-Length too small for the range, always").always(Fault::LengthOff(-100)).ends(11, "refused"),
        case("a 200 shorter than its length, once").once(whole(Fault::LengthOff(100))).ends(0, "validator, restarted (changed), retried"),
        case("a 200 shorter than its length, always").always(whole(Fault::LengthOff(100))).ends(10, "network, kept").then("validator, resumed, restarted (changed)"),
        case("a 200 whose length is too small: a digest tells").once(whole(Fault::LengthOff(-100))).args(&["--checksum", &format!("sha256:{}", object().content.sha256())]).ends(0, "sha256, restarted (digest_mismatch)"),
        case("1000 bytes too many").once(Fault::Extra(1000)).ends(0, "validator"),
        case("1000 bytes too many behind a range").always(Fault::ShortRange { max: HALF }.and(Fault::Extra(1000))).ends(0, "validator"),
        case("a range without end").always(Fault::Endless).ends(0, "validator"),
        resume("a range without end, on resume").always(Fault::Endless).ends(0, "validator, resumed"),
        case("Content-Length twice, the same").once(Fault::content_length(&[&SIZE.to_string(), &SIZE.to_string()])).ends(0, "validator"),
        case("Content-Length twice, contradicting").once(Fault::content_length(&[&SIZE.to_string(), "7"])).ends(0, "validator, retried"),
        case("Content-Length twice, contradicting, always").always(Fault::content_length(&[&SIZE.to_string(), "7"])).ends(10, "network"),
        case("Content-Length: many").once(Fault::content_length(&["many"])).ends(0, "validator, retried"),
        case("Content-Length: -1").once(Fault::content_length(&["-1"])).ends(0, "validator, retried"),
        case("Content-Length: +5").once(Fault::content_length(&["+5"])).ends(0, "validator, retried"),
        case("Content-Length beyond 64 bits").always(Fault::content_length(&["99999999999999999999999"])).ends(10, "network"),
        case("the largest Content-Length, on a 200").always(whole(Fault::content_length(&["18446744073709551615"]))).ends(10, "network"),
        case("a length that no disk can hold").once(whole(Fault::content_length(&["9000000000000000000"]))).ends(8, "no_space").check(says("free")),
        case("Content-Length and Transfer-Encoding").once(chunked().and(Fault::add_header("Content-Length", "7"))).ends(0, "validator"),
        case("an unknown Transfer-Encoding, once").once(Fault::add_header("Transfer-Encoding", "gzip")).ends(0, "validator, retried"),
        case("an unknown Transfer-Encoding, always").always(Fault::add_header("Transfer-Encoding", "rot13")).ends(11, "refused"),
        case("chunked").always(chunked()).served(SIZE),
        case("chunked, length unknown").always(whole(chunked())).served(SIZE),
        case("chunked, length unknown, length required").always(whole(chunked())).args(&["--require-length"]).served(SIZE),
        case("one-byte chunks").object(object().with_content(Content::seeded(1, 20_000))).always(whole(Fault::Chunked(Chunks { size: 1, ..Chunks::default() }))).served(20_000),
        case("chunked, with trailers").always(whole(Fault::Chunked(Chunks { trailers: vec![("X-Sum".into(), "1".into())], ..Chunks::default() }))).served(SIZE),
        case("the last chunk is missing, once").once(whole(badly_chunked(ChunkEnd::Missing))).ends(0, "validator, retried"),
        case("the last chunk is missing, always").always(whole(badly_chunked(ChunkEnd::Missing))).ends(10, "network, kept"),
        case("half a terminator, once").once(whole(badly_chunked(ChunkEnd::HalfTerminator))).ends(0, "validator, retried"),
        case("a chunk of garbage size, once").once(whole(bad_size("zz"))).ends(0, "validator, retried"),
        case("a chunk of garbage size, always").always(bad_size("zz")).ends(0, "validator, retried"),
        case("a chunk of negative size").once(whole(bad_size("-5"))).ends(0, "validator, retried"),
        case("a chunk larger than any number").once(whole(bad_size("fffffffffffffffff"))).ends(0, "validator, retried"),
        case("a chunk size without end").once(whole(bad_size(&"0".repeat(100_000)))).ends(0, "validator, retried"),
        case("no line end between chunks, once").once(whole(badly_chunked(ChunkEnd::MissingLineEnd))).ends(0, "validator, retried"),
        case("delimited by the end of the connection, a range").always(Fault::CloseDelimited).served(SIZE),
        case("a range so delimited, and cut").once(Fault::CloseDelimited.and(Fault::Cut { after: HALF })).ends(0, "validator").served(SIZE),
        case("delimited by the end of the connection, the whole").always(whole(Fault::CloseDelimited)).ends(0, "nothing").served(SIZE).check(says("cannot be proven")),
        case("so delimited, and a digest").always(whole(Fault::CloseDelimited)).args(&["--checksum", &format!("md5:{}", object().content.md5())]).ends(0, "md5"),
        case("so delimited, and cut: a digest tells").once(whole(Fault::CloseDelimited.and(Fault::Cut { after: HALF }))).args(&["--checksum", &format!("md5:{}", object().content.md5())]).ends(0, "md5, restarted (digest_mismatch)"),
        case("so delimited, and a length is required").always(whole(Fault::CloseDelimited)).args(&["--require-length"]).ends(7, "not_provable"),
        resume("so delimited, where the length is known from before").always(whole(Fault::CloseDelimited)).args(&["--require-length"]).ends(0, "validator, resumed"),
        case("chunked and cut, then delimited by the end of the connection").faults(vec![whole(chunked()).and(Fault::Cut { after: HALF }), whole(Fault::CloseDelimited)]).ends(0, "nothing, retried").check(says("cannot be proven")),
        case("the same, and a length is required").faults(vec![whole(chunked()).and(Fault::Cut { after: HALF }), whole(Fault::CloseDelimited), whole(Fault::CloseDelimited)]).args(&["--require-length"]).ends(7, "not_provable, kept"),
        case("reset while so delimited is no end").once(whole(Fault::CloseDelimited.and(Fault::Reset { after: HALF }))).ends(0, "validator, retried"),
        case("zero length, honest 200").object(object().with_content(Content::empty()).ranges(Ranges::Ignore)).ends(0, "validator").served(0),
        case("zero length, 416 */0").object(object().with_content(Content::empty())).ends(0, "validator").served(0),
        case("zero length, chunked").object(object().with_content(Content::empty()).ranges(Ranges::Ignore)).always(chunked()).ends(0, "validator").served(0),
        case("zero length without validators").object(object().with_content(Content::empty()).ranges(Ranges::Ignore).no_validators()).ends(0, "length only").served(0),
        case("zero length and its digest").object(object().with_content(Content::empty())).args(&["--checksum", "md5:d41d8cd98f00b204e9800998ecf8427e"]).ends(0, "md5").served(0),
        case("one byte").object(object().with_content(Content::bytes("x"))).served(1),
    ]);
}

/// Apache, lighttpd, Ceph and Swift refuse a range of nothing, and leave out of what.
#[test]
fn an_empty_object_whose_range_is_refused_without_a_word_is_known_again() {
    let bench = Bench::new();
    bench.origin.put("/file", object().with_content(Content::empty()));
    bench.origin.choose("/file", |request| match request.header("Range") {
        Some(_) => Fault::NotSatisfiable { content_range: None },
        None => Fault::Correct,
    });
    bench.get().run().expect(&bench, 0, "validator");
    bench.get().run().expect(&bench, 0, "validator, already");
    // And what came in its place is fetched, by ranges again.
    bench.origin.put("/file", object());
    bench.origin.choose("/file", |_| Fault::Correct);
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, restarted (changed)");
    bench.assert_published(&object().content, &ran);
    assert!(bench.origin.log().last().is_some_and(|seen| seen.status == Some(206)), "{}", ran.report(&bench));
}

#[test]
#[rustfmt::skip] // a line for each case
fn encodings() {
    let stored = || object().content_encoding("gzip").with_content(object().content.gzipped());
    let packed = object().content.gzipped();
    run("encodings", vec![
        case("stored gzip is saved as it is").object(stored()).served(packed.len()),
        case("stored gzip resumes").object(stored()).held(HALF).ends(0, "validator, resumed").served(packed.len() - HALF),
        case("Content-Encoding: identity is none").object(object().content_encoding("identity")).served(SIZE),
        case("gzip on the way, from the beginning").always(Fault::Gzip(GzipEtag::Same)).is(&packed),
        resume("gzip on the way under the same ETag, once").once(Fault::Gzip(GzipEtag::Same)).ends(0, "validator, resumed, retried"),
        resume("gzip on the way under the same ETag, always").always(Fault::Gzip(GzipEtag::Same)).ends(0, "validator, resumed, restarted (encoded), retried").is(&packed),
        resume("gzip on the way under a suffixed ETag, once").once(Fault::Gzip(GzipEtag::Suffixed)).ends(0, "validator, resumed"),
        resume("gzip on the way under a suffixed ETag, always").always(Fault::Gzip(GzipEtag::Suffixed)).ends(0, "validator, resumed, restarted (changed)").is(&packed),
        resume("gzip on the way under a weakened ETag, once").once(Fault::Gzip(GzipEtag::Weak)).ends(0, "validator, resumed"),
        resume("gzip on the way under a weakened ETag, always").always(Fault::Gzip(GzipEtag::Weak)).ends(0, "validator, resumed, restarted (encoded), retried").is(&packed),
        resume("a label appears: br, once").once(Fault::set_header("Content-Encoding", "br")).ends(0, "validator, resumed, retried"),
        resume("a label appears: br, always").always(Fault::set_header("Content-Encoding", "br")).ends(0, "validator, resumed, restarted (encoded), retried"),
        case("a stored label disappears, once").object(stored()).held(HALF).once(Fault::remove_header("Content-Encoding")).ends(0, "validator, resumed, retried"),
        case("a stored label disappears, always").object(stored()).held(HALF).always(Fault::remove_header("Content-Encoding")).ends(0, "validator, resumed, restarted (encoded), retried"),
    ]);
}

/// A file that came encoded on the way, under the validator of the plain object: when that is sent plain again, the
/// finished file is not what the source has, and the question must not end in the same refusal for ever.
#[test]
fn a_finished_file_in_another_encoding_is_fetched_again() {
    let bench = Bench::new();
    bench.origin.put("/file", object());
    bench.origin.always("/file", Fault::Gzip(GzipEtag::Same));
    bench.get().alone().run().expect(&bench, 0, "validator");
    bench.origin.script("/file", Vec::new());
    bench.origin.put("/file", object());
    let ran = bench.get().alone().run();
    ran.expect(&bench, 0, "validator, restarted (encoded), retried");
    bench.assert_published(&object().content, &ran);
}

#[test]
#[rustfmt::skip] // a line for each case
fn heads() {
    let raw = |head: &str| Fault::RawHead(head.as_bytes().to_vec());
    run("heads", vec![
        resume("a field of 64 KiB").once(Fault::BigHeader(64 << 10)).ends(0, "validator, resumed"),
        resume("a field of 4 MiB, once").once(Fault::BigHeader(4 << 20)).ends(0, "validator, resumed, retried"),
        resume("a field of 4 MiB, always").always(Fault::BigHeader(4 << 20)).ends(10, "network, kept"),
        resume("2000 fields").once(Fault::All((0..2000).map(|n| Fault::add_header(&format!("X-{n}"), "x")).collect())).ends(0, "validator, resumed, retried"),
        resume("no HTTP at all").once(raw("SSH-2.0-OpenSSH_9.6\r\n\r\n")).ends(0, "validator, resumed, retried"),
        resume("ICY").once(raw("ICY 200 OK\r\n\r\n")).ends(0, "validator, resumed, retried"),
        resume("status of four digits").once(raw("HTTP/1.1 2000 OK\r\n\r\n")).ends(0, "validator, resumed, retried"),
        resume("status of no digits").once(raw("HTTP/1.1 OK\r\n\r\n")).ends(0, "validator, resumed, retried"),
        resume("a field without a name").once(Fault::RawHeader(b": x".to_vec())).ends(0, "validator, resumed"),
        resume("a field without a colon").once(Fault::RawHeader(b"nonsense".to_vec())).ends(0, "validator, resumed"),
        resume("NUL in a value").once(Fault::RawHeader(b"X-A: a\0b".to_vec())).ends(0, "validator, resumed, retried"),
        resume("a folded field").once(Fault::RawHeader(b"X-A: a\r\n b".to_vec())).ends(0, "validator, resumed"),
        resume("a blank before the colon").always(Fault::RawHeader(b"X-A : a".to_vec())).ends(0, "validator, resumed"),
        resume("a blank in a name").always(Fault::RawHeader(b"X A: a".to_vec())).ends(0, "validator, resumed"),
        resume("a control character in a value").always(Fault::RawHeader(b"X-A: a\x01b".to_vec())).ends(0, "validator, resumed"),
        resume("400 fields").always(Fault::All((0..400).map(|n| Fault::add_header(&format!("X-{n}"), "x")).collect())).ends(0, "validator, resumed"),
        resume("a control character in a length").always(Fault::RawHeader(b"Content-Length: 5\x01".to_vec())).ends(10, "network, kept"),
        resume("a folded coding").always(Fault::RawHeader(b"Transfer-Encoding: chunked\r\n x".to_vec())).ends(10, "network, kept"),
        resume("http in lower case").always(raw("http/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")).ends(3, "not_found, kept"),
        resume("illegal HTTP, always").always(raw("HTTP/1.1 2000 OK\r\n\r\n")).ends(10, "network, kept"),
        resume("cut in the head, once").once(Fault::InHead { after: 20, parting: Parting::Cut }).ends(0, "validator, resumed, retried"),
        resume("reset in the head, always").always(Fault::InHead { after: 20, parting: Parting::Reset }).ends(10, "network, kept"),
        resume("a head in drops").once(Fault::SlowHead { bytes: 64, tick: Duration::from_millis(20) }).ends(0, "validator, resumed").served(REST),
    ]);
}
