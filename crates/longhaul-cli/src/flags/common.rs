//! What several verbs mean by the same words: errors, the state directory, durability.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};
use longhaul::Durability;

use crate::exit::Failure;

/// A header's name and value, or a user and password.
pub(crate) type Pair = (String, String);

pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::usage(message)
}

/// For flags that the environment may set: an empty variable is as good as none.
pub(super) fn path_or_nothing() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityWord {
    Power,
    Process,
}

pub(super) fn durability(word: DurabilityWord) -> Durability {
    match word {
        DurabilityWord::Power => Durability::Power,
        DurabilityWord::Process => Durability::Process,
    }
}

/// Where the list of transfers and the receipts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateChoice {
    /// Named by flag or environment: it must be usable.
    Chosen(PathBuf),
    /// The usual place: a download does without when it cannot be used.
    Usual(PathBuf),
    /// There is no home.
    Nowhere,
}

pub(super) fn state_dir(chosen: Option<PathBuf>) -> Result<StateChoice, Failure> {
    use etcetera::BaseStrategy as _;
    match chosen {
        Some(dir) if !dir.as_os_str().is_empty() => Ok(StateChoice::Chosen(dir)),
        _ => {
            let base = etcetera::choose_base_strategy().ok();
            let base = base.and_then(|base| base.state_dir().or_else(|| Some(base.data_dir())));
            Ok(base.map_or(StateChoice::Nowhere, |base| StateChoice::Usual(base.join("longhaul"))))
        }
    }
}
