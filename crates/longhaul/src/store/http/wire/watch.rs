//! What frames a body is read to the letter, although the rest of a reply's head is not.
//!
//! hyper is told to pass over fields that it cannot read. A `Content-Length` or `Transfer-Encoding` among them would
//! leave a body that ends elsewhere than the server says. So every line of a head that is meant to be one of them, and
//! is not written as RFC 9112, 5 asks for (blanks before the colon excepted), breaks the connection. And `http/1.1` in
//! lower case, which hyper would not read, becomes `HTTP/1.1` on its way: it says the same.
//!
//! A head begins with the first bytes that come after something was sent. Where a reply comes before all of a request
//! was sent, more than the head may be looked at; that can refuse the reply, and changes nothing else.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const FRAMING: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];
/// How much of a line is kept: a longer one is no field that frames a body.
const LINE_LEN_MAX: usize = 256;

/// A connection whose replies' heads are watched.
pub(super) struct Watched<S> {
    stream: S,
    /// `None` over HTTP/2, where a head has no lines.
    head: Option<Head>,
}

/// What was read of a head.
#[derive(Default)]
struct Head {
    at: At,
    /// The begin of the line that is being read.
    line: Vec<u8>,
    /// The last field frames the body: no line may go on with it.
    framing: bool,
    /// The status line says that another head follows.
    interim: bool,
}

#[derive(Default, PartialEq, Eq)]
enum At {
    /// In the body, or before the first request.
    #[default]
    Elsewhere,
    /// In the status line.
    Status,
    /// In the fields.
    Fields,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, http2: bool) -> Self {
        Self { stream, head: (!http2).then(Head::default) }
    }

    fn sent(&mut self, result: &Poll<io::Result<usize>>) {
        if let (Some(head), Poll::Ready(Ok(1..))) = (&mut self.head, result)
            && head.at == At::Elsewhere
        {
            head.begin();
        }
    }
}

impl Head {
    fn begin(&mut self) {
        self.line.clear();
        (self.at, self.framing, self.interim) = (At::Status, false, false);
    }

