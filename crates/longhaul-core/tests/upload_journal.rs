//! The promises of an upload's journal: what was written is read, what was not wholly written is not, and no bytes make
//! it panic.
//!
//! Everything is measured against one sample journal that has every record and every field; it lies in
//! `data/upload-journal-v1.bin` as well, which no later version of the program may read otherwise. `docs/journal.md`
//! draws it.

#![allow(clippy::unwrap_used)] // helpers of tests

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::download::journal::{self as download, HEADER_LEN, Problem};
use longhaul_core::frame::Readable;
use longhaul_core::upload::journal::{
    Attempt, Before, ExpectedWhole, Intent, PART_NUMBER_MAX, Record, RecordedPart, Recovered, decode, encode, header,
};
use longhaul_core::upload::step::{Composite, ObjectFacts, Restart, SourceFacts};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/upload-journal-v1.bin");

fn intent() -> Intent {
    Intent {
        id: std::array::from_fn(|i| i as u8),
        path: b"/home/u/vid\xffo.mp4".to_vec(),
        destination: "oss://bucket/dir/video.mp4".into(),
        endpoint: "https://oss-cn-hangzhou.aliyuncs.com".into(),
        region: "cn-hangzhou".into(),
        callback: true,
        keep_parts: true,
    }
}

fn facts(len: u64) -> SourceFacts {
    SourceFacts { len, device: 7, inode: 1234, mtime_ns: 1_700_000_000_123_456_789, ctime_ns: -1 }
}

fn digests() -> Vec<Digest> {
    DigestKind::ALL[..6].iter().filter_map(|&k| Digest::new(k, vec![k.len() as u8; k.len()])).collect()
}

fn object() -> ObjectFacts {
    ObjectFacts {
        len: Some(9),
        etag: Some("\"etag\"".into()),
        version: Some("v1".into()),
        digests: digests(),
        composite: Some(Composite { md5: [3; 16], count: 7 }),
        dressed_differently: true,
    }
}

fn begin(attempt: u32, reason: Option<Restart>) -> Record {
    Record::Begin { attempt, facts: facts(1 << 30), part_len: 1 << 24, reason }
}

fn created(attempt: u32) -> Record {
    let checksum = (attempt == 3).then_some(DigestKind::Crc64Nvme);
    Record::Created { attempt, upload_id: format!("ID-{attempt}"), checksum }
}

fn part(attempt: u32, number: u32, young: bool) -> Record {
    Record::Part { attempt, number, etag: format!("\"E{number}\""), digests: digests(), young }
}

fn recorded(number: u32, young: bool) -> RecordedPart {
    RecordedPart { number, etag: format!("\"E{number}\""), digests: digests(), young }
}

fn completing(attempt: u32) -> Record {
    Record::Completing {
        attempt,
        length: 1 << 30,
        digests: digests(),
        composite: Some(Composite { md5: [9; 16], count: 64 }),
        before: Before::Object(Box::new(object())),
    }
}

fn sample() -> Vec<Record> {
    vec![
        Record::Intent(intent()),
        begin(1, None),
        created(1),
        part(1, 2, true),
        part(1, 1, false),
        part(1, 2, false),
        Record::Touched { attempt: 1, facts: SourceFacts { ctime_ns: 5, ..facts(1 << 30) } },
        Record::Abandoned { attempt: 1, reason: Some(Restart::SourceChanged) },
        begin(2, Some(Restart::SourceChanged)),
        begin(3, Some(Restart::IntentOnly)),
        created(3),
        Record::Aborted { attempt: 1 },
        part(3, PART_NUMBER_MAX, true),
        completing(3),
        Record::Stored { attempt: 3 },
        Record::Putting { attempt: 4, facts: facts(11), digests: digests(), before: Before::Absent },
    ]
}

fn file(records: &[Record]) -> Vec<u8> {
    let mut bytes = header().to_vec();
    encode(records, 0, &mut bytes);
    bytes
}

fn prefixes() -> Vec<(usize, Recovered)> {
    let records = sample();
    (1..=records.len())
        .map(|n| {
            let bytes = file(&records[..n]);
            (bytes.len(), decode(&bytes).unwrap())
        })
        .collect()
}

