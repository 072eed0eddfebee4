//! Chains and settings against services on loopback and files in a folder of the test's own.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::chain::Times;
use super::lookup::{chain, settings_of};
use super::world::World;
use super::*;
use crate::credentials::{Credentials, Keys, Secret, Static, StoreSettings};
use crate::error::ErrorKind;
use crate::source::Dialect;
use crate::store::HttpOptions;

/// What a service answers: a status and a body, by the request's text.
type Answers = Arc<dyn Fn(&str) -> (u16, String) + Send + Sync>;

/// A service on loopback that keeps what it was asked.
struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    /// Of its certificate, when it has one.
    pem: Option<String>,
}

impl Service {
    async fn start(answers: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(answers)).await
    }

    /// By TLS, under this name.
    async fn start_tls(name: &str, answers: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::listen(Some(name), Arc::new(answers)).await
    }

    async fn listen(name: Option<&str>, answers: Answers) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut pem, mut tls) = (None, None);
        if let Some(name) = name {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
            let der = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, made.cert.der());
            pem = Some(format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"));
            let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let config =
                config.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
            tls = Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        }
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answers, tls) = (Arc::clone(&log), Arc::clone(&answers), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &log, &answers).await,
                            Err(error) => log.lock().unwrap().push(format!("no handshake: {error}")),
                        },
                        None => serve(stream, &log, &answers).await,
                    }
                });
            }
        });
        Self { address, seen, pem }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request, one answer.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: &Mutex<Vec<String>>, answers: &Answers) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let text = loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                break text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    };
    log.lock().unwrap().push(text.clone());
    let (status, body) = answers(&text);
    let reply = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A user with a home folder and variables.
struct User {
    home: tempfile::TempDir,
    variables: HashMap<String, String>,
    options: HttpOptions,
}

