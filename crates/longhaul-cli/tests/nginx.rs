//! The binary against a web server that nobody of us wrote.
//!
//! nginx runs as it would for anybody, but for small send buffers, so that its log tells what clients could have
//! received. Kills are real (`kill -9`, now and then a signal that can be caught), on whatever file system the
//! temporary folder is.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test can do nothing else about it")]

mod real;

use std::path::PathBuf;
use std::time::Duration;

use longhaul_devstore::Content;
use real::nginx::{Nginx, Served};
use real::program::Get;
use real::seeds::{Chance, seeds};
use rustix::process::Signal;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const DAY: Duration = Duration::from_secs(86_400);
/// What a kill may cost on one connection (docs/semantics.md) …
const KILL_COST: u64 = MIB;
/// … and what nginx counts beside it: what still lies in the buffers of both kernels.
const IN_FLIGHT: u64 = 512 << 10;

/// A folder for one download.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("object")
    }

    fn get(&self, url: &str, more: &[&str]) -> Get {
        Get::start(url, &self.file(), &self.folder.path().join("state"), more)
    }

    /// Over one connection, for which the sizes and moments of a test were chosen.
    fn get_alone(&self, url: &str, more: &[&str]) -> Get {
        self.get(url, &[&real::ALONE, more].concat())
    }

    /// The file is there, exact, alone.
    #[track_caller]
    fn assert_has(&self, content: &Content) {
        real::assert_is(&self.file(), content);
        real::assert_no_leftovers(self.folder.path());
    }

    #[track_caller]
    fn assert_has_nothing(&self) {
        assert!(!self.file().exists());
    }
}

/// Starts it again and again and ends it at seeded moments; left alone after `ends` times. Returns how often it was
/// ended before it was done.
fn storm(desk: &Desk, url: &str, more: &[&str], chance: &mut Chance, ends: u64) -> u64 {
    let mut ended = 0;
    for _ in 0..ends {
        let mut get = desk.get(url, more);
        let moment = chance.micros(20_000..900_000);
        real::until(moment, || !get.runs());
        let signal = match chance.of(0..6) {
            0 => Some(Signal::TERM),
            1 => Some(Signal::INT),
            _ => None,
        };
        if !get.runs() {
            get.wait().assert_done();
            return ended;
        }
        match signal {
            Some(signal) => get.signal(signal),
            None => get.kill(),
        }
        let end = get.wait();
        match signal {
            // It was done just before, it stopped in order, or it had not begun to listen to signals.
            Some(signal) => {
                let number = signal.as_raw();
                let fine = matches!(end.code(), Some(code) if code == 0 || code == 128 + number);
                assert!(fine || end.killed_by() == Some(number), "{signal:?}: {end:?}");
            }
            None => assert!(end.killed_by() == Some(9) || end.code() == Some(0), "{end:?}"),
        }
        if end.code() == Some(0) {
            return ended;
        }
        ended += 1;
    }
    desk.get(url, more).wait().assert_done();
    ended
}

fn bytes(served: &[Served]) -> u64 {
    served.iter().map(|served| served.bytes).sum()
}

#[test]
fn kill_storms_end_in_the_exact_file_and_cost_at_most_a_mebibyte_each() {
    let Some(nginx) = Nginx::start() else { return };
    let mut worst = 0;
    for seed in seeds(12) {
        let mut chance = Chance::new(seed);
        let len = chance.of(40 * MIB..80 * MIB);
        let content = Content::seeded(seed, len);
        let name = format!("storm-{seed}");
        nginx.put(&name, &content, DAY);
        let desk = Desk::new();
        let path = format!("/slow/{name}");
        let ends = storm(&desk, &nginx.url(&path), &real::ALONE, &mut chance, 8);
        desk.assert_has(&content);
        let served = bytes(&nginx.served(&path));
        let again = served.saturating_sub(len);
        worst = worst.max(again / ends.max(1));
        assert!(again <= ends * (KILL_COST + IN_FLIGHT), "{again} bytes again after {ends} ends of {len} bytes");
        nginx.remove(&name);
    }
    real::say(&format!("fetched again, at most: {} KiB for each time it was ended", worst >> 10));
}

