//! Every decoder that meets the outside, as a function of bytes that must not panic, hang or grow out of proportion.
//!
//! Two drivers feed them: libFuzzer (`fuzz/`, started by `scripts/fuzz`) and the test in [`tests`], which mutates the
//! same seeds a little in the test command. Not part of the API: this is compiled for tests and under `--cfg fuzzing`
//! only. `.netrc` is the command line's, and so is its target.

// A claim that does not hold is what is looked for.
#![allow(clippy::panic, missing_docs)]

#[cfg(test)]
pub(crate) mod mutate;
#[cfg(test)]
mod tests;

use longhaul_core::download::journal::{self, Source};
use longhaul_core::download::resume;
use longhaul_core::download::resume::{Found, FoundJournal, TargetState};
use longhaul_core::frame::Readable;
use longhaul_core::identity::Identity;
use longhaul_core::reply::{RangeRequest, ReplyFacts, ReplyVerdict, judge, judge_part};
use longhaul_core::window::Window;
use longhaul_core::words::FileFacts;
use longhaul_core::{names, upload};

use crate::token::Token;

/// A decoder.
pub type Decoder = fn(&[u8]);

/// Every target by the name of its folder of seeds.
pub const TARGETS: &[(&str, Decoder)] = &[
    ("download_journal", download_journal),
    ("download_records", download_records),
    ("upload_journal", upload_journal),
    ("upload_records", upload_records),
    ("reply_head", reply_head),
    ("content_range", content_range),
    ("content_disposition", content_disposition),
    ("range", range),
    ("store_xml", store_xml),
    ("store_refusal", store_refusal),
    ("location", location),
    ("url", url),
    ("token", token),
    ("ini", ini),
    ("receipt", receipt),
    ("aria2_control", aria2_control),
];

/// The control file that aria2 keeps beside an unfinished file.
pub fn aria2_control(file: &[u8]) {
    crate::partial::fuzz(file);
}

/// A download's journal as it lies on disk.
pub fn download_journal(file: &[u8]) {
    let Ok(recovered) = journal::decode(file) else { return };
    assert!(recovered.readable.len <= file.len() as u64);
    assert_eq!(recovered.readable.torn, recovered.readable.len < file.len() as u64);
    // What counts of it says the same without the rest.
    let whole = journal::decode(&file[..recovered.readable.len as usize])
        .map(|r| journal::Recovered { readable: Readable { torn: recovered.readable.torn, ..r.readable }, ..r });
    assert_eq!(whole.as_ref(), Ok(&recovered));
    let facts = FileFacts { len: 1 << 30, inode: 7, mtime_ns: 1, ctime_ns: 1 };
    for main in [None, Some(facts), recovered.current.as_ref().and_then(|current| current.clean_stop)] {
        for free in [None, Some(0)] {
            let journal = FoundJournal::Read(Box::new(recovered.clone()));
            let found = Found { journal, main, next: main, target: TargetState::Absent, free };
            let _ = resume::verdict(&recovered.source, true, 1 << 20, found);
        }
    }
}

/// The same, of records whose frames are right: a fuzzer does not guess checksums.
pub fn download_records(records: &[u8]) {
    download_journal(&framed(journal::header().to_vec(), records));
}

/// An upload's journal as it lies on disk.
pub fn upload_journal(file: &[u8]) {
    let Ok(recovered) = upload::journal::decode(file) else { return };
    assert!(recovered.readable.len <= file.len() as u64);
    // A compacted journal says the same.
    let mut again = upload::journal::header().to_vec();
    upload::journal::encode(&recovered.records(), 0, &mut again);
    let read = upload::journal::decode(&again);
    let read = read.unwrap_or_else(|problem| panic!("compacted, it is unusable: {problem}"));
    assert_eq!((&read.intent, &read.attempts), (&recovered.intent, &recovered.attempts));
}

/// The same, of records whose frames are right.
pub fn upload_records(records: &[u8]) {
    upload_journal(&framed(upload::journal::header().to_vec(), records));
}

/// Frames around records: a byte of kind, two of length, the payload (`docs/journal.md`).
fn framed(mut file: Vec<u8>, mut records: &[u8]) -> Vec<u8> {
    let mut sequence = 0u32;
    while let [kind, low, high, rest @ ..] = records {
        let (payload, behind) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
        let whole = [&sequence.to_le_bytes(), &[*kind][..], payload].concat();
        let sum = longhaul_core::crc::of(longhaul_core::crc::Algorithm::Crc32c, &whole);
        file.extend((payload.len() as u32).to_le_bytes());
        file.extend(u32::try_from(sum).unwrap_or(u32::MAX).to_le_bytes());
        file.extend(whole);
        sequence += 1;
        records = behind;
    }
    file
}

/// The records of a journal without their frames: seeds for [`download_records`] and [`upload_records`].
pub fn unframed(file: &[u8]) -> Vec<u8> {
    let (mut records, mut rest) = (Vec::new(), file.get(journal::header().len()..).unwrap_or_default());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let len = u32::from_le_bytes(*length) as usize;
        let Some(frame) = behind.get(..len.saturating_add(9)) else { break };
        records.push(frame[8]);
        records.extend(u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes());
        records.extend(&frame[9..]);
        rest = &behind[len + 9..];
    }
    records
}

