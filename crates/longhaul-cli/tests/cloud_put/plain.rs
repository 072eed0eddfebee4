//! Files are stored, verified, and recognised.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use longhaul_devstore::Content;

use crate::common::eventually;
use crate::depot::{Depot, PARTS, SIZE};

#[test]
fn a_large_file_is_stored_in_parts_and_verified() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    let ran = depot.put(&film, "2024/film.mp4").run();
    depot.expect(&ran, 0, "crc64");
    depot.assert_stored("2024/film.mp4", &content, &ran);
    let done = ran.event("done").unwrap();
    assert_eq!(
        (done["parts"].as_u64(), done["sent"].as_u64(), done["bytes"].as_u64()),
        (Some(PARTS), Some(SIZE), Some(SIZE))
    );
    assert_eq!((depot.part_bytes(), depot.count("PutObject")), (SIZE, 0), "{}", depot.report(&ran));
    depot.assert_nothing_left(&ran);
    assert!(depot.stored("2024/film.mp4").unwrap().0.contains("content-type: video/mp4"));
}

#[test]
fn a_small_file_and_an_empty_one_go_in_one_request() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    for (name, len) in [("small", 12_345), ("empty", 0)] {
        let content = Content::seeded(3, len);
        let ran = depot.put(depot.file(name, &content), name).run();
        depot.expect(&ran, 0, "crc64");
        depot.assert_stored(name, &content, &ran);
        assert_eq!(ran.event("done").unwrap()["parts"], 0);
        depot.assert_nothing_left(&ran);
    }
    assert_eq!((depot.count("PutObject"), depot.count("InitiateMultipartUpload")), (2, 0));
}

#[test]
fn show_knows_where_a_file_was_uploaded_to() {
    let depot = Depot::open();
    let content = Content::seeded(4, 12_345);
    let file = depot.file("small", &content);
    // Times that are too young prove nothing.
    let changed = || std::time::UNIX_EPOCH + Duration::from_secs(file.metadata().unwrap().ctime().unsigned_abs());
    assert!(eventually(|| changed().elapsed().is_ok_and(|age| age > Duration::from_secs(4))));
    for key in ["first", "second"] {
        depot.expect(&depot.put(&file, key).run(), 0, "crc64");
    }
    let shown = depot.longhaul(&["show", file.to_str().unwrap()]);
    assert!(shown.stdout.find("oss://films/second").unwrap() < shown.stdout.find("oss://films/first").unwrap());
    assert!(
        shown.stdout.contains("small, uploaded") && shown.stdout.contains("as it was uploaded"),
        "{}",
        shown.stdout
    );
    depot.file("small", &Content::seeded(5, 12_346));
    let shown = depot.longhaul(&["show", "--json", file.to_str().unwrap()]);
    let facts = |n: usize| (shown.events[n]["state"].as_str(), shown.events[n]["source_unchanged"].as_bool());
    assert_eq!((facts(0), facts(1)), ((Some("uploaded"), Some(false)), (Some("uploaded"), Some(false))));
}

#[test]
fn what_is_there_already_is_success_without_a_transfer() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64");
    let sent = depot.part_bytes();
    let again = depot.put(&film, "film").run();
    depot.expect(&again, 0, "crc64, already");
    assert_eq!((depot.part_bytes(), again.event("done").unwrap()["sent"].as_u64()), (sent, Some(0)));
    // Nobody remembers it: the file is read, and compared with what the store says of the object.
    std::fs::remove_dir_all(depot.bench.state()).unwrap();
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64, already");
    assert_eq!(depot.part_bytes(), sent);
    depot.expect(&depot.put(&film, "film").args(["--force"]).run(), 0, "crc64");
    assert_eq!(depot.part_bytes(), 2 * sent);
    let ran = depot.put(&film, "film").args(["--meta", "Camera=A7"]).run();
    depot.expect(&ran, 0, "crc64");
    assert_eq!(depot.part_bytes(), 3 * sent, "other metadata is another object");
    assert!(depot.stored("film").unwrap().0.contains("x-oss-meta-camera: a7"));
    depot.assert_stored("film", &content, &ran);
}

#[test]
fn what_the_object_is_given_is_what_was_asked_for() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let file = depot.file("page.html", &Content::seeded(1, 1000));
    let flags =
        ["--meta", "a-b=c d", "--storage-class", "IA", "--content-type", "text/x-odd; charset=utf-8", "--part-md5"];
    let ran = depot.put(&file, "page.html").args(flags).run();
    depot.expect(&ran, 0, "crc64");
    let head = depot.stored("page.html").unwrap().0;
    for line in ["x-oss-meta-a-b: c d", "x-oss-storage-class: ia", "content-type: text/x-odd; charset=utf-8"] {
        assert!(head.contains(line), "{line}: {head}");
    }
    depot.expect(&depot.put(&file, "other.html").run(), 0, "crc64");
    assert!(depot.stored("other.html").unwrap().0.contains("content-type: text/html"));
}

