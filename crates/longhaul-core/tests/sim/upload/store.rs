//! The store: several uploads of one key, and the object at that key. It differs from vendor to vendor, and another
//! writer writes to it.

use longhaul_core::digest::Digest;
use longhaul_core::upload::step::{CompletedPart, Composite, Fault, ListedPart, ObjectFacts, Step};

use super::content::{Bytes, composite_of, crc, md5, nvme};
use crate::rng::Rng;

/// What a store tells of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    Crc,
    Md5,
    /// The ETag of a part is its name and no more.
    Nothing,
    /// As under a key of KMS: ETags have the form of an MD5 and are none. Who sends a part is told so, who lists them
    /// is not.
    Sealed,
}

impl Tells {
    /// The store tells no digest that bytes could be compared by.
    pub(crate) fn nothing(self) -> bool {
        matches!(self, Self::Nothing | Self::Sealed)
    }
}

/// What the answer to Complete and Put tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    Everything,
    EtagOnly,
    Nothing,
}

/// What a store makes of checksums that are sent along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sums {
    Ignores,
    /// Compares them, keeps them, and wants them with every part of an upload that was begun with them.
    Keeps,
    /// Creates no upload with them.
    Refuses,
    /// Creates one, and refuses its parts.
    Breaks,
    /// Takes them of parts, and makes something else of the whole.
    Misjudges,
}

/// How vendors differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vendor {
    pub(crate) tells: Tells,
    pub(crate) sums: Sums,
    pub(crate) answers: Answers,
    /// Complete again, after it was carried out, is answered as if it were the first.
    replays: bool,
    /// The list of a completed upload is still there.
    lists_on: bool,
    /// "No such upload" is told as "no such key".
    no_key: bool,
    /// A part is listed only this long after it was acknowledged.
    pub(crate) late_ms: u64,
    page: usize,
    /// The object may be looked at.
    pub(crate) looks: bool,
}

impl Vendor {
    fn draw(rng: &mut Rng) -> Self {
        let oss = Self {
            tells: Tells::Crc,
            sums: Sums::Ignores,
            answers: Answers::Everything,
            replays: false,
            lists_on: false,
            no_key: false,
            late_ms: 0,
            page: 2,
            looks: true,
        };
        let md5 = Self { tells: Tells::Md5, ..oss };
        let mut vendor = match rng.below(8) {
            0..3 => oss,
            3 => md5,
            4 => Self { answers: Answers::Nothing, replays: true, no_key: true, ..md5 },
            5 => Self { replays: true, lists_on: true, ..md5 },
            6 => Self { answers: Answers::EtagOnly, ..oss },
            _ => Self { tells: rng.pick(&[Tells::Nothing, Tells::Sealed]), answers: Answers::EtagOnly, ..oss },
        };
        vendor.sums = match rng.below(12) {
            0..5 => Sums::Ignores,
            5..9 => Sums::Keeps,
            9 => Sums::Refuses,
            10 => Sums::Breaks,
            _ => Sums::Misjudges,
        };
        vendor.page = rng.pick(&[1, 2, 3, 100]);
        vendor.looks = !rng.one_in(8);
        vendor.late_ms = if rng.one_in(8) { 300 } else { 0 };
        vendor
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Completed,
    Gone,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredPart {
    pub(crate) bytes: Bytes,
    etag: u32,
    at: u64,
    /// The core has heard that it is there.
    pub(crate) heard: bool,
}

pub(crate) const PARTS: usize = 16;

#[derive(Debug, Clone)]
pub(crate) struct StoredUpload {
    pub(crate) state: State,
    pub(crate) parts: [Option<StoredPart>; PARTS],
    /// It was begun with checksums, and they are kept.
    pub(crate) sums: bool,
    /// What the object is to be given beside its bytes.
    dress: u8,
    /// When an abort was carried out.
    gone_at: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    /// Not by us.
    pub(crate) other: bool,
    etag: u32,
    composite: Option<Composite>,
    pub(crate) upload: Option<usize>,
    /// Its checksum is kept.
    pub(crate) sum: bool,
    pub(crate) dress: u8,
    /// When it was written.
    pub(crate) at: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) vendor: Vendor,
    pub(crate) uploads: Vec<StoredUpload>,
    pub(crate) object: Option<Object>,
    etags: u32,
    /// How often another writer wrote.
    pub(crate) rivals: u32,
    /// How often another writer removed the object.
    pub(crate) removals: u32,
    /// Wholes that were stored otherwise than they were sent.
    pub(crate) mangled: u32,
}

impl Store {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let vendor = Vendor::draw(rng);
        Self { vendor, uploads: Vec::new(), object: None, etags: 0, rivals: 0, removals: 0, mangled: 0 }
    }

