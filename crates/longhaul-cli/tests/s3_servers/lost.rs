//! Answers that are lost on the way, and a server that crashes before anybody can ask again.

use longhaul_devstore::Content;

use crate::server::{Completed, LEN, Server};

/// The answer to Complete is lost, and the server crashed and back before the next question: it is done, once.
pub(crate) fn a_lost_complete_is_settled_after_a_crash(server: &Server) {
    let content = Content::seeded(61, LEN);
    let film = server.file("lost", &content);
    server.relay.lose_the_answer_to("CompleteMultipartUpload");
    let mut running = server.put(&film, "lost", &[]);
    let lost = server.until(&mut running, |_| server.relay.has_lost_it());
    server.crash();
    server.come_back();
    server.relay.mend();
    let ran = running.wait();
    assert!(lost && ran.event("settling").is_some(), "{}", server.report(&ran));
    server.expect(&ran, 0, "whole, retried");
    assert_once(server, "lost", &content, &ran);
}

/// The same, and longhaul killed as well: the next start finds it done.
pub(crate) fn a_lost_complete_is_settled_by_the_next_start(server: &Server) {
    let content = Content::seeded(62, LEN);
    let film = server.file("lost-too", &content);
    server.relay.lose_the_answer_to("CompleteMultipartUpload");
    let mut running = server.put(&film, "lost-too", &[]);
    let lost = server.until(&mut running, |_| server.relay.has_lost_it());
    let ran = running.kill();
    assert!(lost && ran.code() == -9, "{}", server.report(&ran));
    server.crash();
    server.come_back();
    server.relay.mend();
    let ran = server.put(&film, "lost-too", &[]).wait();
    assert_eq!((ran.code(), ran.unsound()), (0, None), "{}", server.report(&ran));
    assert_once(server, "lost-too", &content, &ran);
}

/// Complete is lost, and nobody may look at the object. A store that lists a completed upload's parts is asked to
/// complete it again, and says that it is done; one that does not know the upload any more leaves it unconfirmed, and
/// nothing is sent again until somebody may look.
pub(crate) fn a_lost_complete_is_not_guessed_where_nobody_may_look(server: &Server) {
    let content = Content::seeded(63, LEN);
    let film = server.file("unseen", &content);
    server.relay.forbid(Some("HeadObject"));
    server.relay.lose_the_answer_to("CompleteMultipartUpload");
    let mut running = server.put(&film, "unseen", &[]);
    let lost = server.until(&mut running, |_| server.relay.has_lost_it());
    server.relay.mend();
    let ran = running.wait();
    server.relay.forbid(None);
    assert!(lost, "{}", server.report(&ran));
    match server.kind.completed {
        Completed::Listed => {
            server.expect(&ran, 0, "whole, retried");
            assert_eq!(server.relay.count("CompleteMultipartUpload", "unseen"), 2, "{}", server.report(&ran));
        }
        Completed::Forgotten => {
            server.expect(&ran, 12, "unconfirmed, kept");
            let ran = server.put(&film, "unseen", &[]).wait();
            assert_eq!((ran.code(), ran.unsound()), (0, None), "{}", server.report(&ran));
        }
    }
    assert_once(server, "unseen", &content, &ran);
}

/// An object of one request: the same.
pub(crate) fn a_lost_put_is_settled_after_a_crash(server: &Server) {
    let content = Content::seeded(64, 70_000);
    let file = server.file("small", &content);
    server.relay.lose_the_answer_to("PutObject");
    let mut running = server.put(&file, "small", &[]);
    let lost = server.until(&mut running, |_| server.relay.has_lost_it());
    server.crash();
    server.come_back();
    server.relay.mend();
    let ran = running.wait();
    assert!(lost && ran.event("settling").is_some(), "{}", server.report(&ran));
    assert_eq!((ran.code(), ran.unsound()), (0, None), "{}", server.report(&ran));
    assert_eq!(server.relay.count("PutObject", "small"), 1, "{}", server.report(&ran));
    server.assert_stored("small", &content, &ran);
    server.assert_nothing_left("small", &ran);
}

/// The answer is lost, and before anybody can look, somebody else has written to the key: that is not overwritten.
pub(crate) fn what_somebody_wrote_since_is_not_repaired(server: &Server) {
    let theirs = Content::seeded(65, 777);
    let film = server.file("overtaken", &Content::seeded(66, LEN));
    server.relay.lose_the_answer_to("CompleteMultipartUpload");
    let mut running = server.put(&film, "overtaken", &[]);
    let lost = server.until(&mut running, |_| server.relay.has_lost_it());
    server.write("overtaken", &theirs);
    server.relay.mend();
    let ran = running.wait();
    assert!(lost, "{}", server.report(&ran));
    server.expect(&ran, 6, "other_object");
    server.assert_stored("overtaken", &theirs, &ran);
    assert_eq!(server.relay.count("CompleteMultipartUpload", "overtaken"), 1, "{}", server.report(&ran));
}

/// Stored whole, every byte sent once, nothing left.
#[track_caller]
fn assert_once(server: &Server, key: &str, content: &Content, ran: &crate::common::Ran) {
    server.assert_stored(key, content, ran);
    assert_eq!(server.relay.part_bytes(key), LEN, "{}", server.report(ran));
    assert_eq!(server.relay.count("CreateMultipartUpload", key), 1, "{}", server.report(ran));
    server.assert_nothing_left(key, ran);
}
