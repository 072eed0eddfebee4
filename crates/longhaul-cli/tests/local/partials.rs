//! A partial file that is not as it was left: what is damaged, and only that, is fetched again.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};

use longhaul_devstore::Object;

use crate::common::{Bench, HALF, Ran, SIZE, tree};

const MIB: u64 = 1 << 20;
/// What a checksum in the journal is of.
const BLOCK: u64 = 256 << 10;
const REST: u64 = SIZE - HALF;

/// A bench where [`HALF`] of the object is held.
fn held() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.hold(HALF);
    bench
}

/// The next run, and what was served for it.
fn next(bench: &Bench) -> (Ran, u64) {
    let before = bench.served();
    let ran = bench.get().run();
    (ran, bench.served() - before)
}

fn flip(bench: &Bench, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(bench.part()).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

fn set_len(bench: &Bench, len: u64) {
    OpenOptions::new().write(true).open(bench.part()).unwrap().set_len(len).unwrap();
}

#[test]
fn only_what_is_damaged_is_fetched_again() {
    type Damage = fn(&Bench);
    let table: Vec<(&str, Damage, u64, bool)> = vec![
        ("left alone", |_| {}, REST, false),
        (
            "touched",
            |bench| File::open(bench.part()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap(),
            REST,
            false,
        ),
        ("extended", |bench| set_len(bench, SIZE + MIB), REST, false),
        (
            "extended by garbage",
            |bench| OpenOptions::new().append(true).open(bench.part()).unwrap().write_all(&[0xaa; 300_000]).unwrap(),
            REST,
            false,
        ),
        ("a bit flipped in the first block", |bench| flip(bench, 5), REST + BLOCK, true),
        ("a bit flipped in the second block", |bench| flip(bench, 2 * BLOCK - 1), REST + BLOCK, true),
        ("a bit flipped in the block that is not whole", |bench| flip(bench, HALF - 1), SIZE - 2 * MIB, true),
        ("a bit flipped in every block", |bench| (0..=8).for_each(|block| flip(bench, block * BLOCK)), SIZE, true),
        ("truncated inside a block", |bench| set_len(bench, MIB + 5), SIZE - MIB, true),
        ("truncated by a byte", |bench| set_len(bench, HALF - 1), SIZE - 2 * MIB, true),
        ("truncated to nothing", |bench| set_len(bench, 0), SIZE, true),
        (
            "truncated and grown again",
            |bench| {
                set_len(bench, MIB);
                set_len(bench, SIZE);
            },
            SIZE - MIB,
            true,
        ),
        ("zeroed", |bench| fs::write(bench.part(), vec![0; usize::try_from(HALF).unwrap()]).unwrap(), SIZE, true),
        ("deleted", |bench| fs::remove_file(bench.part()).unwrap(), SIZE, true),
        (
            "replaced by a copy",
            |bench| {
                let copy = fs::read(bench.part()).unwrap();
                fs::remove_file(bench.part()).unwrap();
                fs::write(bench.part(), copy).unwrap();
            },
            REST,
            false,
        ),
    ];
    let mut problems = String::new();
    for (name, damage, served, told) in table {
        let bench = held();
        damage(&bench);
        let (ran, bytes) = next(&bench);
        let right = Object::seeded(1, SIZE).content.first_difference_in_file(bench.file());
        println!("{name:<46} {} {:<24} {bytes:>8} bytes", ran.code(), ran.verdict());
        let said = ran.event("damaged").is_some();
        let ok = ran.unsound().is_none() && ran.code() == 0 && bytes == served && matches!(right, Ok(None));
        if !ok || said != told {
            problems += &format!("\n## {name}: {bytes} bytes and not {served}, {right:?}\n{}", ran.report(&bench));
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

/// A link or a folder in the partial's place is refused, nothing is followed, and when it is gone the next start works.
#[test]
fn what_is_no_plain_file_is_refused_and_not_followed() {
    type Replace = fn(&Bench);
    let table: [(&str, Replace); 5] = [
        ("a link to a file", |bench| symlink(bench.root().join("victim"), bench.part()).unwrap()),
        ("a link to nothing", |bench| symlink(bench.root().join("nothing"), bench.part()).unwrap()),
        ("a folder", |bench| fs::create_dir(bench.part()).unwrap()),
        ("a pipe", |bench| pipe(&bench.part())),
        ("another name of a file elsewhere", |bench| {
            fs::hard_link(bench.root().join("victim"), bench.part()).unwrap();
        }),
    ];
    for (name, replace) in table {
        let bench = held();
        let victim = bench.root().join("victim");
        fs::write(&victim, b"somebody's").unwrap();
        fs::remove_file(bench.part()).unwrap();
        replace(&bench);
        let before = tree(bench.root());
        let ran = bench.get().run();
        println!("{name}: {} {}", ran.code(), ran.stderr.trim_end());
        assert_eq!((ran.unsound(), ran.code()), (None, 8), "{name}: {}", ran.report(&bench));
        assert_eq!(fs::read(&victim).unwrap(), b"somebody's", "{name}: {}", ran.report(&bench));
        let runs = bench.root().join("runs");
        let new: Vec<_> =
            tree(bench.root()).difference(&before).filter(|path| !path.starts_with(&runs)).cloned().collect();
        assert!(new.is_empty(), "{name}: {new:?}");

        if bench.part().is_dir() { fs::remove_dir(bench.part()) } else { fs::remove_file(bench.part()) }.unwrap();
        let (ran, served) = next(&bench);
        ran.expect_code(&bench, 0);
        assert_eq!(served, SIZE, "{name}: {}", ran.report(&bench));
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
}

fn pipe(path: &std::path::Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// A folder that was moved away with its partial goes on where it is now.
#[test]
fn a_moved_folder_resumes() {
    let bench = held();
    let moved = bench.root().join("moved");
    fs::rename(bench.folder(), &moved).unwrap();
    let before = bench.served();
    let ran = bench.get().to(moved.join("file")).state_dir(bench.root().join("other-state")).run();
    fs::rename(&moved, bench.folder()).unwrap();
    ran.expect(&bench, 0, "validator, resumed");
    assert_eq!(bench.served() - before, REST);
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}
