//! `cancel` and `clean`: nothing is left in the store that nobody knows of.

use std::fs;

use crate::common::eventually;
use crate::depot::Depot;

/// An upload that was left with eight parts stored; its id.
fn left(depot: &Depot) -> String {
    let (film, _) = depot.film();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=8");
    depot.expect(&depot.put(&film, "film").until_it_fails().run(), 10, "network, kept");
    depot.store.clear_faults();
    assert_eq!(depot.unfinished(), 1);
    depot.listed()[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn cancel_removes_an_upload_by_id_by_file_and_all() {
    let depot = Depot::open();
    for what in ["id", "file", "--all"] {
        let id = left(&depot);
        let film = depot.bench.folder().join("film");
        let what = match what {
            "id" => &id[..6],
            "file" => film.to_str().unwrap(),
            all => all,
        };
        let ran = depot.longhaul_online(&["cancel", what]);
        assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
        assert!(ran.stdout.contains("nothing of it is left in oss://films/film"), "{}", ran.stdout);
        depot.assert_nothing_left(&ran);
    }
    let ran = depot.longhaul_online(&["cancel", "--all"]);
    assert!(ran.code() == 0 && ran.stderr.contains("no unfinished transfers"), "{}", ran.stderr);
    let ran = depot.longhaul_online(&["cancel", "nothing-of-this-name"]);
    assert!(ran.code() == 8 && ran.stderr.contains("no transfer is known"), "{}", ran.stderr);
}

/// The journal of an upload is what is known of it; without one an entry stands for none.
#[test]
fn an_entry_whose_journal_is_gone_is_not_listed_and_goes() {
    for way in ["id", "file", "all", "clean"] {
        let depot = Depot::open();
        let id = left(&depot);
        let journals = depot.bench.state().join("uploads");
        for entry in fs::read_dir(&journals).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert!(depot.listed().is_empty(), "{:?}", depot.listed());
        let (film, before) = (depot.bench.folder().join("film"), depot.requests("AbortMultipartUpload").len());
        let ran = match way {
            "id" => depot.longhaul_online(&["cancel", &id[..6]]),
            "file" => depot.longhaul_online(&["cancel", film.to_str().unwrap()]),
            "all" => depot.longhaul_online(&["cancel", "--all"]),
            _ => depot.longhaul_online(&["clean", "--yes"]),
        };
        assert_eq!(ran.code(), 0, "{way}: {}", depot.report(&ran));
        assert!(ran.stdout.contains("forgotten"), "{way}: {}", ran.stdout);
        assert_eq!(depot.requests("AbortMultipartUpload").len(), before, "{way}");
        let all = depot.longhaul(&["list", "--all", "--json"]);
        assert!(all.code() == 0 && all.events.is_empty(), "{way}: {}", all.stdout);
    }
}

#[test]
fn cancel_does_without_the_file() {
    let depot = Depot::open();
    let id = left(&depot);
    fs::remove_file(depot.bench.folder().join("film")).unwrap();
    let ran = depot.longhaul_online(&["cancel", &id]);
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    depot.assert_nothing_left(&ran);
}

#[test]
fn cancel_keeps_the_parts_when_asked() {
    let depot = Depot::open();
    let id = left(&depot);
    let ran = depot.longhaul_online(&["cancel", &id, "--keep-parts", "--json"]);
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!(ran.events[0]["clean"], serde_json::Value::Null);
    assert_eq!((depot.listed().len(), depot.unfinished()), (0, 1), "{}", depot.report(&ran));
}

#[test]
fn what_could_not_be_removed_stays_known_and_clean_settles_it() {
    let depot = Depot::open();
    let id = left(&depot);
    depot.fault("kind=status op=AbortMultipartUpload status=503 code=ServiceUnavailable");
    let ran = depot.longhaul_online(&["cancel", &id]);
    assert_eq!(ran.unsound(), None, "{}", depot.report(&ran));
    assert_eq!((depot.listed().len(), depot.unfinished()), (1, 1), "{}", depot.report(&ran));
    depot.store.clear_faults();
    let asked = depot.longhaul_online(&["clean"]);
    assert!(
        asked.code() == 2 && asked.stdout.contains("given up") && asked.stderr.contains("--yes"),
        "{}",
        asked.stdout
    );
    assert_eq!(depot.unfinished(), 1, "nothing is done unasked");
    let ran = depot.longhaul_online(&["clean", "--yes"]);
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    depot.assert_nothing_left(&ran);
    let ran = depot.longhaul_online(&["clean", "--yes"]);
    assert!(ran.stderr.contains("nothing is left over"), "{}", ran.stderr);
}

#[test]
fn clean_removes_uploads_whose_file_is_gone_and_no_others() {
    let depot = Depot::open();
    left(&depot);
    let ran = depot.longhaul_online(&["clean", "--yes"]);
    assert!(ran.code() == 0 && depot.unfinished() == 1, "it can be gone on with: {}", depot.report(&ran));
    fs::remove_file(depot.bench.folder().join("film")).unwrap();
    let ran = depot.longhaul_online(&["clean", "--yes", "--json"]);
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!((ran.events[0]["why"].as_str(), ran.events[0]["settled"].as_bool()), (Some("no_source"), Some(true)));
    depot.assert_nothing_left(&ran);
}

#[test]
fn what_is_only_perhaps_ours_is_removed_only_when_told() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=lose-answer op=InitiateMultipartUpload by=stall times=1");
    let running = depot.put(&film, "film").start();
    assert!(eventually(|| depot.unfinished() == 1), "{}", running.told());
    let ran = running.kill();
    fs::remove_file(&film).unwrap();
    let ran_clean = depot.longhaul_online(&["clean", "--yes"]);
    assert_eq!(depot.unfinished(), 1, "{}", depot.report(&ran_clean));
    assert!(ran_clean.stdout.contains("--perhaps-ours"), "{}", ran_clean.stdout);
    let told = depot.longhaul_online(&["clean", "--yes", "--perhaps-ours"]);
    assert_eq!(told.code(), 0, "{}", depot.report(&told));
    assert_eq!(depot.unfinished(), 0, "{}", depot.report(&ran));
    depot.assert_nothing_left(&told);
}

/// The object is there, and one more upload was perhaps created before it, whose answer was lost: that the transfer is
/// done is not all that there is to say of it.
#[test]
fn what_a_finished_upload_perhaps_left_is_listed_until_it_is_removed() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=lose-answer op=InitiateMultipartUpload times=1");
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, restarted (intent_only), retried");
    for words in [&["clean", "--yes"][..], &["clean", "--yes", "--older-than", "0"], &["clean"]] {
        assert_eq!((depot.unfinished(), depot.listed().len()), (1, 1), "{}", depot.report(&ran));
        let ran = depot.longhaul_online(words);
        assert!(ran.stdout.contains("--perhaps-ours"), "{words:?}: {}", ran.stdout);
    }
    assert_eq!((depot.unfinished(), depot.listed().len()), (1, 1), "{}", depot.report(&ran));
    let told = depot.longhaul_online(&["clean", "--yes", "--perhaps-ours"]);
    assert_eq!(told.code(), 0, "{}", depot.report(&told));
    depot.assert_nothing_left(&told);
}

