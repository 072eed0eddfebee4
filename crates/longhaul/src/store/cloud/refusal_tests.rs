use http::HeaderValue;

use super::*;
use longhaul_core::upload::step::Fault::*;

fn error(code: &str, rest: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>Because.</Message>{rest}</Error>")
}

const NOW: i64 = 1_763_004_345;

fn fault(verb: Verb, status: u16, body: &str) -> Fault {
    Said::read(status, &HeaderMap::new(), body.as_bytes(), Some(NOW)).fault(verb, NOW)
}

#[test]
fn every_code_of_the_stores_has_its_meaning() {
    use Verb::*;
    let busy = |status| Busy { status, retry_after_ms: None };
    for (verb, status, code, want) in [
        (Complete, 404, "NoSuchUpload", NoSuchUpload),
        (ListParts, 404, "NoSuchKey", NoSuchUpload),
        (Look, 404, "NoSuchKey", NoSuchKey),
        (Fetch, 404, "NoSuchVersion", NoSuchKey),
        (Look, 404, "SymlinkTargetNotExist", NoSuchKey),
        (Create, 404, "NoSuchBucket", NoSuchBucket),
        (SendPart, 404, "NoSuchBucket", NoSuchBucket),
        (Put, 403, "AccessDenied", Denied(403)),
        (Put, 403, "InvalidAccessKeyId", Denied(403)),
        (Put, 403, "SignatureDoesNotMatch", Denied(403)),
        (Put, 403, "AccessKeyIdAndSecurityTokenNotMatch", Denied(403)),
        (Fetch, 403, "InvalidObjectState", Rejected(403)),
        (SendPart, 403, "QuotaExceeded", Rejected(403)),
        (Put, 403, "UserDisable", Rejected(403)),
        (Create, 403, "KmsServiceNotEnabled", Rejected(403)),
        (Put, 401, "Unauthorized", Denied(401)),
        (Put, 403, "InvalidSecurityToken", Expired),
        (Put, 403, "SecurityTokenExpired", Expired),
        (Put, 400, "ExpiredToken", Expired),
        (Put, 403, "ExpiredToken", Expired),
        (Put, 400, "InvalidToken", Expired),
        (Put, 403, "RequestTimeTooSkewed", Skewed),
        (SendPart, 400, "InvalidDigest", Corrupted),
        (SendPart, 400, "BadDigest", Corrupted),
        (SendPart, 400, "XAmzContentSHA256Mismatch", Corrupted),
        (SendPart, 400, "XAmzContentChecksumMismatch", Corrupted),
        (SendPart, 400, "RequestTimeout", busy(400)),
        (SendPart, 400, "IncompleteBody", busy(400)),
        (Put, 503, "SlowDown", busy(503)),
        (Put, 503, "ServiceUnavailable", busy(503)),
        (Put, 503, "UploadTrafficRateLimitExceeded", busy(503)),
        (Put, 503, "TotalQpsLimitExceeded", busy(503)),
        (Put, 500, "InternalError", busy(500)),
        (Put, 424, "MirrorFailed", busy(424)),
        (Put, 429, "TooManyRequests", busy(429)),
        (Complete, 400, "InvalidPart", InvalidPart),
        (Complete, 400, "InvalidPartOrder", InvalidPart),
        (Complete, 400, "EntityTooSmall", Rejected(400)),
        (Put, 400, "EntityTooLarge", Rejected(413)),
        (SendPart, 413, "RequestEntityTooLarge", Rejected(413)),
        (Put, 400, "InvalidArgument", Rejected(400)),
        (Put, 400, "InvalidObjectName", Rejected(400)),
        (Complete, 400, "MalformedXML", Rejected(400)),
        (Complete, 409, "FileAlreadyExists", Exists),
        (Put, 409, "FileImmutable", Rejected(409)),
        (Complete, 409, "OperationAborted", Conflict(409)),
        (Complete, 409, "ConditionalRequestConflict", Conflict(409)),
        (SendPart, 409, "PartAlreadyExist", Conflict(409)),
        (Complete, 412, "PreconditionFailed", Conflict(412)),
        (Put, 405, "MethodNotAllowed", Rejected(405)),
        (Put, 411, "MissingContentLength", Rejected(411)),
        (Put, 400, "NotImplemented", Rejected(400)),
        (Put, 501, "NotImplemented", Rejected(501)),
        // A good status with an error in its body.
        (Complete, 200, "InternalError", Unreadable),
        (Complete, 200, "InvalidPart", InvalidPart),
        (Complete, 200, "NoSuchUpload", NoSuchUpload),
    ] {
        assert_eq!(fault(verb, status, &error(code, "")), want, "{verb:?} {status} {code}");
        let inside = format!("<ErrorResponse>{}</ErrorResponse>", &error(code, "")[22..]);
        assert_eq!(fault(verb, status, &inside), want, "{inside}");
    }
    let skewed =
        "<Error><Code>InvalidArgument</Code><Message>Invalid signing date in Authorization header.</Message></Error>";
    assert_eq!(fault(Put, 400, skewed), Skewed);
    let garage = "<Error><Code>InvalidRequest</Code><Message>Bad request: Date is too old</Message></Error>";
    assert_eq!(fault(Put, 400, garage), Skewed);
}

