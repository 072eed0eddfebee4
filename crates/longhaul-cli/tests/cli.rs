//! The binary as a shell sees it. The goal is that no argument, closed pipe or missing home makes it panic or lie; no
//! network is needed.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::process::{Command, Output, Stdio};

fn longhaul() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
    for name in ["SSL_CERT_FILE", "http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.env("LONGHAUL_STATE_DIR", std::env::temp_dir().join(format!("longhaul-cli-{}", std::process::id())));
    command
}

fn run(args: &[&str]) -> Output {
    longhaul().args(args).stdin(Stdio::null()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn without_words_it_shows_what_it_can_do_and_ends_with_2() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("longhaul get https://"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn help_and_version_go_to_stdout_and_end_with_0() {
    for (args, says) in [
        (&["--help"][..], "Examples:"),
        (&["--version"], concat!("longhaul ", env!("CARGO_PKG_VERSION"))),
        (&["get", "--help"], "Exit codes"),
        (&["get", "-h"], "Examples:"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(stdout(&output).contains(says), "{args:?}: {}", stdout(&output));
    }
}

#[test]
fn help_is_a_command() {
    for (args, says) in [
        (&["help"][..], "longhaul get https://"),
        (&["help", "get"], "Exit codes"),
        (&["help", "coming-from"], "--transfers N"),
        (&["help", "coming-from", "wget"], "--no-clobber"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(stdout(&output).contains(says), "{args:?}: {}", stdout(&output));
    }
    assert_eq!(stdout(&run(&["help", "get"])), stdout(&run(&["get", "--help"])));
    assert_eq!(run(&["help", "nothing"]).status.code(), Some(2));
    assert_eq!(run(&["help", "coming-from", "nothing"]).status.code(), Some(2));
}

/// The answer ends with 2, in one line, and an existing file is as it was.
#[test]
fn a_habit_of_another_tool_is_answered_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), "mine").unwrap();
    for args in [&["get", "-O", "x"][..], &["get", "--no-clobber"], &["-nc"], &["cp", "-f"], &["get", "-s16"]] {
        let output = longhaul().args(args).arg("http://127.0.0.1:1/x").current_dir(folder.path()).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.starts_with("longhaul: ") && text.lines().count() == 1 && !text.contains("--no-lock"), "{text}");
        assert_eq!(std::fs::read_to_string(folder.path().join("x")).unwrap(), "mine");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}

#[test]
fn usage_errors_end_with_2_in_one_or_two_lines() {
    for args in [
        &["get", "oss://bucket/key"][..],
        &["get", "ftp://h/x"],
        &["get", "-o", ".", "http://127.0.0.1:1/x"],
        &["get", "-o", "x", "http://127.0.0.1:1/x", "http://127.0.0.1:1/y"],
        &["get", "-i", "/no/such/list"],
        &["get", "-x", "0", "http://127.0.0.1:1/x"],
        &["get", "-x", "65", "http://127.0.0.1:1/x"],
        &["get", "-x", "many", "http://127.0.0.1:1/x"],
        &["man", "nothing"],
    ] {
        let output = run(args);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.starts_with("longhaul: ") && text.lines().count() <= 2, "{args:?}: {text}");
    }
}

#[test]
fn completions_and_manual_pages_are_made() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && stdout(&output).contains("input-file"), "{shell}");
    }
    assert!(stdout(&run(&["man"])).contains(".TH longhaul 1"));
    let get = stdout(&run(&["man", "get"]));
    assert!(get.contains(".TH longhaul-get 1") && get.contains("checksum"), "{get}");
}

#[test]
fn an_empty_environment_variable_is_as_good_as_none() {
    let mut command = longhaul();
    command.env("SSL_CERT_FILE", "").env("LONGHAUL_STATE_DIR", "").env("HOME", std::env::temp_dir());
    let output = command.args(["get", "ftp://h/x"]).output().unwrap();
    assert!(stderr(&output).contains("not supported"), "{}", stderr(&output));
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn arguments_that_are_no_text_are_paths_or_usage_errors() {
        let odd = OsStr::from_bytes(b"http://127.0.0.1:1/\xff");
        let output = longhaul().arg("get").arg(odd).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(OsStr::from_bytes(b"a\xff"));
        // A port that nobody listens at: the path is taken, and the network is what fails.
        let mut command = longhaul();
        command.args(["get", "--proxy", "none", "--retries", "0", "--json", "http://127.0.0.1:1/x", "-o"]).arg(&file);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
        let text = stdout(&output);
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["exit_code"]), (&"failed".into(), &10.into()));
        assert!(last["path_hex"].as_str().unwrap().ends_with("61ff"), "{text}");
        assert!(last["path"].as_str().unwrap().ends_with("a\u{fffd}"), "{text}");
    }

    #[test]
    fn a_reader_that_went_away_is_no_panic() {
        for args in [&["--help"][..], &["get", "--help"], &["completions", "bash"], &["man", "get"], &[]] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let stderr = writer.try_clone().unwrap();
            let status = longhaul().args(args).stdout(writer).stderr(stderr).status().unwrap();
            assert!(matches!(status.code(), Some(0 | 2)), "{args:?}: {status}");
        }
    }

    #[test]
    fn a_failure_with_closed_pipes_still_has_its_exit_code() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let folder = tempfile::tempdir().unwrap();
        let mut command = longhaul();
        command.args(["get", "-vvv", "--proxy", "none", "--retries", "1", "--json", "--progress", "plain"]);
        command.args(["http://127.0.0.1:1/x", "-d"]).arg(folder.path());
        let status = command.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(10), "{status}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_behind_stdout_is_told() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = longhaul().args(["completions", "bash"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(8), "{}", stderr(&output));
        assert!(stderr(&output).contains("cannot write to stdout"));
    }
}

#[test]
fn with_several_urls_all_are_tried_and_the_first_failure_is_the_code() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("urls");
    std::fs::write(&list, "# two\nhttp://127.0.0.1:1/a\nhttp://127.0.0.1:1/b\n").unwrap();
    let mut command = longhaul();
    command.args(["get", "--proxy", "none", "--retries", "0", "-j", "1", "--json", "-i"]).arg(&list);
    let output = command.arg("-d").arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    let text = stdout(&output);
    let failed: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &serde_json::Value| event["event"] == "failed")
        .collect();
    let urls: Vec<_> = failed.iter().map(|event| event["url"].as_str().unwrap()).collect();
    assert_eq!(urls, ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"]);
    assert!(failed.iter().all(|event| event["state_kept"] == false && event["kind"] == "network"));
}
