//! What stores and those who stand between have been seen to answer, or could: from origins of a few lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use longhaul_core::words::NetFault;

use super::*;

type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// Answers each request (head in lower case, body) with the bytes that it is told; closes behind an empty answer, and
/// behind one that says so.
pub(super) struct Origin {
    pub(super) addr: SocketAddr,
    heard: Heard,
}

impl Origin {
    pub(super) fn start(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Heard::default();
        let (answer, ears) = (Arc::new(answer), heard.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, ears) = (answer.clone(), ears.clone());
                thread::spawn(move || talk(stream, &*answer, &ears));
            }
        });
        Self { addr, heard }
    }

    /// Heads and bodies.
    pub(super) fn heard(&self) -> Vec<(String, String)> {
        self.heard.lock().unwrap().clone()
    }

    fn bench(&self, dialect: Dialect) -> Bench {
        let mut options = EndpointOptions::new(dialect);
        options.endpoint = Some(format!("http://{}", self.addr));
        options.region = Some("here-1".into());
        Bench::new(options, keys("id", "hush"), "films")
    }
}

fn talk(stream: TcpStream, answer: &dyn Fn(&str, &str) -> String, ears: &Heard) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            head.push_str(&line);
        }
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("transfer-encoding"), "sent in chunks: {head}");
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; len];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        ears.lock().unwrap().push((head.clone(), body.clone()));
        let said = answer(&head, &body);
        if reader.get_mut().write_all(said.as_bytes()).is_err() || said.is_empty() || said.contains("connection: close")
        {
            return;
        }
    }
}

pub(super) fn reply(status: u16, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{fields}\r\n{body}", body.len())
}

pub(super) fn error(status: u16, fields: &str, code: &str, rest: &str) -> String {
    reply(status, fields, &format!("<Error><Code>{code}</Code><Message>M</Message>{rest}</Error>"))
}

/// One request of each kind to an origin that always answers the same.
async fn complete_at(dialect: Dialect, answer: String) -> Result<Stored, Refusal> {
    let origin = Origin::start(move |_, _| answer.clone());
    origin.bench(dialect).object("k").finish("id", &[(1, "\"e&<\"".into())]).await
}

#[tokio::test]
async fn a_complete_may_say_in_a_good_reply_that_it_failed() {
    let done = "<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag></CompleteMultipartUploadResult>";
    for dialect in [Dialect::Oss, Dialect::S3] {
        for body in [done.to_owned(), format!("  \r\n\n {done}"), format!("   <?xml version=\"1.0\"?>{done}")] {
            let stored = complete_at(dialect, reply(200, "", &body)).await.unwrap();
            assert_eq!(stored.object.etag.as_deref(), Some("\"x-1\""));
        }
        for (body, fault) in [
            ("  <Error><Code>InternalError</Code></Error>", Fault::Unreadable),
            ("<Error><Code>NoSuchUpload</Code></Error>", Fault::NoSuchUpload),
            ("<Error><Code>InvalidPart</Code></Error>", Fault::InvalidPart),
            ("<Error><Code>SlowDown</Code></Error>", Fault::Busy { status: 200, retry_after_ms: None }),
            ("", Fault::Unreadable),
            ("<html>welcome to this hotel</html>", Fault::Unreadable),
            ("<CompleteMultipartUploadResult><ETag>", Fault::Unreadable),
        ] {
            assert_eq!(fault_of(complete_at(dialect, reply(200, "", body)).await), fault, "{body}");
        }
        let other = complete_at(dialect, reply(203, "", "<html>changed by a proxy</html>")).await;
        assert_eq!(fault_of(other), Fault::Unreadable);
        // Blanks, and then nothing: nobody knows.
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\nconnection: close\r\n\r\n    ".to_owned();
        let cut = fault_of(complete_at(dialect, cut).await);
        assert_eq!(cut, Fault::Net { fault: NetFault::Cut, maybe_done: true });
        let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", " ".repeat(9 << 20));
        assert_eq!(fault_of(complete_at(dialect, endless).await), Fault::Unreadable);
    }
}

