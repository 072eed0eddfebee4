//! What a caller left open of a store, as variables and the profile have it: what a caller says wins over variables,
//! these over the profile.

use std::sync::Arc;

use super::chain::{Chain, Found, Times};
use super::world::{Look, World};
use super::{oss, s3};
use crate::credentials::{BoxFuture, Credentials, StoreSettings};
use crate::error::Error;
use crate::source::Dialect;

/// `settings`, and where they are silent, what the environment says.
pub(crate) async fn settings_of(
    dialect: Dialect,
    settings: &StoreSettings,
    world: &World,
) -> Result<StoreSettings, Error> {
    let mut settings = settings.clone();
    let look = world.look();
    match dialect {
        Dialect::Oss => of_oss(&look, &mut settings).await?,
        Dialect::S3 => of_s3(&look, &mut settings).await?,
    }
    Ok(settings)
}

/// The keys that a user's variables, files, and machine offer, looked for when they are needed and again in time. With
/// `profile`, only what stands under that name in the vendors' files.
pub(crate) fn of_environment(world: Arc<World>, dialect: Dialect, profile: Option<String>) -> Arc<dyn Credentials> {
    chain(world, dialect, profile, Times::default())
}

pub(super) fn chain(
    world: Arc<World>,
    dialect: Dialect,
    profile: Option<String>,
    times: Times,
) -> Arc<dyn Credentials> {
    let search = move || -> BoxFuture<'static, Result<Found, Error>> {
        let (world, profile) = (Arc::clone(&world), profile.clone());
        Box::pin(async move {
            let look = world.look();
            let answer = match dialect {
                Dialect::Oss => oss::search(&look, profile.as_deref()).await?,
                Dialect::S3 => s3::search(&look, profile.as_deref()).await?,
            };
            let files = look.files();
            Ok(match answer {
                Some(answer) => Found { keys: Some(answer.keys), expires: answer.expires, files },
                None => Found { keys: None, expires: None, files },
            })
        })
    };
    Arc::new(Chain::new(times, Box::new(search)))
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
