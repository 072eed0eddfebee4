//! Many transfers at a time, by the library alone. Goal: a program gets what `get -r`, `put -r` and `--jobs` do.
//! Method: the local store, and an origin for single URLs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use longhaul::credentials::{Keys, Secret, Static, StoreSettings};
use longhaul::many::{Batch, JobEnd, JobReport, ManyDownloads, Notice};
use longhaul::{Client, ClientBuilder, ErrorKind, Event};
use longhaul_devstore::oss::{Builder, Server};
use longhaul_devstore::{Content, Object, Origin};

struct Bench {
    folder: tempfile::TempDir,
    store: Server,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Builder::new(folder.path().join("store")).bucket("films").sync(false).start().unwrap();
        Self { folder, store }
    }

    fn builder(&self) -> ClientBuilder {
        let settings = StoreSettings {
            endpoint: Some(self.store.endpoint().to_owned()),
            region: Some(self.store.region().to_owned()),
            ..StoreSettings::default()
        };
        let secret = Secret::new(self.store.access_key_secret());
        let keys = Keys { id: self.store.access_key_id(), secret, token: None };
        Client::builder().state_dir(self.folder.path().join("state")).oss(settings).oss_credentials(Static::new(keys))
    }

    /// Stores objects of so many bytes.
    async fn put(&self, keys: &[&str], len: u64) {
        let client = self.builder().build().unwrap();
        let file = self.folder.path().join("object");
        for (seed, key) in (1..).zip(keys) {
            write(&file, seed, len);
            let upload = client.upload(&file).to(format!("oss://films/{key}")).force(true);
            upload.start().await.unwrap().finished().await.unwrap();
        }
    }
}

fn write(path: &Path, seed: u64, len: u64) {
    let mut file = std::fs::File::create(path).unwrap();
    std::io::copy(&mut Content::seeded(seed, len).reader(), &mut file).unwrap();
}

/// All reports, by the object's key.
async fn reports(downloads: &mut ManyDownloads) -> BTreeMap<String, JobReport> {
    let mut all = BTreeMap::new();
    while let Some((object, report)) = downloads.next().await.unwrap() {
        assert!(all.insert(object.name.key().to_owned(), report).is_none(), "{} was reported twice", object.name);
    }
    all
}

#[tokio::test]
async fn a_folder_goes_up_and_comes_back() {
    let bench = Bench::new();
    let client = bench.builder().build().unwrap();
    let (up, down) = (bench.folder.path().join("up"), bench.folder.path().join("down"));
    let names = ["a", "d/b", "d/e/c", "d/empty", "ä 1"];
    std::fs::create_dir_all(up.join("d/e")).unwrap();
    for (seed, name) in (1..).zip(names) {
        write(&up.join(name), seed, if name == "d/empty" { 0 } else { 200_000 });
    }
    std::fs::write(up.join("left.tmp"), "x").unwrap();
    std::os::unix::fs::symlink("d", up.join("link")).unwrap();
    let uploads = client.upload_all(&up).to("oss://films/p").at_once(2).only(|name| !name.ends_with(".tmp"));
    let mut uploads = uploads.start().await.unwrap();
    assert_eq!(uploads.left_out().len(), 1, "the link: {:?}", uploads.left_out());
    let mut stored = Vec::new();
    while let Some((file, report)) = uploads.next().await.unwrap() {
        assert!(matches!(report.end, JobEnd::Done(_)), "{file:?}: {report:?}");
        stored.push(file.name.unwrap());
    }
    stored.sort();
    assert_eq!(stored, names);

    let mut downloads = client.download_all("oss://films/p/").to_dir(&down).at_once(3).start();
    let all = reports(&mut downloads).await;
    assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), names.map(|name| format!("p/{name}")));
    for name in names {
        assert_eq!(std::fs::read(up.join(name)).unwrap(), std::fs::read(down.join(name)).unwrap(), "{name}");
    }
    let again = reports(&mut client.download_all("oss://films/p/").to_dir(&down).start()).await;
    assert!(again.values().all(|r| matches!(&r.end, JobEnd::Done(outcome) if outcome.already())), "{again:?}");
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_folder_is_refused_and_the_others_come() {
    let bench = Bench::new();
    bench.put(&["p/../../out", "p/a", "p/a/b", "p/c/../../x", "p//d", "p/e"], 1000).await;
    let (root, client) = (bench.folder.path().join("root/deep"), bench.builder().build().unwrap());
    let mut downloads = client.download_all("oss://films/p/").to_dir(&root).at_once(1).start();
    let all = reports(&mut downloads).await;
    let refused: Vec<&str> = all
        .iter()
        .filter(|(_, r)| matches!(&r.end, JobEnd::Failed(error) if error.kind() == ErrorKind::LocalFile))
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(refused, ["p/../../out", "p//d", "p/a/b", "p/c/../../x"], "{all:?}");
    let mut files: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["a", "e"]);
    assert!(!bench.folder.path().join("out").exists() && !bench.folder.path().join("root/x").exists());
}

