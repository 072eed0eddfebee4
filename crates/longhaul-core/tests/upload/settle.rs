//! Answers that were lost, and what stands at the key instead.

use super::play::*;

#[test]
fn a_lost_answer_to_complete_is_settled_by_a_look() {
    for (done, fault) in [
        (true, LOST),
        (true, Fault::Unreadable),
        (true, Fault::Busy { status: 503, retry_after_ms: None }),
        (true, Fault::Conflict(409)),
        (false, LOST),
        (false, Fault::Unreadable),
        (false, NOT_SENT),
    ] {
        let mut play = Play::new(config(10), 45);
        let mut first = true;
        let finish = play.play_on(&mut |play, step| {
            if matches!(step, Step::Complete { .. }) && std::mem::take(&mut first) {
                if done {
                    play.usual(step);
                }
                return Some(Heard::Refused(fault.clone()));
            }
            None
        });
        assert!(matches!(finish, Finish::Done { verified: Proof::Whole(_), .. }), "{fault:?}: {finish:?}");
        assert_eq!((play.sent(), play.completes()), (5, if done { 1 } else { 2 }), "{fault:?}");
    }
}

#[test]
fn a_lost_answer_to_put_is_settled_by_a_look() {
    for done in [true, false] {
        let mut play = Play::new(config(10), 7);
        let mut first = true;
        let finish = play.play_on(&mut |play, step| {
            if matches!(step, Step::Put { .. }) && std::mem::take(&mut first) {
                if done {
                    play.usual(step);
                }
                return Some(Heard::Refused(LOST));
            }
            None
        });
        assert!(is_done(&finish), "{finish:?}");
        assert_eq!(play.count(|s| matches!(s, Step::Put { .. })), if done { 1 } else { 2 });
    }
}

#[test]
fn complete_that_is_still_at_work_is_waited_for() {
    let mut play = Play::new(config(10), 45);
    let mut at = None;
    let mut stored = None;
    let finish = play.play_on(&mut |play, step| {
        if matches!(step, Step::Complete { .. }) {
            play.usual(step);
            stored = play.object.take();
            at = Some(play.now);
            return Some(Heard::Refused(LOST));
        }
        if at.is_some_and(|at| play.now > at + 20_000) {
            play.object = stored.clone();
        }
        None
    });
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!((play.sent(), play.completes()), (5, 1));
}

#[test]
fn another_writers_object_is_never_overwritten_to_repair_ours() {
    for single in [true, false] {
        let mut play = Play::new(config(10), if single { 7 } else { 45 });
        let other = ObjectFacts { len: Some(3), etag: Some("other".into()), ..ObjectFacts::default() };
        let finish = play.play_on(&mut |play, step| {
            matches!(step, Step::Complete { .. } | Step::Put { .. }).then(|| {
                play.usual(step);
                play.object = Some(other.clone());
                Heard::Refused(LOST)
            })
        });
        assert_eq!(finish, Finish::Failed(Failure::OtherObject));
        assert_eq!(play.completes() + play.count(|s| matches!(s, Step::Put { .. })), 1);
        // With its upload gone, a Complete cannot be at work any more.
        assert!(play.now < if single { 120_000 } else { 2_000 }, "{} ms", play.now);
        // Neither by the next start.
        play.again(config(10));
        let finish = play.well();
        assert_eq!(finish, Finish::Failed(Failure::OtherObject));
        assert_eq!(play.completes() + play.count(|s| matches!(s, Step::Put { .. })), 0);
    }
}

#[test]
fn an_old_object_does_not_stand_in_the_way() {
    let mut play = Play::new(config(10), 45);
    play.object = Some(ObjectFacts { len: Some(3), etag: Some("old".into()), ..ObjectFacts::default() });
    let mut first = true;
    let finish = play.play_on(&mut |_, step| {
        let complete = matches!(step, Step::Complete { .. });
        (complete && std::mem::take(&mut first)).then_some(Heard::Refused(LOST))
    });
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!((play.sent(), play.completes()), (5, 2));
}

