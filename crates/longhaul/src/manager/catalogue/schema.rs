//! The tables, and how those of an earlier version become those of this one. `docs/catalogue.md` draws them.

/// "lhal": that a database is a list of ours (`PRAGMA application_id`).
pub(super) const APPLICATION: i32 = 0x6c68_616c;

/// What makes version N of version N-1, counted from 1 (`PRAGMA user_version`). What was released stays as it is.
pub(super) const MIGRATIONS: [&str; 1] = [r"
CREATE TABLE entry (
    id            TEXT    NOT NULL PRIMARY KEY,
    gid           TEXT    NOT NULL UNIQUE,
    kind          TEXT    NOT NULL,
    sources       TEXT    NOT NULL,
    needs_link    INTEGER NOT NULL,
    needs_headers INTEGER NOT NULL,
    folder        BLOB    NOT NULL,
    name          BLOB,
    below         INTEGER NOT NULL,
    destination   TEXT,
    lane          TEXT    NOT NULL,
    tags          TEXT    NOT NULL,
    rank          INTEGER NOT NULL,
    wish          TEXT    NOT NULL,
    rest          TEXT    NOT NULL,
    why           TEXT,
    wait_ms       INTEGER,
    vain          INTEGER NOT NULL,
    vain_ms       INTEGER NOT NULL,
    missing       INTEGER NOT NULL,
    options       TEXT    NOT NULL,
    reason        TEXT,
    outcome       TEXT,
    added_ms      INTEGER NOT NULL,
    started_ms    INTEGER,
    ended_ms      INTEGER,
    attempts      INTEGER NOT NULL,
    held          INTEGER NOT NULL,
    total         INTEGER,
    transfer      TEXT,
    rev           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_rest ON entry (rest, rank);
CREATE INDEX entry_lane ON entry (lane, rank);
CREATE INDEX entry_target ON entry (folder, name);
CREATE TABLE setting (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE lane (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    entry TEXT    NOT NULL,
    n     INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    event TEXT    NOT NULL,
    PRIMARY KEY (entry, n)
) STRICT, WITHOUT ROWID;
"];

/// The version that is written here.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;
