//! The oracle: what a user could see go wrong. It looks at the disk, at what the remote sent, and at what was told, and
//! keeps its own account; it does not trust what the core believes to hold.
//!
//! * The target is absent, the older file, or one whole version, at every moment; after `Done` the latter, for ever.
//! * A claim in a journal is true of the file beside it, also after a power cut.
//! * Bytes that the journal speaks of and that are intact are not fetched again, unless a reason was told, and the
//!   reason is a true one.
//! * No held byte is dropped in silence within a run.
//! * Every run ends; the last one, undisturbed, ends with the file.

use std::fmt;

use longhaul_core::download::HeldBytes;
use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{Folded, Record, Recovered};
use longhaul_core::download::restart::Restart;
use longhaul_core::download::resume::TargetRefusal;
use longhaul_core::download::step::{Failure, Finish, Heard, Note, Step, Trouble, Verified};
use longhaul_core::link::LinkEnd;
use longhaul_core::reply::Suspicion;
use longhaul_core::words::{Extent, Millis, Ticket};

use super::content::{CAP, Mask, crc64, mask, mask_of};
use super::disk::{Id, MAIN, NEXT, NONE, Name, TARGET};
use super::driver::name_of;
use super::remote::{Declares, Ranges};
use super::stream::Stream;
use super::window::Wanted;
use super::world::{Stand, World};
use crate::world::Breach;

/// Requests without a byte in one run: the budget of retries, suspicions in several ways of asking, versions that
/// alternate.
const REQUESTS_IN_VAIN_MAX: u32 = 60;
/// A run ends so many seconds after it heard of its failure, at most.
const BEFORE_S_MAX: i64 = 60;
/// Steps that one event from outside may lead to: a few for each stream and each generation.
const STEPS_AT_ONCE_MAX: u64 = 16;

/// The oracle's own account.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// The core has an identity to hold odd replies against.
    pub(crate) identity_known: bool,
    /// The identity recorded last has a strong validator.
    recorded_strong: bool,
    /// Bytes that the journal spoke of when the run began, intact and joinable; and those of them that were claimed.
    pub(crate) kept: Mask,
    kept_claims: Mask,
    /// Everything that was claimed when the run began, of the generation in work and of the one before it.
    claimed: Mask,
    claimed_old: Mask,
    /// Everything that the journal spoke of when the run began.
    found: Mask,
    kept_file: Id,
    /// Damage was told in this run.
    damaged: bool,
    /// Held bytes of an earlier run are used.
    resumed: bool,
    /// They are all that the file has.
    pub(crate) kept_whole: bool,
    /// Bytes that the core has heard of in this run.
    pub(crate) heard: Mask,
    heard_file: Id,
    /// Those of them that a hint or claim was ordered for, and those of which one was written.
    recorded: Mask,
    on_record: Mask,
    /// Those of them that a completed sync covers, and what each sync under way will cover.
    covered: Mask,
    covering: Vec<(Ticket, Mask)>,
    /// Requests since the last byte came.
    in_vain: u32,
    /// Bytes that were asked for twice in this run.
    asked_twice: u64,
    /// When the first byte came that no sync was ordered for.
    unsynced_since: Option<Millis>,
    /// Bytes that another stream's late writes changed.
    overshot: Mask,
    /// The same bytes came twice under one validator and differed: in this run, or the journal remembers it.
    contradicted: bool,
    /// Bytes came in this run, or in an earlier one.
    served: bool,
    served_before: bool,
    /// When the run began, by the time of day.
    began_s: i64,
    sync_failed: bool,
    sync_ever_failed: bool,
    pub(crate) discarding: bool,
    /// Another generation was decided upon and has not begun.
    left: bool,
    // What happened to the files, in this history.
    pub(crate) journal_ever_spoiled: bool,
    /// Another program put the journal of another source in its place.
    pub(crate) another_source: bool,
    /// Another range of the object was asked for before.
    pub(crate) another_range: bool,
    pub(crate) rebooted: bool,
    /// A sync of another program's file failed: what of it is on the disk cannot be known, nor mended by reading it.
    pub(crate) target_sync_failed: bool,
    pub(crate) done: bool,
    /// Bytes of another program were taken up: in this history, and in this run.
    adopted_ever: bool,
    adopted: bool,
}

