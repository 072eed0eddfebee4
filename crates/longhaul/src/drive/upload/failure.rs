//! From the core's verdict on an upload to the one public error: the text names the object and says what happened, the
//! advice what helps.

use longhaul_core::upload::step::{Failure, Fault, StoreLimit};
use longhaul_core::words::{DiskFault, NetFault};

use super::UploadDetails;
use crate::advice::Advice;
use crate::disk::error::DiskError;
use crate::drive::download::failure::trouble_text;
use crate::error::{Disposition, Error, ErrorKind};

/// What an error is about.
pub(crate) struct About<'a> {
    /// `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub(crate) object: &'a str,
    /// The source, to be shown.
    pub(crate) source: &'a str,
    /// Bytes that the store has acknowledged and the next start goes on from.
    pub(crate) kept: u64,
    /// An object that is there was not to be replaced.
    pub(crate) overwriting_forbidden: bool,
}

/// The error for a failed run.
pub(crate) fn error_of(failure: Failure, about: &About<'_>, remembered: UploadDetails) -> Error {
    use Disposition::{GaveUp, Permanent};
    let About { object, source, kept, overwriting_forbidden } = *about;
    let kept = if kept > 0 { "; the parts that are stored are kept" } else { "" };
    let said = remembered.store.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let error = |kind, disposition, text: String| {
        Error::new(kind, disposition, text).with("destination", object).with("source", source)
    };
    match failure {
        Failure::NoSuchBucket => {
            error(ErrorKind::NotFound, Permanent, format!("{object}: there is no such bucket{said}"))
                .advise(Advice::CheckStore)
        }
        Failure::Denied(status) => {
            error(ErrorKind::Denied, Permanent, format!("{object}: access denied (status {status}){said}{kept}"))
                .answered(status)
                .advise(Advice::CheckStoreKeys)
        }
        Failure::NeedsCredentials => error(
            ErrorKind::Denied,
            Permanent,
            format!("{object}: there are no credentials, or they have expired{said}{kept}"),
        )
        .advise(Advice::GiveStoreKeys),
        Failure::SourceChanged { changes } => error(
            ErrorKind::Changed,
            Permanent,
            format!("{source}: the file changed while it was uploaded to {object} ({changes} times in this run)"),
        )
        .with("changes", changes)
        .advise(Advice::LeaveSourceAlone),
        Failure::OtherObject => {
            let advice = if overwriting_forbidden { Advice::ChooseKey } else { Advice::JudgeObject };
            let text = format!("{object}: another writer's object stands at the key and is not overwritten");
            error(ErrorKind::OtherObject, Permanent, text).advise(advice)
        }
        Failure::Unconfirmed => {
            let text = format!("{object}: it may be stored, but that cannot be found out{said}");
            error(ErrorKind::Unconfirmed, GaveUp, text).advise(Advice::AllowReading)
        }
        Failure::Integrity { expected, actual } => {
            let differs = match expected.zip(actual) {
                Some((expected, actual)) => format!("the store has {actual} where {source} has {expected}"),
                None => format!(
                    "what the store has is not what was sent of {source}: its length is another one, or its ETag is not \
                     that of its parts"
                ),
            };
            let text = format!("{object}: {differs}, twice");
            error(ErrorKind::Integrity, Permanent, text).advise(Advice::CheckMachine)
        }
        Failure::Disk { fault, during } => disk(fault, during, about, remembered),
        Failure::Limits(limit) => {
            let (text, advice) = limits(limit);
            error(ErrorKind::Usage, Permanent, format!("{source}: {text}")).advise(advice)
        }
        Failure::GaveUp(fault) => {
            let why = fault_text(&fault);
            let kind = match fault {
                Fault::Unreadable | Fault::Conflict(_) => ErrorKind::Refused,
                Fault::Corrupted => ErrorKind::Integrity,
                Fault::Expired | Fault::NoCredentials | Fault::Denied(_) => ErrorKind::Denied,
                _ => ErrorKind::Network,
            };
            let (disposition, advice) = match fault {
                // What is so for good does not get better by another try.
                Fault::Net { fault: NetFault::Tls | NetFault::Proxy | NetFault::Redirect, .. }
                | Fault::Expired
                | Fault::NoCredentials
                | Fault::Denied(_) => (Permanent, None),
                _ => (GaveUp, Some(Advice::RunAgain)),
            };
            let text = format!("{object}: {why}{}{kept}", last(&said, &why));
            error(kind, disposition, text).answered(fault.status()).wait(fault.retry_after_ms()).advise(advice)
        }
        Failure::Rejected(413) => error(
            ErrorKind::Refused,
            Permanent,
            format!(
                "{object}: one request was too large for the store, or for a proxy before it (status 413){said}{kept}"
            ),
        )
        .answered(413)
        .advise(Advice::SmallerParts),
        Failure::Rejected(status) => error(
            ErrorKind::Refused,
            Permanent,
            format!("{object}: the store refuses with status {status}{said}{kept}"),
        )
        .answered(status),
        Failure::Unusable => {
            error(ErrorKind::Refused, Permanent, format!("{object}: the store's answers cannot be used{said}{kept}"))
                .advise(Advice::CheckStore)
        }
    }
}

