//! `longhaul put`: its words and what they mean.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use longhaul::credentials::StoreSettings;
use longhaul::source::Dialect;
use longhaul::{Durability, ObjectPrefix};

use super::beside::{BesideOptions, BesideWords};
use super::common::{DurabilityWord, Pair, StateChoice, durability, usage};
use super::globs::Globs;
use super::network::{NetworkOptions, NetworkWords, network};
use super::running::{RunningOptions, RunningWords, SpeedWords};
use super::store::{self, StoreWords};
use super::{input, values};
use crate::exit::Failure;

/// The slowest and the fastest that OSS lets itself be told, in bytes per second ("Single-connection bandwidth
/// throttling" of its developer guide has them in bits).
const TRAFFIC_LIMITS: std::ops::RangeInclusive<u64> = 102_400..=104_857_600;

#[derive(Args)]
pub(crate) struct PutWords {
    /// Files, with -r folders too ("-": stdin), and at last where to: oss://BUCKET/KEY, or oss://BUCKET/PREFIX/ where
    /// files keep their names; s3:// the same
    #[arg(value_names = ["FILE", "DEST"], num_args = 2.., required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files_and_dest: Vec<OsString>,

    /// Upload what is in folders, keys being DEST and the path below the folder
    #[arg(short, long, help_heading = "What is sent")]
    pub(crate) recursive: bool,

    /// Of folders, take only files that match this pattern; may be repeated. '*.iso' is about the name at any depth,
    /// 'a/*.iso' about the path below the folder, ** goes across folders
    #[arg(long, value_name = "PATTERN", requires = "recursive", help_heading = "What is sent")]
    pub(crate) include: Vec<String>,

    /// Of folders, leave out files that match this pattern, also when they match an --include; may be repeated
    #[arg(long, value_name = "PATTERN", requires = "recursive", help_heading = "What is sent")]
    pub(crate) exclude: Vec<String>,

    /// Go into folders behind symbolic links as well (links to files are followed always)
    #[arg(long, requires = "recursive", help_heading = "What is sent")]
    pub(crate) follow_symlinks: bool,

    #[command(flatten)]
    pub(crate) speed: SpeedWords,

    /// Let OSS take no more than this of each connection, 100k to 100M bytes per second
    #[arg(long, value_name = "RATE", help_heading = "Speed")]
    pub(crate) traffic_limit: Option<String>,

    /// Send even what is there already, identical
    #[arg(long, help_heading = "The object")]
    pub(crate) force: bool,

    /// Refuse, with exit code 6, to replace an object that is there
    #[arg(long, conflicts_with = "force", help_heading = "The object")]
    pub(crate) no_overwrite: bool,

    /// Metadata of the object; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "The object")]
    pub(crate) meta: Vec<String>,

    /// Content type of the object [default: by the file's ending]
    #[arg(long, value_name = "TYPE", help_heading = "The object")]
    pub(crate) content_type: Option<String>,

    /// Storage class, in the store's words: IA, Archive; STANDARD_IA
    #[arg(long, value_name = "CLASS", help_heading = "The object")]
    pub(crate) storage_class: Option<String>,

    /// Let OSS tell a server of yours when the object is stored: the JSON with callbackUrl and callbackBody, or @FILE
    #[arg(long, value_name = "JSON|@FILE", help_heading = "The object")]
    pub(crate) callback: Option<String>,

    /// A variable for the callback's body, ${x:NAME} there; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "callback", help_heading = "The object")]
    pub(crate) callback_var: Vec<String>,

    /// Length of the parts, 100k to 5G in OSS, 5M to 5G in S3; what is longer goes in parts [default: a two hundredth
    /// of the file, rounded up to a power of two, at least 1M in OSS and 5M in S3, at most 16M, or as long as 10,000
    /// parts need]
    #[arg(long, value_name = "SIZE", help_heading = "Parts")]
    pub(crate) part_size: Option<String>,

    /// Send the MD5 of each part ahead as well (CRC-64 or SHA-256 are compared in any case)
    #[arg(long, help_heading = "Parts")]
    pub(crate) part_md5: bool,

    /// When the upload is cancelled: leave its parts in the store, to be gone on with
    #[arg(long, help_heading = "Parts")]
    pub(crate) keep_parts: bool,

