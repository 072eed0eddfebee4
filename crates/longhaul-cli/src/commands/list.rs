//! `longhaul list`: the transfers that this machine knows of.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use longhaul::TransferInfo;
use longhaul::manager::{Entry, Need, ReadList, State};
use serde::Serialize;

use super::{json_lines, known, offline_client, since_epoch};
use crate::exit::{Exit, Failure};
use crate::flags::list::ListOptions;
use crate::out;
use crate::printable;
use crate::show::{path_fields, text};

pub(crate) fn run(list: &ListOptions) -> Result<Exit, Failure> {
    let client = offline_client(&list.state)?;
    let listing = match &list.folder {
        None => client.list()?,
        Some(folder) => known::in_folder(&client, folder)?,
    };
    let queue = match &list.folder {
        None => {
            let mut queue = client.read_list()?;
            if queue.entries.iter().any(|entry| !entry.state.is_over()) {
                queue.look(&client)?;
            }
            queue
        }
        Some(_) => ReadList::default(),
    };
    for warning in listing.warnings.iter().chain(&queue.warnings) {
        out::say(&format!("warning: {warning}"));
    }
    let entries = queue.entries.iter().filter(|entry| list.all || !entry.state.is_over());
    let queued: Vec<ListRow> = entries.enumerate().map(|(place, entry)| ListRow::of_entry(entry, place)).collect();
    let in_queue: HashSet<PathBuf> = queue.entries.iter().filter_map(Entry::path).collect();
    let shown = listing.transfers.iter().filter(|transfer| list.all || !known::is_dead(transfer));
    // What the queue runs has a note of its own as well.
    let shown = shown.filter(|transfer| !in_queue.contains(&transfer.path));
    let mut rows: Vec<ListRow> = shown.map(ListRow::from).collect();
    rows.sort_by(|a, b| b.updated_ms.cmp(&a.updated_ms).then_with(|| a.id.cmp(&b.id)));
    let rows: Vec<ListRow> = queued.into_iter().chain(rows).collect();
    if list.json {
        json_lines(&rows)?;
    } else if rows.is_empty() {
        out::say("no unfinished transfers");
    } else {
        out::stdout(&table(&rows, since_epoch(SystemTime::now()), columns()))?;
    }
    Ok(Exit::Done)
}

/// One transfer, as `--json` shows it.
#[derive(Debug, Serialize)]
struct ListRow {
    id: String,
    kind: &'static str,
    state: String,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    held: u64,
    total: Option<u64>,
    updated_ms: u64,
    needs_link: bool,
    needs_headers: bool,
    error: Option<String>,
    /// Of an entry of the list: its place, from 1, and its lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
}

impl ListRow {
    fn of_entry(entry: &Entry, place: usize) -> Self {
        let (path, path_hex) = path_fields(entry.path().as_deref());
        let at_ms = [entry.ended_ms, entry.started_ms].into_iter().flatten().max().unwrap_or(entry.added_ms);
        let need = match &entry.state {
            State::Needs { what, .. } => Some(*what),
            _ => None,
        };
        let from = entry.sources.first().cloned().unwrap_or_default();
        Self {
            id: entry.id.to_string(),
            kind: entry.kind.name(),
            state: entry.state.name().to_owned(),
            path,
            path_hex,
            url: entry.destination.clone().unwrap_or(from),
            range: None,
            held: entry.progress.durable.max(entry.progress.received),
            total: entry.progress.total,
            updated_ms: at_ms,
            needs_link: need == Some(Need::Link),
            needs_headers: need == Some(Need::Headers),
            error: entry.state.reason().map(|reason| reason.message.clone()),
            place: (!entry.state.is_over()).then_some(place + 1),
            lane: Some(entry.lane.clone()),
        }
    }
}

impl From<&TransferInfo> for ListRow {
    fn from(info: &TransferInfo) -> Self {
        let (path, path_hex) = path_fields(Some(&info.path));
        Self {
            id: info.id.clone(),
            kind: info.kind.name(),
            state: info.state.name().replace(' ', "_"),
            path,
            path_hex,
            url: info.source.clone(),
            range: info.range.clone(),
            held: info.held,
            total: info.total,
            updated_ms: u64::try_from(since_epoch(info.updated).as_millis()).unwrap_or(u64::MAX),
            needs_link: info.needs_link,
            needs_headers: info.needs_headers,
            error: info.error.clone(),
            place: None,
            lane: None,
        }
    }
}

/// How wide the terminal is, when it is one.
fn columns() -> Option<usize> {
    let terminal = console::Term::stdout();
    terminal.size_checked().filter(|_| terminal.is_term()).map(|(_, columns)| usize::from(columns))
}

