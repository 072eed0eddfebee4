//! `longhaul completions SHELL`

use clap::CommandFactory as _;

use crate::exit::{Exit, Failure};
use crate::flags::Words;
use crate::out;

pub(crate) fn run(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Words::command(), "longhaul", &mut script);
    out::stdout(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
