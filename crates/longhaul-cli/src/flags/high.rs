//! What the words mean: one [`Command`], every value parsed, every contradiction refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longhaul::credentials::StoreSettings;
use longhaul::{Digest, Durability, IpFamily, LinkMethod, OnChange, ProxyChoice};

use super::beside::Beside;
use super::conditions::Conditions;
use super::globs::Globs;
use super::low::{
    DurabilityWord, GetWords, MethodWord, NetworkWords, OnChangeWord, PresignWords, RequestWords, Verb, Words,
};
use super::netrc::Netrc;
use super::put::Put;
use super::running::Running;
use super::settle::{Cancel, Clean};
use super::{input, store, values};
use crate::exit::{Exit, Failure};
use crate::out;

/// A header's name and value, or a user and password.
pub(crate) type Pair = (String, String);

/// One thing to do.
pub(crate) enum Command {
    Get(Box<Get>),
    Put(Box<Put>),
    Cancel(Box<Cancel>),
    Clean(Box<Clean>),
    List(List),
    Show(Show),
    Probe(Box<Probe>),
    Presign(Box<Presign>),
    Verify(Verify),
    Serve(Box<super::serve::ServeWords>),
    Demo,
    Completions(clap_complete::Shell),
    Man(Option<String>),
}

/// Download these.
pub(crate) struct Get {
    /// At least one, in the order given.
    pub(crate) urls: Vec<String>,
    /// They are what names of objects begin with.
    pub(crate) recursive: bool,
    /// Of these objects.
    pub(crate) globs: Globs,
    pub(crate) version_id: Option<String>,
    /// As it was typed; it can be used.
    pub(crate) range: Option<String>,
    pub(crate) place: Place,
    pub(crate) create_dirs: bool,
    pub(crate) overwrite: bool,
    pub(crate) remote_time: bool,
    pub(crate) durability: Durability,
    pub(crate) no_lock: bool,
    pub(crate) checksums: Vec<Digest>,
    pub(crate) ignore_source_digest: bool,
    pub(crate) require_verified: bool,
    pub(crate) require_length: bool,
    pub(crate) on_change: OnChange,
    pub(crate) conditions: Conditions,
    pub(crate) beside: Beside,
    pub(crate) headers: Vec<Pair>,
    pub(crate) user: Option<Pair>,
    pub(crate) running: Running,
    pub(crate) network: Network,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateDir,
}

/// Where a download goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    /// Under a name from the server, else from the URL.
    Folder(PathBuf),
    /// The file with this path below the folder; no link below it is followed.
    Below(PathBuf, PathBuf),
}

impl Place {
    /// The folder that must be there.
    fn folder(&self) -> &Path {
        match self {
            Self::File(file) => match file.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            },
            Self::Folder(folder) | Self::Below(folder, _) => folder,
        }
    }
}

/// How progress is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A bar on terminals, lines elsewhere.
    Auto,
    Bar,
    Plain,
    None,
}

/// How connections are made.
pub(crate) struct Network {
    pub(crate) user_agent: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) proxy: ProxyChoice,
    /// Hosts that are asked directly, in place of what the environment says.
    pub(crate) no_proxy: Option<String>,
    /// PEM.
    pub(crate) ca_certificates: Option<Vec<u8>>,
    pub(crate) insecure: bool,
    pub(crate) ip_family: IpFamily,
    /// Whose passwords are known.
    pub(crate) netrc: Option<Arc<Netrc>>,
}

/// Where the list of transfers and the receipts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateDir {
    /// Named by flag or environment: it must be usable.
    Chosen(PathBuf),
    /// The usual place: a download does without when it cannot be used.
    Usual(PathBuf),
    /// There is no home.
    Nowhere,
}

pub(crate) struct List {
    pub(crate) state: StateDir,
    pub(crate) json: bool,
}

pub(crate) struct Show {
    pub(crate) what: PathBuf,
    pub(crate) explain: bool,
    pub(crate) state: StateDir,
    pub(crate) json: bool,
}

