//! Objects, addresses, permissions, limits.

use std::io::Write;
use std::time::Duration;

use longhaul_devstore::Content;
use longhaul_devstore::oss::Builder;

use crate::client::{Bench, connect, hear};

#[test]
fn an_object_comes_back_with_all_that_was_said_about_it() {
    let bench = Bench::new();
    let body = Content::seeded(1, 300_000);
    let fields = "Content-Type: video/mp4\nCache-Control: no-cache\nContent-Disposition: inline\n\
                  Content-Encoding: gzip\nExpires: never\nx-oss-meta-Name: Wert\nx-oss-storage-class: IA";
    let put = bench.ask("PUT /films/a/b", fields, &body.to_vec());
    assert_eq!((put.status, put.header("ETag").unwrap()), (200, format!("\"{}\"", body.md5().to_uppercase()).as_str()));
    for method in ["GET", "HEAD"] {
        let heard = bench.ask(&format!("{method} /films/a/b"), "Accept-Encoding: identity", b"");
        for (name, value) in [
            ("Content-Type", "video/mp4"),
            ("Cache-Control", "no-cache"),
            ("Content-Disposition", "inline"),
            ("Content-Encoding", "gzip"),
            ("Expires", "never"),
            ("x-oss-meta-name", "Wert"),
            ("x-oss-storage-class", "IA"),
            ("x-oss-object-type", "Normal"),
            ("x-oss-hash-crc64ecma", body.crc64_header().as_str()),
            ("Content-MD5", body.content_md5().as_str()),
            ("Content-Length", "300000"),
            ("Accept-Ranges", "bytes"),
            ("Server", "AliyunOSS"),
        ] {
            assert_eq!(heard.header(name), Some(value), "{method} {name}");
        }
        assert_eq!(heard.header("x-oss-request-id").unwrap().len(), 24);
        let same = if method == "GET" { heard.body == body.to_vec() } else { heard.body.is_empty() };
        assert!(same && heard.whole, "{method}");
    }
    let overridden = bench.ask("GET /films/a/b?response-content-type=text%2Fplain&response-expires=soon", "", b"");
    assert_eq!((overridden.header("Content-Type"), overridden.header("Expires")), (Some("text/plain"), Some("soon")));
    let meta = bench.ask("HEAD /films/a/b?objectMeta", "", b"");
    assert_eq!((meta.header("Content-Length"), meta.header("Content-Type")), (Some("300000"), None));
}

#[test]
fn ranges_and_conditions_are_answered_as_the_service_answers_them() {
    let bench = Bench::new();
    let body = Content::seeded(2, 1000).to_vec();
    let etag = bench.put("k", &body).header("ETag").unwrap().to_owned();
    let crc = bench.get("k").header("x-oss-hash-crc64ecma").unwrap().to_owned();
    let standard = "x-oss-range-behavior: standard\n";
    for (fields, said, range) in [
        ("Range: bytes=0-499".to_owned(), "206", Some("bytes 0-499/1000")),
        ("Range: bytes=-1".to_owned(), "206", Some("bytes 999-999/1000")),
        ("Range: bytes=500-2000".to_owned(), "200", None),
        (format!("{standard}Range: bytes=500-2000"), "206", Some("bytes 500-999/1000")),
        ("Range: bytes=1000-".to_owned(), "200", None),
        (format!("{standard}Range: bytes=1000-"), "416 InvalidRange", Some("bytes */1000")),
        // Conditions come before the range.
        (format!("{standard}Range: bytes=1000-\nIf-Match: \"X\""), "412 PreconditionFailed", None),
        (format!("Range: bytes=0-9\nIf-Match: {etag}"), "206", Some("bytes 0-9/1000")),
        (format!("Range: bytes=0-9\nIf-Match: {}", etag.trim_matches('"')), "206", Some("bytes 0-9/1000")),
        // If-Range is not looked at.
        ("Range: bytes=0-9\nIf-Range: \"X\"".to_owned(), "206", Some("bytes 0-9/1000")),
        (format!("If-None-Match: {etag}"), "304", None),
    ] {
        let heard = bench.ask("GET /films/k", &fields, b"");
        assert_eq!((heard.said().as_str(), heard.header("Content-Range")), (said, range), "{fields}");
        match heard.status {
            200 => assert_eq!(heard.body, body, "{fields}"),
            206 => {
                let (start, end) = range.unwrap()[6..].split_once('/').unwrap().0.split_once('-').unwrap();
                let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
                assert_eq!(heard.body, body[start..=end], "{fields}");
                assert_eq!(heard.header("x-oss-hash-crc64ecma"), Some(crc.as_str()), "of the whole object");
            }
            304 => assert!(heard.body.is_empty() && heard.header("ETag").is_some()),
            412 => assert_eq!(heard.element("Condition"), "If-Match"),
            _ => {}
        }
    }
}