    /// Looks at bytes that came, and mends them.
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.at != At::Elsewhere && !rest.is_empty() {
            let end = rest.iter().position(|&b| b == b'\n');
            let (piece, behind) = rest.split_at_mut(end.unwrap_or(rest.len()));
            self.go_on(piece);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let ended = self.end_of_line(line.strip_suffix(b"\r").unwrap_or(&line));
                self.line = line; // its memory is for the next one
                self.line.clear();
                ended?;
            }
            rest = behind.get_mut(1..).unwrap_or_default();
        }
        Ok(())
    }

    /// The line that is being read goes on so.
    fn go_on(&mut self, piece: &mut [u8]) {
        const VERSION: &[u8] = b"http";
        let mut looked_at = 0;
        while self.at == At::Status
            && self.line.len() < VERSION.len()
            && let Some(b) = piece.get_mut(looked_at)
            && self.line.iter().chain([&*b]).zip(VERSION).all(|(a, b)| a.eq_ignore_ascii_case(b))
        {
            b.make_ascii_uppercase();
            self.line.push(*b);
            looked_at += 1;
        }
        let rest = &piece[looked_at..];
        let room = LINE_LEN_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    fn end_of_line(&mut self, line: &[u8]) -> io::Result<()> {
        match self.at {
            At::Status if line.is_empty() => {} // before a reply, hyper passes over it
            At::Status => {
                let status = line.split(|&b| b == b' ').nth(1).unwrap_or_default();
                self.interim = status.len() == 3 && status[0] == b'1' && status != b"101";
                self.at = At::Fields;
            }
            At::Fields if line.is_empty() => {
                self.at = if self.interim { At::Status } else { At::Elsewhere };
                self.framing = false;
            }
            At::Fields if line.starts_with(b" ") || line.starts_with(b"\t") => {
                // It goes on with the field before, and a head that begins so is refused by hyper.
                if self.framing || frames(line) {
                    return Err(broken());
                }
            }
            At::Fields => {
                self.framing = frames(line);
                if self.framing && !is_to_the_letter(line) {
                    return Err(broken());
                }
            }
            At::Elsewhere => {}
        }
        Ok(())
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a field that frames the body is not to the letter")
}

/// Whether a line is meant to say how a body is framed: a name without what no name can hold.
fn frames(line: &[u8]) -> bool {
    let name = line.split(|&b| b == b':').next().unwrap_or_default();
    let name = name.iter().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    FRAMING.iter().any(|framing| name.clone().map(u8::to_ascii_lowercase).eq(framing.iter().copied()))
}

/// The name as it is, blanks, a colon, and a value of visible characters and blanks.
fn is_to_the_letter(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|&b| b == b':') else { return false };
    let (name, value) = (line[..colon].trim_ascii_end(), &line[colon + 1..]);
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
        && value.iter().all(|&b| matches!(b, b'\t' | b' '..=b'~'))
        && line.len() < LINE_LEN_MAX
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        match &mut self.head {
            Some(head) => Poll::Ready(head.take(&mut into.filled_mut()[before..])),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(&sent);
        sent
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.sent(&sent);
        sent
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a reply that comes in pieces of `step` bytes.
    fn read(reply: &[u8], step: usize) -> Option<Vec<u8>> {
        let mut head = Head { at: At::Status, ..Head::default() };
        let mut reply = reply.to_vec();
        let whole = reply.chunks_mut(step).all(|piece| head.take(piece).is_ok());
        whole.then_some(reply)
    }

    #[test]
    fn what_frames_a_body_is_to_the_letter() {
        for (fields, fine) in [
            ("Content-Length: 5", true),
            ("content-length : 5", true),
            ("Content-Length\t:\t5 ", true),
            ("Transfer-Encoding: chunked", true),
            ("X: \u{1}\r\nX Y: z\r\n\u{1}: a\r\nA: b\r\n c: d\r\nnonsense", true),
            ("X-Content-Length: \u{1}", true),
            ("Content-Length: 5\u{1}", false),
            ("Content-Length: 5\u{7f}", false),
            ("Content-Length\u{1}: 5", false),
            ("Content -Length: 5", false),
            ("\u{1}Transfer-Encoding: chunked", false),
            ("Transfer-Encoding: chunk\0ed", false),
            ("Transfer-Encoding: chunked\u{e9}", false),
            ("Content-Length: 5\r\n 0", false),
            ("X: y\r\n Content-Length: 5", false),
            ("Content-Length", false),
            ("HTTP: x\r\nContent-Length: 5\r\nTransfer-Encoding :\u{b}chunked", false),
        ] {
            for interim in ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Hints\r\nX: y\r\n\r\n"] {
                let head = format!("{interim}HTTP/1.1 200 OK\r\n{fields}\r\n\r\nContent-Length\u{1}: a body");
                for step in [1, 7, 1000] {
                    assert_eq!(read(head.as_bytes(), step).is_some(), fine, "{fields:?}");
                }
                let bare = head.replace("\r\n", "\n");
                assert_eq!(read(bare.as_bytes(), 1000).is_some(), fine, "{fields:?} without CR");
            }
        }
    }

    #[test]
    fn the_version_is_written_in_capitals_and_nothing_else_is_touched() {
        for (reply, want) in [
            ("http/1.1 200 ok\r\nhttp: x\r\n\r\nhttp/1.1", "HTTP/1.1 200 ok\r\nhttp: x\r\n\r\nhttp/1.1"),
            ("Http/1.1 100 x\r\n\r\nhTTP/1.0 200 y\r\n\r\n", "HTTP/1.1 100 x\r\n\r\nHTTP/1.0 200 y\r\n\r\n"),
            ("\r\nhttp/1.1 200 ok\r\n", "\r\nHTTP/1.1 200 ok\r\n"),
            ("htxp/1.1 200\r\n", "HTxp/1.1 200\r\n"),
        ] {
            for step in [1, 3, 100] {
                assert_eq!(read(reply.as_bytes(), step).unwrap(), want.as_bytes(), "{reply:?}");
            }
        }
    }
}
