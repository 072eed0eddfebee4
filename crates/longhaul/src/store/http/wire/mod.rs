//! How a request gets onto the network: hyper's client with its pool, over connections of our own making.
//!
//! `reqwest` is not used for objects: it rewrites the URL that it is given, does not say what a proxy answered, and
//! lets no one look at a connection. What it would do beside that is small, and is here: which proxy ([`connect`]),
//! CONNECT ([`tunnel`]), TLS, and what went wrong before there was a connection ([`ConnectError`]).

mod connect;
mod error;
#[cfg(feature = "socks")]
mod socks;
mod tunnel;
mod watch;

use std::time::{Duration, Instant};

use http::header::{ACCEPT, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::outgoing::Counted;
use super::proxy::Proxies;
use super::{Ask, BadOption, HttpOptions, Outgoing};
use connect::{ConnectedAt, Connector};
pub(super) use error::ConnectError;

/// Idle connections kept per host: as many as a batch of small files may have in use at once.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// How long they are kept; most servers close them sooner.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// What one HTTP/2 stream may have sent that we have not read yet (RFC 9113, 5.2): how fast it can be is this much a
/// round trip, 2 MiB at 100 ms being 20 MiB/s. More is faster on long lines, and is memory when the disk is slow.
#[cfg(feature = "http2")]
const HTTP2_STREAM_WINDOW: u32 = 2 << 20;
/// The same for all streams of a connection together: with it, memory does not grow with the number of streams.
#[cfg(feature = "http2")]
const HTTP2_CONNECTION_WINDOW: u32 = 8 << 20;

/// Most fields of a reply's head.
const FIELDS_MAX: usize = 500;

/// The failure of a request before its head came.
pub(super) type SendError = hyper_util::client::legacy::Error;

/// How long the head of a reply was waited for on an open connection: what it took to connect does not count. Each
/// reply carries it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundTrip(pub(super) Duration);

/// Sends requests over connections of one kind.
pub(super) struct Wire {
    client: Client<Connector, Counted>,
    proxies: Matcher,
    user_agent: HeaderValue,
}

impl Wire {
    /// `http1`: HTTP/1.1 is all that is offered, else HTTP/2 as well. `pooled`: connections are used again.
    pub(super) fn new(
        options: &HttpOptions,
        tls: &rustls::ClientConfig,
        proxies: &Proxies,
        http1: bool,
        pooled: bool,
    ) -> Result<Self, BadOption> {
        let user_agent = HeaderValue::from_str(&options.user_agent).map_err(|_| BadOption("the user agent"))?;
        let connector = Connector::new(options, tls, proxies.matcher(), &user_agent, http1);
        let mut client = Client::builder(TokioExecutor::new());
        client
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(if pooled { IDLE_CONNECTIONS_MAX } else { 0 })
            .pool_idle_timeout(IDLE_TIMEOUT)
            // What browsers and curl read of a head that is not to the letter. What frames a body stays strict:
            // `watch`.
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_max_headers(FIELDS_MAX);
        #[cfg(feature = "http2")]
        client
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
        Ok(Self { client: client.build(connector), proxies: proxies.matcher(), user_agent })
    }

    /// Host and port of the proxy by way of which a URI is asked.
    pub(super) fn proxy_of(&self, uri: &Uri) -> Option<String> {
        self.proxies.intercept(uri).map(|proxy| connect::name_of(proxy.uri()))
    }

    /// Sends the request to `uri` and waits for the head of the reply.
    pub(super) async fn send(&self, ask: &Ask<'_>, uri: Uri) -> Result<Response<Incoming>, SendError> {
        let body = ask.body.cloned().unwrap_or_else(Outgoing::none).body();
        let mut request = Request::new(body);
        *request.method_mut() = ask.method.clone();
        *request.headers_mut() = ask.headers.clone();
        if let Some(body) = ask.body {
            request.headers_mut().insert(http::header::CONTENT_LENGTH, body.len().into());
        }
        let headers = request.headers_mut();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        // A proxy of a plain http URL is asked in the request itself; of others, when the connection is made.
        if uri.scheme_str() == Some("http")
            && let Some(proxy) = self.proxies.intercept(&uri)
            && let Some(login) = proxy.basic_auth()
        {
            headers.entry(PROXY_AUTHORIZATION).or_insert_with(|| login.clone());
        }
        *request.uri_mut() = uri;
        let began = Instant::now();
        let mut response = self.client.request(request).await?;
        let open_at = response.extensions().get().map_or(began, |connected: &ConnectedAt| connected.0.max(began));
        response.extensions_mut().insert(RoundTrip(open_at.elapsed()));
        Ok(response)
    }
}
