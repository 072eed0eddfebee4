//! The journal's promises: what was written is read, what was not wholly written is not, and no bytes make it panic.
//!
//! Everything is measured against one sample journal that has every record and every field; it lies in
//! `data/journal-v1.bin` as well, which no later version of the program may read otherwise. `docs/journal.md` draws it.

#![allow(clippy::unwrap_used)] // helpers of tests

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::download::adopt::Foreign;
use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{
    Begin, Folded, HEADER_LEN, Problem, Publishing, Record, Recovered, Source, decode, encode, header,
};
use longhaul_core::download::restart::Restart;
use longhaul_core::frame::Readable;
use longhaul_core::identity::Identity;
use longhaul_core::ranges::Range;
use longhaul_core::window::Window;
use longhaul_core::words::{Extent, FileFacts};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/journal-v1.bin");
const MIB: u64 = 1 << 20;
/// Bytes of a frame before its payload.
const FRAME_HEAD_LEN: usize = 13;

fn extent(start: u64, len: u64) -> Extent {
    Extent { start, len, crc: 0x0123_4567_89ab_cdef }
}

fn facts(len: u64) -> FileFacts {
    FileFacts { len, inode: 1234, mtime_ns: 1_700_000_000_123_456_789, ctime_ns: -1 }
}

fn source() -> Source {
    Source {
        id: std::array::from_fn(|i| i as u8),
        url: "https://example.com/video.mp4?token=".into(),
        name: b"vid\xffo.mp4".to_vec(),
        needs_link: true,
        needs_headers: false,
        endpoint: None,
        version: None,
        window: Window::parse("0-99,5-,-7").unwrap(),
    }
}

fn full_identity() -> Identity {
    Identity {
        version: Some("v1".into()),
        etag: Some("\"etag\"".into()),
        modified: Some(1_600_000_000),
        modified_is_old: true,
        length: Some(11 * MIB),
        encoding: Some("gzip".into()),
        digests: DigestKind::ALL[..6].iter().filter_map(|&k| Digest::new(k, vec![k.len() as u8; k.len()])).collect(),
        html: false,
        distrusted: true,
        of: Some(20 * MIB),
    }
}

fn first() -> Begin {
    Begin { generation: 0, slot: Slot::Main, identity: full_identity(), block_len: MIB, reason: None }
}

fn second() -> Begin {
    let identity = Identity { etag: Some("\"new\"".into()), ..Identity::default() };
    Begin { generation: 1, slot: Slot::Next, identity, block_len: 2 * MIB, reason: Some(Restart::Changed) }
}

fn sample() -> Vec<Record> {
    vec![
        Record::Source(source()),
        Record::Begin(first()),
        Record::Hint { generation: 0, extent: extent(0, 4096) },
        Record::Claim { generation: 0, extents: vec![extent(0, MIB), extent(2 * MIB, 5)] },
        Record::Hint { generation: 0, extent: extent(4 * MIB, 7) },
        Record::Void { generation: 0, ranges: vec![Range::new(2 * MIB, 3 * MIB)], reason: Restart::Damaged },
        Record::Length { generation: 0, length: 12 * MIB },
        Record::Foreign { generation: 0, state: Some(Foreign::Unproven) },
        Record::CleanStop { generation: 0, facts: facts(12 * MIB) },
        Record::Begin(second()),
        Record::Claim { generation: 1, extents: vec![extent(0, 9)] },
        Record::Retire { generation: 0 },
        Record::CleanStop { generation: 1, facts: facts(9) },
        Record::Publishing(Publishing { generation: 1, facts: facts(9) }),
    ]
}

fn file(records: &[Record]) -> Vec<u8> {
    let mut bytes = header().to_vec();
    encode(records, 0, &mut bytes);
    bytes
}

