//! How is an OSS request signed? Version 4 ("Include a V4 signature" of its API reference) and version 1 ("Add
//! signatures to the Authorization header", "… to the URL"), in the head or in a link.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::Hmac;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use sha1::Sha1;

use super::{
    OssVersion as Version, SignedHead, SignedQuery, Signer, Subject, UNSIGNED_PAYLOAD, canonical_query, derived_key,
    encode_path, hex, hmac_sha256, joined, mac, secret_value, sha256_hex,
};

const ALGORITHM: &str = "OSS4-HMAC-SHA256";
const TERMINATOR: &str = "aliyun_v4_request";
/// Only cloud boxes have another one.
const PRODUCT: &str = "oss";

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const X_OSS_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-oss-content-sha256");
const X_OSS_DATE: HeaderName = HeaderName::from_static("x-oss-date");
const X_OSS_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");

/// Signs in the head: what is to be added to it.
pub(super) fn head(version: Version, signer: &Signer<'_>, subject: &Subject<'_>) -> SignedHead {
    let mut added: SignedHead = Vec::new();
    added.extend(signer.keys.token.as_ref().map(|token| (X_OSS_SECURITY_TOKEN, secret_value(token.expose()))));
    if version == Version::V4 {
        added.push((X_OSS_CONTENT_SHA256, HeaderValue::from_static(UNSIGNED_PAYLOAD)));
        added.push((X_OSS_DATE, plain(&signer.now.basic())));
    } else {
        added.push((DATE, plain(&signer.now.http())));
    }
    let mut headers = subject.headers.clone();
    headers.extend(added.iter().cloned());
    let subject = Subject { headers: &headers, ..*subject };
    let id = &signer.keys.id;
    let authorization = match version {
        Version::V1 => {
            let date = headers.get(X_OSS_DATE).or_else(|| headers.get(DATE)).map(super::trimmed).unwrap_or_default();
            let signature = v1(signer, &subject, &date);
            format!("OSS {id}:{signature}")
        }
        Version::V4 => {
            let additional = additional(&subject);
            let listed = match additional.is_empty() {
                true => String::new(),
                false => format!(",AdditionalHeaders={}", additional.join(";")),
            };
            let signature = v4(signer, &subject, &additional).signature;
            format!("{ALGORITHM} Credential={id}/{}{listed},Signature={signature}", scope(signer))
        }
    };
    added.push((AUTHORIZATION, secret_value(&authorization)));
    added
}

/// Signs a link that works for `life_s` seconds from now: the parameters that are to be added. Whoever uses the link
/// has to send the subject's signed headers with it.
pub(super) fn link(version: Version, signer: &Signer<'_>, subject: &Subject<'_>, life_s: u64) -> SignedQuery {
    let keys = signer.keys;
    let mut added: SignedQuery = Vec::new();
    let mut add = |name: &str, value: String| added.push((name.to_owned(), value));
    match version {
        Version::V1 => {
            let expires = signer.now.unix_s().saturating_add_unsigned(life_s).to_string();
            let token = keys.token.as_ref().map(|token| ("security-token".to_owned(), token.expose().to_owned()));
            let query: Vec<_> = subject.query.iter().cloned().chain(token.clone()).collect();
            let signature = v1(signer, &Subject { query: &query, ..*subject }, &expires);
            add("OSSAccessKeyId", keys.id.clone());
            add("Expires", expires);
            added.extend(token);
            added.push(("Signature".to_owned(), signature));
        }
        Version::V4 => {
            let additional = additional(subject);
            add("x-oss-signature-version", ALGORITHM.to_owned());
            add("x-oss-credential", format!("{}/{}", keys.id, scope(signer)));
            add("x-oss-date", signer.now.basic());
            add("x-oss-expires", life_s.to_string());
            if !additional.is_empty() {
                add("x-oss-additional-headers", additional.join(";"));
            }
            if let Some(token) = &keys.token {
                add("x-oss-security-token", token.expose().to_owned());
            }
            let query: Vec<_> = subject.query.iter().chain(&added).cloned().collect();
            let signature = v4(signer, &Subject { query: &query, ..*subject }, &additional).signature;
            added.push(("x-oss-signature".to_owned(), signature));
        }
    }
    added
}

