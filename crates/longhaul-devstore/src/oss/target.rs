//! What does the request line name? Percent-decoding, the query, and which bucket and key a Host and a path mean.
//!
//! Three ways of addressing (virtual host, path, mapped host) and one that leaves the bucket out: `ali-oss` sends
//! `/KEY` to an endpoint that is an IP address. What cannot be told from the line alone yields several candidates, and
//! the signature, which always covers `/BUCKET/KEY`, decides between them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but unreserved characters and `/`.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// All but unreserved characters.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes, slashes left.
pub(crate) fn encode_key(text: &str) -> String {
    utf8_percent_encode(text, KEY).to_string()
}

/// Percent-encodes, slashes too.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// The query's parameters in order, decoded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    /// `None` when it is not UTF-8 after decoding.
    pub(crate) fn parse(text: &str) -> Option<Query> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // SDKs write %20 and %2B, so a plus is a plus, and not the space of HTML forms.
            let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
            Some((decode(name)?, decode(value)?))
        });
        Some(Query(pairs.collect::<Option<_>>()?))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A request target taken apart. The path is decoded, and not normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Decoded, without the leading slash.
    pub(crate) path: String,
    pub(crate) query: Query,
}

impl Target {
    pub(crate) fn parse(target: &str) -> Option<Target> {
        Target::parse_with(target, false)
    }

    /// The same, and whether a plus in the path is a space.
    pub(crate) fn parse_with(target: &str, plus_is_space: bool) -> Option<Target> {
        let local = match target.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => target,
        };
        let local = local.split('#').next().unwrap_or_default();
        let (path, query) = local.split_once('?').unwrap_or((local, ""));
        let path = path.strip_prefix('/')?;
        let path = if plus_is_space { path.replace('+', " ") } else { path.to_owned() };
        let decoded = percent_decode_str(&path).decode_utf8().ok()?.into_owned();
        Some(Target { path: decoded, query: Query::parse(query)? })
    }
}

/// A bucket and a key, either of which may be missing. Without a bucket it is the service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Resource {
    /// As it is signed: `/`, `/BUCKET/` or `/BUCKET/KEY`.
    pub(crate) fn signed(&self) -> String {
        if self.bucket.is_empty() { "/".to_owned() } else { format!("/{}/{}", self.bucket, self.key) }
    }

    fn of_path(path: &str) -> Resource {
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Resource { bucket: bucket.to_owned(), key: key.to_owned() }
    }
}

/// Which hosts mean which buckets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    /// Custom domains, lower-case, without port.
    pub(crate) mapped: BTreeMap<String, String>,
    /// Further domains below which a label names a bucket.
    pub(crate) domains: Vec<String>,
}

/// What a host says about the bucket.
#[derive(Debug, PartialEq, Eq)]
enum Says {
    Bucket(String),
    /// It is the endpoint: the path begins with the bucket.
    Endpoint,
    /// An IP address: the path may begin with the bucket.
    Address,
}