/// What is read after each whole record of the sample, with the length of the file up to there.
fn prefixes() -> Vec<(usize, Recovered)> {
    let records = sample();
    (1..=records.len())
        .map(|n| {
            let bytes = file(&records[..n]);
            (bytes.len(), decode(&bytes).unwrap())
        })
        .collect()
}

/// A frame with a right CRC around any payload.
fn frame(sequence: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = sequence.to_le_bytes().to_vec();
    body.push(kind);
    body.extend_from_slice(payload);
    let mut out = (payload.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&crc32c(&body).to_le_bytes());
    out.extend_from_slice(&body);
    out
}

fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[test]
fn the_place_and_version_of_an_object_in_a_store_come_back() {
    let text = |text: &str| Some(text.to_owned());
    for (endpoint, version) in [(None, None), (text("https://h"), None), (None, text("v")), (text("e"), text("v"))] {
        let source = Source { url: "oss://b/a?b#c%20".into(), endpoint, version, ..source() };
        assert_eq!(decode(&file(&[Record::Source(source.clone())])).unwrap().source, source);
    }
}

#[test]
fn every_record_comes_back() {
    let read = prefixes();
    let generation = |n: usize| read[n].1.current.clone().unwrap();
    assert_eq!(read[0].1.source, source());
    let mut folded = Folded { begin: first(), claims: vec![], hints: vec![], clean_stop: None, foreign: None };
    assert_eq!(generation(1), folded);
    folded.hints = vec![extent(0, 4096)];
    assert_eq!(generation(2), folded);
    (folded.hints, folded.claims) = (vec![], vec![extent(0, MIB), extent(2 * MIB, 5)]);
    assert_eq!(generation(3), folded);
    folded.hints = vec![extent(4 * MIB, 7)];
    assert_eq!(generation(4), folded);
    folded.claims = vec![extent(0, MIB)];
    assert_eq!(generation(5), folded);
    folded.begin.identity.length = Some(12 * MIB);
    assert_eq!(generation(6), folded);
    folded.foreign = Some(Foreign::Unproven);
    assert_eq!(generation(7), folded);
    folded.clean_stop = Some(facts(12 * MIB));
    assert_eq!(generation(8), folded);

    let (len, last) = read.last().unwrap();
    let (claims, clean_stop) = (vec![extent(0, 9)], Some(facts(9)));
    let current = Folded { begin: second(), claims, hints: vec![], clean_stop, foreign: None };
    let want = Recovered {
        source: source(),
        current: Some(current),
        old: None,
        promote: true,
        publishing: Some(Publishing { generation: 1, facts: facts(9) }),
        history: vec![Restart::Damaged, Restart::Changed],
        readable: Readable { len: *len as u64, next_sequence: sample().len() as u32, torn: false },
    };
    assert_eq!(*last, want);
    assert_eq!(read[9].1.old.as_ref().unwrap().claims, [extent(0, MIB)]);
}

/// The same, as read from a file with more (or no more) behind it.
fn torn(recovered: Recovered, torn: bool) -> Recovered {
    Recovered { readable: Readable { torn, ..recovered.readable }, ..recovered }
}

#[test]
fn what_is_known_of_another_programs_bytes_comes_back() {
    for state in [None, Some(Foreign::Unproven), Some(Foreign::Compared)] {
        let before = Record::Foreign { generation: 0, state: Some(Foreign::Unproven) };
        let records =
            [Record::Source(source()), Record::Begin(first()), before, Record::Foreign { generation: 0, state }];
        assert_eq!(decode(&file(&records)).unwrap().current.unwrap().foreign, state);
    }
}

#[test]
fn every_reason_and_slot_comes_back() {
    for reason in Restart::ALL {
        let begin = Begin { reason: Some(reason), ..first() };
        let void = Record::Void { generation: 0, ranges: vec![], reason };
        let read = decode(&file(&[Record::Source(source()), Record::Begin(begin.clone()), void])).unwrap();
        assert_eq!((read.current.unwrap().begin, read.history), (begin, vec![reason, reason]));
    }
    let both = [Record::Source(source()), Record::Begin(first()), Record::Begin(second())];
    assert_eq!(decode(&file(&both)).unwrap().current.unwrap().begin, second());
}

