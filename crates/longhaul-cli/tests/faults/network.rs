//! Stalls, trickles, resets, connections that are refused or half open, and servers that are busy.

use std::time::Duration;

use longhaul_devstore::{Connect, Fault};

use crate::common::{HALF, SIZE};
use crate::table::{Case, case, resume, run, says, took};

const REST: u64 = SIZE - HALF;
const SECOND: Duration = Duration::from_secs(1);

fn connects(name: &str, manners: Vec<Connect>) -> Case {
    resume(name).setup(move |stage| stage.bench.origin.connects(manners.clone()))
}

fn every_connect(name: &str, manner: Connect) -> Case {
    resume(name).setup(move |stage| stage.bench.origin.every_connect(manner))
}

#[test]
#[rustfmt::skip] // a line for each case
fn connections_that_fail() {
    let patience = ["--stall-timeout", "0.5", "--min-rate", "10k"];
    let slow = |tick| Fault::Trickle { bytes: 16 << 10, tick: Duration::from_millis(tick) };
    run("connections that fail", vec![
        resume("reset in the body, once").once(Fault::Reset { after: 100_000 }).ends(0, "validator, resumed, retried").served(REST),
        case("reset in the body, again and again").faults(vec![Fault::Reset { after: 1_000_000 }; 4]).ends(0, "validator, retried").served(SIZE),
        resume("reset before the head, once").once(Fault::reset()).ends(0, "validator, resumed, retried").served(REST),
        resume("reset before the head, always").always(Fault::reset()).ends(10, "network, kept").served(0),
        resume("hung up before the head, always").always(Fault::hang_up()).ends(10, "network, kept").served(0),
        resume("a whole answer, then a connection that only seems kept").once(Fault::ShortRange { max: 1000 }.and(Fault::Cut { after: u64::MAX })).ends(0, "validator, resumed").served(REST),
        resume("a stall in the body, once").once(Fault::Stall { after: 100_000 }).args(&patience).ends(0, "validator, resumed, retried").served(REST).check(says("stalled")).check(took(SECOND / 2)),
        resume("a stall in the body, always").always(Fault::Stall { after: 0 }).args(&patience).retries(1).ends(10, "network, kept").served(0),
        resume("no answer, once").once(Fault::no_answer()).args(&patience).ends(0, "validator, resumed, retried").served(REST),
        resume("no answer, ever").always(Fault::no_answer()).args(&patience).retries(1).ends(10, "network, kept").served(0),
        resume("a trickle").once(Fault::Trickle { bytes: 10, tick: Duration::from_millis(50) }).args(&patience).ends(0, "validator, resumed, retried").check(says("stalled")),
        resume("a head that trickles").once(Fault::SlowHead { bytes: 1, tick: Duration::from_millis(100) }).args(&patience).ends(0, "validator, resumed, retried").check(says("stalled")),
        resume("slow, but fast enough").once(slow(10)).args(&patience).ends(0, "validator, resumed").served(REST),
        resume("a late head").once(Fault::Delay(SECOND / 5)).args(&patience).ends(0, "validator, resumed").served(REST),
        resume("an even pace").once(Fault::Pace { bytes_per_second: 4_000_000 }).args(&patience).ends(0, "validator, resumed").served(REST),
        connects("connections reset and closed, then served", vec![Connect::Reset, Connect::Close]).ends(0, "validator, resumed, retried").served(REST),
        connects("a half-open connection, once", vec![Connect::Silent]).args(&patience).ends(0, "validator, resumed, retried").served(REST),
        every_connect("every connection reset", Connect::Reset).ends(10, "network, kept").served(0),
        every_connect("every connection half open", Connect::Silent).args(&patience).retries(1).ends(10, "network, kept").served(0),
        resume("connections refused").setup(|stage| stage.bench.origin.refuse()).ends(10, "network, kept").served(0).check(says("no connection")),
        case("refused from the beginning").setup(|stage| stage.bench.origin.refuse()).retries(0).ends(10, "network").served(0),
    ]);
}

#[test]
#[rustfmt::skip] // a line for each case
fn busy_servers() {
    run("busy servers", vec![
        resume("429 and a second").once(Fault::retry_after(429, 1)).ends(0, "validator, resumed, retried").served(REST).check(took(SECOND)),
        resume("503 and a second").once(Fault::retry_after(503, 1)).ends(0, "validator, resumed, retried").served(REST).check(took(SECOND)),
        resume("503 and a date").once(Fault::retry_after_date(503, 3 * SECOND)).ends(0, "validator, resumed, retried").served(REST).check(took(SECOND)),
        resume("503 and a date that is over").once(Fault::retry_after_date(503, Duration::ZERO)).ends(0, "validator, resumed, retried").served(REST),
        resume("503 and nonsense").once(Fault::retry_after(503, "soon")).ends(0, "validator, resumed, retried").served(REST),
        resume("503 and a negative number").once(Fault::retry_after(503, "-5")).ends(0, "validator, resumed, retried").served(REST),
        resume("503 and an age, no tries left").once(Fault::retry_after(503, "99999999999999999999")).retries(0).ends(10, "network, kept").served(0),
        resume("503 without end").always(Fault::status(503)).ends(10, "network, kept").served(0).check(says("status 503")),
        resume("429 without end").always(Fault::retry_after(429, 0)).ends(10, "network, kept").served(0),
    ]);
}
