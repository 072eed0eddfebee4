//! What is true of all verbs; each verb's own flags are tested beside it.

use std::time::Duration;

use clap::CommandFactory as _;
use longhaul::LinkMethod;

use super::*;
use crate::exit::Exit;

const URL: &str = "https://example.com/a.bin";

fn parse(args: &[&str]) -> Result<Invocation, Failure> {
    let args = ["longhaul", "--state-dir", "/state"].into_iter().chain(args.iter().copied());
    invocation(Words::try_parse_from(args).map_err(|e| Failure::usage(e.to_string()))?)
}

#[test]
fn an_address_in_the_place_of_a_folder_to_list_is_answered() {
    for (address, way) in [
        ("oss://films/2024/", "longhaul get -r"),
        ("s3://films", "longhaul get -r"),
        ("https://h/a?Signature=hushhushhushhush", "longhaul probe"),
    ] {
        let Err(failure) = parse(&["list", address]) else { panic!("{address} is taken for a folder") };
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        assert!(failure.message.contains(way) && !failure.message.contains("hush"), "{}", failure.message);
    }
    for folder in [".", "gone", "oss:"] {
        assert!(matches!(parse(&["list", folder]), Ok(Invocation::List(_))), "{folder}");
    }
}

#[test]
fn the_definitions_hold_together() {
    Words::command().debug_assert();
}

#[test]
fn the_other_commands_are_understood() {
    assert!(matches!(parse(&["list", "--json"]), Ok(Invocation::List(ListOptions { json: true, .. }))));
    assert!(matches!(parse(&["show", "--explain", "x"]), Ok(Invocation::Show(ShowOptions { explain: true, .. }))));
    assert!(matches!(parse(&["probe", "-k", URL]), Ok(Invocation::Probe(probe)) if probe.network.insecure));
    let probe = parse(&["probe", "-u", "a:b", "-H", "C: d", URL]);
    assert!(matches!(probe, Ok(Invocation::Probe(probe)) if probe.user.is_some() && probe.headers.len() == 1));
    let link = parse(&["presign", "oss://bucket/a", "-X", "PUT", "--expires", "2m", "--profile", "p"]);
    assert!(matches!(link, Ok(Invocation::Presign(link)) if link.method == LinkMethod::Put
        && link.life == Duration::from_secs(120) && link.store.profile.as_deref() == Some("p")));
    assert!(matches!(parse(&["verify", "x"]), Ok(Invocation::Verify(_))));
    assert!(matches!(parse(&["completions", "zsh"]), Ok(Invocation::Completions(_))));
    assert!(matches!(parse(&["man", "get"]), Ok(Invocation::Man(Some(_)))));
    for args in [
        &["get"][..],
        &["show"],
        &["verify"],
        &["probe", "ftp://h"],
        &["presign", URL],
        &["presign", "oss://bucket/"],
        &["completions", "tcl"],
        &["put"],
        &[],
    ] {
        assert_eq!(parse(args).err().map(|f| f.exit), Some(Exit::Usage), "{args:?}");
    }
}

#[test]
fn the_help_teaches() {
    let mut words = Words::command();
    words.build();
    let mut of = |name: &str| words.find_subcommand_mut(name).unwrap().render_long_help().to_string();
    let get = of("get");
    for part in [
        "the same command",
        "--checksum sha256:",
        "-i urls.txt",
        "jq",
        "Where to:",
        "What is right:",
        "Network:",
        "Credentials and headers:",
        "What is shown:",
        "Exit codes",
        "143  SIGTERM",
        "powers of 1024",
        "longhaul help coming-from",
        ".lhpart",
    ] {
        assert!(get.contains(part), "get --help lacks {part:?}");
    }
    for name in ["list", "show", "probe", "presign", "verify", "completions"] {
        assert!(of(name).contains("Examples:"), "{name}");
    }
    let main = words.render_help().to_string();
    assert!(main.contains("Examples:") && main.contains("  man "), "{main}");
}
