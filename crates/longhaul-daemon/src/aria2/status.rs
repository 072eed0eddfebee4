//! How is an entry shown? With the keys of aria2's `tellStatus`. All values are texts, numbers too; keys that were not
//! asked for are left out, and so are those that say nothing of this entry.

use std::path::{Path, PathBuf};

use longhaul::TransferKind;
use longhaul::manager::{Entry, State};
use serde_json::{Map, Value, json};

use super::codes;

/// The status of an entry in aria2's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Active,
    Waiting,
    Paused,
    Complete,
    Failed,
    Removed,
}

impl Stage {
    pub(crate) fn of(state: &State) -> Self {
        match state {
            State::Running | State::Stopping => Self::Active,
            State::Held => Self::Paused,
            State::Done(_) => Self::Complete,
            State::Needs { .. } | State::Failed(_) => Self::Failed,
            State::Cancelled => Self::Removed,
            // Queued, and what waits for a moment.
            _ => Self::Waiting,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Complete => "complete",
            Self::Failed => "error",
            Self::Removed => "removed",
        }
    }

    /// Whether it is in the list of what is over.
    pub(crate) fn is_stopped(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Removed)
    }
}

/// Pieces are this long, or twice as long as often as it takes to have no more of them than [`PIECES_MAX`].
const PIECE: u64 = 1 << 20;
/// AriaNg draws no more.
const PIECES_MAX: u64 = 10_240;

/// What is shown of one entry beside the entry itself.
pub(crate) struct Shown<'a> {
    pub(crate) entry: &'a Entry,
    /// Its links, as far as the caller may see them.
    pub(crate) links: &'a dyn Fn() -> Vec<String>,
    /// Which bytes of it are held, as half-open ranges; `None`: not known.
    pub(crate) held: &'a dyn Fn() -> Option<Vec<(u64, u64)>>,
}

const KEYS: [&str; 18] = [
    "bitfield",
    "completedLength",
    "connections",
    "dir",
    "downloadSpeed",
    "errorCode",
    "errorMessage",
    "files",
    "gid",
    "numPieces",
    "pieceLength",
    "status",
    "totalLength",
    "uploadLength",
    "uploadSpeed",
    "longhaulId",
    "longhaulState",
    "longhaulLane",
];

impl Shown<'_> {
    /// The keys that were asked for; all of them if none was.
    pub(crate) fn value(&self, keys: &[&str]) -> Value {
        let wanted = KEYS.into_iter().filter(|key| keys.is_empty() || keys.contains(key));
        let members = wanted.filter_map(|key| Some((key.to_owned(), self.member(key)?)));
        Value::Object(members.collect::<Map<_, _>>())
    }

    fn member(&self, key: &str) -> Option<Value> {
        let entry = self.entry;
        let is_download = entry.kind == TransferKind::Download;
        let running = matches!(entry.state, State::Running | State::Stopping);
        let rate = if running { entry.progress.rate } else { 0 };
        let number = |number: u64| Some(Value::from(number.to_string()));
        match key {
            "bitfield" => self.bitfield().map(Value::from),
            "completedLength" => number(self.completed()),
            "connections" => number(if running { entry.progress.connections.into() } else { 0 }),
            "dir" => Some(entry.folder.to_string_lossy().into()),
            "downloadSpeed" => number(if is_download { rate } else { 0 }),
            "errorCode" => codes::of_entry(entry).map(|(code, _)| code.to_string().into()),
            "errorMessage" => codes::of_entry(entry).map(|(_, message)| message.into()),
            "files" => Some(self.files()),
            "gid" => Some(entry.gid.to_string().into()),
            "numPieces" => number(pieces(self.total()).0),
            "pieceLength" => number(pieces(self.total()).1),
            "status" => Some(Stage::of(&entry.state).name().into()),
            "totalLength" => number(self.total()),
            "uploadLength" => number(if is_download { 0 } else { self.completed() }),
            "uploadSpeed" => number(if is_download { 0 } else { rate }),
            "longhaulId" => Some(entry.id.to_string().into()),
            "longhaulState" => Some(entry.state.name().into()),
            "longhaulLane" => Some(entry.lane.as_str().into()),
            _ => None,
        }
    }

    /// The one file of the entry, as `getFiles` shows it too.
    pub(crate) fn files(&self) -> Value {
        json!([{
            "completedLength": self.completed().to_string(),
            "index": "1",
            "length": self.total().to_string(),
            "path": path_of(self.entry).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            "selected": "true",
            "uris": self.uris(),
        }])
    }

    /// The links: the first one is in use once it was tried.
    pub(crate) fn uris(&self) -> Value {
        let tried = self.entry.attempts > 0;
        let uris = (self.links)().into_iter().enumerate().map(|(at, uri)| {
            let status = if tried && at == 0 { "used" } else { "waiting" };
            json!({ "status": status, "uri": uri })
        });
        Value::Array(uris.collect())
    }

    fn total(&self) -> u64 {
        match &self.entry.state {
            State::Done(finish) => finish.bytes,
            _ => self.entry.progress.total.unwrap_or(0),
        }
    }

    /// Received while it runs; what is durable while it does not.
    fn completed(&self) -> u64 {
        match (&self.entry.state, self.entry.kind) {
            (State::Done(finish), _) => finish.bytes,
            (State::Running | State::Stopping, TransferKind::Download) => self.entry.progress.received,
            _ => self.entry.progress.durable,
        }
    }

    /// A bit a piece, the first piece in the highest bit of the first digit: set where all of the piece is held.
    fn bitfield(&self) -> Option<String> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let held = match &self.entry.state {
            State::Done(_) => vec![(0, total)],
            _ => (self.held)()?,
        };
        Some(bitfield(total, &held))
    }
}

