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
    let is_running = |transfer: &TransferInfo| transfer.state == TransferState::Running;
    if let Some(found) = known::meant(client, what)? {
        return Ok(Some(found).filter(is_running));
    }
    let is_meant = |transfer: &TransferInfo| is_running(transfer) && known::is_of(&transfer.path, what);
    if let Some(found) = client.list()?.transfers.into_iter().find(is_meant) {
        return Ok(Some(found));
    }
    // One that has just begun has a journal beside its target, and no note yet.
    let folder = super::absolute(what).parent().map(Path::to_owned).filter(|folder| folder.is_dir());
    let lying = folder.and_then(|folder| client.list_in(folder).ok());
    Ok(lying.and_then(|lying| lying.transfers.into_iter().find(is_meant)))
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
        if running(client, &transfer.path)?.is_none() {
            return Ok(());
        }
    }
    let message = "the process that works on it does not hear; Ctrl-C there stops it in order";
    Err(Failure::new(Exit::InUse, "in_use", message))
}
