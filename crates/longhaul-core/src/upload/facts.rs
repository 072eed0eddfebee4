//! What can be known of a source and of what a store has, and why an attempt is left: the nouns of journal and steps.

use crate::digest::Digest;

/// What tells one state of the source from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SourceFacts {
    /// Length in bytes.
    pub len: u64,
    /// The device it lies on (0 where there is none).
    pub device: u64,
    /// Inode number (0 where there is none).
    pub inode: u64,
    /// Modification time in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
    /// Change time in nanoseconds since the Unix epoch.
    pub ctime_ns: i64,
}

/// The source as it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLook {
    /// Its facts.
    pub facts: SourceFacts,
    /// Both of its times are more than two seconds past: a later change shows in them. A change that follows a younger
    /// one may leave the times as they are.
    pub settled: bool,
}

/// What stands at the destination, or was just stored there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectFacts {
    /// Its length in bytes, when told.
    pub len: Option<u64>,
    /// The ETag as sent, when told.
    pub etag: Option<String>,
    /// The version id, when told.
    pub version: Option<String>,
    /// Digests of the whole object that the store vouches for.
    pub digests: Vec<Digest>,
    /// The ETag read as a digest of parts' digests, when it has the form of one and no encryption (KMS, SSE-C) speaks
    /// against it: MD5 of the parts' MD5s, and their count.
    pub composite: Option<Composite>,
    /// Metadata, content type, storage class or other headers that were asked for differ from what stands there.
    pub dressed_differently: bool,
}

/// MD5 over the parts' MD5s, and how many parts: the multipart ETag of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Composite {
    /// The MD5 of all parts' MD5s, one behind the other.
    pub md5: [u8; 16],
    /// How many parts.
    pub count: u32,
}

/// What the store says of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    /// Its number.
    pub number: u32,
    /// Its length in bytes.
    pub len: u64,
    /// The ETag as told, to be given back in Complete; empty when there is none.
    pub etag: String,
    /// Digests of its bytes that the store vouches for (an ETag that is an MD5 among them).
    pub digests: Vec<Digest>,
}

/// Why acknowledged bytes do not count any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restart {
    /// The source has changed.
    SourceChanged,
    /// The store has no such upload any more.
    UploadGone,
    /// The journal could not be used.
    JournalUnusable,
    /// The journal was lost with the upload's id: the store may still hold parts of it.
    IntentOnly,
    /// Parts that the store lists are neither those that it acknowledged nor like the source, or cannot be compared.
    PartsDiffer,
    /// The store does not list parts that it acknowledged, or said that Complete failed for the parts' sake.
    InvalidPart,
    /// The whole does not have the digest that its parts have.
    WholeDiffers,
    /// The part length that is asked for, or that the store needs, is another one.
    OtherPartLength,
    /// The upload was settled as not done.
    NotStored,
    /// The store refuses the checksums that it said it keeps.
    ChecksumRefused,
    /// The object was stored, and has been removed or replaced before that was told.
    ObjectGone,
    /// No part arrived before the run that sent them was interrupted: no byte is lost, and shorter ones may arrive.
    ShorterParts,
    /// The first part would have taken long on this line: no byte is lost, and shorter ones are kept sooner.
    SlowLine,
}

impl Restart {
    /// All reasons.
    pub const ALL: [Restart; 13] = [
        Self::SourceChanged,
        Self::UploadGone,
        Self::JournalUnusable,
        Self::IntentOnly,
        Self::PartsDiffer,
        Self::InvalidPart,
        Self::WholeDiffers,
        Self::OtherPartLength,
        Self::NotStored,
        Self::ChecksumRefused,
        Self::ObjectGone,
        Self::ShorterParts,
        Self::SlowLine,
    ];

    /// The code in the journal; never 0.
    pub fn code(self) -> u8 {
        match self {
            Self::SourceChanged => 1,
            Self::UploadGone => 2,
            Self::JournalUnusable => 3,
            Self::IntentOnly => 4,
            Self::PartsDiffer => 5,
            Self::InvalidPart => 6,
            Self::WholeDiffers => 7,
            Self::OtherPartLength => 8,
            Self::NotStored => 9,
            Self::ChecksumRefused => 10,
            Self::ObjectGone => 11,
            Self::ShorterParts => 12,
            Self::SlowLine => 13,
        }
    }

    /// The reason with that code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }

    /// The word for programs, as in `--json`: it does not change.
    pub fn name(self) -> &'static str {
        match self {
            Self::SourceChanged => "source_changed",
            Self::UploadGone => "upload_gone",
            Self::JournalUnusable => "journal_unusable",
            Self::IntentOnly => "intent_only",
            Self::PartsDiffer => "parts_differ",
            Self::InvalidPart => "invalid_part",
            Self::WholeDiffers => "whole_differs",
            Self::OtherPartLength => "other_part_length",
            Self::NotStored => "not_stored",
            Self::ChecksumRefused => "checksum_refused",
            Self::ObjectGone => "object_gone",
            Self::ShorterParts => "shorter_parts",
            Self::SlowLine => "slow_line",
        }
    }

    /// A sentence for people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::SourceChanged => "the source has changed",
            Self::UploadGone => "the store has no such upload any more",
            Self::JournalUnusable => "the journal was unreadable and has been set aside",
            Self::IntentOnly => "the answer to the creation of an upload was lost, and with it the upload's id",
            Self::PartsDiffer => "parts that the store lists cannot be shown to be of the source",
            Self::InvalidPart => "the store does not have the parts that it acknowledged",
            Self::WholeDiffers => "the object as stored did not have the digest of its parts",
            Self::OtherPartLength => "the parts are to have another length",
            Self::NotStored => "the last request was not carried out, and its upload is gone",
            Self::ChecksumRefused => "the store refuses the checksums that it said it keeps",
            Self::ObjectGone => "the object that was stored does not stand at the key any more",
            Self::ShorterParts => "no part arrived before the last run was interrupted, so they are made shorter",
            Self::SlowLine => "the first part would take long on this line, so parts are made shorter",
        }
    }
}
