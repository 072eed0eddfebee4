//! What cannot be: each has its exit code and says what to do.

use longhaul_devstore::Content;

use crate::depot::{Depot, PART};

#[test]
fn what_the_store_refuses_has_its_code_and_its_reason() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    let ran = depot.longhaul_online(&["put", film.to_str().unwrap(), "oss://nowhere/film", "--json", "--retries", "1"]);
    depot.expect(&ran, 3, "not_found");
    assert!(ran.stderr.contains("no such bucket"), "{}", ran.stderr);
    let bad_id = depot.put(&film, "film").env(depot.env_with("nobody", "x")).run();
    depot.expect(&bad_id, 4, "denied");
    let bad_secret = depot.put(&film, "film").env(depot.env_with(&depot.store.access_key_id(), "wrong")).run();
    depot.expect(&bad_secret, 4, "denied");
    assert!(bad_secret.stderr.contains("access key's secret"), "{}", bad_secret.stderr);
    let nothing = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Resource":"*"}]}"#;
    let (id, secret) = depot.store.add_key(Some(nothing)).unwrap();
    depot.expect(&depot.put(&film, "film").env(depot.env_with(&id, &secret)).run(), 4, "denied");
    assert_eq!(depot.unfinished(), 0);
}

#[test]
fn a_clock_that_is_wrong_is_corrected() {
    let depot = Depot::with(|builder| builder.clock_offset_ms(3 * 3600 * 1000));
    let (film, _) = depot.film();
    let ran = depot.put(&film, "film").run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
}

#[test]
fn keys_that_end_midway_keep_what_is_stored() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=expire-token op=UploadPart skip=6");
    let ran = depot.put_all([&film], "film").args(["--part-size", "1M", "-x", "1"]).run();
    depot.expect(&ran, 4, "denied, kept");
    assert_eq!(ran.held(), 6 * PART, "{}", depot.report(&ran));
    assert!(ran.stderr.contains("expired") && ran.stderr.contains("new credentials"), "{}", ran.stderr);
    depot.store.clear_faults();
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64, resumed");
}

#[test]
fn more_parts_than_the_store_takes_are_refused_before_anything_is_sent() {
    let depot = Depot::open();
    // Nothing but a hole: 10,001 parts of the least length.
    let file = depot.file("sparse", &Content::seeded(1, 0));
    std::fs::File::options().write(true).open(&file).unwrap().set_len(10_000 * 102_400 + 1).unwrap();
    let ran = depot.put_all([&file], "film").args(["--part-size", "100k"]).run();
    depot.expect(&ran, 2, "usage");
    assert!(ran.stderr.contains("10000"), "{}", ran.stderr);
    assert_eq!((depot.part_bytes(), depot.unfinished()), (0, 0), "{}", depot.report(&ran));
    for (size, says) in [("99k", "100 KiB to 5 GiB"), ("6G", "100 KiB to 5 GiB")] {
        let ran = depot.put_all([&file], "film").args(["--part-size", size]).run();
        assert!(ran.code() == 2 && ran.stderr.contains(says), "{}", ran.stderr);
    }
}

#[test]
fn words_that_make_no_sense_are_refused_at_once() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    let film = film.to_str().unwrap();
    for (args, says) in [
        (vec![film], "DEST"),
        (vec![film, "oss://films"], ""),
        (vec![film, "oss://X/y"], "no name for a bucket"),
        (vec![film, film, "oss://films/x"], "several files"),
        (vec!["-", "oss://films/"], "stdin has no name"),
    ] {
        let ran = depot.longhaul_online(&[&["put"], args.as_slice()].concat());
        if says.is_empty() {
            assert_eq!(ran.code(), 0, "a bucket alone takes the file's name: {}", ran.stderr);
        } else {
            assert!(ran.code() == 2 && ran.stderr.contains(says), "{args:?}: {} {}", ran.code(), ran.stderr);
        }
    }
}

/// Goal: a store that refuses half of all requests slows a transfer down and does not end it, whatever stands between
/// the tries. Method: 503 for every second request by chance, for an upload of many parts, one that is gone on with, a
/// small one, and a download.
#[test]
fn a_store_that_refuses_half_of_all_requests_only_slows_down() {
    for seed in 1..=3 {
        let depot = Depot::with(|builder| builder.anonymous(true));
        let (film, content) = depot.film();
        let small = Content::seeded(seed, 5000);
        let file = depot.file("small", &small);
        depot.fault(&format!("kind=status status=503 code=SlowDown rate=0.5 seed={seed}"));
        let refused = || depot.store.log_since(0).iter().filter(|line| line["status"] == 503).count();
        // One after the other: then the same requests are refused in every run.
        let put = |file, key| depot.put_all([file], key).args(["--part-size", "1M", "-x", "1"]).retries(10).run();
        let ran = put(&film, "film");
        assert_eq!((ran.code(), ran.unsound()), (0, None), "seed {seed}: {}", depot.report(&ran));
        let ran_small = put(&file, "small");
        assert_eq!((ran_small.code(), ran_small.unsound()), (0, None), "seed {seed}: {}", depot.report(&ran_small));
        let out = depot.bench.folder().join("back");
        let args = ["get", "oss://films/film", "-o", out.to_str().unwrap(), "-x", "1", "--retries", "10"];
        let got = depot.longhaul_online(&args);
        assert_eq!(got.code(), 0, "seed {seed}: {}", depot.report(&got));
        assert!(refused() >= 10, "{}", refused());
        depot.store.clear_faults();
        depot.assert_stored("film", &content, &ran);
        depot.assert_stored("small", &small, &ran_small);
        assert!(std::fs::read(&out).unwrap() == content.to_vec(), "{}", depot.report(&got));
    }
}

/// Goal: what is told is why a part was refused, and not that its siblings were stopped for it; credentials are blamed
/// where they are the matter. Method: one part of many is refused while others are slow on their way.
#[test]
fn the_refusal_that_ended_it_is_the_one_that_is_told() {
    for (code, exit, verdict, about_access) in [
        ("QuotaExceeded", 11, "refused, kept", false),
        ("UserDisable", 11, "refused, kept", false),
        ("AccessDenied", 4, "denied, kept", true),
    ] {
        let depot = Depot::open();
        let (film, _) = depot.film();
        depot.fault(&format!("kind=status op=UploadPart status=403 code={code} skip=8 times=1"));
        depot.fault("kind=bandwidth op=UploadPart bytes_per_second=2097152");
        let ran = depot.put(&film, "film").run();
        depot.expect(&ran, exit, verdict);
        assert!(ran.stderr.contains(code) && !ran.stderr.contains("was stopped"), "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("credentials"), about_access, "{}", ran.stderr);
        depot.store.clear_faults();
        depot.expect(&depot.put(&film, "film").run(), 0, "crc64, resumed");
    }
}

#[test]
fn an_archived_object_is_no_matter_of_credentials() {
    let depot = Depot::open();
    depot.store.put_seeded("films", "film", 1, 1000).unwrap();
    depot.fault("kind=status op=GetObject status=403 code=InvalidObjectState");
    let out = depot.bench.folder().join("film");
    let ran = depot.longhaul_online(&["get", "oss://films/film", "-o", out.to_str().unwrap(), "--json"]);
    depot.expect(&ran, 11, "refused");
    assert!(ran.stderr.contains("InvalidObjectState") && ran.stderr.contains("archived"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("credentials"), "{}", ran.stderr);
}
