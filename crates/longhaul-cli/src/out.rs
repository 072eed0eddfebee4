//! The only place that writes to stdout and stderr.
//!
//! A reader that went away (`longhaul list | head -1`) is no failure and never a panic: the rest is dropped.
//! What comes from outside goes through [`printable`](crate::printable) first.

use std::io::{self, ErrorKind, Write};

use crate::exit::{Exit, Failure};
use crate::printable::{escaped, plain};

/// Writes to stdout and flushes. A closed stdout is success.
///
/// # Errors
/// Anything else that keeps the text from its reader: a full disk behind a redirection, say.
pub(crate) fn stdout(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::LocalFile, "local_file", format!("cannot write to stdout ({e})")))
        }
        _ => Ok(()),
    }
}

/// Writes our own text to stdout, with its colours where there are any; see [`stdout`].
pub(crate) fn stdout_styled(text: &clap::builder::StyledStr) -> Result<(), Failure> {
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => stdout(&text.to_string()),
        _ => stdout(&text.ansi().to_string()),
    }
}

/// Writes lines of JSON to stdout; see [`stdout`].
pub(crate) fn json(lines: &str) -> Result<(), Failure> {
    stdout(&escaped(lines))
}

/// Writes one line for people to stderr. There is nowhere to report that this failed.
pub(crate) fn say(line: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{}", plain(line)).and_then(|()| err.flush());
}

/// Writes `longhaul: MESSAGE` to stderr, the name in red where there are colours.
pub(crate) fn complain(message: &str) {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{red}longhaul:{red:#} {}", plain(message)).and_then(|()| err.flush());
}

/// Writes our own text to stderr, with its colours where there are any.
pub(crate) fn say_styled(text: &clap::builder::StyledStr) {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{}", text.ansi()).and_then(|()| err.flush());
}

/// A writer to stderr for the log: errors are swallowed, because a log must not end a transfer.
#[derive(Clone, Copy)]
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let _ = io::stderr().lock().write_all(plain(&text).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
