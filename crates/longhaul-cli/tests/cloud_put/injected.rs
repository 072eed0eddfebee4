//! System calls that fail, injected by strace(1) into the real binary.
//!
//! Goal: whichever call fails, exit 0 means the right file or object; anything else keeps what the next run needs, and
//! that one, without injections, ends right. Method: a clean run tells how often each thread makes each call; then one
//! run for a call, an error, and which of the calls it is (strace counts in each thread by itself).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use longhaul_devstore::Content;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Dice, Ran, eventually};
use crate::depot::{Depot, MIB};

/// Calls, and how they may fail. Left out: what no disk or network fails (futex), what a program cannot outlive
/// (memory), and the waiting of tokio itself (epoll).
const CALLS: [(&str, &[&str]); 29] = [
    ("openat", &["EMFILE", "EACCES", "EIO"]),
    ("read", &["EIO"]),
    ("pread64", &["EIO"]),
    ("write", &["ENOSPC", "EIO"]),
    ("pwrite64", &["ENOSPC", "EIO", "EFBIG"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("ftruncate", &["EIO", "EFBIG"]),
    ("fallocate", &["ENOSPC", "EOPNOTSUPP"]),
    ("renameat", &["EIO", "EACCES"]),
    ("renameat2", &["EIO", "EINVAL", "ENOSPC"]),
    ("linkat", &["EIO", "EPERM"]),
    ("unlinkat", &["EIO", "EACCES"]),
    ("mkdirat", &["ENOSPC", "EACCES"]),
    ("fstat", &["EIO"]),
    ("newfstatat", &["EIO", "EACCES"]),
    ("statx", &["EIO", "EACCES"]),
    ("fstatfs", &["EIO"]),
    ("getdents64", &["EIO"]),
    ("fchmod", &["EPERM", "EIO"]),
    ("utimensat", &["EPERM"]),
    ("flock", &["ENOLCK", "EIO"]),
    ("fcntl", &["EMFILE", "EIO"]),
    ("clone3", &["EAGAIN"]),
    ("socket", &["EMFILE"]),
    ("connect", &["ECONNREFUSED", "ENETUNREACH"]),
    ("recvfrom", &["ECONNRESET", "ETIMEDOUT"]),
    ("sendto", &["EPIPE"]),
    ("writev", &["EPIPE", "ECONNRESET"]),
];

/// How strace shows that write.
const WAKE: &str = r#""\1\0\0\0\0\0\0\0", 8)"#;

/// What is transferred.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Story {
    SmallGet,
    PartedGet,
    SmallPut,
    PartedPut,
}

const STORIES: [Story; 4] = [Story::SmallGet, Story::PartedGet, Story::SmallPut, Story::PartedPut];

impl Story {
    fn content(self) -> Content {
        Content::seeded(
            self as u64 + 40,
            if matches!(self, Self::SmallGet | Self::SmallPut) { 90_001 } else { 20 * MIB + 7 },
        )
    }

    /// A store and a bench where it may begin.
    fn stage(self) -> Depot {
        let depot = Depot::with(|builder| builder.anonymous(true));
        match self {
            Self::SmallGet | Self::PartedGet => {
                let content = self.content();
                depot.store.put_seeded("films", "film", self as u64 + 40, content.len()).unwrap();
            }
            Self::SmallPut | Self::PartedPut => drop(depot.file("film", &self.content())),
        }
        depot
    }

    fn run(self, depot: &Depot) -> Ran {
        match self {
            Self::SmallGet | Self::PartedGet => {
                let get = depot.bench.get_url("oss://films/film").envs(&depot.env()).retries(3);
                if self == Self::PartedGet { get.connections("4").run() } else { get.run() }
            }
            Self::SmallPut | Self::PartedPut => depot.put(depot.bench.folder().join("film"), "film").run(),
        }
    }

    /// Whether the file or the object is there, and right; what it is otherwise.
    fn is_right(self, depot: &Depot) -> Result<(), String> {
        match self {
            Self::SmallGet | Self::PartedGet => match self.content().first_difference_in_file(depot.bench.file()) {
                Ok(None) => Ok(()),
                other => Err(format!("the file: {other:?}")),
            },
            Self::SmallPut | Self::PartedPut => match depot.stored("film") {
                Some((_, body)) if body == self.content().to_vec() => Ok(()),
                Some((_, body)) => Err(format!("another object, of {} bytes", body.len())),
                None => Err("no object".to_owned()),
            },
        }
    }
}

/// One injection: the `nth` call in each thread fails.
#[derive(Debug, Clone, Copy)]
struct Injection {
    story: Story,
    call: &'static str,
    error: &'static str,
    nth: usize,
}

/// All that a clean run gives occasion for.
fn occasions(story: Story) -> Vec<Injection> {
    let depot = story.stage();
    let log = depot.bench.root().join("calls");
    let calls = CALLS.map(|(call, _)| call).join(",");
    let words = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", &format!("trace={calls}"), "-o", log.to_str().unwrap()];
    depot.bench.run_under(words);
    let ran = story.run(&depot);
    assert_eq!(ran.code(), 0, "{story:?}: {}", depot.report(&ran));
    story.is_right(&depot).unwrap();
    // A line is the thread's number, blanks, and the call.
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut wakes = BTreeSet::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let call = rest.trim_start().split('(').next().unwrap_or_default();
        let count = counts.entry((call.to_owned(), thread.to_owned())).or_default();
        *count += 1;
        // By writing eight bytes into an eventfd tokio wakes itself, which does not fail; it would panic.
        if call == "write" && rest.contains(WAKE) {
            wakes.insert(*count);
        }
    }
    let most = |call: &str| counts.iter().filter(|((of, _), _)| of == call).map(|(_, count)| *count).max().unwrap_or(0);
    let each = CALLS.iter().flat_map(|&(call, errors)| {
        (1..=most(call)).flat_map(move |nth| errors.iter().map(move |&error| Injection { story, call, error, nth }))
    });
    each.filter(|one| one.call != "write" || !wakes.contains(&one.nth)).collect()
}

