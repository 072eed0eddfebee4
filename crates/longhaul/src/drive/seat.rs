//! Where a desk's work is done: here, or, once it may block, on a thread of its own, in the order in which it was
//! asked.
//!
//! A thread of a pool would wait, when all are busy, for those that wait for it.

use std::sync::mpsc;

use longhaul_core::words::Ticket;
use tokio::sync::oneshot;

use super::engine::{RunReports, StepAnswer};
use crate::threads;

/// Stack of a desk's thread, in bytes.
const STACK: usize = 512 << 10;

/// What does the blocking work of a transfer whose order matters: lock, journal, renames, receipt.
pub(super) trait Desk: Send + 'static {
    /// What it is asked to do.
    type Order: Send + 'static;
    type Heard: Send + 'static;
    type Aside: Send + 'static;

    /// Does it.
    fn perform(&mut self, order: Self::Order) -> StepAnswer<Self::Heard, Self::Aside>;

    /// Does it on the desk's thread, and tells the run.
    fn perform_and_tell(&mut self, ticket: Ticket, order: Self::Order, reports: &RunReports<Self::Heard, Self::Aside>) {
        let answer = self.perform(order);
        reports.tell_blocking(ticket, answer);
    }

    /// The run is over: the desk tidies up. What it has open it lets go of when it is dropped, a moment later.
    fn close(&mut self) {}
}

/// A desk, and where it stands.
pub(super) enum Seat<D: Desk> {
    /// Here: as long as every order is a quick one, or the system has no thread to give.
    Here(Box<D>),
    /// On a thread of its own. The queue has no bound of its own and needs none: hints wait for turns before they are
    /// reported, and of the other steps the machine gives the next when it has heard of the one before.
    Thread(mpsc::Sender<Message<D>>),
    /// Between the two.
    Moving,
}

/// What the desk's thread is told.
pub(super) enum Message<D: Desk> {
    Perform(Ticket, D::Order),
    /// Tidy up, let go of the lock, and say so.
    Close(oneshot::Sender<()>),
}

impl<D: Desk> Seat<D> {
    pub(super) fn here(desk: D) -> Self {
        Self::Here(Box::new(desk))
    }

    /// Hands an order to the desk's thread, which begins now if it did not before. Where there is no thread the order
    /// is done here, and the answer is given back.
    pub(super) fn order(
        &mut self,
        ticket: Ticket,
        order: D::Order,
        reports: &RunReports<D::Heard, D::Aside>,
    ) -> Option<StepAnswer<D::Heard, D::Aside>> {
        *self = match std::mem::replace(self, Self::Moving) {
            Self::Here(desk) => match on_thread(desk, reports) {
                Ok(orders) => Self::Thread(orders),
                Err((desk, error)) => {
                    tracing::info!("no thread for the journal ({error}): its work is done beside that of the network");
                    Self::Here(desk)
                }
            },
            seat => seat,
        };
        match self {
            Self::Here(desk) => Some(desk.perform(order)),
            // A thread that takes no orders has panicked, and told the run.
            Self::Thread(orders) => {
                let _ = orders.send(Message::Perform(ticket, order));
                None
            }
            Self::Moving => None,
        }
    }

    /// Tidies up and lets go of what the desk has open.
    pub(super) async fn close(self) {
        match self {
            Self::Here(mut desk) => desk.close(),
            Self::Thread(orders) => {
                let (done, closed) = oneshot::channel();
                let _ = orders.send(Message::Close(done));
                let _ = closed.await; // an error: it panicked, and let go of everything
            }
            Self::Moving => {}
        }
    }
}

/// A thread that does what it is told until it is closed; the desk again when there is none.
fn on_thread<D: Desk>(
    desk: Box<D>,
    reports: &RunReports<D::Heard, D::Aside>,
) -> Result<mpsc::Sender<Message<D>>, (Box<D>, std::io::Error)> {
    let (orders, inbox) = mpsc::channel();
    let reports = reports.clone();
    threads::start("longhaul-desk", STACK, desk, move |desk| {
        reports.work_on_thread(|| work(desk, &inbox, &reports));
    })?;
    Ok(orders)
}

fn work<D: Desk>(mut desk: Box<D>, inbox: &mpsc::Receiver<Message<D>>, reports: &RunReports<D::Heard, D::Aside>) {
    while let Ok(message) = inbox.recv() {
        match message {
            Message::Perform(ticket, order) => desk.perform_and_tell(ticket, order, reports),
            Message::Close(done) => {
                desk.close();
                drop(desk);
                let _ = done.send(());
                return;
            }
        }
    }
}
