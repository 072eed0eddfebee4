//! `longhaul serve` in other people's tests: a store for one command, a file that says when it is ready, chosen keys and
//! ports, objects to begin with. The real binary; what the store itself does is in `serve.rs`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod real;

use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use real::store::{Store, ask_at};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(90);

fn longhaul() -> PathBuf {
    assert_cmd::cargo::cargo_bin!("longhaul").into()
}

/// `longhaul serve` with temporary files in this folder and nothing of the user's environment that matters.
fn serve(temporary: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(longhaul());
    command.arg("serve").args(words).stdin(Stdio::null());
    command.env("TMPDIR", temporary).env("LONGHAUL", longhaul()).env("LONGHAUL_STATE_DIR", temporary.join("state"));
    command.env_remove("LONGHAUL_SERVE_KEY").env("OSS_SESSION_TOKEN", "of another store");
    // In a group of its own it is not in the foreground of the terminal that the tests may run at, where Ctrl-C reaches
    // a command without it.
    command.process_group(0);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn stores_left(temporary: &Path) -> Vec<String> {
    let names = fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("longhaul-serve-")).collect()
}

fn line(child: &mut Child) -> (String, BufReader<std::process::ChildStdout>) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    (line, out)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn code(child: &mut Child) -> Option<i32> {
    assert!(real::until(SOON, || child.try_wait().unwrap().is_some()), "it does not end");
    child.wait().unwrap().code()
}

#[test]
fn a_command_has_a_store_of_its_own_which_ends_with_it_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        set -e
        test -z "$OSS_SESSION_TOKEN"
        echo 'a film' > "$TMPDIR/film"
        "$LONGHAUL" put -q "$TMPDIR/film" "oss://$OSS_BUCKET/film"
        "$LONGHAUL" get -q "oss://$OSS_BUCKET/film" -o "$TMPDIR/again"
        cat "$TMPDIR/again"
        echo "$LONGHAUL_ADMIN"
        exit 7
    "#;
    let output = serve(folder.path(), &["--temp", "--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let (film, admin) = text.split_once('\n').unwrap();
    assert!(film == "a film" && admin.starts_with("http://127.0.0.1:"), "what the command says stands alone: {text}");
    assert!(output.stderr.is_empty(), "{}", said(&output));
    assert_eq!(stores_left(folder.path()), [""; 0]);
}

#[test]
fn a_folder_is_kept_when_its_command_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let words = |script| ["--bucket", "films", store.to_str().unwrap(), "--", "sh", "-c", script];
    let put = r#"echo kept > "$TMPDIR/k"; "$LONGHAUL" put -q "$TMPDIR/k" oss://films/k"#;
    let output = serve(folder.path(), &words(put)).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let get = r#""$LONGHAUL" get -q oss://films/k -o "$TMPDIR/again"; cat "$TMPDIR/again""#;
    let output = serve(folder.path(), &words(get)).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "kept\n", "{}", said(&output));
}

