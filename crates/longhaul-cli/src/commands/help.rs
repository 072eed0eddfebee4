//! `longhaul help [COMMAND]`, and `longhaul help coming-from [TOOL]`.

use crate::exit::{Exit, Failure};
use crate::flags::{coming_from, screen};
use crate::out;

/// What is read without a terminal has lines of this length at most, as has the help.
const COLUMNS: usize = 100;

pub(crate) fn run(topic: &[String]) -> Result<Exit, Failure> {
    match topic {
        [] => out::stdout_styled(&screen::short(None))?,
        [topic, of @ ..] if topic == "coming-from" => {
            let columns = console::Term::stdout().size_checked().map_or(COLUMNS, |(_, columns)| columns.into());
            let page = coming_from::page(of.first().map(String::as_str), columns.clamp(60, COLUMNS));
            out::stdout(&page.ok_or_else(|| {
                let tools = coming_from::topics().join(", ");
                Failure::usage(format!("help: nothing is known of {:?}; there is {tools}", of.join(" ")))
            })?)?;
        }
        [command] => out::stdout_styled(&screen::long(command).ok_or_else(|| {
            Failure::usage(format!("help: there is no command {command:?}; `longhaul --help` lists all"))
        })?)?,
        _ => return Err(Failure::usage("help: give one command, or coming-from and a tool")),
    }
    Ok(Exit::Done)
}
