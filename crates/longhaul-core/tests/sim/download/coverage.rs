//! What the histories of downloads went through, and how often.

use longhaul_core::download::journal::Record;
use longhaul_core::download::restart::Restart;
use longhaul_core::download::step::{Failure, Finish, Step};

coverage! {
    histories, runs, steps, ticks, requests,
    takeovers, hedges, limited, kills, reboots, pauses, discards,
    changes, alternating, portals, contradictions, excused_mixtures,
    failed_syncs, no_space, late_writes, throttles,
    torn_journals, torn_appends, unusable_journals, compactions,
    spoiled_files, spoiled_journals, foreign_targets, foreign_copies, recognised, changed_while_read, asked_without_the_digest,
    partials_offered, adopted, samples_taken, adopted_published,
    ranges_not_served, dropped, wrong_digests, wrong_digests_told,
    windowed, several_pieces, windows_published, windows_outside, other_ranges, trimmed_before_a_piece,
    resumed, returned, damaged, kept_bytes, published, small_published, small_left, rivals_in_disguise, survived_after_done, asked_again_after_done;
    steps_at_most, requests_in_vain_at_most, steps_at_once_at_most;
}

/// Where a crash can fall: the step that was under way, and whether it had begun. All of these must be met.
const PLACES: [&str; 31] = [
    "before a sync began",
    "during a sync",
    "before a folder sync began",
    "during a folder sync",
    "before a hint",
    "before a claim",
    "during a claim",
    "before a void",
    "during a void",
    "before a begin",
    "during a begin",
    "before a retirement",
    "during a retirement",
    "before a clean stop",
    "before `publishing`",
    "during `publishing`",
    "before the rename to the target",
    "before the receipt",
    "during the receipt",
    "before the journal went",
    "before a promotion",
    "during a compaction",
    "during a check",
    "before the sync of a small file",
    "during the sync of a small file",
    "before an early receipt",
    "during an early receipt",
    "before the rename of a small file",
    "before the folder sync behind it",
    "during the folder sync behind it",
    "elsewhere",
];

impl Coverage {
    /// `small`: there is no journal.
    pub(crate) fn crashed_during(&mut self, step: &Step, stage: u8, small: bool) {
        let by_stage = |before, during| if stage > 0 { during } else { before };
        self.crashes.count(match step {
            Step::Sync { .. } if small => {
                by_stage("before the sync of a small file", "during the sync of a small file")
            }
            Step::Receipt(_) if small => by_stage("before an early receipt", "during an early receipt"),
            Step::Publish { .. } if small => "before the rename of a small file",
            Step::SyncDir if small => by_stage("before the folder sync behind it", "during the folder sync behind it"),
            Step::Sync { .. } => by_stage("before a sync began", "during a sync"),
            Step::SyncDir => by_stage("before a folder sync began", "during a folder sync"),
            Step::Record { records, .. } => match records.last() {
                Some(Record::Hint { .. }) => "before a hint",
                Some(Record::Claim { .. }) => by_stage("before a claim", "during a claim"),
                Some(Record::Void { .. }) => by_stage("before a void", "during a void"),
                Some(Record::Begin(_)) => by_stage("before a begin", "during a begin"),
                Some(Record::Retire { .. }) => by_stage("before a retirement", "during a retirement"),
                Some(Record::CleanStop { .. }) => "before a clean stop",
                Some(Record::Publishing(_)) => by_stage("before `publishing`", "during `publishing`"),
                _ => "elsewhere",
            },
            Step::Publish { .. } => "before the rename to the target",
            Step::Receipt(_) => by_stage("before the receipt", "during the receipt"),
            Step::Forget => "before the journal went",
            Step::Promote => "before a promotion",
            Step::Compact { .. } => "during a compaction",
            Step::Check { .. } => "during a check",
            _ => "elsewhere",
        });
    }

    pub(crate) fn restarted(&mut self, reason: Restart) {
        self.restarts.count(reason.name());
    }

    pub(crate) fn ended(&mut self, finish: &Finish) {
        let end = match finish {
            Finish::Done { already: true, .. } => "Done, already",
            Finish::Done { .. } => "Done",
            Finish::NotModified => "NotModified",
            Finish::Paused => "Paused",
            Finish::Discarded => "Discarded",
            Finish::Failed(failure) => match failure {
                Failure::NotFound(_) => "Failed: NotFound",
                Failure::Outside { .. } => "Failed: Outside",
                Failure::Denied(_) => "Failed: Denied",
                Failure::NeedsLink { .. } => "Failed: NeedsLink",
                Failure::Changed { .. } => "Failed: Changed",
                Failure::Unmet { .. } => "Failed: Unmet",
                Failure::Integrity { .. } => "Failed: Integrity",
                Failure::OtherTarget { .. } => "Failed: OtherTarget",
                Failure::NotProvable(_) => "Failed: NotProvable",
                Failure::Adoption(_) => "Failed: Adoption",
                Failure::Disk { .. } => "Failed: Disk",
                Failure::Refused(_) => "Failed: Refused",
                Failure::GaveUp(_) => "Failed: GaveUp",
                Failure::Portal => "Failed: Portal",
                Failure::ServerRefused(_) => "Failed: ServerRefused",
                Failure::Unusable(_) => "Failed: Unusable",
            },
        };
        self.ends.count(end);
    }
}

/// What must be met often enough: places of crashes, reasons, ends.
fn needed() -> [Vec<&'static str>; 3] {
    // These two are told as `Note::Damaged`.
    let told = |reason: &Restart| !matches!(reason, Restart::Damaged | Restart::Truncated);
    let restarts = Restart::ALL.into_iter().filter(told).map(Restart::name).collect();
    [PLACES.to_vec(), restarts, ENDS.to_vec()]
}

const ENDS: [&str; 17] = [
    "Failed: Adoption",
    "Done",
    "Done, already",
    "NotModified",
    "Paused",
    "Discarded",
    "Failed: Changed",
    "Failed: Unmet",
    "Failed: Integrity",
    "Failed: OtherTarget",
    "Failed: Disk",
    "Failed: Refused",
    "Failed: GaveUp",
    "Failed: Portal",
    "Failed: NotFound",
    "Failed: Denied",
    "Failed: NeedsLink",
];
