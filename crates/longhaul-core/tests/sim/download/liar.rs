//! A driver that lies to the core, so that the laws can prove that they would notice. Each [`Sabotage`] breaks one rule
//! on purpose: it says that something was done which was not, or tells something else than what was found. The core
//! believes its driver, so what follows is what would follow if the core broke that rule itself.
//!
//! The witness of the laws always sees what really happened.

use longhaul_core::digest::Digest;
use longhaul_core::download::Config;
use longhaul_core::download::journal::Record;
use longhaul_core::download::resume::{Found, FoundJournal, TargetState};
use longhaul_core::download::step::{Fetch, Heard, Step, StreamEnd};
use longhaul_core::identity::Identity;
use longhaul_core::link::Link;
use longhaul_core::reply::{ContentRange, ReplyFacts};
use longhaul_core::window::Window;
use longhaul_core::words::{DiskFault, Extent, NetFault, Ticket};

use super::content::{CAP, crc64};
use super::disk::{JOURNAL, TARGET};
use super::driver::Op;
use super::remote::{Reply, bodyless};
use super::world::World;

sabotages! {
    /// Law 1: a sync is told as done when it begins.
    ClaimBeforeSync,
    /// Law 1: hints found on resume are told as good without being read back.
    HintTrusted,
    /// Law 1: the sync after hints were read back is told as done, and is not.
    HintClaimedUnsynced,
    /// Law 1: a failed sync is told as a good one.
    FailedSyncIgnored,
    /// Law 1: after a failed sync the driver syncs again, and tells of that.
    SyncRetriedAfterFailure,
    /// Law 2: the retirement of the old generation is told as recorded, and is not.
    RetireUnrecorded,
    /// Law 3: an answer to an earlier step is given to the one that is under way.
    StaleTicketAccepted,
    /// Law 4: every 206 is told with the validator that is known.
    ValidatorIgnored,
    /// Law 4: every 200 is told with the validator that is known.
    WholeReplyValidatorIgnored,
    /// Law 4: a weak or missing validator is told as a strong one.
    WeakTakenForStrong,
    /// Law 4: bytes of a skipped (already held) range are told to be what is held.
    PassedNotCompared,
    /// Law 4: a stream that another one takes over from is told to be drawn in before it is.
    TakeoverNotAwaited,
    /// Law 5: a stream is told as stopped while it still writes.
    NoWaitForStop,
    /// Law 6: what a broken stream did not bring is told as written.
    PublishedWithHoles,
    /// Law 6: the digest of the file is told as the one that is expected.
    DigestIgnored,
    /// Law 6: a body that ended early is told as whole.
    CutTakenForEnd,
    /// Law 6: the sync before the rename is told as done, and is not.
    PublishUnsynced,
    /// The sync of the folder after the rename is told as done, and is not.
    RenameUnsynced,
    /// The caller's conditions are not told.
    ConditionsNotJudged,
    /// When the source is asked about a whole file with a wrong digest, any version is told as the one that is held.
    OtherVersionTakenForWrongDigest,
    /// A whole file is told as one without a validator.
    WrongDigestFetchedAgain,
    /// The link is told as one that is good for ever.
    LinkTakenForEndless,
    /// Claims are told as intact after an unclean stop without being read.
    ClaimsUnchecked,
    /// A 206 is told to begin where it was asked to, wherever it begins.
    RangeStartIgnored,
    /// What is wanted of the object is told as its first bytes.
    PieceShiftForgotten,
    /// The pieces of a window are told as neighbours in the object, as they are in the file.
    PieceBorderCrossed,
    /// What the journal holds of other bytes of the source is told as of those that are wanted.
    RangeOfJournalIgnored,
    /// Damage found by a check is not told.
    DamageIgnored,
    /// Where `publishing` is recorded the target is told as published.
    PublishingTrusted,
    /// What was refused with a range or a condition is told as refused without it, and not asked.
    RefusalBelieved,
    /// When one more connection is refused, the others are ended before that is told.
    OneMoreRefusalBelieved,
    /// A stream that ends unasked is told as one that was drawn in.
    UnaskedEndForgiven,
    /// A web page that a redirect led to is not told as one.
    PageBelieved,
    /// Replies that do not show the validator any more are told as failures of the network.
    StuckWithoutValidator,
    /// A start is not told of what is held.
    ResumeForgets,
    /// The receipt is told as written, and is written when the journal is gone.
    ForgetBeforeReceipt,
    /// The sync of a small object before its rename is told as done, and is not.
    SmallPublishedUnsynced,
    /// The receipt of a small object is told as written, and is written after the rename.
    SmallRenamedBeforeReceipt,
    /// What a small object's run records when it stops is told as recorded, and is not.
    SmallForgotten,
    /// A receipt is believed of another file than the one it names.
    ReceiptOfAnotherFile,
    /// The expected digest is told of another program's file that does not have it.
    TargetDigestIgnored,
    /// A file that changes while it is read is told as one that does not.
    TargetChangeUnseen,
    /// Another program's file is told as synced, and is not.
    TargetTakenUnsynced,
    /// Another program's file is told as one that cannot be read.
    TargetNotLookedAt,
    /// What a receipt says without ever having asked the source is told as what the source showed.
    TakenForOurOwn,
    /// The core is told that more may be asked for twice than is asked of it.
    HedgesUnbounded,
    /// What another program brought is told as the bytes that the source has, so that samples seem to be the same.
    SamplesBelieved,
    /// The journal is told without the word that unproven bytes of another program are in it.
    ForeignTakenForFetched,
    /// A wake is told with the time of the event before it.
    ClockStandsStill,
    /// The lock is taken for ours although the file that it lies on has lost its name meanwhile.
    LockOnWrongFile,
}

