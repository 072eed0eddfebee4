//! The transfers that this process works on, so that other processes reach them: `longhaul pause` and `longhaul cancel`
//! leave a wish in the state directory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;

use longhaul::{Cancel, Client, Transfer};

/// By their ids.
#[derive(Default)]
pub(super) struct AtWork {
    transfers: RefCell<HashMap<String, Transfer>>,
    stopped: RefCell<HashMap<String, String>>,
}

impl AtWork {
    /// This one runs.
    pub(super) fn begins(&self, transfer: &Transfer) {
        let mut transfers = self.transfers.borrow_mut();
        if !transfers.contains_key(transfer.id()) {
            transfers.insert(transfer.id().to_owned(), transfer.clone());
        }
    }

    /// It has ended. Who stopped it, if another process did: the word of its command.
    pub(super) fn over(&self, id: &str) -> Option<String> {
        self.transfers.borrow_mut().remove(id);
        self.stopped.borrow_mut().remove(id)
    }

    /// Obeys the wishes of other processes, for ever.
    pub(super) async fn obey(&self, client: &Client) -> Infallible {
        let mut wishes = client.wishes();
        loop {
            let wish = wishes.next().await;
            let Some(transfer) = self.transfers.borrow().get(&wish.id).cloned() else { continue };
            self.stopped.borrow_mut().insert(wish.id.clone(), wish.by.clone());
            // A failure is told where the transfer ends.
            let _ = transfer.cancel(Cancel::Keep).await;
            wishes.obeyed(&wish);
        }
    }
}
