//! Folders as crashes, stops and publishes leave them are made by hand and looked at; afterwards every file must be as
//! it was.

#![allow(clippy::single_range_in_vec_init, reason = "lists of byte ranges often have one")]

use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use longhaul_core::digest::DigestKind;
use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{self, Begin, Publishing, Record, Source};
use longhaul_core::download::restart::Restart;
use longhaul_core::download::step;
use longhaul_core::words::{Extent, FileFacts};
use tempfile::TempDir;

use super::list::TransferState;
use super::show::{FetchRange, FetchReason, Inspection, JournalHealth, NextStart, Unfinished};
use super::verify::Verification;
use super::*;
use crate::advice::Advice;
use crate::client::{Client, ProxyChoice};
use crate::disk::beside::names::FileNames;
use crate::disk::crc::RunningCrc;
use crate::disk::folder::Folder;
use crate::disk::state::listing::{Kind, State, TransferNote, id_text};
use crate::disk::state::receipt::ReceiptFile;
use crate::disk::state::state_dir::StateDir;
use crate::error::{Error, ErrorKind};
use crate::event::Digest;
use crate::target::{NamedTarget, recorded_source};
use crate::transfer::TransferKind;

const URL: &str = "https://h/x.iso";
const ID: [u8; 16] = [7; 16];
/// What extents, lengths and part files are told in: eight make the shortest block that there is.
const UNIT: u64 = 1 << 17;

/// A target folder and a state directory.
struct Stage {
    dir: TempDir,
    client: Client,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    let client = Client::builder().state_dir(dir.path().join("state")).proxy(ProxyChoice::Direct).build().unwrap();
    Stage { dir, client }
}

impl Stage {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("d").join(name)
    }

    fn state(&self) -> &StateDir {
        self.client.state().unwrap()
    }

    fn journal(&self, records: &[Record]) -> Vec<u8> {
        let mut all = vec![Record::Source(source())];
        all.extend_from_slice(records);
        let mut bytes = journal::header().to_vec();
        journal::encode(&all, 0, &mut bytes);
        std::fs::write(self.path("x.iso.lhlog"), &bytes).unwrap();
        bytes
    }

    fn part(&self, units: u64) -> FileFacts {
        let part = std::fs::File::create(self.path("x.iso.lhpart")).unwrap();
        part.set_len(units * UNIT).unwrap();
        self.facts("x.iso.lhpart")
    }

    fn facts(&self, name: &str) -> FileFacts {
        let folder = Folder::open(&self.path("")).unwrap();
        folder.look(OsStr::new(name)).unwrap().unwrap().facts
    }

    fn note(&self, state: State) {
        self.note_of_link(state, true);
    }

    fn note_of_link(&self, state: State, needs_link: bool) {
        let note = TransferNote {
            id: id_text(ID),
            kind: Kind::Download,
            path: std::fs::canonicalize(self.path("")).unwrap().join("x.iso").as_path().into(),
            source: URL.into(),
            state,
            held: 1,
            total: None,
            updated_ms: 1_700_000_000_000,
            needs_link,
            needs_headers: false,
            error: None,
            endpoint: None,
            range: None,
        };
        self.state().put_transfer(&note).unwrap();
    }

    /// A finished file of these bytes in blocks of 4, with its receipt.
    fn finished(&self, bytes: &[u8], digests: Vec<Digest>) -> ReceiptFile {
        std::fs::write(self.path("x.iso"), bytes).unwrap();
        let block = |(i, block): (usize, &[u8])| {
            let mut crc = RunningCrc::new();
            crc.update(block);
            Extent { start: i as u64 * 4, len: block.len() as u64, crc: crc.value() }
        };
        let receipt = ReceiptFile {
            path: std::fs::canonicalize(self.path("x.iso")).unwrap(),
            source: URL.into(),
            range: Default::default(),
            of: step::Receipt {
                length: bytes.len() as u64,
                identity: identity(Some(bytes.len() as u64)),
                verified: step::Verified::Validator,
                digests,
                facts: FileFacts { ctime_ns: 0, ..self.facts("x.iso") },
                extents: bytes.chunks(4).enumerate().map(block).collect(),
            },
            finished_ms: 5000,
        };
        self.state().put_receipt(&receipt, false).unwrap();
        receipt
    }

    /// What everything looks like: names, inodes, times, contents.
    fn everything(&self) -> Vec<(OsString, u64, i64, i64, Vec<u8>)> {
        let mut all: Vec<_> = std::fs::read_dir(self.path(""))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let m = entry.metadata().unwrap();
                let bytes = if m.is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
                (entry.file_name(), m.ino(), m.mtime_nsec(), m.ctime_nsec(), bytes)
            })
            .collect();
        all.sort();
        all
    }

    fn inspect(&self) -> Result<Inspection, Error> {
        let before = self.everything();
        let inspection = self.client.inspect(self.path("x.iso"));
        assert_eq!(self.everything(), before, "looking changed something");
        inspection
    }

    fn unfinished(&self) -> Unfinished {
        match self.inspect().unwrap() {
            Inspection::Unfinished(unfinished) => *unfinished,
            Inspection::Finished(finished) => panic!("{finished:?}"),
        }
    }

    fn listed(&self) -> list::TransferInfo {
        let before = self.everything();
        let listing = self.client.list().unwrap();
        assert_eq!(self.everything(), before, "looking changed something");
        assert_eq!((listing.transfers.len(), listing.warnings.len()), (1, 0), "{listing:?}");
        listing.transfers.into_iter().next().unwrap()
    }
}