/// Dates and names of ours, which are plain ASCII.
fn plain(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

// ---- version 4 ----------------------------------------------------------------------------------------------------

/// The texts that a signature was made of.
struct V4 {
    #[cfg(test)]
    canonical_request: String,
    #[cfg(test)]
    string_to_sign: String,
    signature: String,
}

fn v4(signer: &Signer<'_>, subject: &Subject<'_>, additional: &[String]) -> V4 {
    let mut headers: Vec<&HeaderName> = subject.headers.keys().collect();
    headers.retain(|name| is_signed_anyway(name) || additional.iter().any(|listed| listed == name.as_str()));
    headers.sort_by_key(|name| name.as_str());
    let headers: String = headers.iter().map(|name| format!("{name}:{}\n", joined(subject.headers, name))).collect();
    let payload = subject.headers.get(X_OSS_CONTENT_SHA256).map_or(UNSIGNED_PAYLOAD.to_owned(), super::trimmed);
    let canonical_request = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{payload}",
        subject.method,
        encode_path(&resource(subject)),
        canonical_query(subject.query.iter(), false),
        additional.join(";"),
    );
    let date = signer.now.basic();
    let string_to_sign = format!("{ALGORITHM}\n{date}\n{}\n{}", scope(signer), sha256_hex(&canonical_request));
    let day = signer.now.day();
    let key = derived_key("aliyun_v4", &signer.keys.secret, [&day, signer.region, PRODUCT, TERMINATOR]);
    let signature = hex(&hmac_sha256(&key, &string_to_sign));
    V4 {
        #[cfg(test)]
        canonical_request,
        #[cfg(test)]
        string_to_sign,
        signature,
    }
}

fn scope(signer: &Signer<'_>) -> String {
    format!("{}/{}/{PRODUCT}/{TERMINATOR}", signer.now.day(), signer.region)
}

fn is_signed_anyway(name: &HeaderName) -> bool {
    *name == CONTENT_TYPE || *name == CONTENT_MD5 || name.as_str().starts_with("x-oss-")
}

/// The names that are sent as signed beside those that always are.
fn additional(subject: &Subject<'_>) -> Vec<String> {
    let mut names: Vec<String> = subject.additional.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.retain(|name| {
        subject.headers.contains_key(name)
            && HeaderName::from_bytes(name.as_bytes()).is_ok_and(|n| !is_signed_anyway(&n))
    });
    names.sort();
    names.dedup();
    names
}

/// `/BUCKET/KEY`, however the request is addressed.
fn resource(subject: &Subject<'_>) -> String {
    match subject.bucket {
        "" => "/".to_owned(),
        bucket => format!("/{bucket}/{}", subject.key),
    }
}

// ---- version 1 ----------------------------------------------------------------------------------------------------

fn v1(signer: &Signer<'_>, subject: &Subject<'_>, date: &str) -> String {
    BASE64.encode(mac::<Hmac<Sha1>>(signer.keys.secret.expose().as_bytes(), &v1_text(subject, date)))
}

/// The text that version 1 signs; `date` is when it was signed, or when a link expires.
fn v1_text(subject: &Subject<'_>, date: &str) -> String {
    let value = |name| subject.headers.get(name).map(super::trimmed).unwrap_or_default();
    let mut headers: Vec<&HeaderName> = subject.headers.keys().filter(|n| n.as_str().starts_with("x-oss-")).collect();
    headers.sort_by_key(|name| name.as_str());
    let headers: String = headers.iter().map(|name| format!("{name}:{}\n", joined(subject.headers, name))).collect();
    let mut signed: Vec<&(String, String)> = subject.query.iter().filter(|(name, _)| is_sub_resource(name)).collect();
    signed.sort();
    let pair = |(name, value): &(String, String)| match value.is_empty() {
        true => name.clone(),
        false => format!("{name}={value}"),
    };
    let query = signed.iter().map(|one| pair(one)).collect::<Vec<_>>().join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    let (method, md5, kind) = (subject.method, value(CONTENT_MD5), value(CONTENT_TYPE));
    format!("{method}\n{md5}\n{kind}\n{date}\n{headers}{}{mark}{query}", resource(subject))
}

