//! Checksums that the store keeps for us, ignores, or refuses.

use super::play::*;

const SUM: DigestKind = DigestKind::Crc64Nvme;

/// A store whose ETags are no digests, and a client that asks it to keep a checksum.
fn asking() -> Config {
    Config { kinds: vec![DigestKind::Crc64, SUM], checksum: Some(SUM), ..config(10) }
}

fn play(sums: Sums, len: u64) -> Play {
    let mut play = Play::new(asking(), len);
    (play.sums, play.told) = (sums, Vec::new());
    play
}

fn creates(play: &Play) -> Vec<bool> {
    let asked = |step: &Step| match step {
        Step::Create { checksum } => Some(checksum.is_some()),
        _ => None,
    };
    play.steps.iter().filter_map(asked).collect()
}

/// Whether each part that was sent came with a checksum, and what was computed of it.
fn parts(play: &Play) -> Vec<(bool, usize)> {
    let sent = |step: &Step| match step {
        Step::SendPart { checksum, kinds, .. } => Some((checksum.is_some(), kinds.len())),
        _ => None,
    };
    play.steps.iter().filter_map(sent).collect()
}

/// Stops the run when this many parts have been sent.
fn pause_behind(play: &mut Play, parts: usize) {
    let mut sent = 0;
    let finish = play.play_on(&mut |play, step| {
        sent += usize::from(matches!(step, Step::SendPart { .. }));
        (sent > parts && matches!(step, Step::SendPart { .. })).then(|| {
            play.core.command(play.now, Command::Pause);
            Heard::Refused(Fault::Stopped { maybe_done: false })
        })
    });
    assert_eq!(finish, Finish::Paused);
}

#[test]
fn what_the_store_keeps_is_what_everything_is_verified_by() {
    let mut play = play(Sums::Kept, 45);
    let finish = play.well();
    assert!(matches!(finish, Finish::Done { verified: Proof::Whole(SUM), .. }), "{finish:?}");
    assert_eq!(creates(&play), [true]);
    assert_eq!(parts(&play), [(true, 1); 5], "nothing else is computed");
}

#[test]
fn a_store_that_ignores_it_is_verified_as_without() {
    let mut play = play(Sums::Ignored, 45);
    play.told = vec![DigestKind::Crc64];
    let finish = play.well();
    assert!(matches!(finish, Finish::Done { verified: Proof::Whole(DigestKind::Crc64), .. }), "{finish:?}");
    assert_eq!((creates(&play), parts(&play)), (vec![true], vec![(false, 2); 5]));
}

#[test]
fn a_store_that_refuses_it_is_asked_once_more_without() {
    let mut play = play(Sums::Refused, 45);
    play.told = vec![DigestKind::Crc64];
    let finish = play.well();
    assert!(matches!(finish, Finish::Done { verified: Proof::Whole(DigestKind::Crc64), .. }), "{finish:?}");
    assert_eq!((creates(&play), parts(&play)), (vec![true, false], vec![(false, 2); 5]));
    assert_eq!((play.restarts(), play.count(|s| matches!(s, Step::Abort { .. }))), (vec![], 0));
}

#[test]
fn a_store_that_takes_no_part_with_it_gets_another_upload_without() {
    let mut play = play(Sums::Broken, 45);
    let finish = play.well();
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!((creates(&play), play.restarts()), (vec![true, false], vec![Restart::ChecksumRefused]));
    assert_eq!(parts(&play).iter().filter(|(sum, _)| !sum).count(), 5);
    assert!(play.journal.is_empty(), "what was begun with it was removed");
}

#[test]
fn a_refusal_of_a_part_does_not_cost_those_that_are_there() {
    let mut play = play(Sums::Kept, 45);
    let finish = play.play_on(&mut |_, step| {
        let last = matches!(step, Step::SendPart { part, .. } if part.number == 5);
        last.then_some(Heard::Refused(Fault::Rejected(400)))
    });
    assert_eq!(finish, Finish::Failed(Failure::Rejected(400)));
    assert_eq!(creates(&play), [true]);
}

/// Under KMS an ETag is no digest: without a checksum the parts of an earlier run are known by the ETag of their
/// acknowledgement.
#[test]
fn parts_of_an_earlier_run_count_by_their_checksum_or_their_etag() {
    for sums in [Sums::Kept, Sums::Ignored] {
        let mut play = play(sums, 45);
        pause_behind(&mut play, 3);
        // What this run is told to ask for does not matter: it is a fact about the upload.
        play.again(Config { checksum: None, ..asking() });
        let finish = play.well();
        assert!(is_done(&finish), "{finish:?}");
        assert_eq!(parts(&play), vec![(sums == Sums::Kept, if sums == Sums::Kept { 1 } else { 2 }); 2]);
        assert_eq!((creates(&play), play.restarts()), (vec![], vec![]));
    }
}

