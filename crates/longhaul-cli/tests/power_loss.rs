//! What is left when the power goes?
//!
//! The binary downloads onto a file system of its own (target and state directory both), which is shut down at seeded
//! moments so that nothing unsynced survives. Mounted again, it must never show a wrong file under the target's name,
//! nothing that was told to be durable may be fetched again, and the same command goes on to the exact file. What was
//! told to be done must be there after the next cut.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test can do nothing else about it")]

mod real;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use longhaul_devstore::{Content, Fault, Object, Origin, Seen};
use real::program::{Ended, Get, PATIENCE};
use real::seeds::{Chance, seeds};
use real::volume::{Kind, Volume};

/// Of each connection.
const BYTES_PER_SECOND: u64 = 8 << 20;
/// Small files in a batch.
const BATCH: u64 = 120;

/// How a volume's stories are told.
#[derive(Clone, Copy)]
struct Manner {
    connections: &'static str,
    /// Long enough for a few syncs, one a second.
    len: u64,
    /// The longest way from one cut to the next.
    step_max: u64,
}

const ALONE: Manner = Manner { connections: "1", len: 20 << 20, step_max: 13 << 20 };
const FOUR: Manner = Manner { connections: "4", len: 48 << 20, step_max: 40 << 20 };

#[test]
fn ext4_keeps_what_was_promised() {
    suffer(Kind::Ext4, ALONE);
}

#[test]
fn xfs_keeps_what_was_promised() {
    suffer(Kind::Xfs, ALONE);
}

#[test]
fn ext4_keeps_what_four_connections_brought_in_no_order() {
    suffer(Kind::Ext4, FOUR);
}

#[test]
fn xfs_keeps_what_four_connections_brought_in_no_order() {
    suffer(Kind::Xfs, FOUR);
}

#[test]
fn an_empty_partial_that_a_power_cut_left_goes_with_the_next_start() {
    let origin = Origin::start();
    origin.put("/object", Object::seeded(1, 1000));
    let folder = tempfile::tempdir().unwrap();
    let get = || Get::start(&origin.url("/object"), &folder.path().join("object"), &folder.path().join("state"), &[]);
    get().wait().assert_done();
    // Made for its lock by a start that found nothing to do; its removal did not reach the disk.
    File::create(folder.path().join("object.lhpart")).unwrap();
    assert_eq!(get().wait().assert_done()["already"], true);
    real::assert_no_leftovers(folder.path());
}

fn suffer(kind: Kind, manner: Manner) {
    let Some(volume) = Volume::new(kind) else { return };
    let origin = Origin::start();
    let mut cuts = 0;
    for seed in seeds(8) {
        let mut story = Story::begin(&volume, &origin, manner, seed);
        match seed % 4 {
            0 => story.of_a_replaced_object(),
            1 => story.of_a_long_transfer(),
            2 => story.of_a_range(),
            _ => story.of_small_files(),
        }
        story.of_a_batch();
        cuts += story.cuts;
        fs::remove_dir_all(&story.folder).unwrap();
    }
    real::say(&format!("{kind:?}, -x {}: {cuts} power cuts", manner.connections));
}

/// One folder on the volume, and what happens in it.
struct Story<'a> {
    volume: &'a Volume,
    origin: &'a Origin,
    manner: Manner,
    chance: Chance,
    seed: u64,
    folder: PathBuf,
    /// What the last run said to be durable of the version that the origin has.
    durable: u64,
    /// Where in the object the two halves of the file begin, when not all of it is asked for.
    halves: Option<[u64; 2]>,
    cuts: u32,
}