/// Every field of an identity alone, and all of them away.
#[test]
fn every_field_of_an_identity_comes_back() {
    let (full, none) = (full_identity(), Identity::default());
    let mut identities = vec![full.clone(), none.clone()];
    identities.push(Identity { version: full.version.clone(), ..none.clone() });
    identities.push(Identity { etag: full.etag.clone(), ..none.clone() });
    identities.push(Identity { encoding: full.encoding.clone(), ..none.clone() });
    identities.push(Identity { modified: Some(i64::MIN), ..none.clone() });
    identities.push(Identity { modified_is_old: true, ..none.clone() });
    identities.push(Identity { length: Some(u64::MAX), ..none.clone() });
    identities.push(Identity { html: true, ..none.clone() });
    identities.push(Identity { distrusted: true, ..none.clone() });
    for digest in full.digests {
        identities.push(Identity { digests: vec![digest], ..none.clone() });
    }
    for identity in identities {
        let begin = Begin { identity: identity.clone(), ..first() };
        let read = decode(&file(&[Record::Source(source()), Record::Begin(begin)])).unwrap();
        assert_eq!(read.current.unwrap().begin.identity, identity);
    }
}

#[test]
fn a_claim_of_many_extents_is_split_and_comes_back_whole() {
    let extents: Vec<Extent> = (0..10_000).map(|i| extent(i * MIB, MIB)).collect();
    let claim = Record::Claim { generation: 0, extents: extents.clone() };
    let read = decode(&file(&[Record::Source(source()), Record::Begin(first()), claim])).unwrap();
    assert_eq!((read.current.unwrap().claims, read.readable.next_sequence), (extents, 5));
}

#[test]
fn journals_of_version_1_are_read_and_written_as_ever() {
    let golden = std::fs::read(GOLDEN).unwrap();
    assert_eq!(decode(&golden).unwrap(), prefixes().pop().unwrap().1);
    assert_eq!(file(&sample()), golden);
}

/// Run by hand, once for each new version of the format, and never again for it.
#[test]
#[ignore = "writes the golden file"]
fn write_the_golden_file() {
    std::fs::write(GOLDEN, file(&sample())).unwrap();
}

#[test]
fn torn_at_any_byte_everything_before_the_torn_record_counts() {
    let (whole, prefixes) = (file(&sample()), prefixes());
    for cut in 0..whole.len() {
        let read = decode(&whole[..cut]);
        match prefixes.iter().rfind(|(len, _)| *len <= cut) {
            None => assert_eq!(read, Err(Problem::Short), "cut at {cut}"),
            Some((len, want)) => {
                assert_eq!(read, Ok(torn(want.clone(), *len < cut)), "cut at {cut}");
            }
        }
    }
}

#[test]
fn with_any_bit_flipped_only_what_lies_before_it_counts() {
    let (whole, prefixes) = (file(&sample()), prefixes());
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let read = decode(&flipped);
            match prefixes.iter().rfind(|(len, _)| *len <= at) {
                _ if at < 8 => assert_eq!(read, Err(Problem::Foreign)),
                _ if at < HEADER_LEN => assert_eq!(read, Err(Problem::Damaged)),
                None => assert_eq!(read, Err(Problem::Short)),
                Some((_, want)) => {
                    assert_eq!(read, Ok(torn(want.clone(), true)), "byte {at} bit {bit}")
                }
            }
        }
    }
}

