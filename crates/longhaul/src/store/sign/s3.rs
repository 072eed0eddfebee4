//! How is an S3 request signed? Version 4 of AWS's scheme ("Signature Calculations for the Authorization Header" and
//! "Using Query Parameters" of the S3 API reference): paths are encoded once, unlike with AWS's other services.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};

use super::{
    Address, SignedHead, SignedQuery, Signer, Subject, UNSIGNED_PAYLOAD, canonical_query, derived_key, encode_path,
    hex, hmac_sha256, joined, secret_value, sha256_hex,
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const SERVICE: &str = "s3";

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

impl Address<'_> {
    /// The path before it is encoded.
    fn path(&self, subject: &Subject<'_>) -> String {
        match (self.path_style, subject.bucket) {
            (false, _) | (_, "") => format!("{}/{}", self.below, subject.key),
            // The bucket itself: with the slash behind it, as it is sent.
            (true, bucket) => format!("{}/{bucket}/{}", self.below, subject.key),
        }
    }
}

/// Signs in the head: what is to be added to it. `payload` is the body's SHA-256; without one the body is not signed.
pub(super) fn head(
    signer: &Signer<'_>,
    address: Address<'_>,
    subject: &Subject<'_>,
    payload: Option<[u8; 32]>,
) -> SignedHead {
    let payload = payload.map_or(UNSIGNED_PAYLOAD.to_owned(), |sum| hex(&sum));
    let mut added: SignedHead = vec![(X_AMZ_CONTENT_SHA256, plain(&payload)), (X_AMZ_DATE, plain(&signer.now.basic()))];
    added.extend(signer.keys.token.as_ref().map(|token| (X_AMZ_SECURITY_TOKEN, secret_value(token.expose()))));
    let mut headers = subject.headers.clone();
    headers.extend(added.iter().cloned());
    headers.insert(HOST, plain(address.host));
    let subject = Subject { headers: &headers, ..*subject };
    let names = signed_names(&headers, subject.additional);
    let signature = sign(signer, address, &subject, &names, &payload).signature;
    let authorization = format!(
        "{ALGORITHM} Credential={}/{},SignedHeaders={},Signature={signature}",
        signer.keys.id,
        scope(signer),
        names.join(";"),
    );
    added.push((AUTHORIZATION, secret_value(&authorization)));
    added
}

/// Signs a link that works for `life_s` seconds from now: the parameters that are to be added. Whoever uses the link
/// has to send the subject's signed headers with it.
pub(super) fn link(signer: &Signer<'_>, address: Address<'_>, subject: &Subject<'_>, life_s: u64) -> SignedQuery {
    let mut headers = subject.headers.clone();
    headers.insert(HOST, plain(address.host));
    let names = signed_names(&headers, subject.additional);
    let mut added: SignedQuery = Vec::new();
    let mut add = |name: &str, value: String| added.push((name.to_owned(), value));
    add("X-Amz-Algorithm", ALGORITHM.to_owned());
    add("X-Amz-Credential", format!("{}/{}", signer.keys.id, scope(signer)));
    add("X-Amz-Date", signer.now.basic());
    add("X-Amz-Expires", life_s.to_string());
    if let Some(token) = &signer.keys.token {
        add("X-Amz-Security-Token", token.expose().to_owned());
    }
    add("X-Amz-SignedHeaders", names.join(";"));
    let query: Vec<_> = subject.query.iter().chain(&added).cloned().collect();
    let subject = Subject { headers: &headers, query: &query, ..*subject };
    let signature = sign(signer, address, &subject, &names, UNSIGNED_PAYLOAD).signature;
    added.push(("X-Amz-Signature".to_owned(), signature));
    added
}

/// The texts that a signature was made of.
struct Signed {
    #[cfg(test)]
    canonical_request: String,
    #[cfg(test)]
    string_to_sign: String,
    signature: String,
}

fn sign(signer: &Signer<'_>, address: Address<'_>, subject: &Subject<'_>, names: &[String], payload: &str) -> Signed {
    let field = |name: &String| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        name.map(|name| format!("{name}:{}\n", one_blank(&joined(subject.headers, &name)))).unwrap_or_default()
    };
    let headers: String = names.iter().map(field).collect();
    let canonical_request = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{payload}",
        subject.method,
        encode_path(&address.path(subject)),
        canonical_query(subject.query.iter(), true),
        names.join(";"),
    );
    let date = signer.now.basic();
    let string_to_sign = format!("{ALGORITHM}\n{date}\n{}\n{}", scope(signer), sha256_hex(&canonical_request));
    let day = signer.now.day();
    let key = derived_key("AWS4", &signer.keys.secret, [&day, signer.region, SERVICE, TERMINATOR]);
    let signature = hex(&hmac_sha256(&key, &string_to_sign));
    Signed {
        #[cfg(test)]
        canonical_request,
        #[cfg(test)]
        string_to_sign,
        signature,
    }
}

fn scope(signer: &Signer<'_>) -> String {
    format!("{}/{}/{SERVICE}/{TERMINATOR}", signer.now.day(), signer.region)
}