impl User {
    /// One on a machine without metadata services.
    fn new(variables: &[(&str, &str)]) -> Self {
        let none = [("AWS_EC2_METADATA_DISABLED", "true"), ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")];
        let mut user =
            Self { home: tempfile::tempdir().unwrap(), variables: HashMap::new(), options: HttpOptions::default() };
        for (name, value) in none.iter().chain(variables) {
            user.set(name, value);
        }
        user
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Trusts a service under the name that it has.
    fn knows(&mut self, name: &str, service: &Service) -> &mut Self {
        self.options.resolve.push((name.to_owned(), vec![service.address]));
        self.options.ca_certs.extend(service.pem.clone().map(String::into_bytes));
        self
    }

    fn world(&self) -> Arc<World> {
        let variables = self.variables.clone();
        let environment = Environment::new(variables, Some(self.home.path().to_owned()));
        Arc::new(World::new(environment, &self.options).unwrap())
    }

    fn chain(&self, dialect: Dialect, profile: Option<&str>) -> Arc<dyn Credentials> {
        let times = Times { least: Duration::ZERO, files: Duration::ZERO, failed: Duration::ZERO, ..Times::default() };
        chain(self.world(), dialect, profile.map(str::to_owned), times)
    }

    /// What the chain gives: `id`, `id+token`, `none`, or the error.
    async fn keys(&self, dialect: Dialect, profile: Option<&str>) -> String {
        shown(&*self.chain(dialect, profile)).await
    }
}

async fn shown(credentials: &dyn Credentials) -> String {
    match credentials.get().await {
        Ok(Some(Keys { id, secret, token })) => {
            assert!(secret.expose().starts_with("hush"), "the secret that belongs to the id");
            token.map_or(id.clone(), |token| format!("{id}+{}", token.expose()))
        }
        Ok(None) => "none".into(),
        Err(error) => {
            let text = format!("{:?}: {error}", error.kind());
            assert!(!format!("{text} {error:?}").contains("hush"), "{error:?}");
            text
        }
    }
}

/// `2030-01-01T00:00:00Z`, so many seconds from now.
fn in_seconds(seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    jiff::Timestamp::try_from(at).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[test]
fn no_debug_output_shows_a_secret() {
    let keys = Keys { id: "AKID".into(), secret: Secret::new("hush-secret"), token: Some(Secret::new("hush-token")) };
    for shown in [format!("{keys:?}"), format!("{:#?}", Static::new(keys.clone()))] {
        assert!(shown.contains("AKID") && !shown.contains("hush"), "{shown}");
    }
}

#[tokio::test]
async fn static_keys_stay_what_they_are() {
    let keys = Keys { id: "AKID".into(), secret: Secret::new("s"), token: None };
    let given = Static::new(keys.clone());
    given.refused(&keys);
    assert_eq!(given.get().await.ok(), Some(Some(keys)));
    assert_eq!(Static::anonymous().get().await.ok(), Some(None));
}
const S3_KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "env"), ("AWS_SECRET_ACCESS_KEY", "hush")];
const OSS_KEYS: [(&str, &str); 2] = [("OSS_ACCESS_KEY_ID", "env"), ("OSS_ACCESS_KEY_SECRET", "hush")];

/// The metadata service of AWS, with role `r` and keys that last so long; the number of the answer is in their id.
fn imds(seconds: u64) -> impl Fn(&str) -> (u16, String) + Send + Sync {
    let count = AtomicU32::new(0);
    move |request| {
        if request.starts_with("PUT /latest/api/token") {
            return (200, "hush-metadata-token".into());
        }
        assert!(request.contains("x-aws-ec2-metadata-token: hush-metadata-token"), "{request}");
        if request.starts_with("GET /latest/meta-data/iam/security-credentials/ ") {
            return (200, "r".into());
        }
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let end = in_seconds(seconds);
        (
            200,
            format!(
                r#"{{"Code":"Success","AccessKeyId":"imds{number}","SecretAccessKey":"hush","Token":"t","Expiration":"{end}"}}"#
            ),
        )
    }
}

#[tokio::test]
async fn variables_come_first_and_then_nobody_is_asked() {
    let service = Service::start(|_| (500, String::new())).await;
    let mut user = User::new(&[]);
    for (name, value) in S3_KEYS.iter().chain(&OSS_KEYS) {
        user.set(name, value);
    }
    user.set("AWS_SESSION_TOKEN", "t").set("AWS_EC2_METADATA_DISABLED", "false");
    user.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url());
    user.set("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", &service.url());
    user.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false");
    user.set("ALIBABA_CLOUD_ACCESS_KEY_ID", "later").set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hush");
    user.file(".aws/credentials", "[default]\naws_access_key_id=file\naws_secret_access_key=hush");
    assert_eq!(user.keys(Dialect::S3, None).await, "env+t");
    assert_eq!(user.keys(Dialect::Oss, None).await, "env");
    assert!(service.seen().is_empty());
    user.set("OSS_SESSION_TOKEN", "u");
    assert_eq!(user.keys(Dialect::Oss, None).await, "env+u");
    user.variables.retain(|name, _| !name.starts_with("OSS_"));
    assert_eq!(user.keys(Dialect::Oss, None).await, "later");
}

#[tokio::test]
async fn half_a_key_is_an_error_that_says_what_is_missing() {
    let user = User::new(&[S3_KEYS[0], OSS_KEYS[1]]);
    assert_eq!(
        user.keys(Dialect::S3, None).await,
        "Usage: AWS_ACCESS_KEY_ID is there and AWS_SECRET_ACCESS_KEY is not"
    );
    assert_eq!(
        user.keys(Dialect::Oss, None).await,
        "Usage: OSS_ACCESS_KEY_SECRET is there and OSS_ACCESS_KEY_ID is not"
    );
    let user = User::new(&[("OSS_ACCESS_KEY_ID", "a\nb"), OSS_KEYS[1]]);
    assert_eq!(user.keys(Dialect::Oss, None).await, "a\nb", "what variables say is taken as it is");
}

