//! Objects behind http and https URLs: one [`Fetch`] of the core becomes one GET (and the redirects it meets), the
//! reply becomes facts and a body.
//!
//! Decided here: what goes into a request, whom credentials are sent to, which protocol version is spoken. Not decided
//! here: whether a reply may be used (core, `reply`), whether to ask again (core, `retry`), how long to wait (`stall`).
//!
//! Bulk data uses HTTP/1.1: one HTTP/2 connection would carry all ranges of an object and share one congestion window.
//! A server that has only HTTP/2 refuses our ALPN offer; it is then asked again with HTTP/2, and remembered.

mod failure;
mod proxy;
mod redirect;
mod request;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderValue, LOCATION};
use longhaul_core::reply::ReplyFacts;
use longhaul_core::step::{Fetch, NetFault};
use url::Url;

pub(crate) use failure::{NetFailure, shown};
use failure::{Stage, wants_other_protocol, wants_proxy_credentials};
use proxy::Proxies;
use redirect::{Way, is_redirect};
use request::Sender;

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
            let response = self.shared.send(&here, headers, fetch.fresh_connection).await?;
            if !is_redirect(response.status().as_u16()) {
                return Ok(Reply::read(response, here).await);
            }
            way.follow(response.headers().get(LOCATION).map(HeaderValue::as_bytes))?;
        }
    }
}

impl Connections {
    async fn send(&self, url: &Url, headers: HeaderMap, fresh: bool) -> Result<reqwest::Response, NetFailure> {
        let origin = url.origin().ascii_serialization();
        if self.prefer_http1 && !self.http2_only().contains(&origin) {
            match self.http1.get(url, headers.clone(), fresh).await {
                Err(error) if wants_other_protocol(&error) => {
                    let mut origins = self.http2_only();
                    if origins.len() >= HTTP2_ONLY_MAX {
                        origins.clear(); // costs each one more handshake
                    }
                    origins.insert(origin);
                }
                outcome => return self.answered(outcome, url),
            }
        }
        self.answered(self.any.get(url, headers, fresh).await, url)
    }

    /// A proxy that wants credentials before it lets us through to a TLS server has answered: like one that stands in
    /// for a plain one does, with 407 (RFC 9110, 15.5.8).
    fn answered(
        &self,
        outcome: Result<reqwest::Response, reqwest::Error>,
        url: &Url,
    ) -> Result<reqwest::Response, NetFailure> {
        outcome.or_else(|error| {
            if wants_proxy_credentials(&error) {
                let mut reply = http::Response::new(Bytes::new());
                *reply.status_mut() = http::StatusCode::PROXY_AUTHENTICATION_REQUIRED;
                return Ok(reply.into());
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

    async fn get(&self, url: &Url, headers: HeaderMap, fresh: bool) -> Result<reqwest::Response, reqwest::Error> {
        let client = if fresh { &self.fresh } else { &self.pooled };
        client.get(url.clone()).headers(headers).send().await
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
    /// The body. That of an error reply may have been read in part or whole.
    pub(crate) body: Body,
}

impl Reply {
    async fn read(mut response: reqwest::Response, url: Url) -> Self {
        let status = response.status().as_u16();
        let error_body = match status {
            400 | 401 | 403 => Some(error_body(&mut response).await),
            _ => None,
        };
        let framed = response.version() >= http::Version::HTTP_2;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let facts = ReplyFacts::parse(status, headers, framed, now, error_body.as_deref());
        let date = response.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        let clock_skew_s = date.and_then(|date| i64::try_from(date.as_secs()).ok()).map(|date| date - now);
        Self { facts, clock_skew_s, final_url: shown(&url), body: Body { response, url } }
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
