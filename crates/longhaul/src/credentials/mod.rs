//! Who signs requests to a store?
//!
//! What a provider of keys is stands in [`keys`](crate::keys); here are those that look for keys by themselves.

#[cfg(feature = "environment")]
pub(crate) mod environment;
mod settings;

pub use crate::keys::{BoxFuture, Credentials, Keys, Secret, Static};
#[cfg(feature = "environment")]
pub use environment::Environment;
pub use settings::{Signature, StoreSettings};
