//! Where is the store, and what goes into the URL of a request?
//!
//! | style | host | path |
//! |---|---|---|
//! | virtual host | `BUCKET.ENDPOINT` | `/KEY` |
//! | path | `ENDPOINT` | `/BUCKET/KEY` |
//! | custom domain | `ENDPOINT` | `/KEY` |
//! | below a path of a host | `ENDPOINT` | `/PATH/BUCKET/KEY` |
//!
//! What is signed is the bucket and the key in any case ([`sign`](crate::store::sign)); for S3 in the path as it is
//! sent.
//!
//! A bucket can be in another place than asked: the store then names a region or another endpoint. It is followed when
//! that is the same host, one below it, or both belong to the same vendor: requests are signed anew for it, so nobody
//! else may be named. What was learned counts for the bucket as long as the process runs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use url::{Host, Url};

use super::checksums::Learned;
use super::clock::Clock;
use crate::advice::Advice;
use crate::error::Error;
use crate::source::Dialect;
use crate::store::sign::{Address, OssVersion, Scheme, encode, encode_path};
use crate::sync::locked;

/// Buckets of which it is remembered where they are.
const MOVED_MAX: usize = 256;
/// Longest region that a store may name.
const REGION_LEN_MAX: usize = 64;
/// Whose hosts belong together.
const VENDORS: [&str; 3] = ["aliyuncs.com", "amazonaws.com", "amazonaws.com.cn"];

/// What a caller says of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointOptions {
    /// Whose language it speaks.
    pub(crate) dialect: Dialect,
    /// `https://oss-cn-hangzhou.aliyuncs.com`, `http://127.0.0.1:9000`; https where no scheme is given. Without it the
    /// vendor's own endpoint in the region. Behind the host of a store that is not the vendor's a path may follow:
    /// `https://storage.example/s3`.
    pub(crate) endpoint: Option<String>,
    /// The region that signatures name; by itself that of the vendor's host, and `us-east-1` where S3 has none.
    pub(crate) region: Option<String>,
    /// The bucket goes into the path, not into the host. So it does by itself where the host is an IP address or has no
    /// dot, and for buckets whose name makes no host name.
    pub(crate) path_style: bool,
    /// The endpoint is a custom domain of the bucket: the bucket appears nowhere.
    pub(crate) cname: bool,
    /// Sign for OSS in version 1 of its scheme, not 4.
    pub(crate) sign_v1: bool,
}

#[cfg(test)]
impl EndpointOptions {
    /// The vendor's own store.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, endpoint: None, region: None, path_style: false, cname: false, sign_v1: false }
    }
}

/// A store, shared by all objects in it. It learns: how far our clock is from the store's, where a bucket really is,
/// what it does with checksums.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(super) dialect: Dialect,
    /// How OSS is signed for.
    version: OssVersion,
    pub(super) clock: Clock,
    pub(super) learned: Learned,
    scheme: &'static str,
    home: Site,
    port: Option<u16>,
    /// The path below which the store is: none, or one that begins with a slash and does not end with one.
    below: String,
    path_style: bool,
    cname: bool,
    moved: Mutex<HashMap<String, Site>>,
}

/// A host, without a bucket in front of it, and its region.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Site {
    host: String,
    region: String,
}

/// Where one request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) url: Url,
    /// `Host` as it is sent.
    pub(super) host: String,
    /// The bucket is in the path.
    pub(super) path_style: bool,
    /// What stands in the path before it.
    pub(super) below: String,
    /// The region to sign for.
    pub(super) region: String,
}

/// Where a store says a bucket is; each of it may be missing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hint<'a> {
    pub(super) region: Option<&'a str>,
    /// A host, with or without the bucket in front.
    pub(super) endpoint: Option<&'a str>,
    /// A URL.
    pub(super) location: Option<&'a str>,
}

/// What became of a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Followed {
    /// The next target is another one.
    Elsewhere,
    /// It says what was known.
    Nowhere,
    /// It leads where we must not sign: this is where.
    Refused(String),
}

