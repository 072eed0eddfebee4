//! Garage keeps checksums as Amazon does: the only server here that shows ours to be right.
//!
//! Method: one node is started in a folder of its own by `scripts/servers/garage` and removed at the end. Where it is
//! not installed the test says "skipped": it belongs to the longer tier.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::*;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

struct Garage {
    folder: TempDir,
}

impl Drop for Garage {
    fn drop(&mut self) {
        script("wipe", self.folder.path(), &[]);
    }
}

fn script(verb: &str, folder: &Path, more: &[&str]) -> Output {
    Command::new(format!("{ROOT}/scripts/servers/garage")).arg(verb).arg(folder).args(more).output().unwrap()
}

/// The first of three ports in a row that are free.
fn free_ports() -> u16 {
    let begin = 18_000 + u16::try_from(std::process::id() % 900).unwrap() * 3;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (begin..21_000).step_by(3).find(|&first| (first..first + 3).all(free)).unwrap()
}

fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push(format!("{ROOT}/target/tools/bin").into());
    places.iter().any(|place| place.join("garage").exists()) && Path::new(ROOT).join("scripts/servers/garage").exists()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garage_keeps_checksums_and_compares_them() {
    if !is_installed() {
        println!("skipped: Garage is not installed");
        return;
    }
    let garage = Garage { folder: tempfile::tempdir().unwrap() };
    let output = script("start", garage.folder.path(), &[&free_ports().to_string()]);
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
    let place = Place::parse_prefix("s3://films").unwrap();
    let bucket = bench.with(place, &Orders::default(), Arc::new(Static::new(bench.keys.clone())));
    bucket.put(Bytes::new(), Promised::default(), &Handed::default()).await.unwrap(); // makes the bucket

    contract::checksums(&bench, true).await;
}
