//! What can be changed of a transfer while it runs.

use super::Connections;
use crate::error::Error;
use crate::source::Source;
use crate::transfer::{Change, Transfer};

impl Transfer {
    /// Goes on with this link to the same object. It is taken at once: a run that is under way stops in order and another
    /// one begins, with everything received kept; who waits for a link ([`LinkSource`](crate::LinkSource)) waits no more.
    /// A paused transfer takes it when it is resumed. Bytes behind it are joined with those that are held only when they
    /// are proven to be of the same version.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for an upload, and for an object in a store, as the new source or as
    /// the one that there is; the transfer's own error when it is over, in failure.
    ///
    /// # Cancel safety
    /// When the future is dropped the link may have been taken, or not.
    pub async fn relink(&self, source: impl Into<Source>) -> Result<(), Error> {
        match source.into() {
            Source::Web(link) => self.change(Change::Link(link)).await,
            Source::Object(name) => Err(Error::usage(format!("{name} is no link to go on with"))),
        }
    }

    /// Other [connections](crate::DownloadBuilder::connections) from now on: a run that is under way stops in order, with
    /// everything received kept, and another one begins; parts of an upload that are on their way are sent again.
    ///
    /// # Errors
    /// The transfer's own error when it is over, in failure.
    ///
    /// # Cancel safety
    /// When the future is dropped the change may have been made, or not.
    pub async fn set_connections(&self, connections: impl Into<Connections>) -> Result<(), Error> {
        let connections = connections.into();
        self.change(Change::Connections { plan: connections.plan(), parts: connections.parts() }).await
    }
}
