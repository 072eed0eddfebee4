//! What goes into a request, whom secrets are sent to, which connection it takes.

use super::*;

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
async fn connections_are_used_again_unless_a_fresh_one_is_asked_for() {
    let origin = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes")), ("/to", moved("/x"))]);
    let store = HttpStore::new(&direct()).unwrap();
    for (path, fresh) in [("/x", false), ("/x", false), ("/to", false), ("/x", true), ("/x", true), ("/x", false)] {
        let fetch = Fetch { fresh_connection: fresh, ..fetch() };
        get(&store, &origin.url(path), &fetch).await.unwrap();
    }
    assert_eq!(origin.connections(), [0, 0, 0, 0, 1, 2, 0]);
}

/// Goal: the bytes of a URL and of a Location reach the server as they were written. Method: heads as the origin heard
/// them.
#[tokio::test]
async fn what_is_asked_for_is_what_was_given() {
    let target = "/a\\b/%2e%2e/it's\"?sig='%2E\\";
    let origin = Origin::serve(move |mut stream, number, heard| {
        while let Some(head) = read_head(&mut stream) {
            let first = head.starts_with("get /first");
            heard.lock().unwrap().push((number, head));
            let reply = if first { moved(target) } else { ok("content-length: 5\r\n", "bytes") };
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    let store = HttpStore::new(&direct()).unwrap();
    for path in [target, "/first"] {
        let address = WebAddress::parse(&format!("http://{}{path}", origin.addr)).unwrap();
        let reply = store.open(&address, &fetch()).await.map_err(|failure| failure.detail).unwrap();
        assert_eq!(reply.facts.status, 200);
        let head = origin.heads().pop().unwrap();
        assert!(head.starts_with(&format!("get {} http/1.1\r\n", target.to_ascii_lowercase())), "{head}");
    }
}

/// Goal: an object behind a check that sets a cookie and sends us to the same place is fetched, and cookies go to no
/// other host and no other transfer. Method: two origins, heads as they were heard.
#[tokio::test]
async fn cookies_of_redirects_are_sent_back_to_their_host_alone() {
    let other = Origin::start(&[("/there", ok("content-length: 5\r\n", "bytes"))]);
    let there = format!("http://localhost:{}/there", other.addr.port());
    let home = Origin::serve(move |mut stream, number, heard| {
        while let Some(head) = read_head(&mut stream) {
            let bring = |set: &str, to: &str| {
                moved(to).replace("content-length", &format!("set-cookie: {set}\r\ncontent-length"))
            };
            let reply = match head.split([' ', '?']).nth(1).unwrap_or_default() {
                "/check" if head.contains("b=2") => ok("content-length: 5\r\n", "bytes"),
                "/check" if head.contains("a=hush") => bring("b=2", "/check"),
                "/check" => bring(&format!("a={SECRET}; path=/"), "/check"),
                "/again" => bring("c=3", "/again"),
                _ => bring("d=4; domain=localhost", &there),
            };
            heard.lock().unwrap().push((number, head));
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    let url = |path: &str| Url::parse(&format!("http://{}{path}", home.addr)).unwrap();
    let cookies = |head: &String| head.lines().filter_map(|line| line.strip_prefix("cookie: ")).collect::<String>();
    let client = HttpStore::new(&direct()).unwrap();
    let given = HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_static("mine=1"))]);
    let store = client.sending(given, None);
    assert_eq!(get(&store, &url("/check"), &fetch()).await.unwrap().1, b"bytes");
    let heard: Vec<String> = home.heads().iter().map(cookies).collect();
    assert_eq!(heard, ["mine=1", "mine=1; a=hush", "mine=1; a=hush; b=2"]);
    // A later request of the run brings them at once.
    get(&store, &url("/check"), &fetch()).await.unwrap();
    assert_eq!(home.heads().len(), 4);
    get(&store, &url("/away"), &fetch()).await.unwrap();
    assert_eq!(other.heads().iter().map(cookies).collect::<String>(), "");
    // The same place with the same cookies is a circle, in one round more than without cookies.
    let circle = client.sending(HeaderMap::new(), None);
    assert_eq!(get(&circle, &url("/again"), &fetch()).await.err().unwrap().fault, NetFault::Redirect);
    let heard: Vec<String> = home.heads().iter().skip(5).map(cookies).collect();
    assert_eq!(heard, ["", "c=3"]);
}
