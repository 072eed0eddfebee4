//! Ten kills, and what arrived in the store.

use longhaul_devstore::Content;

use crate::common::{Dice, eventually};
use crate::depot::{Depot, MIB, PART};

const LEN: u64 = 48 * MIB + 99;
const KILLS: u64 = 10;
const CONNECTIONS: u64 = 4;

/// Kills at moments that a seed decides; after each the same command again. From the store's own log: no more arrived
/// than the file has, and one part for each connection and kill.
#[test]
fn ten_kills_cost_at_most_one_part_per_connection_each() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let content = Content::seeded(11, LEN);
    let film = depot.file("film", &content);
    depot.fault("kind=bandwidth op=UploadPart bytes_per_second=1048576");
    let mut dice = Dice(20_261_121);
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let running = depot.put(&film, "film").start();
        let enough = acknowledged + dice.below(LEN / KILLS / 2);
        let seen = eventually(|| running.acknowledged() > enough);
        acknowledged = running.acknowledged();
        let ran = running.kill();
        assert!(seen, "kill {kill} at {enough}: {}", depot.report(&ran));
        assert_eq!(ran.code(), -9, "kill {kill}: it ended before: {}", depot.report(&ran));
    }
    depot.store.clear_faults();
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, resumed");
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
    let arrived = depot.part_bytes();
    assert!(arrived >= LEN, "{}", depot.report(&ran));
    assert!(
        arrived - LEN <= KILLS * CONNECTIONS * PART,
        "{} more than the file has: {}",
        arrived - LEN,
        depot.report(&ran)
    );
    assert_eq!(depot.count("InitiateMultipartUpload"), 1, "{}", depot.report(&ran));
    assert_eq!(depot.requests("CompleteMultipartUpload").len(), 1);
}
