//! The play: the core, and a world that does as it is told.

pub(super) use longhaul_core::digest::{Digest, DigestKind};
pub(super) use longhaul_core::ranges::Range;
pub(super) use longhaul_core::run::{Machine, Ordered};
pub(super) use longhaul_core::upload::journal::{Intent, Record, Recovered, decode, encode, header};
pub(super) use longhaul_core::upload::step::*;
pub(super) use longhaul_core::upload::{Config, Limits, Upload};
pub(super) use longhaul_core::words::{Command, DiskFault, NetFault, Ticket};

pub(super) const KEY: &str = "oss://bucket/key";

pub(super) fn crc(of: u64) -> Digest {
    Digest::new(DigestKind::Crc64, of.to_be_bytes().to_vec()).unwrap()
}

/// Stands for the CRC of a stretch of a version of the source.
pub(super) fn crc_of(version: u64, range: Range) -> u64 {
    (version + 1) * 1_000_003 + range.start * 7919 + range.len()
}

/// Stand for the digests of a stretch of a version of the source.
pub(super) fn digests_of(kinds: &[DigestKind], version: u64, range: Range) -> Vec<Digest> {
    kinds.iter().map(|&kind| Digest::new(kind, crc_of(version, range).to_be_bytes()).unwrap()).collect()
}

/// Of the kinds that all parts have.
pub(super) fn combined(parts: &[(u64, Vec<Digest>)]) -> Vec<Digest> {
    let of = |digests: &[Digest], kind| digests.iter().find(|d| d.kind() == kind).cloned();
    let whole = |kind| {
        let sum = parts.iter().try_fold(17u64, |sum, (len, digests)| {
            let value = u64::from_be_bytes(of(digests, kind)?.bytes().try_into().ok()?);
            Some(sum.wrapping_mul(31).wrapping_add(value).wrapping_add(*len))
        });
        Digest::new(kind, sum?.to_be_bytes())
    };
    [DigestKind::Crc64, DigestKind::Crc64Nvme].into_iter().filter_map(whole).collect()
}

/// What the store makes of checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    Ignored,
    Kept,
    /// No upload is created with them.
    Refused,
    /// One is created, and no part of it is taken.
    Broken,
}

pub(super) struct Play {
    pub(super) core: Upload,
    pub(super) now: u64,
    /// Everything that was ordered.
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<Note>,
    pub(super) source: SourceLook,
    pub(super) version: u64,
    pub(super) object: Option<ObjectFacts>,
    pub(super) parts: Option<Vec<ListedPart>>,
    /// What the store tells by itself.
    pub(super) told: Vec<DigestKind>,
    pub(super) sums: Sums,
    /// The upload was created with them.
    pub(super) kept: bool,
    pub(super) journal: Vec<u8>,
    pub(super) sequence: u32,
    pub(super) finish: Option<Finish>,
    pub(super) waiting: Vec<(Ticket, Step)>,
}

pub(super) fn config(len_of_parts: u64) -> Config {
    Config {
        intent: Intent { destination: KEY.into(), path: b"/f".to_vec(), ..Intent::default() },
        limits: Limits { part_min: 1, part_max: 1000, parts_max: 100, single_max: 1000, object_max: 100_000 },
        single_max: 10,
        part_len: Some(len_of_parts),
        settle_ms: 60_000,
        ..Config::default()
    }
}

pub(super) fn source(len: u64) -> SourceLook {
    SourceLook { facts: SourceFacts { len, inode: 5, mtime_ns: 1, ctime_ns: 1, device: 1 }, settled: true }
}

pub(super) type Other<'a> = &'a mut dyn FnMut(&mut Play, &Step) -> Option<Heard>;

impl Play {
    pub(super) fn new(config: Config, len: u64) -> Self {
        Self {
            core: Upload::new(config),
            now: 0,
            steps: Vec::new(),
            notes: Vec::new(),
            source: source(len),
            version: 0,
            object: None,
            parts: None,
            told: vec![DigestKind::Crc64],
            sums: Sums::Ignored,
            kept: false,
            journal: Vec::new(),
            sequence: 0,
            finish: None,
            waiting: Vec::new(),
        }
    }

    /// The next start, with the journal and the store as they are.
    pub(super) fn again(&mut self, config: Config) {
        self.core = Upload::new(config);
        (self.finish, self.steps, self.notes, self.waiting) = (None, Vec::new(), Vec::new(), Vec::new());
    }

