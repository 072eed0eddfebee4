//! The promises of `docs/semantics.md`, each kept by the test of its name. The goal is that the words of that page are
//! true of the binary as it is installed: the real one, on a real disk, against the faulty origin.
//!
//! `tests/faults` and `tests/local` go through the many ways in which things go wrong; here each promise is held
//! against the ways that are aimed at it.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test, and prints"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Bench, Dice, HALF, Running, SIZE, SOON, eventually, names, tree};
use longhaul_devstore::{Connect, Fault, Gate, Heeds, Object, Origin, Ranges, refuse};
use rustix::process::Signal;

const MIB: u64 = 1 << 20;
/// What a checksum in the journal is of.
const BLOCK: u64 = 256 << 10;
const REST: u64 = SIZE - HALF;
const SEED: u64 = 20_260_403;

fn first() -> Object {
    Object::seeded(1, SIZE)
}

fn second() -> Object {
    Object::seeded(2, SIZE)
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", first());
    bench
}

/// A run on one connection whose body stops at this byte: everything before it is written, nothing follows until the
/// gate is opened. (With more of them, another one soon asks for what this one does not bring.)
fn held_at(bench: &Bench, at: u64, args: &[&str]) -> (Running, Gate) {
    let gate = Gate::new();
    bench.origin.script("/file", vec![Fault::hold(at, &gate)]);
    let running = bench.get().alone().args(args).start();
    assert!(gate.reached(SOON) && eventually(|| running.received() >= at), "byte {at} was not received");
    (running, gate)
}

/// The object is replaced between two runs, by one of the same size or with the same end, whatever the server shows of
/// it and whatever it makes of conditions and ranges: the file is the one or the other.
#[test]
fn never_a_knowingly_mixed_file() {
    type Show = fn(Object, usize) -> Object;
    let shows: [(&str, Show); 5] = [
        ("a strong ETag", |object, _| object),
        ("a date", |object, version| object.no_etag().last_modified(format!("Wed, 01 Jan 2020 00:00:0{version} GMT"))),
        ("a weak ETag", |object, version| object.no_validators().etag(format!("W/\"{version}\""))),
        ("a young date", |object, _| object.no_validators().modified_ago(Duration::from_secs(2))),
        ("nothing", |object, _| object.no_validators()),
    ];
    let same_tail = second().content.slice(0..HALF + MIB).then(&first().content.slice(HALF + MIB..SIZE));
    for (shown, show) in shows {
        for content in [second().content, same_tail.clone()] {
            for (manner, heeds, ranges) in [
                ("conditions heeded", Heeds::ALL, Ranges::Honour),
                ("conditions unheeded", Heeds::NONE, Ranges::Honour),
                ("ranges ignored", Heeds::ALL, Ranges::IgnoreButClaim),
            ] {
                let bench = Bench::new();
                let make = |object, version| show(object, version).heeds(heeds).ranges(ranges);
                bench.origin.put("/file", make(first(), 1));
                bench.hold(HALF);
                bench.origin.put("/file", make(Object::new(content.clone()), 2));
                let ran = bench.get().run();
                assert_eq!((ran.unsound(), ran.code()), (None, 0), "{shown}, {manner}: {}", ran.report(&bench));
                let difference = content.first_difference_in_file(bench.file()).unwrap();
                assert_eq!(difference, None, "mixed: {shown}, {manner}: {}", ran.report(&bench));
            }
        }
    }

    // `--on-change stop` keeps the older one, for which the server may come back.
    let bench = bench();
    bench.hold(HALF);
    bench.origin.put("/file", second());
    bench.get().args(["--on-change", "stop"]).run().expect(&bench, 6, "changed, kept");
    bench.origin.put("/file", first());
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, resumed");
    bench.assert_published(&first().content, &ran);
}

