//! A signed link expires in the middle; the app brings a fresh one and the transfer goes on. Runs by itself:
//! `cargo run -p longhaul --example fresh_link`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use longhaul::Client;
use longhaul_devstore::{Fault, Object, Origin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Origin::start();
    let object = Object::seeded(3, 6_000_000).etag("\"v1\"");
    origin.put("/photo.raw", object.clone().requires_query("Signature", "first"));
    // After 2 MB the connection breaks, and from then on only the second signature is accepted.
    let (control, renewed) = (origin.control(), object.clone().requires_query("Signature", "second"));
    let expire = Fault::call(2_000_000, move || control.put("/photo.raw", renewed.clone()));
    origin.script("/photo.raw", vec![expire.and(Fault::Cut { after: 2_000_000 })]);
    let folder = std::env::temp_dir().join(format!("longhaul-link-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;

    let fresh = origin.url("/photo.raw?Signature=second");
    let links = move |source: String| {
        println!("the link of {source} is not accepted any more; asking the app's server for a new one");
        let fresh = fresh.clone();
        async move { Some(fresh) }
    };
    let client = Client::builder().build()?;
    let transfer = client
        .download(origin.url("/photo.raw?Signature=first"))
        .to(folder.join("photo.raw"))
        .link_source(links)
        .start()
        .await?;
    let outcome = transfer.finished().await?;
    println!("{} bytes, {} fetched in all", outcome.bytes(), outcome.totals().moved);
    assert_eq!(object.content.first_difference_in_file(outcome.path())?, None);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
