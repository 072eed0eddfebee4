//! `longhaul get`: its words and what they mean.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use longhaul::credentials::StoreSettings;
use longhaul::source::Dialect;
use longhaul::{ByteRange, Checksums, Digest, Durability, ObjectPrefix, OnChange, Partial, Source};

use super::beside::{BesideOptions, BesideWords};
use super::common::{DurabilityWord, Pair, StateChoice, durability, usage};
use super::conditions::{ConditionOptions, ConditionWords};
use super::globs::Globs;
use super::habits::HabitWords;
use super::input::{self, ListFile};
use super::network::{NetworkOptions, NetworkWords, network};
use super::request::{RequestWords, netrc, request};
use super::running::{RunningOptions, RunningWords, SpeedWords};
use super::store::{self, StoreWords};
use super::values;
use crate::exit::{Exit, Failure};

#[derive(Args)]
pub(crate) struct GetWords {
    /// http:// or https:// URLs, or objects: oss://BUCKET/KEY, s3://BUCKET/KEY (everything behind the bucket is the
    /// key)
    #[arg(value_name = "SOURCE", required_unless_present = "input_file", value_hint = ValueHint::Url)]
    pub(crate) urls: Vec<String>,

    /// Save as FILE [default: a name from the server, else from the URL]; "-": write the bytes to stdout. They are right
    /// if the exit code is 0
    #[arg(short, long, value_name = "FILE", help_heading = "Where to", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Save in this folder; it is created if it is missing
    #[arg(short, long, value_name = "DIR", help_heading = "Where to", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,

    /// Replace an existing file, once the new one is whole (a symbolic link itself, never what it points to)
    #[arg(long, help_heading = "Where to")]
    pub(crate) overwrite: bool,

    /// Give the file the server's modification time
    #[arg(short = 'R', long, help_heading = "Where to")]
    pub(crate) remote_time: bool,

    /// What a power cut may cost: at most the last second (power), or the transfer (process: no syncs, less disk work)
    #[arg(long, value_name = "WHAT", default_value = "power", help_heading = "Where to")]
    pub(crate) durability: DurabilityWord,

    /// Go on where the file system has no locks
    #[arg(long, help_heading = "Where to")]
    pub(crate) no_lock: bool,

    #[command(flatten)]
    pub(crate) speed: SpeedWords,

    /// Fetch the URLs in FILE as well, one per line ("-": stdin); # begins a comment. A name and checksums may follow
    /// behind tabs, or aria2's lines: out=, dir=, checksum=, header=
    #[arg(short, long, value_name = "FILE", help_heading = "What is fetched", value_hint = ValueHint::FilePath)]
    pub(crate) input_file: Option<PathBuf>,

    /// Fetch all objects whose names begin with the SOURCEs, as in oss://BUCKET/FOLDER/, into --dir, keys becoming
    /// paths; no link below it is followed
    #[arg(short, long, help_heading = "What is fetched")]
    pub(crate) recursive: bool,

    /// Fetch only objects that match this pattern; may be repeated. '*.iso' is about the name at any depth,
    /// 'a/*.iso' about the path, ** goes across folders
    #[arg(long, value_name = "PATTERN", requires = "recursive", help_heading = "What is fetched")]
    pub(crate) include: Vec<String>,

    /// Leave out objects that match this pattern, also when they match an --include; may be repeated
    #[arg(long, value_name = "PATTERN", requires = "recursive", help_heading = "What is fetched")]
    pub(crate) exclude: Vec<String>,

    /// Fetch this version of an object, not the latest
    #[arg(long, value_name = "ID", conflicts_with = "recursive", help_heading = "What is fetched")]
    pub(crate) version_id: Option<String>,

    /// Fetch only these bytes, counted from 0, both ends included: 0-99, 100- (to the end), -100 (the last 100), or
    /// several, as 0-99,200-299; the file holds them one after the other
    #[arg(long, value_name = "RANGE", conflicts_with = "recursive", help_heading = "What is fetched")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) range: Option<String>,

    /// The finished file must have this digest; may be repeated. KIND: sha256, sha512, crc64, crc64nvme, crc32c, or
    /// (weak) sha1, md5; of the SHAs and md5 HEX alone will do
    #[arg(long, value_name = "KIND:HEX", help_heading = "What is right")]
    pub(crate) checksum: Vec<String>,

    /// The finished files must have the digests that this checksum file (SHA256SUMS, say) has for their names; may be
    /// repeated
    #[arg(long, value_name = "FILE|URL", help_heading = "What is right", value_hint = ValueHint::FilePath)]
    pub(crate) checksums: Vec<String>,

