//! The daemon's page, as people and programs see it.
//!
//! Goal: all that the page can do is done in a real browser, by keyboard and by mouse, on large and small screens, and
//! what keeps it readable, safe and small is held. Method: Node drives Chromium over its DevTools pipe (`page/suite.mjs`),
//! the daemon's part being played by `page/mock.mjs`; `scripts/setup` installs both, and what the page's types and its
//! accessibility are checked with.
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
