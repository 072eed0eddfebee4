//! `DownloadBuilder::discard`. Goal: what an earlier run left can be thrown away without a handle, a link or a network.
//! Method: downloads that are interrupted, and an origin that counts requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::path::Path;

use longhaul::{Client, ErrorKind, Event, Transfer};
use longhaul_devstore::{Object, Origin};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A download of which something is held, and which still runs.
async fn begun(client: &Client, link: &str, file: &Path) -> Transfer {
    let transfer = client.download(link).to(file).connections(1).start().await.unwrap();
    let mut events = transfer.events();
    loop {
        match events.next().await {
            Some(Event::Progress(progress)) if progress.received > 0 => return transfer,
            Some(_) => {}
            None => panic!("it ended: {:?}", transfer.finished().await),
        }
    }
}

#[tokio::test]
async fn what_was_left_is_gone_and_the_source_is_not_asked() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    origin.put("/x", Object::seeded(1, 8 << 20));
    let here = folder.path().join("here");
    std::fs::create_dir(&here).unwrap();
    let client = || Client::builder().state_dir(folder.path().join("state")).limit_rate(256 << 10).build().unwrap();
    let link = origin.url("/x?Signature=abc&Expires=1");

    // By the file alone, though the link had secrets.
    let file = here.join("x");
    let transfer = begun(&client(), &link, &file).await;
    let refused = client().open(&file).unwrap().discard().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InUse, "{refused}");
    transfer.pause().await.unwrap();
    drop(transfer);
    assert!(names(&here).contains(&"x.lhpart".to_owned()) && client().list().unwrap().transfers.len() == 1);
    let asked = origin.requests();
    let needs_link = client().open(&file).unwrap().start().await.unwrap_err();
    assert_eq!(needs_link.kind(), ErrorKind::NeedsLink);
    client().open(&file).unwrap().discard().await.unwrap();
    assert!(names(&here).is_empty() && client().list().unwrap().transfers.is_empty(), "{:?}", names(&here));

    // By the source, in its folder; and where nothing is.
    let transfer = begun(&client(), &origin.url("/x"), &file).await;
    transfer.pause().await.unwrap();
    drop(transfer);
    let asked_again = origin.requests();
    assert!(asked_again > asked);
    for _ in 0..2 {
        client().download(origin.url("/x")).into_dir(&here).discard().await.unwrap();
        assert!(names(&here).is_empty(), "{:?}", names(&here));
    }
    client().download(origin.url("/x")).to(&file).discard().await.unwrap();
    assert!(names(&here).is_empty(), "{:?}", names(&here));
    assert_eq!(origin.requests(), asked_again, "the source is not asked");

    // A finished file is no leftover.
    std::fs::write(&file, "mine").unwrap();
    let _ = client().download(origin.url("/x")).to(&file).discard().await;
    assert_eq!((names(&here), std::fs::read(&file).unwrap()), (vec!["x".to_owned()], b"mine".to_vec()));
}
