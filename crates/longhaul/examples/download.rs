//! A download with a progress callback.
//!
//! `cargo run --release -p longhaul --example download -- URL FILE`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use longhaul::{Client, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: download URL FILE".into());
    };
    let client = Client::builder().build()?;
    let transfer = client.download(url).to(file).start().await?;
    let mut events = transfer.events();
    let show = async {
        while let Some(event) = events.next().await {
            match event {
                Event::Progress(p) => match p.total {
                    Some(total) if total > 0 => eprintln!("{:3} %  {} B/s", p.received * 100 / total, p.rate),
                    _ => eprintln!("{} bytes", p.received),
                },
                Event::Resumed { held, .. } => eprintln!("going on with {held} bytes"),
                Event::Restarted { reason, discarded } => {
                    eprintln!("starting over ({}): {discarded} bytes given up", reason.explain());
                }
                other => eprintln!("{other:?}"),
            }
        }
    };
    let (outcome, ()) = tokio::join!(transfer.finished(), show);
    let outcome = outcome?;
    println!("{}: {} bytes, verified by {:?}", outcome.path().display(), outcome.bytes(), outcome.verified());
    Ok(())
}
