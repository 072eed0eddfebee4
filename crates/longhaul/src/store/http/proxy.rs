//! By way of which proxy is a URL asked?
//!
//! The environment is read only when the caller chose [`ProxyChoice::Environment`], and as curl does: lower case wins
//! over upper case; `HTTP_PROXY` is not looked at, because a CGI program gets it from a request's `Proxy` header
//! (CVE-2016-5385); `no_proxy` holds for every choice that reads it. reqwest's own reading differs in both and is off.
//!
//! What cannot be understood is refused: going past a proxy that was asked for could tell somebody what was to be
//! hidden.

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::{BadOption, ProxyChoice};

/// Schemes of proxies that can be spoken to. With socks5 and socks4 names are looked up here, with socks5h and socks4a
/// by the proxy.
#[cfg(feature = "socks")]
const SCHEMES: [&str; 6] = ["http", "https", "socks5", "socks5h", "socks4", "socks4a"];
#[cfg(not(feature = "socks"))]
const SCHEMES: [&str; 2] = ["http", "https"];

/// The proxies that are used. It has no `Debug`: there are passwords in it.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Proxies {
    pub(super) http: Option<Url>,
    pub(super) https: Option<Url>,
    /// Hosts that are asked directly: names with all below them, addresses, networks; separated by commas.
    pub(super) no: String,
}

impl Proxies {
    /// What the choice means. `no_proxy` wins over what the environment says; `variable` reads the environment.
    pub(super) fn choose(
        choice: &ProxyChoice,
        no_proxy: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadOption> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let either = |name: &str| variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
        let (http, https, no) = match choice {
            ProxyChoice::Direct => (None, None, None),
            ProxyChoice::Url(url) => (Some(url.clone()), Some(url.clone()), None),
            ProxyChoice::Environment => {
                let all = either("all_proxy");
                let http = variable("http_proxy").or_else(|| all.clone());
                (http, either("https_proxy").or(all), either("no_proxy"))
            }
        };
        let no = no_proxy.map(str::to_owned).or(no).unwrap_or_default();
        let hosts = no.split([',', ' ', '\t']).map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        let hosts: Vec<&str> = hosts.filter(|host| !host.is_empty()).collect();
        if hosts.contains(&"*") {
            return Ok(Self::default());
        }
        let parse = |text: Option<String>| text.map(|text| parse(&text)).transpose();
        Ok(Self { http: parse(http)?, https: parse(https)?, no: hosts.join(",") })
    }

    /// What finds the proxy of a URL.
    pub(super) fn matcher(&self) -> Matcher {
        let text = |url: &Option<Url>| url.as_ref().map_or_else(String::new, |url| url.to_string());
        Matcher::builder().http(text(&self.http)).https(text(&self.https)).no(self.no.clone()).build()
    }
}

pub(super) const BAD: BadOption = BadOption("the proxy (http, https, socks5 or socks5h URL)");

/// A proxy's URL; without a scheme it is an http proxy.
fn parse(text: &str) -> Result<Url, BadOption> {
    let text = text.trim();
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let mut url = url.map_err(|_| BAD)?;
    if !SCHEMES.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err(BAD);
    }
    if url.scheme().starts_with("socks") && url.port().is_none() {
        url.set_port(Some(1080)).map_err(|()| BAD)?;
    }
    crate::secrets::learn_login(url.username(), url.password().unwrap_or_default());
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    // reqwest reads it once more with this parser, and goes past the proxy where that fails.
    let again = url.as_str().parse::<http::Uri>().map_err(|_| BAD)?;
    if again.host().is_none() { Err(BAD) } else { Ok(url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is chosen, as text: the proxy for http, for https, and who is asked directly.
    fn choose(choice: &ProxyChoice, no: Option<&str>, variables: &[(&str, &str)]) -> [String; 3] {
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let text = |url: &Option<Url>| url.as_ref().map_or_else(String::new, |url| url.to_string());
        match Proxies::choose(choice, no, variable) {
            Ok(proxies) => [text(&proxies.http), text(&proxies.https), proxies.no],
            Err(BadOption(what)) => ["refused".to_owned(), what.to_owned(), String::new()],
        }
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        type Variables = &'static [(&'static str, &'static str)];
        let table: &[(Variables, [&str; 3])] = &[
            (&[], ["", "", ""]),
            (&[("http_proxy", "http://a:1")], ["http://a:1/", "", ""]),
            (&[("HTTP_PROXY", "http://a:1")], ["", "", ""]),
            (&[("HTTPS_PROXY", "a:1")], ["", "http://a:1/", ""]),
            (&[("https_proxy", "b:1"), ("HTTPS_PROXY", "a:1")], ["", "http://b:1/", ""]),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "a:1")], ["", "http://a:1/", ""]),
            #[cfg(feature = "socks")]
            (&[("all_proxy", "socks5h://s")], ["socks5h://s:1080", "socks5h://s:1080", ""]),
            (&[("ALL_PROXY", "s:1"), ("http_proxy", "h:1")], ["http://h:1/", "http://s:1/", ""]),
            (&[("all_proxy", "s:1"), ("no_proxy", " .a.b,c [::1]")], ["http://s:1/", "http://s:1/", ".a.b,c,::1"]),
            (&[("all_proxy", "s:1"), ("NO_PROXY", "*")], ["", "", ""]),
            (&[("all_proxy", "s:1"), ("REQUEST_METHOD", "GET")], ["http://s:1/", "http://s:1/", ""]),
        ];
        for (variables, want) in table {
            assert_eq!(choose(&ProxyChoice::Environment, None, variables), *want, "{variables:?}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_not_read() {
        let variables = [("all_proxy", "http://a:1"), ("no_proxy", "*")];
        assert_eq!(choose(&ProxyChoice::Direct, None, &variables), ["", "", ""]);
        let given = ProxyChoice::Url("u:p@b:2/x?y#z".to_owned());
        assert_eq!(choose(&given, None, &variables), ["http://u:p@b:2/", "http://u:p@b:2/", ""]);
        assert_eq!(choose(&given, Some("x,y"), &variables), ["http://u:p@b:2/", "http://u:p@b:2/", "x,y"]);
        assert_eq!(choose(&given, Some("x, *"), &variables), ["", "", ""]);
        assert_eq!(choose(&ProxyChoice::Environment, Some(""), &variables), ["http://a:1/", "http://a:1/", ""]);
    }

    #[test]
    fn what_cannot_be_understood_is_refused_and_not_told() {
        for text in ["ftp://h", "http://", "http://h:99999", "socks5://", "://", "http://a b", "u:hush@", "file:///x"] {
            let told = choose(&ProxyChoice::Url(text.to_owned()), None, &[]);
            assert_eq!((told[0].as_str(), told[1].as_str()), ("refused", BAD.0), "{text}");
        }
    }
}
