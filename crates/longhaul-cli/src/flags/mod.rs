//! From the words typed to what they mean: clap reads [`Words`]; an [`Invocation`] has every value parsed and every
//! contradiction refused.
//!
//! A file for each verb holds its words and their meaning. What several verbs share stands in rooms of its own:
//! [`network`], [`request`], [`store`], [`running`], [`beside`], and the rest in [`common`]. Verbs import these, and
//! this page imports the verbs.
//!
//! Values that may be secret (headers, users, URLs, proxies) are taken as text, because clap repeats a value that it
//! cannot parse.

pub(crate) mod add;
pub(crate) mod adopt;
pub(crate) mod beside;
pub(crate) mod cancel;
pub(crate) mod clean;
pub(crate) mod coming_from;
pub(crate) mod common;
pub(crate) mod conditions;
pub(crate) mod daemon;
pub(crate) mod entries;
pub(crate) mod get;
pub(crate) mod globs;
pub(crate) mod habits;
mod help;
pub(crate) mod input;
pub(crate) mod list;
pub(crate) mod netrc;
pub(crate) mod network;
pub(crate) mod open;
pub(crate) mod presign;
pub(crate) mod probe;
pub(crate) mod put;
pub(crate) mod queue;
pub(crate) mod reading;
pub(crate) mod repair;
mod request;
pub(crate) mod running;
pub(crate) mod screen;
pub(crate) mod serve;
pub(crate) mod show;
mod store;
pub(crate) mod token;
mod values;
pub(crate) mod verify;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueHint};

use crate::exit::Failure;
use cancel::CancelOptions;
use clean::CleanOptions;
use common::path_or_nothing;
use get::GetOptions;
use list::ListOptions;
use presign::PresignOptions;
use probe::ProbeOptions;
use put::PutOptions;
use queue::Action;
use repair::RepairOptions;
use show::ShowOptions;
use verify::VerifyOptions;

/// Transfers that survive: interrupt them any way you like, run the same command again, and they go on.
#[derive(Parser)]
#[command(name = "longhaul", version, max_term_width = 100)]
#[command(disable_help_subcommand = true, disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = help::MAIN)]
pub(crate) struct Words {
    #[command(subcommand)]
    pub(crate) verb: VerbWords,

    /// Keep the list of transfers and the receipts of finished files here
    /// [default: ~/.local/state/longhaul]
    #[arg(long, global = true, value_name = "DIR", env = "LONGHAUL_STATE_DIR", value_hint = ValueHint::DirPath)]
    #[arg(hide_env_values = true, help_heading = "General", value_parser = path_or_nothing())]
    pub(crate) state_dir: Option<PathBuf>,

    /// Log in sentences what is done (-vv: steps, -vvv: data)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General")]
    pub(crate) verbose: u8,

    /// Show the help: in short (-h), or all of it
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = "General")]
    help: Option<bool>,

    /// Show the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "General")]
    version: Option<bool>,
}

