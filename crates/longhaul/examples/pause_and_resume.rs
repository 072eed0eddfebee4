//! Pause a download, look at what is safe, and go on. Runs by itself against a local origin:
//! `cargo run -p longhaul --example pause_and_resume`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::time::Duration;

use longhaul::{Client, Event};
use longhaul_devstore::{Fault, Object, Origin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Origin::start();
    let object = Object::seeded(1, 20_000_000).etag("\"v1\"");
    origin.put("/video.mp4", object.clone());
    origin.always("/video.mp4", Fault::Pace { bytes_per_second: 10_000_000 });
    let folder = std::env::temp_dir().join(format!("longhaul-pause-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;

    let client = Client::builder().build()?;
    let transfer = client.download(origin.url("/video.mp4")).to(folder.join("video.mp4")).start().await?;
    let mut events = transfer.events();
    while let Some(event) = events.next().await {
        if matches!(event, Event::Progress(p) if p.received > 5_000_000) {
            break;
        }
    }
    transfer.pause().await?; // when it returns, everything received is durable
    println!("paused at {} bytes; the process may end here", transfer.progress().durable);

    tokio::time::sleep(Duration::from_millis(100)).await; // the user has a coffee
    transfer.resume().await;
    let outcome = transfer.finished().await?;
    println!(
        "{} bytes, of which {} came over the network; verified by {:?}",
        outcome.bytes(),
        outcome.totals().moved,
        outcome.verified()
    );
    assert_eq!(object.content.first_difference_in_file(outcome.path())?, None);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
