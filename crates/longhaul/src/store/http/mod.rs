//! Objects behind http and https URLs: one [`Fetch`] of the core becomes one GET (and the redirects it meets), the
//! reply becomes facts and a body. Object stores send requests of their own by [`HttpStore::ask`].
//!
//! Decided here: what goes into a request, whom credentials are sent to, which protocol version is spoken. Not decided
//! here: whether a reply may be used (core, `reply`), whether to ask again (core, `retry`), how long to wait (`stall`).
//!
//! Bulk data uses HTTP/1.1: one HTTP/2 connection would carry all ranges of an object and share one congestion window.
//! A server that has only HTTP/2 refuses our ALPN offer; it is then asked again with HTTP/2, and remembered.

mod errand;
mod failure;
mod outgoing;
mod proxy;
mod redirect;
mod request;
mod resolve;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, LOCATION};
use http::{HeaderMap, Method};
use longhaul_core::reply::ReplyFacts;
use longhaul_core::step::{Fetch, NetFault};
use url::Url;

pub(crate) use errand::errand_client;
pub(crate) use failure::{NetFailure, shown};
use failure::{Stage, wants_other_protocol, wants_proxy_credentials};
pub(crate) use outgoing::{Handed, Outgoing};
use proxy::Proxies;
use redirect::{Way, is_redirect};
use request::Sender;
pub(crate) use request::{asking, http_date};

use super::Pace;

/// How much of an error body is read, to see whether it says "expired".
const ERROR_BODY_LEN_MAX: usize = 64 * 1024;
/// How long an error body may take.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections kept per host: as many as a batch of small files may have in use at once.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// How long they are kept; most servers close them sooner.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// What one HTTP/2 stream may have sent that we have not read yet (RFC 9113, 5.2): how fast it can be is this much a
/// round trip, 2 MiB at 100 ms being 20 MiB/s. More is faster on long lines, and is memory when the disk is slow.
const HTTP2_STREAM_WINDOW: u32 = 2 << 20;
/// The same for all streams of a connection together: with it, memory does not grow with the number of streams.
const HTTP2_CONNECTION_WINDOW: u32 = 8 << 20;
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
    /// Bytes per second that all transfers together take from the network; 0: no limit.
    pub(crate) limit_rate: u64,
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
            limit_rate: 0,
        }
    }
}

/// Which proxy.
#[derive(Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, read when the client is built. Upper case names
    /// count where the lower case one is not set, `HTTP_PROXY` excepted, as with curl.
    Environment,
    /// None.
    Direct,
    /// This one for everything: an `http`, `https`, `socks5` (names are looked up here) or `socks5h` (by the proxy) URL,
    /// with userinfo if the proxy asks for it. Without a scheme it is an `http` proxy.
    Url(String),
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

/// Sends the requests of one transfer, over connections that all transfers of a client share.
pub(crate) struct HttpStore {
    sender: Sender,
    shared: Arc<Connections>,
}

struct Connections {
    http1: Clients,
    /// What the server prefers of HTTP/2 and HTTP/1.1.
    any: Clients,
    prefer_http1: bool,
    /// Some may be asked by way of a proxy.
    proxied: bool,
    /// Origins that refused HTTP/1.1.
    http2_only: Mutex<HashSet<String>>,
    pace: Pace,
}

/// Two clients that differ in whether connections are used again.
struct Clients {
    pooled: reqwest::Client,
    fresh: reqwest::Client,
}

impl HttpStore {
    /// A store that sends nothing of a caller's; nothing is connected yet.
    pub(crate) fn new(options: &HttpOptions) -> Result<Self, BadOption> {
        let tls = tls::config(&options.ca_certs, options.insecure).ok_or(BadOption("a CA certificate"))?;
        let proxies = Proxies::choose(&options.proxy, options.no_proxy.as_deref(), |name| std::env::var(name).ok())?;
        let shared = Connections {
            http1: Clients::new(options, &tls, &proxies, true)?,
            any: Clients::new(options, &tls, &proxies, false)?,
            proxied: proxies.any(),
            prefer_http1: options.prefer_http1,
            http2_only: Mutex::default(),
            pace: Pace::new(options.limit_rate),
        };
        Ok(Self { sender: Sender::new(HeaderMap::new(), None), shared: Arc::new(shared) })
    }

