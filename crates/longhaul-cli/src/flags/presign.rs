//! `longhaul presign`: its words and what they mean.

use std::time::Duration;

use clap::{Args, ValueEnum};
use longhaul::credentials::StoreSettings;
use longhaul::{LinkMethod, ObjectName};

use super::common::usage;
use super::network::{NetworkOptions, NetworkWords, network};
use super::store::{self, StoreWords};
use super::values;
use crate::exit::Failure;

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

/// Make a link.
pub(crate) struct PresignOptions {
    pub(crate) object: ObjectName,
    pub(crate) method: LinkMethod,
    pub(crate) life: Duration,
    pub(crate) network: NetworkOptions,
    pub(crate) store: StoreSettings,
    pub(crate) json: bool,
}

pub(super) fn presign(words: PresignWords) -> Result<PresignOptions, Failure> {
    let object = values::object(&words.object).map_err(usage)?;
    Ok(PresignOptions {
        method: match words.method {
            MethodWord::Get => LinkMethod::Get,
            MethodWord::Head => LinkMethod::Head,
            MethodWord::Put => LinkMethod::Put,
        },
        life: values::life(&words.expires).map_err(|e| usage(format!("--expires: {e}")))?,
        network: network(words.network, None)?,
        store: store::settings(words.store, [object.dialect()])?,
        object,
        json: words.json,
    })
}
