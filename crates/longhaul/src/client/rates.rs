//! How fast may the transfers of a client be? A limit for all of them, for those in a lane, and for each.

use std::fmt;
use std::sync::Arc;

use super::Client;
use crate::store::{Pace, Rates};

/// A rate limit that several transfers of a client share, beside the client's and their own: those that are put into it
/// with [`DownloadBuilder::lane`](crate::DownloadBuilder::lane) or [`UploadBuilder::lane`](crate::UploadBuilder::lane).
/// Cheap to clone; a clone is the same lane.
///
/// ```no_run
/// # async fn example() -> Result<(), longhaul::Error> {
/// let client = longhaul::Client::builder().limit_rate(10 << 20).build()?;
/// let nightly = client.rate_lane(2 << 20);
/// let one = client.download("https://example.com/a").lane(nightly.clone()).start().await?;
/// let two = client.download("https://example.com/b").lane(nightly.clone()).limit_rate(512 << 10).start().await?;
/// nightly.set(0); // from now on only the limits of the client and of `two` hold
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLane {
    /// From this one outwards, without the client's.
    chain: Arc<[Arc<Pace>]>,
}

impl fmt::Debug for RateLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLane").field("limits", &self.chain.iter().map(|p| p.limit()).collect::<Vec<_>>()).finish()
    }
}

impl RateLane {
    fn new(bytes_per_s: u64, outer: &[Arc<Pace>]) -> Self {
        Self { chain: std::iter::once(Arc::new(Pace::new(bytes_per_s))).chain(outer.iter().cloned()).collect() }
    }

    /// A lane within this one: what is in it obeys both limits.
    pub fn lane(&self, bytes_per_s: u64) -> Self {
        Self::new(bytes_per_s, &self.chain)
    }

    /// Another limit from now on, in bytes per second, for transfers under way too; 0 is none.
    pub fn set(&self, bytes_per_s: u64) {
        if let Some(own) = self.chain.first() {
            own.set(bytes_per_s);
        }
    }

    /// The limit now, in bytes per second; 0 is none.
    pub fn limit_rate(&self) -> u64 {
        self.chain.first().map_or(0, |own| own.limit())
    }
}

impl Client {
    /// A rate limit for several transfers, in bytes per second; 0 is none. What the client itself may take is shared
    /// fairly among connections, in whichever lane they are.
    pub fn rate_lane(&self, bytes_per_s: u64) -> RateLane {
        RateLane::new(bytes_per_s, &[])
    }

    /// The buckets of one transfer.
    pub(super) fn rates(&self, own_bytes_per_s: u64, lane: Option<&RateLane>) -> Rates {
        let lanes = lane.map(|lane| &*lane.chain).unwrap_or_default();
        Rates::new(Arc::new(Pace::new(own_bytes_per_s)), lanes, self.inner.rate.clone())
    }
}
