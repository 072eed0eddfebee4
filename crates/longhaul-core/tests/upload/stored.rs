//! A run that found the object stored and was killed before its journal was gone; then another writer comes.

use super::play::*;

/// A run up to the removal of its journal, which does not happen.
fn killed_before_forget(len: u64) -> Play {
    let mut play = Play::new(config(10), len);
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        play.play_on(&mut |_, step| match step {
            Step::Forget => panic!("killed"),
            _ => None,
        })
    }));
    assert!(killed.is_err() && play.recovered().unwrap().last().unwrap().stored);
    play.again(config(10));
    play
}

fn sent(play: &Play) -> usize {
    play.count(|s| matches!(s, Step::SendPart { .. } | Step::Put { .. }))
}

#[test]
fn what_is_stored_is_not_sent_again() {
    for len in [7, 45] {
        let mut play = killed_before_forget(len);
        let finish = play.well();
        assert!(matches!(finish, Finish::Done { already: false, verified: Proof::Whole(_), .. }), "{finish:?}");
        assert_eq!((sent(&play), play.journal.is_empty()), (0, true));
    }
}

#[test]
fn an_object_that_was_removed_or_replaced_since_is_no_success() {
    let other = ObjectFacts { len: Some(3), etag: Some("other".into()), ..ObjectFacts::default() };
    for (len, object) in [(7, None), (45, None), (7, Some(other.clone())), (45, Some(other))] {
        let mut play = killed_before_forget(len);
        play.object = object.clone();
        let finish = play.well();
        assert!(matches!(finish, Finish::Done { already: false, verified: Proof::Whole(_), .. }), "{finish:?}");
        assert_eq!(sent(&play), if len == 7 { 1 } else { 5 }, "{object:?}");
        assert_eq!(play.restarts(), [Restart::ObjectGone]);
        assert!(play.object.as_ref().is_some_and(|now| now.len == Some(len)) && play.journal.is_empty());
        // Where it is forbidden to replace anything, another writer's object stays.
        if let Some(object) = object {
            let mut play = killed_before_forget(len);
            play.again(Config { forbid_overwrite: true, ..config(10) });
            play.object = Some(object.clone());
            assert_eq!(play.well(), Finish::Failed(Failure::OtherObject));
            assert_eq!((sent(&play), play.object), (0, Some(object)));
        }
    }
}

#[test]
fn who_may_not_look_has_the_word_of_the_run_that_stored_it() {
    let mut play = killed_before_forget(45);
    play.object = None;
    let finish = play.play_on(&mut |_, step| matches!(step, Step::Look).then_some(Heard::Refused(Fault::Denied(403))));
    assert!(matches!(finish, Finish::Done { verified: Proof::Answer, .. }), "{finish:?}");
    assert_eq!(sent(&play), 0);
}

#[test]
fn a_look_that_fails_concludes_nothing() {
    // Tried again, and then it tells.
    let mut play = killed_before_forget(45);
    play.object = None;
    let mut failures = 5;
    let finish = play.play_on(&mut |_, step| {
        let fails = matches!(step, Step::Look) && failures > 0;
        failures -= u32::from(fails);
        fails.then_some(Heard::Refused(NOT_SENT))
    });
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!(sent(&play), 5);
    // For ever.
    let mut play = killed_before_forget(45);
    let finish = play.play_on(&mut |_, step| matches!(step, Step::Look).then_some(Heard::Refused(NOT_SENT)));
    assert_eq!(finish, Finish::Failed(Failure::GaveUp(NOT_SENT)));
    assert!(!play.journal.is_empty());
}

#[test]
fn a_store_that_tells_no_digest_is_believed_by_the_length_and_the_receipt() {
    let told_nothing =
        |len, etag: &str| Some(ObjectFacts { len: Some(len), etag: Some(etag.into()), ..ObjectFacts::default() });
    for (object, receipt, parts) in [
        (told_nothing(45, "complete"), None, 0),
        (told_nothing(45, "complete"), told_nothing(45, "complete"), 0),
        (told_nothing(45, "later"), told_nothing(45, "complete"), 5),
        (told_nothing(44, "complete"), None, 5),
    ] {
        let mut play = killed_before_forget(45);
        play.object = object.clone();
        let finish = play.play_on(&mut |play, step| match (step, receipt.clone()) {
            (Step::Open, Some(finished)) => match play.usual(step) {
                Heard::Opened(found) => {
                    Some(Heard::Opened(Box::new(OpenFacts { finished: Some(Box::new(finished)), ..*found })))
                }
                other => Some(other),
            },
            _ => None,
        });
        assert!(is_done(&finish), "{object:?}: {finish:?}");
        assert_eq!(sent(&play), parts, "{object:?}, {receipt:?}");
    }
}
