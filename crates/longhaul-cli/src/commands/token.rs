//! `longhaul token`: tokens for the daemon, made and revoked whether it runs or not.

use longhaul_daemon::tokens::{TokenError, TokenInfo, Tokens};
use serde::Serialize;

use super::daemon::state_dir;
use super::json_lines;
use crate::exit::{Exit, Failure};
use crate::flags::token::{TokenOptions, TokenTask};
use crate::out;
use crate::printable;

pub(crate) fn run(options: &TokenOptions) -> Result<Exit, Failure> {
    let dir = state_dir(&options.state)?;
    let tokens = Tokens::of(dir);
    match &options.task {
        TokenTask::New(name, scopes) => {
            std::fs::create_dir_all(dir).map_err(|error| failed(&TokenError::File(dir.to_owned(), error)))?;
            let token = tokens.create(name, *scopes).map_err(|error| failed(&error))?;
            match options.json {
                true => json_lines(&[New { name, token: &token, scopes: scopes.names() }])?,
                false => out::stdout(&format!("{token}\n"))?,
            }
        }
        TokenTask::Revoke(name) => tokens.revoke(name).map_err(|error| failed(&error))?,
        TokenTask::List => {
            let all = tokens.list().map_err(|error| failed(&error))?;
            match options.json {
                true => json_lines(&all.iter().map(Row::from).collect::<Vec<_>>())?,
                false => out::stdout(&printable::plain(&table(&all)))?,
            }
        }
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct New<'a> {
    name: &'a str,
    token: &'a str,
    scopes: Vec<&'static str>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    name: &'a str,
    scopes: Vec<&'static str>,
    created_ms: Option<u64>,
    expires_ms: Option<u64>,
}

impl<'a> From<&'a TokenInfo> for Row<'a> {
    fn from(info: &'a TokenInfo) -> Self {
        let created_ms = Some(info.created_ms).filter(|ms| *ms > 0);
        Self { id: &info.id, name: &info.name, scopes: info.scopes.names(), created_ms, expires_ms: info.expires_ms }
    }
}

fn table(tokens: &[TokenInfo]) -> String {
    let mut text = format!("{:<10}{:<24}{}\n", "ID", "NAME", "SCOPES");
    for token in tokens {
        // A name is its maker's, and no line of ours.
        let name = printable::one_line(&token.name).into_owned();
        text += &format!("{:<10}{name:<24}{}\n", token.id, token.scopes.names().join(","));
    }
    text
}

fn failed(error: &TokenError) -> Failure {
    match error {
        TokenError::Name(_) => Failure::usage(error.to_string()),
        _ => Failure::new(Exit::LocalFile, "local_file", error.to_string()),
    }
}
