//! Ceph's object gateway keeps the contract: an S3 server that nobody here wrote, old, strict and odd.
//!
//! Method: the gateway is started in a folder of its own by `scripts/servers/ceph-rgw` and removed at the end. Where it
//! is not installed the test says "skipped", unless LONGHAUL_REQUIRE_SERVERS asks for it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/servers/ceph-rgw");

struct Ceph {
    folder: TempDir,
}

impl Drop for Ceph {
    fn drop(&mut self) {
        script("wipe", self.folder.path(), &[]);
    }
}

fn script(verb: &str, folder: &Path, more: &[&str]) -> Output {
    Command::new(SCRIPT).arg(verb).arg(folder).args(more).env("CEPH_STORE", "memstore").output().unwrap()
}

/// The first of twelve ports in a row that are free, below those that systems give to whoever asks for any.
fn free_ports() -> u16 {
    let begin = 21_000 + u16::try_from(std::process::id() % 500).unwrap() * 12;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (begin..32_000).step_by(12).find(|&first| (first..first + 12).all(free)).unwrap()
}

fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<_> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    ["radosgw", "ceph-mon", "ceph-osd", "ceph"].iter().all(|name| places.iter().any(|place| place.join(name).exists()))
}

fn start() -> Option<(Ceph, Bench)> {
    if !is_installed() {
        let why = "Ceph's gateway is not installed";
        assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none_or(|v| v != "1"), "required, but {why}");
        println!("skipped: {why}");
        return None;
    }
    let ceph = Ceph { folder: tempfile::tempdir().unwrap() };
    let port = free_ports().to_string();
    let output = script("start", ceph.folder.path(), &[&port]);
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
    let bench = Bench::new(options, keys, "films");
    Some((ceph, bench))
}

/// Makes a bucket: no verb of ours.
async fn make_bucket(bench: &Bench) {
    let place = Place::parse_prefix(&format!("s3://{}", bench.bucket)).unwrap();
    let bucket = bench.with(place, &Orders::default(), Arc::new(Static::new(bench.keys.clone())));
    bucket.put(Bytes::new(), Promised::default(), &Handed::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ceph_keeps_the_contract_by_path_and_virtual_host() {
    let Some((_ceph, mut bench)) = start() else { return };
    make_bucket(&bench).await;
    contract::holds(&bench).await;
    contract::lists(&bench).await;
    contract::checksums(&bench, false).await;

    // `rgw dns name = localhost`.
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
    let place = bench.place("by/virtual host");
    let object = Cloud::new(&bench.http, Arc::new(endpoint), place, &Orders::default(), credentials).unwrap();
    assert!(object.url.as_str().starts_with("http://films.localhost:"));
    object.put(content(1, 10), Promised::default(), &Handed::default()).await.unwrap();
    assert_eq!(object.look().await.unwrap().len, Some(10));
    let link = object.presign(Link::Get, 60).await.unwrap();
    assert_eq!(bench.plain(Method::GET, &link, b"").await, (200, content(1, 10).to_vec()));
}
