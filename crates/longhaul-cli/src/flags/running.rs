//! How transfers run, and what of them is shown: the same for `get` and `put`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use longhaul::Connections;

use super::common::usage;
use super::values;
use crate::exit::Failure;

/// How fast, as typed.
#[derive(Args)]
pub(crate) struct SpeedWords {
    /// Connections for each file, 1 to 64, or auto; an upload begins with one, and has at most so many
    #[arg(short = 'x', long, value_name = "N", default_value = "auto", help_heading = "Speed")]
    connections: String,

    /// Transfer this many files side by side, 1 to 256
    #[arg(short, long, value_name = "N", default_value_t = 4, help_heading = "Speed")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Bytes per second for all transfers together, as 500k or 8M; connections share it fairly
    #[arg(long, value_name = "RATE", help_heading = "Speed")]
    limit_rate: Option<String>,
}

/// The rest, as typed.
#[derive(Args)]
pub(crate) struct RunningWords {
    /// Write events to stdout, one JSON object per line (docs/json-events.md); with -q, errors go there only
    #[arg(long, help_heading = "What is shown")]
    json: bool,

    /// Show errors only, no progress and no summary
    #[arg(short, long, help_heading = "What is shown")]
    quiet: bool,

    /// How progress is shown on stderr: as a bar on terminals and plain lines elsewhere, or as told here
    #[arg(long, value_name = "HOW", default_value = "auto", help_heading = "What is shown")]
    progress: ProgressWord,

    /// Give up after this many failures in a row without a byte of progress
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Network")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    retries: u32,

    /// A connection slower than --min-rate over this time is stalled, and tried again
    #[arg(long, value_name = "SECONDS", default_value = "30", help_heading = "Network")]
    stall_timeout: String,

    /// Bytes per second below which a connection counts as stalled, as 10k or 1M (0: only silence counts)
    #[arg(long, value_name = "RATE", default_value = "1k", help_heading = "Network")]
    min_rate: String,
}

/// curl's `-x` is a proxy, which may have a password in it.
fn connections(text: &str) -> Result<Connections, Failure> {
    values::connections(text).map_err(|error| match text.contains([':', '.']) {
        true => usage("-x is the number of connections here, and --proxy URL what is -x for curl"),
        false => usage(format!("--connections: {error}")),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressWord {
    Auto,
    Bar,
    Plain,
    None,
}

/// How progress is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressStyle {
    /// A bar on terminals, lines elsewhere.
    Auto,
    Bar,
    Plain,
    None,
}

/// What they mean.
pub(crate) struct RunningOptions {
    /// Files at work at once, at least one.
    pub(crate) jobs: usize,
    pub(crate) connections: Connections,
    /// Bytes per second; 0: no limit.
    pub(crate) limit_rate: u64,
    pub(crate) retries: u32,
    pub(crate) stall_timeout: Duration,
    /// Bytes per second.
    pub(crate) min_rate: u64,
    pub(crate) progress: ProgressStyle,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl RunningWords {
    pub(super) fn meaning(self, speed: SpeedWords, verbose: bool) -> Result<RunningOptions, Failure> {
        let flag = |name: &'static str| move |e: String| usage(format!("{name}: {e}"));
        Ok(RunningOptions {
            jobs: usize::from(speed.jobs.max(1)),
            connections: connections(&speed.connections)?,
            limit_rate: match &speed.limit_rate {
                Some(rate) => values::rate(rate).map_err(flag("--limit-rate"))?,
                None => 0,
            },
            retries: self.retries,
            stall_timeout: values::seconds(&self.stall_timeout).map_err(flag("--stall-timeout"))?,
            min_rate: values::size(&self.min_rate).map_err(flag("--min-rate"))?,
            progress: match self.progress {
                // Log lines would run into a bar, and events are what a program reads instead of progress.
                ProgressWord::Auto if self.json || self.quiet => ProgressStyle::None,
                ProgressWord::Auto if verbose => ProgressStyle::Plain,
                ProgressWord::Auto => ProgressStyle::Auto,
                ProgressWord::Bar => ProgressStyle::Bar,
                ProgressWord::Plain => ProgressStyle::Plain,
                ProgressWord::None => ProgressStyle::None,
            },
            json: self.json,
            quiet: self.quiet,
        })
    }
}
