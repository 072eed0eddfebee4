//! The main paths of an upload, one after the other, against a store that does as it is told.
//!
//! Each test plays one story: it says what is different from a day on which all goes well, and looks at the steps that
//! were ordered and at the end. What may happen in any order is for the simulation (`tests/upload_sim`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::ranges::Range;
use longhaul_core::step::{DiskFault, NetFault, Ticket};
use longhaul_core::upload::journal::{Intent, Record, Recovered, decode, encode, header};
use longhaul_core::upload::step::*;
use longhaul_core::upload::{Command, Config, Limits, Upload};

const KEY: &str = "oss://bucket/key";

fn crc(of: u64) -> Digest {
    Digest::new(DigestKind::Crc64, of.to_be_bytes().to_vec()).unwrap()
}

/// Stands for the CRC of a stretch of a version of the source.
fn crc_of(version: u64, range: Range) -> u64 {
    (version + 1) * 1_000_003 + range.start * 7919 + range.len()
}

fn combined(parts: &[(u64, Vec<Digest>)]) -> Digest {
    let sum = parts.iter().fold(17u64, |sum, (len, digests)| {
        let value = digests.first().map_or(0, |d| u64::from_be_bytes(d.bytes().try_into().unwrap()));
        sum.wrapping_mul(31).wrapping_add(value).wrapping_add(*len)
    });
    crc(sum)
}

struct Play {
    core: Upload,
    now: u64,
    /// Everything that was ordered.
    steps: Vec<Step>,
    notes: Vec<Note>,
    source: Looked,
    version: u64,
    object: Option<ObjectFacts>,
    parts: Option<Vec<ListedPart>>,
    journal: Vec<u8>,
    sequence: u32,
    finish: Option<Finish>,
    waiting: Vec<(Ticket, Step)>,
}

fn config(len_of_parts: u64) -> Config {
    Config {
        intent: Intent { destination: KEY.into(), path: b"/f".to_vec(), ..Intent::default() },
        limits: Limits { part_min: 1, part_max: 1000, parts_max: 100, single_max: 1000, object_max: 100_000 },
        single_max: 10,
        part_len: Some(len_of_parts),
        settle_ms: 60_000,
        ..Config::default()
    }
}

fn source(len: u64) -> Looked {
    Looked { facts: SourceFacts { len, inode: 5, mtime_ns: 1, ctime_ns: 1, device: 1 }, settled: true }
}

type Other<'a> = &'a mut dyn FnMut(&mut Play, &Step) -> Option<Heard>;

impl Play {
    fn new(config: Config, len: u64) -> Self {
        Self {
            core: Upload::new(config),
            now: 0,
            steps: Vec::new(),
            notes: Vec::new(),
            source: source(len),
            version: 0,
            object: None,
            parts: None,
            journal: Vec::new(),
            sequence: 0,
            finish: None,
            waiting: Vec::new(),
        }
    }

    /// The next start, with the journal and the store as they are.
    fn again(&mut self, config: Config) {
        self.core = Upload::new(config);
        (self.finish, self.steps, self.notes, self.waiting) = (None, Vec::new(), Vec::new(), Vec::new());
    }

    fn recovered(&self) -> Option<Recovered> {
        decode(&self.journal).ok()
    }

    fn read(&self, range: Range) -> Vec<Digest> {
        vec![crc(crc_of(self.version, range))]
    }

