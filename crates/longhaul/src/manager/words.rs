//! The words for states, reasons and names: the same in the list on disk, in JSON and on the command line.

use longhaul_core::queue::step::{Delay, EntryId, Need};

use super::entry::Existing;
use crate::error::ErrorKind;

pub(crate) const DELAYS: [Delay; 6] =
    [Delay::Network, Delay::Busy, Delay::NotFound, Delay::InUse, Delay::Space, Delay::Unconfirmed];
pub(crate) const NEEDS: [Need; 4] = [Need::Link, Need::Headers, Need::Keys, Need::Decision];

/// Why an entry runs later.
pub(crate) fn delay(why: Delay) -> &'static str {
    match why {
        Delay::Network => "network",
        Delay::Busy => "busy",
        Delay::NotFound => "not_found",
        Delay::InUse => "in_use",
        Delay::Space => "space",
        Delay::Unconfirmed => "unconfirmed",
    }
}

/// What a person has to bring.
pub(crate) fn need(need: Need) -> &'static str {
    match need {
        Need::Link => "link",
        Need::Headers => "headers",
        Need::Keys => "keys",
        Need::Decision => "decision",
    }
}

/// What is done about an existing file.
pub(crate) fn existing(existing: Existing) -> &'static str {
    match existing {
        Existing::Ask => "ask",
        Existing::Overwrite => "overwrite",
        Existing::Rename => "rename",
    }
}

const KINDS: [ErrorKind; 20] = [
    ErrorKind::Usage,
    ErrorKind::NotFound,
    ErrorKind::Denied,
    ErrorKind::NeedsLink,
    ErrorKind::Changed,
    ErrorKind::ConditionFailed,
    ErrorKind::OtherObject,
    ErrorKind::Unconfirmed,
    ErrorKind::CallbackFailed,
    ErrorKind::Integrity,
    ErrorKind::NotProvable,
    ErrorKind::NoSpace,
    ErrorKind::LocalFile,
    ErrorKind::Exists,
    ErrorKind::InUse,
    ErrorKind::Network,
    ErrorKind::Portal,
    ErrorKind::Refused,
    ErrorKind::Cancelled,
    ErrorKind::Internal,
];

/// The kind of that name; one that a newer version wrote is taken for a mistake of ours.
pub(crate) fn kind_of(name: &str) -> ErrorKind {
    KINDS.into_iter().find(|known| known.name() == name).unwrap_or(ErrorKind::Internal)
}

/// The name of an entry: 32 hexadecimal digits.
pub(crate) fn entry_id(text: &str) -> Option<EntryId> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(text, 16).ok().filter(|_| digits).map(EntryId)
}

/// A gid: 16 hexadecimal digits, not all 0.
pub(crate) fn gid(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|gid| digits && *gid != 0)
}
