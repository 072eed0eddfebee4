//! How is a request to a store signed? `oss` in versions 1 and 4 of the scheme of OSS, `s3` in version 4 of that of
//! AWS.
//!
//! A signature is arithmetic over a [`Subject`] and a [`Signer`]; no clock is read here: the time is an argument, being
//! the store's and not the machine's. Nothing here looks at a URL either: bucket and key are told, so that a custom
//! domain or an address signs like the vendor's own host.

#[cfg(feature = "oss")]
mod oss;
#[cfg(feature = "s3")]
mod s3;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use crate::hex::hex;
use crate::keys::{Keys, Secret};
use crate::source::Dialect;

/// In place of a digest: the body is not part of the signature.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// Longest life of a link in seconds: seven days, for both vendors.
pub(crate) const LINK_LIFE_MAX_S: u64 = 7 * 24 * 3600;

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// `GET`, `PUT`, …
    pub(crate) method: &'a str,
    /// The bucket, whether it is in the URL or not.
    pub(crate) bucket: &'a str,
    /// The key; empty for the bucket itself.
    pub(crate) key: &'a str,
    /// Name and value of each parameter, not encoded; an empty value is a name alone.
    pub(crate) query: &'a [(String, String)],
    /// What is sent. Only those that the scheme signs count.
    pub(crate) headers: &'a HeaderMap,
    /// Headers that are signed beside those that always are, in lower case.
    pub(crate) additional: &'a [&'a str],
}

/// Who signs, for where and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signer<'a> {
    /// With what.
    pub(crate) keys: &'a Keys,
    /// For which region.
    pub(crate) region: &'a str,
    /// The store's time.
    pub(crate) now: Moment,
}

/// In whose language a request is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scheme<'a> {
    pub(crate) dialect: Dialect,
    /// For OSS.
    pub(crate) version: OssVersion,
    /// For S3.
    pub(crate) address: Address<'a>,
}

/// Which version of the scheme of OSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OssVersion {
    /// HMAC-SHA1 of the resource and the headers of OSS. Knows no region.
    V1,
    /// HMAC-SHA256 of the whole query and the headers of OSS, with a key for one day and region.
    V4,
}

/// Where a request goes: the host is always signed, and the path as it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address<'a> {
    /// `Host` as it is sent.
    pub(crate) host: &'a str,
    /// The bucket is in the path.
    pub(crate) path_style: bool,
    /// What stands in the path before it; of letters that need no encoding.
    pub(crate) below: &'a str,
}

#[cfg_attr(
    not(all(feature = "oss", feature = "s3")),
    allow(unused_variables, reason = "what only the other one signs")
)]
impl Scheme<'_> {
    /// Signs in the head: what is to be added to it. `payload` is the body's SHA-256; without one the body is not
    /// signed.
    ///
    /// A dialect that was not built in signs nothing: no store that speaks it is ever asked
    /// ([`Stores`](crate::stores)).
    pub(crate) fn head(
        self,
        signer: &Signer<'_>,
        subject: &Subject<'_>,
        payload: impl FnOnce() -> Option<[u8; 32]>,
    ) -> SignedHead {
        match self.dialect {
            #[cfg(feature = "oss")]
            Dialect::Oss => oss::head(self.version, signer, subject),
            #[cfg(feature = "s3")]
            Dialect::S3 => s3::head(signer, self.address, subject, payload()),
            #[cfg(not(all(feature = "oss", feature = "s3")))]
            _ => SignedHead::new(),
        }
    }

    /// Signs a link that works for `life_s` seconds from now: the parameters that are to be added.
    pub(crate) fn link(self, signer: &Signer<'_>, subject: &Subject<'_>, life_s: u64) -> SignedQuery {
        match self.dialect {
            #[cfg(feature = "oss")]
            Dialect::Oss => oss::link(self.version, signer, subject, life_s),
            #[cfg(feature = "s3")]
            Dialect::S3 => s3::link(signer, self.address, subject, life_s),
            #[cfg(not(all(feature = "oss", feature = "s3")))]
            _ => SignedQuery::new(),
        }
    }
}

