//! `longhaul list`: the transfers that this machine knows of.

use std::time::{Duration, SystemTime};

use longhaul::TransferInfo;
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
    for warning in &listing.warnings {
        out::say(&format!("warning: {warning}"));
    }
    let shown = listing.transfers.iter().filter(|transfer| list.all || !known::is_dead(transfer));
    let mut rows: Vec<ListRow> = shown.map(ListRow::from).collect();
    rows.sort_by(|a, b| b.updated_ms.cmp(&a.updated_ms).then_with(|| a.id.cmp(&b.id)));
    if list.json {
        json_lines(&rows)?;
    } else if rows.is_empty() {
        out::say("no unfinished transfers");
    } else {
        out::stdout(&table(&rows, since_epoch(SystemTime::now())))?;
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
        }
    }
}

/// Columns as wide as their widest cell. The id is cut: its beginning is enough for `show`.
fn table(rows: &[ListRow], now: Duration) -> String {
    const HEAD: [&str; 6] = ["ID", "STATE", "HELD", "CHANGED", "FILE", "FROM OR TO"];
    let cells = |row: &ListRow| {
        let age = now.saturating_sub(Duration::from_millis(row.updated_ms));
        [
            row.id.chars().take(8).collect(),
            row.state.replace('_', " "),
            text::share(row.held, row.total),
            format!("{} ago", text::whole(age.as_secs())),
            text::here(row.path.as_deref().unwrap_or_default().as_ref()),
            match &row.range {
                _ if row.kind == "upload" => format!("to {}", row.url),
                Some(range) => format!("{} --range {}", row.url, text::cut(range)),
                None => row.url.clone(),
            },
        ]
    };
    let lines: Vec<[String; 6]> = std::iter::once(HEAD.map(String::from)).chain(rows.iter().map(cells)).collect();
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += &printable::plain(padded.join("  ").trim_end()).replace('\n', "?");
        text.push('\n');
    }
    text
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
        };
        let upload = ListRow { kind: "upload", url: "oss://b/k".into(), ..row("/d/c", "interrupted") };
        let rows = [row("/d/a", "paused"), row("/d/\u{1b}[2J\nb", "needs_link"), upload];
        let text = table(&rows, Duration::from_secs(62));
        let expected = "\
ID        STATE        HELD                CHANGED       FILE       FROM OR TO
01234567  paused       1.0 MiB of 1.0 GiB  1 m 01 s ago  /d/a       https://h/a
01234567  needs link   1.0 MiB of 1.0 GiB  1 m 01 s ago  /d/?[2J?b  https://h/a
01234567  interrupted  1.0 MiB of 1.0 GiB  1 m 01 s ago  /d/c       to oss://b/k
";
        assert_eq!(text, expected);
    }
}
