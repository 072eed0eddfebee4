//! HTTP as servers speak it that were not written with us in mind. Goal: what browsers and curl get is got, and nothing
//! of what such a server hands out is told or written down. Method: a server of a few lines on a thread, and the real
//! binary. The tables of heads, URLs and cookies are beside the code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use common::{Bench, tree};

const COOKIE: &str = "hunter2hunter2";
const BODY: &str = "the bytes of it";

/// What a server heard, and where it is.
struct Server {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each head, one a connection.
    fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&heads);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|got| got == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let reply = answer(&head);
                heard.lock().unwrap().push(head);
                let _ = stream.write_all(reply.as_bytes());
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn whole() -> String {
    format!("HTTP/1.1 200 OK\r\nETag: \"v\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len())
}

fn moved(fields: &str) -> String {
    format!("HTTP/1.1 302 Found\r\n{fields}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn an_object_behind_a_cookie_is_fetched_and_the_cookie_is_nowhere() {
    let server = Server::start(|head| match head.contains(COOKIE) {
        true => whole(),
        false => moved(&format!("Location: /file\r\nSet-Cookie: pass={COOKIE}; Path=/; HttpOnly")),
    });
    let bench = Bench::new();
    let ran = bench.get_url(format!("http://{}/file", server.address)).args(["-v"]).run();
    ran.expect_code(&bench, 0);
    assert_eq!(std::fs::read_to_string(bench.file()).unwrap(), BODY);
    assert_eq!(server.heads().len(), 2);
    assert!(!ran.stderr.contains(COOKIE) && !ran.stdout.contains(COOKIE), "{}", ran.stderr);
    for path in tree(bench.root()).into_iter().filter(|path| path.is_file()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(COOKIE), "{}", path.display());
    }
}

#[test]
fn a_url_is_asked_for_as_it_was_given_now_and_on_the_next_run() {
    let target = "/a\\b/%2e%2e/it's?sig='%2E\\";
    let server = Server::start(move |head| match head.starts_with("GET /first ") {
        true => moved(&format!("Location: {target}")),
        false => whole(),
    });
    for path in [target, "/first"] {
        let bench = Bench::new();
        let url = format!("http://{}{path}", server.address);
        for verified in ["", "a finished file is asked about by the same name"] {
            let ran = bench.get_url(url.clone()).run();
            ran.expect_code(&bench, 0);
            let head = server.heads().pop().unwrap();
            assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{verified} {head}");
        }
        assert_eq!(std::fs::read_to_string(bench.file()).unwrap(), BODY);
    }
}

/// Goal: `-v` and `-vv` are sentences, data come with `-vvv`, and at no level a secret. Method: a signed link and a
/// header, both of which the server repeats as its ETag.
#[test]
fn the_log_is_sentences_then_data_and_never_a_secret() {
    let (token, signature) = ("token-of-the-log-0001", "c2lnbmF0dXJlLW9mLXRoZS1sb2c");
    let server = Server::start(move |_| {
        let etag = format!("ETag: \"{token}{signature}\"");
        format!("HTTP/1.1 200 OK\r\n{etag}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len())
    });
    let mut lines = Vec::new();
    for level in ["-v", "-vv", "-vvv"] {
        let bench = Bench::new();
        let url = format!("http://{}/file?Expires=4102444800&Signature={signature}", server.address);
        let ran = bench.get_url(url).args([level, "-H", &format!("X-Token: {token}")]).run();
        ran.expect_code(&bench, 0);
        for secret in [token, signature] {
            assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{level}: {}", ran.stderr);
        }
        for sentence in
            ["asks for all of it", "answered 200", "syncs ", "renames the part file to the target", "done: "]
        {
            assert!(ran.stderr.contains(sentence), "{level}, {sentence}: {}", ran.stderr);
        }
        assert_eq!(ran.stderr.contains(" { "), level == "-vvv", "{level}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("writes the receipt"), level != "-v", "{level}: {}", ran.stderr);
        lines.push(ran.stderr.lines().count());
    }
    assert!(lines.is_sorted_by(|a, b| a < b), "{lines:?}");
}
