//! How connections are made: the words of all commands that speak to a server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueHint};
use longhaul::{IpFamily, ProxyChoice};

use super::common::{path_or_nothing, usage};
use super::netrc::Netrc;
use super::values;
use crate::exit::Failure;

/// How connections are made.
#[derive(Args)]
pub(crate) struct NetworkWords {
    /// Go through this proxy (http, https, socks5 or, names looked up there, socks5h URL), or through none
    /// [default: what http_proxy, https_proxy, all_proxy and no_proxy say]
    #[arg(long, value_name = "URL|none", help_heading = "Network")]
    pub(crate) proxy: Option<String>,

    /// Ask these hosts directly: names, addresses, networks, separated by commas ('*': all)
    /// [default: what no_proxy says]
    #[arg(long, value_name = "HOSTS", help_heading = "Network")]
    pub(crate) noproxy: Option<String>,

    /// Trust the certificates in this PEM file besides the system's: issuers', or a server's own
    #[arg(long, value_name = "FILE", env = "SSL_CERT_FILE", help_heading = "Network")]
    #[arg(hide_env_values = true, value_hint = ValueHint::FilePath, value_parser = path_or_nothing())]
    pub(crate) ca_cert: Option<PathBuf>,

    /// Accept any certificate. The server is then not authenticated: use --checksum
    #[arg(short = 'k', long, help_heading = "Network")]
    pub(crate) insecure: bool,

    /// Longest time for a connection, TLS included
    #[arg(long, value_name = "SECONDS", default_value = "10", help_heading = "Network")]
    pub(crate) connect_timeout: String,

    /// Call ourselves this [default: longhaul/VERSION]
    #[arg(short = 'A', long, value_name = "NAME", help_heading = "Network")]
    pub(crate) user_agent: Option<String>,

    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = "Network")]
    pub(crate) ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long, help_heading = "Network")]
    pub(crate) ipv6: bool,
}

/// How connections are made.
pub(crate) struct NetworkOptions {
    pub(crate) user_agent: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) proxy: ProxyChoice,
    /// Hosts that are asked directly, in place of what the environment says.
    pub(crate) no_proxy: Option<String>,
    /// PEM.
    pub(crate) ca_certificates: Option<Vec<u8>>,
    pub(crate) insecure: bool,
    pub(crate) ip_family: IpFamily,
    /// Whose passwords are known.
    pub(crate) netrc: Option<Arc<Netrc>>,
}

pub(super) fn network(words: NetworkWords, netrc: Option<Arc<Netrc>>) -> Result<NetworkOptions, Failure> {
    let read_ca = |path: &PathBuf| {
        std::fs::read(path)
            .map_err(|e| usage(format!("--ca-cert (or SSL_CERT_FILE): cannot read {} ({e})", path.display())))
    };
    let no_control = |agent: &String| agent.bytes().all(|b| (0x20..0x7f).contains(&b));
    if words.user_agent.as_ref().is_some_and(|agent| !no_control(agent)) {
        return Err(usage("--user-agent: only printable ASCII can be sent"));
    }
    Ok(NetworkOptions {
        user_agent: words.user_agent,
        connect_timeout: values::seconds(&words.connect_timeout)
            .map_err(|e| usage(format!("--connect-timeout: {e}")))?,
        proxy: match words.proxy {
            None => ProxyChoice::Environment,
            Some(proxy) if proxy.eq_ignore_ascii_case("none") || proxy.is_empty() => ProxyChoice::Direct,
            Some(proxy) => ProxyChoice::Url(proxy),
        },
        // Also for a proxy that was given here, as curl does it.
        no_proxy: words.noproxy.or_else(|| ["no_proxy", "NO_PROXY"].iter().find_map(|name| std::env::var(name).ok())),
        ca_certificates: words.ca_cert.as_ref().filter(|p| !p.as_os_str().is_empty()).map(read_ca).transpose()?,
        insecure: words.insecure,
        ip_family: match (words.ipv4, words.ipv6) {
            (true, _) => IpFamily::V4,
            (_, true) => IpFamily::V6,
            _ => IpFamily::Any,
        },
        netrc,
    })
}
