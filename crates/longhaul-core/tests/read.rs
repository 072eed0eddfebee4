//! Readings against a remote that cuts, changes, ignores and refuses, a hundred thousand histories.
//!
//! Goal: what a reader was handed is a prefix of one version, whatever happens, and all of it when the end is told.
//! Method: each history comes from a seed; the remote's bytes say of which version and offset they are, so that a mixed
//! one shows.

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::download::step::{Failure, Fetch};
use longhaul_core::identity::{Identity, Validator};
use longhaul_core::read::{ReadPlan, Reading, Turn};
use longhaul_core::reply::{ContentRange, Framing, ReplyFacts};
use longhaul_core::retry::RetryPolicy;
use longhaul_core::window::Window;
use longhaul_core::words::NetFault;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// The object as the remote has it.
struct Remote {
    random: Random,
    version: u8,
    len: u64,
    /// It shows an ETag.
    tagged: bool,
    /// The ETag is the same for all versions.
    lies: bool,
    serves_ranges: bool,
    tells_length: bool,
    declares_crc: bool,
}

fn byte(version: u8, offset: u64) -> u8 {
    version.wrapping_mul(101).wrapping_add(((offset * 7) >> 1) as u8)
}

fn content(version: u8, start: u64, end: u64) -> Vec<u8> {
    (start..end).map(|offset| byte(version, offset)).collect()
}

fn crc(bytes: &[u8]) -> Digest {
    let crc = longhaul_core::crc::of(longhaul_core::crc::Algorithm::Crc64Xz, bytes);
    Digest::new(DigestKind::Crc64, crc.to_be_bytes()).unwrap_or_else(|| unreachable!("the length of the kind"))
}

impl Remote {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let len = random.below(60);
        let tagged = !random.one_in(4);
        let (serves_ranges, tells_length) = (!random.one_in(5), !random.one_in(5));
        let declares_crc = random.one_in(2);
        Self { random, version: 0, len, tagged, lies: false, serves_ranges, tells_length, declares_crc }
    }

    fn etag(&self) -> Option<String> {
        self.tagged.then(|| format!("\"v{}\"", if self.lies { 0 } else { self.version }))
    }

    /// A head and the body that comes before the connection breaks, and whether it breaks.
    fn answer(&mut self, fetch: &Fetch) -> (ReplyFacts, Vec<u8>, bool) {
        if self.random.one_in(6) {
            self.version += 1;
            self.len = self.random.below(60);
        }
        let refusal = |status| (ReplyFacts { status, ..ReplyFacts::default() }, Vec::new(), false);
        if self.random.one_in(8) {
            return refusal(503);
        }
        let heeds = !self.random.one_in(3);
        if let Some(Validator::Etag(wanted)) = &fetch.condition
            && heeds
            && self.etag().as_ref() != Some(wanted)
        {
            return refusal(412);
        }
        let mut facts = ReplyFacts {
            status: 200,
            identity: Identity { etag: self.etag(), ..Identity::default() },
            framing: if self.tells_length { Framing::Length(self.len) } else { Framing::Marked },
            ..ReplyFacts::default()
        };
        let (mut start, mut end) = (0, self.len);
        if self.declares_crc {
            facts.identity.digests = vec![crc(&content(self.version, 0, self.len))];
        }
        if fetch.ranged && self.serves_ranges {
            (start, end) = match fetch.last {
                Some(last) => (self.len.saturating_sub(last), self.len),
                None => (fetch.start, fetch.end.unwrap_or(self.len).min(self.len)),
            };
            if start >= end {
                facts.status = 416;
                facts.content_range = ContentRange::Unsatisfied { total: self.len };
                return (facts, Vec::new(), false);
            }
            facts.status = 206;
            facts.framing = Framing::Length(end - start);
            facts.content_range = ContentRange::Bytes { start, end, total: Some(self.len) };
        }
        let whole = content(self.version, start, end);
        let cut = self.random.one_in(2);
        let sent = if cut { self.random.below(whole.len() as u64 + 1) as usize } else { whole.len() };
        (facts, whole[..sent].to_vec(), cut)
    }
}

/// What a reader was handed, of how many requests, and how it ended.
struct Read {
    handed: Vec<u8>,
    requests: u32,
    end: Result<(), Failure>,
    /// The version that the first byte was of, and its length then.
    versions: Vec<(u8, u64)>,
}

