//! From the errors of reqwest, hyper, rustls and the system to one word for the core and one line for people.
//!
//! The line never holds a query, userinfo or header value: it is put together here from the host and from what is
//! known of the error; no error's own text is passed on, except rustls's (names of certificates) and the system's.

use std::error::Error as StdError;
use std::io;

use longhaul_core::step::NetFault;
use url::Url;

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
        let detail = detail.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_CHARS_MAX).collect();
        Self { fault, detail }
    }

    /// Says what a failed request means.
    pub(super) fn of(error: &reqwest::Error, stage: Stage, url: &Url) -> Self {
        let (fault, what) = explain(error, stage);
        Self::at(url, fault, &what)
    }
}

/// Whether the server speaks nothing of what we offered (RFC 7301, 3.2): HTTP/2 is worth a try.
pub(super) fn wants_other_protocol(error: &reqwest::Error) -> bool {
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
    chain(error).iter().any(|e| e.downcast_ref::<rustls::Error>() == Some(&alert))
}

/// Whether a proxy did not let us through for want of a user and password.
pub(super) fn wants_proxy_credentials(error: &reqwest::Error) -> bool {
    said_by_proxy_layer(&chain(error)).is_some_and(|said| said == "tunnel error: proxy authorization required")
}

/// What hyper-util's connectors say of a proxy. Their types are not public; their texts are fixed sentences without
/// anything of the URL, and a test goes through those that are told apart.
fn said_by_proxy_layer(chain: &[&(dyn StdError + 'static)]) -> Option<String> {
    let texts = chain.iter().map(ToString::to_string);
    texts.into_iter().find(|text| text.starts_with("tunnel error: ") || text.starts_with("SOCKS error: "))
}

fn explain(error: &reqwest::Error, stage: Stage) -> (NetFault, String) {
    let chain = chain(error);
    let connecting = stage == Stage::Head && error.is_connect();
    if let Some(tls) = chain.iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
        // TLS 1.3 refuses a client after the handshake: an alert before the head counts as part of it.
        let refused = connecting || (stage == Stage::Head && matches!(tls, rustls::Error::AlertReceived(_)));
        return (if refused { NetFault::Tls } else { NetFault::Cut }, format!("TLS: {tls}"));
    }
    if let Some(said) = said_by_proxy_layer(&chain) {
        let what = match said.as_str() {
            "tunnel error: unsuccessful" => "the proxy refuses to connect there, or cannot".to_owned(),
            "tunnel error: unexpected end of file" => "the proxy closed the connection".to_owned(),
            _ => format!("no connection by way of the proxy: {said}"),
        };
        return (NetFault::Connect, what);
    }
    if error.is_dns() {
        let no_thread = |e: &&(dyn StdError + 'static)| {
            e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        };
        if chain.iter().any(no_thread) {
            return (
                NetFault::Resolve,
                "no thread can be started to look the host name up (ulimit -u, pids.max)".to_owned(),
            );
        }
        return (NetFault::Resolve, "the host name does not resolve".to_owned());
    }
    let io = chain.iter().rev().find_map(|e| e.downcast_ref::<io::Error>());
    if connecting {
        return match io {
            _ if error.is_timeout() => (NetFault::Connect, "connecting takes too long".to_owned()),
            Some(io) => (NetFault::Connect, format!("no connection: {}", system_text(io))),
            None => (NetFault::Connect, "no connection (refused by a proxy on the way, perhaps)".to_owned()),
        };
    }
    if error.is_builder() {
        return (NetFault::Redirect, "not a URL that can be asked for".to_owned());
    }
    let hyper = chain.iter().find_map(|e| e.downcast_ref::<hyper::Error>());
    if hyper.is_some_and(hyper::Error::is_parse) {
        return (NetFault::Protocol, "the reply is no legal HTTP".to_owned());
    }
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

/// The system's words for it, or the kind's when the text is somebody else's.
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
