//! `longhaul serve`: its words and what they mean. They need no second look: clap parses every value to its type.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::DurabilityWord;

pub(crate) const HELP: &str = "\
Examples:
  longhaul serve store --bucket films           keys and settings to paste are printed
  longhaul serve store --json | head -1         the same for a script

  A store that fails: every tenth part is answered 503, the first Complete is done but not answered
    longhaul serve store --fault 'op=UploadPart kind=status status=503 rate=0.1' \\
                         --fault 'op=CompleteMultipartUpload kind=lose-answer times=1'

docs/devstore.md says what it supports, lists all faults, and describes the admin port.";

#[derive(Args)]
pub(crate) struct ServeWords {
    /// The folder of the store; it is made if it is not there
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9900")]
    pub(crate) listen: SocketAddr,

    /// Where the admin page and endpoint listen; keep it on this machine
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9901")]
    pub(crate) admin: SocketAddr,

    /// The region that signatures have to name
    #[arg(long, value_name = "REGION", default_value = "cn-hangzhou")]
    pub(crate) region: String,

    /// A bucket that is to be there; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: Vec<String>,

    /// Nobody has to sign
    #[arg(long)]
    pub(crate) anonymous: bool,

    /// A custom domain that stands for a bucket; may be repeated
    #[arg(long, value_name = "HOST=BUCKET", value_parser = host)]
    pub(crate) host: Vec<(String, String)>,

    /// A domain below which BUCKET.DOMAIN is a bucket, beside localhost; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Vec<String>,

    /// What a power cut may cost: nothing that was answered (power), or the last seconds (process: no syncs)
    #[arg(long, value_name = "WHAT", default_value = "power")]
    pub(crate) durability: DurabilityWord,

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

    /// Do the other thing where nobody outside knows what OSS does, as several-ranges=416; may be repeated.
    /// docs/devstore.md lists what there is
    #[arg(long, value_name = "NAME=VALUE", value_parser = variant, help_heading = "Misbehaving")]
    pub(crate) variant: Vec<(String, String)>,

    /// Write the ready line to stdout, a JSON object
    #[arg(long)]
    pub(crate) json: bool,
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
