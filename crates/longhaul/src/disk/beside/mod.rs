//! What lies beside a target: its part files, its journal, its lock, and the target itself when it is published.
//!
//! | question | room |
//! |---|---|
//! | Which files belong to a target, and where? | [`place`], [`names`] |
//! | Who may touch them? | [`lock`] |
//! | Which bytes are there? | [`part_file`] |
//! | What was promised? | [`journal_file`] |
//! | How does the target come to be? | [`publish`] |
//! | Does what stands at the target have the digests that were given? | [`recognise`] |
//! | How is a transfer given up? | [`remains`] |

pub(crate) mod copies;
pub(crate) mod journal_file;
pub(crate) mod lock;
pub(crate) mod names;
pub(crate) mod part_file;
pub(crate) mod place;
pub(crate) mod publish;
pub(crate) mod recognise;
pub(crate) mod remains;
