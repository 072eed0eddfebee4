//! An entry and its columns, settings and their rows: both ways, and what cannot be understood told as a line.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_core::queue::step::{Delay, Entry, HostId, LaneId, Need, Rest, VolumeId, Wish};
use rusqlite::types::Value;
use rusqlite::{Connection, ParamsFromIter, Row as SqlRow, params_from_iter};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::manager::details::{Details, Row};
use crate::manager::entry::{Existing, Finish, Gid, Options, Reason};
use crate::manager::settings::{Lane, Settings};
use crate::manager::words;
use crate::transfer::TransferKind;

pub(super) const SELECT: &str = "SELECT id, gid, kind, sources, needs_link, needs_headers, folder, name, below, \
     destination, lane, tags, rank, wish, rest, why, wait_ms, vain, vain_ms, missing, options, reason, outcome, \
     added_ms, started_ms, ended_ms, attempts, held, total, transfer, rev FROM entry";
pub(super) const PUT: &str = "INSERT OR REPLACE INTO entry (id, gid, kind, sources, needs_link, needs_headers, folder, \
     name, below, destination, lane, tags, rank, wish, rest, why, wait_ms, vain, vain_ms, missing, options, reason, \
     outcome, added_ms, started_ms, ended_ms, attempts, held, total, transfer, rev) VALUES (?1, ?2, ?3, ?4, ?5, ?6, \
     ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, \
     ?30, ?31)";

/// What one row says, in the order of [`PUT`].
pub(super) fn values(row: &Row) -> ParamsFromIter<Vec<Value>> {
    let Row { entry, details } = row;
    let (rest, why, wait_ms) = rest_words(entry.rest);
    let text = |text: &str| Value::Text(text.to_owned());
    let maybe = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let bytes = |path: &Path| Value::Blob(path.as_os_str().as_bytes().to_vec());
    params_from_iter(vec![
        Value::Text(entry.id.to_string()),
        Value::Text(details.gid.to_string()),
        text(details.kind.name()),
        json(&details.sources),
        Value::Integer(details.needs_link.into()),
        Value::Integer(details.needs_headers.into()),
        bytes(&details.folder),
        details.name.as_deref().map_or(Value::Null, bytes),
        Value::Integer(details.below.into()),
        maybe(details.destination.as_deref()),
        text(&details.lane),
        json(&details.tags),
        Value::Integer(entry.rank),
        text(wish_word(entry.wish)),
        text(rest),
        maybe(why),
        wait_ms.map_or(Value::Null, number),
        Value::Integer(entry.vain.into()),
        number(entry.vain_ms),
        number(entry.missing),
        json(&OptionsText::from(&details.options)),
        details.reason.as_ref().map_or(Value::Null, |reason| json(&ReasonText::from(reason))),
        details.finish.as_ref().map_or(Value::Null, |finish| json(&FinishText::from(finish))),
        number(details.added_ms),
        details.started_ms.map_or(Value::Null, number),
        details.ended_ms.map_or(Value::Null, number),
        Value::Integer(details.attempts.into()),
        number(details.held),
        details.total.map_or(Value::Null, number),
        maybe(details.transfer.as_deref()),
        number(details.rev),
    ])
}

/// What a row says. Its lane, host and volume have no numbers yet.
pub(super) fn row(sql: &SqlRow<'_>) -> Result<Row, String> {
    let id: String = sql.get(0).map_err(|error| format!("an entry without a name: {error}"))?;
    understood(sql, &id).map_err(|why| format!("{id}: {why}"))
}