fn source() -> Source {
    Source { id: ID, url: URL.into(), name: b"x.iso".to_vec(), needs_link: true, ..Source::default() }
}

fn identity(length: Option<u64>) -> Identity {
    Identity { etag: Some("\"a\"".into()), length, ..Identity::default() }
}

fn begin(identity: Identity) -> Record {
    Record::Begin(Begin { generation: 1, slot: Slot::Main, identity, block_len: 8 * UNIT, reason: None })
}

fn extent(start: u64, len: u64) -> Extent {
    Extent { start: start * UNIT, len: len * UNIT, crc: 0 }
}

fn units(range: Range<u64>) -> Range<u64> {
    range.start * UNIT..range.end * UNIT
}

fn claim(extents: &[Extent]) -> Record {
    Record::Claim { generation: 1, extents: extents.to_vec() }
}

fn hint(start: u64, len: u64) -> Record {
    Record::Hint { generation: 1, extent: extent(start, len) }
}

fn fetch(start: u64, end: u64, reason: FetchReason) -> FetchRange {
    FetchRange { start: start * UNIT, end: Some(end * UNIT), reason }
}

#[test]
fn after_a_kill_claims_are_safe_hints_are_read_back_and_gaps_are_fetched() {
    let s = stage();
    s.journal(&[begin(identity(Some(100 * UNIT))), claim(&[extent(0, 8), extent(8, 8)]), hint(16, 4), hint(32, 8)]);
    s.part(40);
    let u = s.unfinished();
    assert_eq!((u.next_start.clone(), u.resumable, u.clean_stop), (NextStart::Continues, true, false));
    assert_eq!((u.claimed, u.hinted, u.voided), (vec![units(0..16)], vec![units(16..20), units(32..40)], vec![]));
    assert_eq!(u.fetch, [fetch(20, 32, FetchReason::NotReceived), fetch(40, 100, FetchReason::NotReceived)]);
    assert_eq!((u.reread, u.generation, u.id), (28 * UNIT, Some(1), Some(id_text(ID))));
    assert_eq!((u.source.as_deref(), u.needs_link, u.needs_headers), (Some(URL), true, false));
    assert!(u.resumable_why.contains("\"a\""), "{}", u.resumable_why);
    assert_eq!((u.part.unwrap().len, u.next, u.holder), (40 * UNIT, None, None));
    assert!(matches!(u.journal, JournalHealth::Readable { torn: 0, .. }));
}

