//! CONNECT (RFC 9110, 9.3.6): a proxy joins us to a TLS server, or says with a status why it does not.

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::error::ConnectError;

/// Longest head of an answer.
const HEAD_LEN_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 128;

/// Asks the proxy at the other end of `stream` for a tunnel to `authority` (`host:port`).
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    authority: &str,
    user_agent: &HeaderValue,
    login: Option<&HeaderValue>,
    proxy: &str,
) -> Result<(), ConnectError> {
    let failed = |error| ConnectError::Io { error, proxy: Some(proxy.to_owned()) };
    let no_answer = |what| ConnectError::NoAnswer { what, proxy: proxy.to_owned() };
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: ").into_bytes();
    request.extend_from_slice(user_agent.as_bytes());
    if let Some(login) = login {
        request.extend_from_slice(b"\r\nProxy-Authorization: ");
        request.extend_from_slice(login.as_bytes());
    }
    request.extend_from_slice(b"\r\n\r\n");
    stream.write_all(&request).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut head = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let got = stream.read(&mut piece).await.map_err(failed)?;
        if got == 0 {
            return Err(no_answer("closed the connection"));
        }
        head.extend_from_slice(&piece[..got]);
        match answered(&head) {
            // What comes behind the head is of the server, which speaks second: before our hello there is none.
            Some(Ok((200..=299, len))) if len == head.len() => return Ok(()),
            Some(Ok((200..=299, _))) => return Err(no_answer("sent more than an answer")),
            Some(Ok((status, _))) => return Err(ConnectError::Refused { status, proxy: proxy.to_owned() }),
            Some(Err(())) => return Err(no_answer("answered what is no HTTP")),
            None if head.len() > HEAD_LEN_MAX => return Err(no_answer("answered what is no HTTP")),
            None => {}
        }
    }
}

/// The final status and how many bytes say it; `None` while they are not all there.
fn answered(bytes: &[u8]) -> Option<Result<(u16, usize), ()>> {
    let mut begin = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut reply = httparse::Response::new(&mut fields);
        let len = match httparse::ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response(&mut reply, &bytes[begin..])
        {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return None,
            Err(_) => return Some(Err(())),
        };
        match reply.code {
            Some(100..=199) => begin += len, // not the answer yet (RFC 9110, 15.2)
            Some(status) => return Some(Ok((status, begin + len))),
            None => return Some(Err(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the proxy's bytes, in pieces of one, make of the wish for a tunnel; and what it was asked.
    async fn ask(answer: &'static [u8]) -> (Result<(), ConnectError>, String) {
        let (mut here, mut there) = tokio::io::duplex(1);
        let proxy = tokio::spawn(async move {
            let (mut heard, mut byte) = (Vec::new(), [0]);
            while !heard.ends_with(b"\r\n\r\n") {
                there.read_exact(&mut byte).await.unwrap();
                heard.push(byte[0]);
            }
            let _ = there.write_all(answer).await;
            drop(there);
            String::from_utf8(heard).unwrap()
        });
        let (agent, login) = (HeaderValue::from_static("x/1"), HeaderValue::from_static("Basic eA=="));
        let outcome = open(&mut here, "h:443", &agent, Some(&login), "p:1").await;
        drop(here);
        (outcome, proxy.await.unwrap())
    }

    #[tokio::test]
    async fn the_proxys_answer_is_told() {
        for (answer, want) in [
            (&b"HTTP/1.1 200 Connection established\r\n\r\n"[..], "open"),
            (b"HTTP/1.0 200 OK\r\nVia : x\r\nX: \x01\r\n\r\n", "open"),
            (b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "open"),
            (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n<html>...", "403"),
            (b"HTTP/1.1 407 Who\r\n\r\n", "407"),
            (b"HTTP/1.1 302 Login\r\nLocation: x\r\n\r\n", "302"),
            (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
            (b"", "closed the connection"),
            (b"SSH-2.0-x\r\n", "answered what is no HTTP"),
        ] {
            let (outcome, heard) = ask(answer).await;
            let got = match &outcome {
                Ok(()) => "open".to_owned(),
                Err(ConnectError::Refused { status, proxy }) if proxy == "p:1" => status.to_string(),
                Err(ConnectError::NoAnswer { what, proxy }) if proxy == "p:1" => (*what).to_owned(),
                Err(error) => panic!("{error:?}"),
            };
            assert_eq!(got, want, "{}", answer.escape_ascii());
            let want =
                "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nUser-Agent: x/1\r\nProxy-Authorization: Basic eA==\r\n\r\n";
            assert_eq!(heard, want);
        }
    }
}