/// The host, the type and MD5 of the body, everything of AWS's own, and what is asked for beside it.
fn signed_names(headers: &HeaderMap, additional: &[&str]) -> Vec<String> {
    let signed = |name: &&HeaderName| {
        **name == HOST
            || **name == CONTENT_TYPE
            || **name == CONTENT_MD5
            || name.as_str().starts_with("x-amz-")
            || additional.contains(&name.as_str())
    };
    let mut names: Vec<String> = headers.keys().filter(signed).map(|name| name.as_str().to_owned()).collect();
    names.sort();
    names
}

/// Several blanks in a row count as one.
fn one_blank(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn plain(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    //! The examples of AWS's documentation ("Signature Calculations for the Authorization Header: Transferring Payload
    //! in a Single Chunk", "Authenticating Requests: Using Query Parameters"), with the keys printed there.

    use sha2::{Digest as _, Sha256};

    use super::super::Moment;
    use super::*;
    use crate::credentials::{Keys, Secret};

    const HOST_OF_EXAMPLES: &str = "examplebucket.s3.amazonaws.com";

    fn keys() -> Keys {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        Keys { id: "AKIAIOSFODNN7EXAMPLE".into(), secret, token: None }
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    /// Friday, 24 May 2013, 00:00:00 GMT.
    const THEN: i64 = 1_369_353_600;

    fn signature(
        method: &str,
        key: &str,
        query: &[(&str, &str)],
        fields: &[(&'static str, &str)],
        additional: &[&str],
        body: &str,
    ) -> String {
        let (keys, headers) = (keys(), headers(fields));
        let query: Vec<_> = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let signer = Signer { keys: &keys, region: "us-east-1", now: Moment::at(THEN) };
        let subject = Subject { method, bucket: "examplebucket", key, query: &query, headers: &headers, additional };
        let address = Address { host: HOST_OF_EXAMPLES, path_style: false, below: "" };
        let added = head(&signer, address, &subject, Some(Sha256::digest(body).into()));
        let authorization =
            added.iter().find(|(name, _)| *name == AUTHORIZATION).unwrap().1.to_str().unwrap().to_owned();
        let begin =
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=";
        assert!(authorization.starts_with(begin), "{authorization}");
        authorization.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn the_documentations_examples_are_reproduced_in_the_head() {
        assert_eq!(
            signature("GET", "test.txt", &[], &[("range", "bytes=0-9")], &["range"], ""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let fields = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        assert_eq!(
            signature("PUT", "test$file.text", &[], &fields, &["date"], "Welcome to Amazon S3."),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature("GET", "", &[("lifecycle", "")], &[], &[], ""),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature("GET", "", &[("max-keys", "2"), ("prefix", "J")], &[], &[], ""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn the_documentations_example_of_a_link_is_reproduced() {
        let (keys, headers) = (keys(), HeaderMap::new());
        let signer = Signer { keys: &keys, region: "us-east-1", now: Moment::at(THEN) };
        let subject = Subject {
            method: "GET",
            bucket: "examplebucket",
            key: "test.txt",
            query: &[],
            headers: &headers,
            additional: &[],
        };
        let added = link(&signer, Address { host: HOST_OF_EXAMPLES, path_style: false, below: "" }, &subject, 86_400);
        let value = |name: &str| added.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(value("X-Amz-Date"), Some("20130524T000000Z"));
        assert_eq!(value("X-Amz-SignedHeaders"), Some("host"));
        assert_eq!(value("X-Amz-Signature"), Some("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"));
    }

    #[test]
    fn keys_are_encoded_once_and_path_style_has_the_bucket_in_front() {
        let keys = Keys { token: Some(Secret::new("to+ken==")), ..keys() };
        let headers = headers(&[("x-amz-meta-a", "  two   words "), ("user-agent", "x")]);
        let signer = Signer { keys: &keys, region: "default", now: Moment::at(THEN) };
        let query = [("uploadId".to_owned(), "a/b+c".to_owned()), ("partNumber".to_owned(), "2".to_owned())];
        let subject = Subject {
            method: "PUT",
            bucket: "b",
            key: "a b/%20/ä+",
            query: &query,
            headers: &headers,
            additional: &[],
        };
        let names = signed_names(&headers, &[]);
        let made =
            sign(&signer, Address { host: "h:1", path_style: true, below: "" }, &subject, &names, UNSIGNED_PAYLOAD);
        assert_eq!(
            made.canonical_request,
            "PUT\n/b/a%20b/%2520/%C3%A4%2B\npartNumber=2&uploadId=a%2Fb%2Bc\nx-amz-meta-a:two words\n\nx-amz-meta-a\n\
             UNSIGNED-PAYLOAD"
        );
        assert!(made.string_to_sign.contains("\n20130524/default/s3/aws4_request\n"), "{}", made.string_to_sign);
        let below = Address { host: "h:1", path_style: true, below: "/storage/v1/s3" };
        let made = sign(&signer, below, &subject, &names, UNSIGNED_PAYLOAD);
        assert!(made.canonical_request.starts_with("PUT\n/storage/v1/s3/b/a%20b/%2520/%C3%A4%2B\n"));
        let added = head(&signer, Address { host: "h:1", path_style: true, below: "" }, &subject, None);
        let all = format!("{added:?}");
        assert!(added.iter().any(|(name, value)| *name == X_AMZ_SECURITY_TOKEN && *value == "to+ken=="));
        assert!(!all.contains("to+ken") && !all.contains("Signature="), "{all}");
    }
}
