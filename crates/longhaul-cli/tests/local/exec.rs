//! `--exec`: a command for each file that is done, and nothing that a server chose becomes part of it.

use std::fs;

use longhaul_devstore::{Fault, Object};
use rustix::process::Signal;

use crate::common::{Bench, HALF, SIZE, eventually, names};

fn bench() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench
}

/// Writes what it was told into `told`, a line for each run.
const TELL: &str = r#"printf '%s|%s|%s|%s|%s|%s|%s\n' "$1" "$LONGHAUL_FILE" "$LONGHAUL_SOURCE" "$LONGHAUL_BYTES" \
    "$LONGHAUL_VERIFIED" "$LONGHAUL_ALREADY" "${LONGHAUL_ETAG-none}" >> told"#;

fn told(bench: &Bench) -> Vec<String> {
    let told = fs::read_to_string(bench.root().join("told")).unwrap_or_default();
    told.lines().map(str::to_owned).collect()
}

#[test]
fn it_knows_the_finished_file_and_no_secret() {
    let bench = bench();
    let url = bench.origin.url("/file?X-Amz-Signature=hush-hush-hush-hush");
    let file = bench.file().canonicalize().unwrap_or_else(|_| bench.file());
    // A variable of an outer command does not come through.
    let env = [("LONGHAUL_ETAG".to_owned(), "outer".to_owned())];
    let ran = bench.get_url(&url).envs(&env).args(["--exec", TELL]).run();
    ran.expect(&bench, 0, "validator");
    let again = bench.get_url(&url).args(["--exec", TELL]).run();
    again.expect(&bench, 0, "validator, already");
    let file = file.display();
    let source = ran.event("done").unwrap()["url"].as_str().unwrap().to_owned();
    let line = |already| format!("{file}|{file}|{source}|{SIZE}|validator|{already}|none");
    assert_eq!(told(&bench), [line(0), line(1)], "{}", ran.report(&bench));
    assert!(!source.contains("hush"), "{source}");
}

#[test]
fn it_runs_for_what_is_done_and_for_nothing_else() {
    let bench = bench();
    bench.origin.script("/file", vec![Fault::Cut { after: HALF }]);
    let ran = bench.get().alone().retries(0).args(["--exec", TELL]).run();
    ran.expect(&bench, 10, "network, kept");
    bench.origin.script("/file", Vec::new());
    bench.get().args(["--exec", TELL, "--if-none-match", "*"]).run().expect(&bench, 0, "not modified");
    assert!(told(&bench).is_empty(), "{:?}", told(&bench));
    bench.get().args(["--exec", TELL]).run().expect(&bench, 0, "validator, resumed");
    assert_eq!(told(&bench).len(), 1);
}

#[test]
fn its_failure_is_told_and_the_file_stays() {
    for (command, says) in
        [("exit 3", "exit code 3"), ("kill -9 $$", "signal 9"), ("/no/such/program", "exit code 127")]
    {
        let bench = bench();
        let ran = bench.get().args(["--exec", command]).run();
        ran.expect(&bench, 13, "exec_failed");
        assert!(ran.stderr.contains(says) && ran.stderr.contains("--exec"), "{}", ran.report(&bench));
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
    bench().get().args(["--exec", ""]).run().expect_code(&bench(), 2);
}

/// Goal: a name that a server chose is data for the command. Method: a name that a shell would obey.
#[test]
fn a_name_that_a_server_chose_is_no_part_of_the_command() {
    let bench = Bench::new();
    let name = "a;touch pwned;$(touch pwned)`touch pwned`'\"&x.bin";
    let object = Object::seeded(1, SIZE).content_disposition(format!("attachment; filename*=UTF-8''{}", encoded(name)));
    bench.origin.put("/file", object);
    let ran =
        bench.get().into_dir(bench.folder()).args(["--exec", r#"cp "$1" copy && test "$1" = "$LONGHAUL_FILE""#]).run();
    ran.expect(&bench, 0, "validator");
    let saved = names(&bench.folder()).into_iter().next().unwrap();
    assert!(saved.contains("touch pwned") && saved.contains("$("), "{saved}");
    let left = names(bench.root());
    assert!(left.contains("copy") && !left.contains("pwned"), "{left:?}");
}

fn encoded(name: &str) -> String {
    name.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[test]
fn what_it_writes_does_not_run_into_the_events() {
    let bench = bench();
    let ran = bench.get().args(["--exec", "echo hello from the command; cat"]).run();
    ran.expect(&bench, 0, "validator");
    for line in ran.stdout.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    assert!(ran.stderr.contains("hello from the command"), "{}", ran.stderr);
    let ran = bench.get().plain().args(["--exec", "echo hello from the command"]).run();
    assert!(ran.code() == 0 && ran.stdout.contains("hello from the command"), "{}", ran.report(&bench));
}

#[test]
fn it_runs_once_for_each_of_several_files() {
    let bench = Bench::new();
    let urls: Vec<String> = ["/b", "/missing", "/c"].iter().map(|path| bench.origin.url(path)).collect();
    for path in ["/a", "/b", "/c"] {
        bench.origin.put(path, Object::seeded(1, 1000));
    }
    let list = bench.root().join("urls");
    fs::write(&list, urls.join("\n")).unwrap();
    let command = format!("{TELL}; case \"$1\" in */b) exit 1;; esac");
    let args = ["-i", list.to_str().unwrap(), "--exec", &command];
    let ran = bench.get_url(bench.origin.url("/a")).into_dir(bench.folder()).args(args).run();
    // The first failure in the order of the list.
    assert_eq!(ran.code(), 13, "{}", ran.report(&bench));
    let count = |name: &str| {
        told(&bench)
            .iter()
            .filter(|line| line.starts_with(&format!("{}|", bench.folder().join(name).display())))
            .count()
    };
    assert_eq!((count("b"), count("c"), told(&bench).len()), (1, 1, 3), "{:?}", told(&bench));
}

#[test]
fn a_signal_is_passed_on_to_it() {
    let bench = bench();
    let command = "trap 'touch stopped; exit 0' TERM; touch up; while :; do sleep 0.02; done";
    let running = bench.get().args(["--exec", command]).start();
    assert!(eventually(|| bench.root().join("up").exists()), "{}", running.told());
    running.signal(Signal::TERM);
    let ran = running.wait();
    ran.expect(&bench, 143, "interrupted");
    assert!(ran.stderr.is_empty() || ran.stderr.contains("done"), "{}", ran.stderr);
    assert!(eventually(|| bench.root().join("stopped").exists()), "{}", ran.report(&bench));
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}
