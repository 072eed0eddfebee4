//! A list that is cut off, damaged or of another time: what was acknowledged is there, and what cannot be read is put
//! aside with a word.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use longhaul::manager::{Manager, NewEntry, Target, Which};
use longhaul::{Client, ErrorKind};

use crate::common::{Site, within};

/// The state directory of the child that is to be killed.
const CHILD: &str = "LONGHAUL_TEST_LIST";

fn some_entry(name: &str) -> NewEntry {
    let target = Target::File(PathBuf::from("/nowhere").join(name));
    NewEntry::parse(&format!("http://127.0.0.1:9/{name}"), target).unwrap().hold(true)
}

fn names(manager: &Manager) -> Vec<String> {
    let all = manager.entries(&Which::All, 0, usize::MAX);
    all.iter().map(|entry| entry.name.as_ref().unwrap().display().to_string()).collect()
}

/// The child of the next test: it adds entries, one or a few at a time, and says which are acknowledged, until it is
/// killed. By itself it has no list to add to, and nothing to show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_adds_until_it_is_killed() {
    let Ok(state) = std::env::var(CHILD) else { return };
    let client = Client::builder().state_dir(state).build().unwrap();
    let manager = within(client.manager().open()).await.unwrap();
    let begin = manager.entries(&Which::All, 0, usize::MAX).len();
    for n in 0..100_000 {
        let few = (0..1 + n % 4).map(|k| some_entry(&format!("{begin}-{n}-{k}"))).collect();
        for added in manager.add_all(few).await {
            let entry = manager.entry(added.unwrap().id).unwrap();
            println!("acknowledged {}", entry.name.as_ref().unwrap().display());
        }
    }
}

/// Goal: a kill at any moment loses nothing that was acknowledged, and leaves nothing twice. Method: a child adds and
/// is killed with SIGKILL after so many words, again and again with the same list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    let site = Site::new();
    let mut acknowledged = BTreeSet::new();
    for words in [1, 7, 40, 3, 111, 19] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crashes::a_child_adds_until_it_is_killed", "--exact", "--nocapture"])
            .env(CHILD, site.state())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines {
            let line = line.unwrap_or_default();
            if let Some((_, name)) = line.split_once("acknowledged ") {
                acknowledged.insert(name.trim().to_owned());
                heard += 1;
                if heard == words {
                    child.kill().unwrap(); // what it says until then is read on
                }
            }
        }
        child.wait().unwrap();
        assert!(heard >= words, "the child ended by itself after {heard} words");
    }
    let manager = site.manager().await;
    assert!(manager.notices().is_empty(), "{:?}", manager.notices());
    let names = names(&manager);
    let found: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(found.len(), names.len(), "an entry is there twice");
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

async fn list_of(site: &Site, count: usize) {
    let manager = site.manager().await;
    let all = (0..count).map(|n| some_entry(&format!("{n:04}"))).collect();
    assert!(manager.add_all(all).await.iter().all(Result::is_ok));
    within(manager.close()).await;
}

fn asides(state: &Path) -> usize {
    let names = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().contains("damaged") && name.to_string_lossy().ends_with(".sqlite"))
        .count()
}

/// Goal: a damaged list is put aside with the reason, or is whole; the manager works on. Method: stretches of the
/// database overwritten at many places, its head and its middle cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_list_is_put_aside_and_a_new_one_begun() {
    let site = Site::new();
    list_of(&site, 200).await;
    let list = site.state().join("catalogue.sqlite");
    let whole = std::fs::read(&list).unwrap();
    let mut put_aside = 0;
    for n in 0..16 {
        let mut damaged = whole.clone();
        match n {
            0 => damaged.truncate(100),
            1 => damaged.truncate(whole.len() / 2),
            n => {
                let at = (n * 7919 * 31) % (whole.len() - 4096);
                damaged[at..at + 3000].iter_mut().enumerate().for_each(|(k, byte)| *byte = (k * n) as u8);
            }
        }
        std::fs::write(&list, damaged).unwrap();
        let before = asides(&site.state());
        let manager = site.manager().await;
        let count = names(&manager).len();
        let aside = asides(&site.state()) > before;
        assert_eq!(aside, manager.notices().iter().any(|notice| notice.contains("damaged")), "{:?}", manager.notices());
        assert!(aside || count + manager.notices().len() >= 200, "{count} entries, and not a word");
        put_aside += usize::from(aside);
        manager.add(some_entry("after")).await.unwrap();
        within(manager.close()).await;
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", list.display()));
        }
    }
    assert!(put_aside >= 8, "{put_aside} of 16");
}

