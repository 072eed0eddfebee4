//! What did a host take? What one transfer learned, the next one begins with.
//!
//! ```text
//! hosts/HASH.json      one origin: how many connections it served when it refused more, and how many bytes per second of
//!                      an upload it acknowledged
//! ```
//!
//! It is advice: kept in memory, and in the state directory where there is one, believed for a day. Losing it costs a
//! few refusals, or the first seconds of an upload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::state_dir::StateDir;
use crate::hex::hex;
use crate::sync::locked;

/// A host may have been given more room since: after this time it is asked again.
const BELIEVED_S: u64 = 24 * 3600;
/// Origins in memory at once: a batch may name thousands.
const ORIGINS_MAX: usize = 1024;

/// What is known of hosts.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    memory: Mutex<HashMap<String, HostRecord>>,
    state: Option<Arc<StateDir>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct HostRecord {
    origin: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connections: Option<Dated>,
    /// Acknowledged bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    goodput: Option<Dated>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Dated {
    value: u64,
    /// Seconds since the Unix epoch.
    at: u64,
}

impl HostRecord {
    fn limit(&self, now_s: u64) -> Option<u32> {
        let limit = self.connections?.fresh(now_s)?;
        Some(u32::try_from(limit).unwrap_or(u32::MAX).max(1))
    }
}

impl Dated {
    fn fresh(self, now_s: u64) -> Option<u64> {
        (now_s.saturating_sub(self.at) < BELIEVED_S).then_some(self.value)
    }
}

impl Hosts {
    pub(crate) fn new(state: Option<Arc<StateDir>>) -> Self {
        Self { memory: Mutex::default(), state }
    }

    /// The same from memory alone; `None` where the state directory has to be asked.
    pub(crate) fn limit_in_memory(&self, origin: &str, now_s: u64) -> Option<Option<u32>> {
        let memory = self.memory.try_lock().ok()?;
        Some(memory.get(origin)?.limit(now_s))
    }

    /// How many connections this origin served the last time that it refused more.
    pub(crate) fn limit(&self, origin: &str, now_s: u64) -> Option<u32> {
        self.known(origin).limit(now_s)
    }

    /// How many bytes per second of an upload this origin acknowledged the last time.
    pub(crate) fn goodput(&self, origin: &str, now_s: u64) -> Option<u64> {
        self.known(origin).goodput?.fresh(now_s)
    }

    /// This origin serves so many, and refused more.
    pub(crate) fn learned(&self, origin: String, connections: u32, now_s: u64) {
        let connections = Some(Dated { value: connections.into(), at: now_s });
        self.keep(HostRecord { connections, ..self.known(&origin) });
    }

    /// This origin acknowledged so many bytes per second of an upload.
    pub(crate) fn learned_goodput(&self, origin: String, goodput: u64, now_s: u64) {
        let goodput = Some(Dated { value: goodput, at: now_s });
        self.keep(HostRecord { goodput, ..self.known(&origin) });
    }

    fn known(&self, origin: &str) -> HostRecord {
        if let Some(learned) = locked(&self.memory).get(origin) {
            return learned.clone();
        }
        let stored = self.state.as_ref().and_then(|state| state.hosts.get::<HostRecord>(&name_of(origin)).ok()??.ok());
        let known = stored
            .filter(|learned| learned.origin == origin)
            .unwrap_or_else(|| HostRecord { origin: origin.to_owned(), ..HostRecord::default() });
        self.remember(known.clone()); // that there is no record as well: a batch asks for each of its files
        known
    }

    fn keep(&self, learned: HostRecord) {
        if let Some(state) = &self.state
            && let Err(error) = state.hosts.put(&name_of(&learned.origin), &learned, false)
        {
            tracing::info!("what a host takes is not remembered: {error}");
        }
        self.remember(learned);
    }

    fn remember(&self, learned: HostRecord) {
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
    fn the_limit_and_the_goodput_of_a_host_are_kept_side_by_side() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = || Hosts::new(Some(Arc::new(StateDir::open(dir.path()).unwrap())));
        hosts().learned("http://h".into(), 2, 1_000);
        hosts().learned_goodput("http://h".into(), 5_000_000, 50_000);
        let last = hosts();
        assert_eq!((last.limit("http://h", 60_000), last.goodput("http://h", 60_000)), (Some(2), Some(5_000_000)));
        assert_eq!(last.limit("http://h", 1_000 + BELIEVED_S), None);
        assert_eq!(last.goodput("http://h", 1_000 + BELIEVED_S), Some(5_000_000));
        assert_eq!(hosts().goodput("http://h", 50_000 + BELIEVED_S), None);
        hosts().learned_goodput("http://h".into(), 0, 60_000);
        assert_eq!(hosts().goodput("http://h", 60_000), Some(0), "an upload of which nothing was acknowledged");
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
