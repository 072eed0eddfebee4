//! What an unfinished transfer left beside its target is removed, by whoever holds its lock.

use longhaul_core::download::held::Slot;

use super::lock::{self, Locking};
use super::place::Place;
use crate::disk::error::Result;

/// Removes the part files and the journal of a transfer that no process works on, durably; the target stays. Whether
/// there were any. `id` tells the transfer's id once the lock is held: helpers that a crash left go by it.
///
/// `InUse` while a process has the lock. May be called again after an error, or a crash.
pub(crate) fn remove(place: &Place, locking: Locking, id: impl FnOnce() -> Option<[u8; 16]>) -> Result<bool> {
    let names = [place.names.log(), place.slot(Slot::Main), place.slot(Slot::Next)];
    let mut lies_there = false;
    for name in &names {
        lies_there |= place.folder.look(name)?.is_some();
    }
    if !lies_there {
        return Ok(false);
    }
    let _locked = lock::acquire(place, locking)?;
    place.remove_all(&id().unwrap_or_default())?;
    place.folder.sync()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::folder::Folder;
    use longhaul_core::words::DiskFault;
    use std::ffi::OsStr;

    #[test]
    fn all_but_the_target_goes_and_not_while_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(Folder::open(dir.path()).unwrap(), OsStr::new("x")).unwrap();
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert!(!remove(&place, Locking::Required, || None).unwrap());
        assert!(names().is_empty(), "a place that held no file is as it was: {:?}", names());
        for name in ["x", "x.lhlog", "x.lhnext", "y.lhlog"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let (held, _) = lock::acquire(&place, Locking::Required).unwrap();
        let refused = remove(&place, Locking::Required, || None).unwrap_err();
        assert_eq!((refused.fault(), names().len()), (DiskFault::InUse, 5));
        drop(held);
        assert!(remove(&place, Locking::Required, || None).unwrap());
        assert_eq!(names(), ["x", "y.lhlog"]);
    }
}
