//! Who signs requests to a store?
//!
//! A provider ([`Credentials`]) that a program gives, or the search of [`Environment`], which looks for keys by itself.

#[cfg(feature = "environment")]
pub(crate) mod environment;
mod settings;

pub use crate::keys::{BoxFuture, Credentials, Keys, Secret, Static};
#[cfg(feature = "environment")]
pub use environment::Environment;
pub use settings::{Signature, StoreSettings};
