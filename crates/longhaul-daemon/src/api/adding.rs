//! A transfer for the list, from JSON: what callers may say of it, and where it may lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::StatusCode;
use longhaul::manager::{EntryId, EntrySecrets, Existing, NewEntry, Options, Place, Target};
use longhaul::{Digest, ObjectName, Source};
use serde::Deserialize;

use super::input::entry_id;
use crate::app::App;
use crate::guard::Via;
use crate::problem::Problem;

/// What is added. It may have secrets in it, and has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// One link, or name in a store.
    source: Option<String>,
    /// Several of one object, best first.
    #[serde(default)]
    sources: Vec<String>,
    folder: Option<PathBuf>,
    name: Option<PathBuf>,
    /// Of an upload: the file.
    file: Option<PathBuf>,
    /// Of an upload: where to.
    destination: Option<String>,
    lane: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    place: Option<PlaceWords>,
    #[serde(default)]
    hold: bool,
    #[serde(default)]
    again: bool,
    #[serde(default)]
    options: OptionWords,
    headers: Option<BTreeMap<String, String>>,
    auth: Option<Login>,
    proxy_auth: Option<Login>,
}

/// Where in the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlaceWords {
    Top,
    Bottom,
    Up(u32),
    Down(u32),
    At(u32),
    Before(String),
}

impl PlaceWords {
    pub(super) fn place(&self) -> Result<Place, Problem> {
        Ok(match self {
            Self::Top => Place::Top,
            Self::Bottom => Place::Bottom,
            Self::Up(by) => Place::Up(*by),
            Self::Down(by) => Place::Down(*by),
            Self::At(at) => Place::At(*at),
            Self::Before(id) => {
                Place::Before(entry_id(id).ok_or_else(|| Problem::usage("place: before names an entry by its id"))?)
            }
        })
    }
}

/// How it is transferred. What is not said stays as it was; null is the usual.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OptionWords {
    #[serde(deserialize_with = "told")]
    connections: Option<Option<u32>>,
    limit_rate: Option<u64>,
    checksums: Option<Vec<String>>,
    existing: Option<String>,
    #[serde(deserialize_with = "told")]
    proxy: Option<Option<String>>,
    remote_time: Option<bool>,
    #[serde(deserialize_with = "told")]
    stall: Option<Option<(u64, u64)>>,
    require_verified: Option<bool>,
}

/// A member that is there, null or not.
fn told<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl OptionWords {
    /// The same options with these changes.
    pub(super) fn change(&self, mut options: Options) -> Result<Options, Problem> {
        if let Some(connections) = self.connections {
            if connections.is_some_and(|connections| !(1..=64).contains(&connections)) {
                return Err(Problem::usage("options: connections are 1 to 64"));
            }
            options.connections = connections;
        }
        if let Some(rate) = self.limit_rate {
            options.limit_rate = rate;
        }
        if let Some(checksums) = &self.checksums {
            let digest = |text: &String| {
                let wrong = |fault| Problem::usage(format!("options: checksums: {fault:?}; write them as sha256:HEX"));
                text.parse::<Digest>().map_err(wrong)
            };
            options.checksums = checksums.iter().map(digest).collect::<Result<_, _>>()?;
        }
        match self.existing.as_deref() {
            None => {}
            Some("ask") => options.existing = Existing::Ask,
            Some("overwrite") => options.existing = Existing::Overwrite,
            Some("rename") => options.existing = Existing::Rename,
            Some(_) => return Err(Problem::usage("options: existing is ask, overwrite or rename")),
        }
        if let Some(proxy) = &self.proxy {
            options.proxy.clone_from(proxy);
        }
        if let Some(remote_time) = self.remote_time {
            options.remote_time = remote_time;
        }
        if let Some(stall) = self.stall {
            options.stall = stall;
        }
        if let Some(required) = self.require_verified {
            options.require_verified = required;
        }
        Ok(options)
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { connections, limit_rate, checksums, existing, proxy, remote_time, stall, require_verified } = self;
        connections.is_none()
            && limit_rate.is_none()
            && checksums.is_none()
            && existing.is_none()
            && proxy.is_none()
            && remote_time.is_none()
            && stall.is_none()
            && require_verified.is_none()
    }
}

/// What is kept in no file. Its `Debug` shows none of it.
#[derive(Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct SecretWords {
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) auth: Option<Login>,
    pub(super) proxy_auth: Option<Login>,
}

/// A user and password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl std::fmt::Debug for SecretWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretWords").finish_non_exhaustive()
    }
}

