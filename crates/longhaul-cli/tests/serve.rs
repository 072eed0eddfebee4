//! `longhaul serve`, the real binary: what it says when it is ready, what is left after `kill -9`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod real;

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use longhaul_devstore::Content;
use real::store::{Store, ask_at, between};

#[test]
fn the_ready_line_says_all_that_a_client_needs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::start(folder.path(), &["--region", "cn-test", "--bucket", "films"]);
    assert_eq!((store.text("event"), store.text("region")), ("ready", "cn-test"));
    for name in ["endpoint", "admin", "access_key_id", "access_key_secret"] {
        assert!(!store.text(name).is_empty(), "{name}");
    }
    let (status, _, body) = store.ask("GET /films/key", b"").unwrap();
    assert_eq!((status, between(&body, "<Code>", "</Code>").as_str()), (403, "AccessDenied"), "who does not sign");
}

#[test]
fn faults_clock_and_log_are_given_by_flags() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let flags = ["--anonymous", "--bucket", "films", "--clock-offset", "-86400", "--log", log.to_str().unwrap()];
    let rule = ["--fault", "kind=status status=503 retry_after=9 op=GetObject times=1"];
    let store = Store::start(&folder.path().join("store"), &[&flags[..], &rule[..]].concat());
    let (status, head, _) = store.ask("GET /films/k?security-token=secret", b"").unwrap();
    assert!(status == 503 && head.contains("\r\nRetry-After: 9\r\n"), "{head}");
    let (status, head, body) = store.ask("GET /films/k", b"").unwrap();
    assert_eq!((status, between(&body, "<Code>", "</Code>").as_str()), (404, "NoSuchKey"));
    let date = httpdate::parse_http_date(&between(head.as_bytes(), "\r\nDate: ", "\r\n")).unwrap();
    let behind = std::time::SystemTime::now().duration_since(date).unwrap().as_secs();
    assert!((86_300..86_500).contains(&behind), "{behind}");
    // A line is written when its request is over, which the client knows a little earlier.
    let lines = || std::fs::read_to_string(&log).unwrap();
    assert!(real::until(std::time::Duration::from_secs(90), || lines().lines().count() == 2), "{}", lines());
    let lines: Vec<serde_json::Value> = lines().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = lines.iter().find(|line| line["status"] == 503).unwrap();
    assert_eq!((&first["op"], &first["faults"][0]), (&"GetObject".into(), &"status".into()));
    assert_eq!(first["target"], "/films/k?security-token=***");
}

#[test]
fn what_was_answered_survives_kill_9_with_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--anonymous", "--bucket", "films"];
    let first = Store::start(folder.path(), &flags);
    let key = (first.text("access_key_id").to_owned(), first.text("access_key_secret").to_owned());
    let body = Content::seeded(1, 2_000_000).to_vec();
    assert_eq!(first.ask("PUT /films/object", &body).unwrap().0, 200);
    assert_eq!(first.ask("PUT /films/replaced", b"old").unwrap().0, 200);
    assert_eq!(first.ask("PUT /films/replaced", b"new").unwrap().0, 200);
    let upload = between(&first.ask("POST /films/big?uploads", b"").unwrap().2, "<UploadId>", "</UploadId>");
    let part = |store: &Store, number: u32, body: &[u8]| {
        store.ask(&format!("PUT /films/big?partNumber={number}&uploadId={upload}"), body).unwrap()
    };
    assert_eq!(part(&first, 1, &body).0, 200);
    first.kill();
    let second = Store::start(folder.path(), &flags);
    assert_eq!((second.text("access_key_id"), second.text("access_key_secret")), (key.0.as_str(), key.1.as_str()));
    assert!(second.ask("GET /films/object", b"").unwrap().2 == body);
    assert_eq!(second.ask("GET /films/replaced", b"").unwrap().2, b"new");
    assert_eq!(part(&second, 2, b"end").0, 200);
    let list = second.ask(&format!("GET /films/big?uploadId={upload}"), b"").unwrap().2;
    let list = String::from_utf8(list).unwrap();
    let etags: Vec<&str> = list.split("<ETag>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(etags.len(), 2);
    let parts: String = (1..)
        .zip(&etags)
        .map(|(n, etag)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    assert_eq!(second.ask(&format!("POST /films/big?uploadId={upload}"), document.as_bytes()).unwrap().0, 200);
    second.kill();
    let third = Store::start(folder.path(), &flags);
    assert!(third.ask("GET /films/big", b"").unwrap().2 == [body.as_slice(), b"end"].concat());
}

#[test]
fn a_kill_amid_writes_leaves_the_old_object_or_the_new_one_and_no_litter() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--anonymous", "--bucket", "films"];
    let versions: Vec<Vec<u8>> = (0..4).map(|seed| Content::seeded(seed, 300_000 + seed).to_vec()).collect();
    for round in 0..6 {
        let store = Store::start(folder.path(), &flags);
        let known = store.ask("GET /films/k", b"").unwrap();
        if round > 0 {
            assert!(known.0 == 200 && versions.contains(&known.2), "round {round}: {}", known.1);
        }
        let data = std::fs::read_dir(folder.path().join("buckets/films/data")).unwrap().count();
        assert_eq!(data, usize::from(round > 0), "what nothing names is swept up");
        // Written by a thread until the store is gone; killed at the moment when another version was answered.
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut answered = 0;
                while store
                    .ask("PUT /films/k", &versions[answered % versions.len()])
                    .is_some_and(|answer| answer.0 == 200)
                {
                    answered += 1;
                }
                answered
            });
            for _ in 0..round {
                store.ask("GET /films/k", b"");
            }
            while store.ask("HEAD /films/k", b"").is_some_and(|answer| answer.0 != 200) {}
            rustix::process::kill_process(
                rustix::process::Pid::from_child(&store.child),
                rustix::process::Signal::KILL,
            )
            .unwrap();
            assert!(writing.join().unwrap() > 0 || round > 0);
        });
    }
}