impl Witness {
    pub(crate) fn forget_all(&mut self) {
        let covering = std::mem::take(&mut self.covering);
        *self = Self { covering, kept_file: NONE, heard_file: NONE, ..Self::default() };
        self.covering.clear();
    }

    pub(crate) fn run_begins(&mut self, now_s: i64) {
        (self.began_s, self.served_before, self.served) = (now_s, self.served_before | self.served, false);
        (self.identity_known, self.contradicted, self.left) = (false, false, false);
        (self.kept, self.kept_claims, self.claimed, self.found, self.kept_file) = (0, 0, 0, 0, NONE);
        (self.unsynced_since, self.claimed_old, self.in_vain, self.asked_twice) = (None, 0, 0, 0);
        (self.heard, self.heard_file, self.recorded, self.covered) = (0, NONE, 0, 0);
        self.covering.clear();
        (self.overshot, self.on_record) = (0, 0);
        (self.kept_whole, self.damaged, self.resumed) = (false, false, false);
        self.sync_failed = false;
        self.adopted = false;
        self.discarding = false;
    }

    fn drop_held(&mut self) {
        (self.kept, self.kept_claims, self.heard, self.recorded, self.covered) = (0, 0, 0, 0, 0);
        self.on_record = 0;
        self.covering.clear();
        self.unsynced_since = None;
    }
}

impl World {
    pub(crate) fn broken(&mut self, law: &'static str, what: fmt::Arguments<'_>) {
        if self.breach.is_none() {
            tell!(self, "BROKEN: {law}: {what}");
            self.breach = Some(Breach { law, what: what.to_string() });
        }
    }

    // ---- the target --------------------------------------------------------------------------------------------

    /// Which version these bytes are, whole.
    fn version_of(&self, bytes: &[u8]) -> Option<usize> {
        let of = |wanted: &Wanted| self.remote.versions.iter().position(|v| wanted.is_cut_of(bytes, &v.content));
        of(&self.wanted).or_else(|| self.wanted_before.as_ref().and_then(of))
    }

    /// Whether these are the bytes of a version that the caller wants; those of two versions may be equal. Where a
    /// digest decides, replies are joined that tell no validators, and what is told later is told too late. Nor can be
    /// said what a source hides.
    fn is_of_wanted_version(&self, bytes: &[u8]) -> bool {
        if !self.expected.is_empty() || self.remote.manners.hidden {
            return true;
        }
        let ranges = || std::iter::once(&self.wanted).chain(&self.wanted_before);
        let is_cut_of = |content| ranges().any(|range| range.is_cut_of(bytes, content));
        self.remote.wanted(&self.wish).any(|version| is_cut_of(&version.content))
    }

    /// A mixture can only be forbidden where something could tell: a validator that does not lie, a digest, or the
    /// same bytes seen twice.
    fn mixture_is_excused(&self) -> bool {
        let digest = !self.expected.is_empty() || self.remote.always_declares() && self.wanted.is_whole();
        self.remote.lies && !digest && !self.witness.contradicted
    }