/// What the liar remembers in a run.
#[derive(Debug, Default)]
pub(crate) struct Liar {
    pub(crate) sabotage: Option<Sabotage>,
    /// The identity that the core holds, by its records.
    known: Option<Identity>,
    /// Hints were read back, and no sync was ordered since.
    read_back: bool,
    /// The file has its last length.
    sealed: bool,
    /// Records are dropped from here on.
    drops_records: bool,
    /// A request that had a range or a condition was refused with this status.
    refused: Option<u16>,
}

impl Liar {
    pub(crate) fn run_begins(&mut self) {
        *self = Self { sabotage: self.sabotage, ..Self::default() };
    }

    pub(crate) fn appended(&mut self, record: &Record) {
        if let (Some(_), Record::Begin(begin)) = (self.sabotage, record) {
            self.known = Some(begin.identity.clone());
        }
    }
}

impl World {
    pub(crate) fn lies(&self, about: Sabotage) -> bool {
        self.liar.sabotage == Some(about)
    }

    // ---- what the core is told at the start --------------------------------------------------------------------

    pub(crate) fn bend_config(&self, config: &mut Config) {
        match self.liar.sabotage {
            Some(Sabotage::ConditionsNotJudged) => config.only_if = Default::default(),
            Some(Sabotage::LinkTakenForEndless) => config.link = Some(Link { credentials: true, ..Link::default() }),
            Some(Sabotage::HedgesUnbounded) => config.range_len = 1 << 30,
            Some(Sabotage::PieceShiftForgotten) => config.source.window = self.confused_window(false),
            Some(Sabotage::PieceBorderCrossed) => config.source.window = self.confused_window(true),
            _ => {}
        }
    }

    fn confused_window(&self, shifted: bool) -> Window {
        self.wanted.confused(shifted, self.remote.versions[0].content.len)
    }

    pub(crate) fn bend_found(&mut self, found: &mut Found) {
        let Some(sabotage) = self.liar.sabotage else { return };
        if let TargetState::File { finished: Some(receipt), .. } = &mut found.target
            && sabotage == Sabotage::TakenForOurOwn
            && receipt.identity == Identity::default()
        {
            receipt.identity.length = Some(0);
        }
        let FoundJournal::Read(recovered) = &mut found.journal else { return };
        self.liar.known = recovered.current.as_ref().map(|g| g.begin.identity.clone());
        match sabotage {
            Sabotage::WrongDigestFetchedAgain => {
                if let Some(g) = &mut recovered.current {
                    g.begin.identity.distrusted = true;
                }
            }
            Sabotage::RangeOfJournalIgnored => recovered.source.window = self.wanted.window(),
            Sabotage::PublishingTrusted => {
                if let Some(publishing) = recovered.publishing {
                    found.target = TargetState::File { facts: publishing.facts, finished: None };
                }
            }
            Sabotage::ForeignTakenForFetched => {
                if let Some(g) = &mut recovered.current {
                    g.foreign = None;
                }
            }
            Sabotage::ResumeForgets => {
                if let Some(g) = &mut recovered.current {
                    g.claims.clear();
                    g.hints.clear();
                }
            }
            _ => {}
        }
    }

    /// The ticket that an answer is given to that was given already.
    pub(crate) fn ticket_of_echo(&mut self, ticket: Ticket) -> Ticket {
        match self.ops.is_empty() || !self.lies(Sabotage::StaleTicketAccepted) {
            true => ticket,
            false => self.ops.remove(0).ticket,
        }
    }

    // ---- steps -------------------------------------------------------------------------------------------------

