//! A finished file is mended: only its damaged blocks are fetched again.

use std::path::Path;

use super::Client;
use super::download::{DownloadBuilder, Repairs};
use crate::error::{Disposition, Error, ErrorKind};
use crate::partial::Partial;
use crate::source::Source;
use crate::target::{NamedTarget, disk_error};
use crate::threads;

impl Client {
    /// A download that mends a finished file of this client's: blocks that have the checksums of its receipt are taken
    /// over, and the others are fetched from where it came from, if that still shows the same version under a strong
    /// validator. The digests that the file had when it was finished are compared with the whole. Nothing is asked
    /// before [`start`](DownloadBuilder::start); `source` is where to ask now, in place of the recorded place: a link
    /// with a new signature, or another place, for which a digest of the file has to be known.
    ///
    /// The file is only read, until the mended one takes its name. [`verify`](Self::verify) tells whether there is
    /// anything to mend.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such file; [`ErrorKind::Exists`] for a link, a folder or a device;
    /// [`ErrorKind::NotProvable`] when no checksums of its blocks are recorded: then only all of it can be fetched;
    /// [`ErrorKind::NeedsLink`] when the recorded place cannot be asked without a new link. As told by
    /// [`Transfer::finished`](crate::Transfer::finished): [`ErrorKind::Changed`] when the source has another version.
    pub async fn repair(&self, file: impl AsRef<Path>, source: Option<Source>) -> Result<DownloadBuilder, Error> {
        let (path, state) = (file.as_ref().to_owned(), self.state().cloned());
        let found = threads::run(move || {
            let partial = Partial::open_finished(&path)?;
            let site = NamedTarget::of(&path)?;
            let receipt = state.and_then(|state| state.receipt(&site.absolute).transpose());
            let receipt = receipt.transpose().map_err(|e| disk_error(&site.path, e))?;
            Ok::<_, Error>((partial, receipt))
        });
        let (partial, receipt) = found.await?;
        let shown = partial.path().display();
        let unknown = |why: &str| {
            let text = format!("{shown}: {why}, so all of it would have to be fetched");
            Error::new(ErrorKind::NotProvable, Disposition::Permanent, text).with("path", &shown)
        };
        let Some(receipt) = receipt else {
            return Err(unknown("nothing is recorded of its blocks, and which of them are damaged cannot be known"));
        };
        if !receipt.range.is_whole() {
            return Err(unknown("it is a range of an object"));
        }
        if receipt.of.extents.is_empty() || !receipt.of.identity.is_strong() {
            return Err(unknown("neither checksums of its blocks nor a strong validator of its source are recorded"));
        }
        let source = match source {
            Some(source) => source,
            None => receipt.source.parse()?,
        };
        let repairs = Repairs { source: receipt.source, identity: receipt.of.identity, extents: receipt.of.extents };
        let mending = DownloadBuilder::mending(self.clone(), source, partial, repairs);
        Ok(receipt.of.digests.into_iter().fold(mending, DownloadBuilder::checksum))
    }
}