    /// What an ideal store and disk answer.
    fn usual(&mut self, step: &Step) -> Heard {
        match step {
            Step::Open => {
                let journal = self.recovered().map_or(FoundJournal::Absent, |read| FoundJournal::Read(Box::new(read)));
                Heard::Opened(Box::new(Found { journal, source: self.source, finished: None }))
            }
            Step::Look => match &self.object {
                Some(object) => Heard::Object(Box::new(object.clone())),
                None => Heard::Refused(Fault::NoSuchKey),
            },
            Step::Snapshot => Heard::Snapped {
                before: self.source,
                after: self.source,
                digests: self.read(Range::new(0, self.source.facts.len)),
            },
            Step::Put => {
                let object = ObjectFacts {
                    len: Some(self.source.facts.len),
                    etag: Some("put".into()),
                    digests: self.read(Range::new(0, self.source.facts.len)),
                    ..ObjectFacts::default()
                };
                self.object = Some(object.clone());
                Heard::Stored { object: Box::new(object), callback_failed: false }
            }
            Step::Create => {
                self.parts = Some(Vec::new());
                Heard::Created { upload_id: "ID".into() }
            }
            Step::SendPart { part, .. } => {
                let Some(parts) = &mut self.parts else { return Heard::Refused(Fault::NoSuchUpload) };
                let read = vec![crc(crc_of(self.version, part.range))];
                let listed = ListedPart {
                    number: part.number,
                    len: part.range.len(),
                    etag: format!("e{}", part.number),
                    digests: read.clone(),
                };
                parts.retain(|p| p.number != part.number);
                parts.push(listed.clone());
                parts.sort_by_key(|p| p.number);
                Heard::PartStored { read, part: listed, before: self.source }
            }
            Step::ListParts { after, .. } => match &self.parts {
                None => Heard::Refused(Fault::NoSuchUpload),
                Some(parts) => {
                    let mut page: Vec<_> = parts.iter().filter(|p| p.number > *after).cloned().collect();
                    let more = page.len() > 2;
                    page.truncate(2);
                    let next = page.last().map(|p| p.number).filter(|_| more);
                    Heard::Listed { parts: page, next }
                }
            },
            Step::Complete { parts: named, .. } => {
                let Some(parts) = &self.parts else { return Heard::Refused(Fault::NoSuchUpload) };
                let etags: Vec<_> = parts.iter().map(|p| (p.number, p.etag.clone())).collect();
                if etags != *named {
                    return Heard::Refused(Fault::InvalidPart);
                }
                let all: Vec<_> = parts.iter().map(|p| (p.len, p.digests.clone())).collect();
                let object = ObjectFacts {
                    len: Some(parts.iter().map(|p| p.len).sum()),
                    etag: Some("complete".into()),
                    digests: vec![combined(&all)],
                    ..ObjectFacts::default()
                };
                self.object = Some(object.clone());
                self.parts = None;
                Heard::Stored { object: Box::new(object), callback_failed: false }
            }
            Step::Abort { .. } => match self.parts.take() {
                Some(_) => Heard::Done,
                None => Heard::Refused(Fault::NoSuchUpload),
            },
            Step::CheckSource => Heard::Source(self.source),
            Step::ReadPart(part) => Heard::PartRead { digests: self.read(part.range), before: self.source },
            Step::Combine { parts } => Heard::Combined { digests: vec![combined(parts)], composite: None },
            Step::Record { records, .. } => {
                if self.journal.is_empty() {
                    self.journal.extend(header());
                    self.sequence = 0;
                }
                self.sequence = encode(records, self.sequence, &mut self.journal);
                Heard::Done
            }
            Step::Compact { records } => {
                self.journal = header().to_vec();
                self.sequence = encode(records, 0, &mut self.journal);
                Heard::Done
            }
            Step::Forget => {
                self.journal.clear();
                Heard::Done
            }
            Step::Receipt(_) => Heard::Done,
            other => panic!("no answer to {other:?}"),
        }
    }

    fn drain(&mut self) {
        while let Some(Ordered { ticket, step }) = self.core.next_step() {
            match step {
                Step::Note(note) => self.notes.push(note),
                Step::Finish(finish) => self.finish = Some(finish),
                Step::Stop => {
                    self.waiting.retain(|(t, step)| *t != ticket || !matches!(step, Step::SendPart { .. }));
                    let stopped = Heard::Refused(Fault::Stopped { maybe_done: false });
                    self.core.hear(self.now, ticket, stopped);
                }
                step => {
                    self.steps.push(step.clone());
                    self.waiting.push((ticket, step));
                }
            }
        }
    }

    /// Plays until the end; `other` may answer in the world's place, first.
    fn play_on(&mut self, other: Other<'_>) -> Finish {
        self.play(5_000, other)
    }

    fn for_a_million_steps(&mut self, other: Other<'_>) -> Finish {
        self.play(1_000_000, other)
    }

    fn play(&mut self, steps: u32, other: Other<'_>) -> Finish {
        for _ in 0..steps {
            self.drain();
            if let Some(finish) = self.finish.take() {
                return finish;
            }
            if self.waiting.is_empty() {
                self.now = self.core.wake_at().expect("nothing to do and nothing to wait for");
                self.core.wake(self.now);
                continue;
            }
            let (ticket, step) = self.waiting.remove(0);
            let heard = match other(self, &step) {
                Some(heard) => heard,
                None => self.usual(&step),
            };
            self.now += 1;
            self.core.hear(self.now, ticket, heard);
        }
        panic!("no end: {:?}", &self.steps[self.steps.len().saturating_sub(10)..]);
    }