#[test]
fn the_error_of_a_head_stands_in_a_field() {
    use base64::Engine as _;
    let bench = Bench::new();
    let heard = bench.ask("HEAD /films/nothing", "", b"");
    let error = base64::engine::general_purpose::STANDARD.decode(heard.header("x-oss-err").unwrap()).unwrap();
    assert!(String::from_utf8(error).unwrap().contains("<Code>NoSuchKey</Code>"));
    assert_eq!((heard.status, heard.header("x-oss-ec"), heard.body.len()), (404, Some("0026-00000001"), 0));
}

#[test]
fn every_spelling_of_an_address_leads_to_the_same_object() {
    let bench =
        Bench::with(|builder| builder.host("dl.example.com", "films").host("[::1]", "films").domain("oss.test"));
    bench.put("dir/a%20b", b"x");
    for (line, host) in [
        ("GET /films/dir/a%20b", "127.0.0.1"),
        ("GET /films/dir%2Fa%20b", "localhost:80"),
        ("GET /dir/a%20b", "films.localhost"),
        ("GET /dir/a%20b", "films.oss-cn-hangzhou.aliyuncs.com"),
        ("GET /dir%2fa%20b", "dl.example.com:8080"),
        ("GET /films/dir/a%20b", "oss.test"),
        ("GET /dir/a%20b", "FILMS.OSS.TEST"),
        ("GET /dir/a%20b", "[::1]"), // an address that was mapped
    ] {
        let heard = bench.ask(line, &format!("Host: {host}"), b"");
        assert_eq!((heard.status, heard.text()), (200, "x".to_owned()), "{line} {host}");
    }
}

#[test]
fn no_key_leaves_the_folder() {
    let bench = Bench::new();
    for key in ["..%2F..%2Fescape", "../../escape", "%2Fetc%2Fescape", "a/../../../../escape", "%2E%2E", ".", "con"] {
        bench.put(key, b"x");
        assert_eq!(bench.get(key).text(), "x", "{key}");
    }
    let listed = bench.ask("GET /films/?encoding-type=url", "", b"").text();
    assert_eq!(listed.matches("<Key>").count(), 6, "two spellings are one key, others are kept apart: {listed}");
    assert!(!bench.folder.path().parent().unwrap().join("escape").exists());
    for (bucket, said) in [("..", "400 InvalidBucketName"), ("Films", "400 InvalidBucketName"), ("good-1", "200")] {
        assert_eq!(bench.ask(&format!("PUT /{bucket}"), "", b"").said(), said, "{bucket}");
    }
    let long = "k".repeat(1024);
    assert_eq!(bench.ask(&format!("PUT /films/{long}"), "", b"").said(), "400 InvalidObjectName");
    assert_eq!(bench.put(&long[1..], b"").status, 200);
}

#[test]
fn what_the_store_has_not_it_refuses_and_never_does_half() {
    let bench = Bench::new();
    bench.put("k", b"before");
    for (line, fields, said) in [
        ("PUT /films/k?symlink", "x-oss-symlink-target: other", "501 NotImplemented"),
        ("PUT /films/k?restore", "", "501 NotImplemented"),
        ("PUT /films?versioning", "", "501 NotImplemented"),
        ("PUT /films/k", "x-oss-server-side-encryption: KMS", "501 NotImplemented"),
        ("PUT /films/k", "If-Match: *", "400 NotImplemented"),
        ("PUT /films/k", "x-oss-forbid-overwrite: true", "409 FileAlreadyExists"),
        ("PUT /films/k", "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==", "400 InvalidDigest"),
        ("PUT /films/k", "x-oss-traffic-limit: 1", "400 InvalidArgument"),
        ("PUT /films/k", "x-oss-storage-class: Best", "400 InvalidArgument"),
        ("PUT /nowhere/k", "", "404 NoSuchBucket"),
        ("PATCH /films/k", "", "405 MethodNotAllowed"),
    ] {
        assert_eq!(bench.ask(line, fields, b"after").said(), said, "{line} {fields}");
    }
    assert_eq!(bench.get("k").text(), "before");
}

