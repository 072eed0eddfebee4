//! `longhaul serve`: its words and what they mean.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueHint};

use super::common::DurabilityWord;
use crate::exit::Failure;

/// Where a store listens if nothing else is said.
const PORT: u16 = 9900;
/// The bucket of a temporary store for which none is named.
const BUCKET: &str = "test";

pub(crate) const HELP: &str = "\
Examples:
  longhaul serve store --bucket films           keys and settings to paste are printed

  In your tests: a store for one command, which finds it in OSS_ENDPOINT, OSS_REGION, OSS_BUCKET,
  OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and LONGHAUL_ADMIN. Both end together, with its exit code
    longhaul serve --temp -- pytest
    longhaul serve --temp --seed films=testdata -- cargo test

  For a script: the file is there when the store is ready, and says the same as JSON
    longhaul serve --temp --ready-file ready.json &
    until [ -e ready.json ] || ! kill -0 $!; do sleep 0.1; done

  A store that fails: every tenth part is answered 503, the first Complete is done but not answered
    longhaul serve store --fault 'op=UploadPart kind=status status=503 rate=0.1' \\
                         --fault 'op=CompleteMultipartUpload kind=lose-answer times=1'

docs/devstore.md says what it supports, shows it in tests of several languages, lists all faults,
and describes the admin port.";

#[derive(Args)]
pub(crate) struct ServeWords {
    /// The folder of the store; it is made if it is not there
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(required_unless_present = "temp")]
    pub(crate) folder: Option<PathBuf>,

    /// Run this command with the store's settings in its environment, and end with it
    #[arg(value_name = "COMMAND", last = true, value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,

    /// Keep the store in a temporary folder, which is removed at the end
    #[arg(long)]
    pub(crate) temp: bool,

    /// Where to listen, as 9900 or 127.0.0.1:9900; port 0 takes a free one
    /// [default: 9900; a free port with --temp or COMMAND]
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,

    /// Where the admin page and endpoint listen; keep it on this machine
    /// [default: the port behind that of --listen; a free one if that is]
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = address)]
    pub(crate) admin: Option<SocketAddr>,

    /// An access key to use in place of a random one; may be repeated. In LONGHAUL_SERVE_KEY it is not seen by `ps`
    #[arg(long, value_name = "ID:SECRET", env = "LONGHAUL_SERVE_KEY", hide_env = true)]
    pub(crate) key: Vec<String>,

    /// Put the files of FOLDER into BUCKET; without BUCKET, each folder in FOLDER is one. Objects that are there stay
    /// as they are. May be repeated
    #[arg(long, value_name = "[BUCKET=]FOLDER", value_hint = ValueHint::DirPath)]
    #[arg(value_parser = OsStringValueParser::new().map(|text| seed(&text)))]
    pub(crate) seed: Vec<SeedWords>,

    /// Write the ready line to FILE when the store can be used, in place of the settings; remove FILE at the end
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ready_file: Option<PathBuf>,

    /// The region that signatures have to name
    #[arg(long, value_name = "REGION", default_value = "cn-hangzhou")]
    pub(crate) region: String,

    /// A bucket that is to be there; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Vec<String>,

    /// Requests need no signature
    #[arg(long)]
    pub(crate) anonymous: bool,

    /// Pages of every origin may use the buckets that have no CORS rules
    #[arg(long)]
    pub(crate) cors: bool,

    /// A custom domain that stands for a bucket; may be repeated
    #[arg(long, value_name = "HOST=BUCKET", value_parser = host)]
    pub(crate) host: Vec<(String, String)>,

    /// A domain below which BUCKET.DOMAIN is a bucket, beside localhost; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Vec<String>,

    /// What a power cut may cost: nothing that was answered (power), or the last seconds (process: no syncs)
    /// [default: power; process with --temp]
    #[arg(long, value_name = "WHAT")]
    pub(crate) durability: Option<DurabilityWord>,

    /// Write a line of JSON about each request to FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log: Option<PathBuf>,

    /// Serve at most so many connections at once
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(crate) connections_max: usize,

    /// A fault, as 'kind=cut after=1000 op=GetObject times=2'; may be repeated
    #[arg(long, value_name = "RULE", help_heading = "Misbehaving")]
    pub(crate) fault: Vec<String>,

    /// How many seconds the store's clock is ahead of this machine's
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_hyphen_values = true, help_heading = "Misbehaving")]
    pub(crate) clock_offset: i32,

    /// Do the other thing where the behaviour of OSS is not known, as several-ranges=416; may be repeated.
    /// docs/devstore.md lists what there is
    #[arg(long, value_name = "NAME=VALUE", value_parser = variant, help_heading = "Misbehaving")]
    pub(crate) variant: Vec<(String, String)>,

    /// Write the ready line to stdout, a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `serve` is to do.