impl<'a> Story<'a> {
    fn begin(volume: &'a Volume, origin: &'a Origin, manner: Manner, seed: u64) -> Story<'a> {
        let folder = volume.root().join(format!("story-{seed}"));
        fs::create_dir(&folder).unwrap();
        // The folder is not what is tested.
        File::open(&folder).unwrap().sync_all().unwrap();
        File::open(volume.root()).unwrap().sync_all().unwrap();
        Story { volume, origin, manner, chance: Chance::new(seed), seed, folder, durable: 0, halves: None, cuts: 0 }
    }

    /// Cuts while bytes flow; what was durable is not asked for again.
    fn of_a_long_transfer(&mut self) {
        let object = self.put("long", self.seed);
        for _ in 0..3 {
            self.suffer_midway("long", &object);
        }
        self.finish("long", &object);
    }

    /// The same with two pieces of an object that is twice as long.
    fn of_a_range(&mut self) {
        let half = self.manner.len / 2;
        self.halves = Some([self.chance.of(1..half), 2 * half + self.chance.of(1..half)]);
        let file = self.put("range", self.seed);
        for _ in 0..3 {
            self.suffer_midway("range", &file);
        }
        self.finish("range", &file);
        self.halves = None;
    }

    /// Cuts before and after another version takes the object's place.
    fn of_a_replaced_object(&mut self) {
        let old = self.put("replaced", self.seed);
        self.suffer_midway("replaced", &old);
        let new = self.put("replaced", self.seed + 1000);
        self.durable = 0; // of the old one
        for _ in 0..2 {
            self.suffer_midway("replaced", &new);
        }
        self.finish("replaced", &new);
    }

    /// Cuts around the moment when a file appears: a new name, and an older file that is replaced.
    fn of_small_files(&mut self) {
        for name in ["new", "over-an-older-one"] {
            let len = self.chance.of(1..3 << 20);
            let object = Object::seeded(self.seed, len);
            self.origin.put(&path(name, self.seed), object.clone());
            let older = Content::seeded(self.seed + 1, 12_345);
            let overwrite = name != "new";
            if overwrite {
                let mut file = File::create(self.folder.join(name)).unwrap();
                file.write_all(&older.to_vec()).unwrap();
                file.sync_all().unwrap();
                File::open(&self.folder).unwrap().sync_all().unwrap();
            }
            for _ in 0..2 {
                let before = self.origin.bytes_served();
                let mut get = self.get(name, overwrite);
                // Its bytes have left, or it needs none any more and says so.
                real::until(PATIENCE, || self.origin.bytes_served() >= before + len || !get.runs());
                std::thread::sleep(self.chance.micros(0..60_000));
                let ended = self.cut(get);
                let target = self.folder.join(name);
                if ended.code() == Some(0) {
                    real::assert_is(&target, &object.content);
                } else if target.exists() {
                    let is = |content: &Content| content.first_difference_in_file(&target).unwrap().is_none();
                    assert!(is(&object.content) || overwrite && is(&older), "{name} is neither version");
                } else {
                    assert!(!overwrite, "the older file is gone, and the new one is not there");
                }
            }
            self.finish_with(name, &object.content, overwrite);
        }
    }

    /// Cuts while many small files are fetched side by side and synced in groups: each is there whole or not at all,
    /// and those that were told to be done are there.
    fn of_a_batch(&mut self) {
        let (folder, state) = (self.folder.join("batch"), self.folder.join("state"));
        fs::create_dir(&folder).unwrap();
        File::open(&self.folder).unwrap().sync_all().unwrap();
        let names: Vec<String> = (0..BATCH).map(|n| format!("batch-{n}-{}", self.seed)).collect();
        let objects: Vec<Object> =
            (0..BATCH).map(|n| Object::seeded(self.seed + n, self.chance.of(0..40 << 10))).collect();
        for (name, object) in names.iter().zip(&objects) {
            self.origin.put(&format!("/{name}"), object.clone());
        }
        let list = tempfile::NamedTempFile::new().unwrap();
        let urls: Vec<String> = names.iter().map(|name| self.origin.url(&format!("/{name}"))).collect();
        fs::write(list.path(), urls.join("\n")).unwrap();
        let start = || Get::start_batch(list.path(), &folder, &state, &["-j", "48"]);
        for _ in 0..2 {
            let before = self.origin.requests();
            let count = self.chance.of(1..BATCH) as usize;
            let mut get = start();
            real::until(PATIENCE, || self.origin.requests() >= before + count || !get.runs());
            let ended = self.cut(get);
            let done = |name: &str| {
                let is_it = |event: &serde_json::Value| {
                    event["event"] == "done" && event["path"].as_str().is_some_and(|path| path.ends_with(name))
                };
                ended.events.iter().any(is_it)
            };
            for (name, object) in names.iter().zip(&objects) {
                let target = folder.join(name);
                assert!(target.exists() || !done(&format!("/{name}")), "{name} was said to be done, and is gone");
                if target.exists() {
                    real::assert_is(&target, &object.content);
                }
            }
        }
        start().wait().assert_done();
        self.volume.cut();
        self.volume.back();
        self.cuts += 1;
        for (name, object) in names.iter().zip(&objects) {
            real::assert_is(&folder.join(name), &object.content);
        }
        start().wait().assert_done();
        real::assert_no_leftovers(&folder);
    }

    /// The server answers late, too, so that what is told while a version takes another's place is held to its word.
    fn put(&mut self, name: &str, content: u64) -> Content {
        let len = self.manner.len;
        let object = Object::seeded(content, if self.halves.is_some() { 2 * len } else { len });
        let path = path(name, self.seed);
        self.origin.put(&path, object.clone());
        let late = Fault::Delay(self.chance.micros(0..250_000));
        self.origin.always(&path, Fault::All(vec![late, Fault::Pace { bytes_per_second: BYTES_PER_SECOND }]));
        match self.halves {
            Some([a, b]) => object.content.slice(a..a + len / 2).then(&object.content.slice(b..b + len / 2)),
            None => object.content,
        }
    }

    fn get(&self, name: &str, overwrite: bool) -> Get {
        let mut more = vec!["-x", self.manner.connections];
        more.extend(overwrite.then_some("--overwrite"));
        let half = self.manner.len / 2;
        let range = self.halves.map(|[a, b]| format!("{a}-{},{b}-{}", a + half - 1, b + half - 1));
        more.extend(range.as_deref().into_iter().flat_map(|range| ["--range", range]));
        let url = self.origin.url(&path(name, self.seed));
        Get::start(&url, &self.folder.join(name), &self.folder.join("state"), &more)
    }

    /// Runs for a while, and is cut off.
    fn suffer_midway(&mut self, name: &str, content: &Content) {
        let (before, requests) = (self.origin.bytes_served(), self.origin.requests());
        let step = self.chance.of(0..self.manner.step_max);
        let mut get = self.get(name, false);
        real::until(PATIENCE, || self.origin.bytes_served() >= before + step || !get.runs());
        let ended = self.cut(get);
        assert!(self.origin.settled(Duration::from_secs(90)));
        self.hold_to_its_word(requests);
        let target = self.folder.join(name);
        if target.exists() {
            real::assert_is(&target, content);
        } else {
            assert_ne!(ended.code(), Some(0), "said to be done, and gone");
        }
        if target.exists() {
            self.durable = 0; // it is asked about now, and not for its bytes
            return;
        }
        let since = ended.events.iter().rposition(|event| event["event"] == "restarted").unwrap_or(0);
        let durable = ended.events[since..].iter().filter_map(|event| event["durable"].as_u64());
        self.durable = durable.max().unwrap_or(0);
    }

    /// What was durable in the run before is not asked for in this one: all that is asked for, taken together, leaves
    /// at least as much out.
    fn hold_to_its_word(&self, requests_before: usize) {
        let log = self.origin.log();
        let mut asked: Vec<(u64, u64)> = log[requests_before..].iter().map(|seen| self.range(seen)).collect();
        asked.sort_unstable();
        let (mut left_out, mut at) = (0, 0);
        for &(start, end) in &asked {
            left_out += start.saturating_sub(at);
            at = at.max(end);
        }
        left_out += self.manner.len - at;
        assert!(left_out >= self.durable, "{} bytes were durable, and {asked:?} are asked for", self.durable);
    }

    /// From where to where it asks, in the file.
    fn range(&self, seen: &Seen) -> (u64, u64) {
        let (start, last) = seen.header("Range").unwrap().trim_start_matches("bytes=").split_once('-').unwrap();
        let end = if last.is_empty() { self.manner.len } else { last.parse::<u64>().unwrap() + 1 };
        let (start, end) = (start.parse().unwrap(), end);
        match self.halves {
            Some([_, b]) if start >= b => (start - b + self.manner.len / 2, end - b + self.manner.len / 2),
            Some([a, _]) => (start - a, end - a),
            None => (start, end.min(self.manner.len)),
        }
    }

    /// The power goes, and comes back.
    fn cut(&mut self, mut get: Get) -> Ended {
        self.volume.cut();
        get.kill();
        let ended = get.wait();
        self.volume.back();
        self.cuts += 1;
        ended
    }

    fn finish(&mut self, name: &str, content: &Content) {
        let requests = self.origin.requests();
        self.origin.always(&path(name, self.seed), Fault::Correct);
        self.finish_with(name, content, false);
        self.hold_to_its_word(requests);
    }

    /// To the end; what is done stays done.
    fn finish_with(&mut self, name: &str, content: &Content, overwrite: bool) {
        self.get(name, overwrite).wait().assert_done();
        self.volume.cut();
        self.volume.back();
        self.cuts += 1;
        real::assert_is(&self.folder.join(name), content);
        // The last cut may have brought a journal back that was removed just before; the next start removes it again.
        self.get(name, overwrite).wait().assert_done();
        real::assert_is(&self.folder.join(name), content);
        real::assert_no_leftovers(&self.folder);
    }
}

fn path(name: &str, seed: u64) -> String {
    format!("/{name}-{seed}")
}
