//! Fetch pieces of an object and not all of it. Runs by itself: `cargo run -p longhaul --example range`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use longhaul::{Client, ErrorKind};
use longhaul_devstore::{Fault, Object, Origin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("longhaul-range-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let origin = Origin::start();
    let object = Object::seeded(7, 8_000_000).etag("\"v1\"");
    origin.put("/video.mp4", object.clone());
    let url = origin.url("/video.mp4");
    let client = Client::builder().build()?;

    // The first 100,000 bytes, and the last million: the file holds the one behind the other.
    let target = folder.join("ends");
    let range = "0-99999,-1000000";
    origin.script("/video.mp4", vec![Fault::Correct, Fault::Cut { after: 600_000 }]);
    let broken = client.download(&url).range(range).to(&target).retries(0).start().await?.finished().await;
    println!("the network broke: {}", broken.err().ok_or("it did not")?);

    // As of a whole object, what is held stays: only the rest is fetched.
    origin.script("/video.mp4", Vec::new());
    let outcome = client.download(&url).range(range).to(&target).start().await?.finished().await?;
    println!("{} bytes in the file, {} of them fetched now", outcome.bytes(), outcome.totals().moved);
    let wanted = object.content.slice(0..100_000).then(&object.content.slice(7_000_000..8_000_000));
    assert_eq!(wanted.first_difference_in_file(outcome.path())?, None);

    // A range that lies outside of the object is refused, and the error knows how long the object is.
    let outside = client.download(&url).range("9000000-").to(folder.join("none")).start().await?.finished().await;
    let error = outside.err().ok_or("there is no such range")?;
    assert_eq!(error.kind(), ErrorKind::Refused);
    let length = error.context().iter().find(|(name, _)| *name == "length").map(|(_, length)| length.as_str());
    println!("{error} (length: {})", length.unwrap_or("unknown"));
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
