//! What a download does where another file has its name: it asks, replaces, or takes the next free name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul::{Cancel, Client, DownloadBuilder, ErrorKind, Event, Existing, ProxyChoice, Transfer};
use longhaul_devstore::{Content, Fault, Object, Origin};

const MIB: u64 = 1 << 20;

struct Bench {
    origin: Origin,
    folder: tempfile::TempDir,
    client: Client,
}

fn bench() -> Bench {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("to")).unwrap();
    for (path, seed) in [("/one/film.mkv", 1), ("/two/film.mkv", 2)] {
        origin.put(path, Object::seeded(seed, 4 * MIB).etag("\"v1\""));
    }
    let state = folder.path().join("state");
    let client = Client::builder().proxy(ProxyChoice::Direct).state_dir(state).build().unwrap();
    Bench { origin, folder, client }
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("to").join(name)
    }

    fn download(&self, which: &str) -> DownloadBuilder {
        let download = self.client.download(self.origin.url(&format!("/{which}/film.mkv"))).existing(Existing::Rename);
        download.to(self.path("film.mkv")).connections(1).stall(1, Duration::from_secs(3600))
    }

    /// What is in the folder, by name.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("to")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Begins one and stops it in the middle.
    async fn interrupt(&self, which: &str) -> String {
        let path = format!("/{which}/film.mkv");
        self.origin.always(&path, Fault::Stall { after: MIB });
        let transfer = self.download(which).start().await.unwrap();
        received(&transfer, MIB).await;
        let id = transfer.id().to_owned();
        transfer.cancel(Cancel::Keep).await.unwrap();
        self.origin.always(&path, Fault::Correct);
        id
    }
}

async fn received(transfer: &Transfer, bytes: u64) {
    let mut events = transfer.events();
    while let Some(event) = events.next().await {
        if matches!(event, Event::Progress(reached) if reached.received >= bytes) {
            return;
        }
    }
    panic!("it ended: {:?}", transfer.finished().await);
}

