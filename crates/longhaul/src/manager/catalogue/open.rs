//! How a database is opened: its file made private, its version looked at, what is damaged told from what is not ours.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::CatalogueError;
use super::schema::{APPLICATION, MIGRATIONS, VERSION};

/// A reader that holds the list for longer is waited for no more.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Opens the list to be written, making it where there is none.
pub(super) fn to_write(path: &Path) -> Result<Connection, CatalogueError> {
    make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut db = Connection::open_with_flags(path, flags).map_err(fault)?;
    db.busy_timeout(BUSY_MAX).map_err(fault)?;
    let version = version(&db)?;
    if version > VERSION {
        return Err(CatalogueError::Newer(version));
    }
    // WAL: readers do not hold up the writer. FULL: what was committed survives a power cut (sqlite.org/pragma.html).
    db.pragma_update(None, "journal_mode", "WAL").map_err(fault)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
    check(&db)?;
    migrate(&mut db, version)?;
    Ok(db)
}

/// Opens the list to be read; `None` where there is none.
pub(super) fn to_read(path: &Path) -> Result<Option<Connection>, CatalogueError> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let db = Connection::open_with_flags(path, flags).map_err(fault)?;
    db.busy_timeout(BUSY_MAX).map_err(fault)?;
    version(&db)?;
    Ok(Some(db))
}

/// The file is ours alone before there is anything in it; SQLite gives those beside it the same permissions.
fn make_private(path: &Path) -> Result<(), CatalogueError> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io_fault(&error)),
    }
}

/// The version of the list, 0 for one that is still empty.
fn version(db: &Connection) -> Result<i64, CatalogueError> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(fault);
    let (application, version) = (number("application_id")?, number("user_version")?);
    match (application, version) {
        (0, 0) if is_empty(db)? => Ok(0),
        (application, version) if application == i64::from(APPLICATION) && version > 0 => Ok(version),
        _ => Err(CatalogueError::Damaged("it is a database of another program".into())),
    }
}

fn is_empty(db: &Connection) -> Result<bool, CatalogueError> {
    let tables = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(fault)?;
    Ok(tables == 0)
}

fn check(db: &Connection) -> Result<(), CatalogueError> {
    let said: String = db.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(fault)?;
    if said == "ok" { Ok(()) } else { Err(CatalogueError::Damaged(said.lines().next().unwrap_or_default().to_owned())) }
}

fn migrate(db: &mut Connection, from: i64) -> Result<(), CatalogueError> {
    let done = usize::try_from(from).unwrap_or(0);
    if done == MIGRATIONS.len() {
        return Ok(());
    }
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    for migration in &MIGRATIONS[done..] {
        change.execute_batch(migration).map_err(fault)?;
    }
    change.pragma_update(None, "application_id", APPLICATION).map_err(fault)?;
    change.pragma_update(None, "user_version", VERSION).map_err(fault)?;
    change.commit().map_err(fault)
}

/// Moves a database away, with what lies beside it.
pub(super) fn move_aside(path: &Path, now_ms: u64) -> Result<PathBuf, CatalogueError> {
    let aside = path.with_extension(format!("damaged-{now_ms}.sqlite"));
    let beside = |path: &Path, ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    std::fs::rename(path, &aside).map_err(|error| io_fault(&error))?;
    for ending in ["-wal", "-shm"] {
        let moved = std::fs::rename(beside(path, ending), beside(&aside, ending));
        if let Err(error) = moved.as_ref()
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(io_fault(error)); // a log of the old one would be played into the new one
        }
    }
    Ok(aside)
}

fn io_fault(error: &std::io::Error) -> CatalogueError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            CatalogueError::NoSpace(error.to_string())
        }
        _ => CatalogueError::Failed(error.to_string()),
    }
}

pub(super) fn fault(error: rusqlite::Error) -> CatalogueError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => CatalogueError::Damaged(text),
        Some(ErrorCode::DiskFull) => CatalogueError::NoSpace(text),
        _ => CatalogueError::Failed(text),
    }
}
