//! Uploads that are interrupted: by kills, by crashes of the server, by what somebody else does meanwhile.

use std::fs;

use longhaul_devstore::Content;

use crate::common::Dice;
use crate::server::{CONNECTIONS, LEN, PART, RATE, Server};

/// Four parts more, for there to be something left after the kills.
const LONGER: u64 = LEN + 4 * PART;
const KILLS: u64 = 3;

/// Kills at moments that a seed decides, the server crashed under one of them; after each the same command again.
pub(crate) fn goes_on_after_kills(server: &Server, dice: &mut Dice) {
    let content = Content::seeded(41, LONGER);
    let film = server.file("storm", &content);
    // Where the log stood at each kill: what was acknowledged by then is not to be sent again.
    let mut kills = Vec::new();
    for kill in 0..KILLS {
        let enough = server.relay.part_bytes("storm") + PART / 2 + dice.below(2 * PART);
        let mut running = server.put(&film, "storm", &["--limit-rate", RATE]);
        let seen = server.until(&mut running, |_| server.relay.part_bytes("storm") > enough);
        kills.push(server.relay.log().len());
        let ran = running.kill();
        assert!(seen && ran.code() == -9, "kill {kill} at {enough}: {}", server.report(&ran));
        if kill == 1 {
            server.crash();
            server.come_back();
        }
    }
    let ran = server.put(&film, "storm", &[]).wait();
    server.expect(&ran, 0, "whole, resumed");
    server.assert_stored("storm", &content, &ran);
    server.assert_nothing_left("storm", &ran);
    for (kill, until) in kills.into_iter().enumerate() {
        let (acknowledged, since) = server.relay.acknowledged_and_sent_since(until);
        let again: Vec<_> = since.iter().filter(|part| acknowledged.contains(part)).collect();
        assert!(again.is_empty(), "after kill {kill} sent again: {again:?}: {}", server.report(&ran));
    }
    let sent = server.relay.part_bytes("storm");
    let over = sent.checked_sub(LONGER).unwrap();
    assert!(over <= KILLS * CONNECTIONS * PART, "{over} bytes too many: {}", server.report(&ran));
    assert_eq!(server.relay.count("CreateMultipartUpload", "storm"), 1, "{}", server.report(&ran));
}

/// The server dies in the middle and comes back: the same run goes on, and nothing begins anew.
pub(crate) fn lives_through_a_crash_of_the_server(server: &Server) {
    let content = Content::seeded(42, LEN);
    let film = server.file("crashed", &content);
    let mut running = server.put(&film, "crashed", &["--limit-rate", RATE]);
    let seen = server.until(&mut running, |_| server.relay.acknowledged("crashed") > 0);
    let before = server.relay.log().len();
    server.crash();
    server.come_back();
    let ran = running.wait();
    assert!(seen, "{}", server.report(&ran));
    server.expect(&ran, 0, "whole, retried");
    server.assert_stored("crashed", &content, &ran);
    server.assert_nothing_left("crashed", &ran);
    let (acknowledged, since) = server.relay.acknowledged_and_sent_since(before);
    assert!(!since.iter().any(|part| acknowledged.contains(part)), "{}", server.report(&ran));
}

/// Somebody aborts the upload between two runs: a new one, with the reason told.
pub(crate) fn an_upload_that_somebody_aborted_begins_anew(server: &Server) {
    let content = Content::seeded(43, LEN);
    let film = server.file("aborted", &content);
    server.leave_unfinished(&film, "aborted");
    let upload = server.uploads("aborted").remove(0);
    server.curl(&["-X", "DELETE"], &format!("films/aborted?uploadId={upload}"));
    let ran = server.put(&film, "aborted", &[]).wait();
    server.expect(&ran, 0, "whole, restarted (upload_gone)");
    server.assert_stored("aborted", &content, &ran);
    server.assert_nothing_left("aborted", &ran);
}

/// The file is another one by the second run: the first upload is removed, and what is stored is the one file whole.
pub(crate) fn a_source_that_changed_between_runs_is_sent_whole(server: &Server) {
    let film = server.file("changing", &Content::seeded(44, LEN));
    server.leave_unfinished(&film, "changing");
    let newer = Content::seeded(45, LEN);
    fs::remove_file(&film).unwrap();
    server.file("changing", &newer);
    let ran = server.put(&film, "changing", &[]).wait();
    // The parts that are there are compared with the file beside the sending: they were taken up first.
    server.expect(&ran, 0, "whole, resumed, restarted (source_changed)");
    server.assert_stored("changing", &newer, &ran);
    server.assert_nothing_left("changing", &ran);
}

