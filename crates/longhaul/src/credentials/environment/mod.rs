//! What does a process know of its user? Variables and the home folder, read when a program asks for it and not before.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

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
