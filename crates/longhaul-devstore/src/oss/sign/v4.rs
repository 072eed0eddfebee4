//! Version 4: HMAC-SHA256 over a canonical request, with a key derived for one day, one region and one product.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{Asked, Refusal, Resource, Rules, Text, check_skew, clock, link_expired, malformed};
use crate::oss::target::{encode, encode_key};

const ALGORITHM: &str = "OSS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// Seven days, the longest life of a link.
const EXPIRES_MAX: i64 = 604_800;

/// What the signature covers beside the request.
pub(super) struct Claim {
    /// `20251113T032545Z`.
    date: String,
    day: String,
    region: String,
    product: String,
    /// Lower-case, sorted, without those that are signed anyway.
    additional: Vec<String>,
    /// Seconds; only links have it.
    expires: Option<String>,
}

/// `OSS4-HMAC-SHA256 Credential=…,AdditionalHeaders=a;b,Signature=…` in any order, with or without spaces.
pub(super) fn from_header(asked: &Asked<'_>, value: &str) -> Result<(String, String, Claim), Refusal> {
    let parts: Vec<(&str, &str)> =
        value[ALGORITHM.len()..].split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let part = |name: &str| parts.iter().find(|(have, _)| *have == name).map(|(_, value)| value.trim());
    let missing = || malformed("The Authorization header is invalid.");
    let credential = part("Credential").ok_or_else(missing)?;
    let signature = part("Signature").ok_or_else(missing)?.to_owned();
    let date = asked
        .header("x-oss-date")
        .or_else(|| asked.header("Date"))
        .ok_or_else(|| Refusal::denied("OSS authentication requires a valid Date.").ec("0002-00000201"))?;
    match asked.header("x-oss-content-sha256") {
        Some(value) if value == UNSIGNED => {}
        other => {
            let message = "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.";
            return Err(Refusal::invalid_argument("x-oss-content-sha256", &other.unwrap_or_default(), message));
        }
    }
    let (id, claim) = claim(credential, date, part("AdditionalHeaders"), None)?;
    Ok((id, signature, claim))
}

pub(super) fn from_query(asked: &Asked<'_>) -> Result<(String, String, Claim), Refusal> {
    let part = |name: &'static str| {
        let missing = || Refusal::invalid_argument(name, "", &format!("The link lacks {name}."));
        asked.query.get(name).ok_or_else(missing)
    };
    let version = part("x-oss-signature-version")?;
    if version != ALGORITHM {
        return Err(Refusal::invalid_argument("x-oss-signature-version", version, "Unknown signature version."));
    }
    let expires = part("x-oss-expires")?.to_owned();
    let date = part("x-oss-date")?.to_owned();
    let additional = asked.query.get("x-oss-additional-headers");
    let (id, claim) = claim(part("x-oss-credential")?, date, additional, Some(expires))?;
    Ok((id, part("x-oss-signature")?.to_owned(), claim))
}

/// The fields of a form. It is good for seven days at most, however long its policy is.
pub(super) fn of_form(version: &str, credential: &str, date: &str) -> Result<(String, Claim), Refusal> {
    if version != ALGORITHM {
        return Err(Refusal::invalid_argument("x-oss-signature-version", version, "Unknown signature version."));
    }
    claim(credential, date.to_owned(), None, Some(EXPIRES_MAX.to_string()))
}

fn claim(
    credential: &str,
    date: String,
    additional: Option<&str>,
    expires: Option<String>,
) -> Result<(String, Claim), Refusal> {
    let scope: Vec<&str> = credential.rsplitn(5, '/').collect();
    let &[terminator, product, region, day, id] = scope.as_slice() else {
        return Err(malformed("The credential is not ID/DATE/REGION/oss/aliyun_v4_request."));
    };
    if terminator != "aliyun_v4_request" {
        return Err(malformed("Invalid signing terminator in Authorization header."));
    }
    let mut additional: Vec<String> = additional
        .unwrap_or_default()
        .split(';')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && !is_signed_anyway(name))
        .collect();
    additional.sort();
    additional.dedup();
    let (day, region, product) = (day.to_owned(), region.to_owned(), product.to_owned());
    Ok((id.to_owned(), Claim { date, day, region, product, additional, expires }))
}