/// Goal: a log that was torn off costs the last changes at most, and no word about it is needed. Method: database and
/// log copied while a manager has them, the log cut at many lengths: what is there is what was added first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_log_is_a_list_of_a_moment_before() {
    let site = Site::new();
    let manager = site.manager().await;
    for n in 0..30 {
        manager.add(some_entry(&format!("{n:04}"))).await.unwrap();
    }
    let copy = |name: &str| std::fs::read(site.state().join(name)).unwrap();
    let (list, log) = (copy("catalogue.sqlite"), copy("catalogue.sqlite-wal"));
    assert!(log.len() > 10_000, "the log is shorter than was thought");
    within(manager.close()).await;
    let mut counts = BTreeSet::new();
    for n in 0..12 {
        let torn = Site::new();
        std::fs::create_dir_all(torn.state()).unwrap();
        std::fs::write(torn.state().join("catalogue.sqlite"), &list).unwrap();
        std::fs::write(torn.state().join("catalogue.sqlite-wal"), &log[..log.len() * n / 11]).unwrap();
        let manager = torn.manager().await;
        assert!(manager.notices().is_empty(), "{:?}", manager.notices());
        let names = names(&manager);
        let first: Vec<String> = (0..names.len()).map(|n| format!("{n:04}")).collect();
        assert_eq!(names, first);
        counts.insert(names.len());
        within(manager.close()).await;
    }
    assert!(counts.contains(&30) && counts.len() > 3, "{counts:?}");
}

/// Goal: a list of a newer version is read and never written. Method: its version raised in the head of the file
/// (sqlite.org/fileformat.html, 1.3: the user version, at 60).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_a_newer_version_is_read_and_never_written() {
    let site = Site::new();
    list_of(&site, 3).await;
    let list = site.state().join("catalogue.sqlite");
    let mut bytes = std::fs::read(&list).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&list, &bytes).unwrap();
    let error = within(site.client().manager().open()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    assert!(error.to_string().contains("newer version") && error.to_string().contains("99"), "{error}");
    assert_eq!(site.client().read_list().unwrap().entries.len(), 3);
    assert_eq!(std::fs::read(&list).unwrap(), bytes);
}

/// Goal: a list that is lost is made anew of what transfers left. Method: a download stops half-way; the list is
/// overwritten; the next manager finds it, held as its note says, and goes on with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_list_is_made_anew_of_what_transfers_left() {
    let site = Site::new();
    let manager = site.manager().await;
    let (entry, gate) = site.stuck("film", 11, 4_000_000);
    let id = manager.add(entry).await.unwrap().id;
    crate::common::until_bytes(&manager, id).await;
    within(manager.close()).await;
    gate.open();
    std::fs::write(site.state().join("catalogue.sqlite"), b"this is no list at all, and long enough to be one")
        .unwrap();
    let manager = site.manager().await;
    assert_eq!(manager.notices().len(), 1, "{:?}", manager.notices());
    let all = manager.entries(&Which::All, 0, 10);
    assert_eq!(all.len(), 1);
    assert!(all[0].progress.received > 0);
    manager.release(all[0].id).await.unwrap();
    crate::common::done(&manager, all[0].id).await;
    assert!(site.is_right("film", 11, 4_000_000));
}
