//! What the histories of the queue went through, and how often.

use longhaul_core::queue::step::{Answer, Change, Delay, End, Need, Purpose, Step};

coverage! {
    histories, restarts_of_the_program, steps, ticks, requests, batches, moves, edits, ranks_given_anew, starts, discards, stops, stale,
    networks_lost, networks_back, volumes_full, rooms, looks, lanes_closed, lanes_opened, closes,
    not_recorded, recorded_all_the_same, reloads, failed_reloads, patience_ended, calm;
    entries_at_most;
}

const CRASHES: [&str; 4] = ["while recording", "while reloading", "while a run is under way", "while nothing is"];

const ENDS: [&str; 9] = ["done", "stopped", "network", "busy", "not found", "in use", "space", "unconfirmed", "failed"];

const ANSWERS: [&str; 5] = ["recorded", "already", "unknown", "not now", "not recorded"];

fn needed() -> [Vec<&'static str>; 3] {
    [CRASHES.to_vec(), ANSWERS.to_vec(), ENDS.iter().copied().chain(["needs"]).collect()]
}

impl Coverage {
    pub(crate) fn crashed(&mut self, recording: bool, reloading: bool, running: bool) {
        let at = match (recording, reloading, running) {
            (true, ..) => 0,
            (_, true, _) => 1,
            (.., true) => 2,
            _ => 3,
        };
        self.crashes.count(CRASHES[at]);
    }

    pub(crate) fn answered(&mut self, answer: Answer) {
        self.restarts.count(match answer {
            Answer::Recorded => ANSWERS[0],
            Answer::Already => ANSWERS[1],
            Answer::Unknown => ANSWERS[2],
            Answer::NotNow => ANSWERS[3],
            Answer::NotRecorded => ANSWERS[4],
        });
    }

    pub(crate) fn ended(&mut self, end: End) {
        self.ends.count(match end {
            End::Done => ENDS[0],
            End::Stopped => ENDS[1],
            End::Later { why: Delay::Network, .. } => ENDS[2],
            End::Later { why: Delay::Busy, .. } => ENDS[3],
            End::Later { why: Delay::NotFound, .. } => ENDS[4],
            End::Later { why: Delay::InUse, .. } => ENDS[5],
            End::Later { why: Delay::Space, .. } => ENDS[6],
            End::Later { why: Delay::Unconfirmed, .. } => ENDS[7],
            End::Failed => ENDS[8],
            End::Needs(Need::Link | Need::Headers | Need::Keys | Need::Decision) => "needs",
        });
    }

    pub(crate) fn given(&mut self, step: &Step) {
        self.steps += 1;
        match step {
            Step::Record(changes) => {
                self.batches += u64::from(changes.len() > 1);
                let moved = changes.iter().filter(|change| matches!(change, Change::Put(_))).count();
                self.ranks_given_anew += u64::from(moved > 6);
            }
            Step::Start(_, Purpose::Transfer) => self.starts += 1,
            Step::Start(_, Purpose::Discard) => self.discards += 1,
            Step::Stop => self.stops += 1,
            Step::Reload => self.reloads += 1,
            Step::LookAtSpace(_) => self.looks += 1,
            Step::Reply(..) => {}
        }
    }
}
