//! What is fetched: the URLs as they were given, and with `--recursive` the objects whose names begin with them.
//!
//! Objects are listed while others are fetched, a page at a time: however many there are, few are in memory.

use futures_util::Stream;
use longhaul::{Client, Objects};
use tokio::sync::watch;

use super::told;
use crate::exit::{Exit, Failure};
use crate::flags::get::{GetOptions, SaveAs};
use crate::keys::{self, Clashes};
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
    objects: Objects,
    /// What is the same for all keys.
    base_len: usize,
    clashes: Clashes,
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
                let object = tokio::select! {
                    biased;
                    _ = told(&mut self.stop) => return None, // what was not listed yet was not begun
                    object = prefix.objects.next() => object,
                };
                match object {
                    Ok(Some(object)) => match prefix.take(self.get, &object) {
                        Some((place, refused)) => break (object.name.to_string(), place, true, refused),
                        None => continue,
                    },
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
            let key = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, key)| key);
            self.prefix = Some(Prefix {
                name: url.clone(),
                objects: self.client.objects(url.as_str()),
                base_len: keys::base(key).len(),
                clashes: Clashes::default(),
            });
        };
        self.given += 1;
        Some(Wanted { number: self.given, source, place, create_dirs, refused })
    }
}

impl Prefix {
    /// Where an object goes, or why it cannot be saved; nothing for one that is not meant.
    fn take(&mut self, get: &GetOptions, object: &longhaul::ObjectInfo) -> Option<(SaveAs, Option<Failure>)> {
        let refused = |why: &str| {
            let hint = "fetch it by itself, with -o NAME";
            let message = format!("{}: cannot be saved under its name: {why}; {hint}", object.name);
            Some(Failure::new(Exit::LocalFile, "local_file", message))
        };
        let below = object.name.key().get(self.base_len..).unwrap_or_default();
        if !get.globs.take(below) {
            return None;
        }
        let folder = match &get.place {
            SaveAs::Folder(folder) | SaveAs::File(folder) | SaveAs::Below(folder, _) => folder.clone(),
        };
        let path = match keys::path(below, object.len) {
            Ok(path) => path?,
            Err(why) => return Some((get.place.clone(), refused(why))),
        };
        let clash = self.clashes.add(object.name.key()).err();
        let clash =
            clash.and_then(|file| refused(&format!("{file:?} is an object too, and a file cannot be a folder")));
        Some((SaveAs::Below(folder, path), clash))
    }
}
