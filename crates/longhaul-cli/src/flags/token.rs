//! `longhaul token`: its words and what they mean.

use clap::{Args, ValueEnum};
use longhaul_daemon::tokens::Scopes;

use super::common::{StateChoice, usage};
use crate::exit::Failure;

pub(crate) const HELP: &str = "\
Examples:
  longhaul token new phone                    printed once, and not kept in the clear
  longhaul token new feed --scope read,add    it sees the list and adds to it, and changes nothing
  longhaul token list
  longhaul token revoke phone                 a daemon that runs takes it no more
  longhaul token revoke page                  all browsers are logged out

The token `default`, in the file `token` of the state folder, has all scopes. When it is revoked,
the next start of the daemon makes another one.";

#[derive(Args)]
pub(crate) struct TokenWords {
    /// new, list or revoke
    #[arg(value_enum, value_name = "ACTION", hide_possible_values = true)]
    pub(crate) action: TokenAction,

    /// What it is called
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// What it is good for, of read, add and control, with commas between
    #[arg(long, value_name = "SCOPES", default_value = "read,add,control")]
    pub(crate) scope: String,

    /// Write JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenAction {
    New,
    List,
    Revoke,
}

/// What is to be done with tokens.
pub(crate) enum TokenTask {
    New(String, Scopes),
    List,
    Revoke(String),
}

pub(crate) struct TokenOptions {
    pub(crate) state: StateChoice,
    pub(crate) task: TokenTask,
    pub(crate) json: bool,
}

pub(super) fn token(words: TokenWords, state: StateChoice) -> Result<TokenOptions, Failure> {
    let scopes = Scopes::from_names(words.scope.split(','));
    let scopes = scopes.ok_or_else(|| usage("--scope: read, add, control, or several with commas between"))?;
    let task = match (words.action, words.name) {
        (TokenAction::New, Some(name)) => TokenTask::New(name, scopes),
        (TokenAction::Revoke, Some(name)) => TokenTask::Revoke(name),
        (TokenAction::List, None) => TokenTask::List,
        (TokenAction::List, Some(_)) => return Err(usage("`longhaul token list` shows all, and takes no name")),
        (TokenAction::New, None) => return Err(usage("name the token: longhaul token new NAME")),
        (TokenAction::Revoke, None) => return Err(usage("which one? longhaul token revoke NAME|ID")),
    };
    Ok(TokenOptions { state, task, json: words.json })
}
