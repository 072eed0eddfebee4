//! Several files, and folders.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use longhaul_devstore::Content;

use crate::depot::Depot;

#[test]
fn a_folder_becomes_keys_and_what_cannot_be_read_stops_nothing_else() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let content = |seed| Content::seeded(seed, 1000 * seed);
    for (seed, name) in [(1, "d/a"), (2, "d/b/c d"), (3, "d/skip.tmp"), (0, "d/empty"), (4, "real/linked")] {
        depot.file(name, &content(seed));
    }
    let folder = depot.bench.folder().join("d");
    fs::create_dir(folder.join("no files")).unwrap();
    symlink("../real/linked", folder.join("link")).unwrap();
    symlink("..", folder.join("b/up")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"\xff")), b"x").unwrap();
    let args = ["-r", "--exclude", "*.tmp", "--follow-symlinks"];
    let ran = depot.put_all([&folder], "p").args(args).run();
    assert_eq!(ran.code(), 8, "{}", depot.report(&ran));
    assert_eq!(ran.unsound(), None);
    for (seed, key) in [(1, "p/a"), (2, "p/b/c d"), (0, "p/empty"), (4, "p/link")] {
        depot.assert_stored(key, &content(seed), &ran);
    }
    assert_eq!(depot.count("PutObject"), 4, "{}", depot.report(&ran));
    let failed: Vec<_> = ran.events.iter().filter(|event| event["event"] == "failed").collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed.iter().all(|event| event["exit_code"] == 8));
    for part in ["symbolic link", "not UTF-8", "leads back to a folder"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    // Again: what is there is not sent again.
    let ran = depot.put_all([&folder], "p/").args(args).run();
    assert_eq!((ran.code(), depot.count("PutObject")), (8, 4), "{}", depot.report(&ran));
}

#[test]
fn several_files_go_side_by_side_and_one_that_is_missing_stops_none() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let names = ["a", "b", "c"];
    let mut files: Vec<_> = names.iter().map(|name| depot.file(name, &Content::seeded(1, 5000))).collect();
    files.insert(1, depot.bench.folder().join("missing"));
    let ran = depot.put_all(&files, "p/").args(["-j", "2"]).run();
    assert_eq!(ran.code(), 8, "{}", depot.report(&ran));
    for name in names {
        depot.assert_stored(&format!("p/{name}"), &Content::seeded(1, 5000), &ran);
    }
    let ran = depot.put_all(&files[2..], "p/").plain().run();
    assert!(
        ran.code() == 0 && ran.stderr.contains("2 of 2 done, 9.8 KiB (2 there already); 0 B sent"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_folder_without_r_and_two_files_for_one_key_are_refused() {
    let depot = Depot::open();
    let (one, two) = (depot.file("x/f", &Content::seeded(1, 1)), depot.file("y/f", &Content::seeded(2, 1)));
    let ran = depot.put_all([depot.bench.folder().join("x")], "p/").run();
    assert!(ran.code() == 2 && ran.stderr.contains("-r uploads what is in it"), "{}", ran.stderr);
    let ran = depot.put_all([&one, &two], "p/").run();
    assert!(ran.code() == 2 && ran.stderr.contains("would both become oss://films/p/f"), "{}", ran.stderr);
    assert_eq!(depot.count("PutObject"), 0);
    fs::create_dir(depot.bench.folder().join("empty")).unwrap();
    let ran = depot.put_all([depot.bench.folder().join("empty")], "p/").args(["-r"]).run();
    assert!(ran.code() == 0 && ran.stderr.contains("nothing to upload"), "{}", ran.stderr);
}
