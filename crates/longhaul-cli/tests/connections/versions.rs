//! Several requests are answered from one version, or the file is made from one reply: never from two.

use longhaul_devstore::{Fault, Heeds, Object};

use super::{LEN, MIB, at_once, paced};
use crate::common::{Bench, Ran};

const SEVERAL: [&str; 2] = ["4", "auto"];

fn first() -> Object {
    Object::seeded(1, LEN)
}

fn second() -> Object {
    Object::seeded(2, LEN)
}

/// Which of the versions the file is; fails when it is neither.
#[track_caller]
fn version(bench: &Bench, ran: &Ran) -> u64 {
    let is = |object: Object| object.content.first_difference_in_file(bench.file()).unwrap().is_none();
    match (is(first()), is(second())) {
        (true, false) => 1,
        (false, true) => 2,
        _ => panic!("the file is neither version\n{}", ran.report(bench)),
    }
}

/// Sound, and whole of one version, or it gave up in the documented way without publishing.
#[track_caller]
fn assert_never_mixed(bench: &Bench, ran: &Ran, may_give_up: bool) {
    assert_eq!(ran.unsound(), None, "{}", ran.report(bench));
    match ran.code() {
        0 => _ = version(bench, ran),
        6 if may_give_up => assert!(!bench.file().exists(), "{}", ran.report(bench)),
        _ => panic!("{}", ran.report(bench)),
    }
}

/// Two replicas behind one name have different versions, and requests go to them in turn.
#[test]
fn a_balancer_that_alternates_two_versions_gives_one_of_them() {
    for connections in SEVERAL {
        for heeds in [Heeds::ALL, Heeds::NONE] {
            for on_change in ["restart", "stop"] {
                let bench = Bench::new();
                let objects = [first(), second()].map(|object| object.heeds(heeds));
                bench
                    .origin
                    .choose("/file", move |request| Fault::serve_as(objects[request.nth % 2].clone()).and(paced(32)));
                let ran = bench.get().connections(connections).args(["--on-change", on_change]).run();
                assert_never_mixed(&bench, &ran, on_change == "stop");
            }
        }
    }
}

/// The same bytes everywhere, but each edge calls them by another ETag.
#[test]
fn etags_that_differ_per_edge_end_in_the_file() {
    for connections in SEVERAL {
        for heeds in [Heeds::ALL, Heeds::NONE] {
            let bench = Bench::new();
            bench.origin.choose("/file", move |request| {
                let etag = format!("\"edge-{}\"", request.nth % 2);
                Fault::serve_as(first().no_validators().etag(etag).heeds(heeds)).and(paced(32))
            });
            let ran = bench.get().connections(connections).run();
            ran.expect_code(&bench, 0);
            bench.assert_published(&first().content, &ran);
        }
    }
}

/// Some ranges are under way when the object is replaced; they go on with the old bytes, later ones are refused or show
/// the new version.
#[test]
fn an_object_replaced_between_ranges_in_flight_gives_one_version() {
    for connections in SEVERAL {
        for heeds in [Heeds::ALL, Heeds::NONE] {
            for nth in 0..4 {
                for on_change in ["restart", "stop"] {
                    let bench = Bench::new();
                    bench.origin.put("/file", first().heeds(heeds));
                    bench.origin.choose("/file", move |request| match request.nth == nth {
                        true => Fault::replace(MIB, second().heeds(heeds)).and(paced(16)),
                        false => paced(16),
                    });
                    let ran = bench.get().connections(connections).args(["--on-change", on_change]).run();
                    assert_never_mixed(&bench, &ran, on_change == "stop");
                    let changed = ran.stdout.contains("\"changed\"");
                    assert!(!changed || ran.code() == 6 || version(&bench, &ran) == 2, "{}", ran.report(&bench));
                }
            }
        }
    }
}

/// One of several requests is answered with the whole object, as by one of several proxies that knows no ranges.
#[test]
fn a_whole_reply_among_ranges_does_no_harm() {
    for connections in SEVERAL {
        for nth in 0..4 {
            let bench = Bench::new();
            bench.origin.put("/file", first());
            bench.origin.choose("/file", move |request| match request.nth == nth {
                true => Fault::IgnoreRange.and(paced(32)),
                false => paced(32),
            });
            let ran = bench.get().connections(connections).run();
            ran.expect_code(&bench, 0);
            bench.assert_published(&first().content, &ran);
            // (By itself it needs no other connection for what comes that soon.)
            let several = at_once(&bench.origin.log()) > 1;
            assert!(several || nth < 2 || connections == "auto", "{}", ran.report(&bench));
        }
    }
}
