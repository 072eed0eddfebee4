//! What the histories went through, and how often.

use std::collections::BTreeMap;

use longhaul_core::upload::journal::Record;
use longhaul_core::upload::step::{Failure, Finish, Restart, Step};

macro_rules! counters {
    ($($name:ident,)*) => {
        #[derive(Debug, Default, Clone)]
        pub(crate) struct Coverage {
            $(pub(crate) $name: u64,)*
            pub(crate) steps_max: u64,
            crashes: [u64; At::ALL.len()],
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
    histories, runs, steps, ticks, kills, reboots, pauses, discards,
    changes, hidden_changes, rivals, rivals_with_the_source, removals, lifecycles, replaced_parts, late, unanswered, corrupted, wrong_parts,
    torn_journals, torn_appends, unusable_journals, spoiled_journals, compactions,
    resumed, reads, settled, limited, aborts, vain_aborts, parts_sent_again, left_recorded, asked_again, calm, refusing_stores, refusals,
    sums_kept, sums_ignored, sums_refused, sums_of_single, wholes_refused, known_by_sum, known_by_etag, dressed_differently,
    interrupted_for_ever, several_at_once,
}

macro_rules! places {
    ($($name:ident: $pattern:pat,)*) => {
        /// Where a crash can fall.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum At { $($name,)* }

        impl At {
            pub(crate) const ALL: &'static [At] = &[$(At::$name,)*];

            pub(crate) fn of(step: &Step) -> Option<At> {
                let record = match step {
                    Step::Record { records, .. } => {
                        let touched = records.iter().find(|r| matches!(r, Record::Touched { .. }));
                        touched.or(records.last())
                    }
                    _ => None,
                };
                match (step, record) {
                    $($pattern => Some(At::$name),)*
                    _ => None,
                }
            }
        }
    };
}

places! {
    Look: (Step::Look, _),
    Snapshot: (Step::Snapshot { .. }, _),
    Begin: (_, Some(Record::Begin { .. })),
    Create: (Step::Create { .. }, _),
    Created: (_, Some(Record::Created { .. })),
    SendPart: (Step::SendPart { .. }, _),
    PartRecorded: (_, Some(Record::Part { .. })),
    Touched: (_, Some(Record::Touched { .. })),
    ListParts: (Step::ListParts { .. }, _),
    ReadPart: (Step::ReadPart { .. }, _),
    CheckSource: (Step::CheckSource, _),
    Combine: (Step::Combine { .. }, _),
    Completing: (_, Some(Record::Completing { .. })),
    Complete: (Step::Complete { .. }, _),
    Putting: (_, Some(Record::Putting { .. })),
    Put: (Step::Put { .. }, _),
    Stored: (_, Some(Record::Stored { .. })),
    Abandoned: (_, Some(Record::Abandoned { .. })),
    Abort: (Step::Abort { .. }, _),
    Aborted: (_, Some(Record::Aborted { .. })),
    Receipt: (Step::Receipt(_), _),
    Forget: (Step::Forget, _),
}

impl Coverage {
    pub(crate) fn crashed_at(&mut self, step: &Step) {
        if let Some(i) = At::of(step).and_then(|at| At::ALL.iter().position(|a| *a == at)) {
            self.crashes[i] += 1;
        }
    }

    pub(crate) fn restarted(&mut self, reason: Restart) {
        self.restarts[usize::from(reason.code())] += 1;
    }

    pub(crate) fn ended(&mut self, finish: &Finish) {
        let end = match finish {
            Finish::Done { already: false, .. } => "Done",
            Finish::Done { already: true, .. } => "Done, already",
            Finish::Paused => "Paused",
            Finish::Discarded { clean: true } => "Discarded, clean",
            Finish::Discarded { clean: false } => "Discarded, not clean",
            Finish::Failed(failure) => match failure {
                Failure::SourceChanged { .. } => "Failed: SourceChanged",
                Failure::OtherObject => "Failed: OtherObject",
                Failure::Unconfirmed => "Failed: Unconfirmed",
                Failure::Integrity { .. } => "Failed: Integrity",
                Failure::Disk { .. } => "Failed: Disk",
                Failure::GaveUp(_) => "Failed: GaveUp",
                Failure::NeedsCredentials => "Failed: NeedsCredentials",
                Failure::Denied(_) => "Failed: Denied",
                _ => "Failed otherwise",
            },
        };
        *self.ends.entry(end).or_default() += 1;
    }

    pub(crate) fn report(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        let mut line = |name: &str, count: u64| {
            let _ = writeln!(out, "{count:>12}  {name}");
        };
        self.plain().iter().for_each(|&(name, count)| line(&name.replace('_', " "), count));
        line("steps in the longest history", self.steps_max);
        At::ALL.iter().zip(self.crashes).for_each(|(at, count)| line(&format!("crashes during {at:?}"), count));
        for reason in Restart::ALL {
            line(&format!("restarts: {reason:?}"), self.restarts[usize::from(reason.code())]);
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
        At::ALL.iter().zip(self.crashes).for_each(|(at, count)| need(&format!("{at:?}"), count));
        for reason in Restart::ALL {
            need(&format!("{reason:?}"), self.restarts[usize::from(reason.code())]);
        }
        for end in [
            "Done",
            "Done, already",
            "Paused",
            "Discarded, clean",
            "Discarded, not clean",
            "Failed: SourceChanged",
            "Failed: OtherObject",
            "Failed: Unconfirmed",
            "Failed: Integrity",
            "Failed: Disk",
            "Failed: GaveUp",
            "Failed: NeedsCredentials",
            "Failed: Denied",
        ] {
            need(end, self.ends.get(end).copied().unwrap_or(0));
        }
        rare
    }
}