/// The beginning of a file, right, wrong in one bit, or not proven by any digest: `tests/adopt` goes through the programs
/// that leave them.
#[test]
fn bytes_of_another_program_are_proven() {
    let digest = format!("sha256:{}", first().content.sha256());
    for (flip, verdict) in [(None, "sha256"), (Some(MIB), "sha256, restarted (foreign)")] {
        let bench = bench();
        let content = flip.map_or(first().content, |at| first().content.flipped(at));
        fs::write(bench.file(), content.slice(0..HALF).to_vec()).unwrap();
        let url = bench.origin.url("/file");
        let adopt = |more: &[&str]| {
            let (file, state) = (bench.file(), bench.state());
            let words = ["adopt", file.to_str().unwrap(), &url, "--proxy", "none", "-x", "1", "--json", "--state-dir"];
            bench.longhaul(words.iter().chain(&[state.to_str().unwrap()]).chain(more))
        };
        adopt(&[]).expect(&bench, 7, "not_provable");
        assert_eq!(content.slice(0..HALF).first_difference_in_file(bench.file()).unwrap(), None);
        let ran = adopt(&["--checksum", &digest]);
        ran.expect(&bench, 0, verdict);
        bench.assert_published(&first().content, &ran);
        assert!(flip.is_some() || ran.fetched() <= REST + BLOCK, "{}", ran.report(&bench));
    }
}

/// Ranges and conditions refused in every way, with nothing held and with a half: the file, and the half is not lost.
/// Who asks without is refused as well: that is believed, and what is held is kept.
#[test]
fn a_refusal_is_believed_of_the_plainest_request() {
    for status in [400, 403, 405, 416, 501] {
        for field in ["Range", "If-Match"] {
            for held in [false, true] {
                let bench = bench();
                if held {
                    bench.hold(HALF);
                }
                bench.origin.choose("/file", move |request| match request.header(field) {
                    Some(_) => Fault::status(status),
                    None => Fault::Correct,
                });
                let ran = bench.get().retries(0).run();
                ran.expect(&bench, 0, if held { "validator, resumed" } else { "validator" });
                bench.assert_published(&first().content, &ran);
            }
        }
        let bench = bench();
        bench.hold(HALF);
        bench.origin.always("/file", Fault::status(status));
        let ran = bench.get().retries(0).run();
        ran.expect(
            &bench,
            if status == 403 { 5 } else { 11 }, // it worked before
            &format!("{}, kept", if status == 403 { "needs_link" } else { "refused" }),
        );
        assert_eq!(ran.held(), HALF, "{}", ran.report(&bench));
    }
}

/// Exactly these bytes, after a cut, beside a replaced object, and again; not those of another range, and not what a
/// server sends in their place.
#[test]
fn a_range_is_what_was_asked_for() {
    let bench = bench();
    let get = |range: &str| bench.get().alone().retries(0).args(["--range", range]).run();
    let wanted = |object: &Object| {
        let content = &object.content;
        content.slice(2 * MIB..SIZE).then(&content.slice(100..MIB + 1)).then(&content.slice(SIZE - 7..SIZE))
    };
    let range = "2097152-99999999,100-1048576,-7";
    bench.origin.script("/file", vec![Fault::Correct, Fault::Cut { after: 500_000 }]);
    get(range).expect(&bench, 10, "network, kept");
    bench.origin.script("/file", Vec::new());
    for other in ["2097152-99999999", "0-"] {
        let ran = get(other);
        ran.expect(&bench, 8, "exists");
        assert!(ran.stderr.contains(range) && ran.stderr.contains(other), "{}", ran.stderr);
    }
    bench.get().run().expect(&bench, 8, "exists");
    let ran = get(range);
    ran.expect(&bench, 0, "validator, resumed");
    assert_eq!(ran.fetched(), MIB + 1 - 100 - 500_000 + 7, "{}", ran.report(&bench));
    bench.assert_published(&wanted(&first()), &ran);
    get(range).expect(&bench, 0, "validator, already");

    bench.origin.put("/file", second());
    let ran = get(range);
    assert_eq!(ran.code(), 0, "{}", ran.report(&bench));
    bench.assert_published(&wanted(&second()), &ran);
    let outside = get("99999999-");
    outside.expect(&bench, 8, "exists");
    fs::remove_file(bench.file()).unwrap();
    let outside = get("99999999-");
    outside.expect(&bench, 11, "refused");
    assert!(outside.stderr.contains(&SIZE.to_string()), "{}", outside.stderr);
    bench.origin.put("/file", second().ranges(Ranges::Ignore));
    bench.get().args(["--range", range]).run().expect(&bench, 11, "refused");
    bench.origin.put("/file", second().no_validators());
    get(range).expect(&bench, 7, "not_provable");
    assert!(names(&bench.folder()).is_empty());
}

