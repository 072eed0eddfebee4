//! What is not established about the service, the other way round, and back, while the store runs.

use crate::client::Bench;

#[test]
fn a_variant_is_chosen_while_the_store_runs_or_not_at_all() {
    let bench = Bench::new();
    let etag = bench.put("k", &[7; 1000]).header("ETag").unwrap().to_owned();
    bench.put("empty", b"");
    bench.put("a%2Bb", b"");
    let standard = "x-oss-range-behavior: standard\nRange: ";
    let copy = format!("x-oss-copy-source: /films/k\nx-oss-copy-source-if-none-match: {etag}");
    let both = format!("If-Match: {etag}\nIf-Unmodified-Since: Thu, 13 Nov 2025 03:25:44 GMT");
    for (name, values, line, fields) in [
        (
            "several-ranges",
            &[("416", "416 InvalidRange"), ("first", "206")][..],
            "GET k",
            "Range: bytes=0-9,20-29".into(),
        ),
        (
            "malformed-range",
            &[("416", "416 InvalidRange"), ("400", "400 InvalidArgument"), ("everything", "200")],
            "GET k",
            format!("{standard}bytes=5-2"),
        ),
        (
            "long-suffix",
            &[("416", "416 InvalidRange"), ("everything", "200"), ("206", "206")],
            "GET k",
            format!("{standard}bytes=-2000"),
        ),
        (
            "range-of-empty-object",
            &[("everything", "200"), ("416", "416 InvalidRange")],
            "GET empty",
            format!("{standard}bytes=0-"),
        ),
        (
            "end-past-object",
            &[("416", "416 InvalidRange"), ("everything", "200")],
            "GET k",
            "Range: bytes=500-2000".into(),
        ),
        ("plus-in-path", &[("space", "404 NoSuchKey"), ("plus", "200")], "GET a+b", String::new()),
        ("conditions", &[("all", "412 PreconditionFailed"), ("rfc9110", "200")], "GET k", both),
        ("copy-not-modified", &[("304", "304"), ("412", "412 PreconditionFailed")], "PUT copy", copy),
    ] {
        let (method, key) = line.split_once(' ').unwrap();
        for (value, said) in values {
            let chosen = bench.admin("POST", "/variants", &format!(r#"{{"{name}":"{value}"}}"#));
            assert_eq!(chosen.status, 200, "{}", chosen.text());
            assert_eq!(bench.ask(&format!("{method} /films/{key}"), &fields, b"").said(), *said, "{name}={value}");
        }
    }
    let upload = bench.initiate("k", "&sequential");
    let second = || bench.ask(&format!("PUT /films/k?partNumber=2&uploadId={upload}"), "", b"x").said();
    assert_eq!(second(), "400 PartNotSequential");
    // One that is wrong, and none is chosen.
    let wrong = r#"{"part-not-sequential":"InvalidPartOrder","meta-crc64":"perhaps"}"#;
    let refused = bench.admin("POST", "/variants", wrong);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("meta-crc64 is one of sent, left-out"), "{}", refused.text());
    assert_eq!(second(), "400 PartNotSequential");
    assert_eq!(bench.admin("POST", "/variants", &wrong.replace("perhaps", "left-out")).status, 200);
    assert_eq!(second(), "400 InvalidPartOrder");
    assert_eq!(bench.ask("HEAD /films/k?objectMeta", "", b"").header("x-oss-hash-crc64ecma"), None);
    let all = bench.admin("GET", "/variants", "").text();
    assert!(all.contains(r#""conditions":{"is":"rfc9110","of":["rfc9110","all"]}"#), "{all}");
}

#[test]
fn a_store_begins_with_the_variants_it_was_given() {
    let bench = Bench::with(|builder| builder.variant("several-ranges", "416").unwrap());
    bench.put("k", b"0123456789");
    assert_eq!(bench.ask("GET /films/k", "Range: bytes=0-1,3-4", b"").status, 416);
}
