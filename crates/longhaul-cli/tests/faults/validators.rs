//! What proves that two replies carry bytes of one version, and what does not.

use std::time::Duration;

use longhaul_devstore::{DateField, Fault, Heeds, Object, Ranges};

use crate::common::{HALF, SIZE};
use crate::table::{Case, case, object, other, resume, run, says};

const REST: u64 = SIZE - HALF;

/// Nothing vouches for the held bytes: one reply makes the file.
fn not_provable(name: &str, object: Object) -> Case {
    case(name).object(object).held(HALF).ends(0, "length only, restarted (not_provable)").served(SIZE)
}

fn provable(name: &str, object: Object) -> Case {
    case(name).object(object).held(HALF).ends(0, "validator, resumed").served(REST)
}

#[test]
#[rustfmt::skip] // a line for each case
fn validators() {
    let plain = || object().no_validators();
    let checksum = ["--checksum", &format!("sha256:{}", object().content.sha256())];
    run("validators", vec![
        provable("a strong ETag alone", object().no_last_modified()),
        provable("an old Last-Modified alone", object().no_etag()),
        provable("an old Last-Modified under a weak ETag", object().etag("W/\"1\"")),
        provable("an old Last-Modified under a malformed ETag", object().etag("1")),
        provable("an ETag with bytes beyond ASCII", object().etag("\"caf\u{e9}\"").no_last_modified()),
        provable("an ETag of 4000 bytes", object().etag(format!("\"{}\"", "e".repeat(4000)))),
        provable("a version id of OSS", plain().header("x-oss-version-id", "CAEQMhiBgIDGiqSnqBgi")),
        provable("a version id of S3", plain().header("x-amz-version-id", "3HL4kqtJlcpXroDTDmJrmSpXd3dIbrHY")),
        not_provable("no validators", plain()),
        not_provable("a weak ETag alone", plain().etag("W/\"1\"")),
        not_provable("an ETag without quotes", plain().etag("1")),
        not_provable("an ETag with a quote too many", plain().etag("\"1\"2\"")),
        not_provable("an empty ETag", plain().etag("")),
        not_provable("a Last-Modified of yesterday, garbled", plain().last_modified("yesterday")),
        not_provable("a young Last-Modified", plain().modified_ago(Duration::from_secs(5))),
        not_provable("a Last-Modified in the future", plain().last_modified("Wed, 01 Jan 2200 00:00:00 GMT")),
        not_provable("a Last-Modified as young as a wrong clock says", plain().last_modified("Wed, 01 Jan 2020 00:00:00 GMT").date(DateField::Fixed("Wed, 01 Jan 2020 00:00:10 GMT".into()))),
        case("no validators, but a digest").object(plain()).held(HALF).args(&checksum).ends(0, "sha256, resumed").served(REST),
        case("no validators, one run, cut").object(plain()).once(Fault::Cut { after: HALF }).ends(0, "length only, restarted (not_provable), retried").served(HALF + SIZE),
        case("no validators, cut always at the same place").object(plain()).always(Fault::Cut { after: HALF }).ends(10, "network, kept").then("length only, restarted (not_provable)"),
        resume("missing on resume, once").once(Fault::remove_header("ETag").and(Fault::remove_header("Last-Modified"))).ends(0, "validator, resumed, retried"),
        resume("missing on resume, always").always(Fault::remove_header("ETag").and(Fault::remove_header("Last-Modified"))).ends(0, "length only, resumed, restarted (validator_gone), retried").check(says("does not show the validator any more")),
        resume("missing and another length, always").replaced(Object::seeded(9, SIZE + 1).no_validators()).ends(11, "refused, kept").check(says("delete file.lhpart and file.lhlog")),
        resume("missing, and nothing is to be given up").args(&["--on-change", "stop"]).always(Fault::remove_header("ETag").and(Fault::remove_header("Last-Modified"))).ends(11, "refused, kept").check(says("delete file.lhpart and file.lhlog")),
        resume("missing on a 200, always").always(Fault::IgnoreRange.and(Fault::remove_header("ETag")).and(Fault::remove_header("Last-Modified"))).ends(0, "length only, resumed, restarted (validator_gone), retried").check(says("does not show the validator any more")),
        resume("weakened on resume, once").once(Fault::set_header("ETag", "W/\"1\"")).ends(0, "validator, resumed, retried"),
        resume("weakened on resume, always").always(Fault::set_header("ETag", "W/\"1\"")).ends(0, "validator, resumed, restarted (validator_gone), retried").check(says("does not show the validator any more")),
        resume("malformed on resume, always").always(Fault::set_header("ETag", "\"1")).ends(0, "validator, resumed, restarted (validator_gone), retried").check(says("does not show the validator any more")),
        resume("two ETags on resume, once").once(Fault::add_header("ETag", "\"x\"")).ends(0, "validator, resumed, retried"),
        resume("two ETags on resume, always").always(Fault::add_header("ETag", "\"x\"")).ends(0, "validator, resumed, restarted (validator_gone), retried").check(says("does not show the validator any more")),
        case("a new ETag in every answer").always(Fault::ChangingEtag).ends(0, "validator").served(SIZE),
        case("a new ETag in every answer, each cut").always(Fault::ChangingEtag.and(Fault::Cut { after: HALF })).ends(6, "changed, kept").then("validator, resumed, restarted (changed)"),
        case("the same ETag for other bytes, seen in a 200").held(HALF).replaced(object().with_content(other().content).ranges(Ranges::Ignore)).ends(0, "length only, resumed, restarted (validator_lied)").is(&other().content),
        case("the same ETag for other bytes, a digest declared").object(object().header("Repr-Digest", object().content.repr_digest())).held(HALF).replaced(object().with_content(other().content).header("Repr-Digest", other().content.repr_digest())).ends(0, "sha256, resumed, restarted (changed)").is(&other().content),
        case("a server that looks at no condition").object(object().heeds(Heeds::NONE)).held(HALF).ends(0, "validator, resumed").served(REST),
    ]);
}
