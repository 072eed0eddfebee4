//! A URL as it was given. A signed link names its bytes: when one of them is written in another way, the signature is wrong.
//!
//! [`Url`] follows the WHATWG's standard, which rewrites: `\` becomes `/`, `%2e%2e` goes up, `'` becomes `%27`. Scheme, host and
//! port are taken from it; path and query are sent as they were given, byte by byte, where a request line can hold them (RFC
//! 9112, 3.2). What it cannot hold is percent-encoded: blanks, `<`, `>`, a `"` in the query and bytes above 0x7e. Plain dots (`/../`)
//! are resolved, as curl and browsers do; written as `%2e` they are names.

use std::ops::Deref;

use http::Uri;
use http::uri::PathAndQuery;
use url::Url;

/// A URL, with the path and query that are asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    url: Url,
    /// What goes into the request line, where that is not what `url` says.
    target: Option<PathAndQuery>,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Url::parse(text).map(|url| Self::of(url, text.trim_ascii().as_bytes())).map_err(|error| match zone(text) {
            Some(_) => {
                "an IPv6 address with a zone (%) cannot be asked; give the host's name or an address without one"
                    .to_owned()
            }
            None => error.to_string(),
        })
    }

    /// Where a redirect leads: `location` is a whole URL or relative to this one (RFC 9110, 10.2.2), raw.
    pub(super) fn join(&self, location: &[u8]) -> Option<Self> {
        let location = location.trim_ascii();
        // Bytes above 0x7f are of one charset or another: percent-encoded as they are, they name what the server means.
        let text: String =
            location.iter().map(|&b| if b < 0x80 { char::from(b).into() } else { format!("%{b:02X}") }).collect();
        let url = self.url.join(&text).ok()?;
        if has_scheme(&text) || text.starts_with(['/', '\\']) {
            return Some(Self::of(url, text.as_bytes()));
        }
        // Relative to our path (RFC 3986, 5.2.2).
        let ours = self.target()?;
        let folder = match text.starts_with('?') {
            true => ours.path(),
            false => &ours.path()[..=ours.path().rfind('/')?],
        };
        Some(Self::of(url, format!("{folder}{text}").as_bytes()))
    }

    /// The parsed URL, which `text` says, in whole or from its path on.
    fn of(mut url: Url, text: &[u8]) -> Self {
        url.set_fragment(None);
        let target =
            path_of(text).and_then(target).filter(|target| target.as_str() != &url[url::Position::BeforePath..]);
        Self { url, target }
    }

    /// The path and query that are asked for.
    pub(crate) fn target(&self) -> Option<PathAndQuery> {
        self.target.clone().or_else(|| self.url[url::Position::BeforePath..].parse().ok())
    }

    /// What is asked for, as hyper takes it.
    pub(super) fn uri(&self) -> Option<Uri> {
        let uri: Uri = self.url.as_str().split('#').next()?.parse().ok()?;
        let Some(target) = &self.target else { return Some(uri) };
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(target.clone());
        Uri::from_parts(parts).ok()
    }

    /// The same without userinfo: a redirect must not make up credentials.
    pub(crate) fn without_userinfo(mut self) -> Self {
        // These fail only for URLs without a host, which have no userinfo.
        let _ = self.url.set_username("");
        let _ = self.url.set_password(None);
        self
    }
}

impl Deref for Address {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.url
    }
}

impl From<Url> for Address {
    fn from(mut url: Url) -> Self {
        url.set_fragment(None);
        Self { url, target: None }
    }
}

/// The zone of an IPv6 address (RFC 6874), where the URL has one.
fn zone(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let inside = authority.rsplit('@').next()?.strip_prefix('[')?.split(']').next()?;
    inside.split_once('%').map(|(_, zone)| zone)
}

/// Whether this is no relative reference (RFC 3986, 4.2).
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

/// What stands behind the host, up to the fragment; `//host/path` and `/path` are read as well.
fn path_of(text: &[u8]) -> Option<&[u8]> {
    let text = &text[..text.iter().position(|&b| b == b'#').unwrap_or(text.len())];
    let slash = |b: &u8| matches!(b, b'/' | b'\\');
    let rest = match text.iter().position(|&b| b == b':') {
        Some(colon) if !text[..colon].iter().any(|b| slash(b) || *b == b'?') => &text[colon + 1..],
        _ => text,
    };
    let slashes = rest.iter().take_while(|b| slash(b)).count();
    if slashes < 2 {
        return rest.first().is_some_and(slash).then_some(rest);
    }
    let authority = &rest[slashes..];
    let end = authority.iter().position(|b| slash(b) || *b == b'?')?;
    Some(&authority[end..])
}