/// Where the file is, or will be.
pub(crate) fn path_of(entry: &Entry) -> Option<PathBuf> {
    match &entry.state {
        State::Done(finish) => Some(finish.path.clone()),
        _ => entry.name.as_deref().map(|name: &Path| entry.folder.join(name)),
    }
}

/// How many pieces, and how long each is.
fn pieces(total: u64) -> (u64, u64) {
    let mut length = PIECE;
    while total.div_ceil(length) > PIECES_MAX {
        length *= 2;
    }
    (total.div_ceil(length), length)
}

fn bitfield(total: u64, held: &[(u64, u64)]) -> String {
    let (count, length) = pieces(total);
    let mut bytes = vec![0_u8; usize::try_from(count.div_ceil(8)).unwrap_or(0)];
    let mut held: Vec<(u64, u64)> = held.to_vec();
    held.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, end) in held {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    for (start, end) in joined {
        let first = start.div_ceil(length);
        let behind = if end >= total { count } else { end / length };
        for piece in first..behind {
            if let Some(byte) = usize::try_from(piece / 8).ok().and_then(|at| bytes.get_mut(at)) {
                *byte |= 0x80 >> (piece % 8);
            }
        }
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use longhaul::Progress;
    use longhaul::manager::{EntryId, Finish, Gid, Options};

    use super::*;

    fn entry(state: State) -> Entry {
        Entry {
            id: EntryId(7),
            gid: Gid(0xa1),
            kind: TransferKind::Download,
            sources: vec!["http://h/a.bin".to_owned()],
            folder: "/d".into(),
            name: Some("a.bin".into()),
            destination: None,
            lane: "main".to_owned(),
            tags: Vec::new(),
            rank: 0,
            state,
            options: Options::default(),
            added_ms: 1,
            started_ms: None,
            ended_ms: None,
            attempts: 0,
            progress: Progress::default(),
            rev: 1,
        }
    }

    fn shown(entry: &Entry, held: Option<Vec<(u64, u64)>>, keys: &[&str]) -> Value {
        let links = || vec!["http://h/a.bin".to_owned()];
        Shown { entry, links: &links, held: &|| held.clone() }.value(keys)
    }

    #[test]
    fn an_entry_that_has_not_begun_is_shown_as_aria2_shows_it() {
        let value = shown(&entry(State::Held), None, &[]);
        let recorded = json!({
            "completedLength": "0", "connections": "0", "dir": "/d", "downloadSpeed": "0",
            "files": [{
                "completedLength": "0", "index": "1", "length": "0", "path": "/d/a.bin", "selected": "true",
                "uris": [{ "status": "waiting", "uri": "http://h/a.bin" }],
            }],
            "gid": "00000000000000a1", "numPieces": "0", "pieceLength": "1048576", "status": "paused",
            "totalLength": "0", "uploadLength": "0", "uploadSpeed": "0",
        });
        for (key, right) in recorded.as_object().unwrap() {
            assert_eq!(&value[key], right, "{key}");
        }
        let ours: Vec<&String> =
            value.as_object().unwrap().keys().filter(|key| recorded.get(key.as_str()).is_none()).collect();
        assert_eq!(ours, ["longhaulId", "longhaulLane", "longhaulState"]);
    }

    #[test]
    fn keys_that_are_not_asked_for_are_left_out() {
        assert_eq!(shown(&entry(State::Queued), None, &["status", "nonsense"]), json!({ "status": "waiting" }));
    }

    #[test]
    fn a_finished_entry_has_all_pieces_and_no_error() {
        let finish =
            Finish { path: "/d/x/a.bin".into(), bytes: 9 << 20, verified: "sha256".to_owned(), already: false };
        let entry = entry(State::Done(finish));
        let value = shown(&entry, None, &["bitfield", "errorCode", "completedLength", "totalLength", "status"]);
        let right = json!({
            "bitfield": "ff80", "errorCode": "0", "completedLength": "9437184", "totalLength": "9437184",
            "status": "complete",
        });
        assert_eq!(value, right);
        assert_eq!(path_of(&entry), Some("/d/x/a.bin".into()));
    }

    #[test]
    fn a_piece_is_there_when_all_of_it_is() {
        let mib = 1 << 20;
        let total = 10 * mib + 5;
        assert_eq!(pieces(total), (11, mib));
        assert_eq!(bitfield(total, &[]), "0000");
        assert_eq!(bitfield(total, &[(0, total)]), "ffe0");
        assert_eq!(bitfield(total, &[(1, 3 * mib)]), "6000");
        assert_eq!(bitfield(total, &[(0, mib / 2), (mib / 2, 2 * mib - 1)]), "8000");
        assert_eq!(bitfield(total, &[(10 * mib, total)]), "0020");
        assert_eq!(bitfield(total, &[(9 * mib + 1, total)]), "0020");
    }

    #[test]
    fn there_are_never_more_pieces_than_front_ends_draw() {
        for total in [1, PIECE, PIECE * PIECES_MAX, PIECE * PIECES_MAX + 1, 1 << 50, u64::MAX / 4] {
            let (count, length) = pieces(total);
            assert!(count <= PIECES_MAX && count * length >= total, "{total}");
        }
    }
}
