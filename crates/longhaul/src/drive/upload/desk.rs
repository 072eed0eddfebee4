//! The desk of an upload: lock, journal and receipt, in the order in which the core asks, on a thread of its own.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use longhaul_core::upload::journal::Intent;
use longhaul_core::upload::step::{Heard, OpenFacts, SourceFacts, SourceLook, Step, UploadReceipt};
use longhaul_core::words::DiskFault;

use super::source::SourceFile;
use super::{UploadAnswer, UploadAside, failed};
use crate::disk::beside::lock::{LockFile, Locking};
use crate::disk::error::DiskError;
use crate::disk::state::sent::SentReceipt;
use crate::disk::state::state_dir::StateDir;
use crate::disk::state::uploads::{UploadJournal, UploadKey};
use crate::drive::seat;

/// What the desk needs to know.
pub(super) struct UploadDesk {
    pub(super) state: Arc<StateDir>,
    pub(super) source: Arc<SourceFile>,
    pub(super) intent: Intent,
    pub(super) key: UploadKey,
    pub(super) locking: Locking,
    pub(super) durable: bool,
    pub(super) sourceless: bool,
    pub(super) open: Open,
}

/// What is open.
#[derive(Default)]
pub(super) struct Open {
    lock: Option<LockFile>,
    journal: Option<UploadJournal>,
}

impl seat::Desk for UploadDesk {
    type Order = Step;
    type Heard = Heard;
    type Aside = UploadAside;

    fn perform(&mut self, step: Step) -> UploadAnswer {
        self.answer(step).map_or_else(failed, UploadAnswer::from)
    }
}

impl UploadDesk {
    fn answer(&mut self, step: Step) -> Result<Heard, DiskError> {
        match step {
            Step::Open => return self.open().map(|found| Heard::Opened(Box::new(found))),
            Step::Record { records, durable } => self.open.journal()?.append(&records, durable && self.durable)?,
            Step::Compact { records } => self.open.journal()?.compact(&records, self.durable)?,
            Step::Receipt(receipt) => self.receipt(receipt)?,
            Step::Forget => {
                self.open.journal()?.remove()?;
            }
            _ => return Ok(Heard::Failed(DiskFault::Unsupported)), // not a step of the desk
        }
        Ok(Heard::Done)
    }

    fn open(&mut self) -> Result<OpenFacts, DiskError> {
        let place = self.state.upload_place(&self.key)?;
        self.open.lock = Some(LockFile::acquire(&place.folder, &place.names.lock(), self.locking)?);
        let (journal, found) = UploadJournal::open(place, self.durable)?;
        self.open.journal = Some(journal);
        let source = match self.source.look() {
            Ok((source, _)) => source,
            // An upload can be given up without its source.
            Err(_) if self.sourceless => SourceLook { facts: SourceFacts::default(), settled: false },
            Err(error) => return Err(error),
        };
        let finished = self.state.sent_object(&self.key, &source.facts).map(Box::new);
        Ok(OpenFacts { journal: found.into(), source, finished })
    }

    fn receipt(&self, receipt: UploadReceipt) -> Result<(), DiskError> {
        let path = std::ffi::OsString::from_vec(self.intent.path.clone());
        let receipt = SentReceipt {
            path: PathBuf::from(path),
            destination: self.intent.destination.clone(),
            endpoint: self.intent.endpoint.clone(),
            facts: receipt.facts,
            object: receipt.object,
            verified: receipt.verified,
            finished_ms: crate::now_unix_ms(),
        };
        self.state.put_sent(&self.key, &receipt)
    }
}

impl Open {
    fn journal(&mut self) -> Result<&mut UploadJournal, DiskError> {
        let not_open = || DiskError::said(DiskFault::Io, "use", "the journal".as_ref(), "it is not open");
        self.journal.as_mut().ok_or_else(not_open)
    }
}
