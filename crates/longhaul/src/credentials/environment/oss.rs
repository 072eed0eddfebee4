//! Where do keys for OSS come from?
//!
//! 1. `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET`, `OSS_SESSION_TOKEN` (1 to 3 not when a profile was chosen by name),
//! 2. `ALIBABA_CLOUD_ACCESS_KEY_ID`, `…_SECRET`, `ALIBABA_CLOUD_SECURITY_TOKEN`; with `ALIBABA_CLOUD_ROLE_ARN` they
//!    assume that role,
//! 3. the role of `ALIBABA_CLOUD_ROLE_ARN` with `ALIBABA_CLOUD_OIDC_PROVIDER_ARN` and `ALIBABA_CLOUD_OIDC_TOKEN_FILE`,
//! 4. `~/.ossutilconfig` (of ossutil 1 and 2),
//! 5. `~/.aliyun/config.json` (of the aliyun command line): modes AK, StsToken, RamRoleArn, EcsRamRole, CredentialsURI
//!    and ChainableRamRoleArn,
//! 6. `~/.alibabacloud/credentials.ini` and `~/.oss/credentials`, as the SDKs read them,
//! 7. `ALIBABA_CLOUD_CREDENTIALS_URI`,
//! 8. the RAM role of the ECS instance, unless `ALIBABA_CLOUD_ECS_METADATA_DISABLED`.

use std::future::Future;
use std::pin::Pin;

use reqsign_aliyun_oss::{
    AssumeRoleCredentialProvider, AssumeRoleWithOidcCredentialProvider, CredentialsUriCredentialProvider,
    EcsRamRoleCredentialProvider, StaticCredentialProvider,
};
use serde::Deserialize;

use super::Environment;
use super::ini::{Ini, Section};
use super::search::{Answer, ask, denied, try_ask};
use super::world::Look;
use crate::error::Error;

/// Profiles that assume roles by way of each other; more is a circle.
const ROLES_MAX: u32 = 5;

/// The keys of the profile that was chosen by name, else of the first source that has any.
pub(super) async fn search(look: &Look<'_>, chosen: Option<&str>) -> Result<Option<Answer>, Error> {
    let environment = &look.world.environment;
    if chosen.is_none()
        && let Some(answer) = of_variables(look).await?
    {
        return Ok(Some(answer));
    }
    if let Some(section) = ossutil_section(&ossutil(look).await?, chosen)
        && let Some(answer) = of_ossutil(look, &section).await?
    {
        return Ok(Some(answer));
    }
    if let Some(answer) = of_config(look, chosen).await? {
        return Ok(Some(answer));
    }
    if let Some(answer) = of_sdk_files(look, chosen).await? {
        return Ok(Some(answer));
    }
    if let Some(name) = chosen {
        return Err(Error::usage(format!(
            "no keys under the profile {name:?} in ~/.ossutilconfig, ~/.aliyun/config.json or ~/.alibabacloud/credentials.ini"
        )));
    }
    if environment.variable("ALIBABA_CLOUD_CREDENTIALS_URI").is_some() {
        let provider = CredentialsUriCredentialProvider::new();
        return ask(look, &look.context(), provider, "ALIBABA_CLOUD_CREDENTIALS_URI").await.map(Some);
    }
    if environment.says_yes("ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
        return Ok(None);
    }
    try_ask(look, &look.metadata_context(), EcsRamRoleCredentialProvider::new(), "the instance's RAM role").await
}

async fn of_variables(look: &Look<'_>) -> Result<Option<Answer>, Error> {
    let environment = &look.world.environment;
    let pair = |id: &'static str, secret: &'static str| {
        super::pair(environment.variable(id), environment.variable(secret), id, secret)
    };
    if let Some((id, secret)) = pair("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")? {
        return Ok(Some(Answer::forever(id, secret, environment.variable("OSS_SESSION_TOKEN"))));
    }
    let role = environment.variable("ALIBABA_CLOUD_ROLE_ARN");
    let oidc = environment.variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE").is_some()
        && environment.variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN").is_some();
    if let Some((id, secret)) = pair("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")? {
        let keys = Answer::forever(id, secret, environment.variable("ALIBABA_CLOUD_SECURITY_TOKEN"));
        return match role.filter(|_| !oidc) {
            Some(role) => {
                let (name, id) = (environment.variable("ALIBABA_CLOUD_ROLE_SESSION_NAME"), None);
                assume(look, role, name, id, keys).await.map(Some)
            }
            None => Ok(Some(keys)),
        };
    }
    if role.is_some() && oidc {
        let provider = AssumeRoleWithOidcCredentialProvider::new();
        return ask(look, &look.context(), provider, "assuming the role ALIBABA_CLOUD_ROLE_ARN by OIDC")
            .await
            .map(Some);
    }
    Ok(None)
}

