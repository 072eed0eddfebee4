//! What `show` tells people.

use super::facts::{Facts, FetchFacts, FinishedFacts, Partial};
use crate::printable;
use crate::show::text;

/// More ranges than this are summed up.
const RANGES_MAX: usize = 16;

pub(super) fn of(facts: &Facts, explain: bool) -> String {
    match facts {
        Facts::Unfinished(partial) => unfinished(partial, explain),
        Facts::Finished(whole) => finished(whole),
    }
}

/// Lines of `name  value`.
#[derive(Default)]
pub(super) struct Sheet(pub(super) String);

impl Sheet {
    pub(super) fn line(&mut self, name: &str, value: &str) {
        self.0 += &format!("{name:<11} {value}\n");
    }

    pub(super) fn list(&mut self, title: &str, items: impl ExactSizeIterator<Item = String>) {
        let count = items.len();
        self.0 += &format!("\n{title}\n");
        for item in items.take(RANGES_MAX) {
            self.0 += &format!("  {item}\n");
        }
        if count > RANGES_MAX {
            self.0 += &format!("  … and {} more\n", count - RANGES_MAX);
        }
    }
}

fn unfinished(p: &Partial, explain: bool) -> String {
    let mut sheet = Sheet::default();
    let path = printable::here(p.path.as_deref().unwrap_or_default().as_ref());
    sheet.line("file", &format!("{path}, unfinished"));
    if let Some(id) = &p.id {
        sheet.line("id", id);
    }
    sheet.line("source", p.url.as_deref().unwrap_or("unknown: the journal tells it, and there is none to read"));
    if let Some(range) = &p.range {
        sheet.line("range", &text::cut(range));
    }
    if let Some(endpoint) = &p.endpoint {
        sheet.line("store", endpoint);
    }
    if let Some(version) = &p.version_id {
        sheet.line("version", version);
    }
    if let Some(object) = &p.object {
        sheet.line("object", &object.sentence());
    }
    sheet.line("held", &text::share(p.held, p.total));
    sheet.line("next start", &next_start(p));
    if p.needs_link {
        sheet.line("needs", "a fresh link: the old one had secrets in it, which are never stored");
    }
    if p.needs_headers {
        sheet.line("needs", "the headers or the user given before: they are never stored");
    }
    if let Some(holder) = p.holder {
        sheet.line("running", &format!("process {holder} works on it now"));
    }
    if !p.restarts.is_empty() && !explain {
        let count = u32::try_from(p.restarts.len()).unwrap_or(u32::MAX);
        let last = p.restarts.last().map_or("", |r| r.message);
        sheet.line("restarts", &format!("{}; last: {last}", text::times(count)));
    }
    if let Some(problem) = &p.journal_problem {
        sheet.line("journal", &format!("{}: {problem}", p.journal));
    }
    if explain {
        explained(p, &mut sheet);
    }
    sheet.0
}

fn explained(p: &Partial, sheet: &mut Sheet) {
    sheet.line("resumable", &format!("{}: {}", if p.resumable { "yes" } else { "no" }, p.resumable_why));
    let mut any = |title: &str, ranges: &[(u64, u64)]| {
        if !ranges.is_empty() {
            sheet.list(title, ranges.iter().map(|&(start, end)| range(start, Some(end))));
        }
    };
    any("Safe against a power cut:", &p.claimed);
    any("Safe against a kill; read back before anything is built on it:", &p.hinted);
    any("Given up: the partial file is missing or too short for it:", &p.voided);
    if !p.fetch.is_empty() {
        let fetch = |f: &FetchFacts| format!("{}: {}", range(f.start, f.end), f.message);
        sheet.list("To be fetched:", p.fetch.iter().map(fetch));
    }
    let reread = match p.reread {
        _ if p.clean_stop => "nothing: the partial file is as it was left at an orderly stop".to_owned(),
        0 => "nothing".to_owned(),
        bytes => format!("{}; what does not match its checksums is fetched again", text::bytes(bytes)),
    };
    sheet.list("To be read back from the disk:", std::iter::once(reread));
    if let Some(held) = p.kept_older {
        let older = format!("{} of an older version, until the new one is safe", text::bytes(held));
        sheet.list("Kept besides:", std::iter::once(older));
    }
    if !p.restarts.is_empty() {
        sheet.list("Bytes were given up before, because:", p.restarts.iter().map(|r| r.message.to_owned()));
    }
}

