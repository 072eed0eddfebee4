//! An upload with temporary keys (STS) from the app's server, renewed while it runs, and a callback with a variable, by
//! which OSS tells the app's server that the object is there.
//! Runs by itself: `cargo run -p longhaul --example upload_callback`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod shared;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use longhaul::credentials::{BoxFuture, Credentials, Keys, Secret};
use longhaul::{Client, Error, Event};

const LEN: u64 = 4 << 20;
const PART: u64 = 256 << 10;

/// Asks the app's server for keys, and keeps them until a store refuses them.
struct FromAppServer {
    server: String,
    kept: Mutex<Option<Keys>>,
    asked: Arc<AtomicU32>,
}

impl FromAppServer {
    fn ask(&self) -> Option<Keys> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = shared::post(&self.server, "/sts", r#"{"seconds":900}"#).ok()?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Some(Keys {
            id: text("access_key_id")?,
            secret: Secret::new(text("access_key_secret")?),
            token: text("security_token").map(Secret::new),
        })
    }
}

impl Credentials for FromAppServer {
    // Called for every request: the answer is kept as long as it is good.
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>> {
        let keys = match self.kept.lock() {
            Ok(mut kept) => {
                if kept.is_none() {
                    *kept = self.ask();
                }
                kept.clone()
            }
            Err(_) => None,
        };
        Box::pin(std::future::ready(Ok(keys)))
    }

    // A store took them for expired: the next request needs others.
    fn refused(&self, keys: &Keys) {
        if let Ok(mut kept) = self.kept.lock()
            && kept.as_ref() == Some(keys)
        {
            *kept = None;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> shared::Result<()> {
    let sandbox = shared::Sandbox::new("upload-callback")?;
    let file = sandbox.file("film.mp4", 2, LEN)?;
    sandbox.store.fault("kind=expire-token op=UploadPart skip=4 times=1")?; // the keys end in the middle
    let (app, heard) = app_server()?;

    let asked = Arc::new(AtomicU32::new(0));
    let server = sandbox.store.admin().to_owned();
    let keys = FromAppServer { server, kept: Mutex::new(None), asked: asked.clone() };
    let client = Client::builder().state_dir(sandbox.path("state")).oss(sandbox.settings()).oss_credentials(keys);
    let client = client.build()?;
    let transfer = client
        .upload(&file)
        .to("oss://films/film.mp4")
        .part_size(PART)
        .single_max(PART)
        .callback(format!(
            r#"{{"callbackUrl":"{app}","callbackBody":"object=${{object}}&size=${{size}}&user=${{x:user}}"}}"#
        ))
        .callback_variables(r#"{"x:user":"u-17"}"#)
        .start()
        .await?;
    let mut events = transfer.events();
    while let Some(event) = events.next().await {
        if let Event::Progress(p) = event {
            let total = p.total.unwrap_or(0);
            println!(
                "{} of {total} bytes are stored, {} on their way",
                p.durable,
                p.received.saturating_sub(p.durable)
            );
        }
    }
    // A callback that fails would be an error of its own: the object is stored then, and nothing is sent again.
    let outcome = transfer.finished().await?;
    let told = heard.join().map_err(|_| "the app's server failed")?;
    println!("{} bytes, verified by {}; the app's server heard {told}", outcome.bytes(), outcome.verified().name());
    assert_eq!(told, format!("object=film.mp4&size={LEN}&user=u-17"));
    println!("keys were asked for {} times", asked.load(Ordering::SeqCst));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the keys were renewed");
    Ok(())
}

/// The app's server, for one call: its address, and what it will have heard.
fn app_server() -> shared::Result<(String, std::thread::JoinHandle<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/stored", listener.local_addr()?);
    let heard = std::thread::spawn(move || serve(&listener).unwrap_or_default());
    Ok((url, heard))
}

fn serve(listener: &TcpListener) -> Option<String> {
    let (mut stream, _) = listener.accept().ok()?;
    let mut heard = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let len = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= len.unwrap_or(0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok()?;
                return Some(body.to_owned());
            }
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            len => heard.extend_from_slice(&piece[..len]),
        }
    }
}
