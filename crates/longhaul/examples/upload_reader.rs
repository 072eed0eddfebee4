//! An upload of what can be read only once: a pipe, standard input, something that is made as it is read.
//!
//! `tar c folder | cargo run -p longhaul --example upload_reader -- oss://BUCKET/folder.tar` with keys and endpoint
//! from the environment; without arguments it runs by itself.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod shared;

use longhaul::Client;
use longhaul::credentials::Environment;
use longhaul_devstore::Content;

#[tokio::main(flavor = "current_thread")]
async fn main() -> shared::Result<()> {
    if let Some(destination) = std::env::args().nth(1) {
        let client = Client::builder().state_dir("longhaul-state").environment(Environment::of_process()).build()?;
        let outcome = client.upload_reader(std::io::stdin(), None).to(destination).start().await?.finished().await?;
        println!("{} bytes, verified by {}", outcome.bytes(), outcome.verified().name());
        return Ok(());
    }
    const LEN: u64 = 3_000_000;
    let sandbox = shared::Sandbox::new("upload-reader")?;
    let client = sandbox.client_builder().build()?;
    // The input is kept in the state directory until it is stored, so that an interruption costs nothing that was sent.
    let upload = client.upload_reader(Content::seeded(4, LEN).reader(), Some(LEN)).to("oss://films/piped");
    let outcome = upload.part_size(256 << 10).single_max(256 << 10).start().await?.finished().await?;
    println!(
        "{} bytes in {} parts, verified by {}",
        outcome.bytes(),
        outcome.uploaded().map_or(0, |u| u.parts),
        outcome.verified().name()
    );

    // It is what was read.
    let back = client.download("oss://films/piped").to(sandbox.path("back")).start().await?.finished().await?;
    assert_eq!(Content::seeded(4, LEN).first_difference_in_file(back.path())?, None);
    Ok(())
}
