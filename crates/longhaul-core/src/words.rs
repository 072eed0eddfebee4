//! The words that both machines speak, and their drivers with them: names of steps, time, what the caller wants, what a
//! file looked like, and how network and disk fail. What only one machine says is in its own
//! [`download::step`](crate::download::step) or [`upload::step`](crate::upload::step).

use crate::ranges::Range;

/// Names one step. Tickets are never used twice within one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Milliseconds on a clock that never goes back and never pauses; only differences matter.
pub type Millis = u64;

/// What the caller may ask at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Stop with everything durable.
    Pause,
    /// Stop and remove everything of this transfer. Too late once the file is being published.
    Discard,
}

/// How much a power cut may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// What was synced survives a power cut; so does a finished file.
    #[default]
    Power,
    /// No syncs: a killed process loses no byte, a power cut may cost the transfer.
    Process,
}

/// What to do when the source shows another version while bytes of an older one are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChange {
    /// Fetch the new version.
    #[default]
    Restart,
    /// End with [`Failure::Changed`](crate::download::step::Failure::Changed) or
    /// [`Failure::SourceChanged`](crate::upload::step::Failure::SourceChanged), and keep what is held.
    Stop,
}

/// A stretch of written bytes and the CRC-64 of exactly these bytes. It never crosses a block boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Offset of the first byte in the file.
    pub start: u64,
    /// How many bytes; never 0.
    pub len: u64,
    /// CRC-64 of the bytes.
    pub crc: u64,
}

impl Extent {
    /// One past the last byte.
    pub fn end(self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// The bytes it covers.
    pub fn range(self) -> Range {
        Range::new(self.start, self.end())
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileFacts {
    /// Length in bytes.
    pub len: u64,
    /// Inode number (0 where there is none).
    pub inode: u64,
    /// Modification time in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
    /// Change time in nanoseconds since the Unix epoch.
    pub ctime_ns: i64,
}

/// How the network failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetFault {
    /// The host name did not resolve.
    Resolve,
    /// No connection.
    Connect,
    /// TLS refused: not worth a second try.
    Tls,
    /// The connection broke or the body ended before its promised end.
    Cut,
    /// Slower than the least rate over the stall time.
    Stalled,
    /// The answer was no legal HTTP.
    Protocol,
    /// A proxy refuses to connect us there, by policy, say: not worth a second try.
    Proxy,
    /// A redirect that must not be followed (loop, downgrade, scheme): not worth a second try.
    Redirect,
}

/// How the disk failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskFault {
    /// No space, or a quota.
    NoSpace,
    /// Read-only file system.
    ReadOnly,
    /// Permission denied.
    Denied,
    /// Something stands at the name.
    Exists,
    /// Another process holds the transfer.
    InUse,
    /// The file system cannot lock, or a name is unusable.
    Unsupported,
    /// The work was cut short because the run is ending; no fault was found.
    Interrupted,
    /// Any other I/O error.
    Io,
}
