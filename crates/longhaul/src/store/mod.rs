//! Where objects come from, and go to. A store turns the core's words into requests and gives back facts and bytes;
//! whether a reply may be used, and when to ask again, is decided in the core.

pub(crate) mod cloud;
pub(crate) mod http;
pub(crate) mod origin;
pub(crate) mod pace;
pub(crate) mod sign;
pub(crate) mod stall;

pub(crate) use http::{BadOption, Body, Handed, HttpOptions, HttpStore, NetFailure, Reply, errand_client};
pub use http::{IpFamily, ProxyChoice};
pub(crate) use origin::Origin;
pub(crate) use pace::Pace;
pub(crate) use stall::{StallWatch, Stalled};