#[tokio::test]
async fn requests_look_as_the_protocols_ask() {
    for (dialect, own) in [(Dialect::Oss, "x-oss-"), (Dialect::S3, "x-amz-")] {
        let origin = Origin::start(|head, _| match head.split(' ').next() {
            Some("post") if head.contains("?uploads ") => reply(
                200,
                "",
                "<InitiateMultipartUploadResult><UploadId>i/d+</UploadId></InitiateMultipartUploadResult>",
            ),
            Some("post") => {
                reply(200, "", "<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>")
            }
            Some("delete") => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ => reply(200, "etag: \"0CC175B9C0F1B6A831C399E269772661\"\r\n", ""),
        });
        let object = origin.bench(dialect).object("a b");
        let id = object.begin().await.unwrap();
        assert_eq!(id, "i/d+");
        let bytes = content(1, 5);
        let promised = Promised { md5: Some([0; 16]), checksum: None };
        object.send_part(&id, 7, 5, promised, Pieces::of(&bytes), &Handed::default()).await.unwrap();
        object.finish(&id, &[(1, "\"e\"".into()), (2, "<&".into())]).await.unwrap();
        object.abort(&id).await.unwrap();
        object.look().await.unwrap();
        object.put(bytes, Promised::default(), &Handed::default()).await.unwrap();
        let heard = origin.heard();
        let lines: Vec<&str> = heard.iter().map(|(head, _)| head.lines().next().unwrap()).collect();
        assert_eq!(
            lines,
            [
                "post /films/a%20b?uploads http/1.1",
                "put /films/a%20b?partnumber=7&uploadid=i%2fd%2b http/1.1",
                "post /films/a%20b?uploadid=i%2fd%2b http/1.1",
                "delete /films/a%20b?uploadid=i%2fd%2b http/1.1",
                "head /films/a%20b http/1.1",
                "put /films/a%20b http/1.1",
            ]
        );
        let lens: Vec<_> =
            heard.iter().map(|(head, _)| head.lines().find_map(|l| l.strip_prefix("content-length: "))).collect();
        let list = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part>\
                    <Part><PartNumber>2</PartNumber><ETag>&lt;&amp;</ETag></Part></CompleteMultipartUpload>";
        assert_eq!(heard[2].1, list);
        let list_len = list.len().to_string();
        assert_eq!(lens, [Some("0"), Some("5"), Some(list_len.as_str()), None, None, Some("5")]);
        for (head, _) in &heard {
            assert!(head.contains("accept-encoding: identity\r\n") && head.contains("user-agent: longhaul/"), "{head}");
            assert!(head.contains("authorization: ") && head.contains(&format!("{own}date: ")), "{head}");
            let asks = dialect == Dialect::S3 && head.starts_with("head");
            assert_eq!(head.contains("x-amz-checksum-mode: enabled\r\n"), asks, "{head}");
            assert!(!head.replace("x-amz-checksum-mode", "").contains("x-amz-checksum"), "none was given: {head}");
        }
        assert!(heard[1].0.contains("content-md5: aaaaaaaaaaaaaaaaaaaaaa==\r\n"), "{}", heard[1].0);
        assert_eq!(heard[1].0.contains("x-amz-content-sha256: unsigned-payload\r\n"), dialect == Dialect::S3);
    }
}

