//! `longhaul add`: its words and what they mean.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use longhaul::{Digest, Source};
use serde_json::{Map, Value, json};

use super::common::{StateChoice, usage};
use super::entries::{BadEntry, ListEntry};
use super::input::{ListFile, ListInput};
use super::request::{RequestWords, netrc, request};
use super::values;
use crate::exit::Failure;

#[derive(Args)]
pub(crate) struct AddWords {
    /// http:// or https:// URLs, or objects: oss://BUCKET/KEY, s3://BUCKET/KEY; with --put: FILE... DEST
    #[arg(value_name = "SOURCE", required_unless_present = "input_file", value_hint = ValueHint::Url)]
    what: Vec<String>,

    /// Upload: FILE... and where to, oss://BUCKET/KEY or oss://BUCKET/FOLDER/
    #[arg(long, conflicts_with_all = ["input_file", "output", "dir", "checksum", "mirror"])]
    put: bool,

    /// Save as FILE [default: a name from the server, else from the URL]
    #[arg(short, long, value_name = "FILE", help_heading = "Where to", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Save in this folder; it is created if it is missing
    #[arg(short, long, value_name = "DIR", help_heading = "Where to", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,

    /// Replace an existing file, once the new one is whole
    #[arg(long, help_heading = "Where to", conflicts_with = "rename")]
    overwrite: bool,

    /// Beside an existing file, take the next free name: name.1.ext
    #[arg(long, help_heading = "Where to")]
    rename: bool,

    /// Give the file the server's modification time
    #[arg(short = 'R', long, help_heading = "Where to")]
    remote_time: bool,

    /// Add the URLs in FILE as well, one per line ("-": stdin), as for `get -i`
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input_file: Option<PathBuf>,

    /// All sources are mirrors of one object, best first
    #[arg(long, conflicts_with = "input_file")]
    mirror: bool,

    /// The lane whose limits count [default: main]
    #[arg(long, value_name = "LANE", help_heading = "When")]
    lane: Option<String>,

    /// Do not run before `longhaul resume`
    #[arg(long, help_heading = "When")]
    hold: bool,

    /// Before all others
    #[arg(long, help_heading = "When", conflicts_with_all = ["hold", "at"])]
    now: bool,

    /// At this place in the list, 1 being the first [default: the last]
    #[arg(long, value_name = "N", help_heading = "When", value_parser = clap::value_parser!(u32).range(1..))]
    at: Option<u32>,

    /// A word to find it by; may be repeated
    #[arg(long, value_name = "WORD")]
    tag: Vec<String>,

    /// Transfer again what the list says is done
    #[arg(long)]
    again: bool,

    /// The finished file must have this digest; may be repeated. KIND: sha256, sha512, md5, crc64, crc64nvme, crc32c
    #[arg(long, value_name = "KIND:HEX")]
    checksum: Vec<String>,

    /// Publish the file only if a whole-file digest was compared
    #[arg(long)]
    require_verified: bool,

    /// How many connections: auto, or 1 to 64
    #[arg(short = 'x', long, value_name = "N", default_value = "auto", help_heading = "Speed")]
    connections: String,

    /// Take at most so many bytes per second, as 500k or 8M
    #[arg(long, value_name = "RATE", help_heading = "Speed")]
    limit_rate: Option<String>,

    /// Go through this proxy
    #[arg(long, value_name = "URL", help_heading = "Network")]
    proxy: Option<String>,

    #[command(flatten)]
    request: RequestWords,

    /// Write one JSON object per entry
    #[arg(long)]
    json: bool,
}

