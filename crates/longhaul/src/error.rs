//! The one error type of the library.
//!
//! Callers act on the [`ErrorKind`]; the [`Disposition`] says whether trying again can help, the [`Advice`] what to do.
//! The one-line `Display` names the object and what happened, and never contains a signed query, userinfo or a header
//! value. It names no option of a command line: a front end says the advice in its own words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::advice::Advice;

/// What is said of a certificate that no root vouches for. A front end that knows how a root is given looks for it.
pub(crate) const UNTRUSTED: &str = "the certificate is from an issuer that is not trusted here";

/// What went wrong, in terms that a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A wrong argument: an unusable URL, a directory as target file, an impossible option.
    Usage,
    /// The source says that the object does not exist (404, 410).
    NotFound,
    /// Access denied, or credentials are needed (401, 403).
    Denied,
    /// A signed link is not accepted any more: bring a new one. State is kept.
    NeedsLink,
    /// The object (of an upload: the source) changed more often than allowed, or `OnChange::Stop` was asked. State is
    /// kept.
    Changed,
    /// The object is another one than a condition asked for ([`if_match`](crate::DownloadBuilder::if_match),
    /// [`if_unmodified_since`](crate::DownloadBuilder::if_unmodified_since)). State is kept.
    ConditionFailed,
    /// Another object stands at the key of an upload, and is not overwritten.
    OtherObject,
    /// An upload may be stored, but that cannot be found out. State is kept.
    Unconfirmed,
    /// An upload is stored, but the callback that was asked for failed.
    CallbackFailed,
    /// A digest does not match, after one restart.
    Integrity,
    /// What the caller required (`require_verified`, `require_length`) cannot be proven.
    NotProvable,
    /// No space on the disk. State is kept.
    NoSpace,
    /// Any other local file problem: read-only, permission, an I/O error.
    LocalFile,
    /// Something that is not ours stands at the target or at the partial file's name.
    Exists,
    /// Another process works on the same transfer.
    InUse,
    /// The network gave up. State is kept.
    Network,
    /// HTML in place of the object: a captive portal or a login page. State is kept.
    Portal,
    /// The server refuses, or its replies cannot be used.
    Refused,
    /// The transfer was cancelled by [`Transfer::cancel`](crate::Transfer::cancel).
    Cancelled,
    /// A mistake of ours.
    Internal,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Usage,
        Self::NotFound,
        Self::Denied,
        Self::NeedsLink,
        Self::Changed,
        Self::ConditionFailed,
        Self::OtherObject,
        Self::Unconfirmed,
        Self::CallbackFailed,
        Self::Integrity,
        Self::NotProvable,
        Self::NoSpace,
        Self::LocalFile,
        Self::Exists,
        Self::InUse,
        Self::Network,
        Self::Portal,
        Self::Refused,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The word for it in events and lists: `not_found`, `needs_link`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::NeedsLink => "needs_link",
            Self::Changed => "changed",
            Self::ConditionFailed => "condition_failed",
            Self::OtherObject => "other_object",
            Self::Unconfirmed => "unconfirmed",
            Self::CallbackFailed => "callback_failed",
            Self::Integrity => "integrity",
            Self::NotProvable => "not_provable",
            Self::NoSpace => "no_space",
            Self::LocalFile => "local_file",
            Self::Exists => "exists",
            Self::InUse => "in_use",
            Self::Network => "network",
            Self::Portal => "portal",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// The kind of this [name](Self::name).
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// The same call may succeed later without any change.
    Temporary,
    /// Something must change first: the link, the disk, the arguments.
    Permanent,
    /// Retried until the budget was used up; a later start goes on from what is held.
    GaveUp,
}

/// An error of a transfer.
///
/// `Display` says what happened, in one line and without secrets; [`advice`](Self::advice) is what helps:
///
/// ```
/// # fn show(error: longhaul::Error) {
/// match error.advice() {
///     Some(advice) => eprintln!("{error}; {advice}"),
///     None => eprintln!("{error}"),
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    disposition: Disposition,
    message: String,
    advice: Option<Advice>,
    context: Vec<(&'static str, String)>,
    /// Of the reply that it ended with.
    status: Option<u16>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, disposition: Disposition, message: impl Into<String>) -> Self {
        let (message, context) = (message.into(), Vec::new());
        Self { kind, disposition, message, advice: None, context, status: None, retry_after: None, source: None }
    }

    /// What helps, where it is known.
    pub(crate) fn advise(mut self, advice: impl Into<Option<Advice>>) -> Self {
        self.advice = advice.into();
        self
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, Disposition::Permanent, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, Disposition::Permanent, message)
    }

    /// The system gave no thread for what cannot be done without one.
    pub(crate) fn no_thread(what: &str, error: std::io::Error) -> Self {
        let text = format!("{what}: no thread can be started");
        Self::new(ErrorKind::LocalFile, Disposition::Temporary, text).advise(Advice::AllowMoreThreads).caused_by(error)
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }

    /// A server's or store's reply was the end of it, with this status; `None`: another thing was.
    pub(crate) fn answered(mut self, status: impl Into<Option<u16>>) -> Self {
        self.status = status.into();
        match self.status {
            Some(status) => self.with("status", status),
            None => self,
        }
    }

    /// So many milliseconds that reply asked to wait.
    pub(crate) fn wait(mut self, retry_after_ms: Option<u64>) -> Self {
        self.retry_after = retry_after_ms.map(Duration::from_millis);
        self
    }

    pub(crate) fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether trying again can help.
    pub fn disposition(&self) -> Disposition {
        self.disposition
    }

    /// What helps, where there is something: a front end says it in its own words, or with the `Display` of [`Advice`].
    pub fn advice(&self) -> Option<Advice> {
        // The failure comes from below in words, by several ways: the network's own sentence is the one sign of it.
        if self.message.contains(UNTRUSTED) { Some(Advice::TrustIssuer) } else { self.advice }
    }

    /// The error and its advice in one line, for what is written down to be read by a person later.
    pub(crate) fn in_full(&self) -> String {
        match self.advice() {
            // What a store's refusal says to check is nearer than what such refusals have in common.
            Some(advice) if self.message.contains("; check ") && advice.to_string().starts_with("check ") => {
                self.to_string()
            }
            Some(advice) => format!("{self}; {advice}"),
            None => self.to_string(),
        }
    }

    /// The HTTP status of the reply that the transfer ended with: of the refusal, or of the last one that was tried again
    /// in vain. `None` where no reply was the reason.
    ///
    /// With [`disposition`](Self::disposition) it tells what is so for good from what may pass: a server that is busy or
    /// broken (202, 408, 425, 429, 5xx) is [`ErrorKind::Network`] and [`Disposition::GaveUp`], one that will never do
    /// it (400, 405, 501, …) [`ErrorKind::Refused`] and [`Disposition::Permanent`].
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long that reply asked to wait before the next try (`Retry-After`, RFC 9110, 10.2.3), a day at most.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Facts about the failure as `(name, value)`: `status`, `path`, `operation`, … Free of secrets.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("disposition", &self.disposition)
            .field("message", &self.message)
            .field("advice", &self.advice())
            .field("context", &self.context)
            .field("retry_after", &self.retry_after)
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
