//! The driver with several ranges in flight, through the public API: one connection is the default, but nothing in the
//! driver or on disk may depend on that.

#![allow(clippy::unwrap_used, reason = "a test can do nothing else about it")]

use longhaul::{Client, Event, Transfer};
use longhaul_devstore::{Fault, Object, Origin};

const LEN: u64 = 70_000_000;
/// A connection that is taken over from is cut: what was under way on it then is dropped. The slower the machine, the
/// more often a connection looks slow.
const CUT_MAX: u64 = 4 << 20;
/// What a connection that looks slow still has to bring may be asked for twice, up to this many bytes a run.
const TWICE_MAX: u64 = 16 << 20;

async fn start(origin: &Origin, file: &std::path::Path, connections: u32) -> Transfer {
    let client = Client::builder().build().unwrap();
    client.download(origin.url("/f")).to(file).connections(connections).start().await.unwrap()
}

/// Goal: ranges that arrive out of order make the right file, without more than the promised bytes twice. Method: four
/// ranges in flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_ranges_make_one_file() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    let object = Object::seeded(11, LEN).etag("\"v1\"");
    origin.put("/f", object.clone());
    let file = folder.path().join("f");
    let outcome = start(&origin, &file, 4).await.finished().await.unwrap();
    assert_eq!(object.content.first_difference_in_file(&file).unwrap(), None);
    assert!(outcome.totals().moved <= LEN + CUT_MAX + TWICE_MAX, "{} bytes came", outcome.totals().moved);
    let ranged = origin.log().iter().filter(|seen| seen.status == Some(206)).count();
    assert!(ranged >= 4, "only {ranged} ranges were asked for");
}

/// Goal: blocks that were received out of order survive a pause, and the next start may use another number of
/// connections. Method: pause at a third, go on alone; nothing that was durable is fetched again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_ranges_may_change_between_starts() {
    let (origin, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    let object = Object::seeded(12, LEN).etag("\"v1\"");
    origin.put("/f", object.clone());
    origin.always("/f", Fault::Pace { bytes_per_second: 15_000_000 });
    let file = folder.path().join("f");
    let transfer = start(&origin, &file, 3).await;
    let mut events = transfer.events();
    while let Some(event) = events.next().await {
        if matches!(event, Event::Progress(p) if p.received > LEN / 3) {
            break;
        }
    }
    transfer.pause().await.unwrap();
    let held = transfer.progress().durable;
    assert!(held > LEN / 3);
    transfer.cancel(longhaul::Cancel::Keep).await.unwrap();
    origin.always("/f", Fault::Pace { bytes_per_second: 100_000_000 });
    let outcome = start(&origin, &file, 1).await.finished().await.unwrap();
    assert_eq!(object.content.first_difference_in_file(&file).unwrap(), None);
    assert!(outcome.totals().moved <= LEN - held + CUT_MAX, "{} bytes came, {held} were held", outcome.totals().moved);
}