#[derive(Subcommand)]
pub(crate) enum VerbWords {
    /// Download; the same command again resumes
    #[command(override_usage = "longhaul get [OPTIONS] SOURCE...\n       longhaul get [OPTIONS] -i FILE [SOURCE]...")]
    #[command(after_help = help::get_long())]
    Get(Box<get::GetWords>),
    /// Upload files to OSS or S3; the same command again resumes
    #[command(override_usage = "longhaul put [OPTIONS] FILE... DEST\n       longhaul put [OPTIONS] -r FOLDER... DEST")]
    #[command(after_help = help::put_long())]
    Put(Box<put::PutWords>),
    /// Go on with what curl, wget, aria2 or a browser left of a download
    #[command(override_usage = "longhaul adopt [OPTIONS] FILE SOURCE", after_help = help::ADOPT)]
    Adopt(Box<adopt::AdoptWords>),
    /// List the transfers that are known on this machine
    #[command(after_help = help::LIST)]
    List(list::ListWords),
    /// Describe a transfer or file: what is held, and what was given up
    #[command(after_help = help::SHOW)]
    Show(show::ShowWords),
    /// Give transfers up, and delete their partial files and parts
    #[command(override_usage = "longhaul cancel [OPTIONS] ID|FILE...\n       longhaul cancel [OPTIONS] --all")]
    #[command(after_help = help::CANCEL)]
    Cancel(Box<cancel::CancelWords>),
    /// Clean up: uploads left in stores, old partial files, saved stdin
    #[command(after_help = help::CLEAN)]
    Clean(Box<clean::CleanWords>),
    /// Put transfers into the list, for `daemon` or `run` to do
    #[command(
        override_usage = "longhaul add [OPTIONS] SOURCE...\n       longhaul add [OPTIONS] -i FILE\n       longhaul add [OPTIONS] --put FILE... DEST"
    )]
    #[command(after_help = help::ADD)]
    Add(Box<add::AddWords>),
    /// Hold entries of the list until `resume`
    Pause(queue::EntriesWords),
    /// Let held entries run again
    Resume(queue::EntriesWords),
    /// Try entries that failed, or wait, again
    Retry(queue::EntriesWords),
    /// Make entries the next to run
    Now(queue::EntriesWords),
    /// Take what is over out of the list; files stay
    Forget(queue::ForgetWords),
    /// Move entries: top, bottom, up N, down N, before ID
    #[command(override_usage = "longhaul move ID|FILE... top|bottom|up [N]|down [N]|before ID")]
    Move(queue::MoveWords),
    /// Give an entry another link, the old one having expired
    Link(Box<queue::LinkWords>),
    /// Say what is done with an entry that waits for it
    Decide(queue::DecideWords),
    /// Show or set how fast, and how many at once
    #[command(
        override_usage = "longhaul limit [--most N] [--upload] [RATE]\n       longhaul limit --lane LANE [--most N] [--timetable TIMETABLE] [RATE]\n       longhaul limit ID|FILE RATE"
    )]
    #[command(after_help = help::LIMIT)]
    Limit(queue::LimitWords),
    /// Show the list as it changes
    Watch(queue::WatchWords),
    /// Wait until entries have ended, with their exit code
    Wait(queue::WatchWords),
    /// Work off the list here, until nothing of it is due
    #[command(after_help = help::RUN)]
    Run(Box<queue::WorkWords>),
    /// Ask a server: can this be resumed? Nothing is downloaded
    #[command(override_usage = "longhaul probe [OPTIONS] SOURCE", after_help = help::PROBE)]
    Probe(Box<probe::ProbeWords>),
    /// Make a link to an object that works without keys, for a while
    #[command(after_help = help::PRESIGN)]
    Presign(Box<presign::PresignWords>),
    /// Compare a finished file with what was recorded at its download
    #[command(after_help = help::VERIFY)]
    Verify(verify::VerifyWords),
    /// Mend a finished file: fetch only its damaged blocks again
    #[command(override_usage = "longhaul repair [OPTIONS] FILE [SOURCE]", after_help = help::REPAIR)]
    #[command(mut_arg("urls", |arg| arg.required_unless_present("repaired")))]
    Repair(Box<repair::RepairWords>),
    /// Run a local OSS-compatible store to develop and test against
    #[command(
        override_usage = "longhaul serve [OPTIONS] DIR [-- COMMAND...]\n       longhaul serve [OPTIONS] --temp [-- COMMAND...]"
    )]
    #[command(after_help = serve::HELP)]
    Serve(Box<serve::ServeWords>),
    /// Work the list: its page, its API, and aria2's RPC
    #[command(override_usage = "longhaul daemon [OPTIONS]\n       longhaul daemon [OPTIONS] start|stop|status|install")]
    #[command(after_help = daemon::HELP)]
    Daemon(Box<daemon::DaemonWords>),
    /// Open the page of the daemon in a browser, logged in
    #[command(after_help = open::HELP)]
    Open(open::OpenWords),
    /// Make, list and revoke tokens for the daemon
    #[command(
        override_usage = "longhaul token new [OPTIONS] NAME\n       longhaul token list [OPTIONS]\n       longhaul token revoke NAME|ID"
    )]
    #[command(after_help = token::HELP)]
    Token(token::TokenWords),
    /// See it work on this machine, in under a minute
    Demo,
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// For which shell [default: that of $SHELL]
        shell: Option<clap_complete::Shell>,
    },
    /// Show the help of a command, or what it is called elsewhere
    #[command(after_help = help::HELP)]
    Help {
        /// A command, or coming-from, and perhaps of which tool
        #[arg(value_name = "COMMAND")]
        topic: Vec<String>,
    },
    /// Print a manual page (roff)
    #[command(after_help = help::MAN)]
    Man {
        /// Of which command; of longhaul itself when left out
        command: Option<String>,
    },
}