/// Somebody reads the target all the time, and sees the older file or the whole new one; whatever fails or is killed
/// leaves the older one.
#[test]
fn atomic_publish() {
    let old = vec![b'o'; 100_000];
    let bench = bench();
    fs::write(bench.file(), &old).unwrap();
    let (over, reads, torn) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let new = first().content.to_vec();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // A name that is missing for a moment would be one of the states in between.
                let whole = fs::read(bench.file()).is_ok_and(|bytes| bytes == old || bytes == new);
                torn.fetch_add(u64::from(!whole), Ordering::Relaxed);
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        bench.origin.script("/file", vec![Fault::Reset { after: MIB }, Fault::status(503)]);
        let ran = bench.get().arg("--overwrite").run();
        over.store(true, Ordering::Relaxed);
        ran.expect(&bench, 0, "validator, retried");
    });
    assert!(reads.into_inner() > 1, "nobody looked");
    assert_eq!(torn.into_inner(), 0, "the target was seen in between");

    fs::write(bench.file(), &old).unwrap();
    for (fault, code) in [(Fault::status(404), 3), (Fault::answer(refuse::denied()), 4), (Fault::status(500), 10)] {
        bench.origin.always("/file", fault);
        bench.get().arg("--overwrite").run().expect_code(&bench, code);
        assert_eq!(fs::read(bench.file()).unwrap(), old);
    }
    bench.origin.script("/file", Vec::new());

    // Killed at any moment, publishing included.
    let mut dice = Dice(SEED);
    for round in 0..16 {
        let moment = Duration::from_micros(dice.below(60_000));
        let begun = Instant::now();
        let mut running = bench.get().arg("--overwrite").start();
        while begun.elapsed() < moment && !running.is_over() {
            std::hint::spin_loop();
        }
        if !running.is_over() {
            running.kill();
        }
        let bytes = fs::read(bench.file()).unwrap();
        assert!(bytes == old || bytes == new, "seed {SEED}, round {round}: {} bytes after {moment:?}", bytes.len());
        let ran = bench.get().arg("--overwrite").run();
        ran.expect_code(&bench, 0);
        bench.assert_published(&first().content, &ran);
        fs::write(bench.file(), &old).unwrap();
    }
}

/// What is fetched again after each kind of end, in bytes that the origin served.
#[test]
fn kept_progress() {
    // The connection breaks: nothing.
    let broken = bench();
    let breaks = [300_000, 5, 1_000_000, 77_777].map(|after| Fault::Reset { after });
    broken.origin.script("/file", breaks.into_iter().chain([Fault::Cut { after: 1 }]).collect());
    let ran = broken.get().run();
    ran.expect(&broken, 0, "validator, retried");
    assert_eq!(broken.served(), SIZE, "{}", ran.report(&broken));

    // An error, a signal: nothing.
    for signal in [None, Some((Signal::TERM, 143))] {
        let bench = bench();
        match signal {
            None => bench.hold(HALF),
            Some((signal, code)) => {
                let (running, gate) = held_at(&bench, HALF, &[]);
                running.signal(signal);
                let ran = running.wait();
                gate.open();
                ran.expect(&bench, code, "interrupted, kept");
            }
        }
        let before = bench.served();
        let ran = bench.get().run();
        ran.expect(&bench, 0, "validator, resumed");
        assert_eq!(bench.served() - before, REST, "{signal:?}: {}", ran.report(&bench));
    }

    // `kill -9`: a mebibyte at most.
    for durability in ["power", "process"] {
        let bench = bench();
        let (running, gate) = held_at(&bench, HALF, &["--durability", durability]);
        running.kill();
        gate.open();
        let before = bench.served();
        let ran = bench.get().args(["--durability", durability]).run();
        ran.expect(&bench, 0, "validator, resumed");
        assert!(bench.served() - before <= REST + MIB, "{durability}: {}", ran.report(&bench));
        bench.assert_published(&first().content, &ran);
    }
}

/// Damage is noticed and told, and only what is damaged is fetched again; the finished file is checked as well.
#[test]
fn self_checking() {
    let bench = bench();
    bench.hold(HALF);
    let part = fs::OpenOptions::new().write(true).open(bench.part()).unwrap();
    part.write_all_at(b"damage", MIB + 5).unwrap();
    drop(part);
    let before = bench.served();
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, resumed");
    assert_eq!(bench.served() - before, REST + BLOCK, "{}", ran.report(&bench));
    let damaged = ran.event("damaged").map(|event| event["ranges"].clone());
    assert_eq!(damaged, Some(serde_json::json!([[MIB, MIB + BLOCK]])), "{}", ran.report(&bench));
    bench.assert_published(&first().content, &ran);

    let verify = || bench.longhaul(["verify", "--state-dir", path(&bench.state()), path(&bench.file())]);
    verify().expect_code(&bench, 0);
    let file = fs::OpenOptions::new().write(true).open(bench.file()).unwrap();
    file.write_all_at(b"damage", MIB + 5).unwrap();
    verify().expect_code(&bench, 7);

    // A journal that cannot be read is told, set aside, and not in the way.
    let bench = self::bench();
    bench.hold(HALF);
    fs::write(bench.log(), b"no journal").unwrap();
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, restarted (journal_unusable)");
    assert_eq!(fs::read(bench.folder().join("file.lhlog.bad-1")).unwrap(), b"no journal");
}