    pub(super) fn recovered(&self) -> Option<Recovered> {
        decode(&self.journal).ok()
    }

    fn digests(&self, kinds: &[DigestKind], range: Range) -> Vec<Digest> {
        digests_of(kinds, self.version, range)
    }

    /// What the store tells of bytes that came with a checksum, or without.
    fn tells(&self, sums: bool) -> Vec<DigestKind> {
        self.told.iter().copied().chain(sums.then_some(DigestKind::Crc64Nvme)).collect()
    }

    /// What an ideal store and disk answer.
    pub(super) fn usual(&mut self, step: &Step) -> Heard {
        match step {
            Step::Open => {
                let journal = self.recovered().map_or(FoundJournal::Absent, |read| FoundJournal::Read(Box::new(read)));
                Heard::Opened(Box::new(OpenFacts { journal, source: self.source, finished: None }))
            }
            Step::Look => match &self.object {
                Some(object) => Heard::Object(Box::new(object.clone())),
                None => Heard::Refused(Fault::NoSuchKey),
            },
            Step::Snapshot { kinds } => Heard::Snapped {
                before: self.source,
                after: self.source,
                digests: self.digests(kinds, Range::new(0, self.source.facts.len)),
            },
            Step::Put { checksum } => {
                let told = self.tells(checksum.is_some() && self.sums == Sums::Kept);
                let object = ObjectFacts {
                    len: Some(self.source.facts.len),
                    etag: Some("put".into()),
                    digests: self.digests(&told, Range::new(0, self.source.facts.len)),
                    ..ObjectFacts::default()
                };
                self.object = Some(object.clone());
                Heard::Stored { object: Box::new(object), callback_failed: false }
            }
            Step::Create { checksum: Some(_) } if self.sums == Sums::Refused => Heard::Refused(Fault::Rejected(501)),
            Step::Create { checksum } => {
                self.parts = Some(Vec::new());
                self.kept = checksum.is_some() && self.sums != Sums::Ignored;
                Heard::Created { upload_id: "ID".into(), checksum: checksum.filter(|_| self.kept) }
            }
            Step::SendPart { checksum: Some(_), .. } if self.sums == Sums::Broken => {
                Heard::Refused(Fault::Rejected(400))
            }
            Step::SendPart { checksum, .. } if self.kept != (checksum.is_some() && self.sums != Sums::Ignored) => {
                Heard::Refused(Fault::Rejected(400))
            }
            Step::SendPart { part, kinds, .. } => {
                let (read, told) = (self.digests(kinds, part.range), self.digests(&self.tells(self.kept), part.range));
                let Some(parts) = &mut self.parts else { return Heard::Refused(Fault::NoSuchUpload) };
                let listed = ListedPart {
                    number: part.number,
                    len: part.range.len(),
                    etag: format!("e{}", part.number),
                    digests: told,
                };
                parts.retain(|p| p.number != part.number);
                parts.push(listed.clone());
                parts.sort_by_key(|p| p.number);
                Heard::PartStored { read, part: listed, before: self.source }
            }
            Step::ListParts { after, .. } => match &self.parts {
                None => Heard::Refused(Fault::NoSuchUpload),
                Some(parts) => {
                    let mut page: Vec<_> = parts.iter().filter(|p| p.number > *after).cloned().collect();
                    let more = page.len() > 2;
                    page.truncate(2);
                    let next = page.last().map(|p| p.number).filter(|_| more);
                    Heard::Listed { parts: page, next }
                }
            },
            Step::Complete { parts: named, whole, .. } => {
                assert_eq!(whole.is_some(), self.kept, "the whole's checksum goes with the parts'");
                let Some(parts) = &self.parts else { return Heard::Refused(Fault::NoSuchUpload) };
                let sum = |p: &ListedPart| p.digests.iter().find(|d| d.kind() == DigestKind::Crc64Nvme).cloned();
                let completed =
                    |p: &ListedPart| CompletedPart { number: p.number, etag: p.etag.clone(), checksum: sum(p) };
                if parts.iter().map(completed).collect::<Vec<_>>() != *named {
                    return Heard::Refused(Fault::InvalidPart);
                }
                let all: Vec<_> = parts.iter().map(|p| (p.len, p.digests.clone())).collect();
                let object = ObjectFacts {
                    len: Some(parts.iter().map(|p| p.len).sum()),
                    etag: Some("complete".into()),
                    digests: combined(&all),
                    ..ObjectFacts::default()
                };
                self.object = Some(object.clone());
                self.parts = None;
                Heard::Stored { object: Box::new(object), callback_failed: false }
            }
            Step::Abort { .. } => match self.parts.take() {
                Some(_) => Heard::Done,
                None => Heard::Refused(Fault::NoSuchUpload),
            },
            Step::CheckSource => Heard::Source(self.source),
            Step::ReadPart { part, kinds } => {
                Heard::PartRead { digests: self.digests(kinds, part.range), before: self.source }
            }
            Step::Combine { parts } => Heard::Combined { digests: combined(parts), composite: None },
            Step::Record { records, .. } => {
                if self.journal.is_empty() {
                    self.journal.extend(header());
                    self.sequence = 0;
                }
                self.sequence = encode(records, self.sequence, &mut self.journal);
                Heard::Done
            }
            Step::Compact { records } => {
                self.journal = header().to_vec();
                self.sequence = encode(records, 0, &mut self.journal);
                Heard::Done
            }
            Step::Forget => {
                self.journal.clear();
                Heard::Done
            }
            Step::Receipt(_) => Heard::Done,
            other => panic!("no answer to {other:?}"),
        }
    }