#[test]
fn without_a_code_the_status_says_what_it_can() {
    use Verb::*;
    let busy = |status| Busy { status, retry_after_ms: None };
    for (verb, status, want) in [
        (Look, 404, NoSuchKey),
        (Look, 403, Denied(403)),
        // Expired keys, an object under a key of the customer's: nobody knows.
        (Look, 400, Rejected(400)),
        // Whoever says this is not the store: nothing follows for the upload.
        (ListParts, 404, Unreadable),
        (Complete, 404, Unreadable),
        (Create, 404, Unreadable),
        (Put, 407, Denied(407)),
        (SendPart, 413, Rejected(413)),
        (Put, 502, busy(502)),
        (Put, 504, busy(504)),
        (Put, 408, busy(408)),
        (Put, 302, Rejected(302)),
        (Put, 204, Unreadable),
    ] {
        for body in ["", "<html>not a store</html>", "{\"a\":1}", "<Error>", "<!DOCTYPE x><Error/>"] {
            assert_eq!(fault(verb, status, body), want, "{verb:?} {status} {body}");
        }
    }
}

#[test]
fn other_keys_are_looked_for_when_it_is_these_that_are_refused() {
    for (code, message, want) in [
        ("InvalidAccessKeyId", "Because", true),
        ("SignatureDoesNotMatch", "Because", true),
        ("AccessDenied", "Access Denied", false),
        ("AccessDenied", "Forbidden: Operation is not allowed for this key.", false),
        // Garage 2.5.
        ("AccessDenied", "Forbidden: Invalid signature", true),
        ("AccessDenied", "Forbidden: No such key: GK0123456789abcdef01234569", true),
        ("QuotaExceeded", "Because", false),
    ] {
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        let said = Said::read(403, &HeaderMap::new(), body.as_bytes(), None);
        assert_eq!(said.is_about_keys(), want, "{code} {message}");
    }
    assert!(!Said::read(403, &HeaderMap::new(), b"", None).is_about_keys(), "nobody says why");
}

#[test]
fn a_head_says_it_in_its_fields() {
    let mut headers = HeaderMap::new();
    let hidden = BASE64.encode(error("NoSuchBucket", "<EC>0015-00000101</EC><RequestId>5C3D</RequestId>"));
    headers.insert("x-oss-err", HeaderValue::from_str(&hidden).unwrap());
    headers.insert("retry-after", HeaderValue::from_static("7"));
    let said = Said::read(404, &headers, b"", None);
    assert_eq!(said.fault(Verb::Look, NOW), NoSuchBucket);
    assert_eq!(
        said.refusal("http://h", NoSuchBucket, "").detail,
        "http://h: status 404 NoSuchBucket: Because (request 5C3D, EC 0015-00000101)"
    );
    headers.remove("x-oss-err");
    let busy = Said::read(503, &headers, b"", None).fault(Verb::Look, NOW);
    assert_eq!(busy, Busy { status: 503, retry_after_ms: Some(7000) });
    // S3 does not say that the time is wrong; its own time does.
    let far = |date| Said::read(403, &HeaderMap::new(), b"", Some(date)).fault(Verb::Look, NOW);
    assert_eq!((far(NOW + 901), far(NOW - 901), far(NOW + 900)), (Skewed, Skewed, Denied(403)));
    // Garage says 400.
    let far = |date| Said::read(400, &HeaderMap::new(), b"", Some(date)).fault(Verb::Look, NOW);
    assert_eq!((far(NOW + 901), far(NOW - 901), far(NOW + 900)), (Skewed, Skewed, Rejected(400)));
    let page = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("text/html"))]);
    assert_eq!(Said::read(404, &page, b"", None).fault(Verb::Look, NOW), Unreadable);
}

#[test]
fn the_stores_time_is_its_own_word_or_its_date() {
    let told = error("RequestTimeTooSkewed", "<ServerTime>2025-11-13T03:25:45.000Z</ServerTime>");
    let time = |body: &str| Said::read(403, &HeaderMap::new(), body.as_bytes(), Some(5)).time();
    assert_eq!(time(&told), Some(NOW));
    assert_eq!(time(&error("RequestTimeTooSkewed", "<ServerTime>soon</ServerTime>")), Some(5));
}

