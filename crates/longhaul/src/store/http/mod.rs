//! Objects behind http and https URLs: one [`Fetch`] of the core becomes one GET (and the redirects it meets), the
//! reply becomes facts and a body. Object stores send requests of their own by [`HttpStore::ask`].
//!
//! Decided here: what goes into a request, whom credentials are sent to, which protocol version is spoken. Not decided
//! here: whether a reply may be used (core, `reply`), whether to ask again (core, `retry`), how long to wait (`stall`).
//!
//! Bulk data uses HTTP/1.1: one HTTP/2 connection would carry all ranges of an object and share one congestion window.
//! A server that has only HTTP/2 refuses our ALPN offer; it is then asked again with HTTP/2, and remembered.

#[cfg(feature = "environment")]
mod errand;
mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod jar;
mod outgoing;
mod proxy;
mod redirect;
mod request;
mod resolve;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

use std::collections::HashSet;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use longhaul_core::download::step::Fetch;
use longhaul_core::names::ending_of_no_page;
use longhaul_core::reply::ReplyFacts;
use longhaul_core::words::NetFault;
use url::Url;

use crate::advice::Advice;
use crate::source::WebAddress;
use crate::sync::locked;
#[cfg(feature = "environment")]
pub(crate) use errand::errand_client;
pub(crate) use failure::{NetFailure, shown};
use failure::{Stage, refused_by_proxy, wants_other_protocol};
use jar::Jar;
#[cfg(feature = "upload")]
pub(crate) use outgoing::Handed;
pub(crate) use outgoing::Outgoing;
use proxy::Proxies;
use redirect::{Way, is_redirect};
use request::Sender;
#[cfg(feature = "_stores")]
pub(crate) use request::asking;
pub(crate) use request::{Given, http_date};
use wire::{RoundTrip, SendError, Wire};

/// How much of an error body is read, to see whether it says "expired".
const ERROR_BODY_LEN_MAX: usize = 64 * 1024;
/// How long an error body may take.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Origins remembered for having only HTTP/2.
const HTTP2_ONLY_MAX: usize = 256;

/// How requests are sent.
#[derive(Clone)]
pub(crate) struct HttpOptions {
    /// Longest time for name lookup, TCP, proxy and TLS together.
    pub(crate) connect_timeout: Duration,
    /// `User-Agent`.
    pub(crate) user_agent: String,
    /// By way of which proxy.
    pub(crate) proxy: ProxyChoice,
    /// Hosts that are asked directly, in place of what the environment says.
    pub(crate) no_proxy: Option<String>,
    /// PEM files' contents: certificates that are trusted beside the system's.
    pub(crate) ca_certs: Vec<Vec<u8>>,
    /// Accept any certificate.
    pub(crate) insecure: bool,
    /// Which addresses may be used.
    pub(crate) ip_family: IpFamily,
    /// Hosts whose addresses are known already.
    pub(crate) resolve: Vec<(String, Vec<SocketAddr>)>,
    /// HTTP/1.1 unless the server has only HTTP/2; else what the server prefers.
    pub(crate) prefer_http1: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            user_agent: concat!("longhaul/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: ProxyChoice::Direct,
            no_proxy: None,
            ca_certs: Vec::new(),
            insecure: false,
            ip_family: IpFamily::Any,
            resolve: Vec::new(),
            prefer_http1: true,
        }
    }
}

/// Which proxy. The URL of one may hold a password, and is not told by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, read when the client is built. Upper case
    /// names count where the lower case one is not set, `HTTP_PROXY` excepted, as with curl.
    Environment,
    /// None.
    Direct,
    /// This one for everything: an `http`, `https`, `socks5` (names are looked up here) or `socks5h` (by the proxy)
    /// URL, with userinfo if the proxy asks for it. Without a scheme it is an `http` proxy.
    Url(String),
}

impl fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Direct => "Direct",
            Self::Url(_) => "Url(..)",
        })
    }
}

/// Which IP versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// Both, whichever connects first.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An option that cannot be used; says which, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadOption(pub(crate) &'static str);

impl From<BadOption> for crate::error::Error {
    fn from(BadOption(what): BadOption) -> Self {
        Self::usage(format!("{what} cannot be used"))
    }
}

