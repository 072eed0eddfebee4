//! `longhaul verify FILE`: is the file still as it was downloaded or uploaded, or has it the digest that was given?
//!
//! A file that was uploaded is held against the digests that the store told of the object.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longhaul::{Client, Error, ErrorKind, SentUpload, Verification};
use serde::Serialize;

use super::{absolute, json_lines, offline_client, runtime};
use crate::exit::{Exit, Failure};
use crate::flags::verify::VerifyOptions;
use crate::out;
use crate::printable;
use crate::show::{Direction, path_fields, text};

/// More ranges than this are summed up for people.
const RANGES_MAX: usize = 16;

pub(crate) fn run(verify: &VerifyOptions) -> Result<Exit, Failure> {
    let client = offline_client(&verify.state)?;
    let runtime = runtime()?;
    let bar = bar();
    let reading = async {
        let told = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        if !verify.checksums.is_empty() {
            let found = client.verify_against(&verify.file, &verify.checksums, told).await?;
            return Ok(VerifyAnswer::new(&verify.file, found, Record::Given));
        }
        match client.verify(&verify.file, told).await? {
            Verification::Unknown => as_uploaded(&client, &verify.file, told).await,
            found => Ok(VerifyAnswer::new(&verify.file, found, Record::Downloaded)),
        }
    };
    let found = runtime.block_on(reading).map_err(|error: Error| match error.kind() {
        // No source was asked: what is not found is missing on this machine.
        ErrorKind::NotFound if is_unfinished(&verify.file) => {
            let what = printable::here(&absolute(&verify.file));
            let message =
                format!("{what}: it is not whole yet; `longhaul show {}` says what is held", printable::shell(&what));
            Failure::new(Exit::LocalFile, "local_file", message)
        }
        ErrorKind::NotFound => Failure::new(Exit::LocalFile, "local_file", crate::advice::in_full(&error)),
        _ => error.into(),
    });
    bar.finish_and_clear();
    let verdict = found?;
    if verify.json {
        json_lines(std::slice::from_ref(&verdict))?;
    } else {
        out::stdout(&printable::plain(&verdict.sentences()))?;
    }
    Ok(verdict.exit())
}

/// Held against what the store told when the file was uploaded last. A store may keep no digest of the whole: then the
/// file's length and times are all there is to compare, which proves nothing of its bytes.
async fn as_uploaded(client: &Client, file: &Path, told: impl FnMut(u64, u64)) -> Result<VerifyAnswer, Error> {
    let sent = client.sent_uploads(file)?;
    match sent.iter().find(|sent| !sent.digests.is_empty()).or(sent.first()) {
        Some(SentUpload { digests, destination, .. }) if !digests.is_empty() => {
            let found = client.verify_against(file, digests, told).await?;
            Ok(VerifyAnswer::new(file, found, Record::Uploaded { to: destination.clone() }))
        }
        Some(SentUpload { destination, unchanged, .. }) => {
            let record = Record::Undigested { to: destination.clone(), unchanged: *unchanged };
            Ok(VerifyAnswer::new(file, Verification::Unknown, record))
        }
        None => Ok(VerifyAnswer::new(file, Verification::Unknown, Record::None)),
    }
}

/// Whether a download of this file was begun.
fn is_unfinished(file: &Path) -> bool {
    let mut log = file.as_os_str().to_owned();
    log.push(".lhlog");
    Path::new(&log).symlink_metadata().is_ok()
}

/// What a file was held against.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Record {
    None,
    Downloaded,
    Uploaded {
        to: String,
    },
    /// It was uploaded, and the store told no digest of the whole.
    Undigested {
        to: String,
        unchanged: bool,
    },
    /// Digests that were given.
    Given,
}

/// Reading a large file takes its time; hidden where there is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("{wide_bar} {binary_bytes} of {binary_total_bytes}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "))
}

/// What came out, as `--json` shows it.
#[derive(Debug, Serialize)]
struct VerifyAnswer {
    /// `intact`, `damaged` or `unknown`.
    state: &'static str,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    /// Length now; for `unknown` not looked at.
    bytes: Option<u64>,
    /// Length as it was downloaded.
    expected_bytes: Option<u64>,
    /// What had been verified when it was downloaded.
    verified: Option<&'static str>,
    #[serde(skip)]
    proof: Option<String>,
    /// Half-open.
    damaged: Vec<(u64, u64)>,
    /// Digests of the whole: those that match, or for `damaged` those that do not.
    digests: Vec<String>,
    /// Where it was uploaded to, when it is held against that.
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded_to: Option<String>,
    #[serde(skip)]
    record: Record,
}

