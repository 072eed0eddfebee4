//! The origin as a tool: exact bytes on the wire and in the log, control while it serves, and its end.

mod common;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{End, SOON, connect, exactly, get, get_range, head, rest, send};
use longhaul_devstore::{Connect, Content, Ended, Fault, Gate, Object, Origin};

const GET_X: &str = "GET /x HTTP/1.1\r\nHost: t\r\n\r\n";

fn origin(len: u64) -> Origin {
    let origin = Origin::start();
    origin.put("/x", Object::seeded(1, len));
    origin
}

/// Many sizes around those of buffers, and a client that starts to read late.
#[test]
fn cuts_and_resets_come_after_exactly_the_bytes_they_should() {
    let origin = origin(20_000_000);
    let content = Content::seeded(1, 20_000_000);
    let mut expected = 0;
    for after in [0, 1, 4095, 65_536, 262_144, 262_145, 3_000_001, 12_345_678] {
        for (fault, end, ended) in
            [(Fault::Cut { after }, End::Fin, Ended::Cut), (Fault::Reset { after }, End::Rst, Ended::Reset)]
        {
            origin.script("/x", vec![fault]);
            let stream = connect(&origin);
            send(&stream, GET_X);
            head(&stream);
            let mut body = Vec::new();
            let mut piece = vec![0; 8192];
            let got = loop {
                match (&stream).read(&mut piece) {
                    Ok(0) => break End::Fin,
                    Ok(count) => body.extend_from_slice(&piece[..count]),
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Rst,
                    Err(error) => panic!("{error}"),
                }
            };
            assert_eq!((got, body.len() as u64), (end, after));
            assert_eq!(content.slice(0..after).first_difference(&body[..]).unwrap(), None);
            assert!(origin.settled(SOON));
            let seen = origin.log().pop().unwrap();
            assert_eq!((seen.ended, seen.body_bytes, seen.status), (ended, after, Some(200)));
            expected += after;
        }
    }
    assert_eq!(origin.bytes_served(), expected);
}

#[test]
fn a_stall_holds_the_connection_until_the_origin_is_dropped() {
    let origin = origin(1000);
    origin.always("/x", Fault::Stall { after: 300 });
    let stream = connect(&origin);
    send(&stream, GET_X);
    head(&stream);
    exactly(&stream, 300);
    assert!(origin.wait_for(|log| log[0].ended == Ended::Stalled, SOON));
    assert_eq!((origin.bytes_served(), origin.open_connections()), (300, 1));
    drop(origin);
    assert_eq!(rest(&stream).raw, b"");
}

