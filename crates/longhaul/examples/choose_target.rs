//! The destination is chosen when the suggested name is known; missing folders are created and an older file is
//! replaced, when the new one is whole. Runs by itself: `cargo run -p longhaul --example choose_target`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use longhaul::Client;
use longhaul_devstore::{Object, Origin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Origin::start();
    let object = Object::seeded(5, 1_000_000)
        .etag("\"v2\"")
        .content_disposition("attachment; filename=\"../../report 2026.pdf\"");
    origin.put("/download", object.clone());
    let folder = std::env::temp_dir().join(format!("longhaul-choose-{}", std::process::id()));
    let reports = folder.join("reports");
    std::fs::create_dir_all(&reports)?;
    std::fs::write(reports.join("report 2026.pdf"), "last week's version")?;

    let base = folder.clone();
    let client = Client::builder().build()?;
    let transfer = client
        .download(origin.url("/download"))
        // The name is one safe path component, whatever the server says.
        .choose(move |suggested| {
            base.join(if suggested.ends_with(".pdf") { "reports" } else { "other" }).join(suggested)
        })
        .create_dirs(true)
        .overwrite(true)
        .start()
        .await?;
    let outcome = transfer.finished().await?;
    println!("{}: {} bytes", outcome.path().display(), outcome.bytes());
    assert_eq!(outcome.path().canonicalize()?, reports.join("report 2026.pdf").canonicalize()?);
    assert_eq!(object.content.first_difference_in_file(outcome.path())?, None);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
