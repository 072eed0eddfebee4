//! Does this client speak S3? OSS understands S3's signatures as well; this store does not, and says so in words that
//! S3's clients show, in place of an error about a header.

use super::form::Form;
use super::refusal::Refusal;
use super::target::Query;
use crate::request::Headers;

const MESSAGE: &str = "This store speaks OSS (Alibaba Cloud), and this request is in the dialect of S3. Use a client of \
                       OSS (oss2, alibabacloud-oss-v2, ali-oss, ossutil, longhaul with an oss:// address), or point this \
                       client at a server that speaks S3.";

/// Refuses what only clients of S3 send: their signatures, in a field or in a link, and their fields.
///
/// # Errors
/// `InvalidRequest`, with what to do instead.
pub(crate) fn refuse_s3(headers: &Headers, query: &Query) -> Result<(), Refusal> {
    let signature = headers.get("Authorization").filter(|value| {
        // Version 4, version 4 over several regions, version 2 (Amazon S3, "Authenticating Requests").
        value.starts_with("AWS4-") || value.starts_with("AWS ")
    });
    let link = query.iter().map(|(name, _)| name).find(|name| is_of_s3(name));
    let field = headers.iter().map(|(name, _)| name).find(|name| is_of_s3(name));
    match signature.map(|_| "Authorization").or(link).or(field) {
        Some(name) => Err(refusal(name)),
        None => Ok(()),
    }
}

/// The same for the fields of a form.
///
/// # Errors
/// As above.
pub(crate) fn refuse_s3_form(form: &Form) -> Result<(), Refusal> {
    match form.fields().map(|(name, _)| name).find(|name| is_of_s3(name)) {
        Some(name) => Err(refusal(name)),
        None => Ok(()),
    }
}

fn refusal(name: &str) -> Refusal {
    Refusal::bad_request(MESSAGE).with("Header", name)
}

fn is_of_s3(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // A front of Amazon's adds this one to requests of every dialect.
    (name.starts_with("x-amz-") && name != "x-amz-cf-id") || name.starts_with("amz-sdk-") || name == "awsaccesskeyid"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_of_each_dialect_are_told_apart() {
        for (field, value, query, of_s3) in [
            ("Authorization", "AWS4-HMAC-SHA256 Credential=a", "", true),
            ("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=a", "", true),
            ("Authorization", "AWS a:b", "", true),
            ("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD", "", true),
            ("amz-sdk-invocation-id", "a", "", true),
            ("Host", "a", "X-Amz-Signature=a", true),
            ("Host", "a", "AWSAccessKeyId=a&Signature=b&Expires=1", true),
            ("Host", "a", "OSSAccessKeyId=a&Signature=b&Expires=1", false),
            ("Authorization", "OSS a:b", "", false),
            ("Authorization", "OSS4-HMAC-SHA256 Credential=a", "x-oss-signature=a", false),
            ("X-Amz-Cf-Id", "a", "", false),
            ("x-oss-meta-x-amz-date", "a", "", false),
        ] {
            let mut headers = Headers::default();
            headers.add(field, value);
            let refused = refuse_s3(&headers, &Query::parse(query).unwrap()).is_err();
            assert_eq!(refused, of_s3, "{field}: {value} {query}");
        }
    }
}
