//! Goal: no bytes make a decoder panic or hang. Method: the seeds of `fuzz/seeds` and the golden files, each thousands
//! of times with a little damage, from numbers that are the same every time. libFuzzer looks deeper: `scripts/fuzz`.

use std::path::{Path, PathBuf};

use super::mutate::{Dice, files, mutated};
use super::{TARGETS, unframed};

/// Of each target: enough to go through every branch that a few bytes can reach, in a second or two.
const TRIES: usize = 4000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The seeds of a target. Golden files stay where they are.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let golden = |name: &str| std::fs::read(root().join("crates/longhaul-core/tests/data").join(name)).unwrap();
    let mut seeds = files(&root().join("fuzz/seeds").join(target));
    match target {
        "download_journal" => seeds.push(golden("journal-v1.bin")),
        "download_records" => seeds.push(unframed(&golden("journal-v1.bin"))),
        "upload_journal" => seeds.push(golden("upload-journal-v1.bin")),
        "upload_records" => seeds.push(unframed(&golden("upload-journal-v1.bin"))),
        _ => {}
    }
    seeds
}

#[test]
fn no_bytes_break_a_decoder() {
    for (name, decode) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| decode(seed));
        let mut dice = Dice(7);
        for _ in 0..TRIES {
            let (one, other) = (dice.below(seeds.len()), dice.below(seeds.len()));
            let bytes = mutated(&seeds[one], &seeds[other], &mut dice);
            let whole = std::panic::catch_unwind(|| decode(&bytes));
            assert!(whole.is_ok(), "{name} broke on: {}", bytes.escape_ascii());
        }
    }
}

/// The framing here is the journals': a seed that is taken apart and put together decodes as before.
#[test]
fn seeds_of_records_are_journals_again() {
    for (name, header) in [
        ("journal-v1.bin", longhaul_core::download::journal::header()),
        ("upload-journal-v1.bin", longhaul_core::upload::journal::header()),
    ] {
        let golden = std::fs::read(root().join("crates/longhaul-core/tests/data").join(name)).unwrap();
        assert_eq!(super::framed(header.to_vec(), &unframed(&golden)), golden, "{name}");
    }
}

/// `fuzz/` has a target for each of these and no other, besides the command line's.
#[test]
fn libfuzzer_has_the_same_targets() {
    let mut there: Vec<String> = std::fs::read_dir(root().join("fuzz/fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "netrc")
        .collect();
    let mut ours: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    there.sort();
    ours.sort_unstable();
    assert_eq!(there, ours);
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    assert!(ours.iter().all(|name| manifest.contains(&format!("name = \"{name}\"\n"))), "{manifest}");
}
