//! A journal that is torn, flipped, emptied, foreign or newer: never trusted, never in the way.

use std::fs;
use std::os::unix::fs::symlink;

use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{self, Begin, Record};
use longhaul_devstore::Object;

use crate::common::{Bench, Dice, HALF, Ran, SIZE, names};

const SEED: u64 = 20_260_401;

struct Kept {
    part: Vec<u8>,
    log: Vec<u8>,
}

/// A bench where [`HALF`] of the object is held, and its files as they are then.
fn held() -> (Bench, Kept) {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.hold(HALF);
    let kept = Kept { part: fs::read(bench.part()).unwrap(), log: fs::read(bench.log()).unwrap() };
    (bench, kept)
}

/// A run over the partial as it was kept and this journal; it must end with the right file and not be asked for more
/// than everything. Returns it and what was served.
fn resume_with(bench: &Bench, kept: &Kept, log: &[u8], what: &str) -> (Ran, u64) {
    fs::remove_dir_all(bench.folder()).unwrap();
    fs::remove_dir_all(bench.state()).unwrap();
    fs::create_dir(bench.folder()).unwrap();
    fs::write(bench.part(), &kept.part).unwrap();
    fs::write(bench.log(), log).unwrap();
    let before = bench.served();
    let ran = bench.get().alone().run();
    let served = bench.served() - before;
    assert_eq!((ran.unsound(), ran.code()), (None, 0), "{what}: {}", ran.report(bench));
    let difference = Object::seeded(1, SIZE).content.first_difference_in_file(bench.file()).unwrap();
    assert_eq!(difference, None, "{what}: {}", ran.report(bench));
    assert!(served <= SIZE, "{what}: {served} bytes served: {}", ran.report(bench));
    (ran, served)
}

#[test]
fn torn_at_any_length() {
    let (bench, kept) = held();
    let mut dice = Dice(SEED);
    let (len, begun) = (kept.log.len(), begun(&kept.log));
    let mut lengths = vec![0, 1, 15, 16, 17, len - 1];
    lengths.extend([begun - 1, begun]);
    lengths.extend((0..18).map(|_| usize::try_from(dice.below(len as u64)).unwrap()));
    lengths.sort_unstable();
    for at in lengths {
        let what = format!("seed {SEED}, torn at {at} of {len}");
        let (ran, served) = resume_with(&bench, &kept, &kept.log[..at], &what);
        println!("torn at {at:>5} of {len}: {:<44} {served:>8} bytes", ran.verdict());
        let told = ran.event("restarted").is_some();
        assert!(at >= begun || told, "{what}: started over in silence: {}", ran.report(&bench));
    }
}

