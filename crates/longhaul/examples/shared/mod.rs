//! What the upload examples stand on: a folder of their own, and a store on this machine in place of your bucket.

// Each example uses a part of it.
#![allow(dead_code, unreachable_pub, reason = "shared by several examples")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use longhaul::credentials::{Keys, Secret, Static, StoreSettings};
use longhaul::{Client, ClientBuilder};
use longhaul_devstore::Content;
use longhaul_devstore::oss::{Builder, Server};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A folder, removed at the end, and a store with the bucket `films`.
pub struct Sandbox {
    folder: PathBuf,
    pub store: Server,
}

impl Sandbox {
    pub fn new(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("longhaul-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let store = Builder::new(folder.join("store")).bucket("films").sync(false).start()?;
        Ok(Self { folder, store })
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// A file with so many bytes in it.
    pub fn file(&self, name: &str, seed: u64, len: u64) -> Result<PathBuf> {
        let path = self.path(name);
        let mut file = std::fs::File::create(&path)?;
        std::io::copy(&mut Content::seeded(seed, len).reader(), &mut file)?;
        Ok(path)
    }

    /// Where your store is comes from your configuration, or from `ClientBuilder::environment`.
    pub fn settings(&self) -> StoreSettings {
        StoreSettings {
            endpoint: Some(self.store.endpoint().to_owned()),
            region: Some(self.store.region().to_owned()),
            ..StoreSettings::default()
        }
    }

    /// The settings of a client with the store's own keys, and a state directory, which uploads need: what was begun in
    /// a store has to be known after a crash.
    pub fn client_builder(&self) -> ClientBuilder {
        let secret = Secret::new(self.store.access_key_secret());
        let keys = Keys { id: self.store.access_key_id(), secret, token: None };
        Client::builder().state_dir(self.path("state")).oss(self.settings()).oss_credentials(Static::new(keys))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // in the temporary folder: no harm if it stays
    }
}

/// A small POST of JSON.
pub fn post(base: &str, path: &str, json: &str) -> Result<serde_json::Value> {
    let address = base.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    let len = json.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\
         Connection: close\r\n\r\n{json}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(head.lines().next().unwrap_or_default().into());
    }
    Ok(serde_json::from_str(body).unwrap_or_default())
}
