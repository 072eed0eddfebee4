//! Who signs requests to a store?
//!
//! A provider gives keys whenever a request is about to be signed, so that keys which expire are renewed while a
//! transfer runs; one that was told that its keys were refused brings others the next time, if it has any. Keys live in
//! memory only: nothing of them is written down, and no `Debug` shows more than the id.

mod chain;
mod environment;
mod ini;
mod oss;
mod s3;
mod search;
mod settings;
#[cfg(test)]
mod tests;
mod world;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::Error;
use crate::source::Dialect;
use chain::{Chain, Found, Times};
pub use environment::Environment;
pub(crate) use settings::settings_of;
pub use settings::{Signature, StoreSettings};
pub(crate) use world::World;

/// A future behind a pointer, as a trait object has to give it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A value that is never shown. While this program runs, texts of stores and servers that repeat it are shown without it,
/// where it has at least eight bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a value into custody.
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        crate::secrets::learn(&value);
        Self(value)
    }

    /// The value, for signing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a request is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The access key's id. Not secret: it is sent in the clear.
    pub id: String,
    /// The access key's secret.
    pub secret: Secret,
    /// The token of temporary keys (STS).
    pub token: Option<Secret>,
}

/// Gives keys.
pub trait Credentials: Send + Sync {
    /// The keys to sign the next request with; `None` where there are none, and the request goes unsigned.
    ///
    /// Called for every request: whoever has to ask somebody keeps the answer as long as it is good.
    ///
    /// # Errors
    /// When there should be keys and none could be had.
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>>;

    /// A store refused these keys as expired or unknown: the next [`get`](Self::get) brings newer ones if there are any.
    fn refused(&self, keys: &Keys);
}

/// The same keys always, or none.
#[derive(Debug, Clone)]
pub struct Static(Option<Keys>);

impl Static {
    /// These keys.
    pub fn new(keys: Keys) -> Self {
        Self(Some(keys))
    }

    /// No keys: requests are not signed.
    pub fn anonymous() -> Self {
        Self(None)
    }
}

impl Credentials for Static {
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>> {
        let keys = self.0.clone();
        Box::pin(std::future::ready(Ok(keys)))
    }

    fn refused(&self, _keys: &Keys) {}
}

/// The keys that a user's variables, files, and machine offer, looked for when they are needed and again in time. With
/// `profile`, only what stands under that name in the vendors' files.
pub(crate) fn of_environment(world: Arc<World>, dialect: Dialect, profile: Option<String>) -> Arc<dyn Credentials> {
    chain(world, dialect, profile, Times::default())
}

fn chain(world: Arc<World>, dialect: Dialect, profile: Option<String>, times: Times) -> Arc<dyn Credentials> {
    let search = move || -> BoxFuture<'static, Result<Found, Error>> {
        let (world, profile) = (Arc::clone(&world), profile.clone());
        Box::pin(async move {
            let look = world.look();
            let answer = match dialect {
                Dialect::Oss => oss::search(&look, profile.as_deref()).await?,
                Dialect::S3 => s3::search(&look, profile.as_deref()).await?,
            };
            let files = look.files();
            Ok(match answer {
                Some(answer) => Found { keys: Some(answer.keys), expires: answer.expires, files },
                None => Found { keys: None, expires: None, files },
            })
        })
    };
    Arc::new(Chain::new(times, Box::new(search)))
}

/// Both halves of a key, or neither.
fn pair<'a>(
    id: Option<&'a str>,
    secret: Option<&'a str>,
    id_name: &str,
    secret_name: &str,
) -> Result<Option<(&'a str, &'a str)>, Error> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::usage(format!("{id_name} is there and {secret_name} is not"))),
        (None, Some(_)) => Err(Error::usage(format!("{secret_name} is there and {id_name} is not"))),
    }
}

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let ini = ini::Ini::parse(&text);
    for name in ["default", "profile x", "Credentials"] {
        let _ = ini.section(name);
    }
    let _ = oss::ossutil_section(&ini, None);
    let _ = oss::ossutil_section(&ini, Some("x"));
}
