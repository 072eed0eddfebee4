//! Files that flags name: lists of what is to be fetched (`--input-file`), of headers (`--header-file`), checksums.
//!
//! Blank lines and lines that begin with `#` do not count; a byte order mark and `\r\n` do not disturb. A wrong
//! line is named by its number: its text may be secret.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use longhaul::Source;
use longhaul::source::Dialect;

use super::entries::Entries;
use super::values;

/// A longer list is a slip: some other file was named.
const LIST_LEN_MAX: u64 = 64 << 20;

/// A list of what is to be fetched, which is read as it is worked off.
pub(crate) struct ListFile {
    /// As messages name it.
    pub(crate) name: String,
    pub(crate) input: ListInput,
    /// How many entries it has, bad ones as well, where it can be read twice.
    pub(crate) entries: Option<usize>,
    /// The first source in it, where it can be read twice.
    pub(crate) first: Option<Source>,
    /// The kinds of stores that are named in it, as far as that is known.
    pub(crate) stores: Vec<Dialect>,
}

pub(crate) enum ListInput {
    /// It can be read again from its beginning.
    File(File),
    /// It comes once, perhaps slowly.
    Stream(Box<dyn Read + Send>),
}

impl ListFile {
    /// Opens the list, `-` being stdin, and looks through it where that is possible.
    ///
    /// # Errors
    /// When it cannot be read, or is empty.
    pub(crate) fn open(path: &Path, flag: &str) -> Result<Self, String> {
        let name = if path.as_os_str() == "-" { "stdin".to_owned() } else { path.display().to_string() };
        let mut list = Self {
            name,
            input: ListInput::Stream(Box::new(std::io::stdin())),
            entries: None,
            first: None,
            stores: Vec::new(),
        };
        if path.as_os_str() == "-" {
            return Ok(list);
        }
        let failed = |e: std::io::Error| format!("{flag}: cannot read {} ({e})", path.display());
        let file = File::open(path).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if facts.is_dir() {
            return Err(format!("{flag}: {} is a folder", path.display()));
        }
        if !facts.is_file() {
            list.input = ListInput::Stream(Box::new(file));
            return Ok(list);
        }
        let mut count = 0;
        for entry in Entries::new(BufReader::new(&file)) {
            count += 1;
            if let Ok(entry) = entry {
                list.stores.extend(values::store_of(&entry.source).filter(|store| !list.stores.contains(store)));
                list.first.get_or_insert(entry.source);
            }
        }
        if count == 0 {
            return Err(format!("{flag}: {} has no URL in it", path.display()));
        }
        list.entries = Some(count);
        list.input = ListInput::File(file);
        Ok(list)
    }
}

/// Reads a file, or stdin when it is `-`, as bytes.
pub(crate) fn read_bytes(path: &Path, flag: &str) -> Result<Vec<u8>, String> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(LIST_LEN_MAX + 1).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(LIST_LEN_MAX + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|e| format!("{flag}: cannot read {name} ({e})"))?;
    match bytes.len() as u64 > LIST_LEN_MAX {
        true => Err(format!("{flag}: {name} is longer than {} MiB", LIST_LEN_MAX >> 20)),
        false => Ok(bytes),
    }
}

/// Reads a list from a file, or from stdin when it is `-`.
pub(crate) fn read(path: &Path, flag: &str) -> Result<String, String> {
    text(read_bytes(path, flag)?, flag, &path.display().to_string())
}

fn text(bytes: Vec<u8>, flag: &str, name: &str) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        format!("{flag}: line {line} of {name} is not UTF-8")
    })
}

/// The lines that count, each parsed; the first wrong one is named by its number.
pub(crate) fn lines<T>(text: &str, flag: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let counted =
        text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    counted.map(|(index, line)| parse(line).map_err(|e| format!("{flag}: line {}: {e}", index + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_a_line() {
        let text = "\u{feff}# mine\r\nA: 1\r\n\r\n   \n  B: 2  \n#C: 3";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(lines(text, "-H", values::header), Ok(vec![pair("A", "1"), pair("B", "2")]));
        assert!(lines("\n# nothing\n", "-H", values::header).unwrap().is_empty());
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let message = lines("http://h/a\n\nftp://h/?sig=hunter2", "-i", values::source).unwrap_err();
        assert!(message.starts_with("-i: line 3: ") && !message.contains("hunter2"), "{message}");
    }

    #[test]
    fn lists_that_are_no_text_or_have_no_end_are_refused() {
        let message = text(b"http://h/a\nhttp://h/\xff".to_vec(), "-i", "x").unwrap_err();
        assert_eq!(message, "-i: line 2 of x is not UTF-8");
        assert!(read(Path::new("/dev/zero"), "-i").unwrap_err().contains("longer than"));
        assert!(read(Path::new("/no/such/list"), "-i").unwrap_err().contains("cannot read"));
    }
    #[test]
    fn a_list_that_can_be_read_twice_is_looked_through_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, "# a list\noss://films/a\n  out=b\nno url\nhttp://h/b\ns3://films/c\noss://films/d\n")
            .unwrap();
        let list = ListFile::open(&path, "-i").unwrap();
        assert_eq!((list.entries, list.stores), (Some(5), vec![Dialect::Oss, Dialect::S3]));
        assert_eq!(list.first, Some("oss://films/a".parse().unwrap()));
        assert!(matches!(list.input, ListInput::File(_)));
        assert!(matches!(ListFile::open(Path::new("/dev/null"), "-i").unwrap().input, ListInput::Stream(_)));
        std::fs::write(&path, "# nothing\n").unwrap();
        assert!(ListFile::open(&path, "-i").err().unwrap().contains("no URL in it"));
        assert!(ListFile::open(folder.path(), "-i").err().unwrap().contains("is a folder"));
        assert!(ListFile::open(Path::new("/no/such/list"), "-i").err().unwrap().contains("cannot read"));
    }
}
