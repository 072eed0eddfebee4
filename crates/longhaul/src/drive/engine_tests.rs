//! A machine of three steps and hands that do as a test says: what the loop does when a task, a thread or a handle
//! goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::drive::seat::{Desk, Seat};

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ask,
    Finish(&'static str),
}

/// Asks once, and ends with what it hears first.
#[derive(Default)]
struct Toy {
    asked: bool,
    finish: Option<&'static str>,
    heard: Vec<&'static str>,
}

impl Machine for Toy {
    type Step = Step;
    type Heard = &'static str;
    type Note = ();
    type Finish = &'static str;

    fn next_step(&mut self) -> Option<Ordered<Step>> {
        if !std::mem::replace(&mut self.asked, true) {
            return Some(Ordered { ticket: Ticket(1), step: Step::Ask });
        }
        self.finish.take().map(|finish| Ordered { ticket: Ticket(2), step: Step::Finish(finish) })
    }

    fn hear(&mut self, _: u64, _: Ticket, heard: &'static str) {
        self.heard.push(heard);
        self.finish = Some(heard);
    }

    fn wake_at(&self) -> Option<u64> {
        None
    }

    fn wake(&mut self, _: u64) {}

    fn command(&mut self, _: u64, command: Command) {
        self.finish = Some(if command == Command::Pause { "paused" } else { "discarded" });
    }
}

enum Way {
    Silence,
    AtOnce,
    Task,
    PanicInTask,
    PanicOnDesk,
}

struct ToyHands {
    way: Way,
    reports: RunReports<&'static str, ()>,
    seat: Seat<ToyDesk>,
    closed: Arc<AtomicBool>,
}

struct ToyDesk {
    open: Arc<AtomicBool>,
}

impl Drop for ToyDesk {
    fn drop(&mut self) {
        self.open.store(false, Ordering::SeqCst);
    }
}

impl Desk for ToyDesk {
    type Order = ();
    type Heard = &'static str;
    type Aside = ();

    fn perform(&mut self, (): ()) -> StepAnswer<&'static str, ()> {
        panic!("planted on the desk")
    }
}

impl Hands for ToyHands {
    type Machine = Toy;
    type Aside = ();
    type Summary = Vec<&'static str>;

    fn perform(&mut self, run: &mut LiveRun<'_, Self>, ticket: Ticket, step: Step) -> Option<&'static str> {
        let reports = self.reports.clone();
        match (step, &self.way) {
            (Step::Finish(finish), _) => return Some(finish),
            (Step::Ask, Way::Silence) => {}
            (Step::Ask, Way::AtOnce) => run.answer(ticket, "done"),
            (Step::Ask, Way::Task) => self.reports.spawn(async move { reports.tell(ticket, "done").await }),
            (Step::Ask, Way::PanicInTask) => self.reports.spawn(async { panic!("planted in a task") }),
            (Step::Ask, Way::PanicOnDesk) => assert!(self.seat.order(ticket, (), &reports).is_none()),
        }
        None
    }

    fn overhear(&mut self, _: &mut LiveRun<'_, Self>, _: Ticket, _: &&'static str, _: Option<()>) {}

    fn progress(&self, _: &Toy) -> Progress {
        Progress::default()
    }

    fn map(&self, _: &Toy) -> PieceMap {
        PieceMap::default()
    }

    fn moved(&self) -> u64 {
        0
    }

    async fn close(self, machine: Toy) -> Vec<&'static str> {
        self.seat.close().await;
        self.closed.store(true, Ordering::SeqCst);
        machine.heard
    }
}

async fn play(way: Way, commands: &mut mpsc::Receiver<Command>) -> RunEnd<&'static str, Vec<&'static str>> {
    let (reports, inbox) = RunReports::channel();
    let (open, closed) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let seat = Seat::here(ToyDesk { open: open.clone() });
    let hands = ToyHands { way, reports, seat, closed: closed.clone() };
    let mut deaf = |_| {};
    let running = run(Toy::default(), hands, inbox, commands, &mut deaf);
    let end = tokio::time::timeout(LONG, running).await.expect("the run waits for ever");
    assert!(closed.load(Ordering::SeqCst) && !open.load(Ordering::SeqCst), "the desk still has what it had open");
    end
}

#[tokio::test]
async fn answers_of_tasks_and_those_given_at_once_reach_the_machine() {
    let (_handle, mut commands) = mpsc::channel(1);
    for way in [Way::AtOnce, Way::Task] {
        let end = play(way, &mut commands).await;
        assert_eq!((end.finish, end.summary), (Ok("done"), vec!["done"]));
    }
}

#[tokio::test]
async fn a_panic_in_a_task_or_on_the_desks_thread_ends_the_run() {
    let (_handle, mut commands) = mpsc::channel(1);
    for (way, text) in [(Way::PanicInTask, "planted in a task"), (Way::PanicOnDesk, "planted on the desk")] {
        let panicked = play(way, &mut commands).await.finish.unwrap_err();
        assert!(panicked.error("x").to_string().contains(text), "{panicked:?}");
    }
}

#[tokio::test]
async fn a_run_that_no_handle_holds_is_paused_and_commands_are_passed_on() {
    let (handle, mut commands) = mpsc::channel(1);
    handle.send(Command::Discard).await.unwrap();
    assert_eq!(play(Way::Silence, &mut commands).await.finish, Ok("discarded"));
    drop(handle);
    assert_eq!(play(Way::Silence, &mut commands).await.finish, Ok("paused"));
}
