//! Who signed this request, and for which resource?
//!
//! A request carries a signature in its `Authorization` field or in its query, never both, in one of two versions.
//! What both have in common is here: finding the claim, the key, the token, the clock. How the text to be signed is
//! made is told in `v1` and `v4`; a form brings its signature in its own fields, which `form` reads.
//!
//! SDKs disagree in small things; where they do, each reading that one of them uses is accepted, and the first of them
//! is what an error shows.

pub(crate) mod form;
mod v1;
mod v4;
#[cfg(test)]
mod vectors;

use super::clock;
use super::keys::{Key, Keys};
use super::refusal::Refusal;
use super::target::{Query, Resource};
use super::variants::{Row, Variants};
use crate::request::Headers;

/// How far the clocks may be apart.
pub(crate) const SKEW_MS: i64 = 15 * 60 * 1000;

/// What of a request takes part in signing.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a Headers,
}

impl Asked<'_> {
    /// All values of a field, joined and trimmed.
    fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.all(name);
        let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value).trim().to_owned()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// Lower-case names of all fields, sorted, each once.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Rules of the store that verification needs.
pub(crate) struct Rules<'a> {
    pub(crate) now_ms: i64,
    pub(crate) region: &'a str,
    pub(crate) variants: &'a Variants,
}

/// Who asked, and which of the candidates was meant.
#[derive(Debug)]
pub(crate) struct Signer {
    /// `None` for an anonymous request.
    pub(crate) key: Option<Key>,
    /// Index into the candidates.
    pub(crate) resource: usize,
}

/// A signature and what it claims.
struct Claim {
    id: String,
    signature: String,
    token: Option<String>,
    form: Form,
}

enum Form {
    V1(v1::Claim),
    V4(v4::Claim),
}

/// Finds out who signed.
///
/// # Errors
/// OSS's refusals: expired links before anything else, then key, token, clock, and at last the signature.
pub(crate) fn verify(
    asked: &Asked<'_>,
    resources: &[Resource],
    keys: &Keys,
    rules: &Rules<'_>,
) -> Result<Signer, Refusal> {
    let Some(claim) = claim(asked, rules.variants)? else {
        return Ok(Signer { key: None, resource: 0 });
    };
    match &claim.form {
        Form::V1(form) => form.check_expiry(rules)?,
        Form::V4(form) => form.check_expiry(rules)?,
    }
    let key = keys.find(&claim.id).ok_or_else(|| unknown_key(&claim.id))?;
    check_token(&key, claim.token.as_deref(), keys, rules.now_ms)?;
    match &claim.form {
        Form::V1(form) => form.check_clock(asked, rules)?,
        Form::V4(form) => form.check_clock(rules)?,
    }
    let mut shown = None;
    for (at, resource) in resources.iter().enumerate() {
        let texts = match &claim.form {
            Form::V1(form) => v1::texts(asked, resource, form),
            Form::V4(form) => vec![v4::text(asked, resource, form)],
        };
        for text in texts {
            let right = match &claim.form {
                Form::V1(_) => v1::sign(&key.secret, &text.string),
                Form::V4(form) => v4::sign(&key.secret, form, &text.string),
            };
            if right == claim.signature {
                return Ok(Signer { key: Some(key), resource: at });
            }
            shown.get_or_insert(text);
        }
    }
    let mut shown = shown.unwrap_or_default();
    if rules.variants.says(Row::CanonicalRequest) == "left-out" {
        shown.canonical = None;
    }
    Err(mismatch(&claim, shown))
}

/// A text to be signed, and for V4 the request behind it.
#[derive(Default)]
struct Text {
    string: String,
    canonical: Option<String>,
}

