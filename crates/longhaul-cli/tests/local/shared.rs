//! A folder that other users write to as well: what they made, or could change, is never taken for ours.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

use longhaul_devstore::Object;

use crate::common::{Bench, HALF, SIZE, names, tree};

/// Another user, who need not exist.
const OTHER: u32 = 54_321;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench
}

/// Whether files can be given to another user here; says so when not.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: only root can give files to another user");
    }
    root
}

fn give_away(path: &Path) {
    chown(path, Some(OTHER), None).unwrap();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Whoever owns the file can change it when it has its name; whoever could open it for writing has it open still.
#[test]
fn a_part_file_that_another_user_could_change_is_refused_even_when_it_is_empty() {
    if !is_root() {
        return;
    }
    for slot in ["file.lhpart", "file.lhnext"] {
        for (what, bytes, theirs, mode) in [
            ("an empty one for everybody", &b""[..], true, 0o666),
            ("an empty private one", b"", true, 0o600),
            ("one with bytes", b"theirs", true, 0o644),
            ("ours, but for everybody", b"", false, 0o666),
            ("ours, but for the group", b"ours", false, 0o660),
        ] {
            let bench = bench();
            if slot == "file.lhnext" {
                bench.hold(HALF);
            }
            let part = bench.folder().join(slot);
            fs::write(&part, bytes).unwrap();
            chmod(&part, mode);
            if theirs {
                give_away(&part);
            }
            let requests = bench.origin.requests();
            let ran = bench.get().run();
            ran.expect_code(&bench, 8);
            let said = if theirs { "belongs to another user (number 54321)" } else { "other users may write to it" };
            assert!(ran.stderr.contains(said) && ran.stderr.contains(slot), "{what}: {}", ran.report(&bench));
            assert_eq!(bench.origin.requests(), requests, "{what}: {}", ran.report(&bench));
            let now = part.metadata().unwrap();
            assert_eq!((fs::read(&part).unwrap().as_slice(), now.mode() & 0o777), (bytes, mode), "{slot}, {what}");
            assert!(!bench.file().exists());
            // Moved away, as the message says, it is in nobody's way.
            fs::rename(&part, bench.root().join("aside")).unwrap();
            let ran = bench.get().run();
            ran.expect_code(&bench, 0);
            bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
            assert_ne!(bench.file().metadata().unwrap().ino(), now.ino(), "{slot}, {what}: their file was published");
            assert_eq!(bench.file().metadata().unwrap().uid(), 0);
        }
    }
}

#[test]
fn a_journal_of_another_user_is_set_aside_and_what_it_says_is_not_believed() {
    if !is_root() {
        return;
    }
    type Spoil = fn(&Path);
    let table: [(&str, Spoil); 3] =
        [("theirs", give_away), ("for everybody", |log| chmod(log, 0o666)), ("for the group", |log| chmod(log, 0o620))];
    for (what, spoil) in table {
        let bench = bench();
        bench.hold(HALF);
        spoil(&bench.log());
        let kept = fs::read(bench.log()).unwrap();
        let show =
            bench.longhaul(["show", "--state-dir", bench.state().to_str().unwrap(), bench.file().to_str().unwrap()]);
        assert_eq!(show.unsound(), None, "{what}: {}", show.report(&bench));
        let ran = bench.get().run();
        ran.expect(&bench, 0, "validator, restarted (journal_unusable)");
        assert_eq!(fs::read(bench.folder().join("file.lhlog.bad-1")).unwrap(), kept, "{what}");
        assert_eq!(Object::seeded(1, SIZE).content.first_difference_in_file(bench.file()).unwrap(), None, "{what}");
    }
}

/// What no start may use is no reason to remove it either.
#[test]
fn what_is_no_plain_file_at_the_name_of_a_new_generation_is_refused_and_stays() {
    type Make = fn(&Path);
    let table: [(&str, Make); 4] = [
        ("a link", |next| symlink("/dev/null", next).unwrap()),
        ("a folder", |next| fs::create_dir(next).unwrap()),
        ("a socket", |next| drop(std::os::unix::net::UnixListener::bind(next).unwrap())),
        ("a second name", |next| {
            let victim = next.with_file_name("victim");
            fs::write(&victim, b"somebody's").unwrap();
            fs::hard_link(victim, next).unwrap();
        }),
    ];
    for (what, make) in table {
        let bench = bench();
        bench.hold(HALF);
        let next = bench.folder().join("file.lhnext");
        make(&next);
        let before = names(&bench.folder());
        let ran = bench.get().run();
        ran.expect_code(&bench, 8);
        assert_eq!(names(&bench.folder()), before, "{what}: {}", ran.report(&bench));
    }
}

/// Files of users that are named like helpers of ours, now or once, are theirs: whatever is done beside them.
#[test]
fn files_that_are_named_like_helpers_stay_as_they_are() {
    let bench = bench();
    let theirs = ["file.lhpart~", "file.lhmode~", "file.lhlog~", "file.lhlog.bad-1", "file.lhpart~0123456789abcdef"];
    for name in theirs {
        fs::write(bench.folder().join(name), name).unwrap();
    }
    let all_there = |what: &str| {
        for name in theirs {
            assert_eq!(fs::read(bench.folder().join(name)).ok().as_deref(), Some(name.as_bytes()), "{what}: {name}");
        }
    };
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator");
    all_there("a whole download");
    fs::remove_file(bench.file()).unwrap();
    bench.hold(HALF);
    all_there("a cut download");
    fs::write(bench.log(), b"no journal").unwrap();
    bench.get().run().expect(&bench, 0, "validator, restarted (journal_unusable)");
    all_there("a journal that was set aside");
    assert_eq!(fs::read(bench.folder().join("file.lhlog.bad-2")).unwrap(), b"no journal");
    fs::remove_file(bench.file()).unwrap();
    bench.hold(HALF);
    let file = bench.file();
    let cancel = ["cancel", "--state-dir", bench.state().to_str().unwrap(), file.to_str().unwrap()].map(str::to_owned);
    let ran = bench.longhaul(cancel);
    ran.expect_code(&bench, 0);
    all_there("a cancelled download");
    assert_eq!(names(&bench.folder()).len(), theirs.len() + 1, "{}", ran.report(&bench));
}

/// No file is made to find out which permissions a new one gets, so none can stay; they are the usual ones all the
/// same.
#[test]
fn the_finished_file_has_the_usual_permissions_and_no_helper_was_made_for_them() {
    let bench = bench();
    let plain = bench.root().join("plain");
    fs::write(&plain, b"").unwrap();
    let usual = plain.metadata().unwrap().mode();
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator");
    assert_eq!(bench.file().metadata().unwrap().mode(), usual);
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

#[test]
fn a_state_folder_of_another_user_is_refused_and_nothing_is_sent_anywhere() {
    if !is_root() {
        return;
    }
    type Spoil = fn(&Path);
    let table: [(&str, Spoil); 3] = [
        ("the folder", |state| chown(state, Some(OTHER), None).unwrap()),
        ("a folder in it", |state| chown(state.join("uploads"), Some(OTHER), None).unwrap()),
        ("the notes", |state| {
            for note in tree(&state.join("transfers")) {
                give_away(&note);
            }
        }),
    ];
    for (what, spoil) in table {
        let bench = bench();
        bench.hold(HALF);
        spoil(&bench.state());
        let requests = bench.origin.requests();
        let state = bench.state();
        for command in [&["cancel", "--all"][..], &["cancel", "0123abcd"]] {
            let args = command.iter().copied().chain(["--state-dir", state.to_str().unwrap()]);
            let ran = bench.longhaul(args);
            ran.expect_code(&bench, 8);
            assert!(what == "the notes" || ran.stderr.contains("another user"), "{what}: {}", ran.report(&bench));
        }
        assert_eq!(bench.origin.requests(), requests, "{what}");
        assert!(bench.part().exists() && bench.log().exists(), "{what}: it was removed");
    }
}

/// As in `/tmp`: everybody may make files, and remove or rename their own only.
#[test]
fn in_a_sticky_folder_a_user_gets_a_file_of_his_own_or_exit_code_8() {
    const THIRD: u32 = 12_345;
    if !is_root() {
        return;
    }
    let bench = bench();
    chmod(bench.root(), 0o755);
    chmod(&bench.folder(), 0o1777);
    give_away(&bench.state());
    let binary = assert_cmd::cargo::cargo_bin!("longhaul");
    let as_other = |args: &[&str]| {
        let mut command = std::process::Command::new(binary);
        command.args(args).uid(OTHER).gid(OTHER).current_dir("/").env("HOME", bench.state());
        command.output()
    };
    if !as_other(&["--version"]).is_ok_and(|out| out.status.success()) {
        println!("skipped: another user cannot run {}", binary.display());
        return;
    }
    let (url, file, state) = (bench.origin.url("/file"), bench.file(), bench.state());
    let get = || {
        let (file, state) = (file.to_str().unwrap(), state.to_str().unwrap());
        let out =
            as_other(&["get", &url, "-o", file, "--proxy", "none", "--retries", "0", "--state-dir", state]).unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    for (name, bytes, owner, mode) in [
        ("file.lhpart", &b""[..], THIRD, 0o666),
        ("file.lhpart", b"", 0, 0o644), // root's is trusted, and not to be written to
        ("file.lhlog", b"nonsense", THIRD, 0o644),
        ("file.lhlog", b"", THIRD, 0o666),
    ] {
        let theirs = bench.folder().join(name);
        fs::write(&theirs, bytes).unwrap();
        chmod(&theirs, mode);
        chown(&theirs, Some(owner), None).unwrap();
        let (code, said) = get();
        assert_eq!(code, Some(8), "{name} of {owner}: {said}");
        assert!(said.contains(name), "{name} of {owner}: {said}");
        assert_eq!((fs::read(&theirs).unwrap().as_slice(), file.exists()), (bytes, false), "{name} of {owner}: {said}");
        assert_eq!(bench.origin.requests(), 0, "{name} of {owner}: {said}");
        fs::remove_file(&theirs).unwrap();
        assert!(names(&bench.folder()).is_empty(), "{name} of {owner}: {:?}", names(&bench.folder()));
    }
    let (code, said) = get();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(file.metadata().unwrap().uid(), OTHER);
    assert_eq!(Object::seeded(1, SIZE).content.first_difference_in_file(&file).unwrap(), None);
}
