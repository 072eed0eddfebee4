//! Who has a token, and what is it good for?
//!
//! `tokens.json` in the state directory has the SHA-256 of each token, its name and its scopes; a token has 256 random
//! bits, so that a plain digest is enough. `token` beside it has the default one in the clear, for programs of the same
//! user (mode 0600): front-ends of aria2 want it as their secret. Both are read again when they changed, so that
//! `longhaul token` acts on a daemon that runs. A change is made under a lock, into a new file that replaces the old.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::now_ms;

/// The name of the token in the file `token`.
pub const DEFAULT: &str = "default";
/// No file of ours is longer: 1,000 tokens take 200 KiB.
const BYTES_MAX: u64 = 1 << 20;
/// So many tokens and logins are kept. Beyond, the oldest login goes; a new token is refused.
const TOKENS_MAX: usize = 1000;
/// So many pages may be logged in; the oldest login goes first.
const LOGINS_MAX: usize = 100;
/// A page stays logged in for so long.
const LOGIN_LASTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes {
    /// To see the list.
    pub read: bool,
    /// To add entries and to probe links.
    pub add: bool,
    /// To do all else: hold, cancel, move, forget, change settings.
    pub control: bool,
}

impl Scopes {
    /// All of them.
    pub const ALL: Self = Self { read: true, add: true, control: true };

    /// The words for them.
    pub fn names(self) -> Vec<&'static str> {
        let all = [(self.read, "read"), (self.add, "add"), (self.control, "control")];
        all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
    }

    /// From their words. `None`: one of them is no scope, or there are none.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut scopes = Self::default();
        for name in names {
            match name.trim() {
                "read" => scopes.read = true,
                "add" => scopes.add = true,
                "control" => scopes.control = true,
                _ => return None,
            }
        }
        (scopes != Self::default()).then_some(scopes)
    }

    /// Whether these have all of the others.
    pub fn contain(self, other: Self) -> bool {
        (self.read || !other.read) && (self.add || !other.add) && (self.control || !other.control)
    }
}

/// A token as lists show it. The token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its name: that of a token is chosen by its maker, that of a login is `page`.
    pub name: String,
    /// 8 hexadecimal digits, by which it is revoked; of the default one, [`DEFAULT`].
    pub id: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it was made, in milliseconds since 1970; 0: not known.
    pub created_ms: u64,
    /// When it ends, if it does.
    pub expires_ms: Option<u64>,
}

/// Why a token could not be made or revoked.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenError {
    /// The name has been given, or is not usable; in a sentence.
    Name(String),
    /// No token has this name or id.
    Unknown(String),
    /// The file cannot be read or written.
    File(PathBuf, io::Error),
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(why) => f.write_str(why),
            Self::Unknown(name) => write!(f, "there is no token {name}"),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for TokenError {}

/// The tokens of one state directory.
#[derive(Debug)]
pub struct Tokens {
    dir: PathBuf,
    known: Mutex<Known>,
}

/// What was read, and of which files.
#[derive(Debug, Default)]
struct Known {
    stamps: Option<[Option<Stamp>; 2]>,
    tokens: Vec<Row>,
    default: Option<[u8; 32]>,
}

/// What changes when a file is replaced.
type Stamp = (SystemTime, u64, u64);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    id: String,
    name: String,
    scopes: Vec<String>,
    sha256: String,
    created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    /// A login of the page, not a token that was made by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    login: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct TokenFile {
    version: u32,
    tokens: Vec<Row>,
}

/// This version of `tokens.json`.
const VERSION: u32 = 1;

impl Tokens {
    /// Those of the state directory, which has to be there. Reads nothing yet.
    pub fn of(state_dir: impl Into<PathBuf>) -> Self {
        Self { dir: state_dir.into(), known: Mutex::default() }
    }

