//! Objects are fetched, gone on with, and proven.

use longhaul_devstore::Content;

use crate::common::{HALF, SIZE, eventually, names};
use crate::shop::Shop;

#[test]
fn an_object_comes_verified_by_the_checksum_that_the_store_keeps() {
    let shop = Shop::open();
    let content = shop.film("2024/a film.mp4", 1);
    let ran = shop.get("2024/a film.mp4").run();
    shop.expect(&ran, 0, "crc64");
    shop.bench.assert_published(&content, &ran);
    shop.assert_no_secret(&ran, &shop.env());
}

#[test]
fn without_a_name_the_last_part_of_the_key_is_one() {
    let shop = Shop::open();
    let content = shop.film("2024/ä %41+b?c#d.mp4", 1);
    let ran = shop.get("2024/ä %41+b?c#d.mp4").into_dir(shop.bench.folder()).run();
    shop.expect(&ran, 0, "crc64");
    // `?` is made harmless; nothing is decoded.
    let file = shop.bench.folder().join("ä %41+b_c#d.mp4");
    assert!(matches!(content.first_difference_in_file(file), Ok(None)), "{}", ran.report(&shop.bench));
}

#[test]
fn both_versions_of_the_signature_work() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    for version in ["v1", "v4"] {
        let ran = shop.get("a").args(["--signature-version", version, "--overwrite"]).run();
        shop.expect(&ran, 0, if version == "v1" { "crc64" } else { "validator, already" });
        shop.bench.assert_published(&content, &ran);
    }
}

#[test]
fn the_flags_win_over_the_environment() {
    let shop = Shop::open();
    shop.film("a", 1);
    let mut env = shop.env();
    env.extend([
        ("OSS_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned()),
        ("OSS_REGION".to_owned(), "cn-x".to_owned()),
    ]);
    let flags = ["--endpoint", shop.store.endpoint(), "--region", shop.store.region()];
    shop.expect(&shop.get_as("a", &env).args(flags).run(), 0, "crc64");
}

#[test]
fn an_object_is_gone_on_with_after_kill_9() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    shop.store.fault(&format!("kind=stall op=GetObject after={HALF} times=1")).unwrap();
    let running = shop.get("a").alone().args(["--stall-timeout", "30"]).start();
    assert!(eventually(|| running.received() >= HALF), "{}", running.told());
    running.kill();
    let ran = shop.get("a").alone().run();
    shop.expect(&ran, 0, "crc64, resumed");
    shop.bench.assert_published(&content, &ran);
    assert!(ran.fetched() <= SIZE - HALF + (1 << 20), "{}", ran.report(&shop.bench));
}

/// What is to be removed lies on this machine: no key, no region and no endpoint is needed for it.
#[test]
fn an_object_is_given_up_without_keys_or_endpoint() {
    let shop = Shop::open();
    shop.film("a", 1);
    let state = shop.bench.state();
    for way in [&["cancel", "out/file"][..], &["cancel", "--all"], &["clean", "--yes", "--older-than", "0"]] {
        shop.store.fault(&format!("kind=stall op=GetObject after={HALF} times=1")).unwrap();
        let running = shop.get("a").alone().args(["--stall-timeout", "30"]).start();
        assert!(eventually(|| running.received() >= HALF), "{}", running.told());
        running.kill();
        let ran = shop.bench.longhaul(way.iter().copied().chain(["--state-dir", state.to_str().unwrap()]));
        ran.expect_code(&shop.bench, 0);
        assert!(ran.stdout.contains("its partial file is deleted"), "{way:?}: {}{}", ran.stdout, ran.stderr);
        assert!(names(&shop.bench.folder()).is_empty(), "{way:?}");
    }
}

#[test]
fn a_finished_object_is_asked_about_once_and_not_fetched_again() {
    let shop = Shop::open();
    shop.film("a", 1);
    shop.expect(&shop.get("a").run(), 0, "crc64");
    let before = shop.log().len();
    let ran = shop.get("a").run();
    shop.expect(&ran, 0, "validator, already");
    assert_eq!((shop.log().len() - before, ran.fetched()), (1, 0), "{}", shop.log().join("\n"));
}

#[test]
fn an_object_that_was_replaced_is_never_mixed() {
    let shop = Shop::open();
    shop.film("a", 1);
    shop.store.fault(&format!("kind=cut op=GetObject after={HALF} times=1")).unwrap();
    shop.expect(&shop.get("a").alone().retries(0).run(), 10, "network, kept");
    let content = shop.film("a", 2);
    let stopped = shop.get("a").args(["--on-change", "stop"]).run();
    shop.expect(&stopped, 6, "changed, kept");
    let ran = shop.get("a").run();
    shop.expect(&ran, 0, "crc64, resumed, restarted (changed)");
    shop.bench.assert_published(&content, &ran);
}