#[test]
fn signals_are_the_commands_and_so_is_the_code() {
    let folder = tempfile::tempdir().unwrap();
    for (name, number, traps, expected) in [
        ("TERM", Signal::TERM, "trap 'echo caught; exit 5' TERM", 5),
        ("INT", Signal::INT, "trap 'echo caught; exit 6' INT", 6),
        // One that does not look at it ends as the system says.
        ("TERM", Signal::TERM, "true", 143),
    ] {
        let script = format!("{traps}; echo ready; while :; do sleep 0.05; done");
        let mut child =
            serve(folder.path(), &["--temp", "--", "sh", "-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let (first, mut out) = line(&mut child);
        assert_eq!(first, "ready\n");
        signal(&child, number);
        assert_eq!(code(&mut child), Some(expected), "{name}");
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest == "caught\n", expected != 143, "{rest}");
        assert_eq!(stores_left(folder.path()), [""; 0]);
    }
}

#[test]
fn a_signal_reaches_what_the_command_started_too() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $!; wait; wait";
    let mut child = serve(folder.path(), &["--temp", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let (pid, _out) = line(&mut child);
    let sleeper = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    test_kill_process(sleeper).unwrap();
    signal(&child, Signal::TERM);
    assert_eq!(code(&mut child), Some(143));
    // A zombie that no parent has taken still has its number.
    let gone = || {
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        test_kill_process(sleeper).is_err() || state.is_ok_and(|state| state.contains(") Z "))
    };
    assert!(real::until(SOON, gone), "the sleeper still sleeps");
}

#[test]
fn a_command_that_heeds_no_signal_is_killed_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = serve(folder.path(), &["--temp", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let (_, _out) = line(&mut child);
    signal(&child, Signal::TERM);
    assert_eq!(code(&mut child), Some(137));
    assert_eq!(stores_left(folder.path()), [""; 0]);
}

#[test]
fn a_command_that_cannot_be_run_ends_with_the_code_of_shells() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text"), "no program").unwrap();
    let text = folder.path().join("text");
    for (program, expected) in [("no-such-program-anywhere", 127), (text.to_str().unwrap(), 126)] {
        let output = serve(folder.path(), &["--temp", "--", program]).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{}", said(&output));
        assert!(said(&output).contains(program) && output.stdout.is_empty(), "{}", said(&output));
        assert_eq!(stores_left(folder.path()), [""; 0]);
    }
}

#[test]
fn a_temporary_store_without_a_command_ends_with_a_signal_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = serve(folder.path(), &["--temp", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let (ready, _out) = line(&mut child);
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let (status, _, _) = ask_at(ready["endpoint"].as_str().unwrap(), "GET /test/k", "", b"").unwrap();
    assert_eq!((status, stores_left(folder.path()).len()), (403, 1));
    signal(&child, Signal::TERM);
    assert_eq!(code(&mut child), Some(143));
    assert_eq!(stores_left(folder.path()), [""; 0]);
    // A command without `--` would be taken for a folder.
    let output = serve(folder.path(), &["--temp", "pytest"]).output().unwrap();
    assert!(output.status.code() == Some(2) && said(&output).contains("--temp -- pytest"), "{}", said(&output));
}

#[test]
fn a_ready_file_is_there_for_as_long_as_the_store_is_and_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready.json");
    // What a store that was killed left is not taken for this one's.
    fs::write(&file, r#"{"event":"ready","endpoint":"http://127.0.0.1:1"}"#).unwrap();
    let words = ["--temp", "--anonymous", "--cors", "--ready-file", file.to_str().unwrap()];
    let mut child = serve(folder.path(), &words).stdout(Stdio::piped()).spawn().unwrap();
    let ready = || {
        let text = fs::read_to_string(&file).ok()?;
        let value: Value = serde_json::from_str(&text).unwrap();
        (value["endpoint"] != "http://127.0.0.1:1").then_some(value)
    };
    assert!(real::until(SOON, || ready().is_some()), "no ready file");
    let ready = ready().unwrap();
    for name in ["endpoint", "admin", "region", "access_key_id", "access_key_secret"] {
        assert!(!ready[name].as_str().unwrap().is_empty(), "{name}");
    }
    let page = "Origin: http://page.test\r\n";
    let (status, head, _) = ask_at(ready["endpoint"].as_str().unwrap(), "GET /test", page, b"").unwrap();
    assert!(status == 200 && head.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{head}");
    assert_eq!(ask_at(ready["admin"].as_str().unwrap(), "GET /state", "", b"").unwrap().0, 200);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "it has a secret in it");
    signal(&child, Signal::TERM);
    assert_eq!(code(&mut child), Some(143));
    assert!(!file.exists());
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "", "a script that waits for the file has it all");
    // A file of the user's stays.
    fs::write(&file, "notes").unwrap();
    let output = serve(folder.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), "notes");
}

#[test]
fn keys_are_chosen_by_flag_or_variable_and_others_look_like_test_keys() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"echo "$OSS_ACCESS_KEY_ID:$OSS_ACCESS_KEY_SECRET" "$LONGHAUL_SERVE_KEY";
        echo x > "$TMPDIR/x"; "$LONGHAUL" put -q "$TMPDIR/x" oss://test/x && echo stored"#;
    let run = |words: &[&str], variable: Option<&str>| {
        let mut command = serve(folder.path(), &[&["--temp"], words, &["--", "sh", "-c", script]].concat());
        command.envs(variable.map(|value| ("LONGHAUL_SERVE_KEY", value)));
        command.output().unwrap()
    };
    let by_flag = run(&["--key", "mine:hush", "--key", "other:too"], None);
    assert_eq!(String::from_utf8_lossy(&by_flag.stdout), "mine:hush \nstored\n", "{}", said(&by_flag));
    let by_variable = run(&[], Some("mine:hush"));
    assert_eq!(String::from_utf8_lossy(&by_variable.stdout), "mine:hush \nstored\n", "{}", said(&by_variable));
    let random = String::from_utf8(run(&[], None).stdout).unwrap();
    assert!(random.starts_with("TESTKEY") && random.contains(":TESTSECRET"), "{random}");
    for wrong in ["hush", "a b:hush", ":hush", "mine:"] {
        let output = run(&["--key", wrong], None);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("--key") && !said(&output).contains("hush"), "{}", said(&output));
    }
}

#[test]
fn an_address_in_use_is_named_with_the_flag_that_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let output = serve(folder.path(), &["--temp", flag, &port]).output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{}", said(&output));
        let said = said(&output);
        assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains(flag) && !said.contains(other), "{said}");
    }
    // Two stores with free ports do not meet at an admin port.
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for store in [&one, &two] {
        fs::create_dir(store).unwrap();
    }
    let start = |store: &Path| {
        let mut child = serve(folder.path(), &["--json", "--listen", ":0", store.to_str().unwrap()]);
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let (ready, out) = line(&mut child);
        (child, serde_json::from_str::<Value>(&ready).unwrap(), out)
    };
    let (mut first, one, _out) = start(&one);
    let (mut second, two, _also) = start(&two);
    assert_ne!(one["admin"], two["admin"]);
    for child in [&mut first, &mut second] {
        signal(child, Signal::TERM);
        assert_eq!(code(child), Some(143));
    }
}