    fn etag(&mut self) -> u32 {
        self.etags += 1;
        self.etags
    }

    fn gone(&self) -> Fault {
        if self.vendor.no_key { Fault::NoSuchKey } else { Fault::NoSuchUpload }
    }

    fn digests(&self, bytes: &Bytes) -> Vec<Digest> {
        match self.vendor.tells {
            Tells::Crc => vec![crc(bytes.as_slice())],
            Tells::Md5 => vec![md5(bytes.as_slice())],
            Tells::Nothing | Tells::Sealed => Vec::new(),
        }
    }

    /// Another writer's object; its length differs where no digest could tell it from ours.
    pub(crate) fn rival(&mut self, rng: &mut Rng, len: usize, now: u64) {
        let len = match self.vendor.tells {
            Tells::Nothing | Tells::Sealed => (len + 1) % 15,
            // Never empty: two empty objects cannot be told apart.
            _ if rng.coin() => len.max(1),
            _ => 1 + rng.below(13) as usize,
        };
        let bytes = Bytes::new((0..len).map(|i| 0x80 | (i as u8 + self.rivals as u8)));
        self.rivals += 1;
        self.written_by_other(bytes, 0, now);
    }

    /// Another writer sends the source as it is, by other means.
    pub(crate) fn rival_with(&mut self, bytes: Bytes, dress: u8, now: u64) {
        self.rivals += 1;
        self.written_by_other(bytes, dress, now);
    }

    fn written_by_other(&mut self, bytes: Bytes, dress: u8, now: u64) {
        let etag = self.etag();
        self.object =
            Some(Object { bytes, other: true, etag, composite: None, upload: None, sum: false, dress, at: now });
    }

    /// Another writer removes what stands there. Whether anything did.
    pub(crate) fn remove(&mut self) -> bool {
        let removed = self.object.take().is_some();
        self.removals += u32::from(removed);
        removed
    }

    /// What is told of the object.
    pub(crate) fn facts(&self, object: &Object, dress: u8) -> ObjectFacts {
        let mut digests = match (self.vendor.tells, object.composite) {
            (Tells::Md5, Some(_)) => Vec::new(),
            _ => self.digests(&object.bytes),
        };
        let etag = match (self.vendor.tells, object.composite) {
            // A digest is the ETag: the same bytes have the same.
            (Tells::Md5, None) => digests.first().map(Digest::hex),
            (Tells::Md5, Some(c)) => Some(format!("\"{:?}-{}\"", &c.md5[..8], c.count)),
            _ => Some(format!("o{}", object.etag)),
        };
        digests.extend(object.sum.then(|| nvme(object.bytes.as_slice())));
        ObjectFacts {
            len: Some(object.bytes.len() as u64),
            etag,
            version: None,
            digests,
            composite: match self.vendor.tells {
                Tells::Md5 => object.composite,
                // What has the form of one.
                Tells::Nothing => object.composite.map(|c| Composite { md5: [object.etag as u8; 16], ..c }),
                _ => None,
            },
            dressed_differently: object.dress != dress,
        }
    }

    /// What the answer to the request that wrote it tells.
    pub(crate) fn answer(&self, object: &Object) -> ObjectFacts {
        let facts = self.facts(object, object.dress);
        match self.vendor.answers {
            Answers::Everything => facts,
            Answers::EtagOnly => ObjectFacts { etag: facts.etag, ..ObjectFacts::default() },
            Answers::Nothing => ObjectFacts::default(),
        }
    }

