//! How requests become changes of the list: judged against the list as it will be when those before them are recorded,
//! recorded together, and applied when they are.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{
    Answer, Change, Entry, EntryId, HostId, LaneId, Limits, Place, Request, RequestId, Rest, Step, VolumeId, Wish,
};
use super::{BATCH_MAX, Job, Queue, wait};

/// What is being recorded.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// What the requests make of the list when they are recorded.
    pub(super) effects: Vec<Effect>,
    pub(super) answers: Vec<(RequestId, Answer)>,
    /// Entries whose own ends are recorded with it.
    pub(super) ends: BTreeSet<EntryId>,
}

/// What a request changes.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Insert(Entry),
    Remove(EntryId),
    Wish(EntryId, Wish),
    /// It waits for its turn, whatever it did before.
    Queue(EntryId),
    Rank(EntryId, i64),
    /// What it is of; whether it waits for its turn with that.
    Edit(EntryId, (LaneId, HostId, VolumeId), bool),
    Limits(Limits),
}

impl Queue {
    /// Records what was asked for, and how runs ended, unless something is being recorded already.
    pub(super) fn record_next(&mut self) {
        while self.run.is_idle() && self.reload_at.is_none() {
            let is_due = !self.unrecorded.is_empty() && self.run.now() >= self.record_at;
            if self.inbox.is_empty() && !is_due {
                return;
            }
            self.record_batch();
        }
    }

    /// Answers the next requests, if nothing of the list changes by them; otherwise it begins to record them.
    fn record_batch(&mut self) {
        let mut draft = Draft::default();
        while draft.batch.answers.len() < BATCH_MAX
            && let Some((name, request)) = self.inbox.pop_front()
        {
            let alone = matches!(
                request,
                Request::Add { place: Place::Before(_), .. } | Request::Move { place: Place::Before(_), .. }
            );
            let (answer, effects) = match alone && !draft.batch.effects.is_empty() {
                true => (Answer::Recorded, None), // its place depends on what is being recorded
                false => self.judge(&draft, &request),
            };
            let Some(effects) = effects else {
                self.inbox.push_front((name, request));
                break;
            };
            draft.batch.answers.push((name, answer));
            effects.into_iter().for_each(|effect| draft.add(&self.entries, effect));
            if alone {
                break;
            }
        }
        if self.run.now() >= self.record_at {
            draft.batch.ends = std::mem::take(&mut self.unrecorded);
        }
        let changes = draft.changes(&self.entries);
        if !changes.is_empty() {
            self.run.begin(Job::Record(draft.batch), Step::Record(changes));
            return;
        }
        self.order.settled();
        for (name, answer) in draft.batch.answers {
            self.run.order(Step::Reply(name, answer));
        }
    }

