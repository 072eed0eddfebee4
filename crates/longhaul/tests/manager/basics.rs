//! What can be asked of the list, and what it does.

use std::sync::{Arc, Mutex};

use longhaul::manager::{Change, EntryEvent, Place, Settings, State, Told, Which};
use longhaul::{Cancel, ErrorKind};
use longhaul_devstore::Fault;

use crate::common::{Site, done, until, until_bytes, within};

const LEN: u64 = 400_000;

/// Goal: what is added is downloaded, and the list says so. Method: three small objects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_added_is_downloaded() {
    let site = Site::new();
    let manager = site.manager().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(manager.add(site.object(&format!("{n}.bin"), n, LEN)).await.unwrap().id);
    }
    for (n, id) in ids.iter().enumerate() {
        done(&manager, *id).await;
        assert!(site.is_right(&format!("{n}.bin"), n as u64, LEN));
    }
    within(manager.idle()).await;
    let counts = manager.counts();
    assert_eq!((counts.done, counts.running, counts.queued), (3, 0, 0));
    assert_eq!(manager.entries(&Which::Over, 0, 10).len(), 3);
    let entry = manager.entry(ids[0]).unwrap();
    assert_eq!((entry.progress.received, entry.progress.total, entry.attempts), (LEN, Some(LEN), 1));
    manager.forget_all_over().await.unwrap();
    assert!(manager.entries(&Which::All, 0, 10).is_empty());
}

/// Goal: no more run than may, in the order of the list, which can be changed. Method: one at a time; the last of three
/// goes to the top while the first runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_the_list_is_the_order_of_the_starts() {
    let site = Site::new();
    let manager = site.manager().await;
    manager.set_settings(Settings { most: 1, ..Settings::default() }).await.unwrap();
    let (first, gate) = site.stuck("first", 1, LEN);
    let first = manager.add(first).await.unwrap().id;
    let second = manager.add(site.object("second", 2, LEN)).await.unwrap().id;
    let third = manager.add(site.object("third", 3, LEN)).await.unwrap().id;
    until_bytes(&manager, first).await;
    assert_eq!(manager.move_to(third, Place::Before(second)).await.unwrap(), 1);
    assert_eq!(manager.position(second), Some(2));
    assert_eq!(manager.move_to(second, Place::Up(1)).await.unwrap(), 1);
    assert_eq!(manager.move_to(second, Place::Down(1)).await.unwrap(), 2);
    assert_eq!(manager.move_to(second, Place::At(1)).await.unwrap(), 1);
    assert_eq!(manager.move_to(second, Place::Bottom).await.unwrap(), 2);
    assert_eq!(manager.counts().running, 1);
    gate.open();
    for id in [first, third, second] {
        done(&manager, id).await;
    }
    let started = |id| manager.entry(id).unwrap().started_ms.unwrap();
    assert!(started(first) <= started(third) && started(third) <= started(second));
    let over: Vec<_> = manager.entries(&Which::Over, 0, 10).iter().map(|entry| entry.id).collect();
    assert_eq!(over.len(), 3);
    let error = manager.move_to(first, Place::Up(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

/// Goal: a hold stops a run with what it has, and nothing but a release makes it run again. Method: held while half of
/// it has come; the program starts anew; released.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_holds_over_a_restart() {
    let site = Site::new();
    let manager = site.manager().await;
    let (entry, _gate) = site.stuck("film", 4, 4_000_000);
    let id = manager.add(entry).await.unwrap().id;
    until_bytes(&manager, id).await;
    assert_eq!(manager.hold(id).await.unwrap(), Change::Made);
    until(&manager, id, |entry| entry.state == State::Held).await;
    assert_eq!(manager.hold(id).await.unwrap(), Change::Already);
    within(manager.close()).await;

    let manager = site.manager().await;
    let entry = manager.entry(id).unwrap();
    assert_eq!(entry.state, State::Held);
    assert!(entry.progress.received > 0 && entry.progress.total == Some(4_000_000), "{:?}", entry.progress);
    within(manager.idle()).await;
    site.origin.always("/film", Fault::Pace { bytes_per_second: 100_000_000 });
    let before = site.origin.bytes_served();
    assert_eq!(manager.release(id).await.unwrap(), Change::Made);
    done(&manager, id).await;
    assert!(site.is_right("film", 4, 4_000_000));
    assert!(site.origin.bytes_served() - before < 4_000_000, "what was held was fetched again");
}

/// Goal: what is given up goes or stays, as asked. Method: two that are half there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_keeps_or_discards() {
    let site = Site::new();
    let manager = site.manager().await;
    let parts = |name: &str| site.file(&format!("{name}.lhpart")).exists();
    for (name, how) in [("kept", Cancel::Keep), ("discarded", Cancel::Discard)] {
        let (entry, _gate) = site.stuck(name, 5, 4_000_000);
        let id = manager.add(entry).await.unwrap().id;
        until_bytes(&manager, id).await;
        manager.cancel(id, how).await.unwrap();
        until(&manager, id, |entry| entry.state == State::Cancelled).await;
        assert_eq!(parts(name), how == Cancel::Keep);
        let error = manager.hold(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.context().contains(&("state", "cancelled".to_owned())), "{error:?}");
        manager.forget(id).await.unwrap();
        assert_eq!(manager.forget(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

/// Goal: an app that listens hears what happens. Method: one that is paused, goes on and is finished; one that is
/// cancelled; a reader of everything beside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_hear_finished_progress_paused_and_cancelled() {
    let site = Site::new();
    let all = Arc::new(Mutex::new(0));
    let count = all.clone();
    let manager = within(site.client().manager().listener(move |_| *count.lock().unwrap() += 1).open()).await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listen = |id| {
        let heard = heard.clone();
        manager.listen(id, move |event| {
            let word = match event {
                EntryEvent::Started => "started",
                EntryEvent::Progress(_) => "progress",
                EntryEvent::Paused => "paused",
                EntryEvent::Cancelled => "cancelled",
                EntryEvent::Finished(_) => "finished",
                _ => "other",
            };
            let mut heard = heard.lock().unwrap();
            if heard.last() != Some(&word) {
                heard.push(word);
            }
        });
    };
    let mut told = manager.told();
    let (entry, gate) = site.stuck("film", 6, 4_000_000);
    let id = manager.add(entry.hold(true)).await.unwrap().id;
    assert!(matches!(within(told.next()).await, Some(Told::Changed(entry)) if entry.state == State::Held));
    listen(id);
    manager.release(id).await.unwrap();
    until_bytes(&manager, id).await;
    manager.hold(id).await.unwrap();
    until(&manager, id, |entry| entry.state == State::Held).await;
    gate.open();
    manager.release(id).await.unwrap();
    done(&manager, id).await;
    let words = ["started", "progress", "paused", "started", "progress", "finished"];
    heard_all(&heard, &words).await;

    heard.lock().unwrap().clear();
    let (entry, _gate) = site.stuck("other", 7, 4_000_000);
    let id = manager.add(entry.hold(true)).await.unwrap().id;
    listen(id);
    manager.release(id).await.unwrap();
    until_bytes(&manager, id).await;
    manager.cancel(id, Cancel::Discard).await.unwrap();
    until(&manager, id, |entry| entry.state == State::Cancelled).await;
    heard_all(&heard, &["started", "progress", "cancelled"]).await;
    assert!(*all.lock().unwrap() > 10);
}

/// A listener is told of a state when readers see it already.
async fn heard_all(heard: &Mutex<Vec<&'static str>>, words: &[&str]) {
    within(async {
        while heard.lock().unwrap().len() < words.len() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(*heard.lock().unwrap(), words);
}