/// Other keys, by a role that these may assume.
async fn assume(
    look: &Look<'_>,
    role: &str,
    session: Option<&str>,
    external_id: Option<&str>,
    base: Answer,
) -> Result<Answer, Error> {
    let keys = StaticCredentialProvider::new(&base.keys.id, base.keys.secret.expose());
    let keys = match &base.keys.token {
        Some(token) => keys.with_security_token(token.expose()),
        None => keys,
    };
    let mut provider = AssumeRoleCredentialProvider::new()
        .with_base_provider(keys)
        .with_role_arn(role)
        .with_role_session_name(session.unwrap_or("longhaul"));
    if let Some(id) = external_id {
        provider = provider.with_external_id(id);
    }
    ask(look, &look.context(), provider, &format!("assuming the role {role}")).await
}

/// `~/.ossutilconfig`.
pub(super) async fn ossutil(look: &Look<'_>) -> Result<Ini, Error> {
    let path = look.world.environment.home().map(|home| home.join(".ossutilconfig"));
    look.ini(path.as_deref()).await
}

/// The section that counts: ossutil 1 has `[Credentials]`, ossutil 2 profiles.
pub(super) fn ossutil_section(ini: &Ini, chosen: Option<&str>) -> Option<Section> {
    let profile = |name: &str| ini.section(&format!("profile {name}")).or_else(|| ini.section(name));
    let section = match chosen {
        Some(name) => profile(name),
        None => profile("default").or_else(|| ini.section("Credentials")),
    };
    section.cloned()
}

async fn of_ossutil(look: &Look<'_>, section: &Section) -> Result<Option<Answer>, Error> {
    // ossutil 1 writes accessKeyID, ossutil 2 takes access-key-id as well.
    let value = |keys: [&str; 2]| keys.iter().find_map(|key| section.get(*key)).map(String::as_str);
    let (id, secret) = (value(["accesskeyid", "access-key-id"]), value(["accesskeysecret", "access-key-secret"]));
    let Some((id, secret)) = super::pair(id, secret, "accessKeyID", "accessKeySecret")? else { return Ok(None) };
    let keys = Answer::forever(id, secret, value(["ststoken", "sts-token"]));
    match value(["ramrolearn", "ram-role-arn"]).filter(|_| keys.keys.token.is_none()) {
        Some(role) => assume(look, role, value(["rolesessionname", "role-session-name"]), None, keys).await.map(Some),
        None => Ok(Some(keys)),
    }
}

/// `~/.aliyun/config.json`. It has no `Debug`: there are secrets in it.
#[derive(Deserialize)]
pub(super) struct Config {
    current: Option<String>,
    #[serde(default)]
    profiles: Vec<Profile>,
}

#[derive(Deserialize)]
pub(super) struct Profile {
    name: String,
    #[serde(default)]
    mode: String,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    access_key_secret: String,
    #[serde(default)]
    sts_token: String,
    #[serde(default)]
    ram_role_arn: String,
    #[serde(default)]
    ram_role_name: String,
    #[serde(default)]
    ram_session_name: String,
    #[serde(default)]
    external_id: String,
    #[serde(default)]
    source_profile: String,
    #[serde(default)]
    credentials_uri: String,
    #[serde(default)]
    pub(super) region_id: String,
}

impl Config {
    pub(super) async fn read(look: &Look<'_>) -> Result<Option<Self>, Error> {
        let Some(path) = look.world.environment.file("ALIBABA_CLOUD_CONFIG_FILE", ".aliyun/config.json") else {
            return Ok(None);
        };
        let Some(text) = look.file(&path).await? else { return Ok(None) };
        // What serde says could repeat a value.
        let config = serde_json::from_slice(&text).map_err(|_| denied(format!("{} is damaged", path.display())))?;
        Ok(Some(config))
    }