#[test]
fn a_mark_of_deletion_is_no_object() {
    for name in ["x-amz-delete-marker", "x-oss-delete-marker"] {
        let headers: HeaderMap =
            [(HeaderName::from_static(name), HeaderValue::from_static("true"))].into_iter().collect();
        for (verb, body) in [(Verb::Look, String::new()), (Verb::Fetch, error("MethodNotAllowed", ""))] {
            let said = Said::read(405, &headers, body.as_bytes(), None);
            let fault = said.fault(verb, NOW);
            assert_eq!(fault, NoSuchKey, "{verb:?}");
            assert!(said.refusal("http://h", fault, "").detail.ends_with("without any bytes"));
        }
    }
    assert_eq!(fault(Verb::Fetch, 405, &error("MethodNotAllowed", "")), Rejected(405));
}

#[test]
fn hints_of_another_place_are_found() {
    let hint = |status, headers: &[(&'static str, &'static str)], body: &str| {
        let headers = headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let said = Said::read(status, &headers, body.as_bytes(), None);
        said.hint().map(|hint| {
            [hint.region, hint.endpoint, hint.location].map(|text| text.unwrap_or_default().to_owned()).join("|")
        })
    };
    let some = |text: &str| Some(text.to_owned());
    let region = [("x-amz-bucket-region", "eu-west-1")];
    let moved = error("PermanentRedirect", "<Endpoint>b.s3-eu-west-1.amazonaws.com</Endpoint>");
    assert_eq!(hint(301, &region, &moved), some("eu-west-1|b.s3-eu-west-1.amazonaws.com|"));
    assert_eq!(hint(307, &[("location", "https://b.h/k")], ""), some("||https://b.h/k"));
    assert_eq!(hint(400, &region, ""), some("eu-west-1||"));
    assert_eq!(hint(400, &[], &error("AuthorizationHeaderMalformed", "<Region>garage</Region>")), some("garage||"));
    let elsewhere = error("AccessDenied", "<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>");
    assert_eq!(hint(403, &[], &elsewhere), some("|oss-cn-beijing.aliyuncs.com|"));
    assert_eq!(hint(403, &[], &error("AccessDenied", "")), None);
    assert_eq!(hint(400, &region, &error("EntityTooSmall", "")), None);
    assert_eq!(hint(404, &region, ""), None);
}

#[test]
fn what_is_shown_is_one_bounded_line_without_secrets() {
    let long = "x".repeat(5000);
    let body = format!(
        "<Error><Code>SignatureDoesNotMatch</Code><Message>See\n https://u:hush@h/?Signature=hush {long}</Message>\
         <StringToSign>hush</StringToSign><SignatureProvided>hush</SignatureProvided></Error>"
    );
    let said = Said::read(403, &HeaderMap::new(), body.as_bytes(), None);
    let refusal = said.refusal("http://h", Denied(403), "");
    assert!(!refusal.detail.contains("hush") && !refusal.detail.contains('\n'), "{refusal:?}");
    assert!(refusal.detail.len() < 600 && refusal.detail.ends_with("check the access key's secret and the region"));
}

#[test]
fn what_a_refusal_is_about_is_told_by_its_words() {
    let said = |message: &str| {
        let body = format!("<Error><Code>InvalidRequest</Code><Message>{message}</Message></Error>");
        Said::read(400, &HeaderMap::new(), body.as_bytes(), None)
    };
    for (message, md5, sse_c) in [
        ("Content-MD5 HTTP header is required for Put Object requests with Object Lock parameters", true, false),
        (
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters",
            true,
            false,
        ),
        (
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
            false,
            true,
        ),
        ("Missing X-Amz-Server-Side-Encryption-Customer-Key header", false, true),
        ("The Content-MD5 you specified was invalid", false, false),
        ("Because", false, false),
    ] {
        let said = said(message);
        assert_eq!((said.wants_md5(), said.is_about_sse_c()), (md5, sse_c), "{message}");
        let refusal = said.refusal("http://h", Rejected(400), "");
        assert_eq!(refusal.detail.contains("(SSE-C), which has to be sent"), sse_c, "{refusal:?}");
        assert!(!refusal.detail.contains("expired"), "{refusal:?}");
    }
    let headers = [("x-minio-error-code", "InvalidRequest"), ("x-minio-error-desc", "SSE-C \"parameters\"")];
    let headers = headers.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).into_iter().collect();
    let minio = Said::read(400, &headers, b"", None);
    assert_eq!((minio.code(), minio.is_about_sse_c()), ("InvalidRequest", true));
}
