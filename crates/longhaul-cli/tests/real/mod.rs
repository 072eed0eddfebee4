//! What the suites with real servers, real disks and real signals share. Each uses its part of it.
//!
//! * `program`: the binary under test as a process that can be watched, signalled and killed.
//! * `nginx`: a web server nobody of us wrote, one for each suite, with its own folder and port.
//! * `place`: ports and certificates for servers.
//! * `store`: the local store as a process.
//! * `volume`: a file system in an image file, whose power can be cut.
//! * `seeds`: where chance comes from, so that a failure can be replayed.
//!
//! A suite whose server or privilege is missing says "skipped: …" in one line; with `LONGHAUL_REQUIRE_SERVERS=1` it
//! fails instead. `LONGHAUL_SEEDS=N` runs N seeds in place of the usual number, `LONGHAUL_SEED=S` that one alone.

#![allow(dead_code, reason = "compiled into every suite, used in parts")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test can do nothing else about it")]

pub(crate) mod nginx;
pub(crate) mod place;
pub(crate) mod program;
pub(crate) mod seeds;
pub(crate) mod store;
pub(crate) mod volume;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use longhaul_devstore::Content;

/// For tests whose premise is one connection: bytes come in order, and a line that is held back stays silent.
pub(crate) const ALONE: [&str; 2] = ["-x", "1"];

/// Says that a suite cannot run here; fails when it has to.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none_or(|v| v != "1"), "required, but {why}");
    say(&format!("skipped: {why}"));
}

/// A line that is seen also when the test passes: what the print macros write is kept back then.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A program by its name: in `PATH`, or where daemons and tools of the administrator live.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Looks every few milliseconds until the condition holds; false when it did not in time.
pub(crate) fn until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// The file is these bytes, all of them and nothing else.
#[track_caller]
pub(crate) fn assert_is(file: &Path, content: &Content) {
    let difference = content.first_difference_in_file(file).unwrap();
    assert_eq!(difference, None, "{} differs from what the server has, from this byte on", file.display());
}

/// Nothing of ours lies beside the target any more.
#[track_caller]
pub(crate) fn assert_no_leftovers(folder: &Path) {
    let left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".lh"))
        .collect();
    assert_eq!(left, [""; 0], "left over in {}", folder.display());
}