#[test]
fn a_stall_ends_when_the_client_leaves() {
    let origin = origin(1000);
    origin.always("/x", Fault::Stall { after: 0 });
    let stream = connect(&origin);
    send(&stream, GET_X);
    assert!(origin.wait_for(|log| log.iter().any(|seen| seen.ended == Ended::Stalled), SOON));
    drop(stream);
    let deadline = Instant::now() + SOON;
    while origin.open_connections() > 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

/// Every way for a thread to be held up, and all end with the origin, soon.
#[test]
fn dropping_the_origin_ends_whatever_it_is_doing() {
    let gate = Gate::new();
    let hour = Duration::from_secs(3600);
    for (fault, head_comes) in [
        (Fault::no_answer(), false),
        (Fault::Delay(hour), false),
        (Fault::SlowHead { bytes: 1, tick: hour }, false),
        (Fault::Trickle { bytes: 1, tick: hour }, true),
        (Fault::Pace { bytes_per_second: 1 }, true),
        (Fault::Hold { after: 10, gate: gate.clone() }, true),
        // Nobody reads: the thread is blocked in writing.
        (Fault::Endless, true),
        // A correct answer, after which the connection idles.
        (Fault::Correct, true),
    ] {
        let origin = origin(1000);
        origin.always("/x", fault.clone());
        let stream = connect(&origin);
        let silent = connect(&origin);
        send(&stream, GET_X);
        assert!(origin.wait_for(|log| log.len() == 1 && (!head_comes || log[0].status.is_some()), SOON));
        let begun = Instant::now();
        drop(origin);
        assert!(begun.elapsed() < Duration::from_secs(20), "{fault:?}");
        drop((stream, silent));
    }
}

#[test]
fn a_script_is_taken_one_fault_for_each_request() {
    let origin = origin(1000);
    origin.script("/x", vec![Fault::status(503), Fault::IgnoreRange, Fault::NoContent]);
    let statuses = || (0..5).map(|_| get_range(&origin, "/x", "5-").status()).collect::<Vec<_>>();
    assert_eq!(statuses(), [503, 200, 204, 206, 206]);
    origin.script_then("/x", vec![Fault::Correct], Fault::status(404));
    assert_eq!(statuses(), [206, 404, 404, 404, 404]);
    origin.choose("/x", |request| match request.range_start() {
        Some(5) if request.nth % 2 == 0 => Fault::status(500),
        _ => Fault::Correct,
    });
    assert_eq!(statuses(), [500, 206, 500, 206, 500]);
    origin.on("/x", |request, answer| answer.header("X-Seen", request.number.to_string()));
    assert_eq!(get(&origin, "/x").header("X-Seen"), Some("15".to_owned()));
    assert_eq!(origin.requests(), 16);
}

#[test]
fn a_gate_holds_a_body_at_an_exact_byte() {
    let origin = origin(1000);
    let gate = Gate::new();
    origin.always("/x", Fault::hold(123, &gate));
    let stream = connect(&origin);
    send(&stream, GET_X);
    assert!(gate.reached(SOON));
    assert_eq!(origin.bytes_served(), 123);
    gate.open();
    head(&stream);
    assert_eq!(exactly(&stream, 1000), Content::seeded(1, 1000).to_vec());
}

#[test]
fn an_object_is_replaced_at_an_exact_byte_of_a_body() {
    let origin = origin(1000);
    let called = Arc::new(AtomicUsize::new(0));
    let (control, count) = (origin.control(), called.clone());
    let check = Fault::call(400, move || {
        count.store(control.bytes_served() as usize, Ordering::SeqCst);
        control.put("/y", Object::seeded(9, 9));
    });
    origin.script("/x", vec![Fault::replace(300, Object::seeded(2, 1000)).and(check)]);
    assert_eq!(get(&origin, "/x").body(), Content::seeded(1, 1000).to_vec());
    assert_eq!(get(&origin, "/x").body(), Content::seeded(2, 1000).to_vec());
    assert_eq!(get(&origin, "/y").body().len(), 9);
    assert_eq!(called.load(Ordering::SeqCst), 400);
}

#[test]
fn replicas_that_differ_answer_in_turn() {
    let origin = origin(0);
    origin.alternate("/x", vec![Object::seeded(1, 10), Object::seeded(2, 10)]);
    let tags: Vec<_> = (0..4).map(|_| get(&origin, "/x").header("ETag")).collect();
    assert!(tags[0] != tags[1] && tags[0] == tags[2] && tags[1] == tags[3], "{tags:?}");
}

#[test]
fn connections_are_refused_and_accepted_again_on_the_same_port() {
    let origin = origin(1000);
    let alive = connect(&origin);
    for _ in 0..20 {
        origin.refuse();
        let error = TcpStream::connect(origin.address()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        origin.accept_again();
        assert_eq!(get(&origin, "/x").status(), 200);
    }
    send(&alive, GET_X);
    assert!(head(&alive).starts_with("HTTP/1.1 200"));
    assert_eq!(origin.connections(), 21, "our own knocks are not counted");
    origin.refuse();
}

#[test]
fn connections_are_reset_closed_and_ignored_before_any_request() {
    let origin = origin(1000);
    origin.connects(vec![Connect::Reset, Connect::Close, Connect::Silent]);
    assert_eq!(rest(&connect(&origin)).end, End::Rst);
    assert_eq!(rest(&connect(&origin)).end, End::Fin);
    let silent = connect(&origin);
    send(&silent, GET_X);
    assert_eq!(get(&origin, "/x").status(), 200);
    assert_eq!((origin.requests(), origin.connections()), (1, 4));
    origin.every_connect(Connect::Reset);
    assert_eq!(rest(&connect(&origin)).end, End::Rst);
    drop(origin);
    assert_eq!(rest(&silent).raw, b"");
}

#[test]
fn hanging_up_ends_connections_but_not_the_origin() {
    let origin = origin(1000);
    origin.script("/x", vec![Fault::Stall { after: 5 }]);
    let stream = connect(&origin);
    send(&stream, GET_X);
    head(&stream);
    exactly(&stream, 5);
    origin.hang_up();
    assert_eq!(rest(&stream).raw, b"");
    assert_eq!(get(&origin, "/x").status(), 200);
}

/// What the kernel accepted and what the client got differ at most by what lies in buffers.
#[test]
fn a_client_that_leaves_is_noticed_and_bytes_are_counted_as_accepted() {
    let origin = Origin::builder().send_buffer(16 * 1024).start().unwrap();
    origin.put("/x", Object::seeded(1, Content::ENDLESS));
    let stream = connect(&origin);
    send(&stream, GET_X);
    head(&stream);
    exactly(&stream, 1_000_000);
    drop(stream);
    assert!(origin.settled(SOON));
    let seen = origin.log().remove(0);
    assert_eq!(seen.ended, Ended::ClientLeft);
    assert!((1_000_000..50_000_000).contains(&seen.body_bytes), "{}", seen.body_bytes);
}

#[test]
fn a_pace_is_kept_and_the_count_does_not_run_ahead() {
    let origin = origin(1_000_000);
    origin.always("/x", Fault::Pace { bytes_per_second: 1_000_000 });
    let begun = Instant::now();
    assert_eq!(get(&origin, "/x").body().len(), 1_000_000);
    assert!((0.8..8.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
}

#[test]
fn a_closure_that_panics_costs_its_connection_only() {
    let origin = origin(1000);
    origin.on("/bad", |_, _| panic!("this panic is part of the test"));
    assert_eq!(get(&origin, "/bad").raw, b"");
    assert!(origin.settled(SOON));
    assert_eq!(get(&origin, "/x").status(), 200);
}

/// A gigabyte in debug builds too: tests of resuming large objects must not wait for their origin.
#[test]
fn a_large_object_is_served_at_speed() {
    const GIB: u64 = 1 << 30;
    let origin = origin(GIB);
    let stream = connect(&origin);
    send(&stream, GET_X);
    head(&stream);
    let begun = Instant::now();
    let mut piece = vec![0; 1 << 20];
    let mut left = GIB;
    while left > 0 {
        left -= (&stream).read(&mut piece).unwrap() as u64;
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    println!("1 GiB in {:?}", begun.elapsed());
}

/// Any number at once, each with its own port; other loopback addresses are other hosts to a client.
#[cfg(target_os = "linux")]
#[test]
fn a_redirect_leads_to_another_host() {
    let here = origin(10);
    let there = Origin::builder().address([127, 0, 0, 2].into()).start().unwrap();
    there.put("/y", Object::seeded(2, 20));
    here.always("/x", Fault::redirect(302, there.url("/y")));
    let location = get(&here, "/x").header("Location").unwrap();
    assert_eq!(location, format!("http://127.0.0.2:{}/y", there.port()));
    assert_eq!(get(&there, "/y").body().len(), 20);
}
