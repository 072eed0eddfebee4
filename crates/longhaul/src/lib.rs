//! Resumable, verified transfers of large objects over networks that fail.
//!
//! Start a transfer once. Whatever happens (a network switch, `kill -9`, a reboot, a power cut, an expired link, a full
//! disk), the next start goes on from where it stopped, and the file that comes out is the right one, whole.
//!
//! ```toml
//! [dependencies]
//! longhaul = { git = "https://github.com/longhaul/longhaul" }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! ```no_run
//! # async fn example() -> Result<(), longhaul::Error> {
//! let client = longhaul::Client::builder().build()?;
//! let transfer = client.download("https://example.com/video.mp4").to("video.mp4").start().await?;
//! let outcome = transfer.finished().await?;
//! println!("{} bytes, verified by {:?}", outcome.bytes(), outcome.verified());
//! # Ok(())
//! # }
//! ```
//!
//! * [`Client`] holds what transfers share; [`Client::download`] starts one, [`Client::open`] takes one up again from
//!   the files in its folder alone.
//! * [`Transfer`] is the handle: pause, resume, cancel, [`events`](Transfer::events), the
//!   [`outcome`](Transfer::finished).
//! * [`DownloadBuilder::read`] gives the bytes as they come ([`ObjectBytes`]), and writes no file.
//! * [`Token`] is a line of text by which another process finds a transfer again.
//! * [`Error`] says what went wrong in terms that a caller can act on, its [`Advice`] what helps.
//! * [`json`] is all of this for programs that read JSON.
//!
//! What survives a crash: everything that was hinted or claimed in the journal beside the target (`docs/semantics.md`
//! has the promises). The library never prints, exits or installs a global, and reads environment and home directory
//! only when it was told to ([`ClientBuilder::environment`]).
//!
//! # Features
//!
//! All are on by default. Without any, the library downloads from `http` and `https` URLs over HTTP/1.1.
//!
//! | feature | brings |
//! |---|---|
//! | `oss` | objects in OSS: `oss://BUCKET/KEY` as a source, lists, links |
//! | `s3` | objects in S3 and compatible stores: `s3://BUCKET/KEY`, the same |
//! | `upload` | uploads to the stores that are built in, and what was begun or sent there |
//! | `environment` | keys and settings of stores from variables, the vendors' files, processes and token services |
//! | `manager` | a list of transfers that lasts ([`Client::manager`]); SQLite comes with it |
//! | `socks` | proxies that speak SOCKS |
//! | `http2` | HTTP/2, for servers that have nothing else |
//! | `fast-crc` | checksums by the processor's carry-less multiplication; without it by tables, which is slower, and smaller by 700 KiB |
//!
//! A name in a store that was not built in is refused as [`ErrorKind::Usage`]. `bench/size` measures what each costs.
//!
//! # Limits of the process
//!
//! * Threads: they are the library's own, none is taken from the runtime's pool for blocking work. Where the system
//!   gives none (`RLIMIT_NPROC`, a container's `pids.max`), transfers go on without; [`Client::upload_reader`] and
//!   [`Client::verify`] cannot, and say so.
//! * Open files: about 20 for a client, 8 and one for each connection for a transfer. Beyond `RLIMIT_NOFILE` a transfer
//!   ends with [`ErrorKind::LocalFile`] and keeps its state: a program with many raises the limit, or starts fewer.
//! * The length of a file (`RLIMIT_FSIZE`): the system sends SIGXFSZ, which ends the program, unless the program
//!   ignores or handles that signal. Then the transfer ends with [`ErrorKind::LocalFile`] and keeps its state. The
//!   library touches no signal.
//!
//! What to do next is decided in `longhaul-core`; here are the files, the stores and the drivers that carry it out.

