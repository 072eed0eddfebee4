use super::*;
use crate::disk::folder::Folder;
use longhaul_core::download::journal::{Record, Recovered, Source};
use longhaul_core::words::Extent;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

struct Stage {
    dir: tempfile::TempDir,
    place: Arc<Place>,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::new(Folder::open(dir.path()).unwrap(), OsStr::new("x")).unwrap());
    Stage { dir, place }
}

impl Stage {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn open(&self) -> (JournalFile, FoundJournal) {
        let (journal, found) = JournalFile::<Record>::open(self.place.clone(), true).unwrap();
        (journal, found.into())
    }
    fn read(&self) -> Recovered {
        match self.open().1 {
            FoundJournal::Read(recovered) => *recovered,
            other => panic!("{other:?}"),
        }
    }
    /// A helper of the transfer that [`source`] is of.
    fn helper(&self, helper: Helper) -> OsString {
        self.place.names.helper(helper, &[3; 16])
    }
    fn write_private(&self, name: OsString, bytes: &[u8]) {
        self.place.folder.create_file(&name).unwrap().write_all(bytes).unwrap();
    }
    fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    fn entries(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn source(url: &str) -> Record {
    Record::Source(Source { id: [3; 16], url: url.into(), name: b"x".to_vec(), ..Source::default() })
}

fn hint(start: u64) -> Record {
    Record::Hint { generation: 0, extent: Extent { start, len: 1, crc: 0 } }
}

#[test]
fn what_was_appended_is_found_again() {
    let s = stage();
    let (mut journal, found) = s.open();
    assert_eq!((found, journal.exists()), (FoundJournal::Absent, false));
    journal.append(&[source("a")], true).unwrap();
    journal.append(&[hint(1), hint(2)], false).unwrap();
    assert_eq!(s.path("x.lhlog").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let read = s.read();
    assert_eq!((read.readable.next_sequence, read.readable.len, read.readable.torn), (3, journal.len(), false));
    let (mut journal, _) = s.open();
    journal.append(&[hint(3)], true).unwrap();
    assert_eq!(s.read().readable.next_sequence, 4);
    assert_eq!(s.entries(), ["x.lhlog"]);
}

#[cfg(target_os = "linux")]
#[test]
fn space_is_reserved_ahead_without_changing_the_length() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], true).unwrap();
    let meta = s.path("x.lhlog").metadata().unwrap();
    assert_eq!(meta.len(), journal.len());
    // Where the file system cannot reserve, there is nothing to see.
    let probe = File::create(s.path("probe")).unwrap();
    if rustix::fs::fallocate(&probe, rustix::fs::FallocateFlags::KEEP_SIZE, 0, 1 << 16).is_ok() {
        assert!(meta.blocks() * 512 >= 64 << 10, "{} blocks", meta.blocks());
    }
}

#[test]
fn a_torn_tail_is_cut_before_the_next_append() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a"), hint(1)], true).unwrap();
    let whole = std::fs::read(s.path("x.lhlog")).unwrap();
    // A lost frame 2, then a frame 3 that would fit behind a new frame 2 of the same length.
    let mut stale = Vec::new();
    journal::encode(&[hint(2)], 2, &mut stale);
    stale[5] ^= 1;
    journal::encode(&[hint(0xbad)], 3, &mut stale);
    std::fs::OpenOptions::new().append(true).open(s.path("x.lhlog")).unwrap().write_all(&stale).unwrap();
    let (mut journal, found) = s.open();
    assert!(matches!(found, FoundJournal::Read(r) if r.readable.torn && r.readable.len == whole.len() as u64));
    journal.append(&[hint(2)], false).unwrap();
    let read = s.read();
    assert_eq!((read.readable.next_sequence, read.readable.torn), (3, false));
}

#[test]
fn after_a_failed_append_nothing_of_it_comes_back() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], true).unwrap();
    // As a failed append leaves it: two whole records behind the counted length.
    let open = journal.open.as_mut().unwrap();
    let mut lost = Vec::new();
    journal::encode(&[hint(1), hint(2)], open.sequence, &mut lost);
    open.file.write_all_at(&lost, open.len).unwrap();
    open.torn = true;
    journal.append(&[hint(3)], true).unwrap();
    assert_eq!(s.read().readable.next_sequence, 2);
}

#[test]
fn after_a_failed_sync_the_journal_is_written_to_a_new_file() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a"), hint(1)], true).unwrap();
    journal.open.as_ref().unwrap().doubtful.store(true, Ordering::Relaxed);
    let before = s.path("x.lhlog").metadata().unwrap().ino();
    journal.append(&[hint(2)], true).unwrap();
    assert_ne!(s.path("x.lhlog").metadata().unwrap().ino(), before);
    assert!(!journal.open.as_ref().unwrap().is_doubtful());
    assert_eq!(s.read().readable.next_sequence, 3);
}