impl SecretWords {
    /// `None`: nothing is said of them.
    pub(super) fn secrets(&self) -> Result<Option<EntrySecrets>, Problem> {
        if self.headers.is_none() && self.auth.is_none() && self.proxy_auth.is_none() {
            return Ok(None);
        }
        let headers: Vec<(String, String)> = self.headers.clone().unwrap_or_default().into_iter().collect();
        for (name, value) in &headers {
            let usable = http::HeaderName::try_from(name.as_str()).is_ok()
                && http::HeaderValue::try_from(value.as_str()).is_ok();
            if !usable {
                return Err(Problem::usage("headers: a name or value is none of HTTP"));
            }
        }
        let pair = |login: &Login| (login.user.clone(), login.password.clone());
        let (auth, proxy_auth) = (self.auth.as_ref().map(pair), self.proxy_auth.as_ref().map(pair));
        Ok(Some(EntrySecrets { headers, auth, proxy_auth }))
    }
}

/// A source as it is typed.
pub(super) fn source(text: &str) -> Result<Source, Problem> {
    text.parse::<Source>().map_err(Problem::from)
}

impl Wanted {
    /// The entry, with this id or one of chance.
    pub(super) fn entry(&self, app: &App, via: Via, id: Option<EntryId>) -> Result<NewEntry, Problem> {
        let mut new = match &self.destination {
            Some(destination) => self.upload(app, via, destination)?,
            None => self.download(app, via)?,
        };
        if let Some(id) = id {
            new = new.id(id);
        }
        if let Some(lane) = &self.lane {
            new = new.lane(lane);
        }
        for tag in &self.tags {
            new = new.tag(tag);
        }
        if let Some(place) = &self.place {
            new = new.place(place.place()?);
        }
        let secrets =
            SecretWords { headers: self.headers.clone(), auth: self.auth.clone(), proxy_auth: self.proxy_auth.clone() };
        if let Some(secrets) = secrets.secrets()? {
            new = new.secrets(secrets);
        }
        let options = self.options.change(Options::default())?;
        Ok(new.hold(self.hold).again(self.again).options(options))
    }

    fn download(&self, app: &App, via: Via) -> Result<NewEntry, Problem> {
        if self.file.is_some() {
            return Err(Problem::usage("an upload has a file and a destination, a download a source"));
        }
        let sources = self.source.iter().chain(&self.sources).map(|text| source(text));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        if sources.is_empty() {
            return Err(Problem::usage("a download has a source, an upload a file and a destination"));
        }
        Ok(NewEntry::download(sources, target(app, via, self.folder.as_deref(), self.name.as_deref())?))
    }

    fn upload(&self, app: &App, via: Via, destination: &str) -> Result<NewEntry, Problem> {
        if self.source.is_some() || !self.sources.is_empty() || self.folder.is_some() || self.name.is_some() {
            return Err(Problem::usage("an upload has a file and a destination, and no source, folder or name"));
        }
        let file = self.file.as_deref().ok_or_else(|| Problem::usage("an upload has a file"))?;
        let file = match via {
            Via::Socket => absolute(file)?,
            Via::Loopback | Via::Network => app.guard.roots.below(file).map_err(outside)?.whole(),
        };
        let destination = destination.parse::<ObjectName>().map_err(Problem::from)?;
        Ok(NewEntry::upload(file, destination))
    }
}

/// Where a download is saved: by TCP below a root, by the socket anywhere.
pub(super) fn target(app: &App, via: Via, folder: Option<&Path>, name: Option<&Path>) -> Result<Target, Problem> {
    if name.is_some_and(|name| name.as_os_str().is_empty() || name.as_os_str().as_encoded_bytes().ends_with(b"/")) {
        return Err(Problem::usage("name: this is the name of no file"));
    }
    let default = app.manager.settings().folder.clone();
    let roots = &app.guard.roots;
    if via != Via::Socket {
        // The folder of the settings is the caller's, as far as it is below a root.
        let base = default.filter(|folder| roots.below(folder).is_ok()).unwrap_or_default();
        let folder = base.join(folder.unwrap_or(Path::new("")));
        let below = roots.below(&folder).map_err(outside)?;
        let Some(name) = name else { return Ok(Target::Folder(below.whole())) };
        let path = below.path.join(name);
        // The name is looked at as well: it may have folders in it, and links may stand there.
        let below = roots.below(&below.root.join(&path)).map_err(outside)?;
        return Ok(Target::Below { root: below.root, path: below.path });
    }
    let folder = match (folder, default) {
        (Some(folder), _) => absolute(folder)?,
        (None, Some(default)) => default,
        (None, None) => {
            let first = roots.first().map(Path::to_owned);
            first.ok_or_else(|| Problem::usage("folder: name one; this daemon has no folder for downloads"))?
        }
    };
    Ok(match name {
        None => Target::Folder(folder),
        Some(name) => Target::File(folder.join(name)),
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    match path.is_absolute() {
        true => Ok(path.to_owned()),
        false => Err(Problem::usage(format!("{}: by the socket, paths begin at the root", path.display()))),
    }
}

fn outside(why: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "denied", why)
}
