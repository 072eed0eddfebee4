//! What the system does not give: threads, open files, long files. The tests set limits with the commands of util-linux.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use longhaul_devstore::Content;

use crate::common::{Bench, tree};
use crate::depot::{Depot, MIB};

/// A user who is nobody else here. Root is not bound by a limit of processes.
const UID: u32 = 64_242;

/// Commands of the bench get no thread besides their first.
fn without_threads(bench: &Bench) {
    let mut words: Vec<OsString> = Vec::new();
    if rustix::process::geteuid().is_root() {
        let binary = bench.root().join("longhaul");
        let built = assert_cmd::cargo::cargo_bin!("longhaul");
        fs::hard_link(built, &binary).or_else(|_| fs::copy(built, &binary).map(|_| ())).unwrap();
        fs::set_permissions(bench.root(), fs::Permissions::from_mode(0o755)).unwrap();
        give_to_user(bench);
        words.extend(["setpriv", "--reuid", &UID.to_string(), "--clear-groups"].map(OsString::from));
    }
    words.extend(["prlimit", "--nproc=1"].map(OsString::from));
    bench.run_under(words);
}

/// What the commands read and write belongs to who runs them.
fn give_to_user(bench: &Bench) {
    let folders = ["out", "state", "home"].map(|name| bench.root().join(name));
    for folder in &folders {
        let all = tree(folder);
        for path in all.iter().map(AsRef::<Path>::as_ref).chain([folder.as_path()]) {
            chown(path, Some(UID), None).unwrap();
        }
    }
}

/// Goal: neither direction needs a thread that the system does not give. Method: a limit of processes that leaves none, and
/// the log, which says so; objects with and without a journal.
#[test]
fn without_a_thread_to_be_had_both_directions_end_right() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let film = depot.film();
    let small = Content::seeded(8, 3 * MIB);
    let small = (depot.file("small", &small), small);
    without_threads(&depot.bench);
    for (key, (file, content)) in [("film", &film), ("small", &small)] {
        let put = depot.put(file, key).args(["-v"]).run();
        depot.expect(&put, 0, "crc64");
        assert!(put.stderr.contains("no thread"), "{}", put.stderr);
        depot.assert_stored(key, content, &put);
        let target = depot.bench.folder().join(format!("{key}-again"));
        let get = depot.bench.get_url(format!("oss://films/{key}")).to(&target).envs(&depot.env()).arg("-v").run();
        depot.expect(&get, 0, "crc64");
        assert!(get.stderr.contains("no thread"), "{}", get.stderr);
        assert_eq!(content.first_difference_in_file(&target).unwrap(), None);
    }
    depot.assert_nothing_left(&depot.put(&film.0, "film").run());
}

/// Goal: what cannot be done without a thread is an error, which says what to do; nothing is left. Method: input from stdin, which
/// may be silent for ever.
#[test]
fn without_a_thread_to_be_had_stdin_is_refused() {
    let depot = Depot::open();
    let film = depot.film();
    without_threads(&depot.bench);
    let put = depot.put("-", "film").stdin(fs::File::open(&film.0).unwrap()).run();
    depot.expect(&put, 8, "local_file");
    assert!(put.stderr.contains("ulimit -u"), "{}", put.stderr);
    depot.assert_nothing_left(&put);
}