    pub(super) fn drain(&mut self) {
        while let Some(Ordered { ticket, step }) = self.core.next_step() {
            match step {
                Step::Note(note) => self.notes.push(note),
                Step::Finish(finish) => self.finish = Some(finish),
                Step::Stop => {
                    let is_it = |(t, _): &(Ticket, Step)| *t == ticket;
                    let Some(i) = self.waiting.iter().position(is_it) else { continue };
                    let heard = match self.waiting.remove(i).1 {
                        Step::ReadPart { .. } | Step::Snapshot { .. } => Heard::Failed(DiskFault::Interrupted),
                        _ => Heard::Refused(Fault::Stopped { maybe_done: false }),
                    };
                    self.core.hear(self.now, ticket, heard);
                }
                step => {
                    self.steps.push(step.clone());
                    self.waiting.push((ticket, step));
                }
            }
        }
    }

    /// Plays until the end; `other` may answer in the world's place, first.
    pub(super) fn play_on(&mut self, other: Other<'_>) -> Finish {
        self.play(5_000, other)
    }

    pub(super) fn for_a_million_steps(&mut self, other: Other<'_>) -> Finish {
        self.play(1_000_000, other)
    }

    pub(super) fn play(&mut self, steps: u32, other: Other<'_>) -> Finish {
        for _ in 0..steps {
            self.drain();
            if let Some(finish) = self.finish.take() {
                return finish;
            }
            if self.waiting.is_empty() {
                self.now = self.core.wake_at().expect("nothing to do and nothing to wait for");
                self.core.wake(self.now);
                continue;
            }
            let (ticket, step) = self.waiting.remove(0);
            let heard = match other(self, &step) {
                Some(heard) => heard,
                None => self.usual(&step),
            };
            self.now += 1;
            self.core.hear(self.now, ticket, heard);
        }
        panic!("no end: {:?}", &self.steps[self.steps.len().saturating_sub(10)..]);
    }

    pub(super) fn well(&mut self) -> Finish {
        self.play_on(&mut |_, _| None)
    }

    pub(super) fn count(&self, what: impl Fn(&Step) -> bool) -> usize {
        self.steps.iter().filter(|step| what(step)).count()
    }

    pub(super) fn sent(&self) -> usize {
        self.count(|s| matches!(s, Step::SendPart { .. }))
    }

    pub(super) fn completes(&self) -> usize {
        self.count(|s| matches!(s, Step::Complete { .. }))
    }

    pub(super) fn restarts(&self) -> Vec<Restart> {
        let reason = |note: &Note| match note {
            Note::Restarted { reason, .. } => Some(*reason),
            _ => None,
        };
        self.notes.iter().filter_map(reason).collect()
    }
}

pub(super) fn is_done(finish: &Finish) -> bool {
    matches!(finish, Finish::Done { .. })
}

pub(super) const LOST: Fault = Fault::Net { fault: NetFault::Cut, maybe_done: true };
pub(super) const NOT_SENT: Fault = Fault::Net { fault: NetFault::Connect, maybe_done: false };
