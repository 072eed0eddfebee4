//! Requests that are refused, and bytes that arrive otherwise than they were sent.

use super::play::*;

#[test]
fn a_part_that_arrives_wrong_is_sent_again_but_not_for_ever() {
    for (times, ok) in [(2, true), (9, false)] {
        let mut play = Play::new(config(10), 45);
        let mut left = times;
        let finish = play.play_on(&mut |play, step| {
            if left > 0 && matches!(step, Step::SendPart { part, .. } if part.number == 2) {
                left -= 1;
                let Heard::PartStored { read, mut part, before } = play.usual(step) else { panic!() };
                part.digests = vec![crc(1)];
                return Some(Heard::PartStored { read, part, before });
            }
            None
        });
        assert_eq!(is_done(&finish), ok, "{finish:?}");
        assert_eq!(matches!(finish, Finish::Failed(Failure::Integrity { .. })), !ok);
    }
}

#[test]
fn a_lost_answer_to_create_is_remembered_as_perhaps_ours() {
    let mut play = Play::new(config(10), 45);
    let mut first = true;
    let finish = play.play_on(&mut |_, step| {
        let create = matches!(step, Step::Create { .. });
        (create && std::mem::take(&mut first)).then_some(Heard::Refused(LOST))
    });
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!(play.restarts(), [Restart::IntentOnly]);
    let left = play.recovered().unwrap().attempts;
    assert!(left.iter().any(|a| a.is_nameless()) && left.last().unwrap().stored, "{left:?}");
}

#[test]
fn cancelling_aborts_until_the_list_is_empty() {
    for (confirms, keep) in [(true, false), (false, false), (true, true)] {
        let mut play = Play::new(Config { keep_parts: keep, ..config(10) }, 45);
        let mut late = 2;
        let finish = play.play_on(&mut |play, step| match step {
            Step::SendPart { part, .. } if part.number == 3 => {
                play.core.command(play.now, Command::Discard);
                Some(Heard::Refused(Fault::Stopped { maybe_done: true }))
            }
            // A part that was on its way survives the first aborts.
            Step::Abort { .. } if late > 0 || !confirms => {
                late -= 1;
                Some(Heard::Done)
            }
            _ => None,
        });
        assert_eq!(finish, Finish::Discarded { clean: confirms && !keep });
        assert_eq!(play.parts.is_some(), keep || !confirms);
        assert_eq!(play.journal.is_empty(), confirms && !keep);
    }
}

#[test]
fn credentials_that_expire_are_asked_for_again_a_few_times() {
    for (times, ok) in [(2, true), (3, false)] {
        let mut play = Play::new(config(10), 7);
        let mut left = times;
        let finish = play.play_on(&mut |_, step| {
            (matches!(step, Step::Put { .. }) && left > 0).then(|| {
                left -= 1;
                Heard::Refused(Fault::Expired)
            })
        });
        assert_eq!(is_done(&finish), ok, "{finish:?}");
        assert_eq!(finish == Finish::Failed(Failure::NeedsCredentials), !ok);
    }
}

#[test]
fn every_refusal_has_its_failure() {
    let on = |what: fn(&Step) -> bool, fault: Fault| {
        let mut play = Play::new(config(10), 45);
        play.play_on(&mut |_, step| what(step).then(|| Heard::Refused(fault.clone())))
    };
    let create = |step: &Step| matches!(step, Step::Create { .. });
    let part = |step: &Step| matches!(step, Step::SendPart { .. });
    for (what, fault, want) in [
        (create as fn(&Step) -> bool, Fault::Denied(403), Failure::Denied(403)),
        (create, Fault::NoSuchBucket, Failure::NoSuchBucket),
        (create, Fault::NoCredentials, Failure::NeedsCredentials),
        (create, NOT_SENT, Failure::GaveUp(NOT_SENT)),
        (part, Fault::Rejected(400), Failure::Rejected(400)),
        (part, Fault::Corrupted, Failure::GaveUp(Fault::Corrupted)),
        (part, LOST, Failure::GaveUp(LOST)),
    ] {
        assert_eq!(on(what, fault), Finish::Failed(want));
    }
    let mut play = Play::new(config(10), 45);
    let finish = play.play_on(&mut |_, step| part(step).then_some(Heard::Failed(DiskFault::Io)));
    assert_eq!(finish, Finish::Failed(Failure::Disk { fault: DiskFault::Io, during: "read the source" }));
    let mut play = Play::new(config(1001), 45);
    assert_eq!(play.well(), Finish::Failed(Failure::Limits(StoreLimit::PartTooLarge(1000))));
}

#[test]
fn a_whole_that_differs_is_sent_once_more() {
    for (times, ok) in [(1, true), (2, false)] {
        let mut play = Play::new(config(10), 45);
        let mut left = times;
        let finish = play.play_on(&mut |play, step| {
            if matches!(step, Step::Complete { .. }) && left > 0 {
                left -= 1;
                let Heard::Stored { mut object, .. } = play.usual(step) else { panic!() };
                object.digests = vec![crc(left)];
                play.object = Some((*object).clone());
                return Some(Heard::Stored { object, callback_failed: false });
            }
            None
        });
        assert_eq!(is_done(&finish), ok, "{finish:?}");
        assert_eq!(matches!(finish, Finish::Failed(Failure::Integrity { .. })), !ok);
        assert_eq!(play.restarts(), [Restart::WholeDiffers]);
    }
}

#[test]
fn an_upload_that_was_refused_leaves_no_journal() {
    for (fault, kept) in [
        (Fault::Denied(403), false),
        (Fault::NoSuchBucket, false),
        (Fault::Rejected(400), false),
        // What may be asked for again, with what was begun.
        (Fault::NoCredentials, true),
        (NOT_SENT, true),
        (LOST, true),
    ] {
        let mut play = Play::new(config(10), 45);
        let refusal = Heard::Refused(fault.clone());
        let finish = play.play_on(&mut |_, step| matches!(step, Step::Create { .. }).then(|| refusal.clone()));
        assert!(matches!(finish, Finish::Failed(_)), "{finish:?}");
        assert_eq!(!play.journal.is_empty(), kept, "{fault:?}");
    }
    for (fault, kept) in [(Fault::Denied(403), false), (Fault::NoSuchBucket, false), (NOT_SENT, true), (LOST, true)] {
        let mut play = Play::new(config(10), 7);
        let refusal = Heard::Refused(fault.clone());
        let finish = play.play_on(&mut |_, step| matches!(step, Step::Put { .. }).then(|| refusal.clone()));
        assert!(matches!(finish, Finish::Failed(_)), "{finish:?}");
        assert_eq!(!play.journal.is_empty(), kept, "{fault:?}");
    }
    // One whose answer was lost before may be stored.
    let mut play = Play::new(config(10), 7);
    let mut lost = false;
    let finish = play.play_on(&mut |_, step| match step {
        Step::Put { .. } if !std::mem::replace(&mut lost, true) => Some(Heard::Refused(LOST)),
        Step::Put { .. } => Some(Heard::Refused(Fault::Denied(403))),
        _ => None,
    });
    assert_eq!((finish, play.journal.is_empty()), (Finish::Failed(Failure::Denied(403)), false));
    // One that was begun before is in the store, and remembered.
    let mut play = Play::new(config(10), 45);
    let finish = play.play_on(&mut |_, step| match step {
        Step::SendPart { part, .. } if part.number == 3 => Some(Heard::Refused(Fault::Denied(403))),
        _ => None,
    });
    assert_eq!(finish, Finish::Failed(Failure::Denied(403)));
    assert!(!play.journal.is_empty());
}
