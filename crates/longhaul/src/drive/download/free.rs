//! A place for a file whose name may be taken: the desk takes the next free one, of `film.mkv`, `film.1.mkv`, `film.2.mkv`, …
//!
//! The core is told of a place that is free: no other file is ever replaced, and what stands at the name does not matter to
//! it. A name is chosen when the folder is opened (its part file, locked, keeps others away, and its journal is what a next
//! start finds), and once more when the file is published, where another program has taken the name meanwhile.

use std::ffi::OsString;

use longhaul_core::download::held::Slot;
use longhaul_core::download::resume::{Found, FoundJournal, TargetState};
use longhaul_core::download::step::Heard;
use longhaul_core::words::{DiskFault, FileFacts};

use super::desk::{DownloadDesk, Slots, Whereabouts};
use super::{DownloadAnswer, DownloadAside};
use crate::disk::beside::copies::{COPIES_MAX, begun_as, copy_name};
use crate::disk::beside::publish;
use crate::disk::error::DiskError;

impl DownloadDesk {
    /// Opens the place where this transfer was begun, or the first one that is free.
    pub(super) fn open_free(&mut self, whereabouts: &Whereabouts, room: bool) -> Result<Found, DiskError> {
        self.asked_name.clone_from(&whereabouts.name);
        let asked = self.arrive_at(whereabouts, &whereabouts.name)?;
        if let Some((name, _)) = begun_as(&asked.folder, &whereabouts.name, &self.setup.source) {
            let found = self.open(self.arrive_at(whereabouts, &name)?, room)?;
            return self.past_others(found);
        }
        for number in 0..=COPIES_MAX {
            let place = self.arrive_at(whereabouts, &copy_name(&whereabouts.name, number))?;
            if !is_of_none(&self.look_at_target(&place)?) || place.folder.look(&place.names.log())?.is_some() {
                continue;
            }
            let whose = place.whose.clone();
            match self.open(place, room) {
                // Looked at once more, under the lock.
                Ok(found) if is_of_none(&found.target) && matches!(found.journal, FoundJournal::Absent) => {
                    return Ok(found);
                }
                Ok(_) => self.leave(),
                Err(error) if error.fault() == DiskFault::InUse && error.held_by_us() != Some(&whose) => {}
                Err(error) => return Err(error),
            }
        }
        let path = asked.folder.path_of(asked.names.target());
        Err(DiskError::said(DiskFault::Exists, "save as", &path, "it exists, and so do hundreds of copies"))
    }

    /// A place is not the one: its lock is let go of, and nothing of ours stays.
    fn leave(&mut self) {
        self.tidy();
        *self.lock_slots() = Slots::default();
        (self.place, self.journal) = (None, None);
    }

    /// What was found, without a file of others at the name: it stays, and ours gets another name.
    fn past_others(&mut self, mut found: Found) -> Result<Found, DiskError> {
        let publishing = match &found.journal {
            FoundJournal::Read(recovered) => recovered.publishing,
            _ => None,
        };
        let is_ours =
            |facts: &FileFacts| publishing.is_some_and(|p| (p.facts.inode, p.facts.len) == (facts.inode, facts.len));
        match &found.target {
            TargetState::File { facts, .. } if is_ours(facts) => return Ok(found),
            TargetState::File { finished: None, .. } | TargetState::Symlink => found.target = TargetState::Absent,
            _ => {}
        }
        // The crash may have come behind the rename to another name.
        let gone = publishing.is_some() && found.main.is_none_or(|main| main.len == 0);
        let place = self.place.clone().filter(|_| gone && matches!(found.target, TargetState::Absent));
        for name in place.iter().flat_map(|_| (0..=COPIES_MAX).map(|number| copy_name(&self.asked_name, number))) {
            let Some(place) = &place else { break };
            if let Some(there) = place.folder.look(&name)?.filter(|there| is_ours(&there.facts)) {
                found.target = TargetState::File { facts: there.facts, finished: None };
                self.published_as = Some(name);
                break;
            }
        }
        Ok(found)
    }

    /// The file gets the target's name, or the next free one.
    pub(super) fn publish_free(&mut self) -> Result<DownloadAnswer, DiskError> {
        let (place, part) = (self.place()?.clone(), self.part(Slot::Main)?);
        let mut result = publish::publish(&place, &part, false);
        let mut name: Option<OsString> = None;
        for number in 1..=COPIES_MAX {
            match &result {
                Err(error) if error.fault() == DiskFault::Exists => {}
                _ => break,
            }
            let next = copy_name(&self.asked_name, number);
            result = publish::publish_as(&place, &part, &next);
            name = Some(next);
        }
        let published = result?;
        if let Some(saved) = &self.setup.saved {
            saved.add(&published, &place.whose);
        }
        self.published = true;
        Ok(match name {
            Some(name) => {
                let path = place.folder.path_of(&name);
                self.published_as = Some(name);
                DownloadAnswer::with(Heard::Done, DownloadAside::Path(path))
            }
            None => Heard::Done.into(),
        })
    }
}

/// No file of others stands there.
fn is_of_none(target: &TargetState) -> bool {
    matches!(target, TargetState::Absent | TargetState::File { finished: Some(_), .. })
}
