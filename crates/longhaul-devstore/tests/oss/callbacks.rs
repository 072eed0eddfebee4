//! The upload callback, as far as the SDKs do not show it: several addresses, silence, and what is told.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::Bench;

/// A server that answers its first request; what it heard.
fn application(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/called?a=b", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        let mut piece = [0; 1024];
        while !heard.ends_with("END") {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "{heard}");
            heard.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
        heard
    });
    (url, heard)
}

fn fields(urls: &str, body: &str) -> String {
    let settings = serde_json::json!({ "callbackUrl": urls, "callbackBody": body, "callbackHost": "app.test" });
    format!("x-oss-callback: {}", STANDARD.encode(settings.to_string()))
}

#[test]
fn an_address_that_is_silent_leaves_the_next_one_its_time() {
    let bench = Bench::with(|builder| builder.callback_patience(Duration::from_millis(150)));
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, heard) = application("{}");
    let urls = format!("http://{}/;https://app.test/;{url}", silent.local_addr().unwrap());
    let put = bench.ask("PUT /films/k", &fields(&urls, "o=${object}&s=${size}&op=${operation}&c=${crc64}&END"), b"abc");
    assert_eq!((put.status, put.text().as_str(), put.header("Content-Type")), (200, "{}", Some("application/json")));
    let heard = heard.join().unwrap();
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /called?a=b HTTP/1.0\r\nHost: app.test\r\nConnection: close\r\n"), "{head}");
    let crc = bench.get("k").header("x-oss-hash-crc64ecma").unwrap().to_owned();
    assert_eq!(body, format!("o=k&s=3&op=PutObject&c={crc}&END"));
    assert!(head.contains("\r\nAuthorization: ") && head.contains("\r\nx-oss-pub-key-url: "), "{head}");
}

#[test]
fn a_callback_that_fails_is_a_203_for_an_object_that_is_there() {
    let bench = Bench::with(|builder| builder.callback_patience(Duration::from_millis(150)));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (url, why) in [
        (format!("http://{}/", silent.local_addr().unwrap()), "did not answer"),
        ("https://app.test/".to_owned(), "plain http only"),
        ("http://127.0.0.1:1/".to_owned(), "cannot be reached"),
    ] {
        let put = bench.ask("PUT /films/k", &fields(&url, "x"), url.as_bytes());
        assert_eq!(put.said(), "203 CallbackFailed", "{url}");
        assert!(put.element("Message").contains(why) && put.element("EC") == "0007-00000203", "{}", put.text());
        assert!(put.header("ETag").is_some() && put.header("x-oss-hash-crc64ecma").is_some());
        assert_eq!(bench.get("k").text(), url);
    }
}

#[test]
fn variables_that_came_later_can_be_left_out() {
    let bench = Bench::with(|builder| builder.variant("callback-variables", "old").unwrap());
    let (url, heard) = application("{}");
    assert_eq!(bench.ask("PUT /films/k", &fields(&url, "s=${size}&c=${crc64}&END"), b"abc").status, 200);
    assert!(heard.join().unwrap().ends_with("\r\n\r\ns=3&c=&END"));
}
