//! From the core's verdict to the one public error: the text names the object and says what happened, the advice what
//! helps.

use std::path::Path;

use longhaul_core::download::adopt::AdoptionRefusal;
use longhaul_core::download::resume::TargetRefusal;
use longhaul_core::download::step::{Failure, Plainer, Trouble};
use longhaul_core::identity::Identity;
use longhaul_core::link::LinkEnd;
use longhaul_core::reply::Suspicion;
use longhaul_core::words::{DiskFault, NetFault};

use super::DownloadDetails;
use crate::advice::Advice;
use crate::disk::beside::names::FileNames;
use crate::disk::error::DiskError;
use crate::error::{Disposition, Error, ErrorKind};
use crate::store::Given;
use crate::store::http::http_date;
use crate::wording;

/// The error for a failed run. `object` is the redacted source, `target` where the file was to be, `held` how many
/// bytes stay for the next start.
pub(crate) fn error_of(failure: Failure, object: &str, target: &str, held: u64, remembered: DownloadDetails) -> Error {
    use Disposition::Permanent;
    let kept = wording::kept(held);
    let error = |kind, disposition, text: String| Error::new(kind, disposition, text).with("source", object);
    // A store knows better than its status why it refuses, and what helps.
    let store_says = remembered.refusal.clone();
    match (failure, store_says) {
        (Failure::NotFound(status), Some(said)) => error(ErrorKind::NotFound, Permanent, format!("{object}: {said}"))
            .answered(status)
            .advise(if object.ends_with('/') { Advice::FetchBelow } else { Advice::CheckStore }),
        (Failure::Denied(status), Some(said)) => {
            let (kind, advice) = match status {
                _ if remembered.beside_access => (ErrorKind::Refused, None),
                407 => (ErrorKind::Denied, Some(Advice::GiveProxyCredentials)),
                _ => (ErrorKind::Denied, remembered.advice.or(Some(Advice::CheckStoreKeys))),
            };
            error(kind, Permanent, format!("{object}: {said}{kept}")).answered(status).advise(advice)
        }
        (Failure::ServerRefused(status), Some(said)) => {
            error(ErrorKind::Refused, Permanent, format!("{object}: {said}{kept}")).answered(status)
        }
        (failure, _) => of_server(failure, object, target, held, remembered),
    }
}

