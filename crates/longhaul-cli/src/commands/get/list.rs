//! What is fetched: the URLs as they were given, the entries of a list, and with `--recursive` the objects whose names
//! begin with them.
//!
//! A list is read while it is worked off, and objects are listed while others are fetched, a page at a time: however
//! many there are, few are in memory. A list that can be read twice is looked through first, so that what is wrong in
//! it is told before the first file comes.

mod feed;
mod names;
mod sums;

use std::cell::RefCell;

use futures_util::Stream;
use longhaul::many::{ObjectFile, ObjectFiles};
use longhaul::{Client, Digest, Error, ObjectPrefix, Source};
use tokio::sync::watch;

use self::feed::Feed;
use self::names::{Names, Wish};
use self::sums::Sums;
use super::several::told;
use crate::exit::{Exit, Failure};
use crate::flags::common::Pair;
use crate::flags::entries::{BadEntry, ListEntry};
use crate::flags::get::{GetOptions, SaveAs, Sources};
use crate::flags::input::ListFile;
use crate::printable;
use crate::show::Show;
use crate::signals::Signal;

/// So many entries are looked through before others get a turn.
const LOOKED_AT_ONCE: usize = 256;

/// One thing to fetch.
pub(super) struct Wanted {
    /// Its place in the list, from 1.
    pub(super) number: usize,
    /// Its name, fit to be shown.
    pub(super) shown: String,
    /// Where it comes from, or why it cannot be fetched.
    pub(super) source: Result<Source, Failure>,
    pub(super) place: SaveAs,
    /// What a checksum file or the list says of it.
    pub(super) digests: Vec<Digest>,
    /// What the list says is to be sent for it.
    pub(super) headers: Vec<Pair>,
}

/// See the module.
pub(super) struct List<'a> {
    get: &'a GetOptions,
    client: &'a Client,
    show: &'a RefCell<Show>,
    stop: watch::Receiver<Option<Signal>>,
    stage: Stage<'a>,
    sums: Sums,
    names: Names,
    /// Where the list comes from.
    feed: Option<Feed>,
    /// How many were given out, or looked through.
    given: usize,
}

/// What comes next.
enum Stage<'a> {
    /// Checksum files are fetched.
    Begin,
    /// The list is looked through.
    Look,
    /// The URL with this place on the command line.
    Given(usize),
    /// The next entry of the list.
    Listed,
    /// The prefix with this place.
    Prefix(usize),
    /// The objects of the prefix before that place.
    Below(usize, &'a ObjectPrefix, Box<ObjectFiles>),
    Over,
}

impl<'a> List<'a> {
    pub(super) fn new(
        get: &'a GetOptions,
        list: Option<ListFile>,
        client: &'a Client,
        show: &'a RefCell<Show>,
        count: usize,
        stop: watch::Receiver<Option<Signal>>,
    ) -> Self {
        let first = match &get.sources {
            Sources::Each(given, _) => given.first().cloned(),
            Sources::Below(_) => None,
        };
        let sums = Sums::new(first.or_else(|| list.as_ref().and_then(|list| list.first.clone())), count == 1);
        let feed = list.map(Feed::new);
        Self { get, client, show, stop, stage: Stage::Begin, sums, names: Names::default(), feed, given: 0 }
    }

    /// All of it, one by one.
    pub(super) fn stream(self) -> impl Stream<Item = Wanted> {
        futures_util::stream::unfold(self, |mut list| async move { Some((list.next().await?, list)) })
    }

