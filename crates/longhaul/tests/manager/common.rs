//! An origin, a folder, and a client whose list is in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longhaul::manager::{Entry, EntryId, Manager, NewEntry, State, Target};
use longhaul::{Client, Event};
use longhaul_devstore::{Fault, Gate, Object, Origin};
use tempfile::TempDir;

/// No wait takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Site {
    pub(crate) origin: Origin,
    pub(crate) folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { origin: Origin::start(), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn client(&self) -> Client {
        Client::builder().state_dir(self.state()).build().unwrap()
    }

    pub(crate) async fn manager(&self) -> Manager {
        within(self.client().manager().open()).await.unwrap()
    }

    /// An object at the origin, and a download of it.
    pub(crate) fn object(&self, name: &str, seed: u64, len: u64) -> NewEntry {
        self.origin.put(&format!("/{name}"), Object::seeded(seed, len).etag(format!("\"{seed}\"")));
        self.entry(name)
    }

    /// A download of what is at the origin.
    pub(crate) fn entry(&self, name: &str) -> NewEntry {
        let source = self.origin.url(&format!("/{name}")).parse().unwrap();
        NewEntry::download([source], Target::File(self.file(name)))
    }

    /// Half of an object comes, and then nothing before the gate opens.
    pub(crate) fn stuck(&self, name: &str, seed: u64, len: u64) -> (NewEntry, Gate) {
        let (entry, gate) = (self.object(name, seed, len), Gate::new());
        self.origin.always(&format!("/{name}"), Fault::hold(len / 2, &gate));
        (entry, gate)
    }

    pub(crate) fn is_right(&self, name: &str, seed: u64, len: u64) -> bool {
        let object = Object::seeded(seed, len);
        object.content.first_difference_in_file(self.file(name)).is_ok_and(|difference| difference.is_none())
    }
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it took too long")
}

/// Waits until an entry is so.
pub(crate) async fn until(manager: &Manager, id: EntryId, is: impl Fn(&Entry) -> bool) -> Arc<Entry> {
    let mut told = manager.told();
    within(async {
        loop {
            let entry = manager.entry(id).expect("the entry is in the list");
            if is(&entry) {
                return entry;
            }
            told.next().await.expect("the manager is open");
        }
    })
    .await
}

/// Waits until the transfer of an entry has received something.
pub(crate) async fn until_bytes(manager: &Manager, id: EntryId) {
    until(manager, id, |entry| entry.state == State::Running).await;
    within(async {
        loop {
            let Some(transfer) = manager.transfer(id) else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let mut events = transfer.events();
            while let Some(event) = events.next().await {
                if matches!(event, Event::Progress(progress) if progress.received > 0) {
                    return;
                }
            }
        }
    })
    .await;
}

pub(crate) async fn done(manager: &Manager, id: EntryId) {
    let state = within(manager.finished(id)).await.unwrap();
    assert!(matches!(state, State::Done(_)), "{state:?}");
}
