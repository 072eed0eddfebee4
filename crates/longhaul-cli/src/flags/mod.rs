//! From the words typed to what they mean.

pub(crate) mod help;
pub(crate) mod high;
pub(crate) mod input;
pub(crate) mod low;
pub(crate) mod netrc;
pub(crate) mod serve;
pub(crate) mod values;
