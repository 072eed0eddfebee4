//! Many transfers at a time: all objects of a prefix into a folder, all files of a folder into a store, or a list.
//!
//! ```text
//! batch          transfers that belong together: one switch stops them all, none takes the place of what another one saved
//! object_files   which file below a folder does each object of a prefix become?     (keys: may its name be one?)
//! walk           which files are below a folder, and under which names do they go into a store?
//! downloads      both together, some side by side, with a report of each             (uploads: the other way)
//! ```
//!
//! Every writer of a bucket chooses names in it. A name that could lead out of the folder, or that is no file name
//! here, is refused with its reason and never changed: two names that became one would overwrite each other. No link
//! below the folder is followed while a file is written ([`DownloadBuilder::below`](crate::DownloadBuilder::below)).
//!
//! These rooms print no word, and the caller decides what to do about a failure: a report has the typed error.

mod batch;
#[cfg(feature = "_stores")]
mod downloads;
#[cfg(feature = "_stores")]
mod jobs;
#[cfg(feature = "_stores")]
mod keys;
#[cfg(feature = "_stores")]
mod object_files;
#[cfg(feature = "upload")]
mod uploads;
#[cfg(feature = "upload")]
mod walk;

pub use batch::{Batch, JobEnd, JobReport, Notice};
#[cfg(feature = "_stores")]
pub use downloads::{DownloadAll, ManyDownloads};
#[cfg(feature = "_stores")]
pub use object_files::{ObjectFile, ObjectFiles};
#[cfg(feature = "upload")]
pub use uploads::{ManyUploads, UploadAll};
#[cfg(feature = "upload")]
pub use walk::{FileBelow, FilesBelow, LeftOut, files_below};
