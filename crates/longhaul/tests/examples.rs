//! Do the examples do what they say? Each program in `examples/` is run to its end, on this machine alone.
//!
//! Goal: what an app's author copies works. Method: an example checks its own outcome and fails when it is wrong; here
//! it must end well, say what it promises, and leave nothing behind. Those that take arguments get a local origin or
//! store.
//!
//! `cargo test` builds them, unless it was told which test to run: then `cargo build --workspace --examples` does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use longhaul_devstore::oss::Builder;
use longhaul_devstore::{Object, Origin};

/// No example takes longer, on a busy machine either.
const DEADLINE: Duration = Duration::from_secs(120);

/// What an example is run with, and what it must say.
struct Run<'a> {
    name: &'a str,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    says: &'static [&'static str],
}

/// Those that want arguments; each has a test of its own here.
const WITH_ARGUMENTS: [&str; 3] = ["batch", "download", "upload"];

/// What the others must say.
const SAYS: [(&str, &[&str]); 14] = [
    ("choose_target", &["report 2026.pdf"]),
    ("conditions", &["not modified: true", "starting over"]),
    ("download_manager", &["1.bin: paused", "1.bin: finished", "2.bin: cancelled"]),
    ("fresh_link", &["asking the app's server for a new one"]),
    ("many", &["notes.txt: 3000000 bytes stored", "all files are back"]),
    ("pause_and_resume", &["paused at"]),
    ("presign", &["Get: ", "Head: ", "Put: ", "5000000 bytes, verified by"]),
    ("range", &["400000 of them fetched now", "the object has 8000000 bytes"]),
    ("reopen", &["the process was killed", "going on with"]),
    ("token", &["the app keeps lht1_", "going on with 5000000 bytes", "the token is damaged"]),
    ("upload_callback", &["keys were asked for 2 times", "object=film.mp4"]),
    ("upload_reader", &["verified by crc64"]),
    (
        "upload_recovery",
        &["begun anew", "did not arrive as they were sent; tried again", "finding out whether the object is stored"],
    ),
    ("upload_reopen", &["resumed 1 time", "gone, here and in the store"]),
];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(format!("{name}.rs"))
}

/// The program that cargo has made of an example: `deps/THIS-TEST` lies beside `examples/NAME`.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap().join("examples");
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let changed = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    assert!(
        changed(&program) >= changed(&source(name)),
        "{} is missing or older than its source: cargo build --workspace --examples",
        program.display()
    );
    program
}

/// Every example there is, by name.
fn all() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// Runs an example with a temporary folder of its own, in which it must leave nothing.
fn run(run: &Run<'_>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let [temporary, here, home] = ["tmp", "here", "home"].map(|name| folder.path().join(name));
    for folder in [&temporary, &here, &home] {
        std::fs::create_dir(folder).unwrap();
    }
    let mut command = Command::new(program(run.name));
    command.args(&run.args).current_dir(&here).stdin(Stdio::null());
    command.env("TMPDIR", &temporary).env("HOME", &home);
    command.envs(run.env.iter().map(|(name, value)| (name, value)));
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} does not end: {}", run.name, String::from_utf8_lossy(&std::fs::read(&err).unwrap()));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let output = Output { status, stdout: std::fs::read(&out).unwrap(), stderr: std::fs::read(&err).unwrap() };
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(status.success(), "{}: {status}\n{text}", run.name);
    for words in run.says {
        assert!(text.contains(words), "{} does not say \"{words}\":\n{text}", run.name);
    }
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{} leaves {left:?}", run.name);
    output
}

#[test]
fn those_that_run_by_themselves_do() {
    let names = all();
    assert!(SAYS.iter().all(|(name, _)| names.contains(*name)), "{names:?}");
    for name in names.iter().filter(|name| !WITH_ARGUMENTS.contains(&name.as_str())) {
        let says = SAYS.iter().find(|(of, _)| of == name).map_or(&[][..], |(_, says)| says);
        run(&Run { name, args: Vec::new(), env: Vec::new(), says });
    }
}

#[test]
fn a_download_shows_its_progress() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let object = Object::seeded(1, 3_000_000);
    origin.put("/a", object.clone());
    let file = folder.path().join("a");
    let args = vec![origin.url("/a"), file.display().to_string()];
    run(&Run { name: "download", args, env: Vec::new(), says: &["100 %", "3000000 bytes, verified by Validator"] });
    assert_eq!(object.content.first_difference_in_file(&file).unwrap(), None);
}

#[test]
fn a_batch_fetches_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let mut list = String::new();
    for name in ["/a", "/b", "/c"] {
        origin.put(name, Object::seeded(1, 100_000));
        list += &format!("{}\n", origin.url(name));
    }
    let path = folder.path().join("list");
    std::fs::write(&path, list).unwrap();
    let text = |path: &Path| path.display().to_string();
    let args = vec![text(&path), text(folder.path()), text(&folder.path().join("state")), "2".to_owned()];
    let says = &["3 files, 0 of them there already, 300000 bytes; 0 failed"];
    run(&Run { name: "batch", args: args.clone(), env: Vec::new(), says });
    run(&Run { name: "batch", args, env: Vec::new(), says: &["3 of them there already"] });
}

#[test]
fn an_upload_takes_keys_and_endpoint_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Builder::new(folder.path().join("store")).bucket("films").sync(false).start().unwrap();
    let file = folder.path().join("video.mp4");
    std::fs::write(&file, vec![7; 3_000_000]).unwrap();
    let env = vec![
        ("OSS_ENDPOINT", store.endpoint().to_owned()),
        ("OSS_REGION", store.region().to_owned()),
        ("OSS_ACCESS_KEY_ID", store.access_key_id()),
        ("OSS_ACCESS_KEY_SECRET", store.access_key_secret()),
        ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true".to_owned()),
    ];
    let args = vec![file.display().to_string(), "oss://films/video.mp4".to_owned()];
    run(&Run { name: "upload", args, env, says: &["3000000 bytes, verified by crc64"] });
}
