//! Only if it changed, only this version; and what becomes of a partial file whose object was replaced meanwhile.
//! Runs by itself: `cargo run -p longhaul --example conditions`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use longhaul::{Client, ErrorKind, Event};
use longhaul_devstore::{Fault, Object, Origin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Origin::start();
    let (first, second) = (Object::seeded(1, 6_000_000).etag("\"v1\""), Object::seeded(2, 6_000_000).etag("\"v2\""));
    origin.put("/map.bin", first);
    let url = origin.url("/map.bin");
    let folder = std::env::temp_dir().join(format!("longhaul-conditions-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("map.bin");
    std::fs::write(&file, "the map as the app was shipped with it")?;
    let client = Client::builder().build()?;

    // The app knows the ETag of what it has. Nothing new: no byte is transferred, and the file stays.
    let outcome = client.download(&url).to(&file).overwrite(true).if_none_match("v1").start().await?.finished().await?;
    println!("not modified: {}", outcome.is_not_modified());
    assert!(outcome.is_not_modified() && outcome.totals().moved == 0 && std::fs::read(&file)?.starts_with(b"the map"));

    // One version and no other: the error shows which one is there.
    let error = client.download(&url).to(&file).overwrite(true).if_match("v0").start().await?.finished().await;
    let error = error.err().ok_or("there is no v0")?;
    println!("{error}");
    assert_eq!(error.kind(), ErrorKind::ConditionFailed);

    // Half of v1 comes; then the line breaks and the object is replaced.
    origin.script("/map.bin", vec![Fault::Cut { after: 3_000_000 }]);
    let get = || client.download(&url).to(&file).overwrite(true).connections(1).retries(0);
    get().start().await?.finished().await.err().ok_or("the line breaks on purpose")?;
    origin.script("/map.bin", Vec::new());
    origin.put("/map.bin", second.clone());

    // Every request for the rest says "only if it is still v1" by itself. What is held stays until the new version is
    // known; never are the two mixed.
    let transfer = get().if_none_match("v0").start().await?;
    let mut events = transfer.events();
    let show = async {
        while let Some(event) = events.next().await {
            if let Event::Restarted { reason, discarded } = event {
                println!("starting over, {discarded} bytes given up: {}", reason.explain());
            }
        }
    };
    let (outcome, ()) = tokio::join!(transfer.finished(), show);
    let outcome = outcome?;
    assert_eq!(outcome.totals().restarts.len(), 1);
    assert_eq!(second.content.first_difference_in_file(outcome.path())?, None);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
