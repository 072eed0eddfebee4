//! How is the store told to those who use it? As text to paste, as a line of JSON, as variables.

use longhaul_devstore::oss::Server;
use serde_json::json;

use crate::flags::serve::ServeOptions;

/// Variables that would lead a command to a store of its user's, if they were left.
pub(super) const REMOVED: [&str; 3] = ["OSS_SESSION_TOKEN", "OSS_PROFILE", "LONGHAUL_SERVE_KEY"];

/// For a command that is run: what longhaul, ossutil and the vendors' SDKs read, the bucket, and the admin port.
pub(super) fn variables(server: &Server, options: &ServeOptions) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("OSS_ENDPOINT", server.endpoint().to_owned()),
        ("OSS_REGION", server.region().to_owned()),
        ("OSS_ACCESS_KEY_ID", server.access_key_id()),
        ("OSS_ACCESS_KEY_SECRET", server.access_key_secret()),
        ("LONGHAUL_ADMIN", server.admin().to_owned()),
    ];
    let bucket = options.words.bucket.first().cloned().or_else(|| server.buckets().into_iter().next());
    variables.extend(bucket.map(|bucket| ("OSS_BUCKET", bucket)));
    variables
}

/// For programs that start a store and talk to it.
pub(super) fn ready_line(server: &Server) -> String {
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
pub(super) fn settings(server: &Server, options: &ServeOptions) -> String {
    let (endpoint, admin, region) = (server.endpoint(), server.admin(), server.region());
    let (id, secret) = (server.access_key_id(), server.access_key_secret());
    let buckets = server.buckets();
    let bucket = options.words.bucket.first().or(buckets.first()).map_or("BUCKET", String::as_str);
    let unsigned = if options.words.anonymous { "  (requests need no signature: any key will do)" } else { "" };
    let of = match &options.words.folder {
        Some(folder) => format!("{} as an OSS store. Ctrl-C ends it; everything is kept.", folder.display()),
        None => "a temporary OSS store. Ctrl-C ends it and removes everything.".to_owned(),
    };
    let there = match options.listen.ip().is_unspecified() {
        true => {
            let port = server.address().port();
            format!("\n  Other machines reach it by this machine's name or address, at port {port}.\n")
        }
        false => String::new(),
    };
    let none = match buckets.is_empty() {
        true => "\n  It has no bucket yet: make one on the admin page, or start it with --bucket NAME.\n",
        false => "",
    };
    format!(
        "\
Serving {of}

  Endpoint           {endpoint}
  Region             {region}
  Access key id      {id}{unsigned}
  Access key secret  {secret}
  Admin page         {admin}/
{there}{none}
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
    )
}
