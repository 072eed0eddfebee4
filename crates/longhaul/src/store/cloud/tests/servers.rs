//! S3 servers that nobody here wrote keep the contract: Ceph's gateway, old, strict and odd; Garage; Swift's S3 layer.
//!
//! Method: each is started in a folder of its own by `scripts/servers` and removed at the end. Where it is not
//! installed the test says "skipped", unless LONGHAUL_REQUIRE_SERVERS asks for it. Garage and Swift belong to the
//! longer tier.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;

/// How a server is started, and of which programs it is made.
struct Kind {
    name: &'static str,
    script: &'static str,
    needs: &'static [&'static str],
    once: Once,
    skews_s: &'static [i64],
    /// It keeps checksums as Amazon does.
    sums: bool,
}

const CEPH: Kind = Kind {
    name: "Ceph's gateway",
    script: "ceph-rgw",
    needs: &["radosgw", "ceph-mon", "ceph-osd", "ceph"],
    once: Once::Heeded,
    skews_s: &[7200, -7200],
    sums: false,
};
/// It allows for a day, and for any time to come.
const GARAGE: Kind = Kind {
    name: "Garage",
    script: "garage",
    needs: &["garage"],
    once: Once::Ignored,
    skews_s: &[-25 * 3600],
    sums: true,
};
const SWIFT: Kind = Kind {
    name: "Swift's S3 layer",
    script: "swift-s3",
    needs: &["swift-proxy-server", "swift-object-server", "memcached"],
    once: Once::Refused,
    skews_s: &[7200, -7200],
    sums: false,
};

struct Server {
    kind: &'static Kind,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        script(self.kind, "wipe", self.folder.path(), &[]);
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn script(kind: &Kind, verb: &str, folder: &Path, more: &[&str]) -> Output {
    let script = workspace().join("scripts/servers").join(kind.script);
    Command::new(script).arg(verb).arg(folder).args(more).env("CEPH_STORE", "memstore").output().unwrap()
}

/// How many servers this process has started.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// The first of twelve ports in a row that are free, below those that systems give to whoever asks for any.
fn free_ports() -> u16 {
    let begin = 21_000 + u16::try_from(std::process::id() % 500).unwrap() * 12;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    // Tests side by side do not look at the same ones.
    let others = STARTED.fetch_add(1, Ordering::Relaxed);
    (begin..32_000).step_by(12).filter(|&first| (first..first + 12).all(free)).nth(others).unwrap()
}

fn is_installed(kind: &Kind) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = [workspace().join("target/tools/bin"), "/usr/sbin".into(), "/sbin".into()];
    let places: Vec<_> = std::env::split_paths(&path).chain(more).collect();
    kind.needs.iter().all(|name| places.iter().any(|place| place.join(name).exists()))
}

fn start(kind: &'static Kind) -> Option<(Server, Bench)> {
    if !is_installed(kind) {
        let why = format!("{} is not installed", kind.name);
        assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none_or(|v| v != "1"), "required, but {why}");
        println!("skipped: {why}");
        return None;
    }
    let server = Server { kind, folder: tempfile::tempdir().unwrap() };
    let port = free_ports().to_string();
    let output = script(kind, "start", server.folder.path(), &[&port]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let value = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name} in {told}")).to_owned()
    };
    let mut options = EndpointOptions::new(Dialect::S3);
    options.endpoint = Some(value("ENDPOINT"));
    options.region = Some(value("AWS_REGION"));
    let keys = keys(&value("AWS_ACCESS_KEY_ID"), &value("AWS_SECRET_ACCESS_KEY"));
    let bench = Bench { once: kind.once, skews_s: kind.skews_s, ..Bench::new(options, keys, "films") };
    Some((server, bench))
}

/// Makes a bucket: no verb of ours.
async fn make_bucket(bench: &Bench) {
    let prefix: ObjectPrefix = format!("s3://{}", bench.bucket).parse().unwrap();
    let bucket = bench.with(prefix.with_key(""), &Orders::default(), Arc::new(Static::new(bench.keys.clone())));
    bucket.put(Bytes::new(), Promised::default(), &Handed::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ceph_keeps_the_contract_by_path_and_virtual_host() {
    keeps_the_contract_by_path_and_virtual_host(&CEPH).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes to build: scripts/test --long installs and runs it"]
async fn garage_keeps_the_contract_by_path_and_virtual_host() {
    keeps_the_contract_by_path_and_virtual_host(&GARAGE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "scripts/test --long installs and runs it"]
async fn swift_keeps_the_contract_by_path_and_virtual_host() {
    keeps_the_contract_by_path_and_virtual_host(&SWIFT).await;
}

async fn keeps_the_contract_by_path_and_virtual_host(kind: &'static Kind) {
    let Some((_server, mut bench)) = start(kind) else { return };
    make_bucket(&bench).await;
    contract::holds(&bench).await;
    contract::lists(&bench).await;
    contract::checksums(&bench, kind.sums).await;

    // The scripts tell each server that it is called localhost.
    let endpoint = bench.options.endpoint.clone().unwrap();
    let port = endpoint.rsplit(':').next().unwrap().to_owned();
    let here: Vec<std::net::SocketAddr> = vec![format!("127.0.0.1:{port}").parse().unwrap()];
    let hosts = ["films.localhost", "no-such-bucket-here.localhost", "localhost"];
    let resolve = hosts.iter().map(|host| ((*host).to_owned(), here.clone())).collect();
    bench.http = HttpStore::new(&HttpOptions { resolve, ..HttpOptions::default() }).unwrap();
    bench.options.endpoint = Some(format!("http://localhost:{port}"));
    let mut endpoint = Endpoint::new(bench.options.clone()).unwrap();
    endpoint.be_virtual_host();
    let credentials = Arc::new(Static::new(bench.keys.clone()));
    let name = bench.object_name("by/virtual host");
    let object = Cloud::new(&bench.http, Arc::new(endpoint), name, &Orders::default(), credentials).unwrap();
    assert!(object.url.as_str().starts_with("http://films.localhost:"));
    object.put(content(1, 10), Promised::default(), &Handed::default()).await.unwrap();
    assert_eq!(object.look().await.unwrap().len, Some(10));
    let link = object.presign(Link::Get, 60).await.unwrap();
    assert_eq!(bench.plain(Method::GET, &link, b"").await, (200, content(1, 10).to_vec()));
}