/// The store's CRC-64 is of the object, and says nothing about a part of it.
#[test]
fn a_range_of_an_object_is_gone_on_with_and_verified_by_its_validator() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    let wanted = content.slice(100..HALF).then(&content.slice(SIZE - 1_000_000..SIZE));
    let range = ["--range", &format!("100-{},-1000000", HALF - 1)];
    shop.store.fault(&format!("kind=stall op=GetObject after={} times=1", 1 << 20)).unwrap();
    let running = shop.get("a").alone().args(range).args(["--stall-timeout", "30"]).start();
    assert!(eventually(|| running.received() >= 1 << 20), "{}", running.told());
    running.kill();
    let ran = shop.get("a").alone().args(range).run();
    shop.expect(&ran, 0, "validator, resumed");
    shop.bench.assert_published(&wanted, &ran);
    assert!(ran.fetched() <= wanted.len(), "{}", ran.report(&shop.bench));
    shop.expect(&shop.get("a").args(range).run(), 0, "validator, already");

    // Replaced between two runs.
    let target = shop.bench.folder().join("other");
    shop.store.fault("kind=cut op=GetObject after=300000 times=1").unwrap();
    shop.expect(&shop.get("a").to(&target).alone().args(["--range", "-2000000"]).retries(0).run(), 10, "network, kept");
    let content = shop.film("a", 2);
    let ran = shop.get("a").to(&target).args(["--range", "-2000000"]).run();
    shop.expect(&ran, 0, "validator, resumed, restarted (changed)");
    assert_eq!(content.slice(SIZE - 2_000_000..SIZE).first_difference_in_file(&target).unwrap(), None);

    let outside = shop.get("a").to(shop.bench.folder().join("none")).args(["--range", "99999999-"]).run();
    shop.expect(&outside, 11, "refused");
    assert!(outside.stderr.contains(&format!("the object has {SIZE} bytes")), "{}", outside.stderr);
    // All of it is what the store's checksum is of.
    shop.expect(&shop.get("a").to(shop.bench.folder().join("all")).args(["--range", "0-"]).run(), 0, "crc64");
}

#[test]
fn a_wrong_bit_is_noticed_and_nothing_is_published() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    shop.store.fault("kind=flip op=GetObject offset=1000000").unwrap();
    let ran = shop.get("a").run();
    shop.expect(&ran, 7, "integrity");
    assert!(!shop.bench.file().exists());
    shop.store.clear_faults();
    let ran = shop.get("a").run();
    shop.expect(&ran, 0, "crc64");
    shop.bench.assert_published(&content, &ran);
}

#[test]
fn a_store_that_ends_connections_answers_503_and_resets_is_outlasted() {
    let shop = Shop::open();
    let content = shop.film("a", 1);
    shop.store.fault("kind=status op=GetObject status=503 code=ServiceUnavailable times=2").unwrap();
    shop.store.fault("kind=reset op=GetObject after=300000 times=3").unwrap();
    let ran = shop.get("a").retries(5).run();
    shop.expect(&ran, 0, "crc64, retried");
    shop.bench.assert_published(&content, &ran);
}

#[test]
fn an_empty_object_and_one_of_a_single_byte_come() {
    let shop = Shop::open();
    for size in [0, 1] {
        shop.store.put_seeded("films", "small", 3, size).unwrap();
        let ran = shop.get("small").arg("--overwrite").run();
        assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
        assert_eq!(std::fs::read(shop.bench.file()).unwrap(), Content::seeded(3, size).to_vec());
    }
}

#[test]
fn show_list_and_verify_know_where_it_came_from() {
    let shop = Shop::open();
    shop.film("a?b#c", 1);
    shop.store.fault(&format!("kind=cut op=GetObject after={HALF} times=1")).unwrap();
    shop.expect(&shop.get("a?b#c").alone().retries(0).run(), 10, "network, kept");
    let (state, file) = (shop.bench.state(), shop.bench.file());
    let (state, file) = (state.to_str().unwrap(), file.to_str().unwrap());
    let listed = shop.longhaul(&["list", "--state-dir", state]);
    assert!(listed.stdout.contains("oss://films/a?b#c"), "{}", listed.stdout);
    let shown = shop.longhaul(&["show", "--state-dir", state, file]);
    assert!(shown.stdout.contains("oss://films/a?b#c"), "{}", shown.stdout);
    assert!(shown.stdout.contains(shop.store.endpoint()), "{}", shown.stdout);
    shop.expect(&shop.get("a?b#c").run(), 0, "crc64, resumed");
    let verified = shop.longhaul(&["verify", "--state-dir", state, file]);
    assert_eq!(verified.code(), 0, "{}{}", verified.stdout, verified.stderr);
    let shown = shop.longhaul(&["show", "--state-dir", state, file]);
    assert!(shown.stdout.contains("oss://films/a?b#c"), "{}", shown.stdout);
}

#[test]
fn probe_says_what_the_store_can_do() {
    let shop = Shop::open();
    shop.film("a", 1);
    let ran = shop.longhaul(&["probe", "--proxy", "none", "oss://films/a"]);
    assert_eq!(ran.code(), 0, "{}{}", ran.stdout, ran.stderr);
    for part in ["resumable   yes", "oss://films/a", "declares crc64:", "supported"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn a_version_is_asked_for_by_its_id() {
    let shop = Shop::open();
    shop.film("a", 1);
    let ran = shop.get("a").args(["--version-id", "CAEQ x/+"]).run();
    // The store keeps no versions and says so.
    assert_eq!(ran.code(), 11, "{}", ran.report(&shop.bench));
    let asked = shop.store.log_since(0);
    let target = asked.last().unwrap()["target"].as_str().unwrap().to_owned();
    assert!(target.contains("versionId=CAEQ%20x%2F%2B"), "{target}");
}

#[test]
fn several_objects_come_side_by_side_and_one_that_is_missing_stops_none() {
    let shop = Shop::open();
    for (seed, key) in [(1, "x/one"), (2, "two"), (3, "x/three")] {
        shop.film(key, seed);
    }
    let ran = shop
        .get("x/one")
        .into_dir(shop.bench.folder())
        .args(["oss://films/two", "oss://films/missing", "oss://films/x/three"])
        .run();
    assert_eq!(ran.code(), 3, "{}", ran.report(&shop.bench));
    let names = crate::common::names(&shop.bench.folder());
    assert_eq!(names, ["one", "three", "two"].map(str::to_owned).into());
}
