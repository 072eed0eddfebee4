//! The loop between a machine of the core and the world, the same for downloads and uploads.
//!
//! ```text
//!                         steps                       reports: the answer to a step, and what stands beside it
//!   machine (core) ──────────────► hands ──────► tasks and threads ──────┐
//!        ▲                                                               │
//!        └──────────────────── run (here) ◄──────────────────────────────┘
//! ```
//!
//! The loop gives the machine what it hears, the commands of the handle and the time; the [`Hands`] carry out its
//! steps. A task or thread of a run that panics ends the run: the machine would wait for its answer for ever.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use longhaul_core::run::{Machine, Ordered};
use longhaul_core::words::{Command, Ticket};
use tokio::sync::mpsc;

use super::panics::{Panicked, caught, caught_here};
use crate::event::Progress;
use crate::map::PieceMap;

/// RunReports that may wait for the run at once: tasks wait when the run is behind.
const REPORTS_MAX: usize = 256;
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// The rate is averaged over this time.
const RATE_OVER: Duration = Duration::from_secs(4);

/// What carries out the steps that a machine decides.
pub(super) trait Hands: Sized {
    type Machine: Machine<Heard: Send + 'static>;
    /// What stands beside an answer that the machine need not know: a path, the words of an error.
    type Aside: Send + 'static;
    /// What is known of a run when it is over, besides the machine's verdict.
    type Summary;

    /// Carries out a step, or has it carried out. The last one ends the run.
    fn perform(&mut self, run: &mut LiveRun<'_, Self>, ticket: Ticket, step: StepOf<Self>) -> Option<FinishOf<Self>>;

    /// Sees what the machine is about to hear.
    fn overhear(
        &mut self,
        run: &mut LiveRun<'_, Self>,
        ticket: Ticket,
        heard: &HeardOf<Self>,
        aside: Option<Self::Aside>,
    );

    /// A command of the handle's, before the machine gets it.
    fn commanded(&mut self) {}

    /// The machine has given every step that follows from what it heard.
    fn at_rest(&mut self) {}

    /// How far the transfer is; the loop adds the rate.
    fn progress(&self, machine: &Self::Machine) -> Progress;

    /// Where its bytes are.
    fn map(&self, machine: &Self::Machine) -> PieceMap;

    /// Bytes that went over the network so far in this run.
    fn moved(&self) -> u64;

    /// Stops what is still under way, and lets go of the lock: only then may a next run of the same transfer begin.
    fn close(self, machine: Self::Machine) -> impl Future<Output = Self::Summary> + Send;
}

type StepOf<H> = <<H as Hands>::Machine as Machine>::Step;
type HeardOf<H> = <<H as Hands>::Machine as Machine>::Heard;
type NoteOf<H> = <<H as Hands>::Machine as Machine>::Note;
type FinishOf<H> = <<H as Hands>::Machine as Machine>::Finish;
type AnswerOf<H> = StepAnswer<HeardOf<H>, <H as Hands>::Aside>;
type ReportOf<H> = RunReport<HeardOf<H>, <H as Hands>::Aside>;

/// What the machine hears of a step, and what stands beside it.
#[derive(Debug)]
pub(super) struct StepAnswer<H, A> {
    pub(super) heard: H,
    pub(super) aside: Option<A>,
}

impl<H, A> StepAnswer<H, A> {
    pub(super) fn with(heard: H, aside: A) -> Self {
        Self { heard, aside: Some(aside) }
    }
}

impl<H, A> From<H> for StepAnswer<H, A> {
    fn from(heard: H) -> Self {
        Self { heard, aside: None }
    }
}

/// What the run is told by its tasks and threads.
#[derive(Debug)]
pub(super) enum RunReport<H, A> {
    Answer(Ticket, StepAnswer<H, A>),
    /// One of them panicked: its answer will never come.
    Panicked(Panicked),
}

/// Where the tasks and threads of a run report to. A run that is over hears no report.
#[derive(Debug)]
pub(super) struct RunReports<H, A>(mpsc::Sender<RunReport<H, A>>);

impl<H, A> Clone for RunReports<H, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Send + 'static, A: Send + 'static> RunReports<H, A> {
    pub(super) fn channel() -> (Self, mpsc::Receiver<RunReport<H, A>>) {
        let (reports, inbox) = mpsc::channel(REPORTS_MAX);
        (Self(reports), inbox)
    }

    /// Tells the run, from a task.
    pub(super) async fn tell(&self, ticket: Ticket, answer: impl Into<StepAnswer<H, A>>) {
        let _ = self.0.send(RunReport::Answer(ticket, answer.into())).await;
    }

    /// Tells the run, from a thread.
    pub(super) fn tell_blocking(&self, ticket: Ticket, answer: impl Into<StepAnswer<H, A>>) {
        let _ = self.0.blocking_send(RunReport::Answer(ticket, answer.into()));
    }

    /// Starts a task that owes the run an answer. Its panic ends the run.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let reports = self.0.clone();
        tokio::spawn(async move {
            if let Err(panicked) = caught(work).await {
                let _ = reports.send(RunReport::Panicked(panicked)).await;
            }
        });
    }

