//! Is this finished file still what was downloaded? Its bytes are read and held against its receipt: the length, the
//! CRC-64 of every block, the digests that matched when it was published.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longhaul_core::words::Extent;
use tokio::sync::watch;

use super::show::{merged, minus, whole};
use crate::advice::Advice;
use crate::client::Client;
use crate::disk::crc::RunningCrc;
use crate::disk::digests::Hasher;
use crate::disk::error::DiskError;
use crate::disk::folder::FileStat;
use crate::disk::state::receipt::ReceiptFile;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Digest, Verified};
use crate::target::{NamedTarget, disk_error, not_found};
use crate::threads;

/// How much is read at a time, as in the part file's own checks.
const BUFFER_LEN: usize = 256 << 10;

/// What a finished file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Every byte is what was downloaded.
    #[non_exhaustive]
    Intact {
        /// Its length in bytes.
        length: u64,
        /// What had been verified when it was published: the file is as good as this.
        verified: Verified,
        /// Recorded whole-object digests that were computed again and match.
        digests: Vec<Digest>,
    },
    /// Something differs.
    #[non_exhaustive]
    Damaged {
        /// Half-open ranges of bytes that differ, cannot be read, or are missing at the end: whole blocks, ascending,
        /// not touching. Empty when only the length or a whole digest differs.
        ranges: Vec<Range<u64>>,
        /// Length in bytes as recorded.
        expected_len: u64,
        /// Length in bytes as found.
        len: u64,
        /// Recorded whole-object digests that do not match although all blocks do.
        digests: Vec<Digest>,
    },
    /// There is no receipt, or one without checksums to compare with.
    Unknown,
}