    /// Where the default token is in the clear.
    pub fn default_file(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// Makes the default token, if there is none. A file that is there keeps its first line, which may be of the user's
    /// own choice.
    ///
    /// # Errors
    /// When the file cannot be read or written, or other users may read it.
    pub fn ensure_default(&self) -> Result<(), TokenError> {
        let path = self.default_file();
        let failed = |error| TokenError::File(path.clone(), error);
        match fs::symlink_metadata(&path) {
            Ok(found) => check_private(&found).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = random_text().map_err(failed)?;
                replace(&path, format!("{token}\n").as_bytes()).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The default token.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn default_token(&self) -> Result<String, TokenError> {
        let path = self.default_file();
        let text = read_private(&path).map_err(|error| TokenError::File(path, error))?;
        Ok(first_line(&text).to_owned())
    }

    /// Makes a token and gives it; it is not kept in the clear, and cannot be shown again.
    ///
    /// # Errors
    /// When the name has been given or is not usable, or the file cannot be written.
    pub fn create(&self, name: &str, scopes: Scopes) -> Result<String, TokenError> {
        let usable = !name.is_empty() && name.len() <= 64 && name.chars().all(|c| !c.is_control());
        if !usable || name == DEFAULT {
            return Err(TokenError::Name(format!("'{name}' cannot be the name of a token: choose 1 to 64 characters")));
        }
        let token = random_text().map_err(|error| TokenError::File(self.file(), error))?;
        self.change(|rows| {
            if rows.iter().any(|row| row.name == name && !row.login) {
                return Err(TokenError::Name(format!(
                    "there is a token {name}; revoke it first, or choose another name"
                )));
            }
            if rows.len() >= TOKENS_MAX {
                return Err(TokenError::Name(format!("there are {TOKENS_MAX} tokens; revoke some first")));
            }
            rows.push(row(name, &token, scopes, None));
            Ok(())
        })?;
        Ok(token)
    }

    /// Makes a token for a page that logged in.
    pub(crate) fn log_in(&self, scopes: Scopes) -> Result<String, TokenError> {
        let token = random_text().map_err(|error| TokenError::File(self.file(), error))?;
        self.change(|rows| {
            let logins: Vec<String> = rows.iter().filter(|row| row.login).map(|row| row.id.clone()).collect();
            if logins.len() >= LOGINS_MAX || rows.len() >= TOKENS_MAX {
                rows.retain(|row| Some(&row.id) != logins.first());
            }
            let lasts = u64::try_from(LOGIN_LASTS.as_millis()).unwrap_or(u64::MAX);
            rows.push(Row { login: true, ..row("page", &token, scopes, Some(now_ms().saturating_add(lasts))) });
            Ok(())
        })?;
        Ok(token)
    }

    /// All tokens and logins, the default one first.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn list(&self) -> Result<Vec<TokenInfo>, TokenError> {
        let rows = self.rows()?;
        let default = self.default_file().exists().then(|| TokenInfo {
            name: DEFAULT.to_owned(),
            id: DEFAULT.to_owned(),
            scopes: Scopes::ALL,
            created_ms: 0,
            expires_ms: None,
        });
        let now = now_ms();
        let rows = rows.iter().filter(|row| row.is_good_at(now)).map(|row| TokenInfo {
            name: row.name.clone(),
            id: row.id.clone(),
            scopes: row.scopes(),
            created_ms: row.created_ms,
            expires_ms: row.expires_ms,
        });
        Ok(default.into_iter().chain(rows).collect())
    }

    /// Ends the token of this name or id; `page` ends all logins of pages. A daemon that runs takes it no more. The
    /// default one is made anew by the next start of a daemon.
    ///
    /// # Errors
    /// When there is none, or the file cannot be written.
    pub fn revoke(&self, name_or_id: &str) -> Result<(), TokenError> {
        if name_or_id == DEFAULT {
            let path = self.default_file();
            return match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(TokenError::Unknown(DEFAULT.to_owned())),
                other => other.map_err(|error| TokenError::File(path, error)),
            };
        }
        self.change(|rows| {
            let before = rows.len();
            rows.retain(|row| row.name != name_or_id && row.id != name_or_id);
            if rows.len() == before { Err(TokenError::Unknown(name_or_id.to_owned())) } else { Ok(()) }
        })
    }

    /// What this token is good for; `None`: it is none. Takes the same time for all that are wrong.
    pub(crate) fn check(&self, token: &str) -> Option<Scopes> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let stamps = [stamp(&self.file()), stamp(&self.default_file())];
        if known.stamps != Some(stamps) {
            // What cannot be read lets no one in.
            let default = self.default_token().ok().filter(|token| !token.is_empty());
            let default = default.map(|token| Sha256::digest(token.as_bytes()).into());
            *known = Known { stamps: Some(stamps), tokens: self.rows().unwrap_or_default(), default };
        }
        let now = now_ms();
        let mut found = None;
        for row in &known.tokens {
            let right = unhex(&row.sha256).is_some_and(|kept| bool::from(kept.ct_eq(&digest)));
            if right && row.is_good_at(now) {
                found = Some(row.scopes());
            }
        }
        if known.default.is_some_and(|kept| bool::from(kept.ct_eq(&digest))) {
            found = Some(Scopes::ALL);
        }
        found
    }

    fn file(&self) -> PathBuf {
        self.dir.join("tokens.json")
    }

    fn rows(&self) -> Result<Vec<Row>, TokenError> {
        let path = self.file();
        let read = match read_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read,
        };
        let parsed = read.and_then(|text| {
            let file: TokenFile = serde_json::from_str(&text).map_err(io::Error::other)?;
            if file.version > VERSION {
                return Err(io::Error::other("it is of a newer version of longhaul"));
            }
            Ok(file.tokens)
        });
        parsed.map_err(|error| TokenError::File(path, error))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Row>) -> Result<(), TokenError>) -> Result<(), TokenError> {
        let lock_path = self.dir.join("tokens.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.and_then(|file| file.lock().map(|()| file));
        let lock = lock.map_err(|error| TokenError::File(lock_path, error))?;
        let mut rows = self.rows()?;
        let now = now_ms();
        rows.retain(|row| row.is_good_at(now));
        change(&mut rows)?;
        let path = self.file();
        let text = serde_json::to_vec_pretty(&TokenFile { version: VERSION, tokens: rows }).map_err(io::Error::other);
        let written = text.and_then(|text| replace(&path, &text)).map_err(|error| TokenError::File(path, error));
        drop(lock);
        written
    }
}

