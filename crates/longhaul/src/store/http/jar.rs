//! Cookies that redirects set: sent back within one run, to the host that set them, and then forgotten.
//!
//! Hosts of files behind a login page or a check for robots set a cookie, send the client to the same place again, and
//! serve the object to who brings it. That is all a jar is for: it takes cookies from redirects only, is of one
//! transfer, lies in memory, and keeps each host apart, whatever `Domain` says, so that no list of public suffixes is
//! needed. Paths, `Secure` and lifetimes (RFC 6265, 5) are `cookie_store`'s. Its contents are secrets: it has no
//! `Debug`.

use std::collections::HashMap;

use cookie_store::CookieStore;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use url::Url;

/// Longest `Set-Cookie` that is taken (RFC 6265, 6.1 asks for 4096 bytes of name, value and attributes).
const COOKIE_LEN_MAX: usize = 4096;
/// Most cookies of a host (RFC 6265, 6.1), and most that go into one request, by their length together: servers refuse
/// longer heads.
const COOKIES_MAX: usize = 50;
const FIELD_LEN_MAX: usize = 8192;
/// Hosts that cookies are kept of; a way has at most so many stations.
const HOSTS_MAX: usize = 21;

/// The cookies of one transfer.
#[derive(Default)]
pub(super) struct Jar(HashMap<String, CookieStore>);

impl Jar {
    /// Takes what a reply from `url` sets.
    pub(super) fn take(&mut self, url: &Url, headers: &HeaderMap) {
        let Some(host) = url.host_str() else { return };
        for cookie in headers.get_all(SET_COOKIE) {
            let Some(cookie) = cookie.to_str().ok().filter(|cookie| cookie.len() <= COOKIE_LEN_MAX) else { continue };
            if !self.0.contains_key(host) && self.0.len() >= HOSTS_MAX {
                return;
            }
            let store = self.0.entry(host.to_owned()).or_default();
            if store.iter_any().count() < COOKIES_MAX {
                let _ = store.parse(cookie, url); // one that is none, or of another host, is left out
            }
        }
    }

    /// The cookies for a request to `url`, as the field says them: those of `given`, the caller's own, first and
    /// unchanged.
    pub(super) fn field(&self, url: &Url, given: Option<&HeaderValue>) -> Option<HeaderValue> {
        let store = self.0.get(url.host_str()?)?;
        let given = given.map(|given| String::from_utf8_lossy(given.as_bytes()).into_owned()).unwrap_or_default();
        let is_given =
            |name: &str| given.split(';').any(|pair| pair.split('=').next().is_some_and(|n| n.trim() == name));
        let mut pairs: Vec<_> = store.get_request_values(url).filter(|(name, _)| !is_given(name)).collect();
        pairs.sort_unstable();
        let mut field = String::new();
        for (name, value) in pairs {
            if field.len() + name.len() + value.len() > FIELD_LEN_MAX {
                break;
            }
            let separator = if field.is_empty() { "" } else { "; " };
            field += &format!("{separator}{name}={value}");
        }
        if field.is_empty() {
            return None;
        }
        let mut value = HeaderValue::from_str(&field).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Adds them to the head of a request to `url`. What the caller gave stays as it is and comes first.
    pub(super) fn add_to(&self, url: &Url, headers: &mut HeaderMap) {
        let given = headers.get(COOKIE).cloned();
        let Some(ours) = self.field(url, given.as_ref()) else { return };
        let together = match given {
            Some(given) => [given.as_bytes(), b"; ", ours.as_bytes()].concat(),
            None => ours.as_bytes().to_vec(),
        };
        if let Ok(mut value) = HeaderValue::from_bytes(&together) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request to `asked` says, after a reply from `from` set `cookies`, where the caller gave `given`.
    fn sent(from: &str, cookies: &[&str], asked: &str, given: Option<&'static str>) -> String {
        let mut jar = Jar::default();
        let set = cookies.iter().map(|cookie| (SET_COOKIE, HeaderValue::from_str(cookie).unwrap()));
        jar.take(&Url::parse(from).unwrap(), &set.collect());
        let mut headers = HeaderMap::new();
        headers.extend(given.map(|given| (COOKIE, HeaderValue::from_static(given))));
        jar.add_to(&Url::parse(asked).unwrap(), &mut headers);
        let fields: Vec<_> = headers.get_all(COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert!(fields.len() <= 1, "{fields:?}");
        fields.concat()
    }

    #[test]
    fn a_host_gets_its_own_cookies_back_and_others_none() {
        for (from, cookies, asked, given, want) in [
            ("http://a.b/x", &["k=v"][..], "http://a.b/y", None, "k=v"),
            ("http://a.b/x", &["k=v; HttpOnly; SameSite=Lax", "l=w"], "http://a.b/", None, "k=v; l=w"),
            ("http://a.b/x", &["k=v"], "http://a.b:81/y", None, "k=v"),
            ("http://a.b/x", &["k=v"], "http://c.b/y", None, ""),
            ("http://a.b/x", &["k=v; Domain=b"], "http://a.b/y", None, "k=v"),
            ("http://a.b/x", &["k=v; Domain=b"], "http://c.b/y", None, ""),
            ("http://a.b/x", &["k=v; Domain=c.d"], "http://a.b/y", None, ""),
            ("http://a.b/x", &["k=v; Domain=c.d"], "http://c.d/y", None, ""),
            ("https://a.b/x", &["k=v; Secure"], "https://a.b/y", None, "k=v"),
            ("https://a.b/x", &["k=v; Secure"], "http://a.b/y", None, ""),
            ("http://a.b/x", &["k=v; Path=/z"], "http://a.b/z/y", None, "k=v"),
            ("http://a.b/x", &["k=v; Path=/z"], "http://a.b/zz", None, ""),
            ("http://a.b/x/y", &["k=v"], "http://a.b/", None, ""),
            ("http://a.b/x", &["k=v; Max-Age=0"], "http://a.b/y", None, ""),
            ("http://a.b/x", &["k=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "http://a.b/y", None, ""),
            ("http://a.b/x", &["k=v", "k=w"], "http://a.b/y", None, "k=w"),
            ("http://a.b/x", &["nonsense", "=", "k=v"], "http://a.b/y", None, "k=v"),
            ("http://a.b/x", &["k=v", "l=w"], "http://a.b/y", Some("k=mine"), "k=mine; l=w"),
            ("http://a.b/x", &["k=v"], "http://a.b/y", Some("k=mine"), "k=mine"),
            ("http://a.b/x", &[], "http://a.b/y", Some("k=mine"), "k=mine"),
        ] {
            assert_eq!(sent(from, cookies, asked, given), want, "{from} {cookies:?} {asked} {given:?}");
        }
    }

    #[test]
    fn a_server_cannot_fill_the_jar() {
        let many: Vec<String> = (0..1000).map(|n| format!("k{n}={}", "x".repeat(1000))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(sent("http://a/", &many, "http://a/", None).len() <= FIELD_LEN_MAX + 10);
        assert_eq!(sent("http://a/", &[&format!("k={}", "x".repeat(COOKIE_LEN_MAX))], "http://a/", None), "");
        let mut jar = Jar::default();
        let set = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("k=v"))]);
        for n in 0..100 {
            jar.take(&Url::parse(&format!("http://h{n}/")).unwrap(), &set);
        }
        assert_eq!(jar.0.len(), HOSTS_MAX);
    }
}