impl VerifyAnswer {
    fn new(file: &Path, found: Verification, record: Record) -> Self {
        let (path, path_hex) = path_fields(Some(&absolute(file)));
        let texts = |digests: &[longhaul::Digest]| digests.iter().map(ToString::to_string).collect();
        let unknown = Self {
            state: "unknown",
            path,
            path_hex,
            bytes: None,
            expected_bytes: None,
            verified: None,
            proof: None,
            damaged: Vec::new(),
            digests: Vec::new(),
            uploaded_to: match &record {
                Record::Uploaded { to } | Record::Undigested { to, .. } => Some(to.clone()),
                _ => None,
            },
            record,
        };
        match found {
            Verification::Intact { length, verified, digests, .. } => Self {
                state: "intact",
                bytes: Some(length),
                expected_bytes: Some(length),
                verified: Some(text::verified(verified)),
                proof: Some(text::proof(verified, Direction::Down)),
                digests: texts(&digests),
                ..unknown
            },
            Verification::Damaged { ranges, expected_len, len, digests, .. } => Self {
                state: "damaged",
                bytes: Some(len),
                expected_bytes: Some(expected_len),
                damaged: ranges.iter().map(|r| (r.start, r.end)).collect(),
                digests: texts(&digests),
                ..unknown
            },
            _ => unknown,
        }
    }

    fn exit(&self) -> Exit {
        match self.state {
            "intact" => Exit::Done,
            "damaged" => Exit::Integrity,
            _ => Exit::LocalFile,
        }
    }

    fn sentences(&self) -> String {
        let path = &printable::here(self.path.as_deref().unwrap_or_default().as_ref());
        match self.state {
            "intact" => {
                let length = text::bytes(self.bytes.unwrap_or(0));
                let digests = self.digests.join(", ");
                match &self.record {
                    Record::Given => format!("{path}: right, {length}; it has {digests}\n"),
                    Record::Uploaded { to } => {
                        format!("{path}: as it was uploaded to {to}, {length}; it has {digests}\n")
                    }
                    _ => {
                        let proof = self.proof.as_deref().unwrap_or("nothing was checked");
                        format!("{path}: intact, {length}, as it was downloaded; then: {proof}\n")
                    }
                }
            }
            "damaged" => self.damage(path),
            _ => match &self.record {
                Record::Undigested { to, unchanged } => {
                    let times = if *unchanged { "the same as then" } else { "others now" };
                    format!(
                        "{path}: unknown; it was uploaded to {to}, whose store told no digest of the whole; its length and \
                         times are {times}\n"
                    )
                }
                _ => {
                    format!("{path}: unknown; there is no record that longhaul brought this file here or uploaded it\n")
                }
            },
        }
    }

    fn damage(&self, path: &str) -> String {
        let mut text = match &self.record {
            Record::Given => format!("{path}: not what was given\n"),
            Record::Uploaded { to } => format!("{path}: not as it was uploaded to {to}\n"),
            _ => format!("{path}: damaged\n"),
        };
        if self.bytes != self.expected_bytes {
            let (now, then) = (self.bytes.unwrap_or(0), self.expected_bytes.unwrap_or(0));
            text += &format!("  it has {now} bytes, and had {then}\n");
        }
        for (start, end) in self.damaged.iter().take(RANGES_MAX) {
            let length = text::bytes(end.saturating_sub(*start));
            text += &format!("  bytes {start}-{} ({length}) are not as they were\n", end.saturating_sub(1));
        }
        if self.damaged.len() > RANGES_MAX {
            text += &format!("  … and {} more ranges\n", self.damaged.len() - RANGES_MAX);
        }
        for digest in &self.digests {
            text += &format!("  the whole does not match {digest}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(ranges: Vec<(u64, u64)>) -> VerifyAnswer {
        VerifyAnswer {
            state: "damaged",
            path: Some("/a".into()),
            path_hex: None,
            bytes: Some(9),
            expected_bytes: Some(10),
            verified: None,
            proof: None,
            damaged: ranges,
            digests: vec!["md5:00".into()],
            uploaded_to: None,
            record: Record::Downloaded,
        }
    }

    #[test]
    fn damage_is_named_range_by_range() {
        let text = damaged(vec![(0, 4), (9, 10)]).sentences();
        let expected = "/a: damaged\n  it has 9 bytes, and had 10\n  bytes 0-3 (4 B) are not as they were\n  \
                        bytes 9-9 (1 B) are not as they were\n  the whole does not match md5:00\n";
        assert_eq!(text, expected);
        assert!(damaged((0..100).map(|n| (n * 9, n * 9 + 1)).collect()).sentences().contains("84 more ranges"));
    }

    #[test]
    fn each_state_has_its_code() {
        let unknown = VerifyAnswer::new(Path::new("a"), Verification::Unknown, Record::None);
        assert_eq!((unknown.exit(), damaged(vec![]).exit()), (Exit::LocalFile, Exit::Integrity));
        assert!(unknown.sentences().contains("no record"));
    }

    #[test]
    fn the_template_is_right() {
        assert!(ProgressStyle::with_template("{wide_bar} {binary_bytes} of {binary_total_bytes}").is_ok());
    }
}
