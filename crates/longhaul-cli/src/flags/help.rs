//! The texts of `--help` that are more than one flag.

use std::fmt::Write as _;

use crate::exit;

pub(crate) const MAIN: &str = "\
Examples:
  longhaul get https://example.com/disk.iso    after an interruption: again
  longhaul put disk.iso oss://bucket/          upload, the same way
  longhaul get oss://films/a.mp4               from an object store; s3:// too
  longhaul show --explain disk.iso             what is held, and what is not
  longhaul probe https://example.com/disk.iso  can this be resumed?
  longhaul demo                                see it work, on this machine
  longhaul serve DIR                           a local OSS-compatible store

`longhaul get -h` is short, `longhaul get --help` has all flags and exit codes.
`longhaul help coming-from`: what curl, wget, aria2, rclone and others call it.";

const GET_EXAMPLES: &str = "\
Examples:
  Download, and go on after Ctrl-C, kill -9, a reboot or a lost network: the same command
    longhaul get https://example.com/disk.iso

  Only the right bytes get the name disk.iso
    longhaul get --checksum sha256:9f86d081… -o disk.iso https://example.com/disk.iso

  A list of URLs into one folder; finished ones are not fetched again
    longhaul get -i urls.txt -d downloads

  The first mebibyte, and the last 100 bytes
    longhaul get --range 0-1048575,-100 -o ends https://example.com/disk.iso

  All objects of a folder in a store (keys and endpoint: docs/stores.md)
    longhaul get -r oss://films/2024/ -d films --include '*.mp4'

  Only if it is newer than the file that is there
    longhaul get --overwrite -z disk.iso -o disk.iso https://example.com/disk.iso

  Unpack what was downloaded; the machine does not go to sleep meanwhile
    longhaul get --keep-awake --exec 'unzip -q \"$1\" -d data' https://example.com/data.zip

  With a token that other users of this machine cannot see
    longhaul get --header-file auth.txt https://example.com/private.tar

  In a script: one JSON object per line, the last one is done or failed
    longhaul get --json https://example.com/disk.iso | jq -r 'select(.event==\"done\") | .verified'";

const GET_FILES: &str = "\
Files:
  While it is not whole, a download lies in FILE.lhpart and its journal in FILE.lhlog. If you
  move one, move both. FILE itself appears when everything is there and right. `longhaul
  cancel FILE` discards a download.

What --exec runs:
  /bin/sh -c COMMAND, once for each file that is there and right, also when it was there already
  ($LONGHAUL_ALREADY is 1 then); not when the object is not modified. $1 and $LONGHAUL_FILE are
  its path, $LONGHAUL_SOURCE where it came from (without secrets), $LONGHAUL_BYTES its length,
  $LONGHAUL_VERIFIED what was verified, $LONGHAUL_ID the transfer. Put $1 in double quotes:
  names may come from a server. Its stdin is empty; with --json its stdout goes to stderr.

Sizes and rates:
  K, M, G and KiB, MiB, GiB are powers of 1024; KB, MB, GB are powers of 1000.";

/// After `longhaul get --help`.
pub(crate) fn get_long() -> String {
    let text = format!(
        "{GET_EXAMPLES}\n\n{GET_FILES}\n\n{SIGNALS}\n\nExit codes (with several URLs: of the first that failed):"
    );
    with_exit_codes(text)
}

fn with_exit_codes(mut text: String) -> String {
    for (exit, meaning) in exit::TABLE {
        let _ = write!(text, "\n  {:>3}  {meaning}", exit.code()); // writing to a String cannot fail
    }
    text + "\n\n`longhaul help coming-from`: what curl, wget, aria2, rclone, aws and ossutil call these flags."
}

const PUT_EXAMPLES: &str = "\
Examples:
  Upload, and go on after Ctrl-C, kill -9, a reboot or a lost network: the same command
    longhaul put disk.iso oss://bucket/images/disk.iso

  Several files, and what is in a folder, under their names
    longhaul put a.iso b.iso oss://bucket/images/
    longhaul put -r photos oss://bucket/photos/ --exclude '*.tmp'

  A store of another address: also OSS_ENDPOINT, OSS_REGION; AWS_ENDPOINT_URL, AWS_REGION
    longhaul put --endpoint http://127.0.0.1:9000 --region us-east-1 disk.iso s3://bucket/

  What another program writes; see below what can be resumed
    tar c photos | longhaul put - oss://bucket/photos.tar

  In a script: one JSON object per line, the last one is done or failed
    longhaul put --json disk.iso oss://bucket/ | jq -r 'select(.event==\"done\") | .verified'";

