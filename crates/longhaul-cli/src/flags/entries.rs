//! Lists of what is to be fetched (`get -i`): what each entry asks for.
//!
//! ```text
//! # a comment
//! https://example.com/a.iso
//! https://example.com/get?id=7<TAB>b.iso<TAB>sha256:9f86…
//! https://example.com/c.iso
//!   out=c-2.iso
//!   checksum=sha-256=9f86…
//! ```
//!
//! The second form has tabs between a URL, a name below `--dir` (or none) and any number of checksums; the third one
//! is aria2's: lines that begin with a blank are options of the URL before them. Options of aria2's that are about how
//! it works are skipped; one that is about what is fetched and has no meaning here makes its entry a bad one. A bad
//! entry says what is wrong and is no end of the list.

use std::io::{BufRead, Read as _};
use std::path::{Component, Path, PathBuf};

use longhaul::{Digest, Source};

use super::common::Pair;
use super::values;

/// A longer line is none of a list.
const LINE_LEN_MAX: u64 = 64 << 10;
/// A list that begins with so many bad entries is another kind of file.
const BAD_AT_BEGIN_MAX: usize = 20;

/// One thing to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListEntry {
    /// The line of its URL, from 1.
    pub(crate) line: usize,
    pub(crate) source: Source,
    /// Its folder below `--dir`.
    dir: Option<PathBuf>,
    /// Its name there.
    name: Option<PathBuf>,
    pub(crate) digests: Vec<Digest>,
    pub(crate) headers: Vec<Pair>,
}

impl ListEntry {
    fn new(line: usize, source: Source) -> Self {
        Self { line, source, dir: None, name: None, digests: Vec::new(), headers: Vec::new() }
    }

    /// Where it goes, below `--dir`: a file, or only the folder that it goes into (`Err`). `None`: as without a list.
    pub(crate) fn place(&self) -> Option<Result<PathBuf, PathBuf>> {
        match (&self.dir, &self.name) {
            (None, None) => None,
            (Some(dir), None) => Some(Err(dir.clone())),
            (dir, Some(name)) => Some(Ok(dir.clone().unwrap_or_default().join(name))),
        }
    }
}

/// An entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadEntry {
    /// The line that is wrong, from 1.
    pub(crate) line: usize,
    /// What is wrong with it. No secrets.
    pub(crate) why: String,
}

/// The entries of a list, read as they are taken.
pub(crate) struct Entries<R> {
    from: R,
    line: usize,
    /// The entry whose options may follow.
    open: Option<Result<ListEntry, BadEntry>>,
    /// Bad entries before the first good one.
    bad_at_begin: Option<usize>,
    over: bool,
}

impl<R: BufRead> Entries<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, line: 0, open: None, bad_at_begin: Some(0), over: false }
    }

    /// The next line, without its end; `None` at the end of the list.
    fn read_line(&mut self) -> Option<Result<String, String>> {
        let mut bytes = Vec::new();
        let read = (&mut self.from).take(LINE_LEN_MAX + 1).read_until(b'\n', &mut bytes);
        self.line += 1;
        match read {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => {
                self.over = true;
                return Some(Err(format!("it cannot be read ({error})")));
            }
        }
        if bytes.len() as u64 > LINE_LEN_MAX || bytes.contains(&0) {
            self.over = true; // another kind of file
            return Some(Err("this is no line of a list; the rest is not read".to_owned()));
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let bytes = if self.line == 1 { bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes) } else { bytes };
        Some(std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "it is not UTF-8".to_owned()))
    }

    /// Takes a line up; the entry before it, when this one begins another.
    fn take(&mut self, line: Result<String, String>) -> Option<Result<ListEntry, BadEntry>> {
        let number = self.line;
        let text = match line {
            Ok(text) => text,
            Err(why) => return self.open.replace(Err(BadEntry { line: number, why })),
        };
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return None;
        }
        if text.starts_with([' ', '\t'])
            && let Some((name, value)) = option(trimmed)
        {
            match &mut self.open {
                Some(Ok(entry)) => {
                    if let Err(why) = set(entry, name, value) {
                        self.open = Some(Err(BadEntry { line: number, why }));
                    }
                }
                Some(Err(_)) => {} // of a bad entry
                None => {
                    let why = format!("the option {name} has no URL before it");
                    self.open = Some(Err(BadEntry { line: number, why }));
                }
            }
            return None;
        }
        self.open.replace(entry(number, trimmed).map_err(|why| BadEntry { line: number, why }))
    }
}

