//! How text from outside is shown.
//!
//! Names, addresses and messages can hold characters that a terminal would obey, or that make it show other text than
//! is there ([`is_deceptive`]). In text for people they are shown as `?`, in JSON as `\u` and four digits, which says
//! the same.

use std::borrow::Cow;
use std::path::Path;

use longhaul::source::is_deceptive;

/// The text with deceptive characters replaced, line ends excepted: what was made of several lines here stays so.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c != '\n' && is_deceptive(c);
    if text.contains(obeyed) { text.replace(obeyed, "?").into() } else { text.into() }
}

/// The text with line ends replaced as well: a name or a message from outside is one line.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(is_deceptive) { text.replace(is_deceptive, "?").into() } else { text.into() }
}

/// Outside of strings, JSON has none of these characters but the line ends between objects; inside, `\u` is the same.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c != '\n' && is_deceptive(c);
    if !json.contains(obeyed) {
        return json.into();
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match u32::from(c) {
            // None of them is above U+FFFF.
            code if obeyed(c) => text += &format!("\\u{code:04x}"),
            _ => text.push(c),
        }
    }
    text.into()
}

/// A path as one would call it from the current folder.
pub(crate) fn here(path: &Path) -> String {
    let inside = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    let shown = inside.as_deref().filter(|p| !p.as_os_str().is_empty()).unwrap_or(path).display().to_string();
    one_line(&shown).into_owned()
}

/// A path as an argument that can be pasted into a POSIX shell.
pub(crate) fn shell(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%=".contains(c);
    if !text.is_empty() && text.chars().all(bare) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_terminal_obeys_nobody_elses_text() {
        assert_eq!(super::plain("a\u{1b}[2Jb\rc\nd\u{9b}1m"), "a?[2Jb?c\nd?1m");
        assert_eq!(super::plain("bücher 日本.iso"), "bücher 日本.iso");
        let bidi = "a\u{202e}b\u{2066}c\u{200f}d\u{61c}e\u{2028}f\u{2029}g\u{85}h\ni";
        assert_eq!(super::plain(bidi), "a?b?c?d?e?f?g?h\ni");
        assert_eq!(super::one_line(bidi), "a?b?c?d?e?f?g?h?i");
    }

    #[test]
    fn json_says_the_same_in_characters_that_are_seen() {
        let odd = "a\u{202e}b\u{7f}c\u{9b}d\u{2028}e\"\\\u{1b}\n\u{fffb}";
        let line = format!("{}\n", serde_json::json!({ "x": odd, odd: [odd] }));
        let escaped = super::escaped(&line);
        assert!(!escaped.trim_end().contains(longhaul::source::is_deceptive), "{escaped:?}");
        assert!(escaped.contains("\\u202e") && escaped.ends_with('\n'));
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&escaped), read(&line));
        assert!(matches!(super::escaped("{\"a\":\"ü\"}\n"), std::borrow::Cow::Borrowed(_)));
    }
}
