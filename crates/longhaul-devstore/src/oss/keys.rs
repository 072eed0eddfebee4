//! Whose keys are these? One key of the owner, made once and kept; others with policies and with expiry.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::disk::write_durably;
use super::policy::Policy;

/// Expired sessions are kept this long, so that their tokens are called expired and not unknown.
const EXPIRED_KEPT_MS: i64 = 24 * 3600 * 1000;

/// How ids and secrets begin. They are not to be taken for keys of the service, by people or by secret scanners; tokens'
/// ids begin as the service's do, which SDKs look at.
const ID: &str = "TESTKEY";
const TEMPORARY_ID: &str = "STS.TEST";
const SECRET: &str = "TESTSECRET";

/// An access key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// For temporary keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Session>,
    /// Without one everything is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Policy>,
}

impl Key {
    /// A key that was chosen.
    ///
    /// # Errors
    /// In words without the key, when it could not stand in a signature or in a variable.
    pub(crate) fn given(id: &str, secret: &str) -> Result<Key, String> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=128).contains(&id.len()) || !id.bytes().all(is_id) {
            return Err("an access key's id has 1 to 128 letters, digits, dots, hyphens and underscores".to_owned());
        }
        if !(1..=128).contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("an access key's secret has 1 to 128 characters of ASCII and no spaces".to_owned());
        }
        Ok(Key { id: id.to_owned(), secret: secret.to_owned(), session: None, policy: None })
    }
}

/// The secret stays out of logs and panics.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The token of a temporary key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) expires_ms: i64,
}

/// All keys; the first is the owner's.
pub(crate) struct Keys {
    file: Option<PathBuf>,
    /// Chosen for this run, and not kept; before the others.
    given: Vec<Key>,
    keys: RwLock<Vec<Key>>,
}

impl Keys {
    /// Reads the keys of a store, or makes its first one.
    pub(crate) fn open(folder: &Path, given: Vec<Key>) -> std::io::Result<Keys> {
        let file = folder.join("keys.json");
        let keys: Vec<Key> = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{}: {error}", file.display()))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let keys = Keys { file: Some(file), given, keys: RwLock::new(keys) };
        if keys.read().is_empty() {
            let owner = Key { id: random_id(ID)?, secret: random_secret()?, session: None, policy: None };
            keys.change(|all| all.insert(0, owner))?;
        }
        Ok(keys)
    }

    #[cfg(test)]
    pub(crate) fn of(keys: Vec<Key>) -> Keys {
        Keys { file: None, given: Vec::new(), keys: RwLock::new(keys) }
    }

    pub(crate) fn owner(&self) -> Option<Key> {
        self.given.first().cloned().or_else(|| self.read().first().cloned())
    }

    pub(crate) fn find(&self, id: &str) -> Option<Key> {
        self.given.iter().chain(self.read().iter()).find(|key| key.id == id).cloned()
    }

    pub(crate) fn knows_token(&self, token: &str) -> bool {
        self.read().iter().filter_map(|key| key.session.as_ref()).any(|session| session.token == token)
    }

    /// Ids with whether they are temporary, for the page.
    pub(crate) fn list(&self) -> Vec<(String, Option<i64>)> {
        self.given
            .iter()
            .chain(self.read().iter())
            .map(|key| (key.id.clone(), key.session.as_ref().map(|one| one.expires_ms)))
            .collect()
    }

    /// Makes a key that lasts, with a policy.
    pub(crate) fn add(&self, policy: Option<Policy>) -> std::io::Result<Key> {
        let key = Key { id: random_id(ID)?, secret: random_secret()?, session: None, policy };
        self.change(|all| all.push(key.clone()))?;
        Ok(key)
    }

    /// Makes a temporary key.
    pub(crate) fn add_session(&self, policy: Option<Policy>, now_ms: i64, expires_ms: i64) -> std::io::Result<Key> {
        let session = Session { token: STANDARD.encode(random::<48>()?), expires_ms };
        let key = Key { id: random_id(TEMPORARY_ID)?, secret: random_secret()?, session: Some(session), policy };
        self.change(|all| {
            all.retain(|key| key.session.as_ref().is_none_or(|session| session.expires_ms > now_ms - EXPIRED_KEPT_MS));
            all.push(key.clone());
        })?;
        Ok(key)
    }

    /// Lets all tokens end now.
    pub(crate) fn expire_sessions(&self, now_ms: i64) -> std::io::Result<()> {
        self.change(|all| {
            for session in all.iter_mut().filter_map(|key| key.session.as_mut()) {
                session.expires_ms = session.expires_ms.min(now_ms);
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Key>)) -> std::io::Result<()> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = keys.clone();
        change(&mut changed);
        if let Some(file) = &self.file {
            let text = serde_json::to_vec_pretty(&changed).map_err(std::io::Error::other)?;
            write_durably(file, &text, true)?;
        }
        *keys = changed;
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Letters and digits only: ids stand in paths of scopes and in shells.
fn random_id(prefix: &str) -> std::io::Result<String> {
    Ok(format!("{prefix}{}", letters(&random::<12>()?)))
}

fn random_secret() -> std::io::Result<String> {
    Ok(format!("{SECRET}{}", letters(&random::<24>()?)))
}

fn letters(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// 32 upper-case hex digits, as upload ids have.
pub(crate) fn random_hex() -> std::io::Result<String> {
    Ok(random::<16>()?.iter().map(|byte| format!("{byte:02X}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path(), Vec::new()).unwrap();
        let owner = keys.owner().unwrap();
        let guest = keys.add_session(None, 0, 1000).unwrap();
        assert!(owner.id.starts_with(ID) && owner.secret.starts_with(SECRET));
        let again = Keys::open(folder.path(), Vec::new()).unwrap();
        assert_eq!(again.owner().unwrap().secret, owner.secret);
        assert_eq!(again.find(&guest.id).unwrap().session.unwrap().expires_ms, 1000);
        assert!(again.knows_token(&guest.session.unwrap().token));
        assert!(!format!("{owner:?}").contains(&owner.secret));
    }

    #[test]
    fn a_given_key_is_the_owner_for_one_run_and_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let made = Keys::open(folder.path(), Vec::new()).unwrap().owner().unwrap();
        let given = Key::given("mine", "hush").unwrap();
        let keys = Keys::open(folder.path(), vec![given]).unwrap();
        keys.add(None).unwrap();
        assert_eq!(keys.owner().unwrap().id, "mine");
        assert_eq!((keys.find("mine").unwrap().secret.as_str(), keys.find(&made.id).is_some()), ("hush", true));
        let again = Keys::open(folder.path(), Vec::new()).unwrap();
        assert_eq!((again.owner().unwrap().id, again.find("mine").is_none()), (made.id, true));
        let kept = std::fs::read_to_string(folder.path().join("keys.json")).unwrap();
        assert!(!kept.contains("hush"));
        for (id, secret) in [("", "s"), ("a b", "s"), ("a/b", "s"), ("a", ""), ("a", "s p"), ("a", "sä")] {
            assert!(Key::given(id, secret).unwrap_err().contains("access key"), "{id:?} {secret:?}");
        }
    }
}
