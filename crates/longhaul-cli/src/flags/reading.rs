//! From the arguments of the process to [`Words`], and what is said when they are none: clap reads them; what it does
//! not know is looked up among the habits of other tools ([`coming_from`]), and only then among misspelt words of our
//! own.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _, Parser as _};

use super::{Words, coming_from, screen};
use crate::exit::Failure;

/// Flags that give up a protection: typing nearly one of these is no reason to offer it.
const RISKY: [&str; 8] =
    ["no-lock", "insecure", "overwrite", "force", "discard", "perhaps-ours", "ignore-source-digest", "anonymous"];

/// Why no command can be run.
pub(crate) enum Unread {
    /// What was asked for instead: help, or the version.
    Shown(clap::builder::StyledStr),
    /// What clap has to say about it.
    Clap(clap::Error),
    /// What we have to say.
    Answer(Failure),
}

/// The words of a command line; the first one is the program's name.
pub(crate) fn read(mut args: Vec<OsString>) -> Result<Words, Unread> {
    if let Some(answer) = runs_of_letters(&args) {
        return Err(Unread::Answer(Failure::usage(answer)));
    }
    let error = match Words::try_parse_from(&args) {
        Ok(words) => return Ok(words),
        Err(error) => error,
    };
    if verb(&args).is_none() && means_get(&args, &error) {
        args.insert(1, "get".into());
        return read(args);
    }
    Err(match error.kind() {
        ErrorKind::DisplayHelp => {
            let long = typed(&args).any(|arg| arg == "--help");
            let verb = verb(&args);
            Unread::Shown(verb.filter(|_| long).and_then(screen::long).unwrap_or_else(|| screen::short(verb)))
        }
        ErrorKind::UnknownArgument => match named(&error, ContextKind::InvalidArg) {
            Some(flag) => Unread::Answer(Failure::usage(unknown_flag(verb(&args), flag))),
            None => Unread::Clap(error),
        },
        ErrorKind::InvalidSubcommand => match named(&error, ContextKind::InvalidSubcommand) {
            Some(word) => Unread::Answer(Failure::usage(unknown_command(word))),
            None => Unread::Clap(error),
        },
        _ => Unread::Clap(error),
    })
}

/// A command line without a command that can only be a `get`: its first word, or a word behind flags of `get`, is a
/// URL or an object.
fn means_get(args: &[OsString], error: &clap::Error) -> bool {
    let is_source = |word: &str| word.contains("://");
    match error.kind() {
        ErrorKind::InvalidSubcommand => named(error, ContextKind::InvalidSubcommand).is_some_and(is_source),
        ErrorKind::UnknownArgument => {
            typed(args).any(|arg| is_source(arg) || arg.starts_with("-i") || arg.starts_with("--input-file"))
        }
        _ => false,
    }
}

/// The arguments that are text, up to `--`.
fn typed(args: &[OsString]) -> impl Iterator<Item = &str> {
    args.iter().skip(1).map_while(|arg| (arg != "--").then_some(arg)).filter_map(|arg| arg.to_str())
}

/// The command that was typed.
fn verb(args: &[OsString]) -> Option<&str> {
    let known = Words::command();
    typed(args).find(|arg| known.find_subcommand(arg).is_some())
}

/// `-nc` would be read as `-n -c`, which means something else.
fn runs_of_letters(args: &[OsString]) -> Option<String> {
    let is_pair =
        |arg: &&str| matches!(arg.as_bytes(), [b'-', a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic());
    let mut pairs = typed(args).filter(is_pair).peekable();
    pairs.peek()?;
    let verb = verb(args).unwrap_or("get");
    pairs.find_map(|flag| Some(format!("{verb}: {}", coming_from::answer_flag(verb, flag)?)))
}

/// The text that clap complains of.
fn named(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

fn unknown_flag(verb: Option<&str>, flag: &str) -> String {
    let words = Words::command();
    let Some(verb) = verb else {
        let lists = "`longhaul --help` lists commands";
        return match coming_from::answer_flag("get", flag) {
            Some(answer) => format!("{answer}. It belongs to a command: `longhaul get`. {lists}"),
            None => format!("there is no {flag} without a command; {lists}"),
        };
    };
    if let Some(answer) = coming_from::answer_flag(verb, flag) {
        return format!("{verb}: {answer}");
    }
    let known = words.find_subcommand(verb).map(|command| long_flags(&words, command)).unwrap_or_default();
    let lists = format!("`longhaul {verb} --help` lists all flags");
    match flag.strip_prefix("--").and_then(|flag| similar(flag, &known)) {
        Some(similar) => format!("{verb}: there is no {flag}; is --{similar} meant? {lists}"),
        None => format!("{verb}: there is no {flag}; {lists}"),
    }
}

fn unknown_command(word: &str) -> String {
    if let Some(answer) = coming_from::answer_command(word) {
        return answer;
    }
    let words = Words::command();
    let known: Vec<String> = words.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let shown = crate::printable::one_line(word);
    match similar(word, &known) {
        Some(similar) => format!("there is no command {shown:?}; is {similar:?} meant? `longhaul --help` lists all"),
        None => format!("there is no command {shown:?}; `longhaul --help` lists all, and `longhaul URL` downloads"),
    }
}

/// The long names that may be typed at a command.
fn long_flags(words: &Command, command: &Command) -> Vec<String> {
    let names = |command: &Command| {
        let names = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(clap::Arg::get_long);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    [names(command), names(words)].concat()
}

/// The known word that was misspelt, or begun: one, or with six letters two typing errors away, or the only one that
/// begins so. A flag of [`RISKY`] is never two errors away.
fn similar<'a>(word: &str, known: &'a [String]) -> Option<&'a str> {
    let begun = known.iter().filter(|known| word.len() >= 3 && known.starts_with(word)).collect::<Vec<_>>();
    if let [only] = begun[..]
        && !RISKY.contains(&only.as_str())
    {
        return Some(only);
    }
    let allowed = |known: &str| match known.len() {
        0..6 => 1,
        _ if RISKY.contains(&known) => 1,
        _ => 2,
    };
    let near = known.iter().map(|known| (typing_errors(word, known), known));
    let nearest = near.filter(|(errors, known)| *errors <= allowed(known)).min_by_key(|(errors, _)| *errors);
    nearest.map(|(_, known)| known.as_str())
}

/// How many letters have to be typed, left out, replaced or exchanged with their neighbour to make one word of the
/// other: the "optimal string alignment" distance.
fn typing_errors(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
