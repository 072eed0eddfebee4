//! Which files are uploaded, and to which keys?
//!
//! Folders are walked before anything is sent, in the order of names, so that the same command does the same things in
//! the same order. What cannot be uploaded has its place in the list with the reason; the rest goes on without it.
//!
//! What is below a folder, and which links are followed, the library says ([`files_below`]).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use longhaul::many::{FileBelow, LeftOut, files_below};
use longhaul::{ObjectName, ObjectPrefix};

use crate::exit::{Exit, Failure};
use crate::flags::globs::Globs;
use crate::flags::put::Input;
use crate::printable;

/// What was found, in order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    /// What was left out although no flag asked for that, in words.
    pub(super) left_out: Vec<String>,
}

/// One thing to upload, or the reason why not.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    pub(super) from: Input,
    /// The object that it becomes.
    pub(super) to: Result<ObjectName, Failure>,
}

/// How folders are walked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) recursive: bool,
    pub(super) globs: &'a Globs,
    pub(super) follow_symlinks: bool,
}

/// The files that are meant, each with its key.
///
/// # Errors
/// `Usage` when two files would get the same key: one would replace the other.
pub(super) fn plan(inputs: &[Input], dest: &ObjectPrefix, walk: Walk<'_>) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    for input in inputs {
        match input {
            Input::Stdin => plan.items.push(Item { from: Input::Stdin, to: dest.object("").map_err(Failure::from) }),
            Input::Path(path) => plan.add(path, dest, walk),
        }
    }
    plan.no_key_twice()?;
    Ok(plan)
}

impl Plan {
    /// A file or folder that was named.
    fn add(&mut self, path: &Path, dest: &ObjectPrefix, walk: Walk<'_>) {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() && walk.recursive => {
                let dest = dest.clone().into_folder();
                self.folder(path, &dest, walk);
            }
            Ok(found) if found.is_dir() => {
                let path_text = path.display();
                let message = format!("{path_text} is a folder; -r uploads what is in it");
                self.fail(path, Failure::usage(message));
            }
            // What it is instead (a pipe, a device), the library says: it looks again anyway.
            Ok(_) if dest.is_folder() || walk.recursive => {
                let dest = dest.clone().into_folder();
                let to = name_of(path).and_then(|name| Ok(dest.object(&name)?));
                self.items.push(Item { from: Input::Path(path.to_owned()), to });
            }
            Ok(_) => {
                self.items.push(Item { from: Input::Path(path.to_owned()), to: dest.object("").map_err(Failure::from) })
            }
            Err(error) => self.fail(path, unreadable(path, &error)),
        }
    }

    /// Everything below a folder.
    fn folder(&mut self, root: &Path, dest: &ObjectPrefix, walk: Walk<'_>) {
        let found = files_below(root, walk.follow_symlinks, |name| walk.globs.take(name));
        for FileBelow { path, name, .. } in found.files {
            let to = name.and_then(|name| dest.object(&name)).map_err(Failure::from);
            self.items.push(Item { from: Input::Path(path), to });
        }
        self.left_out.extend(found.left_out.iter().map(in_words));
    }

    fn fail(&mut self, path: &Path, failure: Failure) {
        self.items.push(Item { from: Input::Path(path.to_owned()), to: Err(failure) });
    }

    fn no_key_twice(&self) -> Result<(), Failure> {
        let mut known: HashMap<&ObjectName, &Input> = HashMap::with_capacity(self.items.len());
        for item in &self.items {
            let Ok(to) = &item.to else { continue };
            if let Some(Input::Path(other)) = known.insert(to, &item.from)
                && let Input::Path(path) = &item.from
            {
                let (one, other) = (path.display(), other.display());
                let message = format!("{other} and {one} would both become {to}; upload them to different prefixes");
                return Err(Failure::usage(message));
            }
        }
        Ok(())
    }
}

fn in_words(left_out: &LeftOut) -> String {
    match left_out {
        LeftOut::LinkToFolder(path) => {
            format!("{} is a link to a folder and left out; --follow-symlinks goes into it", printable::here(path))
        }
        LeftOut::LeadsBack(path) => {
            format!("{} leads back to a folder that it lies in: left out", printable::here(path))
        }
        LeftOut::NoFile(path) => {
            format!("{} is neither file nor folder (a pipe, a socket, a device): left out", printable::here(path))
        }
        other => format!("{other:?}: left out"),
    }
}

/// The name that a file keeps.
fn name_of(path: &Path) -> Result<String, Failure> {
    // `..` and `/` are folders, and refused as such.
    let name = path.file_name().ok_or_else(|| Failure::usage(format!("{} names no file", path.display())))?;
    name.to_str().map(str::to_owned).ok_or_else(|| no_key(path))
}

fn no_key(path: &Path) -> Failure {
    let message = format!(
        "{}: its name is not UTF-8, and keys have to be; rename it, or give it a key of its own",
        path.display()
    );
    Failure::new(Exit::LocalFile, "local_file", message)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::LocalFile, "local_file", format!("cannot read {} ({error})", printable::here(path)))
}

#[cfg(all(test, unix))]
#[path = "plan_tests.rs"]
mod tests;