    /// What a power cut may cost: at most what was not acknowledged (power), or the upload (process: no syncs)
    #[arg(long, value_name = "WHAT", default_value = "power", help_heading = "Parts")]
    pub(crate) durability: DurabilityWord,

    #[command(flatten)]
    pub(crate) running: RunningWords,

    #[command(flatten)]
    pub(crate) beside: BesideWords,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,

    /// How long it may take to find out whether the object is stored, when the store's answer to that was lost
    #[arg(long, value_name = "SECONDS", default_value = "600", help_heading = "Network")]
    pub(crate) settle_timeout: String,
}

/// Upload these.
pub(crate) struct PutOptions {
    /// At least one, in the order given.
    pub(crate) inputs: Vec<Input>,
    /// One key, or a prefix below which files keep their names.
    pub(crate) dest: ObjectPrefix,
    pub(crate) recursive: bool,
    pub(crate) globs: Globs,
    pub(crate) follow_symlinks: bool,
    pub(crate) force: bool,
    pub(crate) no_overwrite: bool,
    pub(crate) metadata: Vec<Pair>,
    pub(crate) content_type: Option<String>,
    pub(crate) storage_class: Option<String>,
    /// JSON texts.
    pub(crate) callback: Option<String>,
    pub(crate) callback_variables: Option<String>,
    /// Bytes.
    pub(crate) part_size: Option<u64>,
    pub(crate) part_md5: bool,
    pub(crate) keep_parts: bool,
    pub(crate) durability: Durability,
    pub(crate) beside: BesideOptions,
    pub(crate) running: RunningOptions,
    /// Bytes per second.
    pub(crate) traffic_limit: Option<u64>,
    pub(crate) settle_timeout: Duration,
    pub(crate) network: NetworkOptions,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateChoice,
}

/// What is uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    /// A file, or with `recursive` a folder.
    Path(PathBuf),
}

/// What the words mean. Reads the files that flags name.
pub(super) fn put(words: PutWords, state: StateChoice, verbose: bool) -> Result<PutOptions, Failure> {
    let (dest, files) = words.files_and_dest.split_last().ok_or_else(|| usage("give files, and at last where to"))?;
    let dest = dest.to_str().ok_or_else(|| usage("the destination is not UTF-8, and keys have to be"))?;
    let dest = values::destination(dest).map_err(usage)?;
    let inputs = inputs(files, &dest, words.recursive)?;
    let only_oss = |flag: &str, given: bool| match given && dest.dialect() != Dialect::Oss {
        true => Err(usage(format!("{flag} is known to OSS only"))),
        false => Ok(()),
    };
    only_oss("--callback", words.callback.is_some())?;
    only_oss("--traffic-limit", words.traffic_limit.is_some())?;
    let flag = |name: &'static str| move |e: String| usage(format!("{name}: {e}"));
    Ok(PutOptions {
        inputs,
        recursive: words.recursive,
        globs: Globs::new(&words.include, &words.exclude).map_err(usage)?,
        follow_symlinks: words.follow_symlinks,
        force: words.force,
        no_overwrite: words.no_overwrite,
        metadata: metadata(&words.meta)?,
        content_type: words.content_type.map(|t| visible(t, "--content-type")).transpose()?,
        storage_class: words.storage_class.map(|c| visible(c, "--storage-class")).transpose()?,
        callback: words.callback.as_deref().map(callback).transpose()?,
        callback_variables: variables(&words.callback_var)?,
        part_size: words.part_size.map(|size| part_size(&size, dest.dialect())).transpose()?,
        part_md5: words.part_md5,
        keep_parts: words.keep_parts,
        durability: durability(words.durability),
        beside: words.beside.meaning().map_err(usage)?,
        running: words.running.meaning(words.speed, verbose)?,
        traffic_limit: words.traffic_limit.as_deref().map(traffic_limit).transpose()?,
        settle_timeout: values::seconds(&words.settle_timeout).map_err(flag("--settle-timeout"))?,
        network: network(words.network, None)?,
        store: store::settings(words.store, [dest.dialect()])?,
        state,
        dest,
    })
}

