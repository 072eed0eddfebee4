//! What the histories went through, and how often: a simulation that never tears a journal proves nothing about torn
//! journals.

use std::collections::BTreeMap;

use longhaul_core::download::journal::Record;
use longhaul_core::download::restart::Restart;
use longhaul_core::download::step::{Failure, Finish, Step};

macro_rules! counters {
    ($($name:ident,)*) => {
        #[derive(Debug, Default, Clone)]
        pub(crate) struct Coverage {
            $(pub(crate) $name: u64,)*
            pub(crate) steps_max: u64,
            pub(crate) in_vain_max: u64,
            pub(crate) steps_at_once_max: u64,
            crashes: [u64; PLACES.len()],
            restarts: [u64; Restart::ALL.len() + 1],
            ends: BTreeMap<&'static str, u64>,
        }

        impl Coverage {
            fn plain(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
                self.steps_max = self.steps_max.max(other.steps_max);
                self.in_vain_max = self.in_vain_max.max(other.in_vain_max);
                self.steps_at_once_max = self.steps_at_once_max.max(other.steps_at_once_max);
                self.crashes.iter_mut().zip(&other.crashes).for_each(|(a, b)| *a += b);
                self.restarts.iter_mut().zip(&other.restarts).for_each(|(a, b)| *a += b);
                for (end, count) in &other.ends {
                    *self.ends.entry(end).or_default() += count;
                }
            }
        }
    };
}

counters! {
    histories, runs, steps, ticks, requests,
    takeovers, hedges, limited, kills, reboots, pauses, discards,
    changes, alternating, portals, contradictions, excused_mixtures,
    failed_syncs, no_space, late_writes, throttles,
    torn_journals, torn_appends, unusable_journals, compactions,
    spoiled_files, spoiled_journals, foreign_targets,
    ranges_not_served, dropped,
    windowed, several_pieces, windows_published, windows_outside, other_ranges, trimmed_before_a_piece,
    resumed, returned, damaged, kept_bytes, published, small_published, small_left, rivals_in_disguise, survived_after_done, asked_again_after_done,
}

/// Where a crash can fall: the step that was under way, and whether it had begun.
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
        let begun = usize::from(stage > 0);
        let place = match step {
            Step::Sync { .. } if small => 23 + begun,
            Step::Receipt(_) if small => 25 + begun,
            Step::Publish { .. } if small => 27,
            Step::SyncDir if small => 28 + begun,
            Step::Sync { .. } => begun,
            Step::SyncDir => 2 + begun,
            Step::Record { records, .. } => match records.last() {
                Some(Record::Hint { .. }) => 4,
                Some(Record::Claim { .. }) => 5 + begun,
                Some(Record::Void { .. }) => 7 + begun,
                Some(Record::Begin(_)) => 9 + begun,
                Some(Record::Retire { .. }) => 11 + begun,
                Some(Record::CleanStop { .. }) => 13,
                Some(Record::Publishing(_)) => 14 + begun,
                _ => 30,
            },
            Step::Publish { .. } => 16,
            Step::Receipt(_) => 17 + begun,
            Step::Forget => 19,
            Step::Promote => 20,
            Step::Compact { .. } => 21,
            Step::Check { .. } => 22,
            _ => 30,
        };
        self.crashes[place] += 1;
    }

    pub(crate) fn restarted(&mut self, reason: Restart) {
        let i = Restart::ALL.iter().position(|r| *r == reason).unwrap_or(Restart::ALL.len());
        self.restarts[i] += 1;
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
                Failure::NeedsLink(_) => "Failed: NeedsLink",
                Failure::Changed { .. } => "Failed: Changed",
                Failure::Unmet { .. } => "Failed: Unmet",
                Failure::Integrity { .. } => "Failed: Integrity",
                Failure::NotProvable(_) => "Failed: NotProvable",
                Failure::Disk { .. } => "Failed: Disk",
                Failure::Refused(_) => "Failed: Refused",
                Failure::GaveUp(_) => "Failed: GaveUp",
                Failure::Portal => "Failed: Portal",
                Failure::ServerRefused(_) => "Failed: ServerRefused",
                Failure::Unusable(_) => "Failed: Unusable",
            },
        };
        *self.ends.entry(end).or_default() += 1;
    }

    /// Everything, a line each.
    pub(crate) fn report(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        let mut line = |name: &str, count: u64| {
            let _ = writeln!(out, "{count:>12}  {name}");
        };
        self.plain().iter().for_each(|&(name, count)| line(&name.replace('_', " "), count));
        line("steps in the longest history", self.steps_max);
        line("requests in a row without a byte, at most", self.in_vain_max);
        line("steps at once, at most", self.steps_at_once_max);
        PLACES.iter().zip(self.crashes).for_each(|(place, count)| line(&format!("crashes {place}"), count));
        for (reason, count) in Restart::ALL.iter().zip(self.restarts) {
            line(&format!("restarts: {reason:?}"), count);
        }
        self.ends.iter().for_each(|(end, &count)| line(&format!("ends: {end}"), count));
        out
    }

    /// What a million histories must have gone through, in proportion to how many there were: names of what was rare.
    pub(crate) fn too_rare(&self) -> Vec<String> {
        let floor = self.histories / 2_000;
        let mut rare = Vec::new();
        let mut need = |name: &str, count: u64| {
            if count < floor {
                rare.push(format!("{name}: {count} of {floor}"));
            }
        };

        self.plain().iter().for_each(|&(name, count)| need(name, count));
        PLACES.iter().zip(self.crashes).for_each(|(place, count)| need(place, count));
        for (reason, count) in Restart::ALL.iter().zip(self.restarts) {
            if !matches!(reason, Restart::Damaged | Restart::Truncated) {
                need(&format!("{reason:?}"), count); // these two are told as `Note::Damaged`
            }
        }
        for end in [
            "Done",
            "Done, already",
            "NotModified",
            "Paused",
            "Discarded",
            "Failed: Changed",
            "Failed: Unmet",
            "Failed: Integrity",
            "Failed: Disk",
            "Failed: Refused",
            "Failed: GaveUp",
            "Failed: Portal",
            "Failed: NotFound",
            "Failed: Denied",
        ] {
            need(end, self.ends.get(end).copied().unwrap_or(0));
        }
        rare
    }
}
