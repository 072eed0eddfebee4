//! Where transfers come from and go to, as values: parsed once, where a program's caller gives them.
//!
//! ```text
//! object      a name in a store: oss://BUCKET/KEY, s3://BUCKET/KEY
//! address     a URL as it is sent, byte by byte
//! redact      what of a URL may be written down and shown
//! ```

mod address;
mod object;
mod redact;

pub use longhaul_core::names::is_deceptive;

pub(crate) use address::{Address, zoned};
pub(crate) use object::{Dialect, ObjectName};
pub(crate) use redact::window;
pub use redact::{Redacted, check_range, is_store_name, redact, redact_for_display};