    /// Do not compare the digests that the server declares (a stale Content-MD5, say); a --checksum that matches
    /// decides anyway
    #[arg(long, help_heading = "What is right")]
    pub(crate) ignore_source_digest: bool,

    /// Publish the file only if a whole-file digest was compared, given here or by the server
    #[arg(long, help_heading = "What is right")]
    pub(crate) require_verified: bool,

    /// Refuse a reply that does not tell its length in a way that can be checked
    #[arg(long, help_heading = "What is right")]
    pub(crate) require_length: bool,

    /// When the object changed since bytes of it were received: fetch the new version, or stop with exit code 6
    #[arg(long, value_name = "WHAT", default_value = "restart", help_heading = "What is right")]
    pub(crate) on_change: OnChangeWord,

    #[command(flatten)]
    pub(crate) request: RequestWords,

    #[command(flatten)]
    pub(crate) running: RunningWords,

    #[command(flatten)]
    pub(crate) conditions: ConditionWords,

    #[command(flatten)]
    pub(crate) beside: BesideWords,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,

    #[command(flatten)]
    pub(crate) habits: HabitWords,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnChangeWord {
    Restart,
    Stop,
}

/// Download these.
pub(crate) struct GetOptions {
    /// At least one.
    pub(crate) sources: Sources,
    /// Which of the objects below a prefix.
    pub(crate) globs: Globs,
    pub(crate) version_id: Option<String>,
    pub(crate) range: Option<ByteRange>,
    pub(crate) place: SaveAs,
    pub(crate) overwrite: bool,
    pub(crate) remote_time: bool,
    pub(crate) durability: Durability,
    pub(crate) no_lock: bool,
    pub(crate) checksums: Vec<Digest>,
    pub(crate) checksum_files: Vec<ChecksumFile>,
    pub(crate) ignore_source_digest: bool,
    pub(crate) require_verified: bool,
    pub(crate) require_length: bool,
    pub(crate) on_change: OnChange,
    pub(crate) conditions: ConditionOptions,
    pub(crate) beside: BesideOptions,
    pub(crate) headers: Vec<Pair>,
    pub(crate) user: Option<Pair>,
    pub(crate) running: RunningOptions,
    pub(crate) network: NetworkOptions,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateChoice,
    /// The file is mended, from the source that was given, or else from where it came from: for `repair`.
    pub(crate) repair: Option<Mending>,
    /// Another program's file that is gone on with, for `adopt`.
    pub(crate) adopt: Option<AdoptChoice>,
}

/// Where what is damaged comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mending {
    FromGiven,
    FromRecorded,
}

/// What becomes of another program's partial file.
pub(crate) struct AdoptChoice {
    pub(crate) partial: Partial,
    /// Samples do, where no digest is known.
    pub(crate) trust_overlap: bool,
    /// It is deleted in the end.
    pub(crate) remove: bool,
}

/// What is fetched, in the order given.
pub(crate) enum Sources {
    /// What stands on the command line, then what is in the list.
    Each(Vec<Source>, Option<Box<ListFile>>),
    /// All objects whose names begin so.
    Below(Vec<ObjectPrefix>),
}

impl Sources {
    /// How many were given, or at least two where that is not known.
    fn len(&self) -> usize {
        match self {
            Self::Each(given, None) => given.len(),
            Self::Each(given, Some(list)) => given.len() + list.entries.unwrap_or(2),
            Self::Below(prefixes) => prefixes.len(),
        }
    }

    /// How many files there will be; 0 when that is known only when the last object was listed, or the last line read.
    pub(crate) fn files(&self) -> usize {
        match self {
            Self::Each(given, None) => given.len(),
            Self::Each(given, Some(list)) => list.entries.map_or(0, |entries| given.len() + entries),
            Self::Below(_) => 0,
        }
    }

    /// The kinds of stores that are asked, as far as that is known.
    fn stores(&self) -> Vec<Dialect> {
        match self {
            Self::Each(given, list) => {
                let listed = list.iter().flat_map(|list| list.stores.iter().copied());
                given.iter().filter_map(values::store_of).chain(listed).collect()
            }
            Self::Below(prefixes) => prefixes.iter().map(ObjectPrefix::dialect).collect(),
        }
    }
}

/// Digests by name.
pub(crate) enum ChecksumFile {
    /// Of a file on this machine.
    Here(Checksums),
    /// To be fetched.
    At(Source),
}

/// Where a download goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SaveAs {
    File(PathBuf),
    /// Under a name from the server, else from the URL.
    Folder(PathBuf),
    /// The file with this path below the folder; no link below it is followed.
    Below(PathBuf, PathBuf),
    /// No file: its bytes go to stdout.
    Stdout,
}

