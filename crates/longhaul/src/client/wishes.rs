//! Wishes between processes: one asks that a transfer which runs in another one stops, and that one hears it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::Client;
use crate::disk::state::state_dir::StateDir;
use crate::disk::state::wishes::WishNote;
use crate::error::{Disposition, Error, ErrorKind};
use crate::threads;

/// How often a process that runs transfers looks for wishes: one look at a folder.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A transfer is to stop in order, with what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopWish {
    /// The id of the transfer.
    pub id: String,
    /// What for, in a word: `pause`, `cancel`.
    pub by: String,
}

/// Hears the wishes of other processes. Made with [`Client::wishes`].
#[derive(Debug)]
pub struct Wishes {
    state: Option<Arc<StateDir>>,
    changed: Option<i64>,
    heard: BTreeSet<(String, u64)>,
    waiting: Vec<StopWish>,
}

impl Client {
    /// Asks the process that runs the transfer of this id to stop it in order. It is a wish: a process that does not
    /// look for wishes does not hear it, and after a minute it is void. Without a state directory, none is heard.
    ///
    /// # Blocking
    /// It writes a small file.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an id that is none, [`ErrorKind::LocalFile`] when the wish cannot be written.
    pub fn wish_stop(&self, id: &str, by: &str) -> Result<(), Error> {
        if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::usage(format!("{id:?} is no id of a transfer: 32 hexadecimal digits")));
        }
        let Some(state) = self.state() else { return Ok(()) };
        let note = WishNote { by: by.to_owned(), at_ms: now_ms() };
        state.wish(id, &note).map_err(|error| {
            Error::new(ErrorKind::LocalFile, Disposition::Permanent, "the wish to stop a transfer cannot be written")
                .caused_by(error)
        })
    }

    /// What other processes wish of the transfers in this one, from now on.
    pub fn wishes(&self) -> Wishes {
        Wishes { state: self.state().cloned(), changed: None, heard: BTreeSet::new(), waiting: Vec::new() }
    }
}

impl Wishes {
    /// The next wish, of any transfer: also of one that does not run here. It is never ready where there is no state
    /// directory. Looked for twice a second.
    ///
    /// # Cancel safety
    /// When the future is dropped no wish is lost.
    pub async fn next(&mut self) -> StopWish {
        loop {
            if let Some(wish) = self.waiting.pop() {
                return wish;
            }
            let Some(state) = self.state.clone() else { return std::future::pending().await };
            tokio::time::sleep(LOOK_EVERY).await;
            let before = self.changed;
            // A disk that hangs holds up no transfer.
            let (changed, found) = threads::run(move || {
                let changed = state.wishes_changed();
                match changed == before && !is_fresh(changed) {
                    true => (changed, Vec::new()),
                    false => (changed, state.wishes(now_ms()).unwrap_or_default()),
                }
            })
            .await;
            self.changed = changed;
            for (id, note) in found {
                if self.heard.insert((id.clone(), note.at_ms)) {
                    self.waiting.push(StopWish { id, by: note.by });
                }
            }
        }
    }

    /// A wish was obeyed: it is no wish any more.
    ///
    /// # Blocking
    /// It removes a small file.
    pub fn obeyed(&self, wish: &StopWish) {
        if let Some(state) = &self.state {
            let _ = state.unwish(&wish.id); // it is void in a minute
        }
    }
}

/// Clocks of file systems tick slowly: what changed just now may change again and look the same.
fn is_fresh(changed: Option<i64>) -> bool {
    const TICK_MS: u64 = 2000;
    let changed_ms = changed.and_then(|ns| u64::try_from(ns / 1_000_000).ok());
    changed_ms.is_some_and(|changed| now_ms().abs_diff(changed) <= TICK_MS)
}

fn now_ms() -> u64 {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
