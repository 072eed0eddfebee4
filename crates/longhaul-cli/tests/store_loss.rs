//! What has a store after `kill -9`, and when the power comes back?
//!
//! Goal: what `longhaul serve` answered with success is there, whole; what it had not answered is as it was before, or
//! done, and never half. Method: at seeded moments, while several clients write, the store is killed, or the file
//! system under it is shut down, so that nothing unsynced survives. Each client knows what its keys may hold; a new
//! store on the same folder is held against that.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test can do nothing else about it")]

mod real;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use longhaul_devstore::Content;
use real::seeds::{Chance, seeds};
use real::store::{Store, between};
use real::volume::{Kind, Volume};
use rustix::process::{Pid, Signal};

/// Blows for each seed, one after the other in the same folder.
const BLOWS: u64 = 3;
/// Answers before the blow, at most.
const ANSWERS_MAX: u64 = 60;
/// The least a part may have that is not the last.
const PART: u64 = 100 << 10;

#[test]
fn ext4_keeps_what_a_store_answered() {
    power_cuts(Kind::Ext4);
}

#[test]
fn xfs_keeps_what_a_store_answered() {
    power_cuts(Kind::Xfs);
}

#[test]
fn a_killed_store_keeps_what_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    // Without syncs: the kernel lives on, and more happens in the time.
    let start = |folder: &Path| Store::start(folder, &["--anonymous", "--bucket", "films", "--durability", "process"]);
    let kill = |store: &Store| rustix::process::kill_process(Pid::from_child(&store.child), Signal::KILL).unwrap();
    suffer("kill -9", folder.path(), 6, start, kill, || {});
}

fn power_cuts(kind: Kind) {
    let Some(volume) = Volume::new(kind) else { return };
    let start = |folder: &Path| Store::start(folder, &["--anonymous", "--bucket", "films"]);
    suffer(&format!("{kind:?}"), &volume.root(), 3, start, |_| volume.cut(), || volume.back());
}

/// A store that is struck again and again while clients write.
fn suffer(
    name: &str,
    root: &Path,
    usual: u64,
    start: impl Fn(&Path) -> Store,
    strike: impl Fn(&Store),
    recover: impl Fn(),
) {
    let mut answered = 0;
    for seed in seeds(usual) {
        let mut chance = Chance::new(seed);
        let folder = root.join(format!("store-{seed}"));
        let mut claims: Vec<Claim> = Vec::new();
        for blow in 0..BLOWS {
            let store = start(&folder);
            claims.drain(..).for_each(|claim| claim.hold(&store));
            let (answers, ending) = (AtomicU64::new(0), AtomicBool::new(false));
            let writers = Writers { store: &store, answers, ending, round: seed * 100 + blow };
            let (until, after) = (chance.of(1..ANSWERS_MAX), chance.micros(0..20_000));
            std::thread::scope(|scope| {
                let works = works().map(|work| {
                    let (writers, chance) = (&writers, Chance::new(chance.of(0..u64::MAX)));
                    scope.spawn(move || work(writers, chance))
                });
                let enough = || writers.answers.load(Ordering::Relaxed) >= until;
                assert!(real::until(Duration::from_secs(90), enough), "the store does not answer");
                std::thread::sleep(after); // any moment is as good
                writers.ending.store(true, Ordering::SeqCst);
                strike(&store);
                works.into_iter().for_each(|work| claims.extend(work.join().unwrap()));
            });
            answered += writers.answers.load(Ordering::Relaxed);
            store.kill();
            recover();
        }
        let store = start(&folder);
        claims.iter().for_each(|claim| claim.hold(&store));
        store.kill();
        std::fs::remove_dir_all(&folder).unwrap();
    }
    real::say(&format!("{name}: {answered} answers were kept"));
}

/// What a client knows of something it wrote.
enum Claim {
    /// The object is one of these; `None` is no object.
    Object { key: String, is: Vec<Option<Vec<u8>>> },
    /// The upload has these parts, each with one of these ETags (`None`: it may be missing); or, if that is said, it is
    /// over.
    Upload { key: String, id: String, parts: BTreeMap<u32, Vec<Option<String>>>, may_be_over: bool },
    /// Whether there is a bucket.
    Bucket { name: String, is: Vec<bool> },
}