    pub(crate) fn check_target(&mut self, when: &'static str) {
        let w = &self.witness;
        // There is no promise; or another program cut the record that a sync had failed out of the journal, and the
        // page cache vouched for bytes that never reached the disk.
        let unknown = w.target_sync_failed || w.journal_ever_spoiled && w.sync_ever_failed;
        if w.rebooted && (!self.power || unknown) {
            return;
        }
        let target = self.disk.id(TARGET);
        let Some(id) = target else {
            if self.witness.done {
                self.broken("a finished file stays", format_args!("{when}: the target is gone"));
            } else if self.older != NONE && self.stand == Stand::Free && !self.published {
                self.broken("an older target is left alone", format_args!("{when}: it is gone"));
            }
            return;
        };
        let file = &self.disk.files[usize::from(id)];
        if id == self.older {
            if file.bytes() != self.older_bytes.as_slice() {
                self.broken("an older target is left alone", format_args!("{when}: its bytes have changed"));
            } else if self.witness.done {
                self.broken("a finished file stays", format_args!("{when}: the older file is back"));
            }
            return;
        }
        let bytes = file.bytes();
        if id == self.taken {
            if bytes != self.older_bytes.as_slice() {
                let shown = format!("{bytes:?}");
                self.broken("a finished file stays", format_args!("{when}: what was taken for ours holds {shown}"));
            }
            return;
        }
        match self.version_of(bytes) {
            None if !self.mixture_is_excused() => {
                let shown = format!("{:?}", file.bytes());
                self.broken("the target is one whole version", format_args!("{when}: it holds {shown}"));
            }
            None => self.coverage.excused_mixtures += 1,
            Some(version) if !self.is_of_wanted_version(bytes) => {
                self.broken("what is published is what the caller wants", format_args!("{when}: version {version}"));
            }
            Some(_) => {}
        }
        let bytes = self.disk.files[usize::from(id)].bytes();
        let wrong = self.expected.iter().any(|d| super::content::digest(d.kind(), bytes) != *d);
        let empty = bytes.is_empty();
        if wrong {
            self.broken("the target matches the digest that was given", format_args!("{when}"));
        }
        // (A 416 tells of an object without bytes, and its digest is not the object's.)
        if self.remote.declares == Declares::Wrong && self.expected.is_empty() && !empty && self.wanted.is_whole() {
            self.broken("the target matches the digest that was declared", format_args!("{when}"));
        }
    }

    pub(crate) fn published(&mut self) {
        self.published = true;
        self.coverage.published += 1;
        self.coverage.windows_published += u64::from(!self.wanted.is_whole());
        self.check_target("when it is renamed");
    }

    // ---- starts ------------------------------------------------------------------------------------------------

    fn generation_file(&self, g: &Folded, r: &Recovered) -> Name {
        match (r.publishing, self.disk.facts(TARGET)) {
            (Some(p), Some(f)) if p.facts.inode == f.inode => TARGET,
            _ if g.begin.slot == Slot::Next && (self.disk.id(NEXT).is_some() || !r.promote) => NEXT,
            _ => MAIN,
        }
    }

    /// A run has read the journal: it must be true, and what it speaks of must not be lost.
    pub(crate) fn opened(&mut self, recovered: Option<&Recovered>) {
        let Some(r) = recovered else { return };
        let void = self.disk.log().is_none_or(|log| log.void);
        if !void && (self.power || !self.witness.rebooted) {
            for g in [&r.current, &r.old].into_iter().flatten() {
                self.check_claims(g, self.generation_file(g, r));
            }
        }
        let Some(current) = &r.current else { return };
        self.witness.identity_known = true;
        self.witness.contradicted = current.begin.identity.distrusted;
        self.witness.recorded_strong = current.begin.identity.is_strong();
        let hinted = current.hints.iter().fold(0, |m, e| m | mask_of(e));
        self.witness.found = hinted | current.claims.iter().fold(0, |m, e| m | mask_of(e));
        self.witness.claimed = current.claims.iter().fold(0, |m, e| m | mask_of(e));
        let old = r.old.iter().flat_map(|old| &old.claims);
        self.witness.claimed_old = old.fold(0, |m, e| m | mask_of(e));
        let name = self.generation_file(current, r);
        let Some(id) = self.disk.id(name) else { return };
        self.witness.heard_file = id;
        let cut_off = !self.power && self.witness.rebooted;
        if cut_off || !current.begin.identity.is_strong() {
            return;
        }
        let file = &self.disk.files[usize::from(id)];
        let intact =
            |list: &[Extent]| list.iter().filter(|e| matches(file.bytes(), e)).fold(0, |m: Mask, e| m | mask_of(e));
        self.witness.kept_claims = intact(&current.claims);
        self.witness.kept = self.witness.kept_claims | intact(&current.hints);
        self.witness.kept_file = id;
        let length = current.begin.identity.length;
        self.witness.kept_whole = length == Some(u64::from(self.witness.kept.count_ones()));
        self.coverage.kept_bytes += u64::from(self.witness.kept.count_ones());
    }

