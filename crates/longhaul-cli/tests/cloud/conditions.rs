//! `--if-match` and its like on stores: signed requests carry them as those to any server.

use longhaul_devstore::Object;

use crate::common::{Bench, SIZE, eventually, names};
use crate::shop::Shop;

const WRONG: &str = "0123456789ABCDEF0123456789ABCDEF";
const LONG_AGO: &str = "2001-01-01T00:00:00Z";
const AHEAD: &str = "2901-01-01T00:00:00Z";

#[test]
fn oss_is_asked_only_for_what_is_wanted() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    // The store tells which one it has.
    let ran = shop.get("a").args(["--if-match", WRONG]).run();
    shop.expect(&ran, 6, "condition_failed");
    let (_, after) = ran.stderr.split_once("ETag ").unwrap();
    let etag: String = after.chars().take_while(|c| !matches!(c, ',' | ')')).collect();
    // A request is in the log when it is over: that of the plainest one, whose body was not wanted, when the store notices.
    assert!(eventually(|| shop.log().len() == 2), "{}", shop.log().join("\n"));
    for args in [["--if-none-match", etag.as_str()], ["--if-modified-since", AHEAD]] {
        let before = shop.log().len();
        let ran = shop.get("a").args(args).run();
        shop.expect(&ran, 0, "not modified");
        assert_eq!(shop.log().len() - before, 1, "{}", shop.log().join("\n"));
        assert!(shop.log().last().unwrap().contains(" 304 "), "{}", shop.log().join("\n"));
    }
    shop.expect(&shop.get("a").args(["--if-unmodified-since", LONG_AGO]).run(), 6, "condition_failed");
    assert!(names(&shop.bench.folder()).is_empty());
    let all = ["--if-match", &etag, "--if-none-match", WRONG, "--if-unmodified-since", AHEAD];
    let ran = shop.get("a").args(all).run();
    shop.expect(&ran, 0, "crc64");
    shop.bench.assert_published(&content, &ran);
}

#[test]
fn s3_is_asked_only_for_what_is_wanted() {
    let bench = Bench::new();
    let object = Object::seeded(1, SIZE);
    let etag = object.etag.clone().unwrap();
    bench.origin.put("/films/a", object.clone());
    let env = crate::s3::env(&bench);
    let get = |args: [&str; 2]| bench.get_url("s3://films/a").envs(&env).args(args).run();
    get(["--if-none-match", &etag]).expect(&bench, 0, "not modified");
    get(["--if-modified-since", AHEAD]).expect(&bench, 0, "not modified");
    let statuses: Vec<_> = bench.origin.log().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [Some(304), Some(304)]);
    get(["--if-match", WRONG]).expect(&bench, 6, "condition_failed");
    get(["--if-unmodified-since", LONG_AGO]).expect(&bench, 6, "condition_failed");
    assert!(names(&bench.folder()).is_empty());
    let ran = get(["--if-match", &etag]);
    ran.expect(&bench, 0, "validator");
    bench.assert_published(&object.content, &ran);
}
