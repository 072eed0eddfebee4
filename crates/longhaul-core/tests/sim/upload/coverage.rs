//! What the histories of uploads went through, and how often.

use longhaul_core::upload::journal::Record;
use longhaul_core::upload::step::{Failure, Finish, Restart, Step};

coverage! {
    histories, runs, steps, ticks, kills, reboots, pauses, discards,
    changes, hidden_changes, rivals, rivals_with_the_source, removals, lifecycles, replaced_parts, late, unanswered, corrupted, wrong_parts,
    torn_journals, torn_appends, unusable_journals, spoiled_journals, compactions,
    resumed, reads, settled, limited, aborts, vain_aborts, parts_sent_again, left_recorded, asked_again, calm, refusing_stores, refusals,
    sums_kept, sums_ignored, sums_refused, sums_of_single, wholes_refused, known_by_sum, known_by_etag, dressed_differently,
    interrupted_for_ever, slow_uplinks, several_at_once;
    steps_at_most;
}

macro_rules! places {
    ($($name:ident: $pattern:pat,)*) => {
        /// Where a crash can fall.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum At { $($name,)* }

        impl At {
            pub(crate) const ALL: &'static [At] = &[$(At::$name,)*];
            const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            fn name(self) -> &'static str {
                match self {
                    $(At::$name => stringify!($name),)*
                }
            }

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
        if let Some(at) = At::of(step) {
            self.crashes.count(at.name());
        }
    }

    pub(crate) fn restarted(&mut self, reason: Restart) {
        self.restarts.count(reason.name());
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
        self.ends.count(end);
    }
}

/// What must be met often enough: places of crashes, reasons, ends.
fn needed() -> [Vec<&'static str>; 3] {
    let restarts = Restart::ALL.into_iter().map(Restart::name).collect();
    [At::NAMES.to_vec(), restarts, ENDS.to_vec()]
}

const ENDS: [&str; 13] = [
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
];