/// Every digest that is declared or given is compared, with the file as it lies on disk; nothing else is published.
#[test]
fn verified() {
    let content = first().content;
    let wrong = second().content;
    let kinds = [
        ("sha256", content.sha256(), wrong.sha256()),
        ("md5", content.md5(), wrong.md5()),
        ("crc64", format!("{:016x}", content.crc64()), format!("{:016x}", wrong.crc64())),
    ];
    for (kind, right, wrong) in kinds {
        let bench = bench();
        let ran = bench.get().args(["--checksum", &format!("{kind}:{wrong}")]).run();
        ran.expect(&bench, 7, "integrity, kept");
        assert!(!bench.file().exists(), "{}", ran.report(&bench));
        let (digest, served) = (format!("{kind}:{right}"), bench.served());
        let ran = bench.get().args(["--checksum", &digest]).run();
        ran.expect(&bench, 0, &format!("{kind}, resumed"));
        assert_eq!(bench.served(), served, "what is there is published: {}", ran.report(&bench));
        assert_eq!(ran.event("done").unwrap()["digests"], serde_json::json!([digest]), "{}", ran.report(&bench));
    }
    for (field, right, wrong, kind) in [
        ("Repr-Digest", content.repr_digest(), wrong.repr_digest(), "sha256"),
        ("x-oss-hash-crc64ecma", content.crc64_header(), wrong.crc64_header(), "crc64"),
    ] {
        let bench = bench();
        bench.origin.put("/file", first().header(field, right));
        bench.origin.script("/file", vec![Fault::Flip { offset: MIB }, Fault::Correct]);
        let ran = bench.get().run();
        ran.expect(&bench, 0, &format!("{kind}, restarted (digest_mismatch)"));
        bench.assert_published(&content, &ran);

        let bench = self::bench();
        bench.origin.put("/file", first().header(field, wrong));
        let ran = bench.get().run();
        ran.expect(&bench, 7, "integrity");
        assert_eq!((bench.file().exists(), bench.served()), (false, 2 * SIZE), "{}", ran.report(&bench));
    }
    let bench = bench();
    bench.get().arg("--require-verified").run().expect(&bench, 7, "not_provable");
    assert!(!bench.file().exists());
    // What another program brought: a digest that was given decides, and nothing is asked.
    let digest = format!("sha256:{}", content.sha256());
    for (bytes, code, verdict) in [(content.to_vec(), 0, "sha256, already"), (wrong.to_vec(), 8, "exists")] {
        fs::write(bench.file(), &bytes).unwrap();
        let requests = bench.origin.requests();
        let ran = bench.get().state_dir(bench.root().join(verdict)).args(["--checksum", &digest]).run();
        ran.expect(&bench, code, verdict);
        assert_eq!((fs::read(bench.file()).unwrap() == bytes, bench.origin.requests()), (true, requests));
    }
}

/// The object is replaced between two runs of a command that names a version: that one is fetched and no other, whether
/// the server looks at conditions or not; and what was received of it is gone on with once it is back.
#[test]
fn only_the_version_that_was_asked_for() {
    for heeds in [Heeds::ALL, Heeds::NONE] {
        let bench = Bench::new();
        let (first, second) = (first().heeds(heeds), second().heeds(heeds));
        let wanted = first.etag.clone().unwrap();
        bench.origin.put("/file", first.clone());
        fs::write(bench.file(), "older").unwrap();
        let get = |condition: &str| bench.get().alone().retries(0).args(["--overwrite", condition, &wanted]).run();
        bench.origin.script("/file", vec![Fault::Cut { after: HALF }]);
        get("--if-match").expect(&bench, 10, "network, kept");
        bench.origin.script("/file", Vec::new());

        bench.origin.put("/file", second.clone());
        let ran = get("--if-match");
        ran.expect(&bench, 6, "condition_failed, kept");
        assert!(ran.stderr.contains(second.etag.as_deref().unwrap()), "{}", ran.report(&bench));
        assert_eq!((ran.held(), fs::read(bench.file()).unwrap()), (HALF, b"older".to_vec()), "{}", ran.report(&bench));

        bench.origin.put("/file", first.clone());
        get("--if-none-match").expect(&bench, 0, "not modified");
        assert_eq!(fs::read(bench.file()).unwrap(), b"older");
        let before = bench.served();
        let ran = get("--if-match");
        ran.expect(&bench, 0, "validator, resumed");
        bench.assert_published(&first.content, &ran);
        assert_eq!(bench.served() - before, REST);
    }
}