#[tokio::test]
async fn one_switch_stops_all_and_the_same_again_goes_on() {
    let bench = Bench::new();
    bench.put(&["p/1", "p/2", "p/3", "p/4"], 3 << 20).await;
    let slow = bench.builder().limit_rate(64 << 10).build().unwrap();
    let (batch, down) = (Batch::default(), bench.folder.path().join("down"));
    let switch = batch.clone();
    let downloads = slow.download_all("oss://films/p/").to_dir(&down).at_once(2).batch(&batch);
    let downloads = downloads.tell(move |_, notice| {
        if let Notice::Event(_, Event::Started { .. }) = notice {
            switch.stop();
        }
    });
    let all = reports(&mut downloads.start()).await;
    let stopped = all.values().filter(|r| matches!(r.end, JobEnd::Stopped { .. })).count();
    assert!(batch.is_stopped() && all.len() <= 2 && stopped >= 1, "{all:?}");
    let report = batch.download(slow.download("oss://films/p/1").to(down.join("x")), |_| {}).await;
    assert!(matches!(report.end, JobEnd::NotBegun) && report.transfer.is_none(), "a batch is stopped for good");

    let client = bench.builder().build().unwrap();
    let all = reports(&mut client.download_all("oss://films/p/").to_dir(&down).start()).await;
    assert!(all.len() == 4 && all.values().all(|r| matches!(r.end, JobEnd::Done(_))), "{all:?}");
    for (seed, name) in (1..).zip(["1", "2", "3", "4"]) {
        let difference = Content::seeded(seed, 3 << 20).first_difference_in_file(down.join(name)).unwrap();
        assert_eq!(difference, None, "{name}");
    }
}

#[tokio::test]
async fn a_source_that_is_listed_twice_is_fetched_once() {
    let origin = Origin::start();
    origin.put("/x", Object::seeded(1, 500_000));
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().state_dir(folder.path().join("state")).build().unwrap();
    let (batch, file) = (Batch::default(), folder.path().join("x"));
    let fetch = |secret: &str| {
        let link = origin.url(&format!("/x?token={secret}"));
        batch.download(client.download(link).to(&file), |_| {})
    };
    let (one, two) = tokio::join!(fetch("a"), fetch("b"));
    let already = [one, two].map(|report| match report.end {
        JobEnd::Done(outcome) => outcome.already(),
        end => panic!("{end:?}"),
    });
    assert_eq!(already, [false, true]);
}

#[tokio::test]
async fn a_list_that_cannot_be_had_is_an_error_and_the_end() {
    let bench = Bench::new();
    let client = bench.builder().build().unwrap();
    for (prefix, kind) in [("oss://nowhere/p", ErrorKind::NotFound), ("https://h/", ErrorKind::Usage)] {
        let mut downloads = client.download_all(prefix).to_dir(bench.folder.path()).start();
        assert_eq!(downloads.next().await.unwrap_err().kind(), kind, "{prefix}");
        assert!(downloads.next().await.unwrap().is_none());
    }
    assert_eq!(client.upload_all(".").start().await.unwrap_err().kind(), ErrorKind::Usage);
}
