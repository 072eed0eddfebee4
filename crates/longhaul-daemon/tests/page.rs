//! The daemon's page, as people and programs see it.
//!
//! Goal: all that the page can do is done in a real browser, by keyboard and by mouse, on large and small screens, and
//! what keeps it readable, safe and small is held. Method: Node drives Chromium over its DevTools pipe, against a
//! stand-in for the daemon (`page/suite.mjs` with `page/mock.mjs`) and against a real one (`page/live.mjs`).
//! `scripts/setup` installs both programs, and what the page's types and its accessibility are checked with.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "a suite that is skipped says so, and each story that ran")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page")
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/node/node_modules")
}

/// Whether a suite runs: what it needs is there. Otherwise it says so, or fails where everything has to be there.
fn installed(what: &str, is_there: bool) -> bool {
    assert!(
        is_there || std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(),
        "{what} is not installed: scripts/setup does it"
    );
    if !is_there {
        println!("skipped: {what} not installed");
    }
    is_there
}

fn answers(program: &str) -> bool {
    let said = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    said.is_ok_and(|output| output.status.success())
}

fn run(node: &mut Command) {
    let output = node.stdin(Stdio::null()).env("NO_PROXY", "*").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{}", said.trim());
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_page_in_chromium() {
    let axe = tools().join("axe-core/axe.min.js");
    let is_there = answers("node") && answers("chromium") && axe.exists();
    if installed("node, chromium or axe-core", is_there) {
        run(Command::new("node").arg(tests().join("suite.mjs")).env("AXE", axe));
    }
}

/// A daemon of this crate, whose downloads come from files that the suite serves itself.
#[cfg(unix)]
#[tokio::test]
async fn the_page_with_the_daemon() {
    if !installed("node or chromium", answers("node") && answers("chromium")) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (state, folder) = (home.path().join("state"), home.path().join("downloads"));
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    let client = longhaul::Client::builder().state_dir(&state).build().unwrap();
    let manager = client.manager().open().await.unwrap();
    let daemon = longhaul_daemon::Daemon::builder(client, manager.clone(), &state)
        .listen(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))
        .root(&folder);
    let daemon = daemon.start().await.unwrap();
    let mut node = Command::new("node");
    node.arg(tests().join("live.mjs"))
        .env("DAEMON", format!("http://{}/", daemon.address().unwrap()))
        .env("TOKEN", longhaul_daemon::tokens::Tokens::of(&state).default_token().unwrap())
        .env("FOLDER", &folder);
    tokio::task::spawn_blocking(move || run(&mut node)).await.unwrap();
    daemon.stop().await;
    manager.close().await;
}

#[test]
fn the_parts_of_the_page_that_need_no_browser() {
    if installed("node", answers("node")) {
        run(Command::new("node").arg(tests().join("parts.mjs")));
    }
}

#[test]
fn the_page_is_typed() {
    let tsc = tools().join("typescript/bin/tsc");
    if installed("typescript", answers("node") && tsc.exists()) {
        run(Command::new("node").arg(tsc).arg("-p").arg(tests()));
    }
}