impl Hosts {
    fn say(&self, host: &str) -> Says {
        let host = without_port(host).to_ascii_lowercase();
        if let Some(bucket) = self.mapped.get(&host) {
            return Says::Bucket(bucket.clone());
        }
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Says::Address;
        }
        let below = |domain: &str| host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
        for domain in self.domains.iter().map(String::as_str).chain(["localhost"]) {
            match below(domain) {
                Some(bucket) if !bucket.contains('.') => return Says::Bucket(bucket.to_owned()),
                _ if host == domain => return Says::Endpoint,
                _ => {}
            }
        }
        // The service's own names, for who points them here: BUCKET.oss-REGION[-internal].aliyuncs.com.
        if let Some(rest) = host.strip_suffix(".aliyuncs.com") {
            return match rest.split_once('.') {
                // STS of a region, which has no buckets.
                Some(("sts" | "sts-vpc", _)) => Says::Endpoint,
                Some((bucket, _)) => Says::Bucket(bucket.to_owned()),
                None => Says::Endpoint,
            };
        }
        Says::Endpoint
    }

    /// What a request may mean, likeliest first. `buckets` are those that exist.
    pub(crate) fn resources(&self, host: &str, path: &str, buckets: &[String]) -> Vec<Resource> {
        match self.say(host) {
            Says::Bucket(bucket) => vec![Resource { bucket, key: path.to_owned() }],
            Says::Endpoint => vec![Resource::of_path(path)],
            Says::Address => {
                let by_path = Resource::of_path(path);
                let without = buckets.iter().map(|bucket| Resource { bucket: bucket.clone(), key: path.to_owned() });
                std::iter::once(by_path).chain(without).collect()
            }
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// 3 to 63 lower-case letters, digits and hyphens, none of them at an end.
/// Whether an object may have this key, by OSS's rules (Object naming conventions).
pub(crate) fn is_key(key: &str) -> bool {
    (1..=1023).contains(&key.len()) && !key.starts_with(['/', '\\']) && !key.contains('\0')
}

pub(crate) fn is_bucket_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_of_address_names_its_bucket_and_key() {
        let hosts = Hosts {
            mapped: BTreeMap::from([("dl.example.com".to_owned(), "films".to_owned())]),
            domains: vec!["oss.test".to_owned()],
        };
        let buckets = ["films".to_owned(), "other".to_owned()];
        for (host, path, bucket, key) in [
            ("films.oss-cn-hangzhou.aliyuncs.com", "a/b", "films", "a/b"),
            ("films.oss-cn-hangzhou-internal.aliyuncs.com:80", "a", "films", "a"),
            ("oss-cn-hangzhou.aliyuncs.com", "films/a", "films", "a"),
            ("oss-cn-hangzhou.aliyuncs.com", "", "", ""),
            ("sts.cn-hangzhou.aliyuncs.com", "", "", ""),
            ("sts.aliyuncs.com", "", "", ""),
            ("DL.example.com:8080", "films/a", "films", "films/a"),
            ("films.localhost:9000", "a", "films", "a"),
            ("localhost:9000", "films/a//b", "films", "a//b"),
            ("films.oss.test", "", "films", ""),
            ("oss.test", "films", "films", ""),
            ("127.0.0.1:9000", "films/a", "films", "a"),
            ("127.0.0.1", "films", "films", ""),
            ("[::1]:9000", "films//a", "films", "/a"),
            ("[::1]", "", "", ""),
        ] {
            let found = hosts.resources(host, path, &buckets);
            assert_eq!(found[0], Resource { bucket: bucket.into(), key: key.into() }, "{host} {path}");
        }
    }

    #[test]
    fn an_address_without_the_bucket_leaves_the_choice_to_the_signature() {
        let hosts = Hosts::default();
        let two = hosts.resources("127.0.0.1", "film.mp4", &["one".into(), "two".into()]);
        let signed: Vec<String> = two.iter().map(Resource::signed).collect();
        assert_eq!(signed, ["/film.mp4/", "/one/film.mp4", "/two/film.mp4"]);
    }

    #[test]
    fn a_path_is_decoded_once_and_never_normalised() {
        for (target, path) in [
            ("/a%2Fb", "a/b"),
            ("/a/../b/./c", "a/../b/./c"),
            ("//a", "/a"),
            ("/%252F", "%2F"),
            ("/a+b", "a+b"),
            ("/%E4%B8%AD", "中"),
            ("http://host/a?x", "a"),
        ] {
            assert_eq!(Target::parse(target).unwrap().path, path, "{target}");
        }
        assert_eq!((Target::parse("/%FF"), Target::parse("*")), (None, None));
        assert_eq!(Target::parse_with("/a+b%2Bc", true).unwrap().path, "a b+c");
        let query = Target::parse("/k?uploads&a=&b=1%2F+2").unwrap().query;
        assert_eq!((query.get("uploads"), query.get("a"), query.get("b")), (Some(""), Some(""), Some("1/+2")));
    }

    #[test]
    fn bucket_names_keep_to_the_rules() {
        for (name, valid) in
            [("abc", true), ("a-1", true), ("ab", false), ("-ab", false), ("Abc", false), ("a.b", false), ("..", false)]
        {
            assert_eq!(is_bucket_name(name), valid, "{name}");
        }
    }
}