#[test]
fn after_a_clean_stop_nothing_is_read_again_unless_the_file_was_touched() {
    let s = stage();
    let facts = s.part(16);
    s.journal(&[begin(identity(Some(32 * UNIT))), claim(&[extent(0, 16)]), Record::CleanStop { generation: 1, facts }]);
    let u = s.unfinished();
    assert_eq!((u.clean_stop, u.reread), (true, 0));
    s.part(16);
    let u = s.unfinished();
    assert_eq!((u.clean_stop, u.reread), (false, 16 * UNIT));
}

#[test]
fn what_the_part_file_is_too_short_for_is_given_up_and_fetched_again() {
    let s = stage();
    s.journal(&[begin(identity(Some(32 * UNIT))), claim(&[extent(0, 8), extent(8, 8)]), hint(16, 8)]);
    s.part(12);
    let u = s.unfinished();
    assert_eq!((u.claimed, u.hinted, u.voided), (vec![units(0..8)], vec![], vec![units(8..24)]));
    assert_eq!(u.fetch, [fetch(8, 24, FetchReason::Lost), fetch(24, 32, FetchReason::NotReceived)]);
    std::fs::remove_file(s.path("x.iso.lhpart")).unwrap();
    let u = s.unfinished();
    assert_eq!((u.claimed, u.voided, u.part), (vec![], vec![units(0..24)], None));
}

#[test]
fn without_a_strong_validator_everything_comes_again() {
    let s = stage();
    let weak = Identity { etag: Some("W/\"a\"".into()), ..identity(Some(32 * UNIT)) };
    s.journal(&[begin(weak.clone()), claim(&[extent(0, 8)])]);
    s.part(8);
    let u = s.unfinished();
    assert_eq!((u.resumable, u.fetch), (false, vec![fetch(0, 32, FetchReason::NotProvable)]));
    let digest = Digest::new(DigestKind::Crc64, vec![1; 8]).unwrap();
    s.journal(&[begin(Identity { digests: vec![digest], ..weak }), claim(&[extent(0, 8)])]);
    let u = s.unfinished();
    assert_eq!((u.resumable, u.fetch), (true, vec![fetch(8, 32, FetchReason::NotReceived)]));
    assert!(u.resumable_why.contains("crc64"), "{}", u.resumable_why);
}

#[test]
fn an_unknown_length_is_fetched_to_the_end() {
    let s = stage();
    s.journal(&[begin(identity(None)), claim(&[extent(0, 8)])]);
    s.part(8);
    assert_eq!(s.unfinished().fetch, [FetchRange { start: 8 * UNIT, end: None, reason: FetchReason::NotReceived }]);
}

#[test]
fn the_older_version_its_reason_and_a_pending_promotion_are_shown() {
    let s = stage();
    let begin_next = Record::Begin(Begin {
        generation: 2,
        slot: Slot::Next,
        identity: Identity { etag: Some("\"b\"".into()), ..identity(Some(64 * UNIT)) },
        block_len: 8 * UNIT,
        reason: Some(Restart::Changed),
    });
    let newer = Record::Claim { generation: 2, extents: vec![extent(0, 8)] };
    let mut records = vec![begin(identity(Some(32 * UNIT))), claim(&[extent(0, 16)]), begin_next, newer];
    s.journal(&records);
    s.part(16);
    std::fs::write(s.path("x.iso.lhnext"), vec![0; 8 * UNIT as usize]).unwrap();
    let u = s.unfinished();
    let old = u.old.unwrap();
    assert_eq!((old.generation, old.held, old.object.etag.as_deref()), (1, 16 * UNIT, Some("\"a\"")));
    assert_eq!((u.generation, u.claimed, u.promotion_pending), (Some(2), vec![units(0..8)], false));
    assert_eq!((u.restarts, u.next.unwrap().len), (vec![Restart::Changed], 8 * UNIT));
    records.push(Record::Retire { generation: 1 });
    s.journal(&records);
    let u = s.unfinished();
    assert!(u.promotion_pending && u.old.is_none());
}

