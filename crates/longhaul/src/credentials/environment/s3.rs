//! Where do keys for S3 come from? The order is that of the AWS SDKs:
//!
//! 1. `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` (not when a profile was chosen by name),
//! 2. the role of `AWS_ROLE_ARN` with the token in `AWS_WEB_IDENTITY_TOKEN_FILE` (as above),
//! 3. the profile in `~/.aws/credentials` and `~/.aws/config`: a role, SSO, keys, or `credential_process`,
//! 4. the container's service (ECS, EKS), when its variables are set,
//! 5. the instance's metadata service (IMDSv2), unless `AWS_EC2_METADATA_DISABLED`.

use std::future::Future;
use std::pin::Pin;

use reqsign_aws_v4::{
    AssumeRoleCredentialProvider, AssumeRoleWithWebIdentityCredentialProvider, ECSCredentialProvider,
    IMDSv2CredentialProvider, ProcessCredentialProvider, RequestSigner, SSOCredentialProvider,
    StaticCredentialProvider,
};
use reqsign_core::Signer;

use super::Environment;
use super::ini::{Ini, Section};
use super::search::{Answer, ask, denied, try_ask};
use super::world::Look;
use crate::error::Error;

/// Roles that are assumed by way of other roles; more is a circle.
const ROLES_MAX: u32 = 5;

/// The keys of the profile that was chosen by name, else of the first source that has any.
pub(super) async fn search(look: &Look<'_>, chosen: Option<&str>) -> Result<Option<Answer>, Error> {
    let environment = &look.world.environment;
    if chosen.is_none() {
        if let Some(answer) = of_variables(environment)? {
            return Ok(Some(answer));
        }
        if let (Some(role), Some(file)) =
            (environment.variable("AWS_ROLE_ARN"), environment.variable("AWS_WEB_IDENTITY_TOKEN_FILE"))
        {
            let name = environment.variable("AWS_ROLE_SESSION_NAME");
            let region = region_of(environment, None);
            return web_identity(look, role, file, name, region.as_deref()).await.map(Some);
        }
    }
    let named = chosen.or_else(|| environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]));
    let profiles = Profiles::read(look).await?;
    let name = named.unwrap_or("default");
    match profiles.find(name) {
        Some(profile) => {
            if let Some(answer) = of_profile(look, &profiles, name, &profile, 0).await? {
                return Ok(Some(answer));
            }
        }
        None if named.is_some() => return Err(no_profile(name)),
        None => {}
    }
    if chosen.is_some() {
        return Err(denied(format!(
            "the profile {name:?} in ~/.aws/config has no keys and says of none where they are"
        )));
    }
    if let Some(answer) = container(look).await? {
        return Ok(Some(answer));
    }
    instance(look).await
}

fn of_variables(environment: &Environment) -> Result<Option<Answer>, Error> {
    let (id, secret) = (environment.variable("AWS_ACCESS_KEY_ID"), environment.variable("AWS_SECRET_ACCESS_KEY"));
    super::pair(id, secret, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY").map(|pair| {
        pair.map(|(id, secret)| {
            Answer::forever(id, secret, environment.first(&["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"]))
        })
    })
}

/// The two files.
pub(super) struct Profiles {
    credentials: Ini,
    config: Ini,
}

impl Profiles {
    pub(super) async fn read(look: &Look<'_>) -> Result<Self, Error> {
        let environment = &look.world.environment;
        let credentials = environment.file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
        let config = environment.file("AWS_CONFIG_FILE", ".aws/config");
        Ok(Self { credentials: look.ini(credentials.as_deref()).await?, config: look.ini(config.as_deref()).await? })
    }

    /// What both say of a profile; the file with the credentials wins.
    pub(super) fn find(&self, name: &str) -> Option<Section> {
        let config = match name {
            "default" => self.config.section("default").or_else(|| self.config.section("profile default")),
            name => self.config.section(&format!("profile {name}")),
        };
        let credentials = self.credentials.section(name);
        if config.is_none() && credentials.is_none() {
            return None;
        }
        let mut all = config.cloned().unwrap_or_default();
        all.extend(credentials.cloned().unwrap_or_default());
        Some(all)
    }