impl<R: BufRead> Iterator for Entries<R> {
    type Item = Result<ListEntry, BadEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = loop {
            if self.over {
                break self.open.take()?;
            }
            let Some(line) = self.read_line() else {
                self.over = true;
                continue;
            };
            if let Some(whole) = self.take(line) {
                break whole;
            }
        };
        match (&next, &mut self.bad_at_begin) {
            (Ok(_), _) => self.bad_at_begin = None,
            (Err(_), Some(bad)) => {
                *bad += 1;
                if *bad == BAD_AT_BEGIN_MAX && !self.over {
                    (self.over, self.open) = (true, None);
                    let why = "this is no list of URLs: all of its first lines are wrong; the rest is not read";
                    return Some(next.map_err(|bad| BadEntry { why: why.to_owned(), ..bad }));
                }
            }
            (Err(_), None) => {}
        }
        Some(next)
    }
}

/// `URL`, `URL<TAB>NAME`, `URL<TAB>NAME<TAB>CHECKSUM...`.
fn entry(line: usize, text: &str) -> Result<ListEntry, String> {
    let mut fields = text.split('\t').map(str::trim);
    let url = fields.next().unwrap_or_default();
    let source = values::source(url).map_err(|why| match url.contains(' ') {
        true => format!("{why}; a name stands behind a tab"),
        false => why,
    })?;
    let mut entry = ListEntry::new(line, source);
    match fields.next() {
        Some(other) if other.contains("://") => {
            return Err(
                "there are two URLs in it, which aria2 takes for one file; write each in a line of its own".into()
            );
        }
        Some(name) if !name.is_empty() => entry.name = Some(below(name)?),
        _ => {}
    }
    for checksum in fields.filter(|field| !field.is_empty()) {
        entry.digests.push(values::checksum(checksum)?);
    }
    Ok(entry)
}

/// `name=value`, where the name is one of aria2's kind: so a URL with a `=` in it is none.
fn option(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    is_name.then_some((name, value))
}

/// Options that are about how aria2 works, or say what holds here anyway.
const SKIPPED: [&str; 24] = [
    "allow-piece-length-change",
    "always-resume",
    "auto-file-renaming",
    "check-integrity",
    "conditional-get",
    "connect-timeout",
    "continue",
    "enable-http-keep-alive",
    "enable-http-pipelining",
    "file-allocation",
    "gid",
    "http-accept-gzip",
    "lowest-speed-limit",
    "max-connection-per-server",
    "max-file-not-found",
    "max-resume-failure-tries",
    "max-tries",
    "min-split-size",
    "piece-length",
    "realtime-chunk-checksum",
    "retry-wait",
    "split",
    "stream-piece-selector",
    "timeout",
];

fn set(entry: &mut ListEntry, name: &str, value: &str) -> Result<(), String> {
    match name {
        "out" => entry.name = Some(below(value)?),
        "dir" => entry.dir = Some(below(value)?),
        "checksum" => entry.digests.push(values::checksum(value)?),
        "header" => entry.headers.push(values::header(value)?),
        "referer" => entry.headers.push(values::header(&format!("Referer: {value}"))?),
        name if SKIPPED.contains(&name) => {}
        name => {
            return Err(format!(
                "the option {name} cannot stand in a list here (out, dir, checksum, header and referer can); give it \
                 for the whole command, or leave it out"
            ));
        }
    }
    Ok(())
}

