//! What readers of the stream of events hear.

use std::path::Path;

use longhaul_daemon::socket::{Connection, Message, Messages};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::{Bench, SOON};
use crate::schema;

async fn reader(socket: &Path, query: &str) -> Messages {
    let connection = Connection::open(socket).await.unwrap();
    connection.events(&format!("/api/v1/events{query}")).await.unwrap()
}

async fn next(messages: &mut Messages) -> Message {
    let message = timeout(SOON, messages.next()).await.expect("nothing is told").unwrap().unwrap();
    let name =
        message.event.chars().next().unwrap().to_uppercase().chain(message.event.chars().skip(1)).collect::<String>();
    schema::validate(&json!({"$ref": format!("#/components/schemas/{name}Message")}), &message.data, &message.event);
    message
}

async fn until(messages: &mut Messages, is: impl Fn(&Message) -> bool) -> Message {
    loop {
        let message = next(messages).await;
        if is(&message) {
            return message;
        }
    }
}

fn has(message: &Message, id: &str) -> bool {
    message.event == "change" && message.data["rows"].as_array().unwrap().iter().any(|row| row["id"] == *id)
}

#[tokio::test]
async fn a_reader_hears_the_list_and_then_its_changes() {
    let bench = Bench::new().await;
    let first = bench.added("first").await;
    let socket = bench.daemon.socket().unwrap().to_owned();
    let mut messages = reader(&socket, "").await;
    let snapshot = next(&mut messages).await;
    assert_eq!(snapshot.event, "snapshot");
    assert_eq!(snapshot.data["entries"][0]["id"], json!(first));
    assert_eq!(snapshot.data["entries"][0]["position"], 0);
    let second = bench.added("second").await;
    let change = until(&mut messages, |message| has(message, &second)).await;
    let rev = change.data["rev"].as_u64().unwrap();
    assert!(rev > snapshot.data["rev"].as_u64().unwrap());
    let removed = bench.ask("DELETE", &format!("/api/v1/entries/{first}"), None).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    until(&mut messages, |message| {
        message.event == "change" && message.data["gone"].as_array().unwrap().contains(&json!(first))
    })
    .await;
    // One who knows the list up to there hears what came since, and no snapshot.
    let mut late = reader(&socket, &format!("?since={rev}")).await;
    let message = next(&mut late).await;
    assert_eq!(message.event, "change", "{message:?}");
    // One who knows of a list that is not this one hears all.
    let mut other = reader(&socket, "?since=99999999").await;
    assert_eq!(next(&mut other).await.event, "snapshot");
}

/// Goal: a page that comes again misses nothing. Method: the id of the last frame, over TCP as browsers do it.
#[tokio::test]
async fn a_reader_that_comes_again_goes_on_where_it_was() {
    let bench = Bench::new().await;
    let mut first = stream(&bench, "").await;
    let snapshot = first.until("event: snapshot").await;
    let id = last_id(&snapshot);
    drop(first);
    let missed = bench.added("missed").await;
    // The frame is made a moment later, for all: this one hears it.
    let socket = bench.daemon.socket().unwrap().to_owned();
    let mut witness = reader(&socket, "").await;
    let begin = next(&mut witness).await;
    if !begin.data["entries"].to_string().contains(&missed) {
        until(&mut witness, |message| has(message, &missed)).await;
    }
    let mut again = stream(&bench, &format!("Last-Event-ID: {id}\r\n")).await;
    let heard = again.until(&missed).await;
    assert!(heard.contains("event: change") && !heard.contains("event: snapshot"), "{heard}");
    let mut stranger = stream(&bench, "Last-Event-ID: 00000000-1\r\n").await;
    stranger.until("event: snapshot").await;
}

struct Stream(TcpStream, String);

async fn stream(bench: &Bench, fields: &str) -> Stream {
    let mut stream = TcpStream::connect(bench.at).await.unwrap();
    let token = &bench.token;
    let head =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{fields}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    Stream(stream, String::new())
}

impl Stream {
    /// All that was heard, once this is in it and the message is whole.
    async fn until(&mut self, text: &str) -> String {
        let read = async {
            while !(self.1.contains(text) && self.1.trim_end_matches("\r\n").ends_with("\n\n")) {
                let mut bytes = [0; 4096];
                let length = self.0.read(&mut bytes).await.unwrap();
                assert!(length > 0, "it ended: {}", self.1);
                self.1 += &String::from_utf8_lossy(&bytes[..length]);
            }
        };
        timeout(SOON, read).await.unwrap_or_else(|_| panic!("{text} is not told"));
        self.1.clone()
    }
}

fn last_id(heard: &str) -> String {
    heard.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_ends_with_its_daemon() {
    let bench = Bench::new().await;
    let socket = bench.daemon.socket().unwrap().to_owned();
    let mut messages = reader(&socket, "").await;
    next(&mut messages).await;
    let stop = bench.stop();
    let end = async { while let Ok(Some(_)) = messages.next().await {} };
    timeout(SOON, async { tokio::join!(stop, end) }).await.unwrap();
    assert!(!socket.exists());
}
