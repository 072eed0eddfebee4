//! From a URI to a connection: directly, by way of an HTTP proxy or of a SOCKS proxy, with TLS where the scheme asks
//! for it.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::error::{ConnectError, Unresolved};
use super::tunnel;
use super::watch::Watched;
use crate::source::zoned;
use crate::store::http::{HttpOptions, IpFamily, resolve};

/// A connection without traffic is asked for a sign of life after this long, so that boxes on the way keep it.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// A peer that acknowledges none of what was sent for so long is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// What the system may hold back of bytes that were not yet sent (`TCP_NOTSENT_LOWAT` in tcp(7)).
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT_MAX: u32 = 128 << 10;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector(Arc<Ways>);

pub(super) struct Ways {
    tcp: HttpConnector<Names>,
    #[cfg(feature = "socks")]
    pub(super) names: Names,
    tls: Arc<rustls::ClientConfig>,
    /// For proxies: no protocol is agreed on with them.
    tls_of_proxy: Arc<rustls::ClientConfig>,
    proxies: Matcher,
    user_agent: HeaderValue,
    /// Longest time for name lookup, TCP, proxy and TLS together.
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(
        options: &HttpOptions,
        tls: &rustls::ClientConfig,
        proxies: Matcher,
        user_agent: &HeaderValue,
        http1: bool,
    ) -> Self {
        let names = Names::new(&options.resolve);
        let mut tcp = HttpConnector::new_with_resolver(names.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(3));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(USER_TIMEOUT));
        // Shared among a host's addresses: one that is dead leaves time for the others.
        tcp.set_connect_timeout(Some(options.connect_timeout));
        // An address of one family to connect from leaves only addresses of this family to connect to.
        match options.ip_family {
            IpFamily::Any => {}
            IpFamily::V4 => tcp.set_local_address(Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
            IpFamily::V6 => tcp.set_local_address(Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
        }
        let with = |protocols: &[&str]| {
            let mut tls = tls.clone();
            tls.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
            Arc::new(tls)
        };
        Self(Arc::new(Ways {
            tcp,
            #[cfg(feature = "socks")]
            names,
            tls: with(if http1 || !cfg!(feature = "http2") { &["http/1.1"] } else { &["h2", "http/1.1"] }),
            tls_of_proxy: with(&[]),
            proxies,
            user_agent: user_agent.clone(),
            timeout: options.connect_timeout,
        }))
    }
}

impl Service<Uri> for Connector {
    type Response = Line;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let ways = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::time::timeout(ways.timeout, ways.connect(&to)).await.unwrap_or_else(|_| {
                let proxy = ways.proxies.intercept(&to).map(|proxy| name_of(proxy.uri()));
                Err(ConnectError::TooLong { proxy })
            })
        })
    }
}

impl Ways {
    async fn connect(&self, to: &Uri) -> Result<Line, ConnectError> {
        let secure = to.scheme_str() == Some("https");
        let Some(proxy) = self.proxies.intercept(to) else {
            let stream = self.reach(to, None).await?;
            return self.finish(stream, to, secure).await;
        };
        let name = name_of(proxy.uri());
        if zoned::address_of(to.host().unwrap_or_default()).is_some() {
            return Err(ConnectError::Zone { proxy: name }); // a link of ours is none of the proxy's
        }
        match proxy.uri().scheme_str() {
            Some("http" | "https") => {
                let mut stream = self.reach(proxy.uri(), Some(&name)).await?;
                if proxy.uri().scheme_str() == Some("https") {
                    (stream, _) = encrypt(&self.tls_of_proxy, stream, proxy.uri(), Some(&name)).await?;
                }
                if !secure {
                    return Ok(Line::new(stream, true, false));
                }
                let (host, port) = (to.host().unwrap_or_default(), to.port_u16().unwrap_or(443));
                let login = proxy.basic_auth();
                tunnel::open(&mut stream, &format!("{host}:{port}"), &self.user_agent, login, &name).await?;
                self.finish(stream, to, secure).await
            }
            #[cfg(not(feature = "socks"))]
            _ => Err(ConnectError::NoServerName), // `Proxies` takes no other scheme
            #[cfg(feature = "socks")]
            scheme => {
                let stream = self.socks(scheme.unwrap_or_default(), &proxy, to, &name).await?;
                self.finish(stream, to, secure).await
            }
        }
    }

