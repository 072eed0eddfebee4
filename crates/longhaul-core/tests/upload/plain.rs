//! What an upload is made of on a day on which all goes well, and what is not done twice.

use super::play::*;

#[test]
fn a_small_source_is_one_request() {
    let mut play = Play::new(config(10), 7);
    let finish = play.well();
    let Finish::Done { length: 7, verified, already: false, .. } = finish else { panic!("{finish:?}") };
    assert_eq!(verified, Proof::Whole(DigestKind::Crc64));
    let kinds: Vec<_> =
        play.steps.iter().map(|s| format!("{s:?}").split([' ', '(']).next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["Open", "Look", "Snapshot", "Record", "Put", "Record", "Receipt", "Forget"]);
    assert!(play.journal.is_empty());
}

#[test]
fn a_large_source_is_sent_in_parts_and_everything_is_recorded_before_it_is_used() {
    let mut play = Play::new(config(10), 45);
    let finish = play.well();
    assert!(matches!(finish, Finish::Done { length: 45, verified: Proof::Whole(_), .. }), "{finish:?}");
    assert_eq!((play.sent(), play.completes()), (5, 1));
    let at = |what: &dyn Fn(&Step) -> bool| play.steps.iter().position(what).unwrap();
    let recorded = |step: &Step, what: &dyn Fn(&Record) -> bool| match step {
        Step::Record { records, durable: true } => records.iter().any(what),
        _ => false,
    };
    let begin = at(&|s| recorded(s, &|r| matches!(r, Record::Begin { .. })));
    let create = at(&|s| matches!(s, Step::Create { .. }));
    let created = at(&|s| recorded(s, &|r| matches!(r, Record::Created { .. })));
    let part = at(&|s| matches!(s, Step::SendPart { .. }));
    let completing = at(&|s| recorded(s, &|r| matches!(r, Record::Completing { .. })));
    let complete = at(&|s| matches!(s, Step::Complete { .. }));
    assert!(begin < create && create < created && created < part && completing < complete);
    assert!(play.notes.contains(&Note::Acknowledged { bytes: 45 }));
}

#[test]
fn the_identical_object_is_success_without_a_transfer() {
    for len in [7, 45] {
        let mut play = Play::new(config(10), len);
        assert!(is_done(&play.well()));
        play.again(config(10));
        let finish = play.well();
        assert!(matches!(finish, Finish::Done { already: true, .. }), "{finish:?}");
        assert_eq!(play.sent() + play.count(|s| matches!(s, Step::Put { .. })), 0);
        play.again(Config { force: true, ..config(10) });
        assert!(matches!(play.well(), Finish::Done { already: false, .. }));
    }
}

#[test]
fn an_interrupted_upload_goes_on_without_sending_anything_twice() {
    let mut play = Play::new(config(10), 45);
    let mut sent = 0;
    let finish = play.play_on(&mut |play, step| {
        sent += u32::from(matches!(step, Step::SendPart { .. }));
        (sent == 4 && matches!(step, Step::SendPart { .. })).then(|| {
            play.core.command(play.now, Command::Pause);
            Heard::Refused(Fault::Stopped { maybe_done: false })
        })
    });
    assert_eq!(finish, Finish::Paused);
    play.again(Config { part_len: None, ..config(10) });
    let finish = play.well();
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart { .. }))), (2, 0));
    assert!(play.notes.contains(&Note::Resumed { parts: 3, bytes: 30 }));
    assert_eq!(play.count(|s| matches!(s, Step::ListParts { .. })), 2);
}

#[test]
fn parts_without_a_record_are_read_and_not_sent() {
    let mut play = Play::new(config(10), 45);
    play.play_on(&mut |play, step| {
        matches!(step, Step::SendPart { part, .. } if part.number == 5).then(|| {
            play.core.command(play.now, Command::Pause);
            Heard::Refused(Fault::Stopped { maybe_done: false })
        })
    });
    // A power cut took the records of the parts.
    let records = play.recovered().unwrap().records();
    let kept: Vec<_> = records.into_iter().filter(|r| !matches!(r, Record::Part { .. })).collect();
    play.journal = header().to_vec();
    play.sequence = encode(&kept, 0, &mut play.journal);
    play.again(config(10));
    assert!(is_done(&play.well()));
    assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart { .. }))), (1, 4));
}