pub(crate) struct Probe {
    pub(crate) url: String,
    pub(crate) version_id: Option<String>,
    pub(crate) headers: Vec<Pair>,
    pub(crate) user: Option<Pair>,
    pub(crate) network: Network,
    pub(crate) store: StoreSettings,
    pub(crate) json: bool,
}

/// Make a link.
pub(crate) struct Presign {
    pub(crate) object: String,
    pub(crate) method: LinkMethod,
    pub(crate) life: Duration,
    pub(crate) network: Network,
    pub(crate) store: StoreSettings,
    pub(crate) json: bool,
}

pub(crate) struct Verify {
    pub(crate) file: PathBuf,
    pub(crate) state: StateDir,
    pub(crate) json: bool,
}

/// The command that the words mean. Reads the files that flags name.
pub(crate) fn command(words: Words) -> Result<Command, Failure> {
    let verbose = words.verbose > 0;
    let state = || state_dir(words.state_dir.clone());
    Ok(match words.verb {
        Verb::Get(get) => Command::Get(Box::new(self::get(*get, state()?, verbose)?)),
        Verb::Put(put) => Command::Put(Box::new(super::put::put(*put, state()?, verbose)?)),
        Verb::Cancel(cancel) => Command::Cancel(Box::new(super::settle::cancel(*cancel, state()?)?)),
        Verb::Clean(clean) => Command::Clean(Box::new(super::settle::clean(*clean, state()?)?)),
        Verb::List(list) => Command::List(List { state: state()?, json: list.json }),
        Verb::Show(show) => {
            Command::Show(Show { what: show.what, explain: show.explain, state: state()?, json: show.json })
        }
        Verb::Probe(probe) => {
            let url = values::source(&probe.url).map_err(Failure::usage)?;
            let version_id = probe.version_id.filter(|id| !id.is_empty());
            let netrc = netrc(&probe.request)?;
            let (headers, user) = request(probe.request)?;
            let store = store::settings(probe.store, [url.as_str()])?;
            let network = network(probe.network, netrc)?;
            Command::Probe(Box::new(Probe { url, version_id, headers, user, network, store, json: probe.json }))
        }
        Verb::Presign(words) => Command::Presign(Box::new(presign(*words)?)),
        Verb::Verify(verify) => Command::Verify(Verify { file: verify.file, state: state()?, json: verify.json }),
        Verb::Serve(serve) => Command::Serve(serve),
        Verb::Demo => Command::Demo,
        Verb::Completions { shell } => Command::Completions(shell),
        Verb::Man { command } => Command::Man(command),
    })
}

pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::usage(message)
}