    fn check_claims(&mut self, g: &Folded, name: Name) {
        for claim in &g.claims {
            let Some(file) = self.disk.file(name) else {
                return self.broken("a claim is true", format_args!("{claim:?}, and the file is not there"));
            };
            if !matches(file.bytes(), claim) && file.damaged & mask_of(claim) == 0 {
                let generation = g.begin.generation;
                return self.broken(
                    "a claim is true",
                    format_args!("generation {generation}, {claim:?}: other bytes are on the disk"),
                );
            }
        }
    }

    // ---- within a run ------------------------------------------------------------------------------------------

    pub(crate) fn ordered(&mut self, ticket: Ticket, step: &Step) {
        match step {
            Step::Record { records, .. } => self.recorded(records),
            Step::Sync { .. } => {
                let written = self.witness.heard | self.witness.found; // hints are written again when read back
                self.witness.unsynced_since = None;
                self.witness.covering.push((ticket, written));
            }
            Step::Create { slot } | Step::Check { slot, .. } => {
                let id = self.disk.id(name_of(*slot)).unwrap_or(NONE);
                if matches!(step, Step::Create { .. }) {
                    self.may_go(id, "a new generation takes its file");
                }
            }
            Step::Promote => self.may_go(self.disk.id(MAIN).unwrap_or(NONE), "another file takes its name"),
            Step::RemoveNext => self.may_go(self.disk.id(NEXT).unwrap_or(NONE), "its file is removed"),
            Step::RemoveAll if !self.witness.discarding => {
                self.broken("nothing held is dropped in silence", format_args!("everything is removed unasked"));
            }
            _ => {}
        }
    }

    fn may_go(&mut self, file: Id, how: &'static str) {
        let w = &self.witness;
        let held = if file == NONE {
            0
        } else if file == w.kept_file {
            w.kept
        } else {
            0
        } | if file != NONE && file == w.heard_file { w.heard } else { 0 };
        if held != 0 {
            self.broken("nothing held is dropped in silence", format_args!("{} bytes: {how}", held.count_ones()));
        }
    }

    fn recorded(&mut self, records: &[Record]) {
        self.witness.recorded |= spoken_of(records);
    }

    pub(crate) fn appended(&mut self, records: &[Record], whole: bool) {
        self.witness.on_record |= if whole { spoken_of(records) } else { 0 };
        for record in records {
            self.liar.appended(record);
            if let Record::Begin(begin) = record
                && whole
            {
                self.witness.identity_known = true;
                self.witness.recorded_strong = begin.identity.is_strong();
            }
        }
    }

    pub(crate) fn answered(&mut self, ticket: Ticket, step: &Step, heard: &Heard) {
        if let Step::Sync { .. } = step
            && let Some(i) = self.witness.covering.iter().position(|(t, _)| *t == ticket)
        {
            let (_, covered) = self.witness.covering.swap_remove(i);
            if *heard == Heard::Done {
                self.witness.covered |= covered;
            }
        }
        if let (Step::Sync { .. }, Heard::Failed(_)) = (step, heard) {
            self.witness.sync_failed = true;
            self.witness.sync_ever_failed = true;
            self.witness.covering.clear();
        }
    }

    /// However a server answers, and however the disk was left: it is not asked for ever without bringing a byte.
    pub(crate) fn asked_once_more(&mut self) {
        self.witness.in_vain += 1;
        let longest = &mut self.coverage.requests_in_vain_at_most;
        *longest = (*longest).max(u64::from(self.witness.in_vain));
        if self.witness.in_vain > REQUESTS_IN_VAIN_MAX {
            self.broken("a server is not asked for ever", format_args!("{REQUESTS_IN_VAIN_MAX} requests, and no byte"));
        }
    }

    /// A request was sent for all that another stream has still to bring: that has a budget in each run.
    pub(crate) fn asked_twice(&mut self, bytes: u64) {
        self.coverage.hedges += 1;
        self.witness.asked_twice += bytes;
        let (asked, most) = (self.witness.asked_twice, self.twice_max);
        if asked > most {
            self.broken("little is asked for twice", format_args!("{asked} bytes, and {most} may be"));
        }
    }

