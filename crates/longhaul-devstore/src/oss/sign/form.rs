//! Who signed a form? The signature of a PostObject covers its policy alone, and stands in its fields: in version 1 or
//! in version 4 (OSS's documentation, "POST V4 signature"). Signatures in header fields and in the query are not looked
//! at.

use super::{Claim, Form as Version, Key, Keys, Refusal, Rules, Text, check_token, mismatch, unknown_key, v1, v4};
use crate::oss::form::Form;

/// Finds out who signed; `None` when the form claims no signature.
///
/// # Errors
/// `InvalidArgument` when a part of the claim is missing; then as for other requests.
pub(crate) fn verify(form: &Form, keys: &Keys, rules: &Rules<'_>) -> Result<Option<Key>, Refusal> {
    let Some((policy, claim)) = claim(form)? else { return Ok(None) };
    if let Version::V4(v4) = &claim.form {
        v4.check_expiry(rules)?;
    }
    let key = keys.find(&claim.id).ok_or_else(|| unknown_key(&claim.id))?;
    check_token(&key, claim.token.as_deref(), keys, rules.now_ms)?;
    let right = match &claim.form {
        Version::V1(_) => v1::sign(&key.secret, policy),
        Version::V4(v4) => {
            v4.check_clock(rules)?;
            v4::sign(&key.secret, v4, policy)
        }
    };
    if right == claim.signature {
        return Ok(Some(key));
    }
    Err(mismatch(&claim, Text { string: policy.to_owned(), canonical: None }).ec("0002-00000705"))
}

/// The policy, and what claims to sign it.
fn claim(form: &Form) -> Result<Option<(&str, Claim)>, Refusal> {
    let names: &[&str] = if form.get("x-oss-signature-version").is_some() || form.get("x-oss-signature").is_some() {
        &["policy", "x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-signature"]
    } else {
        &["policy", "OSSAccessKeyId", "Signature"]
    };
    if names.iter().all(|name| form.get(name).is_none()) {
        return Ok(None);
    }
    let part = |name: &'static str| {
        let missing = || {
            let message = format!("A signed form has the fields {}; {name} is missing or empty.", names.join(", "));
            let ec = match name {
                "policy" => "0002-00000702",
                "Signature" | "x-oss-signature" => "0002-00000704",
                _ => "",
            };
            Refusal::invalid_argument(name, "", &message).ec(ec)
        };
        form.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let policy = part("policy")?;
    let token = form.get("x-oss-security-token").map(str::to_owned);
    if names.len() == 3 {
        let (id, signature) = (part("OSSAccessKeyId")?.to_owned(), part("Signature")?.to_owned());
        return Ok(Some((policy, Claim { id, signature, token, form: Version::V1(v1::Claim::Header) })));
    }
    let (id, v4) = v4::of_form(part("x-oss-signature-version")?, part("x-oss-credential")?, part("x-oss-date")?)?;
    Ok(Some((policy, Claim { id, signature: part("x-oss-signature")?.to_owned(), token, form: Version::V4(v4) })))
}
