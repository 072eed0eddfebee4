//! What may a server call our file? One path component that is harmless on every system we build for, even when a
//! hostile server chose it.
//!
//! A [`SafeName`] is never empty, `.` or `..`, holds no separator, no control and no text-direction character, is no
//! device of Windows, does not begin like an option, a home directory or a hidden file, fits into 255 bytes, and is
//! none of our own working files. What is not allowed becomes `_`, so that people still recognise the name.
//!
//! Deliberately not done: Unicode normalisation (file systems disagree about it) and telling look-alikes apart.

use std::fmt;

use percent_encoding::percent_decode_str;

/// Longest name in bytes: `NAME_MAX` of Linux and macOS file systems.
pub const NAME_LEN_MAX: usize = 255;
/// The name when the server offers no usable one.
pub const FALLBACK: &str = "download";

/// Longest extension, dot included, that survives the cutting of a name that is too long.
const EXTENSION_LEN_MAX: usize = 16;
/// The ending of the file that a download's bytes lie in until they are whole.
pub const PART: &str = ".lhpart";
/// The ending of a new generation of it.
pub const NEXT: &str = ".lhnext";
/// The ending of its journal.
pub const LOG: &str = ".lhlog";
/// The ending of a file that lives for a moment, to see what the file system makes of new files.
pub const MODE: &str = ".lhmode";
/// Stands between one of these endings and digits: a file that lives for a moment only.
pub const HELPER: &str = "~";
/// Stands between the ending of a journal and a number: the journal was set aside.
pub const ASIDE: &str = ".bad-";

/// A name that is one safe path component.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SafeName(String);

impl SafeName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the server offered no usable name.
    pub fn is_fallback(&self) -> bool {
        self.0 == FALLBACK
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name for a download: what `Content-Disposition` suggests, if that is usable, else the last component of the
/// URL's path (percent-encoded, as in the URL), else [`FALLBACK`].
pub fn name_from(suggested: Option<&[u8]>, url_path: &str) -> SafeName {
    if let Some(name) = suggested.map(safe_name).filter(|name| !name.is_fallback()) {
        return name;
    }
    let decoded: Vec<u8> = percent_decode_str(url_path).collect();
    safe_name(&decoded)
}

/// Endings of files that no server shows as a web page. Other endings do not tell: a version, a program of the server,
/// a word.
const NO_PAGES: &[&str] = &[
    "7z",
    "aac",
    "apk",
    "avi",
    "bam",
    "bin",
    "br",
    "bz2",
    "cab",
    "csv",
    "dat",
    "db",
    "deb",
    "dll",
    "dmg",
    "doc",
    "docx",
    "epub",
    "exe",
    "flac",
    "gguf",
    "gif",
    "gz",
    "h5",
    "hdf5",
    "img",
    "iso",
    "jar",
    "jpeg",
    "jpg",
    "json",
    "lz4",
    "lzma",
    "m4a",
    "mkv",
    "mov",
    "mp3",
    "mp4",
    "mpg",
    "msi",
    "nc",
    "npy",
    "npz",
    "odt",
    "ogg",
    "onnx",
    "parquet",
    "pdf",
    "pkg",
    "png",
    "ppt",
    "pptx",
    "pt",
    "pth",
    "qcow2",
    "rar",
    "rpm",
    "safetensors",
    "so",
    "sqlite",
    "tar",
    "tbz2",
    "tgz",
    "tif",
    "tiff",
    "tsv",
    "txz",
    "vcf",
    "vdi",
    "vmdk",
    "war",
    "wav",
    "webm",
    "webp",
    "whl",
    "xls",
    "xlsx",
    "xz",
    "zip",
    "zst",
];

/// The ending of a name, or of the last component of a path, in lower case; its last one where there are several.
fn ending(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, ending) = last.rsplit_once('.')?;
    (!stem.is_empty()).then(|| ending.to_ascii_lowercase())
}

/// The ending of a name, or of a path's last component, where it is known to be of no web page. Names without an
/// ending, or with one that is not known, may be anything. The ending comes from our own table, not from the path,
/// which may hold secrets.
pub fn ending_of_no_page(name: &str) -> Option<&'static str> {
    let ending = ending(name)?;
    NO_PAGES.iter().copied().find(|known| *known == ending)
}

/// One safe path component out of any bytes: the last component behind `/` and `\`, made harmless.
///
/// Bytes that are not UTF-8 are read as ISO-8859-1, the old charset of header fields.
pub fn safe_name(raw: &[u8]) -> SafeName {
    let last = raw.rsplit(|b| matches!(b, b'/' | b'\\')).next().unwrap_or_default();
    let text = match std::str::from_utf8(last) {
        Ok(text) => text.to_owned(),
        Err(_) => last.iter().map(|&b| char::from(b)).collect(),
    };
    let mut name: String = text.chars().map(|c| if is_harmful(c) { '_' } else { c }).collect();
    name = trimmed(&name).to_owned();
    if name.is_empty() {
        return SafeName(FALLBACK.to_owned());
    }
    if name.starts_with(['.', '-', '~']) || is_device(&name) {
        name.insert(0, '_');
    }
    // One byte is kept for the `_` behind a name that is ours.
    name = cut(name, NAME_LEN_MAX - 1);
    if is_ours(&name) {
        name.push('_');
    }
    SafeName(name)
}

/// Without white space around it and without dots at its end, which Windows drops.
fn trimmed(name: &str) -> &str {
    name.trim_start().trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// What could leave the folder, start something in a shell or terminal, or show another name than the real one.
fn is_harmful(c: char) -> bool {
    is_deceptive(c) || matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

/// Whether a terminal obeys a character instead of showing it, or shows other text than is there because of it:
/// controls (C0, C1, with the line ends among them), text direction, line and paragraph separators, invisible ones.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        // U+061C, U+200B, U+200E-F, U+2028-E, U+2060-9, U+FEFF, U+FFF9-B
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether Windows takes the name for a device, with any extension (`CON`, `nul.txt`, `COM1 .log`).
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|n| matches!(n, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"))
}

/// Whether we could take the name for one of our working files: this is the one list of them. Case does not count: some
/// file systems ignore it.
pub fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some(ending) = name.rfind(".lh").map(|at| &name[at..]) else { return false };
    let behind = |first: &str, second: &str| ending.strip_prefix(first).and_then(|rest| rest.strip_prefix(second));
    let is_helper = |of: &&str| behind(of, HELPER).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    [PART, NEXT, LOG].contains(&ending)
        || [PART, NEXT, LOG, MODE].iter().any(is_helper)
        || behind(LOG, ASIDE).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

/// At most `len_max` bytes, cut between two characters, a short extension kept.
fn cut(mut name: String, len_max: usize) -> String {
    if name.len() <= len_max {
        return name;
    }
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    let keeps = extension.len() <= EXTENSION_LEN_MAX && extension.bytes().skip(1).all(|b| b.is_ascii_alphanumeric());
    let extension = if keeps { extension.to_owned() } else { String::new() };
    let mut end = len_max - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    if extension.is_empty() {
        name.truncate(trimmed(&name).len());
    }
    name + &extension
}
