//! `longhaul put` and `get` with S3 servers that nobody here wrote: Ceph's gateway, Garage, Swift's S3 layer.
//!
//! Goal: what the local store shows of interruptions holds where the store is not ours: kills of the program, crashes
//! of the server, lost answers, what somebody else does to the same key. Method: the same stories for each server, with
//! the real binary and real kills at bytes that a seed decides. The servers are started and crashed by
//! `scripts/servers`; a relay before them loses answers and keeps the log of what was sent, and curl shows what is
//! really there. One server for all stories, since each takes its time to start, and each story with a key of its own.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "it says when it is skipped, and which story it tells")]
#![allow(unreachable_pub, reason = "a suite of its own")]

#[path = "../common/mod.rs"]
mod common;

mod downloads;
mod lost;
mod names;
mod nodes;
mod relay;
mod server;
mod uploads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use common::Dice;
use server::{Kind, Server};

type Story = fn(&Server, &mut Dice);

/// All of them, by name: a failure is found in what was told.
const STORIES: [(&str, Story); 21] = [
    ("an upload goes on after kills", uploads::goes_on_after_kills),
    ("an upload lives through a crash", |s, _| uploads::lives_through_a_crash_of_the_server(s)),
    ("an upload that somebody aborted", |s, _| uploads::an_upload_that_somebody_aborted_begins_anew(s)),
    ("a source that changed", |s, _| uploads::a_source_that_changed_between_runs_is_sent_whole(s)),
    ("another object at the key", |s, _| uploads::another_object_at_the_key_is_left_alone_when_told(s)),
    ("an object that is there", |s, _| uploads::what_is_there_is_not_sent_again(s)),
    ("cancel", |s, _| uploads::what_is_cancelled_leaves_nothing_in_the_store(s)),
    ("clean", |s, _| uploads::clean_removes_what_nobody_can_go_on_with(s)),
    ("small parts", |s, _| uploads::parts_are_as_long_as_s3_wants_them(s)),
    ("no overwriting", |s, _| uploads::what_must_not_be_replaced(s)),
    ("a lost Complete", |s, _| lost::a_lost_complete_is_settled_after_a_crash(s)),
    ("a lost Complete and a kill", |s, _| lost::a_lost_complete_is_settled_by_the_next_start(s)),
    ("a lost Complete, unseen", |s, _| lost::a_lost_complete_is_not_guessed_where_nobody_may_look(s)),
    ("a lost Put", |s, _| lost::a_lost_put_is_settled_after_a_crash(s)),
    ("another object before ours", |s, _| lost::what_somebody_wrote_since_is_not_repaired(s)),
    ("a download goes on after kills", downloads::goes_on_after_kills),
    ("ranges of an object", |s, _| downloads::ranges_are_exactly_their_bytes(s)),
    ("an object replaced between runs", |s, _| downloads::an_object_that_is_replaced_gives_one_version(s)),
    ("an object replaced meanwhile", |s, _| downloads::an_object_that_is_replaced_meanwhile_gives_one_version(s)),
    ("names", |s, _| {
        names::every_key_is_itself(s);
        names::an_object_without_bytes(s);
    }),
    ("folders", |s, _| names::a_folder_goes_there_and_back(s)),
];

/// `LONGHAUL_STORY` with a part of a name tells only those. One that fails does not keep the others from being told.
fn all_stories(kind: &'static Kind) {
    let Some(server) = Server::start(kind, &[]) else { return };
    let only = std::env::var("LONGHAUL_STORY").unwrap_or_default();
    let mut dice = Dice(20_261_122);
    let mut failed = Vec::new();
    for (name, story) in STORIES.iter().filter(|(name, _)| name.contains(&only)) {
        let begun = Instant::now();
        println!("{}: {name}", kind.name);
        if catch_unwind(AssertUnwindSafe(|| story(&server, &mut dice))).is_err() {
            failed.push(name);
            server.relay.mend();
            server.relay.release();
            server.relay.forbid(None);
            server.come_back();
        }
        println!("  after {:.1} s", begun.elapsed().as_secs_f64());
    }
    assert!(failed.is_empty(), "{}: {failed:?}", kind.name);
}

/// The gateway alone is crashed, which is back within a second or two.
#[test]
fn ceph_keeps_whole_files_through_kills_and_crashes_of_its_gateway() {
    all_stories(&server::CEPH);
}

#[test]
#[ignore = "its monitor and OSD take a quarter of a minute to come back, each time: scripts/test --long runs it"]
fn ceph_keeps_whole_files_through_crashes_of_all_of_it() {
    all_stories(&server::ALL_OF_CEPH);
}

#[test]
#[ignore = "takes ten minutes to build: scripts/test --long installs and runs it"]
fn garage_keeps_whole_files_through_kills_and_crashes() {
    all_stories(&server::GARAGE);
}

#[test]
#[ignore = "as above"]
fn garage_of_three_nodes_goes_on_without_one_and_is_waited_for_without_two() {
    let Some(server) = Server::start(&server::GARAGE, &["3"]) else { return };
    nodes::one_node_may_die(&server);
    nodes::a_store_without_a_quorum_is_waited_for(&server);
}

#[test]
#[ignore = "scripts/test --long installs and runs it"]
fn swift_keeps_whole_files_through_kills_and_crashes() {
    all_stories(&server::SWIFT);
}