fn inputs(files: &[OsString], dest: &ObjectPrefix, recursive: bool) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::with_capacity(files.len());
    for file in files {
        if file.is_empty() {
            return Err(usage("an empty name is no file"));
        }
        if file.to_str().and_then(Dialect::of).is_some() {
            let file = file.to_string_lossy();
            return Err(usage(format!("{file} is no file here; copying within a store is not what put does")));
        }
        inputs.push(if file == "-" { Input::Stdin } else { Input::Path(file.into()) });
    }
    let several = inputs.len() > 1;
    if several && !dest.is_folder() {
        return Err(usage(format!(
            "{dest} is one key, but there are several files; for keys that begin with it, write {dest}/"
        )));
    }
    let from_stdin = inputs.iter().filter(|input| **input == Input::Stdin).count();
    if from_stdin > 0 && dest.is_folder() {
        return Err(usage("stdin has no name: give the whole key as the destination, and '-' alone"));
    }
    if from_stdin > 0 && recursive {
        return Err(usage("-r is about folders, and stdin is none"));
    }
    Ok(inputs)
}

fn metadata(texts: &[String]) -> Result<Vec<Pair>, Failure> {
    let mut pairs: Vec<Pair> = Vec::with_capacity(texts.len());
    for text in texts {
        let (name, value) = values::meta(text).map_err(|e| usage(format!("--meta: {e}")))?;
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(usage(format!("--meta: {name} is given twice")));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// What goes into a header as it is.
fn visible(text: String, flag: &str) -> Result<String, Failure> {
    let fits = !text.is_empty() && text.bytes().all(|b| (0x20..0x7f).contains(&b)) && text.trim() == text;
    if fits { Ok(text) } else { Err(usage(format!("{flag}: only printable ASCII can be sent"))) }
}

/// The JSON of a callback, from the argument itself or a file; what it asks for is looked at, not changed.
fn callback(text: &str) -> Result<String, Failure> {
    const FLAG: &str = "--callback";
    let text = match text.strip_prefix('@') {
        Some(path) => input::read(path.as_ref(), FLAG).map_err(usage)?,
        None => text.to_owned(),
    };
    let wrong = |why: &str| usage(format!("{FLAG}: {why}"));
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| wrong(&format!("no JSON object (line {}, {})", e.line(), e.column())))?;
    for name in ["callbackUrl", "callbackBody"] {
        if !json[name].is_string() {
            return Err(wrong(&format!("{name} is missing")));
        }
    }
    Ok(text)
}

/// `NAME=VALUE` as OSS wants it: a JSON object whose names begin with `x:`.
fn variables(texts: &[String]) -> Result<Option<String>, Failure> {
    let mut variables = serde_json::Map::new();
    for text in texts {
        let wrong = |why: &str| usage(format!("--callback-var: {why}"));
        let (name, value) = text.split_once('=').ok_or_else(|| wrong("a variable is NAME=VALUE"))?;
        let bare = name.strip_prefix("x:").unwrap_or(name);
        if bare.is_empty()
            || bare.bytes().any(|b| !(b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-'))
        {
            return Err(wrong("names are lower-case letters, digits, '_' and '-'"));
        }
        if variables.insert(format!("x:{bare}"), value.into()).is_some() {
            return Err(wrong(&format!("{bare} is given twice")));
        }
    }
    Ok((!variables.is_empty()).then(|| serde_json::Value::Object(variables).to_string()))
}

fn part_size(text: &str, dialect: Dialect) -> Result<u64, Failure> {
    let size = values::size(text).map_err(|e| usage(format!("--part-size: {e}")))?;
    let (least, words) = match dialect {
        Dialect::Oss => (100 << 10, "100 KiB to 5 GiB in OSS"),
        Dialect::S3 => (5 << 20, "5 MiB to 5 GiB in S3"),
    };
    match (least..=5 << 30).contains(&size) {
        true => Ok(size),
        false => Err(usage(format!("--part-size: a part has {words}"))),
    }
}

fn traffic_limit(text: &str) -> Result<u64, Failure> {
    match values::rate(text) {
        Ok(rate) if TRAFFIC_LIMITS.contains(&rate) => Ok(rate),
        Ok(_) => Err(usage("--traffic-limit: OSS takes 100k to 100M bytes per second")),
        Err(e) => Err(usage(format!("--traffic-limit: {e}"))),
    }
}

#[cfg(test)]
#[path = "put_tests.rs"]
mod tests;
