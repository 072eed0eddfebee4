//! Several transfers side by side, each to its end; a failure of one does not stop the others, a signal stops all.
//!
//! Everything runs on one thread: a future is the life of one transfer, and at most so many of these are there at once,
//! however long the list is.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use longhaul::{Error, Event, Events, Outcome, Transfer};
use tokio::sync::watch;

use super::awake::Awake;
use crate::exit::Exit;
use crate::show::Show;
use crate::signals::{Signal, Signals};

/// A stop that takes longer is explained: a second signal ends the wait.
const STOP_EXPLAINED_AFTER: Duration = Duration::from_secs(1);

/// The signal that stops all.
pub(super) type Stop = watch::Sender<Option<Signal>>;

/// Lives through all, each of which gives its place in the list and how it failed, if it did. The exit code is that of
/// the first failure in the order of the list. A second signal ends the program at once: what is kept is as safe as
/// after a crash, which is what journals are for. `awake` keeps the machine awake until all have ended.
pub(super) async fn run(
    all: impl Stream<Item = (usize, Option<Exit>)>,
    mut signals: Signals,
    stop: &Stop,
    show: &RefCell<Show>,
    what_takes_so_long: &str,
    mut awake: Option<Awake>,
) -> Exit {
    let mut all = std::pin::pin!(all);
    let mut awake = std::pin::pin!(async {
        match &mut awake {
            Some(awake) => awake.watch(show).await,
            None => std::future::pending().await,
        }
    });
    let mut first: Option<(usize, Exit)> = None;
    let mut explain_at = None;
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => {
                if stop.borrow().is_some() {
                    std::process::exit(i32::from(Exit::Signal(signal).code()));
                }
                stop.send_replace(Some(signal));
                explain_at = Some(tokio::time::Instant::now() + STOP_EXPLAINED_AFTER);
            }
            ended = all.next() => match ended {
                Some((index, Some(exit))) if first.is_none_or(|(least, _)| index < least) => {
                    first = Some((index, exit));
                }
                Some(_) => {}
                None => break,
            },
            () = &mut awake => {}
            () = until(explain_at) => {
                explain_at = None;
                let how = match *stop.borrow() {
                    Some(signal) if signal != Signal::Interrupt => signal.name(),
                    _ => "Ctrl-C",
                };
                show.borrow_mut().say(&format!("{what_takes_so_long}; {how} again stops at once"));
            }
        }
    }
    show.borrow_mut().over();
    first.map_or(Exit::Done, |(_, exit)| exit)
}

/// Waits for the signal that stops all.
pub(super) async fn told(stop: &mut watch::Receiver<Option<Signal>>) -> Signal {
    let signal = stop.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
    match signal {
        Some(signal) => signal,
        None => std::future::pending().await, // the session, which outlives its jobs, is gone
    }
}

/// What became of a transfer.
pub(super) enum Followed {
    Ended(Result<Outcome, Error>),
    /// A signal stopped it, with so many bytes kept.
    Stopped(Signal, u64),
}

/// Follows a transfer to its end, or until a signal stops it, and tells what happens in it.
pub(super) async fn follow(
    transfer: &Transfer,
    stop: &mut watch::Receiver<Option<Signal>>,
    mut tell: impl FnMut(&Event),
) -> Followed {
    let mut pausing = false;
    let mut events = transfer.events();
    loop {
        // Events first, so that what led to the end is told before it.
        tokio::select! {
            biased;
            signal = told(stop), if !pausing => {
                pausing = true;
                if let Some(held) = pause(transfer, &mut events, &mut tell).await {
                    return Followed::Stopped(signal, held);
                } // else it ended by itself
            }
            Some(event) = events.next() => tell(&event),
            outcome = transfer.finished() => return Followed::Ended(outcome),
        }
    }
}

/// Pauses; what is held, or nothing when the transfer ended instead.
async fn pause(transfer: &Transfer, events: &mut Events, tell: &mut impl FnMut(&Event)) -> Option<u64> {
    let mut held = None;
    let mut pause = std::pin::pin!(transfer.pause());
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => {
                if let Event::Paused { held: now, .. } = event {
                    held = Some(now);
                }
                tell(&event);
            }
            // An error is the transfer's own, and told as such.
            _ = &mut pause => return held,
        }
    }
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