/// Parameters that choose what is done; others, such as `prefix` or `encoding-type`, are not signed.
fn is_sub_resource(name: &str) -> bool {
    const SIGNED: [&str; 26] = [
        "acl",
        "uploads",
        "uploadId",
        "partNumber",
        "append",
        "position",
        "objectMeta",
        "symlink",
        "restore",
        "tagging",
        "versionId",
        "versions",
        "versioning",
        "sequential",
        "callback",
        "callback-var",
        "security-token",
        "response-content-type",
        "response-content-language",
        "response-expires",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "continuation-token",
        "lifecycle",
        "x-oss-process",
    ];
    SIGNED.contains(&name)
        || matches!(name, "x-oss-traffic-limit" | "x-oss-request-payer")
        || name.starts_with("x-oss-ac-")
}

#[cfg(test)]
mod tests {
    //! Goal: our signatures are those of the vendor's SDKs, to the byte. Method: vectors that were recorded from four
    //! of them with a frozen clock; the local store is held to the same file.

    use http::HeaderMap;
    use serde_json::Value;

    use super::super::Moment;
    use super::*;
    use crate::credentials::{Keys, Secret};

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../../longhaul-devstore/tests/data/oss-signing-vectors.json")).unwrap()
    }

    fn text(value: &Value) -> String {
        value.as_str().unwrap().to_owned()
    }

    /// A vector as our words.
    struct Case {
        name: String,
        method: String,
        bucket: String,
        key: String,
        query: Vec<(String, String)>,
        headers: HeaderMap,
        additional: Vec<String>,
        keys: Keys,
        version: Version,
    }

    impl Case {
        fn new(all: &Value, vector: &Value) -> Self {
            let fields = |fields: &Value| -> HeaderMap {
                let fields = fields.as_object().unwrap().iter();
                let field = |(name, value): (&String, &Value)| {
                    (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(&text(value)).unwrap())
                };
                fields.map(field).collect()
            };
            Self {
                name: text(&vector["name"]),
                method: text(&vector["method"]),
                bucket: text(&vector["bucket"]),
                key: text(&vector["key"]),
                query: vector["query"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|pair| (text(&pair[0]), text(&pair[1])))
                    .collect(),
                headers: fields(&vector["headers"]),
                additional: vector["additional_headers"].as_array().unwrap().iter().map(text).collect(),
                keys: Keys {
                    id: text(&all["credentials"]["access_key_id"]),
                    secret: Secret::new(text(&all["credentials"]["access_key_secret"])),
                    token: vector["security_token"].as_str().map(Secret::new),
                },
                version: if vector["version"] == "V1" { Version::V1 } else { Version::V4 },
            }
        }

        fn with<T>(&self, all: &Value, work: impl FnOnce(&Signer<'_>, &Subject<'_>) -> T) -> T {
            let additional: Vec<&str> = self.additional.iter().map(String::as_str).collect();
            let subject = Subject {
                method: &self.method,
                bucket: &self.bucket,
                key: &self.key,
                query: &self.query,
                headers: &self.headers,
                additional: &additional,
            };
            let now = Moment::at(all["clock"]["unix"].as_i64().unwrap());
            work(&Signer { keys: &self.keys, region: all["region"].as_str().unwrap(), now }, &subject)
        }
    }

    #[test]
    fn every_vector_of_the_sdks_is_reproduced_in_the_head() {
        let all = vectors();
        let list: Vec<&Value> =
            all["signing"].as_array().unwrap().iter().filter(|vector| vector["placement"] == "header").collect();
        assert_eq!(list.len(), 52);
        for vector in list {
            let case = Case::new(&all, vector);
            let added = case.with(&all, |signer, subject| head(case.version, signer, subject));
            let mut sent = case.headers.clone();
            sent.extend(added.iter().cloned());
            assert_eq!(sent[AUTHORIZATION].to_str().unwrap(), vector["authorization"], "{}", case.name);
            for (name, value) in vector["headers_on_wire"].as_object().unwrap() {
                assert_eq!(super::super::trimmed(&sent[name.as_str()]), text(value), "{} {name}", case.name);
            }
            assert_eq!(sent.len(), vector["headers_on_wire"].as_object().unwrap().len() + 1, "{}", case.name);
            assert!(added.iter().all(|(_, value)| !format!("{value:?}").contains(&text(&vector["signature"]))));
        }
    }

    #[test]
    fn every_vector_of_the_sdks_is_reproduced_in_a_link() {
        let all = vectors();
        let list: Vec<&Value> =
            all["signing"].as_array().unwrap().iter().filter(|vector| vector["placement"] == "query").collect();
        assert_eq!(list.len(), 30);
        for vector in list {
            let case = Case::new(&all, vector);
            let life = vector["expires_in"].as_u64().unwrap();
            let added = case.with(&all, |signer, subject| link(case.version, signer, subject, life));
            let url = url::Url::parse(&text(&vector["signed_url"])).unwrap();
            // A plus is a plus in these URLs, not a blank.
            let decoded = |raw: &str| percent_encoding::percent_decode_str(raw).decode_utf8().unwrap().into_owned();
            let mut want: Vec<(String, String)> = url
                .query()
                .unwrap()
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect();
            let mut made: Vec<_> = case.query.iter().chain(&added).cloned().collect();
            want.sort();
            made.sort();
            assert_eq!(made, want, "{}", case.name);
        }
    }

    #[test]
    fn the_texts_that_are_signed_are_those_of_the_sdks() {
        let all = vectors();
        for vector in all["signing"].as_array().unwrap() {
            let mut case = Case::new(&all, vector);
            let life = vector["expires_in"].as_u64().unwrap_or_default();
            let added = vector["placement"] == "header";
            // What is signed holds what signing adds.
            if added {
                let added = case.with(&all, |signer, subject| head(case.version, signer, subject));
                case.headers.extend(added.into_iter().filter(|(name, _)| *name != AUTHORIZATION));
            } else {
                let added = case.with(&all, |signer, subject| link(case.version, signer, subject, life));
                let own = ["Signature", "x-oss-signature", "OSSAccessKeyId", "Expires"];
                case.query.extend(added.into_iter().filter(|(name, _)| !own.contains(&name.as_str())));
            }
            case.with(&all, |signer, subject| match case.version {
                Version::V1 => {
                    let expires = signer.now.unix_s().saturating_add_unsigned(life).to_string();
                    let date = subject.headers.get(X_OSS_DATE).or_else(|| subject.headers.get(DATE));
                    let date = if added { super::super::trimmed(date.unwrap()) } else { expires };
                    assert_eq!(v1_text(subject, &date), vector["string_to_sign"], "{}", case.name);
                }
                Version::V4 => {
                    let made = v4(signer, subject, &additional(subject));
                    assert_eq!(made.canonical_request, vector["canonical_request"], "{}", case.name);
                    assert_eq!(made.string_to_sign, vector["string_to_sign"], "{}", case.name);
                }
            });
        }
    }

    #[test]
    fn the_documentations_example_is_reproduced() {
        let all = vectors();
        let example = &all["published_examples"][0];
        let secret = text(&example["access_key_secret"]);
        let signature =
            BASE64.encode(mac::<Hmac<Sha1>>(secret.as_bytes(), example["string_to_sign"].as_str().unwrap()));
        assert_eq!(signature, text(&example["signature"]));
    }
}