/// The same, as read from a file with more (or no more) behind it.
fn torn(recovered: Recovered, torn: bool) -> Recovered {
    Recovered { readable: Readable { torn, ..recovered.readable }, ..recovered }
}

#[test]
fn every_record_comes_back() {
    let read: Vec<Recovered> = prefixes().into_iter().map(|(_, read)| read).collect();
    assert_eq!(read[0].intent, intent());
    let mut first = Attempt { attempt: 1, facts: facts(1 << 30), part_len: 1 << 24, ..Attempt::default() };
    assert_eq!(read[1].attempts, [first.clone()]);
    first.upload_id = Some("ID-1".into());
    assert_eq!(read[2].attempts, [first.clone()]);
    first.parts = vec![recorded(2, true)];
    assert_eq!(read[3].attempts, [first.clone()]);
    first.parts = vec![recorded(1, false), recorded(2, true)];
    assert_eq!(read[4].attempts, [first.clone()]);
    first.parts = vec![recorded(1, false), recorded(2, false)];
    assert_eq!(read[5].attempts, [first.clone()]);
    first.facts.ctime_ns = 5;
    assert_eq!(read[6].attempts, [first.clone()]);
    (first.abandoned, first.parts) = (true, vec![]);
    assert_eq!(read[7].attempts, [first.clone()]);
    let nameless = Attempt {
        attempt: 2,
        facts: facts(1 << 30),
        part_len: 1 << 24,
        reason: Some(Restart::SourceChanged),
        ..Attempt::default()
    };
    assert!(nameless.is_nameless());
    assert_eq!(read[8].attempts, [first.clone(), nameless.clone()]);
    let mut third = Attempt { attempt: 3, reason: Some(Restart::IntentOnly), ..nameless.clone() };
    assert_eq!(read[9].attempts, [first.clone(), nameless.clone(), third.clone()]);
    (third.upload_id, third.checksum) = (Some("ID-3".into()), Some(DigestKind::Crc64Nvme));
    assert_eq!(read[10].attempts[2], third);
    assert_eq!(read[11].attempts, [nameless.clone(), third.clone()]);
    third.parts = vec![recorded(PART_NUMBER_MAX, true)];
    assert_eq!(read[12].attempts[1], third);
    third.sending = Some(ExpectedWhole {
        length: 1 << 30,
        digests: digests(),
        composite: Some(Composite { md5: [9; 16], count: 64 }),
    });
    third.before = Before::Object(Box::new(object()));
    assert_eq!(read[13].attempts[1], third);
    assert!(read[14].attempts[1].stored);
    let put = Attempt {
        attempt: 4,
        facts: facts(11),
        sending: Some(ExpectedWhole { length: 11, digests: digests(), composite: None }),
        before: Before::Absent,
        ..Attempt::default()
    };
    // Of the earlier ones only that is kept which may have left an upload behind.
    assert_eq!(read[15].attempts, [nameless, put]);
    assert_eq!(read[15].history, [Restart::SourceChanged, Restart::SourceChanged, Restart::IntentOnly]);
    assert_eq!((read[15].readable.next_sequence, read[15].readable.torn), (16, false));
}

#[test]
fn every_reason_comes_back() {
    for reason in Restart::ALL {
        assert_eq!(Restart::from_code(reason.code()), Some(reason));
        assert!(!reason.explain().is_empty());
        let read = decode(&file(&[Record::Intent(intent()), begin(1, Some(reason))])).unwrap();
        assert_eq!((read.attempts[0].reason, read.history), (Some(reason), vec![reason]));
    }
}

#[test]
fn a_compacted_journal_says_the_same() {
    for (_, read) in prefixes() {
        let again = decode(&file(&read.records())).unwrap();
        assert_eq!((again.intent, again.attempts), (read.intent, read.attempts));
    }
}

/// Ten thousand parts take little more memory than their digests and ETags.
#[test]
fn ten_thousand_parts_are_read_in_any_order() {
    let mut records = vec![Record::Intent(intent()), begin(1, None), created(1)];
    records.extend((1..=PART_NUMBER_MAX).rev().map(|number| part(1, number, number % 2 == 0)));
    let bytes = file(&records);
    assert!(bytes.len() < 2 << 20, "{}", bytes.len());
    let read = decode(&bytes).unwrap();
    let numbers: Vec<u32> = read.attempts[0].parts.iter().map(|p| p.number).collect();
    assert_eq!(numbers, (1..=PART_NUMBER_MAX).collect::<Vec<_>>());
}

