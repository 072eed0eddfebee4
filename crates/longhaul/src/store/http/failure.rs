//! From the errors of hyper, rustls, proxies and the system to one word for the core and one line for people.
//!
//! The line never holds a query, userinfo or header value: it is put together here from the host and from what is
//! known of the error; no error's own text is passed on, except rustls's (names of certificates) and the system's.

use std::error::Error as StdError;
use std::io;

use longhaul_core::words::NetFault;
use rustls::CertificateError;
use url::Url;

use super::wire::{ConnectError, SendError};

/// Longest line for people.
const DETAIL_CHARS_MAX: usize = 300;
/// How deep a chain of sources is followed.
const CHAIN_LEN_MAX: usize = 32;

/// The network failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetFailure {
    /// How, for the core.
    pub(crate) fault: NetFault,
    /// What, for people: one line, no secrets.
    pub(crate) detail: String,
}

/// When it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the head was there.
    Head,
    /// Inside the body.
    Body,
}

impl NetFailure {
    /// A failure while talking to the host of `url`.
    pub(super) fn at(url: &Url, fault: NetFault, what: &str) -> Self {
        let host = url.host_str().unwrap_or("?");
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Self::new(fault, &format!("{host}{port}: {what}"))
    }

    fn new(fault: NetFault, detail: &str) -> Self {
        Self { fault, detail: crate::secrets::shown(detail, DETAIL_CHARS_MAX) }
    }

    /// Says what a failed request means.
    pub(super) fn of(error: &(dyn StdError + 'static), stage: Stage, url: &Url) -> Self {
        let (fault, what) = explain(error, stage);
        Self::at(url, fault, &what)
    }
}

/// Whether the server speaks no protocol that we offered (RFC 7301, 3.2): HTTP/2 is worth a try.
pub(super) fn wants_other_protocol(error: &SendError) -> bool {
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
    chain(error).iter().any(|e| e.downcast_ref::<rustls::Error>() == Some(&alert))
}

/// The status with which a proxy did not join us to the server.
pub(super) fn refused_by_proxy(error: &SendError) -> Option<u16> {
    match chain(error).iter().find_map(|e| e.downcast_ref::<ConnectError>()) {
        Some(ConnectError::Refused { status, .. }) => Some(*status),
        _ => None,
    }
}

fn explain(error: &(dyn StdError + 'static), stage: Stage) -> (NetFault, String) {
    let chain = chain(error);
    if let Some(failed) = chain.iter().find_map(|e| e.downcast_ref::<ConnectError>()) {
        return unconnected(failed);
    }
    if let Some(tls) = chain.iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
        // TLS 1.3 refuses a client after the handshake: an alert before the head counts as part of it.
        let refused = stage == Stage::Head && matches!(tls, rustls::Error::AlertReceived(_));
        return (if refused { NetFault::Tls } else { NetFault::Cut }, format!("TLS: {tls}"));
    }
    let hyper = chain.iter().find_map(|e| e.downcast_ref::<hyper::Error>());
    if hyper.is_some_and(hyper::Error::is_parse) {
        return (NetFault::Protocol, "the reply is no legal HTTP".to_owned());
    }
    let io = chain.iter().rev().find_map(|e| e.downcast_ref::<io::Error>());
    match io {
        // What hyper says of chunks that make no sense.
        Some(io) if matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            (NetFault::Protocol, "the body is not framed as HTTP asks for".to_owned())
        }
        Some(io) if io.kind() == io::ErrorKind::UnexpectedEof && stage == Stage::Body => {
            (NetFault::Cut, "the body ended before its promised end".to_owned())
        }
        Some(io) => (NetFault::Cut, format!("the connection broke: {}", system_text(io))),
        None if hyper.is_some_and(hyper::Error::is_incomplete_message) => {
            (NetFault::Cut, "the connection was closed before the reply was whole".to_owned())
        }
        None => (NetFault::Cut, "the connection broke".to_owned()),
    }
}

/// Why there was no connection: the proxy's fault is told apart from the server's.
fn unconnected(error: &ConnectError) -> (NetFault, String) {
    match error {
        ConnectError::NoThread => {
            let what = "no thread can be started to look the host name up (ulimit -u, pids.max)";
            (NetFault::Resolve, what.to_owned())
        }
        ConnectError::Resolve { proxy: None } => (NetFault::Resolve, "the host name does not resolve".to_owned()),
        ConnectError::Resolve { proxy: Some(proxy) } => {
            (NetFault::Connect, format!("the name of the proxy {proxy} does not resolve"))
        }
        ConnectError::TooLong { proxy: None } => (NetFault::Connect, "connecting takes too long".to_owned()),
        ConnectError::TooLong { proxy: Some(proxy) } => {
            (NetFault::Connect, format!("connecting by way of the proxy {proxy} takes too long"))
        }
        ConnectError::Io { error, proxy } => {
            let of = proxy.as_ref().map(|proxy| format!("the proxy {proxy}: ")).unwrap_or_default();
            match chain(error).iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
                Some(tls) => (NetFault::Tls, format!("{of}TLS: {}", tls_text(tls))),
                None => (NetFault::Connect, format!("{of}no connection: {}", system_text(error))),
            }
        }
        ConnectError::Refused { status, proxy } => {
            // The client's fault, as the proxy sees it, stays one: its policy, say. Some of these are about the moment
            // (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4).
            let for_good = (400..500).contains(status) && !matches!(status, 408 | 425 | 429);
            let fault = if for_good { NetFault::Proxy } else { NetFault::Connect };
            (fault, format!("the proxy {proxy} does not connect us (status {status})"))
        }
        ConnectError::NoAnswer { what, proxy } => (NetFault::Connect, format!("the proxy {proxy} {what}")),
        ConnectError::Socks { said, proxy } => {
            (NetFault::Connect, format!("no connection by way of the proxy {proxy}: {said}"))
        }
        ConnectError::Zone { proxy } => {
            (NetFault::Proxy, format!("the proxy {proxy} cannot be asked for an IPv6 address with a zone"))
        }
        ConnectError::NoServerName => (NetFault::Tls, "TLS: no certificate can be for such a host name".to_owned()),
    }
}

/// rustls's words, except where they are a word of its source.
fn tls_text(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => crate::error::UNTRUSTED.to_owned(),
        error => error.to_string(),
    }
}

/// The error and its sources. An `io::Error` hides the error that it wraps from `source`.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut all = vec![error];
    while let Some(&last) = all.last()
        && all.len() < CHAIN_LEN_MAX
    {
        let wrapped = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped.map(|e| e as &(dyn StdError + 'static)).or_else(|| last.source()) {
            Some(next) => all.push(next),
            None => break,
        }
    }
    all
}

/// The system's words for it, or the kind's when the text is a library's.
fn system_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    }
}

/// The URL as it may be shown: no userinfo, no query, no fragment.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}://{host}{port}{}{query}", url.scheme(), url.path())
}