    /// Its id, and whether checksums are kept with it.
    pub(crate) fn create(&mut self, sums: bool, dress: u8) -> Result<(String, bool), Fault> {
        if sums && self.vendor.sums == Sums::Refuses {
            return Err(Fault::Rejected(400));
        }
        let sums = sums && self.vendor.sums != Sums::Ignores;
        self.uploads.push(StoredUpload { state: State::Open, parts: [None; PARTS], sums, dress, gone_at: 0 });
        Ok((format!("U{}", self.uploads.len() - 1), sums))
    }

    pub(crate) fn upload(&self, id: &str) -> Option<usize> {
        id.strip_prefix('U')?.parse().ok().filter(|&i| i < self.uploads.len())
    }

    fn listed_part(&self, number: usize, part: &StoredPart, sums: bool) -> ListedPart {
        let mut digests = self.digests(&part.bytes);
        let etag = match self.vendor.tells {
            Tells::Md5 => digests.first().map(Digest::hex).unwrap_or_default(),
            Tells::Sealed => sealed(part).hex(),
            _ => format!("p{}", part.etag),
        };
        digests.extend(sums.then(|| nvme(part.bytes.as_slice())));
        ListedPart { number: number as u32, len: part.bytes.len() as u64, etag, digests }
    }

    /// The ETag of a part that is there.
    pub(crate) fn etag_of(&self, id: &str, number: u32) -> Option<String> {
        let upload = &self.uploads[self.upload(id)?];
        let part = upload.parts[number as usize]?;
        Some(self.listed_part(number as usize, &part, upload.sums).etag)
    }

    /// The core hears that a part is there under this ETag; it may have been replaced meanwhile.
    pub(crate) fn heard(&mut self, id: &str, number: u32, etag: &str) {
        let same = self.etag_of(id, number).is_some_and(|there| there == etag);
        if let Some(i) = self.upload(id).filter(|_| same)
            && let Some(part) = &mut self.uploads[i].parts[number as usize]
        {
            part.heard = true;
        }
    }

    /// A part that was on its way since `began` arrives.
    pub(crate) fn put_part(
        &mut self,
        id: &str,
        number: u32,
        bytes: Bytes,
        sum: Option<&Digest>,
        (began, now): (u64, u64),
    ) -> Result<ListedPart, Fault> {
        let etag = self.etag();
        let Some(i) = self.upload(id) else { return Err(self.gone()) };
        let keeps = self.vendor.sums;
        let upload = &mut self.uploads[i];
        if keeps == Sums::Breaks && sum.is_some() {
            return Err(Fault::Rejected(501));
        }
        if keeps != Sums::Ignores && upload.sums != sum.is_some() {
            return Err(Fault::Rejected(400)); // "expected checksum Type: null"
        }
        if upload.sums && sum.is_some_and(|sum| *sum != nvme(bytes.as_slice())) {
            return Err(Fault::Corrupted);
        }
        if upload.state == State::Completed || upload.state == State::Gone && began > upload.gone_at {
            return Err(self.gone());
        }
        // An abort does not reach a part that is on its way: the upload is there again.
        upload.state = State::Open;
        let part = StoredPart { bytes, etag, at: now, heard: false };
        upload.parts[number as usize] = Some(part);
        let sums = upload.sums;
        Ok(self.listed_part(number as usize, &part, sums))
    }

    pub(crate) fn list(&self, id: &str, after: u32, now: u64) -> Result<(Vec<ListedPart>, Option<u32>), Fault> {
        let Some(i) = self.upload(id) else { return Err(self.gone()) };
        let upload = &self.uploads[i];
        match upload.state {
            State::Open => {}
            State::Completed if self.vendor.lists_on => {}
            _ => return Err(self.gone()),
        }
        let late_ms = self.vendor.late_ms;
        let mut all = upload.parts.iter().enumerate().skip(after as usize + 1).filter_map(|(number, part)| {
            let part = part.as_ref().filter(|part| part.at + late_ms <= now)?;
            let mut listed = self.listed_part(number, part, upload.sums);
            listed.digests.extend((self.vendor.tells == Tells::Sealed).then(|| sealed(part)));
            Some(listed)
        });
        let page: Vec<ListedPart> = all.by_ref().take(self.vendor.page).collect();
        let next = all.next().and(page.last().map(|last| last.number));
        Ok((page, next))
    }

