//! What is done to entries of the list: `pause`, `resume`, `retry`, `now`, `forget`, `move`, `link`, `decide`, `limit`,
//! `watch`, `wait`, `run`. Their words and what they mean.

use clap::Args;
use longhaul::credentials::StoreSettings;

use super::common::{StateChoice, usage};
use super::network::{NetworkOptions, NetworkWords, network};
use super::request::{RequestWords, netrc, request};
use super::store::{self, StoreWords};
use super::values;
use crate::exit::Failure;

#[derive(Args)]
pub(crate) struct EntriesWords {
    /// Ids (the beginning is enough), or files
    #[arg(value_name = "ID|FILE", required_unless_present_any = ["all", "lane", "tag"])]
    what: Vec<String>,

    /// All entries of the list
    #[arg(long, conflicts_with_all = ["what", "lane", "tag"])]
    all: bool,

    /// All entries of this lane
    #[arg(long, value_name = "LANE", conflicts_with_all = ["what", "tag"])]
    lane: Option<String>,

    /// All entries with this word
    #[arg(long, value_name = "WORD", conflicts_with = "what")]
    tag: Option<String>,

    /// Write one JSON object per entry
    #[arg(long)]
    json: bool,
}

/// Which entries are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meant {
    Named(Vec<String>),
    All,
    Lane(String),
    Tag(String),
}

/// What is done to each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Hold,
    Release,
    Retry,
    Now,
    Forget {
        files: bool,
    },
    Decide(String),
    /// To a place, as the API says it; of several, the first goes there and the others behind it.
    Move(PlaceWord),
}

/// Do this to these.
pub(crate) struct ActOptions {
    pub(crate) meant: Meant,
    pub(crate) action: Action,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

/// Where in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaceWord {
    Top,
    Bottom,
    Up(u32),
    Down(u32),
    Before(String),
}

fn meant(words: EntriesWords) -> (Meant, bool) {
    let meant = match (words.all, words.lane, words.tag) {
        (true, ..) => Meant::All,
        (_, Some(lane), _) => Meant::Lane(lane),
        (_, _, Some(tag)) => Meant::Tag(tag),
        _ => Meant::Named(words.what),
    };
    (meant, words.json)
}

pub(super) fn act(words: EntriesWords, action: Action, state: StateChoice) -> Result<ActOptions, Failure> {
    if words.what.iter().any(String::is_empty) {
        return Err(usage("an empty name is no entry"));
    }
    let (meant, json) = meant(words);
    Ok(ActOptions { meant, action, state, json })
}

#[derive(Args)]
pub(crate) struct ForgetWords {
    #[command(flatten)]
    pub(crate) entries: EntriesWords,

    /// Delete the finished files as well
    #[arg(long)]
    pub(crate) files: bool,
}

#[derive(Args)]
pub(crate) struct MoveWords {
    /// Ids or files, and then where to: top, bottom, up N, down N, before ID
    #[arg(value_name = "ID|FILE... WHERE", required = true, num_args = 2..)]
    what: Vec<String>,

    /// Write one JSON object per entry
    #[arg(long)]
    json: bool,
}

pub(super) fn moved(words: MoveWords, state: StateChoice) -> Result<ActOptions, Failure> {
    let (what, place) = place(&words.what)
        .ok_or_else(|| usage("move: say where to behind the entries: top, bottom, up N, down N, or before ID"))?;
    if what.is_empty() {
        return Err(usage("move: name the entries before the place: longhaul move ID top"));
    }
    Ok(ActOptions { meant: Meant::Named(what.to_vec()), action: Action::Move(place), state, json: words.json })
}

/// The entries, and the place behind them.
fn place(words: &[String]) -> Option<(&[String], PlaceWord)> {
    let by = |number: &String| number.parse::<u32>().ok();
    match words {
        [what @ .., word, number] if word == "up" => Some((what, PlaceWord::Up(by(number)?))),
        [what @ .., word, number] if word == "down" => Some((what, PlaceWord::Down(by(number)?))),
        [what @ .., word, id] if word == "before" => Some((what, PlaceWord::Before(id.clone()))),
        [what @ .., word] if word == "top" => Some((what, PlaceWord::Top)),
        [what @ .., word] if word == "bottom" => Some((what, PlaceWord::Bottom)),
        [what @ .., word] if word == "up" => Some((what, PlaceWord::Up(1))),
        [what @ .., word] if word == "down" => Some((what, PlaceWord::Down(1))),
        _ => None,
    }
}

#[derive(Args)]
pub(crate) struct LinkWords {
    /// The entry: an id, or its file
    #[arg(value_name = "ID|FILE")]
    what: String,

    /// Its new link ("-": read from stdin, so that other users of this machine do not see it)
    #[arg(value_name = "URL")]
    link: String,

    #[command(flatten)]
    request: RequestWords,
}

/// Give an entry this link.
pub(crate) struct LinkOptions {
    pub(crate) what: String,
    /// `None`: it is read from stdin.
    pub(crate) link: Option<String>,
    pub(crate) headers: Vec<super::common::Pair>,
    pub(crate) user: Option<super::common::Pair>,
    pub(crate) state: StateChoice,
}

pub(super) fn link(words: LinkWords, state: StateChoice) -> Result<LinkOptions, Failure> {
    if netrc(&words.request)?.is_some() {
        return Err(usage("the list keeps no .netrc: give -u USER:PASSWORD, which is kept in memory"));
    }
    let (headers, user) = request(words.request)?;
    let link = (words.link != "-").then_some(words.link);
    if let Some(link) = &link {
        values::source(link).map_err(usage)?;
    }
    Ok(LinkOptions { what: words.what, link, headers, user, state })
}