#[test]
fn flipped_at_any_bit() {
    let (bench, kept) = held();
    let mut dice = Dice(SEED + 1);
    for _ in 0..24 {
        let mut log = kept.log.clone();
        let bit = dice.below(8 * log.len() as u64);
        log[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        let what = format!("seed {}, bit {bit} flipped", SEED + 1);
        let (ran, served) = resume_with(&bench, &kept, &log, &what);
        println!("bit {bit:>6} flipped: {:<44} {served:>8} bytes", ran.verdict());
    }
}

/// Whole records with right checksums that no program of ours writes: set aside or begun anew, with the reason, and the
/// server is asked no more often than for a new download.
#[test]
fn made_up_by_somebody_who_knows_the_format() {
    let (bench, kept) = held();
    let recovered = journal::decode(&kept.log).unwrap();
    let begin = recovered.current.unwrap().begin;
    let first = Record::Begin(begin.clone());
    let with = |change: &dyn Fn(&mut Begin)| {
        let mut begin = begin.clone();
        change(&mut begin);
        Record::Begin(begin)
    };
    let second = |generation| {
        with(&|begin: &mut Begin| {
            begin.slot = Slot::Next;
            begin.generation = generation;
        })
    };
    for (what, records) in [
        ("a second file without a first one", vec![second(1)]),
        ("blocks of one byte", vec![with(&|begin| begin.block_len = 1)]),
        ("the last number there is", vec![with(&|begin| begin.generation = u32::MAX)]),
        ("two of one number", vec![first.clone(), second(begin.generation)]),
    ] {
        let mut log = journal::header().to_vec();
        let sequence = journal::encode(&[Record::Source(recovered.source.clone())], 0, &mut log);
        journal::encode(&records, sequence, &mut log);
        let before = bench.origin.requests();
        let (ran, _) = resume_with(&bench, &kept, &log, what);
        assert!(bench.origin.requests() - before <= 2, "{what}: {}", ran.report(&bench));
        assert_eq!(ran.event("restarted").unwrap()["reason"], "journal_unusable", "{what}: {}", ran.report(&bench));
    }
}

/// What cannot be read is set aside with its reason, and everything is fetched.
#[test]
fn a_journal_that_is_none_is_set_aside() {
    let (bench, kept) = held();
    let mut newer = kept.log.clone();
    newer[8..10].copy_from_slice(&2_u16.to_le_bytes());
    let crc = crc32c(&newer[..12]);
    newer[12..16].copy_from_slice(&crc.to_le_bytes());
    let mut foreign = kept.log.clone();
    foreign[..8].copy_from_slice(b"shorthau");
    for (what, log) in [
        ("from a newer version", newer),
        ("of another program", foreign),
        ("text", b"# a list of something\n".repeat(100)),
        ("zeros", vec![0; 4096]),
    ] {
        let (ran, served) = resume_with(&bench, &kept, &log, what);
        assert_eq!(ran.verdict(), "validator, restarted (journal_unusable)", "{what}: {}", ran.report(&bench));
        assert_eq!(served, SIZE, "{what}");
        assert!(names(&bench.folder()).contains("file.lhlog.bad-1"), "{what}: {}", ran.report(&bench));
        assert_eq!(fs::read(bench.folder().join("file.lhlog.bad-1")).unwrap(), log, "{what}: it was changed");
    }
}

#[test]
fn a_huge_sparse_journal_costs_no_time() {
    let (bench, _) = held();
    fs::OpenOptions::new().write(true).open(bench.log()).unwrap().set_len(8 << 30).unwrap();
    let ran = bench.get().run();
    ran.expect_code(&bench, 0);
    assert!(ran.elapsed.as_secs() < 20, "{}", ran.report(&bench));
}

#[test]
fn a_partial_without_its_journal_proves_nothing() {
    let (bench, _) = held();
    fs::remove_file(bench.log()).unwrap();
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, restarted (no_journal)");
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

#[test]
fn a_link_or_folder_in_its_place_is_moved_aside_and_not_followed() {
    for link in [true, false] {
        let (bench, kept) = held();
        let victim = bench.root().join("victim");
        fs::write(&victim, &kept.log).unwrap();
        fs::remove_file(bench.log()).unwrap();
        if link {
            symlink(&victim, bench.log()).unwrap();
        } else {
            fs::create_dir(bench.log()).unwrap();
        }
        let ran = bench.get().run();
        ran.expect(&bench, 0, "validator, restarted (journal_unusable)");
        assert_eq!(fs::read(&victim).unwrap(), kept.log, "link {link}: {}", ran.report(&bench));
        let difference = Object::seeded(1, SIZE).content.first_difference_in_file(bench.file()).unwrap();
        assert_eq!(difference, None, "link {link}: {}", ran.report(&bench));
    }
}

/// The partial of another source is not ours to touch; the message names both.
#[test]
fn a_partial_of_another_source_is_refused() {
    let (bench, kept) = held();
    bench.origin.put("/another", Object::seeded(2, SIZE));
    let before = bench.origin.requests();
    let ran = bench.get_url(bench.origin.url("/another")).run();
    ran.expect_code(&bench, 8);
    for source in ["/another", "/file"] {
        assert!(ran.stderr.contains(&bench.origin.url(source)), "{source} is not named: {}", ran.report(&bench));
    }
    assert_eq!(bench.origin.requests(), before, "{}", ran.report(&bench));
    assert!(fs::read(bench.part()).unwrap() == kept.part && fs::read(bench.log()).unwrap() == kept.log);
    bench.get().run().expect(&bench, 0, "validator, resumed");
}

/// Where the record of the begin ends: the second frame (docs/journal.md).
fn begun(log: &[u8]) -> usize {
    let frame = |at: usize| at + 13 + usize::try_from(u32::from_le_bytes(log[at..at + 4].try_into().unwrap())).unwrap();
    frame(frame(16))
}

/// CRC-32C (RFC 3720, B.4), bit by bit: what the header of a journal is sealed with.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
