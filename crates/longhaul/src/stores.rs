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

/// What was said of the stores of one kind.
#[derive(Clone, Default)]
pub(crate) struct Said {
    pub(crate) settings: StoreSettings,
    pub(crate) credentials: Option<Arc<dyn Credentials>>,
}

/// The stores of a client.
pub(crate) struct Stores {
    http: Arc<HttpStore>,
    /// Whose environment may be looked at, and how requests to token services are sent.
    #[cfg(feature = "environment")]
    environment: Option<(Environment, HttpOptions)>,
    oss: Kind,
    s3: Kind,
}

/// The stores of one kind: they share an endpoint and keys.
struct Kind {
    said: Said,
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
    pub(crate) fn new(http: Arc<HttpStore>, oss: Said, s3: Said) -> Self {
        let kind = |said| Kind { said, known: OnceCell::new() };
        Self {
            http,
            #[cfg(feature = "environment")]
            environment: None,
            oss: kind(oss),
            s3: kind(s3),
        }
    }

    /// What a caller left open is looked for there; requests to token services are sent like this.
    #[cfg(feature = "environment")]
    pub(crate) fn looking_into(self, environment: Option<Environment>, http: HttpOptions) -> Self {
        Self { environment: environment.map(|environment| (environment, http)), ..self }
    }

    /// An object, to be asked for; nothing is connected yet.
    ///
    /// # Errors
    /// `Usage` for settings that cannot be and for keys that the endpoint cannot be asked for, `LocalFile` for files of
    /// the environment that cannot be read.
    pub(crate) async fn cloud(&self, object: ObjectName, orders: &Orders) -> Result<Cloud, Error> {
        let Known { endpoint, credentials } = self.known(object.dialect()).await?.clone();
        Cloud::new(&self.http, endpoint, object, orders, credentials)
    }

    /// What can be asked about the objects that a prefix begins the names of; nothing is connected yet.
    ///
    /// # Errors
    /// As [`cloud`](Self::cloud).
    pub(crate) async fn cloud_of_bucket(&self, prefix: &ObjectPrefix) -> Result<Cloud, Error> {
        // Requests about a bucket have the name of no object in their URL.
        self.cloud(prefix.with_key(prefix.key()), &Orders::default()).await
    }

    /// The same for a store of which this was said, and not what was said to the client's builder.
    ///
    /// # Errors
    /// As [`cloud`](Self::cloud).
    pub(crate) async fn cloud_of(&self, said: &Said, object: ObjectName, orders: Orders) -> Result<Cloud, Error> {
        let Known { endpoint, credentials } = self.find_out(object.dialect(), said).await?;
        Cloud::new(&self.http, endpoint, object, &orders, credentials)
    }

    /// What was said to the client's builder.
    pub(crate) fn said(&self, dialect: Dialect) -> &Said {
        match dialect {
            Dialect::Oss => &self.oss.said,
            Dialect::S3 => &self.s3.said,
        }
    }

    async fn known(&self, dialect: Dialect) -> Result<&Known, Error> {
        let kind = match dialect {
            Dialect::Oss => &self.oss,
            Dialect::S3 => &self.s3,
        };
        kind.known.get_or_try_init(|| self.find_out(dialect, &kind.said)).await
    }

    async fn find_out(&self, dialect: Dialect, said: &Said) -> Result<Known, Error> {
        let built_in = match dialect {
            Dialect::Oss => cfg!(feature = "oss"),
            Dialect::S3 => cfg!(feature = "s3"),
        };
        if !built_in {
            let text = format!("{} names are not built into this program", dialect.scheme());
            return Err(Error::usage(text));
        }
        let (settings, credentials) = self.look_up(dialect, said).await?;
        Ok(Known { endpoint: Arc::new(Endpoint::new(settings.into_options(dialect))?), credentials })
    }

    /// What was said, and what was left open: from the environment, where there is one to look into.
    #[cfg(feature = "environment")]
    async fn look_up(&self, dialect: Dialect, said: &Said) -> Result<(StoreSettings, Arc<dyn Credentials>), Error> {
        use crate::credentials::environment::{lookup, world::World};
        let Some((environment, http)) = &self.environment else { return Ok(said.as_it_is()) };
        let world = World::new(environment.clone(), http)?;
        let settings = lookup::settings_of(dialect, &said.settings, &world).await?;
        let credentials = match &said.credentials {
            Some(given) => Arc::clone(given),
            None => lookup::of_environment(Arc::new(world), dialect, said.settings.profile.clone()),
        };
        Ok((settings, credentials))
    }

    #[cfg(not(feature = "environment"))]
    async fn look_up(&self, _: Dialect, said: &Said) -> Result<(StoreSettings, Arc<dyn Credentials>), Error> {
        Ok(said.as_it_is())
    }
}

impl Said {
    /// With nothing found beside it.
    fn as_it_is(&self) -> (StoreSettings, Arc<dyn Credentials>) {
        let none = || Arc::new(Static::anonymous()) as Arc<dyn Credentials>;
        (self.settings.clone(), self.credentials.clone().unwrap_or_else(none))
    }
}
