//! By way of a proxy, as the command line has it. Goal: what the proxy itself says is never taken for the object, its
//! password is never told, and the environment means what it means to curl. The proxy is the faulty origin, which takes
//! whole URLs as its own; tunnels and SOCKS are tested beside the code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Bench, HALF, SIZE, names, tree};
use longhaul_devstore::{Fault, Object};

const SECRET: &str = "hunter2";
const PAGE: &str = "<html>a page of the proxy</html>";

/// `longhaul get http://object.example/file` with these arguments and variables, and no retries.
fn get(bench: &Bench, args: &[&str], variables: &[(&str, String)]) -> Output {
    get_url(bench, "http://object.example/file", "0", args, variables)
}

fn get_url(bench: &Bench, url: &str, retries: &str, args: &[&str], variables: &[(&str, String)]) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "LONGHAUL_STATE_DIR"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.args(["get", url, "--retries", retries, "-v"]);
    if !args.contains(&"--connect-timeout") {
        command.args(["--connect-timeout", "5"]);
    }
    command.args(args).arg("-o").arg(bench.file()).arg("--state-dir").arg(bench.state());
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!told.contains(SECRET), "{told}");
    for path in tree(bench.root()).into_iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains(SECRET), "{} holds the password", path.display());
    }
    output
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn address(bench: &Bench) -> String {
    format!("http://me:{SECRET}@{}", bench.origin.address())
}

