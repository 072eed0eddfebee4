//! What the runner knows of a world: it lives through the history of a seed, and tells of it.

use std::fmt::Debug;

use crate::coverage::Table;

/// A promise that was not kept.
#[derive(Debug, Clone)]
pub(crate) struct Breach {
    pub(crate) law: &'static str,
    pub(crate) what: String,
}

pub(crate) trait World {
    /// What can be broken on purpose.
    type Fault: Copy + Debug + Sync + 'static;
    const FAULTS: &'static [Self::Fault];
    type Coverage: Table;

    fn new() -> Self;

    /// Lives through the history of this seed; the promise that was broken, if one was.
    fn history(&mut self, seed: u64, fault: Option<Self::Fault>) -> Option<Breach>;

    /// After a panic: what the history left half done does not count.
    fn clear(&mut self);

    /// Steps of the last history.
    fn steps(&self) -> u64;

    /// Where the story of the next history is written, when one is to be told.
    fn story(&mut self) -> &mut Option<String>;

    fn into_coverage(self) -> Self::Coverage;
}

/// A line of the story, when one is told.
macro_rules! tell {
    ($world:expr, $($arg:tt)*) => {
        if $world.story.is_some() {
            let line = format!($($arg)*);
            $world.line(&line);
        }
    };
}