/// Each reason is an event with a count and a sentence, and `show --explain` still has it in the next run's middle.
#[test]
fn every_restart_has_a_reason() {
    type Cause = fn(&Bench);
    let table: [(&str, Object, Cause); 7] = [
        ("changed", first(), |bench| bench.origin.put("/file", second())),
        ("not_provable", first().no_validators(), |_| {}),
        ("validator_lied", first().ranges(Ranges::Ignore), |bench| {
            bench.origin.put("/file", first().ranges(Ranges::Ignore).with_content(second().content));
        }),
        ("digest_mismatch", first().header("x-oss-hash-crc64ecma", first().content.crc64_header()), |bench| {
            bench.origin.script("/file", vec![Fault::Flip { offset: SIZE - 1 }, Fault::Cut { after: HALF }]);
        }),
        ("journal_unusable", first(), |bench| fs::write(bench.log(), b"nonsense").unwrap()),
        ("no_journal", first(), |bench| fs::remove_file(bench.log()).unwrap()),
        ("truncated", first(), |bench| {
            fs::OpenOptions::new().write(true).open(bench.part()).unwrap().set_len(MIB / 2).unwrap();
        }),
    ];
    for (reason, object, cause) in table {
        let bench = Bench::new();
        bench.origin.put("/file", object);
        bench.hold(HALF);
        let cut = match reason {
            "truncated" => Fault::Cut { after: 1000 },
            _ => Fault::Cut { after: HALF },
        };
        bench.origin.choose("/file", move |request| match request.header("If-Match") {
            Some(_) if reason != "truncated" => Fault::Correct, // refused, or compared with what is held
            _ => cut.clone(),
        });
        cause(&bench);
        let ran = bench.get().retries(0).run();
        ran.expect(&bench, 10, "network, kept");
        if reason == "truncated" {
            // The rest is still good: what is lost is told by its range.
            assert!(ran.event("damaged").is_some(), "{reason}: {}", ran.report(&bench));
        } else {
            let event = ran.event("restarted").unwrap_or_else(|| panic!("{reason}: {}", ran.report(&bench)));
            assert_eq!(event["reason"], reason, "{}", ran.report(&bench));
            let sentence = event["message"].as_str().unwrap();
            assert!(sentence.len() > 10 && event["discarded"].is_u64(), "{}", ran.report(&bench));
            let show = bench.longhaul(["show", "--explain", "--state-dir", path(&bench.state()), path(&bench.file())]);
            show.expect_code(&bench, 0);
            assert!(show.stdout.contains(sentence), "{reason}: {sentence:?} is not in {}", show.stdout);
        }
        // As people see it.
        bench.origin.script("/file", Vec::new());
        bench.get().run().expect_code(&bench, 0);
    }
}

