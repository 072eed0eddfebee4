//! Who signed a request to STS? Version 1.0 of the RPC style (HMAC-SHA1 over all parameters), which `aliyun-python-sdk-core`
//! and `ali-oss` speak, and ACS3-HMAC-SHA256 of the newer SDKs ("Signature method V3" of the vendor's documentation).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::oss::clock;
use crate::oss::keys::{Key, Keys};
use crate::oss::refusal::Refusal;
use crate::oss::target::{Query, encode};
use crate::oss::wire::Head;

pub(super) const ACS3: &str = "ACS3-HMAC-SHA256";
/// How far the clocks may be apart.
const SKEW_MS: u64 = 15 * 60 * 1000;

/// A signature among the parameters.
pub(super) fn rpc(method: &str, params: &Query, keys: &Keys, now_ms: i64) -> Result<Key, Refusal> {
    let param = |name: &str| params.get(name).filter(|value| !value.is_empty()).ok_or_else(|| super::mandatory(name));
    let key = find(keys, param("AccessKeyId")?, params.get("SecurityToken"), now_ms)?;
    if !params.get("SignatureMethod").is_none_or(|method| method.eq_ignore_ascii_case("HMAC-SHA1")) {
        let message = "Of the methods of version 1.0 this store has HMAC-SHA1 alone.";
        return Err(Refusal::new(400, "UnsupportedSignatureMethod", message));
    }
    check_time(param("Timestamp")?, now_ms)?;
    let signature = param("Signature")?;
    let mut signed: Vec<(&str, &str)> = params.iter().filter(|(name, _)| *name != "Signature").collect();
    signed.sort_unstable();
    let text = format!("{method}&%2F&{}", encode(&canonical(&signed)));
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(format!("{}&", key.secret).as_bytes()) else {
        return Err(Refusal::internal("use its key"));
    };
    mac.update(text.as_bytes());
    if STANDARD.encode(mac.finalize().into_bytes()) == signature {
        return Ok(key);
    }
    Err(mismatch(&text, params.get("SecurityToken")))
}

/// A signature in the head, over the query, some fields and the digest of the body.
pub(super) fn acs3(
    head: &Head,
    authorization: &str,
    query: &Query,
    body: &[u8],
    keys: &Keys,
    now_ms: i64,
) -> Result<Key, Refusal> {
    let incomplete = || {
        let message = "Authorization has to have Credential, SignedHeaders and Signature.";
        Refusal::new(400, "IncompleteSignature", message)
    };
    let parts: Vec<(&str, &str)> =
        authorization[ACS3.len()..].split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let part =
        |name: &str| parts.iter().find(|(have, _)| *have == name).map(|(_, value)| *value).ok_or_else(incomplete);
    let field = |name: &str| {
        let values = head.headers.all(name);
        let mut values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value).trim().to_owned()).collect();
        values.sort();
        (!values.is_empty()).then(|| values.join(","))
    };
    let token = field("x-acs-security-token");
    let key = find(keys, part("Credential")?, token.as_deref(), now_ms)?;
    check_time(&field("x-acs-date").ok_or_else(|| super::mandatory("x-acs-date"))?, now_ms)?;
    let names: Vec<&str> = part("SignedHeaders")?.split(';').collect();
    let has_to = ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256"];
    if let Some(missing) = has_to.iter().find(|name| !names.contains(name)) {
        return Err(Refusal::new(400, "IncompleteSignature", format!("{missing} has to be signed.")));
    }
    let digest = hex(&Sha256::digest(body));
    if field("x-acs-content-sha256").is_none_or(|told| !told.eq_ignore_ascii_case(&digest)) {
        let message = "x-acs-content-sha256 is not the digest of the body.";
        return Err(Refusal::new(400, "SignatureDoesNotMatch", message));
    }
    let mut signed: Vec<(&str, &str)> = query.iter().collect();
    signed.sort_unstable();
    let fields: String = names.iter().map(|name| format!("{name}:{}\n", field(name).unwrap_or_default())).collect();
    let request = format!("{}\n/\n{}\n{fields}\n{}\n{digest}", head.method, canonical(&signed), part("SignedHeaders")?);
    let text = format!("{ACS3}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.secret.as_bytes()) else {
        return Err(Refusal::internal("use its key"));
    };
    mac.update(text.as_bytes());
    if hex(&mac.finalize().into_bytes()) == part("Signature")? {
        return Ok(key);
    }
    Err(mismatch(&text, token.as_deref()))
}