#[test]
fn five_multipart_permissions_are_enough() {
    let mut play = Play::new(config(10), 45);
    let denied = |step: &Step| matches!(step, Step::Look).then_some(Heard::Refused(Fault::Denied(403)));
    let finish = play.play_on(&mut |_, step| denied(step));
    assert!(matches!(finish, Finish::Done { verified: Proof::Whole(_), .. }), "{finish:?}");
    // A store that tells no digest of the whole.
    let mut play = Play::new(config(10), 45);
    let finish = play.play_on(&mut |play, step| {
        if let Step::Complete { .. } = step {
            play.usual(step);
            return Some(Heard::Stored { object: Box::default(), callback_failed: false });
        }
        denied(step)
    });
    assert!(matches!(finish, Finish::Done { verified: Proof::Parts, .. }), "{finish:?}");
    // The answer is lost as well: as long as the upload is listed, Complete is sent again; then it cannot be known.
    for done in [false, true] {
        let mut play = Play::new(config(10), 45);
        let mut first = true;
        let finish = play.play_on(&mut |play, step| {
            if matches!(step, Step::Complete { .. }) && std::mem::take(&mut first) {
                if done {
                    play.usual(step);
                }
                return Some(Heard::Refused(LOST));
            }
            denied(step)
        });
        match done {
            false => assert!(is_done(&finish), "{finish:?}"),
            true => assert_eq!(finish, Finish::Failed(Failure::Unconfirmed)),
        }
        assert_eq!(play.journal.is_empty(), !done);
    }
}

#[test]
fn an_upload_that_is_gone_is_begun_anew() {
    let mut play = Play::new(config(10), 45);
    let mut first = true;
    let finish = play.play_on(&mut |play, step| {
        if matches!(step, Step::SendPart { part, .. } if part.number == 3) && std::mem::take(&mut first) {
            play.parts = None; // a lifecycle rule
        }
        None
    });
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!(play.restarts(), [Restart::UploadGone]);
    assert!(play.journal.is_empty());
}

#[test]
fn after_a_crash_behind_complete_nothing_is_sent_again() {
    let mut play = Play::new(config(10), 45);
    let mut crash = false;
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        play.play_on(&mut |play, step| {
            if let Step::Complete { .. } = step {
                play.usual(step);
                crash = true;
                panic!("killed");
            }
            None
        })
    }));
    assert!(stopped.is_err() && crash);
    play.again(config(10));
    let finish = play.well();
    assert!(matches!(finish, Finish::Done { already: false, .. }), "{finish:?}");
    assert_eq!((play.sent(), play.completes()), (0, 0));
    assert!(play.journal.is_empty());
}

#[test]
fn while_the_upload_is_there_complete_may_be_at_work_and_is_waited_for() {
    let mut play = Play::new(config(10), 45);
    let other = ObjectFacts { len: Some(3), etag: Some("other".into()), ..ObjectFacts::default() };
    let finish = play.play_on(&mut |play, step| {
        matches!(step, Step::Complete { .. }).then(|| {
            play.object = Some(other.clone());
            Heard::Refused(LOST)
        })
    });
    assert_eq!(finish, Finish::Failed(Failure::OtherObject));
    assert!((60_000..120_000).contains(&play.now), "{} ms", play.now);
}

