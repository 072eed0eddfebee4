//! The store as a whole: what all connections share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, Rest};
use super::cors::Cors;
use super::disk::{Bucket, Disk};
use super::faults::{Faults, Rule};
use super::keys::{Key, Keys};
use super::labels::Acl;
use super::log::Log;
use super::op::Op;
use super::refusal::Refusal;
use super::target::{Hosts, Resource};
use super::variants::Variants;
use super::wire::Patience;

/// What can be chosen about a store before it starts.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) folder: PathBuf,
    pub(crate) region: String,
    /// Requests need no signature.
    pub(crate) anonymous: bool,
    /// Buckets without CORS rules are open to pages of every origin.
    pub(crate) open_cors: bool,
    pub(crate) hosts: Hosts,
    pub(crate) patience: Patience,
    pub(crate) connections_max: usize,
    /// Below it a part that is not the last is too small to be completed.
    pub(crate) part_bytes_min: u64,
    /// Without it a power cut may cost what was answered.
    pub(crate) sync: bool,
    pub(crate) callback_patience: Duration,
    pub(crate) beginning: Beginning,
}

/// What a store begins with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beginning {
    pub(crate) buckets: Vec<String>,
    pub(crate) seeds: Vec<Seed>,
    pub(crate) faults: Vec<Rule>,
    pub(crate) variants: Vec<(String, String)>,
    pub(crate) clock_offset_ms: i64,
}

/// Files that become objects.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    /// Whose keys are the files' paths below the folder. Without one every folder in it is a bucket.
    pub(crate) bucket: Option<String>,
    pub(crate) folder: PathBuf,
}

/// Everything that connections share.
pub(crate) struct Store {
    pub(crate) settings: Settings,
    pub(crate) disk: Disk,
    pub(crate) keys: Keys,
    pub(crate) clock: Clock,
    pub(crate) rest: Rest,
    pub(crate) variants: Variants,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) callbacks: super::callback::Signing,
    /// `http://127.0.0.1:9000`, once it listens.
    pub(crate) endpoint: String,
    pub(crate) admin: String,
}

impl Store {
    pub(crate) fn open(folder: &Path, settings: Settings, keys: Vec<Key>, log: Log) -> std::io::Result<Store> {
        let disk = Disk::open(folder, settings.sync)?;
        let keys = Keys::open(folder, keys)?;
        Ok(Store {
            callbacks: super::callback::Signing::new(folder),
            settings,
            disk,
            keys,
            clock: Clock::default(),
            rest: Rest::default(),
            variants: Variants::default(),
            faults: Faults::default(),
            log,
            endpoint: String::new(),
            admin: String::new(),
        })
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Arc<Bucket>, Refusal> {
        self.disk.bucket(name).ok_or_else(|| Refusal::no_such_bucket(name))
    }

    /// The CORS rules that count for a bucket.
    pub(crate) fn cors(&self, bucket: &str) -> Option<Cors> {
        let own = self.disk.bucket(bucket)?.facts().cors;
        own.or_else(|| self.settings.open_cors.then(Cors::open))
    }

    /// May this be done with that key, or without any?
    pub(crate) fn allow(&self, key: Option<&super::keys::Key>, op: Op, resource: &Resource) -> Result<(), Refusal> {
        if self.settings.anonymous {
            return Ok(());
        }
        let denied = || Refusal::denied("You have no right to access this object because of bucket acl.");
        match key {
            Some(key) => match &key.policy {
                Some(policy) if !policy.allows(op, resource) => {
                    Err(Refusal::denied("You do not have the permission to perform this operation.")
                        .with("AuthAction", format!("oss:{}", op.action())))
                }
                _ => Ok(()),
            },
            None if resource.bucket.is_empty() => {
                Err(Refusal::denied("Anonymous access is forbidden for this operation."))
            }
            None => {
                let bucket = self.bucket(&resource.bucket)?;
                let own = bucket.object(&resource.key).map_or(Acl::Default, |object| object.facts.labels.acl);
                let acl = if own == Acl::Default { bucket.facts().acl } else { own };
                if acl.grants(op) { Ok(()) } else { Err(denied()) }
            }
        }
    }
}