#[test]
fn bodies_of_unknown_length_are_taken_in_chunks_or_not_at_all() {
    let bench = Bench::new();
    let chunks = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(bench.ask("PUT /films/k", "Transfer-Encoding: chunked", chunks).status, 200);
    assert_eq!(bench.get("k").text(), "abcde");
    let mut stream = connect(bench.server().address());
    stream.write_all(b"PUT /films/k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    assert_eq!(hear(stream, false).unwrap().said(), "411 MissingContentLength");
    let mut stream = connect(bench.server().address());
    let head =
        "PUT /films/k HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(hear(stream, false).unwrap().said(), "400 EntityTooLarge", "and no byte was asked for");
}

#[test]
fn who_waits_for_a_100_gets_it() {
    let bench = Bench::new();
    let mut stream = connect(bench.server().address());
    let head = "PUT /films/k HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut line = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").unwrap();
    assert_eq!(hear(stream, false).unwrap().status, 200);
    assert_eq!(bench.get("k").text(), "abc");
}

#[test]
fn slow_clients_are_not_waited_for_and_leave_nothing_behind() {
    let short = Duration::from_millis(100);
    let bench = Bench::with(|builder| builder.patience(short, short, short));
    let mut stream = connect(bench.server().address());
    stream.write_all(b"PUT /films/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nabc").unwrap();
    assert_eq!(hear(stream, false).unwrap().said(), "400 RequestTimeout");
    let mut stream = connect(bench.server().address());
    stream.write_all(b"PUT /films/k HT").unwrap();
    assert_eq!(hear(stream, false).unwrap().said(), "400 RequestTimeout");
    assert!(hear(connect(bench.server().address()), false).is_none(), "silence is answered by hanging up");
    let data = bench.folder.path().join("buckets/films/data");
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 0);
    assert_eq!(bench.get("k").said(), "404 NoSuchKey");
}

#[test]
fn more_connections_than_allowed_are_closed_as_they_come() {
    let bench = Bench::with(|builder| builder.connections_max(2));
    let first = connect(bench.server().address());
    let second = connect(bench.server().address());
    let mut third = connect(bench.server().address());
    // It may be closed before this is written.
    let _ = third.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(hear(third, false).is_none());
    drop(first);
    let mut again = connect(bench.server().address());
    let deadline = std::time::Instant::now() + crate::client::SOON;
    loop {
        let _ = again.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        if let Some(heard) = hear(again, false) {
            assert_eq!(heard.status, 200);
            break;
        }
        assert!(std::time::Instant::now() < deadline, "a place that was left is free");
        again = connect(bench.server().address());
    }
    drop(second);
}

