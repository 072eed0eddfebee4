//! The rate limit of a client, against an origin that is much faster. Goal: it holds, it can be changed under way, and
//! waiting for one's turn is never taken for a stall. How exact and how fair it is, the bucket's own tests say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::time::Duration;

use longhaul::{Client, Event};
use longhaul_devstore::{Content, Object, Origin};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn a_limit_holds_until_it_is_lifted() {
    let origin = Origin::start();
    let content = Content::seeded(1, 4 * MIB);
    origin.put("/x", Object::new(content.clone()));
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().limit_rate(1).build().unwrap();
    let transfer = client.download(origin.url("/x")).to(folder.path().join("x")).start().await.unwrap();
    let mut events = transfer.events();
    let mut told = 0;
    while told < 5 {
        match events.next().await {
            Some(Event::Progress(progress)) if progress.total == Some(4 * MIB) => {
                assert!(progress.received < MIB, "a byte a second is not {} bytes", progress.received);
                told += 1;
            }
            Some(_) => {}
            None => panic!("it ended: {:?}", transfer.finished().await),
        }
    }
    client.set_limit_rate(0);
    let outcome = transfer.finished().await.unwrap();
    assert_eq!((outcome.bytes(), outcome.totals().retries, outcome.totals().moved), (4 * MIB, 0, 4 * MIB));
    assert_eq!(content.first_difference_in_file(folder.path().join("x")).unwrap(), None);
}

#[tokio::test]
async fn waiting_for_ones_turn_is_no_stall() {
    let origin = Origin::start();
    let folder = tempfile::tempdir().unwrap();
    // Each alone would be a stall by far: less than half of the least rate, for several times the stall time.
    let client = Client::builder().limit_rate(128 << 10).build().unwrap();
    let mut transfers = Vec::new();
    for name in ["a", "b"] {
        origin.put(&format!("/{name}"), Object::new(Content::seeded(2, MIB / 4)));
        let download = client.download(origin.url(&format!("/{name}"))).to(folder.path().join(name));
        let download = download.stall(256 << 10, Duration::from_millis(500)).connections(1);
        transfers.push(download.start().await.unwrap());
    }
    for transfer in transfers {
        let outcome = transfer.finished().await.unwrap();
        assert_eq!((outcome.bytes(), outcome.totals().retries), (MIB / 4, 0));
    }
}

/// A transfer obeys its own limit, and that of its lane, and each can be lifted while it runs; one beside it does not
/// wait with it.
#[tokio::test]
async fn a_transfer_and_its_lane_have_limits_of_their_own() {
    let origin = Origin::start();
    origin.put("/x", Object::new(Content::seeded(3, MIB)));
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder().build().unwrap();
    let lane = client.rate_lane(0).lane(1);
    let download = |name: &str| client.download(origin.url("/x")).to(folder.path().join(name));
    let own = download("own").limit_rate(1).start().await.unwrap();
    let laned = download("laned").lane(lane.clone()).start().await.unwrap();
    let free = download("free").start().await.unwrap();
    assert_eq!(free.finished().await.unwrap().bytes(), MIB);
    assert_eq!((own.limit_rate(), laned.limit_rate(), lane.limit_rate()), (1, 0, 1));
    for (transfer, lift) in [(own.clone(), &(|| own.set_limit_rate(0)) as &dyn Fn()), (laned, &|| lane.set(0))] {
        let mut events = transfer.events();
        let mut told = 0;
        while told < 3 {
            match events.next().await {
                Some(Event::Progress(progress)) => {
                    assert!(progress.received < MIB / 2, "a byte a second is not {} bytes", progress.received);
                    told += 1;
                }
                Some(_) => {}
                None => panic!("it ended: {:?}", transfer.finished().await),
            }
        }
        lift();
        assert_eq!(transfer.finished().await.unwrap().totals().retries, 0);
    }
}
