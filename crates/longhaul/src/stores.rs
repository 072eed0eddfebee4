//! Which store is meant by `oss://` and `s3://`, and whose keys is it asked with?
//!
//! What a caller said to the client's builder holds; what was left open comes from the environment, if the client may
//! look there, when a store is first asked for. From then on it stays, except keys, which are looked for again in time.

use std::sync::Arc;

use tokio::sync::OnceCell;

#[cfg(feature = "environment")]
use crate::credentials::Environment;
use crate::credentials::{Credentials, Static, StoreSettings};
use crate::error::Error;
use crate::source::{Dialect, ObjectName, ObjectPrefix};
#[cfg(feature = "environment")]
use crate::store::HttpOptions;
use crate::store::HttpStore;
use crate::store::cloud::{Cloud, Endpoint, Orders};

/// What was given of the stores of one family.
#[derive(Clone, Default)]
pub(crate) struct StoreConfig {
    pub(crate) settings: StoreSettings,
    pub(crate) credentials: Option<Arc<dyn Credentials>>,
}

/// The stores of a client.
pub(crate) struct Stores {
    http: Arc<HttpStore>,
    /// Whose environment may be looked at, and how requests to token services are sent.
    #[cfg(feature = "environment")]
    environment: Option<(Environment, HttpOptions)>,
    oss: StoreFamily,
    s3: StoreFamily,
}

/// The stores of one family: they share an endpoint and keys.
struct StoreFamily {
    config: StoreConfig,
    known: OnceCell<Known>,
}

/// What came of it.
#[derive(Clone)]
struct Known {
    endpoint: Arc<Endpoint>,
    credentials: Arc<dyn Credentials>,
}

impl Stores {
    /// Nothing is looked for yet.
    pub(crate) fn new(http: Arc<HttpStore>, oss: StoreConfig, s3: StoreConfig) -> Self {
        let family = |config| StoreFamily { config, known: OnceCell::new() };
        Self {
            http,
            #[cfg(feature = "environment")]
            environment: None,
            oss: family(oss),
            s3: family(s3),
        }
    }

    /// What a caller left open is looked for there; requests to token services are sent like this.
    #[cfg(feature = "environment")]
    pub(crate) fn looking_into(self, environment: Option<Environment>, http: HttpOptions) -> Self {
        Self { environment: environment.map(|environment| (environment, http)), ..self }
    }

    /// An object, to be asked for; no connection is made yet.
    ///
    /// # Errors
    /// `Usage` for settings that cannot be and for keys that the endpoint cannot be asked for, `LocalFile` for files of
    /// the environment that cannot be read.
    pub(crate) async fn cloud(&self, object: ObjectName, orders: &Orders) -> Result<Cloud, Error> {
        let Known { endpoint, credentials } = self.known(object.dialect()).await?.clone();
        Cloud::new(&self.http, endpoint, object, orders, credentials)
    }

    /// A bucket's objects whose names begin with a prefix, to be asked about; no connection is made yet.
    ///
    /// # Errors
    /// As [`cloud`](Self::cloud).
    pub(crate) async fn cloud_of_bucket(&self, prefix: &ObjectPrefix) -> Result<Cloud, Error> {
        // Requests about a bucket have the name of no object in their URL.
        self.cloud(prefix.with_key(prefix.key()), &Orders::default()).await
    }

    /// The same for a store of which this was given, and not what was given to the client's builder.
    ///
    /// # Errors
    /// As [`cloud`](Self::cloud).
    pub(crate) async fn cloud_of(
        &self,
        config: &StoreConfig,
        object: ObjectName,
        orders: Orders,
    ) -> Result<Cloud, Error> {
        let Known { endpoint, credentials } = self.find_out(object.dialect(), config).await?;
        Cloud::new(&self.http, endpoint, object, &orders, credentials)
    }

    /// What was given to the client's builder.
    pub(crate) fn config(&self, dialect: Dialect) -> &StoreConfig {
        match dialect {
            Dialect::Oss => &self.oss.config,
            Dialect::S3 => &self.s3.config,
        }
    }

    async fn known(&self, dialect: Dialect) -> Result<&Known, Error> {
        let family = match dialect {
            Dialect::Oss => &self.oss,
            Dialect::S3 => &self.s3,
        };
        family.known.get_or_try_init(|| self.find_out(dialect, &family.config)).await
    }

    async fn find_out(&self, dialect: Dialect, config: &StoreConfig) -> Result<Known, Error> {
        let built_in = match dialect {
            Dialect::Oss => cfg!(feature = "oss"),
            Dialect::S3 => cfg!(feature = "s3"),
        };
        if !built_in {
            let text = format!("{} names are not built into this program", dialect.scheme());
            return Err(Error::usage(text));
        }
        let (settings, credentials) = self.look_up(dialect, config).await?;
        Ok(Known { endpoint: Arc::new(Endpoint::new(settings.into_options(dialect))?), credentials })
    }

    /// What was given, and what was left open: from the environment, where there is one to look into.
    #[cfg(feature = "environment")]
    async fn look_up(
        &self,
        dialect: Dialect,
        config: &StoreConfig,
    ) -> Result<(StoreSettings, Arc<dyn Credentials>), Error> {
        use crate::credentials::environment::{lookup, world::World};
        let Some((environment, http)) = &self.environment else { return Ok(config.as_it_is()) };
        let world = World::new(environment.clone(), http)?;
        let settings = lookup::settings_of(dialect, &config.settings, &world).await?;
        let credentials = match &config.credentials {
            Some(given) => Arc::clone(given),
            None => lookup::of_environment(Arc::new(world), dialect, config.settings.profile.clone()),
        };
        Ok((settings, credentials))
    }

    #[cfg(not(feature = "environment"))]
    async fn look_up(&self, _: Dialect, config: &StoreConfig) -> Result<(StoreSettings, Arc<dyn Credentials>), Error> {
        Ok(config.as_it_is())
    }
}

impl StoreConfig {
    /// With nothing found beside it.
    fn as_it_is(&self) -> (StoreSettings, Arc<dyn Credentials>) {
        let none = || Arc::new(Static::anonymous()) as Arc<dyn Credentials>;
        (self.settings.clone(), self.credentials.clone().unwrap_or_else(none))
    }
}
