//! A URL as it was given. A signed link names its bytes: when one of them is written in another way, the signature is
//! wrong.
//!
//! [`Url`] follows the WHATWG's standard, which rewrites: `\` becomes `/`, `%2e%2e` goes up, `'` becomes `%27`. Scheme,
//! host and port are taken from it; path and query are sent as they were given, byte by byte, where a request line can
//! hold them (RFC 9112, 3.2). What it cannot hold is percent-encoded: blanks, `<`, `>`, a `"` in the query and bytes
//! above 0x7e. Plain dots (`/../`) are resolved, as curl and browsers do; written as `%2e` they are names.
//!
//! An IPv6 address of one link only has a zone (RFC 6874): `http://[fe80::1%25eth0]/`. [`Url`] knows none. It is kept
//! beside, and the connector is asked for a host of a made-up name that stands for both (see [`zoned`]); the server
//! hears the address alone.

use std::ops::Deref;

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use url::{Position, Url};

/// Longest name of a zone: those of interfaces are shorter.
const ZONE_LEN_MAX: usize = 64;

/// A URL, with the path and query that are asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebAddress {
    url: Url,
    /// What goes into the request line, where that is not what `url` says.
    target: Option<PathAndQuery>,
    /// The zone of the host's IPv6 address.
    zone: Option<String>,
}

impl WebAddress {
    /// Reads a URL.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_ascii();
        let Some((at, zone)) = zone_in(text) else {
            return Url::parse(text).map(|url| Self::of(url, text.as_bytes())).map_err(|error| error.to_string());
        };
        let name = zone.strip_prefix("%25").or_else(|| zone.strip_prefix('%')).unwrap_or(zone);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if name.is_empty() || name.len() > ZONE_LEN_MAX || !name.bytes().all(plain) {
            return Err(
                "the zone of an IPv6 address is the name or number of a network interface, as in [fe80::1%25eth0]"
                    .to_owned(),
            );
        }
        let without = format!("{}{}", &text[..at], &text[at + zone.len()..]);
        let url = Url::parse(&without).map_err(|error| error.to_string())?;
        Ok(Self { zone: Some(name.to_owned()), ..Self::of(url, without.as_bytes()) })
    }

    /// Where a redirect leads: `location` is a whole URL or relative to this one (RFC 9110, 10.2.2), raw.
    pub(crate) fn join(&self, location: &[u8]) -> Option<Self> {
        let location = location.trim_ascii();
        // Bytes above 0x7f are of one charset or another: percent-encoded as they are, they name what the server means.
        let text: String =
            location.iter().map(|&b| if b < 0x80 { char::from(b).into() } else { format!("%{b:02X}") }).collect();
        let url = self.url.join(&text).ok()?;
        // The server does not know by which of our links it is reached.
        let zone = self.zone.clone().filter(|_| url.host() == self.url.host());
        let next = if has_scheme(&text) || text.starts_with(['/', '\\']) {
            Self::of(url, text.as_bytes())
        } else {
            // Relative to our path (RFC 3986, 5.2.2).
            let ours = self.target()?;
            let before = match text.chars().next() {
                None | Some('#') => ours.as_str(),
                Some('?') => ours.path(),
                Some(_) => &ours.path()[..=ours.path().rfind('/')?],
            };
            let relative = text.split('#').next().unwrap_or_default();
            Self::at(url, target(format!("{before}{relative}").as_bytes()))
        };
        Some(Self { zone, ..next })
    }

    /// The parsed URL, which `text` says, in whole or from its host or path on.
    fn of(url: Url, text: &[u8]) -> Self {
        let target = path_of(text).and_then(target);
        Self::at(url, target)
    }

    fn at(mut url: Url, target: Option<PathAndQuery>) -> Self {
        url.set_fragment(None);
        let target = target.filter(|target| target.as_str() != &url[Position::BeforePath..]);
        Self { url, target, zone: None }
    }

    /// Scheme, userinfo, host and port.
    pub(crate) fn before_path(&self) -> String {
        let before = &self.url[..Position::BeforePath];
        match (&self.zone, before.rfind(']')) {
            (Some(zone), Some(end)) => format!("{}%25{zone}{}", &before[..end], &before[end..]),
            _ => before.to_owned(),
        }
    }

    /// The path and query that are asked for.
    pub(crate) fn target(&self) -> Option<PathAndQuery> {
        self.target.clone().or_else(|| self.url[url::Position::BeforePath..].parse().ok())
    }

    /// The field `Host`, where it is not what the URI of the request says.
    pub(crate) fn host_field(&self) -> Option<HeaderValue> {
        self.zone.as_ref()?;
        HeaderValue::from_str(&self.url[Position::BeforeHost..Position::AfterPort]).ok()
    }

    /// What is asked for, as hyper takes it.
    pub(crate) fn uri(&self) -> Option<Uri> {
        let uri: Uri = self.url.as_str().parse().ok()?;
        let mut parts = uri.into_parts();
        if let Some(zone) = &self.zone {
            let host = zoned::name_of(&format!("{}%{zone}", self.url.host_str()?.trim_matches(['[', ']'])));
            let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
            parts.authority = Some(format!("{host}{port}").parse().ok()?);
        }
        if let Some(target) = &self.target {
            parts.path_and_query = Some(target.clone());
        }
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

impl Deref for WebAddress {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.url
    }
}

