//! Small requests that are not for objects: keys from token and metadata services. They go the way that transfers go
//! (proxy, certificates, IP family), unless the service must be asked directly.

use super::proxy::Proxies;
use super::{BadOption, HttpOptions, client, tls};

/// A client for them; with `direct`, by way of no proxy. Redirects are not followed.
pub(crate) fn errand_client(options: &HttpOptions, direct: bool) -> Result<reqwest::Client, BadOption> {
    let tls = tls::config(&options.ca_certs, options.insecure).ok_or(BadOption("a CA certificate"))?;
    let proxies = match direct {
        true => Proxies::default(),
        false => Proxies::choose(&options.proxy, options.no_proxy.as_deref(), |name| std::env::var(name).ok())?,
    };
    client(options, &tls, &proxies, true, false)
}
