//! The texts of `--help` that are more than one flag.

use std::fmt::Write as _;

use crate::exit;

pub(crate) const MAIN: &str = "\
Examples:
  longhaul get https://example.com/disk.iso      download; run it again after any interruption
  longhaul show --explain disk.iso               what is held, what would be fetched again, and why
  longhaul probe https://example.com/disk.iso    can this be resumed?
  longhaul demo                                  see it work, on this machine
  longhaul serve DIR                             a local OSS-compatible store to develop against

`longhaul get --help` has more examples and the exit codes.";

const GET_EXAMPLES: &str = "\
Examples:
  Download, and go on after Ctrl-C, kill -9, a reboot or a lost network: the same command
    longhaul get https://example.com/disk.iso

  Only the right bytes get the name disk.iso
    longhaul get --checksum sha256:9f86d081… -o disk.iso https://example.com/disk.iso

  A list of URLs into one folder; finished ones are not fetched again
    longhaul get -i urls.txt -d downloads --create-dirs

  With a token that other users of this machine cannot see
    longhaul get --header-file auth.txt https://example.com/private.tar

  In a script: one JSON object a line, the last one is done or failed
    longhaul get --json https://example.com/disk.iso | jq -r 'select(.event==\"done\") | .verified'";

const GET_FILES: &str = "\
Files:
  While it is not whole, a download lies in FILE.lhpart and its journal in FILE.lhlog. If you
  move one, move both. FILE itself appears when everything is there and right. To discard a
  download, delete both.

Sizes and rates:
  K, M, G and KiB, MiB, GiB are powers of 1024; KB, MB, GB are powers of 1000.";

/// After `longhaul get -h`.
pub(crate) fn get_short() -> String {
    format!("{GET_EXAMPLES}\n\n`longhaul get --help` says more.")
}

/// After `longhaul get --help`.
pub(crate) fn get_long() -> String {
    let mut text =
        format!("{GET_EXAMPLES}\n\n{GET_FILES}\n\nExit codes (with several URLs: of the first that failed):");
    for (exit, meaning) in exit::TABLE {
        let _ = write!(text, "\n  {:>3}  {meaning}", exit.code()); // writing to a String cannot fail
    }
    text
}

pub(crate) const LIST: &str = "\
Examples:
  longhaul list
  longhaul list --json | jq -r .path";

pub(crate) const SHOW: &str = "\
Examples:
  longhaul show disk.iso
  longhaul show --explain 3f9a    an id, or its beginning, as `longhaul list` shows it";

pub(crate) const PROBE: &str = "\
Examples:
  longhaul probe https://example.com/disk.iso
  longhaul probe --json https://example.com/disk.iso | jq .resumable";

pub(crate) const VERIFY: &str = "\
Examples:
  longhaul verify disk.iso

Exit codes: 0 the file is as it was downloaded · 7 it is damaged · 8 nothing is recorded about it.";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  longhaul completions bash > ~/.local/share/bash-completion/completions/longhaul
  longhaul completions zsh > ~/.zfunc/_longhaul
  longhaul completions fish > ~/.config/fish/completions/longhaul.fish";
