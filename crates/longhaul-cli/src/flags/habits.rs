//! Flags of other tools that ask for what `get` does in any case: they are taken, and change nothing. What else hands
//! know is answered ([`coming_from`](super::coming_from)).

use clap::Args;

/// As typed; none of them is in the help.
#[derive(Args)]
pub(crate) struct HabitWords {
    /// `-c`, `--continue` of wget and aria2: every get goes on
    #[arg(short = 'c', long = "continue", hide = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", value_parser = ["true"])]
    go_on: Option<String>,

    /// `-C -` of curl: go on where the file that is there ends
    #[arg(short = 'C', long, hide = true, value_name = "OFFSET", allow_hyphen_values = true)]
    continue_at: Option<String>,

    /// `-L` of curl: redirects are always followed
    #[arg(short = 'L', long, hide = true)]
    location: bool,
}

impl HabitWords {
    /// Refuses what is not done in any case.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.continue_at.as_deref() {
            None | Some("-") => Ok(()),
            Some(_) => {
                Err("-C: where to go on is found out, so -C - is all that can be asked for, and is not needed; \
                            for a part of the object: --range FIRST-"
                    .to_owned())
            }
        }
    }
}
