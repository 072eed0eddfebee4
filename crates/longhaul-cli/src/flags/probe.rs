//! `longhaul probe`: its words and what they mean.

use clap::{Args, ValueHint};
use longhaul::Source;
use longhaul::credentials::StoreSettings;

use super::common::{Pair, usage};
use super::network::{NetworkOptions, NetworkWords, network};
use super::request::{RequestWords, netrc, request};
use super::store::{self, StoreWords};
use super::values;
use crate::exit::Failure;

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

pub(crate) struct ProbeOptions {
    pub(crate) source: Source,
    pub(crate) version_id: Option<String>,
    pub(crate) headers: Vec<Pair>,
    pub(crate) user: Option<Pair>,
    pub(crate) network: NetworkOptions,
    pub(crate) store: StoreSettings,
    pub(crate) json: bool,
}

/// What the words mean. Reads the files that flags name.
pub(super) fn probe(words: ProbeWords) -> Result<ProbeOptions, Failure> {
    let source = values::source(&words.url).map_err(usage)?;
    let netrc = netrc(&words.request)?;
    let (headers, user) = request(words.request)?;
    let store = store::settings(words.store, values::store_of(&source))?;
    Ok(ProbeOptions {
        source,
        version_id: words.version_id.filter(|id| !id.is_empty()),
        headers,
        user,
        network: network(words.network, netrc)?,
        store,
        json: words.json,
    })
}
