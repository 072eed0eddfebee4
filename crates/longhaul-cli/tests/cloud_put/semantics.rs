//! The promises about uploads in `docs/semantics.md`: each heading there has the test of its name here.
//!
//! Goal: what a user reads is what happens; the limits named there are met, not just the middle. Method: the real
//! binary and the local store; what really arrived is in the store's log.

use std::fs;

use longhaul_devstore::Content;

use crate::common::{eventually, tree};
use crate::depot::{Depot, PART, SIZE};

/// A file is replaced by another one while it is uploaded: what is stored is the one or the other, whole.
#[test]
fn an_upload_commits_one_version_or_nothing() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, _) = depot.film();
    let other = Content::seeded(99, SIZE);
    let replacement = depot.file("replacement", &other);
    depot.fault("kind=bandwidth op=UploadPart bytes_per_second=4194304");
    let running = depot.put(&film, "film").start();
    assert!(eventually(|| depot.count("UploadPart") >= 5), "{}", running.told());
    fs::rename(replacement, &film).unwrap();
    depot.store.clear_faults();
    let ran = running.wait();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!(ran.event("restarted").unwrap()["reason"], "source_changed", "{}", depot.report(&ran));
    depot.assert_stored("film", &other, &ran);
    assert_eq!(depot.count("CompleteMultipartUpload"), 1, "for one version only: {}", depot.report(&ran));
    depot.assert_nothing_left(&ran);
}

/// Killed, and again: what is sent a second time are the four parts that were on their way, at most.
#[test]
fn acknowledged_parts_are_not_sent_again() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=bandwidth op=UploadPart bytes_per_second=2097152");
    let running = depot.put(&film, "film").start();
    assert!(eventually(|| running.acknowledged() >= 4 * PART), "{}", running.told());
    let killed = running.kill();
    assert_eq!(killed.code(), -9, "{}", depot.report(&killed));
    depot.store.clear_faults();
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, resumed");
    depot.assert_stored("film", &content, &ran);
    let mut stored: Vec<String> = depot
        .requests("UploadPart")
        .iter()
        .filter(|line| line["status"] == 200)
        .map(|line| line["target"].to_string())
        .collect();
    let count = stored.len();
    stored.sort();
    stored.dedup();
    // What was on its way when it died may have arrived whole, and nobody heard of it.
    assert!(count - stored.len() <= 4, "a part that was acknowledged was sent again: {}", depot.report(&ran));
    assert!(depot.part_bytes() - SIZE <= 4 * PART, "{}", depot.report(&ran));
    assert_eq!(depot.count("ListParts"), 1, "the store was asked what it has, once: {}", depot.report(&ran));
}

/// Both requests that make an object are carried out and not answered.
#[test]
fn a_lost_answer_is_settled_and_not_guessed() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=lose-answer op=CompleteMultipartUpload times=1");
    depot.fault("kind=lose-answer op=PutObject times=1");
    let ran = depot.put(&film, "film").run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!((depot.part_bytes(), depot.count("CompleteMultipartUpload")), (SIZE, 1), "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    let small = Content::seeded(3, 4000);
    let ran = depot.put(depot.file("small", &small), "small").run();
    assert_eq!((ran.code(), depot.count("PutObject")), (0, 1), "{}", depot.report(&ran));
    depot.assert_stored("small", &small, &ran);
    depot.assert_nothing_left(&ran);
}

/// A kill at the moment when an upload was created and nobody has heard of it, and a cancel that the store refuses.
#[test]
fn nothing_is_left_in_a_store_unrecorded() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=lose-answer op=InitiateMultipartUpload by=stall times=1");
    let running = depot.put(&film, "film").start();
    assert!(eventually(|| depot.unfinished() == 1), "{}", running.told());
    running.kill();
    let listed = depot.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let shown = depot.longhaul(&["show", film.to_str().unwrap()]);
    assert!(shown.stdout.contains("the answer to the creation of an upload was lost"), "{}", shown.stdout);
    let id = listed[0]["id"].as_str().unwrap();
    depot.fault("kind=status op=AbortMultipartUpload status=503 code=ServiceUnavailable");
    let ran = depot.longhaul_online(&["cancel", id]);
    assert_eq!(ran.unsound(), None, "{}", depot.report(&ran));
    assert_eq!(depot.listed().len(), 1, "what may be left stays known: {}", depot.report(&ran));
    depot.store.clear_faults();
    let ran = depot.longhaul_online(&["clean", "--yes", "--perhaps-ours"]);
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    depot.assert_nothing_left(&ran);
}

/// A bit is flipped on its way into the store, in a part and in a small object.
#[test]
fn uploads_are_verified() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=flip-upload op=UploadPart offset=70000 skip=4 times=1");
    depot.fault("kind=flip-upload op=PutObject offset=7 times=1");
    let ran = depot.put(&film, "film").run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!(ran.event("done").unwrap()["verified"], "crc64");
    depot.assert_stored("film", &content, &ran);
    let small = Content::seeded(3, 4000);
    let ran = depot.put(depot.file("small", &small), "small").run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    depot.assert_stored("small", &small, &ran);
}

/// The same command twice, and a third time when nothing is remembered here.
#[test]
fn an_object_that_is_there_is_not_sent_again() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64");
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64, already");
    fs::remove_dir_all(depot.bench.state()).unwrap();
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64, already");
    assert_eq!((depot.part_bytes(), depot.count("InitiateMultipartUpload")), (SIZE, 1));
}

/// Nothing that was secret, or was said to be sent and not kept, is in any file of ours.
#[test]
fn no_secrets_of_uploads_are_written() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=4");
    let callback = r#"{"callbackUrl":"http://127.0.0.1:9/?key=hunter2hunter2","callbackBody":"hunter2hunter2"}"#;
    let args = ["-vvv", "--callback", callback, "--meta", "pass=hunter2hunter2"];
    let ran = depot.put(&film, "film").args(args).until_it_fails().run();
    depot.expect(&ran, 10, "network, kept");
    assert!(ran.stderr.contains("sends part 1") && ran.stderr.contains("SendPart {"), "{}", ran.stderr);
    let secret = depot.store.access_key_secret();
    for needle in [secret.as_str(), "hunter2"] {
        assert!(!ran.stdout.contains(needle) && !ran.stderr.contains(needle), "{needle} was told");
        for path in tree(&depot.bench.state()) {
            let bytes = fs::read(&path).unwrap_or_default();
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "{needle} is in {}", path.display());
        }
    }
    let shown = depot.longhaul(&["show", film.to_str().unwrap()]);
    assert!(shown.stdout.contains("the callback given before"), "{}", shown.stdout);
}
