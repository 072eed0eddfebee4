//! Where is an object fetched from? From a URL, or from a store by its bucket and key: after this, a download does not
//! care.

use std::sync::Arc;

use longhaul_core::download::step::Fetch;

#[cfg(feature = "_stores")]
use super::cloud::Cloud;
use super::{Given, HttpStore, NetFailure, Reply};
use crate::source::WebAddress;

/// The source of one download. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Origin {
    /// Behind this URL.
    Web { store: Arc<HttpStore>, url: WebAddress },
    /// In a store whose requests are signed one by one.
    #[cfg(feature = "_stores")]
    Cloud(Arc<Cloud>),
}

impl Origin {
    /// Sends the request and waits for the head of the final reply. Dropping the future at any time is safe.
    pub(crate) async fn open(&self, fetch: &Fetch) -> Result<Reply, NetFailure> {
        match self {
            Self::Web { store, url } => store.open(url, fetch).await,
            #[cfg(feature = "_stores")]
            Self::Cloud(cloud) => cloud.open(fetch).await,
        }
    }

    /// Whether no byte can change on the way unnoticed.
    pub(crate) fn is_safe(&self) -> bool {
        self.server().starts_with("https:")
    }

    /// What goes with its requests to show who asks. Requests to a store are signed, each by itself.
    pub(crate) fn given(&self) -> Given {
        match self {
            Self::Web { store, url } => store.given(url),
            #[cfg(feature = "_stores")]
            Self::Cloud(_) => Given::Nothing,
        }
    }

    /// Who serves it, as a URL (with a path where a store is below one): what one transfer learns of a server is good
    /// for the next one.
    pub(crate) fn server(&self) -> String {
        match self {
            Self::Web { url, .. } => url.origin().ascii_serialization(),
            #[cfg(feature = "_stores")]
            Self::Cloud(cloud) => cloud.endpoint(),
        }
    }

    /// Where the store is, when it is one.
    pub(crate) fn endpoint(&self) -> Option<String> {
        match self {
            Self::Web { .. } => None,
            #[cfg(feature = "_stores")]
            Self::Cloud(cloud) => Some(cloud.endpoint()),
        }
    }

    /// The same for another URL of the object.
    pub(crate) fn moved_to(&self, url: WebAddress) -> Self {
        match self {
            Self::Web { store, .. } => Self::Web { store: Arc::clone(store), url },
            #[cfg(feature = "_stores")]
            Self::Cloud(_) => self.clone(),
        }
    }

    /// The path that a name is made of, percent-encoded.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Web { url, .. } => url.path().to_owned(),
            #[cfg(feature = "_stores")]
            Self::Cloud(cloud) => super::sign::encode_path(cloud.object().key()),
        }
    }
}
