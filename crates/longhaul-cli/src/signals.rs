//! SIGHUP, SIGINT and SIGTERM as something to wait for.
//!
//! A SIGHUP that was ignored when the program began stays ignored: that is what `nohup` is for. (It can be told where
//! there is `/proc`; elsewhere all three are taken.) SIGINT is taken even so: shells ignore it for background jobs of
//! scripts, but a sender who names it wants it obeyed, and stopping keeps all that was received.

use std::io;
use std::time::{Duration, Instant};

/// A signal that ends a transfer in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Hangup,
    Interrupt,
    Terminate,
}

impl Signal {
    /// POSIX's number; the exit code is 128 more.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// The signals of this process.
pub(crate) struct Signals {
    taken: Vec<(Signal, tokio::signal::unix::Signal)>,
}

impl Signals {
    /// Takes the signals over. Must be called inside a tokio runtime.
    pub(crate) fn take() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let wanted = [Signal::Hangup, Signal::Interrupt, Signal::Terminate];
        let taken = wanted.into_iter().filter(|&s| s != Signal::Hangup || !is_ignored(s));
        let taken = taken.map(|s| Ok((s, signal(SignalKind::from_raw(i32::from(s.number())))?)));
        Ok(Self { taken: taken.collect::<io::Result<_>>()? })
    }

    /// The next signal. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            for (name, signal) in &mut self.taken {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*name);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// Signals that come so soon after the first are the same one: timeout(1) sends its signal to the program and then to
/// the program's group, so that it arrives twice; a terminal's Ctrl-C reaches a program and what it was started by.
const FIRST_LASTS: Duration = Duration::from_secs(1);
/// The same for the second, which a person sends who has read what the first one waits for.
const SECOND_LASTS: Duration = Duration::from_millis(200);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Stop in order.
    Stop,
    /// Nothing more: it is one that was heard already, sent twice.
    Same,
    /// Again, while the stop takes its time: the next one ends the program.
    Warn,
    /// End the program at once.
    Quit,
}

/// Counts the signals of a stop, from the first on.
#[derive(Debug, Default)]
pub(crate) struct StopRequests {
    first: Option<Instant>,
    second: Option<Instant>,
}

impl StopRequests {
    /// What the signal that came now asks for.
    pub(crate) fn hear(&mut self, now: Instant) -> Request {
        match (self.first, self.second) {
            (None, _) => {
                self.first = Some(now);
                Request::Stop
            }
            (Some(first), None) if now.saturating_duration_since(first) < FIRST_LASTS => Request::Same,
            (Some(_), None) => {
                self.second = Some(now);
                Request::Warn
            }
            (_, Some(second)) if now.saturating_duration_since(second) < SECOND_LASTS => Request::Same,
            (_, Some(_)) => Request::Quit,
        }
    }
}

/// Writing past the limit of a file's length (`ulimit -f`, setrlimit(2)) sends SIGXFSZ, which ends a program without a
/// word. Once it is taken, the write fails instead. Must be called inside a tokio runtime.
pub(crate) fn outlive_long_files() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // Taken for as long as the program runs, though none waits for it.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status).is_some_and(|mask| mask & (1 << (signal.number() - 1)) != 0)
}

/// The mask of ignored signals, bit 0 for signal 1: proc_pid_status(5), `SigIgn`.
fn ignored_in(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_was_sent_twice_is_one_and_the_third_ends_the_program() {
        let begin = Instant::now();
        let heard = |at_ms: &[u64]| -> Vec<Request> {
            let mut requests = StopRequests::default();
            at_ms.iter().map(|&ms| requests.hear(begin + Duration::from_millis(ms))).collect()
        };
        use Request::{Quit, Same, Stop, Warn};
        assert_eq!(heard(&[5, 5, 61, 1004]), [Stop, Same, Same, Same]);
        assert_eq!(heard(&[0, 1000, 1200]), [Stop, Warn, Quit]);
        assert_eq!(heard(&[0, 0, 3000, 3001, 3199, 3200]), [Stop, Same, Warn, Same, Same, Quit]);
        assert_eq!(heard(&[0, 60_000, 120_000]), [Stop, Warn, Quit]);
    }

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tlonghaul\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t00\n";
        assert_eq!(super::ignored_in(status), Some(0x1001));
        assert_eq!(super::ignored_in("Name:\tlonghaul\n"), None);
        assert_eq!(super::ignored_in("SigIgn:\tzz\n"), None);
    }
}
