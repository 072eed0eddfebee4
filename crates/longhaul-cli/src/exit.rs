//! What does an exit code mean? The one table, and the failure that carries a code to the end of the program.

use longhaul::json::{self, Fields};
use longhaul::{Error, ErrorKind};

use crate::signals::Signal;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Internal,
    Usage,
    NotFound,
    Denied,
    NeedsLink,
    Changed,
    Integrity,
    LocalFile,
    InUse,
    Network,
    Refused,
    Unconfirmed,
    ExecFailed,
    Pipe,
    Signal(Signal),
    /// That of a command which was run in the program's place.
    Command(u8),
}

/// Every code with what it says, as `--help` and `docs/exit-codes.md` show it.
pub(crate) const TABLE: [(Exit, &str); 18] = [
    (Exit::Done, "done"),
    (Exit::Internal, "internal error"),
    (Exit::Usage, "wrong arguments"),
    (Exit::NotFound, "the source says that the object does not exist, or the store that there is no such bucket"),
    (Exit::Denied, "access denied, or credentials needed"),
    (Exit::NeedsLink, "the link expired and a new one is needed, or a login page came instead"),
    (Exit::Changed, "the object changed or is not the one asked for, or another one stands at the key of an upload"),
    (Exit::Integrity, "the bytes are wrong, or cannot be verified as required"),
    (Exit::LocalFile, "a local file problem: no space, read-only, exists, unknown"),
    (Exit::InUse, "in use by another process"),
    (Exit::Network, "the network gave up; what was received is kept"),
    (Exit::Refused, "refused by the server"),
    (Exit::Unconfirmed, "stored but unconfirmed, or stored and its callback failed"),
    (Exit::ExecFailed, "done, but the command given with --exec failed"),
    (Exit::Signal(Signal::Hangup), "SIGHUP; what was received is kept"),
    (Exit::Signal(Signal::Interrupt), "SIGINT (Ctrl-C); what was received is kept"),
    (Exit::Pipe, "the reader of `get -o -` ended before the bytes did"),
    (Exit::Signal(Signal::Terminate), "SIGTERM; what was received is kept"),
];

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::NeedsLink => 5,
            Self::Changed => 6,
            Self::Integrity => 7,
            Self::LocalFile => 8,
            Self::InUse => 9,
            Self::Network => 10,
            Self::Refused => 11,
            Self::Unconfirmed => 12,
            Self::ExecFailed => 13,
            Self::Pipe => 141, // as of a program that SIGPIPE ends
            Self::Signal(signal) => 128 + signal.number(),
            Self::Command(code) => code,
        }
    }
}

/// The code for a kind of error.
pub(crate) fn of_kind(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Usage => Exit::Usage,
        ErrorKind::NotFound => Exit::NotFound,
        ErrorKind::Denied => Exit::Denied,
        ErrorKind::NeedsLink | ErrorKind::Portal => Exit::NeedsLink,
        ErrorKind::Changed | ErrorKind::ConditionFailed | ErrorKind::OtherObject => Exit::Changed,
        ErrorKind::Integrity | ErrorKind::NotProvable => Exit::Integrity,
        ErrorKind::NoSpace | ErrorKind::LocalFile | ErrorKind::Exists => Exit::LocalFile,
        ErrorKind::InUse => Exit::InUse,
        ErrorKind::Network => Exit::Network,
        ErrorKind::Refused => Exit::Refused,
        ErrorKind::Unconfirmed | ErrorKind::CallbackFailed => Exit::Unconfirmed,
        // And a kind that this program does not know yet: a script has no way to act on it.
        _ => Exit::Internal,
    }
}

/// The code for a kind's name, as a daemon says it, and the name. One that this program does not know is a mistake.
pub(crate) fn of_word(word: &str) -> (Exit, &'static str) {
    let kind = ErrorKind::of_name(word).unwrap_or(ErrorKind::Internal);
    (of_kind(kind), kind.name())
}

/// Why a command, or one URL of it, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the program ends if this is the first failure.
    pub(crate) exit: Exit,
    /// The kind in `--json`.
    pub(crate) kind: &'static str,
    /// One or two lines: the object, what was tried, what to do next. No secrets.
    pub(crate) message: String,
    /// What the library knows besides, for `--json`.
    pub(crate) facts: Fields,
}

impl Failure {
    pub(crate) fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Self {
        Self { exit, kind, message: message.into(), facts: Fields::new() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, "internal", message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // An error of the library is one line, also where names in it have line ends.
        let message = crate::printable::one_line(&crate::advice::in_full(&error)).into_owned();
        Self { exit: of_kind(error.kind()), kind: error.kind().name(), message, facts: json::error(&error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_code() {
        let table = [
            (ErrorKind::Usage, 2),
            (ErrorKind::NotFound, 3),
            (ErrorKind::Denied, 4),
            (ErrorKind::NeedsLink, 5),
            (ErrorKind::Portal, 5),
            (ErrorKind::Changed, 6),
            (ErrorKind::ConditionFailed, 6),
            (ErrorKind::OtherObject, 6),
            (ErrorKind::Unconfirmed, 12),
            (ErrorKind::CallbackFailed, 12),
            (ErrorKind::Integrity, 7),
            (ErrorKind::NotProvable, 7),
            (ErrorKind::NoSpace, 8),
            (ErrorKind::LocalFile, 8),
            (ErrorKind::Exists, 8),
            (ErrorKind::InUse, 9),
            (ErrorKind::Network, 10),
            (ErrorKind::Refused, 11),
            (ErrorKind::Cancelled, 1),
            (ErrorKind::Internal, 1),
        ];
        for (kind, code) in table {
            assert_eq!(of_kind(kind).code(), code, "{kind:?}");
        }
        let told: Vec<ErrorKind> = table.iter().map(|(kind, _)| *kind).collect();
        assert!(ErrorKind::ALL.iter().all(|kind| told.contains(kind)), "a kind has no line here");
    }

    #[test]
    fn the_table_is_the_document() {
        let document = include_str!("../../../docs/exit-codes.md");
        for (exit, meaning) in TABLE {
            let row = format!("| {} | {meaning} |", exit.code());
            assert!(document.contains(&row), "docs/exit-codes.md lacks: {row}");
        }
        let codes: Vec<u8> = TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 129, 130, 141, 143]);
    }
}
