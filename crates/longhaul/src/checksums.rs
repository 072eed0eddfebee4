//! Checksum files: `SHA256SUMS`, as `sha256sum`, `md5sum`, `shasum --tag`, `openssl dgst` and the BSD tools write them.
//!
//! What is in a line and what is none is decided here; where the file comes from is the caller's affair. A line that
//! has no form of these is passed over (signatures and comments stand in such files), and so a page that came in place
//! of the file has no line at all, which is an error.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Digest, DigestKind};
use crate::source::Source;

/// The checksums of many files, by name.
///
/// ```
/// # fn main() -> Result<(), longhaul::Error> {
/// let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// let checksums = longhaul::Checksums::parse(format!("{hex} *images/disk.iso\n").as_bytes())?;
/// let digests = checksums.of("https://example.com/v2/images/disk.iso".parse::<longhaul::Source>()?)?;
/// assert_eq!(digests[0].to_string(), format!("sha256:{hex}"));
/// # Ok(())
/// # }
/// ```
///
/// It takes some 100 bytes for each line.
#[derive(Clone, Default)]
pub struct Checksums {
    /// Ordered by the last part of the path.
    lines: Vec<Line>,
    /// The only line was a checksum without a name.
    nameless: Option<Digest>,
}

impl fmt::Debug for Checksums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checksums").field("lines", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Line {
    /// As in the file, without `./` before it.
    path: Box<str>,
    /// `Err`: the kind is not known here, and this is its name.
    digest: Result<Digest, Box<str>>,
}

impl Line {
    fn name(&self) -> &str {
        parts(&self.path).next_back().unwrap_or_default()
    }
}

