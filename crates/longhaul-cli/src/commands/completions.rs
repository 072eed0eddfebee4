//! `longhaul completions [SHELL]`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::exit::{Exit, Failure};
use crate::flags::Words;
use crate::out;

pub(crate) fn run(shell: Option<Shell>) -> Result<Exit, Failure> {
    let shell = shell.or_else(Shell::from_env).ok_or_else(|| {
        Failure::usage("completions: $SHELL names no shell that is known; give bash, elvish, fish, powershell or zsh")
    })?;
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Words::command(), "longhaul", &mut script);
    out::stdout(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
