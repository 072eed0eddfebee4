//! Many at once, for long, and while the store ends.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use longhaul_devstore::Content;

use crate::client::{Bench, SOON, connect, hear};

#[test]
fn a_crowd_of_idle_connections_does_not_keep_others_from_working() {
    let bench = Bench::new();
    let idle: Vec<_> = (0..300).map(|_| connect(bench.server().address())).collect();
    std::thread::scope(|scope| {
        for worker in 0..16u64 {
            let bench = &bench;
            scope.spawn(move || {
                for round in 0..4 {
                    let body = Content::seeded(worker * 10 + round, 150_000 + worker).to_vec();
                    // Half of them on a key that others write, too.
                    let key = if worker % 2 == 0 { "shared".to_owned() } else { format!("own-{worker}") };
                    bench.put(&key, &body);
                    let heard = bench.get(&key);
                    let md5 = Content::bytes(heard.body.clone()).md5().to_uppercase();
                    assert_eq!(heard.header("ETag"), Some(format!("\"{md5}\"").as_str()), "one version, whole");
                    assert!(worker % 2 == 0 || heard.body == body);
                }
            });
        }
    });
    drop(idle);
    let data = bench.folder.path().join("buckets/films/data");
    let deadline = Instant::now() + SOON;
    while std::fs::read_dir(&data).unwrap().count() != 9 {
        assert!(Instant::now() < deadline, "versions that were replaced are removed");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_store_that_is_full_can_still_be_looked_into() {
    let bench = Bench::with(|builder| builder.connections_max(1));
    let _only = connect(bench.server().address());
    let deadline = Instant::now() + SOON;
    // Until the first connection is taken, the second may be.
    loop {
        let mut second = connect(bench.server().address());
        let _ = second.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        if hear(second, false).is_none() {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    assert_eq!(bench.admin("GET", "/state", "").status, 200);
}

#[test]
fn a_traffic_limit_is_kept_in_both_directions() {
    let bench = Bench::new();
    // 100 KiB a second, the least there is.
    let body = Content::seeded(1, 60 << 10).to_vec();
    bench.put("k", &body);
    std::thread::scope(|scope| {
        for (line, fields) in
            [("GET /films/k", "x-oss-traffic-limit: 819200"), ("PUT /films/limited?x-oss-traffic-limit=819200", "")]
        {
            let (bench, body) = (&bench, &body);
            scope.spawn(move || {
                let began = Instant::now();
                let heard = bench.ask(line, fields, if line.starts_with('P') { body } else { b"" });
                assert!(heard.status == 200 && began.elapsed() > Duration::from_millis(500), "{line}: {heard:?}");
            });
        }
    });
    let both = bench.ask("GET /films/k?x-oss-traffic-limit=819200", "x-oss-traffic-limit: 819200", b"");
    assert_eq!((both.said().as_str(), both.element("EC").as_str()), ("400 InvalidArgument", "0004-00000501"));
}

#[test]
fn a_status_without_a_body_leaves_the_connection_usable() {
    let bench = Bench::new();
    bench.put("k", b"abc");
    bench.server().fault("kind=status status=204 op=GetObject times=1").unwrap();
    let mut stream = connect(bench.server().address());
    for _ in 0..2 {
        stream.write_all(b"GET /films/k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    }
    let mut said = String::new();
    let mut byte = [0];
    while !said.ends_with("abc") {
        assert!(stream.read(&mut byte).unwrap() > 0, "{said}");
        said.push(char::from(byte[0]));
    }
    assert!(said.starts_with("HTTP/1.1 204 ") && said.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"), "{said}");
}

#[test]
fn an_object_whose_bytes_are_gone_is_an_error_and_not_half_an_answer() {
    let bench = Bench::new();
    bench.put("k", &Content::seeded(1, 100_000).to_vec());
    let data = bench.folder.path().join("buckets/films/data");
    let file = std::fs::read_dir(&data).unwrap().next().unwrap().unwrap().path();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(50_000).unwrap();
    assert_eq!(bench.get("k").said(), "500 InternalError");
    bench.put("k", b"again");
    assert_eq!(bench.get("k").text(), "again");
}
