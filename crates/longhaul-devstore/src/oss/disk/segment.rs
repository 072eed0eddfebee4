//! Bytes on disk that never change once they are written, shared by their readers.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{fresh_name, private_file};

/// A finished file of bytes. When no record names it any more it is doomed, and goes with its last reader.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Relative to the bucket's folder of data.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    doomed: AtomicBool,
}

impl Segment {
    pub(crate) fn new(name: String, path: PathBuf, len: u64) -> Segment {
        Segment { name, path, len, doomed: AtomicBool::new(false) }
    }

    pub(crate) fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// To be removed when the last reader is done.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // What stays behind is swept up at the next start.
            let _ = fs::remove_file(&self.path);
            if let (Some(folder), true) = (self.path.parent(), self.name.contains('/')) {
                let _ = fs::remove_dir(folder); // the last of an upload's parts
            }
        }
    }
}

/// A file being written. Dropped before it was finished, it is removed.
pub(crate) struct Draft {
    name: String,
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Draft {
    /// A new file in `folder`.
    pub(crate) fn new(folder: &Path) -> io::Result<Draft> {
        let name = fresh_name()?;
        let path = folder.join(&name);
        let file = private_file(&path)?;
        Ok(Draft { name, path, file, kept: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// Copies `len` bytes from `at` of those segments; inside the kernel where it can.
    pub(crate) fn copy_from(&mut self, segments: &[Arc<Segment>], at: u64, len: u64) -> io::Result<()> {
        let mut skip = at;
        let mut left = len;
        for segment in segments {
            if skip >= segment.len {
                skip -= segment.len;
                continue;
            }
            let here = left.min(segment.len - skip);
            let mut source = segment.open()?;
            io::Seek::seek(&mut source, io::SeekFrom::Start(skip))?;
            let copied = io::copy(&mut source.take(here), &mut self.file)?;
            if copied != here {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= here;
            skip = 0;
            if left == 0 {
                return Ok(());
            }
        }
        if left == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Makes the bytes durable. The name is made so by the record that names the segment.
    pub(crate) fn finish(mut self, len: u64, sync: bool) -> io::Result<Segment> {
        if sync {
            self.file.sync_data()?;
        }
        self.kept = true;
        Ok(Segment::new(std::mem::take(&mut self.name), self.path.clone(), len))
    }

    /// Makes the bytes durable and gives the file up for the caller to rename.
    pub(crate) fn finish_as_file(mut self, sync: bool) -> io::Result<PathBuf> {
        if sync {
            self.file.sync_data()?;
        }
        self.kept = true;
        Ok(self.path.clone())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path); // swept up at the next start
        }
    }
}
