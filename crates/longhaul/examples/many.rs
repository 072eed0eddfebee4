//! A folder into a store and back: all files of it, some side by side, a report of each, and one switch for all.
//!
//! ```text
//! cargo run --example many
//! ```
//!
//! The store is one on this machine. Yours: `oss://BUCKET/PREFIX/` or `s3://BUCKET/PREFIX/`, and a client as in
//! `upload.rs`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod shared;

use longhaul::Event;
use longhaul::many::{JobEnd, Notice};

use shared::{Result, Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let sandbox = Sandbox::new("many")?;
    let client = sandbox.client_builder().build()?;
    for folder in ["trip", "trip/day 1", "trip/day 2"] {
        std::fs::create_dir(sandbox.path(folder))?;
    }
    for (seed, name) in (1..).zip(["notes.txt", "day 1/a.raw", "day 1/b.raw", "day 2/a.raw", "day 2/a.tmp"]) {
        sandbox.file(&format!("trip/{name}"), seed, 3_000_000)?;
    }

    // Up: keys are the prefix and the path below the folder.
    let uploads = client.upload_all(sandbox.path("trip")).to("oss://films/trip/").only(|name| !name.ends_with(".tmp"));
    let mut uploads = uploads.each(|_, upload| upload.storage_class("IA")).start().await?;
    while let Some((file, report)) = uploads.next().await? {
        match report.end {
            JobEnd::Done(outcome) => println!("{}: {} bytes stored", file.name?, outcome.bytes()),
            JobEnd::Failed(error) => return Err(error.into()),
            _ => println!("{}: stopped", file.path.display()),
        }
    }

    // Down, two at a time, until somebody presses stop: here when the first object is whole.
    let prefix = "oss://films/trip/";
    let first = client.download_all(prefix).to_dir(sandbox.path("back")).at_once(2);
    let first = first.tell(|object, notice| match notice {
        Notice::Begins => println!("{}: begins", object.name),
        Notice::Event(_, Event::Progress(progress)) if progress.rate > 0 => {
            println!("{}: {} of {} bytes", object.name, progress.received, object.len);
        }
        _ => {}
    });
    let mut downloads = first.start();
    let mut whole = 0;
    while let Some((object, report)) = downloads.next().await? {
        match report.end {
            JobEnd::Done(_) => whole += 1,
            JobEnd::Failed(error) => return Err(error.into()),
            JobEnd::Stopped { kept } => println!("{}: stopped, {kept} bytes are kept", object.name),
            _ => println!("{}: not begun", object.name),
        }
        downloads.batch().stop();
    }

    // The same again goes on: what is whole is not fetched again.
    let mut downloads = client.download_all(prefix).to_dir(sandbox.path("back")).start();
    let mut already = 0;
    while let Some((object, report)) = downloads.next().await? {
        match report.end {
            JobEnd::Done(outcome) => already += usize::from(outcome.already()),
            JobEnd::Failed(error) => return Err(error.into()),
            _ => return Err(format!("{}: stopped by no one", object.name).into()),
        }
    }
    println!("{whole} of 4 files were whole when it was stopped, and {already} were not fetched again");
    for name in ["notes.txt", "day 1/a.raw", "day 1/b.raw", "day 2/a.raw"] {
        if std::fs::read(sandbox.path("trip").join(name))? != std::fs::read(sandbox.path("back").join(name))? {
            return Err(format!("{name} did not come back as it was").into());
        }
    }
    println!("all files are back");
    if already < whole { Err("a whole file was fetched again".into()) } else { Ok(()) }
}