fn of_server(failure: Failure, object: &str, target: &str, held: u64, remembered: DownloadDetails) -> Error {
    use Disposition::{Permanent, Temporary};
    let kept = wording::kept(held);
    let error = |kind, disposition, text: String| Error::new(kind, disposition, text).with("source", object);
    match failure {
        Failure::NotFound(status) => {
            error(ErrorKind::NotFound, Permanent, format!("{object}: not found (status {status})"))
                .answered(status)
                .advise(Advice::CheckAddress)
        }
        Failure::Outside { length } => {
            let range = remembered.range.as_deref().unwrap_or("the range");
            let text = match length {
                Some(length) => format!("the object has {length} bytes, and {range} asks for others"),
                None => format!("the server says that {range} lies outside of the object (status 416)"),
            };
            let error = error(ErrorKind::Refused, Permanent, format!("{object}: {text}{kept}")).answered(416);
            length.map_or(error.clone(), |length| error.with("length", length))
        }
        Failure::Denied(status) => {
            let (kind, why, advice) = denied(status, None, remembered.given);
            error(kind, Permanent, format!("{object}: {why}{kept}")).answered(status).advise(advice)
        }
        Failure::NeedsLink { status, why } => {
            let (kind, why, advice) = denied(status, Some(why), remembered.given);
            error(kind, Permanent, format!("{object}: {why}{kept}")).answered(status).advise(advice)
        }
        Failure::Changed { changes } => error(
            ErrorKind::Changed,
            Permanent,
            format!(
                "{object}: the object changed while it was fetched ({changes} times in this run){kept}; the next run \
                 fetches the version of then"
            ),
        )
        .with("changes", changes)
        .advise(Advice::RunAgain),
        Failure::Unmet { seen } => unmet(&seen, object, &kept),
        Failure::Integrity { expected, actual, declared: false } => {
            let text =
                format!("{object}: the file has {actual}, and {expected} was expected; nothing was published{kept}");
            with_files(error(ErrorKind::Integrity, Permanent, text), held, target).advise(Advice::CheckDigest)
        }
        Failure::Integrity { expected, actual, declared: true } => {
            let field = remembered.declared_in.iter().find(|(digest, _)| *digest == expected);
            let who = field.map_or("the server".to_owned(), |(_, field)| format!("the server's field {field}"));
            let text = format!(
                "{object}: {who} says that the object has {expected}, and what came has {actual}; nothing was \
                 published{kept}"
            );
            with_files(error(ErrorKind::Integrity, Permanent, text), held, target).advise(Advice::GiveDigest)
        }
        Failure::OtherTarget { expected, actual } => {
            let text = format!("{target} exists; the file there has {actual}, and {expected} was expected");
            let error = Error::new(ErrorKind::Exists, Permanent, text).with("path", target).with("source", object);
            error.advise(Advice::AllowOverwrite)
        }
        Failure::Adoption(why @ AdoptionRefusal::OtherVersion) => {
            let text = format!("{object}: the file cannot be mended: {}; it is as it was", why.explain());
            error(ErrorKind::Changed, Permanent, text)
        }
        Failure::Adoption(why) => {
            let text = format!("{object}: the partial file is not gone on with: {}; it is as it was", why.explain());
            let advice = matches!(why, AdoptionRefusal::NoDigest).then_some(Advice::ProvePartial);
            error(ErrorKind::NotProvable, Permanent, text).advise(advice)
        }
        Failure::NotProvable(why) => error(
            ErrorKind::NotProvable,
            Permanent,
            format!("{object}: what was required cannot be proven: {why}; nothing was published"),
        ),
        Failure::Disk { fault, during } => disk(fault, during, object, target, remembered),
        Failure::Refused(refusal) => refused(refusal, object, target, &remembered),
        Failure::GaveUp(trouble) => gave_up(&trouble, object, held, remembered),
        Failure::Portal => error(
            ErrorKind::Portal,
            Temporary,
            format!(
                "{object}: an HTML page came in place of the object (a login page or a captive portal{}){kept}",
                if held == 0 { "; a page is taken for a file whose name ends in .html" } else { "" }
            ),
        )
        .advise(Advice::LogIn),
        Failure::ServerRefused(status) => {
            error(ErrorKind::Refused, Permanent, format!("{object}: the server refuses with status {status}"))
                .answered(status)
        }
        Failure::Unusable(why) => {
            let text = format!("{object}: the server's replies cannot be used: {}{kept}", suspicion(why));
            anew(error(ErrorKind::Refused, Permanent, text), held, target).answered(Trouble::Reply(why).status())
        }
    }
}

