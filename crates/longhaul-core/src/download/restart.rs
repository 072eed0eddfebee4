//! Why do held bytes not count any more?

/// Why held bytes were discarded. Stored in the journal by code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restart {
    /// The source shows another version.
    Changed,
    /// The source has no strong validator: bytes of two replies cannot be joined.
    NotProvable,
    /// The validator is the same but bytes that came again differ: it is no proof.
    ValidatorLied,
    /// The whole-object digest does not match.
    DigestMismatch,
    /// Bytes on disk do not match their checksums.
    Damaged,
    /// The part file is missing or shorter than what was recorded.
    Truncated,
    /// A sync failed: what was written since the last good one may not be on disk.
    SyncFailed,
    /// The journal was unreadable and has been set aside.
    JournalUnusable,
    /// A part file without a journal.
    NoJournal,
    /// The version that had replaced it is gone again, or is replaced by a third one.
    Superseded,
    /// The source does not show any more what the held bytes were joined by.
    ValidatorGone,
    /// The source sends the object in another encoding.
    Encoded,
    /// Bytes of another program are not the object's, or cannot be shown to be.
    Foreign,
}

impl Restart {
    /// All reasons.
    pub const ALL: [Restart; 13] = [
        Self::Changed,
        Self::NotProvable,
        Self::ValidatorLied,
        Self::DigestMismatch,
        Self::Damaged,
        Self::Truncated,
        Self::SyncFailed,
        Self::JournalUnusable,
        Self::NoJournal,
        Self::Superseded,
        Self::ValidatorGone,
        Self::Encoded,
        Self::Foreign,
    ];

    /// The code in the journal; never 0.
    pub fn code(self) -> u8 {
        match self {
            Self::Changed => 1,
            Self::NotProvable => 2,
            Self::ValidatorLied => 3,
            Self::DigestMismatch => 4,
            Self::Damaged => 5,
            Self::Truncated => 6,
            Self::SyncFailed => 7,
            Self::JournalUnusable => 8,
            Self::NoJournal => 9,
            Self::Superseded => 10,
            Self::ValidatorGone => 11,
            Self::Encoded => 12,
            Self::Foreign => 13,
        }
    }

    /// The reason with that code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }

    /// The word for programs, as in `--json`: it does not change.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::NotProvable => "not_provable",
            Self::ValidatorLied => "validator_lied",
            Self::DigestMismatch => "digest_mismatch",
            Self::Damaged => "damaged",
            Self::Truncated => "truncated",
            Self::SyncFailed => "sync_failed",
            Self::JournalUnusable => "journal_unusable",
            Self::NoJournal => "no_journal",
            Self::Superseded => "superseded",
            Self::ValidatorGone => "validator_gone",
            Self::Encoded => "encoded",
            Self::Foreign => "foreign",
        }
    }

    /// A sentence for people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Changed => "the source shows another version of the object",
            Self::NotProvable => "the source gives no strong validator, so bytes of two replies cannot be joined",
            Self::ValidatorLied => "the source sent other bytes under the same validator",
            Self::DigestMismatch => "the whole object did not match its digest",
            Self::Damaged => "bytes on disk do not match their checksums",
            Self::Truncated => "the partial file is missing or shorter than what was recorded",
            Self::SyncFailed => "the disk failed to sync, so unsynced bytes are fetched again",
            Self::JournalUnusable => "the journal was unreadable and has been set aside",
            Self::NoJournal => "a partial file without its journal proves nothing",
            Self::Superseded => "a newer version took the place of one that had begun",
            Self::ValidatorGone => "the source does not show the validator any more that the bytes were held under",
            Self::Encoded => "the source sends the object in another encoding than the bytes that were held",
            Self::Foreign => "bytes of another program are not the object's, or cannot be shown to be",
        }
    }
}
