//! A status that is not the one a range request hopes for.

use std::time::Duration;

use longhaul_devstore::{Chunks, Fault};

use crate::common::{HALF, SIZE};
use crate::table::{Stage, case, resume, run, says, took};

const REST: u64 = SIZE - HALF;

fn unsatisfied(content_range: Option<String>) -> Fault {
    Fault::NotSatisfiable { content_range }
}

/// Refuses what has a range.
fn only_whole(status: u16) -> impl Fn(&Stage) {
    move |stage| {
        stage.bench.origin.choose("/file", move |request| match request.header("Range") {
            Some(_) => Fault::status(status),
            None => Fault::Correct,
        });
    }
}

/// Refuses what has a condition.
fn no_condition(status: u16) -> impl Fn(&Stage) {
    move |stage| {
        stage.bench.origin.choose("/file", move |request| match request.header("If-Match") {
            Some(_) => Fault::status(status),
            None => Fault::Correct,
        });
    }
}

#[test]
#[rustfmt::skip] // a line for each case
fn statuses_for_a_range_request() {
    let refused = |status| resume(format!("{status} to every request")).always(Fault::status(status));
    run(
        "a status that was not hoped for",
        vec![
            resume("206, as it should be").ends(0, "validator, resumed").served(REST),
            resume("200 to a range, once").once(Fault::IgnoreRange).ends(0, "validator, resumed").served(SIZE),
            resume("200 to every range").always(Fault::IgnoreRange).ends(0, "validator, resumed").served(SIZE),
            case("200 to the first range").always(Fault::IgnoreRange).served(SIZE),
            resume("a 206 that calls itself 200").once(Fault::Relabel(200)).ends(0, "validator, resumed").served_at_most(REST + SIZE),
            resume("a 200 that calls itself 206").once(Fault::IgnoreRange.and(Fault::Relabel(206))).ends(0, "validator, resumed, retried"),
            resume("204 once").once(Fault::NoContent).ends(0, "validator, resumed, retried").served(REST),
            resume("204 to every request").always(Fault::NoContent).ends(11, "refused, kept").served(0),
            resume("empty 200 once").once(Fault::Empty).ends(0, "validator, resumed, retried").served(REST),
            resume("empty 200 to every request").always(Fault::Empty).ends(11, "refused, kept").served(0),
            resume("416 without Content-Range, once").once(unsatisfied(None)).ends(0, "validator, resumed").served(SIZE),
            resume("416 without Content-Range, always").always(unsatisfied(None)).ends(11, "refused, kept").served(0),
            resume("416 inside the object, once").once(unsatisfied(Some(format!("bytes */{SIZE}")))).ends(0, "validator, resumed, retried").served(REST),
            resume("416 inside the object, always").always(unsatisfied(Some(format!("bytes */{SIZE}")))).ends(11, "refused, kept").served(0),
            resume("416 that says another length, once").once(unsatisfied(Some(format!("bytes */{HALF}")))).ends(0, "validator, resumed"),
            resume("416 that says another length, always").always(unsatisfied(Some(format!("bytes */{HALF}")))).ends(11, "refused, kept"),
            resume("416 with a garbled Content-Range").once(unsatisfied(Some("bytes */many".into()))).ends(0, "validator, resumed").served(SIZE),
            resume("412 once, although the object is the same").once(Fault::status(412)).ends(0, "validator, resumed"),
            resume("412 to every condition, although the object is the same").setup(|stage| {
                    stage.bench.origin.choose("/file", |request| match request.header("If-Match") {
                        Some(_) => Fault::status(412),
                        None => Fault::Correct,
                    });
                }).ends(0, "validator, resumed"),
            resume("412 to every request").always(Fault::status(412)).ends(11, "refused, kept").served(0),
            resume("an unasked 206, once").once(Fault::UnaskedRange(0..100)).ends(0, "validator, resumed, retried").served(REST + 100),
            resume("an unasked 206, always").always(Fault::UnaskedRange(0..100)).ends(11, "refused, kept").served_at_most(500),
            resume("a 206 to a request without Range").faults(vec![unsatisfied(None), Fault::UnaskedRange(0..100), Fault::UnaskedRange(0..100)]).ends(0, "validator, resumed, retried"),
            resume("203 in place of 206, once").once(Fault::Relabel(203)).ends(0, "validator, resumed, retried"),
            resume("203 in place of 206, always").always(Fault::Relabel(203)).ends(11, "refused, kept"),
            resume("304 without being asked").always(Fault::status(304)).ends(11, "refused, kept").served(0),
            resume("300 with nothing to choose").always(Fault::status(300)).ends(11, "refused, kept").served(0),
            resume("100 interim replies").once(Fault::Interim { code: 102, count: 100 }).ends(0, "validator, resumed").served(REST),
            resume("early hints before the answer").once(Fault::Interim { code: 103, count: 1 }).ends(0, "validator, resumed").served(REST),
            resume("101, a protocol nobody asked for").once(Fault::status(101)).ends(0, "validator, resumed, retried"),
            resume("421, the wrong connection, once").once(Fault::status(421)).ends(0, "validator, resumed, retried").served(REST),
            case("every range refused with 400").setup(only_whole(400)).ends(0, "validator").served(SIZE).check(says("without a range")),
            case("every range refused with 403").setup(only_whole(403)).ends(0, "validator").served(SIZE),
            case("every range refused with 416").setup(only_whole(416)).ends(0, "validator").served(SIZE),
            case("every range refused with 501").setup(only_whole(501)).ends(0, "validator").served(SIZE),
            case("every range breaks the server").setup(only_whole(500)).ends(0, "validator, retried").served(SIZE),
            resume("every range refused with 400, where something is held").setup(only_whole(400)).ends(0, "validator, resumed").served(SIZE),
            resume("every range breaks the server, where something is held").setup(only_whole(500)).ends(0, "validator, resumed, retried").served(SIZE),
            resume("every range is empty").setup(|stage| stage.bench.origin.choose("/file", |request| match request.header("Range") {
                Some(_) => Fault::Chunked(Chunks::default()).and(Fault::ShortRange { max: 0 }),
                None => Fault::Correct,
            })).ends(0, "validator, resumed, retried"),
            resume("every condition refused with 400").setup(no_condition(400)).ends(0, "validator, resumed").served(REST).check(says("without a condition")),
            resume("every condition refused with 501").setup(no_condition(501)).ends(0, "validator, resumed").served(REST),
            case("401 to a range is of who asks").setup(only_whole(401)).ends(4, "denied"),
            case("404 to a range is of the object").setup(only_whole(404)).ends(3, "not_found"),
            resume("202, being prepared").faults(vec![Fault::status(202), Fault::retry_after(202, 1)]).ends(0, "validator, resumed, retried").served(REST).check(took(Duration::from_secs(1))).check(says("still being prepared")),
            case("202, being prepared for ever").always(Fault::status(202)).ends(10, "network").check(says("still being prepared")),
            resume("404, gone").always(Fault::status(404)).ends(3, "not_found, kept").served(0),
            resume("410, gone for good").always(Fault::status(410)).ends(3, "not_found, kept").served(0),
            refused(400).ends(11, "refused, kept").served(0),
            refused(402).ends(11, "refused, kept").served(0),
            refused(405).ends(11, "refused, kept").served(0),
            refused(406).ends(11, "refused, kept").served(0),
            refused(451).ends(11, "refused, kept").served(0),
            refused(501).ends(11, "refused, kept").served(0),
            refused(505).ends(11, "refused, kept").served(0),
            refused(600).ends(11, "refused, kept").served(0),
            refused(999).ends(11, "refused, kept").served(0),
            refused(500).ends(10, "network, kept").served(0).check(says("status 500")),
            refused(502).ends(10, "network, kept").served(0),
            refused(504).ends(10, "network, kept").served(0),
            resume("500, 502, then well").faults(vec![Fault::status(500), Fault::status(502)]).ends(0, "validator, resumed, retried").served(REST),
            resume("408 and 425, then well").faults(vec![Fault::status(408), Fault::status(425)]).ends(0, "validator, resumed, retried").served(REST),
        ],
    );
}
