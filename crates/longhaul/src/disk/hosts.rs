//! How many connections did a host serve? What one transfer learned, the next one begins with.
//!
//! ```text
//! hosts/HASH.json      one origin: how many connections it served when it refused more
//! ```
//!
//! It is advice: kept in memory, and in the state directory where there is one, believed for a day. Losing it costs a
//! few refusals.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::state_dir::{StateDir, hex};
use crate::drive::locked;

/// A host may have been given more room since: after this time it is asked again.
const BELIEVED_S: u64 = 24 * 3600;
/// Origins in memory at once: a batch may name thousands.
const ORIGINS_MAX: usize = 1024;

/// What is known of hosts.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    memory: Mutex<HashMap<String, Learned>>,
    state: Option<Arc<StateDir>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Learned {
    origin: String,
    connections: u32,
    /// Seconds since the Unix epoch.
    at: u64,
}

impl Hosts {
    pub(crate) fn new(state: Option<Arc<StateDir>>) -> Self {
        Self { memory: Mutex::default(), state }
    }

    /// How many connections this origin served the last time that it refused more.
    pub(crate) fn limit(&self, origin: &str, now_s: u64) -> Option<u32> {
        let fresh = |learned: &Learned| learned.origin == origin && now_s.saturating_sub(learned.at) < BELIEVED_S;
        if let Some(learned) = locked(&self.memory).get(origin) {
            return Some(learned.connections).filter(|_| fresh(learned));
        }
        let stored = self.state.as_ref()?.hosts.get::<Learned>(&name_of(origin)).ok()??.ok()?;
        let limit = Some(stored.connections.max(1)).filter(|_| fresh(&stored));
        self.remember(stored);
        limit
    }

    /// This origin serves so many, and refused more.
    pub(crate) fn learned(&self, origin: String, connections: u32, now_s: u64) {
        let learned = Learned { origin, connections, at: now_s };
        if let Some(state) = &self.state
            && let Err(error) = state.hosts.put(&name_of(&learned.origin), &learned, false)
        {
            tracing::debug!(%error, "what a host allows is not remembered");
        }
        self.remember(learned);
    }

    fn remember(&self, learned: Learned) {
        let mut memory = locked(&self.memory);
        if memory.len() >= ORIGINS_MAX {
            memory.clear();
        }
        memory.insert(learned.origin.clone(), learned);
    }
}

fn name_of(origin: &str) -> String {
    hex(&sha2::Sha256::digest(origin.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_learned_another_begins_with_for_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = || Hosts::new(Some(Arc::new(StateDir::open(dir.path()).unwrap())));
        let first = hosts();
        assert_eq!(first.limit("http://h", 1_000), None);
        first.learned("http://h".into(), 2, 1_000);
        assert_eq!(first.limit("http://h", 1_001), Some(2));
        assert_eq!(hosts().limit("http://h", 1_001), Some(2));
        assert_eq!(hosts().limit("http://h:81", 1_001), None, "another origin");
        assert_eq!(hosts().limit("http://h", 1_000 + BELIEVED_S), None);
    }

    #[test]
    fn what_is_damaged_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDir::open(dir.path()).unwrap());
        Hosts::new(Some(state.clone())).learned("http://h".into(), 0, 5);
        assert_eq!(Hosts::new(Some(state.clone())).limit("http://h", 6), Some(1));
        std::fs::write(dir.path().join("hosts").join(format!("{}.json", name_of("http://h"))), b"{").unwrap();
        assert_eq!(Hosts::new(Some(state)).limit("http://h", 6), None);
    }

    #[test]
    fn memory_is_bounded() {
        let hosts = Hosts::default();
        for n in 0..3 * ORIGINS_MAX {
            hosts.learned(format!("http://h{n}"), 1, 5);
        }
        assert!(locked(&hosts.memory).len() <= ORIGINS_MAX);
    }
}