/// What a refusal of the link, or of who asks, means: how it ended, if it did, and what went with the requests.
pub(crate) fn denied(status: u16, end: Option<LinkEnd>, given: Given) -> (ErrorKind, String, Advice) {
    let Some(end) = end else {
        let (why, advice) = match (status, given) {
            (407, _) => ("the proxy wants a user and password", Advice::GiveProxyCredentials),
            (401, Given::Login) => ("the user or password was refused", Advice::CheckCredentials),
            (401, Given::Headers) => ("the headers that were given do not open it", Advice::CheckCredentials),
            (_, Given::Login) => ("access denied to the user that was given", Advice::CheckCredentials),
            (_, Given::Headers) => ("access denied, with the headers that were given", Advice::CheckCredentials),
            (_, Given::Nothing) => ("access denied", Advice::GiveCredentials),
        };
        return (ErrorKind::Denied, format!("{why} (status {status})"), advice);
    };
    let why = match end {
        LinkEnd::Expired { since_s } => format!(": by its own words it expired {} ago", wording::seconds(since_s)),
        LinkEnd::Worked => ": it worked earlier in this run and has probably expired".to_owned(),
        LinkEnd::WorkedBefore => ": it worked in an earlier run and has probably expired".to_owned(),
        LinkEnd::Signed => String::new(), // perhaps it never was
    };
    let (link, any_more) = match end {
        LinkEnd::Signed => ("signed link", ""),
        _ => ("link", " any more"),
    };
    // Where a server asks who it is, that may be new.
    let advice = match end {
        LinkEnd::Worked | LinkEnd::WorkedBefore if status == 401 => Advice::FreshLinkOrCredentials,
        _ => Advice::FreshLink,
    };
    (ErrorKind::NeedsLink, format!("the {link} is not accepted{any_more} (status {status}){why}"), advice)
}

/// What is held and does not go with what the source shows now can be given up: where it lies.
fn anew(error: Error, held: u64, target: &str) -> Error {
    let named = with_files(error, held, target);
    let is_named = named.context().iter().any(|(name, _)| *name == "part");
    if is_named { named.advise(Advice::BeginAnew) } else { named }
}

/// The files that hold what is held.
fn with_files(error: Error, held: u64, target: &str) -> Error {
    match Path::new(target).file_name().and_then(FileNames::of).filter(|_| held > 0) {
        Some(names) => {
            error.with("path", target).with("part", names.part().display()).with("journal", names.log().display())
        }
        None => error,
    }
}

/// Another object than the caller asked for.
fn unmet(seen: &Identity, object: &str, kept: &str) -> Error {
    let date = seen.modified.and_then(http_date);
    let shown = match (&seen.etag, &date) {
        (None, None) => "neither ETag nor Last-Modified".to_owned(),
        (Some(etag), None) => format!("ETag {etag}"),
        (None, Some(date)) => format!("Last-Modified {date}"),
        (Some(etag), Some(date)) => format!("ETag {etag}, Last-Modified {date}"),
    };
    let mut error = Error::new(
        ErrorKind::ConditionFailed,
        Disposition::Permanent,
        format!(
            "{object}: another object than the one asked for stands there (it shows {shown}); nothing was fetched{kept}"
        ),
    )
    .with("source", object);
    if let Some(etag) = &seen.etag {
        error = error.with("etag", etag);
    }
    match date {
        Some(date) => error.with("last_modified", date),
        None => error,
    }
}

fn disk(fault: DiskFault, during: &'static str, object: &str, target: &str, remembered: DownloadDetails) -> Error {
    let mine = remembered.range.as_ref().map_or_else(|| object.to_owned(), |range| format!("{range} of {object}"));
    if let Some(other) = remembered.disk.as_ref().and_then(DiskError::held_by_us) {
        return taken(other, &mine, &path_of(&remembered, target));
    }
    if let Some(other) = remembered.disk.as_ref().and_then(DiskError::saved_by_us) {
        let target = path_of(&remembered, target);
        let text = format!("{target}: {mine} and {other} would both be saved there, and {other} was just now");
        let error = Error::new(ErrorKind::Exists, Disposition::Permanent, text).advise(Advice::ChooseNames);
        return error.with("path", target).with("source", object).with("other", other);
    }
    let (kind, advice) = match fault {
        _ if remembered.disk.as_ref().is_some_and(DiskError::is_for_its_name) => {
            (ErrorKind::LocalFile, Advice::ChooseName)
        }
        DiskFault::NoSpace => (ErrorKind::NoSpace, Advice::MakeRoom),
        DiskFault::InUse => (ErrorKind::InUse, Advice::WaitForOther),
        DiskFault::Exists => (ErrorKind::Exists, Advice::MoveAway),
        DiskFault::ReadOnly => (ErrorKind::LocalFile, Advice::ChooseFolder),
        DiskFault::Denied => (ErrorKind::LocalFile, Advice::CheckPermissions),
        DiskFault::Unsupported | DiskFault::Interrupted | DiskFault::Io => (ErrorKind::LocalFile, Advice::CheckDisk),
    };
    let advice = remembered.disk.as_ref().and_then(DiskError::advice).unwrap_or(advice);
    let text = match &remembered.disk {
        Some(error) => format!("{target}: {error}"),
        None => format!("{target}: cannot {during} (while fetching {object})"),
    };
    // The other one ends by itself.
    let disposition = if kind == ErrorKind::InUse { Disposition::Temporary } else { Disposition::Permanent };
    let error = Error::new(kind, disposition, text).advise(advice).with("path", target).with("operation", during);
    match remembered.disk.filter(|cause| cause.fault() == DiskFault::InUse) {
        Some(cause) => {
            let error = error.with("part", cause.path().display());
            cause.holder().map_or(error.clone(), |holder| error.with("holder", holder))
        }
        None => error,
    }
}