pub(crate) struct ServeOptions {
    pub(crate) words: ServeWords,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) keys: Vec<(String, String)>,
    /// Whether what was answered is to survive a power cut.
    pub(crate) sync: bool,
}

/// Files that become objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeedWords {
    pub(crate) bucket: Option<String>,
    pub(crate) folder: PathBuf,
}

pub(crate) fn serve(mut words: ServeWords) -> Result<ServeOptions, Failure> {
    if words.temp && words.folder.is_some() {
        let message =
            "--temp has a folder of its own; a command stands behind --, as in: longhaul serve --temp -- pytest";
        return Err(Failure::usage(message));
    }
    if words.temp && words.bucket.is_empty() && words.seed.is_empty() {
        words.bucket.push(BUCKET.to_owned());
    }
    let for_one_run = words.temp || !words.command.is_empty();
    let local = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let listen = words.listen.unwrap_or_else(|| local(if for_one_run { 0 } else { PORT }));
    let admin =
        words.admin.unwrap_or_else(|| local(if listen.port() == 0 { 0 } else { listen.port().wrapping_add(1) }));
    let keys = words.key.iter().map(|key| self::key(key)).collect::<Result<_, _>>()?;
    // What is removed at the end need not survive anything.
    let durability =
        words.durability.unwrap_or(if words.temp { DurabilityWord::Process } else { DurabilityWord::Power });
    Ok(ServeOptions { listen, admin, keys, sync: durability == DurabilityWord::Power, words })
}

/// `9900`, `:9900`, `localhost:9900`, `0.0.0.0:9900`, `[::1]:9900`. What names no address is this machine alone.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "write it as 9900, :9900, 127.0.0.1:9900 or [::1]:9900".to_owned();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let ip = match host {
        "" | "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
        _ => return Err(wrong()),
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(SocketAddr::new(ip, port.parse().map_err(|_| "a port is a number up to 65535".to_owned())?))
}

/// The message does not repeat what may be a secret.
fn key(text: &str) -> Result<(String, String), Failure> {
    let wrong = || Failure::usage("--key: write it as ID:SECRET");
    let (id, secret) = text.split_once(':').ok_or_else(wrong)?;
    Ok((id.to_owned(), secret.to_owned()))
}

/// A folder whose name has a `=` is written `./a=b`: no bucket has a dot or a slash.
fn seed(text: &OsStr) -> SeedWords {
    let whole = || SeedWords { bucket: None, folder: PathBuf::from(text) };
    let Some((bucket, folder)) = text.to_str().and_then(|text| text.split_once('=')) else { return whole() };
    if bucket.is_empty() || folder.is_empty() || bucket.contains(['/', '.']) {
        return whole();
    }
    SeedWords { bucket: Some(bucket.to_owned()), folder: PathBuf::from(folder) }
}

fn host(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "write it as HOST=BUCKET".to_owned())
}

fn variant(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty())?;
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_port_alone() {
        for (text, address) in [
            ("9900", Some("127.0.0.1:9900")),
            (":9900", Some("127.0.0.1:9900")),
            (":0", Some("127.0.0.1:0")),
            ("localhost:9900", Some("127.0.0.1:9900")),
            ("0.0.0.0:80", Some("0.0.0.0:80")),
            ("[::1]:9900", Some("[::1]:9900")),
            ("", None),
            (":", None),
            ("70000", None),
            ("+80", None),
            ("host.example:80", None),
            ("::1", None),
        ] {
            assert_eq!(super::address(text).ok(), address.map(|text| text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_seed_names_its_bucket_or_a_folder_of_buckets() {
        for (text, bucket, folder) in [
            ("data", None, "data"),
            ("films=data", Some("films"), "data"),
            ("films=a=b", Some("films"), "a=b"),
            ("./a=b", None, "./a=b"),
            ("=data", None, "=data"),
        ] {
            let expected = SeedWords { bucket: bucket.map(str::to_owned), folder: PathBuf::from(folder) };
            assert_eq!(seed(OsStr::new(text)), expected);
        }
    }
}