/// A second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(jiff::Timestamp);

impl Moment {
    /// Seconds since the Unix epoch, 0 to the last one that has a year of four digits; what lies outside becomes the
    /// nearest of these.
    pub(crate) fn at(unix_s: i64) -> Self {
        const LAST: i64 = 253_402_207_200; // jiff's last, a day before the year 10000
        Self(jiff::Timestamp::from_second(unix_s.clamp(0, LAST)).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn unix_s(self) -> i64 {
        self.0.as_second()
    }

    /// `20251113T032545Z`.
    fn basic(self) -> String {
        self.0.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// `20251113`.
    fn day(self) -> String {
        self.0.strftime("%Y%m%d").to_string()
    }

    /// `Thu, 13 Nov 2025 03:25:45 GMT` (RFC 9110, 5.6.7).
    fn http(self) -> String {
        self.0.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

/// What a signature adds to the head of a request.
pub(crate) type SignedHead = Vec<(HeaderName, HeaderValue)>;
/// What it adds to a link.
pub(crate) type SignedQuery = Vec<(String, String)>;

/// Everything but letters, digits, `-`, `.`, `_`, `~`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encoded, `/` too.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Percent-encoded but for `/`.
pub(crate) fn encode_path(text: &str) -> String {
    const KEPT: &AsciiSet = &ENCODED.remove(b'/');
    utf8_percent_encode(text, KEPT).to_string()
}

/// The bytes of a value without blanks around them.
fn trimmed(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes().trim_ascii()).into_owned()
}

/// The values of a field, joined with commas where it comes several times.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get_all(name).iter().map(trimmed).collect::<Vec<_>>().join(",")
}

/// `name=value&…` of all parameters, encoded and sorted; `bare` says whether an empty value has a `=` (S3) or not
/// (OSS).
fn canonical_query<'a>(query: impl Iterator<Item = &'a (String, String)>, with_equals: bool) -> String {
    let mut pairs: Vec<(String, String)> = query.map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    let pair = |(name, value): &(String, String)| match value.is_empty() && !with_equals {
        true => name.clone(),
        false => format!("{name}={value}"),
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    mac::<Hmac<Sha256>>(key, text)
}

fn mac<M: Mac + KeyInit>(key: &[u8], text: &str) -> Vec<u8> {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length (RFC 2104, 2)");
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The key for one day, one region and one service, derived from the secret.
fn derived_key(prefix: &str, secret: &Secret, scope: [&str; 4]) -> Vec<u8> {
    let secret = [prefix.as_bytes(), secret.expose().as_bytes()].concat();
    scope.iter().fold(secret, |key, part| hmac_sha256(&key, part))
}

fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// A value that only this request's receiver may see.
fn secret_value(text: &str) -> HeaderValue {
    // Tokens and ids come from outside; one that cannot be sent makes a request that is refused.
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_three_ways() {
        let moment = Moment::at(1_763_004_345);
        assert_eq!(moment.basic(), "20251113T032545Z");
        assert_eq!(moment.day(), "20251113");
        assert_eq!(moment.http(), "Thu, 13 Nov 2025 03:25:45 GMT");
        assert_eq!(Moment::at(-5).basic(), "19700101T000000Z");
        assert_eq!(Moment::at(i64::MAX).day().len(), 8);
        assert_eq!(Moment::at(i64::MAX).unix_s(), 253_402_207_200);
    }

    #[test]
    fn encoding_leaves_only_what_every_url_may_hold() {
        assert_eq!(encode("a/b c+~-._ä%"), "a%2Fb%20c%2B~-._%C3%A4%25");
        assert_eq!(encode_path("a/b c"), "a/b%20c");
    }
}