/// Put these into the list.
pub(crate) struct AddOptions {
    /// What the API is sent for each, without its source.
    pub(crate) sources: Vec<Value>,
    /// Entries of a list, read as they are added.
    pub(crate) list: Option<Box<ListFile>>,
    /// What all have in common.
    common: Map<String, Value>,
    folder: Option<PathBuf>,
    user: bool,
    /// Its first place in the list, from 0.
    pub(crate) at: Option<u32>,
    pub(crate) now: bool,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

impl AddOptions {
    /// What the API is sent for an entry of a list.
    ///
    /// # Errors
    /// Its folder or name is no text.
    pub(crate) fn of_list(&self, entry: &ListEntry) -> Result<Value, Failure> {
        let mut wanted = self.common.clone();
        wanted.insert("source".to_owned(), json!(typed(&entry.source)));
        let base = self.folder.clone().unwrap_or_default();
        let (folder, name) = match entry.place() {
            None => (base, None),
            Some(Err(folder)) => (base.join(folder), None),
            Some(Ok(path)) => (base, Some(path)),
        };
        wanted.insert("folder".to_owned(), json!(text(&absolute(&folder))?));
        if let Some(name) = name {
            wanted.insert("name".to_owned(), json!(text(&name)?));
        }
        if !entry.digests.is_empty() {
            let options = wanted.entry("options").or_insert_with(|| json!({}));
            options["checksums"] = json!(entry.digests.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        for (name, value) in &entry.headers {
            let headers = wanted.entry("headers").or_insert_with(|| json!({}));
            headers[name] = json!(value);
        }
        Ok(Value::Object(wanted))
    }

    /// The entries of the list.
    pub(crate) fn entries(&mut self) -> Option<impl Iterator<Item = Result<ListEntry, BadEntry>> + use<>> {
        let list = self.list.take()?;
        let from: Box<dyn std::io::Read> = match list.input {
            ListInput::File(file) => Box::new(file),
            ListInput::Stream(stream) => stream,
        };
        Some(super::entries::Entries::new(std::io::BufReader::new(from)))
    }

    /// Somebody's password or headers are in it.
    pub(crate) fn has_secrets(&self) -> bool {
        self.user || self.common.contains_key("headers")
    }
}

pub(super) fn add(words: AddWords, state: StateChoice) -> Result<AddOptions, Failure> {
    if netrc(&words.request)?.is_some() {
        return Err(usage("the list keeps no .netrc: give -u USER:PASSWORD, which is kept in memory"));
    }
    let (headers, user) = request(words.request)?;
    let folder = words.dir.as_deref().map(absolute);
    let mut options = json!({ "remote_time": words.remote_time, "require_verified": words.require_verified });
    if let longhaul::Connections::Fixed(count) =
        values::connections(&words.connections).map_err(|error| usage(format!("--connections: {error}")))?
    {
        options["connections"] = json!(count);
    }
    if let Some(rate) = &words.limit_rate {
        options["limit_rate"] = json!(values::rate(rate).map_err(|error| usage(format!("--limit-rate: {error}")))?);
    }
    if words.overwrite || words.rename {
        options["existing"] = json!(if words.overwrite { "overwrite" } else { "rename" });
    }
    if let Some(proxy) = &words.proxy {
        options["proxy"] = json!(proxy);
    }
    let digests = words.checksum.iter().map(|text| values::checksum(text));
    let digests = digests.collect::<Result<Vec<Digest>, _>>().map_err(|error| usage(format!("--checksum: {error}")))?;
    let one = words.mirror || words.what.len() == 1 && words.input_file.is_none();
    if !digests.is_empty() {
        if !one {
            return Err(usage("--checksum is about one file, but there are several; add that one by itself"));
        }
        options["checksums"] = json!(digests.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    let mut common = Map::new();
    common.insert("options".to_owned(), options);
    common.insert("hold".to_owned(), json!(words.hold));
    common.insert("again".to_owned(), json!(words.again));
    common.insert("tags".to_owned(), json!(words.tag));
    if let Some(lane) = &words.lane {
        common.insert("lane".to_owned(), json!(lane));
    }
    if !headers.is_empty() {
        let headers: Map<String, Value> = headers.into_iter().map(|(name, value)| (name, json!(value))).collect();
        common.insert("headers".to_owned(), Value::Object(headers));
    }
    let has_user = user.is_some();
    if let Some((user, password)) = user {
        common.insert("auth".to_owned(), json!({ "user": user, "password": password }));
    }
    let sources = match words.put {
        true => uploads(&words.what, &common)?,
        false => downloads(&words.what, &common, words.mirror, one, words.output.as_deref(), folder.as_deref())?,
    };
    let list = words.input_file.as_deref().map(|path| ListFile::open(path, "--input-file")).transpose();
    Ok(AddOptions {
        sources,
        list: list.map_err(usage)?.map(Box::new),
        common,
        folder,
        user: has_user,
        at: words.at.map(|at| at - 1),
        now: words.now,
        state,
        json: words.json,
    })
}

fn downloads(
    what: &[String],
    common: &Map<String, Value>,
    mirror: bool,
    one: bool,
    output: Option<&Path>,
    folder: Option<&Path>,
) -> Result<Vec<Value>, Failure> {
    let sources = what.iter().map(|text| values::source(text)).collect::<Result<Vec<_>, _>>().map_err(usage)?;
    if output.is_some() && !one {
        return Err(usage("-o names one file, but there are several sources; -d DIR is a folder for them"));
    }
    let mut place = Map::new();
    match output {
        Some(file) => {
            let file = absolute(&folder.unwrap_or(Path::new("")).join(file));
            let (Some(name), Some(parent)) = (file.file_name(), file.parent()) else {
                return Err(usage(format!("-o: {} names no file", file.display())));
            };
            place.insert("folder".to_owned(), json!(text(parent)?));
            place.insert("name".to_owned(), json!(text(Path::new(name))?));
        }
        None => {
            place.insert("folder".to_owned(), json!(text(&absolute(folder.unwrap_or(Path::new("."))))?));
        }
    }
    let entry = |given: Value, key: &str| {
        let mut wanted = common.clone();
        wanted.extend(place.clone());
        wanted.insert(key.to_owned(), given);
        Value::Object(wanted)
    };
    Ok(match mirror {
        true => vec![entry(json!(sources.iter().map(typed).collect::<Vec<_>>()), "sources")],
        false => sources.iter().map(|source| entry(json!(typed(source)), "source")).collect(),
    })
}

fn uploads(what: &[String], common: &Map<String, Value>) -> Result<Vec<Value>, Failure> {
    let Some((destination, files)) = what.split_last().filter(|(_, files)| !files.is_empty()) else {
        return Err(usage("--put: give FILE... and where to, as oss://bucket/folder/"));
    };
    let to = values::destination(destination).map_err(usage)?;
    let is_folder = to.is_folder() || to.key().is_empty();
    if files.len() > 1 && !is_folder {
        return Err(usage(format!("several files need a folder: {to}/")));
    }
    files
        .iter()
        .map(|file| {
            let path = absolute(Path::new(file));
            if !path.is_file() {
                let message = format!("{} is no file that can be read", path.display());
                return Err(Failure::new(crate::exit::Exit::LocalFile, "local_file", message));
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let object = to.object(if is_folder { name } else { "" });
            let object = object.map_err(|error| usage(format!("{}: {error}", path.display())))?;
            let mut wanted = common.clone();
            wanted.insert("file".to_owned(), json!(text(&path)?));
            wanted.insert("destination".to_owned(), json!(object.to_string()));
            Ok(Value::Object(wanted))
        })
        .collect()
}

/// The link whole, as it was typed.
fn typed(source: &Source) -> String {
    match source {
        Source::Web(link) => link.with_secrets().to_owned(),
        other => other.to_string(),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// JSON has text alone.
fn text(path: &Path) -> Result<&str, Failure> {
    let text = path.to_str();
    text.ok_or_else(|| usage(format!("{}: a path that is not UTF-8 cannot be put into the list", path.display())))
}
