//! Take up a download again after the process that ran it died, from the files in its folder alone. Runs by itself:
//! `cargo run -p longhaul --example reopen`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use longhaul::{Client, Event};
use longhaul_devstore::{Fault, Gate, Object, Origin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("longhaul-reopen-{}", std::process::id()));
    let target = folder.join("backup.tar");
    // The child: downloads until it is killed.
    if let Some(url) = std::env::args().nth(1) {
        let target = std::env::args().nth(2).ok_or("no target")?;
        let transfer = Client::builder().build()?.download(url).to(target).start().await?;
        let mut events = transfer.events();
        while let Some(event) = events.next().await {
            if matches!(event, Event::Progress(p) if p.durable > 3_000_000) {
                println!("half way"); // and on the disk
            }
        }
        transfer.finished().await?;
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    let origin = Origin::start();
    let object = Object::seeded(7, 8_000_000).etag("\"v1\"");
    origin.put("/backup.tar", object.clone());
    origin.script("/backup.tar", vec![Fault::hold(5_000_000, &Gate::new())]); // the rest does not come for now

    let mut child = Command::new(std::env::current_exe()?)
        .arg(origin.url("/backup.tar"))
        .arg(&target)
        .stdout(Stdio::piped())
        .spawn()?;
    let told = child.stdout.take().ok_or("a pipe was asked for")?;
    BufReader::new(told).read_line(&mut String::new())?;
    child.kill()?; // SIGKILL: it cannot tidy up
    child.wait()?;
    println!("the process was killed; in the folder are:");
    for entry in std::fs::read_dir(&folder)? {
        println!("  {}", entry?.path().display());
    }

    // Only the path is known here: the source, its version and every byte held are in the journal.
    let client = Client::builder().build()?;
    let transfer = client.open(&target)?.start().await?;
    let mut events = transfer.events();
    let show = async {
        while let Some(event) = events.next().await {
            if let Event::Resumed { held, .. } = event {
                println!("going on with {held} bytes");
            }
        }
    };
    let (outcome, ()) = tokio::join!(transfer.finished(), show);
    let outcome = outcome?;
    println!("{} bytes in the file, {} of them fetched now", outcome.bytes(), outcome.totals().moved);
    assert_eq!(object.content.first_difference_in_file(outcome.path())?, None);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