    /// The core has answered an event from outside with so many steps.
    pub(crate) fn gave_steps(&mut self, count: u64) {
        let most = &mut self.coverage.steps_at_once_at_most;
        *most = (*most).max(count);
        if count > STEPS_AT_ONCE_MAX {
            self.broken("an event leads to few steps", format_args!("{count} steps at once"));
        }
    }

    pub(crate) fn heard_wrote(&mut self, file: Id, extent: &Extent) {
        let w = &mut self.witness;
        (w.in_vain, w.served) = (0, true);
        if w.heard_file != file {
            (w.heard_file, w.heard, w.recorded, w.on_record, w.covered) = (file, 0, 0, 0, 0);
        }
        w.heard |= mask_of(extent);
        w.unsynced_since = w.unsynced_since.or(Some(self.now));
    }

    pub(crate) fn heard_passed(&mut self, held: &Extent, crc: u64) {
        if held.crc != crc {
            tell!(self, "the bytes {}..{} differ from those held", held.start, held.end());
            // Bytes of another program contradict themselves, not the source.
            self.witness.contradicted |= !self.witness.adopted_ever;
            self.coverage.contradictions += 1;
        }
    }

    /// A stream is about to write.
    pub(crate) fn about_to_write(&mut self, file: Id, what: Mask, known: Mask, chunk: &[u8], at: usize) {
        let w = &self.witness;
        let again = if file == w.kept_file { what & w.kept } else { w.kept };
        if again != 0 {
            let first = again.trailing_zeros();
            return self.broken("kept bytes are not fetched again", format_args!("byte {first} was kept, and intact"));
        }
        let again = if file == w.heard_file { what & w.heard & known } else { w.heard };
        if again != 0 {
            let first = again.trailing_zeros();
            return self.broken("nothing held is dropped in silence", format_args!("byte {first} is fetched again"));
        }
        let late = what & w.heard & !known;
        if file == w.heard_file && late != 0 {
            let old = &self.disk.files[usize::from(file)].live;
            let changed = chunk.iter().enumerate().filter(|&(i, &b)| old[at + i] != b);
            let changed = changed.fold(0, |m, (i, _)| m | mask(at + i, at + i + 1));
            self.witness.overshot |= late & changed;
        }
    }

    pub(crate) fn wrote(&mut self, file: Id) {
        self.disk.files[usize::from(file)].damaged |= std::mem::take(&mut self.witness.overshot);
        if self.disk.id(TARGET) == Some(file) {
            self.check_target("after a late write");
        }
    }

    /// Syncs begin in time, and reading pauses when too much is unsynced; looked at after everything that the core has
    /// heard.
    pub(crate) fn check_bounds(&mut self) {
        let reading = self.streams.iter().any(Stream::can_flow) && !self.streams.iter().any(Stream::is_stopped);
        if self.throttled || !self.power || !reading {
            return;
        }
        // The clock jumps by half a second at most, and a sync has no other step to wait for.
        let patience = self.sync_every_ms + 600;
        let late = self.witness.unsynced_since.is_some_and(|since| self.now > since + patience);
        if late && self.ops.is_empty() {
            self.broken("liveness: a sync begins in time", format_args!("{patience} ms have passed"));
        }
        let unsynced = u64::from((self.witness.heard & !self.witness.covered & !self.witness.claimed).count_ones());
        // What one report of each adds at most; blocks of an object whose length is not known are longer.
        let bound = self.unsynced_max + (12 * u64::from(self.connections)).max(4 * self.block_len);
        if unsynced > bound {
            self.broken("liveness: reading pauses", format_args!("{unsynced} bytes are unsynced, and it goes on"));
        }
    }

    /// What a progress display would show.
    pub(crate) fn told(&mut self, HeldBytes { received: held, durable }: HeldBytes) {
        if held != 0 && self.witness.left {
            self.broken("what was left is not told as held", format_args!("{held} bytes, {durable} of them durable"));
        }
    }