fn claim(asked: &Asked<'_>, variants: &Variants) -> Result<Option<Claim>, Refusal> {
    let in_header = asked.headers.get("Authorization");
    let v1_link = asked.query.has("Signature") || asked.query.has("OSSAccessKeyId");
    let v4_link = asked.query.has("x-oss-signature") || asked.query.has("x-oss-signature-version");
    let in_query = v1_link || v4_link;
    match in_header {
        Some(_) if in_query && variants.says(Row::TwoSignatures) != "header" => {
            let message =
                "Only one auth mechanism allowed; only the query signature or the Authorization header is to be used.";
            Err(match variants.says(Row::TwoSignatures) {
                "AccessDenied" => Refusal::denied(message),
                _ => Refusal::invalid_argument("Authorization", "", message),
            })
        }
        Some(value) if value.starts_with("OSS4-HMAC-SHA256") => {
            let (id, signature, form) = v4::from_header(asked, value)?;
            let token = asked.header("x-oss-security-token");
            Ok(Some(Claim { id, signature, token, form: Form::V4(form) }))
        }
        Some(value) => {
            let (id, signature) = v1::from_header(value)?;
            // One SDK sends the token under a name that is not signed.
            let token = asked.header("x-oss-security-token").or_else(|| asked.header("security-token"));
            Ok(Some(Claim { id, signature, token, form: Form::V1(v1::Claim::Header) }))
        }
        None if v4_link => {
            let (id, signature, form) = v4::from_query(asked)?;
            let token = asked.query.get("x-oss-security-token").map(str::to_owned);
            Ok(Some(Claim { id, signature, token, form: Form::V4(form) }))
        }
        None if v1_link => {
            let (id, signature, form) = v1::from_query(asked)?;
            let token = asked.query.get("security-token").map(str::to_owned);
            Ok(Some(Claim { id, signature, token, form: Form::V1(form) }))
        }
        None => Ok(None),
    }
}

fn unknown_key(id: &str) -> Refusal {
    Refusal::new(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
        .with("OSSAccessKeyId", id)
        .ec("0002-00000902")
}

fn check_token(key: &Key, token: Option<&str>, keys: &Keys, now_ms: i64) -> Result<(), Refusal> {
    let invalid = || {
        let message = "The security token you provided is invalid.";
        Refusal::new(403, "InvalidSecurityToken", message).ec("0002-00000081")
    };
    match (&key.session, token) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(invalid()),
        (Some(_), None) => Err(unknown_key(&key.id)),
        (Some(session), Some(token)) if session.token == token => {
            if now_ms < session.expires_ms {
                return Ok(());
            }
            let message = "The security token you provided has expired.";
            Err(Refusal::new(403, "SecurityTokenExpired", message).with("Expiration", clock::iso(session.expires_ms)))
        }
        (Some(_), Some(token)) if keys.knows_token(token) => Err(Refusal::new(
            403,
            "AccessKeyIdAndSecurityTokenNotMatch",
            "The access key ID and the security token do not belong together.",
        )),
        (Some(_), Some(_)) => Err(invalid()),
    }
}

fn too_skewed(signed_ms: i64, now_ms: i64) -> Refusal {
    let message = "The difference between the request time and the current time is too large.";
    Refusal::new(403, "RequestTimeTooSkewed", message)
        .with("MaxAllowedSkewMilliseconds", SKEW_MS)
        .with("RequestTime", clock::iso(signed_ms))
        .with("ServerTime", clock::iso(now_ms))
        .ec("0002-00000504")
}

fn check_skew(signed_ms: i64, now_ms: i64) -> Result<(), Refusal> {
    if signed_ms.abs_diff(now_ms) > SKEW_MS.unsigned_abs() { Err(too_skewed(signed_ms, now_ms)) } else { Ok(()) }
}

fn link_expired(expires_ms: i64, now_ms: i64) -> Refusal {
    Refusal::new(403, "AccessDenied", "Request has expired.")
        .with("Expires", clock::iso(expires_ms))
        .with("ServerTime", clock::iso(now_ms))
        .ec("0002-00000069")
}

fn mismatch(claim: &Claim, text: Text) -> Refusal {
    let message = "The request signature we calculated does not match the signature you provided. Check your key and signing \
         method.";
    let bytes: Vec<String> = text.string.bytes().map(|byte| format!("{byte:02X}")).collect();
    let refusal = Refusal::new(403, "SignatureDoesNotMatch", message)
        .with("OSSAccessKeyId", &claim.id)
        .with("SignatureProvided", &claim.signature)
        .with("StringToSign", hide_token(&text.string, claim))
        .with("StringToSignBytes", if claim.token.is_some() { String::new() } else { bytes.join(" ") })
        .ec("0002-00000040");
    match text.canonical {
        Some(canonical) => refusal.with("CanonicalRequest", hide_token(&canonical, claim)),
        None => refusal,
    }
}

/// Tokens are secrets: an error is copied into tickets and logs.
fn hide_token(text: &str, claim: &Claim) -> String {
    match claim.token.as_deref() {
        Some(token) if !token.is_empty() => text.replace(token, "***").replace(&super::target::encode(token), "***"),
        _ => text.to_owned(),
    }
}

fn malformed(message: &str) -> Refusal {
    Refusal::invalid_argument("Authorization", "", message)
}