/// Sorted pairs as they are signed.
fn canonical(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

fn find(keys: &Keys, id: &str, token: Option<&str>, now_ms: i64) -> Result<Key, Refusal> {
    let key = keys.find(id);
    let unknown = || Refusal::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
    let key = key.ok_or_else(unknown)?;
    match (&key.session, token.filter(|token| !token.is_empty())) {
        (None, None) => Ok(key),
        (Some(_), None) => Err(super::mandatory("SecurityToken")),
        (Some(session), Some(token)) if session.token == token && now_ms < session.expires_ms => Ok(key),
        (Some(session), Some(token)) if session.token == token => {
            Err(Refusal::new(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."))
        }
        _ => {
            let message = "Specified SecurityToken does not belong to the AccessKeyId.";
            Err(Refusal::new(400, "InvalidSecurityToken.MismatchWithAccessKey", message))
        }
    }
}

fn check_time(text: &str, now_ms: i64) -> Result<(), Refusal> {
    let format =
        || Refusal::new(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.");
    let signed_ms = clock::parse_iso(text).ok_or_else(format)?;
    if signed_ms.abs_diff(now_ms) <= SKEW_MS {
        return Ok(());
    }
    Err(Refusal::new(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."))
}

/// With the text that was to be signed behind the last colon, where one SDK looks for it.
fn mismatch(text: &str, token: Option<&str>) -> Refusal {
    let shown = match token {
        // Encoded twice, as in the text.
        Some(token) if !token.is_empty() => text.replace(&encode(&encode(token)), "***"),
        _ => text.to_owned(),
    };
    let message = format!("Specified signature is not matched with our calculation. server string to sign is:{shown}");
    Refusal::new(400, "SignatureDoesNotMatch", message)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Headers;

    fn keys(id: &str, secret: &str) -> Keys {
        Keys::of(vec![Key { id: id.to_owned(), secret: secret.to_owned(), session: None, policy: None }])
    }

    /// The example of the vendor's documentation ("Request signatures" of the RPC style).
    #[test]
    fn the_published_signature_of_version_1_is_right() {
        let query = "Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid&Action=DescribeRegions&\
                     SignatureMethod=HMAC-SHA1&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26&\
                     SignatureVersion=1.0&Signature=OLeaidS1JvxuMvnyHOwuJ%2BuX5qY%3D";
        let now_ms = clock::parse_iso("2016-02-23T12:50:00Z").unwrap();
        let query = Query::parse(query).unwrap();
        assert_eq!(rpc("GET", &query, &keys("testid", "testsecret"), now_ms).unwrap().id, "testid");
        let refused = |keys: &Keys, now_ms| rpc("GET", &query, keys, now_ms).unwrap_err().code;
        assert_eq!(refused(&keys("testid", "another"), now_ms), "SignatureDoesNotMatch");
        assert_eq!(refused(&keys("another", "testsecret"), now_ms), "InvalidAccessKeyId.NotFound");
        assert_eq!(refused(&keys("testid", "testsecret"), now_ms + 3_600_000), "InvalidTimeStamp.Expired");
        assert_eq!(
            rpc("POST", &query, &keys("testid", "testsecret"), now_ms).unwrap_err().code,
            "SignatureDoesNotMatch"
        );
    }

    /// A request of `alibabacloud_sts20150401` 1.2.0, as it came over the wire.
    #[test]
    fn a_recorded_signature_of_version_3_is_right() {
        let query = "DurationSeconds=900&Policy=%7B%22Version%22%3A%221%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22\
                     Allow%22%2C%22Action%22%3A%22oss%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D&RoleArn=acs%3Aram%3A\
                     %3A1234567890123456%3Arole%2Fuploader&RoleSessionName=app-1";
        let authorization = "ACS3-HMAC-SHA256 Credential=LTAItest,SignedHeaders=accept;host;user-agent;x-acs-action;\
                             x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version,\
                             Signature=a142ffb9873c5db77c1cd6c2f1e276ab4074b4717d16972e595b7ff4f67923c9";
        let mut headers = Headers::default();
        for (name, value) in [
            ("Accept-Encoding", "identity"),
            ("host", "127.0.0.1:34567"),
            ("x-acs-version", "2015-04-01"),
            ("x-acs-action", "AssumeRole"),
            ("user-agent", "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"),
            ("x-acs-date", "2026-11-30T21:08:39Z"),
            ("x-acs-signature-nonce", "8718c9681d6e2b4c77ef9cd678e2716f"),
            ("accept", "application/json"),
            ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-acs-credentials-provider", "static_ak"),
        ] {
            headers.add(name, value);
        }
        let head = |headers| Head { method: "POST".to_owned(), target: String::new(), headers, http_1_0: false };
        let now_ms = clock::parse_iso("2026-11-30T21:09:00Z").unwrap();
        let (query, keys) = (Query::parse(query).unwrap(), keys("LTAItest", "secret"));
        let verify = |headers: &Headers, query: &Query, body: &[u8], now_ms| {
            acs3(&head(headers.clone()), authorization, query, body, &keys, now_ms).map_err(|refusal| refusal.code)
        };
        assert_eq!(verify(&headers, &query, b"", now_ms).unwrap().id, "LTAItest");
        assert_eq!(verify(&headers, &query, b"a=b", now_ms).unwrap_err(), "SignatureDoesNotMatch", "another body");
        assert_eq!(verify(&headers, &query, b"", now_ms + 3_600_000).unwrap_err(), "InvalidTimeStamp.Expired");
        let other = Query::parse("DurationSeconds=901").unwrap();
        assert_eq!(verify(&headers, &other, b"", now_ms).unwrap_err(), "SignatureDoesNotMatch", "other parameters");
        headers.set("x-acs-action", "GetCallerIdentity");
        assert_eq!(verify(&headers, &query, b"", now_ms).unwrap_err(), "SignatureDoesNotMatch", "another action");
        let short = authorization.replace("x-acs-action;", "");
        let refused = acs3(&head(headers), &short, &query, b"", &keys, now_ms).unwrap_err();
        assert_eq!(refused.code, "IncompleteSignature", "an action that is not signed");
    }
}
