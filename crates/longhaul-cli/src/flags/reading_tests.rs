//! What is typed against what is done or said about it.

use super::*;
use crate::flags::VerbWords;

fn args(words: &[&str]) -> Vec<OsString> {
    ["longhaul"].iter().chain(words).map(Into::into).collect()
}

fn answer(words: &[&str]) -> String {
    match read(args(words)) {
        Err(Unread::Answer(failure)) => failure.message,
        Err(Unread::Clap(error)) => error.to_string(),
        _ => panic!("{words:?} is understood"),
    }
}

#[test]
fn a_url_alone_is_a_get() {
    for words in [
        &["http://h/a"][..],
        &["oss://b/k", "-o", "x"],
        &["-o", "get.txt", "http://h/a"],
        &["-x4", "https://h/a"],
        &["-v", "-c", "http://h/a"],
        &["-i", "urls.txt"],
    ] {
        match read(args(words)) {
            Ok(Words { verb: VerbWords::Get(_), .. }) => {}
            _ => panic!("{words:?}"),
        }
    }
    assert!(matches!(read(args(&["list"])), Ok(Words { verb: VerbWords::List(_), .. })));
}

#[test]
fn what_every_get_does_is_taken_silently() {
    for words in [
        &["-c"][..],
        &["--continue"],
        &["--continue=true"],
        &["-C", "-"],
        &["-C-"],
        &["--continue-at", "-"],
        &["-L"],
        &["--location"],
        &["-cL"],
    ] {
        let Ok(words) = read(args(&[&["get"], words, &["http://h/a"]].concat())) else { panic!("{words:?}") };
        let VerbWords::Get(get) = words.verb else { panic!("not a get") };
        assert_eq!((get.urls.as_slice(), get.habits.check()), (&["http://h/a".to_owned()][..], Ok(())));
    }
    let Ok(words) = read(args(&["get", "-C", "1000", "http://h/a"])) else { panic!("taken, to be answered later") };
    let VerbWords::Get(get) = words.verb else { panic!("not a get") };
    assert!(get.habits.check().unwrap_err().contains("--range"));
}

#[test]
fn a_slip_gets_the_right_hint_or_none() {
    for (words, says) in [
        (&["get", "--ouput", "x", "http://h/a"][..], "--output meant?"),
        (&["get", "--limitrate=1M", "http://h/a"], "--limit-rate meant?"),
        (&["get", "--connection", "3", "http://h/a"], "--connections meant?"),
        (&["get", "--no-lok", "http://h/a"], "--no-lock meant?"),
        (&["put", "--no-over", "f", "oss://b/k"], "--no-overwrite meant?"),
        (&["probe", "--jsno", "http://h/a"], "--json meant?"),
        (&["lst"], "\"list\" meant?"),
        (&["dmeo"], "\"demo\" meant?"),
    ] {
        let text = answer(words);
        assert!(text.contains(says) && text.lines().count() == 1, "{words:?}: {text}");
    }
    for words in [
        &["get", "--no-loop", "http://h/a"][..], // two letters from --no-lock
        &["get", "--insec", "http://h/a"],
        &["get", "--force", "http://h/a"],
        &["get", "--path", "http://h/a"],
        &["get", "-Q", "http://h/a"],
        &["frobnicate", "x"],
        &["-Q"],
    ] {
        let text = answer(words);
        assert!(!text.contains("meant?") || text.contains("--path-style"), "{words:?}: {text}");
        assert!(!text.contains("similar") && !text.contains("-- -"), "{words:?}: {text}");
    }
}

#[test]
fn nothing_secret_is_repeated() {
    for words in [
        &["--http-password=hunter2", "http://h/a"][..],
        &["get", "--passwd=hunter2", "http://h/a"],
        &["get", "-Qhunter2", "http://h/a"],
        &["ftp://me:hunter2@h/a", "--no-such"],
    ] {
        let text = answer(words);
        assert!(!text.contains("hunter2"), "{words:?}: {text}");
    }
}

#[test]
fn typing_errors_are_counted() {
    for (a, b, errors) in
        [("", "", 0), ("", "ab", 2), ("list", "lsit", 1), ("output", "ouput", 1), ("no-clobber", "no-lock", 5)]
    {
        assert_eq!((typing_errors(a, b), typing_errors(b, a)), (errors, errors), "{a} {b}");
    }
}