#[test]
fn uploads_whose_id_is_unknown_are_remembered_up_to_a_bound() {
    let mut records = vec![Record::Intent(intent())];
    records.extend((1..=1000).map(|n| begin(n, Some(Restart::IntentOnly))));
    let read = decode(&file(&records)).unwrap();
    assert!(read.attempts.len() <= 17 && read.history.len() <= 64);
    assert_eq!(read.attempts.last().unwrap().attempt, 1000);
}

#[test]
fn upload_journals_of_version_1_are_read_and_written_as_ever() {
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

#[test]
fn the_journal_of_a_download_is_another_kind() {
    let mut bytes = download::header().to_vec();
    download::encode(&[download::Record::Source(download::Source::default())], 0, &mut bytes);
    assert_eq!(decode(&bytes), Err(Problem::OtherKind(1)));
    assert_eq!(download::decode(&file(&sample())), Err(Problem::OtherKind(2)));
    assert_eq!(decode(&header()), Err(Problem::Short));
    assert_eq!(decode(&file(&sample()[1..3])), Err(Problem::Contradiction));
    let twice = [Record::Intent(intent()), begin(2, None), begin(2, None)];
    assert_eq!(decode(&file(&twice)), Err(Problem::Contradiction));
}

fn frame(sequence: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = sequence.to_le_bytes().to_vec();
    body.push(kind);
    body.extend_from_slice(payload);
    let mut out = (payload.len() as u32).to_le_bytes().to_vec();
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &body) as u32;
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&body);
    out
}

/// Payloads with a right CRC that no program of ours writes: the record does not count.
#[test]
fn absurd_payloads_end_the_journal_before_them() {
    let good = file(&sample()[..3]);
    let want = torn(decode(&good).unwrap(), true);
    let u32s = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let cases: Vec<(&str, u8, Vec<u8>)> = vec![
        ("unknown kind 0", 0, vec![]),
        ("unknown kind 11", 11, vec![]),
        ("empty intent", 1, vec![]),
        ("intent with a flag that is none", 1, [&[0; 16][..], &[4], &[0; 8]].concat()),
        ("begin with parts of 0", 2, [&u32s(&[2, 0, 0])[..], &[0], &[0; 40]].concat()),
        ("begin with an unknown reason", 2, [&u32s(&[2, 1, 0])[..], &[200], &[0; 40]].concat()),
        ("begin without facts", 2, [&u32s(&[2, 1, 0])[..], &[0], &[0; 39]].concat()),
        ("created without an id", 3, [&u32s(&[1])[..], &[0, 0]].concat()),
        ("created with an id that is no UTF-8", 3, [&u32s(&[1])[..], &[1, 0, 0xff]].concat()),
        ("part 0", 4, [&u32s(&[1, 0])[..], &[0, 0, 0, 0]].concat()),
        ("part 10001", 4, [&u32s(&[1, 10_001])[..], &[0, 0, 0, 0]].concat()),
        ("part with 255 digests in no bytes", 4, [&u32s(&[1, 1])[..], &[0, 0, 0, 255]].concat()),
        ("part with an ETag past its end", 4, [&u32s(&[1, 1])[..], &[0, 0xff, 0xff]].concat()),
        ("completing before something unknown", 6, [&u32s(&[1, 0, 0])[..], &[0, 0, 3]].concat()),
        ("stored and a byte", 10, [&u32s(&[1])[..], &[0]].concat()),
    ];
    for (name, kind, payload) in cases {
        let bytes = [good.clone(), frame(3, kind, &payload)].concat();
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
    let start = file(&sample()[..3]);
    for _ in 0..20_000 {
        let mut bytes = start.clone();
        for sequence in 3..6 {
            let payload: Vec<u8> = (0..random() % 80).map(|_| (random() >> (random() % 60)) as u8).collect();
            bytes.extend_from_slice(&frame(sequence, (random() % 12) as u8, &payload));
        }
        let _ = decode(&bytes);
    }
}