impl SaveAs {
    /// What stands where a folder would have to be created: a file, a pipe, a link to one of these.
    fn file_in_the_way(&self) -> Option<&Path> {
        let folder = match self {
            Self::Stdout => return None,
            Self::File(file) => file.parent()?,
            Self::Folder(folder) | Self::Below(folder, _) => folder,
        };
        let nearest = folder.ancestors().find(|path| path.metadata().is_ok())?;
        (!nearest.is_dir()).then_some(nearest)
    }
}

/// What the words mean. Reads the files that flags name.
pub(super) fn get(words: GetWords, state: StateChoice, verbose: bool) -> Result<GetOptions, Failure> {
    words.habits.check().map_err(usage)?;
    let recursive = words.recursive;
    let sources = match recursive {
        true => Sources::Below(prefixes(&words)?),
        false => each(&words)?,
    };
    let (checksums, checksum_files) = checksums(&words, sources.len() > 1 || recursive)?;
    if recursive && words.output.is_some() {
        return Err(usage("-o names one file, but --recursive fetches many; use -d DIR for a folder"));
    }
    if (sources.len() > 1 || recursive) && words.version_id.is_some() {
        return Err(usage("--version-id is about one object; fetch that one by itself"));
    }
    if recursive && !checksums.is_empty() {
        return Err(usage("--checksum is about one file, but --recursive fetches many; fetch that one by itself"));
    }
    if sources.len() > 1 && !checksums.is_empty() {
        return Err(usage("--checksum is about one file, but there are several URLs; fetch that one by itself"));
    }
    let range = words.range.as_deref().map(str::parse).transpose();
    let range = range.map_err(|error: longhaul::Error| usage(format!("--range: {error}")))?;
    let conditions = words.conditions.meaning(sources.len() > 1 || recursive).map_err(usage)?;
    let netrc = netrc(&words.request)?;
    let (headers, user) = request(words.request)?;
    let store = store::settings(words.store, sources.stores())?;
    let place = place(words.output, words.dir, sources.len())?;
    let running = words.running.meaning(words.speed, verbose)?;
    let beside = words.beside.meaning().map_err(usage)?;
    if place == SaveAs::Stdout {
        check_stdout(running.json, beside.exec.is_some()).map_err(usage)?;
    }
    if let Some(file) = place.file_in_the_way() {
        let message = format!("{} is a file, and no folder can be created below it", file.display());
        return Err(Failure::new(Exit::LocalFile, "local_file", message));
    }
    Ok(GetOptions {
        place,
        sources,
        globs: Globs::new(&words.include, &words.exclude).map_err(usage)?,
        version_id: words.version_id.filter(|id| !id.is_empty()),
        range,
        overwrite: words.overwrite,
        remote_time: words.remote_time,
        durability: durability(words.durability),
        no_lock: words.no_lock,
        checksums,
        checksum_files,
        ignore_source_digest: words.ignore_source_digest,
        require_verified: words.require_verified,
        require_length: words.require_length,
        on_change: match words.on_change {
            OnChangeWord::Restart => OnChange::Restart,
            OnChangeWord::Stop => OnChange::Stop,
        },
        conditions,
        beside,
        headers,
        user,
        running,
        network: network(words.network, netrc)?,
        store,
        state,
        repair: None,
        adopt: None,
    })
}