#[test]
fn cancel_deletes_the_partial_file_of_a_download() {
    let bench = crate::common::Bench::new();
    bench.origin.put("/file", longhaul_devstore::Object::seeded(1, crate::common::SIZE));
    bench.hold(crate::common::HALF);
    let (state, part) = (bench.state(), bench.part());
    let cancel = ["cancel", part.to_str().unwrap(), "--state-dir", state.to_str().unwrap(), "--proxy", "none"];
    let ran = bench.longhaul(cancel);
    assert_eq!(ran.code(), 0, "{}", ran.report(&bench));
    assert!(crate::common::names(&bench.folder()).is_empty(), "{}", ran.report(&bench));
}

/// Goal: a partial file that nobody wants is found again, and one that is wanted is left alone. Method: its age in two
/// orders.
#[test]
fn clean_deletes_partial_files_that_nobody_touched_for_long() {
    let bench = crate::common::Bench::new();
    bench.origin.put("/file", longhaul_devstore::Object::seeded(1, crate::common::SIZE));
    bench.hold(crate::common::HALF);
    let state = bench.state();
    let clean = |more: &[&str]| {
        let args = ["clean", "--state-dir", state.to_str().unwrap(), "--proxy", "none"];
        bench.longhaul(args.iter().chain(more).copied())
    };
    let ran = clean(&["--yes"]);
    assert!(ran.code() == 0 && ran.stderr.contains("nothing is left over"), "{}", ran.report(&bench));
    let asked = clean(&["--older-than", "0"]);
    assert!(asked.code() == 2 && asked.stdout.contains("not touched for"), "{}", asked.report(&bench));
    assert!(bench.part().exists(), "nothing is done unasked");
    let ran = clean(&["--older-than", "0s", "--yes", "--json"]);
    assert_eq!(ran.code(), 0, "{}", ran.report(&bench));
    assert_eq!((ran.events[0]["why"].as_str(), ran.events[0]["settled"].as_bool()), (Some("stale"), Some(true)));
    assert!(crate::common::names(&bench.folder()).is_empty(), "{}", ran.report(&bench));
}