/// Two pieces of it, killed again and again: exactly these bytes, and no more is fetched again than of a whole object.
#[test]
fn ranges_survive_a_kill_storm_and_hold_exactly_their_bytes() {
    let Some(nginx) = Nginx::start() else { return };
    for seed in seeds(4) {
        let mut chance = Chance::new(seed);
        let content = Content::seeded(seed, 60 * MIB);
        let (first, second) = (chance.of(0..8 * MIB), chance.of(40 * MIB..50 * MIB));
        let end = first + chance.of(16 * MIB..24 * MIB);
        let wanted = content.slice(first..end).then(&content.slice(second..content.len()));
        let name = format!("range-{seed}");
        nginx.put(&name, &content, DAY);
        let desk = Desk::new();
        let path = format!("/slow/{name}");
        let range = format!("{first}-{},{second}-", end - 1);
        let more = [&real::ALONE, &["--range", &range][..]].concat();
        let ends = storm(&desk, &nginx.url(&path), &more, &mut chance, 6);
        desk.assert_has(&wanted);
        let served = nginx.served(&path);
        assert!(served.iter().all(|served| served.status == 206), "{served:?}");
        let again = bytes(&served).saturating_sub(wanted.len());
        assert!(again <= ends * (KILL_COST + IN_FLIGHT), "{again} bytes again after {ends} ends");
        nginx.remove(&name);
    }
}

#[test]
fn the_forms_of_a_range_and_what_cannot_be_had() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, 4 * MIB);
    nginx.put("object", &content, DAY);
    let len = content.len();
    for (range, from, to) in [("100-", 100, len), ("100-199", 100, 200), ("-100", len - 100, len), ("-9999999", 0, len)]
    {
        let desk = Desk::new();
        desk.get(&nginx.url("/f/object"), &["--range", range]).wait().assert_done();
        desk.assert_has(&content.slice(from..to));
        let again = desk.get(&nginx.url("/f/object"), &["--range", range]).wait();
        assert_eq!(again.assert_done()["already"], true, "{range}");
    }
    let desk = Desk::new();
    desk.get(&nginx.url("/f/object"), &["--range", "9999999-"])
        .wait()
        .assert_failed(11, "the object has 4194304 bytes");
    desk.get(&nginx.url("/rangeless/object"), &["--range", "0-9"]).wait().assert_failed(11, "does not serve ranges");
    desk.assert_has_nothing();
}

#[test]
fn a_kill_storm_over_tls_ends_in_the_exact_file() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, 40 * MIB);
    nginx.put("object", &content, DAY);
    let authority = nginx.authority();
    let desk = Desk::new();
    let more = ["--ca-cert", authority.to_str().unwrap()];
    storm(&desk, &nginx.tls_url("/slow/object"), &more, &mut Chance::new(1), 6);
    desk.assert_has(&content);
}

#[test]
fn tls_needs_an_authority_that_is_trusted_and_the_right_name() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, MIB);
    nginx.put("object", &content, DAY);
    let desk = Desk::new();
    let authority = nginx.authority();
    let trusting = ["--retries", "0", "--ca-cert", authority.to_str().unwrap()];

    desk.get(&nginx.tls_url("/f/object"), &["--retries", "0"]).wait().assert_failed(10, "--ca-cert FILE");
    desk.get(&nginx.tls_url_of_another_host("/f/object"), &trusting).wait().assert_failed(10, "certificate");
    desk.assert_has_nothing();
    assert!(nginx.served("/f/object").is_empty(), "something was asked over a connection that is not trusted");

    desk.get(&nginx.tls_url("/f/object"), &trusting).wait().assert_done();
    desk.assert_has(&content);
    let careless = Desk::new();
    careless.get(&nginx.tls_url_of_another_host("/f/object"), &["-k"]).wait().assert_done();
    careless.assert_has(&content);
}

#[test]
fn a_server_that_dies_and_comes_back_is_waited_for() {
    let Some(mut nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, 48 * MIB);
    nginx.put("object", &content, DAY);
    let desk = Desk::new();
    let mut get = desk.get_alone(&nginx.url("/slow/object"), &[]);
    for share in [1, 2] {
        assert!(get.saw(|event| event["received"].as_u64() > Some(share * 17 * MIB)));
        nginx.kill();
        assert!(get.saw(|event| event["event"] == "retry" && event["failures"].as_u64() >= Some(1)));
        nginx.start_again();
    }
    let ended = get.wait();
    let done = ended.assert_done();
    assert!(done["retries"].as_u64() >= Some(2), "{done}");
    assert!(done["fetched"].as_u64() <= Some(content.len() + 2 * KILL_COST), "{done}");
    desk.assert_has(&content);
}