/// What the failure is about: the file, where only its folder was known before.
fn path_of(remembered: &DownloadDetails, target: &str) -> String {
    remembered.disk.as_ref().map_or_else(|| target.to_owned(), |cause| cause.path().display().to_string())
}

/// Another transfer of this very program works on the target: no other process is to be waited for.
fn taken(other: &str, object: &str, target: &str) -> Error {
    let (text, advice) = if other == object {
        (format!("{target}: {object} is being saved there already, by another transfer of this program"), None)
    } else {
        let text = format!(
            "{target}: {object} and {other} would both be saved there, and another transfer of this program is saving \
             {other}"
        );
        (text, Some(Advice::ChooseNames))
    };
    let error = Error::new(ErrorKind::InUse, Disposition::Temporary, text).advise(advice);
    error.with("path", target).with("source", object).with("other", other)
}

fn refused(refusal: TargetRefusal, object: &str, target: &str, remembered: &DownloadDetails) -> Error {
    let (kind, advice, text) = match refusal {
        TargetRefusal::TargetExists => {
            let range = remembered.range.as_ref().map(|range| format!("{range} of ")).unwrap_or_default();
            let text = format!("{target} exists and is not a finished download of {range}{object}");
            match (remembered.digest_given, &remembered.disk) {
                (false, _) => (ErrorKind::Exists, Advice::GiveDigestOrOverwrite, text),
                (true, None) => (ErrorKind::Exists, Advice::AllowOverwrite, text),
                // Why it could not be compared with the digest.
                (true, Some(why)) => (ErrorKind::Exists, Advice::AllowOverwrite, format!("{text} ({why})")),
            }
        }
        TargetRefusal::TargetIsSymlink => {
            let text = format!("{target} is a symbolic link, which is never followed");
            (ErrorKind::Exists, Advice::AllowOverwrite, text)
        }
        TargetRefusal::TargetIsDirectory => (ErrorKind::Usage, Advice::ChooseFile, format!("{target} is a folder")),
        TargetRefusal::TargetIsSpecial => {
            (ErrorKind::Exists, Advice::ChooseName, format!("{target} is a device, pipe or socket"))
        }
        TargetRefusal::PartialOfAnotherSource => {
            let other = remembered.recorded_source.as_deref().unwrap_or("another source");
            let text = format!("the partial file of {target} belongs to {other}, not to {object}");
            (ErrorKind::Exists, Advice::FinishOther, text)
        }
        TargetRefusal::PartialOfAnotherRange => {
            let text = format!(
                "the partial file of {target} holds another range of {object}: {}, not {}",
                remembered.recorded_range.as_deref().unwrap_or("other bytes"),
                remembered.range.as_deref().unwrap_or("all of it")
            );
            (ErrorKind::Exists, Advice::FinishOther, text)
        }
        TargetRefusal::NoSpaceAhead { needed, free } => {
            let text = format!("{target}: {needed} bytes are needed and {free} are free");
            (ErrorKind::NoSpace, Advice::MakeRoom, text)
        }
    };
    Error::new(kind, Disposition::Permanent, text).with("path", target).advise(advice)
}

