//! Lists: a URL a line (`--input-file`), a header a line (`--header-file`).
//!
//! Blank lines and lines that begin with `#` do not count; a byte order mark and `\r\n` do not disturb. A wrong
//! line is named by its number: its text may be secret.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A longer list is a slip: some other file was named.
const LIST_LEN_MAX: u64 = 64 << 20;

/// Reads a list from a file, or from stdin when it is `-`.
pub(crate) fn read(path: &Path, flag: &str) -> Result<String, String> {
    if path.as_os_str() == "-" {
        return read_all(std::io::stdin().lock(), flag, "stdin");
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| format!("{flag}: cannot read {name} ({e})"))?;
    read_all(file, flag, &name)
}

fn read_all(from: impl Read, flag: &str, name: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    from.take(LIST_LEN_MAX + 1).read_to_end(&mut bytes).map_err(|e| format!("{flag}: cannot read {name} ({e})"))?;
    if bytes.len() as u64 > LIST_LEN_MAX {
        return Err(format!("{flag}: {name} is longer than {} MiB", LIST_LEN_MAX >> 20));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        format!("{flag}: line {line} of {name} is not UTF-8")
    })?;
    Ok(text)
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
    use crate::flags::values;

    #[test]
    fn a_url_a_line() {
        let text = "\u{feff}# mirrors\r\nhttp://h/a\r\n\r\n   \n  https://h/b#part  \n#http://h/c\nhttp://h/d";
        let urls = lines(text, "-i", values::source).unwrap();
        assert_eq!(urls, ["http://h/a", "https://h/b#part", "http://h/d"].map(|url| url.parse().unwrap()));
        assert!(lines("\n# nothing\n", "-i", values::source).unwrap().is_empty());
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let message = lines("http://h/a\n\nftp://h/?sig=hunter2", "-i", values::source).unwrap_err();
        assert!(message.starts_with("-i: line 3: ") && !message.contains("hunter2"), "{message}");
    }

    #[test]
    fn lists_that_are_no_text_or_have_no_end_are_refused() {
        let message = read_all(&b"http://h/a\nhttp://h/\xff"[..], "-i", "x").unwrap_err();
        assert_eq!(message, "-i: line 2 of x is not UTF-8");
        assert!(read_all(std::io::repeat(b'a'), "-i", "x").unwrap_err().contains("longer than"));
        assert!(read(Path::new("/no/such/list"), "-i").unwrap_err().contains("cannot read"));
    }
}
