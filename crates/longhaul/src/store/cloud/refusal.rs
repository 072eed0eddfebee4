//! What does an error mean?
//!
//! Stores say it in XML: a code that programs act on, a message for people, the request's id. HEAD has no body: OSS
//! puts the XML into a header, S3 leaves the status alone. Who stands between may answer in any form. The code counts,
//! then the status: a 404 that does not say `NoSuchUpload` is no word about the upload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName};
use longhaul_core::reply::ReplyFacts;
use longhaul_core::upload::step::Fault;

use super::clock::Told;
use super::endpoint::Hint;
use super::request::Verb;
use super::xml;
use crate::advice::Advice;
use crate::store::http::NetFailure;

const ARCHIVED: &str = "the object is archived, and has to be restored first";
const USED_UP: &str = "a limit of the bucket or the account is used up: make room there, or have it raised";
const DISABLED: &str = "the account or the bucket is disabled at the store";
/// How much of a store's message is shown.
const MESSAGE_CHARS_MAX: usize = 200;

/// What status, or code, says that a body was too large.
pub(super) const TOO_LARGE: u16 = 413;
/// Of objects that are read with a key of the customer's.
const SSE_C: &str = "the object is encrypted with a key of the customer's (SSE-C), which has to be sent with every request; longhaul cannot";
/// Why a HEAD is refused that gives no reason.
pub(super) const UNEXPLAINED: &str = "the store does not say why: the object at the key may be encrypted with a key of \
    the customer's (SSE-C), the keys may have expired, or the region be another one";

/// The store did not do it, or it is unknown whether it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What it means, for the core.
    pub(crate) fault: Fault,
    /// What happened, for people: one line, no secrets.
    pub(crate) detail: String,
}

impl Refusal {
    /// What helps where the next request does not.
    pub(crate) fn advice(&self) -> Option<Advice> {
        match self.fault {
            Fault::Denied(407) => Some(Advice::GiveProxyCredentials),
            Fault::Denied(_) => Some(Advice::CheckStoreKeys),
            Fault::Expired | Fault::NoCredentials => Some(Advice::GiveStoreKeys),
            Fault::NoSuchBucket => Some(Advice::CheckStore),
            Fault::Net { .. } | Fault::Busy { .. } => Some(Advice::RunAgain),
            _ => None,
        }
    }

    /// The network failed; `maybe_done` when the whole request may have arrived.
    pub(super) fn of_network(failure: NetFailure, maybe_done: bool) -> Self {
        Self { fault: Fault::Net { fault: failure.fault, maybe_done }, detail: failure.detail }
    }

    /// An answer that makes no sense.
    pub(super) fn unreadable(what: &str) -> Self {
        Self { fault: Fault::Unreadable, detail: what.to_owned() }
    }
}

/// What a reply says of its failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    /// The number of the case, in the documentation of OSS.
    ec: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    location: Option<String>,
    /// Seconds since the Unix epoch, by the error itself.
    server_time: Option<i64>,
    /// The same by `Date`.
    date: Option<i64>,
    retry_after_ms: Option<u64>,
    /// A page, which no store sends.
    pub(super) html: bool,
    /// What stands there, or is asked for, is a mark that the object was deleted.
    deleted: bool,
}

impl Said {
    /// Reads it out of a reply's head and the begin of its body.
    pub(super) fn read(status: u16, headers: &HeaderMap, body: &[u8], date: Option<i64>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let fields = headers.iter().map(|(name, value): (&HeaderName, _)| (name.as_str(), value.as_bytes()));
        let facts = ReplyFacts::parse(status, fields, false, date.unwrap_or_default(), None);
        let mut said = Self {
            status,
            request_id: text("x-oss-request-id").or_else(|| text("x-amz-request-id")),
            ec: text("x-oss-ec"),
            region: text("x-amz-bucket-region"),
            location: text("location"),
            date,
            retry_after_ms: facts.retry_after_ms,
            html: facts.html,
            deleted: ["x-oss-delete-marker", "x-amz-delete-marker"]
                .iter()
                .any(|name| text(name).as_deref() == Some("true")),
            ..Self::default()
        };
        let hidden = headers.get("x-oss-err").and_then(|value| BASE64.decode(value.as_bytes()).ok());
        said.take(hidden.as_deref().unwrap_or(body));
        // To HEAD MinIO says the code so, and those who take after it.
        said.code = said.code.take().or_else(|| text("x-minio-error-code"));
        said.message = said.message.take().or_else(|| text("x-minio-error-desc"));
        said
    }

