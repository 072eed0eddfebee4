//! An upload that goes on where it stopped: kill this program at any time and start it again.
//!
//! ```text
//! cargo run --example upload -- video.mp4 oss://BUCKET/video.mp4
//! ```
//!
//! Keys and endpoint come from where the vendors' tools look for them: `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET` and
//! `OSS_ENDPOINT` in the environment, for one.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::error::Error;

use longhaul::credentials::Environment;
use longhaul::{Client, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, destination] = arguments.as_slice() else {
        return Err("give a file and oss://BUCKET/KEY or s3://BUCKET/KEY".into());
    };
    // What was begun in a store has to be known after a crash: uploads need a state directory.
    let client = Client::builder().state_dir("longhaul-state").environment(Environment::of_process()).build()?;
    let transfer = client.upload(file).to(destination).content_type("video/mp4").start().await?;

    let mut events = transfer.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Progress(p) => println!("{} of {:?} bytes are stored, {} B/s", p.durable, p.total, p.rate),
                Event::Resumed { held, .. } => println!("{held} bytes are there from an earlier run"),
                Event::Restarted { reason, .. } => println!("starting over: {}", reason.explain()),
                _ => {}
            }
        }
    });

    let outcome = transfer.finished().await?;
    println!("{} bytes, verified by {}", outcome.bytes(), outcome.verified().name());
    Ok(())
}