#[tokio::test]
async fn a_machine_without_a_metadata_service_waits_a_second_once() {
    // The listener accepts nothing: a request finds no answer.
    let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut user = User::new(&[]);
    user.set("AWS_EC2_METADATA_DISABLED", "false").set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false");
    user.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url).set("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", &url);
    for dialect in [Dialect::Oss, Dialect::S3] {
        let chain = user.chain(dialect, None);
        let started = Instant::now();
        assert_eq!(shown(&*chain).await, "none");
        let first = started.elapsed();
        assert!(first >= Duration::from_millis(900) && first < Duration::from_millis(1900), "{dialect:?}: {first:?}");
        let again = Instant::now();
        assert_eq!(shown(&*chain).await, "none");
        assert!(again.elapsed() < Duration::from_millis(200));
    }
}

#[tokio::test]
async fn the_instance_brings_keys_and_other_ones_before_they_end() {
    let service = Service::start(imds(200)).await;
    let mut user = User::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url())]);
    user.set("AWS_EC2_METADATA_DISABLED", "false");
    let chain = user.chain(Dialect::S3, None);
    // 200 seconds are less than the 300 before the end at which other ones are looked for.
    assert_eq!(shown(&*chain).await, "imds1+t");
    assert_eq!(shown(&*chain).await, "imds2+t");
}

#[tokio::test]
async fn keys_that_were_refused_are_fetched_anew() {
    let service = Service::start(imds(9000)).await;
    let mut user = User::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url())]);
    user.set("AWS_EC2_METADATA_DISABLED", "false");
    let chain = user.chain(Dialect::S3, None);
    assert_eq!((shown(&*chain).await, shown(&*chain).await), ("imds1+t".into(), "imds1+t".into()));
    let keys = chain.get().await.unwrap().unwrap();
    chain.refused(&keys);
    assert_eq!(shown(&*chain).await, "imds2+t");
}

#[tokio::test]
async fn the_ram_role_of_an_instance_brings_keys() {
    let service = Service::start(|request| {
        if request.starts_with("PUT /latest/api/token") {
            return (200, "hush-token".into());
        }
        assert!(request.to_lowercase().contains("x-aliyun-ecs-metadata-token: hush-token"), "{request}");
        if request.starts_with("GET /latest/meta-data/ram/security-credentials/ ") {
            return (200, "role".into());
        }
        assert!(request.starts_with("GET /latest/meta-data/ram/security-credentials/role "), "{request}");
        let end = in_seconds(9000);
        (200, format!(r#"{{"Code":"Success","AccessKeyId":"STS.x","AccessKeySecret":"hush","SecurityToken":"t","Expiration":"{end}"}}"#))
    })
    .await;
    let mut user = User::new(&[("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", &service.url())]);
    user.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false");
    assert_eq!(user.keys(Dialect::Oss, None).await, "STS.x+t");
    user.file(
        ".aliyun/config.json",
        r#"{"current":"e","profiles":[{"name":"e","mode":"EcsRamRole","ram_role_name":"role"}]}"#,
    );
    user.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    assert!(user.keys(Dialect::Oss, None).await.starts_with("Denied"), "it was asked for, and is switched off");
    user.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false");
    assert_eq!(user.keys(Dialect::Oss, None).await, "STS.x+t");
}

#[tokio::test]
async fn something_else_at_the_metadata_address_means_no_keys() {
    let service = Service::start(|_| (404, "<html>hush".into())).await;
    let mut user = User::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url())]);
    user.set("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", &service.url());
    user.set("AWS_EC2_METADATA_DISABLED", "false").set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "false");
    assert_eq!(
        (user.keys(Dialect::S3, None).await, user.keys(Dialect::Oss, None).await),
        ("none".into(), "none".into())
    );
}

