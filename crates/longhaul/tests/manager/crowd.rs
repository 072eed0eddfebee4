//! Many processes at one list, and a disk without room for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use longhaul::manager::{Manager, NewEntry, Settings, Target, Told, Which};
use longhaul::{Client, ErrorKind};

use crate::common::{Site, done, until_bytes, within};

/// The state directory of a child, and what it does there.
const CHILD: &str = "LONGHAUL_TEST_CROWD";
const ROLE: &str = "LONGHAUL_TEST_ROLE";
const EACH: usize = 5;

fn some_entry(name: &str) -> NewEntry {
    let target = Target::File(PathBuf::from("/nowhere").join(name));
    NewEntry::parse(&format!("http://127.0.0.1:9/{name}"), target).unwrap().hold(true)
}

async fn manager_when_free(client: &Client) -> Manager {
    within(async {
        loop {
            match client.manager().run(false).open().await {
                Ok(manager) => return manager,
                Err(error) if error.kind() == ErrorKind::InUse => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error:?}"),
            }
        }
    })
    .await
}

/// The child of the next test: it takes the list when it is free and adds to it, or reads it again and again. By itself
/// it has no list, and nothing to show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_works_on_the_list() {
    let (Ok(state), Ok(role)) = (std::env::var(CHILD), std::env::var(ROLE)) else { return };
    let client = Client::builder().state_dir(state).build().unwrap();
    if role.starts_with("reader") {
        let mut seen = 0;
        for _ in 0..50 {
            let list = client.read_list().unwrap();
            assert!(list.entries.len() >= seen && list.entries.len() % EACH == 0, "{} entries", list.entries.len());
            assert!(list.warnings.is_empty(), "{:?}", list.warnings);
            seen = list.entries.len();
        }
        return;
    }
    let manager = manager_when_free(&client).await;
    let few = (0..EACH).map(|n| some_entry(&format!("{role}-{n}"))).collect();
    assert!(manager.add_all(few).await.iter().all(Result::is_ok));
    within(manager.close()).await;
}

/// Goal: sixteen processes at one list lose no change, and a reader sees each transaction whole. Method: twelve that
/// add five entries each, one at a time by the lock, and four that read all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_processes_lose_no_change() {
    let site = Site::new();
    within(site.manager().await.close()).await;
    let child = |role: String| {
        Command::new(std::env::current_exe().unwrap())
            .args(["crowd::a_child_works_on_the_list", "--exact"])
            .env(CHILD, site.state())
            .env(ROLE, role)
            .spawn()
            .unwrap()
    };
    let readers = (0..4).map(|n| child(format!("reader{n}")));
    let writers = (0..12).map(|n| child(format!("writer{n}")));
    let mut children: Vec<Child> = readers.chain(writers).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let list = site.client().read_list().unwrap();
    let names: BTreeSet<_> = list.entries.iter().map(|entry| entry.name.clone()).collect();
    assert_eq!((list.entries.len(), names.len()), (12 * EACH, 12 * EACH));
}

/// A small disk, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mounted(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "longhaul-test"], path);
        if !mounted {
            eprintln!("skipped: no tmpfs can be mounted here");
        }
        mounted.then(|| Self(path.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(args: &[&str], path: &Path) -> bool {
    Command::new("mount").args(args).arg(path).output().is_ok_and(|output| output.status.success())
}

/// Goal: when the list has no room, nothing is acknowledged that is not on the disk, what runs goes on, and all is well
/// when there is room again. Method: a list on a disk of 2 MiB that is filled while a download runs; then it is given
/// 64 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_room_acknowledges_nothing_and_recovers() {
    let site = Site::new();
    let Some(disk) = Disk::mounted(&site.state(), "2m") else { return };
    let manager = site.manager().await;
    manager.set_settings(Settings { spare: 0, ..Settings::default() }).await.unwrap();
    let mut told = manager.told();
    let (entry, gate) = site.stuck("film", 12, 4_000_000);
    let film = manager.add(entry).await.unwrap().id;
    until_bytes(&manager, film).await;
    let mut acknowledged = BTreeSet::new();
    let mut refused = None;
    for n in 0..200 {
        let many = (0..100).map(|k| some_entry(&format!("{n}-{k}"))).collect();
        for added in manager.add_all(many).await {
            match added {
                Ok(added) => drop(acknowledged.insert(added.id)),
                Err(error) => refused = Some(error),
            }
        }
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("the disk is not full");
    assert!(matches!(refused.kind(), ErrorKind::NoSpace | ErrorKind::LocalFile), "{refused:?}");
    assert!(refused.to_string().contains("the list of transfers cannot be written"), "{refused}");
    within(async { while !matches!(told.next().await, Some(Told::Unwritten(Some(_)) | Told::Missed)) {} }).await;

    assert!(mount(&["-o", "remount,size=64m"], &disk.0));
    let id = within(async {
        loop {
            match manager.add(some_entry("after")).await {
                Ok(added) => return added.id,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await, // it is tried again every two seconds
            }
        }
    })
    .await;
    acknowledged.insert(id);
    gate.open();
    done(&manager, film).await;
    assert!(site.is_right("film", 12, 4_000_000));
    within(manager.close()).await;
    let found: BTreeSet<_> = site.client().read_list().unwrap().entries.iter().map(|entry| entry.id).collect();
    assert!(acknowledged.is_subset(&found), "{} of {}", found.len(), acknowledged.len());
    let manager = site.manager().await;
    assert!(manager.entries(&Which::All, 0, usize::MAX).len() > acknowledged.len());
    within(manager.close()).await;
    drop(disk);
}
