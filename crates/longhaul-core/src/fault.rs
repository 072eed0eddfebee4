//! Planted faults: each breaks one rule of the core on purpose, so that the simulation can prove that it would notice.
//!
//! They exist only with the feature `planted-faults`, which nothing but the core's own tests turns on. A fault changes
//! behaviour only: while one is planted the laws are not asserted, since the simulation must catch it by the outcome
//! (a wrong file, a lost byte, a broken promise).

macro_rules! faults {
    ($(#[$about:meta])* $enum:ident: $($(#[$doc:meta])* $name:ident,)*) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $enum { $($(#[$doc])* $name,)* }

        impl $enum {
            /// Every fault, in the order they are listed here.
            pub const ALL: &'static [$enum] = &[$($enum::$name,)*];
        }
    };
}

faults! {
    /// One planted fault of a download.
    Fault:
    /// Law 1: extents are claimed without a sync before the record.
    ClaimBeforeSync,
    /// Law 1: hints found on resume count without being read back.
    HintTrusted,
    /// Law 1: read-back hints are claimed without a sync after them.
    HintClaimedUnsynced,
    /// Law 1: a failed sync is taken for a good one.
    FailedSyncIgnored,
    /// Law 1: after a failed sync, syncing again counts as proof.
    SyncRetriedAfterFailure,
    /// Law 2: the old generation is replaced before its retirement is recorded.
    RetireUnrecorded,
    /// Law 3: a completion with a stale ticket is taken for the current step's.
    StaleTicketAccepted,
    /// Law 4: the validator of a 206 is not compared.
    ValidatorIgnored,
    /// Law 4: the validator of a 200 is not compared.
    WholeReplyValidatorIgnored,
    /// Law 4: a weak or missing validator is taken for a strong one.
    WeakTakenForStrong,
    /// Law 4: bytes of a skipped (already held) range are not compared with what is held.
    PassedNotCompared,
    /// Law 4: a stream that takes over does not wait until the one before it is drawn in.
    TakeoverNotAwaited,
    /// Law 5: a new generation in the same file does not wait for streams to stop.
    NoWaitForStop,
    /// Law 6: the object is published when the last range ends, not when all ranges are held.
    PublishedWithHoles,
    /// Law 6: a declared digest is not compared before publishing.
    DigestIgnored,
    /// Law 6: a body that ended early counts as whole.
    CutTakenForEnd,
    /// Law 6: data is not synced before the rename.
    PublishUnsynced,
    /// The directory is not synced after the rename.
    RenameUnsynced,
    /// A version that shows itself is not held against the caller's conditions.
    ConditionsNotJudged,
    /// Claims are not checked again after an unclean stop.
    ClaimsUnchecked,
    /// The start of a 206 is not compared with what was asked: its bytes land where we asked, not where it says.
    RangeStartIgnored,
    /// What is wanted of the object is taken for its first bytes.
    PieceShiftForgotten,
    /// The pieces of a window are taken for neighbours in the object, as they are in the file.
    PieceBorderCrossed,
    /// What is held of other bytes of the source counts.
    RangeOfJournalIgnored,
    /// Damage found by a check is not fetched again.
    DamageIgnored,
    /// A recorded `publishing` is finished without looking at the target.
    PublishingTrusted,
    /// What is refused with a range or a condition is not asked for without.
    RefusalBelieved,
    /// A refusal of one more connection counts although another one is served.
    OneMoreRefusalBelieved,
    /// A stream that ends unasked is no failure.
    UnaskedEndForgiven,
    /// A web page that a redirect led to is taken for the object.
    PageBelieved,
    /// What is held stays although the source does not show its validator any more.
    StuckWithoutValidator,
    /// Everything held is thrown away at every start.
    ResumeForgets,
    /// The journal is removed before the receipt is written.
    ForgetBeforeReceipt,
    /// A small object gets its name before its bytes are synced.
    SmallPublishedUnsynced,
    /// A small object gets its name before a receipt says that the file there is ours.
    SmallRenamedBeforeReceipt,
    /// What is held of a small object is not recorded when its run stops.
    SmallForgotten,
    /// A receipt is believed of another file than the one it names. A driver's fault: the simulated driver commits it.
    ReceiptOfAnotherFile,
    /// The lock is taken for ours although the file that it lies on has lost its name meanwhile. A driver's fault, not
    /// the core's: the simulated driver commits it.
    LockOnWrongFile,
}

faults! {
    /// One planted fault of an upload.
    UploadFault:
    /// Law 1: an upload is created before the intent is recorded.
    IntentUnrecorded,
    /// Law 1: parts are sent while the upload's id is not on disk.
    UploadIdUnrecorded,
    /// Law 1: Complete or Put is sent before the journal says so.
    SendingUnrecorded,
    /// Law 2: the journal of an upload that is given up goes before the upload does.
    ForgottenBeforeAborted,
    /// Law 3: an answer with a stale ticket is taken for the current step's.
    StaleTicketAccepted,
    /// Law 4: parts of a source whose facts have changed are not read again.
    SourceChangeIgnored,
    /// Law 4: parts that were read while the source's times proved nothing are not read again.
    YoungTrusted,
    /// Law 4: the source is not looked at before Complete.
    SourceUnchecked,
    /// Law 4: a snapshot during which the source changed is sent.
    SnapshotTorn,
    /// Law 5: an upload is aborted while parts are on their way.
    AbortedUnderway,
    /// Law 5: the store's word for an abort is not held against its list.
    AbortUnconfirmed,
    /// Law 6: what the store says of a part is not compared with what was read.
    WrongPartAccepted,
    /// Law 6: listed parts count by their length.
    ListedPartTrusted,
    /// Law 6: a recorded part counts where the store tells no digest, whatever its ETag.
    ReplacedPartTrusted,
    /// Law 6: the object is not compared after Complete.
    WholeNotCompared,
    /// Law 6: Complete is sent when the last part ends, not when all are there.
    CompletedWithHoles,
    /// Law 6: a 200 that says that it failed, or a lost answer, counts as stored.
    LostAnswerTakenForStored,
    /// Law 6: after Complete was sent, `NoSuchUpload` counts as stored.
    GoneTakenForStored,
    /// Law 6: what an earlier run recorded as stored counts as stored, whatever stands at the key now.
    StoredTrusted,
    /// A lost answer to Complete counts as failed: everything is sent again.
    LostCompleteTakenForFailed,
    /// A lost answer to Put counts as failed: it is sent again unseen.
    LostPutSentAgain,
    /// Another writer's object is overwritten to repair ours.
    OtherObjectOverwritten,
    /// After a lost answer, an object of our bytes is taken for a sign that our upload is complete.
    OursTakenForCompleted,
    /// Questions that are not answered count as failures of what carries forward.
    QuestionsSpendTheBudget,
    /// The request that writes the object is sent again only behind a look that was answered.
    AlwaysOnTheBeat,
    /// Another writer's object is not held against the source as it is now.
    SourceNotCompared,
    /// Recorded parts are sent again at every start.
    ResumeForgets,
    /// Recorded parts of which the store tells no digest are sent again at every start.
    OpaquePartForgotten,
    /// Only the first page of the store's list is read.
    FirstPageOnly,
    /// What is given up is never removed from the store.
    AbortForgotten,
    /// A refusal to create an upload with a checksum is taken for one to create any.
    ChecksumRefusalFatal,
    /// A store that was asked to keep checksums is believed to do so, whatever it says.
    ChecksumBelieved,
    /// That the store keeps checksums with an upload is not recorded with its id.
    ChecksumUnrecorded,
    /// Parts are sent over all connections from the start.
    AllAtOnce,
    /// What a host took before lets an upload that was interrupted begin with more than one part.
    MemoryBelieved,
    /// Bytes that were handed to the network count as acknowledged where the number of parts at once is decided.
    SentTakenForAcknowledged,
    /// An upload of an earlier run is replaced by one of shorter parts although parts of it count.
    ShortenedWhileHeld,
}