/// Secrets are planted wherever they are given, and everything that was written is searched for them: files, names,
/// stdout and stderr of all commands.
#[test]
fn no_secrets_in_anything_we_write() {
    let elsewhere = Origin::start();
    let bench = bench();
    elsewhere.put("/real", first());
    let planted = "PLANTED0secret1value2of3many4digits5";
    let short = "pl4nt3d";
    let query = format!(
        "a=b&Expires=1700000000&OSSAccessKeyId=AK{planted}&Signature={planted}%3D&security-token={planted}&sig={short}\
         &X-Amz-Signature={planted}&X-Amz-Credential={planted}&access_token={short}&password={short}&k={planted}"
    );
    let signed = |origin: &Origin, path: &str| {
        format!("http://us{short}er:{planted}@{}{path}?{query}#{planted}", origin.address())
    };
    let headers = bench.root().join("headers");
    fs::write(&headers, format!("X-Secret: {planted}\nCookie: id={planted}\n")).unwrap();
    let away = format!("http://u:{planted}@{}/real?{query}", elsewhere.address());
    let faults: Vec<(Fault, u32)> = vec![
        (Fault::Cut { after: HALF }, 0),
        (Fault::answer(refuse::expired_link()), 0),
        (Fault::answer(refuse::unauthorized()), 0),
        (Fault::status_with(404, &[("X-Echo", planted)], planted), 0),
        (Fault::status(500), 1),
        (Fault::Portal, 2),
        (Fault::reset(), 1),
        (Fault::redirect(302, format!("ftp://x:{planted}@h/{short}?sig={short}")), 0),
        (Fault::redirect(302, &away), 0),
        // No place to look for secrets; but these were given as such.
        (Fault::redirect(302, format!("ftp://h/{planted}/x")), 0),
        (Fault::redirect(302, format!("/%zz{planted}")), 0),
        (Fault::redirect(302, format!("http://[{planted}?sig={planted}")), 0),
        (Fault::RawHead(format!("HTTP/1.1 {planted}\r\n\r\n").into_bytes()), 0),
    ];
    let run = |url: String, retries: u32, plain: bool| {
        let get = bench.get_url(url).retries(retries).args(["-vvvv", "--header-file", path(&headers)]);
        let get = get.args(["-u", &format!("us{short}er:{planted}"), "-H", &format!("X-Token: {planted}")]);
        let ran = if plain { get.plain() } else { get }.run();
        assert_eq!(ran.unsound(), None, "{}", ran.report(&bench));
    };
    for (fault, retries) in faults {
        for plain in [false, true] {
            bench.origin.always("/file", fault.clone());
            run(signed(&bench.origin, "/file"), retries, plain);
        }
        let state = bench.state();
        for command in [vec!["list"], vec!["list", "--json"], vec!["show", "--explain"], vec!["show", "--json"]] {
            let mut args = vec!["--state-dir", path(&state)];
            args.extend(&command);
            let file = bench.file();
            if command[0] == "show" {
                args.push(path(&file));
            }
            assert_eq!(bench.longhaul(args).unsound(), None);
        }
        if bench.file().exists() {
            fs::remove_file(bench.file()).unwrap(); // a redirect that was followed
        }
    }
    // Refused, unresolvable, a proxy with a password, wrong arguments.
    bench.origin.refuse();
    run(signed(&bench.origin, "/file"), 0, false);
    bench.origin.accept_again();
    for args in [
        vec!["get".to_owned(), format!("ftp://u:{planted}@h/x?sig={short}")],
        vec!["get".to_owned(), format!("http://u:{planted}@[x/?sig={short}")],
        vec!["get".to_owned(), "-H".to_owned(), format!("no name {planted}"), bench.origin.url("/file")],
        vec![
            "get".to_owned(),
            "--proxy".to_owned(),
            format!("http://u:{planted}@127.0.0.1:1"),
            bench.origin.url("/file"),
        ],
    ] {
        let args =
            args.into_iter().chain(["-vvvv", "--retries=0", "--state-dir", path(&bench.state())].map(str::to_owned));
        let ran = bench.longhaul(args);
        assert!(ran.unsound().is_none() && ran.code() != 0, "{}", ran.report(&bench));
    }
    // Ended well, and stopped in the middle.
    bench.origin.script("/file", Vec::new());
    run(signed(&bench.origin, "/file"), 0, false);
    bench.origin.put("/file", second());
    run(signed(&bench.origin, "/file"), 0, true);

    fs::remove_file(&headers).unwrap();
    // What is inside `Authorization: Basic`.
    let needles = [planted, short, "bDRudDNkZXI6UExBTlRFRDBz"];
    let mut searched = 0;
    for found in tree(bench.root()) {
        let mut haystack = found.to_string_lossy().into_owned().into_bytes();
        if found.is_file() && found != bench.file() {
            haystack.extend(fs::read(&found).unwrap());
            searched += 1;
        }
        for needle in needles {
            let at = haystack.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
            let around = |at: usize| {
                let end = haystack.len().min(at + 80);
                String::from_utf8_lossy(&haystack[at.saturating_sub(200)..end]).into_owned()
            };
            assert!(at.is_none(), "{} holds {needle}: …{}…", found.display(), at.map(around).unwrap_or_default());
        }
    }
    assert!(searched > 100, "only {searched} files were there to be searched");
}

