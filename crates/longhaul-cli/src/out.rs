//! The only place that writes to stdout and stderr.
//!
//! A reader that went away (`longhaul list | head -1`) is no failure and never a panic: the rest is written to nobody.
//! Text from outside (names, addresses, messages) can hold characters that a terminal would obey, or that make it show
//! other text than is there ([`is_deceptive`]). In text for people they are shown as `?`, in JSON as `\u` and four digits,
//! which says the same.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};

use longhaul::source::is_deceptive;

use crate::exit::{Exit, Failure};

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

/// Writes lines of JSON to stdout; see [`stdout`].
pub(crate) fn json(lines: &str) -> Result<(), Failure> {
    stdout(&escaped(lines))
}

/// Outside of strings, JSON has none of these characters but the line ends between objects; inside, `\u` is the same.
fn escaped(json: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c != '\n' && is_deceptive(c);
    if !json.contains(obeyed) {
        return json.into();
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match u32::from(c) {
            // None of them is above U+FFFF.
            code if obeyed(c) => text += &format!("\\u{code:04x}"),
            _ => text.push(c),
        }
    }
    text.into()
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

/// The text with deceptive characters replaced, line ends excepted: what was made of several lines here stays so.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c != '\n' && is_deceptive(c);
    if text.contains(obeyed) { text.replace(obeyed, "?").into() } else { text.into() }
}

/// A writer to stderr for the log: errors are swallowed, because a log must not end a transfer.
#[derive(Clone, Copy)]
pub(crate) struct Log;

/// The text with line ends replaced as well: a name or a message of somebody else's is one line.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(is_deceptive) { text.replace(is_deceptive, "?").into() } else { text.into() }
}

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

#[cfg(test)]
mod tests {
    #[test]
    fn a_terminal_obeys_nobody_elses_text() {
        assert_eq!(super::plain("a\u{1b}[2Jb\rc\nd\u{9b}1m"), "a?[2Jb?c\nd?1m");
        assert_eq!(super::plain("bücher 日本.iso"), "bücher 日本.iso");
        let bidi = "a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{2028}f\u{2029}g\u{85}h\ni";
        assert_eq!(super::plain(bidi), "a?b?c?d?e?f?g?h\ni");
        assert_eq!(super::one_line(bidi), "a?b?c?d?e?f?g?h?i");
    }

    #[test]
    fn json_says_the_same_in_characters_that_are_seen() {
        let odd = "a\u{202e}b\u{7f}c\u{9b}d\u{2028}e\"\\\u{1b}\n\u{fffb}";
        let line = format!("{}\n", serde_json::json!({ "x": odd, odd: [odd] }));
        let escaped = super::escaped(&line);
        assert!(!escaped.trim_end().contains(longhaul::source::is_deceptive), "{escaped:?}");
        assert!(escaped.contains("\\u202e") && escaped.ends_with('\n'));
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&escaped), read(&line));
        assert!(matches!(super::escaped("{\"a\":\"ü\"}\n"), std::borrow::Cow::Borrowed(_)));
    }
}
