//! A download manager: a list that lasts, with a listener for each entry; one is paused, one is cancelled.
//! Runs by itself: `cargo run -p longhaul --example download_manager`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use longhaul::manager::{EntryEvent, EntryId, Manager, NewEntry, Settings, State, Target};
use longhaul::{Cancel, Client};
use longhaul_devstore::{Fault, Gate, Object, Origin};

/// Puts a link into the list, and listens to what becomes of it.
async fn add(manager: &Manager, url: &str, folder: &std::path::Path) -> Result<EntryId, longhaul::Error> {
    let id = manager.add(NewEntry::parse(url, Target::Folder(folder.into()))?).await?.id; // it is recorded now
    let name = url.rsplit('/').next().unwrap_or_default().to_owned();
    manager.listen(id, move |event| match event {
        EntryEvent::Progress(progress) => println!("{name}: {} bytes", progress.received),
        EntryEvent::Paused => println!("{name}: paused"),
        EntryEvent::Cancelled => println!("{name}: cancelled"),
        EntryEvent::Finished(finish) => println!("{name}: finished, {}", finish.path.display()),
        event => println!("{name}: {event:?}"), // started, later, needs a link, failed
    });
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (origin, folder) =
        (Origin::start(), std::env::temp_dir().join(format!("longhaul-list-{}", std::process::id())));
    let gate = Gate::new();
    for n in 0..6 {
        origin.put(&format!("/{n}.bin"), Object::seeded(n, 3_000_000).etag("\"1\""));
    }
    // Half of these two comes, and then nothing: there is time to press a button.
    origin.always("/1.bin", Fault::hold(1_500_000, &gate));
    origin.always("/2.bin", Fault::hold(1_500_000, &Gate::new()));

    let client = Client::builder().state_dir(folder.join("state")).build()?;
    let manager = client.manager().open().await?; // what an earlier run of the program left goes on here
    manager.set_settings(Settings { most: 3, limit_rate: 20 << 20, ..Settings::default() }).await?;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(add(&manager, &origin.url(&format!("/{n}.bin")), &folder).await?);
    }
    manager.hold(ids[1]).await?; // what it has received is durable when it is held
    manager.cancel(ids[2], Cancel::Discard).await?;
    for id in [ids[0], ids[3], ids[4], ids[5]] {
        assert!(matches!(manager.finished(id).await?, State::Done(_)));
    }
    gate.open();
    manager.release(ids[1]).await?;
    assert!(matches!(manager.finished(ids[1]).await?, State::Done(_)));
    assert_eq!(manager.finished(ids[2]).await?, State::Cancelled);
    manager.close().await;

    for n in [0, 1, 3, 4, 5] {
        let file = folder.join(format!("{n}.bin"));
        assert_eq!(Object::seeded(n, 3_000_000).content.first_difference_in_file(&file)?, None);
    }
    assert!(!folder.join("2.bin").exists() && !folder.join("2.bin.lhpart").exists());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