impl Checksums {
    /// Reads a checksum file. Lines have these forms; `\r` at their end does not count, nor do lines of any other form:
    ///
    /// ```text
    /// HEX  NAME        HEX *NAME        HEX<TAB>NAME        sha256:HEX  NAME        (the number of digits tells the kind)
    /// SHA256 (NAME) = HEX               SHA2-256(NAME)= HEX
    /// \HEX  NAME       \SHA256 (NAME) = HEX                 (in NAME: \\ for \, \n and \r for ends of lines)
    /// HEX                                                   (if it is the only line: it is of any name)
    /// ```
    ///
    /// Kinds are those of [`DigestKind`]. Of others (SHA-224, BLAKE2b with its tag) it is remembered that there is a
    /// line.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when no line is a checksum.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut lines = Vec::new();
        let mut bare = Vec::new();
        for line in text.split(|&b| b == b'\n') {
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
            match parse_line(&line) {
                Some(Parsed::Named(line)) => lines.push(line),
                Some(Parsed::Nameless(digest)) => bare.push(digest),
                None => {}
            }
        }
        if lines.is_empty() && bare.len() != 1 {
            return Err(Error::usage("there is no line in it that is a checksum and a name"));
        }
        let nameless = bare.pop().filter(|_| lines.is_empty());
        lines.sort_by(|a: &Line, b| a.name().cmp(b.name()));
        Ok(Self { lines, nameless })
    }

    /// How many lines are checksums.
    pub fn len(&self) -> usize {
        self.lines.len() + usize::from(self.nameless.is_some())
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is one checksum without a name, which is of any file.
    pub fn is_nameless(&self) -> bool {
        self.nameless.is_some()
    }

    /// The digests of what has this source, one at least and at most one of each kind. The path of its URL, or its key,
    /// is looked for as by [`of_path`](Self::of_path).
    ///
    /// # Errors
    /// As [`of_path`](Self::of_path).
    pub fn of(&self, source: impl AsRef<Source>) -> Result<Vec<Digest>, Error> {
        self.of_path(&path_of(source.as_ref()))
    }

    /// The digests of the file with this path, of which the last part decides. Where several lines have that, it is the
    /// one whose whole path the given one ends with, the longest of these.
    ///
    /// # Errors
    /// [`ErrorKind::NotProvable`] when no line is about it, when only kinds of checksums are there that are not known,
    /// or when lines contradict each other, or could be meant as well.
    pub fn of_path(&self, path: &str) -> Result<Vec<Digest>, Error> {
        let refuse = |what: String| Err(Error::new(ErrorKind::NotProvable, Disposition::Permanent, what));
        if let Some(digest) = &self.nameless {
            return Ok(vec![digest.clone()]);
        }
        let name = parts(path).next_back().unwrap_or_default();
        let meant = match self.meant(path, name) {
            Ok(meant) => meant,
            Err((one, other)) => {
                return refuse(format!(
                    "two lines of the checksum file could be about {name:?}: those of {one:?} and {other:?}"
                ));
            }
        };
        let mut digests: Vec<Digest> = Vec::new();
        for digest in meant.iter().filter_map(|line| line.digest.as_ref().ok()) {
            match digests.iter().find(|known| known.kind() == digest.kind()) {
                Some(known) if known != digest => {
                    let kind = digest.kind().name();
                    return refuse(format!("the checksum file has two different {kind} of {name:?}"));
                }
                Some(_) => {}
                None => digests.push(digest.clone()),
            }
        }
        match meant.first().map(|line| &line.digest) {
            _ if !digests.is_empty() => Ok(digests),
            Some(Err(kind)) => refuse(format!(
                "the checksum file has only a {kind} of {name:?}, which is not known here (known are {})",
                DigestKind::ALL.map(DigestKind::name).join(", ")
            )),
            _ => refuse(format!("the checksum file has no line for {name:?}")),
        }
    }

    /// The lines about this path; or two of different paths, either of which could be.
    fn meant(&self, path: &str, name: &str) -> Result<Vec<&Line>, (&str, &str)> {
        let from = self.lines.partition_point(|line| line.name() < name);
        let named: Vec<&Line> = self.lines[from..].iter().take_while(|line| line.name() == name).collect();
        let whole = |line: &Line| {
            let mut of_path = parts(path).rev();
            parts(&line.path).rev().all(|part| of_path.next() == Some(part))
        };
        let longest = named.iter().filter(|line| whole(line)).map(|line| parts(&line.path).count()).max();
        let meant: Vec<&Line> = match longest {
            Some(longest) => {
                named.into_iter().filter(|line| whole(line) && parts(&line.path).count() == longest).collect()
            }
            None => named, // folders may be called otherwise there
        };
        match meant.iter().find(|line| !parts(&line.path).eq(parts(&meant[0].path))) {
            Some(other) => Err((&meant[0].path, &other.path)),
            None => Ok(meant),
        }
    }
}

