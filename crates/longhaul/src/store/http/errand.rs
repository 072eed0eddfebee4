//! Small requests that are not for objects: keys from token and metadata services. They go the way that transfers go
//! (proxy, certificates, IP family), unless the service must be asked directly.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, NoProxy, Proxy};

use super::proxy::{BAD, Proxies};
use super::{BadOption, HttpOptions, IpFamily, resolve, tls};

/// A client for them; with `direct`, by way of no proxy. Redirects are not followed.
pub(crate) fn errand_client(options: &HttpOptions, direct: bool) -> Result<reqwest::Client, BadOption> {
    let tls = tls::config(&options.ca_certs, options.insecure).ok_or(BadOption("a CA certificate"))?;
    let proxies = match direct {
        true => Proxies::default(),
        false => Proxies::choose(&options.proxy, options.no_proxy.as_deref(), |name| std::env::var(name).ok())?,
    };
    let mut tls = tls;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(System))
        .connect_timeout(options.connect_timeout)
        .user_agent(&options.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(0)
        .http1_only();
    builder = with_proxies(builder, &proxies)?;
    for (host, addresses) in &options.resolve {
        builder = builder.resolve_to_addrs(host, addresses);
    }
    builder = match options.ip_family {
        IpFamily::Any => builder,
        IpFamily::V4 => builder.local_address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpFamily::V6 => builder.local_address(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    builder.build().map_err(|_| BadOption("the user agent"))
}

/// Sets the proxies for an errand, and none that reqwest would find by itself.
fn with_proxies(builder: ClientBuilder, proxies: &Proxies) -> Result<ClientBuilder, BadOption> {
    let mut builder = builder.no_proxy();
    let no = || NoProxy::from_string(&proxies.no);
    if let Some(url) = &proxies.http {
        builder = builder.proxy(Proxy::http(url.clone()).map_err(|_| BAD)?.no_proxy(no()));
    }
    if let Some(url) = &proxies.https {
        builder = builder.proxy(Proxy::https(url.clone()).map_err(|_| BAD)?.no_proxy(no()));
    }
    Ok(builder)
}

/// Addresses of hosts, for [`reqwest`].
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Ok(Box::new(resolve::look_up(name.as_str().to_owned()).await?) as Addrs) })
    }
}
