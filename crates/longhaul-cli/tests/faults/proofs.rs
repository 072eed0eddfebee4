//! Digests that the source declares or the user gives, and what they are worth.

use longhaul_devstore::Fault;

use crate::common::{Bench, HALF, SIZE};
use crate::table::{Case, case, object, other, resume, run, says};

const REST: u64 = SIZE - HALF;

/// Goal: a typo in a digest costs no fetch beyond the one that rules out damage on the way. Method: bytes are counted at
/// the origin. With the wrong digest all of it comes twice over a line that proves no byte, and stays; then the same
/// command asks for one byte, says the same, and with the right digest the file is published with no request. A new
/// version is fetched.
#[test]
fn a_wrong_digest_is_told_and_a_right_one_publishes_without_fetching_again() {
    let bench = Bench::new();
    bench.origin.put("/file", object());
    let (right, wrong) = (object().content.sha256(), other().content.sha256());
    let get = |digest: &str| {
        let before = bench.served();
        let ran = bench.get().args(["--checksum", &format!("sha256:{digest}")]).run();
        (ran, bench.served() - before)
    };
    let (ran, served) = get(&wrong);
    ran.expect(&bench, 7, "integrity, kept");
    assert_eq!(served, 2 * SIZE, "{}", ran.report(&bench));
    for says in [
        &format!("the file has sha256:{right}, and sha256:{wrong} was expected"),
        "4.0 MiB are kept",
        "longhaul cancel",
    ] {
        assert!(ran.stderr.contains(says), "{says}: {}", ran.report(&bench));
    }
    let (ran, served) = get(&wrong);
    ran.expect(&bench, 7, "integrity, kept");
    assert!(served <= 1, "{served}: {}", ran.report(&bench));
    assert!(ran.stderr.contains(&format!("the file has sha256:{right}")), "{}", ran.report(&bench));
    let requests = bench.origin.requests();
    let (ran, _) = get(&right);
    ran.expect(&bench, 0, "sha256, resumed");
    assert_eq!(bench.origin.requests(), requests, "{}", ran.report(&bench));
    bench.assert_published(&object().content, &ran);

    let bench = Bench::new();
    bench.origin.put("/file", object());
    let get = |digest: &str| bench.get().args(["--checksum", &format!("sha256:{digest}")]).run();
    get(&wrong).expect(&bench, 7, "integrity, kept");
    bench.origin.put("/file", other());
    let ran = get(&wrong);
    ran.expect(&bench, 0, "sha256, resumed, restarted (changed)");
    bench.assert_published(&other().content, &ran);
}

/// The source declares this.
fn declared(name: &str, field: &str, value: &str) -> Case {
    case(name).object(object().header(field, value))
}