    async fn next(&mut self) -> Option<Wanted> {
        loop {
            match &mut self.stage {
                Stage::Begin => {
                    let fetched = tokio::select! {
                        biased;
                        _ = told(&mut self.stop) => return Some(self.cut_off("checksums".to_owned())),
                        fetched = self.sums.fetch(self.get, self.client) => fetched,
                    };
                    self.stage = match &self.get.sources {
                        Sources::Each(..) if self.feed.as_ref().is_some_and(Feed::is_read_twice) => Stage::Look,
                        Sources::Each(..) => Stage::Given(0),
                        Sources::Below(_) => Stage::Prefix(0),
                    };
                    if let Err((shown, failure)) = fetched {
                        self.stage = Stage::Over;
                        return Some(self.unusable(shown, failure));
                    }
                    self.meet_the_given();
                }
                Stage::Look => match self.look().await {
                    Some(bad) => return Some(bad),
                    None => (self.stage, self.given) = (Stage::Given(0), 0),
                },
                Stage::Given(index) => {
                    let index = *index;
                    let Sources::Each(sources, _) = &self.get.sources else { return None };
                    if let Some(source) = sources.get(index) {
                        self.stage = Stage::Given(index + 1);
                        return Some(self.wanted(source.clone(), self.get.place.clone()));
                    }
                    self.stage = Stage::Listed;
                }
                Stage::Listed => return self.listed().await,
                Stage::Prefix(index) => {
                    let Sources::Below(prefixes) = &self.get.sources else { return None };
                    let (prefix, globs) = (prefixes.get(*index)?, self.get.globs.clone());
                    let targets = ObjectFiles::of(self.client.objects(prefix)).only(move |below| globs.take(below));
                    self.stage = Stage::Below(*index + 1, prefix, Box::new(targets));
                }
                Stage::Below(next, prefix, targets) => {
                    let (next, prefix) = (*next, *prefix);
                    let target = tokio::select! {
                        biased;
                        _ = told(&mut self.stop) => return Some(self.cut_off(prefix.to_string())),
                        target = targets.next() => target,
                    };
                    match target {
                        Ok(Some(file)) => return Some(self.object(file)),
                        Ok(None) => self.stage = Stage::Prefix(next),
                        Err(error) => {
                            self.stage = Stage::Prefix(next);
                            return Some(self.unusable(prefix.to_string(), error.into()));
                        }
                    }
                }
                Stage::Over => return None,
            }
        }
    }

    fn object(&mut self, file: ObjectFile) -> Wanted {
        let ObjectFile { object, path, .. } = file;
        match (path, &self.get.place) {
            (Ok(path), SaveAs::Folder(dir) | SaveAs::File(dir) | SaveAs::Below(dir, _)) => {
                self.wanted(object.name.into(), SaveAs::Below(dir.clone(), path))
            }
            (Err(why), _) => self.unusable(object.name.to_string(), unsaved(&why)),
            (Ok(_), SaveAs::Stdout) => self.wanted(object.name.into(), SaveAs::Stdout), // refused with the words
        }
    }

    /// The next bad entry of a list that is looked through.
    async fn look(&mut self) -> Option<Wanted> {
        let before = match &self.get.sources {
            Sources::Each(given, _) => given.len(),
            Sources::Below(_) => 0,
        };
        self.given = self.given.max(before);
        loop {
            for _ in 0..LOOKED_AT_ONCE {
                match self.feed.as_mut()?.next().await {
                    Some(Ok(entry)) => {
                        self.given += 1;
                        self.meet(&entry);
                    }
                    Some(Err(bad)) => return Some(self.bad(&bad)),
                    None => {
                        self.feed.as_mut()?.again();
                        self.names.forget();
                        return None;
                    }
                }
            }
            tokio::task::yield_now().await; // a signal, say
            if self.stop.borrow().is_some() {
                return None;
            }
        }
    }

    async fn listed(&mut self) -> Option<Wanted> {
        loop {
            let feed = self.feed.as_mut()?;
            let told_before = feed.is_read_twice();
            let entry = tokio::select! {
                biased;
                _ = told(&mut self.stop), if !told_before => {
                    let name = feed.name().to_owned();
                    return Some(self.cut_off(name));
                }
                entry = feed.next() => entry,
            };
            match entry {
                Some(Ok(entry)) => {
                    if !told_before {
                        self.meet(&entry);
                    }
                    return Some(self.entry(entry));
                }
                Some(Err(_)) if told_before => self.given += 1,
                Some(Err(bad)) => return Some(self.bad(&bad)),
                None if self.given == 0 => {
                    let name = feed.name().to_owned();
                    self.stage = Stage::Over;
                    let failure = Failure::usage(format!("--input-file: {name} has no URL in it"));
                    return Some(self.unusable(name, failure));
                }
                None => return None,
            }
        }
    }

    fn entry(&mut self, entry: ListEntry) -> Wanted {
        let place = match (&self.get.place, entry.place()) {
            (SaveAs::Folder(root), Some(Ok(path))) => SaveAs::Below(root.clone(), path),
            (SaveAs::Folder(root), Some(Err(dir))) => SaveAs::Folder(root.join(dir)),
            (place, _) => place.clone(), // the word on the command line counts
        };
        match entry.digests.is_empty() {
            true => Wanted { headers: entry.headers, ..self.wanted(entry.source, place) },
            false => {
                let number = self.count();
                let (shown, source) = (entry.source.to_string(), Ok(entry.source));
                Wanted { number, shown, source, place, digests: entry.digests, headers: entry.headers }
            }
        }
    }