    pub(crate) fn noted(&mut self, note: &Note) {
        tell!(self, "it says {note:?}");
        match note {
            Note::Restarted { reason, discarded } => {
                self.coverage.restarted(*reason);
                self.witness.left = *reason == Restart::Changed;
                if *reason == Restart::DigestMismatch && *discarded > 0 && self.knows_better() {
                    self.broken("a wrong digest is no reason to fetch again", format_args!("{note:?}"));
                }
                let held = self.witness.kept | self.witness.heard;
                if held != 0 && !self.is_true_reason(*reason) {
                    let count = held.count_ones();
                    self.broken("a restart has a true reason", format_args!("{reason:?}, {count} bytes held"));
                }
                if *reason == Restart::SyncFailed {
                    let (claims, covered) = (self.witness.kept_claims, self.witness.covered);
                    self.witness.drop_held();
                    (self.witness.kept, self.witness.kept_claims) = (claims, claims);
                    self.witness.covered = covered;
                } else {
                    self.witness.drop_held();
                }
            }
            Note::Adopted { bytes, samples, .. } => {
                self.coverage.adopted += u64::from(*bytes > 0);
                self.coverage.samples_taken += samples;
                self.witness.adopted_ever |= *bytes > 0;
                self.witness.adopted |= *bytes > 0;
            }
            Note::Limited { .. } => self.coverage.limited += 1,
            Note::Damaged { ranges } => {
                self.coverage.damaged += 1;
                self.witness.damaged = true;
                let told = ranges.iter().fold(0, |m, r| m | mask(r.start as usize, r.end.min(CAP as u64) as usize));
                let file = self.disk.files.get(usize::from(self.witness.kept_file));
                let intact = self.witness.kept & told & !file.map_or(0, |f| f.damaged);
                if intact != 0 {
                    let first = intact.trailing_zeros();
                    self.broken("damage is told where it is", format_args!("byte {first} was kept, and intact"));
                }
                self.witness.kept &= !told;
                self.witness.kept_claims &= !told;
                self.witness.heard &= !told;
            }
            Note::Resumed { .. } => {
                self.coverage.resumed += 1;
                self.witness.resumed = true;
            }
            Note::Started { .. } => self.witness.left = false,
            Note::Returned { .. } => {
                self.witness.left = false;
                self.coverage.returned += 1;
                self.witness.resumed = true;
                self.witness.claimed |= self.witness.claimed_old;
            }
            _ => {}
        }
    }

    /// The digest that was given is of no version, and what the source shows proves that it has the bytes that came.
    fn knows_better(&self) -> bool {
        let remote = &self.remote;
        let proven = remote.scheme.is_strong() && !remote.lies && !remote.alternated && !remote.edges;
        let joined = self.witness.damaged || self.witness.resumed && !self.witness.kept_whole;
        let brought = self.way_is_safe || self.witness.kept_whole && self.witness.kept != 0;
        brought && self.calm && self.right.is_some() && proven && !remote.manners.hidden && !joined
    }

    fn is_true_reason(&self, reason: Restart) -> bool {
        let several = self.remote.versions.len() > 1 || self.remote.edges;
        match reason {
            Restart::Changed | Restart::Superseded => several,
            // Where versions come back in turn, in the end only one reply makes the file.
            Restart::NotProvable => !self.witness.recorded_strong || self.remote.alternated || self.remote.edges,
            Restart::ValidatorLied => several && (self.remote.lies || !self.witness.recorded_strong),
            Restart::DigestMismatch => !self.expected.is_empty() || self.remote.declares != Declares::Nothing,
            Restart::SyncFailed => self.witness.sync_failed,
            // On a bad day several replies in a row show none.
            Restart::ValidatorGone => self.remote.manners.hidden || self.trouble.net.odd > 0,
            Restart::Encoded => self.remote.manners.hidden && self.remote.manners.encodes,
            Restart::Foreign => self.partial_offered,
            _ => false, // damage: what is kept was intact
        }
    }

    // ---- ends --------------------------------------------------------------------------------------------------

    pub(crate) fn crashed(&mut self) {
        let lost = u64::from((self.witness.heard & !self.witness.recorded).count_ones());
        // Blocks of an object whose length is not known are longer, and come over one connection.
        let bound = u64::from(self.connections) * self.block_len.max(self.small_max);
        if lost > bound.max(4 * self.block_len) {
            self.broken("a killed process loses little", format_args!("{lost} bytes have no hint"));
        }
    }