/// Columns as wide as their widest cell. The id is cut: its beginning is enough for `show`. In a terminal a row is one
/// line, whose last cells are cut in their middle, or left out: `show` has them.
fn table(rows: &[ListRow], now: Duration, columns: Option<usize>) -> String {
    const HEAD: [&str; 6] = ["ID", "STATE", "HELD", "CHANGED", "FILE", "FROM OR TO"];
    let cells = |row: &ListRow| {
        let age = now.saturating_sub(Duration::from_millis(row.updated_ms));
        [
            row.id.chars().take(8).collect(),
            match row.state.as_str() {
                "paused" if row.needs_link => "paused, needs link".to_owned(),
                "needs" if row.needs_link => "needs link".to_owned(),
                "queued" => row.place.map_or_else(|| "queued".to_owned(), |place| format!("queued, {place}.")),
                state => state.replace('_', " "),
            },
            text::share(row.held, row.total),
            format!("{} ago", text::whole(age.as_secs())),
            printable::here(row.path.as_deref().unwrap_or_default().as_ref()),
            match &row.range {
                _ if row.kind == "upload" => format!("to {}", row.url),
                Some(range) => format!("{} --range {}", row.url, text::cut(range)),
                None => row.url.clone(),
            },
        ]
    };
    let mut lines: Vec<[String; 6]> = std::iter::once(HEAD.map(String::from)).chain(rows.iter().map(cells)).collect();
    if let Some(columns) = columns {
        fit(&mut lines, columns);
    }
    let widths = widths(&lines);
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += &printable::plain(padded.join("  ").trim_end()).replace('\n', "?");
        text.push('\n');
    }
    text
}

fn widths(lines: &[[String; 6]]) -> [usize; 6] {
    let mut widths = [0; 6];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// Makes the last two cells so short that a row is no longer than this.
fn fit(lines: &mut [[String; 6]], columns: usize) {
    /// With less room for both, only the file is shown; and never less of it.
    const BOTH_MIN: usize = 44;
    const FILE_MIN: usize = 16;
    let widths = widths(lines);
    let room = columns.saturating_sub(widths[..4].iter().sum::<usize>() + 4 * 2);
    let (file, other) = (widths[4], widths[5]);
    if file + 2 + other <= room {
        return;
    }
    let half = room.saturating_sub(2) / 2;
    let (file, other) = match room < BOTH_MIN {
        true => (file.min(room.max(FILE_MIN)), 0),
        false if file <= half => (file, room - 2 - file),
        false if other <= half => (room - 2 - other, other),
        false => (half, half),
    };
    for line in lines {
        line[4] = text::shortened(&line[4], file);
        line[5] = if other == 0 { String::new() } else { text::shortened(&line[5], other) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_obeyed_by_no_terminal() {
        let row = |path: &str, state: &str| ListRow {
            id: "0123456789abcdef".repeat(2),
            kind: "download",
            state: state.into(),
            path: Some(path.into()),
            path_hex: None,
            url: "https://h/a".into(),
            range: None,
            held: 1 << 20,
            total: Some(1 << 30),
            updated_ms: 1000,
            needs_link: false,
            needs_headers: false,
            error: None,
            place: None,
            lane: None,
        };
        let upload = ListRow { kind: "upload", url: "oss://b/k".into(), ..row("/d/c", "interrupted") };
        let rows = [row("/d/a", "paused"), row("/d/\u{1b}[2J\nb", "needs_link"), upload];
        let text = table(&rows, Duration::from_secs(62), None);
        let expected = "\
ID        STATE        HELD                CHANGED       FILE       FROM OR TO
01234567  paused       1.0 MiB of 1.0 GiB  1 m 01 s ago  /d/a       https://h/a
01234567  needs link   1.0 MiB of 1.0 GiB  1 m 01 s ago  /d/?[2J?b  https://h/a
01234567  interrupted  1.0 MiB of 1.0 GiB  1 m 01 s ago  /d/c       to oss://b/k
";
        assert_eq!(text, expected);
    }

    #[test]
    fn in_a_terminal_a_row_is_one_line() {
        let row = |path: &str, url: &str| ListRow {
            id: "0123456789abcdef".repeat(2),
            kind: "download",
            state: "paused".into(),
            path: Some(path.into()),
            path_hex: None,
            url: url.into(),
            range: None,
            held: 1 << 20,
            total: Some(1 << 30),
            updated_ms: 1000,
            needs_link: true,
            needs_headers: false,
            error: None,
            place: None,
            lane: None,
        };
        let long = format!("/films/{}/end.mkv", "long-name-".repeat(9));
        let rows = [row("/d/a", "https://h/a"), row(&long, &format!("https://h{long}"))];
        for columns in [40, 80, 100, 120, 200, 400] {
            let text = table(&rows, Duration::from_secs(62), Some(columns));
            let most = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(most <= columns.max(80), "{columns}: {most}\n{text}");
            assert!(text.lines().all(|line| line.contains("needs link") || line.starts_with("ID")), "{text}");
            assert_eq!(text.contains("FROM OR TO"), columns >= 120, "{columns}:\n{text}");
            assert_eq!(text.contains('…'), columns < 400, "{columns}:\n{text}");
            assert!(columns < 80 || text.contains("end.mkv"), "the end of a name tells most: {text}");
        }
    }
}
