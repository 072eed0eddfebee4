//! The list as it lasts: entries and settings, written in transactions, read by any number of processes.
//!
//! The trait is the seam: its words know no database, and what of one is known stands below this folder alone.
//! [`docs/catalogue.md`](https://github.com/longhaul/longhaul/blob/main/docs/catalogue.md) draws the tables.

pub(crate) mod columns;
mod open;
pub(crate) mod schema;
pub(crate) mod sqlite;

use std::path::PathBuf;

use longhaul_core::queue::step::EntryId;

use super::details::Row;
use super::settings::Settings;

/// A change of the list. Those of one [`commit`](Catalogue::commit) are made together, or none of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RowChange {
    /// This is what the list says of an entry from now on.
    Put(Box<Row>),
    /// The entry leaves the list.
    Remove(EntryId),
    /// The settings.
    Settings(Box<Settings>),
}

/// What a list says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) rows: Vec<Row>,
    pub(crate) settings: Settings,
    /// Rows that could not be understood, a line each: a newer version wrote them, or they are damaged. They stay.
    pub(crate) skipped: Vec<String>,
}

/// Where a list is kept.
pub(crate) trait Catalogue: Send {
    /// All of it.
    ///
    /// # Errors
    /// [`CatalogueError::Damaged`] when what is there cannot be a list.
    fn load(&mut self) -> Result<Loaded, CatalogueError>;

    /// Makes these changes last. After an error they may last or not: [`reopen`](Self::reopen) comes before anything
    /// else, and [`load`](Self::load) shows which.
    fn commit(&mut self, changes: &[RowChange]) -> Result<(), CatalogueError>;

    /// Begins anew with what is on the disk.
    fn reopen(&mut self) -> Result<(), CatalogueError>;

    /// Puts aside what is there, since it is damaged, and begins an empty list; where the old one is now.
    fn set_aside(&mut self, why: &str) -> Result<PathBuf, CatalogueError>;
}

/// Why a list cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CatalogueError {
    /// What is there is no list any more.
    Damaged(String),
    /// A newer version wrote it: it is read, and never written.
    Newer(i64),
    /// No room.
    NoSpace(String),
    /// Anything else: permission, an I/O error, a reader that holds it for too long.
    Failed(String),
}

impl std::fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(why) => write!(f, "it is damaged: {why}"),
            Self::Newer(version) => write!(f, "a newer version of the program wrote it (format {version})"),
            Self::NoSpace(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}
