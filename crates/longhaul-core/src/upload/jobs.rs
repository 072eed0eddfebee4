//! Which answers are awaited, and for what?
//!
//! All steps under way are jobs of one list. One at a time is *the* step of the run ([`Lane::Main`]); beside it parts
//! are sent and read, records are written that the run does not wait for, and uploads that were given up are removed,
//! one step at a time.

use super::leftovers::Removal;
use super::step::{Heard, Step};
use crate::run::Run;
use crate::words::{Millis, Ticket};

/// What the step that the run waits for is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Main {
    Open,
    Look,
    CheckSource,
    Snapshot,
    Combine,
    Create,
    List,
    Write,
    /// A list that shows only whether the upload is still there.
    Probe,
    Record,
    Compact,
    Receipt,
    Forget,
    LastSync,
}

/// A part that is sent or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartJob {
    pub(super) number: u32,
    pub(super) ordered_at: Millis,
    pub(super) owner: Owner,
}

/// Whose a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The attempt with this number.
    Attempt(u32),
    /// The comparison with what stands at the key.
    Comparison,
    /// It was read for something that was left: its answer is of no use.
    Gone,
}

/// In which lane a job goes, and what its answer is awaited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Main(Main),
    Send(PartJob),
    /// `closing`: it began after everything was sent.
    Read {
        part: PartJob,
        closing: bool,
    },
    /// A record beside the main step.
    Record,
    Removal(Removal),
}

/// A step under way.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) lane: Lane,
    /// Bytes of its body that were handed to the network.
    pub(super) sent: u64,
    /// It was told to stop.
    stopped: bool,
}

impl Lane {
    fn is_main(&self) -> bool {
        matches!(self, Self::Main(_))
    }

    fn is_send(&self) -> bool {
        matches!(self, Self::Send(_))
    }

    fn is_read(&self) -> bool {
        matches!(self, Self::Read { .. })
    }

    /// Whether the step may take long, and can be stopped.
    fn can_be_stopped(&self) -> bool {
        match self {
            Self::Main(main) => {
                matches!(main, Main::Look | Main::Snapshot | Main::Create | Main::List | Main::Write | Main::Probe)
            }
            Self::Send(_) | Self::Read { .. } => true,
            Self::Record => false,
            Self::Removal(removal) => matches!(removal, Removal::Abort | Removal::List),
        }
    }

    /// Whether this is an answer to the step, by the table on the first page of [`step`](super::step).
    pub(super) fn takes(&self, heard: &Heard) -> bool {
        use Heard::{
            Combined, Created, Done, Failed, Listed, Object, Opened, PartRead, PartStored, Refused, Snapped, Source,
            Stored,
        };
        match self {
            Self::Main(Main::Open) => matches!(heard, Opened(_) | Failed(_)),
            Self::Main(Main::Look) => matches!(heard, Object(_) | Refused(_)),
            Self::Main(Main::CheckSource) => matches!(heard, Source(_) | Failed(_)),
            Self::Main(Main::Snapshot) => matches!(heard, Snapped { .. } | Failed(_)),
            Self::Main(Main::Combine) => matches!(heard, Combined { .. }),
            Self::Main(Main::Create) => matches!(heard, Created { .. } | Refused(_)),
            Self::Main(Main::List | Main::Probe) | Self::Removal(Removal::List) => {
                matches!(heard, Listed { .. } | Refused(_))
            }
            Self::Main(Main::Write) => matches!(heard, Stored { .. } | Refused(_)),
            Self::Main(Main::Record | Main::Compact | Main::Receipt | Main::Forget | Main::LastSync)
            | Self::Record
            | Self::Removal(Removal::Record | Removal::Aborted) => matches!(heard, Done | Failed(_)),
            Self::Send(_) => matches!(heard, PartStored { .. } | Refused(_) | Failed(_)),
            Self::Read { .. } => matches!(heard, PartRead { .. } | Failed(_)),
            Self::Removal(Removal::Abort) => matches!(heard, Done | Refused(_)),
        }
    }
}

