//! What is in the checkpoint of an upload? The records, and what they fold into.
//!
//! Framing is in `frame`, with kind 2 in the header; `docs/journal.md` draws every record byte by byte. A record about
//! a part is no promise: the store's list is the truth, and the record says what the part was when it was read.

use super::facts::{Composite, ObjectFacts, Restart, SourceFacts};
use crate::digest::{Digest, DigestKind};
use crate::frame::{self, HEADER_LEN, JournalRecord, KIND_UPLOAD, Problem, Readable, Reader, Writer};

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
    /// A later cancel is to leave its parts in the store.
    pub keep_parts: bool,
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
        /// The store keeps digests of this kind with it: every part that is sent to it has to bring its own.
        checksum: Option<DigestKind>,
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
        /// What stood at the key before.
        before: Before,
    },
    /// One request with the whole is about to be sent.
    Putting {
        /// Which attempt.
        attempt: u32,
        /// The source.
        facts: SourceFacts,
        /// Digests of the whole.
        digests: Vec<Digest>,
        /// What stood at the key before.
        before: Before,
    },
    /// The attempt is given up: its upload is to be removed from the store.
    Abandoned {
        /// Which attempt.
        attempt: u32,
        /// Why; `None`: it was cancelled.
        reason: Option<Restart>,
    },
    /// The store confirmed that the attempt's upload is gone with all its parts.
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

/// What stood at the key before our request that writes it was first sent: what still looks like this shows that the
/// request was not carried out (yet), and anything else that is not ours is another writer's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Before {
    /// It could not be looked at.
    #[default]
    Unknown,
    /// No object.
    Absent,
    /// This object.
    Object(Box<ObjectFacts>),
}

/// One attempt, folded from its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attempt {
    /// Its number.
    pub attempt: u32,
    /// The source, by the last record that told.
    pub facts: SourceFacts,
    /// Why an earlier attempt was left, if there was one.
    pub reason: Option<Restart>,
    /// The length of all parts but the last; 0: one request.
    pub part_len: u64,
    /// The upload's id; `None`: its creation was not answered, or it is one request.
    pub upload_id: Option<String>,
    /// The store keeps digests of this kind with it.
    pub checksum: Option<DigestKind>,
    /// Acknowledged parts by number.
    pub parts: Vec<RecordedPart>,
    /// Complete or Put was about to be sent: what the whole has to be.
    pub sending: Option<ExpectedWhole>,
    /// What stood at the key before that.
    pub before: Before,
    /// It was given up.
    pub abandoned: bool,
    /// The store does not have it any more.
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
pub struct ExpectedWhole {
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
    /// Why attempts were left, in order, for `show --explain`; the last few.
    pub history: Vec<Restart>,
    /// How far the journal is readable.
    pub readable: Readable,
}

/// Attempts without an upload's id that are remembered: each says only that there may be an upload whose id is lost.
const NAMELESS_MAX: usize = 16;
/// Reasons that are remembered.
const HISTORY_MAX: usize = 64;
/// The greatest part number that any store takes.
pub const PART_NUMBER_MAX: u32 = 10_000;
/// The longest upload id that is written, in bytes; a longer one is refused before anything is sent under it.
pub const UPLOAD_ID_MAX: usize = 8 << 10;
/// The longest ETag that is written, in bytes.
pub const ETAG_MAX: usize = 1 << 10;

/// The bytes that a new journal begins with.
pub fn header() -> [u8; HEADER_LEN] {
    frame::header::<Record>()
}

/// Appends the frames of records to `out`, from this sequence number on; the next one is given back.
pub fn encode(records: &[Record], sequence: u32, out: &mut Vec<u8>) -> u32 {
    frame::encode(records, sequence, out)
}

/// Reads a whole journal, as far as it is readable.
///
/// # Errors
/// Why no record of it can be used.
pub fn decode(file: &[u8]) -> Result<Recovered, Problem> {
    frame::decode::<Record>(file)
}

impl Recovered {
    /// The last attempt.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The records that fold into just this: what a compacted journal holds.
    pub fn records(&self) -> Vec<Record> {
        let mut records = vec![Record::Intent(self.intent.clone())];
        self.attempts.iter().for_each(|attempt| attempt.records(&mut records));
        records
    }