fn is_signed_anyway(name: &str) -> bool {
    name == "content-type" || name == "content-md5" || name.starts_with("x-oss-")
}

impl Claim {
    fn signed_ms(&self) -> Result<i64, Refusal> {
        let wrong = || malformed("Invalid signing date in Authorization header.").ec("0002-00000220");
        clock::parse_basic(&self.date).or_else(|| clock::parse_http_date(&self.date)).ok_or_else(wrong)
    }

    pub(super) fn check_expiry(&self, rules: &Rules<'_>) -> Result<(), Refusal> {
        let Some(expires) = &self.expires else { return Ok(()) };
        let seconds = expires.parse().ok().filter(|seconds| (1..=EXPIRES_MAX).contains(seconds)).ok_or_else(|| {
            Refusal::invalid_argument("x-oss-expires", expires, "x-oss-expires must be between 1 and 604800.")
                .ec("0002-00000232")
        })?;
        let expires_ms = self.signed_ms()? + seconds * 1000;
        if rules.now_ms > expires_ms { Err(link_expired(expires_ms, rules.now_ms)) } else { Ok(()) }
    }

    pub(super) fn check_clock(&self, rules: &Rules<'_>) -> Result<(), Refusal> {
        let signed_ms = self.signed_ms()?;
        if self.expires.is_none() {
            check_skew(signed_ms, rules.now_ms)?;
        } else if signed_ms > rules.now_ms {
            check_skew(signed_ms, rules.now_ms)?; // a link from the future
        }
        if clock::parse_basic(&self.date).is_some() && !self.date.starts_with(&self.day) {
            return Err(malformed("Invalid signing date in Authorization header.").ec("0002-00000220"));
        }
        if self.region != rules.region {
            let message = format!("Invalid signing region in Authorization header: this store is {}.", rules.region);
            return Err(malformed(&message).ec("0002-00000222"));
        }
        if self.product != "oss" {
            return Err(malformed("Invalid signing product in Authorization header.").ec("0002-00000223"));
        }
        Ok(())
    }
}

pub(super) fn text(asked: &Asked<'_>, resource: &Resource, claim: &Claim) -> Text {
    let mut query: Vec<(String, String)> = asked
        .query
        .iter()
        .filter(|(name, _)| *name != "x-oss-signature" || claim.expires.is_none())
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    let mut headers = String::new();
    for name in asked.names().iter().filter(|name| is_signed_anyway(name) || claim.additional.contains(name)) {
        headers.push_str(&format!("{name}:{}\n", asked.header(name).unwrap_or_default()));
    }
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{UNSIGNED}",
        asked.method,
        encode_key(&resource.signed()),
        query.join("&"),
        claim.additional.join(";"),
    );
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let scope = format!("{}/{}/{}/aliyun_v4_request", claim.day, claim.region, claim.product);
    Text { string: format!("{ALGORITHM}\n{}\n{scope}\n{digest}", claim.date), canonical: Some(canonical) }
}

pub(super) fn sign(secret: &str, claim: &Claim, text: &str) -> String {
    hex(&mac(&signing_key(secret, &claim.day, &claim.region, &claim.product), text))
}

fn signing_key(secret: &str, day: &str, region: &str, product: &str) -> Vec<u8> {
    [day, region, product, "aliyun_v4_request"]
        .iter()
        .fold(format!("aliyun_v4{secret}").into_bytes(), |key, word| mac(&key, word))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signing_key_is_derived_in_the_published_steps() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/data/oss-signing-vectors.json")).unwrap();
        let secret = vectors["credentials"]["access_key_secret"].as_str().unwrap();
        let key = signing_key(secret, "20251113", "cn-hangzhou", "oss");
        assert_eq!(hex(&key), vectors["v4_key_derivation"]["k_signing"].as_str().unwrap());
    }
}