    /// Settings that several profiles share.
    pub(super) fn services(&self, name: &str) -> Option<&Section> {
        self.config.section(&format!("services {name}"))
    }
}

pub(super) fn no_profile(name: &str) -> Error {
    Error::usage(format!("the profile {name:?} is neither in ~/.aws/config nor in ~/.aws/credentials"))
}

/// What a profile says, in the order in which the vendor's tools look.
fn of_profile<'a>(
    look: &'a Look<'_>,
    profiles: &'a Profiles,
    name: &'a str,
    profile: &'a Section,
    depth: u32,
) -> Pin<Box<dyn Future<Output = Result<Option<Answer>, Error>> + Send + 'a>> {
    Box::pin(async move {
        let value = |key: &str| profile.get(key).map(String::as_str);
        let region = region_of(&look.world.environment, value("region"));
        if let Some(role) = value("role_arn") {
            if let Some(file) = value("web_identity_token_file") {
                let session = value("role_session_name");
                return web_identity(look, role, file, session, region.as_deref()).await.map(Some);
            }
            let base = base(look, profiles, name, profile, depth).await?;
            return assume(look, role, profile, base, region.as_deref()).await.map(Some);
        }
        if let Some(account) = value("sso_account_id") {
            return sso(look, profiles, account, profile).await.map(Some);
        }
        let keys = keys_in(profile, name)?;
        if keys.is_some() {
            return Ok(keys);
        }
        if let Some(command) = value("credential_process") {
            let provider = ProcessCredentialProvider::new().with_command(command);
            let what = format!("the credential_process of the profile {name:?}");
            return ask(look, &look.context(), provider, &what).await.map(Some);
        }
        Ok(None)
    })
}

fn keys_in(profile: &Section, name: &str) -> Result<Option<Answer>, Error> {
    let value = |key: &str| profile.get(key).map(String::as_str);
    let (id, secret) = (value("aws_access_key_id"), value("aws_secret_access_key"));
    let pair = super::pair(id, secret, "aws_access_key_id", "aws_secret_access_key")
        .map_err(|error| error.with("profile", name))?;
    Ok(pair.map(|(id, secret)| Answer::forever(id, secret, value("aws_session_token"))))
}

/// The keys that a role is assumed with.
async fn base(
    look: &Look<'_>,
    profiles: &Profiles,
    name: &str,
    profile: &Section,
    depth: u32,
) -> Result<Answer, Error> {
    let missing = |what: &str| denied(format!("the profile {name:?} assumes a role, {what}"));
    if depth >= ROLES_MAX {
        return Err(missing("by way of too many others"));
    }
    match (profile.get("source_profile"), profile.get("credential_source").map(String::as_str)) {
        // A profile may be its own source: then it is its keys that assume its role.
        (Some(source), _) if source == name => {
            keys_in(profile, name)?.ok_or_else(|| missing("with keys of its own, and has none"))
        }
        (Some(source), _) => {
            let other = profiles.find(source).ok_or_else(|| no_profile(source))?;
            let found = of_profile(look, profiles, source, &other, depth + 1).await?;
            found.ok_or_else(|| missing(&format!("with the keys of {source:?}, which has none")))
        }
        (None, Some("Environment")) => {
            of_variables(&look.world.environment)?.ok_or_else(|| missing("with keys in variables, which are not set"))
        }
        (None, Some("EcsContainer")) => {
            container(look).await?.ok_or_else(|| missing("with keys of the container, which has none"))
        }
        (None, Some("Ec2InstanceMetadata")) => {
            instance(look).await?.ok_or_else(|| missing("with keys of the instance, which has none"))
        }
        _ => Err(missing("and does not say with whose keys (source_profile, credential_source)")),
    }
}

