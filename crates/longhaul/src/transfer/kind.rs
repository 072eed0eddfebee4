//! Down or up?

/// What kind of transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferKind {
    /// From a source to a local file.
    Download,
    /// From a local file to a store.
    Upload,
    /// Noted by a newer version of longhaul.
    Unknown,
}

impl TransferKind {
    /// The word for it: `download`, `upload`, `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Unknown => "unknown",
        }
    }
}