    pub(crate) fn finished(&mut self, finish: &Finish) {
        tell!(self, "the run ends: {finish:?}");
        self.coverage.windows_outside += u64::from(matches!(finish, Finish::Failed(Failure::Outside { .. })));
        let other_range = Finish::Failed(Failure::Refused(TargetRefusal::PartialOfAnotherRange));
        self.coverage.other_ranges += u64::from(*finish == other_range);
        let lost = u64::from((self.witness.heard & !self.witness.on_record).count_ones());
        if *finish == Finish::Paused && lost > 0 {
            self.broken("a pause keeps what was received", format_args!("{lost} bytes are in no record"));
        }
        if let Finish::Failed(failure) = finish {
            self.check_refusal(failure);
        }
        let Finish::Done { length, verified, .. } = finish else {
            return self.check_target("after a run that did not finish");
        };
        self.witness.done = true;
        self.take_older();
        self.older = NONE;
        let Some(file) = self.disk.file(TARGET) else {
            return self.broken("a finished file stays", format_args!("done, and nothing is at the target"));
        };
        if file.live_len as u64 != *length {
            let len = file.live_len;
            self.broken("the summary is true", format_args!("length {length}, and the file has {len}"));
        }
        match verified {
            Verified::Validator if !self.remote.scheme.is_strong() => {
                self.broken("the summary is true", format_args!("verified by a validator that is not strong"));
            }
            Verified::Samples if !self.witness.adopted_ever => {
                self.broken(
                    "the summary is true",
                    format_args!("samples were compared of bytes that no other program brought"),
                );
            }
            Verified::Digest(_) if self.expected.is_empty() && self.remote.declares == Declares::Nothing => {
                self.broken("the summary is true", format_args!("verified by a digest that nobody gave"));
            }
            _ => {}
        }
        self.coverage.adopted_published += u64::from(self.witness.adopted);
        self.check_target("when it is done");
    }

    /// What a refusal is told as: the end of a link, or of who asks.
    fn check_refusal(&mut self, failure: &Failure) {
        let (link, w) = (self.link, &self.witness);
        let served = w.served && !link.credentials;
        let over_at = |now_s: i64| link.good_until_s.is_some_and(|until_s| until_s <= now_s);
        let is_true = match failure {
            Failure::Denied(407) => true,
            Failure::Denied(_) => !(link.signed || served || over_at(w.began_s)),
            Failure::NeedsLink { why, .. } => match why {
                LinkEnd::Expired { since_s } => {
                    over_at(self.now_s())
                        && self.now_s() - BEFORE_S_MAX < *since_s as i64 + link.good_until_s.unwrap_or(0)
                }
                LinkEnd::Worked => !link.credentials,
                LinkEnd::WorkedBefore => !link.credentials && (w.served_before || w.identity_known),
                LinkEnd::Signed => link.signed && !served,
            },
            _ => true,
        };
        if !is_true {
            self.broken("a refused link is told as such", format_args!("{failure:?} of {link:?}"));
        }
    }

    /// Several pieces need several replies, and no validator proves that these are of one version.
    fn cannot_be_joined(&self) -> bool {
        let remote = &self.remote;
        let proven =
            remote.scheme.is_strong() && !remote.lies && !remote.alternated && !remote.edges && !remote.manners.hidden;
        self.wanted.is_several() && !proven
    }

    /// Whether what stands at the target is not to be replaced.
    fn may_not_replace(&self) -> bool {
        // Published, and then another program took the journal that said so. Or it was of other bytes.
        if self.witness.journal_ever_spoiled || self.witness.another_range {
            return self.published || self.older != NONE || self.taken != NONE;
        }
        (self.older != NONE || self.taken != NONE) && !self.overwrite
    }

