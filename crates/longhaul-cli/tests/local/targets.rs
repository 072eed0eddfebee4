//! What stands at the target's name, and names that are hard to have.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use longhaul_devstore::{Fault, Gate, Object};

use crate::common::{Bench, SIZE, SOON, names};

const OLD: &[u8] = b"an older file";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench
}

#[test]
fn a_folder_is_a_usage_error() {
    let bench = bench();
    fs::create_dir(bench.file()).unwrap();
    for arg in [None, Some("--overwrite")] {
        let ran = bench.get().args(arg).run();
        ran.expect_code(&bench, 2);
        assert_eq!((bench.origin.requests(), names(&bench.folder()).len()), (0, 1), "{}", ran.report(&bench));
    }
}

#[test]
fn a_link_is_never_followed() {
    for dangling in [false, true] {
        let bench = bench();
        let victim = bench.root().join("victim");
        if !dangling {
            fs::write(&victim, OLD).unwrap();
        }
        symlink(&victim, bench.file()).unwrap();
        let ran = bench.get().run();
        ran.expect_code(&bench, 8);
        assert!(bench.file().is_symlink() && bench.served() == 0, "{}", ran.report(&bench));

        let ran = bench.get().arg("--overwrite").run();
        ran.expect(&bench, 0, "validator");
        assert!(!bench.file().is_symlink(), "{}", ran.report(&bench));
        assert_eq!(fs::read(&victim).ok().as_deref(), (!dangling).then_some(OLD), "{}", ran.report(&bench));
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
}

#[test]
fn an_unrelated_file_is_replaced_only_when_that_was_said() {
    let bench = bench();
    fs::write(bench.file(), OLD).unwrap();
    let ran = bench.get().run();
    ran.expect(&bench, 8, "exists");
    assert_eq!((fs::read(bench.file()).unwrap().as_slice(), bench.served()), (OLD, 0), "{}", ran.report(&bench));
    let ran = bench.get().arg("--overwrite").run();
    ran.expect(&bench, 0, "validator");
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

#[test]
fn devices_and_pipes_are_refused() {
    let bench = bench();
    let pipe = bench.folder().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for target in [pipe, PathBuf::from("/dev/null")] {
        for arg in [None, Some("--overwrite")] {
            let ran = bench.get().to(&target).args(arg).run();
            ran.expect_code(&bench, 8);
        }
    }
    assert!(!PathBuf::from("/dev/null.lhpart").exists() && !PathBuf::from("/dev/null.lhlog").exists());
    assert_eq!(names(&bench.folder()).len(), 1);
}

/// Something appears at the target while the body comes: it is left alone, and what was fetched is kept.
#[test]
fn what_appears_meanwhile_is_left_alone() {
    for link in [false, true] {
        let bench = bench();
        let gate = Gate::new();
        bench.origin.script("/file", vec![Fault::hold(SIZE / 2, &gate)]);
        let running = bench.get().start();
        assert!(gate.reached(SOON));
        let victim = bench.root().join("victim");
        fs::write(&victim, OLD).unwrap();
        if link { symlink(&victim, bench.file()) } else { fs::copy(&victim, bench.file()).map(drop) }.unwrap();
        gate.open();
        let ran = running.wait();
        ran.expect(&bench, 8, "exists, kept");
        assert_eq!(fs::read(bench.file()).unwrap(), OLD, "{}", ran.report(&bench));

        fs::remove_file(bench.file()).unwrap();
        let before = bench.served();
        let ran = bench.get().run();
        ran.expect_code(&bench, 0);
        assert_eq!(bench.served(), before, "{}", ran.report(&bench));
        assert_eq!(fs::read(&victim).unwrap(), OLD);
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
}

#[test]
fn the_longest_name_works_and_a_longer_one_is_told() {
    let bench = bench();
    let longest = bench.folder().join("n".repeat(255));
    bench.origin.script("/file", vec![Fault::Cut { after: SIZE / 2 }]);
    bench.get().to(&longest).retries(0).run().expect(&bench, 10, "network, kept");
    let ran = bench.get().to(&longest).run();
    ran.expect(&bench, 0, "validator, resumed");
    assert_eq!(Object::seeded(1, SIZE).content.first_difference_in_file(&longest).unwrap(), None);
    assert_eq!(names(&bench.folder()).len(), 1, "{}", ran.report(&bench));
    for name in ["n".repeat(256), "n".repeat(5000)] {
        let ran = bench.get().to(bench.folder().join(name)).run();
        ran.expect_code(&bench, 8);
        assert_eq!(names(&bench.folder()).len(), 1, "{}", ran.report(&bench));
    }
}

#[test]
fn missing_folders_are_created() {
    let bench = bench();
    let content = Object::seeded(1, SIZE).content;
    let file = bench.folder().join("a/b/file");
    bench.get().to(&file).run().expect(&bench, 0, "validator");
    assert_eq!(content.first_difference_in_file(&file).unwrap(), None);
    let folder = bench.folder().join("c/d");
    bench.get().into_dir(&folder).run().expect(&bench, 0, "validator");
    assert_eq!(content.first_difference_in_file(folder.join("file")).unwrap(), None);
}

/// What is not there makes no folder.
#[test]
fn a_folder_is_created_for_bytes_and_not_for_a_refusal() {
    let bench = bench();
    let ran = bench.get_url(bench.origin.url("/no-such-file")).into_dir(bench.folder().join("new")).run();
    ran.expect_code(&bench, 3);
    assert!(names(&bench.folder()).is_empty(), "{}", ran.report(&bench));
}