#[tokio::test]
async fn what_is_no_word_of_the_store_is_not_taken_for_one() {
    let page = reply(404, "content-type: text/html\r\n", "<html>not found</html>");
    let origin = Origin::start(move |_, _| page.clone());
    for dialect in [Dialect::Oss, Dialect::S3] {
        let object = origin.bench(dialect).object("k");
        assert_eq!(fault_of(object.list_parts("id", 0).await), Fault::Unreadable);
        assert_eq!(fault_of(object.abort("id").await), Fault::Unreadable);
        assert_eq!(fault_of(object.look().await), Fault::Unreadable);
    }
    let login = reply(200, "content-type: text/html\r\n", "<html>log in</html>");
    let origin = Origin::start(move |_, _| login.clone());
    let object = origin.bench(Dialect::S3).object("k");
    assert_eq!(fault_of(object.begin().await), Fault::Unreadable);
    assert_eq!(fault_of(object.list_parts("id", 0).await), Fault::Unreadable);
    assert_eq!(fault_of(object.list_objects("", None).await), Fault::Unreadable);
}

#[tokio::test]
async fn a_list_that_does_not_get_on_is_no_list() {
    let origin = Origin::start(|_, _| {
        let more = "<IsTruncated>true</IsTruncated>";
        reply(
            200,
            "",
            &format!("<ListPartsResult>{more}<NextPartNumberMarker>5</NextPartNumberMarker></ListPartsResult>"),
        )
    });
    let object = origin.bench(Dialect::S3).object("k");
    let next = object.list_parts("id", 0).await.unwrap().next.unwrap();
    assert_eq!(fault_of(object.list_parts("id", next).await), Fault::Unreadable);
}