/// Whole sectors of zeros or of old data, as a disk without power leaves them.
#[test]
fn with_any_stretch_overwritten_only_what_lies_before_it_counts() {
    let (whole, prefixes) = (file(&sample()), prefixes());
    let first_len = prefixes[0].0;
    for at in first_len..whole.len() {
        for len in [2, 16, 64, usize::MAX] {
            for fill in [0, 0xff, 0x5a] {
                let mut damaged = whole.clone();
                let end = at.saturating_add(len).min(whole.len());
                damaged[at..end].fill(fill);
                let read = decode(&damaged).unwrap();
                // Only a prefix of the truth, and none of the bytes that changed.
                let valid = read.readable.len as usize;
                assert!(prefixes.iter().any(|(_, p)| torn(p.clone(), read.readable.torn) == read));
                assert_eq!(damaged[..valid], whole[..valid]);
            }
        }
    }
}

#[test]
fn a_stale_frame_behind_a_torn_tail_is_never_reached() {
    let hint = |start| Record::Hint { generation: 0, extent: extent(start, 1) };
    let good = file(&sample()[..2]);
    let want = decode(&good).unwrap();
    let frames = |sequence: u32, starts: &[u64]| {
        let mut out = Vec::new();
        encode(&starts.iter().map(|&s| hint(s)).collect::<Vec<_>>(), sequence, &mut out);
        out
    };
    // The tail was torn in its first frame, and its second frame reached the disk whole.
    let mut tail = [good.clone(), frames(2, &[1, 2])].concat();
    tail[good.len() + FRAME_HEAD_LEN] ^= 1;
    assert_eq!(decode(&tail), Ok(torn(want.clone(), true)));
    // Frames of any other place in the sequence, right where the next one belongs.
    for sequence in [0, 1, 3, 4, u32::MAX] {
        let read = decode(&[good.clone(), frames(sequence, &[1])].concat());
        assert_eq!(read, Ok(torn(want.clone(), true)), "sequence {sequence}");
    }
    // Two old frames behind one new one: the numbers do not go on.
    let old = frames(2, &[7, 8, 9]);
    let mut over = [good.clone(), old].concat();
    let new = {
        let mut out = Vec::new();
        encode(&[Record::Length { generation: 0, length: 5 }], 2, &mut out);
        out
    };
    over[good.len()..good.len() + new.len()].copy_from_slice(&new);
    let read = decode(&over).unwrap();
    assert_eq!((read.readable.next_sequence, read.readable.torn), (3, true));
}

#[test]
fn what_is_no_journal_of_ours_has_a_reason() {
    let with = |version: u16, kind: u16| {
        let mut bytes = file(&sample());
        bytes[8..10].copy_from_slice(&version.to_le_bytes());
        bytes[10..12].copy_from_slice(&kind.to_le_bytes());
        let crc = crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    };
    let contradiction = |records: &[Record]| decode(&file(records)).unwrap_err();
    for (got, want) in [
        (decode(b"").unwrap_err(), Problem::Short),
        (decode(b"longhaul").unwrap_err(), Problem::Short),
        (decode(&header()).unwrap_err(), Problem::Short),
        (decode(&[0; 4096]).unwrap_err(), Problem::Foreign),
        (decode(b"SQLite format 3\0 and so on").unwrap_err(), Problem::Foreign),
        (decode(&with(2, 1)).unwrap_err(), Problem::Newer(2)),
        (decode(&with(u16::MAX, 7)).unwrap_err(), Problem::Newer(u16::MAX)),
        (decode(&with(0, 1)).unwrap_err(), Problem::Newer(0)),
        (decode(&with(1, 2)).unwrap_err(), Problem::OtherKind(2)),
        (contradiction(&sample()[1..2]), Problem::Contradiction),
        (contradiction(&[sample()[0].clone(), Record::Begin(second())]), Problem::Contradiction),
        (
            contradiction(&[sample()[0].clone(), Record::Begin(second()), Record::Begin(second())]),
            Problem::Contradiction,
        ),
    ] {
        assert_eq!(got, want);
        assert!(!got.to_string().is_empty());
    }
}