/// Goal: a start that finds another writer's object does not fail for ever when that object is the source by now.
/// Method: the source changes after the run that met it, and the object is of the newer version, or of neither.
#[test]
fn another_writers_object_is_held_against_the_source_as_it_is_now() {
    for (len, version, config) in [
        (7, 1, config(10)),
        (45, 1, config(10)),
        (7, 2, config(10)),
        (45, 2, config(10)),
        (7, 1, Config { callback: true, ..config(10) }),
    ] {
        let mut play = Play::new(config.clone(), len);
        let of_version = |version| {
            let parts: Vec<_> = (0..len.div_ceil(10))
                .map(|i| Range::new(i * 10, len.min(i * 10 + 10)))
                .map(|range| (range.len(), digests_of(&[DigestKind::Crc64], version, range)))
                .collect();
            let digests = if len == 7 { parts[0].1.clone() } else { combined(&parts) };
            ObjectFacts { len: Some(len), etag: Some("other".into()), digests, ..ObjectFacts::default() }
        };
        let finish = play.play_on(&mut |play, step| {
            matches!(step, Step::Complete { .. } | Step::Put { .. }).then(|| {
                play.usual(step);
                play.object = Some(of_version(version));
                Heard::Refused(LOST)
            })
        });
        assert_eq!(finish, Finish::Failed(Failure::OtherObject));
        play.version = 1;
        play.source.facts.mtime_ns = 2;
        let callback = config.callback;
        play.again(config);
        let finish = play.well();
        match version == 1 && !callback {
            true => assert!(matches!(finish, Finish::Done { already: true, .. }), "{finish:?}"),
            false => assert_eq!(finish, Finish::Failed(Failure::OtherObject)),
        }
        assert_eq!(play.journal.is_empty(), is_done(&finish));
        assert_eq!(play.count(|s| matches!(s, Step::SendPart { .. } | Step::Put { .. } | Step::Complete { .. })), 0);
    }
}

#[test]
fn the_same_bytes_by_another_writer_leave_no_upload_behind() {
    let mut play = Play::new(config(10), 45);
    let finish = play.play_on(&mut |play, step| {
        matches!(step, Step::Complete { .. }).then(|| {
            let parts = play.parts.clone();
            play.usual(step); // what it would make is what another writer made
            play.parts = parts;
            Heard::Refused(LOST)
        })
    });
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!((play.completes(), play.parts), (1, None), "the upload is aborted");
    assert!(play.journal.is_empty());
}

/// Goal: answers to questions do not keep a run busy for ever. Method: a store that answers every look and every list,
/// and refuses what writes the object.
#[test]
fn a_store_that_refuses_to_write_the_object_ends_the_run_however_it_answers_looks() {
    const BUSY: Fault = Fault::Busy { status: 503, retry_after_ms: None };
    for len in [7, 45] {
        let mut play = Play::new(config(10), len);
        let finish = play.play_on(&mut |_, step| {
            matches!(step, Step::Complete { .. } | Step::Put { .. }).then_some(Heard::Refused(BUSY))
        });
        assert_eq!(finish, Finish::Failed(Failure::GaveUp(BUSY)));
        assert_eq!(play.count(|s| matches!(s, Step::Complete { .. } | Step::Put { .. })), 11);
        assert!(!play.journal.is_empty());
    }
}

/// Goal: looks that are refused do not use up what the tries have. Method: each look is refused a few times before it
/// is answered, and a Complete as well; more looks are refused than the budget has tries.
#[test]
fn looks_that_are_refused_in_between_do_not_end_the_run() {
    const BUSY: Fault = Fault::Busy { status: 503, retry_after_ms: None };
    let mut play = Play::new(config(10), 45);
    let (mut looks, mut writes, mut refused) = (0, 0, 0);
    let finish = play.play_on(&mut |_, step| {
        let busy = match step {
            Step::Look | Step::ListParts { .. } => {
                looks += 1;
                looks % 5 != 0
            }
            Step::Complete { .. } => {
                writes += 1;
                writes < 5
            }
            _ => false,
        };
        refused += u32::from(busy);
        busy.then_some(Heard::Refused(BUSY))
    });
    assert!(is_done(&finish), "{finish:?}");
    assert!(refused > 20, "{refused}");
    assert_eq!((play.sent(), play.completes()), (5, 5));
}
