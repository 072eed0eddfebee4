//! What an app keeps to take a transfer up again: a short line of text.
//!
//! ```text
//! lht1_ base64url( kind u8 │ place u8 │ id [u8; 16] │ path … │ CRC-32C u32 )
//! ```
//!
//! It says *which* transfer: which files beside a target, or which journal of the state directory. Everything else is
//! there. So there is nothing secret in it (no link, header or key), it does not age, and one token serves for all of a
//! transfer's interruptions. It is no proof either: what it names is judged as whatever a start finds.
//!
//! The checksum (of version and payload) is against accidents, not against forgers: who can hand a forged token to an
//! app can have it open another of its own transfers, and no more.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use longhaul_core::crc::{Algorithm, Crc};

#[cfg(feature = "upload")]
use crate::client::upload::UploadBuilder;
use crate::client::{Client, DownloadBuilder};
use crate::disk::state::listing::{id_of, id_text};
use crate::error::{Disposition, Error, ErrorKind};
use crate::transfer::Transfer;
use crate::transfer::TransferKind;

/// What all versions begin with; digits and `_` follow.
const MARK: &str = "lht";
const HEAD: &str = "lht1_";
/// Paths that systems take are not longer.
const PATH_LEN_MAX: usize = 4096;
/// Kind, place, id, checksum.
const FIXED_LEN: usize = 1 + 1 + 16 + 4;
const TEXT_LEN_MAX: usize = HEAD.len() + (FIXED_LEN + PATH_LEN_MAX).div_ceil(3) * 4;

/// Names an unfinished transfer, for another process to take it up: from [`Transfer::token`], through
/// [`to_string`](ToString::to_string) and [`parse`](str::parse), to [`Client::open_token`].
///
/// It holds no secret, and none of the bytes: it is of use where the files of the transfer are (beside the target of a
/// download; in the state directory for an upload). Where these move together, as the container of an app may at an
/// update, make it [`relative_to`](Self::relative_to) a folder that moves with them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    kind: Kind,
    id: [u8; 16],
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Download = 1,
    Upload = 2,
}

/// A transfer found again; settings may be added before it is started.
#[must_use = "nothing is transferred before start()"]
#[derive(Debug)]
pub enum Reopened {
    /// A download.
    Download(Box<DownloadBuilder>),
    /// An upload.
    #[cfg(feature = "upload")]
    Upload(Box<UploadBuilder>),
}

impl Transfer {
    /// What names this transfer in another process. `None` as long as a download has no name.
    ///
    /// It can be taken at any time, best right after the start: it stays the same. A small download that was never
    /// interrupted has nothing that could be opened again.
    pub fn token(&self) -> Option<Token> {
        let path = std::path::absolute(self.named()?).ok()?;
        let kind = match self.kind() {
            TransferKind::Upload => Kind::Upload,
            _ => Kind::Download,
        };
        Some(Token { kind, id: id_of(self.id())?, path })
    }
}

impl Token {
    /// The same transfer, its file told relative to this folder.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the file is not below it.
    pub fn relative_to(self, base: impl AsRef<Path>) -> Result<Self, Error> {
        let base = base.as_ref();
        let below = match self.path.is_absolute() {
            true => below(&self.path, base),
            false => Some(self.path.clone()),
        };
        let wrong = || Error::usage(format!("{} is not in the folder {}", self.path.display(), base.display()));
        Ok(Self { path: below.ok_or_else(wrong)?, ..self })
    }

    /// The same transfer, its file below this folder: where that folder is now. A token that is not relative stays as
    /// it is.
    pub fn within(self, base: impl AsRef<Path>) -> Self {
        Self { path: base.as_ref().join(&self.path), ..self }
    }

    /// Which way the bytes go.
    pub fn kind(&self) -> TransferKind {
        match self.kind {
            Kind::Download => TransferKind::Download,
            Kind::Upload => TransferKind::Upload,
        }
    }

    /// The transfer's [id](Transfer::id).
    pub fn id(&self) -> String {
        id_text(self.id)
    }

