//! What an earlier run of a download left is thrown away: without a handle, a link or a network.
//!
//! The lock decides whether that may be done. It is taken before anything else is looked at, so a process that works on
//! the download is always told of, and no file of its is touched.

use std::path::Path;

use longhaul_core::download::journal;
use longhaul_core::download::resume::TargetRefusal;
use longhaul_core::download::step::Failure;
use longhaul_core::words::DiskFault;

use super::Client;
use super::download::lying_at;
use crate::advice::Advice;
use crate::disk::beside::lock::{self, Locking};
use crate::disk::beside::place::Place;
use crate::disk::beside::remains;
use crate::disk::error::DiskError;
use crate::disk::state::listing::NoteKey;
use crate::drive::download::DownloadDetails;
use crate::drive::download::destination::Destination;
use crate::drive::download::failure::error_of;
use crate::error::{Disposition, Error, ErrorKind};
use crate::source::range_text;
use crate::target::{NamedTarget, disk_error, not_found, recorded_in};
use crate::threads;

impl Client {
    /// Throws away what is left of a download to this file on which no process works: its partial file, its journal
    /// (one that cannot be read, too), and its entry in the list. The source is not asked, and its link is not needed.
    /// The file itself stays. `file` may also be the `.lhpart` or `.lhlog` of it.
    ///
    /// True when there were files; false when only an entry in the list was left.
    ///
    /// An entry whose folder is gone, or has become a link, goes alone: what a link leads to is none of that download's.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] when a process works on it, in the context its number (`holder`) where the system can tell;
    /// [`ErrorKind::NotFound`] when neither files nor an entry are there; [`ErrorKind::LocalFile`] when something cannot
    /// be removed.
    ///
    /// # Cancel safety
    /// When the future is dropped, all of it is removed or a part: it can be called again.
    pub async fn discard_download(&self, file: impl AsRef<Path>) -> Result<bool, Error> {
        threads::expect_runtime()?;
        let (client, file) = (self.clone(), file.as_ref().to_owned());
        threads::run(move || client.discard_here(&file)).await
    }

    fn discard_here(&self, file: &Path) -> Result<bool, Error> {
        let site = match NamedTarget::of(file) {
            Ok(site) => Some(site),
            Err(error) if error.kind() == ErrorKind::NotFound => None, // the folder is gone
            Err(error) => return Err(error),
        };
        let named = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let moved = site.as_ref().is_none_or(|site| site.absolute != named);
        if moved && self.forget(&named)? {
            return Ok(false);
        }
        let Some(site) = site else { return Err(nothing_of(file)) };
        let lay_there = throw_away(&site.place, Locking::Required)?;
        let noted = self.forget(&site.absolute)?;
        if lay_there || noted { Ok(lay_there) } else { Err(nothing_of(file)) }
    }

    /// Removes the entry of a download to this file from the list. Its files stay: a later start goes on from them, and
    /// notes it again.
    ///
    /// # Blocking
    /// It touches the disk: from async code, call it on a thread that may block (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] when a process works on it; [`ErrorKind::NotFound`] when there is no entry;
    /// [`ErrorKind::LocalFile`] when it cannot be removed.
    pub fn forget_download(&self, file: impl AsRef<Path>) -> Result<(), Error> {
        let file = file.as_ref();
        let named = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let site = NamedTarget::of(file).ok();
        if let Some(site) = site.filter(|site| site.absolute == named || !self.is_noted(&named)) {
            lock::expect_free(&site.place).map_err(|error| of_disk(&site.place, error))?;
            return if self.forget(&site.absolute)? { Ok(()) } else { Err(nothing_of(file)) };
        }
        if self.forget(&named)? { Ok(()) } else { Err(nothing_of(file)) }
    }

    fn is_noted(&self, target: &Path) -> bool {
        self.state().is_some_and(|state| state.transfer(&NoteKey::of_target(target)).is_ok_and(|note| note.is_some()))
    }

    /// Removes the entry of a download in the list; whether there was one.
    fn forget(&self, target: &Path) -> Result<bool, Error> {
        let Some(state) = self.state() else { return Ok(false) };
        state.remove_transfer(&NoteKey::of_target(target)).map_err(|e| disk_error(target, e))
    }

    /// Throws away what an earlier run of a download of `wanted` left at its destination.
    pub(super) fn discard_of(
        &self,
        destination: Destination,
        wanted: &journal::Source,
        ambiguous: bool,
        locking: Locking,
    ) -> Result<(), Error> {
        let (destination, recorded) = lying_at(self, destination, wanted, ambiguous)?;
        let place = match &destination {
            Destination::File(path) => match NamedTarget::exactly(path) {
                Ok(site) => site.place,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()), // no folder, no file
                Err(error) => return Err(error),
            },
            Destination::Below(below) => {
                let Ok(folder) = self.inner.folders.open_within(&below.within(), false) else { return Ok(()) };
                Place::new(folder, &below.name).map_err(|e| disk_error(&below.path, e))?
            }
            // No download of this source lies in the folder.
            Destination::Folder(_) | Destination::Chosen(_) => return Ok(()),
        };
        let target = place.folder.path_of(place.names.target());
        if let Some(other) = recorded.filter(|other| other.url != wanted.url || other.window != wanted.window) {
            return Err(of_another(&other, wanted, &target));
        }
        throw_away(&place, locking)?;
        self.forget(&target).map(drop)
    }
}

fn throw_away(place: &Place, locking: Locking) -> Result<bool, Error> {
    let id = || recorded_in(&place.folder, place.names.target()).map(|recorded| recorded.id);
    remains::remove(place, locking, id).map_err(|error| of_disk(place, error))
}

fn of_disk(place: &Place, error: DiskError) -> Error {
    let target = place.folder.path_of(place.names.target());
    match error.fault() {
        DiskFault::InUse => in_use(&target, &error),
        _ => disk_error(&target, error),
    }
}

fn in_use(target: &Path, error: &DiskError) -> Error {
    let by = match (error.held_by_us(), error.holder()) {
        (Some(_), _) => "another transfer of this program".to_owned(),
        (None, Some(pid)) => format!("process {pid}"),
        (None, None) => "another process".to_owned(),
    };
    let text = format!("{}: {by} is working on it", target.display());
    let error_in = Error::new(ErrorKind::InUse, Disposition::Temporary, text)
        .with("path", target.display())
        .advise(Advice::WaitForOther);
    error.holder().map_or(error_in.clone(), |holder| error_in.with("holder", holder))
}

fn nothing_of(file: &Path) -> Error {
    not_found(file, "there is no unfinished download of this file")
}

fn of_another(other: &journal::Source, wanted: &journal::Source, target: &Path) -> Error {
    let remembered = DownloadDetails {
        recorded_source: Some(other.url.clone()),
        recorded_range: Some(range_text(&other.window).unwrap_or_else(|| "all of it".into())),
        range: range_text(&wanted.window),
        ..DownloadDetails::default()
    };
    let refusal = match other.url == wanted.url {
        true => TargetRefusal::PartialOfAnotherRange,
        false => TargetRefusal::PartialOfAnotherSource,
    };
    error_of(Failure::Refused(refusal), &wanted.url, &target.display().to_string(), 0, remembered)
}
