//! What another process wishes of a transfer that runs in this one.
//!
//! ```text
//! wishes/ID.json       the transfer of this id is to stop: who says so, and when
//! ```
//!
//! A wish is void after a minute: its process was not there to hear it. Nothing secret is in it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state_dir::StateDir;
use crate::disk::error::Result;

/// Whoever runs the transfer looks twice a second: a wish that is older was heard by nobody.
pub(crate) const VALID: Duration = Duration::from_secs(60);

/// A wish as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WishNote {
    /// What for: the word of the command.
    pub(crate) by: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
}

impl StateDir {
    /// Wishes that the transfer of this id stops.
    pub(crate) fn wish(&self, id: &str, note: &WishNote) -> Result<()> {
        self.wishes.put(id, note, false)
    }

    /// Takes a wish back, or has heard it; whether there was one.
    pub(crate) fn unwish(&self, id: &str) -> Result<bool> {
        self.wishes.remove(id)
    }

    /// When the folder of wishes last changed, in nanoseconds: while it is the same, there is no new one.
    pub(crate) fn wishes_changed(&self) -> Option<i64> {
        self.wishes.changed()
    }

    /// The wishes that are valid now, by id; void ones are removed.
    pub(crate) fn wishes(&self, now_ms: u64) -> Result<Vec<(String, WishNote)>> {
        let valid = u64::try_from(VALID.as_millis()).unwrap_or(u64::MAX);
        let (found, skipped) = self.wishes.all::<WishNote>()?;
        let (valid, void): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, note)| now_ms.abs_diff(note.at_ms) <= valid);
        for (id, _) in void {
            let _ = self.wishes.remove(&id); // it is void whether it lies there or not
        }
        for damaged in skipped {
            if let Some(name) = damaged.path.file_stem().and_then(|name| name.to_str()) {
                let _ = self.wishes.remove(name);
            }
        }
        Ok(valid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_heard_for_a_minute_and_then_void() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let note = WishNote { by: "pause".to_owned(), at_ms: 100_000 };
        state.wish("ab", &note).unwrap();
        assert_eq!(state.wishes(100_500).unwrap(), [("ab".to_owned(), note.clone())]);
        assert!(state.wishes(161_000).unwrap().is_empty());
        assert!(!state.unwish("ab").unwrap(), "a void one is gone");
        state.wish("cd", &note).unwrap();
        assert!(state.unwish("cd").unwrap() && state.wishes(100_000).unwrap().is_empty());
        // A clock that was set back does not make a wish eternal.
        state.wish("ef", &note).unwrap();
        assert!(state.wishes(10_000).unwrap().is_empty());
    }
}