#![warn(missing_debug_implementations)]
// The default features show what is dead. With fewer, helpers stay that only the rooms left out call; the linker drops
// them.
#![cfg_attr(
    not(all(
        feature = "oss",
        feature = "s3",
        feature = "upload",
        feature = "environment",
        feature = "socks",
        feature = "http2"
    )),
    allow(dead_code, reason = "a smaller set of features calls fewer of the shared helpers")
)]

mod advice;
mod checksums;
mod client;
#[cfg(feature = "_stores")]
pub mod credentials;
mod disk;
mod drive;
mod error;
mod event;
#[cfg(all(any(test, fuzzing), feature = "upload", feature = "environment"))]
#[doc(hidden)]
pub mod fuzzing;
mod hex;
mod identity;
mod inspect;
pub mod json;
#[cfg(feature = "_stores")]
mod keys;
#[cfg(feature = "manager")]
pub mod manager;
pub mod many;
mod map;
#[cfg(feature = "_stores")]
mod objects;
mod partial;
mod random;
mod secrets;
pub mod source;
mod store;
#[cfg(feature = "_stores")]
mod stores;
mod sync;
mod target;
mod threads;
mod token;
mod transfer;
mod wording;

pub use advice::Advice;
pub use checksums::Checksums;
#[cfg(feature = "upload")]
pub use client::ledger::{KeptInput, PerhapsOurs, UnfinishedUpload, UnfinishedUploads, UploadStage};
#[cfg(feature = "upload")]
pub use client::sent::SentUpload;
#[cfg(feature = "upload")]
pub use client::upload::UploadBuilder;
pub use client::wishes::{StopWish, Wishes};
pub use client::{
    Client, ClientBuilder, Connections, DownloadBuilder, Durability, Existing, IpFamily, OnChange, ProxyChoice,
    RateLane,
};
pub use drive::read::ObjectBytes;
pub use error::{Disposition, Error, ErrorKind};
pub use event::{
    Digest, DigestKind, DigestTextFault, Downloaded, Event, NotModified, Outcome, Progress, Restart, RestartReason,
    Totals, UploadRestart, Uploaded, Verified,
};
pub use identity::{ObjectIdentity, ValidatorKind};
pub use inspect::list::{Listing, TransferInfo, TransferState};
pub use inspect::probe::{Probe, ProbeBuilder};
pub use inspect::show::{
    FetchRange, FetchReason, Finished, Inspection, JournalHealth, KeptGeneration, NextStart, PartState, Unfinished,
};
pub use inspect::verify::Verification;
pub use many::Batch;
pub use map::{PIECES_MAX, PieceMap};
#[cfg(feature = "_stores")]
pub use objects::{LinkMethod, ObjectInfo, Objects};
pub use partial::Partial;
pub use source::LinkSource;
pub use source::{ByteRange, ObjectName, ObjectPrefix, Source, WebUrl};
pub use token::{Reopened, Token};
pub use transfer::{Cancel, Events, Transfer, TransferKind};

/// Whether a file of this name would be taken for a working file of a download: its bytes while they are not whole
/// (`.lhpart`, `.lhnext`), its journal (`.lhlog`, and those set aside), or a helper of the two. Case does not count.
pub fn is_working_file(name: &str) -> bool {
    longhaul_core::names::is_ours(name)
}

/// Nanoseconds since the Unix epoch; 0 when the clock stands before it.
pub(crate) fn now_unix_ns() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos())
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_unix_ms() -> u64 {
    u64::try_from(now_unix_ns() / 1_000_000).unwrap_or(u64::MAX)
}

/// What programs hand from thread to thread can be handed: checked when this is compiled.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Client>();
    is_send_and_sync::<Transfer>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<Event>();
    is_send_and_sync::<Outcome>();
    is_send_and_sync::<DownloadBuilder>();
    is_send_and_sync::<RateLane>();
    is_send::<Events>();
    is_send::<ObjectBytes>();
    #[cfg(feature = "_stores")]
    is_send::<Objects>();
    #[cfg(feature = "upload")]
    is_send::<UploadBuilder>(); // of a stream that only one thread may read
};
