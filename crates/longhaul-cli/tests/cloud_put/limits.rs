//! What the system does not give: threads, open files, long files. The tests set limits with the commands of
//! util-linux.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use longhaul_devstore::{Content, Fault, Object};

use crate::common::{Bench, HALF, SIZE, SOON, tree};
use crate::depot::{Depot, MIB};

/// The shortest piece of a download.
const BLOCK: u64 = 256 << 10;

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

/// Goal: neither direction needs a thread that the system does not give. Method: a limit of processes that leaves none,
/// and the log, which says so; objects with and without a journal.
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

/// Goal: what cannot be done without a thread is an error, which says what to do; nothing is left. Method: input from
/// stdin, which may be silent for ever.
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

/// Goal: few open files mean fewer files side by side, not files that fail, and that is said once. Method: many small
/// files that are answered late, with a hard limit for a handful of them.
#[test]
fn few_open_files_mean_fewer_files_side_by_side() {
    const MANY: u64 = 60;
    let depot = Depot::open();
    let (bench, lists) = (&depot.bench, depot.bench.root().join("list"));
    let mut list = String::new();
    for n in 0..MANY {
        let path = format!("/file{n}");
        bench.origin.put(&path, Object::seeded(n, 30_000));
        bench.origin.always(&path, Fault::Delay(Duration::from_millis(50)));
        list += &format!("{}\n", bench.origin.url(&path));
    }
    fs::write(&lists, list).unwrap();
    bench.run_under(["prlimit", "--nofile=64:64"]);
    let (out, state) = (bench.root().join("out"), bench.state());
    let words = ["get", "-i", lists.to_str().unwrap(), "-j", "64", "-d", out.to_str().unwrap()];
    let ran = bench.longhaul(words.iter().chain(&["--proxy", "none", "--state-dir", state.to_str().unwrap()]));
    ran.expect_code(bench, 0);
    assert_eq!(ran.stderr.matches("ulimit -n").count(), 1, "{}", ran.stderr);
    for n in 0..MANY {
        let difference = Object::seeded(n, 30_000).content.first_difference_in_file(out.join(format!("file{n}")));
        assert!(matches!(difference, Ok(None)), "{n}: {difference:?}\n{}", ran.report(bench));
    }

    let files: Vec<_> = (0..MANY).map(|n| out.join(format!("file{n}"))).collect();
    let put = depot.put_all(&files, "many/").args(["-j", "64"]).run();
    put.expect_code(bench, 0);
    assert_eq!(put.stderr.matches("ulimit -n").count(), 1, "{}", put.stderr);
    assert_eq!(depot.count("PutObject"), files.len(), "{}", depot.report(&put));
}

/// Goal: with too few open files for even one, each command ends with the reason, and no start that failed is in the
/// way of the next. Method: limits from one that lets the program begin to one that is enough.
#[test]
fn too_few_open_files_are_an_error_that_says_so() {
    const LIMITS: [u64; 13] = [6, 7, 8, 10, 13, 18, 22, 23, 24, 25, 26, 28, 30];
    let depot = Depot::with(|builder| builder.anonymous(true));
    let film = depot.film();
    let target = depot.bench.folder().join("again");
    let put = depot.put(&film.0, "film").run();
    depot.expect(&put, 0, "crc64");
    for limit in LIMITS {
        depot.bench.run_under(["prlimit", &format!("--nofile={limit}:{limit}")]);
        let put = depot.put(&film.0, &format!("film{limit}")).retries(0).run();
        let get = depot.bench.get_url("oss://films/film").to(&target).envs(&depot.env()).arg("--overwrite");
        let get = get.retries(0).run();
        for ran in [&put, &get] {
            assert_eq!(ran.unsound(), None, "{limit} {}", depot.report(ran));
            // Name lookups and connections are retried as failures of the network.
            assert!([0, 8, 10].contains(&ran.code()), "{limit} {}", depot.report(ran));
            let said = ran.code() != 8 || ran.stderr.contains("ulimit -n");
            assert!(said, "{limit} {}", depot.report(ran));
        }
        if limit >= 29 {
            assert_eq!((put.code(), get.code()), (0, 0), "{limit} {}\n{}", depot.report(&put), depot.report(&get));
        }
        if get.code() == 0 {
            assert_eq!(film.1.first_difference_in_file(&target).unwrap(), None);
        }
        for command in ["list", "verify", "clean", "probe"] {
            let last: &[&str] = match command {
                "verify" => &["verify", target.to_str().unwrap()],
                "probe" => &["probe", "http://127.0.0.1:9/"],
                command => &[command],
            };
            let ran = depot.longhaul(last);
            assert!(!ran.stderr.contains("panicked"), "{limit} {command}: {}", ran.stderr);
        }
    }
    depot.bench.run_under::<&str>([]);
    for limit in LIMITS {
        let put = depot.put(&film.0, &format!("film{limit}")).run();
        depot.expect_code(&put, 0);
    }
    assert_eq!(depot.unfinished(), 0);
}

/// Goal: a file that may not become so long is an error with its reason, and what is held stays. Method: a limit of the
/// length of files below that of the object, then none.
#[test]
fn a_limit_of_the_length_of_files_is_told_and_costs_nothing() {
    let depot = Depot::open();
    let bench = &depot.bench;
    bench.origin.put("/file", Object::seeded(1, SIZE));
    for connections in ["1", "4"] {
        bench.run_under(["prlimit", &format!("--fsize={HALF}")]);
        let ran = bench.get().connections(connections).run();
        ran.expect(bench, 8, "local_file, kept");
        assert!(ran.stderr.contains("ulimit -f"), "{}", ran.stderr);
        assert!(ran.held() > 0 && !bench.file().exists(), "{}", ran.report(bench));

        let again = bench.get().connections(connections).run();
        again.expect(bench, 8, "local_file, kept");
        bench.run_under::<&str>([]);
        assert!(bench.origin.settled(SOON), "requests of the runs before are still being answered");
        let before = bench.served();
        let whole = bench.get().connections(connections).run();
        whole.expect(bench, 0, "validator, resumed");
        // What is divided at the very end is on its way twice, up to a block of it; what is held is not fetched again.
        assert!(bench.served() - before <= SIZE - ran.held() + BLOCK, "{}", whole.report(bench));
        bench.assert_published(&Object::seeded(1, SIZE).content, &whole);
        fs::remove_file(bench.file()).unwrap();
    }
}

/// Goal: the same for input that is kept before it is sent, and for a journal. Method: stdin above the limit; a limit
/// of nothing.
#[test]
fn a_limit_of_the_length_of_files_is_told_by_put() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let film = depot.film();
    depot.bench.run_under(["prlimit", &format!("--fsize={MIB}")]);
    let put = depot.put("-", "film").stdin(fs::File::open(&film.0).unwrap()).run();
    depot.expect(&put, 8, "local_file");
    assert!(put.stderr.contains("ulimit -f"), "{}", put.stderr);
    depot.assert_nothing_left(&put);

    // Output of the command goes to a file here, and has no room either.
    depot.bench.run_under(["prlimit", "--fsize=0"]);
    let put = depot.put(&film.0, "film").plain().run();
    depot.expect_code(&put, 8);

    depot.bench.run_under::<&str>([]);
    let put = depot.put("-", "film").stdin(fs::File::open(&film.0).unwrap()).run();
    depot.expect(&put, 0, "crc64");
    depot.assert_stored("film", &film.1, &put);
    depot.assert_nothing_left(&put);
}