    fn find(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The profile that was chosen, else the one that is in use.
    pub(super) fn profile(&self, environment: &Environment, chosen: Option<&str>) -> Option<&Profile> {
        let used = || environment.variable("ALIBABA_CLOUD_PROFILE").or(self.current.as_deref());
        self.find(chosen.or_else(used).unwrap_or("default"))
    }
}

async fn of_config(look: &Look<'_>, chosen: Option<&str>) -> Result<Option<Answer>, Error> {
    let Some(config) = Config::read(look).await? else { return Ok(None) };
    match config.profile(&look.world.environment, chosen) {
        Some(profile) => of_profile(look, &config, profile, chosen.is_some(), 0).await,
        None => Ok(None),
    }
}

fn of_profile<'a>(
    look: &'a Look<'_>,
    config: &'a Config,
    profile: &'a Profile,
    chosen: bool,
    depth: u32,
) -> Pin<Box<dyn Future<Output = Result<Option<Answer>, Error>> + Send + 'a>> {
    Box::pin(async move {
        let some = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        let keys = || {
            let (id, secret) = (some(&profile.access_key_id)?, some(&profile.access_key_secret)?);
            Some(Answer::forever(id, secret, some(&profile.sts_token)))
        };
        let name = &profile.name;
        let lacking = |what: &str| denied(format!("the profile {name:?} in ~/.aliyun/config.json lacks {what}"));
        let session = some(&profile.ram_session_name);
        let external_id = some(&profile.external_id);
        let mode = profile.mode.to_ascii_lowercase();
        let base = match mode.as_str() {
            "" | "ak" => {
                return Ok(keys()
                    .map(|answer| Answer { keys: crate::credentials::Keys { token: None, ..answer.keys }, ..answer }));
            }
            "ststoken" => return Ok(keys()),
            "credentialsuri" => {
                let uri = some(&profile.credentials_uri).ok_or_else(|| lacking("credentials_uri"))?;
                let provider = CredentialsUriCredentialProvider::new().with_uri(uri);
                return ask(look, &look.context(), provider, "the profile's credentials URI").await.map(Some);
            }
            "ecsramrole" => {
                let mut provider = EcsRamRoleCredentialProvider::new();
                if let Some(role) = some(&profile.ram_role_name) {
                    provider = provider.with_role_name(role);
                }
                return ask(look, &look.metadata_context(), provider, "the instance's RAM role").await.map(Some);
            }
            "ramrolearn" => keys().ok_or_else(|| lacking("the keys that its role is assumed with"))?,
            "chainableramrolearn" => {
                let source = config.find(&profile.source_profile).filter(|_| depth < ROLES_MAX);
                let source = source.ok_or_else(|| lacking("a source_profile"))?;
                let found = of_profile(look, config, source, true, depth + 1).await?;
                found.ok_or_else(|| lacking("a source_profile with keys"))?
            }
            _ if chosen => {
                return Err(denied(format!("the profile {name:?} is of the mode {mode:?}, which is unknown")));
            }
            _ => return Ok(None),
        };
        let role = some(&profile.ram_role_arn).ok_or_else(|| lacking("ram_role_arn"))?;
        assume(look, role, session, external_id, base).await.map(Some)
    })
}

/// Files of the SDKs, by the name that a variable gives them, or their usual one.
async fn of_sdk_files(look: &Look<'_>, chosen: Option<&str>) -> Result<Option<Answer>, Error> {
    let environment = &look.world.environment;
    let files = [
        ("ALIBABA_CLOUD_CREDENTIALS_FILE", ".alibabacloud/credentials.ini", "ALIBABA_CLOUD_PROFILE"),
        ("OSS_CREDENTIAL_PROFILES_FILE", ".oss/credentials", "OSS_PROFILE"),
    ];
    for (variable, in_home, profile) in files {
        let ini = look.ini(environment.file(variable, in_home).as_deref()).await?;
        let name = chosen.or(environment.variable(profile)).unwrap_or("default");
        let Some(section) = ini.section(name) else { continue };
        if section.get("enable").is_some_and(|enable| enable.eq_ignore_ascii_case("false")) {
            continue;
        }
        let value = |keys: &[&str]| keys.iter().find_map(|key| section.get(*key)).map(String::as_str);
        let (id, secret) = (value(&["access_key_id", "accesskeyid"]), value(&["access_key_secret", "accesskeysecret"]));
        let Some((id, secret)) = super::pair(id, secret, "access_key_id", "access_key_secret")? else { continue };
        let token = value(&["security_token", "sts_token", "session_token"]);
        let keys = Answer::forever(id, secret, token);
        return match value(&["role_arn"]).filter(|_| token.is_none()) {
            Some(role) => assume(look, role, value(&["role_session_name"]), None, keys).await.map(Some),
            None => Ok(Some(keys)),
        };
    }
    Ok(None)
}