/// One thing to do.
pub(crate) enum Invocation {
    Get(Box<GetOptions>),
    Put(Box<PutOptions>),
    Add(Box<add::AddOptions>),
    Act(queue::ActOptions),
    Link(queue::LinkOptions),
    Limit(queue::LimitOptions),
    Watch(queue::WatchOptions),
    Work(Box<queue::WorkOptions>),
    Cancel(Box<CancelOptions>),
    Clean(Box<CleanOptions>),
    List(ListOptions),
    Show(ShowOptions),
    Probe(Box<ProbeOptions>),
    Presign(Box<PresignOptions>),
    Verify(VerifyOptions),
    Repair(Box<RepairOptions>),
    Serve(Box<serve::ServeOptions>),
    Daemon(Box<daemon::DaemonOptions>),
    Open(open::OpenOptions),
    Token(token::TokenOptions),
    Demo,
    Help(Vec<String>),
    Completions(Option<clap_complete::Shell>),
    Man(Option<String>),
}

/// The command that the words mean. Reads the files that flags name.
pub(crate) fn invocation(words: Words) -> Result<Invocation, Failure> {
    let verbose = words.verbose > 0;
    let state = || common::state_dir(words.state_dir.clone());
    Ok(match words.verb {
        VerbWords::Get(words) => Invocation::Get(Box::new(get::get(*words, state()?, verbose)?)),
        VerbWords::Adopt(words) => Invocation::Get(Box::new(adopt::adopt(*words, state()?, verbose)?)),
        VerbWords::Put(words) => Invocation::Put(Box::new(put::put(*words, state()?, verbose)?)),
        VerbWords::Add(words) => Invocation::Add(Box::new(add::add(*words, state()?)?)),
        VerbWords::Pause(words) => Invocation::Act(queue::act(words, Action::Hold, state()?)?),
        VerbWords::Resume(words) => Invocation::Act(queue::act(words, Action::Release, state()?)?),
        VerbWords::Retry(words) => Invocation::Act(queue::act(words, Action::Retry, state()?)?),
        VerbWords::Now(words) => Invocation::Act(queue::act(words, Action::Now, state()?)?),
        VerbWords::Forget(words) => {
            Invocation::Act(queue::act(words.entries, Action::Forget { files: words.files }, state()?)?)
        }
        VerbWords::Move(words) => Invocation::Act(queue::moved(words, state()?)?),
        VerbWords::Link(words) => Invocation::Link(queue::link(*words, state()?)?),
        VerbWords::Decide(words) => Invocation::Act(queue::decide(words, state()?)),
        VerbWords::Limit(words) => Invocation::Limit(queue::limit(words, state()?)?),
        VerbWords::Watch(words) => Invocation::Watch(queue::watch(words, false, state()?)),
        VerbWords::Wait(words) => Invocation::Watch(queue::watch(words, true, state()?)),
        VerbWords::Run(words) => Invocation::Work(Box::new(queue::work(*words, state()?)?)),
        VerbWords::Cancel(words) => Invocation::Cancel(Box::new(cancel::cancel(*words, state()?)?)),
        VerbWords::Clean(words) => Invocation::Clean(Box::new(clean::clean(*words, state()?)?)),
        VerbWords::List(words) => Invocation::List(list::list(words, state()?)?),
        VerbWords::Show(words) => Invocation::Show(show::show(words, state()?)),
        VerbWords::Probe(words) => Invocation::Probe(Box::new(probe::probe(*words)?)),
        VerbWords::Presign(words) => Invocation::Presign(Box::new(presign::presign(*words)?)),
        VerbWords::Verify(words) => Invocation::Verify(verify::verify(words, state()?)?),
        VerbWords::Repair(words) => Invocation::Repair(Box::new(repair::repair(*words, state()?, verbose)?)),
        VerbWords::Serve(words) => Invocation::Serve(Box::new(serve::serve(*words)?)),
        VerbWords::Daemon(words) => Invocation::Daemon(Box::new(daemon::daemon(*words, state()?)?)),
        VerbWords::Open(words) => Invocation::Open(open::open(words, state()?)),
        VerbWords::Token(words) => Invocation::Token(token::token(words, state()?)?),
        VerbWords::Demo => Invocation::Demo,
        VerbWords::Help { topic } => Invocation::Help(topic),
        VerbWords::Completions { shell } => Invocation::Completions(shell),
        VerbWords::Man { command } => Invocation::Man(command),
    })
}

#[cfg(test)]
mod tests;
