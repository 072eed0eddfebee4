//! What is fetched: the URLs as they were given, and with `--recursive` the objects whose names begin with them.
//!
//! Objects are listed while others are fetched, a page at a time: however many there are, few are in memory.

use futures_util::Stream;
use longhaul::many::{Target, Targets};
use longhaul::{Client, Error};
use tokio::sync::watch;

use super::several::told;
use crate::exit::Failure;
use crate::flags::get::{GetOptions, SaveAs};
use crate::out;
use crate::signals::Signal;

/// One thing to fetch.
pub(super) struct Wanted {
    /// Its place in the list, from 1.
    pub(super) number: usize,
    /// As it was given, or as the store lists it.
    pub(super) source: String,
    pub(super) place: SaveAs,
    /// Folders that its name asks for are made.
    pub(super) create_dirs: bool,
    /// It cannot be fetched, and why.
    pub(super) refused: Option<Failure>,
}

/// See the module.
pub(super) struct List<'a> {
    get: &'a GetOptions,
    client: &'a Client,
    stop: watch::Receiver<Option<Signal>>,
    /// Which URL comes next.
    next: usize,
    /// How many were given out.
    given: usize,
    /// The objects that are being listed.
    prefix: Option<Prefix>,
}

struct Prefix {
    name: String,
    targets: Targets,
}

impl<'a> List<'a> {
    pub(super) fn new(get: &'a GetOptions, client: &'a Client, stop: watch::Receiver<Option<Signal>>) -> Self {
        Self { get, client, stop, next: 0, given: 0, prefix: None }
    }

    /// All of it, one by one.
    pub(super) fn stream(self) -> impl Stream<Item = Wanted> {
        futures_util::stream::unfold(self, |mut list| async move { Some((list.next().await?, list)) })
    }

    async fn next(&mut self) -> Option<Wanted> {
        let (source, place, create_dirs, refused) = loop {
            if let Some(prefix) = &mut self.prefix {
                let target = tokio::select! {
                    biased;
                    _ = told(&mut self.stop) => return None, // what was not listed yet was not begun
                    target = prefix.targets.next() => target,
                };
                match target {
                    Ok(Some(Target { object, path, .. })) => {
                        let name = object.name.to_string();
                        let (place, refused) = match (path, &self.get.place) {
                            (Ok(path), SaveAs::Folder(dir) | SaveAs::File(dir) | SaveAs::Below(dir, _)) => {
                                (SaveAs::Below(dir.clone(), path), None)
                            }
                            (Err(why), place) => (place.clone(), Some(unsaved(&why))),
                        };
                        break (name, place, true, refused);
                    }
                    Ok(None) => self.prefix = None,
                    Err(error) => {
                        let name = std::mem::take(&mut prefix.name);
                        self.prefix = None;
                        break (name, self.get.place.clone(), false, Some(error.into()));
                    }
                }
                continue;
            }
            let url = self.get.urls.get(self.next)?;
            self.next += 1;
            if !self.get.recursive {
                break (url.clone(), self.get.place.clone(), self.get.create_dirs, None);
            }
            let globs = self.get.globs.clone();
            let targets = Targets::of(self.client.objects(url)).only(move |below| globs.take(below));
            self.prefix = Some(Prefix { name: url.clone(), targets });
        };
        self.given += 1;
        Some(Wanted { number: self.given, source, place, create_dirs, refused })
    }
}

/// An object that cannot be saved under its name.
fn unsaved(why: &Error) -> Failure {
    let failure = Failure::from(why.clone());
    let message = out::one_line(&format!("{why}; fetch it by itself, with -o NAME")).into_owned();
    Failure { message, ..failure }
}