    /// What a request leads to, and what it changes; no effects at all where it has to wait for the next record.
    fn judge(&mut self, draft: &Draft, request: &Request) -> (Answer, Option<Vec<Effect>>) {
        let refused = |answer| (answer, Some(Vec::new()));
        let recorded = |effects| (Answer::Recorded, Some(effects));
        let (id, entry) = match request {
            Request::Limit(limits) => return recorded(vec![Effect::Limits(limits.clone())]),
            Request::Add { entry, place } => {
                if draft.entry(&self.entries, entry.id).is_some() {
                    return refused(Answer::Already);
                }
                let rest = Rest::Queued;
                return self.place(draft, entry.id, *place, |rank| Effect::Insert(Entry { rank, rest, ..*entry }));
            }
            Request::Hold(id) | Request::Release(id) | Request::Retry(id) | Request::Forget(id) => (*id, *id),
            Request::Cancel { id, .. } | Request::Move { id, .. } | Request::Edit { id, .. } => (*id, *id),
        };
        let Some(entry) = draft.entry(&self.entries, entry) else { return refused(Answer::Unknown) };
        let runs = self.slots.get(id).is_some();
        let is_over = entry.rest.is_over() && !runs;
        let wish = |wish| recorded(vec![Effect::Wish(id, wish)]);
        match (request, entry.wish, entry.rest) {
            (Request::Hold(_), Wish::Cancel { .. }, _) => refused(Answer::NotNow),
            (Request::Hold(_) | Request::Release(_), ..) if is_over => refused(Answer::NotNow),
            (Request::Hold(_), Wish::Hold, _) | (Request::Release(_), Wish::Run, _) => refused(Answer::Already),
            (Request::Hold(_), Wish::Run, _) => wish(Wish::Hold),
            (Request::Release(_), Wish::Hold, _) => wish(Wish::Run),
            (Request::Release(_), Wish::Cancel { .. }, _) => refused(Answer::NotNow),

            (Request::Cancel { .. }, _, Rest::Done) => refused(Answer::NotNow),
            (Request::Cancel { .. }, _, Rest::Cancelled) => refused(Answer::Already),
            (Request::Cancel { discard, .. }, before, _) => match (Wish::Cancel { discard: *discard }, before) {
                (asked, before) if asked == before => refused(Answer::Already),
                (asked, _) => wish(asked),
            },

            (Request::Retry(_), _, Rest::Done) => refused(Answer::NotNow),
            (Request::Retry(_), Wish::Cancel { .. }, rest) if rest != Rest::Cancelled => refused(Answer::NotNow),
            (Request::Retry(_), Wish::Hold, Rest::Queued | Rest::Later { .. }) => refused(Answer::NotNow),
            (Request::Retry(_), Wish::Run, Rest::Queued) => refused(Answer::Already),
            (Request::Retry(_), ..) => recorded(vec![Effect::Queue(id)]),

            (Request::Edit { .. }, _, Rest::Done) => refused(Answer::NotNow),
            (Request::Edit { .. }, Wish::Cancel { .. }, rest) if rest != Rest::Cancelled => refused(Answer::NotNow),
            (Request::Edit { lane, host, volume, again, .. }, ..) => {
                recorded(vec![Effect::Edit(id, (*lane, *host, *volume), *again)])
            }

            (Request::Forget(_), ..) if is_over => recorded(vec![Effect::Remove(id)]),
            (Request::Forget(_), ..) => refused(Answer::NotNow),

            (Request::Move { place: Place::Before(other), .. }, ..) if *other == id => refused(Answer::Already),
            (Request::Move { place, .. }, ..) => self.place(draft, id, *place, |rank| Effect::Rank(id, rank)),
            (Request::Add { .. } | Request::Limit(_), ..) => refused(Answer::Unknown), // dealt with above
        }
    }

    /// What puts an entry at a place, `effect` with its rank.
    fn place(
        &mut self,
        draft: &Draft,
        id: EntryId,
        place: Place,
        effect: impl FnOnce(i64) -> Effect,
    ) -> (Answer, Option<Vec<Effect>>) {
        let at = match place {
            Place::Before(other) => draft.entry(&self.entries, other).map(|entry| entry.rank),
            Place::Top | Place::Bottom => None,
        };
        let Some(ranks) = self.order.place(id, place, at) else { return (Answer::Unknown, Some(Vec::new())) };
        if !ranks.moved.is_empty() && !draft.batch.effects.is_empty() {
            return (Answer::Recorded, None); // new ranks for all are given when nothing else is under way
        }
        let moved = ranks.moved.into_iter().map(|(id, rank)| Effect::Rank(id, rank));
        (Answer::Recorded, Some(moved.chain([effect(ranks.rank)]).collect()))
    }

    /// What was asked for is recorded, and counts from now on; whose entries it touches.
    pub(super) fn apply(&mut self, effect: Effect) -> Option<EntryId> {
        let id = effect.id();
        match effect {
            Effect::Limits(limits) => self.limits = limits,
            Effect::Insert(entry) => self.insert(entry),
            Effect::Remove(id) => self.remove(id),
            effect => {
                let before = self.entries.get(&effect.id()?).copied()?;
                if matches!(effect, Effect::Edit(_, _, true)) {
                    self.stop(before.id); // it goes on with what is new
                    self.slots.goes_on_anew(before.id);
                }
                self.unready(&before);
                self.order.remove(before.rank, before.id);
                let after = effect.on(Some(before))?;
                self.order.insert(after.rank, after.id);
                self.slots.moved(after.id, after.rank);
                if !matches!(after.rest, Rest::Later { .. }) {
                    self.forget_wait(after.id);
                }
                self.entries.insert(after.id, after);
            }
        }
        id
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        self.order.insert(entry.rank, entry.id);
        self.entries.insert(entry.id, entry);
        self.settle(entry.id);
    }