impl Endpoint {
    /// # Errors
    /// `Usage` for what is no endpoint, and when the region is missing and cannot be known from the host.
    pub(crate) fn new(options: EndpointOptions) -> Result<Self, Error> {
        let EndpointOptions { dialect, endpoint, region, path_style, cname, sign_v1 } = options;
        let region = region.map(|region| match dialect {
            // Signatures name `cn-hangzhou`, hosts `oss-cn-hangzhou`.
            Dialect::Oss => region.strip_prefix("oss-").map(str::to_owned).unwrap_or(region),
            Dialect::S3 => region,
        });
        if let Some(region) = &region
            && !is_region(region)
        {
            return Err(Error::usage(format!("{region:?} is no name for a region")));
        }
        let text = match (&endpoint, &region, dialect) {
            (Some(endpoint), ..) => endpoint.trim().to_owned(),
            (None, Some(region), _) => vendors_host(dialect, region),
            (None, None, Dialect::S3) => vendors_host(dialect, "us-east-1"),
            (None, None, Dialect::Oss) => {
                return Err(Error::usage("OSS needs an endpoint or a region").advise(Advice::GiveEndpoint));
            }
        };
        let url = read_url(&text)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let version = if sign_v1 { OssVersion::V1 } else { OssVersion::V4 };
        let region = match (region.or_else(|| region_of(&host)), dialect) {
            (Some(region), _) => region,
            (None, Dialect::S3) => "us-east-1".to_owned(),
            (None, Dialect::Oss) if sign_v1 => String::new(),
            (None, Dialect::Oss) => {
                let text = format!("the region of {host}, such as cn-hangzhou, is needed for signing with version 4");
                return Err(Error::usage(text).advise(Advice::GiveRegion));
            }
        };
        let below = url.path().trim_end_matches('/').to_owned();
        check_path(&below, &host, cname)?;
        let flat = !matches!(url.host(), Some(Host::Domain(name)) if name.contains('.'));
        Ok(Self {
            dialect,
            version,
            clock: Clock::default(),
            learned: Learned::default(),
            scheme: if url.scheme() == "http" { "http" } else { "https" },
            home: Site { host, region },
            port: url.port(),
            path_style: path_style || flat || !below.is_empty(),
            below,
            cname,
            moved: Mutex::default(),
        })
    }

