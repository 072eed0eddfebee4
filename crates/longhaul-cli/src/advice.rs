//! What does a user do about an error of the library? The same as any program's user, in this program's flags.

use std::path::Path;

use longhaul::{Advice, Error};

use crate::printable;

/// The error in one line, and what helps.
pub(crate) fn in_full(error: &Error) -> String {
    match error.advice() {
        Some(advice) => joined(&error.to_string(), &words(advice, |key| fact(error, key))),
        None => error.to_string(),
    }
}

/// What happened and what helps. What a store's refusal says to check is nearer than what such refusals have in common:
/// a second "check" says less, or the same again.
fn joined(what: &str, advice: &str) -> String {
    let says_it = what.contains(advice) || advice.starts_with("check ") && what.contains("; check ");
    if says_it { what.to_owned() } else { format!("{what}; {advice}") }
}

/// A fact about the error, by its name.
fn fact<'a>(error: &'a Error, key: &str) -> Option<&'a str> {
    error.context().iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
}

/// The advice in the words of the command line. `fact` gives what is known of the error.
pub(crate) fn words<'a>(advice: Advice, fact: impl Fn(&str) -> Option<&'a str>) -> String {
    match advice {
        Advice::RunAgain => "run the same command again",
        Advice::CheckNetwork => "check the name and the network, and run the same command again",
        Advice::LogIn => "log in and run the same command again",
        Advice::FreshLink => "run the same command with a fresh link",
        Advice::FreshLinkOrCredentials => {
            "run the same command with a fresh link, or give credentials (--user, --netrc, --header)"
        }
        Advice::GiveCredentials => {
            "give credentials: --user NAME:PASSWORD, --netrc to take them from ~/.netrc, or --header"
        }
        Advice::CheckCredentials => "check what was given (--user, --netrc, --header, the URL)",
        Advice::GiveStoreKeys => "bring new credentials and run the same command again",
        Advice::FetchBelow => "to fetch every object below this prefix, add --recursive (-r) and --dir",
        Advice::GiveEndpoint => "give one of them (--endpoint, --region)",
        Advice::GiveRegion => "give it (--region), or sign with version 1 (--signature-version)",
        Advice::TrustIssuer => {
            "if it is one of yours: --ca-cert FILE, with the issuer's certificate or the server's own"
        }
        Advice::ChooseFile => "name a file, or give the folder with --dir",
        Advice::ChooseStateDir => "choose a state directory that can be written (--state-dir)",
        Advice::ChooseKey => "choose another key, or leave out --no-overwrite",
        Advice::AllowOverwrite => "move it away, choose another name, or allow --overwrite",
        Advice::GiveDigestOrOverwrite => {
            "give its --checksum if it may be the right file; or move it away, choose another name, or allow --overwrite"
        }
        Advice::ProvePartial => {
            "give a --checksum of the whole; or compare blocks of it only (--trust-overlap), which proves little; or fetch \
             it anew (`longhaul get`)"
        }
        Advice::JudgeObject => {
            "look at it; then choose another key, replace it (`put --force`), or give this upload up (`cancel`)"
        }
        Advice::BeginAnew => {
            let Some((part, journal)) = fact("part").zip(fact("journal")) else { return advice.to_string() };
            return format!("to give it up and begin anew, delete {part} and {journal} beside the target");
        }
        Advice::CheckDigest => {
            let Some(path) = fact("path").filter(|_| fact("part").is_some()) else { return advice.to_string() };
            let path = printable::shell(&printable::here(Path::new(path)));
            return format!(
                "check the expected digest; with the right one the same command publishes the file without fetching it \
                 again, and `longhaul cancel {path}` gives it up"
            );
        }
        Advice::GoUnlocked => "--no-lock goes on without",
        Advice::MakeRoom => "make room and run the same command again",
        Advice::GiveDigest => {
            "give the right digest (--checksum), which decides; or, if the server's is known to be wrong, \
             --ignore-source-digest"
        }
        Advice::LeaveSourceAlone => "run the same command again when it is not written to any more",
        Advice::SendAsStream => "send it as a stream (`put -`)",
        Advice::LargerParts => "choose a larger part size (--part-size)",
        Advice::SmallerParts => "choose a smaller part size (--part-size)",
        Advice::AllowReading => {
            "the same command again tries once more, with the permission to read the object if possible"
        }
        other => return other.to_string(),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Goal: a user is never sent to a flag that is not there. Method: the flags in this file, looked up in the
    /// commands.
    #[test]
    fn every_flag_that_is_advised_exists() {
        let command = crate::flags::Words::command();
        let source = include_str!("advice.rs");
        let known = |flag: &str| {
            let has = |c: &clap::Command| c.get_arguments().any(|a| a.get_long() == Some(flag));
            has(&command) || command.get_subcommands().any(has)
        };
        let mut seen = 0;
        for piece in source.split("--").skip(1) {
            let flag: String = piece.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if !flag.is_empty() {
                assert!(known(&flag), "--{flag}");
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn nothing_is_said_twice() {
        let store = "oss://b/k: status 403 SignatureDoesNotMatch; check the access key's secret and the region";
        let proxy = "https://h/x: the proxy wants a user and password (status 407)";
        for (what, advice, want) in [
            (store, Advice::CheckStoreKeys, store.to_owned()),
            (store, Advice::CheckStore, store.to_owned()),
            (store, Advice::RunAgain, format!("{store}; run the same command again")),
            (proxy, Advice::GiveProxyCredentials, format!("{proxy}; give user and password in the URL of the proxy")),
            ("x: run the same command again", Advice::RunAgain, "x: run the same command again".to_owned()),
            ("x: not found", Advice::CheckAddress, "x: not found; check the address".to_owned()),
        ] {
            assert_eq!(joined(what, &words(advice, |_| None)), want);
        }
    }

    #[test]
    fn files_that_hold_what_is_given_up_are_named() {
        let fact = |key: &str| match key {
            "part" => Some("x.lhpart"),
            "journal" => Some("x.lhlog"),
            _ => None,
        };
        assert!(words(Advice::BeginAnew, fact).contains("delete x.lhpart and x.lhlog"));
        assert_eq!(words(Advice::BeginAnew, |_| None), Advice::BeginAnew.to_string());
    }
}
