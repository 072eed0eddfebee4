//! `.netrc`: which user and password for which host (`--netrc`, `--netrc-file`).
//!
//! The format is that of ftp(1) with curl's quotes: words between blanks, `machine HOST` or `default` begin an entry of
//! `login`, `password` and `account`; `macdef NAME` lasts until a blank line and is skipped; `#` where an entry or a
//! keyword could begin comments out the rest of the line. A word in quotes may hold blanks, and `\"`, `\\`, `\n`, `\r`,
//! `\t`. Of several entries for a host the first counts; `default` counts for hosts that come before none of their own.
//!
//! Programs have put more into it: keywords are read in capitals too, a byte order mark is passed over, `port N` is
//! skipped, and so is any other word that is none of ours, one by one as curl does; the first such line is told, once.
//!
//! Messages name a line by its number, never by its text.

/// It has no `Debug`: it is passwords.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Netrc {
    entries: Vec<NetrcEntry>,
    /// The first line with a word that was skipped for not being known.
    skipped: Option<usize>,
}

#[derive(Default, PartialEq, Eq)]
struct NetrcEntry {
    /// In lower case; `None` for `default`.
    host: Option<String>,
    login: String,
    password: String,
}

impl Netrc {
    /// Reads the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut words = Tokens { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
        let mut netrc = Self::default();
        while let Some(word) = words.next()? {
            let line = words.line;
            match (word.to_ascii_lowercase().as_str(), netrc.entries.last_mut()) {
                (comment, _) if comment.starts_with('#') => words.skip_line(),
                ("machine", _) => {
                    let host = Some(words.value()?.to_ascii_lowercase());
                    netrc.entries.push(NetrcEntry { host, ..NetrcEntry::default() });
                }
                ("default", _) => netrc.entries.push(NetrcEntry::default()),
                ("macdef", _) => words.skip_macro(),
                ("login", Some(entry)) => entry.login = words.value()?,
                ("password", Some(entry)) => entry.password = words.value()?,
                ("account" | "port", Some(_)) => drop(words.value()?),
                _ => netrc.skipped = netrc.skipped.or(Some(line)),
            }
        }
        match netrc.skipped {
            Some(line) if netrc.entries.is_empty() => {
                Err(format!("line {line}: not a word of a .netrc, and no machine in all of it"))
            }
            _ => Ok(netrc),
        }
    }

    /// The first line with a word that is none of a .netrc's and was skipped, counted from 1.
    pub(crate) fn skipped_line(&self) -> Option<usize> {
        self.skipped
    }

    /// User and password for a host, written as in a URL without brackets.
    pub(crate) fn credentials(&self, host: &str) -> Option<(String, String)> {
        let is_for = |entry: &&NetrcEntry| entry.host.as_ref().is_none_or(|named| named.eq_ignore_ascii_case(host));
        let entry = self.entries.iter().find(is_for)?;
        Some((entry.login.clone(), entry.password.clone()))
    }
}

struct Tokens<'a> {
    rest: &'a str,
    /// Counted from 1.
    line: usize,
}

impl Tokens<'_> {
    /// The next word, without its quotes.
    fn next(&mut self) -> Result<Option<String>, String> {
        let begin = self.rest.find(|c: char| !c.is_whitespace()).unwrap_or(self.rest.len());
        self.pass(begin);
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.rest.starts_with('"') {
            let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
            let word = self.rest[..end].to_owned();
            self.pass(end);
            return Ok(Some(word));
        }
        let mut word = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.pass(at + 1);
                    return Ok(Some(word));
                }
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, 'n')) => word.push('\n'),
                    Some((_, 'r')) => word.push('\r'),
                    Some((_, 't')) => word.push('\t'),
                    Some((_, c)) => word.push(c),
                    None => break,
                },
                c => word.push(c),
            }
        }
        Err(format!("line {}: a quote that does not end", self.line))
    }

    /// The word behind a keyword.
    fn value(&mut self) -> Result<String, String> {
        let line = self.line;
        self.next()?.ok_or_else(|| format!("line {line}: the last word lacks its value"))
    }

    fn skip_line(&mut self) {
        self.pass(self.rest.find('\n').unwrap_or(self.rest.len()));
    }

    /// Up to and with the next blank line.
    fn skip_macro(&mut self) {
        self.skip_line();
        while !self.rest.is_empty() {
            self.pass(1); // the end of the line before
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            let blank = self.rest[..end].trim().is_empty();
            self.pass(end);
            if blank {
                return;
            }
        }
    }

    fn pass(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }
}