#[test]
fn a_download_by_way_of_a_proxy_resumes_like_any_other() {
    let bench = Bench::new();
    let object = Object::seeded(1, SIZE);
    bench.origin.put("/file", object.clone());
    bench.origin.script("/file", vec![Fault::Cut { after: HALF }]);
    let output = get(&bench, &["--proxy", &address(&bench)], &[]);
    assert_eq!(output.status.code(), Some(10), "{}", told(&output));
    let output = get(&bench, &["--proxy", &address(&bench)], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(object.content.first_difference_in_file(bench.file()).unwrap(), None);
    assert!(told(&output).contains("resumed once"), "{}", told(&output));
    assert!(bench.origin.log().iter().all(|seen| seen.header("Proxy-Authorization").is_some()));
}

#[test]
fn nothing_that_a_proxy_says_of_itself_gets_into_the_file() {
    for (status, code, says) in [(407, 4, "the proxy wants a user and password"), (502, 10, "502")] {
        for held in [0, HALF] {
            let bench = Bench::new();
            let object = Object::seeded(1, SIZE);
            bench.origin.put("/file", object.clone());
            if held > 0 {
                bench.origin.script("/file", vec![Fault::Cut { after: held }]);
                get(&bench, &["--proxy", &address(&bench)], &[]);
            }
            let html = [("Content-Type", "text/html"), ("Proxy-Authenticate", "Basic realm=\"x\"")];
            bench.origin.always("/file", Fault::status_with(status, &html, PAGE));
            let output = get(&bench, &["--proxy", &address(&bench)], &[]);
            assert_eq!(output.status.code(), Some(code), "{status}: {}", told(&output));
            assert!(told(&output).contains(says), "{}", told(&output));
            let named = told(&output).contains(&bench.origin.address().to_string());
            assert_eq!(named, status == 407, "who wants a password is named: {}", told(&output));
            assert!(!bench.file().exists(), "{:?}", names(&bench.folder()));
            if held > 0 {
                bench.origin.script("/file", Vec::new());
                let output = get(&bench, &["--proxy", &address(&bench)], &[]);
                assert_eq!(output.status.code(), Some(0), "{}", told(&output));
                assert_eq!(object.content.first_difference_in_file(bench.file()).unwrap(), None);
            }
        }
    }
}

#[test]
fn the_environment_means_what_it_means_to_curl() {
    let proxied = |args: &[&str], names: &[(&str, &str)]| {
        let bench = Bench::new();
        bench.origin.put("/file", Object::seeded(1, 10));
        let value = |text: &str| if text == "PROXY" { address(&bench) } else { text.to_owned() };
        let variables: Vec<_> = names.iter().map(|(name, text)| (*name, value(text))).collect();
        let output = get(&bench, args, &variables);
        // Without the proxy there is no such host.
        assert_eq!(output.status.code(), Some(if bench.origin.requests() > 0 { 0 } else { 10 }), "{}", told(&output));
        bench.origin.requests() > 0
    };
    assert!(proxied(&[], &[("http_proxy", "PROXY")]));
    assert!(!proxied(&[], &[("HTTP_PROXY", "PROXY")]));
    assert!(proxied(&[], &[("ALL_PROXY", "PROXY")]));
    assert!(!proxied(&[], &[("https_proxy", "PROXY")]));
    assert!(!proxied(&[], &[("http_proxy", "PROXY"), ("no_proxy", "example")]));
    assert!(proxied(&["--noproxy", "elsewhere"], &[("http_proxy", "PROXY"), ("no_proxy", "example")]));
    assert!(!proxied(&["--noproxy", "*"], &[("http_proxy", "PROXY")]));
    assert!(!proxied(&["--proxy", "none"], &[("http_proxy", "PROXY")]));
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused_instead_of_gone_past() {
    let bench = Bench::new();
    for (args, variables) in [
        (&["--proxy", "ftp://me:hunter2@h"][..], &[][..]),
        (&[], &[("http_proxy", format!("nothing://me:{SECRET}@h"))]),
    ] {
        let output = get(&bench, args, variables);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains("the proxy"), "{}", told(&output));
    }
}

/// Goal: what a proxy answers to CONNECT is told with its name, what it refuses for good is asked once, and nobody is
/// told to run the same command again. Method: the origin as a proxy that refuses every request for a tunnel.
#[test]
fn a_proxy_that_refuses_a_tunnel_is_named_with_its_status() {
    for (status, requests, code, says) in
        [(403, 1, 11, "status 403"), (405, 1, 11, "status 405"), (502, 2, 10, "status 502")]
    {
        let (proxy, heard) = refusing(status);
        let bench = Bench::new();
        let by = format!("http://me:{SECRET}@{proxy}");
        let output = get_url(&bench, "https://object.example/file", "1", &["--proxy", &by], &[]);
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        assert!(told(&output).contains(says) && told(&output).contains(&proxy), "{}", told(&output));
        assert_eq!(told(&output).contains("run the same command"), code == 10, "{}", told(&output));
        assert_eq!(heard.load(Ordering::Relaxed), requests, "{status}");
    }
    let bench = Bench::new();
    let output = get(&bench, &["--proxy", "http://no-such-proxy.invalid:3128"], &[]);
    assert_eq!(output.status.code(), Some(10), "{}", told(&output));
    assert!(told(&output).contains("the name of the proxy no-such-proxy.invalid:3128"), "{}", told(&output));
}

/// A proxy on a thread that answers everything with a status; its address, and how many requests it heard.
fn refusing(status: u16) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|got| got == 1) {
                head.push(byte[0]);
            }
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} No\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{PAGE}",
                PAGE.len()
            );
        }
    });
    (address, heard)
}

#[test]
fn a_proxy_that_is_down_or_silent_is_what_the_message_names() {
    // It takes connections, by the system's hand, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let gone = "127.0.0.1:1".to_owned();
    for (proxy, url, says) in [
        (&gone, "http://object.example/file", format!("the proxy {gone}: no connection")),
        (&gone, "https://object.example/file", format!("the proxy {gone}: no connection")),
        (
            &silent_address,
            "https://object.example/file",
            format!("connecting by way of the proxy {silent_address} takes too long"),
        ),
    ] {
        let bench = Bench::new();
        let by = format!("http://me:{SECRET}@{proxy}");
        let output = get_url(&bench, url, "0", &["--proxy", &by, "--connect-timeout", "1"], &[]);
        assert_eq!(output.status.code(), Some(10), "{}", told(&output));
        assert!(told(&output).contains(&says), "{says}: {}", told(&output));
    }
}
