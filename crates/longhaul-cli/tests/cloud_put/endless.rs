//! Interruptions without an end: an upload with default settings comes to its end all the same.
//!
//! Goal: as long as each interruption lets one part through, the object is stored, and little is sent twice. Method: a
//! line that breaks after so many bytes, however fast they go; `kill -9` each time, or a process that lives through it.

use longhaul_devstore::Content;

use crate::common::{Ran, Running};
use crate::depot::{Depot, MIB};
use crate::line::Line;

/// No more than what goes in one request has before, and twelve parts now.
const FILM: u64 = 12_000_000;
/// One part, half of another, and the heads of all requests.
const SHORT: u64 = MIB + MIB / 2 + (64 << 10);

/// A put with default settings over this line.
fn start(depot: &Depot, line: &Line, film: &std::path::Path, retries: u32) -> Running {
    let endpoint = ("OSS_ENDPOINT".to_owned(), line.endpoint());
    let env = depot.env().into_iter().map(|pair| if pair.0 == endpoint.0 { endpoint.clone() } else { pair });
    depot.put_all([film], "film").env(env.collect()).retries(retries).start()
}

/// Runs it again and again, killed each time that so many bytes went through; how often, and the last run.
fn killed_until_done(depot: &Depot, line: &Line, film: &std::path::Path, bytes: u64, most: u32) -> (u32, Ran, bool) {
    let mut shortened = false;
    for kills in 0..=most {
        line.mend(bytes);
        let mut running = start(depot, line, film, 10);
        while !running.is_over() && !line.is_broken() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let ran = if line.is_broken() { running.kill() } else { running.wait() };
        shortened |= ran.event("restarted").is_some_and(|event| event["reason"] == "shorter_parts");
        match ran.code() {
            0 => return (kills, ran, shortened),
            -9 => {}
            _ => panic!("{}", depot.report(&ran)),
        }
    }
    panic!("{most} kills, and no end: {}", depot.report(&start(depot, line, film, 0).wait()));
}

#[test]
fn an_upload_that_is_killed_after_each_part_and_a_half_ends() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (content, line) = (Content::seeded(11, FILM), Line::to(depot.store.address()));
    let film = depot.file("film", &content);
    let (kills, ran, shortened) = killed_until_done(&depot, &line, &film, SHORT, 12);
    assert!((7..=11).contains(&kills), "{kills} kills: {}", depot.report(&ran));
    assert!(!shortened, "a part arrived each time: {}", depot.report(&ran));
    assert!(line.carried() <= 12 * SHORT, "{} bytes were sent: {}", line.carried(), depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn an_upload_whose_line_breaks_after_each_part_and_a_half_ends_in_one_run() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (content, line) = (Content::seeded(12, FILM), Line::that_breaks_every(SHORT, depot.store.address()));
    let film = depot.file("film", &content);
    let ran = start(&depot, &line, &film, 3).wait();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert!((7..=11).contains(&line.breaks()), "{} breaks: {}", line.breaks(), depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn parts_that_never_arrive_are_made_shorter() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (content, line) = (Content::seeded(13, 2_000_000), Line::to(depot.store.address()));
    let film = depot.file("film", &content);
    let (kills, ran, shortened) = killed_until_done(&depot, &line, &film, 400 << 10, 12);
    assert!(shortened && kills > 3, "{kills} kills: {}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

/// At 100 kB/s a part of 1 MiB takes ten seconds: an upload that is slow from its start is not waited for.
#[test]
fn a_first_part_that_takes_long_is_given_up_for_shorter_ones() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let content = Content::seeded(15, 1_200_000);
    let film = depot.file("film", &content);
    let mut running = depot.put_all([&film], "film").args(["--limit-rate", "100k"]).start();
    let stored = || depot.requests("UploadPart").iter().filter(|request| request["status"] == 200).count();
    while stored() == 0 && !running.is_over() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let ran = running.kill();
    assert_eq!(ran.code(), -9, "{}", depot.report(&ran));
    assert!(ran.event("restarted").is_some_and(|event| event["reason"] == "slow_line"), "{}", depot.report(&ran));
    let ran = depot.put_all([&film], "film").run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    assert_eq!(stored(), 5, "in parts of a quarter: {}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

/// A given length of parts is not made shorter, and what is longer goes in parts of it.
#[test]
fn a_part_size_is_the_most_that_goes_in_one_request() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let content = Content::seeded(14, 300_000);
    let film = depot.file("film", &content);
    let ran = depot.put_all([&film], "film").args(["--part-size", "100k"]).run();
    assert_eq!((ran.code(), depot.count("UploadPart"), depot.count("PutObject")), (0, 3, 0), "{}", depot.report(&ran));
    let ran = depot.put_all([&film], "other").run();
    assert_eq!((ran.code(), depot.count("UploadPart"), depot.count("PutObject")), (0, 3, 1), "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
}