/// Goal: who says at the beginning that parts are to be kept is believed when it is cancelled. Method: `cancel` of
/// uploads that were begun so, gone on with, and begun so and then gone on with otherwise.
#[test]
fn parts_that_were_to_be_kept_stay_until_told_otherwise() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    let stopped = |flags: &[&str]| {
        depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=4");
        depot.expect(&depot.put(&film, "film").args(flags).until_it_fails().run(), 10, "network, kept");
        depot.store.clear_faults();
    };
    let cancel = |flags: &[&str]| {
        let ran = depot.longhaul_online(&[&["cancel", film.to_str().unwrap()], flags].concat());
        assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
        ran
    };
    stopped(&["--keep-parts"]);
    let ran = cancel(&[]);
    assert!(ran.stdout.contains("its parts stay in oss://films/film"), "{}", ran.stdout);
    assert_eq!((depot.listed().len(), depot.unfinished()), (1, 1), "{}", depot.report(&ran));
    let ran = depot.put(&film, "film").args(["--keep-parts"]).run();
    depot.expect(&ran, 0, "crc64, resumed");
    fs::write(&film, b"").unwrap();
    depot.film();
    stopped(&["--force", "--keep-parts"]);
    depot.assert_nothing_left(&cancel(&["--discard"]));
    stopped(&["--force", "--keep-parts"]);
    stopped(&["--force"]);
    depot.assert_nothing_left(&cancel(&[]));
}

/// What another user wrote down, or could have, would send signed requests where he likes.
#[test]
fn a_state_folder_or_journal_of_another_user_sends_nothing_anywhere() {
    use std::os::unix::fs::{PermissionsExt, chown};
    type Spoil = fn(&std::path::Path);
    const OTHER: Option<u32> = Some(54_321);
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give files to another user");
        return;
    }
    let journals = |state: &std::path::Path| -> Vec<std::path::PathBuf> {
        crate::common::tree(&state.join("uploads")).into_iter().filter(|path| path.is_file()).collect()
    };
    let table: [(&str, Spoil); 4] = [
        ("the folder", |state| chown(state, OTHER, None).unwrap()),
        ("the folder of journals", |state| chown(state.join("uploads"), OTHER, None).unwrap()),
        ("a journal", |state| {
            let files = crate::common::tree(&state.join("uploads"));
            files.iter().filter(|path| path.is_file()).for_each(|path| chown(path, OTHER, None).unwrap());
        }),
        ("a journal that others may write to", |state| {
            for path in crate::common::tree(&state.join("uploads")).iter().filter(|path| path.is_file()) {
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
            }
        }),
    ];
    for (what, spoil) in table {
        let depot = Depot::open();
        let id = left(&depot);
        let state = depot.bench.state();
        assert_eq!(journals(&state).len(), 1);
        spoil(&state);
        let before = depot.store.log_since(0).len();
        for command in [&["cancel", &id][..], &["cancel", "--all"], &["clean", "--yes", "--older-than", "0"]] {
            let ran = depot.longhaul_online(command);
            assert_eq!(ran.unsound(), None, "{what}, {command:?}: {}", depot.report(&ran));
            assert!(command[0] == "clean" || ran.code() == 8, "{what}, {command:?}: {}", depot.report(&ran));
            assert!(ran.stderr.contains("other user"), "{what}, {command:?}: {}", depot.report(&ran));
            assert_eq!(depot.store.log_since(0).len(), before, "{what}, {command:?}: {}", depot.report(&ran));
        }
        assert_eq!((journals(&state).len(), depot.unfinished()), (1, 1), "{what}");
        for path in [state.clone(), state.join("uploads"), journals(&state).remove(0)] {
            chown(&path, Some(0), None).unwrap();
            let mode = if path.is_dir() { 0o700 } else { 0o600 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let ran = depot.longhaul_online(&["cancel", &id]);
        assert_eq!(ran.code(), 0, "{what}: {}", depot.report(&ran));
        depot.assert_nothing_left(&ran);
    }
}
