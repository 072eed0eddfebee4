//! Multipart uploads.

use longhaul_devstore::Content;

use crate::client::Bench;

const PART: usize = 100 << 10;

#[test]
fn parts_become_the_object_in_the_order_of_their_numbers() {
    let bench = Bench::new();
    let body = Content::seeded(1, 2 * PART as u64 + 5);
    let bytes = body.to_vec();
    let upload = bench.initiate("k", "&encoding-type=url");
    let third = bench.part("k", &upload, 30, &bytes[2 * PART..]);
    let first = bench.part("k", &upload, 1, &bytes[..PART]);
    let second = bench.part("k", &upload, 7, &bytes[PART..2 * PART]);
    // Not named, so not part of it.
    bench.part("k", &upload, 8, b"unwanted");
    assert_eq!(bench.get("k").said(), "404 NoSuchKey", "until it is completed there is nothing");
    let done = bench.complete("k", &upload, "", &[(1, &first), (7, &second), (30, &third)]);
    assert_eq!(done.said(), "200", "{}", done.text());
    assert_eq!(done.header("x-oss-hash-crc64ecma"), Some(body.crc64_header().as_str()));
    let heard = bench.get("k");
    assert!(heard.body == bytes && heard.header("ETag").unwrap().ends_with("-3\""));
    assert_eq!(heard.header("x-oss-object-type"), Some("Multipart"));
    assert_eq!(heard.header("Content-MD5"), None);
    // Over the border of two parts.
    let range = bench.ask("GET /films/k", &format!("Range: bytes={}-{}", PART - 3, PART + 2), b"");
    assert_eq!(range.body, bytes[PART - 3..PART + 3]);
}

#[test]
fn lists_that_are_wrong_are_refused_and_change_nothing() {
    let bench = Bench::new();
    let upload = bench.initiate("k", "");
    let big = vec![1; PART];
    let (one, two) = (bench.part("k", &upload, 1, &big), bench.part("k", &upload, 2, b"small"));
    let three = bench.part("k", &upload, 3, b"last");
    for (parts, said) in [
        (vec![(2, two.as_str()), (1, one.as_str())], "400 InvalidPartOrder"),
        (vec![(1, one.as_str()), (1, one.as_str())], "400 InvalidPartOrder"),
        (vec![(1, two.as_str())], "400 InvalidPart"),
        (vec![(1, one.as_str()), (4, one.as_str())], "400 InvalidPart"),
        (vec![(0, one.as_str())], "400 InvalidArgument"),
        (vec![(1, one.as_str()), (2, two.as_str()), (3, three.as_str())], "400 EntityTooSmall"),
        (vec![], "400 MalformedXML"),
    ] {
        assert_eq!(bench.complete("k", &upload, "", &parts).said(), said, "{parts:?}");
    }
    let line = format!("POST /films/k?uploadId={upload}");
    assert_eq!(bench.ask(&line, "", b"<CompleteMultipartUpload><Part>").said(), "400 MalformedXML");
    assert_eq!(bench.complete("k", &upload, "x-oss-complete-all: yes", &[(1, &one)]).said(), "400 InvalidArgument");
    for number in ["0", "10001", "x", ""] {
        let line = format!("PUT /films/k?partNumber={number}&uploadId={upload}");
        assert_eq!(bench.ask(&line, "", b"x").said(), "400 InvalidArgument", "{number}");
    }
    // Unquoted ETags are as good.
    let done = bench.complete("k", &upload, "", &[(1, one.trim_matches('"')), (2, &two)]);
    assert_eq!(done.said(), "200", "{}", done.text());
    for line in
        [format!("PUT /films/k?partNumber=1&uploadId={upload}"), line, format!("DELETE /films/k?uploadId={upload}")]
    {
        assert_eq!(bench.ask(&line, "", b"").said(), "404 NoSuchUpload", "a completed upload is dead: {line}");
    }
}

#[test]
fn complete_all_takes_what_is_there_and_forbid_overwrite_what_is_free() {
    let bench = Bench::new();
    let upload = bench.initiate("k", "");
    bench.part("k", &upload, 5, b"b");
    bench.part("k", &upload, 2, &vec![b'a'; PART]);
    assert_eq!(bench.complete("k", &upload, "x-oss-complete-all: yes", &[]).said(), "200");
    assert_eq!(bench.get("k").body.len(), PART + 1);
    let upload = bench.initiate("k", "");
    let etag = bench.part("k", &upload, 1, b"other");
    let forbidden = bench.complete("k", &upload, "x-oss-forbid-overwrite: true", &[(1, &etag)]);
    assert_eq!(forbidden.said(), "409 FileAlreadyExists");
    assert_eq!(bench.get("k").body.len(), PART + 1);
    // The upload has survived its refusal.
    assert_eq!(bench.complete("k", &upload, "", &[(1, &etag)]).said(), "200");
    assert_eq!(bench.get("k").text(), "other");
}

#[test]
fn sequential_uploads_take_each_part_once_and_in_order() {
    let bench = Bench::new();
    let upload = bench.initiate("k", "&sequential");
    let line = |number: u32| format!("PUT /films/k?partNumber={number}&uploadId={upload}");
    assert_eq!(bench.ask(&line(2), "", b"x").said(), "400 PartNotSequential");
    let etag = bench.part("k", &upload, 1, b"x");
    let again = bench.ask(&line(1), "", b"x");
    assert_eq!((again.said().as_str(), again.element("PartNumber").as_str()), ("409 PartAlreadyExist", "1"));
    assert_eq!(again.element("PartEtag").replace("&quot;", "\""), etag);
    bench.part("k", &upload, 2, b"y");
}