/// Sends the requests of one transfer, over connections that all transfers of a client share.
pub(crate) struct HttpStore {
    sender: Sender,
    /// What redirects set, for the requests that follow.
    jar: Mutex<Jar>,
    shared: Arc<Connections>,
}

struct Connections {
    http1: Clients,
    /// What the server prefers of HTTP/2 and HTTP/1.1.
    any: Clients,
    prefer_http1: bool,
    /// Origins that refused HTTP/1.1.
    http2_only: Mutex<HashSet<String>>,
}

/// Two clients that differ in whether connections are used again.
struct Clients {
    pooled: Wire,
    fresh: Wire,
}

impl HttpStore {
    /// A store that sends no header of a caller's; it is not connected yet.
    pub(crate) fn new(options: &HttpOptions) -> Result<Self, BadOption> {
        let tls = tls::config(&options.ca_certs, options.insecure).ok_or(BadOption("a CA certificate"))?;
        let proxies = Proxies::choose(&options.proxy, options.no_proxy.as_deref(), |name| std::env::var(name).ok())?;
        let shared = Connections {
            http1: Clients::new(options, &tls, &proxies, true)?,
            any: Clients::new(options, &tls, &proxies, false)?,
            prefer_http1: options.prefer_http1,
            http2_only: Mutex::default(),
        };
        Ok(Self { sender: Sender::new(HeaderMap::new(), None), jar: Mutex::default(), shared: Arc::new(shared) })
    }

    /// One for another transfer, over the same connections; cookies are not shared.
    ///
    /// `headers` are the caller's, all taken for secret. Those that decide what a reply means (`Range`, conditions,
    /// `Accept-Encoding`, framing) are left out: they are ours. `basic_auth` is for the origin of the first URL.
    pub(crate) fn sending(&self, headers: HeaderMap, basic_auth: Option<(String, String)>) -> Self {
        Self { sender: Sender::new(headers, basic_auth), jar: Mutex::default(), shared: Arc::clone(&self.shared) }
    }

    /// What goes with a request to `url` to show who asks.
    pub(crate) fn given(&self, url: &WebAddress) -> Given {
        self.sender.given(url)
    }

    /// Sends the request and waits for the head of the final reply.
    ///
    /// Redirects are followed here. Dropping the future at any time is safe and closes the connection.
    pub(crate) async fn open(&self, url: &WebAddress, fetch: &Fetch) -> Result<Reply, NetFailure> {
        let mut way = Way::begin(url)?;
        loop {
            let here = way.url().clone();
            let mut headers = self.sender.headers(url, fetch, way.is_home());
            self.jar().add_to(&here, &mut headers);
            if let Some(host) = here.host_field() {
                headers.insert(HOST, host);
            }
            let answer = self.shared.send(Ask::get(&here, headers, fetch.fresh_connection), here.uri()).await?;
            if !is_redirect(answer.status()) {
                let mut reply = answer.into_reply().await;
                reply.facts.led_to = (here.path() != url.path()).then(|| ending_of_no_page(here.path()));
                return Ok(reply);
            }
            let mut jar = self.jar();
            jar.take(&here, answer.headers());
            way.follow(answer.headers().get(LOCATION).map(HeaderValue::as_bytes), &jar)?;
        }
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        locked(&self.jar)
    }

    /// Sends a request as it is, with nothing added but the user agent, and waits for the head of the reply, whatever
    /// it is. Dropping the future at any time is safe and closes the connection.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, NetFailure> {
        let uri = WebAddress::from(ask.url.clone()).uri();
        self.shared.send(ask, uri).await
    }
}

/// A request as it is sent.
pub(crate) struct Ask<'a> {
    /// The method.
    pub(crate) method: Method,
    /// Where to; without userinfo and fragment.
    pub(crate) url: &'a Url,
    /// The head.
    pub(crate) headers: HeaderMap,
    /// The body; `None` sends no length either.
    pub(crate) body: Option<&'a Outgoing>,
    /// Over a connection that served no request before.
    pub(crate) fresh: bool,
}

impl<'a> Ask<'a> {
    /// A GET.
    pub(crate) fn get(url: &'a Url, headers: HeaderMap, fresh: bool) -> Self {
        Self { method: Method::GET, url, headers, body: None, fresh }
    }
}

