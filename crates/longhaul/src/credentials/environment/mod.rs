//! What does a process know of its user? Variables and the home folder, read when a program asks for it and not before;
//! and what can be found with them.
//!
//! | question | room |
//! |---|---|
//! | Which settings of a store stand there, and whose keys? | [`lookup`] |
//! | When are keys looked for again? | [`chain`] |
//! | Where are they looked for? | [`oss`], [`s3`], with what both have in common: [`search`] |
//! | What may a search touch? | [`world`] |
//! | What stands in a file of sections? | [`ini`] |

mod chain;
mod ini;
pub(crate) mod lookup;
mod oss;
mod s3;
mod search;
#[cfg(test)]
mod tests;
pub(crate) mod world;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Variables and a home folder, as credentials and settings of stores are looked up in.
///
/// Variables that are empty count as not set.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// This process's, as it is now. Variables that are not Unicode are left out.
    pub fn of_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::new(std::env::vars_os().filter_map(unicode), std::env::home_dir())
    }

    /// One that was made up.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, home: Option<PathBuf>) -> Self {
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { variables, home: home.filter(|home| !home.as_os_str().is_empty()) }
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The first of these that is set.
    pub(crate) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.variable(name))
    }

    pub(crate) fn variables(&self) -> &HashMap<String, String> {
        &self.variables
    }

    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The path that a variable names, else this one in the home folder. `~/` stands for the home folder.
    pub(crate) fn file(&self, variable: &str, in_home: &str) -> Option<PathBuf> {
        match self.variable(variable) {
            Some(path) => self.path(path),
            None => Some(self.home()?.join(in_home)),
        }
    }

    /// A path as it is written in variables and files: `~/` stands for the home folder.
    pub(crate) fn path(&self, text: &str) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(rest) => Some(self.home()?.join(rest)),
            None => Some(PathBuf::from(text)),
        }
    }

    /// Whether a variable says yes.
    pub(crate) fn says_yes(&self, name: &str) -> bool {
        let yes = |value: &str| matches!(value.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on");
        self.variable(name).is_some_and(yes)
    }
}

/// Values of variables may be secrets: only how many there are is shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("variables", &self.variables.len()).field("home", &self.home).finish()
    }
}

/// Both halves of a key, or neither.
fn pair<'a>(
    id: Option<&'a str>,
    secret: Option<&'a str>,
    id_name: &str,
    secret_name: &str,
) -> Result<Option<(&'a str, &'a str)>, Error> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::usage(format!("{id_name} is there and {secret_name} is not"))),
        (None, Some(_)) => Err(Error::usage(format!("{secret_name} is there and {id_name} is not"))),
    }
}

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let ini = ini::Ini::parse(&text);
    for name in ["default", "profile x", "Credentials"] {
        let _ = ini.section(name);
    }
    let _ = oss::ossutil_section(&ini, None);
    let _ = oss::ossutil_section(&ini, Some("x"));
}
