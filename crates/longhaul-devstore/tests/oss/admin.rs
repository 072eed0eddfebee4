//! The admin port: everything that the page does, by the requests that it sends; and what pages of other sites may do,
//! which is nothing.

use std::io::Write;

use serde_json::{Value, json};

use crate::client::{Bench, Heard, connect, hear};

/// A name that would be a program, if it were ever put into a page as markup.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&.txt";

/// One request, with its fields as they are.
fn ask(bench: &Bench, line: &str, fields: &[&str], body: &[u8]) -> Heard {
    let address = bench.server().admin().trim_start_matches("http://").parse().unwrap();
    let mut stream = connect(address);
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    write!(stream, "{line} HTTP/1.1\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n").unwrap();
    let _ = stream.write_all(body); // a store that refuses may have hung up
    hear(stream, line.starts_with("HEAD")).expect("an answer")
}

fn json_of(heard: &Heard) -> Value {
    assert_eq!(heard.status, 200, "{}", heard.text());
    serde_json::from_slice(&heard.body).unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn put(bench: &Bench, key: &str, content_type: &str, body: &[u8]) -> Value {
    let line = format!("PUT /object?bucket=films&key={}", encoded(key));
    json_of(&ask(bench, &line, &["Host: localhost", &format!("Content-Type: {content_type}")], body))
}

fn keys(list: &Value) -> Vec<&str> {
    list["objects"].as_array().unwrap().iter().map(|object| object["key"].as_str().unwrap()).collect()
}

#[test]
fn objects_are_added_looked_at_and_removed() {
    let bench = Bench::new();
    let made = put(&bench, "a/b/page.html", "text/html", b"<script>alert(1)</script>");
    assert_eq!((&made["size"], &made["headers"]["Content-Type"]), (&25.into(), &"text/html".into()));
    // It is an object like those of clients.
    let got = bench.get("a/b/page.html");
    assert_eq!((got.text().as_str(), got.header("Content-Type")), ("<script>alert(1)</script>", Some("text/html")));
    // Its bytes are for saving: shown in the browser, it would be a page of the admin side.
    let saved = ask(&bench, "GET /object?bucket=films&key=a/b/page.html", &["Host: localhost"], b"");
    assert_eq!(saved.text(), "<script>alert(1)</script>");
    for (name, value) in [
        ("Content-Type", "application/octet-stream"),
        ("Content-Disposition", "attachment; filename*=UTF-8''page.html"),
        ("Content-Security-Policy", "sandbox; default-src 'none'"),
        ("X-Content-Type-Options", "nosniff"),
    ] {
        assert_eq!(saved.header(name), Some(value), "{name}");
    }
    let first = ask(&bench, "GET /object?bucket=films&key=a/b/page.html&first=7", &["Host: localhost"], b"");
    assert_eq!(first.text(), "<script");
    let removed = bench.admin("DELETE", "/objects", r#"{"bucket":"films","key":"a/b/page.html"}"#);
    assert_eq!((json_of(&removed), bench.get("a/b/page.html").status), (json!({ "removed": 1 }), 404));
    bench.put("k", b"abc");
    for (line, status) in [
        ("GET /object?bucket=films&key=gone", 404),
        ("GET /object?bucket=none&key=k", 404),
        ("GET /object?bucket=films", 400),
        ("GET /object?bucket=films&key=k&first=x", 400),
        ("PUT /object?bucket=films&key=/k", 400),
        ("PUT /object?bucket=none&key=k", 404),
    ] {
        assert_eq!(ask(&bench, line, &["Host: localhost"], b"").status, status, "{line}");
    }
}

#[test]
fn a_body_that_does_not_come_whole_makes_no_object() {
    let bench = Bench::new();
    let address = bench.server().admin().trim_start_matches("http://").parse().unwrap();
    let mut stream = connect(address);
    stream
        .write_all(b"PUT /object?bucket=films&key=k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let heard = hear(stream, false).unwrap();
    assert_eq!((heard.status, bench.get("k").status), (400, 404), "{}", heard.text());
}

#[test]
fn lists_are_folded_at_folders_and_come_in_pages() {
    let bench = Bench::new();
    for key in ["a/1", "a/2", "b", "c/d/e", "z"] {
        put(&bench, key, "text/plain", key.as_bytes());
    }
    let list = |query: &str| json_of(&bench.admin("GET", &format!("/objects?bucket=films{query}"), ""));
    let top = list("&delimiter=/");
    assert_eq!((keys(&top), &top["folders"], &top["next"]), (vec!["b", "z"], &json!(["a/", "c/"]), &Value::Null));
    assert_eq!(keys(&list("&delimiter=/&prefix=a/")), ["a/1", "a/2"]);
    let page = list("&limit=2");
    assert_eq!((keys(&page), &page["next"]), (vec!["a/1", "a/2"], &"a/2".into()));
    assert_eq!(keys(&list("&limit=1000&after=a/2")), ["b", "c/d/e", "z"]);
    for query in ["&limit=0", "&limit=1001", "&limit=x"] {
        assert_eq!(bench.admin("GET", &format!("/objects?bucket=films{query}"), "").status, 400, "{query}");
    }
    assert_eq!(bench.admin("GET", "/objects?bucket=none", "").status, 404);
}

#[test]
fn buckets_are_made_and_removed_with_what_is_in_them() {
    let bench = Bench::new();
    assert_eq!(bench.admin("POST", "/buckets", r#"{"name":"music"}"#).status, 200);
    assert_eq!(bench.admin("POST", "/buckets", r#"{"name":"No"}"#).status, 400);
    assert_eq!(bench.ask("PUT /music/k", "", b"x").status, 200);
    assert_eq!(bench.ask("POST /music/up?uploads", "", b"").status, 200);
    let filled = bench.admin("DELETE", "/buckets", r#"{"name":"music"}"#);
    assert!(filled.status == 409 && filled.text().contains("not empty"), "{}", filled.text());
    assert_eq!(bench.admin("DELETE", "/buckets", r#"{"name":"music","all":true}"#).status, 200);
    assert_eq!(bench.ask("GET /music/k", "", b"").said(), "404 NoSuchBucket");
    assert_eq!(bench.admin("DELETE", "/buckets", r#"{"name":"music"}"#).status, 404);
    assert_eq!(bench.server().buckets(), ["films"]);
}

#[test]
fn uploads_are_aborted_by_their_key() {
    let bench = Bench::new();
    bench.initiate("k", "");
    let aborted = bench.admin("DELETE", "/uploads", r#"{"bucket":"films","key":"k"}"#);
    assert_eq!(json_of(&aborted), json!({ "removed": 1 }));
}

#[test]
fn faults_are_described_added_switched_and_removed() {
    let bench = Bench::new();
    bench.put("k", b"abc");
    let kinds = json_of(&bench.admin("GET", "/faults/kinds", ""));
    let status = kinds.as_array().unwrap().iter().find(|kind| kind["name"] == "status").unwrap();
    assert_eq!((&status["needs"], &status["may"]), (&json!(["status"]), &json!(["code", "retry_after"])));
    let added = json_of(&bench.admin("POST", "/faults", r#"{"kind":"status","status":503,"op":"GetObject"}"#));
    let fault = format!("/faults/{}", added["id"]);
    assert_eq!(bench.get("k").status, 503);
    assert_eq!(bench.admin("POST", &fault, r#"{"on":false}"#).status, 200);
    assert_eq!(bench.get("k").status, 200);
    let listed = json_of(&bench.admin("GET", "/faults", ""));
    assert_eq!((&listed[0]["on"], &listed[0]["seen"], &listed[0]["struck"]), (&false.into(), &1.into(), &1.into()));
    assert_eq!(bench.admin("POST", &fault, r#"{"on":true}"#).status, 200);
    assert_eq!(bench.get("k").status, 503);
    assert_eq!(json_of(&bench.admin("DELETE", &fault, "")), json!({ "removed": 1 }));
    assert_eq!(bench.get("k").status, 200);
    for (method, path, body, status) in [
        ("POST", "/faults", r#"{"kind":"nonsense"}"#, 400),
        ("POST", "/faults/99", r#"{"on":true}"#, 404),
        ("POST", "/faults/x", r#"{"on":true}"#, 400),
        ("POST", "/faults/1", "{}", 400),
        ("DELETE", "/faults/x", "", 400),
    ] {
        assert_eq!(bench.admin(method, path, body).status, status, "{method} {path} {body}");
    }
}

#[test]
fn the_keys_to_copy_are_those_that_work() {
    let bench = Bench::new();
    let state = json_of(&bench.admin("GET", "/state", ""));
    let server = bench.server();
    assert_eq!(state["endpoint"], server.endpoint());
    assert_eq!(
        (&state["access_key_id"], &state["access_key_secret"]),
        (&server.access_key_id().into(), &server.access_key_secret().into())
    );
}

#[test]
fn hostile_names_stay_names() {
    let bench = Bench::new();
    put(&bench, HOSTILE, "text/plain", b"x");
    let list = bench.admin("GET", "/objects?bucket=films", "");
    assert_eq!((keys(&json_of(&list)), list.header("Content-Type")), (vec![HOSTILE], Some("application/json")));
    assert_eq!(list.header("X-Content-Type-Options"), Some("nosniff"));
    let saved = ask(&bench, &format!("GET /object?bucket=films&key={}", encoded(HOSTILE)), &["Host: localhost"], b"");
    let named = saved.header("Content-Disposition").unwrap();
    assert!(saved.text() == "x" && !named.contains(['<', '>', '"', '&']), "{named}");
    // The page takes text as text: it has no way to make markup of it.
    let script = ask(&bench, "GET /page.js", &["Host: localhost"], b"").text();
    for way in
        ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "srcdoc", "javascript:"]
    {
        assert!(!script.contains(way), "{way}");
    }
}

#[test]
fn the_page_runs_its_own_script_and_style_only_and_is_not_framed() {
    let bench = Bench::new();
    let page = ask(&bench, "GET /", &["Host: 127.0.0.1:9901"], b"");
    let policy = page.header("Content-Security-Policy").unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(page.header("Cross-Origin-Resource-Policy"), Some("same-origin"));
    let text = page.text();
    assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains(" onclick"), "{text}");
    for (path, kind) in [("/page.js", "text/javascript"), ("/page.css", "text/css")] {
        let heard = ask(&bench, &format!("GET {path}"), &["Host: localhost"], b"");
        assert!(heard.status == 200 && text.contains(path) && heard.header("Content-Type").unwrap().starts_with(kind));
    }
}

#[test]
fn pages_of_other_sites_can_change_nothing() {
    let bench = Bench::new();
    bench.put("k", b"abc");
    let json = "Content-Type: application/json";
    let remove = br#"{"bucket":"films","key":"k"}"#;
    for (line, fields, status) in [
        // A form of another site.
        ("POST /reset", &["Host: localhost", "Content-Type: text/plain", "Origin: http://evil.example"][..], 403),
        ("POST /reset", &["Host: localhost", "Content-Type: application/x-www-form-urlencoded"], 415),
        // A script of another site, or of another port of this machine.
        ("DELETE /objects", &["Host: localhost", json, "Origin: http://evil.example"], 403),
        ("DELETE /objects", &["Host: localhost", json, "Sec-Fetch-Site: same-site"], 403),
        ("PUT /object?bucket=films&key=k", &["Host: localhost", "Origin: http://localhost:3000"], 403),
        // Its question whether it may.
        ("OPTIONS /objects", &["Host: localhost", "Origin: http://evil.example"], 403),
        // A name that leads here (DNS rebinding), with everything else as the page's own.
        (
            "DELETE /objects",
            &["Host: evil.example", json, "Origin: http://evil.example", "Sec-Fetch-Site: same-origin"],
            403,
        ),
        ("GET /state", &["Host: evil.example"], 403),
    ] {
        let heard = ask(&bench, line, fields, remove);
        assert_eq!(heard.status, status, "{line} {fields:?}");
        assert_eq!(heard.header("Access-Control-Allow-Origin"), None);
    }
    assert_eq!(bench.get("k").text(), "abc");
}
