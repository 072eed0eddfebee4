//! A batch: many files through one client, some at a time.
//!
//! `cargo run --release -p longhaul --example batch -- LIST FOLDER [STATE_DIR [AT_ONCE [power|process]]]`, where `LIST`
//! is a file with a URL on each line.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use longhaul::{Client, Durability};
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(list), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: batch LIST FOLDER [STATE_DIR [AT_ONCE [power|process]]]".into());
    };
    let mut client = Client::builder();
    if let Some(state_dir) = args.next() {
        client = client.state_dir(state_dir);
    }
    let client = client.build()?;
    let at_once: usize = args.next().map_or(Ok(16), |count| count.parse())?;
    let durability = match args.next().as_deref() {
        Some("process") => Durability::Process,
        _ => Durability::Power,
    };
    let urls = std::fs::read_to_string(list)?;
    let mut urls = urls.lines();
    let mut running = JoinSet::new();
    let (mut done, mut already, mut bytes, mut failed) = (0, 0, 0, 0);
    loop {
        while running.len() < at_once.max(1)
            && let Some(url) = urls.next()
        {
            let name = url.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index");
            let download = client.download(url).to(format!("{folder}/{name}")).durability(durability);
            running.spawn(async move { download.start().await?.finished().await });
        }
        let Some(outcome) = running.join_next().await else { break };
        match outcome? {
            Ok(outcome) => {
                done += 1;
                already += usize::from(outcome.already());
                bytes += outcome.bytes();
            }
            Err(error) => {
                failed += 1;
                eprintln!("{error}");
            }
        }
    }
    println!("{done} files, {already} of them there already, {bytes} bytes; {failed} failed");
    if failed > 0 { Err("some files could not be fetched".into()) } else { Ok(()) }
}