fn gave_up(trouble: &Trouble, object: &str, held: u64, remembered: DownloadDetails) -> Error {
    let (status, wait) = (trouble.status(), remembered.wait_of(trouble.status()));
    let kept = wording::kept(held);
    let last = remembered.net.map(|detail| format!(" (last: {detail})")).unwrap_or_default();
    let (kind, why) = match trouble {
        Trouble::Net(NetFault::Redirect | NetFault::Proxy) => (ErrorKind::Refused, trouble_text(trouble)),
        trouble => (ErrorKind::Network, trouble_text(trouble)),
    };
    let (disposition, advice) = match trouble {
        // What is so for good does not get better by another try.
        Trouble::Net(NetFault::Redirect | NetFault::Proxy | NetFault::Tls) => (Disposition::Permanent, None),
        Trouble::Net(NetFault::Resolve) => (Disposition::GaveUp, Some(Advice::CheckNetwork)),
        _ => (Disposition::GaveUp, Some(Advice::RunAgain)),
    };
    let error = Error::new(kind, disposition, format!("{object}: {why}{last}{kept}")).with("source", object);
    error.answered(status).wait(wait).advise(advice)
}

/// That the same is asked in a plainer way, in words.
pub(crate) fn plainer_text(without: Plainer, why: &Trouble) -> String {
    let why = trouble_text(why);
    match without {
        Plainer::Condition => format!("{why}; asking again without a condition"),
        Plainer::Range => format!("{why}; asking for all of it, without a range"),
    }
}

/// Why a request did not help, in words.
pub(crate) fn trouble_text(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Net(fault) => match fault {
            NetFault::Resolve => "the host name does not resolve",
            NetFault::Connect => "no connection",
            NetFault::Tls => "no secure connection",
            NetFault::Cut => "the connection broke",
            NetFault::Stalled => "the connection stalled",
            NetFault::Protocol => "the answer was no legal HTTP",
            NetFault::Proxy => "the proxy refuses",
            NetFault::Redirect => "a redirect must not be followed",
        }
        .to_owned(),
        Trouble::Busy(202) => "the object is still being prepared (status 202)".to_owned(),
        Trouble::Busy(status) => format!("the server answered with status {status}"),
        Trouble::Reply(why) => suspicion(*why),
        Trouble::Short => "the reply brought nothing new".to_owned(),
    }
}

fn suspicion(why: Suspicion) -> String {
    match why {
        Suspicion::NoValidator => "a reply lacks the validator that bytes are held under",
        Suspicion::Empty => "an empty body where there should be bytes",
        Suspicion::Html => "an HTML page in place of the object",
        Suspicion::BadContentRange => "a 206 without a usable Content-Range",
        Suspicion::BadFraming => "a length that cannot be right",
        Suspicion::StartsLate => "a range that starts behind what was asked",
        Suspicion::UnaskedRange => "a 206 although no range was asked",
        Suspicion::LengthContradiction => "Content-Length and Content-Range contradict each other",
        Suspicion::OddStatus(status) => return format!("status {status} answers no GET"),
        Suspicion::BadUnsatisfied => "416 although the range lies inside the object",
        Suspicion::Encoded => "an encoded body although the object is not encoded",
        Suspicion::Alternating => "the replies show two versions in turn, as from a balancer whose servers differ",
        Suspicion::RangeIgnored => "the server does not serve ranges of it, and sends all",
        Suspicion::LengthUntold => "the server does not tell the object's length, and the range depends on it",
        Suspicion::BadPrecondition => "412 although no condition was sent",
    }
    .to_owned()
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
