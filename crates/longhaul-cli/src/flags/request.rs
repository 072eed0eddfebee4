//! Headers, users and passwords of requests for an object: the words of `get` and `probe`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueHint};

use super::common::{Pair, usage};
use super::netrc::Netrc;
use super::{input, values};
use crate::exit::Failure;
use crate::out;

/// What belongs to requests for the object, and stays secret.
#[derive(Args)]
pub(crate) struct RequestWords {
    /// Send this header; may be repeated. Never stored, never sent to another origin after a redirect
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'", help_heading = "Credentials and headers")]
    pub(crate) headers: Vec<String>,

    /// Send the headers in FILE, one per line; arguments can be seen by others on this machine, the file cannot
    #[arg(long, value_name = "FILE", help_heading = "Credentials and headers", value_hint = ValueHint::FilePath)]
    pub(crate) header_file: Option<PathBuf>,

    /// User and password for the server (Basic)
    #[arg(short, long, value_name = "USER:PASSWORD", help_heading = "Credentials and headers")]
    pub(crate) user: Option<String>,

    /// Take user and password of each URL's host from ~/.netrc, unless they are given in another way
    #[arg(short, long, help_heading = "Credentials and headers")]
    pub(crate) netrc: bool,

    /// The same from this file
    #[arg(long, value_name = "FILE", help_heading = "Credentials and headers", value_hint = ValueHint::FilePath)]
    pub(crate) netrc_file: Option<PathBuf>,
}

pub(super) fn request(words: RequestWords) -> Result<(Vec<Pair>, Option<Pair>), Failure> {
    let flag = "--header-file";
    let mut headers = match &words.header_file {
        Some(path) => {
            let text = input::read(path, flag).map_err(usage)?;
            input::lines(&text, flag, values::header).map_err(usage)?
        }
        None => Vec::new(),
    };
    for text in &words.headers {
        headers.push(values::header(text).map_err(|e| usage(format!("--header: {e}")))?);
    }
    let user = words.user.as_deref().map(values::user).transpose().map_err(usage)?;
    if user.is_some() && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        return Err(usage("--user and an Authorization header contradict each other; give one of them"));
    }
    Ok((headers, user))
}

/// The passwords that the user keeps in a file.
pub(super) fn netrc(words: &RequestWords) -> Result<Option<Arc<Netrc>>, Failure> {
    let (path, flag) = match (&words.netrc_file, words.netrc) {
        (Some(path), _) => (path.clone(), "--netrc-file"),
        (None, true) => {
            let home = etcetera::home_dir().map_err(|_| usage("--netrc: there is no home folder; use --netrc-file"))?;
            (home.join(".netrc"), "--netrc")
        }
        (None, false) => return Ok(None),
    };
    let text = input::read(&path, flag).map_err(usage)?;
    let netrc = Netrc::parse(&text).map_err(|e| usage(format!("{flag}: {}, {e}", path.display())))?;
    if let Some(line) = netrc.skipped_line() {
        let path = path.display();
        out::say(&format!(
            "warning: {flag}: {path}, line {line}: a word that is none of a .netrc's; such words are skipped"
        ));
    }
    Ok(Some(Arc::new(netrc)))
}
