//! `longhaul daemon`: its words and what they mean.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use longhaul::credentials::StoreSettings;

use super::common::{StateChoice, usage};
use super::network::{NetworkOptions, NetworkWords, network};
use super::serve::address;
use super::store::{self, StoreWords};
use crate::exit::Failure;

pub(crate) const HELP: &str = "\
Examples:
  longhaul daemon                   in this terminal, until Ctrl-C
  longhaul daemon start             behind it; `longhaul daemon stop` ends it, and the list stays
  longhaul open                     its page in a browser
  longhaul daemon install           started by systemd or launchd when you log in

  For extensions and front-ends of aria2: http://127.0.0.1:6800/jsonrpc, the secret is
    cat ~/.local/state/longhaul/token

What callers by TCP may write lies below the folders given with --root. docs/daemon.md says who
can reach a daemon, and how it is kept safe.";

#[derive(Args)]
pub(crate) struct DaemonWords {
    /// What is to be done [default: run, in this terminal]
    #[arg(value_enum, value_name = "ACTION", hide_possible_values = true)]
    pub(crate) action: Option<ActionWord>,

    /// Where to listen, as 6800 or 127.0.0.1:6800; port 0 takes a free one
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = address, default_value = "6800")]
    pub(crate) listen: SocketAddr,

    /// Listen at the Unix socket only, which only you reach
    #[arg(long, conflicts_with = "listen")]
    pub(crate) no_tcp: bool,

    /// Callers by TCP write below this folder only; may be repeated. The first is where downloads go that name none
    /// [default: Downloads in your home folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Vec<PathBuf>,

    /// One more name that the daemon is asked by; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,

    /// Listen where other machines reach it, though tokens are not encrypted on the way; needs --host
    #[arg(long)]
    pub(crate) insecure_http: bool,

    /// Let the page of this origin use aria2's RPC, as https://ng.example; null for pages from files. May be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Vec<String>,

    /// Write the ready line to FILE when the daemon can be used; remove FILE at the end
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ready_file: Option<PathBuf>,

    /// With install: print the files, and write none
    #[arg(long)]
    pub(crate) print: bool,

    /// Write the ready line, or the status, to stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActionWord {
    Run,
    Start,
    Stop,
    Status,
    Install,
}

/// What `daemon` is to do.
pub(crate) struct DaemonOptions {
    pub(crate) action: ActionWord,
    pub(crate) state: StateChoice,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) hosts: Vec<String>,
    pub(crate) insecure_http: bool,
    pub(crate) origins: Vec<String>,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) print: bool,
    pub(crate) json: bool,
    pub(crate) store: StoreSettings,
    pub(crate) network: NetworkOptions,
}

pub(super) fn daemon(words: DaemonWords, state: StateChoice) -> Result<DaemonOptions, Failure> {
    let action = words.action.unwrap_or(ActionWord::Run);
    if words.print && action != ActionWord::Install {
        return Err(usage("--print belongs to `longhaul daemon install`"));
    }
    if words.ready_file.is_some() && !matches!(action, ActionWord::Run | ActionWord::Start) {
        return Err(usage("--ready-file belongs to a daemon that is started"));
    }
    let absent = words.root.iter().find(|root| !root.is_dir());
    if let Some(root) = absent.filter(|_| action != ActionWord::Stop && action != ActionWord::Status) {
        return Err(usage(format!("--root: there is no folder {}", root.display())));
    }
    Ok(DaemonOptions {
        action,
        state,
        listen: (!words.no_tcp).then_some(words.listen),
        roots: words.root,
        hosts: words.host,
        insecure_http: words.insecure_http,
        origins: words.origin,
        ready_file: words.ready_file,
        print: words.print,
        json: words.json,
        store: store::settings(words.store, [])?,
        network: network(words.network, None)?,
    })
}
