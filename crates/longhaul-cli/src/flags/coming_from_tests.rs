//! The page is read row by row: every form of every row has to be answered with what the row says, and what the rows
//! tell to type has to exist.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};

use super::*;
use crate::flags::Words;
use crate::flags::reading::{Unread, read};

fn commands() -> Command {
    let mut words = Words::command();
    words.build();
    words
}

fn verb_of(row: &Row) -> Option<&'static str> {
    row.verb.strip_prefix("longhaul ")
}

/// Flags and their aliases, with their dashes.
fn flags(command: &Command) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for arg in command.get_arguments() {
        flags.extend(arg.get_long_and_visible_aliases().into_iter().flatten().map(|long| format!("--{long}")));
        flags.extend(arg.get_short().map(|short| format!("-{short}")));
    }
    flags
}

fn answer_to(args: &[&str]) -> String {
    let args = ["longhaul"].iter().chain(args).map(Into::into).collect();
    match read(args) {
        Err(Unread::Answer(failure)) => {
            assert_eq!(failure.exit.code(), 2);
            failure.message
        }
        Err(Unread::Clap(error)) => panic!("clap answers: {error}"),
        _ => panic!("no answer"),
    }
}

#[test]
fn the_page_has_a_table_for_each_tool_and_way() {
    let tables: BTreeSet<_> = rows().map(|row| (row.tool, row.verb)).collect();
    let both = ["ossutil", "aws s3", "rclone"];
    for tool in both.into_iter().chain(["curl", "wget", "aria2c"]) {
        assert!(tables.contains(&(tool, "longhaul get")), "{tool}");
        assert!(!both.contains(&tool) || tables.contains(&(tool, "longhaul put")), "{tool}");
    }
    assert!(tables.contains(&(COMMANDS, "longhaul")) && tables.len() == 10, "{tables:?}");
    assert!(rows().count() > 200 && topics().contains(&"rclone".to_owned()));
}

#[test]
fn every_flag_that_we_do_not_have_is_answered_with_its_row() {
    let words = commands();
    let mut answered = 0;
    for row in rows() {
        let Some(verb) = verb_of(&row) else { continue };
        let known = flags(words.find_subcommand(verb).unwrap());
        for (index, form) in forms(row.theirs).enumerate() {
            for flag in form.split(' ').filter(|word| word.starts_with('-') && *word != "-").map(name) {
                if known.contains(flag) {
                    continue;
                }
                let answer = answer_to(&[verb, flag]);
                assert!(answer.contains(&row.answer(index)), "{flag}: {answer}");
                assert!(
                    answer.starts_with(&format!("{verb}: {flag} of ")) && !answer.contains(['\n', '`']),
                    "{answer}"
                );
                answered += 1;
            }
        }
    }
    assert!(answered > 150, "{answered}");
}

#[test]
fn every_command_of_others_is_answered_with_its_row() {
    for row in rows().filter(|row| row.tool == COMMANDS) {
        for word in forms(row.theirs) {
            assert!(commands().find_subcommand(word).is_none(), "{word} is a command of ours");
            let answer = answer_to(&[word, "a", "b"]);
            assert!(answer.contains(&row.answer(0)), "{word}: {answer}");
        }
    }
}

/// Flags in the second cells and the remarks are flags of that command, or stand behind the name of another one.
#[test]
fn what_is_to_be_typed_exists() {
    let words = commands();
    let main = flags(&words);
    for row in rows() {
        for text in [row.ours, row.remark] {
            for form in text.split('`').skip(1).step_by(2) {
                let behind = form.split_once("longhaul ").map_or(form, |(_, behind)| behind);
                let named = behind.split(' ').next().filter(|word| words.find_subcommand(word).is_some());
                // A remark quotes what is typed elsewhere, too.
                let of_theirs = text == row.remark && row.theirs.contains(form.split(' ').next().unwrap());
                let of_another = text == row.remark && form.starts_with(row.tool);
                let known = match named.or(verb_of(&row)) {
                    Some(verb) => flags(words.find_subcommand(verb).unwrap()),
                    None => words.get_subcommands().flat_map(flags).chain(main.clone()).collect(),
                };
                for flag in behind.split(' ').filter(|word| word.starts_with('-') && word.len() > 1) {
                    let flag = if flag == "-vv" { "-v" } else { flag };
                    let is_range = flag[1..].bytes().all(|b| b.is_ascii_digit());
                    let fits = known.contains(name(flag)) || of_theirs || of_another || is_range;
                    assert!(fits, "{flag} in {text:?} ({}, {})", row.tool, row.verb);
                }
            }
        }
    }
}