/// No server keeps a run busy for ever, and memory does not grow with the object.
#[test]
fn bounded() {
    let versions =
        |request: &longhaul_devstore::Request| Object::seeded(u64::try_from(request.nth).unwrap() + 10, SIZE);
    let endless: Vec<(&str, Fault)> = vec![
        ("busy", Fault::status(503)),
        ("empty", Fault::Empty),
        ("a portal", Fault::Portal),
        ("no range", Fault::status(416)),
        ("the condition fails", Fault::status(412)),
        ("a body that never begins", Fault::Cut { after: 0 }),
        ("the same byte", Fault::UnaskedRange(0..1)),
        ("another version each time", Fault::ChangingEtag.and(Fault::Cut { after: MIB })),
        ("itself", Fault::redirect(302, "/file")),
    ];
    for (name, fault) in endless {
        let bench = bench();
        bench.hold(HALF);
        bench.origin.always("/file", fault);
        let before = bench.origin.requests();
        let ran = bench.get().run();
        let asked = bench.origin.requests() - before;
        assert!(ran.unsound().is_none() && ran.code() != 0, "{name}: {}", ran.report(&bench));
        assert!(asked <= 16, "{name}: {asked} requests\n{}", ran.report(&bench));
    }
    let bench = bench();
    bench.origin.choose("/file", move |request| Fault::serve_as(versions(request)).and(Fault::Cut { after: MIB }));
    bench.get().run().expect(&bench, 6, "changed, kept");
    assert!(bench.origin.requests() <= 16);

    if cfg!(target_os = "linux") {
        let peaks = [8 * MIB, 256 * MIB].map(peak);
        println!("peak of resident memory: {} KiB for 8 MiB, {} KiB for 256 MiB", peaks[0], peaks[1]);
        assert!(peaks[1] <= peaks[0] + (8 << 10), "memory grows with the object: {peaks:?} KiB");
    }
}

/// The most resident memory (KiB) of a run, looked at just before the object's end. `tests/memory.rs` holds a release
/// build to the number that is promised.
fn peak(size: u64) -> u64 {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, size));
    let (running, gate) = held_at(&bench, size - 1, &["--durability", "process"]);
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    gate.open();
    running.wait().expect(&bench, 0, "validator");
    peak.unwrap()
}

/// The second is told who has it, from whatever side it comes, and asks the server nothing.
#[test]
fn one_process_at_a_time() {
    let bench = bench();
    let (running, gate) = held_at(&bench, HALF, &[]);
    let (part, log) = (fs::read(bench.part()).unwrap(), fs::read(bench.log()).unwrap());
    let pid = running.pid().to_string();
    let other_state = bench.root().join("other-state");
    let linked = bench.root().join("linked");
    symlink(bench.folder(), &linked).unwrap();
    for get in [
        bench.get(),
        bench.get().state_dir(&other_state),
        bench.get().to(linked.join("file")).state_dir(&other_state),
        bench.get().to(bench.folder().join("../out/./file")).arg("--overwrite"),
        bench.get_url(bench.origin.url("/another")),
    ] {
        let ran = get.run();
        ran.expect_code(&bench, 9);
        assert!(ran.stderr.contains(&pid), "{pid} is not named: {}", ran.report(&bench));
    }
    assert_eq!(bench.origin.requests(), 1);
    assert!(fs::read(bench.part()).unwrap() == part && fs::read(bench.log()).unwrap() == log, "something was changed");
    running.signal(Signal::KILL);
    running.wait();
    gate.open();
    // The lock ends with the process, however it ends.
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, resumed");
    bench.assert_published(&first().content, &ran);
}

