//! Resume data: a line of text that the app keeps, by which a later process goes on with a download, also after the
//! app's folder has moved (as it does when an app is updated). Runs by itself: `cargo run -p longhaul --example token`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use longhaul::{Client, Error, Event, Reopened, Token, Transfer};
use longhaul_devstore::{Fault, Object, Origin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Origin::start();
    let object = Object::seeded(9, 8_000_000).etag("\"v1\"");
    origin.put("/film.mp4", object.clone());
    origin.script("/film.mp4", vec![Fault::Cut { after: 5_000_000 }]);
    let url = origin.url("/film.mp4");
    let root = std::env::temp_dir().join(format!("longhaul-token-{}", std::process::id()));
    let (before, after) = (root.join("container-1"), root.join("container-2"));
    std::fs::create_dir_all(&before)?;

    // The first process: keep the token where the app keeps such things. It holds no link and no key.
    let client = Client::builder().build()?;
    let transfer = client.download(&url).to(before.join("film.mp4")).connections(1).retries(0).start().await?;
    let token = transfer.token().ok_or("the file was named, so there is one")?.relative_to(&before)?;
    let kept = token.to_string();
    println!("the app keeps {kept}");
    let error = transfer.finished().await.err().ok_or("the line breaks on purpose")?;
    println!("interrupted: {error}");
    drop(transfer);
    std::fs::rename(&before, &after)?;

    // A later process has the text, and knows where its folder is now.
    let client = Client::builder().build()?;
    let transfer = resume_or_start(&client, &kept, &url, &after).await?;
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
    println!("{} bytes, of which {} were fetched now", outcome.bytes(), outcome.totals().moved);
    assert_eq!(outcome.totals().resumed, 1);
    assert_eq!(object.content.first_difference_in_file(outcome.path())?, None);

    // Damaged resume data is told, and the app starts anew; nothing is broken by it.
    let damaged = kept.replacen('A', "B", 1);
    println!("{}", damaged.parse::<Token>().err().ok_or("it was damaged")?);
    let transfer = resume_or_start(&client, &damaged, &url, &after).await?;
    transfer.finished().await?;
    std::fs::remove_dir_all(&root)?;
    Ok(())
}

/// What every app does with what it kept: go on when that works, start otherwise. A start goes on as well when the
/// files of an earlier one lie there.
async fn resume_or_start(client: &Client, kept: &str, url: &str, folder: &std::path::Path) -> Result<Transfer, Error> {
    let reopened = kept.parse::<Token>().and_then(|token| client.open_token(&token.within(folder)));
    match reopened {
        Ok(Reopened::Download(download)) => download.start().await,
        Ok(Reopened::Upload(upload)) => upload.start().await,
        Err(_) => client.download(url).to(folder.join("film.mp4")).overwrite(true).start().await,
    }
}