/// What newcomers typed, by hand, with a word that the answer has to have.
#[test]
fn habits_are_answered() {
    let table: &[(&[&str], &str)] = &[
        (&["get", "-O", "http://h/a"], "is not needed"),
        (&["get", "-O", "http://h/a"], "-o FILE"),
        (&["get", "-P", "sub", "http://h/a"], "-d DIR"),
        (&["get", "-x16", "-s16", "http://h/a"], "-x N"),
        (&["get", "--split=16", "http://h/a"], "-x N"),
        (&["get", "--max-connection-per-server=16", "http://h/a"], "-x N"),
        (&["get", "-N", "http://h/a"], "conditional request"),
        (&["get", "-nc", "http://h/a"], "never replaced without --overwrite"),
        (&["get", "--no-clobber", "http://h/a"], "never replaced without --overwrite"),
        (&["get", "-nv", "http://h/a"], "--progress none"),
        (&["get", "--dry-run", "http://h/a"], "longhaul probe"),
        (&["get", "--http-user=a", "http://h/a"], "-u U:P"),
        (&["get", "--http-password=hunter2", "http://h/a"], "-u U:P"),
        (&["get", "--transfers", "4", "http://h/a"], "-j N"),
        (&["get", "--bwlimit", "4M", "http://h/a"], "--limit-rate RATE"),
        (&["get", "-s", "http://h/a"], "-q"),
        (&["get", "-t", "3", "http://h/a"], "--retries N"),
        (&["get", "-t", "3", "http://h/a"], "--stall-timeout S"),
        (&["get", "--create-dirs", "http://h/a"], "create the folders"),
        (&["get", "--timeout=3", "http://h/a"], "--stall-timeout"),
        (&["put", "--sse", "AES256", "f", "s3://b/k"], "no counterpart: not supported"),
        (&["put", "--acl", "public-read", "f", "oss://b/k"], "no counterpart: not supported"),
        (&["cp", "oss://b/k", "f"], "longhaul get SOURCE -o FILE"),
        (&["ls", "oss://b/"], "longhaul list"),
        (&["sync", "d", "oss://b/d/"], "longhaul put -r DIR DEST"),
        (&["download", "http://h/a"], "longhaul get SOURCE"),
        (&["-s", "http://h/a"], "-q"),
    ];
    for (args, says) in table {
        let answer = answer_to(args);
        assert!(
            answer.contains(says) && !answer.contains("hunter2") && answer.lines().count() == 1,
            "{args:?}: {answer}"
        );
    }
}

#[test]
fn text_loses_the_signs_of_markdown() {
    assert_eq!(plain("**No** `**` `-c` ([events](json-events.md)), `[1-9]`"), "No ** -c (events), [1-9]");
    let all: Vec<_> = forms("`-a 'B, C'`, c d, `--e`, `f` or `g`").collect();
    assert_eq!(all, ["-a 'B, C'", "c d", "--e", "`f` or `g`"]);
}

#[test]
fn the_page_fits_a_terminal() {
    for columns in [60, 80, 100] {
        for topic in topics() {
            let page = page(Some(&topic), columns).unwrap();
            for line in page.lines() {
                let fits = measure_text_width(line) <= columns || line.split_whitespace().count() == 1;
                assert!(fits, "{columns}: {line:?}");
            }
            assert!(page.to_lowercase().starts_with(&topic) && !page.contains('`'), "{page}");
        }
    }
    let whole = page(None, 80).unwrap();
    assert!(whole.contains("Three habits") && whole.contains("--transfers N") && whole.contains("aria2c"));
    let aws = page(Some("aws"), 80).unwrap();
    assert!(aws.contains("--dryrun") && !aws.contains("--transfers"), "{aws}");
    assert_eq!(page(Some("gopher"), 80), None);
}
