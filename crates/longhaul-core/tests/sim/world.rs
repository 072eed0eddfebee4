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
    type Sabotage: Copy + Debug + Sync + 'static;
    const SABOTAGES: &'static [Self::Sabotage];
    type Coverage: Table;

    fn new() -> Self;

    /// Lives through the history of this seed; the promise that was broken, if one was.
    fn history(&mut self, seed: u64, sabotage: Option<Self::Sabotage>) -> Option<Breach>;

    /// After a panic: what the history left half done does not count.
    fn clear(&mut self);

    /// Steps of the last history.
    fn steps(&self) -> u64;

    /// Where the story of the next history is written, when one is to be told.
    fn story(&mut self) -> &mut Option<String>;

    fn into_coverage(self) -> Self::Coverage;
}

/// The ways in which one world's driver lies to the core, or the core is bent.
macro_rules! sabotages {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One rule that is broken on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Sabotage { $($(#[$doc])* $name,)* }

        impl Sabotage {
            /// Each of them, in the order they are listed here.
            pub(crate) const ALL: &'static [Sabotage] = &[$(Sabotage::$name,)*];
        }
    };
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
