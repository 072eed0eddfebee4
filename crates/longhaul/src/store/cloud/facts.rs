//! What does a reply tell of an object?
//!
//! Digests are told in four ways: CRC-64 by OSS with every reply, checksums by S3 where they were asked for or are made
//! by themselves, `Content-MD5`, and the ETag. An ETag is the MD5 of what was sent when it has 32 hexadecimal digits,
//! and the MD5 of the parts' MD5s when `-N` follows; both vendors say so, of objects that are not encrypted with a key
//! of KMS or the customer's. OSS says of the second only that it is unique. Quotes are optional (Ceph leaves them out),
//! and Ceph's answer to Complete has an empty ETag.

use http::HeaderMap;
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::reply::{Framing, ReplyFacts};
use longhaul_core::upload::step::{Composite, ObjectFacts};

use super::checksums;
use super::xml::Element;
use crate::source::Dialect;

/// What of a reply is about the object, when the reply is not the object's own (HEAD, GET) but to a request that
/// stores. There `Content-MD5` and its like could mean the reply's own body.
fn is_about_object(name: &str) -> bool {
    name == "etag"
        || name.ends_with("-version-id")
        || name == "x-oss-hash-crc64ecma"
        || name.starts_with("x-amz-checksum-")
}

/// The facts in the head of a HEAD's reply.
pub(super) fn standing(dialect: Dialect, headers: &HeaderMap) -> ObjectFacts {
    let parsed = parse(headers, |_| true);
    let len = match parsed.framing {
        Framing::Length(len) => Some(len),
        _ => None,
    };
    ObjectFacts { len, ..facts(dialect, headers, parsed) }
}

/// The facts in the head of a reply to Put, SendPart or Complete.
pub(super) fn stored(dialect: Dialect, headers: &HeaderMap) -> ObjectFacts {
    facts(dialect, headers, parse(headers, is_about_object))
}

/// What the answer to Complete says in its body beside that.
pub(super) fn completed(dialect: Dialect, headers: &HeaderMap, root: &Element) -> ObjectFacts {
    let mut object = stored(dialect, headers);
    if object.etag.is_none() {
        object.etag = root.text_of("ETag").map(str::to_owned);
        object.composite = composite_of(dialect, headers, object.etag.as_deref());
    }
    let kind = root.text_of("ChecksumType");
    for digest in checksums::told(|name| root.text_of(name)) {
        // A CRC-64 is always of the full object.
        let whole = kind == Some("FULL_OBJECT") || kind.is_none() && digest.kind() == DigestKind::Crc64Nvme;
        add(&mut object.digests, Some(digest).filter(|_| whole));
    }
    object
}

fn parse(headers: &HeaderMap, takes: fn(&str) -> bool) -> ReplyFacts {
    let fields = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).filter(|(name, _)| takes(name));
    // Any good reply to these verbs is about the whole.
    ReplyFacts::parse(200, fields, true, 0, None)
}

fn facts(dialect: Dialect, headers: &HeaderMap, parsed: ReplyFacts) -> ObjectFacts {
    let mut object = ObjectFacts {
        etag: parsed.identity.etag,
        version: parsed.identity.version,
        digests: parsed.identity.digests,
        ..ObjectFacts::default()
    };
    let parts = headers.get("x-oss-object-type").is_some_and(|kind| kind != "Normal");
    if !parts && !is_encrypted(headers) {
        add(&mut object.digests, object.etag.as_deref().and_then(md5_of));
    }
    object.composite = composite_of(dialect, headers, object.etag.as_deref());
    object
}

/// Adds a digest of a kind that was not told yet.
pub(super) fn add(digests: &mut Vec<Digest>, digest: Option<Digest>) {
    digests.extend(digest.filter(|digest| !digests.iter().any(|have| have.kind() == digest.kind())));
    digests.sort();
}

/// The MD5 that an ETag is, if it has the form of one.
pub(super) fn md5_of(etag: &str) -> Option<Digest> {
    Digest::from_hex(DigestKind::Md5, unquoted(etag))
}

fn composite_of(dialect: Dialect, headers: &HeaderMap, etag: Option<&str>) -> Option<Composite> {
    if dialect == Dialect::Oss || is_encrypted(headers) {
        return None;
    }
    let (md5, count) = unquoted(etag?).split_once('-')?;
    let md5 = Digest::from_hex(DigestKind::Md5, md5)?.bytes().try_into().ok()?;
    let count: u32 = count.bytes().all(|b| b.is_ascii_digit()).then(|| count.parse().ok())??;
    (count > 0).then_some(Composite { md5, count })
}

fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