#[test]
fn an_object_replaced_between_runs_or_meanwhile_gives_one_version() {
    let Some(nginx) = Nginx::start() else { return };
    for seed in seeds(4) {
        let mut chance = Chance::new(seed);
        let (old, new) = (Content::seeded(seed, 24 * MIB), Content::seeded(seed + 1000, 24 * MIB));
        let name = format!("replaced-{seed}");
        nginx.put(&name, &old, 2 * DAY);
        let desk = Desk::new();
        let url = nginx.url(&format!("/slow/{name}"));
        let mut get = desk.get(&url, &[]);
        let before = chance.of(MIB..20 * MIB);
        assert!(get.saw(|event| event["received"].as_u64() >= Some(before)) || !get.runs());
        let done_before = !get.runs();
        // An open reply goes on with the old version; the next one would be of the new.
        nginx.put(&name, &new, DAY);
        get.kill();
        get.wait();
        let mut more = vec![];
        if done_before {
            more.push("--overwrite");
        }
        let ended = desk.get(&url, &more).wait();
        ended.assert_done();
        desk.assert_has(&new);
        let reasons: Vec<_> = ended.events.iter().filter_map(|event| event["reason"].as_str()).collect();
        assert!(done_before || reasons.contains(&"changed"), "no reason was given: {:?}", ended.events);
    }
}

#[test]
fn an_object_replaced_while_its_server_restarts_gives_one_version() {
    let Some(mut nginx) = Nginx::start() else { return };
    let (old, new) = (Content::seeded(1, 40 * MIB), Content::seeded(2, 40 * MIB));
    nginx.put("object", &old, 2 * DAY);
    let desk = Desk::new();
    let mut get = desk.get_alone(&nginx.url("/slow/object"), &[]);
    assert!(get.saw(|event| event["received"].as_u64() > Some(18 * MIB)));
    nginx.kill();
    nginx.put("object", &new, DAY);
    nginx.start_again();
    let ended = get.wait();
    assert!(ended.assert_done()["restarts"].as_array().unwrap().contains(&"changed".into()), "{:?}", ended.events);
    desk.assert_has(&new);

    // Asked to stop instead, it stops, and keeps what it has.
    let careful = Desk::new();
    let mut get = careful.get_alone(&nginx.url("/slow/object"), &["--on-change", "stop"]);
    assert!(get.saw(|event| event["received"].as_u64() > Some(18 * MIB)));
    nginx.kill();
    nginx.put("object", &old, DAY / 2);
    nginx.start_again();
    get.wait().assert_failed(6, "changed");
    careful.assert_has_nothing();
}

#[test]
fn an_old_date_is_as_good_as_an_etag_and_a_young_one_is_not() {
    let Some(nginx) = Nginx::start() else { return };
    for (name, age, resumes) in [("old", DAY, true), ("young", Duration::ZERO, false)] {
        let content = Content::seeded(1, 36 * MIB);
        nginx.put(name, &content, age);
        let desk = Desk::new();
        let path = format!("/dated/{name}");
        let mut get = desk.get_alone(&nginx.url(&path), &[]);
        assert!(get.saw(|event| event["received"].as_u64() > Some(17 * MIB)));
        get.kill();
        get.wait();
        let ended = desk.get_alone(&nginx.url(&path), &[]).wait();
        ended.assert_done();
        desk.assert_has(&content);
        let served = nginx.served(&path);
        if resumes {
            assert!(bytes(&served) <= content.len() + KILL_COST + IN_FLIGHT, "{served:?}");
            assert_eq!(served[1].status, 206, "{served:?}");
        } else {
            // One reply makes one file: what is held is only compared.
            assert!(served[1..].iter().any(|served| served.bytes == content.len()), "{served:?}");
        }
    }
}

#[test]
fn without_ranges_the_whole_comes_again_and_makes_one_file() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, 36 * MIB);
    nginx.put("object", &content, DAY);
    let desk = Desk::new();
    let mut get = desk.get_alone(&nginx.url("/rangeless/object"), &[]);
    assert!(get.saw(|event| event["received"].as_u64() > Some(17 * MIB)));
    get.kill();
    get.wait();
    let ended = desk.get_alone(&nginx.url("/rangeless/object"), &[]).wait();
    ended.assert_done();
    desk.assert_has(&content);
    let served = nginx.served("/rangeless/object");
    assert!(served.iter().all(|served| served.status == 200), "{served:?}");
    assert_eq!(served.last().unwrap().bytes, content.len(), "{served:?}");
    // The validator is the same: what was held counts, and nothing goes back without a reason.
    assert!(ended.event("resumed").is_some() || ended.event("restarted").is_some(), "{:?}", ended.events);
}

