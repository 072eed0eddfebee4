//! What other tools call it: flags and commands of curl, wget, aria2, ossutil, aws s3 and rclone, and what to type
//! instead.
//!
//! There is one table, `docs/coming-from.md`: people read it there, `longhaul help coming-from` prints it, and flags and
//! commands that longhaul does not have are answered from it. In a row, the first cell holds what is typed elsewhere,
//! each form in backticks; the second what to type here, `nothing` where it is not needed, empty where it does not
//! exist; the third a remark. Where both cells have as many forms, they belong together one by one.

use console::measure_text_width;

const PAGE: &str = include_str!("../../../../docs/coming-from.md");

/// The table of commands has this in place of a tool's name.
const COMMANDS: &str = "typed";

/// One row, as it stands on the page.
#[derive(Debug, Clone, Copy)]
struct Row {
    tool: &'static str,
    /// What is typed here, in the words of the table's head: `longhaul get`, `longhaul put`, or `longhaul`.
    verb: &'static str,
    theirs: &'static str,
    ours: &'static str,
    remark: &'static str,
}

/// What a flag of other tools is here, in a line; `None` where no tool on the page has it. `flag` as it was typed,
/// without its value; `verb` is the command it was given to.
pub(super) fn answer_flag(verb: &str, flag: &str) -> Option<String> {
    let of_verb = |row: &Row| row.verb.strip_prefix("longhaul ") == Some(verb);
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    for row in rows().filter(of_verb) {
        for (index, form) in forms(row.theirs).enumerate() {
            if !form.split(' ').any(|word| name(word) == flag) {
                continue;
            }
            let answer = row.answer(index);
            match answers.iter_mut().find(|(known, _)| *known == answer) {
                Some((_, tools)) if !tools.contains(&row.tool) => tools.push(row.tool),
                Some(_) => {}
                None => answers.push((answer, vec![row.tool])),
            }
        }
    }
    let one = |(answer, tools): &(String, Vec<&str>)| format!("{flag} of {} {answer}", tools.join(", "));
    (!answers.is_empty()).then(|| answers.iter().map(one).collect::<Vec<_>>().join(". "))
}

/// What a command of other tools is here.
pub(super) fn answer_command(word: &str) -> Option<String> {
    let row = rows().find(|row| row.tool == COMMANDS && forms(row.theirs).any(|form| form == word))?;
    Some(format!("{word:?} {}", row.answer(0)))
}

impl Row {
    /// `is -j N here (4 by default)`, for the form of this number in the first cell.
    fn answer(&self, form: usize) -> String {
        let remark = plain(self.remark);
        let also = |before: &str, after: &str| match remark.is_empty() {
            true => String::new(),
            false => format!("{before}{remark}{after}"),
        };
        match self.ours {
            "" => format!("has no counterpart{}", also(": ", "")),
            "nothing" => format!("is not needed{}", also(": ", "")),
            ours => {
                let together = forms(self.theirs).count() == forms(ours).count() && forms(ours).count() > 1;
                let ours = match together {
                    true => forms(ours).nth(form).unwrap_or(ours).to_owned(),
                    false => plain(ours),
                };
                format!("is {ours} here{}", also(" (", ")"))
            }
        }
    }
}

/// All rows of all tables, in the order of the page.
fn rows() -> impl Iterator<Item = Row> {
    let mut head = ("", "");
    PAGE.lines().filter_map(move |line| {
        let cells = cells(line)?;
        match cells {
            [rule, ..] if rule.starts_with("---") => None,
            [tool, verb, ""] if verb.starts_with("longhaul") && !verb.contains('`') && !tool.contains('`') => {
                head = (tool, verb);
                None
            }
            [theirs, ours, remark] => Some(Row { tool: head.0, verb: head.1, theirs, ours, remark }),
        }
    })
}

/// The three cells of a row.
fn cells(line: &'static str) -> Option<[&'static str; 3]> {
    let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.splitn(3, '|').map(str::trim);
    Some([cells.next()?, cells.next()?, cells.next()?])
}

