use super::super::lock::Locking;
use super::*;
use crate::disk::crc::crc64;
use crate::disk::folder::Folder;
use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

const ID: [u8; 16] = [7; 16];
static GO_ON: AtomicBool = AtomicBool::new(false);

fn place(dir: &tempfile::TempDir) -> Place {
    Place::new(Folder::open(dir.path()).unwrap(), OsStr::new("x")).unwrap()
}

fn extent(bytes: &[u8], start: usize, end: usize) -> Extent {
    Extent { start: start as u64, len: (end - start) as u64, crc: crc64(&bytes[start..end]) }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn is_created_private_and_found_with_its_facts() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    assert!(PartFile::open(&place, Slot::Main).unwrap().is_none());
    let part = PartFile::create_main(&place).unwrap();
    part.write_at(10, b"abc").unwrap();
    part.sync_data().unwrap();
    let facts = part.facts().unwrap();
    let meta = dir.path().join("x.lhpart").metadata().unwrap();
    assert_eq!((facts.len, facts.inode), (13, meta.ino()));
    assert_eq!(facts.mtime_ns, meta.mtime() * 1_000_000_000 + meta.mtime_nsec());
    assert_eq!(facts.ctime_ns, meta.ctime() * 1_000_000_000 + meta.ctime_nsec());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(PartFile::open(&place, Slot::Main).unwrap().unwrap().facts().unwrap(), facts);
    assert_eq!(PartFile::create_main(&place).unwrap_err().fault(), DiskFault::Exists);
}

#[test]
fn a_link_a_folder_or_a_second_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    let (part, victim) = (dir.path().join("x.lhpart"), dir.path().join("victim"));
    std::fs::write(&victim, b"precious").unwrap();
    let refused = || PartFile::open(&place, Slot::Main).unwrap_err().fault();
    symlink(&victim, &part).unwrap();
    assert_eq!(refused(), DiskFault::Exists);
    std::fs::remove_file(&part).unwrap();
    symlink("nowhere", &part).unwrap();
    assert_eq!(refused(), DiskFault::Exists);
    std::fs::remove_file(&part).unwrap();
    std::fs::create_dir(&part).unwrap();
    assert_eq!(refused(), DiskFault::Exists);
    std::fs::remove_dir(&part).unwrap();
    std::fs::hard_link(&victim, &part).unwrap();
    assert_eq!(refused(), DiskFault::Exists);
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn a_file_that_others_could_read_becomes_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.lhpart");
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    super::super::lock::acquire(&place(&dir), Locking::Required).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// Whoever opened it while others could write to it can write to it for ever, whatever its permissions become.
#[test]
fn a_file_that_another_user_could_change_is_refused_and_stays_as_it_is() {
    for slot in [Slot::Main, Slot::Next] {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        let path = dir.path().join(place.slot(slot));
        std::fs::write(&path, b"").unwrap();
        for mode in [0o666, 0o620, 0o602] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = PartFile::open(&place, slot).unwrap_err();
            assert_eq!(refused.fault(), DiskFault::Exists, "{mode:o}");
            assert!(refused.to_string().contains(&format!("mode {mode:o}")), "{refused}");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(PartFile::open(&place, slot).unwrap().is_some());
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can give files away");
            continue;
        }
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        let refused = PartFile::open(&place, slot).unwrap_err();
        assert!(refused.to_string().contains("another user (number 12345)"), "{refused}");
        if slot == Slot::Next {
            let anew = PartFile::create_empty(&place, slot, Locking::Required, &ID);
            assert_eq!(anew.unwrap_err().fault(), DiskFault::Exists);
        }
        assert_eq!(path.metadata().unwrap().uid(), 12_345);
    }
}

