//! What happens next in an upload?

mod config;
pub mod journal;
pub mod step;

pub use config::{Config, Limits};
