//! The store ends whatever its connections do, and what it had answered is there at the next start.
//!
//! Method: a connection is brought into a state that a client or a fault could keep up for ever, the test waits until
//! the store is in it, and then asks the store to end. The bound is that of the test, not of the store.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Bench, SOON, connect};

const HOUR: Duration = Duration::from_secs(3600);

/// Asks the store to end, and looks for what it had answered.
fn ends(mut bench: Bench, about: &str) {
    bench.server().clear_faults();
    bench.put("answered", about.as_bytes());
    assert!(bench.server.as_mut().unwrap().stop(SOON), "{about}: a thread of the store does not end");
    bench.restart();
    assert_eq!(bench.get("answered").text(), about);
}

fn begun(bench: &Bench, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = connect(bench.server().address());
    stream.write_all(format!("{head}\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream
}

/// Waits until so many requests were struck by faults.
fn struck(bench: &Bench, count: u64) {
    let deadline = Instant::now() + SOON;
    let sum = || {
        let faults: serde_json::Value = serde_json::from_slice(&bench.admin("GET", "/faults", "").body).unwrap();
        faults.as_array().unwrap().iter().map(|fault| fault["struck"].as_u64().unwrap()).sum::<u64>()
    };
    while sum() < count {
        assert!(Instant::now() < deadline, "no request was struck");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn large(bench: &Bench) {
    let made = bench.admin("POST", "/objects", r#"{"bucket":"films","key":"large","size":1000000000}"#);
    assert_eq!(made.status, 200);
}

#[test]
fn while_a_client_takes_none_of_its_answer() {
    let bench = Bench::new();
    large(&bench);
    let stuck = begun(&bench, "GET /films/large HTTP/1.1", b"");
    assert_eq!(stuck.peek(&mut [0]).unwrap(), 1, "it is being answered");
    ends(bench, "a stuck reader");
}

#[test]
fn while_a_client_sends_none_of_its_body() {
    let bench = Bench::new();
    let stuck = begun(&bench, "PUT /films/k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10", b"");
    assert_eq!(stuck.peek(&mut [0]).unwrap(), 1, "its body is awaited");
    ends(bench, "a stuck writer");
}

#[test]
fn while_a_client_is_within_the_head_of_its_request() {
    let bench = Bench::with(|builder| builder.patience(HOUR, HOUR, HOUR));
    let mut stuck = connect(bench.server().address());
    stuck.write_all(b"GET /films/k HTTP/1.1\r\nHost: 127").unwrap();
    ends(bench, "half a head");
}

#[test]
fn while_a_fault_lets_some_bytes_pass_a_second_and_the_clients_are_gone() {
    let bench = Bench::new();
    large(&bench);
    bench.server().fault("kind=bandwidth bytes_per_second=3 op=GetObject,PutObject,UploadPart key=large").unwrap();
    // A megabyte lies in the store's own buffers, to be read at three bytes a second.
    let body = vec![1; 1_000_000];
    let put = begun(&bench, "PUT /films/large HTTP/1.1\r\nContent-Length: 2000000", &body[..100_000]);
    let mut fast = put.try_clone().unwrap();
    fast.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let _ = fast.write_all(&body); // as much as the kernel takes
    let get = begun(&bench, "GET /films/large HTTP/1.1", b"");
    struck(&bench, 2);
    drop((put, fast, get));
    ends(bench, "a trickle for the dead");
}

#[test]
fn while_faults_hold_requests_answers_and_connections() {
    for fault in [
        "kind=latency ms=3600000",
        "kind=slow-answer ms=3600000",
        "kind=trickle bytes=1 ms=3600000",
        "kind=stall after=1",
        "kind=cut after=1",
        "kind=lose-answer by=stall",
    ] {
        let bench = Bench::new();
        bench.put("k", b"abc");
        bench.server().fault(&format!("{fault} op=GetObject")).unwrap();
        let mut stuck = begun(&bench, "GET /films/k HTTP/1.1", b"");
        struck(&bench, 1);
        // A client that never stops to talk is not waited for either.
        let talking = std::thread::spawn(move || while stuck.write_all(&[b'x'; 4096]).is_ok() {});
        ends(bench, fault);
        talking.join().unwrap();
    }
}

#[test]
fn while_an_application_does_not_answer_its_callback() {
    let bench = Bench::with(|builder| builder.callback_patience(HOUR));
    let application = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", application.local_addr().unwrap());
    let callback = STANDARD.encode(format!(r#"{{"callbackUrl":"{url}","callbackBody":"a=${{object}}"}}"#));
    let head = format!("PUT /films/k HTTP/1.1\r\nx-oss-callback: {callback}\r\nContent-Length: 3");
    let _client = begun(&bench, &head, b"abc");
    let (mut called, _) = application.accept().unwrap();
    let mut said = [0; 4];
    called.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"POST");
    ends(bench, "a hung callback");
}

#[test]
fn while_hundreds_of_connections_are_open() {
    let bench = Bench::new();
    large(&bench);
    let open: Vec<_> = (0..300)
        .map(|n| match n % 3 {
            0 => connect(bench.server().address()),
            1 => begun(&bench, "GET /films/large HTTP/1.1", b""),
            _ => begun(&bench, "PUT /films/k HTTP/1.1\r\nContent-Length: 10", b"12345"),
        })
        .collect();
    ends(bench, "a crowd");
    drop(open);
}
