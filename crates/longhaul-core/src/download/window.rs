//! Where the file's offsets lie in the object, when only a part of it is wanted.
//!
//! Everything else counts in the file. A request is translated when it is sent ([`Download::place`]) and never reaches
//! over the end of a piece ([`Download::within_piece`]); a reply is translated back while it is judged
//! ([`judge_part`]). Of the whole object, both offsets are the same.

use super::Download;
use crate::identity::Identity;
use crate::reply::{RangeRequest, ReplyFacts, ReplyVerdict, judge, judge_part};
use crate::window::{Pieces, Window, WindowPart, WindowPiece, WindowUnresolved};

/// What a request asks for, in the object.
pub(super) struct ObjectSpan {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    pub(super) last: Option<u64>,
}

impl Download {
    fn window(&self) -> &Window {
        &self.config.source.window
    }

    pub(super) fn has_several_pieces(&self) -> bool {
        self.window().parts().len() > 1
    }

    /// Whether where the file begins depends on the object's length.
    pub(super) fn begins_with_last(&self) -> bool {
        matches!(self.window().parts().first(), Some(WindowPart::Last(_)))
    }

    /// The pieces in an object of this length.
    fn resolve(&self, length: Option<u64>) -> Result<Pieces, WindowUnresolved> {
        self.window().resolve(length)
    }

    /// The piece that a byte of the file is of, in the version that is known.
    fn piece_at(&self, offset: u64) -> Option<WindowPiece> {
        let known = self.files.finished().or(self.files.current().map(|g| &g.begin.identity))?;
        self.resolve(known.of).ok()?.at(offset)
    }

    /// Where a request that begins at `start` has to end, if not before.
    pub(super) fn within_piece(&self, start: u64, end: Option<u64>) -> Option<u64> {
        if self.window().is_whole() {
            return end;
        }
        let piece = self.piece_at(start).map(WindowPiece::file_end);
        [end, piece].into_iter().flatten().min()
    }

    /// What to ask the server for. A probe does not know how long the object is, and asks for the first piece.
    pub(super) fn place(&self, asked: &RangeRequest, probe: bool) -> ObjectSpan {
        let place = |start, end| ObjectSpan { start, end, last: None };
        let Some(part) = self.window().parts().first() else { return place(asked.start, asked.end) };
        if let Some(piece) = self.piece_at(asked.start).filter(|_| !probe) {
            let end = asked.end.unwrap_or(u64::MAX).min(piece.file_end());
            return place(piece.in_object(asked.start), Some(piece.in_object(end)));
        }
        let bound = |start: u64| asked.end.map(|end| start.saturating_add(end));
        match *part {
            WindowPart::From(start) => place(start, bound(start)),
            WindowPart::Span(range) => {
                let (start, len) = (range.start, range.len());
                place(start, Some(bound(start).unwrap_or(u64::MAX).min(start + len)))
            }
            WindowPart::Last(count) => ObjectSpan { start: 0, end: None, last: Some(count) },
        }
    }

    /// What the reply to such a request is worth, in offsets of the file.
    pub(super) fn judge(&self, asked: RangeRequest, recorded: Option<&Identity>, facts: &ReplyFacts) -> ReplyVerdict {
        match self.window().is_whole() {
            true => judge(asked, recorded, facts),
            false => judge_part(|length| self.resolve(length), asked, recorded, facts),
        }
    }
}
