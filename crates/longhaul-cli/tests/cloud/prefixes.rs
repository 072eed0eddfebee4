//! `get -r`: all objects of a prefix, into a folder, whatever their names are.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::common::{Ran, tree};
use crate::shop::Shop;

fn files(shop: &Shop) -> BTreeSet<String> {
    let folder = shop.bench.folder();
    let files = tree(&folder).into_iter().filter(|path| path.is_file());
    files.map(|path| path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned()).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn recursive(shop: &Shop, prefix: &str, args: &[&str]) -> Ran {
    shop.get(prefix).into_dir(shop.bench.folder()).arg("-r").args(args).run()
}

#[test]
fn a_prefix_becomes_a_folder_and_the_same_command_again_fetches_nothing() {
    let shop = Shop::open();
    for (seed, key) in
        (1..).zip(["logs/a", "logs/2024/b c", "logs/2024/01/ä?#%", "logs.txt", "other/x", "logs/.hidden"])
    {
        shop.store.put_seeded("films", key, seed, 5000).unwrap();
    }
    shop.store.put_seeded("films", "logs/", 9, 0).unwrap();
    shop.store.put_seeded("films", "logs/2024/", 9, 0).unwrap();
    let ran = recursive(&shop, "logs/", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    assert_eq!(files(&shop), set(["a", "2024/b c", "2024/01/ä?#%", ".hidden"]));
    for (seed, name) in [(1, "a"), (2, "2024/b c"), (3, "2024/01/ä?#%")] {
        let content = longhaul_devstore::Content::seeded(seed, 5000);
        assert!(matches!(content.first_difference_in_file(shop.bench.folder().join(name)), Ok(None)), "{name}");
    }
    let ran = recursive(&shop, "logs/", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    let done: Vec<_> = ran.events.iter().filter(|event| event["event"] == "done").collect();
    assert!(done.len() == 4 && done.iter().all(|e| e["already"] == true && e["fetched"] == 0), "{done:?}");
    // A prefix that is no whole name: what follows its last slash belongs to the names.
    let ran = recursive(&shop, "log", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    assert!(files(&shop).contains("logs/2024/b c") && files(&shop).contains("logs.txt"));
    let everything = shop.bench.get_url("oss://films").envs(&shop.env());
    let ran = everything.into_dir(shop.bench.folder()).args(["-r"]).run();
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    assert!(files(&shop).contains("other/x"));
}

#[test]
fn patterns_choose() {
    let shop = Shop::open();
    for key in ["p/a.iso", "p/b.txt", "p/d/c.iso", "p/d/old.iso", "p/e/f/g.iso"] {
        shop.store.put_seeded("films", key, 1, 100).unwrap();
    }
    let ran = recursive(&shop, "p/", &["--include", "*.iso", "--exclude", "old*", "--exclude", "e/**"]);
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    assert_eq!(files(&shop), set(["a.iso", "d/c.iso"]));
}

#[test]
fn names_that_lead_elsewhere_are_refused_one_by_one_and_the_others_come() {
    let shop = Shop::open();
    let hostile =
        ["p/../escaped", "p//absolute", "p/x/../../y", "p/./dot", "p/a\nb", "p/end/", "p/x.lhpart", "p/\u{1b}[31mred"];
    let long = format!("p/{}", "n".repeat(300));
    for key in hostile.into_iter().chain([long.as_str(), "p/good", "p/x/fine"]) {
        shop.store.put_seeded("films", key, 1, 100).unwrap();
    }
    let ran = shop.get("p/").into_dir(shop.bench.folder()).arg("-r").plain().run();
    assert_eq!(ran.code(), 8, "{}", ran.report(&shop.bench));
    assert_eq!(files(&shop), set(["good", "x/fine"]), "{}", ran.stderr);
    assert!(!shop.bench.root().join("escaped").exists() && !PathBuf::from("/absolute").exists());
    assert_eq!(ran.stderr.matches("cannot be saved under its name").count(), hostile.len() + 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
    assert!(ran.stderr.contains("2 done"), "{}", ran.stderr);
}

#[test]
fn a_file_that_would_have_to_be_a_folder_is_told() {
    let shop = Shop::open();
    for key in ["p/a", "p/a-b", "p/a/b", "p/a/c", "p/z"] {
        shop.store.put_seeded("films", key, 1, 100).unwrap();
    }
    let ran = recursive(&shop, "p/", &[]);
    assert_eq!(ran.code(), 8, "{}", ran.report(&shop.bench));
    assert_eq!(files(&shop), set(["a", "a-b", "z"]));
    assert_eq!(ran.stderr.matches("\"p/a\" is an object too").count(), 2, "{}", ran.stderr);
}

#[test]
fn a_list_of_several_pages_comes_whole_with_few_in_memory() {
    let shop = Shop::open();
    let count = 2100;
    for n in 0..count {
        shop.store.put_seeded("films", &format!("many/{n:05}"), n, 10).unwrap();
    }
    shop.store.fault("kind=status op=ListObjectsV2 status=503 code=ServiceUnavailable skip=1 times=1").unwrap();
    let ran = recursive(&shop, "many/", &["-j", "16", "--durability", "process", "--exclude", "*[1-9]"]);
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    assert_eq!(files(&shop).len() as u64, count / 10);
    let pages = shop.log().iter().filter(|line| line.starts_with("ListObjectsV2") && line.contains(" 200 ")).count();
    assert_eq!(pages, 3);
}

#[test]
fn a_bucket_that_is_not_there_or_may_not_be_listed_says_so() {
    let shop = Shop::open();
    let ran = shop.bench.get_url("oss://nobody/").envs(&shop.env()).into_dir(shop.bench.folder()).arg("-r").run();
    shop.expect(&ran, 3, "not_found");
    assert!(ran.stderr.contains("NoSuchBucket"), "{}", ran.stderr);
    let mut env = shop.env();
    env.push(("OSS_ACCESS_KEY_SECRET".to_owned(), "wrong".to_owned()));
    let ran = shop.get_as("", &env).into_dir(shop.bench.folder()).arg("-r").run();
    shop.expect(&ran, 4, "denied");
    let ran = shop.get("empty/").into_dir(shop.bench.folder()).arg("-r").run();
    assert_eq!((ran.code(), ran.events.len()), (0, 0), "{}", ran.report(&shop.bench));
}

#[test]
fn a_signal_stops_the_list_too_and_the_same_command_goes_on() {
    let shop = Shop::open();
    for n in 0..30 {
        shop.store.put_seeded("films", &format!("p/{n:02}"), n, 200_000).unwrap();
    }
    shop.store.fault("kind=stall op=GetObject skip=5 after=100000").unwrap();
    let running = shop.get("p/").into_dir(shop.bench.folder()).args(["-r", "-j", "2"]).start();
    let begun = || running.told().matches("\"started\"").count() >= 6;
    assert!(crate::common::eventually(begun), "{}", running.told());
    running.signal(rustix::process::Signal::INT);
    let ran = running.wait();
    assert_eq!(ran.code(), 130, "{}", ran.report(&shop.bench));
    shop.store.clear_faults();
    let ran = recursive(&shop, "p/", &[]);
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    assert_eq!(files(&shop).len(), 30);
}

/// Objects with names of our working files would be taken for these, or take their place.
#[test]
fn names_of_working_files_are_refused_whatever_the_rest_of_the_name_is() {
    let shop = Shop::open();
    let ours = ["x.lhpart", "x.lhnext", "x.LHLOG", "x.lhlog.bad-1", "x.lhpart~", "x.lhlog~", "x.lhmode~", "x.lhlog~0f"];
    for name in ours {
        shop.store.put_seeded("films", &format!("p/{name}"), 1, 100).unwrap();
    }
    shop.store.put_seeded("films", "p/x", 1, 100).unwrap();
    let ran = shop.get("p/").into_dir(shop.bench.folder()).arg("-r").plain().run();
    assert_eq!(ran.code(), 8, "{}", ran.report(&shop.bench));
    assert_eq!(files(&shop), set(["x"]), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("it ends like the files that unfinished").count(), ours.len(), "{}", ran.stderr);
}

/// A link below the folder leads out of it, or to another file in it: neither is followed, by no later run either.
#[test]
fn a_link_to_a_folder_below_the_folder_is_never_followed() {
    let shop = Shop::open();
    for key in ["p/a/x", "p/a/b/y", "p/z"] {
        shop.store.put_seeded("films", key, 1, 5000).unwrap();
    }
    let outside = shop.bench.root().join("outside");
    std::fs::create_dir_all(outside.join("b")).unwrap();
    symlink(&outside, shop.bench.folder().join("a")).unwrap();
    // The folder itself may be a link: it is the user's choice.
    let link = shop.bench.root().join("link");
    symlink(shop.bench.folder(), &link).unwrap();
    for _ in 0..2 {
        let ran = shop.get("p/").into_dir(&link).arg("-r").plain().run();
        assert_eq!(ran.code(), 8, "{}", ran.report(&shop.bench));
        assert_eq!(tree(&outside).len(), 1, "{:?}", tree(&outside));
        assert!(shop.bench.folder().join("z").is_file(), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("a link stands there, and none is followed").count(), 2, "{}", ran.stderr);
    }
    std::fs::remove_file(shop.bench.folder().join("a")).unwrap();
    let ran = shop.get("p/").into_dir(&link).arg("-r").run();
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    assert!(files(&shop).contains("a/b/y"));
}

/// A link takes the place of a folder between two runs: what was begun in it is neither gone on with nor removed where
/// the link leads to, and what lies there stays.
#[test]
fn a_folder_that_became_a_link_leads_no_later_run_elsewhere() {
    let shop = Shop::open();
    shop.store.put_seeded("films", "p/a/x", 1, crate::common::SIZE).unwrap();
    shop.store.fault("kind=cut op=GetObject after=2000000").unwrap();
    let ran = shop.get("p/").into_dir(shop.bench.folder()).retries(0).args(["-r", "-x", "1"]).run();
    assert_eq!(ran.code(), 10, "{}", ran.report(&shop.bench));
    shop.store.clear_faults();
    let (inside, outside) = (shop.bench.folder().join("a"), shop.bench.root().join("outside"));
    std::fs::rename(&inside, &outside).unwrap();
    symlink(&outside, &inside).unwrap();
    let before = tree(&outside);
    assert!(before.len() >= 2, "{before:?}");
    let ran = recursive(&shop, "p/", &[]);
    assert_eq!(ran.code(), 8, "{}", ran.report(&shop.bench));
    let state = shop.bench.state();
    let state = state.to_str().unwrap();
    for command in [&["list"][..], &["clean", "--yes", "--older-than", "0"], &["cancel", "--all"]] {
        let args: Vec<&str> = command.iter().copied().chain(["--state-dir", state]).collect();
        let ran = shop.longhaul(&args);
        assert_eq!((ran.unsound(), ran.code()), (None, 0), "{command:?}: {}", ran.report(&shop.bench));
        assert_eq!(tree(&outside), before, "{command:?}: {}", ran.report(&shop.bench));
    }
    std::fs::remove_file(&inside).unwrap();
    std::fs::rename(&outside, &inside).unwrap();
    let ran = recursive(&shop, "p/", &[]);
    shop.expect(&ran, 0, "crc64, resumed");
}

#[test]
fn a_prefix_that_is_given_twice_is_fetched_once() {
    let shop = Shop::open();
    for n in 0..20 {
        shop.store.put_seeded("films", &format!("p/{n:02}"), n, 5000).unwrap();
    }
    let ran = shop.get("p/").into_dir(shop.bench.folder()).args(["-r", "-j", "8", "oss://films/p/"]).run();
    assert_eq!(ran.code(), 0, "{}", ran.report(&shop.bench));
    let already = ran.events.iter().filter(|event| event["already"] == true).count();
    assert_eq!((already, files(&shop).len()), (20, 20), "{}", ran.report(&shop.bench));
    // What is complete costs a look at one byte.
    let fetched =
        shop.log().iter().filter(|line| line.starts_with("GetObject") && !line.ends_with("bytes=0-0")).count();
    assert_eq!(fetched, 20, "{:?}", shop.log());
}

/// What a key makes a terminal show is not what it is called: the characters that do it are seen in its name, or
/// replaced.
#[test]
fn characters_that_deceive_the_eye_do_not_reach_a_terminal() {
    let shop = Shop::open();
    let odd = "a\u{202e}gpj.\u{2066}b\u{200f}c\u{61c}d\u{2028}e\u{2029}f";
    shop.store.put_seeded("films", &format!("p/{odd}"), 1, 100).unwrap();
    shop.store.put_seeded("films", &format!("q/{odd}/"), 1, 100).unwrap();
    for (prefix, code) in [("p/", 0), ("q/", 8)] {
        for plain in [true, false] {
            let get = shop.get(prefix).into_dir(shop.bench.folder()).args(["-r", "-vv"]);
            let ran = if plain { get.plain() } else { get }.run();
            assert_eq!(ran.code(), code, "{}", ran.report(&shop.bench));
            for text in [&ran.stdout, &ran.stderr] {
                let obeyed = |c: char| c != '\n' && longhaul::source::is_deceptive(c);
                assert!(!text.contains(obeyed), "{text:?}");
            }
            let url = ran.events.iter().find_map(|event| event["url"].as_str());
            let want = format!("oss://films/{prefix}{odd}{}", if code == 0 { "" } else { "/" });
            assert!(plain || url == Some(want.as_str()), "{url:?}");
        }
    }
    assert_eq!(files(&shop), set([odd]));
}