#[test]
#[rustfmt::skip] // a line for each case
fn digests() {
    let (right, wrong) = (object().content, other().content);
    let sum = |kind: &str, hex: String| format!("{kind}:{hex}");
    let sha256 = sum("sha256", right.sha256());
    let not_sha256 = sum("sha256", wrong.sha256());
    let crc64 = sum("crc64", format!("{:016x}", right.crc64()));
    let twice = 2 * SIZE;
    // The digest that was declared is part of what is remembered: it is doubted once more when it is not declared
    // again.
    let unsaid = "validator, restarted (digest_mismatch)";
    run("digests", vec![
        declared("Repr-Digest, right", "Repr-Digest", &right.repr_digest()).ends(0, "sha256").served(SIZE),
        declared("Repr-Digest, wrong", "Repr-Digest", &wrong.repr_digest()).ends(7, "integrity").served(twice).healthy(object()).then(unsaid).check(says("the server's field repr-digest")),
        declared("Repr-Digest, garbled", "Repr-Digest", "sha-256=:nonsense").served(SIZE),
        declared("Repr-Digest of an unknown kind", "Repr-Digest", "unixsum=30637").served(SIZE),
        declared("Content-MD5, right", "Content-MD5", &right.content_md5()).always(Fault::IgnoreRange).ends(0, "md5").served(SIZE),
        declared("Content-MD5, wrong", "Content-MD5", &wrong.content_md5()).always(Fault::IgnoreRange).ends(7, "integrity").served(twice).healthy(object()).then(unsaid),
        declared("x-oss-hash-crc64ecma, right", "x-oss-hash-crc64ecma", &right.crc64_header()).ends(0, "crc64").served(SIZE),
        declared("x-oss-hash-crc64ecma, right, resumed", "x-oss-hash-crc64ecma", &right.crc64_header()).held(HALF).ends(0, "crc64, resumed").served(REST),
        declared("x-oss-hash-crc64ecma, wrong", "x-oss-hash-crc64ecma", &wrong.crc64_header()).ends(7, "integrity").served(twice).healthy(object()).then(unsaid).check(says("crc64")),
        declared("x-oss-hash-crc64ecma, no number", "x-oss-hash-crc64ecma", "-1").served(SIZE),
        declared("one flipped bit, once", "x-oss-hash-crc64ecma", &right.crc64_header()).once(Fault::Flip { offset: HALF }).ends(0, "crc64, restarted (digest_mismatch)").served(twice),
        declared("one flipped bit in the rest, once", "x-oss-hash-crc64ecma", &right.crc64_header()).held(HALF).once(Fault::Flip { offset: HALF + 1 }).ends(0, "crc64, resumed, restarted (digest_mismatch)").served(REST + SIZE),
        declared("one flipped bit, always", "x-oss-hash-crc64ecma", &right.crc64_header()).always(Fault::Flip { offset: HALF }).ends(7, "integrity").served(twice).then("crc64"),
        case("--checksum sha256, right").args(&["--checksum", &sha256]).ends(0, "sha256").served(SIZE),
        case("--checksum md5, right").args(&["--checksum", &sum("md5", right.md5())]).ends(0, "md5").served(SIZE),
        case("--checksum crc64, right").args(&["--checksum", &crc64]).ends(0, "crc64").served(SIZE),
        case("--checksum twice, both right").args(&["--checksum", &sha256, "--checksum", &crc64]).ends(0, "sha256").served(SIZE),
        case("--checksum twice, one wrong").object(other()).args(&["--checksum", &not_sha256, "--checksum", &crc64]).ends(7, "integrity, kept").served(twice).then_fails(7, "integrity, kept"),
        case("--checksum sha256, wrong").args(&["--checksum", &not_sha256]).ends(7, "integrity, kept").served(twice).then_fails(7, "integrity, kept"),
        resume("--checksum sha256, wrong, on resume").args(&["--checksum", &not_sha256]).ends(7, "integrity, kept").then_fails(7, "integrity, kept"),
        declared("--checksum right, declared wrong", "Repr-Digest", &wrong.repr_digest()).args(&["--checksum", &sha256]).ends(0, "sha256").served(SIZE).check(says("decides")),
        declared("--checksum right, another kind declared wrong", "Content-MD5", &wrong.content_md5()).always(Fault::IgnoreRange).args(&["--checksum", &crc64]).ends(0, "crc64").served(SIZE).check(says("decides")),
        declared("--checksum wrong, declared right", "Repr-Digest", &right.repr_digest()).args(&["--checksum", &not_sha256]).ends(7, "integrity, kept").healthy(object()).then_fails(7, "integrity, kept"),
        declared("declared wrong, and not to be compared", "Repr-Digest", &wrong.repr_digest()).args(&["--ignore-source-digest"]).served(SIZE),
        declared("declared wrong, not to be compared, resumed", "x-oss-hash-crc64ecma", &wrong.crc64_header()).held(HALF).args(&["--ignore-source-digest"]).ends(0, "validator, resumed").served(REST),
        declared("not to be compared, and required", "Repr-Digest", &right.repr_digest()).args(&["--ignore-source-digest", "--require-verified"]).ends(7, "not_provable").then_fails(7, "not_provable"),
        case("--require-verified and a digest").args(&["--require-verified", "--checksum", &sha256]).ends(0, "sha256").served(SIZE),
        declared("--require-verified and a declared digest", "Repr-Digest", &right.repr_digest()).args(&["--require-verified"]).ends(0, "sha256").served(SIZE),
        case("--require-verified and no digest").args(&["--require-verified"]).ends(7, "not_provable").healthy(object().header("Repr-Digest", right.repr_digest())).then("sha256"),
    ]);
}