#[test]
fn a_journal_that_cannot_be_used_is_explained_and_stays() {
    let s = stage();
    std::fs::write(s.path("x.iso.lhlog"), b"something else entirely").unwrap();
    s.part(10);
    let u = s.unfinished();
    assert_eq!(u.journal, JournalHealth::Unusable("the file is not a longhaul journal".into()));
    assert_eq!(u.next_start, NextStart::StartsOver(Some(Restart::JournalUnusable)));
    assert_eq!((u.id, u.source), (None, None));
    let bytes = s.journal(&[begin(identity(Some(32 * UNIT))), claim(&[extent(0, 8)])]);
    std::fs::write(s.path("x.iso.lhlog"), [&bytes[..], b"torn"].concat()).unwrap();
    let len = bytes.len() as u64 + 4;
    let u = s.unfinished();
    assert_eq!((u.journal, u.next_start), (JournalHealth::Readable { len, torn: 4 }, NextStart::Continues));
    std::fs::remove_file(s.path("x.iso.lhlog")).unwrap();
    let u = s.unfinished();
    assert_eq!((u.journal, u.next_start), (JournalHealth::Absent, NextStart::StartsOver(Some(Restart::NoJournal))));
}

#[test]
fn what_keeps_a_start_from_starting_is_told_with_what_is_held() {
    let s = stage();
    s.journal(&[begin(identity(Some(32 * UNIT))), claim(&[extent(0, 8)])]);
    s.part(8);
    std::fs::write(s.path("x.iso"), b"somebody's").unwrap();
    let u = s.unfinished();
    let NextStart::Refused { why, advice } = &u.next_start else { panic!("{:?}", u.next_start) };
    assert!(why.contains("exists") && *advice == Some(Advice::GiveDigestOrOverwrite), "{why}, {advice:?}");
    assert_eq!(u.claimed, [units(0..8)]);
    std::fs::remove_file(s.path("x.iso")).unwrap();
    std::fs::hard_link(s.path("x.iso.lhpart"), s.path("second")).unwrap();
    let u = s.unfinished();
    let NextStart::Refused { why, advice } = &u.next_start else { panic!("{:?}", u.next_start) };
    assert!(why.contains("hard link") && *advice == Some(Advice::MoveAway), "{why}, {advice:?}");
}

#[test]
fn a_publish_that_was_cut_is_finished_by_the_next_start() {
    let s = stage();
    let facts = s.part(8);
    s.journal(&[
        begin(identity(Some(8 * UNIT))),
        claim(&[extent(0, 8)]),
        Record::Publishing(Publishing { generation: 1, facts }),
    ]);
    assert!(s.unfinished().publishing);
    std::fs::hard_link(s.path("x.iso.lhpart"), s.path("x.iso")).unwrap();
    assert_eq!(s.unfinished().next_start, NextStart::FinishesPublishing);
    std::fs::remove_file(s.path("x.iso.lhpart")).unwrap();
    let u = s.unfinished();
    assert_eq!((u.next_start, u.claimed, u.fetch), (NextStart::FinishesPublishing, vec![units(0..8)], vec![]));
}

