//! What is done beside transfers, or after them: the same for `get` and `put`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

/// As typed.
#[derive(Args)]
pub(crate) struct BesideWords {
    /// Run this in a shell for each file that is done; its path is "$1" and "$LONGHAUL_FILE", more is in other
    /// variables (see below). When it fails, the exit code is 13
    #[arg(long, value_name = "COMMAND", help_heading = "Beside the transfer", value_hint = ValueHint::CommandString)]
    exec: Option<OsString>,

    /// Keep the machine awake as long as transfers run (by systemd-inhibit, or caffeinate on macOS)
    #[arg(long, help_heading = "Beside the transfer")]
    keep_awake: bool,
}

/// What they mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BesideOptions {
    /// The text of a shell.
    pub(crate) exec: Option<OsString>,
    pub(crate) keep_awake: bool,
}

impl BesideWords {
    pub(super) fn meaning(self) -> Result<BesideOptions, String> {
        if self.exec.as_ref().is_some_and(|command| command.is_empty()) {
            return Err("--exec: an empty command does nothing".to_owned());
        }
        Ok(BesideOptions { exec: self.exec, keep_awake: self.keep_awake })
    }
}
