//! What every run of a machine is made of, be it a download or an upload: steps that wait to be given to the driver,
//! and jobs, which are the steps whose answers are awaited.
//!
//! `Run` gives each step its ticket and finds the job that an answer is for. An answer whose ticket no job has is
//! stale, and is ignored (law 3). What an answer means, and which step comes next, is for the machine to say.

use std::collections::VecDeque;

use crate::words::{Command, Millis, Ticket};

/// A step together with its ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered<S> {
    /// The ticket that every answer quotes.
    pub ticket: Ticket,
    /// What to do.
    pub step: S,
}

/// What a driver needs to know of a machine. A driver drains [`next_step`](Self::next_step) after everything it tells.
pub trait Machine {
    /// What the driver is to do.
    type Step;
    /// What the driver tells of it.
    type Heard;
    /// News for the caller; a step carries them.
    type Note;
    /// How a run ends; the last step carries it.
    type Finish;

    /// The next step to do, until there is none for now.
    fn next_step(&mut self) -> Option<Ordered<Self::Step>>;

    /// A step was answered.
    fn hear(&mut self, now: Millis, ticket: Ticket, heard: Self::Heard);

    /// When [`wake`](Self::wake) is wanted at the latest; `None`: something else will be heard first.
    fn wake_at(&self) -> Option<Millis>;

    /// Time has passed.
    fn wake(&mut self, now: Millis);

    /// The caller wants something.
    fn command(&mut self, now: Millis, command: Command);
}

/// The clock, the tickets, the steps that wait to be given and the jobs of one run. `S` is a step, `J` says what its
/// answer is awaited for.
#[derive(Debug, Clone)]
pub(crate) struct Run<S, J> {
    now: Millis,
    last_ticket: u64,
    out: VecDeque<Ordered<S>>,
    jobs: Vec<(Ticket, J)>,
}

impl<S, J> Run<S, J> {
    pub(crate) fn new() -> Self {
        Self { now: 0, last_ticket: 0, out: VecDeque::new(), jobs: Vec::new() }
    }

    /// The latest time that was told.
    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    /// A time was told; an earlier one than the last is ignored.
    pub(crate) fn tick(&mut self, now: Millis) {
        self.now = self.now.max(now);
    }

    /// The oldest step that was not given yet.
    pub(crate) fn next_step(&mut self) -> Option<Ordered<S>> {
        self.out.pop_front()
    }

    /// Gives a step whose answer, if it has any, is kept track of elsewhere.
    pub(crate) fn order(&mut self, step: S) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.out.push_back(Ordered { ticket, step });
        ticket
    }

    /// Gives a step that acts on an earlier one, under that one's ticket, and has no answer of its own.
    pub(crate) fn act_on(&mut self, ticket: Ticket, step: S) {
        self.out.push_back(Ordered { ticket, step });
    }

    /// Gives a step, and awaits its answer.
    pub(crate) fn begin(&mut self, job: J, step: S) -> Ticket {
        let ticket = self.order(step);
        self.jobs.push((ticket, job));
        ticket
    }

    /// The job that an answer with this ticket is for; it is awaited no longer. `None`: no job has the ticket.
    pub(crate) fn answered(&mut self, ticket: Ticket) -> Option<J> {
        let i = self.jobs.iter().position(|(t, _)| *t == ticket)?;
        Some(self.jobs.remove(i).1)
    }

    /// The jobs under way, oldest first.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &J> {
        self.jobs.iter().map(|(_, job)| job)
    }

    /// The same with their tickets, to be changed.
    pub(crate) fn jobs_mut(&mut self) -> impl Iterator<Item = (Ticket, &mut J)> {
        self.jobs.iter_mut().map(|(ticket, job)| (*ticket, job))
    }

    /// The ticket that was given out last.
    pub(crate) fn last_ticket(&self) -> Ticket {
        Ticket(self.last_ticket)
    }

    /// Whether a job of this kind is under way.
    pub(crate) fn any(&self, is: impl Fn(&J) -> bool) -> bool {
        self.jobs().any(is)
    }

    /// Whether no job is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// A run that gives no step awaits an answer, or has a moment when it wants to be woken, or is over: otherwise it
    /// would never end. `otherwise`: whether it is over, wants to be woken, or awaits what it keeps no job of.
    pub(crate) fn assert_goes_on(&self, otherwise: impl FnOnce() -> bool) {
        assert!(!self.is_idle() || otherwise(), "a run is not over and waits for no event");
    }

    /// The answers of these jobs are of no interest any more: when they come they are stale.
    pub(crate) fn forget(&mut self, is: impl Fn(&J) -> bool) {
        self.jobs.retain(|(_, job)| !is(job));
    }
}

/// A driver told what is no answer to a step of this kind. That is a mistake of our own, in the driver or in the
/// machine: no network, disk or user can cause it.
pub(crate) fn no_answer(to: &str) -> ! {
    unreachable!("a driver told what is no answer to {to}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_finds_its_job_once() {
        let mut run: Run<&str, char> = Run::new();
        let read = run.begin('r', "read");
        let note = run.order("note");
        let write = run.begin('w', "write");
        assert!(read < note && note < write, "tickets rise");
        assert_eq!(run.answered(write), Some('w'));
        assert_eq!((run.answered(write), run.answered(note)), (None, None), "stale");
        assert!(run.any(|job| *job == 'r') && !run.any(|job| *job == 'w') && !run.is_idle());
        assert_eq!(run.answered(read), Some('r'));
        assert!(run.is_idle());
    }

    #[test]
    fn steps_are_given_in_order_and_time_never_goes_back() {
        let mut run: Run<&str, ()> = Run::new();
        let first = run.begin((), "fetch");
        run.act_on(first, "stop");
        run.order("finish");
        let given: Vec<_> = std::iter::from_fn(|| run.next_step()).map(|o| (o.ticket.0, o.step)).collect();
        assert_eq!(given, [(1, "fetch"), (1, "stop"), (2, "finish")]);
        run.tick(5);
        run.tick(3);
        assert_eq!(run.now(), 5);
        run.forget(|()| true);
        assert_eq!(run.answered(first), None);
    }

    #[test]
    #[should_panic(expected = "waits for no event")]
    fn a_run_that_would_never_end_is_told_at_once() {
        let mut run: Run<&str, ()> = Run::new();
        let read = run.begin((), "read");
        run.assert_goes_on(|| false);
        run.answered(read);
        run.assert_goes_on(|| true);
        run.assert_goes_on(|| false);
    }
}