/// What a request line can hold of a path and query, the rest percent-encoded.
fn target(raw: &[u8]) -> Option<PathAndQuery> {
    let mut text = String::with_capacity(raw.len() + 1);
    let mut query = false;
    if raw.first() != Some(&b'/') {
        text.push('/'); // a path begins so; a `\` there means it
    }
    for &b in raw.strip_prefix(b"\\").unwrap_or(raw) {
        query |= b == b'?';
        match b {
            b'\t' | b'\n' | b'\r' => {} // no part of a URL (WHATWG URL, 4.4)
            b'"' if query => text.push_str("%22"),
            b'<' | b'>' | b' ' | 0..=0x1f | 0x7f.. => text.push_str(&format!("%{b:02X}")),
            b'`' if !query => text.push_str("%60"),
            b => text.push(char::from(b)),
        }
    }
    let end = text.find('?').unwrap_or(text.len());
    text.replace_range(..end, &without_dots(&text[..end]));
    text.parse().ok()
}

/// A path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let mut kept: Vec<&str> = Vec::new();
    for (at, &part) in parts.iter().enumerate() {
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
        if at + 1 == parts.len() && matches!(part, "." | "..") {
            kept.push(""); // a folder
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(address: &Address) -> String {
        address.uri().unwrap().to_string()
    }

    #[test]
    fn what_is_given_is_asked_for() {
        for (given, want) in [
            ("http://h", "http://h/"),
            ("http://h?a", "http://h/?a"),
            ("http://h/a/../b", "http://h/b"),
            ("http://h/a/./b/../c'/..", "http://h/a/"),
            ("http://h/../../a\\..", "http://h/a\\.."),
            ("http://h/a//../b?c/../d", "http://h/a/b?c/../d"),
            ("http://h/.", "http://h/"),
            ("http://h/a/%2e%2e/b?x=%2E", "http://h/a/%2e%2e/b?x=%2E"),
            ("http://h/a\\b?c\\d", "http://h/a\\b?c\\d"),
            ("http://h\\a", "http://h/a"),
            ("http:\\\\h\\a\\b", "http://h/a\\b"),
            ("http://h/it's?it's", "http://h/it's?it's"),
            ("http://h/a\"b?a\"b", "http://h/a\"b?a%22b"),
            ("http://h/{a}|^`?{a}|^`", "http://h/{a}|^%60?{a}|^`"),
            ("http://h/a b<c>?a b<c>", "http://h/a%20b%3Cc%3E?a%20b%3Cc%3E"),
            ("http://h/\u{6587}?\u{e9}", "http://h/%E6%96%87?%C3%A9"),
            ("http://h//a//b", "http://h//a//b"),
            ("http://h/%7e%41+~", "http://h/%7e%41+~"),
            ("http://h/a?b?c#d?e", "http://h/a?b?c"),
            ("HTTP://U:P@H:80/A?b#c", "http://h/A?b"),
            ("http://h:81/a:b@c", "http://h:81/a:b@c"),
            (" http://h/a\tb\n ", "http://h/ab"),
            ("http://[::1]:8/a\\", "http://[::1]:8/a\\"),
        ] {
            let address = Address::parse(given).unwrap().without_userinfo();
            assert_eq!(asked(&address), want, "{given}");
        }
    }

    #[test]
    fn a_redirect_is_followed_to_the_bytes_it_names() {
        for (location, want) in [
            (&b"/a\\b?c\\'d"[..], "http://h/a\\b?c\\'d"),
            (b"http://g/a/%2e%2e/b?x='", "http://g/a/%2e%2e/b?x='"),
            (b"//g/a/../b", "http://g/b"),
            (b"z?y'", "http://h/x/z?y'"),
            (b"../z\\", "http://h/z\\"),
            (b"?y'", "http://h/x/'y?y'"),
            (b"/caf\xe9/d\xe9.bin", "http://h/caf%E9/d%E9.bin"),
            (b"/\xce\xc4\xbc\xfe.bin", "http://h/%CE%C4%BC%FE.bin"),
            ("/\u{6587} 1.bin".as_bytes(), "http://h/%E6%96%87%201.bin"),
            (b" /a \r", "http://h/a"),
            (b"/a:b", "http://h/a:b"),
            (b"a/b:c", "http://h/x/a/b:c"),
        ] {
            let here = Address::parse("http://h/x/'y?z").unwrap();
            assert_eq!(asked(&here.join(location).unwrap()), want, "{}", location.escape_ascii());
        }
        assert!(Address::parse("http://h/").unwrap().join(b"http://[").is_none());
    }

    #[test]
    fn a_zone_is_refused_by_name() {
        for text in ["http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]:80/x", "http://u:p@[fe80::1%25lo]"] {
            let why = Address::parse(text).err().unwrap();
            assert!(why.contains("zone"), "{text}: {why}");
        }
        assert!(!Address::parse("http://[::g]/%25").err().unwrap().contains("zone"));
    }
}
