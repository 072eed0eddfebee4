//! The words of the command line as they are typed; what they mean is [`high`](super::high)'s business.
//!
//! Values that may be secret (headers, users, URLs, proxies) are taken as text here, because clap repeats a value that
//! it cannot parse.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::beside::BesideWords;
use super::conditions::ConditionWords;
use super::help;
use super::running::RunningWords;
use super::store::StoreWords;

/// Transfers that survive: interrupt them any way you like, run the same command again, and they go on.
#[derive(Parser)]
#[command(name = "longhaul", version, max_term_width = 100)]
#[command(disable_help_subcommand = true, after_help = help::MAIN)]
pub(crate) struct Words {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// Keep the list of transfers and the receipts of finished files here
    /// [default: ~/.local/state/longhaul]
    #[arg(long, global = true, value_name = "DIR", env = "LONGHAUL_STATE_DIR", value_hint = ValueHint::DirPath)]
    #[arg(hide_env_values = true, help_heading = "General", value_parser = path_or_nothing())]
    pub(crate) state_dir: Option<PathBuf>,

    /// Log to stderr what is done and why (-vv: more)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General")]
    pub(crate) verbose: u8,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Download; the same command again resumes
    #[command(override_usage = "longhaul get [OPTIONS] SOURCE...\n       longhaul get [OPTIONS] -i FILE [SOURCE]...")]
    #[command(after_help = help::get_short(), after_long_help = help::get_long())]
    Get(Box<GetWords>),
    /// Upload files to OSS or S3; the same command again resumes
    #[command(override_usage = "longhaul put [OPTIONS] FILE... DEST\n       longhaul put [OPTIONS] -r FOLDER... DEST")]
    #[command(after_help = help::put_short(), after_long_help = help::put_long())]
    Put(Box<super::put::PutWords>),
    /// List the transfers that are known on this machine
    #[command(after_help = help::LIST)]
    List(ListWords),
    /// Describe one transfer or file: what is held, what was restarted and why
    #[command(after_help = help::SHOW)]
    Show(ShowWords),
    /// Give transfers up: partial files are deleted, uploads are removed from their stores
    #[command(override_usage = "longhaul cancel [OPTIONS] ID|FILE...\n       longhaul cancel [OPTIONS] --all")]
    #[command(after_help = help::CANCEL)]
    Cancel(Box<super::settle::CancelWords>),
    /// Settle what is left over: uploads to be removed from their stores, old partial files, input that was kept
    #[command(after_help = help::CLEAN)]
    Clean(Box<super::settle::CleanWords>),
    /// Ask a server: can this be resumed? Nothing is downloaded
    #[command(override_usage = "longhaul probe [OPTIONS] SOURCE", after_help = help::PROBE)]
    Probe(Box<ProbeWords>),
    /// Make a link to an object that works without keys, for a while
    #[command(after_help = help::PRESIGN)]
    Presign(Box<PresignWords>),
    /// Compare a finished file with what was recorded when it was downloaded
    #[command(after_help = help::VERIFY)]
    Verify(VerifyWords),
    /// Run a local OSS-compatible store to develop and test against
    #[command(after_help = super::serve::HELP)]
    Serve(Box<super::serve::ServeWords>),
    /// See it work, on this machine and in under a minute: a download and an upload through cuts, kills and changes
    Demo,
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page (roff)
    #[command(hide = true)]
    Man {
        /// Of which command; of longhaul itself when left out
        command: Option<String>,
    },
}

#[derive(Args)]
pub(crate) struct GetWords {
    /// http:// or https:// URLs, or objects: oss://BUCKET/KEY, s3://BUCKET/KEY (everything behind the bucket is the key)
    #[arg(value_name = "SOURCE", required_unless_present = "input_file", value_hint = ValueHint::Url)]
    pub(crate) urls: Vec<String>,

    /// Fetch the URLs in FILE as well, a URL a line ("-": stdin); # begins a comment
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) input_file: Option<PathBuf>,

    /// Fetch all objects whose names begin with the SOURCEs, as in oss://BUCKET/FOLDER/, into --dir, keys becoming paths;
    /// no link below it is followed
    #[arg(short, long, help_heading = "Which objects")]
    pub(crate) recursive: bool,

    /// Of these, fetch only those that this pattern fits; may be repeated. '*.iso' is about the name at any depth,
    /// 'a/*.iso' about the path, ** goes across folders
    #[arg(long, value_name = "PATTERN", requires = "recursive", help_heading = "Which objects")]
    pub(crate) include: Vec<String>,

    /// Leave out those that this pattern fits, even if an --include does; may be repeated
    #[arg(long, value_name = "PATTERN", requires = "recursive", help_heading = "Which objects")]
    pub(crate) exclude: Vec<String>,

    /// Fetch this version of an object, not the latest
    #[arg(long, value_name = "ID", conflicts_with = "recursive", help_heading = "Which objects")]
    pub(crate) version_id: Option<String>,

    /// Fetch only these bytes, counted from 0, both ends included: 0-99, 100- (to the end), -100 (the last 100), or
    /// several, as 0-99,200-299; the file holds them one after the other
    #[arg(long, value_name = "RANGE", conflicts_with = "recursive", help_heading = "Which objects")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) range: Option<String>,

    /// Save as FILE [default: a name from the server, else from the URL]
    #[arg(short, long, value_name = "FILE", help_heading = "Where to", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Save in this folder
    #[arg(short, long, value_name = "DIR", help_heading = "Where to", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,

    /// Create missing folders
    #[arg(long, help_heading = "Where to")]
    pub(crate) create_dirs: bool,

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

    /// The finished file must have this digest; may be repeated. KIND: sha256, sha512, md5, crc64, crc64nvme, crc32c
    #[arg(long, value_name = "KIND:HEX", help_heading = "What is right")]
    pub(crate) checksum: Vec<String>,

    /// Do not compare the digests that the server declares (a stale Content-MD5, say); a --checksum that matches decides
    /// anyway
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
    pub(crate) conditions: ConditionWords,

    #[command(flatten)]
    pub(crate) beside: BesideWords,

    #[command(flatten)]
    pub(crate) request: RequestWords,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,

    #[command(flatten)]
    pub(crate) running: RunningWords,
}

