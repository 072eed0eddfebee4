//! A link: what it asks for, to the byte, and what of it may be shown.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use longhaul_core::link::{Link, good_until};

use super::redact::{Redacted, redact_address};
use super::{WebAddress, redact_for_display};
use crate::error::Error;

/// A whole `http://` or `https://` URL.
///
/// It is asked for byte by byte as it was given: a signed link names its bytes. What is shown
/// ([`Display`](fmt::Display), [`Debug`]) and written down is the URL without what may be secret in it (userinfo,
/// fragment, signatures, tokens), the same text for every fresh link to one object.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl {
    given: Box<str>,
    address: WebAddress,
    shown: Redacted,
}

impl WebUrl {
    /// The URL as it was given, secrets and all: for handing it on, never for showing or storing it.
    pub fn with_secrets(&self) -> &str {
        &self.given
    }

    /// Whether the URL holds what is not shown, and what a request may need: after a restart of the program, the link
    /// has to be given again.
    pub fn has_secrets(&self) -> bool {
        self.shown.secrets_removed
    }

    /// Whether it is a signed link. When a server refuses it, a fresh link is needed, and no user or password helps.
    pub fn is_signed(&self) -> bool {
        self.shown.signed
    }

    /// Whether it is at the same server as the other one: scheme, host and port are the same (RFC 6454, 5).
    pub fn is_of_same_origin(&self, other: &Self) -> bool {
        self.address.origin() == other.address.origin()
    }

    /// What of the link decides what a refusal means. `credentials`: more than the link goes with the requests.
    pub(crate) fn facts(&self, credentials: bool) -> Link {
        let query: Vec<(Cow<'_, str>, Cow<'_, str>)> = self.address.query_pairs().collect();
        let good_until_s = good_until(query.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        Link { signed: self.is_signed(), good_until_s, credentials }
    }

    /// Whether another object may have the same text as it is shown: a value was left out that may name the object
    /// (`id=…`). Such a text does not tell transfers apart.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.shown.ambiguous
    }

    /// What is asked for.
    pub(crate) fn address(&self) -> &WebAddress {
        &self.address
    }
}

impl FromStr for WebUrl {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for what is no whole URL of these schemes; the text repeats no
    /// secret.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim_ascii();
        let shown = || redact_for_display(text);
        let is_scheme = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            let text = shown();
            return Err(Error::usage(format!(
                "{text:?} is no URL; it begins with http:// or https:// (https://{text}?)"
            )));
        };
        if !["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            return Err(Error::usage(format!(
                "{scheme:?} URLs are not supported; give http://, https://, oss:// or s3://"
            )));
        }
        if rest.is_empty() || rest.starts_with(['/', '\\']) {
            return Err(Error::usage(format!("{:?} has no host", shown())));
        }
        let address = WebAddress::parse(text).map_err(|why| {
            Error::usage(format!("{}: not a URL ({why}); give a whole http:// or https:// URL", shown()))
        })?;
        Ok(Self { given: text.into(), shown: redact_address(&address), address })
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.url)
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebUrl").field(&self.shown.url).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_not_what_is_asked_for() {
        let link = "https://me:hush@h/a/%2e%2e/'b?n=1&Signature=hush&Expires=1#hush";
        let url: WebUrl = format!(" {link}\n").parse().unwrap();
        assert_eq!(url.with_secrets(), link);
        assert_eq!(url.address().target().unwrap(), "/a/%2e%2e/'b?n=1&Signature=hush&Expires=1");
        assert_eq!(url.to_string(), "https://h/a/%2e%2e/'b?n=1");
        assert_eq!(format!("{url:?}"), "WebUrl(\"https://h/a/%2e%2e/'b?n=1\")");
        assert!(url.has_secrets() && url.is_signed() && !url.is_ambiguous());
        let plain: WebUrl = "HTTP://h/x?id=1".parse().unwrap();
        assert!(!plain.has_secrets() && !plain.is_signed() && plain.to_string() == "http://h/x?id=1");
        // What is shown is a URL as well, and shown as it is.
        assert_eq!(url.to_string().parse::<WebUrl>().unwrap().to_string(), url.to_string());
    }

    #[test]
    fn what_is_no_whole_url_is_refused_without_its_secrets() {
        for (text, says) in [
            ("example.com/x", "https://example.com/x"),
            ("user:hush@h/x", "is no URL"),
            ("http:h/x", "is no URL"),
            ("ftp://me:hush@h/x?token=hush", "\"ftp\" URLs are not supported"),
            ("file:///etc/passwd", "\"file\" URLs are not supported"),
            ("http://", "no host"),
            ("http:///x?token=hush", "no host"),
            ("http:\\\\h\\x", "is no URL"),
            ("http://[nonsense?token=hush", "not a URL"),
            ("http://me:hush@/x", "not a URL"),
            ("", "is no URL"),
            ("token=hush&u=https://h/x", "is no URL"),
        ] {
            let error = text.parse::<WebUrl>().unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hush"), "{text}: {error}");
        }
    }
}