    /// Another writer that has the id of the upload sends other bytes as one of its parts.
    pub(crate) fn replace_part(&mut self, rng: &mut Rng, now: u64) -> Option<(usize, usize)> {
        let etag = self.etag();
        let i = self.open().last()?;
        let there: Vec<usize> = (0..PARTS).filter(|&number| self.uploads[i].parts[number].is_some()).collect();
        let number = *there.get(rng.below(there.len().max(1) as u64) as usize)?;
        let part = self.uploads[i].parts[number].as_mut().filter(|part| part.bytes.len() > 0)?;
        part.bytes.flip(rng.below(part.bytes.len() as u64) as usize);
        (part.etag, part.at, part.heard) = (etag, now, false);
        Some((i, number))
    }

    /// Where overwriting is forbidden: an object is there, and it is not what this Complete made before.
    pub(crate) fn refuses(&self, step: &Step) -> bool {
        let ours = match step {
            Step::Complete { upload_id, .. } => {
                self.upload(upload_id).filter(|&i| self.uploads[i].state == State::Completed)
            }
            _ => None,
        };
        self.object.is_some() && ours.is_none()
    }

    pub(crate) fn complete(
        &mut self,
        id: &str,
        (named, whole): (&[CompletedPart], Option<&Digest>),
        mangle: bool,
        now: u64,
    ) -> Result<Object, Fault> {
        let Some(i) = self.upload(id) else { return Err(self.gone()) };
        match self.uploads[i].state {
            State::Open => {}
            State::Completed if self.vendor.replays => {
                return self.object.clone().filter(|o| o.upload == Some(i)).ok_or(self.gone());
            }
            _ => return Err(self.gone()),
        }
        let mut parts = Vec::new();
        let sums = self.uploads[i].sums;
        for CompletedPart { number, etag, checksum } in named {
            let part = self.uploads[i].parts.get(*number as usize).copied().flatten();
            let part = part.filter(|part| self.listed_part(*number as usize, part, sums).etag == *etag);
            let right = |part: &StoredPart| !sums || *checksum == Some(nvme(part.bytes.as_slice()));
            parts.push(part.filter(right).ok_or(Fault::InvalidPart)?.bytes);
        }
        let mut bytes = Bytes::default();
        parts.iter().for_each(|part| bytes.append(part));
        if sums && (self.vendor.sums == Sums::Misjudges || whole != Some(&nvme(bytes.as_slice()))) {
            return Err(Fault::Corrupted);
        }
        if mangle && bytes.len() > 0 {
            bytes.flip(bytes.len() - 1);
            parts[0].flip(0);
            self.mangled += 1;
        }
        let object = Object {
            bytes,
            other: false,
            etag: self.etag(),
            composite: Some(composite_of(&parts)),
            upload: Some(i),
            sum: sums,
            dress: self.uploads[i].dress,
            at: now,
        };
        self.uploads[i].state = State::Completed;
        self.object = Some(object.clone());
        Ok(object)
    }

    pub(crate) fn put(&mut self, mut bytes: Bytes, sum: bool, dress: u8, mangle: bool, now: u64) -> Object {
        let sum = sum && self.vendor.sums == Sums::Keeps;
        if mangle && bytes.len() > 0 {
            bytes.flip(0);
            self.mangled += 1;
        }
        let etag = self.etag();
        let object = Object { bytes, other: false, etag, composite: None, upload: None, sum, dress, at: now };
        self.object = Some(object.clone());
        object
    }

    /// `vain`: it is acknowledged, and does not reach all parts.
    pub(crate) fn abort(&mut self, id: &str, vain: bool, now: u64) -> Result<(), Fault> {
        let Some(i) = self.upload(id) else { return Err(self.gone()) };
        let upload = &mut self.uploads[i];
        if upload.state != State::Open {
            return Err(self.gone());
        }
        if !vain || upload.parts.iter().all(Option::is_none) {
            upload.state = State::Gone;
            upload.gone_at = now;
            upload.parts = [None; PARTS];
        }
        Ok(())
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.uploads.len()).filter(|&i| self.uploads[i].state == State::Open)
    }
}

/// What has the form of the MD5 of a part, and is of it and when it was stored.
fn sealed(part: &StoredPart) -> Digest {
    let etag = part.etag.to_be_bytes();
    md5(&[part.bytes.as_slice(), &etag].concat())
}
