//! One verb, one file.

mod at_work;
mod awake;
pub(crate) mod cancel;
pub(crate) mod clean;
pub(crate) mod completions;
pub(crate) mod daemon;
pub(crate) mod demo;
mod exec;
mod foreign;
pub(crate) mod get;
pub(crate) mod help;
mod known;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod open;
pub(crate) mod presign;
pub(crate) mod probe;
pub(crate) mod put;
pub(crate) mod queue;
mod ready_file;
pub(crate) mod repair;
pub(crate) mod serve;
mod several;
pub(crate) mod show;
pub(crate) mod token;
pub(crate) mod verify;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longhaul::credentials::{Environment, StoreSettings};
use longhaul::{Client, ClientBuilder, ErrorKind, ObjectIdentity, ValidatorKind};
use serde::Serialize;

use crate::exit::Failure;
use crate::flags::common::StateChoice;
use crate::flags::network::NetworkOptions;
use crate::out;

/// The runtime of one command: one thread, which is enough for talking; the library has its own for disks. From now on
/// a file that becomes too long is an error.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    crate::limits::check_open_files()?;
    let failed = |e| Failure::internal(format!("cannot start ({e}); are there too many open files or processes?"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let within = runtime.enter();
    crate::signals::outlive_long_files().map_err(failed)?;
    drop(within);
    Ok(runtime)
}

/// A client for downloads. Without a usable state directory a download still resumes, so only one that was asked for
/// by name is an error.
fn client(
    network: &NetworkOptions,
    store: &StoreSettings,
    state: &StateChoice,
    limit_rate: u64,
) -> Result<Client, Failure> {
    let settings = || settings(network, store).limit_rate(limit_rate);
    let without = || settings().build().map_err(Failure::from);
    match state {
        StateChoice::Chosen(dir) => Ok(settings().state_dir(dir).build()?),
        StateChoice::Usual(dir) => match settings().state_dir(dir).build() {
            Err(error) if error.kind() == ErrorKind::LocalFile => {
                out::say(&format!("warning: {error}; going on without the list of transfers"));
                without()
            }
            other => Ok(other?),
        },
        StateChoice::Nowhere => without(),
    }
}

/// A client for uploads, which need a state directory: what was begun in a store has to be known after a crash.
fn uploading_client(
    network: &NetworkOptions,
    store: &StoreSettings,
    state: &StateChoice,
    limit_rate: u64,
) -> Result<Client, Failure> {
    match state {
        StateChoice::Chosen(dir) | StateChoice::Usual(dir) => {
            Ok(settings(network, store).limit_rate(limit_rate).state_dir(dir).build()?)
        }
        StateChoice::Nowhere => Err(Failure::usage(
            "there is no home folder, and an upload has to write down what it began in a store: give --state-dir",
        )),
    }
}

/// A client that only looks at what is on this machine. It makes no state directory where there is none.
fn offline_client(state: &StateChoice) -> Result<Client, Failure> {
    let builder = Client::builder();
    Ok(match state {
        StateChoice::Chosen(dir) => builder.state_dir(dir).build()?,
        StateChoice::Usual(dir) if dir.is_dir() => builder.state_dir(dir).build()?,
        StateChoice::Usual(_) | StateChoice::Nowhere => builder.build()?,
    })
}

fn settings(network: &NetworkOptions, store: &StoreSettings) -> ClientBuilder {
    let mut builder = Client::builder()
        .environment(Environment::of_process())
        .oss(store.clone())
        .s3(store.clone())
        .connect_timeout(network.connect_timeout)
        .proxy(network.proxy.clone())
        .insecure(network.insecure)
        .ip_family(network.ip_family);
    if let Some(hosts) = &network.no_proxy {
        builder = builder.no_proxy(hosts);
    }
    if let Some(netrc) = network.netrc.clone() {
        builder = builder.logins(move |host| netrc.credentials(host));
    }
    if let Some(agent) = &network.user_agent {
        builder = builder.user_agent(agent);
    }
    if let Some(pem) = &network.ca_certificates {
        builder = builder.ca_certificates(pem.clone());
    }
    builder
}

/// The path from the root on: what a person meant, wherever a program reads it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Time since 1970; zero for clocks before that.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes each as a JSON object in a line of its own.
fn json_lines<T: Serialize>(objects: &[T]) -> Result<(), Failure> {
    let mut text = String::new();
    for object in objects {
        text += &serde_json::to_string(object).map_err(|e| Failure::internal(format!("cannot write JSON ({e})")))?;
        text.push('\n');
    }
    out::json(&text)
}

/// Which version of an object, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Object {
    length: Option<u64>,
    /// `version`, `etag` or `last_modified`: what tells versions apart best.
    validator: Option<&'static str>,
    /// Whether that proves that bytes of two replies are of one version.
    strong: bool,
    version: Option<String>,
    etag: Option<String>,
    last_modified_ms: Option<u64>,
    encoding: Option<String>,
    digests: Vec<String>,
}

impl Object {
    /// `part`: the file holds a range of the object, whose length is another one.
    fn of(o: &ObjectIdentity, part: bool) -> Self {
        let ms = |time| u64::try_from(since_epoch(time).as_millis()).unwrap_or(u64::MAX);
        Self {
            length: if part { o.whole_length } else { o.length },
            validator: o.validator.and_then(|kind| match kind {
                ValidatorKind::Version => Some("version"),
                ValidatorKind::Etag => Some("etag"),
                ValidatorKind::LastModified => Some("last_modified"),
                _ => None,
            }),
            strong: o.strong,
            version: o.version.clone(),
            etag: o.etag.clone(),
            last_modified_ms: o.last_modified.map(ms),
            encoding: o.encoding.clone(),
            digests: o.digests.iter().map(ToString::to_string).collect(),
        }
    }

    /// `1.2 GiB, known by its ETag "abc" (strong)`.
    fn sentence(&self) -> String {
        let mut text = self.length.map_or_else(|| "of unknown length".into(), crate::show::text::bytes);
        match self.validator {
            Some("version") => text += &format!(", version {}", self.version.as_deref().unwrap_or_default()),
            Some("etag") => text += &format!(", ETag {}", self.etag.as_deref().unwrap_or_default()),
            Some(_) => text += ", known by its modification time",
            None => text += ", nothing tells its versions apart",
        }
        if self.validator.is_some() && !self.strong {
            text += " (weak: it does not prove that two replies are of one version)";
        }
        if let Some(encoding) = &self.encoding {
            text += &format!(", stored with encoding {encoding}");
        }
        for digest in &self.digests {
            text += &format!(", declares {digest}");
        }
        text
    }
}