impl Connections {
    async fn send(&self, ask: Ask<'_>, uri: Option<Uri>) -> Result<Answer, NetFailure> {
        let Some(uri) = uri else {
            return Err(NetFailure::at(ask.url, NetFault::Redirect, "not a URL that can be asked for"));
        };
        let proxy = self.any.pooled.proxy_of(&uri);
        let mut answer = self.send_to(&ask, uri).await?;
        answer.proxy = proxy.filter(|_| answer.status() == 407);
        Ok(answer)
    }

    async fn send_to(&self, ask: &Ask<'_>, uri: Uri) -> Result<Answer, NetFailure> {
        let origin = ask.url.origin().ascii_serialization();
        if self.prefer_http1 && !self.http2_only().contains(&origin) {
            match self.http1.send(ask, uri.clone()).await {
                Err(error) if cfg!(feature = "http2") && wants_other_protocol(&error) => {
                    let mut origins = self.http2_only();
                    if origins.len() >= HTTP2_ONLY_MAX {
                        origins.clear(); // costs each one more handshake
                    }
                    origins.insert(origin);
                }
                outcome => return answered(outcome, ask.url),
            }
        }
        answered(self.any.send(ask, uri).await, ask.url)
    }

    fn http2_only(&self) -> MutexGuard<'_, HashSet<String>> {
        locked(&self.http2_only)
    }
}

/// A proxy that wants credentials before it lets us through to a TLS server has answered: like one that stands in
/// for a plain one does, with 407 (RFC 9110, 15.5.8).
fn answered(outcome: Result<Response<Incoming>, SendError>, url: &Url) -> Result<Answer, NetFailure> {
    match outcome {
        Ok(response) => Ok(Answer::of(response, url)),
        Err(error) if refused_by_proxy(&error) == Some(407) => Ok(Answer::made(407, url)),
        Err(error) => Err(NetFailure::of(&error, Stage::Head, url)),
    }
}

impl Clients {
    fn new(
        options: &HttpOptions,
        tls: &rustls::ClientConfig,
        proxies: &Proxies,
        http1: bool,
    ) -> Result<Self, BadOption> {
        let wire = |pooled| Wire::new(options, tls, proxies, http1, pooled);
        Ok(Self { pooled: wire(true)?, fresh: wire(false)? })
    }

    async fn send(&self, ask: &Ask<'_>, uri: Uri) -> Result<Response<Incoming>, SendError> {
        let wire = if ask.fresh { &self.fresh } else { &self.pooled };
        wire.send(ask, uri).await
    }
}

/// The head of the final reply, and its body to be read.
pub(crate) struct Reply {
    /// What the head says.
    pub(crate) facts: ReplyFacts,
    /// How many seconds the server's `Date` (RFC 9110, 6.6.1) is ahead of our clock.
    pub(crate) clock_skew_s: Option<i64>,
    /// Where the reply came from, fit to be shown.
    pub(crate) final_url: String,
    /// What an object store or a proxy said of its refusal, fit to be shown.
    pub(crate) said: Option<String>,
    /// That refusal has nothing to do with who asks, whatever its status: an archived object, a quota.
    pub(crate) beside_access: bool,
    /// What helps against it, when the store told more than its status: new keys in place of expired ones.
    pub(crate) advice: Option<Advice>,
    /// The body. That of an error reply may have been read in part or whole.
    pub(crate) body: Body,
}

/// The head of a reply as it came, and its body to be read.
pub(crate) struct Answer {
    head: http::response::Parts,
    body: Body,
    /// The proxy that wants to know who we are.
    proxy: Option<String>,
}

impl Answer {
    fn of(response: Response<Incoming>, url: &Url) -> Self {
        let (head, body) = response.into_parts();
        let left = identity_length(&head).filter(|_| !body.is_end_stream());
        Self { head, body: Body { body: Some(body), left, url: url.clone() }, proxy: None }
    }

