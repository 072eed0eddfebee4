//! Downloads that are interrupted, and objects that are replaced under them.

use longhaul_devstore::Content;

use crate::common::{Dice, Ran};
use crate::server::{LEN, MIB, PART, RATE, Server};

pub(crate) const KEY: &str = "to-fetch";

/// The object for all of these, put there by somebody else in one request.
pub(crate) fn prepare(server: &Server) -> Content {
    let content = Content::seeded(71, LEN);
    server.write(KEY, &content);
    content
}

/// Kills at moments that a seed decides, the server crashed under one of them and under the run that lives. Over one
/// connection: a system sends what a dead server has handed it, megabytes for each.
pub(crate) fn goes_on_after_kills(server: &Server, dice: &mut Dice) {
    let content = prepare(server);
    let target = server.bench.folder().join("back");
    for kill in 0..2 {
        let enough = server.relay.received(KEY) + MIB + dice.below(PART - MIB);
        let mut running = server.get(KEY, &target, &["--limit-rate", RATE, "-x", "1"]);
        let seen = server.until(&mut running, |_| server.relay.received(KEY) > enough);
        let ran = running.kill();
        assert!(seen && ran.code() == -9, "kill {kill} at {enough}: {}", server.report(&ran));
        if kill == 1 {
            server.crash();
            server.come_back();
        }
    }
    let enough = server.relay.received(KEY) + MIB;
    let mut running = server.get(KEY, &target, &["--limit-rate", RATE, "-x", "1"]);
    let seen = server.until(&mut running, |_| server.relay.received(KEY) > enough);
    server.crash();
    server.come_back();
    let ran = running.wait();
    assert!(seen, "{}", server.report(&ran));
    server.expect(&ran, 0, "validator, resumed, retried");
    assert_is(server, &target, &content, &ran);
    let came = server.relay.received(KEY);
    assert!(came < LEN + LEN / 2, "{came} bytes came for {LEN}: {}", server.report(&ran));
    server.expect(&server.get(KEY, &target, &[]).wait(), 0, "validator, already");
}

/// Ranges of the object, over several connections.
pub(crate) fn ranges_are_exactly_their_bytes(server: &Server) {
    let content = prepare(server);
    let target = server.bench.folder().join("ranges");
    let range = format!("100-{},-7", 3 * MIB);
    let ran = server.get(KEY, &target, &["--range", &range, "-x", "2"]).wait();
    server.expect(&ran, 0, "validator");
    let mut whole = Vec::new();
    std::io::Read::read_to_end(&mut content.reader(), &mut whole).unwrap();
    let wanted = [&whole[100..=3 * MIB as usize], &whole[whole.len() - 7..]].concat();
    assert!(std::fs::read(&target).unwrap() == wanted, "{}", server.report(&ran));
}

/// The object is another one by the second run: the file is that one, whole; or nothing where that was asked for.
pub(crate) fn an_object_that_is_replaced_gives_one_version(server: &Server) {
    prepare(server);
    let target = server.bench.folder().join("replaced");
    let enough = server.relay.received(KEY) + 4 * MIB;
    let mut running = server.get(KEY, &target, &["--limit-rate", RATE]);
    let seen = server.until(&mut running, |_| server.relay.received(KEY) > enough);
    let ran = running.kill();
    assert!(seen && ran.code() == -9, "{}", server.report(&ran));
    let newer = Content::seeded(72, LEN);
    server.write(KEY, &newer);
    let ran = server.get(KEY, &target, &["--on-change", "stop"]).wait();
    server.expect(&ran, 6, "changed, kept");
    let ran = server.get(KEY, &target, &[]).wait();
    server.expect(&ran, 0, "validator, resumed, restarted (changed)");
    assert_is(server, &target, &newer, &ran);
}

/// The object is replaced while it is fetched, over several connections: each request says which version it goes on
/// from, and the store refuses (412) what is not that.
pub(crate) fn an_object_that_is_replaced_meanwhile_gives_one_version(server: &Server) {
    prepare(server);
    let target = server.bench.folder().join("meanwhile");
    let enough = server.relay.received(KEY) + MIB;
    let mut running = server.get(KEY, &target, &["--limit-rate", RATE, "-x", "2"]);
    let seen = server.until(&mut running, |_| server.relay.received(KEY) > enough);
    let newer = Content::seeded(73, LEN);
    server.relay.hold();
    server.write(KEY, &newer);
    // What is being sent may be sent to its end; this makes every connection ask again.
    server.crash();
    server.come_back();
    let ran = running.wait();
    assert!(seen && ran.code() == 0, "{}", server.report(&ran));
    assert_eq!(ran.event("restarted").map(|e| e["reason"] == "changed"), Some(true), "{}", server.report(&ran));
    assert_is(server, &target, &newer, &ran);
}

#[track_caller]
pub(crate) fn assert_is(server: &Server, target: &std::path::Path, content: &Content, ran: &Ran) {
    let difference = content.first_difference_in_file(target);
    assert!(matches!(difference, Ok(None)), "{difference:?}: {}", server.report(ran));
}
