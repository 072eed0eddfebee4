//! Which number has an error in aria2's RPC? Those of its manual's section EXIT STATUS that come nearest.

use longhaul::ErrorKind;
use longhaul::manager::{Entry, Need, Reason, State};

/// The number and the sentence for why an entry ended or waits. `None`: it is under way without trouble.
pub(crate) fn of_entry(entry: &Entry) -> Option<(u16, String)> {
    match &entry.state {
        State::Done(_) => Some((0, String::new())),
        State::Cancelled => Some((REMOVED, String::new())),
        State::Needs { what, reason } => Some((of_need(*what, reason), sentence(reason))),
        state => state.reason().map(|reason| (of_kind(reason), sentence(reason))),
    }
}

/// aria2's own number for what was removed by a person.
const REMOVED: u16 = 31;

fn of_need(what: Need, reason: &Reason) -> u16 {
    match what {
        Need::Link => 22,
        Need::Headers | Need::Keys => 24,
        Need::Decision => of_kind(reason),
    }
}

fn of_kind(reason: &Reason) -> u16 {
    match reason.kind {
        ErrorKind::Network if is_name_lookup(&reason.message) => 19,
        ErrorKind::Network if is_timeout(&reason.message) => 2,
        ErrorKind::Network => 6,
        ErrorKind::NotFound => 3,
        ErrorKind::Portal | ErrorKind::NeedsLink | ErrorKind::Refused => 22,
        ErrorKind::Denied => 24,
        ErrorKind::Changed | ErrorKind::ConditionFailed => 8,
        ErrorKind::NoSpace => 9,
        ErrorKind::InUse => 11,
        ErrorKind::Exists | ErrorKind::OtherObject => 13,
        ErrorKind::LocalFile => 17,
        ErrorKind::Integrity | ErrorKind::NotProvable => 32,
        ErrorKind::Usage => 28,
        ErrorKind::Cancelled => REMOVED,
        _ => 1,
    }
}

fn is_name_lookup(message: &str) -> bool {
    message.contains("does not resolve")
}

fn is_timeout(message: &str) -> bool {
    message.contains("stalled") || message.contains("timed out") || message.contains("in time")
}

/// What went wrong, and what helps.
fn sentence(reason: &Reason) -> String {
    match &reason.advice {
        Some(advice) => format!("{}; {advice}", reason.message),
        None => reason.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(kind: ErrorKind, message: &str) -> Reason {
        Reason { kind, message: message.to_owned(), advice: Some("look again".to_owned()), status: None }
    }

    #[test]
    fn each_trouble_has_the_number_that_comes_nearest() {
        for (kind, message, code) in [
            (ErrorKind::Network, "the host name does not resolve", 19),
            (ErrorKind::Network, "the connection stalled", 2),
            (ErrorKind::Network, "the connection broke", 6),
            (ErrorKind::NotFound, "the server answered with status 404", 3),
            (ErrorKind::NoSpace, "no space", 9),
            (ErrorKind::Integrity, "sha256 differs", 32),
            (ErrorKind::Internal, "panic", 1),
        ] {
            assert_eq!(of_kind(&reason(kind, message)), code, "{message}");
        }
        let denied = reason(ErrorKind::Denied, "status 403");
        assert_eq!((of_need(Need::Link, &denied), of_need(Need::Headers, &denied)), (22, 24));
        assert_eq!(of_need(Need::Decision, &reason(ErrorKind::Exists, "a file is there")), 13);
        assert_eq!(sentence(&denied), "status 403; look again");
    }
}
