//! What is left over on this machine.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use longhaul::{Client, Error, ErrorKind, KeptInput, TransferInfo, TransferKind, TransferState};
use serde::Serialize;

use super::super::known::is_dead;
use crate::exit::Failure;
use crate::printable;
use crate::show::{path_fields, text};

/// Partial files of downloads that were not touched for so long, and kept input that no upload goes on with.
pub(super) fn found(client: &Client, older_than: Duration) -> Result<Vec<Left>, Failure> {
    let now = SystemTime::now();
    let found = client.list()?.transfers.into_iter().filter_map(|transfer| Left::transfer(transfer, now));
    let mut left: Vec<Left> = found.filter(|left| left.is_settled_at_once() || left.age >= older_than).collect();
    left.extend(client.kept_inputs()?.into_iter().map(|kept| Left::input(kept, now)));
    Ok(left)
}

/// Something that is left over on this machine.
pub(super) struct Left {
    what: LocalKind,
    /// The file that would come out of a download; where input is kept.
    path: PathBuf,
    bytes: u64,
    age: Duration,
    settled: Option<bool>,
    pub(super) failure: Option<Failure>,
}

enum LocalKind {
    /// Only its entry in the list is left.
    Entry {
        id: String,
        url: String,
        upload: bool,
    },
    Download {
        id: String,
        url: String,
        total: Option<u64>,
    },
    Input(KeptInput),
}

impl Left {
    /// `None` for a transfer that is at work, and for uploads of which something is left in a store.
    fn transfer(transfer: TransferInfo, now: SystemTime) -> Option<Self> {
        if is_dead(&transfer) {
            return Some(Self {
                path: transfer.path,
                bytes: 0,
                age: now.duration_since(transfer.updated).unwrap_or_default(),
                what: LocalKind::Entry {
                    id: transfer.id,
                    url: transfer.source,
                    upload: transfer.kind == TransferKind::Upload,
                },
                settled: None,
                failure: None,
            });
        }
        let at_work = matches!(transfer.state, TransferState::Running | TransferState::Unknown);
        if transfer.kind != TransferKind::Download || at_work {
            return None;
        }
        let touched = [".lhpart", ".lhlog"].into_iter().filter_map(|ending| {
            let mut path = transfer.path.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path).symlink_metadata().ok()?.modified().ok()
        });
        let touched = touched.fold(transfer.updated, SystemTime::max);
        Some(Self {
            what: LocalKind::Download { id: transfer.id, url: transfer.source, total: transfer.total },
            path: transfer.path,
            bytes: transfer.held,
            age: now.duration_since(touched).unwrap_or_default(),
            settled: None,
            failure: None,
        })
    }

    /// An entry of which nothing is left, unless its whole folder is away: that may be on a disk that comes back.
    fn is_settled_at_once(&self) -> bool {
        match &self.what {
            LocalKind::Entry { upload, .. } => *upload || self.path.parent().is_some_and(|folder| folder.is_dir()),
            LocalKind::Download { .. } | LocalKind::Input(_) => false,
        }
    }

    fn input(kept: KeptInput, now: SystemTime) -> Self {
        Self {
            path: kept.path.clone(),
            bytes: kept.bytes,
            age: now.duration_since(kept.updated).unwrap_or_default(),
            what: LocalKind::Input(kept),
            settled: None,
            failure: None,
        }
    }

    pub(super) fn sentence(&self) -> String {
        let age = text::whole(self.age.as_secs());
        match &self.what {
            LocalKind::Entry { id, url, upload } => {
                let (id, what) = (id.get(..8).unwrap_or(id), printable::here(&self.path));
                let to = if *upload { "to" } else { "from" };
                format!("{id}  {what} {to} {url}: only its entry in the list is left\n")
            }
            LocalKind::Download { id, url, total } => {
                let (id, what) = (id.get(..8).unwrap_or(id), printable::here(&self.path));
                let share = text::share(self.bytes, *total);
                format!("{id}  {what} from {url}: {share}, not touched for {age}\n")
            }
            LocalKind::Input(_) => {
                format!("          {} kept of an input, {age} ago, that no upload is of\n", text::bytes(self.bytes))
            }
        }
    }

    pub(super) async fn settle(&mut self, client: &Client) {
        match self.delete(client).await {
            Ok(()) => self.settled = Some(true),
            Err(error) => {
                let failure = Failure::from(error);
                let message = format!("{}: not deleted: {}", printable::here(&self.path), failure.message);
                self.failure = Some(Failure { message, ..failure });
            }
        }
    }

    async fn delete(&self, client: &Client) -> Result<(), Error> {
        match &self.what {
            LocalKind::Entry { id, upload: true, .. } => client.forget_upload(id),
            // A transfer that began meanwhile is found by its lock; one that is gone already is no failure.
            LocalKind::Entry { .. } => match client.forget_download(&self.path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other,
            },
            LocalKind::Download { .. } => client.discard_download(&self.path).await.map(drop),
            LocalKind::Input(kept) => client.remove_kept_input(kept),
        }
    }

    pub(super) fn outcome(&self) -> String {
        match &self.what {
            LocalKind::Entry { .. } => format!("{}: forgotten; nothing of it was left", printable::here(&self.path)),
            LocalKind::Download { .. } => format!("{}: its partial file is deleted", printable::here(&self.path)),
            LocalKind::Input(_) => format!("{} of kept input are deleted", text::bytes(self.bytes)),
        }
    }
}

impl Serialize for Left {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct LocalRow<'a> {
            id: Option<&'a str>,
            path: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            path_hex: Option<String>,
            url: Option<&'a str>,
            why: &'static str,
            bytes: u64,
            untouched_s: u64,
            settled: Option<bool>,
            error: Option<&'a str>,
        }
        let (path, path_hex) = path_fields(Some(&self.path));
        let (id, url, why) = match &self.what {
            LocalKind::Entry { id, url, .. } => (Some(id.as_str()), Some(url.as_str()), "over"),
            LocalKind::Download { id, url, .. } => (Some(id.as_str()), Some(url.as_str()), "stale"),
            LocalKind::Input(_) => (None, None, "input"),
        };
        LocalRow {
            id,
            path,
            path_hex,
            url,
            why,
            bytes: self.bytes,
            untouched_s: self.age.as_secs(),
            settled: self.settled,
            error: self.failure.as_ref().map(|failure| failure.message.as_str()),
        }
        .serialize(serializer)
    }
}