fn assert_has(path: &Path, seed: u64) {
    assert_eq!(Content::seeded(seed, 4 * MIB).first_difference_in_file(path).unwrap(), None, "{}", path.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_programs_file_is_left_and_the_next_free_name_is_taken() {
    let bench = bench();
    std::fs::write(bench.path("film.mkv"), b"theirs").unwrap();
    std::fs::create_dir(bench.path("film.1.mkv")).unwrap();
    std::os::unix::fs::symlink("nowhere", bench.path("film.2.mkv")).unwrap();
    let outcome = bench.download("one").start().await.unwrap().finished().await.unwrap();
    assert_eq!(outcome.path(), bench.path("film.3.mkv"));
    assert_has(outcome.path(), 1);
    assert_eq!(std::fs::read(bench.path("film.mkv")).unwrap(), b"theirs");
    // The same once more is there already; another object takes one more name.
    let again = bench.download("one").start().await.unwrap().finished().await.unwrap();
    assert!(again.already() && again.path() == bench.path("film.3.mkv"), "{again:?}");
    let two = bench.download("two").start().await.unwrap().finished().await.unwrap();
    assert_eq!(two.path(), bench.path("film.4.mkv"));
    assert_has(two.path(), 2);
    assert_eq!(bench.names(), ["film.1.mkv", "film.2.mkv", "film.3.mkv", "film.4.mkv", "film.mkv"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_server_gives_is_numbered_too() {
    let bench = bench();
    std::fs::write(bench.path("film.mkv"), b"theirs").unwrap();
    let download = bench.client.download(bench.origin.url("/one/film.mkv")).existing(Existing::Rename);
    let transfer = download.into_dir(bench.folder.path().join("to")).start().await.unwrap();
    let outcome = transfer.finished().await.unwrap();
    assert_eq!(outcome.path(), bench.path("film.1.mkv"));
    assert_has(outcome.path(), 1);
}

/// What was begun under a name is gone on with there, whatever happened to the other names meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_under_another_name_is_found_again() {
    let bench = bench();
    std::fs::write(bench.path("film.mkv"), b"theirs").unwrap();
    let id = bench.interrupt("one").await;
    std::fs::remove_file(bench.path("film.mkv")).unwrap();
    let transfer = bench.download("one").start().await.unwrap();
    assert_eq!(transfer.id(), id);
    let outcome = transfer.finished().await.unwrap();
    assert_eq!((outcome.path(), outcome.totals().moved), (&*bench.path("film.1.mkv"), 3 * MIB));
    assert_has(outcome.path(), 1);
    assert_eq!(bench.names(), ["film.1.mkv"]);
}

/// An unfinished download of another source keeps its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_download_of_another_source_keeps_its_name() {
    let bench = bench();
    bench.interrupt("one").await;
    let two = bench.download("two").start().await.unwrap().finished().await.unwrap();
    assert_eq!(two.path(), bench.path("film.1.mkv"));
    let one = bench.download("one").start().await.unwrap().finished().await.unwrap();
    assert_eq!((one.path(), one.totals().moved), (&*bench.path("film.mkv"), 3 * MIB));
    assert_has(one.path(), 1);
    assert_has(two.path(), 2);
    assert_eq!(bench.names(), ["film.1.mkv", "film.mkv"]);
}

/// Two at a time, of two sources, for one name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_a_time_get_two_names() {
    let bench = bench();
    let (one, two) = (bench.download("one").start().await.unwrap(), bench.download("two").start().await.unwrap());
    let (one, two) = (one.finished().await.unwrap(), two.finished().await.unwrap());
    assert_has(one.path(), 1);
    assert_has(two.path(), 2);
    assert_eq!(bench.names(), ["film.1.mkv", "film.mkv"]);
}

/// A name that is taken while the download runs is not taken back, neither then nor by the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_meanwhile_is_left() {
    let bench = bench();
    bench.interrupt("one").await;
    std::fs::write(bench.path("film.mkv"), b"theirs").unwrap();
    bench.origin.always("/one/film.mkv", Fault::Stall { after: MIB });
    let transfer = bench.download("one").start().await.unwrap();
    received(&transfer, 2 * MIB).await;
    std::fs::write(bench.path("film.1.mkv"), b"theirs, too").unwrap();
    bench.origin.always("/one/film.mkv", Fault::Correct);
    transfer.pause().await.unwrap();
    transfer.resume().await;
    let outcome = transfer.finished().await.unwrap();
    assert_eq!((outcome.path(), transfer.path()), (&*bench.path("film.2.mkv"), Some(bench.path("film.2.mkv"))));
    assert_has(outcome.path(), 1);
    assert_eq!(std::fs::read(bench.path("film.mkv")).unwrap(), b"theirs");
    assert_eq!(std::fs::read(bench.path("film.1.mkv")).unwrap(), b"theirs, too");
    assert_eq!(bench.names(), ["film.1.mkv", "film.2.mkv", "film.mkv"]);
    assert!(bench.client.list().unwrap().transfers.is_empty(), "{:?}", bench.client.list());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_asked_unless_it_may_be_replaced() {
    let bench = bench();
    std::fs::write(bench.path("film.mkv"), b"theirs").unwrap();
    let ask = bench.download("one").existing(Existing::Ask).start().await.unwrap().finished().await.unwrap_err();
    assert_eq!(ask.kind(), ErrorKind::Exists);
    assert_eq!(std::fs::read(bench.path("film.mkv")).unwrap(), b"theirs");
    let over = bench.download("one").existing(Existing::Overwrite).start().await.unwrap().finished().await.unwrap();
    assert_has(over.path(), 1);
    assert_eq!(bench.names(), ["film.mkv"]);
}

/// Goal: a crash behind the rename to another name costs nothing. Method: the journal as it is then, beside the name that was
/// asked for, and the file under the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_behind_the_rename_to_another_name_costs_nothing() {
    use longhaul_core::download::held::Slot;
    use longhaul_core::download::journal::{self, Begin, Publishing, Record, Source};
    use longhaul_core::identity::Identity;
    use longhaul_core::words::FileFacts;
    use std::os::unix::fs::MetadataExt as _;

    let bench = bench();
    std::fs::write(bench.path("film.mkv"), b"theirs").unwrap();
    let content = Content::seeded(1, 4 * MIB).to_vec();
    std::fs::write(bench.path("film.1.mkv"), b"theirs, too").unwrap();
    std::fs::write(bench.path("film.2.mkv"), &content).unwrap();
    let meta = std::fs::metadata(bench.path("film.2.mkv")).unwrap();
    let ns = |s: i64, ns: i64| s * 1_000_000_000 + ns;
    let facts = FileFacts {
        len: meta.len(),
        inode: meta.ino(),
        mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
        ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
    };
    let url = bench.origin.url("/one/film.mkv");
    let source = Source { id: [7; 16], url, name: b"film.mkv".to_vec(), ..Source::default() };
    let identity = Identity { length: Some(4 * MIB), etag: Some("\"v1\"".into()), ..Identity::default() };
    let begin = Begin { generation: 1, slot: Slot::Main, identity, block_len: 1 << 20, reason: None };
    let records =
        [Record::Source(source), Record::Begin(begin), Record::Publishing(Publishing { generation: 1, facts })];
    let mut bytes = journal::header().to_vec();
    journal::encode(&records, 0, &mut bytes);
    std::fs::write(bench.path("film.mkv.lhlog"), bytes).unwrap();
    let transfer = bench.download("one").start().await.unwrap();
    assert_eq!(transfer.id(), "07".repeat(16));
    let outcome = transfer.finished().await.unwrap();
    assert_eq!((outcome.path(), outcome.totals().moved), (&*bench.path("film.2.mkv"), 0));
    assert_eq!(
        (bench.origin.requests(), bench.names()),
        (0, vec!["film.1.mkv".to_owned(), "film.2.mkv".to_owned(), "film.mkv".to_owned()])
    );
}