    pub(super) fn remove(&mut self, id: EntryId) {
        self.touched.insert(id);
        if let Some(entry) = self.entries.get(&id).copied() {
            self.unready(&entry);
            self.forget_wait(id);
            self.order.remove(entry.rank, id);
            self.entries.remove(&id);
            self.unrecorded.remove(&id);
        }
    }
}

impl Effect {
    fn id(&self) -> Option<EntryId> {
        match self {
            Self::Insert(entry) => Some(entry.id),
            Self::Remove(id) | Self::Wish(id, _) | Self::Queue(id) | Self::Rank(id, _) => Some(*id),
            Self::Edit(id, ..) => Some(*id),
            Self::Limits(_) => None,
        }
    }

    /// What it makes of an entry; `None`: there is none any more.
    fn on(&self, entry: Option<Entry>) -> Option<Entry> {
        let mut entry = match self {
            Self::Insert(entry) => return Some(*entry),
            Self::Remove(_) => return None,
            _ => entry?,
        };
        match self {
            Self::Wish(_, wish) => {
                entry.wish = *wish;
                // A person who releases or gives up does not want to wait for what the last run wanted to wait for.
                if *wish != Wish::Hold && matches!(entry.rest, Rest::Later { .. }) {
                    entry.rest = Rest::Queued;
                }
            }
            Self::Queue(_) => {
                (entry.wish, entry.rest) = (Wish::Run, Rest::Queued);
                wait::forgive(&mut entry);
            }
            Self::Rank(_, rank) => entry.rank = *rank,
            Self::Edit(_, (lane, host, volume), again) => {
                (entry.lane, entry.host, entry.volume) = (*lane, *host, *volume);
                if *again && entry.rest != Rest::Done {
                    let held = entry.wish == Wish::Hold;
                    (entry.wish, entry.rest) = (if held { Wish::Hold } else { Wish::Run }, Rest::Queued);
                    wait::forgive(&mut entry);
                }
            }
            Self::Insert(_) | Self::Remove(_) | Self::Limits(_) => {}
        }
        Some(entry)
    }
}

/// Requests that are recorded together, and what the list will say then.
#[derive(Debug, Default)]
struct Draft {
    batch: Batch,
    /// Entries as they will be; `None`: they leave the list.
    entries: BTreeMap<EntryId, Option<Entry>>,
    limits: Option<Limits>,
}

impl Draft {
    fn entry(&self, entries: &BTreeMap<EntryId, Entry>, id: EntryId) -> Option<Entry> {
        self.entries.get(&id).copied().unwrap_or_else(|| entries.get(&id).copied())
    }

    fn add(&mut self, entries: &BTreeMap<EntryId, Entry>, effect: Effect) {
        match (&effect, effect.id()) {
            (Effect::Limits(limits), _) => self.limits = Some(limits.clone()),
            (_, Some(id)) => {
                let after = effect.on(self.entry(entries, id));
                self.entries.insert(id, after);
            }
            (_, None) => {}
        }
        self.batch.effects.push(effect);
    }

    /// What is to be recorded of it, and of how runs ended.
    fn changes(&self, entries: &BTreeMap<EntryId, Entry>) -> Vec<Change> {
        let ends = self.batch.ends.iter().filter(|id| !self.entries.contains_key(id)).filter_map(|id| entries.get(id));
        let asked = self.entries.iter().map(|(id, entry)| entry.map_or(Change::Remove(*id), Change::Put));
        let limits = self.limits.clone().map(Change::Limits);
        asked.chain(ends.copied().map(Change::Put)).chain(limits).collect()
    }
}