/// What one SDK sends and another does not; the SDK that is not run here is the Go one.
#[test]
fn what_differs_between_sdks_is_taken() {
    let bench = Bench::new();
    let chunked = bench.ask("POST /films/k?uploads", "Transfer-Encoding: chunked", b"0\r\n\r\n");
    assert_eq!(chunked.said(), "200", "an Initiate with an empty body in chunks");
    let upload = chunked.element("UploadId");
    // Parameters in another order; metadata on a part; an MD5 of nothing on a request without a body.
    let part = bench.ask(&format!("PUT /films/k?uploadId={upload}&partNumber=1"), "x-oss-meta-a: ignored", b"part");
    let etag = part.header("ETag").unwrap().trim_matches('"').to_owned();
    let empty_md5 = "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==";
    assert_eq!(bench.ask(&format!("GET /films/k?uploadId={upload}"), empty_md5, b"").status, 200);
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUpload>\n<Part>\n<ETag>&#34;{etag}&#34;</ETag>\n\
         <PartNumber>1</PartNumber>\n</Part>\n</CompleteMultipartUpload>\n"
    );
    let done = bench.ask(&format!("POST /films/k?uploadId={upload}"), "", document.as_bytes());
    assert_eq!(done.said(), "200", "{}", done.text());
    let got = bench.ask("GET /films/k", empty_md5, b"");
    assert_eq!((got.text().as_str(), got.header("x-oss-meta-a")), ("part", None));
}

#[test]
fn lists_of_parts_and_uploads_come_in_pages() {
    let bench = Bench::new();
    let uploads: Vec<String> = ["b", "a", "dir/x", "a"].iter().map(|key| bench.initiate(key, "")).collect();
    for number in [1, 3, 7, 9, 10_000] {
        bench.part("b", &uploads[0], number, number.to_string().as_bytes());
    }
    // What a client needs to hold a part against its own file without asking for it.
    let one = bench.ask(&format!("GET /films/b?uploadId={}&max-parts=1", uploads[0]), "", b"");
    let content = Content::bytes(b"1".to_vec());
    assert_eq!(one.element("ETag").replace("&quot;", ""), content.md5().to_uppercase());
    assert_eq!((one.element("HashCrc64ecma"), one.element("Size")), (content.crc64_header(), "1".to_owned()));
    let mut seen = Vec::new();
    let mut marker = "0".to_owned();
    loop {
        let line = format!("GET /films/b?uploadId={}&max-parts=2&part-number-marker={marker}", uploads[0]);
        let page = bench.ask(&line, "", b"").text();
        seen.extend(page.split("<PartNumber>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()));
        marker = page.split("<NextPartNumberMarker>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        if page.contains("<IsTruncated>false") {
            break;
        }
    }
    assert_eq!(seen, ["1", "3", "7", "9", "10000"]);
    let mut found = Vec::new();
    let (mut key, mut id) = (String::new(), String::new());
    loop {
        let page =
            bench.ask(&format!("GET /films?uploads&max-uploads=1&key-marker={key}&upload-id-marker={id}"), "", b"");
        found.push((page.text().split("<Upload>").nth(1).unwrap().to_owned(), page.element("Initiated")));
        if page.element("IsTruncated") == "false" {
            break;
        }
        (key, id) = (page.element("NextKeyMarker"), page.element("NextUploadIdMarker"));
    }
    let ids: Vec<&String> = uploads.iter().filter(|id| found.iter().any(|(one, _)| one.contains(*id))).collect();
    assert_eq!((found.len(), ids.len()), (4, 4), "each once: {found:?}");
    let folded = bench.ask("GET /films?uploads&delimiter=%2F", "", b"");
    assert_eq!(
        (folded.text().matches("<Upload>").count(), folded.element("CommonPrefixes")),
        (3, "<Prefix>dir/</Prefix>".into())
    );
}

#[test]
fn copies_keep_or_replace_what_is_said_of_them_and_heed_the_conditions_of_their_source() {
    let bench = Bench::new();
    let put = bench.ask("PUT /films/a%2Bb", "x-oss-meta-a: 1\nContent-Type: a/b", b"body");
    let etag = put.header("ETag").unwrap();
    let source = "x-oss-copy-source: /films/a%2Bb";
    for (fields, said) in [
        (format!("{source}\nx-oss-copy-source-if-match: {etag}"), "200"),
        (format!("{source}\nx-oss-copy-source-if-match: X"), "412 PreconditionFailed"),
        (format!("{source}\nx-oss-copy-source-if-none-match: {etag}"), "412 PreconditionFailed"),
        ("x-oss-copy-source: /films/nothing".to_owned(), "404 NoSuchKey"),
        ("x-oss-copy-source: films".to_owned(), "400 InvalidArgument"),
        (format!("{source}?versionId=7"), "501 NotImplemented"),
    ] {
        assert_eq!(bench.ask("PUT /films/copy", &fields, b"").said(), said, "{fields}");
    }
    let copy = bench.get("copy");
    assert_eq!(
        (copy.text().as_str(), copy.header("x-oss-meta-a"), copy.header("Content-Type")),
        ("body", Some("1"), Some("a/b"))
    );
    let fields = "x-oss-copy-source: /films/copy\nx-oss-metadata-directive: REPLACE\nx-oss-meta-b: 2";
    assert_eq!(bench.ask("PUT /films/copy", fields, b"").said(), "200", "onto itself");
    let copy = bench.get("copy");
    assert_eq!(
        (copy.text().as_str(), copy.header("x-oss-meta-a"), copy.header("x-oss-meta-b")),
        ("body", None, Some("2"))
    );
    bench.ask("DELETE /films/a%2Bb", "", b"");
    assert_eq!(bench.get("copy").text(), "body", "a copy does not need its source");
}
