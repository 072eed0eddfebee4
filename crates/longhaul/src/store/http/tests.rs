//! Against an origin of a few lines on a thread, which sends exactly the bytes that a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use longhaul_core::conditions::Conditions;
use longhaul_core::identity::Validator;
use longhaul_core::reply::{ContentRange, Framing};
use longhaul_core::step::NetFault;

use super::*;

/// Part of every URL, header and password that must not come out again.
const SECRET: &str = "hush";

/// What was asked of an origin: the number of the connection and the request head in lower case.
type Heard = Arc<Mutex<Vec<(usize, String)>>>;

struct Origin {
    addr: SocketAddr,
    heard: Heard,
}

impl Origin {
    /// Answers a path with raw bytes; closes behind them when they say `connection: close`.
    fn start(replies: &[(&'static str, String)]) -> Self {
        let replies: Arc<[(&str, String)]> = replies.into();
        Self::serve(move |mut stream, number, heard| {
            while let Some(head) = read_head(&mut stream) {
                let path = head.split(' ').nth(1).unwrap_or_default();
                let path = path.trim_start_matches("http://object.example");
                let path = path.split('?').next().unwrap_or_default().to_owned();
                heard.lock().unwrap().push((number, head));
                let reply = replies.iter().find(|(p, _)| *p == path).map(|(_, reply)| reply.as_str());
                let reply = reply.unwrap_or("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(reply.as_bytes()).is_err() || reply.contains("connection: close") {
                    return;
                }
            }
        })
    }

    fn serve(talk: impl Fn(TcpStream, usize, &Heard) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Heard::default();
        let (talk, ears) = (Arc::new(talk), Arc::clone(&heard));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (talk, ears) = (Arc::clone(&talk), Arc::clone(&ears));
                thread::spawn(move || talk(stream, number, &ears));
            }
        });
        Self { addr, heard }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://u:{SECRET}@{}{path}?sig={SECRET}#{SECRET}", self.addr)).unwrap()
    }

    fn heads(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(_, head)| head.clone()).collect()
    }

    fn connections(&self) -> Vec<usize> {
        self.heard.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        (stream.read(&mut byte).ok()? == 1).then_some(())?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 4\r\n\r\ngone")
}

fn direct() -> HttpOptions {
    HttpOptions { proxy: ProxyChoice::Direct, ..HttpOptions::default() }
}

fn fetch() -> Fetch {
    Fetch { start: 0, end: None, last: None, ranged: true, condition: None, fresh_connection: false, only_if: None }
}

