//! What cannot be had, and in which words that is told.

use longhaul_devstore::{Object, Ranges};

use super::{assert_bare, assert_has};
use crate::common::{Bench, SIZE};

#[test]
fn a_range_outside_of_the_object_is_refused_with_the_objects_length() {
    for range in ["4194427-", "4194427-99999999", "0-99,99999999-", "5000000-,0-99"] {
        let bench = Bench::new();
        bench.origin.put("/file", Object::seeded(1, SIZE));
        let ran = bench.get().args(["--range", range]).run();
        ran.expect(&bench, 11, "refused");
        assert!(ran.stderr.contains("the object has 4194427 bytes"), "{range}: {}", ran.stderr);
        assert_bare(&bench, &ran);
    }
    // An object without bytes has no first one; its last ones are none.
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, 0));
    let ran = bench.get().args(["--range", "0-"]).run();
    ran.expect(&bench, 11, "refused");
    assert!(ran.stderr.contains("the object has 0 bytes"), "{}", ran.stderr);
    let ran = bench.get().args(["--range", "-5"]).run();
    ran.expect(&bench, 0, "validator");
    assert_has(&bench, &Object::seeded(1, 0).content, &[], &ran);
}

#[test]
fn a_server_without_ranges_is_told_of() {
    for ranges in [Ranges::Ignore, Ranges::IgnoreButClaim] {
        let bench = Bench::new();
        bench.origin.put("/file", Object::seeded(1, SIZE).ranges(ranges));
        let ran = bench.get().args(["--range", "0-99"]).run();
        ran.expect(&bench, 11, "refused");
        assert!(ran.stderr.contains("does not serve ranges"), "{}", ran.stderr);
        assert_bare(&bench, &ran);
    }
}

/// Without a validator one reply makes one file, and one reply brings one piece.
#[test]
fn several_pieces_need_a_validator() {
    let object = Object::seeded(1, SIZE);
    let bench = Bench::new();
    bench.origin.put("/file", object.clone().no_validators());
    let ran = bench.get().args(["--range", "0-99,200-299"]).run();
    ran.expect(&bench, 7, "not_provable");
    assert!(ran.stderr.contains("ask for one piece"), "{}", ran.stderr);
    assert_bare(&bench, &ran);
    for connections in ["1", "auto"] {
        let bench = Bench::new();
        bench.origin.put("/file", object.clone().no_validators());
        let ran = bench.get().connections(connections).args(["--range", "100-3999999"]).run();
        ran.expect(&bench, 0, "length only");
        assert_has(&bench, &object.content, &[(100, 4_000_000)], &ran);
    }
}

#[test]
fn what_is_no_range_is_a_wrong_argument() {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    for range in ["", "5", "9-8", "-0", "a-b", "1-2,", "items=1-2"] {
        let ran = bench.get().args(["--range", range]).run();
        ran.expect_code(&bench, 2);
        assert_eq!((bench.origin.requests(), ran.events.len()), (0, 0), "{range}");
    }
}