/// Somebody else writes to the key between two runs: whoever forbade to replace anything replaces nothing.
pub(crate) fn another_object_at_the_key_is_left_alone_when_told(server: &Server) {
    let (content, theirs) = (Content::seeded(46, LEN), Content::seeded(47, 777));
    let film = server.file("contested", &content);
    server.leave_unfinished(&film, "contested");
    server.write("contested", &theirs);
    let ran = server.put(&film, "contested", &["--no-overwrite"]).wait();
    server.expect(&ran, 6, "other_object");
    server.assert_stored("contested", &theirs, &ran);
    // And without the flag it is replaced, as by any upload.
    let ran = server.put(&film, "contested", &[]).wait();
    assert_eq!(ran.code(), 0, "{}", server.report(&ran));
    server.assert_stored("contested", &content, &ran);
    server.assert_nothing_left("contested", &ran);
}

/// The object is there, and nobody here remembers it.
pub(crate) fn what_is_there_is_not_sent_again(server: &Server) {
    let content = Content::seeded(48, LEN);
    let film = server.file("again", &content);
    server.expect(&server.put(&film, "again", &[]).wait(), 0, "whole");
    let ran = server.put(&film, "again", &[]).wait();
    // By the receipt and the ETag, or by reading the file if it was written so lately that its times prove nothing.
    assert!(ran.code() == 0 && ran.event("done").unwrap()["already"] == true, "{}", server.report(&ran));
    fs::remove_dir_all(server.bench.state()).unwrap();
    let ran = server.put(&film, "again", &[]).wait();
    server.expect(&ran, 0, "whole, already");
    assert_eq!(server.relay.part_bytes("again"), LEN, "{}", server.report(&ran));
    assert_eq!(server.relay.count("CreateMultipartUpload", "again"), 1, "{}", server.report(&ran));
}

pub(crate) fn what_is_cancelled_leaves_nothing_in_the_store(server: &Server) {
    let film = server.file("cancelled", &Content::seeded(49, LEN));
    server.leave_unfinished(&film, "cancelled");
    let ran = server.longhaul(&["cancel", film.to_str().unwrap(), "--proxy", "none"]).wait();
    assert_eq!(ran.code(), 0, "{}", server.report(&ran));
    server.assert_nothing_left("cancelled", &ran);
    assert_eq!(server.ask(&[], "films/cancelled").0, 404, "{}", server.report(&ran));
}

/// The file is gone, so nobody will go on: `clean` removes the upload, and no other one.
pub(crate) fn clean_removes_what_nobody_can_go_on_with(server: &Server) {
    let film = server.file("orphan", &Content::seeded(50, LEN));
    server.leave_unfinished(&film, "orphan");
    let xml = server.curl(&["-X", "POST"], "films/orphan?uploads=");
    assert!(String::from_utf8_lossy(&xml).contains("<UploadId>"));
    let theirs = server.uploads("orphan");
    assert_eq!(theirs.len(), 2, "ours and somebody else's");
    let ran = server.longhaul(&["clean", "--yes", "--proxy", "none"]).wait();
    assert!(ran.code() == 0 && server.uploads("orphan").len() == 2, "{}", server.report(&ran));
    fs::remove_file(&film).unwrap();
    let ran = server.longhaul(&["clean", "--yes", "--proxy", "none"]).wait();
    assert_eq!(ran.code(), 0, "{}", server.report(&ran));
    let left = server.uploads("orphan");
    assert_eq!(left.len(), 1, "{}", server.report(&ran));
    assert!(String::from_utf8_lossy(&xml).contains(&left[0]), "ours is gone, theirs is not");
    server.curl(&["-X", "DELETE"], &format!("films/orphan?uploadId={}", left[0]));
}

/// S3 takes no parts below 5 MiB but the last. Garage does, and longhaul sends it none all the same: what was begun
/// with one store's leniency could not be finished with another's strictness.
pub(crate) fn parts_are_as_long_as_s3_wants_them(server: &Server) {
    let film = server.file("small parts", &Content::seeded(51, LEN));
    let ran = server.put(&film, "small-parts", &["--part-size", "1M"]).wait();
    assert_eq!((ran.code(), ran.unsound()), (2, None), "{}", server.report(&ran));
    assert_eq!(server.relay.about("small-parts").len(), 0, "{}", server.report(&ran));
}

/// Nothing is there, and nothing is to be replaced: the request says so. Swift takes that with Complete alone, and
/// refuses a PUT that says it; the message names the reason.
pub(crate) fn what_must_not_be_replaced(server: &Server) {
    let content = Content::seeded(52, 5000);
    let file = server.file("first", &content);
    let ran = server.put(&file, "first", &["--no-overwrite"]).wait();
    if server.kind.forbids_overwrite {
        server.expect(&ran, 0, "md5");
        server.assert_stored("first", &content, &ran);
    } else {
        server.expect(&ran, 11, "refused");
        assert!(ran.stderr.contains("this store cannot be told not to replace"), "{}", server.report(&ran));
        assert_eq!(server.ask(&[], "films/first").0, 404, "{}", server.report(&ran));
    }
    let (film, content) = (server.file("first-long", &Content::seeded(53, LEN)), Content::seeded(53, LEN));
    let ran = server.put(&film, "first-long", &["--no-overwrite"]).wait();
    server.expect(&ran, 0, "whole");
    server.assert_stored("first-long", &content, &ran);
    server.assert_nothing_left("first-long", &ran);
}
