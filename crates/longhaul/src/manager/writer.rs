//! The one thread that writes the list, one order after the other; what came of each is told to the driver.

use std::sync::mpsc;

use longhaul_core::words::Ticket;
use tokio::sync::oneshot;

use super::catalogue::{Catalogue, CatalogueError, Loaded, RowChange};
use crate::drive::panics::caught_here;
use crate::error::Error;
use crate::threads;

/// What the writer does.
pub(super) enum WriterOrder {
    /// Makes these changes last.
    Commit(Ticket, Vec<RowChange>),
    /// Reads the list anew, after it could not be written; when it is damaged it is put aside, and made of these.
    Reload(Ticket, Vec<RowChange>),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Written {
    Committed,
    /// It may last or not.
    Uncertain(CatalogueError),
    Reloaded(Loaded),
    /// It cannot be read either.
    Unreadable(CatalogueError),
}

/// The thread. It ends when this is dropped and what was ordered is done.
#[derive(Debug)]
pub(super) struct Writer {
    orders: mpsc::Sender<WriterOrder>,
    /// Ends when the thread has let go of the list.
    ended: oneshot::Receiver<()>,
}

impl Writer {
    /// Starts the thread. The queue has one order under way, so what waits here has a bound.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        catalogue: Box<dyn Catalogue>,
        tell: impl Fn(Ticket, Written) + Send + 'static,
    ) -> Result<Self, Error> {
        let (orders, inbox) = mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        let work = move |(mut catalogue, inbox): (Box<dyn Catalogue>, mpsc::Receiver<WriterOrder>)| {
            while let Ok(order) = inbox.recv() {
                let ticket = order.ticket();
                let written = caught_here(|| carry_out(catalogue.as_mut(), order));
                let panicked = || Written::Uncertain(CatalogueError::Failed("a part of the program failed".into()));
                tell(ticket, written.unwrap_or_else(|_| panicked()));
            }
            drop(catalogue);
            drop(end);
        };
        threads::start("longhaul-list", 512 << 10, (catalogue, inbox), work)
            .map_err(|(_, error)| Error::no_thread("the list of transfers cannot be written", error))?;
        Ok(Self { orders, ended })
    }

    /// Ends the thread; the list is closed when this returns.
    pub(super) async fn close(self) {
        let Self { orders, ended } = self;
        drop(orders);
        let _ = ended.await; // nothing is sent: its end is the word
    }

    pub(super) fn order(&self, order: WriterOrder) {
        let _ = self.orders.send(order); // a thread that panicked is told by the driver's end
    }
}

impl WriterOrder {
    fn ticket(&self) -> Ticket {
        match self {
            Self::Commit(ticket, _) | Self::Reload(ticket, _) => *ticket,
        }
    }
}

fn carry_out(catalogue: &mut dyn Catalogue, order: WriterOrder) -> Written {
    match order {
        WriterOrder::Commit(_, changes) => match catalogue.commit(&changes) {
            Ok(()) => Written::Committed,
            Err(error) => Written::Uncertain(error),
        },
        WriterOrder::Reload(_, known) => match reload(catalogue, &known) {
            Ok(loaded) => Written::Reloaded(loaded),
            Err(error) => Written::Unreadable(error),
        },
    }
}

fn reload(catalogue: &mut dyn Catalogue, known: &[RowChange]) -> Result<Loaded, CatalogueError> {
    let read = catalogue.reopen().and_then(|()| catalogue.load());
    let Err(CatalogueError::Damaged(why)) = read else { return read };
    let aside = catalogue.set_aside(&why)?;
    tracing::warn!("the list of transfers was damaged ({why}): it is {} now, and was written anew", aside.display());
    catalogue.commit(known)?;
    catalogue.load()
}