    /// Whether an undisturbed run may end like this.
    pub(crate) fn is_right_end(&self, finish: &Finish) -> bool {
        let empty = self.remote.shows_nothing();
        let several = self.remote.versions.len() > 1;
        match finish {
            Finish::Done { length, .. } => {
                let decided = !self.expected.is_empty() || !self.wanted.is_whole();
                self.remote.declares != Declares::Wrong || *length == 0 || decided
            }
            Finish::Failed(Failure::OtherTarget { .. }) => self.may_not_replace(),
            Finish::Failed(Failure::Refused(refusal)) => match refusal {
                TargetRefusal::TargetExists => self.may_not_replace(),
                TargetRefusal::TargetIsSymlink => self.stand == Stand::Symlink && !self.overwrite,
                TargetRefusal::PartialOfAnotherSource => self.witness.another_source,
                TargetRefusal::PartialOfAnotherRange => self.witness.another_range,
                TargetRefusal::TargetIsDirectory => self.stand == Stand::Directory,
                _ => false,
            },
            Finish::NotModified | Finish::Failed(Failure::Unmet { .. }) => {
                !self.remote.shows_wanted(&self.wish) || self.remote.manners.hidden
            }
            Finish::Failed(Failure::NotProvable(_)) => self.demanding || self.cannot_be_joined(),
            Finish::Failed(Failure::Adoption(_)) => self.partial_offered,
            // Two lengths were told, and no validator says that they are of two versions.
            Finish::Failed(Failure::Unusable(Suspicion::LengthContradiction)) => {
                several && (self.remote.lies || !self.remote.scheme.is_strong() || self.remote.manners.hidden)
            }
            // What is there now may be an error page; or the caller wants to look first.
            Finish::Failed(Failure::Unusable(Suspicion::NoValidator | Suspicion::Encoded)) => {
                self.remote.manners.hidden && (several || self.stops_on_change || !self.remote.always_tells_length())
            }
            Finish::Failed(Failure::Outside { .. }) => {
                self.remote.shown().any(|version| self.wanted.cut(&version.content).is_none())
            }
            Finish::Failed(Failure::Unusable(Suspicion::RangeIgnored)) => {
                !self.wanted.is_whole() && !self.remote.ranges
            }
            Finish::Failed(Failure::Unusable(Suspicion::LengthUntold)) => {
                !self.wanted.is_whole() && !self.remote.total_known
            }
            Finish::Failed(Failure::Changed { .. }) => {
                let several = self.remote.versions.len() > 1 || self.remote.edges;
                self.stops_on_change && several || self.remote.shows_four()
            }
            // The same validator, another length, and no reply that tells it: the core can conclude neither.
            Finish::Failed(
                Failure::Unusable(Suspicion::BadContentRange)
                | Failure::GaveUp(Trouble::Reply(Suspicion::BadContentRange)),
            ) => self.remote.lies,
            Finish::Failed(Failure::GaveUp(Trouble::Short | Trouble::Reply(Suspicion::Alternating))) => {
                let doubtful = empty && !self.remote.scheme.is_strong(); // as below
                // Ranges without a byte in them have used up the tries.
                let worn_out = self.remote.alternates() && self.remote.manners.ranges == Ranges::Empty;
                self.remote.lies || self.remote.declares == Declares::Wrong || doubtful || worn_out
            }
            // Without a validator an empty reply is as likely a proxy's: better no file than an empty one.
            Finish::Failed(Failure::Unusable(Suspicion::Empty)) => {
                empty && (self.remote.lies || !self.remote.scheme.is_strong() || self.remote.manners.hidden)
            }
            Finish::Failed(Failure::Integrity { declared, .. }) => {
                let wrong = if *declared {
                    self.remote.declares == Declares::Wrong && self.expected.is_empty()
                } else {
                    self.right.is_some()
                };
                wrong || self.remote.lies // it may vouch for a mixture; beginning anew helps
            }
            _ => false,
        }
    }
}

/// The bytes that these hints and claims speak of.
fn spoken_of(records: &[Record]) -> Mask {
    let of = |record: &Record| match record {
        Record::Hint { extent, .. } => mask_of(extent),
        Record::Claim { extents, .. } => extents.iter().fold(0, |m, e| m | mask_of(e)),
        _ => 0,
    };
    records.iter().fold(0, |m, record| m | of(record))
}

fn matches(bytes: &[u8], extent: &Extent) -> bool {
    let Some(held) = bytes.get(extent.start as usize..extent.end().min(1 << 20) as usize) else { return false };
    crc64(0, held) == extent.crc
}