#[test]
fn a_new_file_is_another_inode_and_late_writes_miss_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    for (slot, name) in [(Slot::Main, "x.lhpart"), (Slot::Next, "x.lhnext")] {
        let old = PartFile::create_empty(&place, slot, Locking::Required, &ID).unwrap();
        old.write_at(0, b"old").unwrap();
        let new = PartFile::create_empty(&place, slot, Locking::Required, &ID).unwrap();
        assert_ne!(new.facts().unwrap().inode, old.facts().unwrap().inode);
        old.write_at(3, b"late").unwrap();
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), b"");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_check_finds_exactly_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let data = bytes(3 * BUFFER_LEN + 77);
    let part = PartFile::create_main(&place(&dir)).unwrap();
    part.write_at(0, &data).unwrap();
    let cuts = [0, 1, 100, BUFFER_LEN, 3 * BUFFER_LEN + 5, data.len()];
    let extents: Vec<Extent> = cuts.windows(2).map(|w| extent(&data, w[0], w[1])).collect();
    for rewrite in [false, true] {
        assert_eq!(part.check(&extents, rewrite, &GO_ON).unwrap().unwrap(), []);
    }
    part.write_at(101, &[!data[101]]).unwrap();
    assert_eq!(part.check(&extents, true, &GO_ON).unwrap().unwrap(), [extents[2]]);
    // Cut short, and zeros in place of the tail.
    part.file().set_len(data.len() as u64 - 1).unwrap();
    assert_eq!(part.check(&extents[4..], false, &GO_ON).unwrap().unwrap(), [extents[4]]);
    part.file().set_len(data.len() as u64).unwrap();
    assert_eq!(part.check(&extents[4..], false, &GO_ON).unwrap().unwrap(), [extents[4]]);
    let absurd = Extent { start: u64::MAX - 1, len: 5, crc: 0 };
    assert_eq!(part.check(&[absurd], true, &GO_ON).unwrap().unwrap(), [absurd]);
    assert_eq!(part.check(&extents, false, &AtomicBool::new(true)).unwrap(), None);
}

#[test]
fn rewriting_changes_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    let data = bytes(BUFFER_LEN + 9);
    let part = PartFile::create_main(&place(&dir)).unwrap();
    part.write_at(0, &data).unwrap();
    let wrong = Extent { start: 4, len: 100, crc: 1 };
    part.check(&[extent(&data, 7, data.len()), wrong], true, &GO_ON).unwrap();
    assert_eq!(std::fs::read(part.path()).unwrap(), data);
}

#[test]
fn every_digest_is_the_published_check_value() {
    let dir = tempfile::tempdir().unwrap();
    let part = PartFile::create_main(&place(&dir)).unwrap();
    part.write_at(0, b"123456789 and what follows does not count").unwrap();
    let found = part.digest(9, &DigestKind::ALL, &GO_ON).unwrap().unwrap();
    let want = [
        "sha256:15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        "sha512:d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
        "md5:25f9e794323b453885f5181f1b624d0b",
        "crc64:995dc9bbdf1939fa",
        "crc64nvme:ae8b14860a799888",
        "crc32c:e3069283",
        "sha1:f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    ];
    assert_eq!(found.iter().map(Digest::to_string).collect::<Vec<_>>(), want);
    assert!(part.digest(1000, &[DigestKind::Md5], &GO_ON).is_err());
    assert_eq!(part.digest(9, &[DigestKind::Md5], &AtomicBool::new(true)).unwrap(), None);
    let empty = part.digest(0, &[DigestKind::Md5], &GO_ON).unwrap().unwrap();
    assert_eq!(empty[0].hex(), "d41d8cd98f00b204e9800998ecf8427e");
}

#[test]
fn a_digest_of_several_buffers_is_that_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = bytes(2 * BUFFER_LEN + 1);
    let part = PartFile::create_main(&place(&dir)).unwrap();
    part.write_at(0, &data).unwrap();
    let found = part.digest(data.len() as u64, &[DigestKind::Crc64], &GO_ON).unwrap().unwrap();
    assert_eq!(found[0].bytes(), crc64(&data).to_be_bytes());
}

#[test]
fn a_sealed_file_has_its_length_mode_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let part = PartFile::create_main(&place(&dir)).unwrap();
    part.write_at(0, b"0123456789").unwrap();
    for ns in [1_700_000_000_123_456_789, -1] {
        let facts = part.seal(4, 0o644, Some(ns)).unwrap();
        assert_eq!((facts.len, facts.mtime_ns), (4, ns));
    }
    let before = part.facts().unwrap();
    assert_eq!(part.seal(4, 0o644, None).unwrap().mtime_ns, before.mtime_ns);
    assert_eq!(part.entry().unwrap().mode & 0o777, 0o644);
    assert_eq!(std::fs::read(part.path()).unwrap(), b"0123");
}