#[test]
fn a_finished_file_is_shown_from_its_receipt_while_it_fits() {
    let s = stage();
    let receipt = s.finished(b"0123456789", vec![]);
    let Inspection::Finished(f) = s.inspect().unwrap() else { panic!("not finished") };
    assert_eq!((f.source.as_str(), f.length, f.verified), (URL, 10, crate::Verified::Validator));
    assert_eq!((f.object, f.leftover), ((&receipt.of.identity).into(), None));
    assert_eq!(f.finished, UNIX_EPOCH + Duration::from_secs(5));
    std::fs::write(s.path("x.iso"), b"shorter").unwrap();
    let error = s.inspect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("verify"), "{error}");
    std::fs::remove_file(s.path("x.iso")).unwrap();
    assert_eq!(s.inspect().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_transfer_is_found_by_its_id_and_by_the_names_of_its_files() {
    let s = stage();
    s.journal(&[begin(identity(Some(32)))]);
    s.part(8);
    s.note(State::Paused);
    let whats = ["x.iso", "x.iso.lhpart", "x.iso.lhlog", "x.iso.lhnext"].map(|name| s.path(name));
    for what in whats.iter().cloned().chain([id_text(ID).into()]) {
        let Inspection::Unfinished(u) = s.client.inspect(&what).unwrap() else { panic!("{what:?}") };
        assert_eq!(u.path.file_name().unwrap(), "x.iso");
    }
    for what in &whats {
        assert_eq!(recorded_source(what).unwrap(), source());
    }
    assert_eq!(s.client.inspect(s.path("y")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(s.client.inspect(s.path("none/y")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(s.client.inspect("/").unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn a_long_name_is_found_by_its_journal() {
    let s = stage();
    let name = "n".repeat(250);
    let names = FileNames::of(OsStr::new(&name)).unwrap();
    let mut bytes = journal::header().to_vec();
    journal::encode(&[Record::Source(Source { name: name.clone().into_bytes(), ..source() })], 0, &mut bytes);
    let log = s.path("").join(names.log());
    std::fs::write(&log, bytes).unwrap();
    for path in [log, s.path("").join(names.part()), s.path(&name)] {
        assert_eq!(NamedTarget::of(&path).unwrap().path.file_name().unwrap(), name.as_str());
        assert_eq!(recorded_source(&path).unwrap().url, URL);
    }
}

#[test]
fn the_recorded_source_is_not_found_without_a_usable_journal_and_nothing_is_set_aside() {
    let s = stage();
    assert_eq!(recorded_source(&s.path("x.iso")).unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::write(s.path("x.iso.lhlog"), b"longhaul").unwrap();
    let before = s.everything();
    let error = recorded_source(&s.path("x.iso")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("ends before"), "{error}");
    symlink("elsewhere", s.path("y.lhlog")).unwrap();
    assert_eq!(recorded_source(&s.path("y")).unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::remove_file(s.path("y.lhlog")).unwrap();
    assert_eq!(s.everything(), before);
}

#[test]
fn the_list_believes_the_journal_and_the_lock() {
    let s = stage();
    s.journal(&[begin(identity(Some(100 * UNIT))), claim(&[extent(0, 8)]), hint(0, 12)]);
    s.part(16);
    s.note(State::Running);
    let t = s.listed();
    // The next start is refused without a fresh link: that is how it stands.
    assert_eq!((t.state, t.held, t.total), (TransferState::NeedsLink, 12 * UNIT, Some(100 * UNIT)));
    assert_eq!((t.kind, t.source.as_str(), t.needs_link), (TransferKind::Download, URL, true));
    assert_eq!(t.updated, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    for (noted, want) in [
        (State::Failed, TransferState::Failed),
        (State::NeedsLink, TransferState::NeedsLink),
        (State::NeedsHeaders, TransferState::NeedsHeaders),
        (State::NeedsCredentials, TransferState::NeedsCredentials),
        (State::Paused, TransferState::Paused),
    ] {
        s.note(noted);
        assert_eq!(s.listed().state, want);
    }
    s.note_of_link(State::Running, false);
    assert_eq!(s.listed().state, TransferState::Interrupted);
    // Nothing is asked after it is let go: a child process that another test starts may hold it for a moment longer.
    let holder = std::fs::File::open(s.path("x.iso.lhpart")).unwrap();
    holder.try_lock().unwrap();
    assert_eq!(s.listed().state, TransferState::Running);
    #[cfg(target_os = "linux")]
    {
        assert_eq!(s.unfinished().holder, Some(std::process::id()));
        s.note(State::Failed);
        assert_eq!(s.listed().state, TransferState::Running, "another process took it up");
    }
}

#[test]
fn the_list_tells_what_is_gone_or_done() {
    let s = stage();
    s.note(State::Paused);
    assert_eq!(s.listed().state, TransferState::Gone);
    s.finished(b"0123", vec![]);
    assert_eq!(s.listed().state, TransferState::Done);
    std::fs::write(s.path("x.iso"), b"other").unwrap();
    assert_eq!(s.listed().state, TransferState::Gone);
    std::fs::remove_dir_all(s.path("")).unwrap();
    assert_eq!(s.client.list().unwrap().transfers[0].state, TransferState::Gone);
}

#[test]
fn damaged_notes_are_warnings() {
    let s = stage();
    s.note(State::Paused);
    let notes = s.dir.path().join("state/transfers");
    std::fs::write(notes.join("damaged.json"), b"{").unwrap();
    let listing = s.client.list().unwrap();
    assert_eq!((listing.transfers.len(), listing.warnings.len()), (1, 1));
    assert!(listing.warnings[0].contains("damaged.json"), "{:?}", listing.warnings);
    let without = Client::builder().proxy(ProxyChoice::Direct).build().unwrap().list().unwrap();
    assert_eq!((without.transfers.len(), without.warnings.len()), (0, 1));
}

fn sha256(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest::new(DigestKind::Sha256, sha2::Sha256::digest(bytes).to_vec()).unwrap()
}

#[tokio::test]
async fn verify_tells_which_blocks_differ() {
    let s = stage();
    let digest = sha256(b"0123456789");
    s.finished(b"0123456789", vec![digest.clone()]);
    let mut heard = Vec::new();
    let verify = s.client.verify(s.path("x.iso"), |done, total| heard.push((done, total))).await.unwrap();
    let intact = Verification::Intact { length: 10, verified: crate::Verified::Validator, digests: vec![digest] };
    assert_eq!((verify, heard.last()), (intact, Some(&(10, 10))));
    for (bytes, ranges) in [
        (&b"0123x56789"[..], vec![4..8]),
        (b"x123x567x9", vec![0..10]),
        (b"01234567", vec![8..10]),
        (b"01", vec![0..10]),
        (b"", vec![0..10]),
        (b"0123456789+", vec![]),
        (b"01234567x9+", vec![8..10]),
    ] {
        std::fs::write(s.path("x.iso"), bytes).unwrap();
        let verify = s.client.verify(s.path("x.iso"), |_, _| {}).await.unwrap();
        let len = bytes.len() as u64;
        assert_eq!(verify, Verification::Damaged { ranges, expected_len: 10, len, digests: vec![] });
    }
}

#[tokio::test]
async fn verify_holds_the_whole_against_recorded_digests() {
    let s = stage();
    s.finished(b"0123456789", vec![sha256(b"other")]);
    let verify = s.client.verify(s.path("x.iso"), |_, _| {}).await.unwrap();
    let digests = vec![sha256(b"other")];
    assert_eq!(verify, Verification::Damaged { ranges: vec![], expected_len: 10, len: 10, digests });
}

#[tokio::test]
async fn verify_knows_what_it_cannot_know() {
    let s = stage();
    let path = s.path("x.iso");
    assert_eq!(s.client.verify(&path, |_, _| {}).await.unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::write(&path, b"0123").unwrap();
    assert_eq!(s.client.verify(&path, |_, _| {}).await.unwrap(), Verification::Unknown);
    let mut receipt = s.finished(b"0123456789", vec![]);
    receipt.of.extents.pop();
    s.state().put_receipt(&receipt, false).unwrap();
    assert_eq!(s.client.verify(&path, |_, _| {}).await.unwrap(), Verification::Unknown);
    std::fs::rename(&path, s.path("real")).unwrap();
    symlink("real", &path).unwrap();
    assert_eq!(s.client.verify(&path, |_, _| {}).await.unwrap_err().kind(), ErrorKind::Exists);
}