#[tokio::test]
async fn a_region_that_the_store_names_is_signed_for() {
    for by_head in [false, true] {
        let origin = Origin::start(move |head, _| match head.contains("/there-2/") {
            true if head.contains("?uploads ") => {
                reply(200, "", "<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>")
            }
            true => reply(200, "", ""),
            false if by_head => reply(400, "x-amz-bucket-region: there-2\r\n", ""),
            false => error(400, "", "AuthorizationHeaderMalformed", "<Region>there-2</Region>"),
        });
        let bench = origin.bench(Dialect::S3);
        let object = bench.object("k");
        object.begin().await.unwrap();
        object.look().await.unwrap();
        assert_eq!(origin.heard().len(), 3, "learned once");

        // A body that comes from somewhere can be sent only once: the next request goes there.
        let object = bench.object("k");
        let bytes = content(1, 300_000);
        let sent = object.send_part("U", 1, 300_000, Promised::default(), Pieces::of(&bytes), &Handed::default()).await;
        assert_eq!(fault_of(sent), Fault::Busy { status: 400, retry_after_ms: Some(0) });
        object.send_part("U", 1, 300_000, Promised::default(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
        // One in memory again at once.
        bench.object("k").put(bytes, Promised::default(), &Handed::default()).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_leads_a_signed_request_elsewhere() {
    let other = Origin::start(|_, _| reply(200, "", ""));
    let there = other.addr;
    let location = format!("location: http://{there}/films/k\r\n");
    let endpoint = "<Endpoint>evil.example</Endpoint>";
    for (answer, says) in [
        (reply(307, &location, ""), format!("the bucket is at http://{there}")),
        (reply(302, &location, ""), format!("the bucket is at http://{there}")),
        (error(301, "", "PermanentRedirect", endpoint), "the bucket is at evil.example".to_owned()),
        (error(403, "", "AccessDenied", endpoint), "the bucket is at evil.example".to_owned()),
    ] {
        let status: u16 = answer[9..12].parse().unwrap();
        let origin = Origin::start(move |_, _| answer.clone());
        for dialect in [Dialect::Oss, Dialect::S3] {
            let object = origin.bench(dialect).object("k");
            let refusal = object.begin().await.unwrap_err();
            assert!(matches!(refusal.fault, Fault::Rejected(_) | Fault::Denied(403)), "{refusal:?}");
            assert!(refusal.detail.contains(&says), "{refusal:?}");
            match object.open(&from(0, None)).await {
                Err(failure) => {
                    assert_eq!((failure.fault, status < 400), (NetFault::Redirect, true));
                    assert!(failure.detail.contains(&says), "{failure:?}");
                }
                Ok(reply) => {
                    assert_eq!(reply.facts.status, status);
                    assert!(reply.said.unwrap().contains(&says));
                }
            }
        }
    }
    assert_eq!(other.heard(), []);

    // To itself, for ever: twice is enough.
    let circle = Origin::start(|head, _| match head.contains("/there-2/") {
        true => error(400, "", "AuthorizationHeaderMalformed", "<Region>here-1</Region>"),
        false => error(400, "", "AuthorizationHeaderMalformed", "<Region>there-2</Region>"),
    });
    let fault = fault_of(circle.bench(Dialect::S3).object("k").begin().await);
    assert!(matches!(fault, Fault::Busy { status: 400, .. }), "{fault:?}");
    assert_eq!(circle.heard().len(), 3);
}

#[tokio::test]
async fn etags_under_foreign_keys_are_no_digests() {
    let etag = "etag: \"0cc175b9c0f1b6a831c399e269772661\"\r\n";
    let kms = "x-amz-server-side-encryption: aws:kms\r\n";
    let origin = Origin::start(move |head, _| match () {
        () if head.contains("?uploads ") => {
            let id = "<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>";
            reply(200, kms, id)
        }
        () if head.starts_with("get ") => reply(
            200,
            "",
            "<ListPartsResult><Part><PartNumber>1</PartNumber><Size>1</Size>\
             <ETag>\"0cc175b9c0f1b6a831c399e269772661\"</ETag></Part></ListPartsResult>",
        ),
        () => reply(200, etag, ""),
    });
    let bench = origin.bench(Dialect::S3);
    let object = bench.object("k");
    let page = object.list_parts("U", 0).await.unwrap();
    assert_eq!(page.parts[0].digests.len(), 1);
    object.begin().await.unwrap();
    let part =
        object.send_part("U", 1, 1, Promised::default(), Pieces::of(&content(1, 1)), &Handed::default()).await.unwrap();
    assert_eq!((part.digests.len(), part.etag.is_empty()), (0, false));
    let page = object.list_parts("U", 0).await.unwrap();
    assert_eq!((page.parts[0].digests.len(), page.parts[0].etag.is_empty()), (0, false));
}

#[tokio::test]
async fn without_credentials_that_should_be_there_nothing_is_asked() {
    struct Broken;
    impl Credentials for Broken {
        fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>> {
            Box::pin(std::future::ready(Err(Error::usage("the profile is missing"))))
        }
        fn refused(&self, _: &Keys) {}
    }
    let origin = Origin::start(|_, _| reply(200, "", ""));
    let bench = origin.bench(Dialect::Oss);
    let object = bench.with(bench.object_name("k"), &Orders::default(), Arc::new(Broken));
    let refusal = object.begin().await.unwrap_err();
    assert_eq!(refusal.fault, Fault::NoCredentials);
    assert!(refusal.detail.contains("the profile is missing"), "{refusal:?}");
    let reply = object.open(&from(0, None)).await.unwrap();
    assert_eq!(reply.facts.status, 401);
    assert!(reply.said.unwrap().contains("the profile is missing"));
    assert_eq!(origin.heard(), []);
}

#[tokio::test]
async fn an_error_that_comes_before_the_body_was_read_is_heard() {
    // Reads the head alone, answers and closes, as many do with a body that they will not take.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let _ = stream.write_all(error(403, "connection: close\r\n", "AccessDenied", "").as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink()); // so that no reset overtakes the answer
        }
    });
    let mut options = EndpointOptions::new(Dialect::S3);
    options.endpoint = Some(format!("http://{addr}"));
    let bench = Bench::new(options, keys("id", "hush"), "films");
    let bytes = content(1, 20 << 20);
    let sent = bench
        .object("k")
        .send_part("U", 1, 20 << 20, Promised::default(), Pieces::of(&bytes), &Handed::default())
        .await;
    assert_eq!(fault_of(sent), Fault::Denied(403));
}

#[tokio::test]
async fn a_version_is_looked_at_and_fetched_by_its_id() {
    for dialect in [Dialect::Oss, Dialect::S3] {
        let origin = Origin::start(|_, _| reply(200, "x-oss-version-id: v/1\r\nx-amz-version-id: v/1\r\n", ""));
        let bench = origin.bench(dialect);
        let version = bench.object_name("k").with_version("v/1");
        let object = bench.with(version, &Orders::default(), Arc::new(Static::new(bench.keys.clone())));
        assert_eq!(object.look().await.unwrap().version.as_deref(), Some("v/1"));
        let whole = Fetch { ranged: false, ..from(0, None) };
        assert_eq!(object.open(&whole).await.unwrap().facts.identity.version.as_deref(), Some("v/1"));
        assert!(
            origin.heard().iter().all(|(head, _)| head.contains(" /films/k?versionid=v%2f1 ")),
            "{:?}",
            origin.heard()
        );
        assert!(object.presign(Link::Get, 9).await.unwrap().contains("/films/k?versionId=v%2F1&"));
        assert!(!object.presign(Link::Put, 9).await.unwrap().contains("versionId"));
    }
}

#[tokio::test]
async fn names_and_stores_of_two_kinds_do_not_mix() {
    let origin = Origin::start(|_, _| reply(200, "", ""));
    let bench = origin.bench(Dialect::S3);
    let object = "oss://films/k".parse().unwrap();
    let credentials = || Arc::new(Static::anonymous());
    let outcome = Cloud::new(&bench.http, bench.endpoint(), object, &Orders::default(), credentials());
    assert!(outcome.err().unwrap().to_string().contains("is not in the store at"));
    let outcome = Cloud::new(&bench.http, bench.endpoint(), bench.object_name(".."), &Orders::default(), credentials());
    assert!(outcome.err().unwrap().to_string().contains("no URL can hold"));
}

#[tokio::test]
async fn a_refused_head_is_explained_by_a_get() {
    let sse_c =
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided.";
    let of = |message: &str| format!("<Error><Code>InvalidRequest</Code><Message>{message}</Message></Error>");
    for (status, body, fault, says) in [
        (400, of(sse_c), Fault::Rejected(400), "(SSE-C)"),
        (400, error_body("ExpiredToken"), Fault::Expired, "ExpiredToken"),
        (503, String::new(), Fault::Busy { status: 503, retry_after_ms: None }, "503"),
        (404, error_body("NoSuchKey"), Fault::Rejected(400), "does not say why"),
        (200, String::new(), Fault::Rejected(400), "does not say why"),
        (400, String::new(), Fault::Rejected(400), "status 400"),
    ] {
        let origin = Origin::start(move |head, _| match head.starts_with("head") {
            true => "HTTP/1.1 400 X\r\ncontent-length: 0\r\n\r\n".to_owned(),
            false => reply(status, "", &body),
        });
        let object = origin.bench(Dialect::S3).object("k");
        // It may have been for asking what is kept; the next one does not.
        assert_eq!(fault_of(object.look().await), Fault::Amended);
        let refusal = object.look().await.unwrap_err();
        assert_eq!(refusal.fault, fault, "{refusal:?}");
        assert!(refusal.detail.contains(says), "{says}: {refusal:?}");
        let asked: Vec<_> = origin.heard().iter().map(|(head, _)| head[..4].to_owned()).collect();
        assert_eq!(asked, ["head", "head", "get "]);
        assert!(origin.heard()[2].0.contains("range: bytes=0-0\r\n"));
    }
}

#[tokio::test]
async fn a_part_without_an_etag_is_named_by_the_list() {
    let list = |len: u32| {
        let part = format!("<Part><PartNumber>7</PartNumber><Size>{len}</Size><ETag>\"e7\"</ETag></Part>");
        reply(200, "", &format!("<ListPartsResult>{part}</ListPartsResult>"))
    };
    for (len, etag) in [(10, "\"e7\""), (11, "")] {
        let origin = Origin::start(move |head, _| match head.starts_with("get") {
            true => list(len),
            false => reply(200, "", ""),
        });
        let bytes = content(1, 10);
        let object = origin.bench(Dialect::S3).object("k");
        let part =
            object.send_part("U", 7, 10, Promised::default(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
        assert_eq!((part.etag.as_str(), part.number, part.len), (etag, 7, 10));
        assert!(origin.heard()[1].0.contains("part-number-marker=6"), "{:?}", origin.heard());
    }
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_stores_nothing() {
    let page = reply(200, "content-type: text/html\r\n", "<html>log in first</html>");
    let origin = Origin::start(move |_, _| page.clone());
    let object = origin.bench(Dialect::S3).object("k");
    let bytes = content(1, 10);
    let put = object.put(bytes.clone(), Promised::default(), &Handed::default()).await;
    assert_eq!(fault_of(put), Fault::Unreadable);
    let part = object.send_part("U", 1, 10, Promised::default(), Pieces::of(&bytes), &Handed::default()).await;
    assert_eq!(fault_of(part), Fault::Unreadable);
}

fn error_body(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>M</Message></Error>")
}

#[tokio::test]
async fn a_good_status_with_an_error_in_the_body_is_an_error() {
    for dialect in [Dialect::Oss, Dialect::S3] {
        let origin = Origin::start(|_, _| reply(200, "etag: \"e\"\r\n", &error_body("InternalError")));
        let object = origin.bench(dialect).object("k");
        let bytes = content(1, 10);
        let unreadable = Fault::Unreadable;
        assert_eq!(fault_of(object.put(bytes.clone(), Promised::default(), &Handed::default()).await), unreadable);
        let part = object.send_part("U", 1, 10, Promised::default(), Pieces::of(&bytes), &Handed::default()).await;
        assert_eq!(fault_of(part), unreadable);
        assert_eq!(fault_of(object.abort("U").await), unreadable);
        assert_eq!(fault_of(object.begin().await), unreadable);
        assert_eq!(fault_of(object.finish("U", &[(1, "e".into())]).await), unreadable);
        assert_eq!(fault_of(object.list_parts("U", 0).await), unreadable);
        assert_eq!(fault_of(object.list_objects("", None).await), unreadable);
        assert_eq!(fault_of(object.list_uploads("", None).await), unreadable);
    }
}

#[tokio::test]
async fn a_store_that_wants_the_md5_of_a_body_gets_it_from_then_on() {
    let says =
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters";
    let refused = format!("<Error><Code>InvalidRequest</Code><Message>{says}</Message></Error>");
    let origin = Origin::start(move |head, _| match head.contains("content-md5: ") {
        true => reply(200, "etag: \"e\"\r\n", ""),
        false => reply(400, "", &refused),
    });
    let bench = origin.bench(Dialect::S3);
    let (object, bytes) = (bench.object("k"), content(1, 10));
    // A body that comes from somewhere can be sent only once: the next one has it.
    let part = object.send_part("U", 1, 10, Promised::default(), Pieces::of(&bytes), &Handed::default()).await;
    assert_eq!((fault_of(part), object.wants_md5()), (Fault::Amended, true));
    let promised = || Promised { md5: Some(md5(&bytes)), ..Promised::default() };
    object.send_part("U", 1, 10, promised(), Pieces::of(&bytes), &Handed::default()).await.unwrap();
    // One in memory is sent again at once.
    let object = bench.object("k");
    assert!(!object.wants_md5(), "another store");
    let before = origin.heard().len();
    object.put(bytes.clone(), Promised::default(), &Handed::default()).await.unwrap();
    object.put(bytes.clone(), Promised::default(), &Handed::default()).await.unwrap();
    assert_eq!(origin.heard().len() - before, 3, "learned once");
}