#[tokio::test]
async fn a_container_asks_its_own_service_and_no_stranger() {
    let service = Service::start(|request| {
        assert!(request.to_lowercase().contains("authorization: hush-token"), "{request}");
        let end = in_seconds(9000);
        (200, format!(r#"{{"AccessKeyId":"ecs","SecretAccessKey":"hush","Token":"t","Expiration":"{end}"}}"#))
    })
    .await;
    let mut user = User::new(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/creds", service.url()))]);
    let token = user.file("token", "hush-token\n");
    user.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap());
    assert_eq!(user.keys(Dialect::S3, None).await, "ecs+t");
    for stranger in ["http://192.0.2.1/creds", "http://example.com/", "ftp://127.0.0.1/", "creds"] {
        user.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", stranger);
        assert!(user.keys(Dialect::S3, None).await.contains("names neither"), "{stranger}");
    }
}

/// `AssumeRole` and `AssumeRoleWithOIDC` of Alibaba Cloud.
async fn aliyun_sts() -> Service {
    Service::start(|request| {
        let line = request.lines().next().unwrap();
        let end = in_seconds(9000);
        let of = |id: &str| {
            format!(r#"{{"Credentials":{{"AccessKeyId":"{id}","AccessKeySecret":"hush","SecurityToken":"t","Expiration":"{end}"}}}}"#)
        };
        if line.contains("RoleArn=acs%3Aram%3A%3A1%3Arole%2Fdenied") {
            return (403, r#"{"Code":"NoPermission","Message":"hush, your token was hush-token"}"#.into());
        }
        match line.contains("Action=AssumeRoleWithOIDC") {
            true if line.contains("OIDCToken=hush-jwt") => (200, of("oidc")),
            _ if line.contains("Action=AssumeRole&") && line.contains("Signature=") => {
                let id = line.split("AccessKeyId=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
                (200, of(&format!("role-of-{id}")))
            }
            _ => (400, "{}".into()),
        }
    })
    .await
}

#[tokio::test]
async fn roles_of_alibaba_cloud_are_assumed_and_a_refusal_is_no_reason_to_use_other_keys() {
    let sts = aliyun_sts().await;
    let mut user = User::new(&[("ALIBABA_CLOUD_STS_ENDPOINT", &sts.url())]);
    user.set("ALIBABA_CLOUD_ACCESS_KEY_ID", "base").set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hush");
    user.set("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/good");
    assert_eq!(user.keys(Dialect::Oss, None).await, "role-of-base+t");
    user.set("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/denied");
    let refused = user.keys(Dialect::Oss, None).await;
    assert_eq!(refused, "Denied: assuming the role acs:ram::1:role/denied: refused (NoPermission)");

    let mut user = User::new(&[("ALIBABA_CLOUD_STS_ENDPOINT", &sts.url())]);
    let token = user.file("jwt", "hush-jwt\n");
    user.set("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/good");
    user.set("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/p");
    user.set("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token.to_str().unwrap());
    assert_eq!(user.keys(Dialect::Oss, None).await, "oidc+t");
    user.file("jwt", "hush-other");
    assert!(user.keys(Dialect::Oss, None).await.starts_with("Denied: assuming the role"));
    user.set("ALIBABA_CLOUD_STS_ENDPOINT", "http://127.0.0.1:1");
    assert!(user.keys(Dialect::Oss, None).await.starts_with("Network: assuming the role"));
}

#[tokio::test]
async fn profiles_of_the_aliyun_command_line_are_read_by_their_modes() {
    let sts = aliyun_sts().await;
    let user = User::new(&[("ALIBABA_CLOUD_STS_ENDPOINT", &sts.url())]);
    let keys = r#""access_key_id":"ak","access_key_secret":"hush""#;
    user.file(
        ".aliyun/config.json",
        &format!(
            r#"{{"current":"one","profiles":[
            {{"name":"one","mode":"AK",{keys},"sts_token":"stale"}},
            {{"name":"sts","mode":"StsToken",{keys},"sts_token":"t"}},
            {{"name":"role","mode":"RamRoleArn",{keys},"ram_role_arn":"acs:ram::1:role/r","ram_session_name":"s"}},
            {{"name":"chain","mode":"ChainableRamRoleArn","source_profile":"role","ram_role_arn":"acs:ram::1:role/q"}},
            {{"name":"circle","mode":"ChainableRamRoleArn","source_profile":"circle","ram_role_arn":"acs:ram::1:role/q"}},
            {{"name":"cloudsso","mode":"CloudSSO"}},
            {{"name":"empty","mode":"AK"}}]}}"#
        ),
    );
    let table = [
        (None, "ak"),
        (Some("sts"), "ak+t"),
        (Some("role"), "role-of-ak+t"),
        (Some("chain"), "role-of-role-of-ak+t"),
        (Some("circle"), "Denied: the profile \"circle\" in ~/.aliyun/config.json lacks a source_profile"),
        (Some("cloudsso"), "Denied: the profile \"cloudsso\" is of the mode \"cloudsso\", which is unknown"),
        (Some("empty"), "Usage: no keys under the profile \"empty\""),
        (Some("nobody"), "Usage: no keys under the profile \"nobody\""),
    ];
    for (profile, want) in table {
        let got = user.keys(Dialect::Oss, profile).await;
        assert!(got.starts_with(want), "{profile:?}: {got}");
    }
    user.file(".aliyun/config.json", "{\"profiles\":[{\"name\":\"hush");
    assert!(user.keys(Dialect::Oss, None).await.ends_with("config.json is damaged"));
}

#[tokio::test]
async fn files_of_ossutil_and_the_sdks_are_read() {
    let user = User::new(&[]);
    user.file(".oss/credentials", "[default]\naccess_key_id = sdk\naccess_key_secret = hush\n");
    assert_eq!(user.keys(Dialect::Oss, None).await, "sdk");
    let ini = "[default]\nenable = true\ntype = access_key\naccess_key_id = ini\naccess_key_secret = hush\n\
               [p]\naccess_key_id = ini-p\naccess_key_secret = hush\nsts_token = t\n[off]\nenable=false\n";
    user.file(".alibabacloud/credentials.ini", ini);
    assert_eq!(user.keys(Dialect::Oss, None).await, "ini");
    assert_eq!(user.keys(Dialect::Oss, Some("p")).await, "ini-p+t");
    assert!(user.keys(Dialect::Oss, Some("off")).await.starts_with("Usage"));
    user.file(".ossutilconfig", "[Credentials]\nlanguage=EN\naccessKeyID=v1\naccessKeySecret=hush\nstsToken=t\n");
    assert_eq!(user.keys(Dialect::Oss, None).await, "v1+t");
    user.file(
        ".ossutilconfig",
        "[default]\naccessKeyId=v2\naccessKeySecret=hush\n[profile p]\naccessKeyId=v2p\naccessKeySecret=hush\n",
    );
    assert_eq!(user.keys(Dialect::Oss, None).await, "v2");
    assert_eq!(user.keys(Dialect::Oss, Some("p")).await, "v2p");
}

#[tokio::test]
async fn a_changed_file_is_read_again_while_a_transfer_runs() {
    let user = User::new(&[]);
    let of = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = hush\n");
    let chain = user.chain(Dialect::S3, None);
    assert_eq!(shown(&*chain).await, "none");
    user.file(".aws/credentials", &of("one"));
    assert_eq!(shown(&*chain).await, "one");
    user.file(".aws/credentials", &of("three"));
    assert_eq!(shown(&*chain).await, "three");
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_brings_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let user = User::new(&[]);
    let script = user.file(
        "my tools/keys",
        "#!/bin/sh\necho hush >&2\n[ \"$1\" = 'a b' ] || exit 3\n\
         echo '{\"Version\":1,\"AccessKeyId\":\"process\",\"SecretAccessKey\":\"hush\",\"SessionToken\":\"t\"}'\n",
    );
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let config = |arg: &str| format!("[profile p]\ncredential_process = \"{}\" {arg}\n", script.display());
    user.file(".aws/config", &config("'a b'"));
    assert_eq!(user.keys(Dialect::S3, Some("p")).await, "process+t");
    user.file(".aws/config", &config("x"));
    assert_eq!(user.keys(Dialect::S3, Some("p")).await, "Denied: the credential_process of the profile \"p\": refused");
}

/// `AssumeRole` and `AssumeRoleWithWebIdentity` of AWS.
async fn aws_sts(name: &str) -> Service {
    Service::start_tls(name, |request| {
        let end = in_seconds(9000);
        let of = |action: &str, id: &str| {
            format!(
                "<{action}Response><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId>\
                 <SecretAccessKey>hush</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{end}</Expiration>\
                 </Credentials></{action}Result></{action}Response>"
            )
        };
        if request.contains("denied") {
            let text = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>hush</Message></Error></ErrorResponse>";
            return (403, text.into());
        }
        match request.contains("AssumeRoleWithWebIdentity") {
            true if request.contains("WebIdentityToken=hush-jwt") => {
                (200, of("AssumeRoleWithWebIdentity", "ASIAWEBIDENTITY00"))
            }
            _ if request.to_lowercase().contains("authorization: aws4-hmac-sha256 credential=base/") => {
                (200, of("AssumeRole", "ASIAROLEOFBASE000"))
            }
            _ => (400, "hush".into()),
        }
    })
    .await
}

#[tokio::test]
async fn profiles_of_aws_assume_roles_by_way_of_others() {
    let sts = aws_sts("sts.eu-central-1.amazonaws.com").await;
    let mut user = User::new(&[("AWS_REGION", "eu-central-1")]);
    user.knows("sts.eu-central-1.amazonaws.com", &sts);
    user.file(".aws/credentials", "[base]\naws_access_key_id = base\naws_secret_access_key = hush\n");
    let jwt = user.file("jwt", "hush-jwt");
    user.file(
        ".aws/config",
        &format!(
            "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/good\nsource_profile = base\nexternal_id = 42\n\
             [profile denied]\nrole_arn = arn:aws:iam::123456789012:role/denied\nsource_profile = base\n\
             [profile web]\nrole_arn = arn:aws:iam::123456789012:role/good\nweb_identity_token_file = {}\n\
             [profile circle]\nrole_arn = arn:aws:iam::123456789012:role/good\nsource_profile = circle2\n\
             [profile circle2]\nrole_arn = arn:aws:iam::123456789012:role/good\nsource_profile = circle\n\
             [profile nothing]\nregion = x\n",
            jwt.display()
        ),
    );
    let table = [
        ("role", "ASIAROLEOFBASE000+t"),
        ("web", "ASIAWEBIDENTITY00+t"),
        ("denied", "Denied: assuming the role arn:aws:iam::123456789012:role/denied: refused (AccessDenied)"),
        ("circle", "Denied: the profile \"circle2\" assumes a role, by way of too many others"),
        ("nothing", "Denied: the profile \"nothing\" in ~/.aws/config has no keys"),
        ("nobody", "Usage: the profile \"nobody\" is neither in"),
    ];
    for (profile, want) in table {
        let got = user.keys(Dialect::S3, Some(profile)).await;
        assert!(got.starts_with(want), "{profile}: {got}\n{:?}", sts.seen());
    }
    user.set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/good");
    user.set("AWS_WEB_IDENTITY_TOKEN_FILE", jwt.to_str().unwrap());
    assert_eq!(user.keys(Dialect::S3, None).await, "ASIAWEBIDENTITY00+t");
}

#[tokio::test]
async fn a_session_of_sso_is_exchanged_for_keys() {
    let service = Service::start(|request| {
        assert!(request.contains("x-amz-sso_bearer_token: hush-sso"), "{request}");
        assert!(request.starts_with("GET /federation/credentials?role_name=reader&account_id=42 "), "{request}");
        let end = 1000 * (SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 9000);
        (200, format!(r#"{{"roleCredentials":{{"accessKeyId":"sso","secretAccessKey":"hush","sessionToken":"t","expiration":{end}}}}}"#))
    })
    .await;
    let mut user = User::new(&[]);
    user.set("AWS_SSO_ENDPOINT", &format!("{}/federation/credentials", service.url()));
    user.file(
        ".aws/config",
        "[default]\nsso_session = my\nsso_account_id = 42\nsso_role_name = reader\n\
         [sso-session my]\nsso_region = eu-central-1\nsso_start_url = https://my.awsapps.com/start\n",
    );
    assert!(user.keys(Dialect::S3, None).await.contains("aws sso login"));
    // Where the AWS command line keeps the token of the session "my": the name is its SHA-1.
    let cache = format!(".aws/sso/cache/{}.json", sha1_hex("my"));
    let token = |end: &str| format!(r#"{{"accessToken":"hush-sso","expiresAt":"{end}"}}"#);
    user.file(&cache, &token(&in_seconds(900)));
    assert_eq!(user.keys(Dialect::S3, None).await, "sso+t");
    user.file(&cache, &token("2020-01-01T00:00:00Z"));
    assert!(user.keys(Dialect::S3, None).await.starts_with("Denied: the SSO session"));
}

fn sha1_hex(text: &str) -> String {
    use sha1::Digest as _;
    sha1::Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn nothing_is_written_and_files_that_cannot_be_read_are_told() {
    let user = User::new(&[]);
    std::fs::create_dir_all(user.home.path().join(".aws/credentials")).unwrap();
    let told = user.keys(Dialect::S3, None).await;
    assert!(told.starts_with("LocalFile: ") && told.contains("cannot be read (it is no regular file)"), "{told}");
    let all = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(all(user.home.path()), [".aws"]);
}

#[tokio::test]
async fn settings_are_those_of_the_caller_then_of_variables_then_of_the_profile() {
    let mut user = User::new(&[]);
    user.file(".aws/config", "[default]\nregion = file\nendpoint_url = https://file\ns3 =\n  addressing_style = path\n[profile p]\nservices = s\n[services s]\ns3 =\n  endpoint_url = https://service\n");
    user.file(".ossutilconfig", "[default]\nregion = cn-file\nendpoint = https://file\n");
    let of = async |user: &User, dialect, settings: &StoreSettings| {
        let options = settings_of(dialect, settings, &user.world()).await.unwrap().into_options(dialect);
        format!(
            "{} {} {}",
            options.endpoint.unwrap_or_default(),
            options.region.unwrap_or_default(),
            options.path_style
        )
    };
    let nothing = StoreSettings::default();
    assert_eq!(of(&user, Dialect::S3, &nothing).await, "https://file file true");
    assert_eq!(of(&user, Dialect::Oss, &nothing).await, "https://file cn-file false");
    let profile = StoreSettings { profile: Some("p".into()), ..StoreSettings::default() };
    assert_eq!(of(&user, Dialect::S3, &profile).await, "https://service  false");
    user.set("AWS_DEFAULT_REGION", "env").set("AWS_ENDPOINT_URL", "https://env").set("OSS_ENDPOINT", "http://env");
    assert_eq!(of(&user, Dialect::S3, &nothing).await, "https://env env true");
    assert_eq!(of(&user, Dialect::Oss, &nothing).await, "http://env cn-file false");
    user.set("AWS_REGION", "env2").set("AWS_ENDPOINT_URL_S3", "https://env3").set("OSS_REGION", "cn-env");
    assert_eq!(of(&user, Dialect::S3, &nothing).await, "https://env3 env2 true");
    assert_eq!(of(&user, Dialect::Oss, &nothing).await, "http://env cn-env false");
    let said = StoreSettings {
        endpoint: Some("e".into()),
        region: Some("r".into()),
        path_style: Some(false),
        ..StoreSettings::default()
    };
    assert_eq!(of(&user, Dialect::S3, &said).await, "e r false");
    assert_eq!(of(&user, Dialect::Oss, &said).await, "e r false");
    let unasked = nothing.clone().into_options(Dialect::Oss);
    assert_eq!((unasked.endpoint, unasked.region), (None, None), "a library reads no environment by itself");
    let missing = StoreSettings { profile: Some("q".into()), ..StoreSettings::default() };
    assert_eq!(settings_of(Dialect::S3, &missing, &user.world()).await.unwrap_err().kind(), ErrorKind::Usage);
}
