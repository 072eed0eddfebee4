//! How many files may this process have open, and how much may be done at once within that?
//!
//! The usual soft limits (1024, 256 on macOS) are for programs that use select(2), which this one does not; with many
//! files side by side they are not enough. The hard limit is the administrator's word and stays: fewer files are then
//! worked on at once, over fewer connections, and that is said.

use longhaul::Connections;

use crate::exit::{Exit, Failure};
use crate::flags::running::RunningOptions;
use crate::out;

/// Part file, journal, folder, and what is open for a moment while files are renamed.
const PER_FILE: usize = 8;
/// The runtime, the folders of the state directory, name lookups.
const BESIDES: usize = 24;
/// Idle connections to other servers, where there is room for them.
const BESIDES_WANTED: usize = 128;
/// With fewer left not even one file can be transferred, but for luck.
const LEAST: usize = 20;
/// What a runtime and its signals take.
const RUNTIME: usize = 12;
/// As many as `auto` may become while it runs.
const AUTO_MAX: usize = 16;

/// Raises the soft limit as far as it may be and is needed, and lowers what is to run at once to what fits.
///
/// # Errors
/// There is not even room for one file.
pub(crate) fn fit_open_files(running: &mut RunningOptions) -> Result<(), Failure> {
    let wanted = running.jobs.saturating_mul(PER_FILE + most(running.connections));
    raise(wanted.saturating_add(BESIDES_WANTED));
    let Some(limit) = limit() else { return Ok(()) };
    let left = limit.saturating_sub(in_use());
    if left < LEAST {
        return Err(too_few(limit));
    }
    let fitted = fit(left.saturating_sub(BESIDES), running.jobs, running.connections);
    if fitted != (running.jobs, running.connections) {
        (running.jobs, running.connections) = fitted;
        if !running.quiet {
            let (jobs, connections) = (running.jobs, most(running.connections));
            out::say(&format!("warning: {}", lowered(limit, jobs, connections)));
        }
    }
    Ok(())
}

/// For commands without transfers.
///
/// # Errors
/// A runtime would find no room, and panic.
pub(crate) fn check_open_files() -> Result<(), Failure> {
    match limit() {
        Some(limit) if limit.saturating_sub(in_use()) < RUNTIME => Err(too_few(limit)),
        _ => Ok(()),
    }
}

/// So many files at once, over so many connections each, need no more open files than there is `room` for. Files come
/// before connections, and one file over one connection is always tried.
fn fit(room: usize, jobs: usize, connections: Connections) -> (usize, Connections) {
    let least = match connections {
        Connections::Fixed(count) => count as usize,
        Connections::Auto => 1,
    };
    let jobs = (room / (PER_FILE + least)).clamp(1, jobs.max(1));
    let each = (room / jobs).saturating_sub(PER_FILE).max(1);
    if each >= most(connections) {
        return (jobs, connections);
    }
    (jobs, Connections::Fixed(u32::try_from(each).unwrap_or(u32::MAX)))
}

fn most(connections: Connections) -> usize {
    match connections {
        Connections::Fixed(count) => count as usize,
        Connections::Auto => AUTO_MAX,
    }
}

fn lowered(limit: usize, jobs: usize, connections: usize) -> String {
    let files = if jobs == 1 { "one file at a time".to_owned() } else { format!("{jobs} files side by side") };
    let lines = if connections == 1 { "one connection" } else { &format!("{connections} connections") };
    format!("{limit} files may be open at once (ulimit -n), which is enough for {files} over {lines} each")
}

fn too_few(limit: usize) -> Failure {
    let text =
        format!("{limit} files may be open at once (ulimit -n), which is too few to work with; allow 64 or more");
    Failure::new(Exit::LocalFile, "local_file", text)
}

/// The files that are open. Where that cannot be told for want of one more, as many as there may be.
fn in_use() -> usize {
    // The one that lists them is not counted.
    std::fs::read_dir("/dev/fd").map_or(usize::MAX, |entries| entries.count().saturating_sub(1))
}

/// How many may be open; `None` where there is no limit.
fn limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn raise(wanted: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < allowed) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_connections_and_one_always_fits() {
        use Connections::{Auto, Fixed};
        for (room, jobs, connections, want) in [
            (10_000, 64, Auto, (64, Auto)),
            (10_000, 64, Fixed(64), (64, Fixed(64))),
            (64 * 24, 64, Auto, (64, Auto)),
            (64 * 24 - 1, 64, Auto, (64, Fixed(15))),
            (64 * 9, 64, Auto, (64, Fixed(1))),
            (64 * 9 - 1, 64, Auto, (63, Fixed(1))),
            (37, 64, Auto, (4, Fixed(1))),
            (37, 64, Fixed(4), (3, Fixed(4))),
            (37, 1, Auto, (1, Auto)),
            (20, 1, Auto, (1, Fixed(12))),
            (20, 5, Fixed(64), (1, Fixed(12))),
            (0, 5, Auto, (1, Fixed(1))),
            (0, 5, Fixed(9), (1, Fixed(1))),
        ] {
            assert_eq!(fit(room, jobs, connections), want, "{room} {jobs} {connections:?}");
        }
    }

    #[test]
    fn a_soft_limit_is_raised_as_far_as_the_hard_one_allows() {
        use rustix::process::{Resource, getrlimit};
        let before = getrlimit(Resource::Nofile);
        raise(usize::MAX);
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.maximum, before.maximum);
        assert!(after.current.unwrap_or(u64::MAX) >= before.current.unwrap_or(u64::MAX));
        raise(1);
        assert_eq!(getrlimit(Resource::Nofile), after, "it is never lowered");
        assert!(in_use() >= 3);
    }
}
