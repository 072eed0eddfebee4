//! Signals, lost networks, stores that go away: the same command again goes on.

use rustix::process::Signal;

use crate::common::eventually;
use crate::depot::{Depot, MIB, PART, SIZE};

/// A run that is stopped by this signal when the store has a few parts; its exit code.
fn stop(depot: &Depot, signal: Signal) -> crate::common::Ran {
    depot.fault("kind=bandwidth op=UploadPart bytes_per_second=2097152");
    let running = depot.put(depot.bench.folder().join("film"), "film").plain().start();
    // Without --json nothing is told on stdout: the store's own log says how far it is.
    assert!(eventually(|| depot.count("UploadPart") >= 3), "{}", running.told());
    running.signal(signal);
    let ran = running.wait();
    depot.store.clear_faults();
    ran
}

#[test]
fn ctrl_c_says_what_is_kept_and_the_same_command_goes_on() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    let ran = stop(&depot, Signal::INT);
    assert_eq!(ran.code(), 130, "{}", depot.report(&ran));
    let listed = depot.listed();
    let (held, id) = (listed[0]["held"].as_u64().unwrap(), listed[0]["id"].as_str().unwrap().to_owned());
    assert!(held > 0, "{listed:?}");
    for part in [
        "stopped by SIGINT",
        "are in the store",
        "Run the same command again",
        &format!("longhaul cancel {}", &id[..8]),
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, resumed");
    assert_eq!(ran.event("resumed").unwrap()["held"].as_u64(), Some(held));
    // Parts that arrived while it stopped, and whose answers nobody heard, are not sent again either.
    let sent = ran.event("done").unwrap()["sent"].as_u64().unwrap();
    assert!(sent <= SIZE - held, "{sent} bytes were sent again: {}", depot.report(&ran));
    assert_eq!(depot.count("InitiateMultipartUpload"), 1);
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn other_signals_stop_in_order_as_well() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let depot = Depot::open();
        let (film, _) = depot.film();
        let ran = stop(&depot, signal);
        assert_eq!(ran.code(), code, "{}", depot.report(&ran));
        depot.expect(&depot.put(&film, "film").run(), 0, "crc64, resumed");
    }
}

#[test]
fn a_store_that_fails_for_a_while_is_outlasted() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable times=3");
    depot.fault("kind=status op=InitiateMultipartUpload status=500 code=InternalError times=1");
    depot.fault("kind=cut-upload op=UploadPart after=500000 by=reset rate=0.2 seed=3 times=5");
    depot.fault("kind=flip-upload op=UploadPart offset=70000 skip=4 times=1");
    let ran = depot.put(&film, "film").retries(10).run();
    assert_eq!(ran.code(), 0, "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
    assert_eq!(depot.unfinished(), 0, "{}", depot.report(&ran));
}

#[test]
fn a_network_that_gives_up_keeps_what_the_store_has() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=8");
    let ran = depot.put(&film, "film").retries(1).run();
    depot.expect(&ran, 10, "network, kept");
    assert_eq!(ran.held(), 8 * PART, "{}", depot.report(&ran));
    depot.store.clear_faults();
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, resumed");
    assert_eq!(ran.event("done").unwrap()["sent"], SIZE - 8 * PART, "{}", depot.report(&ran));
    depot.assert_stored("film", &content, &ran);
}

#[test]
fn an_upload_that_the_store_forgot_begins_anew_and_says_so() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, content) = depot.film();
    depot.fault("kind=remove-upload op=UploadPart skip=5 times=1");
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 0, "crc64, restarted (upload_gone)");
    depot.assert_stored("film", &content, &ran);
    depot.assert_nothing_left(&ran);
}

#[test]
fn a_second_process_is_told_who_is_at_work() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=bandwidth op=UploadPart bytes_per_second=1048576");
    let first = depot.put(&film, "film").start();
    assert!(eventually(|| depot.count("InitiateMultipartUpload") == 1));
    let ran = depot.put(&film, "film").run();
    depot.expect(&ran, 9, "in_use");
    assert!(ran.stderr.contains(&first.pid().to_string()), "{}", ran.stderr);
    let listed = depot.listed();
    assert_eq!((listed[0]["state"].as_str(), listed[0]["kind"].as_str()), (Some("running"), Some("upload")));
    let id = listed[0]["id"].as_str().unwrap();
    let cancelled = depot.longhaul_online(&["cancel", id]);
    assert_eq!(cancelled.code(), 9, "{}{}{}", cancelled.stdout, cancelled.stderr, first.told());
    assert_eq!(depot.count("AbortMultipartUpload"), 0, "the running one is not touched");
    first.kill();
}

#[test]
fn list_and_show_say_what_the_store_has_and_what_comes_next() {
    let depot = Depot::open();
    let (film, _) = depot.film();
    depot.fault("kind=status op=UploadPart status=503 code=ServiceUnavailable skip=8");
    depot.expect(&depot.put(&film, "a?b#c").until_it_fails().run(), 10, "network, kept");
    let listed = depot.longhaul(&["list"]);
    for part in ["8.0 MiB of 20.0 MiB", "to oss://films/a?b#c", "out/film"] {
        assert!(listed.stdout.contains(part), "{part}: {}", listed.stdout);
    }
    let shown = depot.longhaul(&["show", "--explain", film.to_str().unwrap()]);
    for part in [
        "upload not finished",
        "oss://films/a?b#c at http://127.0.0.1",
        "8.0 MiB of 20.0 MiB, 8 parts of 1.0 MiB",
        "asks the store for its parts and goes on; 12.0 MiB to send",
        "upload id   ",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let id = depot.listed()[0]["id"].as_str().unwrap().to_owned();
    let shown = depot.longhaul(&["show", "--json", &id[..6]]);
    let facts = &shown.events[0];
    assert_eq!(
        (facts["state"].as_str(), facts["stage"].as_str(), facts["next_start"].as_str()),
        (Some("upload"), Some("sending"), Some("continues"))
    );
    assert_eq!(
        (facts["stored"].as_u64(), facts["parts"].as_u64(), facts["part_size"].as_u64()),
        (Some(8 * MIB), Some(8), Some(PART))
    );
}
