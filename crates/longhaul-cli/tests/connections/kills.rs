//! Killed again and again, with another number of connections at every start: what they brought out of order is kept.

use longhaul_devstore::{Content, Ended, Object, Origin, Seen};

use super::{LEN, MIB, asked, at_once, paced};
use crate::common::{Bench, Dice, SOON, eventually};
use crate::real::nginx::Nginx;
use crate::real::program::Get;
use crate::real::seeds::{Chance, seeds};

/// In turn; `auto` asks for 16 at most.
const CONNECTIONS: [&str; 4] = ["1", "4", "16", "auto"];
/// What a kill may cost on one connection (docs/semantics.md) …
const KILL_COST: u64 = MIB;
/// … and what a server counts beside it: what still lies in the buffers of both kernels.
const IN_FLIGHT: u64 = 512 << 10;

/// Sorts and joins ranges; gives how many bytes they cover.
fn covered(mut ranges: Vec<(u64, u64)>) -> u64 {
    ranges.sort_unstable();
    let (mut bytes, mut at) = (0, 0);
    for (start, end) in ranges {
        bytes += end.max(at) - start.max(at).min(end.max(at));
        at = at.max(end);
    }
    bytes
}

/// The bytes of the object that were sent, each once, however often it was.
fn sent(log: &[Seen]) -> u64 {
    covered(log.iter().map(|seen| (asked(seen).0, asked(seen).0 + seen.body_bytes)).collect())
}

/// Each run is killed when the origin has sent a seeded number of bytes more; the next one tells what it found. It must
/// be what was held before and what the run was sent, but for a mebibyte of each connection.
#[test]
fn what_came_out_of_order_survives_kills_with_another_number_of_connections_at_every_start() {
    const KILLS: usize = 8;
    for seed in seeds(2) {
        let mut dice = Dice(seed);
        let bench = Bench::with(Origin::builder().write_bytes(16 << 10).send_buffer(16 << 10).start().unwrap());
        bench.origin.put("/file", Object::seeded(seed, LEN));
        bench.origin.always("/file", paced(6));
        let (mut held, mut lost_most, mut several) = (0, 0, 0);
        for kill in 0..KILLS {
            let connections = CONNECTIONS[kill % CONNECTIONS.len()];
            let (bytes, requests) = (bench.origin.bytes_served(), bench.origin.requests());
            let more = 1 + dice.below(LEN / 8);
            let mut running = bench.get().connections(connections).start();
            let so_far = || bench.origin.bytes_served() >= bytes + more;
            assert!(eventually(so_far), "seed {seed}, kill {kill}: {}", running.told());
            if running.is_over() {
                break; // as much was fetched again as it may be, and this was the rest
            }
            running.kill();
            assert!(bench.origin.settled(SOON));
            let log = bench.origin.log().split_off(requests);
            several = several.max(at_once(&log));
            // A reply that had just ended may have had its last bytes on their way to the journal.
            let open = log.iter().filter(|seen| seen.ended == Ended::ClientLeft).count().max(1) as u64;
            let after = found(&bench);
            let lost = (held + sent(&log)).saturating_sub(after);
            lost_most = lost_most.max(lost);
            assert!(
                lost <= open * (KILL_COST + IN_FLIGHT),
                "seed {seed}, kill {kill} with {connections}: {held} were held, {} sent on {open}, {after} found",
                sent(&log)
            );
            held = after;
        }
        assert!(several >= 4, "seed {seed}: never more than {several} at once");
        let requests = bench.origin.requests();
        let ran = bench.get().connections("auto").run();
        ran.expect(&bench, 0, "validator, resumed");
        bench.assert_published(&Content::seeded(seed, LEN), &ran);
        assert!(covered(bench.origin.log()[requests..].iter().map(asked).collect()) <= LEN - held);
        println!("seed {seed}: lost at most {} KiB in a kill of up to {several} connections", lost_most >> 10);
    }
}

/// What the next start would go on from.
fn found(bench: &Bench) -> u64 {
    let state = bench.state();
    let (state, file) = (state.to_str().unwrap().to_owned(), bench.file().to_str().unwrap().to_owned());
    let shown = bench.longhaul(["show", "--json", "--state-dir", &state, &file]);
    shown.events.first().map_or(0, |shown| shown["held"].as_u64().unwrap())
}

/// The same against nginx, where nothing is known but what it counts, and ends come at seeded moments.
#[test]
fn a_kill_storm_against_nginx_with_another_number_of_connections_at_every_start() {
    let Some(nginx) = Nginx::start() else { return };
    for seed in seeds(3) {
        let mut chance = Chance::new(seed);
        let content = Content::seeded(seed, chance.of(60 * MIB..90 * MIB));
        let name = format!("storm-{seed}");
        nginx.put(&name, &content, std::time::Duration::from_secs(86_400));
        let path = format!("/slower/{name}");
        let folder = tempfile::tempdir().unwrap();
        let (file, state) = (folder.path().join("object"), folder.path().join("state"));
        let (mut allowed, mut before) = (0, 0);
        let mut start = usize::try_from(seed).unwrap();
        loop {
            let connections = CONNECTIONS[start % CONNECTIONS.len()];
            start += 1;
            let mut get = Get::start(&nginx.url(&path), &file, &state, &["-x", connections]);
            let left_alone = start > 10;
            let moment = chance.micros(50_000..1_200_000);
            if left_alone || crate::real::until(moment, || !get.runs()) {
                get.wait().assert_done();
                break;
            }
            get.kill();
            if get.wait().code() == Some(0) {
                break;
            }
            let requests = nginx.served(&path).len();
            // No more connections than requests.
            let open = connections.parse().unwrap_or(16).min(requests - before);
            allowed += open as u64 * KILL_COST;
            before = requests;
        }
        crate::real::assert_is(&file, &content);
        crate::real::assert_no_leftovers(folder.path());
        let served = nginx.served(&path);
        let bytes: u64 = served.iter().map(|served| served.bytes).sum();
        // Any of these may have been left, by a kill or because another connection took over from it.
        let in_flight = served.len() as u64 * IN_FLIGHT;
        let again = bytes.saturating_sub(content.len());
        println!("seed {seed}: {} KiB again, {} KiB allowed", again >> 10, (allowed + in_flight) >> 10);
        assert!(again <= allowed + in_flight, "{again} bytes again: {served:?}");
        nginx.remove(&name);
    }
}