async fn assume(
    look: &Look<'_>,
    role: &str,
    profile: &Section,
    base: Answer,
    region: Option<&str>,
) -> Result<Answer, Error> {
    let context = look.context();
    let keys = StaticCredentialProvider::new(&base.keys.id, base.keys.secret.expose());
    let keys = match &base.keys.token {
        Some(token) => keys.with_session_token(token.expose()),
        None => keys,
    };
    let signer = RequestSigner::new("sts", region.unwrap_or("us-east-1"));
    let signer = Signer::new(context.clone(), keys, signer);
    let name = profile.get("role_session_name").map_or("longhaul", String::as_str);
    let mut provider =
        AssumeRoleCredentialProvider::new(role.to_owned(), signer).with_role_session_name(name.to_owned());
    if let Some(region) = region {
        provider = provider.with_region(region.to_owned()).with_regional_sts_endpoint();
    }
    if let Some(id) = profile.get("external_id") {
        provider = provider.with_external_id(id.clone());
    }
    if let Some(seconds) = profile.get("duration_seconds").and_then(|text| text.parse().ok()) {
        provider = provider.with_duration_seconds(seconds);
    }
    ask(look, &context, provider, &format!("assuming the role {role}")).await
}

async fn web_identity(
    look: &Look<'_>,
    role: &str,
    file: &str,
    session: Option<&str>,
    region: Option<&str>,
) -> Result<Answer, Error> {
    let mut provider = AssumeRoleWithWebIdentityCredentialProvider::new()
        .with_role_arn(role)
        .with_web_identity_token_file(file)
        .with_role_session_name(session.unwrap_or("longhaul").to_owned());
    if let Some(region) = region {
        provider = provider.with_region(region.to_owned()).with_regional_sts_endpoint();
    }
    ask(look, &look.context(), provider, &format!("assuming the role {role} with a web identity")).await
}

/// A token of `aws sso login`, exchanged for keys. Such tokens are renewed by that command and not by us.
async fn sso(look: &Look<'_>, profiles: &Profiles, account: &str, profile: &Section) -> Result<Answer, Error> {
    let session = profile.get("sso_session");
    let shared = session.and_then(|name| profiles.config.section(&format!("sso-session {name}")));
    let value = |key: &str| profile.get(key).or_else(|| shared?.get(key));
    let (Some(region), Some(url), Some(role)) = (value("sso_region"), value("sso_start_url"), value("sso_role_name"))
    else {
        return Err(denied("the profile signs in by SSO, but lacks sso_region, sso_start_url or sso_role_name"));
    };
    // The token lies in a file that is named after the session where there is one, else after the URL.
    let provider = SSOCredentialProvider::new()
        .with_account_id(account)
        .with_role_name(role)
        .with_region(region)
        .with_start_url(session.unwrap_or(url));
    ask(look, &look.context(), provider, "the SSO session (is it time for \"aws sso login\"?)").await
}

/// The service beside a container that its variables name.
async fn container(look: &Look<'_>) -> Result<Option<Answer>, Error> {
    let environment = &look.world.environment;
    let full = environment.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if full.is_none() && environment.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_none() {
        return Ok(None);
    }
    if let Some(full) = full
        && !url::Url::parse(full).is_ok_and(|url| is_trusted(&url))
    {
        return Err(denied(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI names neither an https address nor one of this machine",
        ));
    }
    ask(look, &look.metadata_context(), ECSCredentialProvider::new(), "the container's credentials").await.map(Some)
}

/// Whether keys may be asked for there: by https, or in the clear from this machine and its own services.
fn is_trusted(url: &url::Url) -> bool {
    match url.host() {
        _ if url.scheme() != "http" => url.scheme() == "https",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || matches!(ip.octets(), [169, 254, 170, 2 | 23]),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23],
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn instance(look: &Look<'_>) -> Result<Option<Answer>, Error> {
    if look.world.environment.says_yes("AWS_EC2_METADATA_DISABLED") {
        return Ok(None);
    }
    try_ask(look, &look.metadata_context(), IMDSv2CredentialProvider::new(), "the instance's metadata").await
}

/// The region that variables say, else the profile.
pub(super) fn region_of(environment: &Environment, profile: Option<&str>) -> Option<String> {
    environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).or(profile).map(str::to_owned)
}
