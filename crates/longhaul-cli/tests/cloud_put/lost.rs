//! Answers that are lost, and what is found out about them.

use std::fs;
use std::net::TcpListener;

use longhaul_devstore::Content;

use crate::depot::{Depot, SIZE, settle};

#[test]
fn a_lost_answer_to_complete_is_settled_without_sending_twice() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=lose-answer op=CompleteMultipartUpload times=1");
    let ran = depot.put(&film, "film").run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert!(ran.event("settling").is_some(), "{}", depot.report(&ran));
    assert_eq!((depot.part_bytes(), depot.count("InitiateMultipartUpload")), (SIZE, 1), "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn a_lost_answer_to_a_small_object_is_settled_without_sending_twice() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let content = Content::seeded(5, 5000);
    let file = depot.file("small", &content);
    depot.fault("kind=lose-answer op=PutObject times=1");
    let ran = depot.put(&file, "small").run();
    assert_eq!((ran.code(), depot.count("PutObject")), (0, 1), "{}", depot.report(&ran));
    depot.assert_stored("small", &content, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn parts_whose_answers_are_lost_are_not_sent_for_nothing() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=lose-answer op=UploadPart skip=3 times=2");
    let ran = depot.put(&film, "film").retries(10).run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
}

#[test]
fn another_object_at_the_key_is_never_overwritten_to_repair_ours() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=lose-answer op=CompleteMultipartUpload times=1");
    // Before the answer to the question what stands there, somebody else has written to the key.
    depot.fault("kind=replace op=HeadObject skip=1 times=1 size=777");
    let ran = depot.put_all([&film], "film").args(["--part-size", "1M"]).run();
    depot.expect(&ran, 6, "other_object");
    for says in ["oss://films/film", "--force", "cancel"] {
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    assert_eq!(depot.stored("film").unwrap().1.len(), 777, "{}", depot.report(&ran));
    // With the upload gone it is certain: two looks that agree, and not as many as fit into ten minutes.
    let looks = depot.count("HeadObject");
    assert!(looks <= 4, "{}", depot.report(&ran));
    let again = depot.put(&film, "film").run();
    depot.expect(&again, 6, "other_object");
    assert!(depot.count("HeadObject") - looks <= 3, "{}", depot.report(&again));
    let forced = depot.put(&film, "film").args(["--force"]).run();
    depot.expect(&forced, 0, "crc64, restarted (not_stored)");
    depot.assert_stored("film", &content, &forced);
    depot.assert_nothing_left(&forced);
}

/// Goal: a `put` that met another writer's object does not fail for ever when that object is the file by now. Method:
/// the file changes after the failure, and somebody else stores what it has then.
#[test]
fn another_object_that_is_the_file_by_now_is_no_obstacle() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, _) = depot.film();
    depot.fault("kind=lose-answer op=CompleteMultipartUpload times=1");
    depot.fault("kind=replace op=HeadObject skip=1 times=1 size=777");
    depot.expect(&depot.put(&film, "film").run(), 6, "other_object");
    let newer = Content::seeded(8, SIZE);
    depot.file("film", &newer);
    depot.store.put_seeded("films", "film", 8, SIZE).unwrap();
    let sent = depot.part_bytes();
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, already");
    assert_eq!(depot.part_bytes(), sent, "{}", depot.report(&ran));
    depot.assert_stored("film", &newer, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn no_overwrite_leaves_what_is_there() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.store.put_seeded("films", "film", 1, 10).unwrap();
    let ran = depot.put(&film, "film").args(["--no-overwrite"]).run();
    depot.expect(&ran, 6, "other_object");
    assert_eq!((depot.stored("film").unwrap().1.len(), depot.part_bytes()), (10, 0), "{}", depot.report(&ran));
    let ran = depot.put(&film, "other").args(["--no-overwrite"]).run();
    depot.expect(&ran, 0, "crc64");
    depot.assert_stored("other", &content, &ran);
}

