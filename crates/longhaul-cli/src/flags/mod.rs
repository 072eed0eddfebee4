//! From the words typed to what they mean.

pub(crate) mod beside;
pub(crate) mod conditions;
pub(crate) mod dest;
pub(crate) mod globs;
pub(crate) mod help;
pub(crate) mod high;
pub(crate) mod input;
pub(crate) mod low;
pub(crate) mod netrc;
pub(crate) mod put;
pub(crate) mod running;
pub(crate) mod serve;
pub(crate) mod settle;
pub(crate) mod store;
pub(crate) mod values;
