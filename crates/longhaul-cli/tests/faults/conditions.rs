//! `--if-match` and its like: what the user wants of the object, on servers that heed conditions and on those that do
//! not.
//!
//! Goal: an object that is not wanted costs no byte on the disk and nothing that was there, whatever the server knows;
//! and what is gone on with is not confused by it.

use longhaul_devstore::{Heeds, Object};

use crate::common::{Bench, HALF, SIZE};
use crate::table::{object, other};

/// The tests' usual object has this date.
const MADE: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
const BEFORE: &str = "2019-12-31T23:59:59Z";

fn etag(object: &Object) -> String {
    object.etag.clone().unwrap()
}

#[test]
fn an_object_that_is_not_wanted_is_not_fetched() {
    let (mine, theirs) = (etag(&object()), etag(&other()));
    let bare = mine.trim_matches('"').to_owned();
    let wanted = [
        ["--if-match", &mine],
        ["--if-match", &bare],
        ["--if-match", "*"],
        ["--if-none-match", &theirs],
        ["--if-modified-since", BEFORE],
        ["-z", BEFORE],
        ["--if-unmodified-since", MADE],
    ];
    let same = [["--if-none-match", &mine], ["--if-none-match", &bare], ["--if-modified-since", MADE]];
    let other = [["--if-match", &theirs], ["--if-unmodified-since", BEFORE]];
    for heeds in [Heeds::ALL, Heeds::NONE] {
        let object = object().heeds(heeds);
        for args in wanted {
            let bench = Bench::new();
            bench.origin.put("/file", object.clone());
            let ran = bench.get().args(args).run();
            ran.expect(&bench, 0, "validator");
            bench.assert_published(&object.content, &ran);
        }
        for args in same {
            let bench = Bench::new();
            bench.origin.put("/file", object.clone());
            let ran = bench.get().args(args).run();
            ran.expect(&bench, 0, "not modified");
            assert!(ran.event("not_modified").is_some() && ran.event("started").is_none(), "{}", ran.report(&bench));
            assert_eq!((ran.fetched(), crate::common::names(&bench.folder()).len()), (0, 0), "{}", ran.report(&bench));
        }
        for args in other {
            let bench = Bench::new();
            bench.origin.put("/file", object.clone());
            let ran = bench.get().args(args).run();
            ran.expect(&bench, 6, "condition_failed");
            assert!(ran.stderr.contains(&mine) && ran.stderr.contains(MADE), "{}", ran.report(&bench));
            assert_eq!(crate::common::names(&bench.folder()).len(), 0, "{}", ran.report(&bench));
        }
    }
}

#[test]
fn where_the_server_looks_at_them_an_unmodified_object_is_one_304() {
    let bench = Bench::new();
    bench.origin.put("/file", object());
    bench.get().args(["--if-none-match", &etag(&object())]).run().expect(&bench, 0, "not modified");
    let statuses: Vec<_> = bench.origin.log().iter().map(|seen| seen.status).collect();
    assert_eq!((statuses, bench.served()), (vec![Some(304)], 0));
}

#[test]
fn what_stands_at_the_target_stays() {
    let bench = Bench::new();
    bench.origin.put("/file", object());
    std::fs::write(bench.file(), "mine").unwrap();
    let ran = bench.get().args(["--overwrite", "--if-none-match", &etag(&object())]).run();
    ran.expect(&bench, 0, "not modified");
    let ran = bench.get().args(["--overwrite", "--if-match", &etag(&other())]).run();
    ran.expect(&bench, 6, "condition_failed");
    assert_eq!(std::fs::read(bench.file()).unwrap(), b"mine");
    // And a finished download is brought up to date, or not.
    let ran = bench.get().args(["--overwrite"]).run();
    ran.expect(&bench, 0, "validator");
    bench.get().args(["--if-none-match", &etag(&object())]).run().expect(&bench, 0, "not modified");
    bench.get().args(["--if-none-match", &etag(&other())]).run().expect(&bench, 0, "validator, already");
    bench.assert_published(&object().content, &ran);
    bench.origin.put("/file", other());
    let ran = bench.get().args(["--if-none-match", &etag(&object())]).run();
    assert_eq!(ran.code(), 0, "{}", ran.report(&bench));
    bench.assert_published(&other().content, &ran);
}

#[test]
fn a_partial_file_is_gone_on_with_when_its_version_is_wanted_and_kept_when_not() {
    let bench = Bench::new();
    bench.origin.put("/file", object());
    bench.hold(HALF);
    // Not wanted: nothing of what is held is lost.
    let ran = bench.get().alone().args(["--if-match", &etag(&other())]).run();
    ran.expect(&bench, 6, "condition_failed, kept");
    assert_eq!(ran.held(), HALF, "{}", ran.report(&bench));
    bench.get().alone().args(["--if-none-match", &etag(&object())]).run().expect(&bench, 0, "not modified");
    let before = bench.served();
    let ran = bench.get().alone().args(["--if-none-match", &etag(&other())]).run();
    ran.expect(&bench, 0, "validator, resumed");
    bench.assert_published(&object().content, &ran);
    assert_eq!(bench.served() - before, SIZE - HALF);
    // Its own condition alone went with the request for the rest.
    let log = bench.origin.log();
    let last = log.last().unwrap();
    let has = |name: &str| last.headers.get(name).is_some();
    assert!(has("if-match") && !has("if-none-match"), "{}", crate::common::requests(&log));
}

#[test]
fn a_partial_file_of_another_version_gives_way_to_the_one_that_is_wanted() {
    let bench = Bench::new();
    bench.origin.put("/file", object());
    bench.hold(HALF);
    bench.origin.put("/file", other());
    let ran = bench.get().args(["--if-match", &etag(&other())]).run();
    ran.expect(&bench, 0, "validator, restarted (changed)");
    bench.assert_published(&other().content, &ran);
}

#[test]
fn without_a_name_the_address_is_what_is_told() {
    let bench = Bench::new();
    bench.origin.put("/file", object());
    let get = || bench.get().into_dir(bench.folder()).args(["--if-none-match", &etag(&object())]);
    let ran = get().run();
    ran.expect(&bench, 0, "not modified");
    assert!(ran.event("done").unwrap()["path"].is_null(), "{}", ran.report(&bench));
    let ran = get().plain().run();
    assert!(ran.stderr.contains("/file: not modified; nothing was fetched"), "{}", ran.stderr);
    assert!(crate::common::names(&bench.folder()).is_empty());
}
