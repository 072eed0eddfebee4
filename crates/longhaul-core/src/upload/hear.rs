//! Which branch of the run does an answer go to?
//!
//! Each lane has its own; the answers to the step that the run waits for are sorted here by step: what it was answered,
//! why it was refused, how it failed.

use super::jobs::{Job, Lane, Main};
use super::phase::Stage;
use super::settling::Presence;
use super::step::{Failure, Fault, Heard};
use crate::run::no_answer;
use crate::words::{DiskFault, Ticket};

impl super::Upload {
    pub(super) fn hear_job(&mut self, job: Job, ticket: Ticket, heard: Heard) {
        match job.lane {
            Lane::Main(main) => self.hear_main(main, ticket, heard),
            Lane::Send(part) => self.hear_send(part, job.sent, ticket, heard),
            Lane::Read { part, closing } => self.hear_read(part, closing, heard),
            Lane::Record => {
                if let Heard::Failed(fault) = heard {
                    self.fail_disk(fault, "write the journal");
                }
            }
            Lane::Removal(removal) => self.hear_removal(removal, heard),
        }
    }

    fn hear_main(&mut self, main: Main, ticket: Ticket, heard: Heard) {
        let failed = matches!(&heard, Heard::Refused(fault) if fault.may_pass());
        if matches!(main, Main::Look | Main::List | Main::Probe) && !failed {
            self.budget.answered();
        }
        match heard {
            Heard::Refused(fault) if self.renewed(ticket, &fault) => {}
            Heard::Refused(fault) => self.main_refused(main, fault),
            Heard::Failed(fault) => self.main_failed(main, fault),
            heard => self.main_answered(main, heard),
        }
    }

    fn main_answered(&mut self, main: Main, heard: Heard) {
        match (main, heard) {
            (Main::Open, Heard::Opened(found)) => self.open(*found),
            (Main::Look, Heard::Object(object)) => self.heard_look(Ok(Some(*object))),
            (Main::CheckSource, Heard::Source(looked)) => self.heard_source(looked),
            (Main::Snapshot, Heard::Snapped { before, after, digests }) => self.heard_snapshot(before, after, digests),
            (Main::Combine, Heard::Combined { digests, composite }) => self.heard_combined(digests, composite),
            (Main::Create, Heard::Created { upload_id, checksum }) => self.heard_created(upload_id, checksum),
            (Main::List, Heard::Listed { parts, next }) => self.heard_list(parts, next),
            (Main::Write, Heard::Stored { object, callback_failed }) => self.heard_stored(*object, callback_failed),
            (Main::Probe, Heard::Listed { .. }) => self.settling.listed(Presence::There),
            (Main::Record, Heard::Done) => self.recorded(),
            (Main::Receipt, Heard::Done) => self.phase.go(Stage::Cleanup),
            (Main::Forget, Heard::Done) => self.forgotten(),
            (Main::LastSync, Heard::Done) => self.finish_ending(),
            (Main::Compact, Heard::Done) => {}
            _ => no_answer("the step that the run waits for"),
        }
    }

    fn main_refused(&mut self, main: Main, fault: Fault) {
        match (main, fault) {
            (Main::Look, Fault::NoSuchKey | Fault::NoSuchUpload) => self.heard_look(Ok(None)),
            (Main::Look, fault) => self.heard_look(Err(fault)),
            (Main::Create, fault) => self.create_refused(fault),
            (Main::List, fault) => self.list_refused(fault),
            (Main::Write, fault) => self.write_refused(fault),
            (Main::Probe, fault) => self.probe_refused(fault),
            _ => no_answer("a step that is no request"),
        }
    }

    fn main_failed(&mut self, main: Main, fault: DiskFault) {
        match main {
            Main::Open => self.phase.fail_to_open(Failure::Disk { fault, during: "open" }),
            Main::CheckSource => self.read_failed_for_good(fault),
            Main::Snapshot => self.snapshot_failed(fault),
            Main::LastSync => self.last_sync_failed(fault),
            Main::Record | Main::Compact => self.paper_failed(fault, "write the journal"),
            Main::Receipt => self.paper_failed(fault, "write the receipt"),
            Main::Forget => self.paper_failed(fault, "remove the journal"),
            _ => no_answer("a step that touches no file"),
        }
    }
}