/// Payloads with a right CRC that no program of ours writes: the record does not count, and no memory is allocated for
/// what it promises.
#[test]
fn absurd_payloads_end_the_journal_before_them() {
    let good = file(&sample()[..2]);
    let want = torn(decode(&good).unwrap(), true);
    let u32s = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let u64s = |values: &[u64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let begin = |slot: u8, block_len: u64, reason: u8, identity: &[u8]| {
        [&u32s(&[1])[..], &[slot], &u64s(&[block_len]), &[reason], identity].concat()
    };
    let cases: Vec<(&str, u8, Vec<u8>)> = vec![
        ("unknown kind 0", 0, vec![]),
        ("unknown kind 10", 10, vec![]),
        ("empty source", 1, vec![]),
        ("source with text past its end", 1, [&[0; 17][..], &[0xff, 0xff]].concat()),
        ("source with text that is no UTF-8", 1, [&[0; 17][..], &[1, 0, 0xff, 0, 0]].concat()),
        ("begin in slot 2", 2, begin(2, 1, 0, &[0, 0])),
        ("begin with blocks of 0", 2, begin(0, 0, 0, &[0, 0])),
        ("begin with blocks of 3", 2, begin(0, 3, 0, &[0, 0])),
        ("begin with an unknown reason", 2, begin(0, 1, 200, &[0, 0])),
        ("begin with an unknown digest", 2, begin(0, 1, 0, &[0, 1, 99])),
        ("begin with 255 digests in no bytes", 2, begin(0, 1, 0, &[0, 255])),
        ("begin without the fields its flags promise", 2, begin(0, 1, 0, &[0xff])),
        ("hint of nothing", 3, [u32s(&[0]), u64s(&[0, 0, 0])].concat()),
        ("hint past the end of numbers", 3, [u32s(&[0]), u64s(&[u64::MAX, 1, 0])].concat()),
        ("claim of 2^32-1 extents", 4, u32s(&[0, u32::MAX])),
        ("claim of two in the bytes of one", 4, [u32s(&[0, 2]), u64s(&[0, 1, 0])].concat()),
        ("claim of one and a byte", 4, [u32s(&[0, 1]), u64s(&[0, 1, 0]), vec![0]].concat()),
        ("void without a reason", 5, [&u32s(&[0])[..], &[0], &u32s(&[0])].concat()),
        ("void of 2^32-1 ranges", 5, [&u32s(&[0])[..], &[1], &u32s(&[u32::MAX])].concat()),
        (
            "void of a range that ends before it starts",
            5,
            [&u32s(&[0])[..], &[1], &u32s(&[1]), &u64s(&[2, 1])].concat(),
        ),
        ("length without a length", 6, u32s(&[0])),
        ("retire and a byte", 7, [&u32s(&[0])[..], &[0]].concat()),
        ("clean stop cut short", 8, [u32s(&[0]), u64s(&[1, 2, 3])].concat()),
        ("publishing cut short", 9, u32s(&[0])),
        ("a payload above the bound", 4, [u32s(&[0, 60_000]), u64s(&[0, 1, 0]).repeat(60_000)].concat()),
    ];
    for (name, kind, payload) in cases {
        let bytes = [good.clone(), frame(2, kind, &payload)].concat();
        assert_eq!(decode(&bytes), Ok(want.clone()), "{name}");
    }
    let huge = [good.clone(), u32::MAX.to_le_bytes().to_vec(), vec![0; 64]].concat();
    assert_eq!(decode(&huge), Ok(want));
}

#[test]
fn no_bytes_make_it_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let start = file(&sample()[..2]);
    for _ in 0..20_000 {
        // Right frames around random payloads of every kind, so that the bytes get past the CRC.
        let mut bytes = start.clone();
        for sequence in 2..5 {
            let payload: Vec<u8> = (0..random() % 80).map(|_| (random() >> (random() % 60)) as u8).collect();
            bytes.extend_from_slice(&frame(sequence, (random() % 10) as u8, &payload));
        }
        let _ = decode(&bytes);
    }
}
