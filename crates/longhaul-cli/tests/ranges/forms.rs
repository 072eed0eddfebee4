//! What is asked for, and what comes.

use longhaul_devstore::{Fault, Object, Seen};

use super::{MIB, assert_has};
use crate::common::{Bench, SIZE};

/// From where to where a request asks; the last bytes of an object of [`SIZE`] included.
fn asked(seen: &Seen) -> (u64, u64) {
    let range = seen.header("Range").unwrap().trim_start_matches("bytes=").to_owned();
    let number = |text: &str| text.parse::<u64>().unwrap();
    match range.split_once('-').unwrap() {
        ("", count) => (SIZE - number(count).min(SIZE), SIZE),
        (start, "") => (number(start), SIZE),
        (start, last) => (number(start), number(last) + 1),
    }
}

#[test]
fn every_form_brings_exactly_its_bytes_on_any_number_of_connections() {
    let table: [(&str, &[(u64, u64)]); 14] = [
        ("0-", &[(0, SIZE)]),
        ("100-", &[(100, SIZE)]),
        ("bytes=100-199", &[(100, 200)]),
        ("0-0", &[(0, 1)]),
        ("-100", &[(SIZE - 100, SIZE)]),
        ("-99999999999", &[(0, SIZE)]),
        ("4000000-99999999999", &[(4_000_000, SIZE)]),
        ("0-99,200-299", &[(0, 100), (200, 300)]),
        ("0-99,-1", &[(0, 100), (SIZE - 1, SIZE)]),
        ("-1, 0-99", &[(SIZE - 1, SIZE), (0, 100)]),
        ("5-2097152,3000000-3999999,10-", &[(5, 2 * MIB + 1), (3_000_000, 4_000_000), (10, SIZE)]),
        // Neither order nor neighbours nor overlaps change what was asked for.
        ("200-299,100-199,200-299", &[(200, 300), (100, 200), (200, 300)]),
        ("0-1048575,1048576-2097151", &[(0, 2 * MIB)]),
        ("1000-3500000,2000000-", &[(1000, 3_500_001), (2_000_000, SIZE)]),
    ];
    let object = Object::seeded(1, SIZE);
    for (range, pieces) in table {
        for connections in ["1", "auto"] {
            let bench = Bench::new();
            bench.origin.put("/file", object.clone());
            let ran = bench.get().connections(connections).args(["--range", range]).run();
            ran.expect(&bench, 0, "validator");
            assert_has(&bench, &object.content, pieces, &ran);
            let bytes: u64 = pieces.iter().map(|(start, end)| end - start).sum();
            assert_eq!(ran.event("done").unwrap()["bytes"], bytes, "{range}");
            // One range a request, and none reaches over the end of a piece.
            for seen in bench.origin.log() {
                let (start, end) = asked(&seen);
                let within = |&(from, to): &(u64, u64)| from <= start && end.min(SIZE) <= to;
                assert!(pieces.iter().any(within), "{range}: {start}..{end}: {}", ran.report(&bench));
            }
        }
    }
}

#[test]
fn a_thousand_pieces_are_fetched_one_by_one() {
    let bench = Bench::new();
    let object = Object::seeded(1, SIZE);
    bench.origin.put("/file", object.clone());
    let pieces: Vec<(u64, u64)> = (0..1000).map(|i| (i * 4000, i * 4000 + 7)).collect();
    let range: Vec<String> = pieces.iter().map(|(start, end)| format!("{start}-{}", end - 1)).collect();
    let ran = bench.get().args(["--range", &range.join(",")]).run();
    ran.expect(&bench, 0, "validator");
    assert_has(&bench, &object.content, &pieces, &ran);
    let ran = bench.get().args(["--range", &range.join(",")]).run();
    ran.expect(&bench, 0, "validator, already");
}

/// A long piece is divided between connections like an object.
#[test]
fn a_long_piece_is_shared_between_connections() {
    const LEN: u64 = 40 * MIB;
    let bench = Bench::new();
    let object = Object::seeded(1, LEN);
    bench.origin.put("/file", object.clone());
    bench.origin.always("/file", Fault::Pace { bytes_per_second: 16 * MIB });
    let ran = bench.get().connections("4").args(["--range", "1000-30000000,35000000-"]).run();
    ran.expect(&bench, 0, "validator");
    assert_has(&bench, &object.content, &[(1000, 30_000_001), (35_000_000, LEN)], &ran);
    let log = bench.origin.log();
    let overlaps = |a: &&Seen| {
        let later = |b: &&Seen| b.started > a.started && a.finished.is_none_or(|finished| finished > b.started);
        log.iter().any(|b| later(&b))
    };
    assert!(log.iter().any(|seen| overlaps(&seen)), "{}", ran.report(&bench));
}

#[test]
fn digests_of_the_object_are_not_those_of_a_piece() {
    let bench = Bench::new();
    let object = Object::seeded(1, SIZE);
    // Of the object, and of nothing else; `0-` is all of it.
    bench.origin.put("/file", object.clone().header("x-oss-hash-crc64ecma", "12345"));
    let ran = bench.get().args(["--range", "100-199"]).run();
    ran.expect(&bench, 0, "validator");
    assert_has(&bench, &object.content, &[(100, 200)], &ran);
    let ran = bench.get().args(["--range", "0-", "--overwrite"]).run();
    ran.expect_code(&bench, 7);

    // A digest that is given is of the file.
    let file = super::cut(&object.content, &[(100, 200), (0, 50)]);
    let crc = |bytes: &[u8]| format!("crc64:{:016x}", crc64(bytes));
    let bench = Bench::new();
    bench.origin.put("/file", object.clone());
    let range = ["--range", "100-199,0-49", "--checksum"];
    let ran = bench.get().args(range).arg(crc(&object.content.to_vec())).run();
    ran.expect_code(&bench, 7);
    assert!(!bench.file().exists());
    let ran = bench.get().args(range).arg(crc(&file.to_vec())).run();
    ran.expect(&bench, 0, "crc64, resumed");
    bench.assert_published(&file, &ran);
}

/// CRC-64/XZ, a bit at a time.
fn crc64(bytes: &[u8]) -> u64 {
    let byte = |crc: u64, b: &u8| {
        (0..8).fold(crc ^ u64::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xc96c_5795_d787_0f42 } else { c >> 1 })
    };
    !bytes.iter().fold(!0, byte)
}

/// Where the server does not tell how long the object is, a reply that reaches the end of what is wanted will do.
#[test]
fn an_untold_length_is_no_obstacle_where_the_reply_proves_what_it_is() {
    let object = Object::seeded(1, SIZE);
    let untold = |range: &str| {
        let (start, last) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        let last = if last.is_empty() { (SIZE - 1).to_string() } else { last.to_owned() };
        Fault::set_header("Content-Range", &format!("bytes {start}-{last}/*"))
    };
    for (range, code, verdict) in [("100-2999999", 0, "validator"), ("100-", 11, "refused")] {
        let bench = Bench::new();
        bench.origin.put("/file", object.clone());
        bench.origin.choose("/file", move |request| untold(request.header("Range").unwrap()));
        let ran = bench.get().args(["--range", range]).run();
        ran.expect(&bench, code, verdict);
        match code {
            0 => assert_has(&bench, &object.content, &[(100, 3_000_000)], &ran),
            _ => assert!(ran.stderr.contains("does not tell the object's length"), "{}", ran.stderr),
        }
    }
}
