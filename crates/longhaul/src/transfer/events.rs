//! The events of a transfer, for any number of readers, and what a reader needs that comes late.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::ReusableBoxFuture;

use crate::event::Event;
use crate::sync::locked;

/// Events that a slow reader may fall behind before the oldest are dropped.
const EVENTS_MAX: usize = 256;

/// The events of a transfer: where it stands when this is made, then everything that happens.
///
/// The first ones say what was told before: [`Event::Started`] and [`Event::Resumed`] of the run under way, in the
/// order in which they happened, [`Event::Paused`] or [`Event::NeedsLink`] when it waits, and the last
/// [`Event::Progress`]. Of a transfer that is over, these are all there are.
pub struct Events {
    /// What was told before this was made.
    before: VecDeque<Event>,
    /// The next one; `None` when the transfer is over.
    next: Option<ReusableBoxFuture<'static, Received>>,
}

type Received = (Result<Event, RecvError>, broadcast::Receiver<Event>);

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("before", &self.before).field("over", &self.next.is_none()).finish()
    }
}

impl Events {
    /// The next event; `None` when the transfer is over. Events that were not read in time are skipped.
    ///
    /// # Cancel safety
    /// When the future is dropped no event is lost: the next call gives it.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.before.pop_front() {
            return Poll::Ready(Some(event));
        }
        while let Some(next) = &mut self.next {
            let (received, receiver) = ready!(next.poll(cx));
            match received {
                Err(RecvError::Closed) => self.next = None,
                Ok(event) => {
                    next.set(receive(receiver));
                    return Poll::Ready(Some(event));
                }
                Err(RecvError::Lagged(_)) => next.set(receive(receiver)),
            }
        }
        Poll::Ready(None)
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx)
    }
}

async fn receive(mut receiver: broadcast::Receiver<Event>) -> Received {
    (receiver.recv().await, receiver)
}

/// Where the handle finds the events. It does not keep them open: they end when the task does.
#[derive(Debug, Clone)]
pub(super) struct EventSource(Arc<Mutex<Audience>>);

/// Where the task tells them. They end when it is dropped.
#[derive(Debug)]
pub(super) struct EventSender(Arc<Mutex<Audience>>);

#[derive(Debug)]
struct Audience {
    /// `None` when the transfer is over.
    sender: Option<broadcast::Sender<Event>>,
    /// What a late reader is told first, in the order in which it happened; at most one of a kind.
    told: Vec<Event>,
    progress: Option<Event>,
}

/// A new transfer's events.
pub(super) fn channel() -> (EventSender, EventSource) {
    let (sender, _) = broadcast::channel(EVENTS_MAX);
    let audience = Arc::new(Mutex::new(Audience { sender: Some(sender), told: Vec::new(), progress: None }));
    (EventSender(audience.clone()), EventSource(audience))
}

impl EventSource {
    /// What was told so far, in short, and everything from now on: no event is between the two, and none in both.
    pub(super) fn events(&self) -> Events {
        let audience = locked(&self.0);
        let before = audience.told.iter().chain(&audience.progress).cloned().collect();
        let next = audience.sender.as_ref().map(|sender| ReusableBoxFuture::new(receive(sender.subscribe())));
        Events { before, next }
    }
}

impl EventSender {
    /// A run begins: what an earlier one told does not count any more.
    pub(super) fn begin_run(&self) {
        locked(&self.0).told.clear();
    }

    pub(super) fn send(&self, event: Event) {
        let mut audience = locked(&self.0);
        audience.keep(&event);
        if let Some(sender) = &audience.sender {
            let _ = sender.send(event); // no reader: fine
        }
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        locked(&self.0).sender = None;
    }
}

impl Audience {
    fn keep(&mut self, event: &Event) {
        match event {
            Event::Progress(_) => self.progress = Some(event.clone()),
            Event::Started { .. } | Event::Resumed { .. } | Event::Paused { .. } | Event::NeedsLink => {
                let kind = std::mem::discriminant(event);
                self.told.retain(|told| std::mem::discriminant(told) != kind);
                self.told.push(event.clone());
            }
            // What was taken up is given up.
            Event::Restarted { .. } => self.told.retain(|told| !matches!(told, Event::Resumed { .. })),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Progress;

    fn started() -> Event {
        Event::Started { path: "x".into(), total: Some(10), resumable: true }
    }

    fn progress(received: u64) -> Event {
        Event::Progress(Progress { received, ..Progress::default() })
    }

    async fn all(mut events: Events) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = events.next().await {
            all.push(event);
        }
        all
    }

    #[tokio::test]
    async fn a_late_reader_is_told_where_the_transfer_stands_and_then_everything() {
        let (sender, source) = channel();
        let early = source.events();
        let resumed = || Event::Resumed { held: 3, total: Some(10) };
        for event in [resumed(), started(), progress(3), progress(4)] {
            sender.send(event);
        }
        let late = source.events();
        sender.send(progress(5));
        let paused = || Event::Paused { held: 5, total: Some(10) };
        sender.send(paused());
        let waiting = source.events();
        sender.begin_run();
        sender.send(started());
        let after = source.events();
        drop(sender);
        let before = [resumed(), started(), progress(3), progress(4), progress(5), paused(), started()];
        assert_eq!(all(early).await, before);
        assert_eq!(all(late).await, [resumed(), started(), progress(4), progress(5), paused(), started()]);
        assert_eq!(all(waiting).await, [resumed(), started(), paused(), progress(5), started()]);
        assert_eq!(all(after).await, [started(), progress(5)]);
        assert_eq!(all(source.events()).await, [started(), progress(5)], "the transfer is over");
    }

    #[tokio::test]
    async fn bytes_that_were_given_up_are_not_resumed_for_a_late_reader() {
        let (sender, source) = channel();
        sender.send(Event::Resumed { held: 3, total: None });
        sender.send(Event::Restarted { reason: crate::event::Restart::SyncFailed.into(), discarded: 3 });
        drop(sender);
        assert_eq!(all(source.events()).await, []);
    }

    /// A future that was polled and dropped has taken no event with it.
    #[tokio::test]
    async fn a_dropped_wait_loses_no_event_and_a_stream_gives_the_same() {
        let (sender, source) = channel();
        let mut events = source.events();
        {
            let mut next = std::pin::pin!(events.next());
            assert!(std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await);
        }
        sender.send(progress(1));
        sender.send(progress(2));
        assert_eq!(events.next().await, Some(progress(1)));
        let streamed = std::future::poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await;
        assert_eq!(streamed, Some(progress(2)));
    }

    #[tokio::test]
    async fn a_slow_reader_gets_the_newest() {
        let (sender, source) = channel();
        let events = source.events();
        let count = EVENTS_MAX as u64 + 10;
        (0..count).for_each(|n| sender.send(progress(n)));
        drop(sender);
        let all = all(events).await;
        assert_eq!((all.len(), all.last()), (EVENTS_MAX, Some(&progress(count - 1))));
    }
}