/// What `fuzz/` feeds.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &[u8]) {
    let Ok(netrc) = Netrc::parse(&String::from_utf8_lossy(text)) else { return };
    let lines = text.split(|&b| b == b'\n').count();
    assert!(netrc.skipped_line().is_none_or(|line| (1..=lines).contains(&line)));
    let _ = netrc.credentials("h.example");
}

#[cfg(test)]
#[path = "../../../longhaul/src/fuzzing/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, host: &str) -> Option<(String, String)> {
        Netrc::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}")).credentials(host)
    }

    /// The seeds of `fuzz/`, each often with a little damage, as for the decoders of the library.
    #[test]
    fn no_bytes_break_the_reader() {
        let seeds = mutate::files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/netrc"));
        assert!(!seeds.is_empty());
        let mut dice = mutate::Dice(7);
        for _ in 0..4000 {
            let (one, other) = (dice.below(seeds.len()), dice.below(seeds.len()));
            let bytes = mutate::mutated(&seeds[one], &seeds[other], &mut dice);
            let whole = std::panic::catch_unwind(|| fuzz(&bytes));
            assert!(whole.is_ok(), "broke on: {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_entry_of_a_host_is_found() {
        let table = [
            ("machine h login u password p", Some(("u", "p"))),
            ("machine\n\th\r\n  login\tu\n\npassword p\n", Some(("u", "p"))),
            ("machine H password p login u account a", Some(("u", "p"))),
            ("machine a login x password y machine h login u password p", Some(("u", "p"))),
            ("machine h login u password p machine h login v password q", Some(("u", "p"))),
            ("machine a login x password y", None),
            ("machine a login x password y default login u password p", Some(("u", "p"))),
            ("default login u password p machine h login v password q", Some(("u", "p"))),
            ("machine h password p", Some(("", "p"))),
            ("machine h login \"a b\" password \"p \\\"q\\\" \\\\ \\t.\"", Some(("a b", "p \"q\" \\ \t."))),
            ("machine h login u password #p", Some(("u", "#p"))),
            ("# machine h login x password y\nmachine h # mine\nlogin u password p", Some(("u", "p"))),
            (
                "machine a login x\nmacdef init\nmachine h login no password no\n\nmachine h login u password p",
                Some(("u", "p")),
            ),
            ("macdef x\nmachine h login no password no", None),
            ("macdef x\n\nmachine h login u password p", Some(("u", "p"))),
            ("machine h login machine password default", Some(("machine", "default"))),
            ("", None),
            ("\u{feff}machine h login u password p", Some(("u", "p"))),
            ("MACHINE h Login u PassWord p", Some(("u", "p"))),
            ("machine h port 8080 login u password p", Some(("u", "p"))),
            ("machine a port login login x password y\nmachine h login u password p port 1", Some(("u", "p"))),
            ("machine h foo login u bar baz password p qux", Some(("u", "p"))),
            ("login x password y\nmachine h login u password p", Some(("u", "p"))),
            ("DEFAULT login u password p", Some(("u", "p"))),
            ("Macdef x\nmachine h login no\n\nmachine h login u password p", Some(("u", "p"))),
        ];
        for (text, want) in table {
            assert_eq!(of(text, "h"), want.map(|(u, p)| (u.to_owned(), p.to_owned())), "{text:?}");
        }
        assert_eq!(of("machine ::1 login u password p", "::1"), Some(("u".into(), "p".into())));
    }

    #[test]
    fn a_word_that_is_not_known_is_skipped_and_its_line_kept() {
        for (text, line) in [
            ("machine h login u password p port 80 account a", None),
            ("machine h\nlogin u\nprotocol https\npassword p\nfoo", Some(3)),
            ("user x\nmachine h login u password p", Some(1)),
            ("machine h\n\"two words\"", Some(2)),
        ] {
            assert_eq!(Netrc::parse(text).unwrap_or_else(|e| panic!("{e}")).skipped_line(), line, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_not_told() {
        for (text, says) in [
            ("hunter2", "line 1"),
            ("login hunter2", "line 1"),
            ("\nport hunter2", "line 2"),
            ("machine h login u\npassword \"hunter2", "line 2"),
            ("machine h login u password \"hunter2\\", "line 1"),
            ("machine h password", "line 1"),
            ("\nmachine", "line 2"),
        ] {
            let message = Netrc::parse(text).err().unwrap();
            assert!(message.starts_with(says) && !message.contains("hunter2"), "{text:?}: {message}");
        }
    }
}