/// The store's own words, unless they say the same.
fn last(said: &str, why: &str) -> String {
    match said.strip_prefix(": ") {
        Some(detail) if detail != why => format!(" (last: {detail})"),
        _ => String::new(),
    }
}

fn disk(fault: DiskFault, during: &'static str, about: &About<'_>, remembered: UploadDetails) -> Error {
    let (kind, advice) = match fault {
        DiskFault::NoSpace => (ErrorKind::NoSpace, Advice::MakeRoom),
        DiskFault::InUse => (ErrorKind::InUse, Advice::WaitForOther),
        DiskFault::Denied => (ErrorKind::LocalFile, Advice::CheckPermissions),
        DiskFault::Unsupported if is_about(&remembered, about.source) => (ErrorKind::LocalFile, Advice::SendAsStream),
        DiskFault::ReadOnly => (ErrorKind::LocalFile, Advice::ChooseStateDir),
        DiskFault::Exists | DiskFault::Unsupported | DiskFault::Interrupted | DiskFault::Io => {
            (ErrorKind::LocalFile, Advice::CheckSource)
        }
    };
    let advice = remembered.disk.as_ref().and_then(DiskError::advice).unwrap_or(advice);
    let About { object, source, .. } = *about;
    let text = match &remembered.disk {
        Some(error) if error.held_by_us().is_some() => {
            format!("{source}: it is being uploaded to {object} already, by another transfer of this program")
        }
        Some(error) => format!("{source}: {error}"),
        None => format!("{source}: cannot {during} (while uploading to {object})"),
    };
    // The other one ends by itself.
    let disposition = if kind == ErrorKind::InUse { Disposition::Temporary } else { Disposition::Permanent };
    let error = Error::new(kind, disposition, text)
        .advise(advice)
        .with("source", source)
        .with("destination", object)
        .with("operation", during);
    match remembered.disk.and_then(|cause| cause.holder()) {
        Some(holder) => error.with("holder", holder),
        None => error,
    }
}

fn is_about(remembered: &UploadDetails, source: &str) -> bool {
    remembered.disk.as_ref().is_some_and(|error| error.path().display().to_string() == source)
}

fn limits(limit: StoreLimit) -> (String, Option<Advice>) {
    match limit {
        StoreLimit::PartTooSmall(least) => {
            (format!("the store takes no parts below {least} bytes"), Some(Advice::LargerParts))
        }
        StoreLimit::PartTooLarge(most) => {
            (format!("the store takes no parts above {most} bytes"), Some(Advice::SmallerParts))
        }
        StoreLimit::TooManyParts(most) => {
            let text = format!("with this part size there would be more than the {most} parts that the store takes");
            (text, Some(Advice::LargerParts))
        }
        StoreLimit::TooLong(most) => {
            (format!("it is longer than the longest object that the store takes, {most} bytes"), None)
        }
    }
}

/// Why a request did not help, in words.
pub(crate) fn fault_text(fault: &Fault) -> String {
    match fault {
        Fault::Net { fault, .. } => trouble_text(&longhaul_core::download::step::Trouble::Net(*fault)),
        Fault::Stopped { .. } => trouble_text(&longhaul_core::download::step::Trouble::Net(NetFault::Cut)),
        Fault::Busy { status, .. } => format!("the store answered with status {status}"),
        Fault::Unreadable => "the store's answer cannot be used".to_owned(),
        Fault::Expired => "the credentials have expired".to_owned(),
        Fault::Skewed => "the clock differs from the store's".to_owned(),
        Fault::Amended => "the store wants more with each request".to_owned(),
        Fault::Corrupted => "the bytes did not arrive as they were sent".to_owned(),
        Fault::NoSuchUpload => "the store has no such upload any more".to_owned(),
        Fault::NoSuchKey => "there is no such object".to_owned(),
        Fault::NoSuchBucket => "there is no such bucket".to_owned(),
        Fault::InvalidPart => "the store does not have the parts that it acknowledged".to_owned(),
        Fault::Exists => "an object is there already".to_owned(),
        Fault::Conflict(status) => format!("something else is being done to the object (status {status})"),
        Fault::Denied(status) => format!("access denied (status {status})"),
        Fault::NoCredentials => "there are no credentials".to_owned(),
        Fault::Rejected(status) => format!("the store refuses with status {status}"),
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