impl Run<Step, Job> {
    /// Gives a step, and awaits its answer in this lane.
    pub(super) fn begin_in(&mut self, lane: Lane, step: Step) -> Ticket {
        self.begin(Job { lane, sent: 0, stopped: false }, step)
    }

    // ---- what is under way -------------------------------------------------------------------------------------

    fn any_lane(&self, is: impl Fn(&Lane) -> bool) -> bool {
        self.any(|job| is(&job.lane))
    }

    /// Whether the run waits for its step.
    pub(super) fn waits(&self) -> bool {
        self.any_lane(Lane::is_main)
    }

    /// Whether a record is written that the run does not wait for.
    pub(super) fn records(&self) -> bool {
        self.any_lane(|lane| *lane == Lane::Record)
    }

    /// Whether an upload is being removed.
    pub(super) fn removes(&self) -> bool {
        self.any_lane(|lane| matches!(lane, Lane::Removal(_)))
    }

    /// Whether parts are being read.
    pub(super) fn reads(&self) -> bool {
        self.any_lane(Lane::is_read)
    }

    /// How many parts are being read.
    pub(super) fn reads_count(&self) -> usize {
        self.jobs().filter(|job| job.lane.is_read()).count()
    }

    /// Whether parts are on their way.
    pub(super) fn sends(&self) -> bool {
        self.any_lane(Lane::is_send)
    }

    /// How many parts are on their way, and of how many some bytes were handed to the network.
    pub(super) fn sends_count(&self) -> (usize, usize) {
        let flowing = self.jobs().filter(|job| job.lane.is_send() && job.sent > 0).count();
        (self.jobs().filter(|job| job.lane.is_send()).count(), flowing)
    }

    /// The parts of an attempt that are on their way: how many bytes of each were handed to the network.
    pub(super) fn sends_of(&self, attempt: u32) -> impl Iterator<Item = u64> {
        let of = move |lane| matches!(lane, Lane::Send(part) if part.owner == Owner::Attempt(attempt));
        self.jobs().filter(move |job| of(job.lane)).map(|job| job.sent)
    }

    /// When the oldest part of an attempt that is on its way was ordered.
    pub(super) fn oldest_send(&self, attempt: u32) -> Option<Millis> {
        let ordered = |job: &Job| match job.lane {
            Lane::Send(part) if part.owner == Owner::Attempt(attempt) => Some(part.ordered_at),
            _ => None,
        };
        self.jobs().filter_map(ordered).min()
    }

    /// Bytes that were handed to the network for steps still under way.
    pub(super) fn in_flight(&self) -> u64 {
        self.jobs().map(|job| job.sent).sum()
    }

    // ---- what happens to it ------------------------------------------------------------------------------------

    /// So many bytes of the step's body were handed to the network in all. Whether they are of a part.
    pub(super) fn hear_sent(&mut self, ticket: Ticket, bytes: u64) -> bool {
        let Some((_, job)) = self.jobs_mut().find(|(t, _)| *t == ticket) else { return false };
        match job.lane {
            Lane::Main(Main::Write) => job.sent = bytes,
            Lane::Send(_) => job.sent = job.sent.max(bytes),
            _ => {}
        }
        job.lane.is_send()
    }

    /// Tells the parts on their way to stop.
    pub(super) fn stop_sends(&mut self) {
        self.stop(Lane::is_send);
    }

    /// Tells the readings to stop; their answers are of no use.
    pub(super) fn abandon_reads(&mut self) {
        self.stop(Lane::is_read);
        for (_, job) in self.jobs_mut() {
            if let Lane::Read { part, .. } = &mut job.lane {
                part.owner = Owner::Gone;
            }
        }
    }

    /// Tells everything that may take long to stop.
    pub(super) fn stop_all(&mut self) {
        self.stop(Lane::is_send);
        self.stop(Lane::is_read);
        self.stop(Lane::is_main);
        self.stop(|_| true);
    }