#[test]
fn keys_are_taken_byte_for_byte() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let content = Content::seeded(1, 100);
    let file = depot.file("f", &content);
    for key in [
        "a b",
        "ä/日本.bin",
        "a?b#c%20d",
        "a+b&c=d",
        "/slash",
        "a//b",
        "a/../b/./c",
        "quote'\"<>",
        "~!@$^*()[]{}|\\;:,",
        "...",
    ] {
        let ran = depot.put(&file, key).run();
        depot.expect(&ran, 0, "crc64");
        depot.assert_stored(key, &content, &ran);
    }
    // Nothing that speaks HTTP can ask for these.
    for key in [".", ".."] {
        let ran = depot.put(&file, key).run();
        assert!(ran.code() == 2 && ran.stderr.contains("no URL can hold this key"), "{key}: {}", depot.report(&ran));
    }
}

#[test]
fn people_read_what_was_verified_and_programs_nothing_else() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    let ran = depot.put(&film, "film").plain().run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!(ran.stdout, "");
    let last = ran.stderr.trim_end().lines().last().unwrap();
    for part in ["20.0 MiB in ", " to oss://films/film, 21 parts; checksum ok: crc64"] {
        assert!(last.contains(part), "{part}: {last}");
    }
    let ran = depot.put(&film, "film").plain().run();
    assert!(ran.stderr.contains("there already as oss://films/film, 20.0 MiB; checksum ok: crc64"), "{}", ran.stderr);
    let ran = depot.put(&film, "film").plain().args(["-q"]).run();
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""));
}

#[test]
fn progress_counts_what_is_acknowledged_and_never_goes_back() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=bandwidth op=UploadPart bytes_per_second=1572864");
    depot.fault("kind=cut-upload op=UploadPart after=300000 rate=0.2 seed=5 times=6");
    let ran = depot.put(&film, "film").retries(10).run();
    depot.expect(&ran, 0, "crc64, retried");
    let told: Vec<u64> = ran.events.iter().filter_map(|event| event["acknowledged"].as_u64()).collect();
    assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
    assert!(ran.events.iter().all(|event| event["acknowledged"].as_u64() <= event["sent"].as_u64()));
}

#[test]
fn a_command_runs_for_each_file_that_is_stored() {
    let depot = Depot::open();
    let (file, _) = depot.film();
    let command = r#"printf '%s|%s|%s|%s|%s\n' "$1" "$LONGHAUL_DESTINATION" "$LONGHAUL_BYTES" "$LONGHAUL_VERIFIED" "$LONGHAUL_ALREADY" >> told; test -n "$LONGHAUL_ETAG""#;
    let file_text = file.display().to_string();
    depot.put(&file, "k").args(["--exec", command]).run().expect(&depot.bench, 0, "crc64");
    let ran = depot.put(&file, "k").args(["--exec", command]).run();
    assert_eq!(ran.code(), 0, "{}", ran.report(&depot.bench));
    let told = std::fs::read_to_string(depot.bench.root().join("told")).unwrap();
    let line = |already| format!("{file_text}|oss://films/k|{SIZE}|crc64|{already}");
    assert_eq!(told.lines().collect::<Vec<_>>(), [line(0), line(1)]);
    let ran = depot.put(&file, "k").args(["--exec", "exit 1"]).run();
    assert_eq!(ran.code(), 13, "{}", ran.report(&depot.bench));
    assert!(ran.stderr.contains("oss://films/k: done, but"), "{}", ran.stderr);
}

/// The store told a digest of the whole: the file is read and held against it.
#[test]
fn verify_tells_whether_a_file_is_as_it_was_uploaded() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64");
    let ran = depot.longhaul(&["verify", film.to_str().unwrap()]);
    assert!(ran.code() == 0 && ran.stdout.contains("as it was uploaded to oss://films/film"), "{}", ran.stdout);
    let ran = depot.longhaul(&["verify", film.to_str().unwrap(), "--json"]);
    let told = &ran.events[0];
    assert_eq!(
        (&told["state"], &told["uploaded_to"]),
        (&"intact".into(), &"oss://films/film".into()),
        "{}",
        ran.stdout
    );
    // One byte is changed, and the times are as they were.
    let modified = std::fs::metadata(&film).unwrap().modified().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&film).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", 12345).unwrap();
    file.set_modified(modified).unwrap();
    let ran = depot.longhaul(&["verify", film.to_str().unwrap()]);
    assert!(ran.code() == 7 && ran.stdout.contains("not as it was uploaded"), "{}", ran.stdout);
}