    /// The target of a download, the source of an upload.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Client {
    /// The transfer that a token names, as it lies on the disk: [`open`](Self::open) or
    /// [`open_upload`](Self::open_upload). Links with secrets, headers, metadata and callbacks are not stored anywhere:
    /// give them again.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there any more (it was finished, discarded, or nothing was received yet),
    /// or another transfer has taken its place: then start anew. [`ErrorKind::Usage`] for a relative token without
    /// [`Token::within`], and for an upload when the client has no state directory.
    pub fn open_token(&self, token: &Token) -> Result<Reopened, Error> {
        if !token.path.is_absolute() {
            return Err(Error::usage("the token is relative to a folder: say where that is now (Token::within)"));
        }
        match token.kind {
            #[cfg(not(feature = "upload"))]
            Kind::Upload => Err(Error::usage("uploads are not built into this program")),
            #[cfg(feature = "upload")]
            Kind::Upload => {
                let upload = self.open_upload(&token.id())?.reading(token.path.clone());
                Ok(Reopened::Upload(Box::new(upload)))
            }
            Kind::Download => {
                let download = self.open(&token.path)?;
                if download.recorded_id() != Some(token.id) {
                    let text = format!("{}: another transfer has taken its place", token.path.display());
                    return Err(Error::new(ErrorKind::NotFound, Disposition::Permanent, text));
                }
                Ok(Reopened::Download(Box::new(download)))
            }
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind as u8, u8::from(!self.path.is_absolute())];
        bytes.extend(self.id);
        bytes.extend(self.path.as_os_str().as_bytes());
        bytes.extend(checksum(&bytes).to_le_bytes());
        write!(f, "{HEAD}{}", BASE64.encode(bytes))
    }
}