/// What stands on the command line.
fn given<T>(words: &GetWords, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Failure> {
    let mut sources = Vec::with_capacity(words.urls.len());
    for text in &words.urls {
        sources.push(parse(text).map_err(|error| usage(meant(words, text, sources.len()).unwrap_or(error)))?);
    }
    Ok(sources)
}

/// What stands there, and the list.
fn each(words: &GetWords) -> Result<Sources, Failure> {
    let given = given(words, values::source)?;
    let list = words.input_file.as_deref().map(|path| ListFile::open(path, "--input-file"));
    Ok(Sources::Each(given, list.transpose().map_err(usage)?.map(Box::new)))
}

/// The same with `--recursive`: few, and all read.
fn prefixes(words: &GetWords) -> Result<Vec<ObjectPrefix>, Failure> {
    let mut prefixes = given(words, values::prefix)?;
    if let Some(path) = &words.input_file {
        let flag = "--input-file";
        let list = input::read(path, flag).map_err(usage)?;
        prefixes.extend(input::lines(&list, flag, values::prefix).map_err(usage)?);
        if prefixes.is_empty() {
            return Err(usage(format!("{flag}: {} has no URL in it", path.display())));
        }
    }
    Ok(prefixes)
}

/// Digests of the one file, and files with digests of many.
fn checksums(words: &GetWords, many: bool) -> Result<(Vec<Digest>, Vec<ChecksumFile>), Failure> {
    let mut digests = Vec::new();
    let mut files = Vec::new();
    for text in &words.checksum {
        match text.strip_prefix('@') {
            Some(file) => files.push(checksum_file(file, many, "--checksum")?),
            None => digests.push(values::checksum(text).map_err(|why| match Path::new(text).is_file() {
                true => usage(format!("--checksum: {text} is a file; use it with --checksums {text}")),
                false => usage(format!("--checksum: {why}")),
            })?),
        }
    }
    for text in &words.checksums {
        files.push(checksum_file(text, many, "--checksums")?);
    }
    match digests.is_empty() || !many {
        true => Ok((digests, files)),
        false => Err(usage(format!(
            "--checksum is about one file, but {}; use a checksum file (--checksums), or fetch that one by itself",
            if words.recursive { "--recursive fetches many" } else { "there are several URLs" }
        ))),
    }
}

fn checksum_file(text: &str, many: bool, flag: &str) -> Result<ChecksumFile, Failure> {
    if text.contains("://") {
        let source = values::source(text).map_err(|why| usage(format!("{flag}: {why}")))?;
        return Ok(ChecksumFile::At(source));
    }
    let bytes = input::read_bytes(Path::new(text), flag).map_err(usage)?;
    let checksums = Checksums::parse(&bytes).map_err(|error| usage(format!("{flag}: {text}: {error}")))?;
    match checksums.is_nameless() && many {
        true => Err(usage(format!("{flag}: {text} has one checksum without a name: it is about one file"))),
        false => Ok(ChecksumFile::Here(checksums)),
    }
}

/// What a word that is no source was meant for, where other tools take it in that place. `before`: so many sources
/// stand before it.
fn meant(words: &GetWords, text: &str, before: usize) -> Option<String> {
    let is_range = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b',');
    if words.recursive && is_range {
        return Some(format!(
            "{text:?} is no URL; for bytes of the object: --range {text} (-r fetches all of a folder)"
        ));
    }
    let is_last = before == 1 && words.urls.len() == 2 && words.output.is_none() && words.dir.is_none();
    if !is_last || text.is_empty() || text.contains("://") {
        return None;
    }
    let shown = longhaul::source::redact_for_display(text);
    Some(match words.recursive || text.ends_with('/') || Path::new(text).is_dir() {
        true => format!("{shown:?} is no URL; to save into this folder: -d {shown}"),
        false => format!("{shown:?} is no URL; to save under this name: -o {shown}"),
    })
}

/// Stdout is for the bytes alone, and for another program.
fn check_stdout(json: bool, exec: bool) -> Result<(), &'static str> {
    match (json, exec, std::io::stdout().is_terminal()) {
        (true, _, _) => Err("-o - and --json both write to stdout; give one of them"),
        (_, true, _) => Err("--exec is given the path of a file, and -o - writes none; use a pipe"),
        (_, _, true) => {
            Err("-o -: stdout is a terminal, which the bytes could disturb; use > FILE or | COMMAND (| cat \
                             shows them)")
        }
        _ => Ok(()),
    }
}

/// Where what is downloaded is to lie.
fn place(output: Option<PathBuf>, dir: Option<PathBuf>, sources: usize) -> Result<SaveAs, Failure> {
    let Some(output) = output else {
        return match dir {
            Some(dir) if dir.as_os_str().is_empty() => Err(usage("--dir: an empty name is no folder")),
            Some(dir) => Ok(SaveAs::Folder(dir)),
            None => Ok(SaveAs::Folder(PathBuf::from("."))),
        };
    };
    if sources > 1 {
        return Err(usage("-o names one file, but there are several URLs; use -d DIR for a folder"));
    }
    if output.as_os_str() == "-" {
        return match dir {
            Some(_) => Err(usage("-o - writes no file, so there is no --dir for it (./- is a file called '-')")),
            None => Ok(SaveAs::Stdout),
        };
    }
    let path = dir.unwrap_or_default().join(&output);
    let shown = path.display();
    if path.as_os_str().as_encoded_bytes().last().is_none_or(|&b| b == b'/') || path.is_dir() {
        return Err(usage(format!("-o {shown}: that is a folder; use -d {shown}, or name a file in it")));
    }
    if path.file_name().is_none() {
        return Err(usage(format!("-o {shown}: that names no file")));
    }
    Ok(SaveAs::File(path))
}

#[cfg(test)]
#[path = "get_tests.rs"]
mod tests;
