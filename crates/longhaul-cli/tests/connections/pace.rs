//! Connections that are slower than others.

use longhaul_devstore::{Ended, Fault, Object};

use super::{LEN, MIB, asked, at_once};
use crate::common::Bench;

/// One connection brings a tenth of what the others bring: its rest is asked for by those that are done, so that it
/// sends but a part of what it was asked for; and every byte is taken once.
#[test]
fn a_connection_at_a_tenth_of_the_speed_is_relieved_by_the_others() {
    for slow in [0, 1] {
        let bench = Bench::tight();
        bench.origin.put("/file", Object::seeded(1, LEN));
        bench.origin.choose("/file", move |request| Fault::Pace {
            bytes_per_second: if request.nth == slow { MIB / 2 } else { 5 * MIB },
        });
        let ran = bench.get().connections("4").run();
        ran.expect(&bench, 0, "validator");
        bench.assert_published(&Object::seeded(1, LEN).content, &ran);
        bench.origin.settled(crate::common::SOON);
        let log = bench.origin.log();
        let slow = log.iter().find(|seen| seen.nth == slow).unwrap();
        let (start, end) = asked(slow);
        // It keeps what it has brought, and at most half of the rest.
        let relieved = log.iter().any(|seen| asked(seen).0 > start && asked(seen).0 < end);
        assert!(relieved && slow.body_bytes <= (end - start) / 4 * 3, "{}", ran.report(&bench));
        assert_eq!(slow.ended, Ended::ClientLeft, "{}", ran.report(&bench));
        // Pieces become shorter towards the end; a block at a time would be 160.
        assert!(log.len() <= 48, "{} requests\n{}", log.len(), ran.report(&bench));
        // (The server may notice late that the one it hears no more of was left.)
        assert!(at_once(&log) <= 5, "{}", ran.report(&bench));
        // What was sent twice was on its way when somebody else took over.
        assert!(bench.served() <= LEN + 8 * MIB, "{}", ran.report(&bench));
    }
}