/// Runs one, and then the same command without; why it is not right.
fn inject(Injection { story, call, error, nth }: Injection) -> Result<(), String> {
    let depot = story.stage();
    let injection = format!("inject={call}:error={error}:when={nth}");
    let log = depot.bench.root().join("calls");
    let words = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-e",
        &format!("trace={call}"),
        "-e",
        &injection,
        "-o",
        log.to_str().unwrap(),
    ];
    depot.bench.run_under(words);
    let ran = story.run(&depot);
    depot.bench.run_under::<&str>([]);
    kill_traced(&log);
    let told = |what: &str, ran: &Ran| {
        let injected = fs::read_to_string(&log).unwrap_or_default();
        let injected: Vec<&str> = injected.lines().filter(|line| line.contains("(INJECTED)")).collect();
        format!("{what}: {}\ninjected: {}", depot.report(ran), injected.join("\n          "))
    };
    if began(&ran) {
        // The loader and the runtime end the program by themselves; that says nothing of ours.
        if ran.unsound().is_some() && ran.code() != 1 {
            return Err(told(ran.unsound().unwrap_or_default(), &ran));
        }
        match (ran.code(), story.is_right(&depot)) {
            (0, Err(why)) => return Err(told(&format!("success with {why}"), &ran)),
            (_, Err(_)) if matches!(story, Story::SmallGet | Story::PartedGet) && depot.bench.file().exists() => {
                return Err(told("a wrong file", &ran));
            }
            _ => {}
        }
    }
    let next = story.run(&depot);
    if next.code() != 0 {
        return Err(format!("{}\n{}", told("the first", &ran), told("the next run fails", &next)));
    }
    story.is_right(&depot).map_err(|why| told(&why, &next))?;
    // A part of a creation whose answer was lost is perhaps ours, and named; it is not removed unasked.
    if depot.unfinished() > 0 && depot.listed().is_empty() && ran.code() != 10 {
        return Err(format!("{}\n{}", told("the first", &ran), told("an upload is left that is in no list", &next)));
    }
    Ok(())
}

/// A command that hung outlives the strace that was killed in its place: it is ended by its number, the first in the
/// log.
fn kill_traced(log: &Path) {
    let first = fs::read_to_string(log).unwrap_or_default();
    let pid = first.split_whitespace().next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
    let Some(pid) = pid else { return };
    let traced = || {
        let exe = fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero()));
        exe.is_ok_and(|exe| exe.file_name().is_some_and(|name| name == "longhaul"))
    };
    if traced() {
        let _ = kill_process(pid, Signal::KILL);
        assert!(eventually(|| !traced()), "it cannot be killed");
    }
}

/// Whether the failed call was one of ours: the loader's end the program before it begins, and tokio panics when it
/// cannot wake itself.
fn began(ran: &Ran) -> bool {
    ran.code() != 127 && !ran.stderr.contains("failed to wake I/O driver")
}

/// So many of all occasions, chosen by a number; two at a time, as each waits for disks and processes.
fn go_through(count: usize, chosen_by: u64) {
    match Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output() {
        Ok(traced) if traced.status.success() => {}
        Ok(_) => return println!("skipped: strace may trace no process here"),
        Err(_) => {
            assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "strace is not installed");
            return println!("skipped: strace not installed");
        }
    }
    let failed: Vec<String> = std::thread::scope(|scope| {
        let tell = |story: Story| {
            let mut all = occasions(story);
            let mut dice = Dice(chosen_by + story as u64);
            let mut failed = Vec::new();
            for _ in 0..count.min(all.len()) {
                let which = usize::try_from(dice.below(all.len() as u64)).unwrap();
                let injection = all.swap_remove(which);
                if let Err(why) = inject(injection) {
                    println!("{injection:?}: {why}\n"); // at once: it may be long until the end
                    failed.push(format!("{injection:?}"));
                }
            }
            failed
        };
        let (gets, puts) = STORIES.split_at(2);
        let both =
            [gets, puts].map(|stories| scope.spawn(move || stories.iter().flat_map(|&story| tell(story)).collect()));
        both.into_iter().flat_map(|one| -> Vec<String> { one.join().unwrap() }).collect()
    });
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

/// A few of each story. [`system_calls_that_fail_cost_nothing_but_time`] goes through many.
#[test]
fn a_few_failing_system_calls_cost_nothing_but_time() {
    go_through(8, 1);
}

/// `LONGHAUL_SEEDS` of each story, other ones for each `LONGHAUL_SIM_FIRST`; all of them with a large number.
#[test]
#[ignore = "hundreds of runs under strace: for scripts/test --long"]
fn system_calls_that_fail_cost_nothing_but_time() {
    let number = |name: &str, usual| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    go_through(usize::try_from(number("LONGHAUL_SEEDS", 500)).unwrap(), number("LONGHAUL_SIM_FIRST", 2));
}