/// What `get` and `put` do when they are told to stop.
const SIGNALS: &str = "\
Signals:
  SIGINT (Ctrl-C), SIGTERM and SIGHUP stop in order, and what is there is kept. A second one
  within a second is the same one. If the stop takes longer, a later one is told what it
  waits for, and the one after that ends the program at once.";

const PUT_MORE: &str = "\
What is there already:
  An object of the same length and digest, with the metadata, type and class asked for, is
  success without a transfer. Any other object at the key is replaced when all parts are
  there and right, unless --no-overwrite is given. With --callback it is sent in any case.

What is resumed:
  Parts that the store has and whose digests are those of the file. A file that changed is
  never mixed: its upload is removed, and a new one begins. The journals are in the state
  folder, so the same user on the same machine goes on; `longhaul list` shows them,
  `longhaul cancel` removes an upload and what the store keeps of it.

From stdin (-):
  All of it is written to the state folder first, which needs room for it. Once it was read
  whole, an interrupted upload goes on when the same command gets the same input again: it is
  read once more, and parts that the store has are not sent again. Before that nothing is in
  the store, and nothing is kept.

Folders (-r):
  Keys are DEST, a / and the path below the folder. Empty folders are left out: stores have
  none. Links to files are followed; links to folders only with --follow-symlinks, and never
  into a folder that they lie in. What cannot be read is reported, and the rest is uploaded.

What --exec runs:
  /bin/sh -c COMMAND, once for each file that is stored, also when it was there already
  ($LONGHAUL_ALREADY is 1 then). $1 and $LONGHAUL_FILE are its path (none for stdin),
  $LONGHAUL_DESTINATION the object, $LONGHAUL_ETAG and $LONGHAUL_VERSION_ID what the store told,
  $LONGHAUL_BYTES its length, $LONGHAUL_VERIFIED what was verified, $LONGHAUL_ID the transfer.
  Its stdin is empty; with --json its stdout goes to stderr.

Sizes and rates:
  K, M, G and KiB, MiB, GiB are powers of 1024; KB, MB, GB are powers of 1000.";

/// After `longhaul put --help`.
pub(crate) fn put_long() -> String {
    let text = format!(
        "{PUT_EXAMPLES}\n\n{PUT_MORE}\n\n{SIGNALS}\n\nExit codes (with several files: of the first that failed):"
    );
    with_exit_codes(text)
}

pub(crate) const REPAIR: &str = "\
Examples:
  longhaul repair disk.iso                                     from where it came from
  longhaul repair disk.iso 'https://example.com/disk.iso?sig=…'  with a fresh link

  All of FILE is read, and each block compared with the checksum that was recorded when it was
  fetched. Blocks that differ are fetched again, if the source still has the same version (a
  strong validator); if not, exit code 6. The mended file takes the name of FILE at the end, and
  is compared with the digests that FILE had. From another place than before only under such a
  digest, or --checksum. Without a receipt of the file nothing is known of its blocks: exit code
  7; `longhaul get --overwrite` fetches all of it. Objects of up to 1 MiB are fetched anew.";

pub(crate) const ADOPT: &str = "\
Examples:
  What `curl -o disk.iso`, `wget` or `aria2c` left, proven by a digest of the whole
    longhaul adopt --checksum sha256:9f86d081… disk.iso https://example.com/disk.iso

  A browser's unfinished download; the finished file is disk.iso beside it
    longhaul adopt disk.iso.crdownload https://example.com/disk.iso

  No digest is known: blocks of it are compared with the source
    longhaul adopt --trust-overlap disk.iso.part https://example.com/disk.iso

What proves the bytes:
  A digest of the whole, given (--checksum, --checksums) or declared by the server, is compared
  before the file gets its name. If it differs, FILE's bytes are given up, and all is fetched.
  Without one nothing is taken over, but with --trust-overlap.

