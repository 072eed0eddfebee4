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
    keys: RwLock<Vec<Key>>,
}

impl Keys {
    /// Reads the keys of a store, or makes its first one.
    pub(crate) fn open(folder: &Path) -> std::io::Result<Keys> {
        let file = folder.join("keys.json");
        let keys: Vec<Key> = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{}: {error}", file.display()))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let keys = Keys { file: Some(file), keys: RwLock::new(keys) };
        if keys.owner().is_none() {
            let owner = Key { id: random_id("LTAI")?, secret: random_secret()?, session: None, policy: None };
            keys.change(|all| all.insert(0, owner))?;
        }
        Ok(keys)
    }

    #[cfg(test)]
    pub(crate) fn of(keys: Vec<Key>) -> Keys {
        Keys { file: None, keys: RwLock::new(keys) }
    }

    pub(crate) fn owner(&self) -> Option<Key> {
        self.read().first().cloned()
    }

    pub(crate) fn find(&self, id: &str) -> Option<Key> {
        self.read().iter().find(|key| key.id == id).cloned()
    }

    pub(crate) fn knows_token(&self, token: &str) -> bool {
        self.read().iter().filter_map(|key| key.session.as_ref()).any(|session| session.token == token)
    }

    /// Ids with whether they are temporary, for the page.
    pub(crate) fn list(&self) -> Vec<(String, Option<i64>)> {
        self.read().iter().map(|key| (key.id.clone(), key.session.as_ref().map(|one| one.expires_ms))).collect()
    }

    /// Makes a key that lasts, with a policy.
    pub(crate) fn add(&self, policy: Option<Policy>) -> std::io::Result<Key> {
        let key = Key { id: random_id("LTAI")?, secret: random_secret()?, session: None, policy };
        self.change(|all| all.push(key.clone()))?;
        Ok(key)
    }

    /// Makes a temporary key.
    pub(crate) fn add_session(&self, policy: Option<Policy>, now_ms: i64, expires_ms: i64) -> std::io::Result<Key> {
        let session = Session { token: STANDARD.encode(random::<48>()?), expires_ms };
        let key = Key { id: random_id("STS.N")?, secret: random_secret()?, session: Some(session), policy };
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
    Ok(format!("{prefix}{}", letters(&random::<20>()?)))
}

fn random_secret() -> std::io::Result<String> {
    Ok(letters(&random::<30>()?))
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
        let keys = Keys::open(folder.path()).unwrap();
        let owner = keys.owner().unwrap();
        let guest = keys.add_session(None, 0, 1000).unwrap();
        let again = Keys::open(folder.path()).unwrap();
        assert_eq!(again.owner().unwrap().secret, owner.secret);
        assert_eq!(again.find(&guest.id).unwrap().session.unwrap().expires_ms, 1000);
        assert!(again.knows_token(&guest.session.unwrap().token));
        assert!(!format!("{owner:?}").contains(&owner.secret));
    }
}
