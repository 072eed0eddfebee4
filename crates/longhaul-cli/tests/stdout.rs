//! `get -o -`. Goal: the bytes on stdout are those of the object, exit code 0 says that they are whole and right, and
//! every other end says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use std::io::Read as _;
use std::process::{Command, Stdio};

use common::{Bench, HALF, SIZE, eventually, names};
use longhaul_devstore::{Fault, Gate, Object};
use rustix::process::{Pid, Signal, kill_process};

/// `longhaul get -o - ARGS URL`, its stdout and stderr pipes.
fn command(bench: &Bench, args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
    command.args(["get", "-o", "-", "--proxy", "none", "--retries", "2"]).args(args);
    command.args(["--state-dir".as_ref(), bench.state().as_os_str()]).arg(bench.origin.url("/file"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(bench.root());
    command.env_remove("LONGHAUL_STATE_DIR");
    command
}

/// Exit code, stdout, stderr.
fn run(bench: &Bench, args: &[&str]) -> (i32, Vec<u8>, String) {
    let ran = command(bench, args).output().unwrap();
    (ran.status.code().unwrap(), ran.stdout, String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn the_bytes_and_no_other_go_to_stdout() {
    let bench = Bench::new();
    let object = Object::seeded(1, SIZE);
    bench.origin.put("/file", object.clone());
    let whole = object.content.to_vec();
    let (sha256, zeros) = (object.content.sha256(), "0".repeat(64));
    let (code, out, err) = run(&bench, &[]);
    assert!(code == 0 && out == whole && err.contains("4.0 MiB written to stdout"), "{code}: {err}");
    let (code, out, err) = run(&bench, &["--checksum", &sha256]);
    assert!(code == 0 && out == whole && err.contains("checksum ok: sha256"), "{code}: {err}");
    let (code, out, err) = run(&bench, &["-q", "--range", "5-9,-3"]);
    let pieces = [&whole[5..=9], &whole[whole.len() - 3..]].concat();
    assert!(code == 0 && out == pieces && err.is_empty(), "{code}: {err}");
    // Over a break that a validator bridges.
    bench.origin.script("/file", vec![Fault::Cut { after: HALF }]);
    let (code, out, err) = run(&bench, &[]);
    assert!(code == 0 && out == whole, "{code}: {err}");
    // Wrong bytes are told when they are out.
    let (code, out, err) = run(&bench, &["--checksum", &zeros]);
    assert!(code == 7 && out == whole, "{code}: {err}");
    assert!(err.contains(&sha256) && err.contains("not to be used"), "{err}");
    assert!(names(&bench.folder()).is_empty(), "no file");
}

#[test]
fn an_end_that_is_not_proven_is_no_success() {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE).no_validators());
    bench.origin.script("/file", vec![Fault::Cut { after: HALF }]);
    let (code, out, err) = run(&bench, &[]);
    assert!(code != 0 && out.len() as u64 <= HALF && err.contains("not to be used"), "{code}: {err}");
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.origin.always("/file", Fault::status(404));
    let (code, out, err) = run(&bench, &[]);
    assert!(code == 3 && out.is_empty() && !err.contains("went to stdout"), "{code}: {err}");
}

/// A reader that ends first is no error: nothing is said, and the code is the one that shells know.
#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, 64 << 20));
    let mut child = command(&bench, &["--progress", "none"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 1000]).unwrap();
    drop(out);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(141), ""));
}

/// Neither a source that is silent nor a reader that is holds up a signal.
#[test]
fn a_signal_is_heard_while_stdout_is_full_and_while_no_byte_comes() {
    let bench = Bench::new();
    let gate = Gate::new();
    bench.origin.put("/file", Object::seeded(1, 64 << 20));
    for fault in [Fault::Correct, Fault::hold(1000, &gate)] {
        bench.origin.always("/file", fault);
        let served = bench.origin.bytes_served();
        let mut child = command(&bench, &[]).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 1000]).unwrap();
        assert!(eventually(|| bench.origin.bytes_served() - served >= 1000));
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::INT).unwrap();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{err}");
        assert!(err.contains("stopped by SIGINT") && err.contains("not all"), "{err}");
        gate.open();
    }
}