fn get(words: GetWords, state: StateDir, verbose: bool) -> Result<Get, Failure> {
    let recursive = words.recursive;
    let source = |text: &str| if recursive { values::prefix(text) } else { values::source(text) };
    let mut urls = words.urls.iter().map(|u| source(u)).collect::<Result<Vec<_>, _>>().map_err(usage)?;
    if let Some(path) = &words.input_file {
        let flag = "--input-file";
        let list = input::read(path, flag).map_err(usage)?;
        urls.extend(input::lines(&list, flag, source).map_err(usage)?);
        if urls.is_empty() {
            return Err(usage(format!("{flag}: {} has no URL in it", path.display())));
        }
    }
    let checksums = words.checksum.iter().map(|c| values::checksum(c)).collect::<Result<Vec<_>, _>>();
    let checksums = checksums.map_err(|e| usage(format!("--checksum: {e}")))?;
    if recursive && words.output.is_some() {
        return Err(usage("-o names one file, but --recursive fetches many; use -d DIR for a folder"));
    }
    if (urls.len() > 1 || recursive) && words.version_id.is_some() {
        return Err(usage("--version-id is about one object; fetch that one by itself"));
    }
    if recursive && !checksums.is_empty() {
        return Err(usage("--checksum is about one file, but --recursive fetches many; fetch that one by itself"));
    }
    if urls.len() > 1 && !checksums.is_empty() {
        return Err(usage("--checksum is about one file, but there are several URLs; fetch that one by itself"));
    }
    if let Some(range) = &words.range {
        longhaul::source::check_range(range).map_err(|error| usage(format!("--range: {error}")))?;
    }
    let conditions = words.conditions.meaning(urls.len() > 1 || recursive).map_err(usage)?;
    let netrc = netrc(&words.request)?;
    let (headers, user) = request(words.request)?;
    let store = store::settings(words.store, urls.iter().map(String::as_str))?;
    let place = place(words.output, words.dir, urls.len())?;
    if !words.create_dirs && !place.folder().is_dir() {
        let folder = place.folder().display();
        let message = format!("the folder {folder} does not exist; create it, or let --create-dirs do it");
        return Err(Failure::new(Exit::LocalFile, "local_file", message));
    }
    Ok(Get {
        place,
        urls,
        recursive,
        globs: Globs::new(&words.include, &words.exclude).map_err(usage)?,
        version_id: words.version_id.filter(|id| !id.is_empty()),
        range: words.range,
        create_dirs: words.create_dirs,
        overwrite: words.overwrite,
        remote_time: words.remote_time,
        durability: durability(words.durability),
        no_lock: words.no_lock,
        checksums,
        ignore_source_digest: words.ignore_source_digest,
        require_verified: words.require_verified,
        require_length: words.require_length,
        on_change: match words.on_change {
            OnChangeWord::Restart => OnChange::Restart,
            OnChangeWord::Stop => OnChange::Stop,
        },
        conditions,
        beside: words.beside.meaning().map_err(usage)?,
        headers,
        user,
        running: words.running.meaning(verbose)?,
        network: network(words.network, netrc)?,
        store,
        state,
    })
}

fn presign(words: PresignWords) -> Result<Presign, Failure> {
    let object = words.object;
    match longhaul::source::is_store_name(&object, false) {
        Ok(true) => {}
        Ok(false) => {
            let shown = longhaul::source::redact_for_display(&object);
            return Err(usage(format!("{shown} is no object in a store: oss://BUCKET/KEY, s3://BUCKET/KEY")));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Presign {
        method: match words.method {
            MethodWord::Get => LinkMethod::Get,
            MethodWord::Head => LinkMethod::Head,
            MethodWord::Put => LinkMethod::Put,
        },
        life: values::life(&words.expires).map_err(|e| usage(format!("--expires: {e}")))?,
        network: network(words.network, None)?,
        store: store::settings(words.store, [object.as_str()])?,
        object,
        json: words.json,
    })
}

pub(super) fn durability(word: DurabilityWord) -> Durability {
    match word {
        DurabilityWord::Power => Durability::Power,
        DurabilityWord::Process => Durability::Process,
    }
}

/// Where what is downloaded is to lie.
fn place(output: Option<PathBuf>, dir: Option<PathBuf>, urls: usize) -> Result<Place, Failure> {
    let Some(output) = output else {
        return match dir {
            Some(dir) if dir.as_os_str().is_empty() => Err(usage("--dir: an empty name is no folder")),
            Some(dir) => Ok(Place::Folder(dir)),
            None => Ok(Place::Folder(PathBuf::from("."))),
        };
    };
    if output.as_os_str() == "-" {
        return Err(usage("-o -: writing to stdout is not in this release; name a file (./- for one called '-')"));
    }
    if urls > 1 {
        return Err(usage("-o names one file, but there are several URLs; use -d DIR for a folder"));
    }
    let path = dir.unwrap_or_default().join(&output);
    let shown = path.display();
    if path.as_os_str().as_encoded_bytes().last().is_none_or(|&b| b == b'/') || path.is_dir() {
        return Err(usage(format!("-o {shown}: that is a folder; use -d {shown}, or name a file in it")));
    }
    if path.file_name().is_none() {
        return Err(usage(format!("-o {shown}: that names no file")));
    }
    Ok(Place::File(path))
}

fn request(words: RequestWords) -> Result<(Vec<Pair>, Option<Pair>), Failure> {
    let flag = "--header-file";
    let mut headers = match &words.header_file {
        Some(path) => {
            let text = input::read(path, flag).map_err(usage)?;
            input::lines(&text, flag, values::header).map_err(usage)?
        }
        None => Vec::new(),
    };
    for text in &words.headers {
        headers.push(values::header(text).map_err(|e| usage(format!("--header: {e}")))?);
    }
    let user = words.user.as_deref().map(values::user).transpose().map_err(usage)?;
    if user.is_some() && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        return Err(usage("--user and an Authorization header contradict each other; give one of them"));
    }
    Ok((headers, user))
}