/// What belongs to requests for the object, and stays secret.
#[derive(Args)]
pub(crate) struct RequestWords {
    /// Send this header; may be repeated. Never stored, never sent to another origin after a redirect
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'", help_heading = "Credentials and headers")]
    pub(crate) headers: Vec<String>,

    /// Send the headers in FILE, one a line; arguments can be seen by others on this machine, the file cannot
    #[arg(long, value_name = "FILE", help_heading = "Credentials and headers", value_hint = ValueHint::FilePath)]
    pub(crate) header_file: Option<PathBuf>,

    /// User and password for the server (Basic)
    #[arg(short, long, value_name = "USER:PASSWORD", help_heading = "Credentials and headers")]
    pub(crate) user: Option<String>,

    /// Take user and password of each URL's host from ~/.netrc, unless they are given in another way
    #[arg(short, long, help_heading = "Credentials and headers")]
    pub(crate) netrc: bool,

    /// The same from this file
    #[arg(long, value_name = "FILE", help_heading = "Credentials and headers", value_hint = ValueHint::FilePath)]
    pub(crate) netrc_file: Option<PathBuf>,
}

/// How connections are made.
#[derive(Args)]
pub(crate) struct NetworkWords {
    /// Call ourselves this [default: longhaul/VERSION]
    #[arg(short = 'A', long, value_name = "NAME", help_heading = "Network")]
    pub(crate) user_agent: Option<String>,

    /// Longest time for a connection, TLS included
    #[arg(long, value_name = "SECONDS", default_value = "10", help_heading = "Network")]
    pub(crate) connect_timeout: String,

    /// Go through this proxy (http, https, socks5 or, names looked up there, socks5h URL), or through none
    /// [default: what http_proxy, https_proxy, all_proxy and no_proxy say]
    #[arg(long, value_name = "URL|none", help_heading = "Network")]
    pub(crate) proxy: Option<String>,

    /// Ask these hosts directly: names, addresses, networks, separated by commas ('*': all)
    /// [default: what no_proxy says]
    #[arg(long, value_name = "HOSTS", help_heading = "Network")]
    pub(crate) noproxy: Option<String>,

    /// Trust the certificates in this PEM file besides the system's: issuers', or a server's own
    #[arg(long, value_name = "FILE", env = "SSL_CERT_FILE", help_heading = "Network")]
    #[arg(hide_env_values = true, value_hint = ValueHint::FilePath, value_parser = path_or_nothing())]
    pub(crate) ca_cert: Option<PathBuf>,

    /// Accept any certificate: only a --checksum then says whose bytes they are
    #[arg(short = 'k', long, help_heading = "Network")]
    pub(crate) insecure: bool,

    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = "Network")]
    pub(crate) ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long, help_heading = "Network")]
    pub(crate) ipv6: bool,
}

#[derive(Args)]
pub(crate) struct ListWords {
    /// Write a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ShowWords {
    /// A file, its partial (FILE.lhpart), or the id of a transfer (its beginning is enough)
    #[arg(value_name = "ID|FILE", value_hint = ValueHint::FilePath)]
    pub(crate) what: PathBuf,

    /// Say what is safe, what would be fetched again, and why
    #[arg(long)]
    pub(crate) explain: bool,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ProbeWords {
    /// An http:// or https:// URL, or an object: oss://BUCKET/KEY, s3://BUCKET/KEY
    #[arg(value_name = "SOURCE", value_hint = ValueHint::Url)]
    pub(crate) url: String,

    /// Ask about this version of an object, not the latest
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,

    #[command(flatten)]
    pub(crate) request: RequestWords,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct PresignWords {
    /// oss://BUCKET/KEY or s3://BUCKET/KEY
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,

    /// What the link is for
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "get", ignore_case = true)]
    pub(crate) method: MethodWord,

    /// How long it works: 900 (seconds), 15m, 12h, 7d at most
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) expires: String,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodWord {
    Get,
    Head,
    Put,
}

#[derive(Args)]
pub(crate) struct VerifyWords {
    /// A file that longhaul downloaded
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// For flags that the environment may set: an empty variable is as good as none.
fn path_or_nothing() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityWord {
    Power,
    Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnChangeWord {
    Restart,
    Stop,
}
