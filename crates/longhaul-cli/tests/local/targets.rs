//! What stands at the target's name, and names that are hard to have.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use longhaul_devstore::{Content, Fault, Gate, Object};

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

/// A right file at the target, brought by another program: it is recognised, nothing is asked, and the receipt is
/// enough for the next start.
#[test]
fn a_right_file_is_recognised_by_its_digest() {
    for length in [0, 5, SIZE] {
        let bench = Bench::new();
        let object = Object::seeded(1, length);
        let digest = format!("sha256:{}", object.content.sha256());
        fs::create_dir_all(bench.folder()).unwrap();
        fs::write(bench.file(), object.content.to_vec()).unwrap();
        let before = fs::metadata(bench.file()).unwrap();
        bench.origin.put("/file", object.clone());

        for arg in [None, Some("--overwrite"), None] {
            let ran = bench.get().args(["--checksum", &digest]).args(arg).run();
            ran.expect(&bench, 0, "sha256, already");
            let done = ran.event("done").unwrap();
            assert_eq!(
                (&done["already"], &done["bytes"], &done["digests"][0]),
                (&true.into(), &length.into(), &digest.clone().into())
            );
            assert_eq!(bench.origin.requests(), 0, "{}", ran.report(&bench));
            assert_eq!(names(&bench.folder()).len(), 1, "{}", ran.report(&bench));
        }
        let after = fs::metadata(bench.file()).unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));

        let ran = bench.get().run();
        ran.expect(&bench, 8, "exists"); // without the digest, nobody says that it is that
        assert_eq!(bench.served(), 0, "{}", ran.report(&bench));
        let verified =
            bench.longhaul(["verify", bench.file().to_str().unwrap(), "--state-dir", bench.state().to_str().unwrap()]);
        verified.expect_code(&bench, 0);
    }
}

/// The file of this program, with another state directory.
#[test]
fn a_file_that_another_user_of_the_program_fetched_is_recognised() {
    let bench = bench();
    bench.get().run().expect(&bench, 0, "validator");
    let (served, other) = (bench.served(), bench.root().join("other"));
    let ran = bench.get().state_dir(&other).run();
    ran.expect(&bench, 8, "exists");
    let digest = format!("sha256:{}", Object::seeded(1, SIZE).content.sha256());
    let ran = bench.get().state_dir(&other).args(["--checksum", &digest]).run();
    ran.expect(&bench, 0, "sha256, already");
    assert_eq!(bench.served(), served, "{}", ran.report(&bench));
}

/// Our own finished file: the digest that is given now was not compared then.
#[test]
fn a_finished_file_is_held_against_a_digest_that_is_given_later() {
    let bench = bench();
    bench.get().run().expect(&bench, 0, "validator");
    let served = bench.served();
    let right = format!("sha256:{}", Object::seeded(1, SIZE).content.sha256());
    let wrong = format!("sha256:{}", Object::seeded(2, SIZE).content.sha256());
    let ran = bench.get().args(["--checksum", &right]).run();
    ran.expect(&bench, 0, "sha256, already");
    let ran = bench.get().args(["--checksum", &wrong]).run();
    ran.expect_code(&bench, 7);
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, already"); // which version it is, is known still
    assert_eq!(bench.served(), served + 2, "{}", ran.report(&bench));
}

/// A wrong file, a part of the right one, and a link to the right one are left alone.
#[test]
fn what_does_not_have_the_digest_is_refused_and_left() {
    let object = Object::seeded(1, SIZE);
    let digest = format!("sha256:{}", object.content.sha256());
    let whole = object.content.to_vec();
    for bytes in [OLD, &whole[..1000]] {
        let bench = bench();
        fs::write(bench.file(), bytes).unwrap();
        let ran = bench.get().args(["--checksum", &digest]).run();
        ran.expect(&bench, 8, "exists");
        let error = ran.event("failed").unwrap()["message"].as_str().unwrap().to_owned();
        let of_it = format!("the file there has sha256:{}", Content::bytes(bytes.to_vec()).sha256());
        assert!(error.contains(&of_it) && error.contains(&format!("{digest} was expected")), "{error}");
        assert_eq!((fs::read(bench.file()).unwrap().as_slice(), bench.origin.requests()), (bytes, 0));
        assert_eq!(names(&bench.folder()).len(), 1, "{}", ran.report(&bench));

        let ran = bench.get().args(["--checksum", &digest, "--overwrite"]).run();
        ran.expect(&bench, 0, "sha256");
        bench.assert_published(&object.content, &ran);
    }
    let bench = bench();
    let there = bench.root().join("there");
    fs::write(&there, &whole).unwrap();
    symlink(&there, bench.file()).unwrap();
    let ran = bench.get().args(["--checksum", &digest]).run();
    ran.expect(&bench, 8, "exists");
    assert_eq!(bench.origin.requests(), 0, "{}", ran.report(&bench));
}

/// Others may write to it: its bytes of this moment prove nothing of the next.
#[test]
fn a_file_that_others_may_change_is_not_recognised() {
    let bench = bench();
    let object = Object::seeded(1, SIZE);
    fs::write(bench.file(), object.content.to_vec()).unwrap();
    fs::set_permissions(bench.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let ran = bench.get().args(["--checksum", &format!("sha256:{}", object.content.sha256())]).run();
    ran.expect(&bench, 8, "exists");
    let error = ran.event("failed").unwrap()["message"].as_str().unwrap().to_owned();
    assert!(error.contains("other users may write to it"), "{error}");
    assert_eq!(bench.origin.requests(), 0, "{}", ran.report(&bench));
}

/// The digest is that of the file, also where the file is a part of the object.
#[test]
fn a_range_is_recognised_by_the_digest_of_its_bytes() {
    let bench = bench();
    let bytes = Object::seeded(1, SIZE).content.slice(100..1100).to_vec();
    fs::write(bench.file(), &bytes).unwrap();
    let digest = format!("sha256:{}", Content::bytes(bytes).sha256());
    let ran = bench.get().args(["--range", "100-1099", "--checksum", &digest]).run();
    ran.expect(&bench, 0, "sha256, already");
    assert_eq!(bench.origin.requests(), 0, "{}", ran.report(&bench));
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