    fn fold(&mut self, record: Record) -> Result<(), Problem> {
        match record {
            Record::Intent(intent) => self.intent = intent,
            Record::Begin { attempt, facts, part_len, reason } => {
                self.left(reason);
                self.begin(Attempt { attempt, facts, part_len, reason, ..Attempt::default() })?;
            }
            Record::Putting { attempt, facts, digests, before } => {
                let whole = ExpectedWhole { length: facts.len, digests, composite: None };
                let putting = Attempt { attempt, facts, sending: Some(whole), before, ..Attempt::default() };
                match self.attempt(attempt) {
                    Some(old) => *old = putting, // sent again
                    None => self.begin(putting)?,
                }
            }
            Record::Created { attempt, upload_id, checksum } => {
                if let Some(a) = self.attempt(attempt) {
                    (a.upload_id, a.checksum) = (Some(upload_id), checksum);
                }
            }
            Record::Part { attempt, number, etag, digests, young } => {
                if let Some(a) = self.attempt(attempt) {
                    a.put(RecordedPart { number, etag, digests, young });
                }
            }
            Record::Touched { attempt, facts } => {
                if let Some(a) = self.attempt(attempt) {
                    a.facts = facts;
                }
            }
            Record::Completing { attempt, length, digests, composite, before } => {
                if let Some(a) = self.attempt(attempt) {
                    a.sending = Some(ExpectedWhole { length, digests, composite });
                    a.before = before;
                }
            }
            Record::Abandoned { attempt, reason } => {
                self.left(reason);
                if let Some(a) = self.attempt(attempt) {
                    a.abandoned = true;
                    a.parts = Vec::new();
                }
            }
            Record::Aborted { attempt } => {
                if let Some(a) = self.attempt(attempt) {
                    a.aborted = true;
                    a.parts = Vec::new();
                }
                if let Some((last, earlier)) = self.attempts.split_last()
                    && last.attempt != attempt
                    && earlier.iter().any(|a| a.attempt == attempt)
                {
                    self.attempts.retain(|a| a.attempt != attempt); // the store does not have it any more
                }
            }
            Record::Stored { attempt } => {
                if let Some(a) = self.attempt(attempt) {
                    a.stored = true;
                    a.parts = Vec::new();
                }
            }
        }
        Ok(())
    }

    fn attempt(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.iter_mut().rev().find(|a| a.attempt == number)
    }

    fn left(&mut self, reason: Option<Restart>) {
        self.history.extend(reason);
        if self.history.len() > HISTORY_MAX {
            self.history.remove(0);
        }
    }

    /// A new attempt: of the earlier ones only those stay of which something may be left in the store.
    fn begin(&mut self, attempt: Attempt) -> Result<(), Problem> {
        if self.attempts.last().is_some_and(|last| last.attempt >= attempt.attempt) {
            return Err(Problem::Contradiction);
        }
        self.attempts.retain(Attempt::may_be_left);
        let nameless = |a: &Attempt| a.upload_id.is_none();
        if self.attempts.iter().filter(|a| nameless(a)).count() >= NAMELESS_MAX
            && let Some(i) = self.attempts.iter().position(nameless)
        {
            self.attempts.remove(i);
        }
        for earlier in &mut self.attempts {
            earlier.parts = Vec::new();
        }
        self.attempts.push(attempt);
        Ok(())
    }
}

impl Attempt {
    /// Whether an upload of it, or one whose id is lost, may be left in the store.
    pub fn may_be_left(&self) -> bool {
        self.part_len > 0 && !self.aborted && !self.stored
    }

    /// It has no id, and no object came of it: "perhaps ours".
    pub fn is_nameless(&self) -> bool {
        self.may_be_left() && self.upload_id.is_none()
    }

    /// Parts are kept by number; a later record replaces an earlier one.
    fn put(&mut self, part: RecordedPart) {
        match self.parts.last() {
            Some(last) if last.number >= part.number => {
                match self.parts.binary_search_by_key(&part.number, |p| p.number) {
                    Ok(i) => self.parts[i] = part,
                    Err(i) => self.parts.insert(i, part),
                }
            }
            _ => self.parts.push(part),
        }
    }

    fn records(&self, out: &mut Vec<Record>) {
        let (attempt, facts) = (self.attempt, self.facts);
        if self.part_len == 0 {
            let digests = self.sending.as_ref().map(|w| w.digests.clone()).unwrap_or_default();
            out.push(Record::Putting { attempt, facts, digests, before: self.before.clone() });
        } else {
            out.push(Record::Begin { attempt, facts, part_len: self.part_len, reason: self.reason });
            if let Some(upload_id) = self.upload_id.clone() {
                out.push(Record::Created { attempt, upload_id, checksum: self.checksum });
            }
            for RecordedPart { number, etag, digests, young } in self.parts.iter().cloned() {
                out.push(Record::Part { attempt, number, etag, digests, young });
            }
            if let Some(ExpectedWhole { length, digests, composite }) = self.sending.clone() {
                out.push(Record::Completing { attempt, length, digests, composite, before: self.before.clone() });
            }
        }
        if self.abandoned {
            out.push(Record::Abandoned { attempt, reason: None });
        }
        if self.aborted {
            out.push(Record::Aborted { attempt });
        }
        if self.stored {
            out.push(Record::Stored { attempt });
        }
    }
}

