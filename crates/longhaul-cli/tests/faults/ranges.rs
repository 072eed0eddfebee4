//! A `Content-Range` that is not what was asked.

use longhaul_devstore::Fault;

use crate::common::{HALF, SIZE};
use crate::table::{Case, case, resume, run, says};

const REST: u64 = SIZE - HALF;
const MIB: u64 = 1 << 20;

/// The right bytes under a wrong `Content-Range`, once and always: then without a range, where the field means nothing.
fn wrong(name: &str, value: String) -> [Case; 2] {
    [
        resume(format!("{name}, once")).once(Fault::ContentRange(value.clone())).ends(0, "validator, resumed, retried"),
        resume(format!("{name}, always")).always(Fault::ContentRange(value)).ends(0, "validator, resumed, retried"),
    ]
}

/// The right bytes under a `Content-Range` that is not to the letter.
fn dialect(value: String) -> Case {
    resume(format!("{value:?}")).always(Fault::ContentRange(value)).ends(0, "validator, resumed").served(REST)
}

#[test]
#[rustfmt::skip] // a line for each case
fn content_ranges() {
    let last = SIZE - 1;
    let mut cases = vec![
        resume("starts 1000 early").always(Fault::EarlyRange { by: 1000 }).ends(0, "validator, resumed").served(REST + 1000),
        resume("starts at 0").always(Fault::EarlyRange { by: HALF }).ends(0, "validator, resumed").served(SIZE),
        resume("starts 1000 late, once").once(Fault::LateRange { by: 1000 }).ends(0, "validator, resumed, retried"),
        resume("starts 1000 late, always").always(Fault::LateRange { by: 1000 }).ends(0, "validator, resumed, retried").check(says("without a range")),
        case("the first starts late").once(Fault::LateRange { by: 1 }).ends(0, "validator, retried"),
        resume("never more than 64 KiB").always(Fault::ShortRange { max: 64 << 10 }).ends(0, "validator, resumed").served(REST),
        resume("ends early, once").once(Fault::ShortRange { max: 1 }).ends(0, "validator, resumed").served(REST),
        case("never more than 1 MiB, from the beginning").always(Fault::ShortRange { max: MIB }).served(SIZE),
        resume("total is *, always").always(Fault::ContentRange(format!("bytes {HALF}-{last}/*"))).ends(0, "validator, resumed").served(REST),
        case("total is * from the beginning").setup(move |stage| {
                stage.bench.origin.choose("/file", move |request| match request.header("Range") {
                    Some(_) => Fault::ContentRange(format!("bytes 0-{last}/*")),
                    None => Fault::Correct,
                })
            }).served_at_most(2 * SIZE),
        resume("no Content-Range, once").once(Fault::NoContentRange).ends(0, "validator, resumed, retried"),
        resume("no Content-Range, always").always(Fault::NoContentRange).ends(0, "validator, resumed, retried").check(says("without a range")),
        case("no Content-Range, from the beginning").once(Fault::NoContentRange).ends(0, "validator, retried"),
        resume("two of them").once(Fault::SecondContentRange(format!("bytes 0-{last}/{SIZE}"))).ends(0, "validator, resumed, retried"),
        resume("multipart/byteranges, once").once(Fault::Multipart).ends(0, "validator, resumed, retried"),
        resume("multipart/byteranges, always").always(Fault::Multipart).ends(0, "validator, resumed, retried").check(says("without a range")),
        resume("on a 200, once").once(Fault::IgnoreRange.and(Fault::ContentRange(format!("bytes {HALF}-{last}/{SIZE}")))).ends(0, "validator, resumed"),
        resume("on a 200, always").always(Fault::IgnoreRange.and(Fault::ContentRange(format!("bytes {HALF}-{last}/{SIZE}")))).ends(11, "refused, kept"),
        resume("shorter than Content-Length").once(Fault::ContentRange(format!("bytes {HALF}-{}/{SIZE}", HALF + 9))).ends(0, "validator, resumed, retried"),
        resume("another total, once").once(Fault::ContentRange(format!("bytes {HALF}-{last}/{}", SIZE + 1))).ends(0, "validator, resumed"),
        resume("another total, always").always(Fault::ContentRange(format!("bytes {HALF}-{last}/{}", SIZE + 1))).ends(11, "refused, kept"),
        case("right head, other bytes: only a digest tells").once(Fault::OtherBytes { by: 7 }).ends(0, "sha256, restarted (digest_mismatch)").args(&["--checksum", &format!("sha256:{}", crate::table::object().content.sha256())]),
    ];
    for (name, value) in [
        ("garbled", "bytes some-of/it".to_owned()),
        ("ends before it starts", format!("bytes {HALF}-5/{SIZE}")),
        ("ends behind the total", format!("bytes {HALF}-{SIZE}/{SIZE}")),
        ("of another unit", format!("items {HALF}-{last}/{SIZE}")),
        ("larger than any number", format!("bytes {HALF}-18446744073709551616/18446744073709551617")),
        ("the largest number", "bytes 0-18446744073709551615/18446744073709551615".to_owned()),
        ("negative", format!("bytes -{HALF}-{last}/{SIZE}")),
        ("empty", String::new()),
    ] {
        cases.extend(wrong(name, value));
    }
    let unsatisfied = |name: &str| resume(name).ends(11, "refused, kept");
    cases.push(unsatisfied("bytes */total on a 206, always").always(Fault::ContentRange(format!("bytes */{SIZE}"))));
    for value in [
        format!("bytes={HALF}-{last}/{SIZE}"),
        format!("bytes: {HALF}-{last}/{SIZE}"),
        format!("bytes {HALF}-{last} / {SIZE}"),
        format!("{HALF}-{last}/{SIZE}"),
        format!("bytes {HALF}-{last}"),
    ] {
        cases.push(dialect(value));
    }
    run("Content-Range", cases);
}
