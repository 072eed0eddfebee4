//! From the core's verdict to the one public error: names the object, says what was tried and what to do next.

use std::path::Path;

use longhaul_core::download::resume::Refusal;
use longhaul_core::download::step::{Failure, Plainer, Trouble};
use longhaul_core::identity::Identity;
use longhaul_core::reply::Suspicion;
use longhaul_core::words::{DiskFault, NetFault};

use super::Remembered;
use crate::disk::beside::names::Names;
use crate::disk::error::DiskError;
use crate::error::{Disposition, Error, ErrorKind};
use crate::store::http::http_date;

/// The error for a failed run. `object` is the redacted source, `target` where the file was to be, `held` how many
/// bytes stay for the next start.
pub(crate) fn error_of(failure: Failure, object: &str, target: &str, held: u64, remembered: Remembered) -> Error {
    use Disposition::Permanent;
    let kept = if held > 0 { "; what is held is kept" } else { "" };
    let error = |kind, disposition, text: String| Error::new(kind, disposition, text).with("source", object);
    // A store knows better than its status why it refuses, and what helps.
    let store_says = remembered.refusal.clone();
    match (failure, store_says) {
        (Failure::NotFound(status), Some(said)) => {
            error(ErrorKind::NotFound, Permanent, format!("{object}: {said}")).with("status", status)
        }
        (Failure::Denied(status), Some(said)) => {
            let kind = if remembered.beside_access { ErrorKind::Refused } else { ErrorKind::Denied };
            error(kind, Permanent, format!("{object}: {said}{kept}")).with("status", status)
        }
        (Failure::ServerRefused(status), Some(said)) => {
            error(ErrorKind::Refused, Permanent, format!("{object}: {said}{kept}")).with("status", status)
        }
        (failure, _) => of_server(failure, object, target, held, remembered),
    }
}

fn of_server(failure: Failure, object: &str, target: &str, held: u64, remembered: Remembered) -> Error {
    use Disposition::{GaveUp, Permanent, Temporary};
    let kept = if held > 0 { "; what is held is kept" } else { "" };
    let error = |kind, disposition, text: String| Error::new(kind, disposition, text).with("source", object);
    match failure {
        Failure::NotFound(status) => {
            error(ErrorKind::NotFound, Permanent, format!("{object}: not found (status {status}); check the address"))
                .with("status", status)
        }
        Failure::Outside { length } => {
            let range = remembered.range.as_deref().unwrap_or("the range");
            let text = match length {
                Some(length) => format!("the object has {length} bytes, and {range} asks for others"),
                None => format!("the server says that {range} lies outside of the object (status 416)"),
            };
            let error = error(ErrorKind::Refused, Permanent, format!("{object}: {text}{kept}")).with("status", 416);
            length.map_or(error.clone(), |length| error.with("length", length))
        }
        Failure::Denied(status @ 407) | Failure::NeedsLink(status @ 407) => error(
            ErrorKind::Denied,
            Permanent,
            format!("{object}: the proxy wants a user and password (status 407); give them in its URL{kept}"),
        )
        .with("status", status),
        Failure::Denied(status) => error(
            ErrorKind::Denied,
            Permanent,
            format!("{object}: access denied (status {status}); give credentials (--user, --header){kept}"),
        )
        .with("status", status),
        Failure::NeedsLink(status) => error(
            ErrorKind::NeedsLink,
            Permanent,
            format!(
                "{object}: the signed link is not accepted any more (status {status}); \
                 run the same command with a fresh link{kept}"
            ),
        )
        .with("status", status),
        Failure::Changed { changes } => error(
            ErrorKind::Changed,
            Permanent,
            format!(
                "{object}: the object changed while it was fetched ({changes} times in this run){kept}; \
                 run again to fetch the version of then"
            ),
        )
        .with("changes", changes),
        Failure::Unmet { seen } => unmet(&seen, object, kept),
        Failure::Integrity { expected, actual, declared: false } => error(
            ErrorKind::Integrity,
            Permanent,
            format!(
                "{object}: the finished object has {actual} instead of {expected}, twice; nothing was published. \
                 Check the expected digest, or fetch from another source"
            ),
        ),
        Failure::Integrity { expected, actual, declared: true } => {
            let field = remembered.declared_in.iter().find(|(digest, _)| *digest == expected);
            let who = field.map_or("the server".to_owned(), |(_, field)| format!("the server's field {field}"));
            error(
                ErrorKind::Integrity,
                Permanent,
                format!(
                    "{object}: {who} says that the object has {expected}, and twice {actual} came; nothing was published. \
                     Give the right digest (--checksum), which decides; or, if the server's is known to be wrong, \
                     --ignore-source-digest"
                ),
            )
        }
        Failure::NotProvable(why) => error(
            ErrorKind::NotProvable,
            Permanent,
            format!("{object}: what was required cannot be proven: {why}; nothing was published"),
        ),
        Failure::Disk { fault, during } => disk(fault, during, object, target, remembered),
        Failure::Refused(refusal) => refused(refusal, object, target, &remembered),
        Failure::GaveUp(trouble) => gave_up(&trouble, object, held, remembered, GaveUp),
        Failure::Portal => error(
            ErrorKind::Portal,
            Temporary,
            format!(
                "{object}: an HTML page came in place of the object (a login page or a captive portal){kept}; \
                 log in and run the same command again{}",
                if held == 0 { ", or name the file .html if the page is wanted" } else { "" }
            ),
        ),
        Failure::ServerRefused(status) => {
            error(ErrorKind::Refused, Permanent, format!("{object}: the server refuses with status {status}"))
                .with("status", status)
        }
        Failure::Unusable(why) => error(
            ErrorKind::Refused,
            Permanent,
            format!("{object}: the server's replies cannot be used: {}{kept}{}", suspicion(why), anew(held, target)),
        ),
    }
}