    fn wanted(&mut self, source: Source, place: SaveAs) -> Wanted {
        let (number, shown) = (self.count(), source.to_string());
        let name = match &place {
            SaveAs::File(path) | SaveAs::Below(_, path) => Some(path.as_path()),
            SaveAs::Folder(_) | SaveAs::Stdout => None,
        };
        let (source, digests) = match self.sums.of(&source, name) {
            Ok(digests) => (Ok(source), digests),
            Err(failure) => (Err(failure), Vec::new()),
        };
        Wanted { number, shown, source, place, digests, headers: Vec::new() }
    }

    fn bad(&mut self, bad: &BadEntry) -> Wanted {
        let shown = format!("{}:{}", self.feed.as_ref().map_or("", Feed::name), bad.line);
        let failure = Failure::new(Exit::Usage, "usage", format!("{shown}: {}", bad.why));
        self.unusable(shown, failure)
    }

    fn unusable(&mut self, shown: String, failure: Failure) -> Wanted {
        let (number, place) = (self.count(), self.get.place.clone());
        let (digests, headers) = (Vec::new(), Vec::new());
        Wanted { number, shown, source: Err(failure), place, digests, headers }
    }

    /// A signal came before all of it was known: what is not known was not begun.
    fn cut_off(&mut self, what: String) -> Wanted {
        self.stage = Stage::Over;
        let failure = Failure::internal(format!("{what}: stopped before its end"));
        self.unusable(what, failure)
    }

    fn count(&mut self) -> usize {
        self.given += 1;
        self.given
    }

    /// The URLs of the command line want their names.
    fn meet_the_given(&mut self) {
        let (Sources::Each(given, _), SaveAs::Folder(_)) = (&self.get.sources, &self.get.place) else { return };
        if given.len() + usize::from(self.feed.is_some()) < 2 {
            return;
        }
        for source in given {
            let wish = Wish::of(source, None);
            if self.names.is_taken(&wish) {
                let other = given.iter().find(|other| *other != source && Wish::of(other, None).name == wish.name);
                self.tell(
                    &wish,
                    other.map(ToString::to_string),
                    source.to_string(),
                    "fetch one by itself, with -o NAME",
                );
            }
        }
    }

    /// An entry of the list wants its name.
    fn meet(&mut self, entry: &ListEntry) {
        let wish = wish_of(entry);
        if !self.names.is_taken(&wish) {
            return;
        }
        let Sources::Each(given, _) = &self.get.sources else { return };
        let Some(feed) = &self.feed else { return };
        let line = |number: usize| format!("{}:{number}", feed.name());
        let other = given.iter().find(|source| Wish::of(source, None).name == wish.name).map(ToString::to_string);
        let other = other.or_else(|| {
            let mut before = feed.reread()?.map_while(Result::ok).take_while(|other| other.line < entry.line);
            before.find(|other| wish_of(other).name == wish.name).map(|other| line(other.line))
        });
        if other.is_none() && feed.is_read_twice() {
            return; // two names that look alike to what is kept of them
        }
        self.tell(&wish, other, line(entry.line), "name one of them in the list (URL<TAB>NAME)");
    }

    fn tell(&mut self, wish: &Wish, one: Option<String>, other: String, how: &str) {
        let unless = if wish.is_sure { "" } else { ", unless the server has other names for them" };
        let one = one.unwrap_or_else(|| "an entry before".to_owned());
        if let Some(more) = self.names.tell() {
            let name = printable::one_line(&wish.name).into_owned();
            let line = format!("warning: {one} and {other} would both be saved as {name}{unless}; {how}{more}");
            self.show.borrow_mut().say(&line);
        }
    }
}

fn wish_of(entry: &ListEntry) -> Wish {
    match entry.place() {
        Some(Ok(path)) => Wish::of(&entry.source, Some(&path)),
        Some(Err(dir)) => Wish::of(&entry.source, None).in_folder(&dir),
        None => Wish::of(&entry.source, None),
    }
}

/// An object that cannot be saved under its name.
fn unsaved(why: &Error) -> Failure {
    let failure = Failure::from(why.clone());
    let message = printable::one_line(&format!("{why}; fetch it by itself, with -o NAME")).into_owned();
    Failure { message, ..failure }
}