#[test]
fn a_store_on_all_addresses_is_told_by_one_that_a_client_can_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = serve(folder.path(), &["--temp", "--anonymous", "--json", "--listen", "0.0.0.0:0"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (ready, _out) = line(&mut child);
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let endpoint = ready["endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
    assert_eq!(ask_at(endpoint, "GET /test", "", b"").unwrap().0, 200);
    signal(&child, Signal::TERM);
    assert_eq!(code(&mut child), Some(143));
    let mut warned = String::new();
    child.stderr.take().unwrap().read_to_string(&mut warned).unwrap();
    assert!(warned.contains("other machines"), "{warned}");
}

#[test]
fn objects_are_there_from_the_beginning_and_again_after_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (path, text) in [("films/a/b.txt", "b"), ("films/top", "top"), ("music/s", "s")] {
        let path = data.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink(&data, data.join("films/loop")).unwrap();
    let more = format!("extra={}", data.join("films").display());
    let store = Store::start(
        &folder.path().join("store"),
        &[
            "--anonymous",
            "--seed",
            data.to_str().unwrap(),
            "--seed",
            &more,
            "--fault",
            "kind=status status=503 key=bad",
        ],
    );
    let get = |path: &str| {
        let (status, _, body) = store.ask(&format!("GET /{path}"), b"").unwrap();
        if status == 200 { String::from_utf8(body).unwrap() } else { status.to_string() }
    };
    let all = || ["films/a/b.txt", "films/top", "music/s", "extra/a/b.txt", "films/loop/films/top"].map(get);
    let first = ["b", "top", "s", "b", "404"];
    assert_eq!(all(), first);
    // A test does its work …
    assert_eq!(store.ask("PUT /films/top", b"changed").unwrap().0, 200);
    assert_eq!(store.ask("PUT /films/new", b"new").unwrap().0, 200);
    assert_eq!(store.ask("PUT /another", b"").unwrap().0, 200);
    assert_eq!(store.ask("POST /films/up?uploads", b"").unwrap().0, 200);
    let json = "Content-Type: application/json\r\n";
    let admin = |line: &str, body: &[u8]| ask_at(store.text("admin"), line, json, body).unwrap();
    admin("DELETE /faults", b"");
    admin("POST /clock", br#"{"offset_ms":5000}"#);
    admin("POST /variants", br#"{"several-ranges":"416"}"#);
    // … and the next one begins as it did.
    let (status, _, body) = admin("POST /reset", b"");
    let state: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &state["clock_offset_ms"], &state["variants"]), (200, &0.into(), &serde_json::json!({})));
    assert_eq!(
        (all(), get("films/new"), get("another"), get("films/bad")),
        (first.map(str::to_owned), "404".into(), "404".into(), "503".into())
    );
    let buckets = state["buckets"].as_array().unwrap();
    assert!(
        buckets.len() == 3 && buckets.iter().all(|bucket| bucket["uploads"].as_array().unwrap().is_empty()),
        "{state}"
    );
    // What is asked to be kept is kept.
    assert_eq!(store.ask("PUT /films/new", b"new").unwrap().0, 200);
    admin("POST /clock", br#"{"offset_ms":5000}"#);
    let (_, _, body) = admin("POST /reset?keep=objects,clock", b"");
    let state: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((get("films/new").as_str(), &state["clock_offset_ms"]), ("new", &5000.into()));
    assert_eq!(admin("POST /reset?keep=objets", b"").0, 400);
}

#[test]
fn a_seed_that_cannot_be_used_and_files_that_are_not_served_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("films")).unwrap();
    fs::write(data.join("stray"), "x").unwrap();
    let missing = folder.path().join("missing");
    for (seed, expected, part) in [
        (data.display().to_string(), 2, "stray"),
        (format!("No_Bucket={}", data.display()), 2, "No_Bucket"),
        (missing.display().to_string(), 8, "missing"),
    ] {
        let output = serve(folder.path(), &["--temp", "--seed", &seed, "--", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{}", said(&output));
        assert!(said(&output).contains(part), "{}", said(&output));
    }
    // Whoever serves a folder of files may expect to find them.
    let output = serve(folder.path(), &[data.to_str().unwrap(), "--", "true"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("not served: films, stray") && said(&output).contains("--seed"),
        "{}",
        said(&output)
    );
}

#[test]
fn hints_name_a_bucket_that_is_there_or_say_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let hints = |more: &[&str]| {
        let words = [&["--listen", ":0", store.to_str().unwrap()], more].concat();
        let mut child = serve(folder.path(), &words).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("NewClient") {
            assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
        }
        signal(&child, Signal::TERM);
        assert_eq!(code(&mut child), Some(143));
        text
    };
    let none = hints(&[]);
    assert!(none.contains("no bucket yet") && none.contains("--bucket"), "{none}");
    assert!(hints(&["--bucket", "films"]).contains("oss://films"));
    let known = hints(&[]);
    assert!(known.contains("oss://films") && !known.contains("no bucket yet"), "{known}");
}