/// A list may come from another person, and names in it stay below the folder that was chosen here.
fn below(path: &str) -> Result<PathBuf, String> {
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || path.ends_with('/') && Path::new(path).components().count() == 0 {
        return Err("an empty name names no file".to_owned());
    }
    if !Path::new(path).components().all(stays) || path.chars().any(char::is_control) {
        return Err(
            "a name or folder in a list is below --dir: it does not begin with / and has no .. in it".to_owned()
        );
    }
    let plain = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect::<PathBuf>();
    if plain.as_os_str().is_empty() {
        return Err("that names no file".to_owned());
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<Result<ListEntry, BadEntry>> {
        Entries::new(text.as_bytes()).collect()
    }

    fn bad(text: &str) -> (usize, String) {
        let found = entries(text);
        let bad: Vec<_> = found.into_iter().filter_map(Result::err).collect();
        assert_eq!(bad.len(), 1, "{text}: {bad:?}");
        (bad[0].line, bad[0].why.clone())
    }

    #[test]
    fn a_url_a_line() {
        let text = "\u{feff}# mirrors\r\nhttp://h/a\r\n\r\n   \n  https://h/b#part  \n#http://h/c\nhttp://h/d?x=y";
        let found: Vec<_> = entries(text).into_iter().map(Result::unwrap).collect();
        let urls: Vec<_> = found.iter().map(|entry| entry.source.clone()).collect();
        assert_eq!(urls, ["http://h/a", "https://h/b#part", "http://h/d?x=y"].map(|url| url.parse().unwrap()));
        assert_eq!(found.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 5, 7]);
        assert!(found.iter().all(|entry| entry.place().is_none() && entry.digests.is_empty()));
        assert!(entries("\n# nothing\n").is_empty());
    }

    #[test]
    fn a_name_and_checksums_stand_behind_tabs() {
        let sha = "ab".repeat(32);
        let text =
            format!("http://h/a\tb c.iso\nhttp://h/d\td/e.iso\tsha256:{sha}\t{}\nhttp://h/f\t\t{sha}", "0f".repeat(16));
        let found: Vec<_> = entries(&text).into_iter().map(Result::unwrap).collect();
        let places: Vec<_> = found.iter().map(|entry| entry.place().map(Result::unwrap)).collect();
        assert_eq!(places, [Some("b c.iso".into()), Some("d/e.iso".into()), None]);
        assert_eq!(found.iter().map(|entry| entry.digests.len()).collect::<Vec<_>>(), [0, 2, 1]);
    }

    #[test]
    fn options_of_aria2_are_of_the_url_before_them() {
        let sha = "ab".repeat(32);
        let text = format!(
            "http://h/a\n  out=b.iso\n\tdir=sub\n  # so\n  checksum=sha-256={sha}\n  header=X-A: 1\n  header=X-B: 2\n \
             referer=http://r/\n  split=5\nhttp://h/c?a=b\n dir=./sub/d\nhttp://h/e\n"
        );
        let found: Vec<_> = entries(&text).into_iter().map(Result::unwrap).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].place(), Some(Ok("sub/b.iso".into())));
        assert_eq!(found[0].digests.len(), 1);
        let headers: Vec<_> = found[0].headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(headers, ["X-A", "X-B", "Referer"]);
        assert_eq!(found[1].place(), Some(Err("sub/d".into())));
        assert_eq!(found[2], ListEntry::new(12, "http://h/e".parse().unwrap()));
    }

    #[test]
    fn a_bad_entry_is_told_by_its_line_and_is_no_end() {
        for (text, line, says) in [
            ("http://h/a\n\nftp://h/?sig=hunter2\nhttp://h/b\n", 3, "not supported"),
            ("http://h/a name.iso\n", 1, "behind a tab"),
            ("http://h/a\thttp://g/a\n", 1, "two URLs"),
            ("http://h/a\t/etc/passwd\n", 1, "below --dir"),
            ("http://h/a\t../x\n", 1, "below --dir"),
            ("http://h/a\tx\tsha256:12\n", 1, "64 hexadecimal"),
            ("http://h/a\n  dir=/tmp\n  out=x\n", 2, "below --dir"),
            ("http://h/a\n  out=\n", 2, "names no file"),
            ("http://h/a\n  http-passwd=hunter2\nhttp://h/b\n", 2, "http-passwd cannot stand in a list"),
            ("http://h/a\n  header=Range: hunter2\n", 2, "set by longhaul itself"),
            ("  out=x\nhttp://h/a\n", 1, "no URL before it"),
        ] {
            let (at, why) = bad(text);
            assert!(at == line && why.contains(says) && !why.contains("hunter2"), "{text}: {at}: {why}");
        }
        let found = entries("http://h/a\nnot a url\nhttp://h/b\n");
        assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        let found: Vec<_> = Entries::new(&b"http://h/a\n\xff\nhttp://h/b"[..]).collect();
        assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn another_kind_of_file_is_not_read_to_its_end() {
        assert_eq!(entries(&"no url\n".repeat(1000)).len(), BAD_AT_BEGIN_MAX);
        assert_eq!(entries(&format!("http://h/a\n{}", "no url\n".repeat(1000))).len(), 1001);
        for endless in [b'a', 0] {
            let found: Vec<_> = Entries::new(std::io::BufReader::new(std::io::repeat(endless))).collect();
            assert!(matches!(&found[..], [Err(bad)] if bad.why.contains("no line of a list")), "{found:?}");
        }
    }
}