impl Claim {
    fn hold(&self, store: &Store) {
        match self {
            Claim::Object { key, is } => {
                let (status, head, body) = store.ask(&format!("GET /films/{key}"), b"").unwrap();
                let found = match status {
                    200 => Some(body),
                    404 => None,
                    _ => panic!("{key}: {head}{}", String::from_utf8_lossy(&body)),
                };
                let sizes: Vec<Option<usize>> = is.iter().map(|one| one.as_ref().map(Vec::len)).collect();
                assert!(is.contains(&found), "{key} has {:?} bytes, of {sizes:?}", found.map(|body| body.len()));
            }
            Claim::Upload { key, id, parts, may_be_over } => {
                let (status, head, body) = store.ask(&format!("GET /films/{key}?uploadId={id}"), b"").unwrap();
                if status == 404 && *may_be_over {
                    return;
                }
                assert_eq!(status, 200, "the upload {id} is gone: {head}");
                let list = String::from_utf8(body).unwrap().replace("&quot;", "\"");
                let found: BTreeMap<u32, String> = list
                    .split("<Part>")
                    .skip(1)
                    .map(|part| {
                        let number = between(part.as_bytes(), "<PartNumber>", "<").parse().unwrap();
                        (number, between(part.as_bytes(), "<ETag>", "<"))
                    })
                    .collect();
                for (number, may_be) in parts {
                    let etag = found.get(number).cloned();
                    assert!(may_be.contains(&etag), "part {number} is {etag:?}, none of {may_be:?}");
                }
                assert!(found.keys().all(|number| parts.contains_key(number)), "{list}");
            }
            Claim::Bucket { name, is } => {
                let (status, ..) = store.ask(&format!("GET /{name}"), b"").unwrap();
                assert!(is.contains(&(status == 200)), "{name}: {status}, of {is:?}");
            }
        }
    }
}

type Work<'a> = fn(&Writers<'a>, Chance) -> Vec<Claim>;

fn works<'a>() -> [Work<'a>; 5] {
    [Writers::objects, Writers::appends, Writers::copies, Writers::uploads, Writers::buckets]
}

/// Clients that write until they are not answered any more.
struct Writers<'a> {
    store: &'a Store,
    answers: AtomicU64,
    /// Answers from now on prove nothing. A machine without power would give none; here the kernel lives on, and xfs
    /// lets a folder's sync succeed that has come to nothing.
    ending: AtomicBool,
    /// So that no key is another round's.
    round: u64,
}

