//! The verbs of the list: `add`, `pause`, `resume`, `retry`, `now`, `forget`, `move`, `link`, `decide`, `limit`, `watch`,
//! `wait`, `run`. All speak the daemon's API: to the daemon that has the list, or, where none runs, to one inside this
//! process that starts no transfer and ends with the command.

mod act;
mod add;
pub(super) mod cancel;
mod hand;
mod limit;
mod link;
mod rows;
mod watch;
mod work;

pub(crate) use act::run as act;
pub(crate) use add::run as add;
pub(crate) use limit::run as limit;
pub(crate) use link::run as link;
pub(crate) use watch::run as watch;
pub(crate) use work::run as work;