    /// One for another transfer, over the same connections.
    ///
    /// `headers` are the caller's, all taken for secret. Those that decide what a reply means (`Range`, conditions,
    /// `Accept-Encoding`, framing) are left out: they are ours. `basic_auth` is for the origin of the first URL.
    pub(crate) fn sending(&self, headers: HeaderMap, basic_auth: Option<(String, String)>) -> Self {
        Self { sender: Sender::new(headers, basic_auth), shared: Arc::clone(&self.shared) }
    }

    /// How fast bodies may be read.
    pub(crate) fn pace(&self) -> &Pace {
        &self.shared.pace
    }

    /// Sends the request and waits for the head of the final reply.
    ///
    /// Redirects are followed here. Dropping the future at any time is safe and closes the connection.
    pub(crate) async fn open(&self, url: &Url, fetch: &Fetch) -> Result<Reply, NetFailure> {
        let mut way = Way::begin(url)?;
        loop {
            let here = way.url().clone();
            let headers = self.sender.headers(url, fetch, way.is_home());
            let answer = self.shared.send(Ask::get(&here, headers, fetch.fresh_connection)).await?;
            if !is_redirect(answer.status()) {
                let mut reply = answer.into_reply().await;
                reply.facts.led_to = Some(here.path()).filter(|path| *path != url.path()).map(ToOwned::to_owned);
                return Ok(reply);
            }
            way.follow(answer.headers().get(LOCATION).map(HeaderValue::as_bytes))?;
        }
    }

    /// Sends a request as it is, with nothing added but the user agent, and waits for the head of the reply, whatever it
    /// is. Dropping the future at any time is safe and closes the connection.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, NetFailure> {
        self.shared.send(ask).await
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
    /// Over a connection that served nobody before.
    pub(crate) fresh: bool,
}

impl<'a> Ask<'a> {
    /// A GET.
    pub(crate) fn get(url: &'a Url, headers: HeaderMap, fresh: bool) -> Self {
        Self { method: Method::GET, url, headers, body: None, fresh }
    }
}

impl Connections {
    async fn send(&self, ask: Ask<'_>) -> Result<Answer, NetFailure> {
        let origin = ask.url.origin().ascii_serialization();
        if self.prefer_http1 && !self.http2_only().contains(&origin) {
            match self.http1.send(&ask).await {
                Err(error) if wants_other_protocol(&error) => {
                    let mut origins = self.http2_only();
                    if origins.len() >= HTTP2_ONLY_MAX {
                        origins.clear(); // costs each one more handshake
                    }
                    origins.insert(origin);
                }
                outcome => return self.answered(outcome, ask.url),
            }
        }
        self.answered(self.any.send(&ask).await, ask.url)
    }

    /// A proxy that wants credentials before it lets us through to a TLS server has answered: like one that stands in
    /// for a plain one does, with 407 (RFC 9110, 15.5.8).
    fn answered(&self, outcome: Result<reqwest::Response, reqwest::Error>, url: &Url) -> Result<Answer, NetFailure> {
        let made = |response| Answer { response, url: url.clone() };
        outcome.map(made).or_else(|error| {
            if wants_proxy_credentials(&error) {
                return Ok(Answer::made(407, url));
            }
            let mut failure = NetFailure::of(&error, Stage::Head, url);
            if self.proxied && matches!(failure.fault, NetFault::Connect | NetFault::Resolve) {
                failure.detail += " (a proxy is set)";
            }
            Err(failure)
        })
    }