    /// The step is told as done although it has only begun, or waits.
    pub(crate) fn is_told_early(&self, op: &Op) -> bool {
        let journal = self.disk.id(JOURNAL).is_some();
        match (self.liar.sabotage, &op.step) {
            (Some(Sabotage::ClaimBeforeSync), Step::Sync { .. }) => true,
            (Some(Sabotage::ForgetBeforeReceipt), Step::Receipt(_)) => journal,
            (Some(Sabotage::SmallRenamedBeforeReceipt), Step::Receipt(_)) => !journal && !self.published,
            _ => false,
        }
    }

    /// What was told as done waits for what it should have come before.
    pub(crate) fn is_put_off(&self, op: &Op) -> bool {
        op.told
            && match self.liar.sabotage {
                Some(Sabotage::ForgetBeforeReceipt) => self.disk.id(JOURNAL).is_some(),
                Some(Sabotage::SmallRenamedBeforeReceipt) => !self.published,
                _ => false,
            }
    }

    /// The answer to a step that is not carried out at all.
    pub(crate) fn pretend(&mut self, op: &Op) -> Option<Heard> {
        let sabotage = self.liar.sabotage?;
        let journal = self.disk.id(JOURNAL).is_some();
        let pretended = match (sabotage, &op.step) {
            (Sabotage::HintTrusted, Step::Check { rewrite: true, .. })
            | (Sabotage::ClaimsUnchecked, Step::Check { rewrite: false, .. }) => Heard::Checked { bad: Vec::new() },
            (Sabotage::HintClaimedUnsynced, Step::Sync { .. }) if std::mem::take(&mut self.liar.read_back) => {
                Heard::Done
            }
            (Sabotage::PublishUnsynced, Step::Sync { .. }) if self.liar.sealed && journal => Heard::Done,
            (Sabotage::SmallPublishedUnsynced, Step::Sync { .. }) if self.liar.sealed && !journal => Heard::Done,
            (Sabotage::RenameUnsynced, Step::SyncDir)
                if self.published && self.disk.id(TARGET).is_some_and(|id| id != self.older) =>
            {
                Heard::Done
            }
            (Sabotage::RetireUnrecorded, Step::Record { records, .. }) => {
                records.iter().find(|record| matches!(record, Record::Retire { .. }))?;
                Heard::Done
            }
            (Sabotage::SmallForgotten, Step::Record { records, .. }) => {
                let begins = records.iter().any(|record| matches!(record, Record::Begin(_)));
                self.liar.drops_records |= begins && matches!(records.last(), Some(Record::Hint { .. }));
                self.liar.drops_records.then_some(Heard::Done)?
            }
            (Sabotage::TargetTakenUnsynced, Step::TakeTarget { .. }) => Heard::Facts(self.disk.facts(TARGET)?),
            (Sabotage::TargetNotLookedAt, Step::DigestTarget { .. }) => Heard::Failed(DiskFault::Io),
            _ => return None,
        };
        tell!(self, "pretends that {} is done", op.ticket.0);
        Some(pretended)
    }

    /// What is told of a step that was carried out.
    pub(crate) fn bend_answer(&mut self, step: &Step, heard: Heard) -> Heard {
        let Some(sabotage) = self.liar.sabotage else { return heard };
        match step {
            Step::Seal { .. } => self.liar.sealed = true,
            Step::Check { rewrite: true, .. } => self.liar.read_back = true,
            _ => {}
        }
        match (sabotage, step, heard) {
            (Sabotage::FailedSyncIgnored, Step::Sync { .. }, Heard::Failed(_)) => Heard::Done,
            (Sabotage::SyncRetriedAfterFailure, Step::Sync { slot }, Heard::Failed(_)) => {
                if let Some(id) = self.file_in(*slot) {
                    let key = self.disk.begin_sync(id);
                    self.disk.end_sync(key, true, &mut self.rng);
                }
                Heard::Done
            }
            (Sabotage::DamageIgnored, Step::Check { .. }, Heard::Checked { .. }) => Heard::Checked { bad: Vec::new() },
            (Sabotage::DigestIgnored, Step::Digest { .. }, Heard::Digested(computed)) => {
                Heard::Digested(computed.into_iter().map(|digest| self.expected_instead_of(digest)).collect())
            }
            (Sabotage::TargetDigestIgnored, Step::DigestTarget { .. }, Heard::TargetDigested { facts, digests }) => {
                let digests = digests.into_iter().map(|digest| self.expected_instead_of(digest)).collect();
                Heard::TargetDigested { facts, digests }
            }
            (Sabotage::TargetChangeUnseen, Step::DigestTarget { .. }, Heard::TargetDigested { digests, .. }) => {
                Heard::TargetDigested { facts: self.target_found, digests }
            }
            (Sabotage::TargetChangeUnseen, Step::TakeTarget { .. }, Heard::Facts(_)) => Heard::Facts(self.target_found),
            (Sabotage::SamplesBelieved, Step::Adopt { .. }, Heard::Adopted { extents }) => {
                Heard::Adopted { extents: extents.into_iter().map(|e| self.as_the_source_has_it(e)).collect() }
            }
            (_, _, heard) => heard,
        }
    }