/// A reply: a byte that chooses the status, a byte of flags, then fields, a line each.
pub fn reply_head(bytes: &[u8]) {
    const STATUSES: [u16; 12] = [200, 206, 416, 412, 404, 403, 400, 503, 429, 304, 202, 511];
    let [status, flags, fields @ ..] = bytes else { return };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let fields: Vec<(String, &[u8])> = fields
        .split(|&b| b == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|&b| b == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
            Some((name, line[colon + 1..].trim_ascii()))
        })
        .collect();
    let head = || fields.iter().map(|(name, value)| (name.as_str(), *value));
    let body = (flags & 1 != 0).then_some(bytes);
    let facts = ReplyFacts::parse(status, head(), flags & 2 != 0, 1_700_000_000, body);
    let start = if flags & 4 != 0 { 1000 } else { 0 };
    let end = (flags & 8 != 0).then_some(start + 5000);
    let asked = RangeRequest { start, end, ranged: flags & 16 != 0, conditional: flags & 32 != 0 };
    let known = Identity { etag: Some("\"v1\"".to_owned()), length: Some(10_000), ..Identity::default() };
    let recorded = (flags & 64 != 0).then_some(&known);
    hold(&judge(asked, recorded, &facts));
    for text in ["0-", "100-199", "-500", "0-9,5-7000,-3"] {
        if let Ok(window) = Window::parse(text) {
            hold(&judge_part(|length| window.resolve(length), asked, recorded, &facts));
        }
    }
    let name = names::name_from(facts.suggested_name.as_deref(), "/a/b.bin");
    hold_name(name.as_str());
}

/// What holds for every verdict.
fn hold(verdict: &ReplyVerdict) {
    if let ReplyVerdict::Use { body_start, body_end, identity, .. } = verdict {
        assert!(body_end.is_none_or(|end| end >= *body_start), "{verdict:?}");
        let most = identity.of.or(identity.length).unwrap_or(u64::MAX);
        assert!(body_end.is_none_or(|end| end <= most) || identity.of.is_some(), "{verdict:?}");
    }
}

fn hold_name(name: &str) {
    assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..", "{name:?}");
    assert!(!name.contains(['/', '\0', '\n']) && !name.starts_with(['.', '-', '~']), "{name:?}");
}

/// The value of one `Content-Range`, in a 206 and in a 416.
pub fn content_range(value: &[u8]) {
    for status in [0, 1, 2] {
        for flags in [16, 20, 28, 124] {
            let head = [&[status, flags], &b"etag: \"v1\"\ncontent-length: 5000\ncontent-range: "[..], value].concat();
            reply_head(&head);
        }
    }
}

/// The value of one `Content-Disposition`, and a name as a URL has it.
pub fn content_disposition(value: &[u8]) {
    reply_head(&[&[0, 0], &b"content-disposition: "[..], value].concat());
    hold_name(names::safe_name(value).as_str());
    hold_name(names::name_from(None, &String::from_utf8_lossy(value)).as_str());
}

/// What is typed for `--range`.
pub fn range(text: &[u8]) {
    let Ok(window) = Window::parse(&String::from_utf8_lossy(text)) else { return };
    assert_eq!(Window::new(window.parts().to_vec()), Some(window.clone()));
    for length in [None, Some(0), Some(1), Some(10_000), Some(u64::MAX)] {
        let Ok(pieces) = window.resolve(length) else { continue };
        assert!(length.is_none_or(|length| pieces.object_end() <= length));
        for offset in [0, 1, pieces.len() / 2, pieces.len().saturating_sub(1)] {
            let piece = pieces.at(offset);
            assert!(piece.is_some() || pieces.is_empty() || offset >= pieces.len());
        }
    }
}

/// What a store answers.
pub fn store_xml(body: &[u8]) {
    crate::store::cloud::fuzz::documents(body);
}

/// What a store says of a refusal: a byte that chooses the status, then its body.
pub fn store_refusal(bytes: &[u8]) {
    crate::store::cloud::fuzz::refusal(bytes);
}

/// Where a redirect leads, several one after the other.
pub fn location(value: &[u8]) {
    crate::store::http::fuzz::location(value);
}

/// A URL as somebody gives it, and what may be written down of it.
pub fn url(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let _ = crate::source::redact_for_display(&text);
    if let Some(redacted) = crate::source::redact(&text) {
        let _ = Source { url: redacted.url, ..Source::default() };
    }
}

/// A line that names a transfer.
pub fn token(text: &[u8]) {
    let Ok(token) = String::from_utf8_lossy(text).parse::<Token>() else { return };
    let again = token.to_string().parse::<Token>();
    assert!(again.is_ok_and(|again| again == token));
}

/// Files of keys and profiles.
pub fn ini(text: &[u8]) {
    crate::credentials::environment::fuzz(text);
}

/// Receipts and other notes of the state directory.
pub fn receipt(json: &[u8]) {
    crate::disk::fuzz(json);
}