    /// Tells the steps of these lanes to stop that can be stopped, each once.
    fn stop(&mut self, is: impl Fn(&Lane) -> bool) {
        let mut tickets = Vec::new();
        for (ticket, job) in self.jobs_mut() {
            if is(&job.lane) && job.lane.can_be_stopped() && !std::mem::replace(&mut job.stopped, true) {
                tickets.push(ticket);
            }
        }
        // The step carries the ticket of what it stops.
        tickets.into_iter().for_each(|ticket| self.act_on(ticket, Step::Stop));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::step::Fault;
    use crate::words::DiskFault;

    fn part(number: u32, owner: Owner) -> PartJob {
        PartJob { number, ordered_at: 0, owner }
    }

    fn run(lanes: &[Lane]) -> (Run<Step, Job>, Vec<Ticket>) {
        let mut run = Run::new();
        let tickets = lanes.iter().map(|&lane| run.begin_in(lane, Step::Look)).collect();
        while run.next_step().is_some() {}
        (run, tickets)
    }

    #[test]
    fn everything_is_told_to_stop_once_and_what_is_short_is_not() {
        let own = part(1, Owner::Attempt(1));
        let read = Lane::Read { part: own, closing: false };
        let lanes = [Lane::Main(Main::Look), Lane::Removal(Removal::Abort), read, Lane::Record, Lane::Send(own)];
        let (mut run, tickets) = run(&lanes);
        run.stop_sends();
        run.stop_all();
        run.stop_all();
        let told: Vec<_> = std::iter::from_fn(|| run.next_step()).map(|ordered| ordered.ticket).collect();
        assert_eq!(told, [tickets[4], tickets[2], tickets[0], tickets[1]]);
        let (mut run, _) = self::run(&[Lane::Main(Main::Record), Lane::Removal(Removal::Aborted)]);
        run.stop_all();
        assert!(run.next_step().is_none() && run.waits() && run.removes());
    }

    #[test]
    fn bytes_on_their_way_are_counted_by_step() {
        let lanes =
            [Lane::Send(part(1, Owner::Attempt(1))), Lane::Send(part(2, Owner::Attempt(2))), Lane::Main(Main::Write)];
        let (mut run, tickets) = run(&lanes);
        assert!(run.hear_sent(tickets[0], 5));
        assert!(run.hear_sent(tickets[0], 7));
        assert!(!run.hear_sent(tickets[2], 9), "it is no part");
        assert!(!run.hear_sent(Ticket(99), 9));
        assert_eq!((run.in_flight(), run.sends_count()), (16, (2, 1)));
        assert_eq!(run.sends_of(1).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn readings_that_are_left_keep_nothing_but_their_ticket() {
        let (mut run, tickets) = run(&[Lane::Read { part: part(1, Owner::Comparison), closing: true }]);
        run.abandon_reads();
        assert!(run.reads());
        let job = run.answered(tickets[0]).expect("it is awaited all the same");
        assert_eq!(job.lane, Lane::Read { part: part(1, Owner::Gone), closing: true });
    }

    #[test]
    fn a_step_has_its_answers_and_no_others() {
        let own = part(1, Owner::Attempt(1));
        let refused = || Heard::Refused(Fault::Unreadable);
        let failed = || Heard::Failed(DiskFault::Io);
        for (lane, done, refusal, failure) in [
            (Lane::Main(Main::Open), false, false, true),
            (Lane::Main(Main::Look), false, true, false),
            (Lane::Main(Main::Combine), false, false, false),
            (Lane::Main(Main::Write), false, true, false),
            (Lane::Main(Main::Record), true, false, true),
            (Lane::Send(own), false, true, true),
            (Lane::Read { part: own, closing: false }, false, false, true),
            (Lane::Record, true, false, true),
            (Lane::Removal(Removal::Abort), true, true, false),
            (Lane::Removal(Removal::List), false, true, false),
            (Lane::Removal(Removal::Aborted), true, false, true),
        ] {
            let taken = (lane.takes(&Heard::Done), lane.takes(&refused()), lane.takes(&failed()));
            assert_eq!(taken, (done, refusal, failure), "{lane:?}");
        }
    }
}
