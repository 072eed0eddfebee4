//! Links that expire, secrets that no file holds, and adds of what is in the list already.

use std::path::Path;

use longhaul::manager::{EntryEvent, EntrySecrets, Need, NewEntry, Settings, State, Target, Which};
use longhaul::{ErrorKind, Source};
use longhaul_devstore::Fault;

use crate::common::{Site, done, until, until_bytes, within};

const LEN: u64 = 4_000_000;

fn link(site: &Site, signature: &str) -> Source {
    site.origin.url(&format!("/film?Expires=9&Signature={signature}")).parse().unwrap()
}

/// Goal: an entry whose link expired says so, and goes on with a fresh one without fetching anything twice. Method: the
/// server refuses the signed link when half is there; then another one is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_link_is_asked_for_and_a_fresh_one_goes_on() {
    let site = Site::new();
    let manager = site.manager().await;
    let _gate = site.stuck("film", 8, LEN).1;
    let new = NewEntry::download([link(&site, "first")], Target::File(site.file("film")));
    let id = manager.add(new).await.unwrap().id;
    until_bytes(&manager, id).await;
    manager.hold(id).await.unwrap();
    until(&manager, id, |entry| entry.state == State::Held).await;
    site.origin.always("/film", Fault::status(403));
    let heard = std::sync::Arc::new(std::sync::Mutex::new(0));
    let needs = heard.clone();
    manager.listen(id, move |event| *needs.lock().unwrap() += i32::from(matches!(event, EntryEvent::NeedsLink(_))));
    manager.release(id).await.unwrap();
    let state = within(manager.finished(id)).await.unwrap();
    let State::Needs { what: Need::Link, reason } = &state else { panic!("{state:?}") };
    assert_eq!((reason.kind, *heard.lock().unwrap()), (ErrorKind::NeedsLink, 1));
    assert!(!reason.message.contains("first"), "{reason:?}");

    site.origin.always("/film", Fault::Pace { bytes_per_second: 100_000_000 });
    let before = site.origin.bytes_served();
    manager.relink(id, vec![link(&site, "second")]).await.unwrap();
    done(&manager, id).await;
    assert!(site.is_right("film", 8, LEN));
    assert!(site.origin.bytes_served() - before < LEN, "what was held was fetched again");
}

/// Goal: adding what is in the list unfinished gives that entry back, with the new link. Method: the same signed link
/// with another signature, while the first is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_heals_the_entry_that_is_there() {
    let site = Site::new();
    let manager = site.manager().await;
    let _ = site.object("film", 9, LEN);
    site.origin.always("/film", Fault::status(403));
    let new = |signature| NewEntry::download([link(&site, signature)], Target::File(site.file("film")));
    let first = manager.add(new("first")).await.unwrap();
    let state = within(manager.finished(first.id)).await.unwrap();
    assert!(matches!(state, State::Needs { what: Need::Link, .. }), "{state:?}");
    site.origin.always("/film", Fault::Pace { bytes_per_second: 100_000_000 });
    let again = manager.add(new("second")).await.unwrap();
    assert_eq!((again.id, again.gid, first.new, again.new), (first.id, first.gid, true, false));
    done(&manager, first.id).await;
    assert_eq!(manager.entries(&Which::All, 0, 10).len(), 1);
    // It is finished now: the next one is another entry, and finds the file.
    let third = manager.add(new("third")).await.unwrap();
    assert!(third.new);
    let state = within(manager.finished(third.id)).await.unwrap();
    assert!(matches!(&state, State::Done(finish) if finish.already), "{state:?}");
}

/// Goal: no file holds a secret, and without them an entry says what it needs after a restart; where the runtime
/// directory is in memory it goes on by itself. Method: a link and a header with planted words, held; every file of the
/// state directory is read; the program starts anew with and without such a directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_in_no_file_but_in_memory() {
    let site = Site::new();
    let _ = site.object("film", 10, LEN);
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let manager = within(site.client().manager().runtime_dir(memory.path()).open()).await.unwrap();
    let secrets = EntrySecrets { headers: vec![("X-Key".into(), "planted-header".into())], ..EntrySecrets::default() };
    let new = NewEntry::download([link(&site, "planted-link")], Target::File(site.file("film")));
    let id = manager.add(new.secrets(secrets).hold(true)).await.unwrap().id;
    assert!(manager.links(id)[0].contains("planted-link"));
    assert!(!format!("{:?}", manager.entry(id)).contains("planted"));
    within(manager.close()).await;
    let mut files = 0;
    look_through(&site.state(), &mut files);
    assert!(files > 0, "no file was looked at");
    let kept = memory.path().join("secrets").join(id.to_string());
    assert!(std::fs::read_to_string(&kept).unwrap().contains("planted-link"));

    let manager = site.manager().await; // a disk is no place for secrets, and this one has no runtime directory
    assert!(!manager.links(id)[0].contains("planted"));
    manager.release(id).await.unwrap();
    let state = within(manager.finished(id)).await.unwrap();
    assert!(matches!(&state, State::Needs { what: Need::Link, .. }), "{state:?}");
    within(manager.close()).await;

    let manager = within(site.client().manager().runtime_dir(memory.path()).open()).await.unwrap();
    manager.retry(id).await.unwrap();
    done(&manager, id).await;
    assert!(!kept.exists(), "what is finished needs no secret");
}

fn look_through(folder: &Path, files: &mut u32) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_through(&path, files);
            continue;
        }
        *files += 1;
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"planted"), "{} has a secret", path.display());
    }
}

/// Goal: of what is over, the newest stay, as many as the settings say; a listener that panics stops no one. Method:
/// five downloads one after the other, two are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_has_a_limit_and_a_listener_that_panics_stops_nobody() {
    let site = Site::new();
    let manager = site.manager().await;
    manager.set_settings(Settings { history: 2, most: 1, ..Settings::default() }).await.unwrap();
    let mut last = None;
    for n in 0..5 {
        let id = manager.add(site.object(&format!("{n}"), n, 1000).hold(true)).await.unwrap().id;
        manager.listen(id, |_| panic!("planted"));
        manager.release(id).await.unwrap();
        done(&manager, id).await;
        last = Some(id);
    }
    within(manager.idle()).await;
    let over = manager.entries(&Which::Over, 0, 10);
    assert_eq!(over.len(), 2);
    assert_eq!(over.last().map(|entry| entry.id), last);
    within(manager.close()).await;
    assert_eq!(site.client().read_list().unwrap().entries.len(), 2);
}
