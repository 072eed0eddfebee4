//! Where does a redirect lead, and may we go there?
//!
//! reqwest's own policy is off: it keeps `x-oss-security-token` and its like on a change of host, and an object's
//! stable URL has to stay the one that is recorded. Sources: RFC 9110, 15.4 and 10.2.2; the rule for origins is that of
//! RFC 6454.

use http::header::HeaderValue;
use longhaul_core::words::NetFault;

use super::failure::NetFailure;
use super::jar::Jar;
use crate::source::WebAddress;

/// Most redirects that are followed for one request.
const REDIRECTS_MAX: usize = 20;
/// Longest `Location` that is looked at.
const LOCATION_LEN_MAX: usize = 16 * 1024;

/// Statuses that send a GET elsewhere.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The way of one request through its redirects.
pub(super) struct Way {
    /// Every URL asked so far with the cookies that it was sent, the current one last. The same with the same cookies
    /// is answered the same way: that is a circle.
    asked: Vec<(WebAddress, Option<HeaderValue>)>,
    /// No redirect has left the origin so far: what is secret may be sent. Once left, it stays off, so that no other
    /// origin can send us back with credentials.
    home: bool,
}

impl Way {
    /// The way begins. Only http and https are asked.
    pub(super) fn begin(url: &WebAddress) -> Result<Self, NetFailure> {
        let url = url.clone().without_userinfo();
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NetFailure::at(&url, NetFault::Redirect, "only http and https can be asked"));
        }
        Ok(Self { asked: vec![(url, None)], home: true })
    }

    /// What to ask now; no userinfo, no fragment.
    pub(super) fn url(&self) -> &WebAddress {
        &self.asked[self.asked.len() - 1].0
    }

    /// Whether credentials may be sent there.
    pub(super) fn is_home(&self) -> bool {
        self.home
    }

    /// Follows a redirect to `location`, the raw field value, with the cookies that are there now.
    pub(super) fn follow(&mut self, location: Option<&[u8]>, jar: &Jar) -> Result<(), NetFailure> {
        let here = self.url();
        let refuse = |why: &str| Err(NetFailure::at(here, NetFault::Redirect, why));
        let Some(location) = location.filter(|l| !l.is_empty() && l.len() <= LOCATION_LEN_MAX) else {
            return refuse("a redirect without a target");
        };
        let Some(target) = here.join(location).map(WebAddress::without_userinfo) else {
            return refuse("a redirect to what is no URL");
        };
        match (here.scheme(), target.scheme()) {
            ("https", "http") => return refuse("a redirect from https to http"),
            (_, "http" | "https") => {}
            _ => return refuse("a redirect to neither http nor https"),
        }
        let home = target.origin() == here.origin();
        let cookies = jar.field(&target, None);
        let next = (target, cookies);
        if self.asked.contains(&next) {
            return refuse("a redirect in a circle");
        }
        if self.asked.len() > REDIRECTS_MAX {
            return refuse("more than 20 redirects");
        }
        self.home &= home;
        self.asked.push(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the redirects; gives where they lead and whether that is still home, or the refusal.
    fn walk(begin: &str, locations: &[&str]) -> Result<(String, bool), String> {
        let mut way = Way::begin(&WebAddress::parse(begin).unwrap()).map_err(|f| f.detail)?;
        for location in locations {
            way.follow(Some(location.as_bytes()), &Jar::default()).map_err(|f| {
                assert_eq!(f.fault, NetFault::Redirect);
                f.detail
            })?;
        }
        Ok((way.url().to_string(), way.is_home()))
    }

    #[test]
    fn redirects_are_resolved_and_secrets_stay_home() {
        for (begin, locations, want, home) in [
            ("http://a/x/y", &["z"][..], "http://a/x/z", true),
            ("http://a/x", &["/z?q=1#f"], "http://a/z?q=1", true),
            ("http://a/x", &["http://a:80/z"], "http://a/z", true),
            ("http://a/x", &["//b/z"], "http://b/z", false),
            ("http://a/x", &["http://a:8080/z"], "http://a:8080/z", false),
            ("http://a/x", &["https://a/x"], "https://a/x", false),
            ("http://a/x", &["http://b/x", "http://a/y"], "http://a/y", false),
            ("http://u:p@a/x", &["http://v:q@a/y"], "http://a/y", true),
            ("http://a/x", &["http://a.b/x"], "http://a.b/x", false),
        ] {
            assert_eq!(walk(begin, locations), Ok((want.to_owned(), home)), "{begin} {locations:?}");
        }
    }

    #[test]
    fn bad_redirects_are_refused_without_telling_secrets() {
        let many: Vec<String> = (0..21).map(|n| format!("/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (begin, locations, want) in [
            ("https://a/x?secret", &["http://a/x?secret"][..], "a: a redirect from https to http"),
            ("http://a/x", &["ftp://a/x"], "a: a redirect to neither http nor https"),
            ("http://a/x", &["file:///etc/passwd"], "a: a redirect to neither http nor https"),
            ("http://a/x", &["javascript:secret"], "a: a redirect to neither http nor https"),
            ("http://a/x?secret", &["/y?secret", "/x?secret"], "a: a redirect in a circle"),
            ("http://a/x", &["/x"], "a: a redirect in a circle"),
            ("http://a/x", &[""], "a: a redirect without a target"),
            ("http://a/x", &["http://[secret"], "a: a redirect to what is no URL"),
            ("http://a/x", &many[..], "a: more than 20 redirects"),
            ("ftp://u:secret@a/x", &[], "a: only http and https can be asked"),
        ] {
            assert_eq!(walk(begin, locations), Err(want.to_owned()), "{begin}");
        }
        assert!(walk("http://a/x", &many[..20]).is_ok());
    }
}
