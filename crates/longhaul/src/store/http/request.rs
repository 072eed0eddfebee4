//! What goes into a request, and what of it only the first origin may see.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use longhaul_core::conditions::Conditions;
use longhaul_core::download::step::Fetch;
use longhaul_core::identity::Validator;
use percent_encoding::percent_decode_str;
use url::Url;

/// Fields of the caller that other origins may see as well. All others could be credentials, whatever their name.
const HARMLESS: [HeaderName; 5] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::USER_AGENT, header::CACHE_CONTROL, header::PRAGMA];

/// Fields that decide what the reply means or how the connection works: ours alone.
const OURS: [HeaderName; 13] = [
    header::RANGE,
    header::ACCEPT_ENCODING,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::UPGRADE,
    header::EXPECT,
];

/// Last second that an HTTP date can tell: the year has four digits.
const HTTP_DATE_MAX: u64 = 253_402_300_799;

/// Writes request heads.
pub(super) struct Sender {
    /// For the first origin only.
    secret: HeaderMap,
    /// For every origin.
    harmless: HeaderMap,
    given: Given,
}

/// What goes with requests to show who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Given {
    #[default]
    Nothing,
    /// A user and password.
    Login,
    /// Header fields that may do so.
    Headers,
}

impl Sender {
    /// An `Authorization` among the headers wins over `basic_auth`, which wins over userinfo in the URL.
    pub(super) fn new(headers: HeaderMap, basic_auth: Option<(String, String)>) -> Self {
        let (mut secret, mut harmless) = (HeaderMap::new(), HeaderMap::new());
        for (name, mut value) in headers.iter().map(|(n, v)| (n.clone(), v.clone())) {
            if HARMLESS.contains(&name) {
                harmless.append(name, value);
            } else if !OURS.contains(&name) {
                value.set_sensitive(true);
                secret.append(name, value);
            }
        }
        // Where a link may be used from is no word about who uses it.
        let mut names = secret.keys().filter(|name| **name != header::REFERER && **name != header::ORIGIN);
        let mut given = if names.next().is_some() { Given::Headers } else { Given::Nothing };
        if let Some((user, password)) = basic_auth
            && !secret.contains_key(header::AUTHORIZATION)
        {
            secret.extend(basic(user.as_bytes(), password.as_bytes()));
            given = Given::Login;
        }
        Self { secret, harmless, given }
    }

    /// What goes with a request to `url` to show who asks.
    pub(super) fn given(&self, url: &Url) -> Given {
        let userinfo = !url.username().is_empty() || url.password().is_some();
        match self.given {
            Given::Nothing if userinfo => Given::Login,
            given => given,
        }
    }

    /// The head for a request of `fetch`. `url` is the one that the transfer began with; `home` says that the request
    /// goes to its origin and has not been elsewhere.
    pub(super) fn headers(&self, url: &Url, fetch: &Fetch, home: bool) -> HeaderMap {
        let mut headers = self.harmless.clone();
        if home {
            headers.extend(self.secret.clone());
            let userinfo = !url.username().is_empty() || url.password().is_some();
            if userinfo && !headers.contains_key(header::AUTHORIZATION) {
                let user: Vec<u8> = percent_decode_str(url.username()).collect();
                let password: Vec<u8> = percent_decode_str(url.password().unwrap_or_default()).collect();
                headers.extend(basic(&user, &password));
            }
        }
        headers.extend(asking(fetch));
        headers
    }
}

/// What says which bytes are wanted, and of which object.
pub(crate) fn asking(fetch: &Fetch) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if fetch.ranged {
        headers.extend(range(fetch));
    }
    headers.extend(fetch.condition.as_ref().and_then(condition));
    if let Some(wish) = &fetch.only_if {
        headers.extend(wished(wish));
    }
    headers
}

/// The caller's own conditions (RFC 9110, 13.1). What cannot be written into a field is left out: the core holds each
/// version against it all the same.
fn wished(wish: &Conditions) -> HeaderMap {
    let etag = |etag: &Option<String>| etag.as_deref().and_then(etag_value);
    let date = |seconds: Option<i64>| seconds.and_then(date_value);
    let fields = [
        (header::IF_MATCH, etag(&wish.if_match)),
        (header::IF_NONE_MATCH, etag(&wish.if_none_match)),
        (header::IF_MODIFIED_SINCE, date(wish.modified_since)),
        (header::IF_UNMODIFIED_SINCE, date(wish.unmodified_since)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The core keeps field bytes as chars below U+0100.
fn etag_value(etag: &str) -> Option<HeaderValue> {
    let raw: Option<Vec<u8>> = etag.chars().map(|c| u8::try_from(c).ok()).collect();
    HeaderValue::from_bytes(&raw?).ok()
}

fn date_value(seconds: i64) -> Option<HeaderValue> {
    HeaderValue::from_str(&http_date(seconds)?).ok()
}

/// Seconds since the Unix epoch as RFC 9110, 5.6.7 writes them; `None` for times that it cannot write.
pub(crate) fn http_date(seconds: i64) -> Option<String> {
    let seconds = u64::try_from(seconds).ok().filter(|&s| s <= HTTP_DATE_MAX)?;
    Some(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// `Range` (RFC 9110, 14.2): half-open in the core, inclusive on the wire.
fn range(fetch: &Fetch) -> Option<(HeaderName, HeaderValue)> {
    let range = match (fetch.last, fetch.end) {
        (Some(count), _) => format!("bytes=-{count}"),
        (None, None) => format!("bytes={}-", fetch.start),
        (None, Some(end)) => {
            assert!(end > fetch.start, "an empty range cannot be asked for");
            format!("bytes={}-{}", fetch.start, end - 1)
        }
    };
    Some((header::RANGE, HeaderValue::from_str(&range).ok()?))
}

/// The condition for a validator. `If-Match`, not `If-Range`: stores answer a wrong `If-Range` with 206 of the new
/// object. A version is not a condition: the reply is compared.
fn condition(validator: &Validator) -> Option<(HeaderName, HeaderValue)> {
    match validator {
        Validator::Etag(etag) => Some((header::IF_MATCH, etag_value(etag)?)),
        Validator::Modified(seconds) => Some((header::IF_UNMODIFIED_SINCE, date_value(*seconds)?)),
        Validator::Version(_) => None,
    }
}

/// Basic authentication (RFC 7617).
fn basic(user: &[u8], password: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let encoded = BASE64.encode([user, b":", password].concat());
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some((header::AUTHORIZATION, value))
}
