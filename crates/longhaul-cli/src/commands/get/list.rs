//! What is fetched: the URLs as they were given, and with `--recursive` the objects whose names begin with them.
//!
//! Objects are listed while others are fetched, a page at a time: however many there are, few are in memory.

use futures_util::Stream;
use longhaul::many::{ObjectFile, ObjectFiles};
use longhaul::{Client, Error, ObjectPrefix, Source};
use tokio::sync::watch;

use super::several::told;
use crate::exit::Failure;
use crate::flags::get::{GetOptions, SaveAs, Sources};
use crate::printable;
use crate::signals::Signal;

/// One thing to fetch.
pub(super) struct Wanted {
    /// Its place in the list, from 1.
    pub(super) number: usize,
    /// Its name, fit to be shown.
    pub(super) shown: String,
    /// Where it comes from, or why it cannot be fetched.
    pub(super) source: Result<Source, Failure>,
    pub(super) place: SaveAs,
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
    listing: Option<PrefixListing<'a>>,
}

struct PrefixListing<'a> {
    prefix: &'a ObjectPrefix,
    targets: ObjectFiles,
}

impl<'a> List<'a> {
    pub(super) fn new(get: &'a GetOptions, client: &'a Client, stop: watch::Receiver<Option<Signal>>) -> Self {
        Self { get, client, stop, next: 0, given: 0, listing: None }
    }

    /// All of it, one by one.
    pub(super) fn stream(self) -> impl Stream<Item = Wanted> {
        futures_util::stream::unfold(self, |mut list| async move { Some((list.next().await?, list)) })
    }

    async fn next(&mut self) -> Option<Wanted> {
        let (shown, source, place) = loop {
            if let Some(listing) = &mut self.listing {
                let target = tokio::select! {
                    biased;
                    _ = told(&mut self.stop) => return None, // what was not listed yet was not begun
                    target = listing.targets.next() => target,
                };
                match target {
                    Ok(Some(ObjectFile { object, path, .. })) => {
                        let shown = object.name.to_string();
                        let (source, place) = match (path, &self.get.place) {
                            (Ok(path), SaveAs::Folder(dir) | SaveAs::File(dir) | SaveAs::Below(dir, _)) => {
                                (Ok(object.name.into()), SaveAs::Below(dir.clone(), path))
                            }
                            (Err(why), place) => (Err(unsaved(&why)), place.clone()),
                        };
                        break (shown, source, place);
                    }
                    Ok(None) => self.listing = None,
                    Err(error) => {
                        let shown = listing.prefix.to_string();
                        self.listing = None;
                        break (shown, Err(error.into()), self.get.place.clone());
                    }
                }
                continue;
            }
            let index = self.next;
            self.next += 1;
            match &self.get.sources {
                Sources::Each(sources) => {
                    let source = sources.get(index)?;
                    break (source.to_string(), Ok(source.clone()), self.get.place.clone());
                }
                Sources::Below(prefixes) => {
                    let (prefix, globs) = (prefixes.get(index)?, self.get.globs.clone());
                    let targets = ObjectFiles::of(self.client.objects(prefix)).only(move |below| globs.take(below));
                    self.listing = Some(PrefixListing { prefix, targets });
                }
            }
        };
        self.given += 1;
        Some(Wanted { number: self.given, shown, source, place })
    }
}

/// An object that cannot be saved under its name.
fn unsaved(why: &Error) -> Failure {
    let failure = Failure::from(why.clone());
    let message = printable::one_line(&format!("{why}; fetch it by itself, with -o NAME")).into_owned();
    Failure { message, ..failure }
}
