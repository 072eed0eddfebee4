//! Transfers of other processes: `get` and `put` that run in a terminal or a script are asked to stop, and do so in
//! order.

use std::path::Path;
use std::time::{Duration, Instant};

use longhaul::{Client, TransferInfo, TransferState};

use super::known;
use crate::exit::{Exit, Failure};

/// A wish is void after a minute: until then it is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The transfer that runs in another process, of an id, its beginning, or a file.
///
/// # Errors
/// As [`known::meant`].
pub(super) fn running(client: &Client, what: &Path) -> Result<Option<TransferInfo>, Failure> {
    let found = match known::meant(client, what)? {
        Some(found) => Some(found),
        None => client.list()?.transfers.into_iter().find(|transfer| known::is_of(&transfer.path, what)),
    };
    Ok(found.filter(|transfer| transfer.state == TransferState::Running))
}

/// Asks its process to stop it, and waits until it has. `by` is the word of this command.
///
/// # Errors
/// [`Exit::InUse`] when it does not hear.
pub(super) async fn stop(client: &Client, transfer: &TransferInfo, by: &str) -> Result<(), Failure> {
    client.wish_stop(&transfer.id, by)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = client.list_by_id(&transfer.id)?;
        if now.transfers.iter().all(|transfer| transfer.state != TransferState::Running) {
            return Ok(());
        }
    }
    let message = "the process that works on it does not hear; Ctrl-C there stops it in order";
    Err(Failure::new(Exit::InUse, "in_use", message))
}
