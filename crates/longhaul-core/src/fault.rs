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
