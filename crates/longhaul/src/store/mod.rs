//! Where objects come from. A store turns the core's `Fetch` into requests and gives back facts and bytes; whether
//! a reply may be used, and when to ask again, is decided in the core.

pub(crate) mod http;
pub(crate) mod pace;
pub(crate) mod stall;

pub(crate) use http::{BadOption, Body, HttpOptions, HttpStore, NetFailure, Reply};
pub use http::{IpFamily, ProxyChoice};
pub(crate) use pace::Pace;
pub(crate) use stall::{StallWatch, Stalled};