async fn read_all(body: &mut Body) -> Result<Vec<u8>, NetFailure> {
    let mut all = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// Opens and reads; the failure, if there is one, is checked for secrets.
async fn get(store: &HttpStore, url: &Url, fetch: &Fetch) -> Result<(Reply, Vec<u8>), NetFailure> {
    let outcome = async {
        let mut reply = store.open(url, fetch).await?;
        let body = read_all(&mut reply.body).await?;
        Ok((reply, body))
    }
    .await;
    match &outcome {
        Ok((reply, _)) => assert!(!reply.final_url.contains(SECRET), "{}", reply.final_url),
        Err(failure) => assert!(!format!("{failure:?}").contains(SECRET), "{failure:?}"),
    }
    outcome
}

#[tokio::test]
async fn a_fetch_becomes_one_request_head() {
    let origin = Origin::start(&[("/x", ok("content-length: 0\r\n", ""))]);
    let store = HttpStore::new(&direct()).unwrap();
    let base = fetch();
    let with = |condition| Fetch { condition: Some(condition), ..fetch() };
    let wanting = |wish| Fetch { only_if: Some(wish), ..fetch() };
    let table: &[(Fetch, &[&str], &[&str])] = &[
        (base.clone(), &["range: bytes=0-\r\n", "accept-encoding: identity\r\n"], &["if-", "referer", "cookie"]),
        (Fetch { start: 10, end: Some(20), ..base.clone() }, &["range: bytes=10-19\r\n"], &[]),
        (Fetch { start: 7, end: Some(8), ..base.clone() }, &["range: bytes=7-7\r\n"], &[]),
        (Fetch { last: Some(7), ..base.clone() }, &["range: bytes=-7\r\n"], &[]),
        (Fetch { ranged: false, ..base.clone() }, &["accept-encoding: identity\r\n"], &["range"]),
        (with(Validator::Etag("\"a\"".into())), &["if-match: \"a\"\r\n"], &["if-range"]),
        (with(Validator::Etag("\"\u{e9}\"".into())), &["if-match: \"\u{fffd}\"\r\n"], &[]),
        (with(Validator::Modified(1000)), &["if-unmodified-since: thu, 01 jan 1970 00:16:40 gmt\r\n"], &["if-match"]),
        (with(Validator::Modified(i64::MAX)), &[], &["if-"]),
        (with(Validator::Version("v".into())), &[], &["if-"]),
        (
            wanting(Conditions { if_match: Some("*".into()), unmodified_since: Some(1000), ..Conditions::default() }),
            &["if-match: *\r\n", "if-unmodified-since: thu, 01 jan 1970 00:16:40 gmt\r\n"],
            &["if-none", "if-mod"],
        ),
        (
            wanting(Conditions {
                if_none_match: Some("W/\"a\"".into()),
                modified_since: Some(1000),
                ..Conditions::default()
            }),
            &["if-none-match: w/\"a\"\r\n", "if-modified-since: thu, 01 jan 1970 00:16:40 gmt\r\n"],
            &["if-match", "if-un"],
        ),
        (wanting(Conditions { modified_since: Some(-1), ..Conditions::default() }), &[], &["if-"]),
    ];
    for (fetch, has, lacks) in table {
        get(&store, &origin.url("/x"), fetch).await.unwrap();
        let head = origin.heads().pop().unwrap();
        assert!(head.starts_with("get /x?sig=hush http/1.1\r\n"), "{head}");
        assert!(head.contains("user-agent: longhaul/"), "{head}");
        has.iter().for_each(|field| assert!(head.contains(field), "{field} in {head}"));
        lacks.iter().for_each(|field| assert!(!head.contains(&format!("\r\n{field}")), "{field} in {head}"));
    }
}

#[tokio::test]
async fn the_callers_headers_cannot_change_what_a_reply_means() {
    let origin = Origin::start(&[("/x", ok("content-length: 0\r\n", ""))]);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("range", "bytes=5-6"),
        ("accept-encoding", "gzip"),
        ("if-range", "\"x\""),
        ("te", "trailers"),
        ("x-mine", "1"),
        ("user-agent", "mine"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.append("x-mine", HeaderValue::from_static("2"));
    let store = HttpStore::new(&direct()).unwrap().sending(headers, None);
    get(&store, &origin.url("/x"), &fetch()).await.unwrap();
    let head = origin.heads().pop().unwrap();
    for field in
        ["range: bytes=0-\r\n", "accept-encoding: identity\r\n", "x-mine: 1\r\nx-mine: 2\r\n", "user-agent: mine\r\n"]
    {
        assert!(head.contains(field), "{field} in {head}");
    }
    assert!(!head.contains("gzip") && !head.contains("if-range") && !head.contains("\r\nte:"), "{head}");
}

#[tokio::test]
async fn secrets_stop_at_a_change_of_origin() {
    let other = Origin::start(&[("/there", ok("content-length: 5\r\n", "bytes"))]);
    let there = format!("http://v:w@{}/there?token={SECRET}", other.addr);
    let home = Origin::start(&[("/x", moved("/y")), ("/y", moved(&there))]);
    let mut headers = HeaderMap::new();
    for name in ["cookie", "x-oss-security-token", "x-amz-security-token", "x-api-key", "proxy-authorization"] {
        headers.append(name, HeaderValue::from_static(SECRET));
    }
    headers.append("accept-language", HeaderValue::from_static("eo"));
    let store = HttpStore::new(&direct()).unwrap().sending(headers, None);
    let (reply, body) = get(&store, &home.url("/x"), &Fetch { start: 3, ..fetch() }).await.unwrap();
    assert_eq!(body, b"bytes");
    assert_eq!(reply.final_url, format!("http://{}/there?…", other.addr));

    assert_eq!(home.heads().len(), 2);
    for head in home.heads() {
        assert!(head.contains("authorization: basic dtpodxno\r\n"), "{head}"); // u:hush, in lower case
        assert!(head.contains("cookie: hush\r\n") && head.contains("x-api-key: hush\r\n"), "{head}");
    }
    let head = other.heads().pop().unwrap();
    assert!(head.contains("range: bytes=3-\r\n") && head.contains("accept-language: eo\r\n"), "{head}");
    for field in ["authorization", "cookie", "x-oss", "x-amz", "x-api", "proxy-", "referer"] {
        assert!(!head.contains(field), "{field} in {head}");
    }
}

#[tokio::test]
async fn credentials_given_by_name_win_over_userinfo() {
    let origin = Origin::start(&[("/x", ok("content-length: 0\r\n", ""))]);
    let ab = || Some(("a".to_owned(), "b".to_owned()));
    let store = HttpStore::new(&direct()).unwrap();
    get(&store.sending(HeaderMap::new(), ab()), &origin.url("/x"), &fetch()).await.unwrap();
    let bearer = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer t"))]);
    get(&store.sending(bearer, ab()), &origin.url("/x"), &fetch()).await.unwrap();
    assert_eq!(origin.connections(), [0, 0], "stores of one client share connections");
    let heads = origin.heads();
    assert!(heads[0].contains("authorization: basic ytpi\r\n"), "{}", heads[0]);
    assert!(heads[1].contains("authorization: bearer t\r\n") && !heads[1].contains("basic"), "{}", heads[1]);
}

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
async fn failures_before_the_head_have_names() {
    let resetting = Origin::serve(|stream, _, _| {
        let _ = stream.peek(&mut [0]); // closing with the request unread resets the connection
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let unused = silent.local_addr().unwrap();
    drop(silent);
    let circle = Origin::start(&[("/a", moved("/b?sig=hush")), ("/b", moved("/a?sig=hush"))]);
    let url = |text: &str| Url::parse(text).unwrap();
    let v6_only = HttpOptions { ip_family: IpFamily::V6, ..direct() };
    for (url, options, want) in [
        (resetting.url("/x"), direct(), NetFault::Cut),
        (url(&format!("http://u:{SECRET}@{unused}/?{SECRET}")), direct(), NetFault::Connect),
        (url(&format!("http://u:{SECRET}@no-such-host.invalid/?{SECRET}")), direct(), NetFault::Resolve),
        (url(&format!("http://{unused}/")), v6_only, NetFault::Connect),
        (url(&format!("ftp://{unused}/?{SECRET}")), direct(), NetFault::Redirect),
        (circle.url("/a"), direct(), NetFault::Redirect),
    ] {
        let failure = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await.err().unwrap();
        println!("{}", failure.detail);
        assert_eq!(failure.fault, want, "{}", failure.detail);
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
    assert!(store.open(&origin.url("/expired"), &fetch()).await.unwrap().facts.expired);
    assert!(!store.open(&origin.url("/long-error"), &fetch()).await.unwrap().facts.expired);
    assert_eq!(get(&store, &origin.url("/no-target"), &fetch()).await.err().unwrap().fault, NetFault::Redirect);
}

#[tokio::test]
async fn connections_are_used_again_unless_a_fresh_one_is_asked_for() {
    let origin = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes")), ("/to", moved("/x"))]);
    let store = HttpStore::new(&direct()).unwrap();
    for (path, fresh) in [("/x", false), ("/x", false), ("/to", false), ("/x", true), ("/x", true), ("/x", false)] {
        let fetch = Fetch { fresh_connection: fresh, ..fetch() };
        get(&store, &origin.url(path), &fetch).await.unwrap();
    }
    assert_eq!(origin.connections(), [0, 0, 0, 0, 1, 2, 0]);
}

#[tokio::test]
async fn a_proxy_is_asked_by_whole_url_and_alone_sees_its_password() {
    let proxy = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes"))]);
    let options =
        HttpOptions { proxy: ProxyChoice::Url(format!("http://p:q@{}", proxy.addr)), ..HttpOptions::default() };
    let store = HttpStore::new(&options).unwrap();
    let url = Url::parse("http://object.example/x").unwrap();
    assert_eq!(get(&store, &url, &fetch()).await.unwrap().1, b"bytes");
    let head = proxy.heads().pop().unwrap();
    assert!(head.starts_with("get http://object.example/x http/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: basic cdpx\r\n"), "{head}");
    let bad = HttpOptions { proxy: ProxyChoice::Url(format!("nothing://{SECRET}:1:2")), ..HttpOptions::default() };
    assert!(HttpStore::new(&bad).is_err_and(|bad| !bad.0.contains(SECRET)));
}

/// Passes bytes on both ways until one side is done.
fn splice(from: TcpStream, to: TcpStream) {
    let (mut from2, mut to2) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let (mut from, mut to) = (from, to);
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut to2, &mut from2);
        let _ = from2.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
    let _ = back.join();
}

/// A proxy that answers CONNECT: with this status, or by connecting to `to` whatever was asked for.
fn connect_proxy(to: SocketAddr, wants: &'static str, refusal: &'static str) -> Origin {
    Origin::serve(move |mut stream, number, heard| {
        let Some(head) = read_head(&mut stream) else { return };
        let let_in = head.contains(wants);
        heard.lock().unwrap().push((number, head));
        if let_in {
            let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
            splice(stream, TcpStream::connect(to).unwrap());
        } else {
            let page = "<html>a page of the proxy</html>";
            let length = page.len();
            let _ = write!(stream, "HTTP/1.1 {refusal}\r\ncontent-length: {length}\r\n\r\n{page}");
        }
    })
}

#[tokio::test]
async fn tls_goes_through_a_proxy_unseen_and_certificates_are_still_verified() {
    let (origin, pem) = tls_origin(&["http/1.1"], "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes");
    let proxy = connect_proxy(origin.addr, "proxy-authorization: basic cdpx\r\n", "407 Who are you");
    let url = Url::parse(&format!("https://u:{SECRET}@localhost:{}/x?{SECRET}", origin.addr.port())).unwrap();
    let by = |user: &str| ProxyChoice::Url(format!("http://{user}{}", proxy.addr));
    let trusting = |proxy| HttpOptions { ca_certs: vec![pem.clone().into_bytes()], proxy, ..direct() };
    let store = HttpStore::new(&trusting(by("p:q@"))).unwrap();
    assert_eq!(get(&store, &url, &fetch()).await.unwrap().1, b"bytes");
    let head = proxy.heads().pop().unwrap();
    assert!(head.starts_with(&format!("connect localhost:{} http/1.1\r\n", origin.addr.port())), "{head}");
    assert!(!head.contains(SECRET) && !head.contains("range") && !head.contains("\r\nauthorization"), "{head}");

    let stranger = HttpStore::new(&HttpOptions { proxy: by("p:q@"), ..direct() }).unwrap();
    assert_eq!(get(&stranger, &url, &fetch()).await.err().unwrap().fault, NetFault::Tls);

    // Nothing of the proxy's page is taken for the object.
    let (reply, body) = get(&HttpStore::new(&trusting(by(""))).unwrap(), &url, &fetch()).await.unwrap();
    assert_eq!((reply.facts.status, body.as_slice()), (407, &b""[..]));
    let wrong = HttpStore::new(&trusting(by(&format!("u:{SECRET}@")))).unwrap();
    assert_eq!(get(&wrong, &url, &fetch()).await.unwrap().0.facts.status, 407);
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_is_named() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (scheme, proxy, says) in [
        ("https", connect_proxy(unused, "never", "502 Bad Gateway").addr, "the proxy refuses"),
        ("https", Origin::serve(|mut stream, _, _| drop(read_head(&mut stream))).addr, "the proxy closed"),
        ("https", unused, "a proxy is set"),
        ("http", unused, "a proxy is set"),
    ] {
        let proxy = ProxyChoice::Url(format!("http://u:{SECRET}@{proxy}"));
        let store = HttpStore::new(&HttpOptions { proxy, ..direct() }).unwrap();
        let url = Url::parse(&format!("{scheme}://object.example/x?{SECRET}")).unwrap();
        let failure = get(&store, &url, &fetch()).await.err().unwrap();
        assert_eq!(failure.fault, NetFault::Connect, "{}", failure.detail);
        assert!(failure.detail.contains(says), "{}", failure.detail);
    }
}

/// A SOCKS5 proxy (RFC 1928, 1929) for the user `p` with the password `q`, or for everybody. It connects to `to`
/// whatever was asked for, and tells what that was.
fn socks_proxy(to: SocketAddr, user: bool) -> Origin {
    Origin::serve(move |mut stream, number, heard| {
        let take = |stream: &mut TcpStream, count: usize| {
            let mut bytes = vec![0; count];
            stream.read_exact(&mut bytes).map(|()| bytes)
        };
        let _ = (|| -> std::io::Result<()> {
            let count = take(&mut stream, 2)?[1];
            let methods = take(&mut stream, count.into())?;
            let method = if user { 2 } else { 0 };
            if !methods.contains(&method) {
                return stream.write_all(&[5, 0xff]);
            }
            stream.write_all(&[5, method])?;
            if user {
                let _ = take(&mut stream, 1)?;
                let mut words = Vec::new();
                for _ in 0..2 {
                    let len = take(&mut stream, 1)?[0];
                    words.push(take(&mut stream, len.into())?);
                }
                let known = words == [b"p".to_vec(), b"q".to_vec()];
                stream.write_all(&[1, u8::from(!known)])?;
                if !known {
                    return Ok(());
                }
            }
            let kind = take(&mut stream, 4)?[3];
            let asked = match kind {
                1 => format!("{:?}", take(&mut stream, 4)?),
                3 => {
                    let len = take(&mut stream, 1)?[0];
                    String::from_utf8_lossy(&take(&mut stream, len.into())?).into_owned()
                }
                _ => format!("{:?}", take(&mut stream, 16)?),
            };
            take(&mut stream, 2)?;
            heard.lock().unwrap().push((number, asked));
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            splice(stream, TcpStream::connect(to)?);
            Ok(())
        })();
    })
}

#[tokio::test]
async fn socks_proxies_look_names_up_or_leave_it_to_us() {
    let origin = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes"))]);
    let (open, closed) = (socks_proxy(origin.addr, false), socks_proxy(origin.addr, true));
    let url = |host: &str| Url::parse(&format!("http://{host}/x")).unwrap();
    let by = |proxy: String| HttpStore::new(&HttpOptions { proxy: ProxyChoice::Url(proxy), ..direct() }).unwrap();
    let v4 = "[127, 0, 0, 1]";
    for (store, url, asked) in [
        (by(format!("socks5h://{}", open.addr)), url("object.example"), Some("object.example")),
        (by(format!("socks5://{}", open.addr)), url("127.0.0.1:81"), Some(v4)),
        (by(format!("socks5://{}", open.addr)), url("no-such-host.invalid"), None),
    ] {
        let before = open.heads().len();
        let got = get(&store, &url, &fetch()).await.map(|(_, body)| body);
        assert_eq!(got.is_ok_and(|body| body == b"bytes"), asked.is_some(), "{url}");
        let asked: Vec<String> = asked.into_iter().map(str::to_owned).collect();
        assert_eq!(open.heads()[before..], asked, "{url}");
    }
    for (user, let_in) in [("p:q@", true), ("p:hush@", false), ("", false)] {
        let got = get(&by(format!("socks5h://{user}{}", closed.addr)), &url("object.example"), &fetch()).await;
        match got {
            Ok((_, body)) => assert!(let_in && body == b"bytes", "{user}"),
            Err(failure) => {
                assert!(!let_in && failure.fault == NetFault::Connect, "{user}: {failure:?}");
                assert!(failure.detail.contains("proxy"), "{failure:?}");
            }
        }
    }
}

#[tokio::test]
async fn hosts_that_are_excepted_are_asked_directly() {
    let origin = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes"))]);
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (no, reached) in [("127.0.0.1", true), ("127.0.0.0/8", true), ("*", true), ("other, localhost", false)] {
        let proxy = ProxyChoice::Url(format!("http://{unused}"));
        let options = HttpOptions { proxy, no_proxy: Some(no.to_owned()), ..direct() };
        let got = get(&HttpStore::new(&options).unwrap(), &origin.url("/x"), &fetch()).await;
        assert_eq!(got.is_ok(), reached, "{no}");
    }
}

/// A TLS origin that closes without close_notify behind `reply`, and tells the ALPN protocol it agreed on.
fn tls_origin(alpn: &[&str], reply: impl Into<String>) -> (Origin, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let reply = reply.into();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let config = Arc::new(config);
    let origin = Origin::serve(move |stream, number, heard| {
        let mut tls = rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        while tls.conn.is_handshaking() {
            if tls.conn.complete_io(&mut tls.sock).is_err() {
                return;
            }
        }
        let alpn = String::from_utf8_lossy(tls.conn.alpn_protocol().unwrap_or_default()).into_owned();
        heard.lock().unwrap().push((number, alpn));
        if read_head(&mut tls).is_some() {
            let _ = tls.write_all(reply.as_bytes());
        }
    });
    let der = base64::engine::general_purpose::STANDARD.encode(made.cert.der());
    (origin, format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"))
}

#[tokio::test]
async fn certificates_are_verified_against_the_systems_roots_and_ours() {
    let (origin, pem) = tls_origin(&["http/1.1"], "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes");
    let url = Url::parse(&format!("https://u:{SECRET}@localhost:{}/x?{SECRET}", origin.addr.port())).unwrap();
    let trusting = || HttpOptions { ca_certs: vec![pem.clone().into_bytes()], ..direct() };
    let get = async |options| {
        let outcome = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await;
        outcome.map(|(_, body)| body).map_err(|f| (f.fault, f.detail))
    };
    let (fault, detail) = get(direct()).await.unwrap_err();
    assert_eq!(fault, NetFault::Tls, "{detail}");
    assert_eq!(get(trusting()).await, Ok(b"bytes".to_vec()));
    assert_eq!(get(HttpOptions { insecure: true, ..direct() }).await, Ok(b"bytes".to_vec()));
    let bad = HttpOptions { ca_certs: vec![b"no certificate".to_vec()], ..direct() };
    assert_eq!(HttpStore::new(&bad).err(), Some(BadOption("a CA certificate")));

    let plain = Origin::serve(|mut stream, _, _| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    let url = Url::parse(&format!("https://{}/", plain.addr)).unwrap();
    let failure = HttpStore::new(&direct()).unwrap().open(&url, &fetch()).await.err().unwrap();
    assert_eq!(failure.fault, NetFault::Tls, "{}", failure.detail);
}

#[tokio::test]
async fn nobody_is_led_from_tls_to_plain_http() {
    let plain = Origin::start(&[("/there", ok("content-length: 5\r\n", "bytes"))]);
    let (origin, pem) = tls_origin(&["http/1.1"], moved(&format!("http://{}/there?{SECRET}", plain.addr)));
    let proxy = connect_proxy(origin.addr, "", "");
    let url = Url::parse(&format!("https://u:{SECRET}@localhost:{}/x?{SECRET}", origin.addr.port())).unwrap();
    for by in [ProxyChoice::Direct, ProxyChoice::Url(format!("http://{}", proxy.addr))] {
        let options = HttpOptions { ca_certs: vec![pem.clone().into_bytes()], proxy: by, ..direct() };
        let failure = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await.err().unwrap();
        assert_eq!(failure.fault, NetFault::Redirect);
        assert!(failure.detail.contains("from https to http"), "{}", failure.detail);
    }
    assert!(plain.heads().is_empty(), "the plain server was asked");
}

#[tokio::test]
async fn over_tls_a_missing_close_notify_is_a_cut() {
    let (origin, _) = tls_origin(&[], "HTTP/1.1 200 OK\r\n\r\nbytes");
    let url = Url::parse(&format!("https://localhost:{}/x", origin.addr.port())).unwrap();
    let store = HttpStore::new(&HttpOptions { insecure: true, ..direct() }).unwrap();
    assert_eq!(get(&store, &url, &fetch()).await.err().unwrap().fault, NetFault::Cut);
}

#[tokio::test]
async fn a_server_that_has_only_http2_is_asked_with_http2() {
    let (origin, _) = tls_origin(&["h2"], "");
    let url = Url::parse(&format!("https://localhost:{}/x", origin.addr.port())).unwrap();
    let store = HttpStore::new(&HttpOptions { insecure: true, ..direct() }).unwrap();
    let _ = store.open(&url, &fetch()).await; // the origin agrees to HTTP/2 but cannot speak it
    assert_eq!(origin.heads(), ["h2"]);
    let _ = store.open(&url, &fetch()).await;
    assert_eq!(origin.heads().len(), 2);
    let numbers = origin.connections();
    assert_eq!(numbers, [1, 2], "only the first try offered HTTP/1.1");

    let (both, _) = tls_origin(&["h2", "http/1.1"], "");
    let url = Url::parse(&format!("https://localhost:{}/x", both.addr.port())).unwrap();
    let _ = store.open(&url, &fetch()).await;
    assert_eq!(both.heads(), ["http/1.1"]);
}