fn understood(sql: &SqlRow<'_>, id: &str) -> Result<Row, String> {
    let text = |at: usize| sql.get::<_, String>(at).map_err(|error| error.to_string());
    let maybe = |at: usize| sql.get::<_, Option<String>>(at).map_err(|error| error.to_string());
    let integer = |at: usize| sql.get::<_, i64>(at).map_err(|error| error.to_string());
    let count = |at: usize| integer(at).map(|n| u64::try_from(n).unwrap_or(0));
    let maybe_count = |at: usize| {
        let n = sql.get::<_, Option<i64>>(at).map_err(|error| error.to_string())?;
        Ok::<_, String>(n.map(|n| u64::try_from(n).unwrap_or(0)))
    };
    let path = |at: usize| {
        let bytes = sql.get::<_, Option<Vec<u8>>>(at).map_err(|error| error.to_string())?;
        Ok::<_, String>(bytes.map(|bytes| PathBuf::from(OsString::from_vec(bytes))))
    };
    let few = |at: usize| count(at).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let entry = Entry {
        id: words::entry_id(id).ok_or("it has no name of an entry")?,
        rank: integer(12)?,
        lane: LaneId(0),
        host: HostId(0),
        volume: VolumeId(0),
        missing: count(19)?,
        wish: wish_of(&text(13)?)?,
        rest: rest_of(&text(14)?, maybe(15)?.as_deref(), maybe_count(16)?)?,
        vain: few(17)?,
        vain_ms: count(18)?,
    };
    let details = Details {
        gid: words::gid(&text(1)?).map(Gid).ok_or("it has no gid")?,
        kind: match text(2)?.as_str() {
            "download" => TransferKind::Download,
            "upload" => TransferKind::Upload,
            other => return Err(format!("{other:?} is no kind of a transfer")),
        },
        sources: parsed(&text(3)?)?,
        needs_link: integer(4)? != 0,
        needs_headers: integer(5)? != 0,
        folder: path(6)?.ok_or("it has no folder")?,
        name: path(7)?,
        below: integer(8)? != 0,
        destination: maybe(9)?,
        lane: text(10)?,
        tags: parsed(&text(11)?)?,
        options: parsed::<OptionsText>(&text(20)?)?.into(),
        reason: maybe(21)?.map(|text| parsed::<ReasonText>(&text)).transpose()?.map(Into::into),
        finish: maybe(22)?.map(|text| parsed::<FinishText>(&text)).transpose()?.map(Into::into),
        added_ms: count(23)?,
        started_ms: maybe_count(24)?,
        ended_ms: maybe_count(25)?,
        attempts: few(26)?,
        held: count(27)?,
        total: maybe_count(28)?,
        transfer: maybe(29)?,
        rev: count(30)?,
    };
    Ok(Row { entry, details: Arc::new(details) })
}

/// Numbers of a database have a sign; a length beyond half of all numbers is none.
fn number(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

fn json(value: &impl Serialize) -> Value {
    Value::Text(serde_json::to_string(value).unwrap_or_default()) // of texts and numbers: it cannot fail
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn wish_word(wish: Wish) -> &'static str {
    match wish {
        Wish::Run => "run",
        Wish::Hold => "hold",
        Wish::Cancel { discard: false } => "cancel",
        Wish::Cancel { discard: true } => "discard",
    }
}

fn wish_of(word: &str) -> Result<Wish, String> {
    Ok(match word {
        "run" => Wish::Run,
        "hold" => Wish::Hold,
        "cancel" => Wish::Cancel { discard: false },
        "discard" => Wish::Cancel { discard: true },
        other => return Err(format!("{other:?} is no wish")),
    })
}

fn rest_words(rest: Rest) -> (&'static str, Option<&'static str>, Option<u64>) {
    match rest {
        Rest::Queued => ("queued", None, None),
        Rest::Later { why, wait_ms } => ("later", Some(words::delay(why)), Some(wait_ms)),
        Rest::Needs(need) => ("needs", Some(words::need(need)), None),
        Rest::Failed => ("failed", None, None),
        Rest::Done => ("done", None, None),
        Rest::Cancelled => ("cancelled", None, None),
    }
}

fn rest_of(word: &str, why: Option<&str>, wait_ms: Option<u64>) -> Result<Rest, String> {
    let unknown = || format!("{word:?} because of {why:?} is no state");
    Ok(match word {
        "queued" => Rest::Queued,
        "later" => Rest::Later { why: why.and_then(delay_of).ok_or_else(unknown)?, wait_ms: wait_ms.unwrap_or(0) },
        "needs" => Rest::Needs(why.and_then(need_of).ok_or_else(unknown)?),
        "failed" => Rest::Failed,
        "done" => Rest::Done,
        "cancelled" => Rest::Cancelled,
        _ => return Err(unknown()),
    })
}

fn delay_of(word: &str) -> Option<Delay> {
    words::DELAYS.into_iter().find(|why| words::delay(*why) == word)
}

fn need_of(word: &str) -> Option<Need> {
    words::NEEDS.into_iter().find(|need| words::need(*need) == word)
}

/// [`Options`] as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct OptionsText {
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u32>,
    limit_rate: u64,
    checksums: Vec<String>,
    existing: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
    remote_time: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stall: Option<(u64, u64)>,
    require_verified: bool,
}

impl From<&Options> for OptionsText {
    fn from(options: &Options) -> Self {
        Self {
            connections: options.connections,
            limit_rate: options.limit_rate,
            checksums: options.checksums.iter().map(ToString::to_string).collect(),
            existing: words::existing(options.existing).to_owned(),
            proxy: options.proxy.clone(),
            remote_time: options.remote_time,
            stall: options.stall,
            require_verified: options.require_verified,
        }
    }
}