    fn as_the_source_has_it(&self, e: Extent) -> Extent {
        let content = &self.remote.versions[self.remote.current].content;
        let bytes = content.slice().get(e.start as usize..e.end() as usize);
        Extent { crc: bytes.map_or(e.crc, |bytes| crc64(0, bytes)), ..e }
    }

    fn expected_instead_of(&self, digest: Digest) -> Digest {
        let declared = self.liar.known.iter().flat_map(|identity| &identity.digests);
        let mut expected = self.expected.iter().chain(declared);
        expected.find(|expected| expected.kind() == digest.kind()).cloned().unwrap_or(digest)
    }

    // ---- requests and replies ----------------------------------------------------------------------------------

    /// What is sent in place of this request.
    pub(crate) fn bend_request(&self, fetch: &Fetch) -> Option<Fetch> {
        self.lies(Sabotage::WeakTakenForStrong).then(|| Fetch { condition: None, ..fetch.clone() })
    }

    /// The reply to a request that is not sent.
    pub(crate) fn refuse_unasked(&self, fetch: &Fetch) -> Option<Reply> {
        let plain = !fetch.ranged || fetch.condition.is_none() && fetch.only_if.is_none();
        let status = self.liar.refused.filter(|_| plain && self.lies(Sabotage::RefusalBelieved))?;
        Some(bodyless(ReplyFacts { status, ..ReplyFacts::default() }))
    }

    /// What is told of the head of a reply; a failure where the reply is not told.
    pub(crate) fn bend_head(&mut self, fetch: &Fetch, facts: &mut ReplyFacts) -> Result<(), NetFault> {
        let Some(sabotage) = self.liar.sabotage else { return Ok(()) };
        let used = matches!(facts.status, 200 | 206);
        match sabotage {
            Sabotage::ValidatorIgnored if facts.status == 206 => self.show_known(facts),
            Sabotage::WholeReplyValidatorIgnored if facts.status == 200 => self.show_known(facts),
            Sabotage::WeakTakenForStrong if used && !facts.identity.is_strong() => {
                let etag = facts.identity.etag.take().unwrap_or_default();
                let opaque = etag.trim_start_matches("W/").trim_matches('"');
                facts.identity.etag = Some(format!("\"{opaque}\""));
            }
            Sabotage::OtherVersionTakenForWrongDigest if used && self.asks_about_whole(fetch) => self.show_known(facts),
            Sabotage::RangeStartIgnored => begin_as_asked(fetch, facts),
            Sabotage::PageBelieved => {
                facts.html = false;
                facts.led_to = None;
            }
            Sabotage::RefusalBelieved if facts.status >= 400 => {
                let special = fetch.ranged || fetch.condition.is_some() || fetch.only_if.is_some();
                self.liar.refused = self.liar.refused.or(special.then_some(facts.status));
            }
            Sabotage::StuckWithoutValidator if used => {
                let held = self.liar.known.as_ref().is_some_and(Identity::is_strong);
                if held && self.remote.manners.hidden {
                    return Err(NetFault::Cut);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// One byte of a file that is whole, and no version is asked for.
    fn asks_about_whole(&self, fetch: &Fetch) -> bool {
        self.witness.kept_whole && fetch.end == Some(fetch.start + 1) && fetch.condition.is_none()
    }

    fn show_known(&self, facts: &mut ReplyFacts) {
        if let Some(known) = &self.liar.known {
            let Identity { version, etag, modified, modified_is_old, .. } = known.clone();
            facts.identity = Identity { version, etag, modified, modified_is_old, ..facts.identity.clone() };
        }
    }

    /// What is told of the end of a stream.
    pub(crate) fn bend_end(&self, end: StreamEnd) -> StreamEnd {
        match (self.liar.sabotage, end) {
            (Some(Sabotage::CutTakenForEnd), StreamEnd::Failed(NetFault::Cut)) => StreamEnd::Complete,
            (_, end) => end,
        }
    }

    pub(crate) fn bend_passed(&self, held: Extent, passed: Extent) -> Extent {
        if self.lies(Sabotage::PassedNotCompared) { held } else { passed }
    }
}

fn begin_as_asked(fetch: &Fetch, facts: &mut ReplyFacts) {
    if let ContentRange::Bytes { start, end, .. } = &mut facts.content_range
        && fetch.last.is_none()
    {
        *end = (*end + fetch.start).saturating_sub(*start).max(fetch.start + 1).min(CAP as u64);
        *start = fetch.start;
    }
}
