//! What do stores and gateways say when they refuse? Ready-made [`Answer`]s with the bodies seen in the field.

use crate::answer::Answer;

/// A presigned link past its time, as OSS says it: 403 `AccessDenied`, "Request has expired.".
pub fn expired_link() -> Answer {
    xml(403, "AccessDenied", "Request has expired.", "<Expires>2020-01-01T00:00:00.000Z</Expires>")
        .header("x-oss-request-id", "5C3D9175B6FC201293AD4CAA")
}

/// A presigned link past its time, as S3 says it: 403 `AccessDenied`, "Request has expired".
pub fn expired_link_s3() -> Answer {
    xml(403, "AccessDenied", "Request has expired", "<X-Amz-Expires>60</X-Amz-Expires>")
        .header("x-amz-request-id", "4442587FB7D0A2F9")
}

/// A session token past its time, as S3 says it: 400 `ExpiredToken`.
pub fn expired_token() -> Answer {
    xml(400, "ExpiredToken", "The provided token has expired.", "")
}

/// A session token past its time, as OSS says it: 403 `SecurityTokenExpired`.
pub fn expired_token_oss() -> Answer {
    xml(403, "SecurityTokenExpired", "The security token you provided has expired.", "")
}

/// A signature that does not fit: 403 `SignatureDoesNotMatch`.
pub fn wrong_signature() -> Answer {
    let message = "The request signature we calculated does not match the signature you provided.";
    xml(403, "SignatureDoesNotMatch", message, "")
}

/// No permission, and no word of expiry: 403 `AccessDenied`.
pub fn denied() -> Answer {
    xml(403, "AccessDenied", "You have no right to access this object.", "")
}

/// The server's clock and the client's are too far apart: 403 `RequestTimeTooSkewed`.
pub fn skewed() -> Answer {
    let message = "The difference between the request time and the current time is too large.";
    xml(403, "RequestTimeTooSkewed", message, "")
}

/// No such object: 404 `NoSuchKey`.
pub fn no_such_key() -> Answer {
    xml(404, "NoSuchKey", "The specified key does not exist.", "")
}

/// Credentials wanted: 401 with a challenge (RFC 7617, 2).
pub fn unauthorized() -> Answer {
    Answer::status(401)
        .header("WWW-Authenticate", "Basic realm=\"devstore\"")
        .body("text/html", "<html><body><h1>401 Authorization Required</h1></body></html>")
}

/// The page of a captive portal in place of the object: 200 `text/html`.
pub fn portal_page() -> Answer {
    let page = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>\
                <form action=\"/login\">Accept the terms to use this network.</form></body></html>";
    Answer::status(200).header("Cache-Control", "no-store").body("text/html; charset=utf-8", page)
}

fn xml(status: u16, code: &str, message: &str, more: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    );
    Answer::status(status).body("application/xml", body)
}