fn read(remote: &mut Remote, window: &Window, seed: u64) -> Read {
    let retry = RetryPolicy { failures_max: 6, ..RetryPolicy::default() };
    let mut reading = Reading::new(ReadPlan { window: window.clone(), retry, seed, ..ReadPlan::default() });
    let mut read = Read { handed: Vec::new(), requests: 0, end: Ok(()), versions: Vec::new() };
    let mut now = 0;
    loop {
        assert!(read.requests < 1000, "no end: {seed}");
        read.requests += 1;
        let (facts, body, cut) = remote.answer(&reading.fetch());
        let mut turn = reading.head(now, &facts);
        if let Turn::Take { skip, most } = turn {
            let wanted: Vec<u8> = body.iter().skip(skip as usize).copied().collect();
            let wanted = &wanted[..wanted.len().min(most.unwrap_or(u64::MAX) as usize)];
            if !wanted.is_empty() {
                read.versions.push((remote.version, remote.len));
            }
            read.handed.extend_from_slice(wanted);
            reading.took(wanted.len() as u64);
            turn = reading.ended(now, cut.then_some(NetFault::Cut));
        }
        match turn {
            Turn::Ask { after_ms } => now += after_ms,
            Turn::Compare => {
                let computed = if reading.kinds().is_empty() { Vec::new() } else { vec![crc(&read.handed)] };
                read.end = reading.finish(&computed);
                return read;
            }
            Turn::Failed(failure) => {
                read.end = Err(failure);
                return read;
            }
            Turn::Take { .. } => unreachable!("a body's end never asks for the body"),
        }
    }
}

/// What a window is of a version: in order, as it is handed on.
fn wanted(window: &Window, version: u8, len: u64) -> Option<Vec<u8>> {
    if window.is_whole() {
        return Some(content(version, 0, len));
    }
    let pieces = window.resolve(Some(len)).ok()?;
    let mut all = Vec::new();
    while let Some(piece) = pieces.at(all.len() as u64).filter(|piece| (all.len() as u64) < piece.file_end()) {
        all.extend(content(version, piece.object.start, piece.object.end));
        if all.len() as u64 == pieces.len() {
            break;
        }
    }
    Some(all)
}

/// What is wrong with what a reader saw.
fn judge(read: &Read, window: &Window) -> Option<String> {
    let Some(&(version, len)) = read.versions.first() else {
        return (!read.handed.is_empty()).then(|| "bytes from nowhere".to_owned());
    };
    let Some(wanted) = wanted(window, version, len) else { return Some("bytes of no window".to_owned()) };
    if !wanted.starts_with(&read.handed) {
        return Some(format!("mixed: {:?}", read.versions));
    }
    (read.end.is_ok() && wanted != read.handed)
        .then(|| format!("{} of {} bytes, and the end", read.handed.len(), wanted.len()))
}

fn windows() -> Vec<Window> {
    ["", "0-9", "5-", "-7", "3-20,30-"]
        .iter()
        .map(|text| match *text {
            "" => Window::default(),
            text => Window::parse(text).unwrap_or_else(|why| unreachable!("{text}: {why}")),
        })
        .collect()
}

#[test]
fn what_is_handed_on_is_of_one_version_and_whole_at_the_end() {
    let windows = windows();
    let (mut done, mut resumed, mut changed, mut unprovable) = (0, 0, 0, 0);
    for seed in 0..100_000 {
        let window = &windows[seed as usize % windows.len()];
        let mut remote = Remote::new(seed);
        let read = read(&mut remote, window, seed);
        if let Some(wrong) = judge(&read, window) {
            panic!("seed {seed}, {window}: {wrong}");
        }
        done += u32::from(read.end.is_ok());
        resumed += u32::from(read.end.is_ok() && read.versions.len() > 1);
        changed += u32::from(matches!(read.end, Err(Failure::Changed { .. })));
        unprovable += u32::from(matches!(read.end, Err(Failure::NotProvable(_))));
    }
    // The histories have what they are for.
    for (what, count) in [("done", done), ("resumed", resumed), ("changed", changed), ("unprovable", unprovable)] {
        assert!(count > 1000, "{what}: {count}");
    }
}

/// Goal: the test above would notice bytes of two versions. Method: a server whose validator does not change with the
/// object, against which only a digest helps.
#[test]
fn a_server_that_lies_of_its_validator_shows_what_a_mix_would_be() {
    let mut mixed = 0;
    for seed in 0..20_000 {
        let mut remote = Remote::new(seed);
        (remote.lies, remote.tagged) = (true, true);
        let read = read(&mut remote, &Window::default(), seed);
        if judge(&read, &Window::default()).is_some() {
            mixed += 1;
            // A digest that the replies show contradicts the joined ones at once, or what came at the end.
            assert!(!remote.declares_crc || read.end.is_err(), "seed {seed}");
        }
    }
    assert!(mixed > 100, "{mixed}");
}

#[test]
fn a_wrong_digest_is_told_in_place_of_the_end() {
    let wrong = crc(b"another object");
    let plan = ReadPlan { expected: vec![wrong.clone()], ..ReadPlan::default() };
    let mut reading = Reading::new(plan);
    let facts = ReplyFacts { status: 200, framing: Framing::Length(3), ..ReplyFacts::default() };
    assert_eq!(reading.head(0, &facts), Turn::Take { skip: 0, most: Some(3) });
    reading.took(3);
    assert_eq!(reading.ended(0, None), Turn::Compare);
    assert_eq!(reading.kinds(), [DigestKind::Crc64]);
    let failure = reading.finish(&[crc(b"abc")]).unwrap_err();
    assert_eq!(failure, Failure::Integrity { expected: wrong, actual: crc(b"abc"), declared: false });
}
