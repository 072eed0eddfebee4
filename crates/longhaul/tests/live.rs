//! What can be changed and seen of a transfer while it runs: its link, its connections, where its bytes are; and what it is
//! told at the start for a list of many: its name and its proxy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::path::Path;
use std::time::Duration;

use longhaul::{Cancel, Client, Connections, ErrorKind, Event, PieceMap, ProxyChoice, Source, Transfer};
use longhaul_devstore::{Fault, Object, Origin};

const MIB: u64 = 1 << 20;
/// Nothing comes any more, and nobody takes that for a stall before the test is over.
const NEVER: Duration = Duration::from_secs(3600);

fn client() -> Client {
    Client::builder().proxy(ProxyChoice::Direct).build().unwrap()
}

fn link(origin: &Origin, path: &str) -> Source {
    origin.url(path).parse().unwrap()
}

/// Waits until so many bytes were received.
async fn received(transfer: &Transfer, bytes: u64) {
    let mut events = transfer.events();
    while let Some(event) = events.next().await {
        if matches!(event, Event::Progress(reached) if reached.received >= bytes) {
            return;
        }
    }
    panic!("it ended: {:?}", transfer.finished().await);
}

fn sum(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().map(|(start, end)| end - start).sum()
}

/// An origin whose `/old` falls silent after a MiB of four.
fn stuck(object: &Object) -> Origin {
    let origin = Origin::start();
    origin.put("/old", object.clone());
    origin.always("/old", Fault::Stall { after: MIB });
    origin
}

/// Goal: a fresh link is taken at once, and what is held is not fetched again. Method: the old link hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_link_is_taken_at_once() {
    let object = Object::seeded(1, 4 * MIB).etag("\"v1\"");
    let (origin, folder) = (stuck(&object), tempfile::tempdir().unwrap());
    origin.put("/new", object.clone());
    let download = client().download(origin.url("/old")).to(folder.path().join("x")).connections(1).stall(1, NEVER);
    let transfer = download.start().await.unwrap();
    received(&transfer, MIB).await;
    transfer.relink(link(&origin, "/new")).await.unwrap();
    let outcome = transfer.finished().await.unwrap();
    assert_eq!(object.content.first_difference_in_file(outcome.path()).unwrap(), None);
    assert_eq!((outcome.totals().moved, outcome.totals().restarts.len()), (4 * MIB, 0));
    let over = transfer.relink(link(&origin, "/old")).await;
    assert!(over.is_ok(), "it is over, and well");
}

/// Goal: bytes of another object are never joined with those that are held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_to_another_object_is_found_out() {
    let (origin, folder) = (stuck(&Object::seeded(1, 4 * MIB).etag("\"v1\"")), tempfile::tempdir().unwrap());
    let other = Object::seeded(2, 4 * MIB).etag("\"v2\"");
    origin.put("/new", other.clone());
    let download = client().download(origin.url("/old")).to(folder.path().join("x")).connections(1).stall(1, NEVER);
    let transfer = download.start().await.unwrap();
    received(&transfer, MIB).await;
    transfer.relink(link(&origin, "/new")).await.unwrap();
    let outcome = transfer.finished().await.unwrap();
    assert_eq!(other.content.first_difference_in_file(outcome.path()).unwrap(), None);
    assert_eq!(outcome.totals().restarts.len(), 1, "what was held of the first is told as given up");
}