/// How to begin anew with what the source shows now, where something is held that it does not go with.
fn anew(held: u64, target: &str) -> String {
    if held == 0 {
        return String::new();
    }
    let Some(names) = Path::new(target).file_name().and_then(Names::of) else { return String::new() };
    let (part, journal) = (names.part(), names.log());
    format!("; to give it up and begin anew, delete {} and {} beside the target", part.display(), journal.display())
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

fn disk(fault: DiskFault, during: &'static str, object: &str, target: &str, remembered: Remembered) -> Error {
    let mine = remembered.range.as_ref().map_or_else(|| object.to_owned(), |range| format!("{range} of {object}"));
    if let Some(other) = remembered.disk.as_ref().and_then(DiskError::held_by_us) {
        return taken(other, &mine, &path_of(&remembered, target));
    }
    if let Some(other) = remembered.disk.as_ref().and_then(DiskError::saved_by_us) {
        let target = path_of(&remembered, target);
        let text = format!(
            "{target}: {mine} and {other} would both be saved there, and {other} was just now; give one of them \
             another name"
        );
        let error = Error::new(ErrorKind::Exists, Disposition::Permanent, text);
        return error.with("path", target).with("source", object).with("other", other);
    }
    let (kind, next) = match fault {
        _ if remembered.disk.as_ref().is_some_and(DiskError::is_for_its_name) => {
            (ErrorKind::LocalFile, "choose another name")
        }
        DiskFault::NoSpace => (ErrorKind::NoSpace, "make room and run the same command again"),
        DiskFault::InUse => (ErrorKind::InUse, "wait for it or stop it"),
        DiskFault::Exists => (ErrorKind::Exists, "move it away or choose another name"),
        DiskFault::ReadOnly => (ErrorKind::LocalFile, "choose a folder that can be written"),
        DiskFault::Denied => (ErrorKind::LocalFile, "check the permissions of the folder"),
        DiskFault::Unsupported | DiskFault::Interrupted | DiskFault::Io => {
            (ErrorKind::LocalFile, "check the disk and the path")
        }
    };
    let text = match &remembered.disk {
        Some(error) => format!("{target}: {error}; {}", error.advice().unwrap_or(next)),
        None => format!("{target}: cannot {during} (while fetching {object}); {next}"),
    };
    let error = Error::new(kind, Disposition::Permanent, text).with("path", target).with("operation", during);
    match remembered.disk.filter(|cause| cause.fault() == DiskFault::InUse) {
        Some(cause) => {
            let error = error.with("part", cause.path().display());
            cause.holder().map_or(error.clone(), |holder| error.with("holder", holder))
        }
        None => error,
    }
}

/// What the failure is about: the file, where only its folder was known before.
fn path_of(remembered: &Remembered, target: &str) -> String {
    remembered.disk.as_ref().map_or_else(|| target.to_owned(), |cause| cause.path().display().to_string())
}

/// Another transfer of this very program works on the target: no other process is to be waited for.
fn taken(other: &str, object: &str, target: &str) -> Error {
    let text = if other == object {
        format!("{target}: {object} is being saved there already, by another transfer of this program")
    } else {
        format!(
            "{target}: {object} and {other} would both be saved there, and another transfer of this program is saving \
             {other}; give one of them another name"
        )
    };
    let error = Error::new(ErrorKind::InUse, Disposition::Permanent, text);
    error.with("path", target).with("source", object).with("other", other)
}

fn refused(refusal: Refusal, object: &str, target: &str, remembered: &Remembered) -> Error {
    let error = |kind, text: String| Error::new(kind, Disposition::Permanent, text).with("path", target);
    match refusal {
        Refusal::TargetExists => error(
            ErrorKind::Exists,
            format!(
                "{target} exists and is not a finished download of {}{object}; move it away, choose another name, or allow --overwrite",
                remembered.range.as_ref().map(|range| format!("{range} of ")).unwrap_or_default()
            ),
        ),
        Refusal::TargetIsSymlink => error(
            ErrorKind::Exists,
            format!("{target} is a symbolic link, which is never followed; remove it, or replace it with --overwrite"),
        ),
        Refusal::TargetIsDirectory => {
            error(ErrorKind::Usage, format!("{target} is a folder; name a file, or give the folder with --dir"))
        }
        Refusal::TargetIsSpecial => {
            error(ErrorKind::Exists, format!("{target} is a device, pipe or socket; name a file"))
        }
        Refusal::PartialOfAnotherSource => error(
            ErrorKind::Exists,
            format!(
                "the partial file of {target} belongs to {}, not to {object}; finish or remove that one, or choose another name",
                remembered.recorded_source.as_deref().unwrap_or("another source")
            ),
        ),
        Refusal::PartialOfAnotherRange => error(
            ErrorKind::Exists,
            format!(
                "the partial file of {target} holds another range of {object}: {}, not {}; finish or remove that one, or choose another name",
                remembered.recorded_range.as_deref().unwrap_or("other bytes"),
                remembered.range.as_deref().unwrap_or("all of it")
            ),
        ),
        Refusal::NoSpaceAhead { needed, free } => error(
            ErrorKind::NoSpace,
            format!(
                "{target}: {needed} bytes are needed and {free} are free; make room and run the same command again"
            ),
        ),
    }
}

fn gave_up(trouble: &Trouble, object: &str, held: u64, remembered: Remembered, disposition: Disposition) -> Error {
    let kept = if held > 0 { "; what is held is kept" } else { "" };
    let last = remembered.net.map(|detail| format!(" (last: {detail})")).unwrap_or_default();
    let (kind, why) = match trouble {
        Trouble::Net(NetFault::Redirect | NetFault::Proxy) => (ErrorKind::Refused, trouble_text(trouble)),
        trouble => (ErrorKind::Network, trouble_text(trouble)),
    };
    // What is so for good does not get better by another try.
    let next = match trouble {
        Trouble::Net(NetFault::Redirect | NetFault::Proxy | NetFault::Tls) => "",
        Trouble::Net(NetFault::Resolve) => "; check the name and the network, and run the same command again",
        _ if held > 0 => "; run the same command again to go on",
        _ => "; run the same command again",
    };
    Error::new(kind, disposition, format!("{object}: {why}{last}{kept}{next}")).with("source", object)
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
