//! What does the end of a run mean for its entry? The table from errors of transfers to words of the queue.

use longhaul_core::queue::step::{Delay, End, Need};

use super::details::Details;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::Outcome;
use crate::transfer::TransferKind;

/// How the run of an entry ended, for the queue.
pub(super) fn of(details: &Details, result: &Result<Outcome, Error>) -> End {
    match result {
        Ok(_) => End::Done,
        Err(error) => of_error(details, error),
    }
}

fn of_error(details: &Details, error: &Error) -> End {
    let after_ms = error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let later = |why| End::Later { why, after_ms };
    match error.kind() {
        ErrorKind::Cancelled => End::Stopped,
        ErrorKind::Network | ErrorKind::Portal => later(Delay::Network),
        ErrorKind::Refused if may_pass(error) => later(Delay::Busy),
        ErrorKind::InUse => later(Delay::InUse),
        ErrorKind::NoSpace => later(Delay::Space),
        // The drive is away: what was received is there when it is back.
        ErrorKind::LocalFile if details.held > 0 && !details.folder.exists() => later(Delay::Space),
        ErrorKind::LocalFile if error.disposition() == Disposition::Temporary => later(Delay::InUse),
        ErrorKind::Unconfirmed => later(Delay::Unconfirmed),
        ErrorKind::NotFound => later(Delay::NotFound),
        ErrorKind::NeedsLink => End::Needs(Need::Link),
        ErrorKind::Denied if is_of_store(details) => End::Needs(Need::Keys),
        ErrorKind::Denied => End::Needs(Need::Headers),
        ErrorKind::Exists | ErrorKind::Changed | ErrorKind::ConditionFailed | ErrorKind::OtherObject => {
            End::Needs(Need::Decision)
        }
        ErrorKind::CallbackFailed => End::Done, // it is stored
        ErrorKind::Integrity
        | ErrorKind::NotProvable
        | ErrorKind::LocalFile
        | ErrorKind::Refused
        | ErrorKind::Usage
        | ErrorKind::Internal => End::Failed,
    }
}

/// Whether a server that refused may not do so later: it said so by its status, or the transfer says that it may help.
fn may_pass(error: &Error) -> bool {
    error.disposition() != Disposition::Permanent || error.status().is_some_and(|status| status == 429 || status >= 500)
}

fn is_of_store(details: &Details) -> bool {
    let first = details.sources.first().map(String::as_str).unwrap_or_default();
    details.kind == TransferKind::Upload || first.starts_with("oss://") || first.starts_with("s3://")
}