impl From<Url> for WebAddress {
    fn from(mut url: Url) -> Self {
        url.set_fragment(None);
        Self { url, target: None, zone: None }
    }
}

/// The zone of an IPv6 address (RFC 6874) with its `%`, and where it stands.
fn zone_in(text: &str) -> Option<(usize, &str)> {
    let host = text.find("://")? + 3;
    let end = text[host..].find(['/', '\\', '?', '#']).map_or(text.len(), |end| host + end);
    let open = host + text[host..end].rfind('@').map_or(0, |at| at + 1);
    let close = open + text[open..end].strip_prefix('[').and_then(|_| text[open..end].find(']'))?;
    let at = open + text[open..close].find('%')?;
    Some((at, &text[at..close]))
}

/// Names that stand for an address with its zone on the way to the connector: a URI can hold none.
pub(crate) mod zoned {
    /// No name of the DNS ends so (RFC 6761, 6.4).
    const END: &str = ".zone.invalid";

    /// The name for `fe80::1%eth0`.
    pub(crate) fn name_of(address: &str) -> String {
        let hex = crate::hex::hex(address.as_bytes());
        format!("{hex}{END}")
    }

    /// What a name stands for; `None` for any other host.
    pub(crate) fn address_of(host: &str) -> Option<String> {
        let hex = host.strip_suffix(END)?;
        let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
        let bytes = digits?
            .chunks(2)
            .map(|two| u8::try_from(two.iter().fold(0, |sum, digit| sum * 16 + digit)))
            .collect::<Result<Vec<u8>, _>>();
        String::from_utf8(bytes.ok()?).ok().filter(|address| address.contains('%'))
    }
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

    fn asked(address: &WebAddress) -> String {
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
            let address = WebAddress::parse(given).unwrap().without_userinfo();
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
            (b"#z", "http://h/x/'y?z"),
        ] {
            let here = WebAddress::parse("http://h/x/'y?z").unwrap();
            assert_eq!(asked(&here.join(location).unwrap()), want, "{}", location.escape_ascii());
        }
        assert!(WebAddress::parse("http://h/").unwrap().join(b"http://[").is_none());
        let slashes = WebAddress::parse("http://h//a/b'").unwrap();
        assert_eq!(asked(&slashes.join(b"c'").unwrap()), "http://h//a/c'");
        assert_eq!(asked(&slashes.join(b"?c").unwrap()), "http://h//a/b'?c");
    }

    #[test]
    fn a_zone_is_kept_beside_the_address() {
        for (given, zone, host, text) in [
            ("http://[fe80::1%25eth0]/", "fe80::1%eth0", "[fe80::1]", "http://[fe80::1%25eth0]/"),
            ("http://[fe80::1%eth0]:81/x'?y", "fe80::1%eth0", "[fe80::1]:81", "http://[fe80::1%25eth0]:81/x'?y"),
            ("http://u:p@[FE80::1%253]?q", "fe80::1%3", "[fe80::1]", "http://u:p@[fe80::1%253]/?q"),
        ] {
            let address = WebAddress::parse(given).unwrap();
            let uri = address.uri().unwrap();
            assert_eq!(zoned::address_of(uri.host().unwrap()).as_deref(), Some(zone), "{given}");
            assert_eq!(address.host_field().unwrap(), host);
            assert_eq!(format!("{}{}", address.before_path(), address.target().unwrap()), text);
            assert_eq!(uri.path_and_query().unwrap(), &address.target().unwrap());
            let next = address.join(format!("http://{host}/z").as_bytes()).unwrap();
            assert_eq!(next.zone, address.zone);
            assert_eq!(address.join(b"z").unwrap().zone, address.zone);
            assert_eq!(address.join(b"http://[fe80::2]/").unwrap().zone, None);
        }
        for text in
            ["http://[fe80::1%25]/", "http://[fe80::1%]/", "http://[fe80::1%25a%2fb]/", "http://[fe80::1%25a@b]/"]
        {
            assert!(WebAddress::parse(text).is_err(), "{text}");
        }
        assert!(!WebAddress::parse("http://[::g]/%25").err().unwrap().contains("zone"));
        assert_eq!(WebAddress::parse("http://h/[%25x]").unwrap().zone, None);
        for host in ["h", "zz.zone.invalid", "68.zone.invalid", ".zone.invalid"] {
            assert_eq!(zoned::address_of(host), None, "{host}");
        }
    }
}