    fn take(&mut self, body: &[u8]) {
        let Some(document) = xml::parse(body) else { return };
        // As other services of Amazon's say it, and some gateways.
        let inner = document.all("Error").next().filter(|_| document.name == "ErrorResponse");
        let Some(error) = inner.or(Some(&document).filter(|root| root.name == "Error")) else { return };
        let text = |name: &str| error.text_of(name).map(str::to_owned);
        self.code = text("Code");
        self.message = text("Message");
        self.request_id = self.request_id.take().or_else(|| text("RequestId"));
        self.ec = text("EC").or_else(|| self.ec.take());
        self.endpoint = text("Endpoint");
        self.region = self.region.take().or_else(|| text("Region"));
        self.server_time =
            text("ServerTime").and_then(|time| time.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_second);
    }

    /// What a body said in place of what was asked for, although the status was good; `None` when it is no error.
    pub(super) fn in_good_reply(status: u16, headers: &HeaderMap, body: &[u8], date: Option<i64>) -> Option<Self> {
        let said = Self::read(status, headers, body, date);
        said.code.is_some().then_some(said)
    }

    /// Where the bucket is, when that is what the error is about.
    pub(super) fn hint(&self) -> Option<Hint<'_>> {
        let wrong_place = match self.code() {
            "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => true,
            // OSS says it with AccessDenied, and S3 has a header for HEAD, where it says nothing else.
            "AccessDenied" => self.endpoint.is_some(),
            "" => self.status == 400 && self.region.is_some(),
            _ => false,
        };
        let redirect = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        (wrong_place || redirect).then_some(Hint {
            region: self.region.as_deref(),
            endpoint: self.endpoint.as_deref(),
            location: self.location.as_deref(),
        })
    }

    /// The store's time, for one who was refused for his own.
    pub(super) fn time(&self) -> Option<i64> {
        self.server_time.or(self.date)
    }

    /// Whether other keys would help, rather than another permission.
    pub(super) fn is_about_keys(&self) -> bool {
        match self.code() {
            // Garage has one code for keys that it does not know, for wrong signatures and for missing permissions.
            "AccessDenied" => ["Invalid signature", "No such key"].iter().any(|why| self.message().contains(why)),
            _ if self.beside_access().is_some() => false,
            _ => self.code.is_some() || self.status != 403,
        }
    }

    /// The store wants the MD5 of a body in its head: a bucket with Object Lock.
    ///
    /// "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters", says
    /// Amazon.
    pub(super) fn wants_md5(&self) -> bool {
        self.status == 400 && self.message().contains("Content-MD5") && self.message().contains("required")
    }

    /// The object is encrypted with a key of the customer's, which did not come along.
    pub(super) fn is_about_sse_c(&self) -> bool {
        let named = ["form of Server Side Encryption", "server-side-encryption-customer", "SSE-C"];
        self.status == 400
            && named.iter().any(|name| self.message().to_ascii_lowercase().contains(&name.to_ascii_lowercase()))
    }

    /// What helps where neither keys nor permissions are the matter, although the status is the one of access denied.
    ///
    /// The codes are those of the error references of OSS and S3 and of Ceph; Backblaze says `AccessDenied` of a cap.
    fn beside_access(&self) -> Option<&'static str> {
        let limit = ["quota", "cap exceeded"].iter().any(|word| self.message().to_ascii_lowercase().contains(word));
        match self.code() {
            "InvalidObjectState" => Some(ARCHIVED),
            "QuotaExceeded" | "StorageCapExceeded" => Some(USED_UP),
            "AccessDenied" if limit => Some(USED_UP),
            "UserDisable" | "AccountProblem" | "AllAccessDisabled" | "NotSignedUp" => Some(DISABLED),
            "KmsServiceNotEnabled" => {
                Some("enable the key service (KMS) for the account, or choose another encryption")
            }
            _ => None,
        }
    }

    fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// What it means that `verb` was answered like this. `now_unix_s` is the time that was signed with.
    pub(super) fn fault(&self, verb: Verb, now_unix_s: i64) -> Fault {
        let status = self.status;
        match self.code() {
            "NoSuchUpload" => Fault::NoSuchUpload,
            "NoSuchBucket" => Fault::NoSuchBucket,
            // Ceph says it of the object whose upload is complete; no upload of ours is there any more.
            "NoSuchKey" if verb.names_upload() => Fault::NoSuchUpload,
            "NoSuchKey" | "NoSuchVersion" | "SymlinkTargetNotExist" => Fault::NoSuchKey,
            "RequestTimeTooSkewed" => Fault::Skewed,
            "InvalidArgument" | "InvalidRequest" if self.message().contains("Invalid signing date") => Fault::Skewed,
            "InvalidRequest" if self.message().contains("Date is too old") => Fault::Skewed, // Garage
            "InvalidSecurityToken"
            | "SecurityTokenExpired"
            | "ExpiredToken"
            | "TokenRefreshRequired"
            | "InvalidToken" => Fault::Expired,
            "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" => {
                Fault::Corrupted
            }
            "IncompleteBody" | "RequestTimeout" | "SlowDown" => self.busy(),
            "InvalidPart" | "InvalidPartOrder" => Fault::InvalidPart,
            "EntityTooLarge" | "MaxMessageLengthExceeded" => Fault::Rejected(TOO_LARGE),
            "FileAlreadyExists" => Fault::Exists,
            "FileImmutable" => Fault::Rejected(status),
            _ => self.fault_of_status(verb, now_unix_s),
        }
    }

    fn fault_of_status(&self, verb: Verb, now_unix_s: i64) -> Fault {
        let coded = self.code.is_some();
        match self.status {
            403 if self.beside_access().is_some() => Fault::Rejected(403),
            // A good status with an error in the body that leaves open what happened.
            200..=299 => Fault::Unreadable,
            // HEAD at S3 tells its time alone.
            400 | 403 if verb == Verb::Look && !coded && self.is_far_from(now_unix_s) => Fault::Skewed,
            401 | 403 | 407 => Fault::Denied(self.status),
            404 if verb == Verb::Look && !self.html => Fault::NoSuchKey,
            // Asked for by its id ("DELETE markers" in the user guides of both).
            405 if self.deleted => Fault::NoSuchKey,
            404 | 410 if !coded => Fault::Unreadable, // not the store's word
            409 | 412 => Fault::Conflict(self.status),
            501 | 505 => Fault::Rejected(self.status),
            408 | 424 | 425 | 429 | 500.. => self.busy(),
            status => Fault::Rejected(status),
        }
    }

    fn busy(&self) -> Fault {
        Fault::Busy { status: self.status, retry_after_ms: self.retry_after_ms }
    }

    fn is_far_from(&self, now_unix_s: i64) -> bool {
        /// How far both vendors let clocks differ.
        const SKEW_MAX_S: u64 = 15 * 60;
        self.date.is_some_and(|date| date.abs_diff(now_unix_s) > SKEW_MAX_S)
    }

    /// The whole of it as a refusal, with what the store's code means where its name does not say it.
    pub(super) fn refusal(&self, what: &str, fault: Fault, more: &str) -> Refusal {
        let hint = match (&fault, self.code()) {
            _ if !more.is_empty() => more,
            (_, "SignatureDoesNotMatch") => "check the access key's secret and the region",
            (_, "InvalidArgument" | "AuthorizationHeaderMalformed") if self.message().contains("region") => {
                "check the region"
            }
            (_, "InvalidAccessKeyId") => "check the access key's id",
            (Fault::NoSuchKey, _) if self.deleted => "it was deleted; that version is a mark of it, without any bytes",
            (Fault::Rejected(403), _) => self.beside_access().unwrap_or_default(),
            (Fault::Denied(407), _) => "the proxy wants a user and password",
            (Fault::Exists, _) => "an object is there, and is not to be replaced",
            (_, "EntityTooSmall") => "the store wants larger parts",
            (Fault::Rejected(400), _) if self.is_about_sse_c() => SSE_C,
            (Fault::Unreadable, "") => "not an answer of a store; something stands between",
            _ => "",
        };
        let mut detail = format!("{what}: status {}", self.status);
        if let Some(code) = &self.code {
            detail += &format!(" {}", shown(code));
        }
        if let Some(message) = &self.message {
            detail += &format!(": {}", shown(message).trim_end_matches('.'));
        }
        let ids = [("request", &self.request_id), ("EC", &self.ec)];
        let ids: Vec<String> =
            ids.iter().filter_map(|(name, id)| Some(format!("{name} {}", shown(id.as_deref()?)))).collect();
        if !ids.is_empty() {
            detail += &format!(" ({})", ids.join(", "));
        }
        if !hint.is_empty() {
            detail += &format!("; {hint}");
        }
        Refusal { fault, detail }
    }
}

/// What to say of a clock that the store refused.
pub(super) fn about_clock(told: Option<Told>) -> String {
    match told {
        Some(Told::Corrected(by)) => {
            let way = if by > 0 { "behind" } else { "ahead of" };
            format!(
                "this machine's clock is {} s {way} the store's; what is signed next has the store's time",
                by.abs()
            )
        }
        Some(Told::Known) => "the store refuses its own time; check this machine's clock".to_owned(),
        Some(Told::Implausible) => "the store tells a time that cannot be; check this machine's clock".to_owned(),
        None => "set this machine's clock".to_owned(),
    }
}

/// A store's text as it may be shown: one line, bounded, without secrets.
fn shown(text: &str) -> String {
    crate::secrets::shown(text, MESSAGE_CHARS_MAX)
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