    /// One that no server sent: what a request would have been answered with that could not be made.
    pub(crate) fn made(status: u16, url: &Url) -> Self {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self { head, body: Body { body: None, left: None, url: url.clone() }, proxy: None }
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// All fields.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Its body.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }

    /// What of an error body comes soon, at most [`ERROR_BODY_LEN_MAX`].
    pub(crate) async fn error_body(&mut self) -> Vec<u8> {
        error_body(&mut self.body).await
    }

    /// Seconds since the Unix epoch by the server's `Date` (RFC 9110, 6.6.1).
    pub(crate) fn date_unix_s(&self) -> Option<i64> {
        longhaul_core::reply::http_date(self.headers().get(http::header::DATE)?.to_str().ok()?)
    }

    /// The answer to a request for an object's bytes.
    pub(crate) async fn into_reply(mut self) -> Reply {
        let error_body = match self.status() {
            400 | 401 | 403 => Some(self.error_body().await),
            _ => None,
        };
        self.into_reply_with(error_body.as_deref())
    }

    /// The same, when the begin of the error body was read already.
    pub(crate) fn into_reply_with(self, error_body: Option<&[u8]>) -> Reply {
        let framed = self.head.version >= Version::HTTP_2;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let headers = self.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut facts = ReplyFacts::parse(self.status(), headers, framed, now, error_body);
        let waited = self.head.extensions.get::<RoundTrip>();
        facts.round_trip_ms = waited.and_then(|waited| u64::try_from(waited.0.as_millis()).ok());
        let clock_skew_s = self.date_unix_s().map(|date| date - now);
        let said = self.proxy.as_ref().map(|proxy| {
            format!("the proxy wants a user and password (status 407); give them in its URL: it is {proxy}")
        });
        Reply {
            facts,
            clock_skew_s,
            final_url: shown(&self.body.url),
            said,
            beside_access: false,
            advice: None,
            body: self.into_body(),
        }
    }
}

/// How many bytes a body has by its `Content-Length`, where `Transfer-Encoding: identity` stands beside it: that was a
/// coding that does nothing (RFC 2616, 3.6), and RFC 9112 knows it no more. hyper reads such a body until the
/// connection closes, which a server that means the length does not do.
fn identity_length(head: &http::response::Parts) -> Option<u64> {
    if head.version == Version::HTTP_2 {
        return None;
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter().peekable();
    codings.peek()?;
    let nothing = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    if !codings.all(|coding| nothing(coding.as_bytes().trim_ascii())) {
        return None;
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next()?;
    if !lengths.all(|other| other == length) || !length.as_bytes().iter().all(u8::is_ascii_digit) {
        return None; // refused by the core, for contradicting itself
    }
    length.to_str().ok()?.parse().ok()
}

/// The begin of an error body; what cannot be read in time is left out.
async fn error_body(from: &mut Body) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = from.chunk().await {
            let room = ERROR_BODY_LEN_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ERROR_BODY_LEN_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(ERROR_BODY_TIMEOUT, read).await; // what came until then is enough
    body
}

/// A body, as it comes.
pub(crate) struct Body {
    /// `None` at its end, where that is ours to find, and for a reply that no server sent.
    body: Option<Incoming>,
    /// How many bytes are to come, where hyper does not count them.
    left: Option<u64>,
    url: Url,
}

impl Body {
    /// The next bytes, never empty; `None` at the end that the framing promises. An end before that is a
    /// [`NetFault::Cut`](longhaul_core::words::NetFault), also a TLS connection that closes without saying so.
    ///
    /// Dropping the future loses nothing. The chunk is a piece of hyper's read buffer: that grows with what the network
    /// delivers, from 8 KiB to about 500 KiB. While one chunk is held here, up to two more such buffers are on their
    /// way inside hyper.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, NetFailure> {
        loop {
            if self.left == Some(0) {
                self.body = None; // closes the connection: hyper would wait for more
            }
            let Some(body) = &mut self.body else { return Ok(None) };
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
            let mut bytes = match frame {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(), // trailers tell nothing that is believed
                Some(Err(error)) => return Err(NetFailure::of(&error, Stage::Body, &self.url)),
                None if self.left.is_some() => {
                    let what = "the body ended before its promised end";
                    return Err(NetFailure::at(&self.url, NetFault::Cut, what));
                }
                None => return Ok(None),
            };
            if let Some(left) = &mut self.left {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes.len() as u64;
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }
}
