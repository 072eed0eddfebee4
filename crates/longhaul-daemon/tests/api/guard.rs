//! Who gets in, and what callers may not do.

use std::os::unix::fs::symlink;
use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{Bench, SOON};

const ENTRY: &str = r#"{"source":"http://127.0.0.1:9/a","hold":true}"#;

/// Goal: a page of another site changes nothing, whatever a browser may send for it. Method: such requests, with a token
/// even, as if it had leaked; then the list is looked at.
#[tokio::test]
async fn a_hostile_page_executes_nothing() {
    let bench = Bench::new().await;
    let token = format!("Authorization: Bearer {}", bench.token);
    for (fields, status) in [
        (vec!["Host: evil.example"], 421),
        (vec!["Host: evil.example:6800"], 421),
        (vec!["Host: localhost", "Host: evil.example"], 421),
        (vec!["Origin: https://evil.example"], 403),
        (vec!["Origin: null"], 403),
        (vec!["Origin: http://localhost:1"], 403),
        (vec!["Origin: chrome-extension://abc"], 403),
        (vec!["Sec-Fetch-Site: cross-site"], 403),
        (vec!["Sec-Fetch-Site: same-site"], 403),
        (vec!["Content-Type: text/plain"], 415),
        (vec!["Content-Type: application/x-www-form-urlencoded"], 415),
        (vec!["Content-Type: multipart/form-data; boundary=x"], 415),
    ] {
        let mut lines = vec![token.as_str()];
        lines.extend(&fields);
        let reply = bench.raw("POST", "/api/v1/entries", &lines, Some(ENTRY)).await;
        assert_eq!(reply.status, status, "{fields:?}: {reply:?}");
        assert!(reply.field("access-control-allow-origin").is_none(), "{reply:?}");
        assert_eq!(reply.field("content-type"), Some("application/problem+json"), "{reply:?}");
    }
    for page in ["/api/v1/entries", "/metrics", "/api/v1/events"] {
        let reply = bench.raw("GET", page, &[&token, "Origin: https://evil.example"], None).await;
        assert_eq!(reply.status, 403, "{page}");
    }
    assert_eq!(bench.manager.counts().held, 0);
    let reply = bench.raw("POST", "/api/v1/entries", &[&token], Some(ENTRY)).await;
    assert_eq!(reply.status, 201, "the same without them: {reply:?}");
    for field in ["content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"] {
        assert!(reply.field(field).is_some(), "{field}: {reply:?}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_told_or_done() {
    let bench = Bench::new().await;
    for (method, path) in [
        ("GET", "/api/v1/entries"),
        ("GET", "/api/v1/info"),
        ("GET", "/api/v1/events"),
        ("GET", "/metrics"),
        ("POST", "/api/v1/entries"),
        ("POST", "/api/v1/shutdown"),
        ("POST", "/api/v1/codes"),
        ("PUT", "/api/v1/settings"),
    ] {
        let body = (method != "GET").then_some("{}");
        let reply = bench.raw(method, path, &[], body).await;
        assert_eq!(reply.status, 401, "{method} {path}");
        assert_eq!(reply.field("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(bench.raw("GET", "/api/v1/healthz", &[], None).await.status, 200);
    assert_eq!(bench.raw("GET", "/nothing", &[], None).await.status, 404);
}

/// Goal: guessing is slow, costs no memory, and does not keep a right token out.
#[tokio::test]
async fn wrong_tokens_are_held_back_and_right_ones_are_not() {
    let bench = Bench::new().await;
    let begin = Instant::now();
    let wrong = bench.raw("GET", "/api/v1/info", &["Authorization: Bearer wrong"], None).await;
    assert_eq!(wrong.status, 401);
    assert!(begin.elapsed().as_millis() >= 1000, "{:?}", begin.elapsed());
    let flood = (0..60).map(|i| {
        let bench = &bench;
        async move { bench.raw("GET", "/api/v1/info", &[&format!("Authorization: Bearer {i}")], None).await.status }
    });
    let right = async {
        let begin = Instant::now();
        let reply = bench.ask("GET", "/api/v1/info", None).await;
        (reply.status, begin.elapsed())
    };
    let (statuses, (status, took)) = tokio::join!(futures_util::future::join_all(flood), right);
    let many = statuses.iter().filter(|status| **status == 429).count();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)) && many > 0, "{statuses:?}");
    assert_eq!(status, 200);
    assert!(took < SOON);
}

#[tokio::test]
async fn scopes_hold() {
    use longhaul_daemon::tokens::{Scopes, Tokens};
    let bench = Bench::new().await;
    let tokens = Tokens::of(bench.home.path().join("state"));
    let reader = tokens.create("reader", Scopes { read: true, ..Scopes::default() }).unwrap();
    let adder = tokens.create("adder", Scopes { add: true, ..Scopes::default() }).unwrap();
    let status = async |token: &str, method: &str, path: &str, body: Option<&str>| {
        bench.raw(method, path, &[&format!("Authorization: Bearer {token}")], body).await.status
    };
    assert_eq!(status(&reader, "GET", "/api/v1/entries", None).await, 200);
    assert_eq!(status(&reader, "POST", "/api/v1/entries", Some(ENTRY)).await, 403);
    assert_eq!(status(&reader, "PUT", "/api/v1/settings", Some("{}")).await, 403);
    assert_eq!(status(&adder, "GET", "/api/v1/entries", None).await, 403);
    assert_eq!(status(&adder, "POST", "/api/v1/entries", Some(ENTRY)).await, 201);
    assert_eq!(status(&adder, "POST", "/api/v1/shutdown", Some("{}")).await, 403);
    tokens.revoke("reader").unwrap();
    assert_eq!(status(&reader, "GET", "/api/v1/entries", None).await, 401);
}

#[tokio::test]
async fn a_page_logs_in_with_a_code_that_works_once() {
    let bench = Bench::new().await;
    let code = bench.ask("POST", "/api/v1/codes", Some(&json!({}))).await.json()["code"].as_str().unwrap().to_owned();
    let proof = json!({"code": code});
    let login = bench.ask("POST", "/api/v1/login", Some(&proof)).await;
    assert_eq!(login.status, 200, "{login:?}");
    let cookie = login.field("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: other=1; {}", cookie.split(';').next().unwrap());
    let status = async |fields: &[&str]| {
        let mut lines = vec![cookie.as_str()];
        lines.extend(fields);
        bench.raw("GET", "/api/v1/entries", &lines, None).await.status
    };
    assert_eq!(status(&["X-Longhaul: 1"]).await, 200);
    assert_eq!(status(&["Sec-Fetch-Site: same-origin"]).await, 200);
    assert_eq!(status(&[]).await, 401, "another page of this machine has the cookie too");
    assert_eq!(
        bench.raw("POST", "/api/v1/entries", &[&cookie, "Sec-Fetch-Site: same-origin"], Some(ENTRY)).await.status,
        401
    );
    let again = bench.ask("POST", "/api/v1/login", Some(&proof)).await;
    assert_eq!(again.status, 401, "{again:?}");
}

/// Goal: nothing is written elsewhere than below the roots. Method: places outside, named in all ways that were found.
#[tokio::test]
async fn callers_by_tcp_stay_below_the_roots() {
    let bench = Bench::new().await;
    let outside = bench.home.path().join("outside");
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    symlink(&outside, bench.root.join("link")).unwrap();
    symlink("/nowhere", bench.root.join("dangling")).unwrap();
    let out = outside.to_string_lossy();
    let source = "http://127.0.0.1:9/a";
    for entry in [
        json!({"source": source, "folder": out}),
        json!({"source": source, "folder": ".."}),
        json!({"source": source, "folder": "a/../../outside"}),
        json!({"source": source, "folder": "link"}),
        json!({"source": source, "folder": "link/sub", "name": "x"}),
        json!({"source": source, "folder": "dangling"}),
        json!({"source": source, "folder": ".ssh", "name": "authorized_keys"}),
        json!({"source": source, "name": "../x"}),
        json!({"source": source, "name": "link/x"}),
        json!({"source": source, "name": ".bashrc"}),
        json!({"source": source, "name": format!("{out}/x")}),
        json!({"file": "/etc/passwd", "destination": "oss://bucket/passwd"}),
    ] {
        let reply = bench.ask("POST", "/api/v1/entries", Some(&entry)).await;
        assert_eq!(reply.status, 403, "{entry}: {reply:?}");
    }
    for folder in [json!(out), json!("/")] {
        let reply = bench.ask("PUT", "/api/v1/settings", Some(&json!({"folder": folder}))).await;
        assert_eq!(reply.status, 403, "{reply:?}");
    }
    let listed = bench.ask("GET", "/api/v1/folders?path=/etc", None).await;
    assert_eq!(listed.status, 403);
    let listed = bench.ask("GET", "/api/v1/folders", None).await.json();
    assert_eq!(listed["folders"], json!([]), "links are no folders");
    assert_eq!(bench.ask("GET", "/api/v1/entries", None).await.json()["total"], 0);
    let good = bench.add(json!({"source": source, "folder": "sub/deep", "name": "x.bin", "hold": true})).await;
    assert_eq!(good["entry"]["path"], json!(bench.root.join("sub/deep/x.bin")));
}

#[tokio::test]
async fn long_deep_and_broken_bodies_are_refused() {
    let bench = Bench::new().await;
    let token = format!("Authorization: Bearer {}", bench.token);
    let long = format!("{{\"source\":\"{}\"}}", "x".repeat(10 << 20));
    let reply = bench.raw("POST", "/api/v1/entries", &[&token], Some(&long)).await;
    assert!(matches!(reply.status, 413 | 0), "{}", reply.status);
    // Without a length beforehand.
    let mut chunked = format!(
        "POST /api/v1/entries HTTP/1.1\r\nHost: {}\r\n{token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        bench.at
    ).into_bytes();
    for _ in 0..10 {
        chunked.extend(b"100000\r\n");
        chunked.resize(chunked.len() + 0x10_0000, b'x');
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let reply = bench.say(&chunked).await;
    assert!(matches!(reply.status, 413 | 0), "{}", reply.status);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in
        [deep.as_str(), "", "{", "null", "3", "\"x\"", "{\"source\":3}", "{\"sources\":[]}", "[[]]", "{\"x\":1}"]
    {
        let reply = bench.raw("POST", "/api/v1/entries", &[&token], Some(body)).await;
        let wrong = reply.status == 400 || reply.json()["results"][0]["status"] == 400;
        assert!(wrong, "{body:.40}: {reply:?}");
    }
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let reply = bench.say(huge.as_bytes()).await;
    assert!(matches!(reply.status, 431 | 0), "{}", reply.status);
    let reply = bench.ask("GET", "/api/v1/entries", None).await;
    assert_eq!(reply.json()["total"], 0);
}

/// Goal: readers that take nothing hold nothing up. Method: 50 of them at the stream of events, none reading.
#[tokio::test]
async fn readers_that_take_nothing_hold_nothing_up() {
    let bench = Bench::new().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(bench.at).await.unwrap();
        let head =
            format!("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n", bench.token);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        slow.push(stream);
    }
    for batch in 0..20 {
        let entries: Vec<_> = (0..100)
            .map(|i| json!({"source": format!("http://127.0.0.1:9/{batch}/{i}"), "name": format!("{batch}-{i}"), "hold": true}))
            .collect();
        let reply = bench.ask("POST", "/api/v1/entries", Some(&json!(entries))).await;
        assert_eq!(reply.status, 201);
    }
    assert_eq!(bench.ask("GET", "/api/v1/stats", None).await.json()["counts"]["held"], 2000);
    drop(slow);
}