#[test]
fn a_callback_that_fails_is_told_and_nothing_is_uploaded_again() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    // A port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let callback =
        format!(r#"{{"callbackUrl":"http://127.0.0.1:{port}/","callbackBody":"key=${{object}}&who=${{x:who}}"}}"#);
    let ran = depot.put(&film, "film").args(["--callback", &callback, "--callback-var", "who=me"]).run();
    depot.expect(&ran, 12, "callback_failed");
    assert!(ran.stderr.contains("stored, but its callback failed"), "{}", ran.stderr);
    assert_eq!((depot.part_bytes(), depot.count("CompleteMultipartUpload")), (SIZE, 1), "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
}

/// The five permissions that a multipart upload needs, and not the one to look at the object.
const FIVE: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:InitiateMultipartUpload",
    "oss:UploadPart","oss:CompleteMultipartUpload","oss:ListParts","oss:AbortMultipartUpload"],"Resource":"*"}]}"#;

#[test]
fn five_permissions_are_enough() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    let (id, secret) = depot.store.add_key(Some(FIVE)).unwrap();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=8");
    let ran = depot.put(&film, "film").env(depot.env_with(&id, &secret)).until_it_fails().run();
    depot.expect(&ran, 10, "network, kept");
    depot.store.clear_faults();
    let ran = depot.put(&film, "film").env(depot.env_with(&id, &secret)).run();
    // The answer to Complete tells the CRC of the whole.
    depot.expect(&ran, 0, "crc64, resumed");
    depot.assert_nothing_left(&ran);
}

#[test]
fn what_cannot_be_found_out_is_unconfirmed_and_kept() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    let (id, secret) = depot.store.add_key(Some(FIVE)).unwrap();
    depot.fault("kind=lose-answer op=CompleteMultipartUpload");
    let args = ["--settle-timeout", "1", "--part-size", "1M"];
    let ran = depot.put_all([&film], "film").args(args).env(depot.env_with(&id, &secret)).run();
    assert_eq!((ran.code(), ran.unsound()), (12, None), "{}", depot.report(&ran));
    assert_eq!(ran.event("failed").unwrap()["kind"], "unconfirmed");
    assert_eq!(depot.listed().len(), 1, "it stays known");
    depot.store.clear_faults();
    // Whoever may look at the object learns that it is there.
    let ran = depot.put(&film, "film").run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!(depot.count("InitiateMultipartUpload"), 1, "{}", depot.report(&ran));
    depot.assert_nothing_left(&ran);
}

/// Goal: a run that stored the object and could not finish its paperwork is no proof that the object is still there.
/// Method: a receipt that cannot be written; then the object is deleted, or replaced, and the same command runs again.
#[test]
fn what_was_stored_and_deleted_since_is_stored_again() {
    for deleted in [true, false] {
        let depot = Depot::with(|builder| builder.anonymous(true));
        let (film, content) = depot.film();
        settle(&film);
        depot.expect(&depot.put(&film, "film").run(), 0, "crc64");
        let receipts = depot.bench.state().join("sent");
        let receipt = fs::read_dir(&receipts).unwrap().next().unwrap().unwrap().path();
        fs::remove_file(&receipt).unwrap();
        fs::create_dir(&receipt).unwrap();
        let ran = depot.put(&film, "film").args(["--force"]).run();
        assert_eq!((ran.code(), ran.unsound()), (8, None), "{}", depot.report(&ran));
        fs::remove_dir(&receipt).unwrap();
        match deleted {
            true => depot.delete("film"),
            false => depot.store.put_seeded("films", "film", 1, 10).unwrap(),
        }
        let sent = depot.part_bytes();
        let ran = depot.put(&film, "film").run();
        depot.expect(&ran, 0, "crc64, restarted (object_gone)");
        assert_eq!(depot.part_bytes() - sent, SIZE, "{}", depot.report(&ran));
        depot.assert_stored("film", &content, &ran);
        depot.assert_nothing_left(&ran);
    }
}