    /// The endpoint as it may be shown.
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}{}", self.scheme, self.with_port(&self.home.host), self.below)
    }

    /// The region that was said, or that the endpoint's host names.
    pub(crate) fn region(&self) -> &str {
        &self.home.region
    }

    /// The store is Amazon's own, not one that speaks like it.
    pub(super) fn is_amazons(&self) -> bool {
        vendor_of(&self.home.host).is_some_and(|domain| domain.starts_with("amazonaws."))
    }

    /// The store's host is one of this domain.
    pub(super) fn is_below(&self, domain: &str) -> bool {
        is_below(&self.home.host, domain)
    }

    /// Machines on the way cannot change what is sent.
    pub(super) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// In whose language a request to this target is signed.
    pub(super) fn scheme<'a>(&self, target: &'a Target) -> Scheme<'a> {
        let address = Address { host: &target.host, path_style: target.path_style, below: &target.below };
        Scheme { dialect: self.dialect, version: self.version, address }
    }

    /// Where a request for `key` (empty: the bucket itself) goes, with these parameters.
    ///
    /// # Errors
    /// `Usage` for a key that no URL can hold.
    pub(super) fn target(&self, bucket: &str, key: &str, query: &[(String, String)]) -> Result<Target, Error> {
        let site = self.site(bucket);
        let path_style = !self.cname && (self.path_style || !self.makes_a_host(bucket));
        let host = match self.cname || path_style {
            true => self.with_port(&site.host),
            false => self.with_port(&format!("{bucket}.{}", site.host)),
        };
        // A URL has no names `.` and `..`: they are taken out of every path, encoded or not. Between encoded slashes
        // they are letters of a longer name, and stores take such a slash for a plain one.
        let dotted = key.split('/').any(|name| matches!(name, "." | ".."));
        let key = if dotted { encode(key) } else { encode_path(key) };
        let below = if path_style { self.below.clone() } else { String::new() };
        let path = if path_style { format!("{below}/{bucket}/{key}") } else { format!("/{key}") };
        let query = query_text(query);
        let url = Url::parse(&format!("{}://{host}{path}{query}", self.scheme));
        match url.ok().filter(|url| url.path() == path) {
            Some(url) => Ok(Target { url, host, path_style, below, region: site.region }),
            None => Err(Error::usage(format!("{bucket}/{key}: no URL can hold this key"))),
        }
    }

    /// Takes what a store says of where the bucket is.
    pub(super) fn follow(&self, bucket: &str, hint: Hint<'_>) -> Followed {
        let now = self.site(bucket);
        let region = hint.region.filter(|region| is_region(region)).map(str::to_owned);
        let location = hint.location.and_then(|location| Url::parse(location).ok());
        if let Some(location) = &location
            && (self.scheme == "https" && location.scheme() != "https" || location.port() != self.port)
        {
            return Followed::Refused(location.origin().ascii_serialization());
        }
        let vendor = vendor_of(&now.host);
        let regional = match (&region, vendor, self.dialect) {
            (Some(region), Some(_), Dialect::S3) if !self.cname => Some(vendors_host(Dialect::S3, region)),
            _ => None,
        };
        let named = hint.endpoint.map(str::to_owned);
        let located = location.as_ref().and_then(|url| url.host_str()).map(str::to_owned);
        let host = match regional.or(named).or(located) {
            None if region.is_none() => return Followed::Nowhere,
            None => now.host.clone(),
            Some(text) => {
                let text = text.to_ascii_lowercase();
                let text = text.strip_prefix(&format!("{bucket}.")).unwrap_or(&text);
                let url = read_url(text).ok().filter(|url| matches!(url.path(), "" | "/"));
                let url = url.filter(|url| url.port().is_none() || url.port() == self.port);
                match url.as_ref().and_then(Url::host_str) {
                    Some(host) => host.to_owned(),
                    None => return Followed::Refused(text.chars().filter(|c| c.is_ascii_graphic()).take(80).collect()),
                }
            }
        };
        let below = host.ends_with(&format!(".{}", self.home.host)) && !self.is_address();
        let kin = vendor.is_some() && vendor_of(&host) == vendor && self.port.is_none() && is_of_service(&host);
        if host != self.home.host && (self.cname || !below && !kin) {
            return Followed::Refused(host);
        }
        let region = region.or_else(|| region_of(&host)).unwrap_or_else(|| now.region.clone());
        let there = Site { host, region };
        if there == now {
            return Followed::Nowhere;
        }
        let mut moved = self.moved();
        if moved.len() >= MOVED_MAX {
            moved.clear(); // costs each one more request
        }
        moved.insert(bucket.to_owned(), there);
        Followed::Elsewhere
    }

    /// For a test's server that has virtual hosts below a name without a dot.
    #[cfg(test)]
    pub(super) fn be_virtual_host(&mut self) {
        self.path_style = false;
    }

    fn site(&self, bucket: &str) -> Site {
        self.moved().get(bucket).unwrap_or(&self.home).clone()
    }

    fn moved(&self) -> MutexGuard<'_, HashMap<String, Site>> {
        locked(&self.moved)
    }

    fn with_port(&self, host: &str) -> String {
        self.port.map_or(host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn is_address(&self) -> bool {
        !matches!(Host::parse(&self.home.host), Ok(Host::Domain(_)))
    }

    /// Whether `BUCKET.` can stand in front of a host. A certificate for `*.ENDPOINT` covers no dot.
    fn makes_a_host(&self, bucket: &str) -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        bucket.len() <= 63 && bucket.bytes().all(|b| plain(b) || b == b'.' && self.scheme == "http")
    }
}

