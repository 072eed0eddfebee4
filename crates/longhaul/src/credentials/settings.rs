//! Where is the store, and how is it spoken to? What a caller says wins over variables, these over the profile.

use super::oss;
use super::s3;
use super::world::{Look, World};
use crate::error::Error;
use crate::source::Dialect;
use crate::store::cloud::EndpointOptions;

/// What a caller says of a kind of store. What it leaves open is looked for in the environment, when the client may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// The store's address, as `https://oss-cn-hangzhou.aliyuncs.com` or `http://127.0.0.1:9000`; https where no scheme is
    /// given. Without any, the vendor's own in the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for, as `cn-hangzhou` or `eu-central-1`.
    pub region: Option<String>,
    /// The bucket goes into the path of URLs and not into the host. With an IP address as endpoint it always does.
    pub path_style: Option<bool>,
    /// The endpoint is a domain of the bucket's own (CNAME), in which the bucket is not named.
    pub cname: bool,
    /// How requests to OSS are signed; version 4 when nothing is said.
    pub signature: Option<Signature>,
    /// Which profile in the vendors' files counts for keys and settings. With one that was chosen here, keys in variables
    /// are not looked at.
    pub profile: Option<String>,
}

/// A version of the OSS signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// HMAC-SHA1, for old stores that know no other.
    V1,
    /// HMAC-SHA256 with date and region.
    V4,
}

/// What holds for a store: `settings`, and where they are silent, what the environment says.
pub(crate) async fn settings_of(
    dialect: Dialect,
    settings: &StoreSettings,
    world: Option<&World>,
) -> Result<EndpointOptions, Error> {
    let mut settings = settings.clone();
    if let Some(world) = world {
        let look = world.look();
        match dialect {
            Dialect::Oss => of_oss(&look, &mut settings).await?,
            Dialect::S3 => of_s3(&look, &mut settings).await?,
        }
    }
    Ok(EndpointOptions {
        dialect,
        endpoint: settings.endpoint,
        region: settings.region,
        path_style: settings.path_style.unwrap_or(false),
        cname: settings.cname,
        sign_v1: settings.signature == Some(Signature::V1),
    })
}

async fn of_oss(look: &Look<'_>, settings: &mut StoreSettings) -> Result<(), Error> {
    let environment = &look.world.environment;
    let variable = |name: &str| environment.variable(name).map(str::to_owned);
    fill(&mut settings.endpoint, || variable("OSS_ENDPOINT"));
    fill(&mut settings.region, || variable("OSS_REGION"));
    // An endpoint and a region of two places do not go together: a region that was said is not asked for at a profile's
    // endpoint, and the vendor's own endpoint says its region itself.
    let endpoint_says = settings.endpoint.as_deref().is_some_and(|endpoint| endpoint.contains(".aliyuncs.com"));
    if settings.region.is_some() || endpoint_says {
        return Ok(());
    }
    let chosen = settings.profile.as_deref();
    if let Some(section) = oss::ossutil_section(&oss::ossutil(look).await?, chosen) {
        let value = |key: &str| section.get(key).cloned();
        settings.region = value("region");
        if settings.endpoint.is_none() {
            settings.endpoint = value("endpoint");
            let style = value("addressing-style").or_else(|| value("addressingstyle"));
            settings.path_style = settings.path_style.or(style.as_deref().map(|style| style == "path"));
            settings.cname |= style.as_deref() == Some("cname");
        }
    }
    if settings.region.is_none() && settings.endpoint.as_deref().is_none_or(|e| !e.contains(".aliyuncs.com")) {
        let config = oss::Config::read(look).await?;
        let profile = config.as_ref().and_then(|config| config.profile(environment, chosen));
        settings.region = profile.map(|profile| profile.region_id.clone()).filter(|region| !region.is_empty());
    }
    Ok(())
}

async fn of_s3(look: &Look<'_>, settings: &mut StoreSettings) -> Result<(), Error> {
    let environment = &look.world.environment;
    let ignore = environment.says_yes("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    let endpoint = environment.first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]).filter(|_| !ignore);
    fill(&mut settings.endpoint, || endpoint.map(str::to_owned));
    fill(&mut settings.region, || s3::region_of(environment, None));
    if settings.endpoint.is_some() && settings.region.is_some() && settings.path_style.is_some() {
        return Ok(());
    }
    let chosen = settings.profile.as_deref();
    let name = chosen.or_else(|| environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])).unwrap_or("default");
    let profiles = s3::Profiles::read(look).await?;
    let Some(profile) = profiles.find(name) else {
        return if chosen.is_some() { Err(s3::no_profile(name)) } else { Ok(()) };
    };
    let value = |key: &str| profile.get(key).cloned();
    let services = profile.get("services").and_then(|name| profiles.services(name));
    let service = || services?.get("s3.endpoint_url").cloned();
    if !ignore {
        fill(&mut settings.endpoint, || {
            service().or_else(|| value("s3.endpoint_url")).or_else(|| value("endpoint_url"))
        });
    }
    fill(&mut settings.region, || value("region"));
    let style = profile.get("s3.addressing_style").map(|style| style == "path");
    settings.path_style = settings.path_style.or(style);
    Ok(())
}

fn fill(place: &mut Option<String>, value: impl FnOnce() -> Option<String>) {
    if place.is_none() {
        *place = value();
    }
}