/// Goal: who waits for a link hears the handle: a pause, a resume, a link. Method: a source of links that never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_waits_for_a_link_hears_its_handle() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    let object = Object::seeded(3, MIB).etag("\"v1\"");
    origin.put("/x", object.clone().requires_query("Signature", "second"));
    let download = client().download(origin.url("/x?Signature=first")).to(folder.path().join("x"));
    let download = download.link_source(|_: String| std::future::pending());
    let transfer = download.start().await.unwrap();
    let waits = async |count: usize| {
        let (mut events, mut seen) = (transfer.events(), 0);
        while seen < count {
            seen += usize::from(matches!(events.next().await, Some(Event::NeedsLink)));
        }
    };
    waits(1).await;
    transfer.pause().await.unwrap();
    transfer.resume().await;
    waits(1).await;
    transfer.relink(link(&origin, "/x?Signature=second")).await.unwrap();
    let outcome = transfer.finished().await.unwrap();
    assert_eq!(object.content.first_difference_in_file(outcome.path()).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_waits_for_a_link_can_be_cancelled() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    origin.put("/x", Object::seeded(3, MIB).requires_query("Signature", "second"));
    let download = client().download(origin.url("/x?Signature=first")).to(folder.path().join("x"));
    let transfer = download.link_source(|_: String| std::future::pending()).start().await.unwrap();
    let mut events = transfer.events();
    while !matches!(events.next().await, Some(Event::NeedsLink)) {}
    transfer.cancel(Cancel::Discard).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Goal: connections are changed under way, and a paused transfer takes changes when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_changed_under_way() {
    let object = Object::seeded(1, 16 * MIB).etag("\"v1\"");
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    origin.put("/x", object.clone());
    let download = client().download(origin.url("/x")).to(folder.path().join("x")).limit_rate(4 * MIB);
    let transfer = download.connections(1).start().await.unwrap();
    received(&transfer, MIB).await;
    transfer.set_connections(4).await.unwrap();
    let mut events = transfer.events();
    while !matches!(events.next().await.unwrap(), Event::Progress(reached) if reached.connections == 4) {}
    transfer.pause().await.unwrap();
    transfer.set_connections(Connections::Fixed(1)).await.unwrap();
    transfer.set_limit_rate(0);
    transfer.resume().await;
    let outcome = transfer.finished().await.unwrap();
    assert_eq!(object.content.first_difference_in_file(outcome.path()).unwrap(), None);
}

/// Goal: the map says where the bytes are: while it runs, while it does not, and when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_map_tells_what_is_held_and_what_is_on_its_way() {
    let object = Object::seeded(1, 4 * MIB).etag("\"v1\"");
    let (origin, folder) = (stuck(&object), tempfile::tempdir().unwrap());
    let (target, client) = (folder.path().join("x"), client());
    let download = client.download(origin.url("/old")).to(&target).connections(1).stall(1, NEVER);
    let transfer = download.start().await.unwrap();
    received(&transfer, MIB).await;
    let map = transfer.map();
    assert_eq!((map.total, sum(&map.held)), (Some(4 * MIB), MIB), "{map:?}");
    assert_eq!(map.held, [(0, MIB)]);
    assert_eq!(map.in_flight, [(MIB, 4 * MIB)]);
    transfer.pause().await.unwrap();
    let map = of(&client, &target);
    assert_eq!((map.total, &*map.held, &*map.durable), (Some(4 * MIB), &[(0, MIB)][..], &[(0, MIB)][..]));
    assert_eq!(map.in_flight, []);
    origin.always("/old", Fault::Correct);
    transfer.resume().await;
    transfer.finished().await.unwrap();
    let map = transfer.map();
    assert_eq!((map.held, map.in_flight), (vec![(0, 4 * MIB)], vec![]));
}

fn of(client: &Client, target: &Path) -> PieceMap {
    client.map_of(target).unwrap()
}

const ID: &str = "000102030405060708090a0b0c0d0e0f";

/// Goal: a transfer has the name that it is given, and keeps the one that it was begun under.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_has_the_name_that_it_was_begun_under() {
    let object = Object::seeded(1, 4 * MIB).etag("\"v1\"");
    let (origin, folder) = (stuck(&object), tempfile::tempdir().unwrap());
    let target = folder.path().join("x");
    let client = Client::builder().proxy(ProxyChoice::Direct).state_dir(folder.path().join("state")).build().unwrap();
    let download = || client.download(origin.url("/old")).to(&target).connections(1).stall(1, NEVER);
    for wrong in ["", "12", "+00102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0g"] {
        assert_eq!(download().id(wrong).start().await.unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
    }
    let transfer = download().id(ID).start().await.unwrap();
    assert_eq!(transfer.id(), ID);
    received(&transfer, MIB).await;
    transfer.cancel(Cancel::Keep).await.unwrap();
    let listed = client.list().unwrap();
    assert!(listed.transfers.iter().any(|info| info.id == ID), "{listed:?}");
    assert_eq!(sum(&client.map_of(ID).unwrap().held), MIB);
    let again = download().id(&"a".repeat(32)).start().await.unwrap();
    assert_eq!(again.id(), ID);
    again.cancel(Cancel::Discard).await.unwrap();
    let anew = download().id(&"a".repeat(32)).start().await.unwrap();
    assert_eq!(anew.id(), "a".repeat(32), "of the first, nothing is left");
}

/// Goal: a proxy of one transfer is used by this one, and by no other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_goes_by_its_own_proxy() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    origin.put("/x", Object::seeded(1, MIB));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // closed again
    let dead = ProxyChoice::Url(format!("http://{nobody}"));
    let there = client();
    let download = |client: &Client, name: &str| client.download(origin.url("/x")).to(folder.path().join(name));
    let by_proxy = download(&there, "a").proxy(dead.clone()).retries(0).start().await.unwrap();
    let error = by_proxy.finished().await.unwrap_err();
    assert!(error.to_string().contains(&nobody.port().to_string()), "{error}");
    assert_eq!(origin.requests(), 0);
    download(&there, "b").start().await.unwrap().finished().await.unwrap();
    let nowhere = Client::builder().proxy(dead).build().unwrap();
    download(&nowhere, "c").proxy(ProxyChoice::Direct).start().await.unwrap().finished().await.unwrap();
    let bad = ProxyChoice::Url("ftp://SECRET@x".to_owned());
    let error = download(&there, "d").proxy(bad).start().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && !error.to_string().contains("SECRET"), "{error}");
}
