//! SIGHUP, SIGINT and SIGTERM as something to wait for.
//!
//! A SIGHUP that was ignored when the program began stays ignored: that is what `nohup` is for. (It can be told where
//! there is `/proc`; elsewhere all three are taken.) SIGINT is taken even so: shells ignore it for background jobs of
//! scripts, but a sender who names it wants it obeyed, and stopping keeps all that was received.

use std::io;

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

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tlonghaul\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t00\n";
        assert_eq!(super::ignored_in(status), Some(0x1001));
        assert_eq!(super::ignored_in("Name:\tlonghaul\n"), None);
        assert_eq!(super::ignored_in("SigIgn:\tzz\n"), None);
    }
}