    fn http2_only(&self) -> MutexGuard<'_, HashSet<String>> {
        self.http2_only.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    fn new(
        options: &HttpOptions,
        tls: &rustls::ClientConfig,
        proxies: &Proxies,
        http1: bool,
    ) -> Result<Self, BadOption> {
        let client = |pooled| client(options, tls, proxies, http1, pooled);
        Ok(Self { pooled: client(true)?, fresh: client(false)? })
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<reqwest::Response, reqwest::Error> {
        let client = if ask.fresh { &self.fresh } else { &self.pooled };
        let mut request = client.request(ask.method.clone(), ask.url.clone()).headers(ask.headers.clone());
        if let Some(body) = ask.body {
            request = request.header(CONTENT_LENGTH, body.len()).body(body.body());
        }
        request.send().await
    }
}

fn client(
    options: &HttpOptions,
    tls: &rustls::ClientConfig,
    proxies: &Proxies,
    http1: bool,
    pooled: bool,
) -> Result<reqwest::Client, BadOption> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    if !http1 {
        tls.alpn_protocols.insert(0, b"h2".to_vec());
    }
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(resolve::System))
        .connect_timeout(options.connect_timeout)
        .user_agent(&options.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(if pooled { IDLE_CONNECTIONS_MAX } else { 0 })
        .pool_idle_timeout(IDLE_TIMEOUT);
    builder = if http1 {
        builder.http1_only()
    } else {
        builder
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
    };
    builder = proxies.set(builder)?;
    for (host, addresses) in &options.resolve {
        builder = builder.resolve_to_addrs(host, addresses);
    }
    // An address of one family to connect from leaves only addresses of this family to connect to.
    builder = match options.ip_family {
        IpFamily::Any => builder,
        IpFamily::V4 => builder.local_address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpFamily::V6 => builder.local_address(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    builder.build().map_err(|_| BadOption("the user agent"))
}

/// The head of the final reply, and its body to be read.
pub(crate) struct Reply {
    /// What the head says.
    pub(crate) facts: ReplyFacts,
    /// How many seconds the server's `Date` (RFC 9110, 6.6.1) is ahead of our clock.
    pub(crate) clock_skew_s: Option<i64>,
    /// Where the reply came from, fit to be shown.
    pub(crate) final_url: String,
    /// What an object store said of its refusal, fit to be shown.
    pub(crate) said: Option<String>,
    /// The body. That of an error reply may have been read in part or whole.
    pub(crate) body: Body,
}

/// The head of a reply as it came, and its body to be read.
pub(crate) struct Answer {
    response: reqwest::Response,
    url: Url,
}

impl Answer {
    /// One that nobody sent: what a request would have been answered with that could not be made.
    pub(crate) fn made(status: u16, url: &Url) -> Self {
        let mut reply = http::Response::new(Bytes::new());
        *reply.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_REQUEST);
        Self { response: reply.into(), url: url.clone() }
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// All fields.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Its body.
    pub(crate) fn into_body(self) -> Body {
        Body { response: self.response, url: self.url }
    }

    /// What of an error body comes soon, at most [`ERROR_BODY_LEN_MAX`].
    pub(crate) async fn error_body(&mut self) -> Vec<u8> {
        error_body(&mut self.response).await
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
        let framed = self.response.version() >= http::Version::HTTP_2;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let headers = self.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let facts = ReplyFacts::parse(self.status(), headers, framed, now, error_body);
        let clock_skew_s = self.date_unix_s().map(|date| date - now);
        Reply { facts, clock_skew_s, final_url: shown(&self.url), said: None, body: self.into_body() }
    }
}

/// The begin of an error body; what cannot be read in time is left out.
async fn error_body(response: &mut reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
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
    response: reqwest::Response,
    url: Url,
}

impl Body {
    /// The next bytes, never empty; `None` at the end that the framing promises. An end before that is a
    /// [`NetFault::Cut`](longhaul_core::step::NetFault), also a TLS connection that closes without saying so.
    ///
    /// Dropping the future loses nothing. The chunk is a piece of hyper's read buffer: that grows with what the network
    /// delivers, from 8 KiB to about 500 KiB, and reqwest has no knob for it. While one chunk is held here, up to two
    /// more such buffers are on their way inside hyper.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, NetFailure> {
        loop {
            match self.response.chunk().await {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(chunk) => return Ok(chunk),
                Err(error) => return Err(NetFailure::of(&error, Stage::Body, &self.url)),
            }
        }
    }
}