// ---- payloads --------------------------------------------------------------------------------------------------

impl JournalRecord for Record {
    const JOURNAL: u16 = KIND_UPLOAD;
    type Recovered = Recovered;

    fn code(&self) -> u8 {
        match self {
            Self::Intent(_) => 1,
            Self::Begin { .. } => 2,
            Self::Created { .. } => 3,
            Self::Part { .. } => 4,
            Self::Touched { .. } => 5,
            Self::Completing { .. } => 6,
            Self::Putting { .. } => 7,
            Self::Abandoned { .. } => 8,
            Self::Aborted { .. } => 9,
            Self::Stored { .. } => 10,
        }
    }

    fn write(&self, payload: &mut Writer<'_>) {
        payload.upload_record(self);
    }

    fn read(code: u8, payload: &mut Reader<'_>) -> Option<Self> {
        payload.upload_record(code)
    }

    fn split(&self) -> Vec<Self> {
        Vec::new() // the longest is an ETag or an upload's id and a few numbers
    }

    fn begin(self) -> Option<Recovered> {
        match self {
            Self::Intent(intent) => Some(Recovered { intent, ..Recovered::default() }),
            _ => None,
        }
    }

    fn fold_into(self, recovered: &mut Recovered) -> Result<(), Problem> {
        recovered.fold(self)
    }

    fn readable(recovered: &mut Recovered) -> &mut Readable {
        &mut recovered.readable
    }

    fn id_of(recovered: &Recovered) -> [u8; 16] {
        recovered.intent.id
    }

    fn id(&self) -> Option<[u8; 16]> {
        match self {
            Self::Intent(intent) => Some(intent.id),
            _ => None,
        }
    }
}

impl Writer<'_> {
    fn upload_record(&mut self, record: &Record) {
        match record {
            Record::Intent(intent) => {
                self.0.extend_from_slice(&intent.id);
                self.u8(u8::from(intent.callback) | u8::from(intent.keep_parts) << 1);
                self.bytes(intent.destination.as_bytes());
                self.bytes(intent.endpoint.as_bytes());
                self.bytes(intent.region.as_bytes());
                self.bytes(&intent.path);
            }
            Record::Begin { attempt, facts, part_len, reason } => {
                self.u32(*attempt);
                self.u64(*part_len);
                self.u8(reason.map_or(0, Restart::code));
                self.source_facts(facts);
            }
            Record::Created { attempt, upload_id, checksum } => {
                self.u32(*attempt);
                self.u8(checksum.map_or(0, |kind| kind.code() + 1));
                self.bytes(upload_id.as_bytes());
            }
            Record::Part { attempt, number, etag, digests, young } => {
                self.u32(*attempt);
                self.u32(*number);
                self.u8(u8::from(*young));
                self.bytes(etag.as_bytes());
                self.digests(digests);
            }
            Record::Touched { attempt, facts } => {
                self.u32(*attempt);
                self.source_facts(facts);
            }
            Record::Completing { attempt, length, digests, composite, before } => {
                self.u32(*attempt);
                self.u64(*length);
                self.digests(digests);
                self.composite(composite.as_ref());
                self.before(before);
            }
            Record::Putting { attempt, facts, digests, before } => {
                self.u32(*attempt);
                self.source_facts(facts);
                self.digests(digests);
                self.before(before);
            }
            Record::Abandoned { attempt, reason } => {
                self.u32(*attempt);
                self.u8(reason.map_or(0, Restart::code));
            }
            Record::Aborted { attempt } | Record::Stored { attempt } => self.u32(*attempt),
        }
    }

    fn source_facts(&mut self, f: &SourceFacts) {
        self.u64(f.len);
        self.u64(f.device);
        self.u64(f.inode);
        self.i64(f.mtime_ns);
        self.i64(f.ctime_ns);
    }

    fn composite(&mut self, composite: Option<&Composite>) {
        self.u8(u8::from(composite.is_some()));
        if let Some(composite) = composite {
            self.0.extend_from_slice(&composite.md5);
            self.u32(composite.count);
        }
    }

    fn before(&mut self, before: &Before) {
        match before {
            Before::Unknown => self.u8(0),
            Before::Absent => self.u8(1),
            Before::Object(object) => {
                self.u8(2);
                self.object(object);
            }
        }
    }

    fn object(&mut self, o: &ObjectFacts) {
        let short = |s: &Option<String>| s.as_ref().is_some_and(|s| s.len() <= ETAG_MAX);
        let flags = u8::from(o.len.is_some())
            | u8::from(short(&o.etag)) << 1
            | u8::from(short(&o.version)) << 2
            | u8::from(o.dressed_differently) << 3;
        self.u8(flags);
        o.len.into_iter().for_each(|len| self.u64(len));
        for text in [&o.etag, &o.version].into_iter().filter(|t| short(t)).flatten() {
            self.bytes(text.as_bytes());
        }
        self.digests(&o.digests);
        self.composite(o.composite.as_ref());
    }
}

