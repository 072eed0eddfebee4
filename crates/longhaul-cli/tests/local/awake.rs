//! `--keep-awake`: an inhibitor runs as long as transfers do, however they end. A stand-in takes its place in `PATH`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use longhaul_devstore::{Fault, Gate, Object};

use crate::common::{Bench, HALF, Ran, Running, SIZE, SOON, eventually};

/// A bench whose `PATH` begins with a folder in which `script` is the inhibitor.
fn bench(script: &str) -> (Bench, Vec<(String, String)>) {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    let tools = bench.root().join("tools");
    fs::create_dir(&tools).unwrap();
    for name in ["systemd-inhibit", "caffeinate"] {
        let tool = tools.join(name);
        fs::write(&tool, format!("#!/bin/sh\nexec >&2\ncd '{}'\n{script}", bench.root().display())).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    (bench, vec![("PATH".to_owned(), path)])
}

/// What the real ones do: they run what they are told to run, or wait for a process to end.
const INHIBITOR: &str = r#"
printf '%s\n' "$@" > asked
echo $$ > pid.new && mv pid.new pid
case "$1" in
    -i) while kill -0 "$3" 2> /dev/null; do sleep 0.05; done ;;
    *) while [ $# -gt 1 ]; do shift; done; exec "$1" ;;
esac
"#;

fn pid(bench: &Bench) -> Option<rustix::process::Pid> {
    let pid = fs::read_to_string(bench.root().join("pid")).ok()?;
    rustix::process::Pid::from_raw(pid.trim().parse().ok()?)
}

fn is_alive(pid: rustix::process::Pid) -> bool {
    rustix::process::test_kill_process(pid).is_ok()
}

/// A download that is held in the middle, with its inhibitor at work.
fn held(bench: &Bench, env: &[(String, String)], gate: &Gate) -> Running {
    bench.origin.script("/file", vec![Fault::hold(HALF, gate)]);
    let running = bench.get().alone().envs(env).arg("--keep-awake").start();
    assert!(gate.reached(SOON) && eventually(|| pid(bench).is_some()), "{}", running.told());
    running
}

fn warned(ran: &Ran) -> bool {
    ran.stderr.contains("the machine may go to sleep")
}

#[test]
fn it_is_held_until_the_transfer_is_over() {
    let (bench, env) = bench(INHIBITOR);
    let gate = Gate::new();
    let running = held(&bench, &env, &gate);
    let inhibitor = pid(&bench).unwrap();
    assert!(is_alive(inhibitor));
    let asked = fs::read_to_string(bench.root().join("asked")).unwrap();
    let wanted: &[&str] = match cfg!(target_os = "macos") {
        true => &["-i", "-w", &running.pid().to_string()],
        false => &["--what=idle:sleep", "--mode=block", "cat"],
    };
    assert!(wanted.iter().all(|word| asked.lines().any(|line| line == *word)), "{asked}");
    gate.open();
    let ran = running.wait();
    ran.expect(&bench, 0, "validator");
    assert!(!warned(&ran), "{}", ran.stderr);
    assert!(eventually(|| !is_alive(inhibitor)), "it outlives us");
}

#[test]
fn it_ends_with_us_even_when_we_are_killed() {
    let (bench, env) = bench(INHIBITOR);
    let running = held(&bench, &env, &Gate::new());
    let inhibitor = pid(&bench).unwrap();
    running.kill();
    assert!(eventually(|| !is_alive(inhibitor)), "it outlives us");
}

#[test]
fn without_one_the_transfer_goes_on_and_that_is_said() {
    let (bench, _) = bench(INHIBITOR);
    let env = [("PATH".to_owned(), bench.root().join("nothing").to_str().unwrap().to_owned())];
    let ran = bench.get().envs(&env).arg("--keep-awake").run();
    ran.expect(&bench, 0, "validator");
    assert!(warned(&ran) && ran.stderr.contains("not installed"), "{}", ran.stderr);
    // Nobody asked for it: nothing is said.
    let ran = bench.get().envs(&env).run();
    assert!(!warned(&ran), "{}", ran.stderr);
}

#[test]
fn one_that_gives_up_is_told_with_its_words() {
    let (bench, env) = bench("echo 'Failed to inhibit: Access denied'; exit 1");
    let gate = Gate::new();
    bench.origin.script("/file", vec![Fault::hold(HALF, &gate)]);
    let running = bench.get().alone().envs(&env).arg("--keep-awake").start();
    assert!(eventually(|| running.said().contains("may go to sleep")), "{}", running.said());
    gate.open();
    let ran = running.wait();
    ran.expect(&bench, 0, "validator");
    assert!(ran.stderr.contains("Access denied"), "{}", ran.stderr);
}