#[test]
fn compression_on_the_way_is_not_asked_for_and_a_stored_one_is_kept() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::repeated(b'a', 20 * MIB).then(&Content::seeded(1, 16 * MIB));
    nginx.put("object", &content, DAY);
    for location in ["zipping", "zipped"] {
        let desk = Desk::new();
        let path = format!("/{location}/object");
        let mut get = desk.get_alone(&nginx.url(&path), &[]);
        assert!(get.saw(|event| event["received"].as_u64() > Some(17 * MIB)));
        get.kill();
        get.wait();
        desk.get_alone(&nginx.url(&path), &[]).wait().assert_done();
        desk.assert_has(&content);
        let served = nginx.served(&path);
        assert!(bytes(&served) <= content.len() + KILL_COST + IN_FLIGHT, "{served:?}");
    }
}

#[test]
fn a_busy_server_is_asked_again_when_it_said() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, MIB);
    nginx.put("object", &content, DAY);
    nginx.flag("busy", true);
    let desk = Desk::new();
    let mut get = desk.get(&nginx.url("/busy/object"), &[]);
    assert!(get.saw(|event| event["event"] == "retry" && event["delay_ms"].as_u64() >= Some(1000)));
    nginx.flag("busy", false);
    get.wait().assert_done();
    desk.assert_has(&content);
}

#[test]
fn a_crowded_server_is_asked_again_until_there_is_room() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, 40 * MIB);
    nginx.put("object", &content, DAY);
    let crowd = [nginx.hold("/crowded/object"), nginx.hold("/crowded/object")];
    let desk = Desk::new();
    let mut get = desk.get(&nginx.url("/crowded/object"), &[]);
    let refused = |event: &serde_json::Value| event["reason"].as_str().is_some_and(|reason| reason.contains("429"));
    assert!(get.saw(|event| event["event"] == "retry" && refused(event)));
    drop(crowd);
    get.wait().assert_done();
    desk.assert_has(&content);
}

#[test]
fn a_password_is_sent_where_it_belongs_and_written_nowhere() {
    let Some(nginx) = Nginx::start() else { return };
    let content = Content::seeded(1, 20 * MIB);
    nginx.put("object", &content, DAY);
    let desk = Desk::new();
    let url = nginx.url("/closed/object");
    desk.get(&url, &[]).wait().assert_failed(4, "denied");
    desk.get(&url, &["-u", "user:wrong"]).wait().assert_failed(4, "refused");
    desk.assert_has_nothing();
    desk.get(&url, &["-u", "user:pass word"]).wait().assert_done();
    desk.assert_has(&content);

    // Another origin is redirected to: it gets the file's name, and no password.
    let elsewhere = Desk::new();
    elsewhere.get(&nginx.url("/moved/object"), &["-u", "user:pass word"]).wait().assert_done();
    elsewhere.assert_has(&content);
    let there = nginx.served("/f/object");
    assert!(there.iter().all(|served| served.host.starts_with("127.0.0.2:") && served.authorization == "-"));
    for desk in [&desk, &elsewhere] {
        for entry in std::fs::read_dir(desk.folder.path().join("state")).unwrap() {
            let path = entry.unwrap().path();
            let text = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            let secret = |window: &[u8]| window == b"pass word" || window == b"dXNlcjpwYXNzIHdvcmQ";
            assert!(!text.windows(9).any(secret) && !text.windows(19).any(secret), "{}", path.display());
        }
    }
}

#[test]
fn a_caught_signal_leaves_nothing_to_be_fetched_again() {
    let Some(nginx) = Nginx::start() else { return };
    // Far more than comes between a signal and its end, also on a busy machine.
    let content = Content::seeded(1, 128 * MIB);
    nginx.put("object", &content, DAY);
    let desk = Desk::new();
    let url = nginx.url("/slow/object");
    for (signal, share) in [(Signal::HUP, 17), (Signal::INT, 34), (Signal::TERM, 51)] {
        let mut get = desk.get_alone(&url, &[]);
        assert!(get.saw(|event| event["received"].as_u64() > Some(share * MIB)));
        get.signal(signal);
        let ended = get.wait();
        assert_eq!(ended.code(), Some(128 + signal.as_raw()), "{ended:?}");
        let held = ended.event("paused").unwrap()["held"].as_u64().unwrap();
        let mut next = desk.get_alone(&url, &[]);
        assert!(next.saw(|event| event["event"] == "resumed" && event["held"] == held), "{held} were held");
        next.kill();
        next.wait();
    }
    desk.get_alone(&url, &[]).wait().assert_done();
    desk.assert_has(&content);
}
