//! What is put into the list, and where.

use std::path::PathBuf;

use super::entry::{EntryId, Existing, Gid, Options};
use crate::error::Error;
use crate::source::{ObjectName, Source};

/// The lane of entries that name none.
pub const MAIN_LANE: &str = "main";

/// A transfer for the list: what it is, and how it is to be done. Made with [`download`](Self::download) or
/// [`upload`](Self::upload).
#[derive(Debug, Clone)]
#[must_use = "it is not in the list before it is added"]
pub struct NewEntry {
    pub(crate) work: Work,
    pub(crate) id: Option<EntryId>,
    pub(crate) gid: Option<Gid>,
    pub(crate) lane: String,
    pub(crate) tags: Vec<String>,
    pub(crate) place: Place,
    pub(crate) hold: bool,
    pub(crate) again: bool,
    pub(crate) options: Options,
    pub(crate) secrets: EntrySecrets,
}

#[derive(Debug, Clone)]
pub(crate) enum Work {
    Download { sources: Vec<Source>, target: Target },
    Upload { file: PathBuf, destination: ObjectName },
}

/// Where a download is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Into this folder, under the name that the link or the server gives.
    Folder(PathBuf),
    /// Under this name.
    File(PathBuf),
    /// Below this folder, at a path from outside: made safe part by part, and never beyond the folder.
    Below {
        /// The folder.
        root: PathBuf,
        /// What was asked for.
        path: PathBuf,
    },
}

/// What an entry needs that no file may hold: kept in memory, and in the runtime directory where that is in memory too.
#[derive(Clone, Default)]
pub struct EntrySecrets {
    /// Header lines, name and value.
    pub headers: Vec<(String, String)>,
    /// User and password.
    pub auth: Option<(String, String)>,
    /// The proxy's user and password.
    pub proxy_auth: Option<(String, String)>,
}

impl EntrySecrets {
    /// Whether there are any.
    pub fn are_any(&self) -> bool {
        !self.headers.is_empty() || self.auth.is_some() || self.proxy_auth.is_some()
    }
}

impl std::fmt::Debug for EntrySecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntrySecrets").field("headers", &self.headers.len()).finish_non_exhaustive()
    }
}

/// Where an entry is put in the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// Before all others.
    Top,
    /// Behind all others.
    #[default]
    Bottom,
    /// So many places nearer to the top.
    Up(u32),
    /// So many places nearer to the bottom.
    Down(u32),
    /// At this place among the entries that are not over, from 0.
    At(u32),
    /// Before this one.
    Before(EntryId),
}

/// What became of a [`NewEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The entry's name.
    pub id: EntryId,
    /// Its name in aria2's RPC.
    pub gid: Gid,
    /// It was not in the list before. `false`: an unfinished entry has the same source and target; its link and headers
    /// are the new ones from now on.
    pub new: bool,
}

impl NewEntry {
    /// A download of one object. Several sources are mirrors of it, best first.
    pub fn download(sources: impl IntoIterator<Item = Source>, target: Target) -> Self {
        Self::new(Work::Download { sources: sources.into_iter().collect(), target })
    }

    /// An upload of a file.
    pub fn upload(file: impl Into<PathBuf>, destination: ObjectName) -> Self {
        Self::new(Work::Upload { file: file.into(), destination })
    }

    /// A download of a link or a name in a store, as they are typed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when it is neither.
    pub fn parse(source: &str, target: Target) -> Result<Self, Error> {
        Ok(Self::download([source.parse::<Source>()?], target))
    }

    fn new(work: Work) -> Self {
        Self {
            work,
            id: None,
            gid: None,
            lane: MAIN_LANE.to_owned(),
            tags: Vec::new(),
            place: Place::Bottom,
            hold: false,
            again: false,
            options: Options::default(),
            secrets: EntrySecrets::default(),
        }
    }

    /// The entry's name; by default chance gives one. One that is taken is refused.
    pub fn id(mut self, id: EntryId) -> Self {
        self.id = Some(id);
        self
    }

    /// Its name in aria2's RPC; by default chance gives one. One that is taken is refused. An entry that is given one is
    /// its own: no other one of the same source and target answers for it.
    pub fn gid(mut self, gid: Gid) -> Self {
        self.gid = Some(gid);
        self
    }

    /// The lane; by default [`MAIN_LANE`].
    pub fn lane(mut self, lane: impl Into<String>) -> Self {
        self.lane = lane.into();
        self
    }

    /// One more word of its owner.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Where in the list; by default at the bottom.
    pub fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// It does not run before it is released.
    pub fn hold(mut self, hold: bool) -> Self {
        self.hold = hold;
        self
    }

    /// A finished entry of the same source and target does not answer for this one.
    pub fn again(mut self, again: bool) -> Self {
        self.again = again;
        self
    }

    /// How it is transferred.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// What is done when another file stands at the target; by default a person decides.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.options.existing = existing;
        self
    }

    /// Headers, passwords.
    pub fn secrets(mut self, secrets: EntrySecrets) -> Self {
        self.secrets = secrets;
        self
    }
}