impl FromStr for Token {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Usage`] for text that is no token, is damaged, or comes from a newer version.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let Some(encoded) = text.strip_prefix(HEAD) else {
            let version = text.strip_prefix(MARK).and_then(|rest| rest.split_once('_')).map(|(version, _)| version);
            return Err(match version {
                Some(version) if (1..4).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_digit()) => {
                    Error::usage("the token was made by a newer version of longhaul; start the transfer anew")
                }
                _ => Error::usage("this is no token of a transfer"),
            });
        };
        Self::decode(encoded).filter(|_| text.len() <= TEXT_LEN_MAX).ok_or_else(|| {
            Error::usage("the token is damaged; start the transfer anew, which goes on from what is on the disk")
        })
    }
}

impl Token {
    fn decode(encoded: &str) -> Option<Self> {
        let bytes = BASE64.decode(encoded).ok()?;
        let (payload, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if checksum(payload).to_le_bytes() != sum {
            return None;
        }
        let (fixed, path) = payload.split_at_checked(FIXED_LEN - 4)?;
        let kind = match fixed[0] {
            1 => Kind::Download,
            2 => Kind::Upload,
            _ => return None,
        };
        let path = PathBuf::from(OsStr::from_bytes(path));
        let is_right = match fixed[1] {
            0 => path.is_absolute(),
            // Nothing that leads out of the folder that it is relative to.
            1 => path.components().all(|part| matches!(part, Component::Normal(_))) && path.file_name().is_some(),
            _ => false,
        };
        is_right.then_some(Self { kind, id: fixed[2..].try_into().ok()?, path })
    }
}

/// CRC-32C of version and payload.
fn checksum(payload: &[u8]) -> u32 {
    let mut digest = Crc::new(Algorithm::Crc32c);
    digest.update(HEAD.as_bytes());
    digest.update(payload);
    u32::try_from(digest.value()).unwrap_or(u32::MAX)
}

/// A path as seen from a folder that it lies in, by name or, where links lead there, by where both really are.
fn below(path: &Path, base: &Path) -> Option<PathBuf> {
    let base = std::path::absolute(base).ok()?;
    let is_plain = |rest: &&Path| rest.components().all(|part| matches!(part, Component::Normal(_)));
    if let Some(rest) = path.strip_prefix(&base).ok().filter(is_plain) {
        return (!rest.as_os_str().is_empty()).then(|| rest.to_path_buf());
    }
    let real = path.parent()?.canonicalize().ok()?.join(path.file_name()?);
    real.strip_prefix(base.canonicalize().ok()?).ok().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(kind: Kind, path: &str) -> Token {
        Token { kind, id: *b"0123456789abcdef", path: path.into() }
    }

    fn refusal(text: &str) -> String {
        let error = text.parse::<Token>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        error.to_string()
    }

    #[test]
    fn a_token_is_a_line_of_plain_text_and_comes_back() {
        let odd = PathBuf::from(OsStr::from_bytes(b"/a b/\xff/\xe4\xbd\xa0\n.mp4"));
        let tokens = [
            token(Kind::Download, "/data/video.mp4"),
            token(Kind::Upload, "Documents/a.bin"),
            token(Kind::Upload, &format!("/{}", "x".repeat(4000))),
            Token { path: odd, ..token(Kind::Download, "") },
        ];
        for token in tokens {
            let text = token.to_string();
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
            assert_eq!(text.parse::<Token>().unwrap(), token);
            assert_eq!(format!(" {text}\n").parse::<Token>().unwrap(), token);
        }
    }

    /// The form is kept: apps have stored it.
    #[test]
    fn tokens_of_this_version_stay_readable() {
        let golden = "lht1_AQEwMTIzNDU2Nzg5YWJjZGVmdmlkZW8ubXA0";
        let token = token(Kind::Download, "video.mp4");
        let text = token.to_string();
        assert!(text.starts_with(golden), "{text}");
        assert_eq!(text.parse::<Token>().unwrap(), token);
    }

    /// Goal: nothing but a whole token is taken for one, and nothing makes the reader panic. Method: every bit of one
    /// flipped, every part of it left out, two joined.
    #[test]
    fn what_was_damaged_is_refused() {
        let whole = token(Kind::Download, "/data/video.mp4").to_string();
        for at in 0..whole.len() * 8 {
            let mut bytes = whole.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            refusal(&String::from_utf8_lossy(&bytes));
        }
        for at in 0..whole.len() {
            refusal(&whole[..at]);
            refusal(&format!("{}{}", &whole[..at], &whole[at + 1..]));
            for letter in ["A", "_", "=", "é", "\0"] {
                refusal(&format!("{}{letter}{}", &whole[..at], &whole[at..]));
            }
        }
        refusal(&whole.repeat(2));
        assert!(refusal(&whole.to_uppercase()).contains("no token"));
    }

    #[test]
    fn what_is_none_or_newer_says_so() {
        for text in ["", "lht", "lht_", "lht1", "lhtx_abc", "https://example.com/a?token=lht1_AAAA", "lht99999_AAAA"] {
            assert!(refusal(text).contains("no token"), "{text}");
        }
        for text in ["lht2_AAAA", "lht10_"] {
            assert!(refusal(text).contains("newer"), "{text}");
        }
        assert!(refusal(&format!("{HEAD}{}", "A".repeat(1 << 20))).contains("damaged"));
    }

    /// Whole, but nothing that we write.
    #[test]
    fn what_we_never_write_is_refused() {
        let encoded = |kind: u8, place: u8, path: &[u8]| {
            let mut bytes = vec![kind, place];
            bytes.extend(b"0123456789abcdef");
            bytes.extend(path);
            bytes.extend(checksum(&bytes).to_le_bytes());
            format!("{HEAD}{}", BASE64.encode(bytes))
        };
        assert!(encoded(1, 0, b"/a").parse::<Token>().is_ok());
        for (kind, place, path) in [
            (0, 0, &b"/a"[..]),
            (3, 0, b"/a"),
            (1, 2, b"/a"),
            (1, 0, b"a"),
            (1, 1, b"/a"),
            (1, 1, b"../a"),
            (1, 1, b"a/../../b"),
            (1, 1, b""),
            (1, 1, b"."),
        ] {
            refusal(&encoded(kind, place, path));
        }
        refusal(&encoded(1, 0, &[b"/".as_slice(), &b"x".repeat(5000)].concat()));
        for len in 0..FIXED_LEN - 4 {
            let mut bytes = vec![1; len];
            bytes.extend(checksum(&bytes).to_le_bytes());
            refusal(&format!("{HEAD}{}", BASE64.encode(bytes)));
        }
    }

    #[test]
    fn a_folder_that_moves_takes_its_transfers_along() {
        let folder = tempfile::tempdir().unwrap();
        let before = folder.path().join("before");
        std::fs::create_dir(&before).unwrap();
        let file = before.join("a.bin");
        let absolute = token(Kind::Download, file.to_str().unwrap());
        let relative = absolute.clone().relative_to(&before).unwrap();
        assert_eq!(relative.path(), Path::new("a.bin"));
        assert_eq!(relative.clone().within("/after").path(), Path::new("/after/a.bin"));
        assert_eq!(absolute.clone().within("/after").path(), file);
        assert_eq!(absolute.clone().relative_to("/elsewhere").unwrap_err().kind(), ErrorKind::Usage);
        // The same folder by another name, as the system likes to have it.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&before, &link).unwrap();
        assert_eq!(absolute.relative_to(&link).unwrap(), relative);
        let client = Client::builder().build().unwrap();
        let error = client.open_token(&relative).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}