    fn well(&mut self) -> Finish {
        self.play_on(&mut |_, _| None)
    }

    fn count(&self, what: impl Fn(&Step) -> bool) -> usize {
        self.steps.iter().filter(|step| what(step)).count()
    }

    fn sent(&self) -> usize {
        self.count(|s| matches!(s, Step::SendPart { .. }))
    }

    fn completes(&self) -> usize {
        self.count(|s| matches!(s, Step::Complete { .. }))
    }

    fn restarts(&self) -> Vec<Restart> {
        let reason = |note: &Note| match note {
            Note::Restarted { reason, .. } => Some(*reason),
            _ => None,
        };
        self.notes.iter().filter_map(reason).collect()
    }
}

fn is_done(finish: &Finish) -> bool {
    matches!(finish, Finish::Done { .. })
}

const LOST: Fault = Fault::Net { fault: NetFault::Cut, maybe_done: true };
const NOT_SENT: Fault = Fault::Net { fault: NetFault::Connect, maybe_done: false };

#[test]
fn a_small_source_is_one_request() {
    let mut play = Play::new(config(10), 7);
    let finish = play.well();
    let Finish::Done { length: 7, verified, already: false, .. } = finish else { panic!("{finish:?}") };
    assert_eq!(verified, Verified::Whole(DigestKind::Crc64));
    let kinds: Vec<_> =
        play.steps.iter().map(|s| format!("{s:?}").split([' ', '(']).next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["Open", "Look", "Snapshot", "Record", "Put", "Record", "Receipt", "Forget"]);
    assert!(play.journal.is_empty());
}

#[test]
fn a_large_source_is_sent_in_parts_and_everything_is_recorded_before_it_is_used() {
    let mut play = Play::new(config(10), 45);
    let finish = play.well();
    assert!(matches!(finish, Finish::Done { length: 45, verified: Verified::Whole(_), .. }), "{finish:?}");
    assert_eq!((play.sent(), play.completes()), (5, 1));
    let at = |what: &dyn Fn(&Step) -> bool| play.steps.iter().position(what).unwrap();
    let recorded = |step: &Step, what: &dyn Fn(&Record) -> bool| match step {
        Step::Record { records, durable: true } => records.iter().any(what),
        _ => false,
    };
    let begin = at(&|s| recorded(s, &|r| matches!(r, Record::Begin { .. })));
    let create = at(&|s| matches!(s, Step::Create));
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
        assert_eq!(play.sent() + play.count(|s| matches!(s, Step::Put)), 0);
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
    assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart(_)))), (2, 0));
    assert!(play.notes.contains(&Note::Resumed { parts: 3, bytes: 30 }));
    assert_eq!(play.count(|s| matches!(s, Step::ListParts { .. })), 2);
}

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
    assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart(_)))), (1, 4));
}

#[test]
fn what_was_read_too_early_is_read_again_before_complete() {
    let mut play = Play::new(config(10), 45);
    play.source.settled = false;
    assert!(is_done(&play.well()));
    assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart(_)))), (5, 5));

    let mut play = Play::new(config(10), 45);
    play.source.settled = false;
    let finish = play.play_on(&mut |play, step| {
        // It changes unseen, once, when everything was sent.
        play.version = u64::from(matches!(step, Step::ReadPart(_)) || play.version == 1);
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
        assert!(matches!(finish, Finish::Done { verified: Verified::Whole(_), .. }), "{fault:?}: {finish:?}");
        assert_eq!((play.sent(), play.completes()), (5, if done { 1 } else { 2 }), "{fault:?}");
    }
}

