//! What transfers left themselves, for a list that is made anew: notes in the state directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_core::queue::step::{Entry as CoreEntry, HostId, LaneId, Need, Rest, VolumeId, Wish};

use super::catalogue::{Loaded, RowChange};
use super::details::{Details, Row};
use super::entry::{EntryId, Gid, Options, Reason};
use super::new::MAIN_LANE;
use crate::disk::state::listing::{Kind, State, TransferNote, id_of};
use crate::disk::state::state_dir::StateDir;
use crate::error::ErrorKind;
use crate::random::random_u64;
use crate::source::Source;
use crate::transfer::TransferKind;

/// The distance of two ranks, as the queue gives them.
const GAP: i64 = 1 << 32;

/// What the notes tell, in the order in which they were written.
pub(super) fn entries(state: &StateDir) -> Loaded {
    let mut notes = match state.transfers() {
        Ok((notes, _)) => notes,
        Err(error) => {
            tracing::warn!("no transfer can be found again: {error}");
            Vec::new()
        }
    };
    notes.sort_by_key(|note| note.updated_ms);
    let rows = notes.iter().filter_map(row).enumerate().map(|(n, mut row)| {
        row.entry.rank = i64::try_from(n).unwrap_or(i64::MAX).saturating_mul(GAP);
        row
    });
    Loaded { rows: rows.collect(), ..Loaded::default() }
}

/// What makes a new list say the same.
pub(super) fn changes(loaded: &Loaded) -> Vec<RowChange> {
    loaded.rows.iter().map(|row| RowChange::Put(Box::new(row.clone()))).collect()
}

fn row(note: &TransferNote) -> Option<Row> {
    let id = EntryId(u128::from_be_bytes(id_of(&note.id)?));
    let path = note.path.to_path()?;
    let kind = match note.kind {
        Kind::Download => TransferKind::Download,
        Kind::Upload => TransferKind::Upload,
        Kind::Unknown => return None,
    };
    let (folder, name) = parts(&path)?;
    let needs_link = note.needs_link && note.source.parse::<Source>().is_ok();
    let (wish, rest) = match note.state {
        State::Done => return None,
        State::Paused => (Wish::Hold, Rest::Queued),
        State::NeedsLink => (Wish::Run, Rest::Needs(Need::Link)),
        State::NeedsHeaders => (Wish::Run, Rest::Needs(Need::Headers)),
        State::NeedsCredentials => (Wish::Run, Rest::Needs(Need::Keys)),
        State::Failed => (Wish::Run, Rest::Failed),
        State::Running | State::Unknown => (Wish::Run, Rest::Queued),
    };
    let of_upload = kind == TransferKind::Upload;
    let reason = Reason {
        kind: match rest {
            Rest::Needs(Need::Link) => ErrorKind::NeedsLink,
            Rest::Needs(_) => ErrorKind::Denied,
            _ => ErrorKind::Internal,
        },
        message: note.error.clone().unwrap_or_else(|| format!("{}: found again without a reason", note.source)),
        advice: None,
        status: None,
    };
    let details = Details {
        gid: Gid(random_u64().max(1)),
        kind,
        sources: vec![if of_upload { path.display().to_string() } else { note.source.clone() }],
        needs_link,
        needs_headers: note.needs_headers,
        folder,
        name: Some(name),
        below: false,
        destination: of_upload.then(|| note.source.clone()),
        lane: MAIN_LANE.to_owned(),
        tags: Vec::new(),
        options: Options::default(),
        added_ms: note.updated_ms,
        started_ms: None,
        ended_ms: None,
        attempts: 0,
        reason: (!matches!(rest, Rest::Queued)).then_some(reason),
        finish: None,
        held: note.held,
        total: note.total,
        transfer: Some(note.id.clone()),
        rev: 0,
    };
    let entry = CoreEntry {
        id,
        rank: 0,
        lane: LaneId(0),
        host: HostId(0),
        volume: VolumeId(0),
        missing: note.total.map_or(0, |total| total.saturating_sub(note.held)),
        wish,
        rest,
        vain: 0,
        vain_ms: 0,
    };
    Some(Row { entry, details: Arc::new(details) })
}

fn parts(path: &Path) -> Option<(PathBuf, PathBuf)> {
    Some((path.parent()?.to_owned(), path.file_name()?.into()))
}
