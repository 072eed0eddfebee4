//! What is in the checkpoint of an upload? The records, and what they fold into. Framing is that of a download's
//! journal, with another kind in the header.

use super::step::{Composite, Restart, SourceFacts};
use crate::digest::Digest;

/// What the upload is of; the first record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// Names the transfer in lists and commands.
    pub id: [u8; 16],
    /// The source's canonical path, raw bytes.
    pub path: Vec<u8>,
    /// The destination: `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub destination: String,
    /// The endpoint, without userinfo or query.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// A callback was asked for, and is not stored.
    pub callback: bool,
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// What the upload is of.
    Intent(Intent),
    /// A multipart upload is about to be created for the source as it is; `attempt` rises by one with each.
    Begin {
        /// Which attempt.
        attempt: u32,
        /// The source.
        facts: SourceFacts,
        /// The length of all parts but the last.
        part_len: u64,
        /// Why an earlier attempt was left, if there was one.
        reason: Option<Restart>,
    },
    /// The store created it.
    Created {
        /// Which attempt.
        attempt: u32,
        /// Its id.
        upload_id: String,
    },
    /// A part was sent and acknowledged. Digests are of the bytes as they were read.
    Part {
        /// Which attempt.
        attempt: u32,
        /// The part's number.
        number: u32,
        /// The ETag that the store gave.
        etag: String,
        /// Of the bytes as read.
        digests: Vec<Digest>,
        /// It was read while the source's times were too young to show a later change.
        young: bool,
    },
    /// The source's facts have changed, its bytes have not.
    Touched {
        /// Which attempt.
        attempt: u32,
        /// The facts now.
        facts: SourceFacts,
    },
    /// Complete is about to be sent, for a whole with these digests.
    Completing {
        /// Which attempt.
        attempt: u32,
        /// The length of the object.
        length: u64,
        /// Digests of the whole.
        digests: Vec<Digest>,
        /// The digest of digests.
        composite: Option<Composite>,
    },
    /// One request with the whole is about to be sent.
    Putting {
        /// Which attempt.
        attempt: u32,
        /// The source.
        facts: SourceFacts,
        /// Digests of the whole.
        digests: Vec<Digest>,
    },
    /// The attempt is given up: its upload is to be removed from the store.
    Abandoned {
        /// Which attempt.
        attempt: u32,
        /// Why; `None`: it was cancelled.
        reason: Option<Restart>,
    },
    /// The store confirmed that nothing of the attempt is left.
    Aborted {
        /// Which attempt.
        attempt: u32,
    },
    /// The object was found stored; a receipt follows.
    Stored {
        /// Which attempt.
        attempt: u32,
    },
}

/// One attempt, folded from its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attempt {
    /// Its number.
    pub attempt: u32,
    /// The source, by the last record that told.
    pub facts: SourceFacts,
    /// The length of all parts but the last; 0: one request.
    pub part_len: u64,
    /// The upload's id; `None`: its creation was not answered, or it is one request.
    pub upload_id: Option<String>,
    /// Acknowledged parts by number.
    pub parts: Vec<RecordedPart>,
    /// Complete or Put was about to be sent: what the whole has to be.
    pub sending: Option<Whole>,
    /// It was given up.
    pub abandoned: bool,
    /// Nothing of it is left in the store.
    pub aborted: bool,
    /// The object was found stored.
    pub stored: bool,
}

/// A part as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPart {
    /// Its number.
    pub number: u32,
    /// The ETag that the store gave.
    pub etag: String,
    /// Of the bytes as read.
    pub digests: Vec<Digest>,
    /// See [`Record::Part`].
    pub young: bool,
}

/// What a whole has to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whole {
    /// Its length in bytes.
    pub length: u64,
    /// Its digests.
    pub digests: Vec<Digest>,
    /// The digest of digests.
    pub composite: Option<Composite>,
}

/// A journal, folded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovered {
    /// What the upload is of.
    pub intent: Intent,
    /// All attempts of which something may be left in the store, and the last one; by number.
    pub attempts: Vec<Attempt>,
}