fn next_start(p: &Partial) -> String {
    let fetched = p.fetch.iter().map(|f| f.end.map(|end| end.saturating_sub(f.start))).sum::<Option<u64>>();
    let rest = fetched.map_or(String::new(), |bytes| format!("; {} to fetch", text::bytes(bytes)));
    let why = p.next_start_why.as_deref();
    match (p.next_start, why) {
        ("continues", _) if p.held > 0 => format!("goes on with what is held{rest}"),
        ("continues", _) => format!("begins{rest}"),
        ("starts_over", Some(why)) => format!("starts over, because {why}"),
        ("starts_over", None) => "starts from nothing".into(),
        ("finishes_publishing", _) => "has nothing to fetch: the file is whole and gets its name".into(),
        ("refused", Some(why)) => format!("is refused: {why}"),
        _ => "is known to a newer version only".into(),
    }
}

fn finished(w: &FinishedFacts) -> String {
    let mut sheet = Sheet::default();
    sheet.line("file", &format!("{}, finished", printable::here(w.path.as_deref().unwrap_or_default().as_ref())));
    sheet.line("source", &w.url);
    if let Some(range) = &w.range {
        sheet.line("range", &text::cut(range));
    }
    sheet.line("object", &w.object.sentence());
    sheet.line("checked", &w.proof);
    for digest in &w.digests {
        sheet.line("digest", digest);
    }
    if let Some(leftover) = &w.leftover {
        sheet.line("leftover", leftover);
    }
    sheet.line("next start", "asks the source whether it is still the same, and then has nothing to fetch");
    sheet.0
}

/// Inclusive, as people count bytes.
fn range(start: u64, end: Option<u64>) -> String {
    match end {
        Some(end) => format!("bytes {start}-{} ({})", end.saturating_sub(1), text::bytes(end.saturating_sub(start))),
        None => format!("bytes {start}- (to the end)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Restarted;
    use super::*;

    fn partial() -> Partial {
        Partial {
            path: Some("/d/disk.iso".into()),
            id: Some("3f9a".into()),
            url: Some("https://h/disk.iso".into()),
            range: None,
            endpoint: None,
            version_id: None,
            total: Some(4 << 20),
            held: 2 << 20,
            claimed: vec![(0, 1 << 20)],
            hinted: vec![(1 << 20, 2 << 20)],
            resumable: true,
            resumable_why: "a strong ETag".into(),
            next_start: "continues",
            fetch: vec![FetchFacts {
                start: 2 << 20,
                end: Some(4 << 20),
                reason: "not_received".into(),
                message: "not received yet",
            }],
            reread: 1 << 20,
            restarts: vec![Restarted { reason: "changed".into(), message: "the source shows another version" }],
            journal: "readable",
            ..Partial::default()
        }
    }

    #[test]
    fn it_says_what_is_held_and_what_comes_next() {
        let text = of(&Facts::Unfinished(Box::new(partial())), false);
        let expected = "\
file        /d/disk.iso, unfinished
id          3f9a
source      https://h/disk.iso
held        2.0 MiB of 4.0 MiB
next start  goes on with what is held; 2.0 MiB to fetch
restarts    once; last: the source shows another version
";
        assert_eq!(text, expected);
    }

    #[test]
    fn explained_it_names_every_range_with_its_reason() {
        let text = of(&Facts::Unfinished(Box::new(partial())), true);
        for part in [
            "resumable   yes: a strong ETag",
            "Safe against a power cut:\n  bytes 0-1048575 (1.0 MiB)",
            "read back before anything is built on it:\n  bytes 1048576-2097151 (1.0 MiB)",
            "To be fetched:\n  bytes 2097152-4194303 (2.0 MiB): not received yet",
            "To be read back from the disk:\n  1.0 MiB; what does not match",
            "because:\n  the source shows another version",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_thousand_ranges_are_summed_up() {
        let many = Partial { claimed: (0..1000).map(|n| (n * 10, n * 10 + 5)).collect(), ..partial() };
        let text = of(&Facts::Unfinished(Box::new(many)), true);
        assert!(text.contains("… and 984 more") && text.lines().count() < 50, "{text}");
    }

    #[test]
    fn each_next_start_has_its_sentence() {
        for (state, why, says) in [
            ("starts_over", Some("x"), "starts over, because x"),
            ("starts_over", None, "starts from nothing"),
            ("finishes_publishing", None, "gets its name"),
            ("refused", Some("y"), "is refused: y"),
        ] {
            let p = Partial { next_start: state, next_start_why: why.map(Into::into), ..partial() };
            assert!(next_start(&p).contains(says));
        }
    }
}
