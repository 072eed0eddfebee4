//! Where the bytes of a transfer are that does not run, from its journal.

use std::path::Path;

use longhaul_core::ranges::{Range, joined};

use super::show::Inspection;
use crate::client::Client;
use crate::error::Error;
use crate::map::PieceMap;

impl Client {
    /// The map of a download that does not run, from its journal; of a finished one, all of it. `what` is taken as by
    /// [`inspect`](Self::inspect): the target, or the id of a transfer in the list.
    ///
    /// # Blocking
    /// It reads the journal: from async code, call it on a thread that may block (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub fn map_of(&self, what: impl AsRef<Path>) -> Result<PieceMap, Error> {
        let found = match self.inspect(what)? {
            Inspection::Finished(finished) => return Ok(PieceMap::whole(finished.length)),
            Inspection::Unfinished(found) => found,
        };
        let list = |ranges: &[std::ops::Range<u64>]| -> Vec<Range> {
            ranges.iter().map(|range| Range::new(range.start, range.end)).collect()
        };
        let (durable, mut held) = (list(&found.claimed), list(&found.hinted));
        held.extend(&durable);
        held.sort_unstable();
        // Of a range, the object's length is another one than the file's; what is to be fetched ends with the file.
        let total = match (&found.range, found.fetch.last()) {
            (None, _) => found.object.as_ref().and_then(|object| object.length),
            (Some(_), Some(last)) if last.end.is_none() => None,
            (Some(_), last) => last.and_then(|last| last.end).max(held.last().map(|range| range.end)),
        };
        Ok(PieceMap::of(total, joined(held), durable, Vec::new()))
    }

    /// The map of an upload that is not finished, from its journal: the parts that the store has acknowledged.
    ///
    /// # Blocking
    /// It reads the journals of all uploads: from async code, call it on a thread that may block
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no readable journal of it.
    #[cfg(feature = "upload")]
    pub fn map_of_upload(&self, id: &str) -> Result<PieceMap, Error> {
        let recovered = self.recorded_upload(id)?;
        let Some(attempt) = recovered.attempts.last() else { return Ok(PieceMap::default()) };
        let (len, part_len) = (attempt.facts.len, attempt.part_len);
        let mut numbers: Vec<u64> = attempt.parts.iter().map(|part| part.number.into()).collect();
        numbers.sort_unstable();
        let range = |number: u64| {
            let start = number.saturating_sub(1).saturating_mul(part_len).min(len);
            Range::new(start, start.saturating_add(part_len).min(len))
        };
        let stored = if attempt.stored { joined([Range::new(0, len)]) } else { joined(numbers.into_iter().map(range)) };
        Ok(PieceMap::of(Some(len), stored.clone(), stored, Vec::new()))
    }
}
