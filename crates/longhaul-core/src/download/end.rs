//! The ends of bodies: whole, cut, or stopped.

use super::Download;
use super::line::{Flow, LineStream};
use super::step::{Failure, Note, StreamEnd, Trouble};
use crate::words::NetFault;

/// Why `require_length` refuses.
pub(super) const NO_LENGTH: &str = "the reply has no length and ends when the connection closes";

impl Download {
    pub(super) fn hear_end(&mut self, stream: LineStream, end: StreamEnd, at: u64) {
        if end == StreamEnd::Complete && stream.flow == Flow::Flowing {
            self.line.connection_waits();
        }
        match end {
            StreamEnd::Complete | StreamEnd::Reached => self.hear_whole_body(&stream, at),
            StreamEnd::Failed(fault @ (NetFault::Tls | NetFault::Proxy | NetFault::Redirect)) => {
                self.fail(Failure::GaveUp(Trouble::Net(fault)));
            }
            StreamEnd::Failed(fault) => {
                // A connection that serves no more is not asked again. Where it was a new one that failed, a kept one
                // may be the only one that the server allows.
                self.line.distrust_connection(!stream.fresh);
                // A kept connection that the server closed while it was idle says so only when it is used again (RFC
                // 9112, 9.3.1). That is no failure; asking on a fresh one is not free a second time.
                let idle_closed =
                    fault == NetFault::Cut && stream.flow == Flow::Asked && !stream.fresh && self.line.was_answered();
                if stream.flow == Flow::Stopping || idle_closed {
                    return;
                }
                let why = Trouble::Net(fault);
                if stream.gained || !self.refused_one_more(stream.ticket, why.clone(), None) {
                    self.failed(self.in_vain().unwrap_or(why), None);
                }
            }
            StreamEnd::Disk(fault) => self.fail_disk(fault, "write"),
            StreamEnd::Stopped => self.hear_unasked_end(&stream),
        }
    }

    /// We did not stop it, and it did not come to its end: where its bytes cannot go, say. A failure like others, or
    /// the same would be asked for at once and for ever.
    fn hear_unasked_end(&mut self, stream: &LineStream) {
        if stream.flow != Flow::Stopping && !self.phase.is_ending() {
            self.failed(Trouble::Short, None);
        }
    }

    fn hear_whole_body(&mut self, stream: &LineStream, at: u64) {
        if stream.flow != Flow::Flowing {
            return self.hear_unasked_end(stream);
        }
        let Some(g) = self.files.current() else { return };
        let length_unknown = g.begin.identity.length.is_none() && stream.whole;
        if length_unknown && !stream.close_framed && g.held.list().last().is_some_and(|k| k.extent.end() > at) {
            return self.contradicted(); // bytes are held behind the end
        }
        if length_unknown && g.held.covers(at) && g.held.total() == at {
            // Whichever reply the bytes before came with: this one told where the end is.
            if stream.close_framed {
                if self.config.require_length {
                    return self.fail(Failure::NotProvable(NO_LENGTH));
                }
                self.files.end_not_provable();
                self.note(Note::EndNotProvable);
            }
            return self.length_known(at);
        }
        if !stream.gained && stream.whole && !g.begin.identity.is_strong() && !g.is_whole() {
            // A whole body that ends before what is held, or is known of the length: without a validator that may be
            // another object, and to go on asking for the rest of this one would never end.
            self.belief.refute(g.begin.generation);
        }
        if (!stream.gained && !stream.was_narrowed() || self.belief.is_one_reply()) && !g.is_whole() {
            // No new byte came, or none that can be added to: count it, or a server could keep us busy for ever.
            self.failed(self.in_vain().unwrap_or(Trouble::Short), None);
        }
    }
}