/// Encrypted with a key that makes an ETag of something else than the bytes ("Common response headers" of S3: "by SSE-C
/// or SSE-KMS"). `AES256` and the like are keys of the store's own and leave it as it is.
pub(super) fn is_encrypted(headers: &HeaderMap) -> bool {
    let kms = |name: &str| {
        let value = headers.get(name).map(|value| value.as_bytes().to_ascii_lowercase()).unwrap_or_default();
        value.windows(3).any(|three| three == b"kms")
    };
    kms("x-amz-server-side-encryption")
        || kms("x-oss-server-side-encryption")
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
        || headers.contains_key("x-oss-server-side-encryption-customer-algorithm")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::super::xml;
    use super::*;

    const MD5: &str = "0cc175b9c0f1b6a831c399e269772661";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    fn kinds(object: &ObjectFacts) -> Vec<&'static str> {
        object.digests.iter().map(|digest| digest.kind().name()).collect()
    }

    #[test]
    fn etags_are_digests_where_they_have_the_form_and_nothing_speaks_against_it() {
        let (quoted, upper) = (format!("\"{MD5}\""), MD5.to_uppercase());
        let parts = format!("\"{MD5}-3\"");
        let kms = ("x-amz-server-side-encryption", "aws:kms");
        let own = ("x-amz-server-side-encryption-customer-algorithm", "AES256");
        for (dialect, lines, md5, count) in [
            (Dialect::S3, vec![("etag", quoted.as_str())], true, None),
            (Dialect::S3, vec![("etag", MD5)], true, None),
            (Dialect::Oss, vec![("etag", &upper)], true, None),
            (Dialect::Oss, vec![("etag", &upper), ("x-oss-object-type", "Normal")], true, None),
            (Dialect::Oss, vec![("etag", &upper), ("x-oss-object-type", "Appendable")], false, None),
            (Dialect::S3, vec![("etag", &parts)], false, Some(3)),
            (Dialect::Oss, vec![("etag", &parts)], false, None),
            (Dialect::S3, vec![("etag", &quoted), kms], false, None),
            (Dialect::S3, vec![("etag", &parts), kms], false, None),
            (Dialect::S3, vec![("etag", &parts), own], false, None),
            (Dialect::Oss, vec![("etag", &upper), ("x-oss-server-side-encryption", "KMS")], false, None),
            (Dialect::S3, vec![("etag", &quoted), ("x-amz-server-side-encryption", "AES256")], true, None),
            (Dialect::S3, vec![("etag", "\"\"")], false, None),
            (Dialect::S3, vec![("etag", "\"abc\"")], false, None),
            (Dialect::S3, vec![("etag", "\"0cc175b9c0f1b6a831c399e26977266-3\"")], false, None),
            (Dialect::S3, vec![("etag", "\"0cc175b9c0f1b6a831c399e269772661-\"")], false, None),
            (Dialect::S3, vec![("etag", "\"0cc175b9c0f1b6a831c399e269772661-0\"")], false, None),
            (Dialect::S3, vec![("etag", "\"0cc175b9c0f1b6a831c399e269772661-99999999999\"")], false, None),
            (Dialect::S3, vec![], false, None),
        ] {
            let object = stored(dialect, &headers(&lines));
            assert_eq!(!object.digests.is_empty(), md5, "{lines:?}");
            assert_eq!(object.composite.map(|composite| composite.count), count, "{lines:?}");
        }
    }

    #[test]
    fn what_stands_there_has_a_length_a_version_and_digests() {
        let object = standing(
            Dialect::Oss,
            &headers(&[
                ("content-length", "9"),
                ("etag", "\"ABC-2\""),
                ("x-oss-object-type", "Multipart"),
                ("x-oss-hash-crc64ecma", "11051210869376104954"),
                ("x-oss-version-id", "v7"),
                ("content-md5", "DMF1ucDxtqgxw5niaXcmYQ=="),
            ]),
        );
        assert_eq!(
            (object.len, object.etag.as_deref(), object.version.as_deref()),
            (Some(9), Some("\"ABC-2\""), Some("v7"))
        );
        assert_eq!(kinds(&object), ["md5", "crc64"]);
        assert_eq!(object.digests[1].bytes(), 0x995D_C9BB_DF19_39FA_u64.to_be_bytes());
    }

    #[test]
    fn a_reply_to_storing_tells_of_the_object_only_what_cannot_mean_its_own_body() {
        let lines = [
            ("content-length", "0"),
            ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-type", "FULL_OBJECT"),
        ];
        let object = stored(Dialect::S3, &headers(&lines));
        assert_eq!((object.len, kinds(&object)), (None, vec!["crc64nvme"]));
        let composite = [("x-amz-checksum-crc64nvme", "rosUhgp5mIg="), ("x-amz-checksum-type", "COMPOSITE")];
        assert_eq!(kinds(&stored(Dialect::S3, &headers(&composite))), [""; 0]);
    }

    #[test]
    fn complete_tells_in_its_body_what_its_head_does_not() {
        let read = |text: &str| xml::parse(text.as_bytes()).unwrap();
        let none = HeaderMap::new();
        let body = format!("<R><ETag>&quot;{MD5}-2&quot;</ETag></R>");
        let object = completed(Dialect::S3, &none, &read(&body));
        assert_eq!(object.composite.map(|composite| composite.count), Some(2));
        assert_eq!(object.etag, Some(format!("\"{MD5}-2\"")));
        assert_eq!(completed(Dialect::S3, &none, &read("<R><ETag></ETag></R>")).etag, None);
        let sums = "<ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>";
        let whole = format!("<R>{sums}<ChecksumType>FULL_OBJECT</ChecksumType></R>");
        assert_eq!(kinds(&completed(Dialect::S3, &none, &read(&whole))), ["crc64nvme"]);
        assert_eq!(kinds(&completed(Dialect::S3, &none, &read(&format!("<R>{sums}</R>")))), ["crc64nvme"]);
        let parts = format!("<R>{sums}<ChecksumType>COMPOSITE</ChecksumType></R>");
        assert_eq!(kinds(&completed(Dialect::S3, &none, &read(&parts))), [""; 0]);
        let sums = "<ChecksumCRC32C>4waSgw==</ChecksumCRC32C>";
        assert_eq!(kinds(&completed(Dialect::S3, &none, &read(&format!("<R>{sums}</R>")))), [""; 0]);
    }
}
