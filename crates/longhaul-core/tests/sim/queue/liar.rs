//! A driver that lies to the queue, so that the laws can prove that they would notice.

sabotages! {
    /// Law 1: changes are told as recorded, and are not.
    RecordUnwritten,
    /// Law 1: changes are told as recorded before they are; a crash may come first.
    RecordToldEarly,
    /// Law 2: a run is told as over while it goes on.
    EndToldEarly,
    /// Law 3: ranks are recorded as equal.
    RanksForgotten,
    /// Law 4: after a restart a hold is told as none.
    HoldForgotten,
    /// Law 4: a list that is read again tells holds as none.
    HoldForgottenByReload,
    /// Law 5: after a restart the list lacks an entry, as after a migration that drops one.
    EntryDropped,
    /// Law 6: a lane is told to take one more than it does.
    LaneWidened,
    /// Law 6: a volume is told to have twice the room that it has.
    RoomDoubled,
    /// Law 7: the driver does not wake the queue.
    NeverWoken,
    /// Law 7: room on a volume is not told.
    RoomUntold,
    /// Law 8: the end of an entry's earlier run is told as that of its present one.
    StaleEndRetold,
    /// Law 9: waits are told as over as soon as they begin.
    TimeFlies,
    /// What a person gives up is removed before that is recorded.
    DiscardedEarly,
}
