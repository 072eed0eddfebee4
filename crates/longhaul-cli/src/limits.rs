//! How many files may this process have open?
//!
//! The usual soft limits (1024, 256 on macOS) are for programs that use select(2), which this one does not; with many
//! downloads side by side they are not enough. The hard limit is the administrator's word and stays.

use longhaul::Connections;

/// Part file, journal, folder, and what is open for a moment while files are renamed.
const PER_DOWNLOAD: u64 = 8;
/// The runtime, the terminal, name lookups, idle connections.
const BESIDES: u64 = 128;

/// Raises the soft limit for so many downloads at once, as far as it may be. What then still cannot be opened is an
/// error of the download that wanted it.
pub(crate) fn allow_open_files(jobs: usize, connections: Connections) {
    let connections = match connections {
        Connections::Fixed(count) => u64::from(count),
        Connections::Auto => 16, // it may become more while it runs
    };
    let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
    raise(BESIDES.saturating_add(jobs.saturating_mul(PER_DOWNLOAD + connections)));
}

#[cfg(unix)]
fn raise(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < allowed) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum });
    }
}

#[cfg(not(unix))]
fn raise(_: u64) {}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn a_soft_limit_is_raised_as_far_as_the_hard_one_allows() {
        let before = getrlimit(Resource::Nofile);
        super::raise(u64::MAX);
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.maximum, before.maximum);
        assert!(after.current.unwrap_or(u64::MAX) >= before.current.unwrap_or(u64::MAX));
        super::raise(1);
        assert_eq!(getrlimit(Resource::Nofile), after, "it is never lowered");
    }
}
