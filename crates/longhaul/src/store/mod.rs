//! Where objects come from, and go to. A store turns the core's words into requests and gives back facts and bytes;
//! whether a reply may be used, and when to ask again, is decided in the core.

#[cfg(feature = "_stores")]
pub(crate) mod cloud;
pub(crate) mod http;
pub(crate) mod origin;
pub(crate) mod pace;
#[cfg(feature = "_stores")]
pub(crate) mod sign;
pub(crate) mod stall;

#[cfg(feature = "upload")]
pub(crate) use http::Handed;
#[cfg(feature = "environment")]
pub(crate) use http::{BadOption, errand_client};
pub(crate) use http::{Body, Given, HttpOptions, HttpStore, NetFailure, Reply};
pub use http::{IpFamily, ProxyChoice};
pub(crate) use origin::Origin;
pub(crate) use pace::{Pace, Rates};
pub(crate) use stall::{StallWatch, Stalled};