impl From<OptionsText> for Options {
    fn from(text: OptionsText) -> Self {
        let existing = [Existing::Ask, Existing::Overwrite, Existing::Rename];
        Self {
            connections: text.connections,
            limit_rate: text.limit_rate,
            checksums: text.checksums.iter().filter_map(|digest| digest.parse().ok()).collect(),
            existing: existing.into_iter().find(|e| words::existing(*e) == text.existing).unwrap_or_default(),
            proxy: text.proxy,
            remote_time: text.remote_time,
            stall: text.stall,
            require_verified: text.require_verified,
        }
    }
}

/// [`Reason`] as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct ReasonText {
    kind: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl From<&Reason> for ReasonText {
    fn from(reason: &Reason) -> Self {
        let Reason { kind, message, advice, status } = reason.clone();
        Self { kind: kind.name().to_owned(), message, advice, status }
    }
}

impl From<ReasonText> for Reason {
    fn from(text: ReasonText) -> Self {
        let ReasonText { kind, message, advice, status } = text;
        Self { kind: words::kind_of(&kind), message, advice, status }
    }
}

/// [`Finish`] as JSON; a path that is no text is written as it is shown.
#[derive(Debug, Serialize, Deserialize)]
struct FinishText {
    path: String,
    bytes: u64,
    verified: String,
    already: bool,
}

impl From<&Finish> for FinishText {
    fn from(finish: &Finish) -> Self {
        let Finish { path, bytes, verified, already } = finish.clone();
        Self { path: path.to_string_lossy().into_owned(), bytes, verified, already }
    }
}

impl From<FinishText> for Finish {
    fn from(text: FinishText) -> Self {
        let FinishText { path, bytes, verified, already } = text;
        Self { path: path.into(), bytes, verified, already }
    }
}

/// [`Lane`] as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct LaneText {
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<u32>,
    limit_rate: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timetable: Option<String>,
}

/// [`Settings`] but for the lanes, each field a row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct SettingsText {
    most: u32,
    most_of_host: u32,
    limit_rate: u64,
    limit_upload_rate: u64,
    spare: u64,
    patience_ms: u64,
    history: u32,
    folder: Option<String>,
    connections: Option<u32>,
    limit_rate_each: u64,
    user_agent: Option<String>,
}

impl Default for SettingsText {
    fn default() -> Self {
        Self::from(&Settings::default())
    }
}

impl From<&Settings> for SettingsText {
    fn from(s: &Settings) -> Self {
        Self {
            most: s.most,
            most_of_host: s.most_of_host,
            limit_rate: s.limit_rate,
            limit_upload_rate: s.limit_upload_rate,
            spare: s.spare,
            patience_ms: s.patience_ms,
            history: s.history,
            folder: s.folder.as_ref().map(|folder| folder.to_string_lossy().into_owned()),
            connections: s.connections,
            limit_rate_each: s.limit_rate_each,
            user_agent: s.user_agent.clone(),
        }
    }
}

pub(super) fn put_settings(db: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    let fields = serde_json::to_value(SettingsText::from(settings)).unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        db.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)", (name, value.to_string()))?;
    }
    db.execute("DELETE FROM lane", [])?;
    for (name, lane) in &settings.lanes {
        let Lane { most, limit_rate, timetable } = lane.clone();
        let value = serde_json::to_string(&LaneText { most, limit_rate, timetable }).unwrap_or_default();
        db.execute("INSERT INTO lane (name, value) VALUES (?1, ?2)", (name, value))?;
    }
    Ok(())
}

/// What a row of settings says that is not understood counts as not said.
pub(super) fn settings(db: &Connection) -> rusqlite::Result<Settings> {
    let pairs = |sql: &str| {
        let mut query = db.prepare(sql)?;
        let pairs = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        pairs.collect::<rusqlite::Result<Vec<(String, String)>>>()
    };
    let mut fields = serde_json::to_value(SettingsText::default()).unwrap_or_default();
    for (name, value) in pairs("SELECT name, value FROM setting")? {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&value) else { continue };
        let before = fields.clone();
        fields[name.as_str()] = value;
        if serde_json::from_value::<SettingsText>(fields.clone()).is_err() {
            fields = before;
        }
    }
    let text: SettingsText = serde_json::from_value(fields).unwrap_or_default();
    let mut settings = Settings {
        most: text.most,
        most_of_host: text.most_of_host,
        limit_rate: text.limit_rate,
        limit_upload_rate: text.limit_upload_rate,
        spare: text.spare,
        patience_ms: text.patience_ms,
        history: text.history,
        folder: text.folder.map(PathBuf::from),
        connections: text.connections,
        limit_rate_each: text.limit_rate_each,
        user_agent: text.user_agent,
        ..Settings::default()
    };
    for (name, value) in pairs("SELECT name, value FROM lane")? {
        let LaneText { most, limit_rate, timetable } = serde_json::from_str(&value).unwrap_or_default();
        settings.lanes.insert(name, Lane { most, limit_rate, timetable });
    }
    Ok(settings)
}
