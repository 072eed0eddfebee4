//! Version 1: HMAC-SHA1 over method, some fields, and the resource with those parameters that are listed here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{Asked, Refusal, Resource, Rules, Text, check_skew, clock, link_expired, malformed};

/// Query parameters that are part of the resource. Others (`prefix`, `max-parts`, …) are not signed. Names that begin
/// with `x-oss-` are, too.
const SIGNED: [&str; 71] = [
    "acl",
    "append",
    "asyncFetch",
    "bucketInfo",
    "callback",
    "callback-var",
    "cname",
    "comp",
    "continuation-token",
    "cors",
    "delete",
    "encryption",
    "endTime",
    "group",
    "img",
    "inventory",
    "inventoryId",
    "lifecycle",
    "link",
    "live",
    "location",
    "logging",
    "metaQuery",
    "objectInfo",
    "objectMeta",
    "partNumber",
    "policy",
    "position",
    "qos",
    "qosInfo",
    "qosRequester",
    "referer",
    "regionList",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "requesterQosInfo",
    "resourceGroup",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "rtc",
    "seal",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "transferAcceleration",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "vip",
    "vod",
    "website",
    "withHashContext",
    "worm",
    "wormExtend",
    "wormId",
    "x-oss-async-process",
];

/// Where the signature stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Header,
    /// A link with its expiry in seconds since 1970, as written.
    Link {
        expires: String,
    },
}

/// `OSS ID:SIGNATURE`.
pub(super) fn from_header(value: &str) -> Result<(String, String), Refusal> {
    let wrong = || malformed("The Authorization header is invalid.");
    let (id, signature) = value.strip_prefix("OSS ").and_then(|rest| rest.trim().split_once(':')).ok_or_else(wrong)?;
    Ok((id.to_owned(), signature.to_owned()))
}

pub(super) fn from_query(asked: &Asked<'_>) -> Result<(String, String, Claim), Refusal> {
    let part = |name: &str| {
        let missing = || Refusal::denied(&format!("The link lacks {name}.")).ec("0002-00000030");
        asked.query.get(name).map(str::to_owned).ok_or_else(missing)
    };
    let expires = part("Expires")?;
    Ok((part("OSSAccessKeyId")?, part("Signature")?, Claim::Link { expires }))
}

impl Claim {
    pub(super) fn check_expiry(&self, rules: &Rules<'_>) -> Result<(), Refusal> {
        let Claim::Link { expires } = self else { return Ok(()) };
        let seconds: i64 =
            expires.parse().map_err(|_| Refusal::invalid_argument("Expires", expires, "Expires is not a number."))?;
        let expires_ms = seconds.saturating_mul(1000);
        if rules.now_ms > expires_ms { Err(link_expired(expires_ms, rules.now_ms)) } else { Ok(()) }
    }

    pub(super) fn check_clock(&self, asked: &Asked<'_>, rules: &Rules<'_>) -> Result<(), Refusal> {
        if *self != Claim::Header {
            return Ok(());
        }
        let date = asked.header("x-oss-date").or_else(|| asked.header("Date"));
        let signed_ms = date
            .as_deref()
            .and_then(clock::parse_http_date)
            .ok_or_else(|| Refusal::denied("OSS authentication requires a valid Date.").ec("0002-00000201"))?;
        check_skew(signed_ms, rules.now_ms)
    }
}

/// What an SDK may have signed; the documented reading first.
pub(super) fn texts(asked: &Asked<'_>, resource: &Resource, claim: &Claim) -> Vec<Text> {
    let dates = match claim {
        Claim::Link { expires } => vec![expires.clone()],
        // One SDK keeps `Date` in its place also beside an x-oss-date.
        Claim::Header => {
            let (ours, plain) = (asked.header("x-oss-date"), asked.header("Date"));
            let mut dates: Vec<String> = ours.into_iter().chain(plain).collect();
            dates.dedup();
            dates
        }
    };
    // One SDK leaves the traffic limit of a link unsigned.
    let limited = *claim != Claim::Header && asked.query.has("x-oss-traffic-limit");
    let leave_out: &[&[&str]] = if limited { &[&[], &["x-oss-traffic-limit"]] } else { &[&[]] };
    let mut texts = Vec::new();
    for without in leave_out {
        for date in &dates {
            texts.push(Text { string: text(asked, resource, date, without), canonical: None });
        }
    }
    texts
}

fn text(asked: &Asked<'_>, resource: &Resource, date: &str, without: &[&str]) -> String {
    let field = |name: &str| asked.header(name).unwrap_or_default();
    let mut text = format!("{}\n{}\n{}\n{date}\n", asked.method, field("Content-MD5"), field("Content-Type"));
    for name in asked.names().iter().filter(|name| name.starts_with("x-oss-")) {
        text.push_str(&format!("{name}:{}\n", field(name)));
    }
    text.push_str(&resource.signed());
    let is_signed = |name: &str| {
        (SIGNED.binary_search_by(|have| have.cmp(&name)).is_ok() || name.starts_with("x-oss-"))
            && !without.contains(&name)
    };
    let mut signed: Vec<(&str, &str)> = asked.query.iter().filter(|(name, _)| is_signed(name)).collect();
    signed.sort();
    for (at, (name, value)) in signed.into_iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(name);
        if !value.is_empty() {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}

pub(super) fn sign(secret: &str, text: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(super::SIGNED.is_sorted());
    }
}