/// What stands between the commas of a cell, without the backticks around it; commas in backticks do not count.
fn forms(cell: &'static str) -> impl Iterator<Item = &'static str> {
    let mut quoted = false;
    let pieces = cell.split(move |c: char| {
        quoted ^= c == '`';
        c == ',' && !quoted
    });
    pieces.map(str::trim).filter(|form| !form.is_empty()).map(|form| {
        let bare = form.strip_prefix('`').and_then(|form| form.strip_suffix('`'));
        bare.filter(|bare| !bare.contains('`')).unwrap_or(form)
    })
}

/// `--split` of `--split=N`.
fn name(word: &str) -> &str {
    word.split_once('=').map_or(word, |(name, _)| name)
}

/// Text without the signs of Markdown: backticks, double stars, targets of links.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("](") {
        let (Some((before, name)), Some((_, after))) = (before.rsplit_once('['), link.split_once(')')) else { break };
        plain += before;
        plain += name;
        rest = after;
    }
    plain += rest;
    // Stars in backticks are meant.
    plain
        .split('`')
        .enumerate()
        .map(|(i, piece)| if i % 2 == 0 { piece.replace("**", "") } else { piece.into() })
        .collect()
}

/// The headings of the page, in lower case.
pub(crate) fn topics() -> Vec<String> {
    PAGE.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_lowercase).collect()
}

/// The page for a terminal of so many columns; only what stands below the heading `of`, where one is given, which may
/// be its first word alone. `None`: there is no such heading.
pub(crate) fn page(of: Option<&str>, columns: usize) -> Option<String> {
    let mut text = String::new();
    let mut paragraph = String::new();
    let mut inside = of.is_none();
    let mut found = inside;
    for line in PAGE.lines() {
        let heading = line.strip_prefix("## ").or_else(|| line.strip_prefix("# "));
        let begins = heading.is_some() || line.is_empty() || line.starts_with('|') || line.starts_with("- ");
        if begins && !paragraph.is_empty() {
            let rest = if paragraph.starts_with("- ") { 2 } else { 0 };
            text += &wrapped(&plain(&std::mem::take(&mut paragraph)), 0, rest, columns);
        }
        if let (Some(of), Some(heading)) = (of, line.strip_prefix("## ")) {
            let heading = heading.to_lowercase();
            inside = heading == of.to_lowercase() || heading.split(' ').next() == Some(&of.to_lowercase());
            found |= inside;
        }
        match (inside, heading, cells(line)) {
            (false, ..) => {}
            (true, Some(heading), _) => text += &format!("{heading}\n"),
            (true, None, Some([rule, ..])) if rule.starts_with("---") => {}
            (true, None, Some([theirs, ours, remark])) => text += &entry(theirs, ours, remark, columns),
            (true, None, None) if line.is_empty() => text.push('\n'),
            (true, None, None) => {
                paragraph += if paragraph.is_empty() { "" } else { " " };
                paragraph += line;
            }
        }
    }
    text += &wrapped(&plain(&paragraph), 0, 0, columns);
    found.then(|| format!("{}\n", text.trim_end()))
}

/// A row: what is typed elsewhere on the left, here on the right, the remark below.
fn entry(theirs: &str, ours: &str, remark: &str, columns: usize) -> String {
    let left = (columns * 2 / 5).clamp(20, 40);
    let (theirs, ours, remark) = (plain(theirs), plain(ours), plain(remark));
    let mut text = wrapped(&theirs, 2, 4, columns);
    let last = text.trim_end().lines().last().map_or(0, measure_text_width);
    if !ours.is_empty() {
        if last < left {
            text.truncate(text.trim_end().len());
            let beside = wrapped(&ours, left, left, columns);
            text += &" ".repeat(left - last);
            text += beside.trim_start();
        } else {
            text += &wrapped(&ours, left, left, columns);
        }
    }
    text + &wrapped(&remark, left + 2, left + 2, columns)
}

/// Words in lines no longer than `columns`, where no word is longer, indented by `first` and then by `rest`.
fn wrapped(text: &str, first: usize, rest: usize, columns: usize) -> String {
    let mut lines = String::new();
    let (mut line, mut width) = (" ".repeat(first), first);
    let mut empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let len = measure_text_width(word);
        if !empty && width + 1 + len > columns {
            lines += line.trim_end();
            lines.push('\n');
            (line, width, empty) = (" ".repeat(rest), rest, true);
        }
        if !empty {
            line.push(' ');
            width += 1;
        }
        line += word;
        (width, empty) = (width + len, false);
    }
    if !empty {
        lines += line.trim_end();
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
#[path = "coming_from_tests.rs"]
mod tests;
