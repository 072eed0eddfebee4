//! The list as a reader sees it that is not its manager: no lock is taken, and nothing is changed.

use std::path::PathBuf;
use std::sync::Arc;

use super::catalogue::sqlite::{SqliteCatalogue, read};
use super::entry::{Entry, State};
use super::handle::unusable;
use super::settings::Settings;
use super::{lock, view};
use crate::client::Client;
use crate::error::Error;
use crate::event::Progress;
use crate::inspect::list::{TransferInfo, TransferState};

/// The list at one moment.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReadList {
    /// All entries, in the order of the list.
    pub entries: Vec<Entry>,
    /// The settings.
    pub settings: Arc<Settings>,
    /// The number of the process that manages the list now.
    pub managed_by: Option<u32>,
    /// Entries that are not understood, a line each.
    pub warnings: Vec<String>,
}

impl Client {
    /// The list in the client's state directory as it is recorded, whoever manages it. An entry that runs is told as
    /// queued, and as far as it was when its last run ended: [`ReadList::look`] says how far it is now.
    ///
    /// # Blocking
    /// It reads a database: from async code, call it on a thread that may block (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::LocalFile`](crate::ErrorKind::LocalFile) when it cannot be read. Without a state directory, or a
    /// list in it, it is empty.
    pub fn read_list(&self) -> Result<ReadList, Error> {
        let Some(state) = self.state() else { return Ok(ReadList::default()) };
        let Some(mut loaded) = read(&SqliteCatalogue::path_in(state.path())).map_err(unusable)? else {
            return Ok(ReadList::default());
        };
        loaded.rows.sort_by_key(|row| (row.entry.rank, row.entry.id));
        let entries = loaded.rows.iter().map(|row| {
            let now = view::Now { entry: row.entry, purpose: None, stops: false, due_ms: None };
            Entry { rev: row.details.rev, ..view::entry(&row.details, &now) }
        });
        Ok(ReadList {
            entries: entries.collect(),
            settings: Arc::new(loaded.settings),
            managed_by: lock::holder(state.path()),
            warnings: loaded.skipped,
        })
    }
}

impl ReadList {
    /// Looks at the transfers of entries that are not over: how far they are, and which run now.
    ///
    /// # Blocking
    /// It reads their journals.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub fn look(&mut self, client: &Client) -> Result<(), Error> {
        let transfers = client.list()?.transfers;
        let find = |path: Option<PathBuf>| path.and_then(|path| transfers.iter().find(|info| info.path == path));
        for entry in self.entries.iter_mut().filter(|entry| !entry.state.is_over()) {
            if let Some(info) = find(entry.path()) {
                as_it_is(entry, info);
            }
        }
        Ok(())
    }
}

fn as_it_is(entry: &mut Entry, info: &TransferInfo) {
    entry.progress = Progress {
        received: info.held,
        durable: info.held,
        total: info.total.or(entry.progress.total),
        ..entry.progress
    };
    if info.state == TransferState::Running {
        entry.state = State::Running;
    }
}
