//! Several transfers side by side, each to its end; a failure of one does not stop the others, a signal stops all. The
//! life of each is the library's ([`Batch`]); here are signals, what is shown, and the exit code.
//!
//! Everything runs on one thread: a future is the life of one transfer, and at most so many of these are there at once,
//! however long the list is.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use longhaul::many::Batch;
use tokio::sync::watch;

use super::awake::Awake;
use crate::exit::Exit;
use crate::show::Show;
use crate::signals::{Request, Signal, Signals, StopRequests};

/// A stop that takes longer is explained.
const STOP_EXPLAINED_AFTER: Duration = Duration::from_secs(1);

/// The switch that stops all.
#[derive(Default)]
pub(super) struct StopSwitch {
    signal: watch::Sender<Option<Signal>>,
    /// What all transfers of the command belong to.
    pub(super) batch: Batch,
}

impl StopSwitch {
    fn pull(&self, signal: Signal) {
        self.signal.send_replace(Some(signal));
        self.batch.stop();
    }

    /// Tells the signal when it comes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Signal>> {
        self.signal.subscribe()
    }

    /// The signal that came.
    pub(super) fn signal(&self) -> Option<Signal> {
        *self.signal.borrow()
    }

    /// The signal, where a batch was stopped: only a signal stops it.
    pub(super) fn cause(&self) -> Signal {
        self.signal().unwrap_or(Signal::Interrupt)
    }
}

/// Lives through all, each of which gives its place in the list and how it failed, if it did. The exit code is that of
/// the first failure in the order of the list. A signal stops all in order; while that takes its time, a second one is
/// told what it waits for, and a third ends the program at once: what is kept is as safe as after a crash, which is what
/// journals are for. `awake` keeps the machine awake until all have ended.
pub(super) async fn run(
    all: impl Stream<Item = (usize, Option<Exit>)>,
    mut signals: Signals,
    stop: &StopSwitch,
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
    let mut requests = StopRequests::default();
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => {
                match requests.hear(std::time::Instant::now()) {
                    Request::Stop => {
                        stop.pull(signal);
                        explain_at = Some(tokio::time::Instant::now() + STOP_EXPLAINED_AFTER);
                    }
                    Request::Same => {}
                    Request::Warn => {
                        explain_at = None;
                        let how = again(signal);
                        show.borrow_mut().say(&format!("still {what_takes_so_long}; {how} once more quits without that"));
                    }
                    Request::Quit => {
                        show.borrow_mut().say("quit; the same command goes on from what was recorded before");
                        std::process::exit(i32::from(Exit::Signal(stop.cause()).code()));
                    }
                }
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
                let how = again(stop.cause());
                show.borrow_mut().say(&format!("still {what_takes_so_long}; {how} twice more quits without that"));
            }
        }
    }
    show.borrow_mut().over();
    first.map_or(Exit::Done, |(_, exit)| exit)
}

/// How such a signal is sent again.
fn again(signal: Signal) -> &'static str {
    if signal == Signal::Interrupt { "Ctrl-C" } else { signal.name() }
}

/// Waits for the signal that stops all.
pub(super) async fn told(stop: &mut watch::Receiver<Option<Signal>>) -> Signal {
    let signal = stop.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
    match signal {
        Some(signal) => signal,
        None => std::future::pending().await, // the session, which outlives its jobs, is gone
    }
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