impl Row {
    fn is_good_at(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|end| now_ms < end)
    }

    fn scopes(&self) -> Scopes {
        Scopes::from_names(self.scopes.iter().map(String::as_str)).unwrap_or_default()
    }
}

fn row(name: &str, token: &str, scopes: Scopes, expires_ms: Option<u64>) -> Row {
    let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let sha256 = hex(&digest);
    Row {
        id: hex(&Sha256::digest(&sha256)[..4]),
        name: name.to_owned(),
        scopes: scopes.names().into_iter().map(str::to_owned).collect(),
        sha256,
        created_ms: now_ms(),
        expires_ms,
        login: false,
    }
}

/// 256 bits of chance, in 43 characters that stand in URLs, headers and shells as they are.
pub(crate) fn random_text() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(format!("no random bytes ({error})")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim()
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}

fn read_private(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    check_private(&file.metadata()?)?;
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A secret that others can read is none; one that others can write is theirs.
fn check_private(found: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("other users may read or write it: allow that to its owner only (mode 0600)"));
    }
    Ok(())
}

/// Puts a file in the place of another one, for its owner only.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(format!("no random bytes ({error})")))?;
    let beside = path.with_extension(format!("new-{}", hex(&random)));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside); // it is not there when the rename was what worked
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> (tempfile::TempDir, Tokens) {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::of(dir.path());
        (dir, tokens)
    }

    #[test]
    fn a_token_is_good_for_its_scopes_until_it_is_revoked() {
        let (dir, tokens) = tokens();
        let scopes = Scopes { read: true, add: true, control: false };
        let token = tokens.create("phone", scopes).unwrap();
        assert_eq!(token.len(), 43);
        assert_eq!(tokens.check(&token), Some(scopes));
        assert_eq!(tokens.check(&token[1..]), None);
        assert_eq!(tokens.check(""), None);
        let kept = fs::read_to_string(dir.path().join("tokens.json")).unwrap();
        assert!(!kept.contains(&token), "the token is kept in the clear");
        let again = tokens.create("phone", scopes).unwrap_err().to_string();
        assert!(again.contains("there is a token phone"), "{again}");
        // Another process revokes it.
        Tokens::of(dir.path()).revoke("phone").unwrap();
        assert_eq!(tokens.check(&token), None);
        assert!(matches!(tokens.revoke("phone"), Err(TokenError::Unknown(_))));
    }

    #[test]
    fn the_default_token_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_dir, tokens) = tokens();
        assert_eq!(tokens.check(""), None, "an absent file is no empty token");
        tokens.ensure_default().unwrap();
        let token = tokens.default_token().unwrap();
        tokens.ensure_default().unwrap();
        assert_eq!(tokens.default_token().unwrap(), token, "it stays");
        assert_eq!(tokens.check(&token), Some(Scopes::ALL));
        let path = tokens.default_file();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(tokens.ensure_default().unwrap_err().to_string().contains("mode 0600"));
        assert!(tokens.default_token().is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        replace(&path, b"\n").unwrap();
        assert_eq!(tokens.check(""), None, "an empty line is no token");
        replace(&path, b"my own secret\nsecond line\n").unwrap();
        assert_eq!(tokens.check("my own secret"), Some(Scopes::ALL));
    }

    #[test]
    fn logins_are_bounded_and_end() {
        let (_dir, tokens) = tokens();
        let first = tokens.log_in(Scopes::ALL).unwrap();
        for _ in 0..LOGINS_MAX {
            tokens.log_in(Scopes::ALL).unwrap();
        }
        assert_eq!(tokens.check(&first), None, "the oldest went");
        assert_eq!(tokens.list().unwrap().len(), LOGINS_MAX);
        let last = tokens.log_in(Scopes::ALL).unwrap();
        tokens
            .change(|rows| {
                rows.iter_mut().for_each(|row| row.expires_ms = Some(1));
                Ok(())
            })
            .unwrap();
        assert_eq!(tokens.check(&last), None);
        tokens.create("t", Scopes::ALL).unwrap();
        tokens.revoke("page").unwrap_err();
    }

    #[test]
    fn a_damaged_file_lets_no_one_in() {
        let (dir, tokens) = tokens();
        let token = tokens.create("a", Scopes::ALL).unwrap();
        for text in ["", "[]", "{\"version\":2,\"tokens\":[]}", "{\"version\":1,\"tokens\":[{\"id\":1}]}"] {
            replace(&dir.path().join("tokens.json"), text.as_bytes()).unwrap();
            assert_eq!(tokens.check(&token), None, "{text}");
            assert!(tokens.create("b", Scopes::ALL).is_err(), "{text}: what it had is not written over");
        }
    }

    #[test]
    fn scopes_have_words() {
        assert_eq!(Scopes::from_names(["read", " control"]), Some(Scopes { read: true, add: false, control: true }));
        assert_eq!(Scopes::from_names(["write"]), None);
        assert_eq!(Scopes::from_names([]), None);
        assert_eq!(Scopes::ALL.names(), ["read", "add", "control"]);
    }
}