#[test]
fn a_lost_answer_to_put_is_settled_by_a_look() {
    for done in [true, false] {
        let mut play = Play::new(config(10), 7);
        let mut first = true;
        let finish = play.play_on(&mut |play, step| {
            if matches!(step, Step::Put) && std::mem::take(&mut first) {
                if done {
                    play.usual(step);
                }
                return Some(Heard::Refused(LOST));
            }
            None
        });
        assert!(is_done(&finish), "{finish:?}");
        assert_eq!(play.count(|s| matches!(s, Step::Put)), if done { 1 } else { 2 });
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
            matches!(step, Step::Complete { .. } | Step::Put).then(|| {
                play.usual(step);
                play.object = Some(other.clone());
                Heard::Refused(LOST)
            })
        });
        assert_eq!(finish, Finish::Failed(Failure::OtherObject));
        assert_eq!(play.completes() + play.count(|s| matches!(s, Step::Put)), 1);
        assert!(play.now < 120_000);
        // Neither by the next start.
        play.again(config(10));
        let finish = play.well();
        assert_eq!(finish, Finish::Failed(Failure::OtherObject));
        assert_eq!(play.completes() + play.count(|s| matches!(s, Step::Put)), 0);
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
    assert!(matches!(finish, Finish::Done { verified: Verified::Whole(_), .. }), "{finish:?}");
    // A store that tells nothing of the whole.
    let mut play = Play::new(config(10), 45);
    let finish = play.play_on(&mut |play, step| {
        if let Step::Complete { .. } = step {
            play.usual(step);
            return Some(Heard::Stored { object: Box::default(), callback_failed: false });
        }
        denied(step)
    });
    assert!(matches!(finish, Finish::Done { verified: Verified::Parts, .. }), "{finish:?}");
    // The answer is lost as well: as long as the upload is listed, Complete is sent again; then nobody can know.
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
fn a_lost_answer_to_create_is_remembered_as_perhaps_ours() {
    let mut play = Play::new(config(10), 45);
    let mut first = true;
    let finish = play.play_on(&mut |_, step| {
        let create = matches!(step, Step::Create);
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
            (matches!(step, Step::Put) && left > 0).then(|| {
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
    let create = |step: &Step| matches!(step, Step::Create);
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
    assert_eq!(play.well(), Finish::Failed(Failure::Limits(Limit::PartTooLarge(1000))));
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

/// Ten thousand parts are resumed with one reading of the list, nothing read and nothing sent; and no event costs more
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
        assert_eq!((play.sent(), play.count(|s| matches!(s, Step::ReadPart(_)))), (sent, 0));
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
        assert_eq!(play.sent() + play.count(|s| matches!(s, Step::Put | Step::Create)), 0);
        let mut play = Play::new(forbid(), len);
        assert!(is_done(&play.well()));
        play.again(forbid());
        assert!(matches!(play.well(), Finish::Done { already: true, .. }));
        // Somebody is faster.
        let mut play = Play::new(forbid(), len);
        let finish = play.play_on(&mut |play, step| {
            matches!(step, Step::Put | Step::Complete { .. }).then(|| {
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
                Heard::Opened(Box::new(Found { journal: FoundJournal::Absent, source: play.source, finished }))
            })
        });
        assert!(matches!(finish, Finish::Done { already: true, .. }), "{finish:?}");
        assert_eq!(play.count(|s| matches!(s, Step::ReadPart(_))), reads);
    }
}

/// The receipt of a source whose times prove nothing yet must not be believed later.
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

/// Under KMS nothing is told that bytes could be compared by.
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
        assert!(matches!(finish, Finish::Done { verified: Verified::Length, .. }), "{finish:?}");
        assert_eq!((play.sent(), play.completes()), (5, 1));
    }
}

/// A journal that somebody wrote: nothing is allocated for what it claims.
#[test]
fn a_journal_with_absurd_parts_is_not_gone_on_with() {
    for sending in [false, true] {
        let mut play = Play::new(config(10), u64::MAX);
        let facts = play.source.facts;
        let mut records = vec![
            Record::Intent(config(10).intent),
            Record::Begin { attempt: u32::MAX - 1, facts, part_len: 1, reason: None },
            Record::Created { attempt: u32::MAX - 1, upload_id: "ID".into() },
        ];
        if sending {
            let before = longhaul_core::upload::journal::Before::Absent;
            let (attempt, length) = (u32::MAX - 1, u64::MAX);
            records.push(Record::Completing { attempt, length, digests: vec![], composite: None, before });
        }
        play.journal = header().to_vec();
        play.sequence = encode(&records, 0, &mut play.journal);
        let finish = play.well();
        assert_eq!(finish, Finish::Failed(Failure::Limits(Limit::TooLong(100_000))));
        assert_eq!(play.restarts().contains(&Restart::OtherPartLength), !sending);
    }
}
