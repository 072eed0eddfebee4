//! What lasts: over restarts, beside other programs, on a disk that fails.

use longhaul::manager::{Settings, State, Which};
use longhaul::{Client, ErrorKind};

use crate::common::{Site, within};

/// Goal: one program manages the list, and the next one is told which. Method: two managers of one state directory; a
/// reader beside the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_manager_is_told_of_the_first() {
    let site = Site::new();
    let manager = site.manager().await;
    let id = manager.add(site.object("x", 1, 1000).hold(true).tag("mine")).await.unwrap().id;
    let error = within(site.client().manager().open()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.context().contains(&("pid", std::process::id().to_string())), "{error:?}");
    let list = site.client().read_list().unwrap();
    assert_eq!(list.managed_by, Some(std::process::id()));
    assert_eq!(list.entries.len(), 1);
    assert_eq!((list.entries[0].id, &list.entries[0].state), (id, &State::Held));
    assert_eq!(list.entries[0].tags, ["mine"]);
    within(manager.close()).await;
    assert_eq!(site.client().read_list().unwrap().managed_by, None);
    site.manager().await;
}

/// Goal: settings last. Method: others are set, and read by the next manager and by a reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_last() {
    let site = Site::new();
    let manager = site.manager().await;
    let mut settings = Settings { most: 7, user_agent: Some("me".into()), ..Settings::default() };
    settings.lanes.insert("night".into(), longhaul::manager::Lane { most: Some(1), limit_rate: 5, timetable: None });
    manager.set_settings(settings.clone()).await.unwrap();
    within(manager.close()).await;
    assert_eq!(*site.client().read_list().unwrap().settings, settings);
    assert_eq!(*site.manager().await.settings(), settings);
    assert!(Client::builder().build().unwrap().read_list().unwrap().entries.is_empty());
}

/// Goal: a manager that only records starts nothing, and the next one does. Method: an entry added to a list that does
/// not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_without_running_runs_later() {
    let site = Site::new();
    let manager = within(site.client().manager().run(false).open()).await.unwrap();
    let id = manager.add(site.object("x", 1, 1000)).await.unwrap().id;
    within(manager.idle()).await;
    assert_eq!(manager.entry(id).unwrap().state, State::Queued);
    within(manager.close()).await;
    let manager = site.manager().await;
    crate::common::done(&manager, id).await;
    assert_eq!(manager.entries(&Which::Over, 0, 1).len(), 1);
}