    /// Does the work of a thread that owes the run an answer. Its panic ends the run.
    pub(super) fn work_on_thread(&self, work: impl FnOnce()) {
        if let Err(panicked) = caught_here(work) {
            let _ = self.0.blocking_send(RunReport::Panicked(panicked));
        }
    }
}

/// What happens in a run, for the handle.
#[derive(Debug)]
pub(crate) enum RunEvent<N> {
    /// The core has news.
    Note(N),
    /// Bytes flow.
    Progress(Progress),
    /// Where the bytes are now.
    Map(PieceMap),
    /// The target is known.
    Path(PathBuf),
    /// There is a journal: the transfer can be gone on with.
    Journal,
}

/// Takes the events of a run.
pub(crate) type TellRun<'a, N> = &'a mut (dyn FnMut(RunEvent<N>) + Send);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct RunEnd<F, S> {
    /// The core's verdict, or the panic that took the run away from it.
    pub(crate) finish: Result<F, Panicked>,
    pub(crate) summary: S,
}

/// A run under way, for its hands.
pub(super) struct LiveRun<'a, H: Hands> {
    pub(super) machine: H::Machine,
    began: Instant,
    /// Answers to steps that were done at once.
    answers: VecDeque<(Ticket, AnswerOf<H>)>,
    tell: TellRun<'a, NoteOf<H>>,
}

/// Runs a machine until it ends, is paused or discarded.
pub(super) async fn run<H: Hands>(
    machine: H::Machine,
    mut hands: H,
    mut reports: mpsc::Receiver<ReportOf<H>>,
    commands: &mut mpsc::Receiver<Command>,
    tell: TellRun<'_, NoteOf<H>>,
) -> RunEnd<FinishOf<H>, H::Summary> {
    let mut run = LiveRun::<H> { machine, began: Instant::now(), answers: VecDeque::new(), tell };
    let mut rate = Rate::default();
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut commands_open = true;
    let finish = loop {
        if let Some(finish) = run.do_steps(&mut hands) {
            break Ok(finish);
        }
        let wake = run.machine.wake_at().map(|at| run.began + Duration::from_millis(at));
        tokio::select! {
            report = reports.recv() => {
                let mut next = report;
                // Everything that is there, before timers are looked at again.
                let panicked = loop {
                    match next {
                        Some(RunReport::Answer(ticket, answer)) => run.hear(&mut hands, ticket, answer),
                        Some(RunReport::Panicked(panicked)) => break Some(panicked),
                        None => break None,
                    }
                    next = reports.try_recv().ok();
                };
                if let Some(panicked) = panicked {
                    break Err(panicked);
                }
            }
            command = commands.recv(), if commands_open => {
                // No handle is left when they are closed: the run stops in order.
                commands_open = command.is_some();
                hands.commanded();
                let now = run.now();
                run.machine.command(now, command.unwrap_or(Command::Pause));
            }
            () = sleep_until(wake) => {
                let now = run.now();
                run.machine.wake(now);
            }
            _ = tick.tick() => run.tell_progress(&hands, &mut rate),
        }
    };
    run.tell_progress(&hands, &mut rate);
    drop(reports); // no thread waits for the run to listen
    RunEnd { finish, summary: hands.close(run.machine).await }
}

impl<H: Hands> LiveRun<'_, H> {
    /// Milliseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The answer to a step that was done at once; the machine hears it when it has given its other steps.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: impl Into<AnswerOf<H>>) {
        self.answers.push_back((ticket, answer.into()));
    }

    /// Tells the handle.
    pub(super) fn tell(&mut self, event: RunEvent<NoteOf<H>>) {
        (self.tell)(event);
    }

    fn hear(&mut self, hands: &mut H, ticket: Ticket, answer: AnswerOf<H>) {
        hands.overhear(self, ticket, &answer.heard, answer.aside);
        let now = self.now();
        self.machine.hear(now, ticket, answer.heard);
    }

    /// Does every step that the machine gives, and tells it what was done at once; the last one ends the run.
    fn do_steps(&mut self, hands: &mut H) -> Option<FinishOf<H>> {
        loop {
            while let Some(Ordered { ticket, step }) = self.machine.next_step() {
                if let Some(finish) = hands.perform(self, ticket, step) {
                    return Some(finish);
                }
            }
            let Some((ticket, answer)) = self.answers.pop_front() else { break };
            self.hear(hands, ticket, answer);
        }
        hands.at_rest();
        None
    }

    fn tell_progress(&mut self, hands: &H, rate: &mut Rate) {
        let progress = Progress { rate: rate.sample(hands.moved()), ..hands.progress(&self.machine) };
        self.tell(RunEvent::Map(hands.map(&self.machine)));
        self.tell(RunEvent::Progress(progress));
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Bytes per second over the last few seconds.
#[derive(Default)]
struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    fn sample(&mut self, bytes: u64) -> u64 {
        let now = Instant::now();
        self.samples.push_back((now, bytes));
        while self.samples.len() > 2 && now.duration_since(self.samples[0].0) > RATE_OVER {
            self.samples.pop_front();
        }
        let (then, before) = self.samples[0];
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds < 0.05 { 0 } else { (bytes.saturating_sub(before) as f64 / seconds) as u64 }
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
