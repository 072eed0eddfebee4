//! Three nodes of Garage that keep everything thrice, longhaul speaking to the first one.

use longhaul_devstore::Content;

use crate::downloads::assert_is;
use crate::server::{LEN, RATE, Server};

/// One node fewer is no matter.
pub(crate) fn one_node_may_die(server: &Server) {
    let content = Content::seeded(81, LEN);
    let film = server.file("one-fewer", &content);
    let mut running = server.put(&film, "one-fewer", &["--limit-rate", RATE]);
    let seen = server.until(&mut running, |_| server.relay.acknowledged("one-fewer") > 0);
    server.script("crash", &["3"]);
    let ran = running.wait();
    assert!(seen && ran.code() == 0, "{}", server.report(&ran));
    assert_eq!(ran.event("done").unwrap()["restarts"].as_array().map(Vec::len), Some(0), "{}", server.report(&ran));
    server.assert_stored("one-fewer", &content, &ran);
    server.come_back();
}

/// Without two of three the store answers 503 to everything, but for what it was about to store: to that it does not
/// answer at all, so that longhaul is told to be less patient. Both are waited through, there and back.
pub(crate) fn a_store_without_a_quorum_is_waited_for(server: &Server) {
    let content = Content::seeded(82, LEN);
    let film = server.file("no-quorum", &content);
    let mut running = server.put(&film, "no-quorum", &["--limit-rate", RATE, "--stall-timeout", "2"]);
    let seen = server.until(&mut running, |_| server.relay.acknowledged("no-quorum") > 0);
    server.script("crash", &["2"]);
    server.script("crash", &["3"]);
    let refused =
        server.until(&mut running, |_| server.relay.about("no-quorum").iter().any(|seen| seen.status == Some(503)));
    server.come_back();
    let ran = running.wait();
    assert!(seen && refused && ran.code() == 0, "{}", server.report(&ran));
    assert_eq!(ran.event("done").unwrap()["restarts"].as_array().map(Vec::len), Some(0), "{}", server.report(&ran));
    server.assert_stored("no-quorum", &content, &ran);

    server.script("crash", &["2"]);
    server.script("crash", &["3"]);
    let target = server.bench.folder().join("from a quorum");
    let mut running = server.get("no-quorum", &target, &[]);
    let waits = server.until(&mut running, |running| running.failures() > 1);
    server.come_back();
    let ran = running.wait();
    assert!(waits && ran.code() == 0, "{}", server.report(&ran));
    assert_is(server, &target, &content, &ran);
}