/// The passwords that the user keeps in a file.
fn netrc(words: &RequestWords) -> Result<Option<Arc<Netrc>>, Failure> {
    let (path, flag) = match (&words.netrc_file, words.netrc) {
        (Some(path), _) => (path.clone(), "--netrc-file"),
        (None, true) => {
            let home = etcetera::home_dir().map_err(|_| usage("--netrc: there is no home folder; use --netrc-file"))?;
            (home.join(".netrc"), "--netrc")
        }
        (None, false) => return Ok(None),
    };
    let text = input::read(&path, flag).map_err(usage)?;
    let netrc = Netrc::parse(&text).map_err(|e| usage(format!("{flag}: {}, {e}", path.display())))?;
    if let Some(line) = netrc.skipped_line() {
        let path = path.display();
        out::say(&format!(
            "warning: {flag}: {path}, line {line}: a word that is none of a .netrc's; such words are skipped"
        ));
    }
    Ok(Some(Arc::new(netrc)))
}

pub(super) fn network(words: NetworkWords, netrc: Option<Arc<Netrc>>) -> Result<Network, Failure> {
    let read_ca = |path: &PathBuf| {
        std::fs::read(path)
            .map_err(|e| usage(format!("--ca-cert (or SSL_CERT_FILE): cannot read {} ({e})", path.display())))
    };
    let no_control = |agent: &String| agent.bytes().all(|b| (0x20..0x7f).contains(&b));
    if words.user_agent.as_ref().is_some_and(|agent| !no_control(agent)) {
        return Err(usage("--user-agent: only printable ASCII can be sent"));
    }
    Ok(Network {
        user_agent: words.user_agent,
        connect_timeout: values::seconds(&words.connect_timeout)
            .map_err(|e| usage(format!("--connect-timeout: {e}")))?,
        proxy: match words.proxy {
            None => ProxyChoice::Environment,
            Some(proxy) if proxy.eq_ignore_ascii_case("none") || proxy.is_empty() => ProxyChoice::Direct,
            Some(proxy) => ProxyChoice::Url(proxy),
        },
        // Also for a proxy that was given here, as curl does it.
        no_proxy: words.noproxy.or_else(|| ["no_proxy", "NO_PROXY"].iter().find_map(|name| std::env::var(name).ok())),
        ca_certificates: words.ca_cert.as_ref().filter(|p| !p.as_os_str().is_empty()).map(read_ca).transpose()?,
        insecure: words.insecure,
        ip_family: match (words.ipv4, words.ipv6) {
            (true, _) => IpFamily::V4,
            (_, true) => IpFamily::V6,
            _ => IpFamily::Any,
        },
        netrc,
    })
}

fn state_dir(chosen: Option<PathBuf>) -> Result<StateDir, Failure> {
    use etcetera::BaseStrategy as _;
    match chosen {
        Some(dir) if !dir.as_os_str().is_empty() => Ok(StateDir::Chosen(dir)),
        _ => {
            let base = etcetera::choose_base_strategy().ok();
            let base = base.and_then(|base| base.state_dir().or_else(|| Some(base.data_dir())));
            Ok(base.map_or(StateDir::Nowhere, |base| StateDir::Usual(base.join("longhaul"))))
        }
    }
}

#[cfg(test)]
#[path = "high_tests.rs"]
mod tests;
