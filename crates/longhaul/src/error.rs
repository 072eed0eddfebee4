//! The one error type of the library.
//!
//! Callers act on the [`ErrorKind`]; the [`Disposition`] says whether trying again can help, the [`Advice`] what to do.
//! The one-line `Display` names the object and what happened, and never contains a signed query, userinfo or a header
//! value. It names no option of a command line: a front end says the advice in its own words.

use std::fmt;
use std::sync::Arc;

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
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, disposition: Disposition, message: impl Into<String>) -> Self {
        Self { kind, disposition, message: message.into(), advice: None, context: Vec::new(), source: None }
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
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
