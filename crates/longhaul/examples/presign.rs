//! Signed links: whoever has one can read (or write) this one object for a while, without keys. An app's server makes
//! them, the app downloads with them, and a link that ends under way is replaced.
//! Runs by itself: `cargo run -p longhaul --example presign`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod shared;

use std::time::Duration;

use longhaul::{Client, LinkMethod};
use longhaul_devstore::Content;

#[tokio::main(flavor = "current_thread")]
async fn main() -> shared::Result<()> {
    let sandbox = shared::Sandbox::new("presign")?;
    sandbox.store.put_seeded("films", "a b.mp4", 1, 5_000_000)?;

    // The server has the keys. Nothing is asked of the store for a link.
    let server = sandbox.client_builder().build()?;
    let life = Duration::from_secs(1800);
    for method in [LinkMethod::Get, LinkMethod::Head, LinkMethod::Put] {
        let link = server.presign("oss://films/a b.mp4", method, life).await?;
        println!("{method:?}: {}…", link.split('?').next().unwrap_or_default());
    }
    let link = server.presign("oss://films/a b.mp4", LinkMethod::Get, life).await?;

    // The app has none. One link serves for everything: the first ranged GET is the question how long the object is,
    // and which version. When the store takes it no longer, the app's server is asked for another one.
    let links = move |_source: String| {
        let server = server.clone();
        async move { server.presign("oss://films/a b.mp4", LinkMethod::Get, life).await.ok() }
    };
    let app = Client::builder().build()?;
    let transfer = app.download(link).to(sandbox.path("a.mp4")).link_source(links).start().await?;
    let outcome = transfer.finished().await?;
    println!("{} bytes, verified by {}", outcome.bytes(), outcome.verified().name());
    assert_eq!(Content::seeded(1, 5_000_000).first_difference_in_file(outcome.path())?, None);
    Ok(())
}