#[test]
fn compaction_replaces_the_whole_and_appends_go_on_behind_it() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], true).unwrap();
    (0..100).for_each(|i| journal.append(&[hint(i)], false).unwrap());
    for durable in [false, true] {
        s.write_private(s.helper(Helper::Log), b"left over");
        journal.compact(&[source("b"), hint(7)], durable).unwrap();
        journal.append(&[hint(8)], durable).unwrap();
        let read = s.read();
        assert_eq!((read.source.url.as_str(), read.readable.next_sequence, read.readable.torn), ("b", 3, false));
        assert_eq!(s.entries(), ["x.lhlog"]);
    }
}

#[test]
fn a_compaction_that_fails_leaves_the_old_journal_in_use() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], true).unwrap();
    std::fs::remove_file(s.path("x.lhlog")).unwrap();
    std::fs::create_dir(s.path("x.lhlog")).unwrap(); // a rename onto it fails
    assert!(journal.compact(&[source("b")], true).is_err());
    journal.append(&[hint(1)], true).unwrap();
    assert_eq!(s.entries(), ["x.lhlog"], "the new one was not left over");
}

#[test]
fn what_others_made_under_a_helpers_name_is_never_removed_and_not_in_the_way() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], true).unwrap();
    let name = s.path(s.helper(Helper::Log).to_str().unwrap());
    std::fs::create_dir(&name).unwrap();
    journal.compact(&[source("b")], true).unwrap();
    assert_eq!(s.read().source.url, "b");
    std::fs::remove_dir(&name).unwrap();
    symlink("victim", &name).unwrap();
    journal.compact(&[source("c")], true).unwrap();
    assert_eq!(s.read().source.url, "c");
    assert!(name.is_symlink() && !s.path("victim").exists());
    // Names of the like that no id of ours gives are none of our business.
    for name in ["x.lhlog~", "x.lhpart~", "x.lhmode~", "x.lhlog~0123456789abcdef", "x.lhpart~0123456789abcdef"] {
        std::fs::write(s.path(name), b"mine").unwrap();
    }
    journal.compact(&[source("d")], true).unwrap();
    s.read();
    assert_eq!(s.entries().iter().filter(|name| name.contains('~')).count(), 6, "{:?}", s.entries());
}

#[test]
fn what_a_killed_process_left_of_a_moment_goes_with_the_next_start() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], true).unwrap();
    for helper in Helper::ALL {
        s.write_private(s.helper(helper), b"left over");
    }
    assert_eq!(s.entries().len(), 3);
    s.read();
    assert_eq!(s.entries(), ["x.lhlog"]);
}

/// Another user's, one that others may write to, a second name: nothing of it is believed, and it is not written to.
#[test]
fn a_journal_that_another_user_could_change_is_set_aside() {
    type Spoil = fn(&Stage);
    let table: [(&str, Spoil); 3] = [
        ("others may write to it", |s| s.chmod("x.lhlog", 0o666)),
        ("the group may write to it", |s| s.chmod("x.lhlog", 0o660)),
        ("another user's", |s| std::os::unix::fs::chown(s.path("x.lhlog"), Some(12_345), None).unwrap()),
    ];
    for (what, spoil) in table {
        if what == "another user's" && !rustix::process::geteuid().is_root() {
            println!("skipped: {what}: only root can give files away");
            continue;
        }
        let s = stage();
        let (mut journal, _) = s.open();
        journal.append(&[source("a")], true).unwrap();
        let bytes = std::fs::read(s.path("x.lhlog")).unwrap();
        spoil(&s);
        let (mut journal, found) = s.open();
        assert_eq!(found, FoundJournal::SetAside(Problem::Foreign), "{what}");
        journal.append(&[source("b")], true).unwrap();
        assert_eq!(std::fs::read(s.path("x.lhlog.bad-1")).unwrap(), bytes, "{what}");
        assert_eq!(s.read().source.url, "b", "{what}");
    }
}

#[test]
fn an_unusable_journal_is_set_aside_with_its_reason() {
    for (bytes, want) in
        [(b"something else entirely".to_vec(), Problem::Foreign), (journal::header().to_vec(), Problem::Short)]
    {
        let s = stage();
        std::fs::write(s.path("x.lhlog"), &bytes).unwrap();
        let (mut journal, found) = s.open();
        assert_eq!(found, FoundJournal::SetAside(want));
        assert_eq!(std::fs::read(s.path("x.lhlog.bad-1")).unwrap(), bytes);
        journal.append(&[source("a")], true).unwrap();
        assert_eq!(s.read().readable.next_sequence, 1);
    }
}