fn query_text(query: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| match value.is_empty() {
        true => encode(name),
        false => format!("{}={}", encode(name), encode(value)),
    };
    match query {
        [] => String::new(),
        query => format!("?{}", query.iter().map(pair).collect::<Vec<_>>().join("&")),
    }
}

/// A scheme, a host, perhaps a port and a path; nothing else. Does not quote what may hold a password.
fn read_url(text: &str) -> Result<Url, Error> {
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let wrong = || Error::usage("the endpoint is no URL of a store: https://HOST or http://HOST:PORT");
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let bare = url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "http" | "https" if bare && nobody && url.has_host() => Ok(url),
        "http" | "https" if !nobody => {
            Err(Error::usage("an endpoint has no place for user and password; give credentials apart"))
        }
        "http" | "https" if !bare => {
            Err(Error::usage("an endpoint is a scheme, a host and perhaps a path, without parameters"))
        }
        _ => Err(wrong()),
    }
}

/// Whether the store can be below this path of a host.
fn check_path(below: &str, host: &str, cname: bool) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/');
    let wrong = match () {
        () if below.is_empty() => return Ok(()),
        () if vendor_of(host).is_some() => format!(
            "{host} has its buckets right below it: no path can follow in the endpoint; the bucket belongs into the \
             object's name"
        ),
        () if cname => "a domain of the bucket's own has its keys right below it: no path can follow in the \
                        endpoint"
            .to_owned(),
        () if !below.bytes().all(plain) || below.contains("//") => {
            "the path of an endpoint has letters, digits, -, ., _, ~ and single slashes only".to_owned()
        }
        () => return Ok(()),
    };
    Err(Error::usage(wrong))
}

fn is_region(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    !text.is_empty() && text.len() <= REGION_LEN_MAX && text.bytes().all(plain)
}

fn vendors_host(dialect: Dialect, region: &str) -> String {
    match dialect {
        Dialect::Oss => format!("oss-{region}.aliyuncs.com"),
        Dialect::S3 if region.starts_with("cn-") => format!("s3.{region}.amazonaws.com.cn"),
        Dialect::S3 => format!("s3.{region}.amazonaws.com"),
    }
}

/// Whose host it is; the domain stands for the vendor.
fn vendor_of(host: &str) -> Option<&'static str> {
    VENDORS.into_iter().find(|domain| is_below(host, domain))
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|begin| begin.ends_with('.'))
}

/// Whether a vendor's host is the service's own, and not that of a bucket, which can be anybody's.
fn is_of_service(host: &str) -> bool {
    let mut labels = host.split('.');
    let (first, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    first == "s3" || first.starts_with("s3-") || first.starts_with("oss-") || second == "oss"
}

/// The region in a vendor's host: `oss-cn-hangzhou-internal.aliyuncs.com`, `s3.dualstack.eu-west-1.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let vendor = vendor_of(host)?;
    let labels: Vec<&str> = host.strip_suffix(vendor)?.trim_end_matches('.').split('.').collect();
    let region = if vendor == "aliyuncs.com" {
        match labels.as_slice() {
            [.., "oss-accelerate" | "oss-accelerate-overseas"] => return None,
            [.., region, "oss"] => region,
            [.., last] => last.strip_prefix("oss-")?,
            [] => return None,
        }
    } else {
        match labels.as_slice() {
            [.., "s3" | "s3-external-1"] => "us-east-1",
            [.., "s3" | "dualstack" | "s3-fips", region] => region,
            [.., last] => last.strip_prefix("s3-").filter(|region| region.contains('-'))?,
            [] => return None,
        }
    };
    Some(region.strip_suffix("-internal").unwrap_or(region).to_owned()).filter(|region| is_region(region))
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
