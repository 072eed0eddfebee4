//! What stands in a file of the form of `~/.aws/config` and `~/.ossutilconfig`?
//!
//! Sections in brackets, `key = value` lines, comments that begin a line with `#` or `;`. A key without a value opens a
//! block of indented keys, read as `key.inner`. Keys are compared without regard to case, and of a section that stands
//! there twice the later values win. Lines of another form are passed over: vendors add to it.
//! Values are taken as they stand, with no escapes, because a secret may hold any character.

use std::collections::HashMap;

/// Values by key; the keys in lower case. It has no `Debug`: there are secrets in it.
pub(super) type Section = HashMap<String, String>;

/// A file that was read.
#[derive(Default)]
pub(super) struct Ini(HashMap<String, Section>);

impl Ini {
    pub(super) fn parse(text: &str) -> Self {
        let mut sections: HashMap<String, Section> = HashMap::new();
        let (mut section, mut block) = (None, None);
        for line in text.trim_start_matches('\u{feff}').lines() {
            let words = line.trim();
            if words.is_empty() || words.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = words.strip_prefix('[') {
                // What follows the bracket is a comment.
                section = name.split_once(']').map(|(name, _)| one_blank(name));
                if let Some(name) = &section {
                    sections.entry(name.clone()).or_default();
                }
                block = None;
                continue;
            }
            let (Some(name), Some((key, value))) = (&section, words.split_once('=')) else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            let indented = line.starts_with([' ', '\t']);
            let key = match (&block, indented) {
                (Some(block), true) => format!("{block}.{key}"),
                _ => {
                    block = value.is_empty().then(|| key.clone());
                    key
                }
            };
            if let Some(values) = sections.get_mut(name).filter(|_| !value.is_empty()) {
                values.insert(key, value.to_owned());
            }
        }
        Self(sections)
    }

    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.0.get(name)
    }
}

/// `profile  x` is `profile x`; quotes around the last word are no part of it.
fn one_blank(name: &str) -> String {
    let mut words = name.split_whitespace().map(|word| word.trim_matches('"'));
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + " " + word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(ini: &'a Ini, section: &str, key: &str) -> Option<&'a str> {
        ini.section(section).and_then(|s| s.get(key)).map(String::as_str)
    }

    #[test]
    fn sections_keys_and_blocks_are_read() {
        let text = "\u{feff}stray = 1\n[default]\nA_Key=x = y\r\n; a = 2\n# a = 3\n  indented = 4\nempty =\n\
                    [profile  \"two\"] # comment\ns3 =\n  addressing_style = path\n\tEndpoint_URL = http://h\n\
                    region = r\n  more = m\n[default]\na_key = z\nno line\n[broken\nlost = 1\n";
        let ini = Ini::parse(text);
        let table = [
            ("default", "a_key", Some("z")),
            ("default", "indented", Some("4")),
            ("default", "a", None),
            ("default", "empty", None),
            ("default", "lost", None),
            ("profile two", "s3.addressing_style", Some("path")),
            ("profile two", "s3.endpoint_url", Some("http://h")),
            ("profile two", "region", Some("r")),
            ("profile two", "more", Some("m")),
            ("two", "region", None),
        ];
        for (section, key, want) in table {
            assert_eq!(value(&ini, section, key), want, "{section} {key}");
        }
        assert_eq!(value(&Ini::parse("[d]\nk = a=b#c;\\n\"q\""), "d", "k"), Some("a=b#c;\\n\"q\""));
    }
}
