//! Goal: a server that shows one ETag for an object that has become shorter is not asked for ever. Method: the core is
//! told of more held bytes than the object has now, whose length the journal does not know, and of replies that agree
//! about that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{self, Begin, Record, Source};
use longhaul_core::download::resume::{Found, FoundJournal, TargetState};
use longhaul_core::download::step::{Heard, Step, StreamEnd};
use longhaul_core::download::{Config, Download};
use longhaul_core::identity::Identity;
use longhaul_core::reply::{ContentRange, Framing, ReplyFacts};
use longhaul_core::run::Machine as _;
use longhaul_core::words::{Durability, Extent, FileFacts, Ticket};

const HELD: u64 = 3 << 20;
const LENGTH: u64 = 1 << 20;

fn identity() -> Identity {
    Identity { etag: Some("\"v\"".to_owned()), ..Identity::default() }
}

fn found() -> Found {
    let begin = Begin { generation: 1, slot: Slot::Main, identity: identity(), block_len: 1 << 20, reason: None };
    let extents = (0..3).map(|i| Extent { start: i << 20, len: 1 << 20, crc: 7 }).collect();
    let facts = FileFacts { len: HELD, ..FileFacts::default() };
    let records = [
        Record::Source(Source::default()),
        Record::Begin(begin),
        Record::Claim { generation: 1, extents },
        Record::CleanStop { generation: 1, facts },
    ];
    let mut file = journal::header().to_vec();
    journal::encode(&records, 0, &mut file);
    let journal = FoundJournal::Read(Box::new(journal::decode(&file).unwrap()));
    Found { journal, main: Some(facts), next: None, target: TargetState::Absent, free: None }
}

fn reply(ranged_behind_the_end: bool) -> ReplyFacts {
    let (status, content_range) = match ranged_behind_the_end {
        true => (416, ContentRange::Unsatisfied { total: LENGTH }),
        false => (206, ContentRange::Bytes { start: 0, end: LENGTH, total: Some(LENGTH) }),
    };
    ReplyFacts { status, content_range, framing: Framing::Marked, identity: identity(), ..ReplyFacts::default() }
}

#[test]
fn an_object_that_shrank_under_its_etag_begins_anew() {
    let mut run = Download::new(Config { durability: Durability::Process, ..Config::default() });
    let mut fetches = 0;
    for _ in 0..100 {
        let Some(ordered) = run.next_step() else { break };
        let mut tell = |heard: Heard, ticket: Ticket| run.hear(1, ticket, heard);
        match ordered.step {
            Step::Open { .. } => tell(Heard::Opened(Box::new(found())), ordered.ticket),
            Step::Fetch(fetch) => {
                fetches += 1;
                tell(Heard::Head(Box::new(reply(fetch.start >= LENGTH))), ordered.ticket);
            }
            Step::Stop => tell(Heard::Ended { end: StreamEnd::Stopped, at: 0 }, ordered.ticket),
            Step::Record { .. } | Step::Create { .. } | Step::SyncDir => tell(Heard::Done, ordered.ticket),
            Step::Flow(grant) => {
                assert_eq!((grant.write_start, grant.held.len()), (0, 0), "what was held does not count");
                assert!(fetches <= 4, "{fetches} requests");
                return;
            }
            Step::Note(_) | Step::Throttle(_) => {}
            step => panic!("{step:?}"),
        }
    }
    panic!("{fetches} requests, and no byte was asked for to be kept");
}
