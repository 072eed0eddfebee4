//! `longhaul man [COMMAND]`: the manual pages, made from the same definitions as `--help`.

use clap::CommandFactory as _;

use crate::exit::{Exit, Failure};
use crate::flags::Words;
use crate::out;

pub(crate) fn run(command: Option<&str>) -> Result<Exit, Failure> {
    let mut words = Words::command();
    words.build();
    let page = match command {
        None => words,
        Some(name) => {
            let found = words.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::usage(format!("man: there is no command {name:?}")))?
        }
    };
    let mut roff = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut roff);
    rendered.map_err(|e| Failure::internal(format!("man: {e}")))?;
    out::stdout(&String::from_utf8_lossy(&roff))?;
    Ok(Exit::Done)
}
