//! Where the stores behind `oss://` and `s3://` are: the words of all commands that speak to one.

use clap::{Args, ValueEnum};
use longhaul::credentials::{Signature, StoreSettings};
use longhaul::source::Dialect;

use crate::exit::Failure;

/// What is left out comes from the environment, then from the profile (docs/stores.md).
#[derive(Args, Default)]
pub(crate) struct StoreWords {
    /// The store's address, as https://oss-cn-hangzhou.aliyuncs.com, http://127.0.0.1:9900 or https://HOST/PATH
    /// [default: OSS_ENDPOINT, or AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL, or the profile's, or the vendor's own]
    #[arg(long, value_name = "URL", help_heading = "OSS and S3")]
    pub(crate) endpoint: Option<String>,

    /// The region that requests are signed for, as cn-hangzhou
    /// [default: OSS_REGION, or AWS_REGION and AWS_DEFAULT_REGION, or the profile's]
    #[arg(long, value_name = "REGION", help_heading = "OSS and S3")]
    pub(crate) region: Option<String>,

    /// Put the bucket into the path of URLs, not into the host (always so when the endpoint is an IP address)
    #[arg(long, conflicts_with = "cname", help_heading = "OSS and S3")]
    pub(crate) path_style: bool,

    /// The endpoint is a domain of the bucket's own
    #[arg(long, requires = "endpoint", help_heading = "OSS and S3")]
    pub(crate) cname: bool,

    /// Sign requests to OSS in this version
    #[arg(long, value_name = "VERSION", default_value = "v4", help_heading = "OSS and S3")]
    pub(crate) signature_version: SignatureWord,

    /// Take keys and settings from this profile in the vendors' files, and no keys from variables
    #[arg(long, value_name = "NAME", help_heading = "OSS and S3")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SignatureWord {
    V1,
    #[default]
    V4,
}

/// What they mean. `stores` are those of the names that the command was given: an endpoint belongs to one kind of
/// store.
///
/// # Errors
/// When settings of one kind of store were given for two.
pub(crate) fn settings(words: StoreWords, stores: impl IntoIterator<Item = Dialect>) -> Result<StoreSettings, Failure> {
    let (mut oss, mut s3) = (false, false);
    for dialect in stores {
        oss |= dialect == Dialect::Oss;
        s3 |= dialect == Dialect::S3;
    }
    let flags = [("--endpoint", words.endpoint.is_some()), ("--region", words.region.is_some())];
    if let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given && oss && s3) {
        let hint = "fetch the oss:// and the s3:// ones by commands of their own";
        return Err(Failure::usage(format!("{flag} is about one store, but there are names of two kinds; {hint}")));
    }
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(StoreSettings {
        endpoint: some(words.endpoint),
        region: some(words.region),
        path_style: words.path_style.then_some(true),
        cname: words.cname,
        signature: Some(match words.signature_version {
            SignatureWord::V1 => Signature::V1,
            SignatureWord::V4 => Signature::V4,
        }),
        profile: some(words.profile),
    })
}
