//! A source that is touched, changed, or too young for its times to prove anything.

use super::play::*;

#[test]
fn a_touched_source_is_read_again_and_a_changed_one_is_sent_anew() {
    for (version, sent, restarts) in [(0, 2, vec![]), (1, 5, vec![Restart::SourceChanged])] {
        let mut play = Play::new(config(10), 45);
        play.play_on(&mut |play, step| {
            let last = matches!(step, Step::SendPart { part, .. } if part.number == 4);
            last.then(|| {
                play.core.command(play.now, Command::Pause);
                Heard::Refused(Fault::Stopped { maybe_done: false })
            })
        });
        play.source.facts.ctime_ns += 1;
        play.version = version;
        play.again(config(10));
        let finish = play.well();
        assert!(is_done(&finish), "{finish:?}");
        assert_eq!(play.restarts(), restarts);
        assert!(play.sent() >= sent && play.sent() <= sent + 2, "{}", play.sent());
        assert!(play.journal.is_empty());
    }
}

#[test]
fn what_was_read_too_early_is_read_again_before_complete() {
    let mut play = Play::new(config(10), 45);
    play.source.settled = false;
    assert!(is_done(&play.well()));
    assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart { .. }))), (5, 5));

    let mut play = Play::new(config(10), 45);
    play.source.settled = false;
    let finish = play.play_on(&mut |play, step| {
        // It changes unseen, once, when everything was sent.
        play.version = u64::from(matches!(step, Step::ReadPart { .. }) || play.version == 1);
        None
    });
    assert!(is_done(&finish));
    assert_eq!((play.restarts(), play.completes()), (vec![Restart::SourceChanged], 1));
}

#[test]
fn a_source_that_keeps_changing_is_given_up() {
    let mut play = Play::new(config(10), 45);
    let finish = play.play_on(&mut |play, step| {
        if let Step::CheckSource = step {
            play.version += 1;
            play.source.facts.mtime_ns += 1;
        }
        None
    });
    assert_eq!(finish, Finish::Failed(Failure::SourceChanged { changes: 4 }));
    assert_eq!(play.completes(), 0);
}

/// The receipt of a source whose times do not yet prove its version must not be believed later.
#[test]
fn a_receipt_of_a_young_source_fits_no_file() {
    for len in [7, 45] {
        for settled in [true, false] {
            let mut play = Play::new(config(10), len);
            play.source.settled = settled;
            assert!(is_done(&play.well()));
            let facts = play.steps.iter().find_map(|s| match s {
                Step::Receipt(receipt) => Some(receipt.facts),
                _ => None,
            });
            assert_eq!(facts.unwrap() == play.source.facts, settled);
        }
    }
}
