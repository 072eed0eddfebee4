//! `longhaul repair FILE [SOURCE]`: what of a finished file is damaged is fetched again, as by `get`.

use longhaul::Verification;

use super::{absolute, get, offline_client, runtime};
use crate::exit::{Exit, Failure};
use crate::flags::repair::RepairOptions;
use crate::out;
use crate::printable;

pub(crate) fn run(repair: RepairOptions) -> Result<Exit, Failure> {
    let client = offline_client(&repair.get.state)?;
    let found = runtime()?.block_on(client.verify(&repair.file, |_, _| {}))?;
    let shown = printable::here(&absolute(&repair.file));
    match found {
        Verification::Intact { .. } => {
            if !repair.get.running.json && !repair.get.running.quiet {
                out::say(&format!("{shown}: nothing is damaged"));
            }
            Ok(Exit::Done)
        }
        _ => get::run(repair.get),
    }
}
