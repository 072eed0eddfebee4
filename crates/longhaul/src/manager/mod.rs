//! Many transfers as one list that lasts: added, held, moved and given up from anywhere, run in order, so many at once.
//!
//! ```text
//! handle      Manager: what can be asked                audience    who listens
//! prepare     a new entry is made ready                 board       the list as it is read
//! driver      carries out the queue's steps             view        an entry as it is seen
//! runs, ends  one run, and what its end means           vault       what no file may hold
//! writer      the one thread that writes                catalogue/  the list on disk
//! read        the list for who does not manage it        json        an entry for other programs
//! import      lists that people bring along, as entries
//! ```
//!
//! What runs next is decided in `longhaul_core::queue`.

mod asked;
mod audience;
mod board;
mod catalogue;
mod details;
mod driver;
mod ends;
mod entry;
mod found;
mod handle;
mod import;
pub mod json;
mod lock;
mod new;
mod prepare;
mod rates;
mod read;
mod runs;
mod settings;
mod shared;
mod told;
mod vault;
mod view;
mod words;
mod writer;

pub use asked::Change;
pub use audience::ToldReader;
pub use board::{Counts, Which};
pub use entry::{Delay, Entry, EntryId, Existing, Finish, Gid, Need, Options, Reason, State};
pub use handle::{Decision, Manager, ManagerBuilder};
pub use import::{BadImport, Imported, import};
pub use new::{Added, EntrySecrets, MAIN_LANE, NewEntry, Place, Target};
pub use read::ReadList;
pub use settings::{Lane, Settings};
pub use told::{EntryEvent, Told};
