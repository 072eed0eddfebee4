//! longhaul **talks**: the command line.
//!
//! ```text
//! words typed ──clap──▶ flags::Words ──flags──▶ flags::Invocation ──one match──▶ commands::…
//!                                                                     │ events
//!                                                                     ▼
//!                                                       show::{bar, plain, json}, exit
//! ```
//!
//! The library decides about transfers: what a flag means goes there, what the library tells goes to
//! people ([`show`]) or programs (`--json`), and how it ended becomes an exit code ([`exit`]).

mod advice;
mod commands;
mod exit;
mod flags;
mod limits;
mod out;
mod printable;
mod show;
mod signals;

use std::process::ExitCode;

use exit::{Exit, Failure};
use flags::reading::{self, Unread};
use flags::{Invocation, Words};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if args.len() <= 1 {
        out::say_styled(&flags::screen::short(None));
        return ExitCode::from(Exit::Usage.code());
    }
    let ended = match reading::read(args) {
        Ok(words) => run(words),
        Err(Unread::Shown(text)) => out::stdout_styled(&text).map(|()| Exit::Done),
        Err(Unread::Answer(failure)) => Err(failure),
        Err(Unread::Clap(error)) => {
            let _ = error.print(); // a closed terminal has no reader
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()));
        }
    };
    let exit = ended.unwrap_or_else(|failure| {
        out::complain(&failure.message);
        failure.exit
    });
    ExitCode::from(exit.code())
}

fn run(words: Words) -> Result<Exit, Failure> {
    log_to_stderr(words.verbose);
    match flags::invocation(words)? {
        Invocation::Get(get) => commands::get::run(*get),
        Invocation::Put(put) => commands::put::run(*put),
        Invocation::Add(add) => commands::queue::add(*add),
        Invocation::Act(act) => commands::queue::act(&act),
        Invocation::Link(link) => commands::queue::link(&link),
        Invocation::Limit(limit) => commands::queue::limit(&limit),
        Invocation::Watch(watch) => commands::queue::watch(&watch),
        Invocation::Work(work) => commands::queue::work(&work),
        Invocation::Cancel(cancel) => commands::cancel::run(&cancel),
        Invocation::Clean(clean) => commands::clean::run(&clean),
        Invocation::List(list) => commands::list::run(&list),
        Invocation::Show(show) => commands::show::run(&show),
        Invocation::Probe(probe) => commands::probe::run(&probe),
        Invocation::Presign(presign) => commands::presign::run(&presign),
        Invocation::Repair(repair) => commands::repair::run(*repair),
        Invocation::Verify(verify) => commands::verify::run(&verify),
        Invocation::Demo => commands::demo::run(),
        Invocation::Serve(serve) => commands::serve::run(&serve),
        Invocation::Daemon(daemon) => commands::daemon::run(&daemon),
        Invocation::Open(open) => commands::open::run(&open),
        Invocation::Token(token) => commands::token::run(&token),
        Invocation::Help(topic) => commands::help::run(&topic),
        Invocation::Completions(shell) => commands::completions::run(shell),
        Invocation::Man(command) => commands::man::run(command.as_deref()),
    }
}

/// `-v` shows longhaul's own log, and only that: HTTP libraries log headers, and headers hold secrets. It is made of
/// sentences; the data behind them comes with the third `-v`.
fn log_to_stderr(verbose: u8) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = Targets::new()
        .with_target("longhaul", level)
        .with_target("longhaul_core", level)
        .with_target("longhaul_daemon", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(|| out::Log).log_internal_errors(false).with_ansi(false);
    // Sentences stand for themselves; data needs to say whose it is.
    let data = level == LevelFilter::TRACE;
    let lines = lines.with_level(data).with_target(data);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}
