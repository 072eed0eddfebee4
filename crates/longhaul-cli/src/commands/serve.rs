//! `longhaul serve DIR`: the local store, until a signal ends it.

use std::fs::File;
use std::io;
use std::time::Duration;

use longhaul_devstore::oss::{Builder, Server};
use serde_json::json;

use super::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::common::DurabilityWord;
use crate::flags::serve::ServeWords;
use crate::out;
use crate::signals::Signals;

/// How long the end of the store waits for its threads.
const GRACE: Duration = Duration::from_millis(700);

pub(crate) fn run(words: &ServeWords) -> Result<Exit, Failure> {
    let server = start(words)?;
    if !words.listen.ip().is_loopback() || !words.admin.ip().is_loopback() {
        out::say("warning: this store can be reached from other machines");
    }
    let text = if words.json { ready_line(&server) } else { settings(&server, words) };
    // Signals are taken before the ready line is written: a script may send one as soon as it has read that.
    let runtime = runtime()?;
    let signal = runtime.block_on(async {
        let mut signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        out::stdout(&text)?;
        Ok::<_, Failure>(signals.next().await)
    })?;
    end(server);
    Ok(Exit::Signal(signal))
}

/// Ends the store. Threads that the disk or an application keeps longer than [`GRACE`] end with the process: what they
/// have not answered by now, they never will, and all that was answered is kept.
fn end(mut server: Server) {
    if !server.stop(GRACE) {
        std::mem::forget(server); // dropped, it would wait for them
    }
}

fn start(words: &ServeWords) -> Result<Server, Failure> {
    let mut builder = Builder::new(&words.folder)
        .listen(words.listen)
        .admin(words.admin)
        .region(&words.region)
        .anonymous(words.anonymous)
        .sync(words.durability == DurabilityWord::Power)
        .connections_max(words.connections_max)
        .clock_offset_ms(i64::from(words.clock_offset) * 1000);
    for (name, value) in &words.variant {
        builder = builder.variant(name, value).map_err(|why| Failure::usage(format!("--variant: {why}")))?;
    }
    for (host, bucket) in &words.host {
        builder = builder.host(host, bucket);
    }
    for domain in &words.domain {
        builder = builder.domain(domain);
    }
    for bucket in &words.bucket {
        builder = builder.bucket(bucket);
    }
    for rule in &words.fault {
        builder = builder.fault(rule).map_err(|why| Failure::usage(format!("--fault '{rule}': {why}")))?;
    }
    if let Some(path) = &words.log {
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|e| local(format!("cannot write the log to {} ({e})", path.display())))?;
        builder = builder.log(Box::new(file));
    }
    builder.start().map_err(|error| {
        let message = format!("cannot serve {}: {error}", words.folder.display());
        match error.kind() {
            io::ErrorKind::ResourceBusy => Failure::new(Exit::InUse, "in_use", message),
            io::ErrorKind::AddrInUse => {
                Failure::new(Exit::InUse, "in_use", format!("{message}; --listen and --admin take other ports"))
            }
            io::ErrorKind::InvalidInput => Failure::usage(message),
            _ => local(message),
        }
    })
}

fn local(message: String) -> Failure {
    Failure::new(Exit::LocalFile, "local_file", message)
}

/// For programs that start a store and talk to it.
fn ready_line(server: &Server) -> String {
    let line = json!({
        "event": "ready",
        "endpoint": server.endpoint(),
        "admin": server.admin(),
        "region": server.region(),
        "access_key_id": server.access_key_id(),
        "access_key_secret": server.access_key_secret(),
    });
    format!("{line}\n")
}

/// For people: what to paste where.
fn settings(server: &Server, words: &ServeWords) -> String {
    let (endpoint, admin, region) = (server.endpoint(), server.admin(), server.region());
    let (id, secret) = (server.access_key_id(), server.access_key_secret());
    let bucket = words.bucket.first().map_or("my-bucket", String::as_str);
    let unsigned = if words.anonymous { "  (nobody has to sign: any key will do)" } else { "" };
    format!(
        "\
Serving {folder} as an OSS store. Ctrl-C ends it; everything is kept.

  Endpoint           {endpoint}
  Region             {region}
  Access key id      {id}{unsigned}
  Access key secret  {secret}
  Admin page         {admin}/

longhaul, and whatever reads the environment
  export OSS_ENDPOINT={endpoint} OSS_REGION={region}
  export OSS_ACCESS_KEY_ID={id} OSS_ACCESS_KEY_SECRET={secret}

ossutil 2
  ossutil --endpoint {endpoint} --region {region} --addressing-style path \\
    --access-key-id {id} --access-key-secret {secret} ls oss://{bucket}

ossutil 1
  ossutil -e {endpoint} -i {id} -k {secret} ls oss://{bucket}

Python, oss2
  auth = oss2.AuthV4('{id}', '{secret}')
  bucket = oss2.Bucket(auth, '{endpoint}', '{bucket}', region='{region}')

Python, alibabacloud-oss-v2
  config = oss.config.load_default()
  config.credentials_provider = oss.credentials.StaticCredentialsProvider('{id}', '{secret}')
  config.region, config.endpoint = '{region}', '{endpoint}'
  client = oss.Client(config)

Node, ali-oss
  const client = new OSS({{ endpoint: '{endpoint}', region: 'oss-{region}', bucket: '{bucket}',
    accessKeyId: '{id}', accessKeySecret: '{secret}', authorizationV4: true }})

Go, alibabacloud-oss-go-sdk-v2
  cfg := oss.LoadDefaultConfig().WithRegion(\"{region}\").WithEndpoint(\"{endpoint}\").WithUsePathStyle(true).
    WithCredentialsProvider(credentials.NewStaticCredentialsProvider(\"{id}\", \"{secret}\"))
  client := oss.NewClient(cfg)
",
        folder = words.folder.display(),
    )
}