/// In whatever it is, three signals stop it; the machine that runs this may be busy, so three seconds are allowed.
#[test]
fn a_stop_within_a_second() {
    type Moment = fn(&Bench);
    let moments: [(&str, Moment); 5] = [
        ("connecting", |bench| bench.origin.every_connect(Connect::Silent)),
        ("waiting for a head", |bench| bench.origin.always("/file", Fault::no_answer())),
        ("waiting to retry", |bench| bench.origin.always("/file", Fault::retry_after(503, 250))),
        ("receiving", |bench| bench.origin.always("/file", Fault::Pace { bytes_per_second: 200_000 })),
        ("stalled", |bench| bench.origin.always("/file", Fault::Stall { after: HALF })),
    ];
    for (signal, code) in [(Signal::HUP, 129), (Signal::INT, 130), (Signal::TERM, 143)] {
        for (name, moment) in moments {
            let bench = bench();
            moment(&bench);
            let running = bench.get().start();
            let there = || match name {
                "waiting to retry" => running.told().contains("\"retry\""),
                "receiving" | "stalled" => running.received() > 0,
                _ => bench.origin.connections() > 0,
            };
            assert!(eventually(there), "{name}");
            let held = running.received();
            let begun = Instant::now();
            running.signal(signal);
            let ran = running.wait();
            // The promise is a second; a busy machine may take longer, and a wait for a timeout takes 30.
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?} {}", begun.elapsed(), ran.report(&bench));
            ran.expect_code(&bench, code);
            assert!(ran.held() >= held, "{name}: {held} were received: {}", ran.report(&bench));
            if held > 0 {
                let message = ran.event("failed").unwrap()["message"].as_str().unwrap();
                assert!(message.contains("kept") && message.contains("same command"), "{name}: {message}");
            }
        }
    }
}

/// Whatever is suggested, and whatever is done to the folder meanwhile: nothing is written anywhere else.
#[test]
fn names_stay_in_the_folder() {
    for suggested in ["../x", "..", "/tmp/x", "a/../../x", "..%2fx", ".hidden", "x.lhlog", "\u{202e}x"] {
        let bench = Bench::new();
        let field = format!("attachment; filename=\"{suggested}\"; filename*=UTF-8''{}", suggested.replace('%', "%25"));
        bench.origin.put("/file", first().content_disposition(field));
        let before = beside(&bench);
        let ran = bench.get().into_dir(bench.folder()).run();
        ran.expect_code(&bench, 0);
        assert_eq!(beside(&bench), before, "{suggested}: {}", ran.report(&bench));
        let found = names(&bench.folder());
        let name = found.first().unwrap();
        assert!(found.len() == 1 && !name.starts_with(['.', '-', '~']), "{suggested}: {found:?}");
    }

    // A link of the suggested name is not followed.
    let bench = bench();
    let victim = bench.root().join("victim");
    fs::write(&victim, b"somebody's").unwrap();
    bench.origin.put("/file", first().content_disposition("attachment; filename=\"led\""));
    symlink(&victim, bench.folder().join("led")).unwrap();
    bench.get().into_dir(bench.folder()).run().expect_code(&bench, 8);
    assert_eq!(fs::read(&victim).unwrap(), b"somebody's");

    // The folder is swapped for a link while the body comes.
    let bench = self::bench();
    let (running, gate) = held_at(&bench, HALF, &[]);
    let (moved, trap) = (bench.root().join("moved"), bench.root().join("trap"));
    fs::create_dir(&trap).unwrap();
    fs::rename(bench.folder(), &moved).unwrap();
    symlink(&trap, bench.folder()).unwrap();
    gate.open();
    let ran = running.wait();
    assert_eq!(ran.unsound(), None, "{}", ran.report(&bench));
    assert!(names(&trap).is_empty(), "{}", ran.report(&bench));
    assert_eq!(first().content.first_difference_in_file(moved.join("file")).unwrap(), None);
}

/// `local/shared.rs` has the table; here is one of each kind, without needing to be root.
#[test]
fn files_of_other_users_are_never_ours() {
    let for_all = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    let bench = bench();
    fs::write(bench.part(), b"").unwrap();
    for_all(&bench.part());
    let ran = bench.get().run();
    ran.expect(&bench, 8, "exists");
    assert_eq!((bench.origin.requests(), bench.file().exists()), (0, false), "{}", ran.report(&bench));
    assert_eq!(fs::read(bench.part()).unwrap(), b"");
    fs::remove_file(bench.part()).unwrap();

    bench.hold(HALF);
    for_all(&bench.log());
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, restarted (journal_unusable)");
    assert!(names(&bench.folder()).contains("file.lhlog.bad-1"), "{}", ran.report(&bench));

    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(bench.state(), Some(54_321), None).unwrap();
        let ran = bench.longhaul(["cancel", "--all", "--state-dir", path(&bench.state())]);
        ran.expect_code(&bench, 8);
    } else {
        println!("skipped: a state directory of another user, which only root can make");
    }
}

/// Everything beside the folder, the state directory and the logs of the runs.
fn beside(bench: &Bench) -> BTreeSet<PathBuf> {
    let own = [bench.folder(), bench.state(), bench.root().join("runs")];
    tree(bench.root()).into_iter().filter(|path| !own.iter().any(|own| path.starts_with(own))).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