/// What differs, and how often something is sent then.
#[test]
fn without_digests_a_part_is_what_was_acknowledged_by_length_and_etag() {
    type Spoil = fn(&mut Vec<ListedPart>);
    let cases: [(Spoil, &[Restart], usize); 6] = [
        (|parts| parts[0].etag = "\"e1\"".into(), &[], 2),
        (|parts| parts[0].etag = "e9".into(), &[Restart::PartsDiffer], 3),
        (|parts| parts[0].etag = String::new(), &[Restart::PartsDiffer], 3),
        (|parts| parts[0].len -= 1, &[Restart::PartsDiffer], 3),
        (|parts| _ = parts.remove(1), &[Restart::InvalidPart], 3),
        (|parts| parts.clear(), &[Restart::InvalidPart], 5),
    ];
    for (n, (spoil, restarts, sent)) in cases.into_iter().enumerate() {
        let mut play = play(Sums::Ignored, 45);
        pause_behind(&mut play, 3);
        spoil(play.parts.as_mut().unwrap());
        play.again(asking());
        let finish = play.well();
        assert!(is_done(&finish), "{n}: {finish:?}");
        assert_eq!((play.restarts(), play.sent()), (restarts.to_vec(), sent), "{n}");
    }
}

#[test]
fn parts_without_a_record_are_known_by_their_checksum() {
    let mut play = play(Sums::Kept, 45);
    pause_behind(&mut play, 3);
    let kept: Vec<Record> = play.recovered().unwrap().records();
    let kept: Vec<Record> = kept.into_iter().filter(|r| !matches!(r, Record::Part { .. })).collect();
    play.journal = header().to_vec();
    play.sequence = encode(&kept, 0, &mut play.journal);
    play.again(asking());
    assert!(is_done(&play.well()));
    assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart { .. }))), (2, 3));
}

#[test]
fn a_whole_that_the_store_does_not_agree_to_is_looked_into_and_then_sent_without() {
    let mut play = play(Sums::Kept, 45);
    let finish = play.play_on(&mut |play, step| {
        let refused = matches!(step, Step::Complete { whole: Some(_), .. }) && play.kept;
        refused.then_some(Heard::Refused(Fault::Corrupted))
    });
    assert!(is_done(&finish), "{finish:?}");
    assert_eq!(play.restarts(), [Restart::InvalidPart, Restart::ChecksumRefused]);
    assert_eq!((creates(&play), play.completes()), (vec![true, false], 3));
    assert_eq!(play.sent(), 10);
}

#[test]
fn a_part_that_was_lost_in_the_store_is_found_before_the_object_is_made() {
    let mut play = play(Sums::Kept, 45);
    let mut spoiled = false;
    let finish = play.play_on(&mut |play, step| {
        if !matches!(step, Step::Complete { .. }) || std::mem::replace(&mut spoiled, true) {
            return None;
        }
        play.parts.as_mut().unwrap()[1].digests = digests_of(&[SUM], 9, Range::new(0, 1));
        Some(Heard::Refused(Fault::Corrupted))
    });
    assert!(matches!(finish, Finish::Done { verified: Proof::Whole(SUM), .. }), "{finish:?}");
    assert_eq!((play.sent(), creates(&play), play.restarts()), (6, vec![true], vec![Restart::InvalidPart]));
}

#[test]
fn one_request_carries_it_where_the_store_is_known_to_keep_it() {
    for (single, verified, kinds) in [(Some(SUM), Proof::Whole(SUM), 1), (None, Proof::Length, 2)] {
        let mut play = play(Sums::Kept, 7);
        play.core = Upload::new(Config { checksum_single: single, ..asking() });
        let finish = play.well();
        assert!(matches!(&finish, Finish::Done { verified: v, .. } if *v == verified), "{finish:?}");
        assert!(play.steps.contains(&Step::Put { checksum: single }));
        assert_eq!(play.count(|s| matches!(s, Step::Snapshot { kinds: k } if k.len() == kinds)), 1);
    }
}

#[test]
fn the_identical_object_is_known_by_its_checksum_alone() {
    for len in [7, 45] {
        let mut play = play(Sums::Kept, len);
        let config = Config { checksum_single: Some(SUM), ..asking() };
        play.core = Upload::new(config.clone());
        assert!(is_done(&play.well()));
        play.again(config);
        let finish = play.well();
        assert!(matches!(finish, Finish::Done { already: true, verified: Proof::Whole(SUM), .. }), "{len}: {finish:?}");
        let read =
            play.count(|s| matches!(s, Step::ReadPart { kinds, .. } | Step::Snapshot { kinds } if *kinds == [SUM]));
        assert_eq!((read, creates(&play)), (if len == 7 { 1 } else { 5 }, vec![]));
    }
}

#[test]
fn a_lost_answer_is_settled_by_the_checksum() {
    for ours in [true, false] {
        let mut play = play(Sums::Kept, 45);
        let mut lost = false;
        let finish = play.play_on(&mut |play, step| {
            if !matches!(step, Step::Complete { .. }) || std::mem::replace(&mut lost, true) {
                return None;
            }
            let Heard::Stored { .. } = play.usual(step) else { panic!() };
            if !ours {
                // Of the same length, by another writer that sends no checksum.
                let md5 = Digest::new(DigestKind::Md5, [7; 16]).unwrap();
                play.object.as_mut().unwrap().digests = vec![md5];
            }
            Some(Heard::Refused(LOST))
        });
        match ours {
            true => assert!(matches!(finish, Finish::Done { verified: Proof::Whole(SUM), .. }), "{finish:?}"),
            false => assert_eq!(finish, Finish::Failed(Failure::OtherObject)),
        }
        assert_eq!((play.sent(), play.completes()), (5, 1));
    }
}
