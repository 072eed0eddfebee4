//! Many transfers as one list that lasts: added, held, moved and given up from anywhere, run in order, so many at once.

mod entry;
mod new;
mod settings;
mod told;

pub use entry::{Delay, Entry, EntryId, Existing, Finish, Gid, Need, Options, Reason, State};
pub use new::{Added, EntrySecrets, MAIN_LANE, NewEntry, Place, Target};
pub use settings::{Lane, Settings};
pub use told::{EntryEvent, Told};