#[derive(Args)]
pub(crate) struct DecideWords {
    /// The entry: an id, or its file
    #[arg(value_name = "ID|FILE")]
    what: String,

    /// What is done: replace the file, take another name, begin anew, or leave it
    #[arg(value_parser = ["overwrite", "rename", "restart", "forget"])]
    answer: String,
}

pub(super) fn decide(words: DecideWords, state: StateChoice) -> ActOptions {
    ActOptions { meant: Meant::Named(vec![words.what]), action: Action::Decide(words.answer), state, json: false }
}

#[derive(Args)]
pub(crate) struct LimitWords {
    /// A rate as 500k or 8M, or `off`; before it, an id or file whose own limit it is
    #[arg(value_name = "[ID|FILE] RATE", num_args = 0..=2)]
    what: Vec<String>,

    /// The rate, or --most, of this lane
    #[arg(long, value_name = "LANE")]
    lane: Option<String>,

    /// So many run at once
    #[arg(long, value_name = "N")]
    most: Option<u32>,

    /// The rate of all uploads, not downloads
    #[arg(long, conflicts_with = "lane")]
    upload: bool,

    /// When a lane runs and how fast: 'Mon-Fri 08:00,1M 18:00,off 23:00,stop'; `always` ends that
    #[arg(long, value_name = "TIMETABLE", requires = "lane")]
    timetable: Option<String>,

    /// Write the settings as JSON
    #[arg(long)]
    json: bool,
}

/// What is limited.
pub(crate) struct LimitOptions {
    pub(crate) what: Option<String>,
    /// Bytes per second; 0: no limit. `None`: it stays as it is.
    pub(crate) rate: Option<u64>,
    pub(crate) lane: Option<String>,
    pub(crate) most: Option<u32>,
    pub(crate) upload: bool,
    pub(crate) timetable: Option<String>,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn limit(words: LimitWords, state: StateChoice) -> Result<LimitOptions, Failure> {
    let rate = |text: &str| match text {
        "off" | "none" => Ok(0),
        text => values::rate(text).map_err(|error| usage(format!("limit: {error}; or `off`"))),
    };
    let (what, rate) = match &words.what[..] {
        [] => (None, None),
        [one] => (None, Some(rate(one)?)),
        [what, one, ..] => (Some(what.clone()), Some(rate(one)?)),
    };
    if what.is_some() && (words.lane.is_some() || words.most.is_some() || words.upload) {
        return Err(usage("limit: the rate of one entry, or the limits of a lane or of all: not both"));
    }
    Ok(LimitOptions {
        what,
        rate,
        lane: words.lane,
        most: words.most,
        upload: words.upload,
        timetable: words.timetable,
        state,
        json: words.json,
    })
}

#[derive(Args)]
pub(crate) struct WatchWords {
    /// Ids or files [default: all]
    #[arg(value_name = "ID|FILE")]
    pub(crate) what: Vec<String>,

    /// Write events, one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show these live, or wait for them.
pub(crate) struct WatchOptions {
    pub(crate) what: Vec<String>,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
    /// It ends when they have ended, with the exit code of the first that failed.
    pub(crate) wait: bool,
}

pub(super) fn watch(words: WatchWords, wait: bool, state: StateChoice) -> WatchOptions {
    WatchOptions { what: words.what, state, json: words.json, wait }
}

#[derive(Args)]
pub(crate) struct WorkWords {
    /// Take at most so many bytes per second, as 500k or 8M, whatever the list says
    #[arg(long, value_name = "RATE", help_heading = "Speed")]
    limit_rate: Option<String>,

    /// Write the entries as they change, one JSON object per line
    #[arg(long, help_heading = "What is shown")]
    json: bool,

    /// Show errors only
    #[arg(short, long, help_heading = "What is shown")]
    quiet: bool,

    #[command(flatten)]
    store: StoreWords,

    #[command(flatten)]
    network: NetworkWords,
}

/// Work off the list.
pub(crate) struct WorkOptions {
    pub(crate) limit_rate: u64,
    pub(crate) network: NetworkOptions,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

pub(super) fn work(words: WorkWords, state: StateChoice) -> Result<WorkOptions, Failure> {
    let limit_rate = words.limit_rate.as_deref().map(values::rate).transpose();
    Ok(WorkOptions {
        limit_rate: limit_rate.map_err(|error| usage(format!("--limit-rate: {error}")))?.unwrap_or(0),
        network: network(words.network, None)?,
        store: store::settings(words.store, [])?,
        state,
        json: words.json,
        quiet: words.quiet,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_place_stands_behind_the_entries() {
        for (text, what, expected) in [
            ("a b top", 2, PlaceWord::Top),
            ("a bottom", 1, PlaceWord::Bottom),
            ("a up 3", 1, PlaceWord::Up(3)),
            ("a down", 1, PlaceWord::Down(1)),
            ("a b before c", 2, PlaceWord::Before("c".into())),
            ("up up up 2", 2, PlaceWord::Up(2)),
        ] {
            let given = words(text);
            let (entries, place) = place(&given).unwrap();
            assert_eq!((entries.len(), place), (what, expected), "{text}");
        }
        assert_eq!(place(&words("a b")), None);
        assert_eq!(place(&words("a up x")), None);
    }
}
