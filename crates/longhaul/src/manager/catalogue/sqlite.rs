//! The list in SQLite: one file in the state directory. Every change is one transaction, durable when it returns.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::columns;
use super::open::{self, fault};
use super::{Catalogue, CatalogueError, Loaded, RowChange};

/// A list in a database.
pub(crate) struct SqliteCatalogue {
    path: PathBuf,
    /// `None` after an error, until it is opened again.
    db: Option<Connection>,
}

impl SqliteCatalogue {
    /// Where the list of a state directory is.
    pub(crate) fn path_in(state: &Path) -> PathBuf {
        state.join("catalogue.sqlite")
    }

    /// It is opened by the first [`reopen`](Catalogue::reopen).
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, db: None }
    }

    fn db(&mut self) -> Result<&mut Connection, CatalogueError> {
        self.db.as_mut().ok_or_else(|| CatalogueError::Failed("it is not open".into()))
    }
}

impl Catalogue for SqliteCatalogue {
    fn load(&mut self) -> Result<Loaded, CatalogueError> {
        load(self.db()?)
    }

    fn commit(&mut self, changes: &[RowChange]) -> Result<(), CatalogueError> {
        let committed = commit(self.db()?, changes);
        if committed.is_err() {
            self.db = None; // what became of it is not known: the next look is a new one
        }
        committed
    }

    fn reopen(&mut self) -> Result<(), CatalogueError> {
        self.db = None;
        self.db = Some(open::to_write(&self.path)?);
        Ok(())
    }

    fn set_aside(&mut self, why: &str) -> Result<PathBuf, CatalogueError> {
        self.db = None;
        let aside = open::move_aside(&self.path, crate::now_unix_ms())?;
        let note = aside.with_extension("txt");
        if let Err(error) = std::fs::write(&note, format!("{why}\n")) {
            tracing::info!("why the list was put aside could not be noted: {error}");
        }
        self.reopen()?;
        Ok(aside)
    }
}

/// The list as it is now, for a reader: no lock is needed, and nothing is changed. `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Loaded>, CatalogueError> {
    match open::to_read(path)? {
        Some(db) => load(&db).map(Some),
        None => Ok(None),
    }
}

fn load(db: &Connection) -> Result<Loaded, CatalogueError> {
    // One moment of the list, though several tables are read.
    let moment = db.unchecked_transaction().map_err(fault)?;
    let mut loaded = Loaded { settings: columns::settings(&moment).map_err(fault)?, ..Loaded::default() };
    let mut query = moment.prepare(columns::SELECT).map_err(fault)?;
    let mut found = query.query([]).map_err(fault)?;
    while let Some(row) = found.next().map_err(fault)? {
        match columns::row(row) {
            Ok(row) => loaded.rows.push(row),
            Err(why) => loaded.skipped.push(why),
        }
    }
    Ok(loaded)
}

fn commit(db: &mut Connection, changes: &[RowChange]) -> Result<(), CatalogueError> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    {
        let mut put = change.prepare(columns::PUT).map_err(fault)?;
        let mut remove = change.prepare("DELETE FROM entry WHERE id = ?1").map_err(fault)?;
        let mut forget = change.prepare("DELETE FROM event WHERE entry = ?1").map_err(fault)?;
        for one in changes {
            match one {
                RowChange::Put(row) => drop(put.execute(columns::values(row)).map_err(fault)?),
                RowChange::Remove(id) => {
                    remove.execute([id.to_string()]).map_err(fault)?;
                    forget.execute([id.to_string()]).map_err(fault)?;
                }
                RowChange::Settings(settings) => columns::put_settings(&change, settings).map_err(fault)?,
            }
        }
    }
    change.commit().map_err(fault)
}