/// The path of the object, as its own file system or store has it.
fn path_of(source: &Source) -> String {
    match source {
        Source::Web(url) => percent_decode_str(url.address().path()).decode_utf8_lossy().into_owned(),
        Source::Object(name) => name.key().to_owned(),
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

enum Parsed {
    Named(Line),
    Nameless(Digest),
}

fn parse_line(line: &str) -> Option<Parsed> {
    let (line, escaped) = line.strip_prefix('\\').map_or((line, false), |rest| (rest, true));
    let (digest, name) = match tagged(line) {
        Some(found) => found,
        None => match line.trim().parse::<Digest>() {
            Ok(digest) => return Some(Parsed::Nameless(digest)),
            Err(_) => untagged(line)?,
        },
    };
    let name = if escaped { unescaped(name)? } else { name.to_owned() };
    let path = name.strip_prefix("./").unwrap_or(&name);
    (!path.is_empty()).then(|| Parsed::Named(Line { path: path.into(), digest }))
}

/// `SHA256 (NAME) = HEX`; a NAME may have any of these signs in it.
fn tagged(line: &str) -> Option<(Result<Digest, Box<str>>, &str)> {
    let (tag, rest) = line.split_once('(')?;
    let (name, hex) = rest.rsplit_once(')')?;
    let hex = hex.trim_start().strip_prefix('=')?.trim();
    let tag = tag.trim();
    let is_tag = |tag: &str| tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"-/_".contains(&b));
    if tag.is_empty() || !is_tag(tag) || !is_hex(hex) {
        return None;
    }
    let known = match tag.to_ascii_lowercase().as_str() {
        "sha2-256" => Some(DigestKind::Sha256),
        "sha2-512" => Some(DigestKind::Sha512),
        "sha512/256" | "sha512-256" => None,
        tag => DigestKind::from_name(&tag.replace('-', "")),
    };
    match known {
        Some(kind) => Some((Ok(Digest::from_hex(kind, hex)?), name)),
        None => Some((Err(tag.into()), name)),
    }
}

/// `HEX  NAME`: behind the digits a blank, and a second one or the mark of a mode; or tabs.
fn untagged(line: &str) -> Option<(Result<Digest, Box<str>>, &str)> {
    let end = line.find([' ', '\t'])?;
    let (digits, rest) = line.split_at(end);
    let name = match rest.strip_prefix('\t') {
        Some(rest) => rest.trim_start_matches('\t'),
        None => rest[1..].strip_prefix([' ', '*']).unwrap_or(&rest[1..]),
    };
    let digest = match digits.parse::<Digest>() {
        Ok(digest) => Ok(digest),
        Err(_) if !is_hex(digits) => return None,
        Err(_) => match digits.len() {
            56 => Err("SHA-224".into()),
            96 => Err("SHA-384".into()),
            _ => return None,
        },
    };
    Some((digest, name))
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `None` where a backslash stands before another sign than those that are written so.
fn unescaped(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut signs = name.chars();
    while let Some(sign) = signs.next() {
        plain.push(match sign {
            '\\' => match signs.next()? {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            sign => sign,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(n: u8) -> String {
        format!("{n:02x}").repeat(32)
    }

    fn of(text: &str, path: &str) -> Result<Vec<String>, String> {
        let checksums = Checksums::parse(text.as_bytes()).unwrap();
        let digests = checksums.of_path(path).map_err(|error| error.to_string())?;
        Ok(digests.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_tool_s_lines_are_read() {
        let (sha256, md5, sha512) = (sha(0xab), "0f".repeat(16), "1a".repeat(64));
        for (line, name, digest) in [
            (format!("{sha256}  a b.iso"), "a b.iso", format!("sha256:{sha256}")),
            (format!("{sha256} *a.iso"), "a.iso", format!("sha256:{sha256}")),
            (format!("{sha256} a.iso"), "a.iso", format!("sha256:{sha256}")),
            (format!("{}\ta.iso", sha256.to_uppercase()), "a.iso", format!("sha256:{sha256}")),
            (format!("{sha256}    a.iso"), "  a.iso", format!("sha256:{sha256}")),
            (format!("{md5}  ./d/a.iso\r"), "x/d/a.iso", format!("md5:{md5}")),
            (format!("{}  a.iso", "2b".repeat(20)), "a.iso", format!("sha1:{}", "2b".repeat(20))),
            (format!("SHA1 (a.iso) = {}", "2b".repeat(20)), "a.iso", format!("sha1:{}", "2b".repeat(20))),
            (format!("{sha512}  a.iso"), "a.iso", format!("sha512:{sha512}")),
            (format!("sha256:{sha256}  a.iso"), "a.iso", format!("sha256:{sha256}")),
            (format!("SHA256 (a (1).iso) = {sha256}"), "a (1).iso", format!("sha256:{sha256}")),
            (format!("SHA2-256(a=b.iso)= {sha256}"), "a=b.iso", format!("sha256:{sha256}")),
            (format!("MD5 (a.iso) = {md5}"), "a.iso", format!("md5:{md5}")),
            (format!("\\{sha256}  a\\\\b\\nc"), "a\\b\nc", format!("sha256:{sha256}")),
            (format!("\\SHA256 (a\\\\b) = {sha256}"), "a\\b", format!("sha256:{sha256}")),
            (format!("{sha256}  a\\b"), "a\\b", format!("sha256:{sha256}")),
            (format!("{sha256}\n"), "anything", format!("sha256:{sha256}")),
        ] {
            assert_eq!(of(&line, name), Ok(vec![digest]), "{line}");
        }
        assert!(of(&format!("{sha256}    a.iso"), "a.iso").is_err(), "two blanks are of the name");
    }

    #[test]
    fn signatures_and_comments_are_no_lines_and_a_page_has_none() {
        let (one, two) = (sha(1), sha(2));
        let fedora = format!(
            "\u{feff}-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n# a.iso: 123 bytes\r\nSHA256 (a.iso) = \
             {one}\r\n# b.iso: 5 bytes\r\nSHA256 (b.iso) = {two}\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niQIz=ab\r\n"
        );
        assert_eq!(of(&fedora, "b.iso"), Ok(vec![format!("sha256:{two}")]));
        assert!(Checksums::parse(fedora.as_bytes()).unwrap().len() == 2);
        for none in ["", "\n\n", "<html><body>Log in (here) = now</body></html>", "a.iso", &format!("{one}\n{two}\n")] {
            assert!(Checksums::parse(none.as_bytes()).is_err(), "{none}");
        }
        assert!(Checksums::parse(b"\xff\xfe\n\x00\x01").is_err());
        // Not UTF-8: a name that is asked for by no URL, and no end of the others.
        let mut odd = format!("{one}  a.iso\n{two}  ").into_bytes();
        odd.extend_from_slice(b"\xff.iso\n");
        assert_eq!(Checksums::parse(&odd).unwrap().of_path("a.iso").unwrap().len(), 1);
    }

    #[test]
    fn of_several_lines_the_one_is_meant_whose_path_fits() {
        let text = format!("{}  a/x.iso\n{}  b/x.iso\n{}  x.iso\n{}  c/y\n", sha(1), sha(2), sha(3), sha(4));
        for (path, want) in [
            ("/pub/a/x.iso", Some(1)),
            ("https//h/v1/b/x.iso", Some(2)),
            ("/x.iso", Some(3)),
            ("/c/x.iso", Some(3)),
            ("y", Some(4)),
            ("elsewhere/y", Some(4)),
            ("z", None),
            ("", None),
        ] {
            let want = want.map(|n| vec![format!("sha256:{}", sha(n))]);
            assert_eq!(of(&text, path).ok(), want, "{path}");
        }
        let two = format!("{}  a/x\n{}  b/x\n", sha(1), sha(2));
        assert!(of(&two, "c/x").unwrap_err().contains("\"a/x\" and \"b/x\""));
    }

    #[test]
    fn all_kinds_of_a_name_count_and_contradictions_do_not() {
        let (one, two, md5) = (sha(1), sha(2), "0f".repeat(16));
        let both = format!("{one}  x\nMD5 (x) = {md5}\n{one} *x\n{}  x\n", "ab".repeat(28));
        assert_eq!(of(&both, "x"), Ok(vec![format!("sha256:{one}"), format!("md5:{md5}")]));
        assert!(of(&format!("{one}  x\n{two}  x\n"), "x").unwrap_err().contains("two different sha256 of \"x\""));
        let unknown = format!("{}  x\nBLAKE2b (y) = {}\nSHA512/256 (z) = {one}\n", "ab".repeat(28), "ab".repeat(64));
        for (name, kind) in [("x", "SHA-224"), ("y", "BLAKE2b"), ("z", "SHA512/256")] {
            assert!(of(&unknown, name).unwrap_err().contains(&format!("only a {kind} of")), "{name}");
        }
        assert!(of(&unknown, "w").unwrap_err().contains("no line for \"w\""));
    }

    #[test]
    fn sources_are_known_by_their_decoded_path_and_by_their_key() {
        let text = format!("{}  a b.iso\n{}  a%20b.iso\n", sha(1), sha(2));
        let checksums = Checksums::parse(text.as_bytes()).unwrap();
        let of = |source: &str| checksums.of(source.parse::<Source>().unwrap()).unwrap()[0].hex();
        assert_eq!(of("https://h/x/a%20b.iso?sig=1#f"), sha(1));
        assert_eq!(of("oss://bucket/x/a b.iso"), sha(1));
        assert_eq!(of("oss://bucket/x/a%20b.iso"), sha(2));
    }
}
