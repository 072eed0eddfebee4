//! `--netrc`. Goal: the right password goes to the right host and nowhere else, what is given in another way wins, and
//! nothing of the file is ever told. How the file is read is tested beside its parser.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::Bench;
use longhaul_devstore::{Control, Fault, Object, Origin};

const SECRET: &str = "hunter2";

/// What each request was sent as `Authorization`, in clear.
fn sent(origin: &Control) -> Vec<Option<String>> {
    let clear =
        |basic: String| String::from_utf8(BASE64.decode(basic.strip_prefix("Basic ").unwrap()).unwrap()).unwrap();
    origin.log().iter().map(|seen| seen.header("Authorization").map(|value| clear(value.to_string()))).collect()
}

#[test]
fn the_password_of_a_host_is_sent_to_it_and_nowhere_else() {
    let bench = Bench::new();
    let other = Origin::builder().address([127, 0, 0, 2].into()).start().unwrap();
    let object = Object::seeded(1, 1000);
    bench.origin.put("/file", object.clone());
    other.put("/there", object.clone());
    bench.origin.always("/moved", Fault::redirect(302, other.url("/there")));
    let file = bench.root().join("netrc");
    std::fs::write(
        &file,
        format!("machine 127.0.0.1 login me password {SECRET}\ndefault login all password {SECRET}\n"),
    )
    .unwrap();
    let netrc = ["--netrc-file".to_owned(), file.display().to_string()];
    for (args, want) in [
        (&[][..], format!("me:{SECRET}")),
        (&["-u", "you:given"], "you:given".to_owned()),
        (&["-H", "Authorization: Basic eDp5"], "x:y".to_owned()),
    ] {
        let ran = bench.get().args(&netrc).args(args).arg("--overwrite").run();
        ran.expect_code(&bench, 0);
        assert_eq!(sent(&bench.origin).last().unwrap().as_deref(), Some(want.as_str()), "{args:?}");
        let _ = std::fs::remove_file(bench.file());
    }
    let ran = bench.get_url(bench.origin.url("/file").replace("://", "://url:word@")).args(&netrc).run();
    ran.expect_code(&bench, 0);
    assert_eq!(sent(&bench.origin).last().unwrap().as_deref(), Some("url:word"));
    std::fs::remove_file(bench.file()).unwrap();

    let ran = bench.get_url(bench.origin.url("/moved")).args(&netrc).run();
    ran.expect_code(&bench, 0);
    assert_eq!(sent(&bench.origin).last().unwrap().as_deref(), Some(format!("me:{SECRET}").as_str()));
    assert_eq!(sent(&other), [None], "not even the password of everybody else follows a redirect");
    std::fs::remove_file(bench.file()).unwrap();

    let ran = bench.get_url(other.url("/there")).args(&netrc).run();
    ran.expect_code(&bench, 0);
    assert_eq!(sent(&other).last().unwrap().as_deref(), Some(format!("all:{SECRET}").as_str()));
    for path in common::tree(&bench.state()).into_iter().filter(|path| path.is_file()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(SECRET));
    }
}

#[test]
fn a_file_that_is_none_is_refused_without_telling_of_it() {
    let bench = Bench::new();
    let file = bench.root().join("netrc");
    std::fs::write(&file, format!("\n{SECRET}\n")).unwrap();
    let ran = bench.get().arg("--netrc-file").arg(&file).run();
    ran.expect_code(&bench, 2);
    assert!(ran.stderr.contains("line 2") && !ran.stderr.contains(SECRET), "{}", ran.stderr);
    let ran = bench.get().args(["--netrc-file", "/no/such/netrc"]).run();
    ran.expect_code(&bench, 2);
    assert_eq!(bench.origin.requests(), 0);
}

/// Goal: words of other programs cost nothing but one warning. Method: a file with a byte order mark, capitals, ports,
/// and two words that are none of a .netrc's.
#[test]
fn words_that_are_not_known_are_skipped_and_warned_of_once() {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, 1000));
    let file = bench.root().join("netrc");
    let text = format!(
        "\u{feff}Machine 127.0.0.9 Port 80 Login x\nmachine 127.0.0.1\n  port 1\n  protocol https\n  LOGIN me\n  password {SECRET}\n  {SECRET}2\n"
    );
    std::fs::write(&file, text).unwrap();
    let ran = bench.get().arg("--netrc-file").arg(&file).run();
    ran.expect_code(&bench, 0);
    let sent = sent(&bench.origin);
    assert!(sent.iter().all(|sent| sent.as_deref() == Some("me:hunter2")) && !sent.is_empty(), "{sent:?}");
    assert_eq!(ran.stderr.matches("line 4").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
}