#[test]
fn an_empty_journal_tells_nothing_and_goes() {
    let s = stage();
    std::fs::write(s.path("x.lhlog"), b"").unwrap();
    let (mut journal, found) = s.open();
    assert_eq!(found, FoundJournal::SetAside(Problem::Short));
    assert!(!s.path("x.lhlog.bad-1").exists() && !s.path("x.lhlog").exists());
    journal.append(&[source("a")], true).unwrap();
    assert_eq!(s.read().readable.next_sequence, 1);
}

#[test]
fn a_link_or_a_folder_at_the_journals_name_is_renamed_away_unread() {
    let s = stage();
    std::fs::write(s.path("victim"), b"precious").unwrap();
    symlink("victim", s.path("x.lhlog")).unwrap();
    assert_eq!(s.open().1, FoundJournal::SetAside(Problem::Foreign));
    assert!(s.path("x.lhlog.bad-1").is_symlink());
    std::fs::hard_link(s.path("victim"), s.path("x.lhlog")).unwrap();
    assert_eq!(s.open().1, FoundJournal::SetAside(Problem::Foreign));
    std::fs::create_dir(s.path("x.lhlog")).unwrap();
    assert_eq!(s.open().1, FoundJournal::SetAside(Problem::Foreign));
    assert!(s.path("x.lhlog.bad-3").is_dir());
    assert_eq!(std::fs::read(s.path("victim")).unwrap(), b"precious");
}

#[test]
fn at_most_nine_are_kept_and_the_oldest_goes_first() {
    let s = stage();
    for round in 0..11u8 {
        std::fs::write(s.path("x.lhlog"), [&journal::header()[..], &[round]].concat()).unwrap();
        s.open();
    }
    assert_eq!(s.entries().len(), 9);
    let last = |n: u8| *std::fs::read(s.path(&format!("x.lhlog.bad-{n}"))).unwrap().last().unwrap();
    let kept: Vec<u8> = (1..=9).map(last).collect();
    assert!(kept.contains(&10) && !kept.contains(&0), "{kept:?}");
}

#[test]
fn what_is_no_journal_is_never_replaced_by_one_that_is_set_aside() {
    let s = stage();
    for n in 1..=9 {
        std::fs::write(s.path(&format!("x.lhlog.bad-{n}")), b"a user's").unwrap();
    }
    std::fs::write(s.path("x.lhlog"), b"nonsense").unwrap();
    let refused = JournalFile::<Record>::open(s.place.clone(), true).unwrap_err();
    assert_eq!(refused.fault(), DiskFault::Exists, "{refused}");
    assert!(refused.to_string().contains(".bad-9"), "{refused}");
    assert_eq!(std::fs::read(s.path("x.lhlog")).unwrap(), b"nonsense");
    assert!((1..=9).all(|n| std::fs::read(s.path(&format!("x.lhlog.bad-{n}"))).unwrap() == b"a user's"));
    std::fs::write(s.path("x.lhlog.bad-5"), [0; 50]).unwrap(); // as a power cut may leave a journal
    assert!(matches!(s.open().1, FoundJournal::SetAside(_)));
    assert_eq!(std::fs::read(s.path("x.lhlog.bad-5")).unwrap(), b"nonsense");
}

#[test]
fn an_absurdly_large_journal_is_not_read() {
    let s = stage();
    File::create(s.path("x.lhlog")).unwrap().set_len(LEN_MAX + 1).unwrap();
    assert_eq!(s.open().1, FoundJournal::SetAside(Problem::Damaged));
}

#[test]
fn removing_twice_is_no_error() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], true).unwrap();
    assert!(journal.remove().unwrap());
    assert!(!journal.remove().unwrap());
    assert_eq!(s.open().1, FoundJournal::Absent);
    journal.append(&[source("b")], true).unwrap();
    assert_eq!(s.read().source.url, "b");
}

#[test]
fn a_sync_runs_beside_appends_once_the_name_is_on_disk_and_while_no_sync_failed() {
    let s = stage();
    let (mut journal, _) = s.open();
    journal.append(&[source("a")], false).unwrap();
    assert!(journal.sync_beside().is_none(), "the name is not on disk yet");
    journal.append(&[hint(1)], true).unwrap();
    let sync = journal.sync_beside().unwrap();
    let syncing = std::thread::spawn(move || sync.run());
    journal.append(&[hint(2)], false).unwrap();
    syncing.join().unwrap().unwrap();
    assert_eq!(s.read().readable.next_sequence, 3);
    journal.open.as_ref().unwrap().doubtful.store(true, Ordering::Relaxed);
    assert!(journal.sync_beside().is_none(), "a sync failed: another one proves nothing");
}
