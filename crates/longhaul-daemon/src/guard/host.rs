//! Is this request for us? A page under a name of its own that leads to this address (DNS rebinding) says that name in
//! `Host`.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::HOST;
use http::uri::Uri;

/// The names that a daemon answers to, beside this machine's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether `Host`, of which there has to be exactly one, is ours; and if the request names another host in its line
    /// (RFC 9112, 3.2.2), that one too.
    pub(super) fn are_asked(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(HOST).iter();
        let (Some(host), None) = (fields.next(), fields.next()) else { return false };
        let host = host.to_str().unwrap_or_default();
        self.have(name_in(host)) && uri.host().is_none_or(|host| self.have(host))
    }

    fn have(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        is_loopback || name == "localhost" || self.0.contains(&name)
    }
}

/// Without the port. `name:port`, `[::1]:port`.
fn name_in(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(uri: &str, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        Hosts::new(["NAS.example".to_owned()]).are_asked(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn only_names_of_this_machine_and_named_ones_are_ours() {
        for (host, ours) in [
            ("127.0.0.1:6800", true),
            ("127.0.0.1", true),
            ("[::1]:6800", true),
            ("LOCALHOST:80", true),
            ("nas.example:6800", true),
            ("evil.example", false),
            ("localhost.evil.example:6800", false),
            ("127.0.0.1.evil.example", false),
            ("192.168.1.2:6800", false),
            ("0.0.0.0:6800", false),
            ("", false),
            ("[::1", false),
            ("localhost:80@evil.example", false),
        ] {
            assert_eq!(asked("/", &[host]), ours, "{host}");
        }
    }

    #[test]
    fn one_host_is_named_and_no_other() {
        assert!(!asked("/", &[]));
        assert!(!asked("/", &["localhost", "localhost"]));
        assert!(!asked("http://evil.example/", &["localhost"]));
        assert!(asked("http://localhost:6800/", &["localhost:6800"]));
    }
}
