//! What the vendors' own SDKs make of the store.
//!
//! Goal: real clients, which we did not write, do with the store what they do with OSS. Method: a script for each SDK,
//! run against a store of its own; every step in it asserts what came back. `scripts/setup` installs the SDKs.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "a suite that is skipped says so, and which SDK it ran")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use longhaul_devstore::oss::{Builder, Server};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Whether the suite runs: what it needs is there. Otherwise it says so, or fails where everything has to be there.
fn installed(what: &str, needs: &Path) -> bool {
    if needs.exists() {
        return true;
    }
    assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "{what} is not installed: scripts/setup does it");
    println!("skipped: {what} not installed");
    false
}

/// The application's server: answers `/ok` with what it heard, everything else with 500. It ends with the process.
fn application() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let heard = String::from_utf8(body).unwrap();
            let (status, answer) = match first.starts_with("POST /ok") {
                true => ("200 OK", serde_json::json!({ "heard": heard }).to_string()),
                false => ("500 No", String::new()),
            };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
        }
    });
    format!("http://{address}")
}

fn run(program: &Path, script: &str, server: &Server) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks").join(script);
    let output = Command::new(program)
        .arg(&script)
        .env("ENDPOINT", server.endpoint())
        .env("ADMIN", server.admin())
        .env("REGION", server.region())
        .env("KEY_ID", server.access_key_id())
        .env("KEY_SECRET", server.access_key_secret())
        .env("CALLBACK", application())
        .env("NODE_MODULES", workspace().join("target/tools/node/node_modules"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let log: Vec<String> = server.log_since(0).iter().rev().take(5).map(ToString::to_string).collect();
    assert!(output.status.success(), "{}\n{said}\nthe last requests:\n{}", script.display(), log.join("\n"));
    println!("{}", said.trim());
}

fn python(package: &str, script: &str) {
    let python = workspace().join("target/tools/python/bin/python");
    let library = std::fs::read_dir(workspace().join("target/tools/python/lib"))
        .ok()
        .and_then(|mut versions| Some(versions.next()?.ok()?.path().join("site-packages").join(package)));
    if installed(package, &library.unwrap_or_else(|| python.clone())) {
        let folder = tempfile::tempdir().unwrap();
        run(&python, script, &Builder::new(folder.path()).start().unwrap());
    }
}

#[test]
fn oss2_finds_what_it_expects_of_oss() {
    python("oss2", "oss2_sdk.py");
}

#[test]
fn alibabacloud_oss_v2_finds_what_it_expects_of_oss() {
    python("alibabacloud_oss_v2", "alibabacloud_sdk.py");
}

#[test]
fn ali_oss_finds_what_it_expects_of_oss() {
    if installed("ali-oss", &workspace().join("target/tools/node/node_modules/ali-oss")) {
        let folder = tempfile::tempdir().unwrap();
        let builder = Builder::new(folder.path()).bucket("node-v1").bucket("node-v4").host("cname.test", "node-v1");
        run(Path::new("node"), "ali_oss_sdk.mjs", &builder.start().unwrap());
    }
}
