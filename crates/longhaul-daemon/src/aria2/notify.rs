//! What are clients told unasked? What the list tells, as aria2's notifications: one task follows the list, for all
//! WebSockets together.

use std::collections::HashMap;
use std::sync::Arc;

use longhaul::manager::{Entry, EntryId, Manager, Told, Which};
use tokio::sync::broadcast;

use super::status::Stage;
use super::wire;

/// A client that is so many notifications behind is let go: it finds out what is when it comes back.
pub(crate) const BEHIND_MAX: usize = 1024;

/// What was last seen of each entry.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<EntryId, (Stage, u32)>);

impl Seen {
    /// Takes an entry in without telling anything of it: it is as it was.
    fn know(&mut self, entry: &Entry) {
        self.0.insert(entry.id, (Stage::of(&entry.state), entry.attempts));
    }

    /// The names of what happened to an entry since it was last seen.
    fn changes(&mut self, entry: &Entry) -> Vec<&'static str> {
        let now = Stage::of(&entry.state);
        let before = self.0.insert(entry.id, (now, entry.attempts));
        let (stage, attempts) = before.unwrap_or((if entry.attempts == 0 { now } else { Stage::Waiting }, 0));
        let mut told = Vec::new();
        if entry.attempts > attempts {
            told.push("onDownloadStart");
        }
        let end = match now {
            Stage::Active | Stage::Waiting => None,
            Stage::Paused => Some("onDownloadPause"),
            Stage::Complete => Some("onDownloadComplete"),
            Stage::Failed => Some("onDownloadError"),
            // What waits for a person has stopped already, as its clients see it.
            Stage::Removed if stage == Stage::Failed => None,
            Stage::Removed => Some("onDownloadStop"),
        };
        told.extend(end.filter(|_| now != stage));
        told
    }

    fn forget(&mut self, id: EntryId) {
        self.0.remove(&id);
    }
}

/// Follows the list until the manager is closed, or no one is there any more to be told.
pub(crate) async fn follow(manager: Manager, tell: broadcast::Sender<Arc<str>>) {
    let mut reader = manager.told();
    let mut seen = Seen::default();
    for entry in manager.entries(&Which::All, 0, usize::MAX) {
        seen.know(&entry);
    }
    while let Some(told) = reader.next().await {
        match told {
            Told::Changed(entry) => {
                for name in seen.changes(&entry) {
                    // An error: there is no client now.
                    let _ = tell.send(wire::notification(name, entry.gid).into());
                }
            }
            Told::Gone { id, .. } => seen.forget(id),
            _ => {}
        }
    }
}