impl Writers<'_> {
    /// Head and body of a success.
    fn ask(&self, line: &str, body: &[u8]) -> Option<(String, Vec<u8>)> {
        self.ask_with(line, "", body)
    }

    fn ask_with(&self, line: &str, fields: &str, body: &[u8]) -> Option<(String, Vec<u8>)> {
        let answer = self.store.ask_with(line, fields, body);
        let (_, head, body) = answer.filter(|(status, ..)| matches!(status, 200 | 204))?;
        if self.ending.load(Ordering::SeqCst) {
            return None;
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
        Some((head, body))
    }

    /// One key that is written, replaced and removed.
    fn objects(&self, mut chance: Chance) -> Vec<Claim> {
        let key = format!("object-{}", self.round);
        let mut last = None;
        loop {
            let next = match last.is_some() && chance.one_in(4) {
                true => None,
                false => Some(Content::seeded(chance.of(0..1000), chance.of(0..200_000)).to_vec()),
            };
            let done = match &next {
                Some(body) => self.ask(&format!("PUT /films/{key}"), body),
                None => self.ask(&format!("DELETE /films/{key}"), b""),
            };
            if done.is_none() {
                return vec![Claim::Object { key, is: vec![last, next] }];
            }
            last = next;
        }
    }

    fn appends(&self, mut chance: Chance) -> Vec<Claim> {
        let key = format!("log-{}", self.round);
        let mut last: Option<Vec<u8>> = None;
        loop {
            let piece = Content::seeded(chance.of(0..1000), chance.of(1..20_000)).to_vec();
            let held = last.as_deref().unwrap_or_default();
            let done = self.ask(&format!("POST /films/{key}?append&position={}", held.len()), &piece);
            let next = Some([held, &piece].concat());
            if done.is_none() {
                return vec![Claim::Object { key, is: vec![last, next] }];
            }
            last = next;
        }
    }

    /// Several names for the same bytes, each of which has to last when the others go.
    fn copies(&self, mut chance: Chance) -> Vec<Claim> {
        let body = Content::seeded(self.round, chance.of(1..100_000)).to_vec();
        let keys: Vec<String> = (0..3).map(|n| format!("copy-{}-{n}", self.round)).collect();
        let mut is = vec![vec![None]; keys.len()];
        for step in 0.. {
            // Around in a circle: from one to the next, then the first goes.
            let (from, to) = (step % keys.len(), (step + 1) % keys.len());
            let (at, next, done) = match is[from][0] {
                None => (from, Some(body.clone()), self.ask(&format!("PUT /films/{}", keys[from]), &body)),
                Some(_) if is[to][0].is_none() => {
                    let fields = format!("x-oss-copy-source: /films/{}\r\n", keys[from]);
                    let done = self.ask_with(&format!("PUT /films/{}", keys[to]), &fields, b"");
                    (to, Some(body.clone()), done)
                }
                Some(_) => (from, None, self.ask(&format!("DELETE /films/{}", keys[from]), b"")),
            };
            if done.is_none() {
                is[at].push(next);
                break;
            }
            is[at] = vec![next];
        }
        keys.into_iter().zip(is).map(|(key, is)| Claim::Object { key, is }).collect()
    }

    /// Uploads one after the other, of which some are completed and some aborted.
    fn uploads(&self, mut chance: Chance) -> Vec<Claim> {
        let key = format!("big-{}", self.round);
        let mut last = None;
        loop {
            let object = |is| Claim::Object { key: key.clone(), is };
            let Some((_, answer)) = self.ask(&format!("POST /films/{key}?uploads"), b"") else {
                return vec![object(vec![last])];
            };
            let id = between(&answer, "<UploadId>", "</UploadId>");
            let upload = |parts, may_be_over| Claim::Upload { key: key.clone(), id: id.clone(), parts, may_be_over };
            let mut parts = BTreeMap::new();
            let mut bodies = BTreeMap::new();
            // The second is sent twice.
            for number in [1, 2, 2, 3] {
                let body = Content::seeded(chance.of(0..1000), PART + chance.of(0..1000)).to_vec();
                let etag = format!("\"{}\"", Content::bytes(body.clone()).md5().to_uppercase());
                if self.ask(&format!("PUT /films/{key}?partNumber={number}&uploadId={id}"), &body).is_none() {
                    parts.entry(number).or_insert(vec![None]).push(Some(etag));
                    return vec![object(vec![last]), upload(parts, false)];
                }
                parts.insert(number, vec![Some(etag)]);
                bodies.insert(number, body);
            }
            if chance.one_in(3) {
                if self.ask(&format!("DELETE /films/{key}?uploadId={id}"), b"").is_none() {
                    return vec![object(vec![last]), upload(parts, true)];
                }
                continue;
            }
            let list: String = parts
                .iter()
                .map(|(number, etag)| {
                    let etag = etag[0].as_deref().unwrap_or_default();
                    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
                })
                .collect();
            let next = Some(bodies.into_values().collect::<Vec<_>>().concat());
            let document = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
            if self.ask(&format!("POST /films/{key}?uploadId={id}"), document.as_bytes()).is_none() {
                return vec![object(vec![last, next]), upload(parts, true)];
            }
            last = next;
        }
    }

    fn buckets(&self, _: Chance) -> Vec<Claim> {
        let name = format!("bucket-{}", self.round);
        let mut is = false;
        loop {
            let word = if is { "DELETE" } else { "PUT" };
            if self.ask(&format!("{word} /{name}"), b"").is_none() {
                return vec![Claim::Bucket { name, is: vec![is, !is] }];
            }
            is = !is;
        }
    }
}
