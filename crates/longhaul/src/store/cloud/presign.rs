//! Makes a link that works without keys, for a while.

use http::HeaderMap;

use super::Cloud;
use crate::error::{Disposition, Error, ErrorKind};
use crate::store::sign::{LINK_LIFE_MAX_S, Signer, Subject};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Fetching the object.
    Get,
    /// Asking what it is.
    Head,
    /// Storing it.
    Put,
}

impl Link {
    fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
        }
    }
}

impl Cloud {
    /// A link that works for `life_s` seconds from now by the store's clock, as far as it is known, and no longer than
    /// the keys that it is signed with. Nothing is asked of the store.
    ///
    /// # Errors
    /// `Usage` for a life of nothing or of more than seven days, which both vendors refuse; `Denied` without keys.
    pub(crate) async fn presign(&self, link: Link, life_s: u64) -> Result<String, Error> {
        if !(1..=LINK_LIFE_MAX_S).contains(&life_s) {
            return Err(Error::usage(format!("a link works for 1 to {LINK_LIFE_MAX_S} seconds, not for {life_s}")));
        }
        let Some(keys) = self.credentials.get().await? else {
            let what = format!("{}: a link cannot be signed without credentials", self.object);
            return Err(Error::new(ErrorKind::Denied, Disposition::Permanent, what));
        };
        let mut query = if link == Link::Put { Vec::new() } else { self.versioned() };
        let target = self.endpoint.target(self.object.bucket(), self.object.key(), &[])?;
        let headers = HeaderMap::new();
        let subject = Subject {
            method: link.method(),
            bucket: self.object.bucket(),
            key: self.object.key(),
            query: &query,
            headers: &headers,
            additional: &[],
        };
        let signer = Signer { keys: &keys, region: &target.region, now: self.endpoint.clock.now() };
        query.extend(self.endpoint.scheme(&target).link(&signer, &subject, life_s));
        let signed = self.endpoint.target(self.object.bucket(), self.object.key(), &query)?;
        Ok(signed.url.into())
    }
}
