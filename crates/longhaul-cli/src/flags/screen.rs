//! `-h` and `--help` as they are printed: `-h` fits a screen, with the flags that are wanted first and some examples;
//! `--help` has all flags, in groups.

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory as _};

use super::Words;

/// What `-h` of a command shows, where that is not all that there is.
struct Screen {
    verb: &'static str,
    usage: &'static str,
    /// By their long names, in this order, each in a line of 80 columns.
    flags: &'static [(&'static str, &'static str)],
    /// Lines of a shell.
    examples: &'static str,
}

const SCREENS: [Screen; 15] = [
    Screen {
        verb: "get",
        usage: "longhaul get [OPTIONS] SOURCE...",
        flags: &[
            ("output", "Save as FILE, not under the server's name"),
            ("dir", "Save in this folder; it is created"),
            ("input-file", "Fetch the URLs in FILE, one per line"),
            ("recursive", "Fetch all objects below oss://BUCKET/FOLDER/"),
            ("checksum", "Publish only a file with this digest"),
            ("overwrite", "Replace an existing file, at the end"),
            ("connections", "Connections for each file"),
            ("jobs", "Files side by side"),
            ("limit-rate", "Bytes per second for all, as 500k or 8M"),
            ("header", "Send this header; may be repeated"),
            ("user", "User and password for the server"),
            ("proxy", "Go through this proxy, or through none"),
            ("json", "Events on stdout, one JSON object per line"),
            ("quiet", "Show errors only"),
            ("verbose", "Log what is done and why"),
        ],
        examples: "  \
  longhaul get https://example.com/disk.iso        after an interruption: again
  longhaul get -i urls.txt -d downloads            a list, into a folder
  longhaul get -x 8 --limit-rate 4M -o new.iso https://example.com/disk.iso
  longhaul get --range 0-1048575,-100 -o ends https://example.com/disk.iso
  longhaul get -r oss://films/2024/ -d films       from a store, all of a folder
  longhaul get --json https://example.com/disk.iso | jq -r .event",
    },
    Screen {
        verb: "put",
        usage: "longhaul put [OPTIONS] FILE... DEST",
        flags: &[
            ("recursive", "Upload what is in folders"),
            ("include", "Of folders, take only files that match"),
            ("exclude", "Of folders, leave out files that match"),
            ("connections", "At most, for each file"),
            ("jobs", "Files side by side"),
            ("limit-rate", "Bytes per second for all, as 500k or 8M"),
            ("no-overwrite", "Refuse to replace an object: exit code 6"),
            ("content-type", "Content type of the object"),
            ("meta", "Metadata of the object; may be repeated"),
            ("storage-class", "IA, Archive; STANDARD_IA"),
            ("endpoint", "The store's address, in place of OSS_ENDPOINT"),
            ("region", "In place of OSS_REGION or AWS_REGION"),
            ("json", "Events on stdout, one JSON object per line"),
            ("quiet", "Show errors only"),
            ("verbose", "Log what is done and why"),
        ],
        examples: "  \
  longhaul put disk.iso oss://bucket/images/       after an interruption: again
  longhaul put a.iso b.iso oss://bucket/images/
  longhaul put -r photos oss://bucket/photos/ --exclude '*.tmp'
  longhaul put --no-overwrite disk.iso s3://bucket/disk.iso
  tar c photos | longhaul put - oss://bucket/photos.tar
  longhaul put --json disk.iso oss://bucket/ | jq -r .event",
    },
    Screen {
        verb: "adopt",
        usage: "longhaul adopt [OPTIONS] FILE SOURCE",
        flags: &[
            ("checksum", "Publish only a file with this digest"),
            ("trust-overlap", "Without one: compare blocks of it"),
            ("output", "Save as FILE, not under its own name"),
            ("remove", "Delete the other program's FILE then"),
            ("connections", "Connections for each file"),
            ("header", "Send this header; may be repeated"),
            ("user", "User and password for the server"),
            ("proxy", "Go through this proxy, or through none"),
            ("json", "Events on stdout, one JSON object per line"),
            ("quiet", "Show errors only"),
        ],
        examples: "  \
  longhaul adopt --checksum sha256:9f86… disk.iso https://example.com/disk.iso
  longhaul adopt --trust-overlap disk.iso.part https://example.com/disk.iso",
    },
    Screen {
        verb: "repair",
        usage: "longhaul repair [OPTIONS] FILE [SOURCE]",
        flags: &[
            ("checksum", "The mended file must have this digest"),
            ("connections", "Connections for each file"),
            ("header", "Send this header; may be repeated"),
            ("user", "User and password for the server"),
            ("proxy", "Go through this proxy, or through none"),
            ("json", "Events on stdout, one JSON object per line"),
            ("quiet", "Show errors only"),
        ],
        examples: "  \
  longhaul repair disk.iso
  longhaul repair disk.iso https://mirror.example.com/disk.iso",
    },
    Screen {
        verb: "add",
        usage: "longhaul add [OPTIONS] SOURCE...",
        flags: &[
            ("input-file", "Add the URLs in FILE, one per line"),
            ("put", "Upload: FILE... DEST"),
            ("output", "Save as FILE, not under the server's name"),
            ("dir", "Save in this folder; it is created"),
            ("hold", "Do not run before `longhaul resume`"),
            ("now", "Before all others"),
            ("at", "At this place, 1 being the first"),
            ("lane", "The lane whose limits count"),
            ("tag", "A word to find it by"),
            ("checksum", "Publish only a file with this digest"),
            ("limit-rate", "Bytes per second, as 500k or 8M"),
            ("header", "Send this header; may be repeated"),
            ("json", "One JSON object per entry"),
        ],
        examples: "  \
  longhaul add https://example.com/disk.iso
  longhaul add -i urls.txt -d downloads --hold
  longhaul add --put disk.iso oss://bucket/images/",
    },
    Screen {
        verb: "limit",
        usage: "longhaul limit [OPTIONS] [ID|FILE] [RATE]",
        flags: &[
            ("lane", "The limits of this lane"),
            ("most", "So many run at once"),
            ("upload", "The rate of all uploads, not downloads"),
            ("timetable", "When a lane runs, and how fast"),
            ("json", "Write the settings as JSON"),
        ],
        examples: "  \
  longhaul limit                     show the limits
  longhaul limit 2M --most 3         of all downloads together, three at once
  longhaul limit disk.iso 1M         of this one
  longhaul limit --lane night off --timetable 'Mon-Sun 01:00,off 06:00,stop'",
    },
    Screen {
        verb: "link",
        usage: "longhaul link [OPTIONS] ID|FILE URL",
        flags: &[("header", "Send this header; may be repeated"), ("user", "User and password for the server")],
        examples: "  \
  longhaul link disk.iso 'https://example.com/disk.iso?sig=new'
  longhaul link 3f9a -            the link is read from stdin",
    },
    Screen {
        verb: "run",
        usage: "longhaul run [OPTIONS]",
        flags: &[
            ("limit-rate", "Bytes per second for all, as 500k or 8M"),
            ("endpoint", "The store's address"),
            ("profile", "Keys and settings from this profile"),
            ("proxy", "Go through this proxy, or through none"),
            ("json", "Entries as they change, one object per line"),
            ("quiet", "Show errors only"),
        ],
        examples: "  \
  longhaul run                    until nothing is due
  longhaul run --quiet            from cron",
    },
    Screen {
        verb: "cancel",
        usage: "longhaul cancel [OPTIONS] ID|FILE...",
        flags: &[
            ("all", "All transfers that `longhaul list` shows"),
            ("keep", "Only forget them"),
            ("discard", "Also uploads begun with `put --keep-parts`"),
            ("endpoint", "The store's address"),
            ("profile", "Keys and settings from this profile"),
            ("json", "One JSON object per line"),
        ],
        examples: "  \
  longhaul cancel disk.iso        an upload of it, or a download to it
  longhaul cancel 3f9a            an id, or its beginning: `longhaul list`
  longhaul cancel --all --keep    forget all",
    },
    Screen {
        verb: "clean",
        usage: "longhaul clean [OPTIONS]",
        flags: &[
            ("yes", "Do not ask"),
            ("older-than", "Partial files untouched for so long"),
            ("perhaps-ours", "Uploads as well that are only perhaps ours"),
            ("endpoint", "The store's address"),
            ("profile", "Keys and settings from this profile"),
            ("json", "One JSON object per line; does not ask"),
        ],
        examples: "  \
  longhaul clean                           says what is left over, and asks
  longhaul clean --yes --older-than 7d     in a script",
    },
    Screen {
        verb: "probe",
        usage: "longhaul probe [OPTIONS] SOURCE",
        flags: &[
            ("header", "Send this header; may be repeated"),
            ("user", "User and password for the server"),
            ("version-id", "This version of an object"),
            ("endpoint", "The store's address"),
            ("profile", "Keys and settings from this profile"),
            ("proxy", "Go through this proxy, or through none"),
            ("json", "Write a JSON object"),
        ],
        examples: "  \
  longhaul probe https://example.com/disk.iso
  longhaul probe --json https://example.com/disk.iso | jq .resumable
  longhaul probe oss://films/a.mp4",
    },
    Screen {
        verb: "presign",
        usage: "longhaul presign [OPTIONS] OBJECT",
        flags: &[
            ("method", "What the link is for: get, head, put"),
            ("expires", "How long it works: 900, 15m, 12h, 7d"),
            ("endpoint", "The store's address"),
            ("region", "In place of OSS_REGION or AWS_REGION"),
            ("profile", "Keys and settings from this profile"),
            ("json", "Write a JSON object"),
        ],
        examples: "  \
  longhaul presign oss://films/a.mp4 --expires 12h
  curl -o a.mp4 \"$(longhaul presign oss://films/a.mp4)\"",
    },
    Screen {
        verb: "token",
        usage: "longhaul token new|revoke NAME, longhaul token list",
        flags: &[("scope", "Of read, add and control"), ("json", "Write JSON, one object a line")],
        examples: "  \
  longhaul token new feed --scope read,add    printed once
  longhaul token list
  longhaul token revoke feed",
    },
    Screen {
        verb: "daemon",
        usage: "longhaul daemon [OPTIONS] [start|stop|status|install]",
        flags: &[
            ("listen", "Where to listen"),
            ("no-tcp", "Listen at the Unix socket only"),
            ("root", "Callers by TCP write below this folder only"),
            ("host", "One more name that it is asked by"),
            ("origin", "Let this page use aria2's RPC"),
            ("ready-file", "Is there for as long as the daemon is"),
            ("print", "With install: print the files, write none"),
            ("json", "Write the ready line, or the status, as JSON"),
        ],
        examples: "  \
  longhaul daemon start
  longhaul open                     its page in a browser
  longhaul daemon install           started when you log in",
    },
    Screen {
        verb: "serve",
        usage: "longhaul serve [OPTIONS] DIR|--temp [-- COMMAND...]",
        flags: &[
            ("temp", "Keep the store in a temporary folder"),
            ("bucket", "A bucket that is to be there"),
            ("seed", "Put the files of FOLDER into BUCKET"),
            ("listen", "Where to listen"),
            ("admin", "Where the admin page is"),
            ("key", "An access key in place of a random one"),
            ("anonymous", "Accept requests without a signature"),
            ("fault", "A fault, as 'kind=cut after=1000 times=2'"),
            ("log", "Write a line of JSON about each request"),
            ("ready-file", "Is there for as long as the store is"),
            ("json", "Write the ready line as a JSON object"),
        ],
        examples: "  \
  longhaul serve store --bucket films
  longhaul serve --temp -- pytest                  a store for one command
  longhaul serve store --fault 'op=GetObject kind=cut after=1000000 times=2'",
    },
];

