//! What a program says of the stores that a client speaks to.

use std::sync::Arc;

use super::{Client, ClientBuilder};
#[cfg(feature = "environment")]
use crate::credentials::Environment;
use crate::credentials::{Credentials, StoreSettings};
#[cfg(feature = "environment")]
use crate::store::HttpOptions;
use crate::store::HttpStore;
use crate::stores::{StoreConfig, Stores};

/// What was said of stores.
#[derive(Default)]
pub(super) struct StoreChoices {
    oss: StoreConfig,
    s3: StoreConfig,
    #[cfg(feature = "environment")]
    environment: Option<Environment>,
}

impl StoreChoices {
    /// The stores of a client.
    #[cfg(feature = "environment")]
    pub(super) fn stores(self, store: Arc<HttpStore>, http: HttpOptions) -> Stores {
        Stores::new(store, self.oss, self.s3).looking_into(self.environment, http)
    }

    /// The stores of a client.
    #[cfg(not(feature = "environment"))]
    pub(super) fn stores(self, store: Arc<HttpStore>) -> Stores {
        Stores::new(store, self.oss, self.s3)
    }
}

impl ClientBuilder {
    /// Where the stores behind `oss://` names are, and how they are spoken to. What is left open comes from
    /// [`environment`](Self::environment), if that was given.
    pub fn oss(mut self, settings: StoreSettings) -> Self {
        self.stores.oss.settings = settings;
        self
    }

    /// The same for `s3://` names.
    pub fn s3(mut self, settings: StoreSettings) -> Self {
        self.stores.s3.settings = settings;
        self
    }

    /// Who has the keys for `oss://` names, in place of what the environment offers. Without either, requests are not
    /// signed, and only what anybody may read can be read.
    pub fn oss_credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.stores.oss.credentials = Some(Arc::new(credentials));
        self
    }

    /// The same for `s3://` names.
    pub fn s3_credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.stores.s3.credentials = Some(Arc::new(credentials));
        self
    }

    /// Where keys and settings of stores are looked for that nobody gave: variables, the vendors' files in the home
    /// folder, token services, the metadata service of the machine, as the vendors' tools do (`docs/stores.md`). By
    /// default nowhere; [`Environment::of_process`] is what a command line program wants.
    #[cfg(feature = "environment")]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.stores.environment = Some(environment);
        self
    }
}

impl Client {
    /// What `oss://` and `s3://` names mean.
    pub(crate) fn stores(&self) -> &Stores {
        &self.inner.stores
    }
}