/// Ten thousand parts are resumed with one reading of the list, no byte read and none sent; and no event costs more
/// the more parts there are.
#[test]
fn ten_thousand_parts_are_little_work() {
    let limits = Limits { parts_max: 10_000, object_max: 1 << 40, ..config(10).limits };
    let big = || Config { limits, ..config(10) };
    let begun = std::time::Instant::now();
    let mut play = Play::new(big(), 100_000);
    for (pauses, sent) in [(true, 10_000), (false, 0)] {
        let finish = play.for_a_million_steps(&mut |play, step| match step {
            Step::SendPart { part, .. } => {
                let read = vec![crc(crc_of(0, part.range))];
                let (number, len) = (part.number, part.range.len());
                let part = ListedPart { number, len, etag: "e".into(), digests: read.clone() };
                play.parts.as_mut().unwrap().push(part.clone());
                Some(Heard::PartStored { read, part, before: play.source })
            }
            Step::ListParts { after, .. } => {
                let all = play.parts.as_ref().unwrap();
                let parts: Vec<_> = all.iter().skip(*after as usize).take(1000).cloned().collect();
                let next = parts.last().map(|p| p.number).filter(|&last| (last as usize) < all.len());
                Some(Heard::Listed { parts, next })
            }
            Step::Combine { .. } if pauses => {
                play.core.command(play.now, Command::Pause);
                None
            }
            _ => None,
        });
        assert_eq!(is_done(&finish), !pauses, "{finish:?}");
        assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart { .. }))), (sent, 0));
        assert_eq!(play.count(|s| matches!(s, Step::ListParts { .. })), if pauses { 0 } else { 10 });
        if pauses {
            play.again(big());
        }
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn what_must_not_be_overwritten_is_not_unless_it_is_the_same() {
    for len in [7, 45] {
        let forbid = || Config { forbid_overwrite: true, ..config(10) };
        let mut play = Play::new(forbid(), len);
        play.object = Some(ObjectFacts { len: Some(3), etag: Some("old".into()), ..ObjectFacts::default() });
        assert_eq!(play.well(), Finish::Failed(Failure::OtherObject));
        assert_eq!(play.sent() + play.count(|s| matches!(s, Step::Put { .. } | Step::Create { .. })), 0);
        let mut play = Play::new(forbid(), len);
        assert!(is_done(&play.well()));
        play.again(forbid());
        assert!(matches!(play.well(), Finish::Done { already: true, .. }));
        // Another writer is faster.
        let mut play = Play::new(forbid(), len);
        let finish = play.play_on(&mut |play, step| {
            matches!(step, Step::Put { .. } | Step::Complete { .. }).then(|| {
                play.object = Some(ObjectFacts { len: Some(3), etag: Some("other".into()), ..ObjectFacts::default() });
                Heard::Refused(Fault::Exists)
            })
        });
        assert_eq!(finish, Finish::Failed(Failure::OtherObject));
    }
}

#[test]
fn a_receipt_that_fits_spares_the_reading() {
    let mut play = Play::new(config(10), 45);
    assert!(is_done(&play.well()));
    let receipt = play.steps.iter().find_map(|s| match s {
        Step::Receipt(receipt) => Some(receipt.clone()),
        _ => None,
    });
    let object = receipt.unwrap().object;
    for (settled, reads) in [(true, 0), (false, 5)] {
        play.again(config(10));
        play.source.settled = settled;
        let finish = play.play_on(&mut |play, step| {
            matches!(step, Step::Open).then(|| {
                let finished = Some(Box::new(object.clone()));
                Heard::Opened(Box::new(OpenFacts { journal: FoundJournal::Absent, source: play.source, finished }))
            })
        });
        assert!(matches!(finish, Finish::Done { already: true, .. }), "{finish:?}");
        assert_eq!(play.count(|s| matches!(s, Step::ReadPart { .. })), reads);
    }
}

/// Under KMS the store tells no digest that bytes could be compared by.
#[test]
fn where_nothing_can_be_compared_the_summary_says_so() {
    for lost in [false, true] {
        let mut play = Play::new(config(10), 45);
        let finish = play.play_on(&mut |play, step| match step {
            Step::SendPart { .. } => {
                let Heard::PartStored { read, mut part, before } = play.usual(step) else { panic!() };
                part.digests = Vec::new();
                Some(Heard::PartStored { read, part, before })
            }
            Step::Complete { .. } => {
                let Heard::Stored { mut object, callback_failed } = play.usual(step) else { panic!() };
                object.digests = Vec::new();
                play.object = Some((*object).clone());
                Some(if lost { Heard::Refused(LOST) } else { Heard::Stored { object, callback_failed } })
            }
            _ => None,
        });
        assert!(matches!(finish, Finish::Done { verified: Proof::Length, .. }), "{finish:?}");
        assert_eq!((play.sent(), play.completes()), (5, 1));
    }
}

/// A journal that another program wrote: no memory is allocated for what it claims.
#[test]
fn a_journal_with_absurd_parts_is_not_gone_on_with() {
    for sending in [false, true] {
        let mut play = Play::new(config(10), u64::MAX);
        let facts = play.source.facts;
        let mut records = vec![
            Record::Intent(config(10).intent),
            Record::Begin { attempt: u32::MAX - 1, facts, part_len: 1, reason: None },
            Record::Created { attempt: u32::MAX - 1, upload_id: "ID".into(), checksum: None },
        ];
        if sending {
            let before = longhaul_core::upload::journal::Before::Absent;
            let (attempt, length) = (u32::MAX - 1, u64::MAX);
            records.push(Record::Completing { attempt, length, digests: vec![], composite: None, before });
        }
        play.journal = header().to_vec();
        play.sequence = encode(&records, 0, &mut play.journal);
        let finish = play.well();
        assert_eq!(finish, Finish::Failed(Failure::Limits(StoreLimit::TooLong(100_000))));
        assert_eq!(play.restarts().contains(&Restart::OtherPartLength), !sending);
    }
}
