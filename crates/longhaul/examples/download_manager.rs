//! A download manager: many downloads through one client, each with a listener; one is paused, one is cancelled.
//! Runs by itself: `cargo run -p longhaul --example download_manager`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use longhaul::{Cancel, Client, Error, ErrorKind, Event, Transfer};
use longhaul_devstore::{Fault, Gate, Object, Origin};

/// What became of each download, by name, as its listener was told.
type Told = Arc<Mutex<BTreeMap<String, Vec<&'static str>>>>;

/// Downloads by name. Client and transfers are handles: all run at once, and share connections and limits.
struct Manager {
    client: Client,
    folder: PathBuf,
    downloads: BTreeMap<String, Transfer>,
    told: Told,
}

impl Manager {
    /// Starts a download, or goes on with one, and listens to it.
    async fn add(&mut self, url: &str) -> Result<(), Error> {
        let name = url.rsplit('/').next().unwrap_or("download").to_owned();
        let transfer = self.client.download(url).to(self.folder.join(&name)).connections(1).start().await?;
        tokio::spawn(listen(name.clone(), transfer.clone(), self.told.clone()));
        self.downloads.insert(name, transfer);
        Ok(())
    }

    fn get(&self, name: &str) -> Result<&Transfer, String> {
        self.downloads.get(name).ok_or_else(|| format!("no download {name}"))
    }
}

/// The listener of one download: progress, paused, finished, cancelled.
async fn listen(name: String, transfer: Transfer, told: Told) {
    let tell = |word| {
        if let Ok(mut told) = told.lock() {
            let words = told.entry(name.clone()).or_default();
            if words.last() != Some(&word) {
                println!("{name}: {word}");
                words.push(word);
            }
        }
    };
    let mut events = transfer.events();
    while let Some(event) = events.next().await {
        match event {
            Event::Progress(progress) if progress.received > 0 => tell("progress"),
            Event::Paused { .. } => tell("paused"),
            _ => {}
        }
    }
    match transfer.finished().await {
        Ok(_) => tell("finished"),
        Err(error) if error.kind() == ErrorKind::Cancelled => tell("cancelled"),
        Err(_) => tell("failed"),
    }
}

/// Waits until a download has received something.
async fn has_begun(transfer: &Transfer) {
    let mut events = transfer.events();
    while transfer.progress().received == 0 && events.next().await.is_some() {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Origin::start();
    let folder = std::env::temp_dir().join(format!("longhaul-manager-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // The whole client gets no more than this; who runs shares it.
    let client = Client::builder().limit_rate(20 << 20).build()?;
    let mut manager = Manager { client, folder: folder.clone(), downloads: BTreeMap::new(), told: Told::default() };
    let objects: Vec<Object> = (0..6).map(|seed| Object::seeded(seed, 3_000_000)).collect();
    for (n, object) in objects.iter().enumerate() {
        let path = format!("/{n}.bin");
        origin.put(&path, object.clone());
        if n == 1 || n == 2 {
            // Half of it comes, and then nothing: there is time to press a button.
            origin.script(&path, vec![Fault::hold(1_500_000, &Gate::new())]);
        }
        manager.add(&origin.url(&path)).await?;
    }

    let (paused, unwanted) = (manager.get("1.bin")?, manager.get("2.bin")?);
    has_begun(paused).await;
    paused.pause().await?; // what was received is on the disk now
    has_begun(unwanted).await;
    unwanted.cancel(Cancel::Discard).await?; // and nothing of this one is left
    for name in ["0.bin", "3.bin", "4.bin", "5.bin"] {
        manager.get(name)?.finished().await?;
    }
    paused.resume().await;
    paused.finished().await?;

    for (n, object) in objects.iter().enumerate() {
        let file = folder.join(format!("{n}.bin"));
        match n {
            2 => assert!(files_of(&file).is_empty(), "{:?}", files_of(&file)),
            _ => assert_eq!(object.content.first_difference_in_file(&file)?, None),
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What lies in the folder of a download.
fn files_of(file: &Path) -> Vec<PathBuf> {
    let files = ["", ".lhpart", ".lhlog"].map(|ending| PathBuf::from(format!("{}{ending}", file.display())));
    files.into_iter().filter(|file| file.exists()).collect()
}
