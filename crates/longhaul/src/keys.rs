//! What requests to a store are signed with, and who gives it.
//!
//! A provider gives keys whenever a request is about to be signed, so that keys which expire are renewed while a
//! transfer runs; one that was told that its keys were refused brings others the next time, if it has any. Keys live in
//! memory only: no file holds them, and no `Debug` shows more than the id.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::Error;

/// A future behind a pointer, as a trait object has to give it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A value that is never shown. While this program runs, texts of stores and servers that repeat it are shown without
/// it, where it has at least eight bytes.
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
    /// Called for every request: a provider that has to ask a service keeps the answer as long as it is good.
    ///
    /// # Errors
    /// When there should be keys and none could be had.
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>>;

    /// A store refused these keys as expired or unknown: the next [`get`](Self::get) brings newer ones if there are
    /// any.
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