    /// A TCP connection to a host: to the proxy of this name, or the one that is asked.
    pub(super) async fn reach(&self, to: &Uri, proxy: Option<&str>) -> Result<BoxStream, ConnectError> {
        match self.tcp.clone().call(to.clone()).await {
            Ok(stream) => {
                let stream = stream.into_inner();
                bound_unsent(&stream);
                Ok(Box::new(stream))
            }
            Err(error) => Err(unreached(&error, proxy)),
        }
    }

    async fn finish(&self, stream: BoxStream, to: &Uri, secure: bool) -> Result<Line, ConnectError> {
        let (stream, http2) = if secure { encrypt(&self.tls, stream, to, None).await? } else { (stream, false) };
        Ok(Line::new(stream, false, http2))
    }
}

/// What waits in the system to be sent for the first time is bounded: what was handed over has nearly all been sent, and a
/// connection that is closed leaves little behind it. What is sent and not yet acknowledged has no such bound: a long fat
/// line needs it.
fn bound_unsent(stream: &tokio::net::TcpStream) {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        let bounded = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_MAX);
        if let Err(error) = bounded {
            tracing::debug!("what waits to be sent is not bounded: {error}");
        }
    }
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = stream;
}

/// Host and port of a proxy, as people know it.
pub(super) fn name_of(proxy: &Uri) -> String {
    let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", proxy.host().unwrap_or("?"))
}

/// What a failure to reach a host means. hyper-util wraps what the system and our resolver say.
fn unreached(error: &(dyn std::error::Error + 'static), proxy: Option<&str>) -> ConnectError {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(why) = error.downcast_ref::<Unresolved>() {
            return why.of(proxy);
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            let error = io.raw_os_error().map_or_else(|| io.kind().into(), io::Error::from_raw_os_error);
            return match error.kind() {
                io::ErrorKind::TimedOut if io.raw_os_error().is_none() => {
                    ConnectError::TooLong { proxy: proxy.map(str::to_owned) }
                }
                _ => ConnectError::Io { error, proxy: proxy.map(str::to_owned) },
            };
        }
        next = error.source();
    }
    ConnectError::Io { error: io::ErrorKind::NotConnected.into(), proxy: proxy.map(str::to_owned) }
}

/// TLS with the host of `to`, which is the proxy of this name or the one that is asked; and whether HTTP/2 was agreed
/// on.
async fn encrypt(
    tls: &Arc<rustls::ClientConfig>,
    stream: BoxStream,
    to: &Uri,
    proxy: Option<&str>,
) -> Result<(BoxStream, bool), ConnectError> {
    let host = to.host().unwrap_or_default();
    // A certificate is for an address, wherever that is.
    let zoned = zoned::address_of(host).and_then(|zoned| Some(zoned.split('%').next()?.to_owned()));
    let host = zoned.unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned());
    let name = ServerName::try_from(host).map_err(|_| ConnectError::NoServerName)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|error| ConnectError::Io { error, proxy: proxy.map(str::to_owned) })?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Box::new(stream), http2))
}

/// Addresses of hosts: those that were given, else the system's.
#[derive(Clone)]
pub(super) struct Names(Arc<HashMap<String, Vec<SocketAddr>>>);

impl Names {
    fn new(given: &[(String, Vec<SocketAddr>)]) -> Self {
        let given = given.iter().map(|(host, addresses)| (host.to_ascii_lowercase(), addresses.clone()));
        Self(Arc::new(given.collect()))
    }
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if let Some(address) = zoned::address_of(name.as_str()) {
            return Box::pin(async move { resolve::look_up(address).await.map_err(|_| Unresolved::Unknown) });
        }
        let given = self.0.get(&name.as_str().to_ascii_lowercase()).cloned();
        Box::pin(async move {
            match given {
                Some(addresses) => Ok(addresses.into_iter()),
                None => resolve::look_up(name.as_str().to_owned()).await.map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => Unresolved::NoThread,
                    _ => Unresolved::Unknown,
                }),
            }
        })
    }
}

/// Both ways of a connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) type BoxStream = Box<dyn Stream>;

/// A connection on which HTTP is spoken.
pub(super) struct Line {
    stream: TokioIo<Watched<BoxStream>>,
    /// With a proxy that wants whole URLs.
    proxied: bool,
    http2: bool,
    connected_at: Instant,
}

impl Line {
    fn new(stream: BoxStream, proxied: bool, http2: bool) -> Self {
        Self { stream: TokioIo::new(Watched::new(stream, http2)), proxied, http2, connected_at: Instant::now() }
    }
}

/// Since when the connection of a reply has been open; each reply carries it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectedAt(pub(super) Instant);

impl Connection for Line {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.proxied).extra(ConnectedAt(self.connected_at));
        if self.http2 { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }
}