impl Client {
    /// Reads a finished file and holds it against its receipt. `progress` hears now and then how many bytes of how many
    /// were read. Must be called inside a tokio runtime; the reading is done on a thread, one buffer of
    /// 256 KiB at a time, and stops soon after the future is dropped. A symbolic link at `path` is not followed.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no file, [`ErrorKind::Exists`] when it is a link, folder or device,
    /// [`ErrorKind::LocalFile`] when it must not be read or changes meanwhile, or there is no thread to read it on.
    /// Bytes that the disk cannot read are no error: they are damaged.
    pub async fn verify(
        &self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Verification, Error> {
        let state = self.state().cloned();
        let of_receipt = move |site: &NamedTarget, _: u64| {
            let Some(state) = state else { return Ok(None) };
            let receipt = state.receipt(&site.absolute).map_err(|e| disk_error(&site.path, e))?;
            Ok(receipt.map(|receipt| receipt.into()))
        };
        read_and_compare(path.as_ref(), of_receipt, &mut progress).await
    }

    /// Reads a file and holds it against digests of the whole, downloaded or not: [`Verification::Intact`] when all
    /// match, [`Verification::Damaged`] with those that do not, [`Verification::Unknown`] without any. Otherwise as
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_against(
        &self,
        path: impl AsRef<Path>,
        digests: &[Digest],
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Verification, Error> {
        let digests = digests.to_vec();
        let given = move |_: &NamedTarget, length| {
            let verified = digests.first().map(|digest| Verified::Digest(digest.kind()));
            Ok(verified.map(|verified| Expected { length, extents: Vec::new(), digests, verified }))
        };
        read_and_compare(path.as_ref(), given, &mut progress).await
    }
}

/// What a file is held against.
struct Expected {
    length: u64,
    extents: Vec<Extent>,
    digests: Vec<Digest>,
    verified: Verified,
}

impl From<ReceiptFile> for Expected {
    fn from(receipt: ReceiptFile) -> Self {
        let of = receipt.of;
        Self { length: of.length, extents: of.extents, digests: of.digests, verified: of.verified.into() }
    }
}

/// `expected` is asked on the thread that reads, with the file's length.
async fn read_and_compare(
    path: &Path,
    expected: impl FnOnce(&NamedTarget, u64) -> Result<Option<Expected>, Error> + Send + 'static,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Verification, Error> {
    let path = path.to_path_buf();
    let stop = StopOnDrop(Arc::default());
    let stopped = stop.0.clone();
    let (tell, mut told) = watch::channel((0, 0));
    let reading = threads::run_beside(move || {
        let site = NamedTarget::exactly(&path)?;
        let file = site.place.folder.open_file(site.place.names.target(), false);
        let file = file.map_err(|e| disk_error(&site.path, e))?;
        let file = file.ok_or_else(|| not_found(&site.path, "there is no such file"))?;
        let length = stat(&file, &site)?.facts.len;
        let Some(expected) = expected(&site, length)? else { return Ok(Verification::Unknown) };
        let told = |done, total| {
            tell.send_replace((done, total));
        };
        compare(&file, &site, &expected, &stopped, told)
    });
    let mut reading = std::pin::pin!(reading);
    let mut last = (0, 0);
    loop {
        let read = tokio::select! {
            Ok(()) = told.changed() => None,
            read = &mut reading => Some(read),
        };
        let now = *told.borrow_and_update();
        if now != last {
            last = now;
            progress(now.0, now.1);
        }
        if let Some(read) = read {
            return read.map_err(|e| Error::no_thread("the file cannot be read", e))?;
        }
    }
}

fn stat(file: &File, site: &NamedTarget) -> Result<FileStat, Error> {
    FileStat::of(file).map_err(|e| disk_error(&site.path, DiskError::io("look at", &site.path, e)))
}

/// Stops the reading when its future is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn compare(
    file: &File,
    site: &NamedTarget,
    expected: &Expected,
    stopped: &AtomicBool,
    mut told: impl FnMut(u64, u64),
) -> Result<Verification, Error> {
    let (before, expected_len) = (stat(file, site)?, expected.length);
    let len = before.facts.len;
    let blocks = merged(expected.extents.iter().map(|e| e.start..e.end()));
    let all_blocks = minus(&whole(expected_len), &blocks).is_empty();
    let mut hashers: Vec<(Digest, Hasher)> =
        expected.digests.iter().filter_map(|d| Some((d.clone(), Hasher::new(d.kind())?))).collect();
    if !all_blocks && hashers.is_empty() {
        return Ok(Verification::Unknown);
    }
    let pieces = pieces(&expected.extents, expected_len);
    let mut bad = Vec::new();
    let mut buffer = vec![0; BUFFER_LEN];
    for (range, crc) in pieces {
        let mut sum = RunningCrc::new();
        let mut at = range.start;
        while at < range.end && at < len {
            if stopped.load(Ordering::Relaxed) {
                return Err(Error::new(
                    ErrorKind::Cancelled,
                    Disposition::Permanent,
                    "the answer is not waited for any more",
                ));
            }
            let wanted = usize::try_from(range.end.min(len) - at).unwrap_or(usize::MAX).min(BUFFER_LEN);
            let chunk = &mut buffer[..wanted];
            if file.read_exact_at(chunk, at).is_err() {
                break; // a bad sector damages its block
            }
            sum.update(chunk);
            hashers.iter_mut().for_each(|(_, h)| h.update(chunk));
            at += wanted as u64;
            told(at, expected_len);
        }
        if at < range.end || crc.is_some_and(|crc| crc != sum.value()) {
            bad.push(range);
        }
    }
    if stat(file, site)?.facts != before.facts {
        let text = format!("{} was changed while it was read", site.path.display());
        let error = Error::new(ErrorKind::LocalFile, Disposition::Temporary, text).with("path", site.path.display());
        return Err(error.advise(Advice::RunAgain));
    }
    // Bytes that differ make every digest differ: only what the blocks do not explain is told.
    let compared = hashers.into_iter().map(|(d, h)| (bad.is_empty() && *h.finish() == *d.bytes(), d));
    let (same, differing): (Vec<_>, Vec<_>) = compared.partition(|(same, _)| *same);
    if bad.is_empty() && differing.is_empty() && len == expected_len {
        let digests = same.into_iter().map(|(_, digest)| digest).collect();
        return Ok(Verification::Intact { length: len, verified: expected.verified, digests });
    }
    let digests = differing.into_iter().map(|(_, digest)| digest).filter(|_| bad.is_empty()).collect();
    Ok(Verification::Damaged { ranges: merged(bad), expected_len, len, digests })
}

/// The whole object in order: blocks with their CRC, and between them what has none (only whole digests cover it).
fn pieces(extents: &[Extent], length: u64) -> Vec<(Range<u64>, Option<u64>)> {
    let mut extents = extents.to_vec();
    extents.sort_by_key(|e| e.start);
    let mut pieces = Vec::new();
    let mut at = 0;
    for e in extents.iter().filter(|e| e.end() <= length) {
        if e.start < at {
            continue; // overlaps the one before: its bytes are read only once
        }
        if at < e.start {
            pieces.push((at..e.start, None));
        }
        pieces.push((e.start..e.end(), Some(e.crc)));
        at = e.end();
    }
    if at < length {
        pieces.push((at..length, None));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_object_once() {
        let e = |start, len| Extent { start, len, crc: start };
        assert_eq!(pieces(&[], 0), []);
        assert_eq!(pieces(&[], 5), [(0..5, None)]);
        let all = pieces(&[e(6, 2), e(0, 4), e(2, 3), e(9, 9)], 10);
        assert_eq!(all, [(0..4, Some(0)), (4..6, None), (6..8, Some(6)), (8..10, None)]);
    }
}