impl Reader<'_> {
    fn upload_record(&mut self, kind: u8) -> Option<Record> {
        Some(match kind {
            1 => {
                let id = self.array()?;
                let flags = Some(self.u8()?).filter(|flags| *flags < 4)?;
                let (callback, keep_parts) = (flags & 1 != 0, flags & 2 != 0);
                let (destination, endpoint, region) = (self.text()?, self.text()?, self.text()?);
                let path = self.bytes()?.to_vec();
                Record::Intent(Intent { id, path, destination, endpoint, region, callback, keep_parts })
            }
            2 => {
                let (attempt, part_len, reason) = (self.u32()?, self.u64()?, self.reason()?);
                if part_len == 0 {
                    return None;
                }
                Record::Begin { attempt, facts: self.source_facts()?, part_len, reason }
            }
            3 => {
                let (attempt, checksum, upload_id) = (self.u32()?, self.checksum()?, self.text()?);
                if upload_id.is_empty() {
                    return None;
                }
                Record::Created { attempt, upload_id, checksum }
            }
            4 => {
                let (attempt, number, young, etag) = (self.u32()?, self.u32()?, self.flag()?, self.text()?);
                if !(1..=PART_NUMBER_MAX).contains(&number) || etag.len() > ETAG_MAX {
                    return None;
                }
                Record::Part { attempt, number, etag, digests: self.digests()?, young }
            }
            5 => Record::Touched { attempt: self.u32()?, facts: self.source_facts()? },
            6 => Record::Completing {
                attempt: self.u32()?,
                length: self.u64()?,
                digests: self.digests()?,
                composite: self.composite()?,
                before: self.before()?,
            },
            7 => Record::Putting {
                attempt: self.u32()?,
                facts: self.source_facts()?,
                digests: self.digests()?,
                before: self.before()?,
            },
            8 => Record::Abandoned { attempt: self.u32()?, reason: self.reason()? },
            9 => Record::Aborted { attempt: self.u32()? },
            10 => Record::Stored { attempt: self.u32()? },
            _ => return None,
        })
    }

    /// A byte that is 0 or 1.
    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn checksum(&mut self) -> Option<Option<DigestKind>> {
        match self.u8()? {
            0 => Some(None),
            code => DigestKind::from_code(code - 1).map(Some),
        }
    }

    fn reason(&mut self) -> Option<Option<Restart>> {
        match self.u8()? {
            0 => Some(None),
            code => Restart::from_code(code).map(Some),
        }
    }

    fn source_facts(&mut self) -> Option<SourceFacts> {
        Some(SourceFacts {
            len: self.u64()?,
            device: self.u64()?,
            inode: self.u64()?,
            mtime_ns: self.i64()?,
            ctime_ns: self.i64()?,
        })
    }

    fn composite(&mut self) -> Option<Option<Composite>> {
        Some(match self.flag()? {
            false => None,
            true => Some(Composite { md5: self.array()?, count: self.u32()? }),
        })
    }

    fn before(&mut self) -> Option<Before> {
        Some(match self.u8()? {
            0 => Before::Unknown,
            1 => Before::Absent,
            2 => Before::Object(Box::new(self.object()?)),
            _ => return None,
        })
    }

    fn object(&mut self) -> Option<ObjectFacts> {
        let flags = self.u8()?;
        let has = |bit: u8| flags & (1 << bit) != 0;
        Some(ObjectFacts {
            len: if has(0) { Some(self.u64()?) } else { None },
            etag: if has(1) { Some(self.text()?) } else { None },
            version: if has(2) { Some(self.text()?) } else { None },
            digests: self.digests()?,
            composite: self.composite()?,
            dressed_differently: has(3),
        })
    }
}
