//! What an entry needs that no file may hold: links with secret parts, header values, passwords.
//!
//! They are in memory. Beside it, so that a program that is killed goes on by itself, in `RUNTIME/secrets/ID` (0600):
//! only where the runtime directory is in memory as well (tmpfs, ramfs), which `statfs` tells. Elsewhere they are not
//! written, and a restart says what an entry needs.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::details::Details;
use super::entry::EntryId;
use super::new::EntrySecrets;
use super::words;
use crate::secrets;
use crate::source::Source;

/// What one entry needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// Whole sources, best first; empty: those that the list shows are whole.
    pub(super) sources: Vec<Source>,
    pub(super) secrets: EntrySecrets,
}

impl Kept {
    /// Whether there is anything that the list does not hold.
    fn is_needed(&self) -> bool {
        self.sources.iter().any(Source::has_secrets) || self.secrets.are_any()
    }

    /// From here on no text of others repeats them.
    fn learn(&self) {
        self.secrets.headers.iter().for_each(|(_, value)| secrets::learn(value));
        for (user, password) in self.secrets.auth.iter().chain(&self.secrets.proxy_auth) {
            secrets::learn_login(user, password);
        }
    }
}

/// The secrets of all entries.
#[derive(Debug, Default)]
pub(super) struct Vault {
    kept: HashMap<EntryId, Kept>,
    /// Where they are written to as well.
    folder: Option<PathBuf>,
}

impl Vault {
    /// With what an earlier program left in the runtime directory.
    pub(super) fn open(runtime: Option<&Path>) -> Self {
        let Some(folder) = runtime.and_then(in_memory) else { return Self::default() };
        let mut kept = HashMap::new();
        for file in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let id = file.file_name().to_str().and_then(words::entry_id);
            if let Some((id, found)) = id.zip(read(&file.path())) {
                found.learn();
                kept.insert(id, found);
            }
        }
        Self { kept, folder: Some(folder) }
    }

    pub(super) fn get(&self, id: EntryId) -> Option<&Kept> {
        self.kept.get(&id)
    }

    /// Keeps what an entry needs, in place of what was kept.
    pub(super) fn put(&mut self, id: EntryId, kept: Kept) {
        if !kept.is_needed() {
            return self.remove(id);
        }
        kept.learn();
        if let Some(folder) = &self.folder
            && let Err(error) = write(folder, id, &kept)
        {
            tracing::info!("{id}: its secrets are in the memory of this program alone: {error}");
        }
        self.kept.insert(id, kept);
    }

    pub(super) fn remove(&mut self, id: EntryId) {
        if self.kept.remove(&id).is_some()
            && let Some(folder) = &self.folder
        {
            let _ = std::fs::remove_file(folder.join(id.to_string())); // it may have been in memory alone
        }
    }

    /// Forgets those of entries that are not in the list.
    pub(super) fn retain(&mut self, is_listed: impl Fn(EntryId) -> bool) {
        let gone: Vec<EntryId> = self.kept.keys().copied().filter(|id| !is_listed(*id)).collect();
        gone.into_iter().for_each(|id| self.remove(id));
    }

    /// The whole sources of an entry, as far as they are known.
    pub(super) fn sources(&self, id: EntryId, details: &Details) -> Vec<Source> {
        match self.kept.get(&id).filter(|kept| !kept.sources.is_empty()) {
            Some(kept) => kept.sources.clone(),
            None if details.needs_link => Vec::new(),
            None => details.sources.iter().filter_map(|source| source.parse().ok()).collect(),
        }
    }
}

/// The folder for secrets below a runtime directory that is in memory.
fn in_memory(runtime: &Path) -> Option<PathBuf> {
    let folder = runtime.join("secrets");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    let opened = File::open(&folder).ok()?;
    if is_in_memory(&opened) {
        return Some(folder);
    }
    tracing::info!("{} is on a disk: no secret is written there", runtime.display());
    let _ = std::fs::remove_dir(&folder); // it was made for nothing, or holds what is not ours
    None
}

#[cfg(target_os = "linux")]
fn is_in_memory(folder: &File) -> bool {
    // statfs(2): TMPFS_MAGIC, RAMFS_MAGIC.
    const KINDS: [i64; 2] = [0x0102_1994, 0x8584_58f6];
    #[allow(clippy::unnecessary_cast, reason = "the width of this field differs between systems")]
    rustix::fs::fstatfs(folder).is_ok_and(|stat| KINDS.contains(&((stat.f_type as i64) & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &File) -> bool {
    false
}

/// [`Kept`] as JSON.
#[derive(Serialize, Deserialize)]
struct KeptText {
    sources: Vec<String>,
    headers: Vec<(String, String)>,
    auth: Option<(String, String)>,
    proxy_auth: Option<(String, String)>,
}

fn whole(source: &Source) -> String {
    match source {
        Source::Web(link) => link.with_secrets().to_owned(),
        Source::Object(name) => name.to_string(),
    }
}

fn write(folder: &Path, id: EntryId, kept: &Kept) -> std::io::Result<()> {
    let EntrySecrets { headers, auth, proxy_auth } = kept.secrets.clone();
    let text = KeptText { sources: kept.sources.iter().map(whole).collect(), headers, auth, proxy_auth };
    let (path, beside) = (folder.join(id.to_string()), folder.join(format!("{id}~")));
    let _ = std::fs::remove_file(&beside); // of a program that was killed here
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec(&text)?)?;
    std::fs::rename(&beside, &path)
}

fn read(path: &Path) -> Option<Kept> {
    let text: KeptText = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let KeptText { sources, headers, auth, proxy_auth } = text;
    let sources = sources.iter().filter_map(|source| source.parse().ok()).collect();
    Some(Kept { sources, secrets: EntrySecrets { headers, auth, proxy_auth } })
}

/// The links as they are asked for, where they are known whole.
pub(super) fn texts(sources: &[Source]) -> Vec<String> {
    sources.iter().map(whole).collect()
}