#[test]
fn a_hundred_gigabytes_of_zeros_need_no_disk_and_are_served_at_any_offset() {
    let bench = Bench::new();
    let size = 100u64 << 30;
    let made = bench.admin("POST", "/objects", &format!(r#"{{"bucket":"films","key":"zeros","size":{size}}}"#));
    assert_eq!(made.status, 200, "{}", made.text());
    let heard = bench.ask("GET /films/zeros", &format!("Range: bytes={}-{}", size - 10, size - 1), b"");
    assert_eq!((heard.status, heard.body.as_slice()), (206, &[0; 10][..]));
    assert_eq!(heard.header("Content-Range"), Some(format!("bytes {}-{}/{size}", size - 10, size - 1).as_str()));
    // A part of it, copied by the kernel.
    let upload = bench.initiate("slice", "");
    let copied = bench.ask(
        &format!("PUT /films/slice?partNumber=1&uploadId={upload}"),
        "x-oss-copy-source: /films/zeros\nx-oss-copy-source-range: bytes=99999999999-100000000998",
        b"",
    );
    assert_eq!(copied.status, 200, "{}", copied.text());
    assert_eq!(bench.complete("slice", &upload, "", &[(1, copied.header("ETag").unwrap())]).status, 200);
    assert_eq!(bench.get("slice").body, [0; 1000]);
}

#[test]
fn a_reader_keeps_its_version_while_the_object_is_replaced_and_removed() {
    let bench = Bench::new();
    let old = Content::seeded(3, 8 << 20).to_vec();
    bench.put("k", &old);
    let mut stream = connect(bench.server().address());
    write!(stream, "GET /films/k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    bench.put("k", b"new");
    assert_eq!(bench.get("k").text(), "new");
    assert_eq!(bench.ask("DELETE /films/k", "", b"").status, 204);
    let heard = hear(stream, false).unwrap();
    assert!(heard.body == old || heard.text() == "new" || heard.status == 404, "one version: {}", heard.body.len());
    let data = bench.folder.path().join("buckets/films/data");
    let deadline = std::time::Instant::now() + crate::client::SOON;
    while std::fs::read_dir(&data).unwrap().count() > 0 {
        assert!(std::time::Instant::now() < deadline, "what nobody reads any more is removed");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_folder_serves_one_store_at_a_time() {
    let bench = Bench::new();
    let error = Builder::new(bench.folder.path()).start().err().unwrap();
    assert!(error.to_string().contains("another store runs on it"), "{error}");
}

#[test]
fn keys_and_objects_are_the_same_after_a_restart() {
    let mut bench = Bench::new();
    bench.put("k", b"kept");
    let before = (bench.server().access_key_id(), bench.server().access_key_secret());
    let upload = bench.initiate("up", "");
    let etag = bench.part("up", &upload, 1, b"old");
    assert_ne!(bench.part("up", &upload, 1, b"part"), etag);
    bench.restart();
    assert_eq!(before, (bench.server().access_key_id(), bench.server().access_key_secret()));
    assert_eq!(bench.get("k").text(), "kept");
    let listed = bench.ask(&format!("GET /films/up?uploadId={upload}"), "", b"");
    assert_eq!((listed.element("Size"), listed.text().matches("<Part>").count()), ("4".to_owned(), 1));
    let etag = listed.element("ETag");
    assert_eq!(bench.complete("up", &upload, "", &[(1, &etag)]).status, 200);
    bench.restart();
    assert_eq!(bench.get("up").text(), "part");
    assert_eq!(bench.complete("up", &upload, "", &[(1, &etag)]).said(), "404 NoSuchUpload");
}

#[test]
fn a_client_that_speaks_s3_is_told_what_the_store_speaks() {
    for anonymous in [true, false] {
        let bench = Bench::with(|builder| builder.anonymous(anonymous));
        let v4 = "AWS4-HMAC-SHA256 Credential=a/20251113/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b";
        let form = "--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--B\r\nContent-Disposition: form-data; \
                    name=\"x-amz-signature\"\r\n\r\na\r\n--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--B--";
        for (line, fields, body) in [
            ("GET /", format!("Authorization: {v4}"), ""),
            ("GET /films/k", format!("Authorization: {v4}"), ""),
            ("PUT /films", format!("Authorization: {v4}\nx-amz-date: 20251113T000000Z"), ""),
            ("GET /films/k", "Authorization: AWS a:b".to_owned(), ""),
            ("GET /films/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=a", String::new(), ""),
            ("GET /films/k?AWSAccessKeyId=a&Expires=9999999999&Signature=b", String::new(), ""),
            ("PUT /films/k", "x-amz-acl: public-read".to_owned(), "abc"),
            ("POST /films", "Content-Type: multipart/form-data; boundary=B".to_owned(), form),
        ] {
            let heard = bench.ask(line, &fields, body.as_bytes());
            assert_eq!(heard.said(), "400 InvalidRequest", "{line} {fields}");
            let message = heard.element("Message");
            assert!(message.contains("speaks OSS") && message.contains("Use a client of OSS"), "{line}: {message}");
        }
        // What a HEAD is answered has no body, and the same in a field.
        let heard = bench.ask("HEAD /films/k", &format!("Authorization: {v4}"), b"");
        assert!(heard.status == 400 && heard.header("x-oss-err").is_some());
    }
}