#[test]
fn people_get_settings_to_paste_and_a_signal_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--bucket", "films"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("NewClient") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    for part in
        ["OSS_ENDPOINT=http://127.0.0.1:", "ossutil", "oss2.AuthV4", "ali-oss", "WithUsePathStyle", "Admin page"]
    {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Goal: a signal ends the store also while a fault holds its connections for hours and their clients were killed.
/// Method: megabytes lie in the store's own buffers, to be taken at three bytes a second.
#[test]
fn a_signal_ends_it_while_a_fault_holds_connections_of_dead_clients() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "kind=bandwidth bytes_per_second=3 key=slow";
    let mut store = Store::start(folder.path(), &["--anonymous", "--bucket", "films", "--fault", rule]);
    assert_eq!(store.ask("PUT /films/kept", b"kept").unwrap().0, 200);
    for _ in 0..8 {
        let mut client = TcpStream::connect(store.text("endpoint").trim_start_matches("http://")).unwrap();
        client.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        write!(client, "PUT /films/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n").unwrap();
        let _ = client.write_all(&vec![1; 2_000_000]); // as much as the kernel takes
    }
    let seen = || {
        let (_, _, body) = ask_at(store.text("admin"), "GET /faults", "", b"").unwrap();
        between(&body, "\"struck\":", "}")
    };
    assert!(real::until(Duration::from_secs(90), || seen() == "8"), "{}", seen());
    rustix::process::kill_process(rustix::process::Pid::from_child(&store.child), rustix::process::Signal::TERM)
        .unwrap();
    let ended = real::until(Duration::from_secs(60), || store.child.try_wait().unwrap().is_some());
    assert!(ended, "the store does not end");
    assert_eq!(store.child.wait().unwrap().code(), Some(143));
    let again = Store::start(folder.path(), &["--anonymous"]);
    assert_eq!(again.ask("GET /films/kept", b"").unwrap().2, b"kept");
}

/// Goal: what is printed for an SDK works as it stands. Method: it is cut out of the text and run, with an import
/// before it and a put and a get behind it.
#[test]
fn the_settings_that_are_printed_work_when_they_are_pasted() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let (python, modules) = (tools.join("python/bin/python"), tools.join("node/node_modules"));
    if !python.exists() || !modules.exists() {
        return real::skip("the vendors' SDKs are not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--bucket", "films"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("NewClient") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let section = |title: &str| -> String {
        let lines = text.lines().skip_while(|line| *line != title).skip(1).take_while(|line| !line.is_empty());
        lines.map(|line| format!("{}\n", line.strip_prefix("  ").unwrap())).collect()
    };
    let runs = [
        (
            python.as_path(),
            "Python, oss2",
            "import oss2\n",
            "bucket.put_object('k', b'1')\nassert bucket.get_object('k').read() == b'1'\n",
        ),
        (
            python.as_path(),
            "Python, alibabacloud-oss-v2",
            "import alibabacloud_oss_v2 as oss\n",
            "client.put_object(oss.PutObjectRequest(bucket='films', key='k', body=b'2'))\n\
             assert client.get_object(oss.GetObjectRequest(bucket='films', key='k')).body.read() == b'2'\n",
        ),
        (
            Path::new("node"),
            "Node, ali-oss",
            "const OSS = require('ali-oss')\n",
            "client.put('k', Buffer.from('3')).then(() => client.get('k')).then((got) => {\n\
             if (got.content.toString() !== '3') process.exit(1) })\n",
        ),
    ]
    .map(|(program, title, before, after)| {
        let pasted = section(title);
        let flag = if title.starts_with("Node") { "-e" } else { "-c" };
        let run = Command::new(program)
            .args([flag, &format!("{before}{pasted}{after}")])
            .env("NODE_PATH", &modules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (title, pasted, run)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    for (title, pasted, run) in runs {
        assert!(!pasted.is_empty(), "{title} is not in the text: {text}");
        assert!(run.status.success(), "{title}:\n{pasted}{}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn what_cannot_be_served_ends_with_its_code_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::start(folder.path(), &[]);
    let busy = store.text("endpoint").trim_start_matches("http://").to_owned();
    let other = tempfile::tempdir().unwrap();
    let file = other.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for (folder, flags, code) in [
        (folder.path(), &["--listen", "127.0.0.1:0"][..], 9),
        (other.path(), &["--listen", busy.as_str()], 9),
        (other.path(), &["--listen", "127.0.0.1:0", "--fault", "kind=nonsense"], 2),
        (other.path(), &["--listen", "127.0.0.1:0", "--bucket", "No"], 2),
        (other.path(), &["--host", "nothing"], 2),
        (other.path(), &["--listen", "127.0.0.1:0", "--variant", "several-ranges=perhaps"], 2),
        (file.as_path(), &["--listen", "127.0.0.1:0"], 8),
    ] {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
            .args(["serve", "--admin", "127.0.0.1:0"])
            .args(flags)
            .arg(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {said}");
        assert!(output.stdout.is_empty() && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn the_demo_tells_a_story_that_ends_well_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for part in ["cut twice", "kill -9", "Kept from the killed program", "replaced", "crc64:", "byte for byte"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
