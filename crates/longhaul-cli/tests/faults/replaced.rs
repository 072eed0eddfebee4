//! An object that is replaced: between runs, in the middle of a body, between two ranges, back and forth.

use longhaul_devstore::{Content, Fault, Heeds, Object, Ranges};

use crate::common::{HALF, SIZE};
use crate::table::{case, object, other, resume, run, says};

const MIB: u64 = 1 << 20;

/// The other version, but its last bytes are those of the first.
fn same_tail() -> Object {
    Object::new(object().content.with_start_of(&other().content, MIB))
}

fn blind(object: Object) -> Object {
    object.heeds(Heeds::NONE)
}

#[test]
#[rustfmt::skip] // a line for each case
fn objects_that_change() {
    let v2 = other().content;
    let tail = same_tail().content;
    let changed = "validator, resumed, restarted (changed)";
    let longer = Object::seeded(3, 2 * SIZE);
    let shorter = Object::seeded(4, HALF / 2);
    let empty = Object::new(Content::empty());
    let wrong = ["--checksum", &format!("sha256:{}", object().content.sha256())];
    let right = ["--checksum", &format!("sha256:{}", v2.sha256())];
    run("objects that change", vec![
        resume("between runs, same size").replaced(other()).ends(0, changed).is(&v2).served(SIZE).check(says("another version")),
        resume("between runs, same tail").replaced(same_tail()).ends(0, changed).is(&tail).served(SIZE),
        resume("between runs, conditions unheeded").replaced(blind(other())).ends(0, changed).is(&v2).served_at_most(2 * SIZE),
        resume("between runs, ranges ignored").replaced(other().ranges(Ranges::Ignore)).ends(0, changed).is(&v2).served_at_most(2 * SIZE),
        resume("between runs, same tail, nothing heeded").replaced(blind(same_tail())).ends(0, changed).is(&tail).served_at_most(2 * SIZE),
        resume("between runs, longer").replaced(longer.clone()).ends(0, changed).is(&longer.content).served(2 * SIZE),
        resume("between runs, shorter than what is held").replaced(shorter.clone()).ends(0, changed).is(&shorter.content),
        resume("between runs, empty now").replaced(empty.clone()).ends(0, changed).is(&empty.content),
        resume("between runs, a byte longer under the same ETag").replaced(object().with_content(Content::seeded(1, SIZE + 1))).ends(0, changed).is(&Content::seeded(1, SIZE + 1)),
        case("between runs, dates only").object(object().no_etag()).held(HALF).replaced(other().no_etag().last_modified("Thu, 02 Jan 2020 00:00:00 GMT")).ends(0, changed).is(&v2),
        case("between runs, dates only, conditions unheeded").object(object().no_etag()).held(HALF).replaced(blind(other().no_etag().last_modified("Thu, 02 Jan 2020 00:00:00 GMT"))).ends(0, changed).is(&v2),
        case("between runs, no validators").object(object().no_validators()).held(HALF).replaced(other().no_validators()).ends(0, "length only, restarted (not_provable)").is(&v2).served(SIZE),
        case("between runs, same tail, no validators").object(object().no_validators()).held(HALF).replaced(same_tail().no_validators()).ends(0, "length only, restarted (not_provable)").is(&tail).served(SIZE),
        case("no validators, the new one's digest given").object(object().no_validators()).held(HALF).replaced(other().no_validators()).args(&right).ends(0, "sha256, resumed, restarted (digest_mismatch)").is(&v2),
        case("no validators, the old one's digest given").object(object().no_validators()).held(HALF).replaced(other().no_validators()).args(&wrong).ends(7, "integrity, kept").then("sha256, resumed, restarted (digest_mismatch)"),
        resume("gone, then back").setup(|stage| stage.bench.origin.remove("/file")).ends(3, "not_found, kept"),
        resume("stop on change").replaced(other()).args(&["--on-change", "stop"]).ends(6, "changed, kept").then("validator, resumed"),
        resume("stop on change, nothing changed").args(&["--on-change", "stop"]).ends(0, "validator, resumed").served(SIZE - HALF),
        case("in the middle of a body that goes on").once(Fault::replace(HALF, other())).ends(0, "validator").served(SIZE),
        case("in the middle of a body that is cut").once(Fault::replace(HALF, other()).and(Fault::Cut { after: HALF })).ends(0, "validator, restarted (changed), retried").is(&v2).served(HALF + SIZE),
        case("the same, same tail, nothing heeded").object(blind(object())).once(Fault::replace(HALF, blind(same_tail())).and(Fault::Cut { after: HALF })).ends(0, "validator, restarted (changed), retried").is(&tail),
        case("overwritten in place while read: a digest tells").object(object().header("Repr-Digest", object().content.repr_digest())).once(Fault::SwitchBody { after: HALF, to: v2.clone() }.and(Fault::replace(HALF, other().header("Repr-Digest", v2.repr_digest())))).ends(0, "sha256, restarted (digest_mismatch)").is(&v2),
        case("between two ranges").faults(vec![Fault::ShortRange { max: MIB }.and(Fault::replace(MIB - 1, other())), Fault::Correct]).ends(0, "validator, restarted (changed)").is(&v2),
        case("between two ranges, nothing heeded").object(blind(object())).faults(vec![Fault::ShortRange { max: MIB }.and(Fault::replace(MIB - 1, blind(other())))]).ends(0, "validator, restarted (changed)").is(&v2),
        case("between every two ranges").setup(|stage| {
            stage.bench.origin.choose("/file", |request| {
                let seed = u64::try_from(request.nth).unwrap_or_default() + 10;
                Fault::serve_as(Object::seeded(seed, SIZE)).and(Fault::ShortRange { max: MIB })
            });
        }).ends(6, "changed, kept").then("validator, resumed, restarted (changed)"),
        case("the old version comes back").faults(vec![Fault::Cut { after: HALF }, Fault::serve_as(other()), Fault::serve_as(other()).and(Fault::Cut { after: MIB / 2 })]).ends(0, "validator, restarted (changed superseded), retried"),
        case("two replicas behind a balancer, each reply whole").setup(|stage| stage.bench.origin.alternate("/file", vec![object(), other()])).ends(0, "validator").served(SIZE),
        resume("two replicas, the held one's turn is second").setup(|stage| stage.bench.origin.alternate("/file", vec![other(), object()])).ends(0, "validator, resumed"),
        case("two replicas that send short ranges in turn").setup(|stage| {
            stage.bench.origin.choose("/file", |request| {
                let object = if request.nth.is_multiple_of(2) { object() } else { other() };
                Fault::serve_as(object).and(Fault::ShortRange { max: MIB })
            });
        }).ends(0, "validator, restarted (changed), retried").is(&v2).check(says("two versions in turn")),
        case("two replicas in turn, nothing heeded").setup(|stage| {
            stage.bench.origin.choose("/file", |request| {
                let object = if request.nth.is_multiple_of(2) { object() } else { other() };
                Fault::serve_as(blind(object)).and(Fault::ShortRange { max: MIB })
            });
        }).ends(0, "validator, restarted (changed), retried").is(&v2).check(says("two versions in turn")),
        case("two replicas in turn, each reply cut").setup(|stage| {
            stage.bench.origin.choose("/file", |request| {
                let object = if request.nth.is_multiple_of(2) { object() } else { other() };
                Fault::serve_as(object).and(Fault::Cut { after: MIB })
            });
        }).ends(10, "network, kept").check(says("two versions in turn")).then("validator, resumed"),
    ]);
}
