//! `longhaul run`: works off the list in the foreground, until nothing of it is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use longhaul::manager::{Entry, EntryId, Manager, State, Which};
use longhaul_daemon::Daemon;
use longhaul_daemon::socket::Connection;

use super::watch::View;
use crate::commands::daemon::{runtime_dir, socket_of, state_dir};
use crate::commands::{client, runtime};
use crate::exit::{Exit, Failure};
use crate::flags::queue::WorkOptions;
use crate::out;
use crate::signals::Signals;

/// The daemon tells changes four times a second.
const LAST_NEWS: Duration = Duration::from_millis(500);

pub(crate) fn run(work: &WorkOptions) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(off(work));
    runtime.shutdown_background();
    ended
}

async fn off(work: &WorkOptions) -> Result<Exit, Failure> {
    let (dir, socket) = (state_dir(&work.state)?, socket_of(&work.state));
    let client = client(&work.network, &work.store, &work.state, work.limit_rate)?;
    let mut builder = client.manager();
    if let Some(runtime) = runtime_dir() {
        builder = builder.runtime_dir(runtime.join("longhaul"));
    }
    let manager = builder.open().await?;
    let over_before: BTreeMap<_, _> = ends(&manager).collect();
    // Other verbs reach it by the socket, as they reach a daemon.
    let daemon = Daemon::builder(client, manager.clone(), dir).listen(None).socket(&socket).start().await;
    let daemon = daemon.map_err(|error| Failure::new(Exit::InUse, "in_use", error.to_string()))?;
    let mut signals =
        Signals::take().map_err(|error| Failure::internal(format!("cannot wait for signals ({error})")))?;
    let mut view = View::new(None, work.json, work.quiet);
    let mut shown = Box::pin(async {
        // What is shown is not needed: without it the list is worked off all the same.
        let Ok(connection) = Connection::open(&socket).await else { return std::future::pending().await };
        let Ok(mut messages) = connection.events("/api/v1/events").await else { return std::future::pending().await };
        while let Ok(Some(message)) = messages.next().await {
            if let Err(failure) = view.hear(&message.event, &message.data) {
                return failure;
            }
        }
        std::future::pending().await
    });
    let signal = tokio::select! {
        () = manager.idle() => None,
        () = daemon.asked_to_stop() => None,
        signal = signals.next() => Some(signal),
        failure = &mut shown => {
            daemon.stop().await;
            return Err(failure);
        }
    };
    // The last changes are told a moment later.
    let _ = tokio::time::timeout(LAST_NEWS, &mut shown).await;
    drop(shown);
    view.over();
    let is_new = |(id, rev): &(EntryId, u64)| over_before.get(id) != Some(rev);
    let ended: Vec<Arc<Entry>> = ends(&manager).filter(is_new).filter_map(|(id, _)| manager.entry(id)).collect();
    let waiting = manager.counts().later;
    daemon.stop().await;
    if let Some(signal) = signal {
        return Ok(Exit::Signal(signal));
    }
    if waiting > 0 && !work.quiet && !work.json {
        out::say(&format!("{waiting} of the list wait for their time: run again later, or `longhaul daemon`"));
    }
    let mut first = None;
    for entry in &ended {
        if let Some(reason) = entry.state.reason() {
            first.get_or_insert(crate::exit::of_kind(reason.kind));
        }
    }
    Ok(first.unwrap_or(Exit::Done))
}

/// Those that ended, or wait for a person.
fn ends(manager: &Manager) -> impl Iterator<Item = (EntryId, u64)> + use<> {
    let ends = |state: &State| state.is_over() || matches!(state, State::Needs { .. });
    let all = manager.entries(&Which::Stopped, 0, usize::MAX);
    all.into_iter().filter(move |entry| ends(&entry.state)).map(|entry| (entry.id, entry.rev))
}