/// What `-h` shows, of a command or of longhaul itself.
pub(crate) fn short(verb: Option<&str>) -> StyledStr {
    match verb.and_then(short_command) {
        Some(mut command) => command.render_help(),
        None => Words::command().render_help(),
    }
}

/// What `--help` of a command shows; `None`: there is no such command.
pub(crate) fn long(verb: &str) -> Option<StyledStr> {
    // With a flag and what it does side by side, as in `-h`: half the lines of clap's own `--help`.
    Some(command(verb)?.render_help())
}

fn command(verb: &str) -> Option<Command> {
    let mut words = Words::command();
    words.build();
    words.find_subcommand(verb).cloned()
}

fn short_command(verb: &str) -> Option<Command> {
    let command = command(verb)?;
    let Some(screen) = SCREENS.iter().find(|screen| screen.verb == verb) else { return Some(command) };
    let place = |arg: &Arg| screen.flags.iter().position(|(name, _)| arg.get_long() == Some(name));
    let command = command.mut_args(|arg| match place(&arg) {
        Some(place) => arg.help(screen.flags[place].1).display_order(place).hide(false).hide_possible_values(true),
        None => arg.hide(true),
    });
    let examples = screen.examples.trim_start();
    let after = format!("Examples:\n  {examples}\n`longhaul {verb} --help`: all flags, more examples");
    let template = "{about}\n{usage-heading} {usage}\n\n{options}{after-help}";
    Some(command.override_usage(screen.usage).help_template(template).after_help(after))
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
