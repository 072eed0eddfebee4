//! Why there is no connection.

use std::fmt;
use std::io;

/// Why there is no connection, and whose fault it is. It holds names of proxies, no URL and no password.
#[derive(Debug)]
pub(in crate::store::http) enum ConnectError {
    /// The system gave no thread to look a name up on.
    NoThread,
    /// A name did not resolve: the proxy's, or else the host's.
    Resolve { proxy: Option<String> },
    /// It took longer than it may, with all that belongs to it; with the name of the proxy that it was to go by.
    TooLong { proxy: Option<String> },
    /// The system or TLS failed; with the proxy's name when it is the proxy that was to be reached.
    Io { error: io::Error, proxy: Option<String> },
    /// The proxy answered CONNECT with this status.
    Refused { status: u16, proxy: String },
    /// The proxy's answer to CONNECT was none.
    NoAnswer { what: &'static str, proxy: String },
    /// A SOCKS proxy said no; the text is one of fixed sentences.
    Socks { said: String, proxy: String },
    /// A proxy cannot be asked for an address of one of our links.
    Zone { proxy: String },
    /// A host that no certificate can be for.
    NoServerName,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection")
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// No addresses of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// The system knows none.
    Unknown,
    /// It gave no thread to ask on.
    NoThread,
}

impl Unresolved {
    /// What that means for a connection to the proxy of this name, or the host that is asked.
    pub(super) fn of(self, proxy: Option<&str>) -> ConnectError {
        match self {
            Self::Unknown => ConnectError::Resolve { proxy: proxy.map(str::to_owned) },
            Self::NoThread => ConnectError::NoThread,
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name does not resolve")
    }
}

impl std::error::Error for Unresolved {}