What becomes of FILE:
  It is only read. Its bytes are copied beside the target (without using more space where the
  file system can share them), in FILE.lhpart. If FILE has the target's name, the finished file
  replaces it; otherwise it stays, unless --remove is given. End the other program first.

  After an interruption the same command goes on; so does `longhaul get` with the same checksum.
  Files of up to 1 MiB are fetched anew. All options of `longhaul get` for one file are there.";

pub(crate) const CANCEL: &str = "\
Examples:
  longhaul cancel disk.iso        an upload of it, or a download to it, that is not running
  longhaul cancel 3f9a            an id, or its beginning, as `longhaul list` shows it
  longhaul cancel --all --keep    forget all, leave parts in the stores and partial files

A transfer that runs in another process is not touched (exit code 9): stop it with Ctrl-C first.";

pub(crate) const CLEAN: &str = "\
Examples:
  longhaul clean                           says what is left over, and asks
  longhaul clean --yes --older-than 7d     in a script; partial files of downloads after a week";

pub(crate) const LIST: &str = "\
Examples:
  longhaul list
  longhaul list --json | jq -r .path
  longhaul list .                what lies here, also if it was moved here
  longhaul list --all            what is over as well, until `longhaul clean` forgets it";

pub(crate) const SHOW: &str = "\
Examples:
  longhaul show disk.iso
  longhaul show --explain 3f9a    an id, or its beginning, as `longhaul list` shows it";

pub(crate) const PROBE: &str = "\
Examples:
  longhaul probe https://example.com/disk.iso
  longhaul probe --json https://example.com/disk.iso | jq .resumable
  longhaul probe oss://films/a.mp4";

pub(crate) const PRESIGN: &str = "\
Examples:
  longhaul presign oss://films/a.mp4 --expires 12h
  curl -o a.mp4 \"$(longhaul presign oss://films/a.mp4)\"
  curl -T a.mp4 \"$(longhaul presign --method put oss://films/a.mp4)\"

Whoever has the link can do what it is for until it ends, or until the keys it was made with end.";

pub(crate) const VERIFY: &str = "\
Examples:
  longhaul verify disk.iso
  longhaul verify --checksum sha256:9f86d081… disk.iso

Exit codes: 0 the file is as it was · 7 it is damaged, or not what was given · 8 nothing is
recorded about it.";

pub(crate) const MAN: &str = "\
Examples:
  longhaul man | man -l -
  longhaul man get > ~/.local/share/man/man1/longhaul-get.1";

pub(crate) const HELP: &str = "\
Examples:
  longhaul help get
  longhaul help coming-from
  longhaul help coming-from rclone";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  longhaul completions bash > ~/.local/share/bash-completion/completions/longhaul
  longhaul completions zsh > ~/.zfunc/_longhaul
  longhaul completions fish > ~/.config/fish/completions/longhaul.fish";

pub(crate) const ADD: &str = "\
Examples:
  longhaul add https://example.com/disk.iso       into this folder
  longhaul add -i urls.txt -d downloads --hold    a list, held until `resume`
  longhaul add --lane night --at 1 https://example.com/big.iso
  longhaul add --put disk.iso oss://bucket/images/

A line for each: its id, its place in the list, its name. When the command ends, it is on the
disk. `longhaul daemon` transfers what is in the list, or `longhaul run`, until nothing is due.
The same source and file again is the same entry, with its new link.";

pub(crate) const LIMIT: &str = "\
Examples:
  longhaul limit                     show the limits
  longhaul limit 2M --most 3         of all downloads together, three at once
  longhaul limit --upload 500k       of all uploads together
  longhaul limit disk.iso 1M         of this one
  longhaul limit --lane night off --timetable 'Mon-Sun 01:00,off 06:00,stop'

Rates are bytes per second; `off` is no limit. What runs obeys at once.";

pub(crate) const RUN: &str = "\
It ends when nothing of the list is due: what waits for its time, or for a person, is left. The
exit code is that of the first entry that failed in this run. Other verbs (pause, add, limit,
watch) reach it while it runs, as they reach a daemon.";
