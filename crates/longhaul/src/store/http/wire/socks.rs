//! A connection by way of a SOCKS proxy.

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::connect::{BoxStream, Ways};
use super::error::{ConnectError, Unresolved};

impl Ways {
    /// A connection by way of a SOCKS proxy. With `socks5` and `socks4` names are looked up here.
    pub(super) async fn socks(
        &self,
        scheme: &str,
        proxy: &Intercept,
        to: &Uri,
        name: &str,
    ) -> Result<BoxStream, ConnectError> {
        let default = if to.scheme_str() == Some("https") { 443 } else { 80 };
        let (mut host, port) = (to.host().unwrap_or_default().to_owned(), to.port_u16().unwrap_or(default));
        if matches!(scheme, "socks5" | "socks4") && host.trim_matches(['[', ']']).parse::<IpAddr>().is_err() {
            host = match self.look_up(&host).await? {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
        }
        let target: Uri = format!("http://{host}:{port}").parse().map_err(|_| ConnectError::NoServerName)?;
        let given = Given(Some(TokioIo::new(self.reach(proxy.uri(), Some(name)).await?)));
        let at = proxy.uri().clone();
        let refused = |said: String| ConnectError::Socks { said, proxy: name.to_owned() };
        let connected = if scheme.starts_with("socks4") {
            SocksV4::new(at, given).call(target).await.map_err(|error| refused(error.to_string()))
        } else {
            let mut socks = SocksV5::new(at, given);
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(target).await.map_err(|error| refused(error.to_string()))
        };
        connected.map(TokioIo::into_inner)
    }

    /// An address of a host.
    async fn look_up(&self, host: &str) -> Result<IpAddr, ConnectError> {
        let unknown = || Unresolved::Unknown.of(None);
        let name: Name = host.parse().map_err(|_| unknown())?;
        let mut addresses = self.names.clone().call(name).await.map_err(|why| why.of(None))?;
        addresses.next().map(|address| address.ip()).ok_or_else(unknown)
    }
}

/// A connector that has its connection already: the SOCKS handshakes of hyper-util want one.
struct Given(Option<TokioIo<BoxStream>>);

impl Service<Uri> for Given {
    type Response = TokioIo<BoxStream>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}
